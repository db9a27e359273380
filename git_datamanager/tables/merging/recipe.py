"""How a file with the rows of both sides is put together from those of the sides: docs/design/rowmerge.md.

Rows are told by their number in their file, from 0; whatever is taken over is taken as it stands there, and
not as an engine would write it. Pure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

OURS, THEIRS, BASE = "o", "t", "b"


class Mixed(NamedTuple):
    """A row of ours that changes."""

    theirs: int | None
    """Its number there; None where nothing is taken from there."""
    base: int | None
    sources: str
    """For each column the letter of the side whose cell it has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    columns: tuple[str, ...]
    """Of the result: those of ours in their order, then what theirs alone has."""
    own: int
    """How many of them ours has."""
    count: int
    """Rows of ours."""
    mixed: dict[int, Mixed]
    gone: frozenset[int]
    new: tuple[tuple[str, int], ...]
    """Side and number of the rows that come at the end."""

    def wanted(self, side: str) -> set[int]:
        """The rows of theirs or base that cells are taken from."""
        rows = {number for one, number in self.new if one == side}
        places = ((mixed.theirs if side == THEIRS else mixed.base, mixed) for mixed in self.mixed.values())
        return rows | {place for place, mixed in places if place is not None and side in mixed.sources}


def recipe(
    columns: Sequence[str],
    own: int,
    count: int,
    changed: Iterable[tuple[int, int | None, int | None, str]],
    gone: Iterable[int],
    new: Iterable[tuple[str, int]],
) -> Recipe:
    """Of a row that changes in the end nothing is said: ours has made the same change."""
    return Recipe(
        columns=tuple(columns),
        own=own,
        count=count,
        mixed={
            here: Mixed(there, before, sources)
            for here, there, before, sources in changed
            if sources.strip(OURS)
        },
        gone=frozenset(gone),
        new=tuple(new),
    )
