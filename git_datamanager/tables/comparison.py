"""One table that both sides have, row by row: docs/design/tables.md, "What is compared"."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from git_datamanager.tables.engine import Engine, Side
from git_datamanager.tables.keys import Match, match
from git_datamanager.tables.result import Row, RowChange, TableDiff
from git_datamanager.tables.rowdiff import (
    Pair,
    Sides,
    all_changes,
    changed_or_gone,
    new_rows,
    oftener,
    quoted,
    row_of,
    rows_at_end,
    split,
)
from git_datamanager.tables.schema import Change, ColumnChange, Table, shared

_SORTED_BY = 8
"""Columns that rows without a key are put in order by."""


def count(engine: Engine, relation: str) -> int:
    """Rows of a relation. Raises Unreadable."""
    return int(next(engine.rows(f"SELECT count(*) FROM {relation}"))[0])


def one_sided(
    engine: Engine, relation: str, table: Table, key: Sequence[str], limit: int | None
) -> Iterator[Row]:
    """The first rows of a relation that has no other side. Raises Unreadable."""
    if not table.columns:
        return iter(
            [()] * (count(engine, relation) if limit is None else min(limit, count(engine, relation)))
        )
    cells = ", ".join(engine.dialect.shown(quoted(column.name), column) for column in table.columns)
    there = [name for name in key if name in table.names] or table.names[:_SORTED_BY]
    order = ", ".join(map(quoted, there))
    end = "" if limit is None else f" LIMIT {limit}"
    return engine.rows(f"SELECT {cells} FROM {relation} ORDER BY {order}{end}")


class _Tally:
    """Counts rows, and keeps the first of each kind."""

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self.counts = dict.fromkeys(Change, 0)
        self._kept: dict[Change, list[RowChange]] = {change: [] for change in Change}

    def wants(self, change: Change) -> bool:
        return self._limit is None or len(self._kept[change]) < self._limit

    def take(self, row: RowChange) -> None:
        change = row.change
        self.counts[change] += row.times
        if self.wants(change):
            self._kept[change].append(row)

    @property
    def samples(self) -> tuple[RowChange, ...]:
        order = (Change.CHANGED, Change.ADDED, Change.REMOVED)
        return tuple(row for change in order for row in self._kept[change])


class Comparison:
    """A table before and after."""

    def __init__(
        self,
        engine: Engine,
        tables: tuple[Table, Table],
        relations: tuple[str, str],
        keys: Sequence[Sequence[str]],
        limit: int | None,
    ) -> None:
        """`relations`: its rows on each side, as they stand in FROM; `keys`: columns to match
        them by, in order of preference; `limit`: rows kept of each kind, None for all."""
        self._engine = engine
        self._tables = tables
        self._sides = Sides(*relations, tuple(shared(*tables)), engine.dialect)
        self._is_all = relations == tuple(map(engine.relation, Side, tables))
        self._counts = (count(engine, relations[0]), count(engine, relations[1]))
        self._keys = keys
        self._limit = limit

    def diff(self, outline: TableDiff) -> TableDiff:
        """Fill in what `outline` says of the columns already. Raises Unreadable."""
        if not self._sides.shared:
            return self._disjoint(outline)
        found, tally = match(self._engine, self._tables, self._sides, self._keys), _Tally(self._limit)
        for row in self._rows(found, tally):
            tally.take(row)
        names = (self._tables[0].names, self._tables[1].names) if found.key else self._shared_names()
        counts = tally.counts
        return replace(
            outline,
            change=Change.CHANGED if any(counts.values()) else outline.change,
            rows_before=self._counts[0],
            rows_after=self._counts[1],
            key=tuple(pair[0].name for pair in found.key),
            before_columns=names[0],
            after_columns=names[1],
            columns=tuple(map(self._filled, outline.columns)),
            added=counts[Change.ADDED],
            removed=counts[Change.REMOVED],
            changed=counts[Change.CHANGED],
            samples=tally.samples,
            note=found.note,
        )

    def _disjoint(self, outline: TableDiff) -> TableDiff:
        """Without a column in common no row of one side is one of the other."""
        removed, added = self._counts
        rows = [
            one_sided(self._engine, relation, table, (), self._limit)
            for relation, table in zip((self._sides.before, self._sides.after), self._tables, strict=True)
        ]
        return replace(
            outline,
            change=Change.CHANGED if removed or added else outline.change,
            rows_before=removed,
            rows_after=added,
            before_columns=self._tables[0].names,
            after_columns=self._tables[1].names,
            columns=tuple(map(self._filled, outline.columns)),
            added=added,
            removed=removed,
            samples=(*(RowChange(None, row) for row in rows[1]), *(RowChange(row, None) for row in rows[0])),
            note="no column is on both sides: every row counts as removed or added"
            if removed or added
            else None,
        )

    def _rows(self, found: Match, tally: _Tally) -> Iterator[RowChange]:
        """All rows that differ: by their key, and those that have none as they are."""
        if not found.key:
            yield from self._counted(self._sides, self._partners())
            return
        if not any(found.holes):
            yield from self._keyed(self._sides, found, tally)
            return
        whole, rest = split(self._sides, found.key, (self._tables[0].names, self._tables[1].names))
        yield from self._keyed(whole, found, tally)
        for row in self._counted(rest, None):
            yield row._replace(before=self._widened(row.before, 0), after=self._widened(row.after, 1))

    def _partners(self) -> Callable[[str, str], str] | None:
        """Those that the engine pairs are rows of whole tables."""
        return self._engine.partners(*self._tables) if self._is_all else None

    def _widened(self, row: Row | None, side: int) -> Row | None:
        """A row of shared cells among rows that have all of their side's columns."""
        if row is None:
            return None
        cells = {pair[side].name: cell for pair, cell in zip(self._sides.shared, row, strict=True)}
        return tuple(cells.get(name) for name in self._tables[side].names)

    def _shared_names(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        old, new = ([pair[side].name for pair in self._sides.shared] for side in (0, 1))
        return tuple(old), tuple(new)

    def _keyed(self, sides: Sides, found: Match, tally: _Tally) -> Iterator[RowChange]:
        old, new = self._tables[0].columns, self._tables[1].columns
        is_wide = len(old) + len(new) >= self._engine.widest
        if is_wide:  # found by their keys, and fetched one by one
            old, new = tuple(pair[0] for pair in found.key), tuple(pair[1] for pair in found.key)
        if self._engine.joins_fully:
            yield from self._joined(sides, found.key)
            return
        gone = 0
        for there, *cells in self._engine.rows(changed_or_gone(sides, found.key, old, new)):
            before, after = tuple(cells[: len(old)]), tuple(cells[len(old) :])
            gone += not there
            row = RowChange(before, after if there else None)
            yield self._whole(sides, found.key, row) if is_wide and tally.wants(row.change) else row
        before_count, after_count = (self._counts[n] - found.holes[n] for n in (0, 1))
        if missing := after_count - before_count + gone:  # as many rows have a partner as were not gone
            at_end = self._are_at_end(sides, found.key, missing)
            sql = new_rows(sides, found.key, self._tables[1].columns, at_end=at_end)
            yield from (RowChange(None, tuple(cells_after)) for cells_after in self._engine.rows(sql))

    def _joined(self, sides: Sides, key: Sequence[Pair]) -> Iterator[RowChange]:
        old, new = self._tables[0].columns, self._tables[1].columns
        for is_old, is_new, *cells in self._engine.rows(all_changes(sides, key, old, new)):
            before, after = tuple(cells[: len(old)]), tuple(cells[len(old) :])
            yield RowChange(before if is_old else None, after if is_new else None)

    def _are_at_end(self, sides: Sides, key: Sequence[Pair], number: int) -> bool:
        """So many new rows have keys above all others: nobody need look for them elsewhere."""
        if not self._engine.has_integers(*self._tables, key):
            return False
        return int(next(self._engine.rows(rows_at_end(sides, key)))[0]) == number

    def _whole(self, sides: Sides, key: Sequence[Pair], row: RowChange) -> RowChange:
        """All cells of a row of which only the key is known."""
        found = []
        for side, table, cells in ((0, self._tables[0], row.before), (1, self._tables[1], row.after)):
            sql = row_of(sides, side, key, table.columns)
            found.append(None if cells is None else next(self._engine.rows(sql, cells)))
        return RowChange(found[0], found[1])

    def _counted(self, sides: Sides, skip: Callable[[str, str], str] | None) -> Iterator[RowChange]:
        for more, *cells in self._engine.rows(oftener(sides, skip)):
            row: Row = tuple(cells)
            yield RowChange(None, row, int(more)) if more > 0 else RowChange(row, None, -int(more))

    def _filled(self, change: ColumnChange) -> ColumnChange:
        """Count what a column holds that only one side has."""
        if change.before is not None and change.after is not None:
            return change
        side = self._sides.after if change.after is not None else self._sides.before
        sql = f"SELECT count({quoted(change.name)}) FROM {side}"
        return change._replace(filled=int(next(self._engine.rows(sql))[0]))
