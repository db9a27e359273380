"""CSV, JSON lines and Parquet side by side, by DuckDB (the extra `tabular`): docs/design/tables.md.

DuckDB sees two links in a private folder, nothing else of the disk, no network, and no extension that is not
built in; its configuration is locked before the first byte of a source is read.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from git_datamanager.errors import Corrupt
from git_datamanager.tables import csvs, decimals, jsonlines, kinds, separated
from git_datamanager.tables.deadline import interruptible
from git_datamanager.tables.dialect import DuckDialect
from git_datamanager.tables.engine import MEMORY, ROWS, NotInstalled, Side, Unreadable
from git_datamanager.tables.result import Row
from git_datamanager.tables.rowdiff import Pair, literal, quoted
from git_datamanager.tables.schema import NARROW, Column, Schema, Table, distinct_names
from git_datamanager.tables.values import Cell
from git_datamanager.tables.wide import relation_of
from git_datamanager.tables.words import said

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

WIDE_PARQUET = 1500
"""Columns of a Parquet file that are compared as such; those of more, row by row, as lists of texts."""
_BATCH = 2048


class DuckEngine:
    """An Engine over two relations, `before` and `after`."""

    def __init__(self, database: "DuckDBPyConnection", schemas: Sequence[Schema], kind: str) -> None:
        self._is_text = kind == kinds.CSV
        self._narrow, self._text_of = (
            (WIDE_PARQUET, _text_of) if kind == kinds.PARQUET else (NARROW, _as_text)
        )
        self.widest, self.joins_fully = 1 << 20, True
        self._database = database
        self._schemas = schemas
        widths = [len(table.columns) for schema in schemas for table in schema.tables]
        self._is_wide = max(widths, default=0) > self._narrow
        # Whatever type a column of texts, or of lists of texts, is said to look like.
        self.dialect = DuckDialect(is_text=self._is_text or self._is_wide)

    def schema(self, side: Side) -> Schema:
        return self._schemas[side]

    def relation(self, side: Side, table: Table) -> str:  # noqa: ARG002 -- there is but one
        return side.word

    def scope(self, side: Side, table: Table) -> tuple[str, Sequence[str]]:
        """Of texts that look like numbers or times a condition sees those."""
        if not self._is_text:
            return side.word, tuple(map(quoted, table.names))
        cells = [
            f"TRY_CAST({quoted(c.name)} AS {c.type or 'VARCHAR'}) AS {quoted(c.name)}" for c in table.columns
        ]
        raw = distinct_names([*table.names, "cells"])[-1]
        scope = f"(SELECT {', '.join(cells)}, {side.word} AS {quoted(raw)} FROM {side.word})"
        return scope, tuple(f"{quoted(raw)}.{quoted(name)} AS {quoted(name)}" for name in table.names)

    def is_unique(self, table: Table, key: Sequence[str]) -> bool:  # noqa: ARG002 -- no file declares a key
        return False

    def is_one_to_one(self, before: Table, after: Table, key: Sequence[Pair]) -> bool:  # noqa: ARG002
        """Values that differ have texts that differ."""
        return True

    def has_integers(self, before: Table, after: Table, key: Sequence[Pair]) -> bool:  # noqa: ARG002
        return False

    def partners(self, before: Table, after: Table) -> Callable[[str, str], str] | None:  # noqa: ARG002
        return None

    def packed(self, side: Side, table: Table) -> str | None:
        if not self._is_wide:
            return None
        if len(table.columns) > self._narrow:
            return side.word
        return relation_of(map(self._text_of, table.columns), side.word)

    def rows(self, sql: str, values: Sequence[Cell] = ()) -> Iterator[Row]:
        yield from _fetched(self._database, sql, values)


def _fetched(database: "DuckDBPyConnection", sql: str, values: Sequence[Cell]) -> Iterator[Row]:
    """The rows of one statement. Raises Unreadable, also where the text holds several."""
    import duckdb

    try:
        cursor = database.cursor()
        if len(cursor.extract_statements(sql)) != 1:
            raise Unreadable("one statement was expected", "more than one statement")
        with interruptible(cursor.interrupt):  # it is a connection of its own
            cursor.execute(sql, list(values))
            while batch := cursor.fetchmany(_BATCH):
                yield from batch
    except duckdb.OutOfMemoryException as error:
        raise Unreadable("its rows take more memory than a comparison has", said(error)) from error
    except (duckdb.Error, UnicodeError, RuntimeError) as error:
        raise Unreadable(f"DuckDB cannot read it ({said(error)})", said(error)) from error


@contextmanager
def connected(
    paths: Sequence[Path], folder: Path, memory: int = MEMORY, *, in_order: bool = False
) -> Iterator["DuckDBPyConnection"]:
    """A locked database in memory that can read these files and write below `folder`, to spill.

    `in_order`: rows that nobody sorts stay in the order of their file. Raises NotInstalled.
    """
    try:
        import duckdb
    except ImportError as error:
        raise NotInstalled(
            "DuckDB is not installed: it reads CSV, JSON lines and Parquet",
            hints=["pip install 'git-datamanager[tabular]'"],
        ) from error
    with closing(duckdb.connect(":memory:")) as database:
        allowed = ", ".join(literal(str(path)) for one in paths for path in (one, separated.plain_of(one)))
        for setting in (
            "autoinstall_known_extensions = false",
            "autoload_known_extensions = false",
            f"memory_limit = '{memory >> 20}MiB'",
            f"threads = {min(4, os.cpu_count() or 1)}",
            f"temp_directory = {literal(str(folder / 'spilled'))}",
            f"preserve_insertion_order = {str(in_order).lower()}",
            f"allowed_paths = [{allowed}]",
            "enable_external_access = false",
            "python_enable_replacements = false",
            "TimeZone = 'UTC'",
            "lock_configuration = true",
        ):
            database.execute(f"SET {setting}")
        with interruptible(database.interrupt):
            yield database


@contextmanager
def opened(
    kind: str, before: Path | None, after: Path | None, folder: Path, name: str = "", memory: int = MEMORY
) -> Iterator[DuckEngine]:
    """Both files as relations; `kind`: csv, jsonl or parquet. Raises Corrupt naming what cannot be read."""
    links = {side: folder / side.word for side, path in zip(Side, (before, after), strict=True) if path}
    for side, path in zip(Side, (before, after), strict=True):
        if path is not None:
            links[side].symlink_to(path.absolute())
    # Rows of Parquet that is read in parts are put together by their place.
    with connected(list(links.values()), folder, memory, in_order=kind == kinds.PARQUET) as database:
        read = READERS[kind]
        tables = {side: read(database, side.word, link, name, may_pack=True) for side, link in links.items()}
        if kind == kinds.CSV and len(tables) == 2:
            tables = dict(zip(Side, csvs.settled(database, *tables.values()), strict=True))
        schemas = [Schema((tables[side],)) if side in tables else Schema() for side in Side]
        yield DuckEngine(database, schemas, kind)


def _parquet(
    database: "DuckDBPyConnection",
    table: str,
    path: Path,
    name: str = "",  # noqa: ARG001 -- as every reader
    *,
    may_pack: bool = False,
) -> Table:
    import duckdb

    try:
        rows = decimals.rows_of(database, path)
        if may_pack and len(rows.columns) > WIDE_PARQUET:
            _pack(database, table, rows.relation, rows.columns)
        else:
            database.execute(f"CREATE VIEW {table} AS SELECT * FROM {rows.relation}")
    except duckdb.OutOfMemoryException as error:
        raise Corrupt("the file takes more memory than a comparison has") from error
    except duckdb.Error as error:
        raise Corrupt(f"the Parquet file cannot be read ({said(error)})") from error
    return Table(ROWS, rows.columns)


def _pack(database: "DuckDBPyConnection", table: str, rows: str, columns: Sequence[Column]) -> None:
    """Make a table of lists of texts, `cells`: so many columns at a time as DuckDB can have."""
    parts = range(0, len(columns), NARROW)
    for n in parts:
        cells = ", ".join(map(_text_of, columns[n : n + NARROW]))
        database.execute(f"CREATE TABLE part{n} AS SELECT [{cells}] AS cells{n} FROM {rows}")
    lists, tables = ", ".join(f"cells{n}" for n in parts), " POSITIONAL JOIN ".join(f"part{n}" for n in parts)
    database.execute(f"CREATE TABLE {table} AS SELECT list_concat({lists}) AS cells FROM {tables}")
    for n in parts:
        database.execute(f"DROP TABLE part{n}")


def _text_of(column: Column) -> str:
    """Values that are equal have one text: -0.0 is 0.0."""
    is_real = column.type in ("FLOAT", "DOUBLE")
    return f"CAST({quoted(column.name)} + 0 AS VARCHAR)" if is_real else _as_text(column)


def _as_text(column: Column) -> str:
    return f"CAST({quoted(column.name)} AS VARCHAR)"


Reader = Callable[..., Table]
READERS: dict[str, Reader] = {kinds.CSV: csvs.load, kinds.JSONL: jsonlines.load, kinds.PARQUET: _parquet}
"""`(database, table, path, name="", *, may_pack=False)`: make a relation of this name; its columns."""
