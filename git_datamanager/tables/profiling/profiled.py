"""What a profile says of tables. Pure: docs/design/tables.md, "Profile"."""

from dataclasses import dataclass
from typing import NamedTuple

from git_datamanager.tables.values import Cell


class Frequent(NamedTuple):
    """A value and how often it stands in its column."""

    value: Cell
    times: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnProfile:
    """One column. Texts and blobs are cut after 200 characters or bytes."""

    name: str
    type: str
    """As declared; of CSV what all cells look like."""
    classes: tuple[tuple[str, int], ...] = ()
    """SQLite: the storage classes of cells that are not NULL, the most frequent first, with their counts."""
    nulls: int
    empty: int
    """Texts without a character."""
    minimum: Cell = None
    maximum: Cell = None
    mean: float | None = None
    """Of the numbers in it; None where there are none."""
    distinct: int
    """Values that are not NULL, each counted once."""
    is_distinct_exact: bool = True
    """False: an estimate."""
    top: tuple[Frequent, ...] = ()
    """The most frequent, five at most; none where no value stands there twice."""
    is_top_exact: bool = True
    """False: counted in a sample, and scaled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableProfile:
    """One table."""

    name: str
    rows: int | None
    key: tuple[str, ...] = ()
    columns: tuple[ColumnProfile, ...] = ()
    note: str | None = None
    """Why it could not be looked into, or not into all of it."""

    def null_share(self, column: ColumnProfile) -> float:
        return column.nulls / self.rows if self.rows else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceProfile:
    """One file."""

    kind: str
    """sqlite, parquet, csv, jsonl, other."""
    size: int
    """Bytes."""
    tables: tuple[TableProfile, ...] = ()
    note: str | None = None
    """Why a file that seems to hold tables has none."""
