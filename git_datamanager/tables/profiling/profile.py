"""What the tables of one file hold, column by column: docs/design/tables.md, "Profile".

Counts, sums and extremes are the engine's: no row comes into Python.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from git_datamanager.errors import Corrupt
from git_datamanager.tables import kinds, source
from git_datamanager.tables.comparison import count
from git_datamanager.tables.engine import MEMORY, Engine, NotInstalled, Side, Unreadable
from git_datamanager.tables.profiling.profiled import ColumnProfile, SourceProfile, TableProfile
from git_datamanager.tables.schema import Column, Table

_AT_ONCE = 50
"""Columns of one statement: engines limit the columns of a result."""


class Measure(Protocol):
    """The aggregates of one engine."""

    exact: int
    """Rows up to which distinct values are counted; above they are estimated."""

    def columns(
        self, relation: str, columns: Sequence[Column], rows: int, exact: int, key: Sequence[str] = ()
    ) -> list[ColumnProfile]:
        """`key`: columns that the table declares to be unique together. Raises Unreadable."""
        ...


def profile(path: Path, name: str, *, exact: int | None = None, memory: int = MEMORY) -> SourceProfile:
    """Look into a file that is called `name`; nothing is written beside it. What cannot be read is said in a
    `note`. `exact`: rows up to which distinct values are counted; else what the engine counts quickly;
    `memory`: bytes that DuckDB may hold."""
    kind, size = kinds.kind_of(path, name), path.stat().st_size
    if kind == kinds.OTHER:
        return SourceProfile(kind=kind, size=size)
    try:
        with source.opened(kind, None, path, name, memory) as engine:
            measure = _measure(kind, engine)
            tables = engine.schema(Side.AFTER).tables
            most = measure.exact if exact is None else exact
            found = tuple(_table(engine, measure, table, most) for table in tables)
    except (Corrupt, NotInstalled) as error:
        return SourceProfile(kind=kinds.OTHER, size=size, note="; ".join([error.message, *error.hints]))
    return SourceProfile(kind=kind, size=size, tables=found)


def _measure(kind: str, engine: Engine) -> Measure:
    if kind == kinds.SQLITE:
        from git_datamanager.tables.profiling.sqlite import SqliteMeasure

        return SqliteMeasure(engine)
    from git_datamanager.tables.profiling.duck import DuckMeasure

    return DuckMeasure(engine, is_text=kind == kinds.CSV)


def _table(engine: Engine, measure: Measure, table: Table, exact: int) -> TableProfile:
    if table.closed is not None:
        return TableProfile(name=table.name, rows=None, note=table.closed)
    rows: int | None = None
    found: list[ColumnProfile] = []
    try:
        relation = engine.packed(Side.AFTER, table) or engine.relation(Side.AFTER, table)
        rows = count(engine, relation)
        if engine.packed(Side.AFTER, table) is not None:
            note = f"its {len(table.columns)} columns are too many to look into"
            return TableProfile(name=table.name, rows=rows, note=note)
        for n in range(0, len(table.columns), _AT_ONCE):
            found += measure.columns(relation, table.columns[n : n + _AT_ONCE], rows, exact, table.key)
    except Unreadable as error:
        return TableProfile(name=table.name, rows=rows, key=table.key, columns=tuple(found), note=str(error))
    return TableProfile(name=table.name, rows=rows, key=table.key, columns=tuple(found))
