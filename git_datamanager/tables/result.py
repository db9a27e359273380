"""What a comparison found. Pure: docs/design/tables.md, "Result"."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from git_datamanager.tables.schema import Change, ColumnChange, ThingChange, folded
from git_datamanager.tables.values import Cell, same

Row = tuple[Cell, ...]


class RowChange(NamedTuple):
    """A row that is not the same on both sides, or not as often."""

    before: Row | None
    after: Row | None
    times: int = 1
    """How often more it stands on the side that has it; other than 1 in multisets alone."""

    @property
    def change(self) -> Change:
        if self.before is None:
            return Change.ADDED
        return Change.REMOVED if self.after is None else Change.CHANGED


class CellChange(NamedTuple):
    column: str
    before: Cell
    after: Cell


@dataclass(frozen=True, slots=True, kw_only=True)
class TableDiff:
    """One table on both sides. Counts are exact, `samples` are some of the rows they count."""

    name: str
    change: Change
    was: str | None = None
    """Its name before, where that has another case."""
    rows_before: int | None = None
    rows_after: int | None = None
    key: tuple[str, ...] = ()
    """The columns that rows are matched by; none for a multiset."""
    before_columns: tuple[str, ...] = ()
    """Of the rows in `samples`."""
    after_columns: tuple[str, ...] = ()
    columns: tuple[ColumnChange, ...] = ()
    added: int = 0
    removed: int = 0
    changed: int = 0
    samples: tuple[RowChange, ...] = ()
    note: str | None = None
    """Why it was compared otherwise than one would expect, or not at all."""
    is_compared: bool = True

    @property
    def unchanged(self) -> int | None:
        """Rows of the `before` side that are on the other side as they were."""
        return None if self.rows_before is None else self.rows_before - self.removed - self.changed

    @property
    def is_complete(self) -> bool:
        """`samples` are all rows that differ."""
        return sum(row.times for row in self.samples) == self.added + self.removed + self.changed

    def cells(self, row: RowChange) -> Iterator[CellChange]:
        """The shared cells of a changed row that differ."""
        if row.before is None or row.after is None:
            return
        new = dict(zip(map(folded, self.after_columns), row.after, strict=True))
        for name, old in zip(self.before_columns, row.before, strict=True):
            if folded(name) in new and not same(old, new[folded(name)]):
                yield CellChange(name, old, new[folded(name)])

    def key_of(self, row: RowChange) -> Row:
        """The key of a row, as its own side has it; none in a multiset."""
        names, cells = (
            (self.after_columns, row.after) if row.after is not None else (self.before_columns, row.before)
        )
        found = dict(zip(map(folded, names), cells or (), strict=True))
        return tuple(found[folded(name)] for name in self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceDiff:
    """Two files that hold versions of one dataset, or of a member of one."""

    kind: str
    """sqlite, parquet, csv, jsonl, other."""
    size_before: int | None
    """Bytes; None where there is no such side."""
    size_after: int | None
    is_same_bytes: bool = False
    is_partial: bool = False
    """Less than all of it was asked for: some tables, some rows, or the schema."""
    tables: tuple[TableDiff, ...] = ()
    things: tuple[ThingChange, ...] = ()
    common: int | None = None
    """Of other files: how many bytes of `after` stand in `before` too, block by block."""
    note: str | None = None

    @property
    def is_compared(self) -> bool:
        """As tables, each of them."""
        return self.kind != "other" and all(table.is_compared for table in self.tables)

    @property
    def differs(self) -> bool:
        """What was asked for is not the same, or nobody could say."""
        if self.is_same_bytes:
            return False
        is_same = all(table.change is Change.SAME for table in self.tables)
        return not (self.is_compared and is_same and not self.things)

    @property
    def is_same_data(self) -> bool:
        """Nothing differs but bytes."""
        return self.is_same_bytes or not (self.is_partial or self.differs)

    @property
    def added(self) -> int:
        return sum(table.added for table in self.tables)

    @property
    def removed(self) -> int:
        return sum(table.removed for table in self.tables)

    @property
    def changed(self) -> int:
        return sum(table.changed for table in self.tables)
