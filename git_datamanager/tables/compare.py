"""Comparing two sources, table by table: docs/design/tables.md."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from git_datamanager.tables import where, wide
from git_datamanager.tables.comparison import Comparison, count, one_sided
from git_datamanager.tables.engine import Engine, Side, Unreadable
from git_datamanager.tables.result import Row, RowChange, TableDiff
from git_datamanager.tables.rowdiff import filtered
from git_datamanager.tables.schema import (
    Change,
    Schema,
    Table,
    ThingChange,
    column_changes,
    definition_changes,
    either,
    folded,
    paired,
    thing_changes,
)
from git_datamanager.tables.wide import WideComparison, first_rows

SAMPLES = 20
Twins = tuple[Table | None, Table | None]
"""A table on both sides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a reader asks for."""

    rows: int | None = SAMPLES
    """Rows shown of each kind in each table; None for all."""
    tables: tuple[str, ...] = ()
    """Only these; empty for all."""
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The key of a table by its name; that of "" counts for every table that has these columns."""
    where: str | None = None
    """Only rows of which this condition of SQL is true, on either side."""
    is_schema_only: bool = False

    @property
    def is_partial(self) -> bool:
        """It leaves something out that may differ."""
        return bool(self.tables) or self.where is not None or self.is_schema_only

    def key_of(self, table: Table) -> tuple[str, ...]:
        given = {folded(name): key for name, key in self.keys.items()}
        names = set(map(folded, table.names))
        if (own := given.get(folded(table.name))) is not None:
            return own
        common = given.get("", ())
        return common if common and names.issuperset(map(folded, common)) else table.key


def compare_tables(engine: Engine, wish: Wish) -> tuple[list[TableDiff], list[ThingChange]]:
    """What differs between both sides, each table for itself. Raises Corrupt, and Misfit for a condition
    that fits no table."""
    before, after = engine.schema(Side.BEFORE), engine.schema(Side.AFTER)
    pairs = _wanted(before, after, wish)
    misfits = _misfits(engine, pairs, wish)
    found = [_table(engine, pair, wish, misfit) for pair, misfit in zip(pairs, misfits, strict=True)]
    if wish.tables:
        return found, definition_changes(pairs)
    return found, definition_changes(pairs) + thing_changes(before.things, after.things)


def _wanted(before: Schema, after: Schema, wish: Wish) -> list[Twins]:
    pairs = paired(before.tables, after.tables)
    names = set(map(folded, wish.tables))
    return [pair for pair in pairs if not names or any(t and folded(t.name) in names for t in pair)]


def _misfits(engine: Engine, pairs: Sequence[Twins], wish: Wish) -> list[str | None]:
    """For each table why the condition cannot be asked of its rows; None where it can."""
    if wish.where is None or wish.is_schema_only:
        return [None] * len(pairs)
    said = [_misfit(engine, pair, wish.where) if _is_open(pair) else None for pair in pairs]
    asked = [pair for pair in pairs if _is_open(pair)]
    problems = list(filter(None, said))
    if asked and len(problems) == len(asked):
        raise where.Misfit(_listed(asked), problems[0])
    return said


def _is_open(pair: Twins) -> bool:
    """Of a table that cannot be compared at all nothing is asked."""
    return not any(table is not None and table.closed for table in pair)


def _misfit(engine: Engine, pair: Twins, condition: str) -> str | None:
    sides = zip(Side, pair, strict=True)
    problems = (
        where.problem(engine, _scope(engine, side, t, condition)[0], condition)
        for side, t in sides
        if t is not None
    )
    return next((problem for problem in problems if problem), None)


def _listed(pairs: Sequence[Twins]) -> str:
    names = [table.name for pair in pairs if (table := pair[1] or pair[0]) is not None]
    return f"table {names[0]}" if len(names) == 1 else f"any of {len(names)} tables"


def _table(engine: Engine, pair: Twins, wish: Wish, misfit: str | None) -> TableDiff:
    before, after = pair
    columns = tuple(column_changes(before, after)) if before and after else ()
    one = either(before, after)
    was = before.name if before and after and before.name != after.name else None
    both = Change.CHANGED if columns or was else Change.SAME
    change = Change.ADDED if before is None else Change.REMOVED if after is None else both
    note = next((t.closed for t in pair if t is not None and t.closed), None)
    if note is None and misfit is not None:
        note = f"--where does not fit it: {misfit}"
    outline = TableDiff(
        name=one.name, was=was, change=change, columns=columns, note=note, is_compared=note is None
    )
    if note is not None or wish.is_schema_only:
        return outline
    try:
        return _rows(engine, pair, wish, outline)
    except Unreadable as error:
        return replace(outline, note=str(error), is_compared=False)


def _rows(engine: Engine, pair: Twins, wish: Wish, outline: TableDiff) -> TableDiff:
    if any(table and engine.packed(side, table) for side, table in zip(Side, pair, strict=True)):
        return _wide_rows(engine, pair, wish, outline)
    relations = [_relation(engine, side, table, wish) for side, table in zip(Side, pair, strict=True)]
    before, after = pair
    if before is not None and after is not None:
        keys = tuple(dict.fromkeys((wish.key_of(before), wish.key_of(after))))
        return Comparison(engine, (before, after), (relations[0], relations[1]), keys, wish.rows).diff(
            outline
        )
    side, table = Side.AFTER if before is None else Side.BEFORE, either(before, after)
    number, key = count(engine, relations[side]), wish.key_of(table)
    rows = one_sided(engine, relations[side], table, key, wish.rows)
    return _alone(outline, side, table, number, key, rows)


def _wide_rows(engine: Engine, pair: Twins, wish: Wish, outline: TableDiff) -> TableDiff:
    relations = [_relation(engine, side, table, wish) for side, table in zip(Side, pair, strict=True)]
    before, after = pair
    if before is not None and after is not None:
        sides = (relations[0], relations[1])
        return WideComparison(engine, (before, after), sides, wish.key_of(before), wish.rows).diff(outline)
    side, table = Side.AFTER if before is None else Side.BEFORE, either(before, after)
    relation = relations[side]
    rows = first_rows(engine, relation, wish.rows)
    return _alone(outline, side, table, count(engine, relation), wish.key_of(table), rows)


def _alone(
    outline: TableDiff, side: Side, table: Table, number: int, key: tuple[str, ...], rows: Iterable[Row]
) -> TableDiff:
    if side is Side.AFTER:
        samples = tuple(RowChange(None, row) for row in rows)
        return replace(
            outline, rows_after=number, added=number, key=key, after_columns=table.names, samples=samples
        )
    samples = tuple(RowChange(row, None) for row in rows)
    return replace(
        outline, rows_before=number, removed=number, key=key, before_columns=table.names, samples=samples
    )


def _relation(engine: Engine, side: Side, table: Table | None, wish: Wish) -> str:
    """The rows that are compared; of a side without the table nobody asks."""
    if table is None:
        return ""
    if wish.where is None:
        return engine.packed(side, table) or engine.relation(side, table)
    return filtered(*_scope(engine, side, table, wish.where), wish.where)


def _scope(engine: Engine, side: Side, table: Table, condition: str) -> tuple[str, Sequence[str]]:
    """The rows as a condition sees them, and what to SELECT from that for the cells as they are."""
    packed = engine.packed(side, table)
    return engine.scope(side, table) if packed is None else wide.scope(packed, table, condition)
