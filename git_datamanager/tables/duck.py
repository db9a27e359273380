"""CSV, JSON lines and Parquet side by side, by DuckDB (the extra `tabular`): docs/design/tables.md.

DuckDB sees two links in a private folder, nothing else of the disk, no network, and no extension that is not
built in; its configuration is locked before the first byte of a source is read.
"""

import gzip
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from git_datamanager.errors import Corrupt, DataError
from git_datamanager.tables.engine import Side, Unreadable
from git_datamanager.tables.result import Row
from git_datamanager.tables.rowdiff import Pair
from git_datamanager.tables.schema import Column, Schema, Table
from git_datamanager.tables.values import Cell

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MEMORY = 320 << 20
ROWS = "rows"
"""The one table of a file that holds rows and has no name for them."""
_BATCH = 2048
_LINE = 16 << 20
"""Bytes of a line of CSV; DuckDB keeps some of them in memory."""
LONGEST_OBJECT = 64 << 20
"""Bytes of a line of JSON."""
_DELIMITERS = ",;\t|"
_HEAD = 1 << 16
_PLAIN = frozenset(
    ("BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER",
     "UBIGINT", "UHUGEINT", "FLOAT", "DOUBLE", "VARCHAR", "BLOB", "JSON")
)  # fmt: skip
"""Types whose values Python has as they are; the others come as DuckDB's text of them."""


class DuckDialect:
    """Columns of one type are compared as such, others as text."""

    def same_cell(self, before: str, after: str, pair: Pair) -> str:
        return f"{self.common(before, pair, 0)} IS NOT DISTINCT FROM {self.common(after, pair, 1)}"

    def same_key(self, before: str, after: str, pair: Pair) -> str:
        return f"{self.common(before, pair, 0)} = {self.common(after, pair, 1)}"

    def sorted_by(self, cell: str) -> str:
        return cell

    def grouped(self, cell: str, pair: Pair) -> tuple[str, ...]:  # noqa: ARG002 -- as every dialect
        return (cell,)

    def common(self, cell: str, pair: Pair, side: int) -> str:  # noqa: ARG002
        return cell if pair[0].type == pair[1].type else f"CAST({cell} AS VARCHAR)"

    def shown(self, cell: str, column: Column) -> str:
        return cell if column.type in _PLAIN else f"CAST({cell} AS VARCHAR)"


class DuckEngine:
    """An Engine over two relations, `before` and `after`."""

    def __init__(
        self, database: "DuckDBPyConnection", there: Sequence[Side], types: Sequence[Schema]
    ) -> None:
        self.dialect = DuckDialect()
        self._database = database
        self._there = there
        self._schemas = types
        self.widest = 1 << 20

    def schema(self, side: Side) -> Schema:
        return self._schemas[side]

    def relation(self, side: Side, table: Table) -> str:  # noqa: ARG002 -- there is but one
        return side.word

    def is_unique(self, table: Table, key: Sequence[str]) -> bool:  # noqa: ARG002 -- no file declares a key
        return False

    def partners(self, before: Table, after: Table) -> Callable[[str, str], str] | None:  # noqa: ARG002
        return None

    def rows(self, sql: str, values: Sequence[Cell] = ()) -> Iterator[Row]:
        yield from _fetched(self._database, sql, values)


def _fetched(database: "DuckDBPyConnection", sql: str, values: Sequence[Cell]) -> Iterator[Row]:
    import duckdb

    try:
        cursor = database.cursor()
        cursor.execute(sql, list(values))
        while batch := cursor.fetchmany(_BATCH):
            yield from batch
    except duckdb.Error as error:
        raise Unreadable(words(error)) from error


def words(error: Exception) -> str:
    """The first sentence of DuckDB: what follows names files of ours."""
    return " ".join(str(error).split("\n\n", 1)[0].splitlines()[:2]).strip()


@contextmanager
def connected(
    paths: Sequence[Path], folder: Path, memory: int = MEMORY, *, in_order: bool = False
) -> Iterator["DuckDBPyConnection"]:
    """A locked database in memory that can read these files and write below `folder`, to spill.

    `in_order`: rows that nobody sorts stay in the order of their file. Raises DataError where DuckDB is not
    installed.
    """
    try:
        import duckdb
    except ImportError as error:
        raise DataError(
            "DuckDB is not installed: it reads CSV, JSON lines and Parquet",
            hints=["pip install 'git-datamanager[tabular]'"],
        ) from error
    with closing(duckdb.connect(":memory:")) as database:
        allowed = ", ".join(literal(str(path)) for path in paths)
        for setting in (
            "autoinstall_known_extensions = false",
            "autoload_known_extensions = false",
            f"memory_limit = '{memory >> 20}MiB'",
            f"threads = {min(4, os.cpu_count() or 1)}",
            f"temp_directory = {literal(str(folder / 'spilled'))}",
            f"preserve_insertion_order = {str(in_order).lower()}",
            f"allowed_paths = [{allowed}]",
            "enable_external_access = false",
            "lock_configuration = true",
        ):
            database.execute(f"SET {setting}")
        yield database


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@contextmanager
def opened(kind: str, before: Path | None, after: Path | None, folder: Path) -> Iterator[DuckEngine]:
    """Both files as relations; `kind`: csv, jsonl or parquet. Raises Corrupt naming what cannot be read."""
    links = {side: folder / side.word for side, path in zip(Side, (before, after), strict=True) if path}
    for side, path in zip(Side, (before, after), strict=True):
        if path is not None:
            links[side].symlink_to(path.absolute())
    with connected(list(links.values()), folder) as database:
        schemas = [Schema(), Schema()]
        for side, link in links.items():
            schemas[side] = Schema((READERS[kind](database, side.word, link),))
        yield DuckEngine(database, list(links), schemas)


def _described(database: "DuckDBPyConnection", source: str) -> tuple[Column, ...]:
    rows = database.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
    return tuple(Column(row[0], row[1]) for row in rows)


def _parquet(database: "DuckDBPyConnection", name: str, path: Path) -> Table:
    import duckdb

    source = f"read_parquet({literal(str(path))})"
    try:
        database.execute(f"CREATE VIEW {name} AS SELECT * FROM {source}")
        return Table(ROWS, _described(database, name))
    except duckdb.Error as error:
        raise Corrupt(f"the Parquet file cannot be read ({words(error)})") from error


@dataclass(frozen=True)
class Csv:
    """How a file of separated values is to be read."""

    delimiter: str
    compression: str
    encoding: str = "utf-8"
    is_ragged: bool = False

    def source(self, path: Path, *, typed: bool = False) -> str:
        options = [
            literal(str(path)), "header = true", f"delim = {literal(self.delimiter)}", "quote = '\"'",
            "escape = '\"'", f"compression = {literal(self.compression)}",
            f"encoding = {literal(self.encoding)}", f"max_line_size = {_LINE}", f"buffer_size = {2 * _LINE}",
        ]  # fmt: skip
        if not typed:
            # No text of the file is NULL: an empty cell is an empty text, one that a row lacks is NULL.
            options += ["all_varchar = true", f"nullstr = '{secrets.token_hex(8)}'"]
        if self.is_ragged:
            options += ["null_padding = true", "strict_mode = false", "parallel = false"]
        return f"read_csv({', '.join(options)})"


def _csv(database: "DuckDBPyConnection", name: str, path: Path) -> Table:
    """Read once into a table of texts, strictly first: with other encodings and ragged rows where it must be."""
    import duckdb

    reading = sniffed(path)
    for _ in range(3):
        try:
            database.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM {reading.source(path)}")
            break
        except duckdb.Error as error:
            looser = relaxed(reading, str(error))
            if looser == reading:
                raise Corrupt(f"the file cannot be read as CSV ({words(error)})") from error
            reading = looser
    columns = _described(database, name)
    return Table(ROWS, tuple(_typed(database, reading, path, columns)))


def relaxed(reading: Csv, problem: str) -> Csv:
    """How to try again after this complaint of DuckDB; unchanged where nothing is left to try."""
    if "utf-8" in problem.lower() and reading.encoding == "utf-8":
        return replace(reading, encoding="latin-1")
    return replace(reading, is_ragged=True)


def _typed(
    database: "DuckDBPyConnection", reading: Csv, path: Path, columns: Sequence[Column]
) -> Iterator[Column]:
    """What the cells look like; they are compared as texts all the same."""
    import duckdb

    try:
        described = _described(database, reading.source(path, typed=True))
        seen = {column.name: column.type for column in described}
    except duckdb.Error:
        seen = {}
    for column in columns:
        yield replace(column, type=seen.get(column.name, "VARCHAR"))


def sniffed(path: Path) -> Csv:
    """By the first line: the delimiter that stands in it most often outside quotes."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    compression = "none"
    if head.startswith(b"\x1f\x8b"):
        compression = "gzip"
        try:
            with gzip.open(path) as unpacked:
                head = unpacked.read(_HEAD)
        except (OSError, EOFError) as error:
            raise Corrupt(f"the file cannot be unpacked ({error})") from error
    encoding = "utf-16" if head.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8"
    text = head.decode(encoding, "replace")
    line = "".join(text.split('"')[::2]).partition("\n")[0]
    return Csv(max(_DELIMITERS, key=lambda mark: (line.count(mark), mark == ",")), compression, encoding)


def _jsonl(database: "DuckDBPyConnection", name: str, path: Path) -> Table:
    """Every key of any line is a column, its values stay JSON."""
    import duckdb

    options = (
        f"{literal(str(path))}, format = 'newline_delimited', maximum_object_size = {LONGEST_OBJECT},"
        f" compression = {literal(sniffed(path).compression)}"
    )
    try:
        keys = database.execute(
            f"SELECT DISTINCT unnest(json_keys(json)) AS k FROM read_json_objects({options}) ORDER BY k"
        ).fetchall()
        columns = ", ".join(f"{literal(key)}: 'JSON'" for (key,) in keys)
        source = f"read_json({options}, columns = {{{columns}}})" if keys else f"read_json_objects({options})"
        database.execute(f"CREATE TABLE {name} AS SELECT * FROM {source}")
        return Table(ROWS, _described(database, name))
    except duckdb.Error as error:
        raise Corrupt(f"the file cannot be read as JSON lines ({words(error)})") from error


READERS = {"csv": _csv, "jsonl": _jsonl, "parquet": _parquet}
