"""Files with tables, for the tests of this folder."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from git_datamanager.tables.compare import Wish
from git_datamanager.tables.result import SourceDiff, TableDiff
from git_datamanager.tables.source import compare

ALL = Wish(rows=None)
BY_ID = Wish(rows=None, keys={"": ("id",)})
Statements = Sequence[str | tuple[str, Sequence[Sequence[object]]]]


def database(path: Path, *statements: str | tuple[str, Sequence[object]], encoding: str = "UTF-8") -> Path:
    """A new SQLite database; a tuple is a statement for many rows."""
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as made:
        made.execute(f"PRAGMA encoding = '{encoding}'")
        made.execute("PRAGMA synchronous = OFF")
        for statement in statements:
            if isinstance(statement, str):
                made.execute(statement)
            else:
                made.execute("BEGIN")
                made.executemany(*statement)
                made.execute("COMMIT")
    return path


def parquet(path: Path, sql: str) -> Path:
    """What DuckDB answers to a query."""
    import duckdb

    with duckdb.connect() as made:
        made.execute(f"COPY ({sql}) TO '{path}' (FORMAT parquet)")
    return path


def texts(
    folder: Path, before: str | bytes, after: str | bytes, wish: Wish = ALL, name: str = "a.csv"
) -> SourceDiff:
    """The comparison of two files with these contents."""
    for side, data in (("old", before), ("new", after)):
        (folder / side).write_bytes(data.encode() if isinstance(data, str) else data)
    return compare(folder / "old", folder / "new", name, wish)


def databases(folder: Path, before: Statements, after: Statements, wish: Wish = ALL) -> SourceDiff:
    """The comparison of two databases made so."""
    old, new = database(folder / "old", *before), database(folder / "new", *after)
    return compare(old, new, "a.sqlite", wish)


def parquets(folder: Path, before: str, after: str, wish: Wish = BY_ID) -> SourceDiff:
    """The comparison of two Parquet files with the answers to these queries."""
    return compare(parquet(folder / "old", before), parquet(folder / "new", after), "a.parquet", wish)


def only(found: SourceDiff) -> TableDiff:
    """The one table that was compared."""
    (table,) = found.tables
    return table


def counts(table: TableDiff) -> tuple[int, int, int]:
    return table.added, table.removed, table.changed


def cells(table: TableDiff) -> list[list[tuple[object, ...]]]:
    """Of all changed rows, what changed in them."""
    return [[tuple(cell) for cell in table.cells(row)] for row in table.samples]
