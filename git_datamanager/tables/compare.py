"""Comparing two sources, table by table: docs/design/tables.md."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from git_datamanager.tables.engine import Engine, Side, Unreadable
from git_datamanager.tables.result import Row, RowChange, TableDiff
from git_datamanager.tables.rowdiff import (
    Pair,
    Sides,
    changed_or_gone,
    doubled,
    keyless,
    new_rows,
    oftener,
    quoted,
    row_of,
    split,
)
from git_datamanager.tables.schema import (
    Change,
    Column,
    ColumnChange,
    Schema,
    Table,
    ThingChange,
    column_changes,
    folded,
    paired,
    shared,
    thing_changes,
)

SAMPLES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a reader asks for."""

    rows: int | None = SAMPLES
    """Rows shown of each kind in each table; None for all."""
    tables: tuple[str, ...] = ()
    """Only these; empty for all."""
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The key of a table by its name; that of "" counts for every table that has these columns."""
    is_schema_only: bool = False

    def key_of(self, table: Table) -> tuple[str, ...]:
        given = {folded(name): key for name, key in self.keys.items()}
        names = set(map(folded, table.names))
        if (own := given.get(folded(table.name))) is not None:
            return own
        common = given.get("", ())
        return common if common and names.issuperset(map(folded, common)) else table.key


def compare_tables(engine: Engine, wish: Wish) -> tuple[list[TableDiff], list[ThingChange]]:
    """What differs between both sides, each table for itself. Raises Corrupt."""
    before, after = engine.schema(Side.BEFORE), engine.schema(Side.AFTER)
    found = [_table(engine, old, new, wish) for old, new in _wanted(before, after, wish)]
    return found, [] if wish.tables else thing_changes(before.things, after.things)


def _wanted(before: Schema, after: Schema, wish: Wish) -> list[tuple[Table | None, Table | None]]:
    pairs = paired(before.tables, after.tables)
    if not wish.tables:
        return pairs
    names = set(map(folded, wish.tables))
    return [(old, new) for old, new in pairs if folded((new or old).name) in names]  # type: ignore[union-attr]


def _table(engine: Engine, before: Table | None, after: Table | None, wish: Wish) -> TableDiff:
    one = after or before
    assert one is not None  # noqa: S101 -- a name comes from one of them
    columns = tuple(column_changes(before, after)) if before and after else ()
    has_columns = Change.CHANGED if columns else Change.SAME
    change = Change.ADDED if before is None else Change.REMOVED if after is None else has_columns
    closed = next((t.closed for t in (before, after) if t is not None and t.closed), None)
    if closed is not None or wish.is_schema_only:
        return TableDiff(
            name=one.name, change=change, columns=columns, note=closed, is_compared=closed is None
        )
    try:
        if before is None or after is None:
            return _one_sided(engine, Side.AFTER if after else Side.BEFORE, one, wish, change)
        return _Comparison(engine, before, after, wish).diff(columns)
    except Unreadable as error:
        return TableDiff(name=one.name, change=change, columns=columns, note=str(error), is_compared=False)


def _one_sided(engine: Engine, side: Side, table: Table, wish: Wish, change: Change) -> TableDiff:
    relation = engine.relation(side, table)
    count = _count(engine, relation)
    names = ", ".join(map(quoted, table.names))
    limit = "" if wish.rows is None else f" LIMIT {wish.rows}"
    rows = engine.rows(f"SELECT {names} FROM {relation}{limit}") if table.columns else iter(())
    if side is Side.AFTER:
        return TableDiff(
            name=table.name, change=change, rows_after=count, added=count, key=wish.key_of(table),
            after_columns=table.names, samples=tuple(RowChange(None, row) for row in rows),
        )  # fmt: skip
    return TableDiff(
        name=table.name, change=change, rows_before=count, removed=count, key=wish.key_of(table),
        before_columns=table.names, samples=tuple(RowChange(row, None) for row in rows),
    )  # fmt: skip


def _count(engine: Engine, relation: str) -> int:
    return int(next(engine.rows(f"SELECT count(*) FROM {relation}"))[0])


class _Tally:
    """Counts rows, and keeps the first of each kind."""

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self.counts = dict.fromkeys(Change, 0)
        self._kept: dict[Change, list[RowChange]] = {change: [] for change in Change}

    def take(self, row: RowChange) -> None:
        change = row.change
        self.counts[change] += row.times
        if self._limit is None or len(self._kept[change]) < self._limit:
            self._kept[change].append(row)

    @property
    def samples(self) -> tuple[RowChange, ...]:
        order = (Change.CHANGED, Change.ADDED, Change.REMOVED)
        return tuple(row for change in order for row in self._kept[change])


class _Comparison:
    """One table that both sides have."""

    def __init__(self, engine: Engine, before: Table, after: Table, wish: Wish) -> None:
        self._engine = engine
        self._before = before
        self._after = after
        self._wish = wish
        self._pairs = shared(before, after)
        self._sides = Sides(
            engine.relation(Side.BEFORE, before),
            engine.relation(Side.AFTER, after),
            tuple(self._pairs),
            engine.dialect,
        )
        self._counts = (_count(engine, self._sides.before), _count(engine, self._sides.after))
        self._holes = [0, 0]

    def diff(self, columns: tuple[ColumnChange, ...]) -> TableDiff:
        key, note = self._key()
        tally = _Tally(self._wish.rows)
        for row in self._rows(key):
            tally.take(row)
        names = (self._before.names, self._after.names) if key else self._shared_names()
        counts = tally.counts
        is_same = not columns and not any(counts.values())
        return TableDiff(
            name=self._after.name,
            change=Change.SAME if is_same else Change.CHANGED,
            rows_before=self._counts[0],
            rows_after=self._counts[1],
            key=tuple(pair[0].name for pair in key),
            before_columns=names[0],
            after_columns=names[1],
            columns=tuple(self._filled(change) for change in columns),
            added=counts[Change.ADDED],
            removed=counts[Change.REMOVED],
            changed=counts[Change.CHANGED],
            samples=tally.samples,
            note=note,
        )

    def _rows(self, key: list[Pair]) -> Iterator[RowChange]:
        """All rows that differ: by their key, and those that have none as they are."""
        if not key:
            yield from self._counted(self._sides, self._engine.partners(self._before, self._after))
            return
        if not any(self._holes):
            yield from self._keyed(self._sides, key)
            return
        whole, rest = split(self._sides, key)
        yield from self._keyed(whole, key)
        for row in self._counted(rest, None):
            yield row._replace(before=self._widened(row.before, 0), after=self._widened(row.after, 1))

    def _widened(self, row: Row | None, side: int) -> Row | None:
        """A row of shared cells among rows that have all of their side's columns."""
        if row is None:
            return None
        cells = {pair[side].name: cell for pair, cell in zip(self._pairs, row, strict=True)}
        return tuple(cells.get(name) for name in (self._before, self._after)[side].names)

    def _shared_names(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        old, new = ([pair[side].name for pair in self._pairs] for side in (0, 1))
        return tuple(old), tuple(new)

    def _key(self) -> tuple[list[Pair], str | None]:
        """The key that identifies rows on both sides; none, and why, where there is no such key."""
        names = self._wish.key_of(self._before)
        if not names:
            return [], None
        by_name = {folded(pair[0].name): pair for pair in self._pairs}
        absent = [name for name in names if folded(name) not in by_name]
        if absent:
            return [], f"the key column {absent[0]} is not on both sides: rows are compared as a whole"
        pairs = [by_name[folded(name)] for name in names]
        for side, table in ((Side.BEFORE, self._before), (Side.AFTER, self._after)):
            own = [pair[side].name for pair in pairs]
            if self._engine.is_unique(table, own):
                continue
            relation = self._engine.relation(side, table)
            self._holes[side] = int(next(self._engine.rows(keyless(relation, own)))[0])
            if next(self._engine.rows(doubled(relation, own)), None) is not None:
                text = f"several rows have one key ({', '.join(own)}) on the {side.word} side"
                return [], f"{text}: rows are compared as a whole"
        return pairs, self._hole_note(names)

    def _hole_note(self, key: Sequence[str]) -> str | None:
        if not any(self._holes):
            return None
        text = f"rows without a value for the key ({', '.join(key)})"
        return f"{text}: {self._holes[0]} before, {self._holes[1]} after; those are compared as a whole"

    def _keyed(self, sides: Sides, key: list[Pair]) -> Iterator[RowChange]:
        old, new = self._before.columns, self._after.columns
        is_wide = len(old) + len(new) >= self._engine.widest
        if is_wide:  # found by their keys, and fetched one by one
            old, new = tuple(pair[0] for pair in key), tuple(pair[1] for pair in key)
        gone = 0
        for there, *cells in self._engine.rows(changed_or_gone(sides, key, old, new)):
            before, after = tuple(cells[: len(old)]), tuple(cells[len(old) :])
            gone += not there
            row = RowChange(before, after if there else None)
            yield self._whole(sides, key, row) if is_wide else row
        before_count, after_count = (self._counts[n] - self._holes[n] for n in (0, 1))
        if after_count != before_count - gone:  # as many rows have a partner as were not gone
            for cells_after in self._engine.rows(new_rows(sides, key, self._after.columns)):
                yield RowChange(None, tuple(cells_after))

    def _whole(self, sides: Sides, key: list[Pair], row: RowChange) -> RowChange:
        """All cells of a row of which only the key is known."""
        found = []
        for side, table, cells in ((0, self._before, row.before), (1, self._after, row.after)):
            sql = row_of(sides, side, key, table.columns)
            found.append(None if cells is None else next(self._engine.rows(sql, cells)))
        return RowChange(found[0], found[1])

    def _counted(self, sides: Sides, skip: Callable[[str, str], str] | None) -> Iterator[RowChange]:
        if not self._pairs:
            return
        for more, *cells in self._engine.rows(oftener(sides, skip)):
            row: Row = tuple(cells)
            yield RowChange(None, row, int(more)) if more > 0 else RowChange(row, None, -int(more))

    def _filled(self, change: ColumnChange) -> ColumnChange:
        """Count what a column holds that only one side has."""
        if change.before is not None and change.after is not None:
            return change
        column: Column | None = change.after or change.before
        side = self._sides.after if change.after is not None else self._sides.before
        assert column is not None  # noqa: S101 -- one side has it
        sql = f"SELECT count({quoted(column.name)}) FROM {side}"
        return change._replace(filled=int(next(self._engine.rows(sql))[0]))
