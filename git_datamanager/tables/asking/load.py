"""Tables of files, brought into one locked DuckDB to be asked: docs/design/tables.md, "Questions".

SQLite needs no extension: rows are streamed through the standard library's sqlite3 as Arrow batches, so
memory does not grow with the table. Parquet stays where it is.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from git_datamanager.errors import Corrupt, DataError
from git_datamanager.tables import decimals, duck, kinds
from git_datamanager.tables.asking import heap, texts
from git_datamanager.tables.asking.query import not_installed, schemas_of
from git_datamanager.tables.dialect import affinity
from git_datamanager.tables.engine import MEMORY, ROWS, Side, Unreadable
from git_datamanager.tables.rowdiff import quoted
from git_datamanager.tables.schema import Column, folded
from git_datamanager.tables.words import FOLDER, said

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from pyarrow import RecordBatch, Schema

    from git_datamanager.tables.sqlite import SqliteEngine

_BATCH = 1 << 16
_BYTES = 16 << 20
"""What one batch of rows may hold, about."""
_WIDE = 64 << 10
"""Bytes of a row that has as many columns as SQLite can give, so none is left to count them."""
_AT_ONCE = 300
"""Columns of one statement: each takes up to five of the 2000 sums that SQLite does in one."""
_EXACT = 1 << 53
_CLASSES = {"INTEGER": "integer", "REAL": "real", "TEXT": "text", "NUMERIC": "integer", "": "text"}
"""What a column of this affinity most likely holds."""
_INCOMING = "git_data_incoming"


class Source(NamedTuple):
    """A file and what it is called."""

    path: Path
    name: str
    """Of the dataset: it says what kind of file it is, where its first bytes do not."""
    label: str
    """For notes and errors: `energy.sqlite v3`."""


class Want(NamedTuple):
    """A table of a source, and the name under which it is asked for: schema and table, or the table alone."""

    source: Source
    table: str
    seen_as: tuple[str, ...]


class Loaded(NamedTuple):
    database: "DuckDBPyConnection"
    notes: tuple[str, ...]
    """What is not in the tables as it is in the files."""


def tables_of(source: Source) -> tuple[str, ...]:
    """The tables that can be asked. Raises Corrupt, DataError where the file is no table."""
    kind = _kind(source)
    if kind != kinds.SQLITE:
        return (ROWS,)
    from git_datamanager.tables import sqlite

    try:
        with (
            tempfile.TemporaryDirectory(prefix=FOLDER) as folder,
            sqlite.opened(source.path, None, Path(folder)) as engine,
        ):
            return tuple(t.name for t in engine.schema(Side.BEFORE).tables if t.closed is None)
    except DataError as error:
        _name(error, source)
        raise


def is_database(source: Source) -> bool:
    """Its tables have names of their own."""
    return kinds.kind_of(source.path, source.name) == kinds.SQLITE


def _kind(source: Source) -> str:
    kind = kinds.kind_of(source.path, source.name)
    if kind == kinds.OTHER:
        raise DataError(
            f"{source.label} is no table: SQLite, Parquet, CSV, TSV and JSON lines can be asked",
            hints=["git data ls"],
        )
    return kind


@contextmanager
def loaded(wants: Sequence[Want], memory: int = MEMORY) -> Iterator[Loaded]:
    """A database that has these tables, in the order of their rows, and can reach nothing else.

    Nobody may write to the files meanwhile. Raises Corrupt naming what cannot be read, DataError where DuckDB
    is not installed.
    """
    with tempfile.TemporaryDirectory(prefix=FOLDER) as name:
        folder = Path(name)
        links = _links([want.source for want in wants], folder)
        paths = [*links.values(), folder / texts.PLAIN]
        with duck.connected(paths, folder, memory, in_order=True) as database:
            for schema in schemas_of([want.seen_as for want in wants]):
                database.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}")
            notes: list[str] = []
            known: dict[tuple[Source, str], str] = {}
            for want in wants:
                target = ".".join(map(quoted, want.seen_as))
                first = known.setdefault((want.source, folded(want.table)), target)
                if first == target:
                    notes += _load(database, want, target, links[want.source], folder)
                else:
                    database.execute(f"CREATE VIEW {target} AS SELECT * FROM {first}")
            with heap.bounded(memory):
                yield Loaded(database, tuple(dict.fromkeys(notes)))


def _links(sources: Sequence[Source], folder: Path) -> dict[Source, Path]:
    """Names of ours for files whose own may be patterns to DuckDB."""
    links = {source: folder / f"source{n}" for n, source in enumerate(dict.fromkeys(sources))}
    for source, link in links.items():
        link.symlink_to(source.path.absolute())
    return links


def _load(database: "DuckDBPyConnection", want: Want, target: str, link: Path, folder: Path) -> Iterator[str]:
    import duckdb

    kind = _kind(want.source)
    try:
        if kind == kinds.SQLITE:
            yield from _from_sqlite(database, want, target, folder)
        elif kind == kinds.PARQUET:
            rows = decimals.rows_of(database, link)
            database.execute(f"CREATE VIEW {target} AS SELECT * FROM {rows.relation}")
            if rows.texts:
                yield (
                    f"{want.source.label}: {', '.join(rows.texts[:5])} can hold numbers of more digits than "
                    "DuckDB has: they are texts here"
                )
        else:
            texts.load(database, kind, link, target, want.source.name)
    except duckdb.Error as error:
        raise Corrupt(f"{want.source.label} cannot be read ({said(error)})") from error
    except DataError as error:
        _name(error, want.source)
        raise


def _name(error: DataError, source: Source) -> None:
    """What reads a file does not know how it is called."""
    if source.label not in error.message:
        error.message = f"{source.label}: {error.message}"


def _from_sqlite(database: "DuckDBPyConnection", want: Want, target: str, folder: Path) -> Iterator[str]:
    from git_datamanager.tables import sqlite

    with sqlite.opened(want.source.path, None, folder) as engine:
        table = next(t for t in engine.schema(Side.BEFORE).tables if folded(t.name) == folded(want.table))
        relation = engine.relation(Side.BEFORE, table)
        try:
            types = _types(engine, table.columns, relation)
            mixed = [c.name for c, kind in zip(table.columns, types, strict=True) if kind == "mixed"]
            if mixed:
                yield (
                    f"{want.source.label}: {table.name} holds values of several types in "
                    f"{', '.join(mixed[:5])}: they are texts here"
                )
            _stream(database, engine, table.columns, types, relation, target)
        except Unreadable as error:
            raise Corrupt(f"{want.source.label}: {table.name} cannot be read ({error})") from error


def _types(engine: "SqliteEngine", columns: Sequence[Column], relation: str) -> list[str]:
    """What the cells of each column are: integer, real, text, blob, or mixed. Most columns hold what they
    declare, which is quickly seen; the others are looked at closely."""
    types: list[str] = []
    for start in range(0, len(columns), _AT_ONCE):
        types += _types_of(engine, columns[start : start + _AT_ONCE], relation)
    return types


def _types_of(engine: "SqliteEngine", columns: Sequence[Column], relation: str) -> list[str]:
    declared = [(quoted(column.name), _CLASSES[affinity(column.type)]) for column in columns]
    asked = ", ".join(f"count({c}) = total(typeof({c}) = '{kind}')" for c, kind in declared)
    (found,) = engine.rows(f"SELECT {asked} FROM {relation}")
    odd = [cell for (cell, _), is_so in zip(declared, found, strict=True) if not is_so]
    others = iter(_closely(engine, odd, relation))
    return [kind if is_so else next(others) for (_, kind), is_so in zip(declared, found, strict=True)]


def _closely(engine: "SqliteEngine", cells: Sequence[str], relation: str) -> list[str]:
    if not cells:
        return []
    asked = ", ".join(
        f"max(typeof({c}) = 'integer') + 2 * max(typeof({c}) = 'real') + 4 * max(typeof({c}) = 'text')"
        f" + 8 * max(typeof({c}) = 'blob')"
        f" + 16 * max(typeof({c}) = 'integer' AND {c} NOT BETWEEN -{_EXACT} AND {_EXACT})"
        for c in cells
    )
    (found,) = engine.rows(f"SELECT {asked} FROM {relation}")
    exact = {1: "integer", 17: "integer", 2: "real", 3: "real", 4: "text", 8: "blob"}
    return [exact.get(bits, "mixed") for bits in found]


def _arrow() -> Any:
    """Raises NotInstalled."""
    try:
        import pyarrow as pa
    except ImportError as error:
        raise not_installed("pyarrow", "hands the rows of SQLite to DuckDB") from error
    return pa


def _stream(
    database: "DuckDBPyConnection",
    engine: "SqliteEngine",
    columns: Sequence[Column],
    types: Sequence[str],
    relation: str,
    target: str,
) -> None:
    pa = _arrow()
    arrow = {"integer": pa.int64(), "real": pa.float64(), "blob": pa.binary()}
    schema = pa.schema(
        [(c.name, arrow.get(kind, pa.string())) for c, kind in zip(columns, types, strict=True)]
    )
    cells = [_sqlite_cell(quoted(c.name), kind) for c, kind in zip(columns, types, strict=True)]
    size = [_size(columns, types)] if len(cells) < engine.widest else []
    rows = engine.rows(f"SELECT {', '.join([*size, *cells])} FROM {relation}")
    names = ", ".join(quoted(c.name) for c in columns)
    database.register(_INCOMING, schema.empty_table())
    database.execute(f"CREATE TABLE {target} AS SELECT {names} FROM {_INCOMING}")
    # Batch by batch: a reader would be asked by a thread of DuckDB, and sqlite3 answers its own alone.
    for batch in _batches(rows if size else ((_WIDE, *row) for row in rows), schema):
        database.register(_INCOMING, pa.table(batch))
        database.execute(f"INSERT INTO {target} SELECT * FROM {_INCOMING}")
    database.unregister(_INCOMING)


def _size(columns: Sequence[Column], types: Sequence[str]) -> str:
    """The characters and bytes in a row, about: SQLite counts them faster."""
    long = [quoted(c.name) for c, kind in zip(columns, types, strict=True) if kind not in ("integer", "real")]
    return " + ".join(f"ifnull(length({cell}), 0)" for cell in long) or "0"


def _sqlite_cell(cell: str, kind: str) -> str:
    if kind == "mixed":
        as_hex = f"'x''' || hex({cell}) || ''''"
        return f"CASE typeof({cell}) WHEN 'blob' THEN {as_hex} ELSE CAST({cell} AS TEXT) END"
    return f"CAST({cell} AS REAL)" if kind == "real" else cell


def _batches(rows: Iterator[tuple[Any, ...]], schema: "Schema") -> Iterator["RecordBatch"]:
    """Of so many rows, or of so many bytes where cells are large; the first cell of a row is its size."""
    batch: list[tuple[Any, ...]] = []
    held = 0
    for row in rows:
        batch.append(row)
        held += row[0]
        if held >= _BYTES or len(batch) >= _BATCH:
            yield _batch(batch, schema)
            batch, held = [], 0
    if batch:
        yield _batch(batch, schema)


def _batch(rows: Sequence[tuple[Any, ...]], schema: "Schema") -> "RecordBatch":
    import pyarrow as pa

    columns = islice(map(list, zip(*rows, strict=True)), 1, None)
    arrays = [_array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.record_batch(arrays, schema=schema)


def _array(cells: list[object], kind: object) -> object:
    import pyarrow as pa

    try:
        return pa.array(cells, kind)
    except UnicodeEncodeError:  # bytes in a text that are no UTF-8 came as lone surrogates
        return pa.array([None if c is None else _repaired(str(c)) for c in cells], kind)


def _repaired(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
