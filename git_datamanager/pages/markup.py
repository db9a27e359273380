"""HTML that is put together safely: text is escaped wherever it is put in, unless it is HTML already.

Names, notes and cells are what a stranger wrote. No page of ours is made by joining strings: it is made of
`tag` and `text`, which escape, and make visible what would hide or reorder what is read.
"""

import html
import re
from collections.abc import Iterable

_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ud800-\udfff\ufeff\uffa0\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e007f]"
)
"""Controls, marks that reorder or join, blanks of no width, fillers, halves of characters."""
_VOID = frozenset({"meta", "input", "br", "link"})


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def readable(value: str) -> str:
    """The text with everything visible that could not be seen."""
    return _UNSEEN.sub(lambda found: _escape(found[0]), value)


def _escape(character: str) -> str:
    number = ord(character)
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"


def text(value: str) -> Html:
    """Escaped; HTML stays as it is. What could not be seen is marked as a sign of its own."""
    if isinstance(value, Html):
        return value
    if value.isascii() and value.isprintable():  # nearly every text there is
        return Html(html.escape(value))
    marked = _UNSEEN.sub(lambda found: f"\0{_escape(found[0])}\1", value)
    return Html(
        html.escape(marked).replace("\0", '<span class="unseen">').replace("\1", "</span>")
    )  # no NUL and no SOH are left in it but ours


def tag(name: str, /, *children: str, **attributes: str | int | bool | None) -> Html:
    """An element. `class_` and `data_x` become `class` and `data-x`; None and False leave an attribute out.

    Names of elements and attributes are ours, never from elsewhere.
    """
    words = [name]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        attribute = key.rstrip("_").replace("_", "-")
        words.append(attribute if value is True else f'{attribute}="{html.escape(readable(str(value)))}"')
    opening = f"<{' '.join(words)}>"
    return Html(opening if name in _VOID else f"{opening}{join(children)}</{name}>")


def join(parts: Iterable[str], between: str = "") -> Html:
    """One after the other, each escaped unless it is HTML."""
    return Html(text(between).join(map(text, parts)))
