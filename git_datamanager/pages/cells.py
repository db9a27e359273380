"""Cells of a table as HTML: what they hold, of which kind, and where two of them differ."""

from git_datamanager.pages.markup import Html, join, tag, text
from git_datamanager.tables.values import Cell, shown

LIMIT = 200
"""Characters of a cell that are shown."""
_LEAD = 40
"""Characters before the first difference of two long texts."""
_BLOCK = 1 << 16
_WORDS = {bool: "boolean", int: "integer", float: "real", str: "text", bytes: "blob", type(None): "NULL"}


def cell(value: Cell, start: int = 0) -> Html:
    """`start`: the first character or byte that is shown; what was cut says how long the whole is."""
    match value:
        case None:
            return tag("span", "NULL", class_="none")
        case str():
            return _written(value, start)
        case bool() | int() | float():
            return text(shown(value))
        case bytes():
            return tag("span", _blob(value, start), class_="blob")
        case _:
            return _written(str(value), start)


def cell_change(before: Cell, after: Cell) -> tuple[Html, Html]:
    """Both sides of a cell, so that they can be told apart: long texts from where they differ, values that
    look alike with their types."""
    start = _start(before, after, LIMIT // 2, _LEAD)
    old, new = cell(before, start), cell(after, start)
    if old == new:
        old, new = _typed(old, before), _typed(new, after)
    return old, new


def plain_change(before: Cell, after: Cell, limit: int = 60) -> tuple[str, str]:
    """The same without HTML, in so many characters."""
    start = _start(before, after, limit // 2, limit // 4)
    old, new = _plain(before, start, limit), _plain(after, start, limit)
    if old == new:
        old, new = f"{old} ({_word(before)})", f"{new} ({_word(after)})"
    return old, new


def _plain(value: Cell, start: int, limit: int) -> str:
    whole = _sequence(value)
    part = whole[start : start + (limit // 2 if isinstance(whole, bytes) else limit)]
    if not whole or len(part) == len(whole):
        return shown(value, limit) if not isinstance(value, bytes) else f"x'{value.hex()}'"
    words = part.hex() if isinstance(part, bytes) else part
    return f"{'…' if start else ''}{words}{'…' if start + len(part) < len(whole) else ''}"


def _start(before: Cell, after: Cell, limit: int, lead: int) -> int:
    """Where to begin, so that the first difference of long values is seen."""
    one, other = _sequence(before), _sequence(after)
    if type(one) is not type(other) or max(len(one), len(other)) <= limit:
        return 0
    return max(0, first_difference(one, other) - lead)


def first_difference(one: str | bytes, other: str | bytes) -> int:
    """Where two texts, or two blobs, part; the length of the shorter where it begins the other."""
    end = min(len(one), len(other))
    at = 0
    while at < end and one[at : at + _BLOCK] == other[at : at + _BLOCK]:
        at += _BLOCK
    while at < end and one[at] == other[at]:
        at += 1
    return min(at, end)


def is_number(value: Cell) -> bool:
    """Whether it belongs to the right, under its like."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _sequence(value: Cell) -> str | bytes:
    """What is cut where it is long."""
    match value:
        case str() | bytes():
            return value
        case None | bool() | int() | float():
            return ""
        case _:
            return str(value)


def _typed(seen: Html, value: Cell) -> Html:
    return join([seen, tag("small", f" {_word(value)}")])


def _word(value: Cell) -> str:
    return _WORDS.get(type(value), type(value).__name__)


def _blob(value: bytes, start: int) -> Html:
    part = value[start : start + LIMIT // 2]
    if len(part) == len(value):
        return text(f"x'{value.hex()}'")
    head, tail = ("…" if start else ""), ("…" if start + len(part) < len(value) else "")
    return join([f"x'{head}{part.hex()}{tail}'", tag("small", f" {len(value)} bytes")])


def _written(value: str, start: int) -> Html:
    if not value:
        return tag("span", "empty", class_="none")
    part = value[start : start + LIMIT]
    body = part.strip(" ")
    if body:  # blanks at an end are easily overlooked
        at = part.index(body[0])
        parts = [_blanks(at), _lines(body), _blanks(len(part) - at - len(body))]
    else:
        parts = [_blanks(len(part))]
    if len(part) < len(value):
        head, tail = ("…" if start else ""), ("…" if start + LIMIT < len(value) else "")
        parts = [text(head), *parts, text(tail), tag("small", f" {len(value)} characters")]
    return join(parts)


def _blanks(count: int) -> Html:
    return tag("span", "␣" * count, class_="unseen") if count else Html("")


def _lines(body: str) -> Html:
    """Ends of lines and tabs, which a page would show as any blank."""
    lines = [join(line.split("\t"), tag("span", "⇥", class_="unseen")) for line in body.split("\n")]
    return join(lines, join([tag("span", "↵", class_="unseen"), "\n"]))
