"""Rows that both sides changed differently, found by either engine: docs/design/rowmerge.md. Pure."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from git_datamanager.errors import DataError
from git_datamanager.tables.merging.merged import Clash, Take
from git_datamanager.tables.merging.rowmerge import CLASH, CLASH_MARKS, Three
from git_datamanager.tables.result import Row
from git_datamanager.tables.schema import folded
from git_datamanager.tables.values import Cell, shown

REMOVED, CHANGED = "removed", "changed"
Deciding = Callable[[Clash], Take | None]


class Torn(NamedTuple):
    """One answer to `torn_rows`."""

    gone: str
    """The side that removed the row, `o` or `t`; empty where both have it."""
    is_old: bool
    """Base has the row."""
    sources: str
    places: Sequence[int | None]
    """In base, ours and theirs, where it lies in files."""
    base: Sequence[Cell]
    ours: Sequence[Cell]
    theirs: Sequence[Cell]

    @classmethod
    def of(cls, row: Row, width: int) -> "Torn":
        base, ours, theirs = (row[len(row) - n * width : len(row) - (n - 1) * width] for n in (3, 2, 1))
        places = row[CLASH_MARKS : len(row) - 3 * width]
        return cls(row[0], bool(row[1]), row[2], places, base, ours, theirs)


class Outcome(NamedTuple):
    """What becomes of a torn row."""

    verb: str
    """`changed` and `gone` of rows of ours, `new` of others; `kept` where ours stays as it is."""
    sources: str
    """For each column the letter of the side whose cell it has."""


def decided(table: str, three: Three, torn: Torn, decide: Deciding) -> Outcome | None:
    """None while some clash of the row is not decided. Raises DataError where base, which does not have the
    row, is to give some of its cells."""
    takes = [decide(clash) for clash in _clashes(table, three, torn)]
    if None in takes:
        return None
    letters = [take[0] for take in takes if take is not None]
    width = len(three.columns)
    if torn.gone:
        return _whole(torn.gone, letters[0], width)
    if not torn.is_old and Take.BASE in takes:
        if set(takes) != {Take.BASE}:
            key = ", ".join(shown(cell) for cell in _key(three, torn.ours))
            raise DataError(
                f"both sides added the row {key} of {table}, and base has none: base is taken for all its"
                " conflicts, or for none",
            )
        return Outcome("gone", "")
    waiting = iter(letters)
    sources = "".join(next(waiting) if letter == CLASH else letter for letter in torn.sources)
    return Outcome("changed" if sources.strip("o") else "kept", sources)


def _whole(gone: str, letter: str, width: int) -> Outcome:
    """Of a row that one side removed: `letter` says which side decides."""
    if letter == "o":
        return Outcome("kept", "")
    if letter == gone:
        return Outcome("gone", "")
    return Outcome("new" if gone == "o" else "changed", letter * width)


def _clashes(table: str, three: Three, torn: Torn) -> Iterator[Clash]:
    if torn.gone:
        words = (REMOVED, CHANGED) if torn.gone == "o" else (CHANGED, REMOVED)
        yield Clash(table, "row", _key(three, torn.base), None, None, *words)
        return
    for n, (column, letter) in enumerate(zip(three.columns, torn.sources, strict=True)):
        if letter == CLASH:
            was = torn.base[n] if torn.is_old else None
            yield Clash(table, "cell", _key(three, torn.ours), column.name, was, torn.ours[n], torn.theirs[n])


def _key(three: Three, row: Sequence[Cell]) -> tuple[Cell, ...]:
    places = {folded(column.name): n for n, column in enumerate(three.columns)}
    return tuple(row[places[folded(column.name)]] for column in three.key)
