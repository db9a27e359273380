"""One row of one table, found by the cells of its key: docs/design/tables.md, "Blame"."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from git_datamanager.errors import Corrupt, DataError
from git_datamanager.tables import duck, kinds
from git_datamanager.tables.dialect import DuckDialect, affinity
from git_datamanager.tables.engine import Side, Unreadable
from git_datamanager.tables.result import Row
from git_datamanager.tables.rowdiff import quoted
from git_datamanager.tables.schema import Column, Table, folded
from git_datamanager.tables.words import FOLDER, said

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from git_datamanager.tables.sqlite import SqliteEngine

_SEEN_AS = "git_data_rows"


class _SqliteRows:
    def __init__(self, engine: "SqliteEngine") -> None:
        self._engine = engine

    def matching(self, table: Table, wanted: Sequence[tuple[Column, str]]) -> Iterator[Row]:
        """By an index where there is one: a column of a type makes a number of a text that is one."""
        conditions = " AND ".join(
            f"{quoted(c.name)} = ?" if affinity(c.type) else f"CAST({quoted(c.name)} AS TEXT) = ?"
            for c, _ in wanted
        )
        cells = ", ".join(map(quoted, table.names))
        relation = self._engine.relation(Side.BEFORE, table)
        sql = f"SELECT {cells} FROM {relation} WHERE {conditions} LIMIT 2"
        return self._engine.rows(sql, [value for _, value in wanted])


class _DuckRows:
    def __init__(self, database: "DuckDBPyConnection", *, is_text: bool) -> None:
        self._database = database
        self._dialect = DuckDialect(is_text=is_text)

    def matching(self, table: Table, wanted: Sequence[tuple[Column, str]]) -> Iterator[Row]:
        import duckdb

        conditions = " AND ".join(f"{self._as_text(column)} = ?" for column, _ in wanted)
        cells = ", ".join(self._dialect.shown(quoted(c.name), c) for c in table.columns)
        sql = f"SELECT {cells} FROM {_SEEN_AS} WHERE {conditions} LIMIT 2"
        try:
            yield from self._database.execute(sql, [value for _, value in wanted]).fetchall()
        except duckdb.Error as error:
            raise Unreadable(said(error)) from error

    def _as_text(self, column: Column) -> str:
        cell = quoted(column.name)
        return f"json_extract_string({cell}, '$')" if column.type == "JSON" else f"CAST({cell} AS VARCHAR)"


class Tables:
    """The tables of one file. It is opened to be read; nobody may write to it meanwhile."""

    def __init__(self, tables: tuple[Table, ...], engine: _SqliteRows | _DuckRows) -> None:
        self.tables = tables
        self._engine = engine

    def table(self, name: str) -> Table | None:
        return next((t for t in self.tables if folded(t.name) == folded(name)), None)

    def find(self, table: Table, key: Mapping[str, str]) -> tuple[Row, ...]:
        """The rows whose cells are these, as people write them: none, one, or the first two. Raises
        DataError for a column that is not there, Corrupt where rows cannot be read."""
        columns = {folded(column.name): column for column in table.columns}
        unknown = [name for name in key if folded(name) not in columns]
        if unknown:
            raise DataError(
                f"{table.name} has no column {unknown[0]}",
                hints=[f"its columns are {', '.join(table.names[:12])}"],
            )
        wanted = [(columns[folded(name)], value) for name, value in key.items()]
        try:
            return tuple(self._engine.matching(table, wanted))
        except Unreadable as error:
            raise Corrupt(f"{table.name} cannot be read ({error})") from error


@contextmanager
def opened(path: Path, name: str) -> Iterator[Tables]:
    """`name`: what the dataset is called. Raises DataError where the file is no table, Corrupt."""
    kind = kinds.kind_of(path, name)
    if kind == kinds.OTHER:
        raise DataError(
            f"{name} is no table: rows are found in SQLite, Parquet, CSV, TSV and JSON lines",
            hints=["git data log   # its versions as a whole"],
        )
    with tempfile.TemporaryDirectory(prefix=FOLDER) as folder:
        if kind == kinds.SQLITE:
            from git_datamanager.tables import sqlite

            with sqlite.opened(path, None, Path(folder)) as engine:
                tables = tuple(t for t in engine.schema(Side.BEFORE).tables if t.closed is None)
                yield Tables(tables, _SqliteRows(engine))
        else:
            link = Path(folder) / "source"
            link.symlink_to(path.absolute())
            with duck.connected([link, link.with_name(f"{_SEEN_AS}.plain")], Path(folder)) as database:
                table = duck.READERS[kind](database, _SEEN_AS, link, name)
                yield Tables((table,), _DuckRows(database, is_text=kind == kinds.CSV))
