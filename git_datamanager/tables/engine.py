"""What a comparison asks of an engine: docs/design/tables.md."""

from collections.abc import Callable, Iterator, Sequence
from enum import IntEnum
from typing import Protocol

from git_datamanager.errors import DataError
from git_datamanager.tables.result import Row
from git_datamanager.tables.rowdiff import Dialect, Pair
from git_datamanager.tables.schema import Schema, Table
from git_datamanager.tables.values import Cell

MEMORY = 320 << 20
"""Bytes that DuckDB may hold before it spills to the disk, where nobody says otherwise."""
ROWS = "rows"
"""The one table of a file that holds rows and has no name for them."""


class Side(IntEnum):
    BEFORE = 0
    AFTER = 1

    @property
    def word(self) -> str:
        return self.name.lower()


class Engine(Protocol):
    """Two sources opened side by side, to be read and never written."""

    @property
    def dialect(self) -> Dialect: ...

    def schema(self, side: Side) -> Schema:
        """Raises Corrupt where the file cannot be read as what it seems to be."""
        ...

    def relation(self, side: Side, table: Table) -> str:
        """The table as it stands in FROM."""
        ...

    def scope(self, side: Side, table: Table) -> tuple[str, Sequence[str]]:
        """The rows as a condition of the reader's own sees them, as they stand in FROM, and what to SELECT
        from that for the cells as they are."""
        ...

    def is_unique(self, table: Table, key: Sequence[str]) -> bool:
        """The engine itself holds that no two rows have one key, and none has NULL in it."""
        ...

    def is_one_to_one(self, before: Table, after: Table, key: Sequence[Pair]) -> bool:
        """A key that is unique on both sides is known to match one row at most of the other side."""
        ...

    def partners(self, before: Table, after: Table) -> Callable[[str, str], str] | None:
        """A condition that pairs each row with at most one of the other side, whatever it holds; None where
        the engine knows no such thing."""
        ...

    def packed(self, side: Side, table: Table) -> str | None:
        """The rows as lists in one column `cells`, where the tables are too wide to be compared otherwise."""
        ...

    def has_integers(self, before: Table, after: Table, key: Sequence[Pair]) -> bool:
        """The key is one column in which both sides hold nothing but integers, and finding one is cheap."""
        ...

    joins_fully: bool
    """FULL JOIN costs no more than LEFT JOIN."""
    widest: int
    """So many columns a result may have."""

    def rows(self, sql: str, values: Sequence[Cell] = ()) -> Iterator[Row]:
        """Raises Unreadable where the rows cannot be read to their end."""
        ...


class Unreadable(Exception):
    """Why one table could not be read; the others may still be."""

    def __init__(self, message: str, words: str = "") -> None:
        super().__init__(message)
        self.words = words or message
        """What the engine itself says."""


class NotInstalled(DataError):
    """The library that reads files of this kind is not there."""
