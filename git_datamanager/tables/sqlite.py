"""SQLite databases side by side, read-only, by the standard library's sqlite3: docs/design/tables.md.

The files are opened as immutable: SQLite makes no log beside them, heeds none, and takes no lock. Whoever
opens them makes sure that nobody writes meanwhile.
"""

import sqlite3
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from git_datamanager.errors import Corrupt, DataError
from git_datamanager.tables.engine import Side, Unreadable
from git_datamanager.tables.result import Row
from git_datamanager.tables.rowdiff import Pair, quoted
from git_datamanager.tables.schema import Column, Schema, Table, Thing, folded
from git_datamanager.tables.values import Cell

OLDEST = (3, 37, 0)
LONGEST = 128 << 20
"""Bytes of a cell, or a row, that is still compared."""
_ENCODING_AT = 56
_ENCODINGS = {1: "UTF-8", 2: "UTF-16le", 3: "UTF-16be"}
_STORED, _COMPUTED = 3, 2
_SETTINGS = ("user_version", "application_id")
_ROWIDS = ("rowid", "_rowid_", "oid")
_READING = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE})
_PRAGMAS = frozenset({"table_list", "table_xinfo", *_SETTINGS})


class SqliteDialect:
    """Cells are the same where class and value are: no affinity, no collation of the column counts."""

    def __init__(self, *, is_typed: bool = True) -> None:
        """`is_typed`: the tables are stored as their columns declare."""
        self._is_typed = is_typed

    def same_cell(self, before: str, after: str, pair: Pair) -> str:
        if self._is_plain(pair):
            return f"{before} IS {after} COLLATE BINARY"
        # +x has no affinity of its own, so nothing is converted; but then 1 IS 1.0.
        return f"(+{before} IS +{after} COLLATE BINARY AND typeof({before}) = typeof({after}))"

    def same_key(self, before: str, after: str, pair: Pair) -> str:  # noqa: ARG002 -- as every dialect
        return f"{before} = {after}"

    def common(self, cell: str, pair: Pair, side: int) -> str:  # noqa: ARG002
        return cell

    def shown(self, cell: str, column: Column) -> str:  # noqa: ARG002
        return cell

    def sorted_by(self, cell: str) -> str:
        return f"+{cell}"

    def grouped(self, cell: str, pair: Pair) -> tuple[str, ...]:
        words = (f"+{cell} COLLATE BINARY",)
        return words if self._is_plain(pair) else (*words, f"typeof({cell})")

    def _is_plain(self, pair: Pair) -> bool:
        """Both store what they are given in the same one way."""
        return self._is_typed and affinity(pair[0].type) == affinity(pair[1].type) != ""


def affinity(declared: str) -> str:
    """How a column of this type stores what it is given (sqlite.org/datatype3.html, 3.1); empty: as is."""
    word = declared.upper()
    for found, parts in (
        ("INTEGER", ("INT",)),
        ("TEXT", ("CHAR", "CLOB", "TEXT")),
        ("", ("BLOB",)),
        ("REAL", ("REAL", "FLOA", "DOUB")),
    ):
        if any(part in word for part in parts):
            return found
    return "" if word in ("", "ANY") else "NUMERIC"  # of a STRICT table ANY is as it is: ask more, never less


class SqliteEngine:
    """An Engine over two attached databases."""

    def __init__(self, database: sqlite3.Connection, recoded: Schema | None = None) -> None:
        """`recoded`: the schema of the `after` side, where that is a copy without types."""
        self.dialect = SqliteDialect(is_typed=recoded is None)
        self._database = database
        self._recoded = recoded
        self.widest = database.getlimit(sqlite3.SQLITE_LIMIT_COLUMN)

    def schema(self, side: Side) -> Schema:
        if side is Side.AFTER and self._recoded is not None:
            return self._recoded
        try:
            return Schema(tuple(self._tables(side)), tuple(self._things(side)))
        except sqlite3.Error as error:
            raise Corrupt(f"SQLite cannot read the database ({error})") from error

    def _tables(self, side: Side) -> Iterator[Table]:
        listed = self._database.execute(f"PRAGMA {side.word}.table_list").fetchall()
        for _, name, kind, *_ in sorted(listed, key=lambda row: folded(row[1])):
            if kind == "virtual":
                yield Table(name, (), closed="a virtual table: what it shows is not compared")
            elif kind == "table" and not folded(name).startswith("sqlite_"):
                yield self._table(side, name)

    def _table(self, side: Side, name: str) -> Table:
        rows = self._database.execute(f"PRAGMA {side.word}.table_xinfo({quoted(name)})").fetchall()
        seen = [row for row in rows if row[6] in (0, _STORED)]
        columns = (Column(row[1], row[2], bool(row[3]), row[4]) for row in seen)
        key = sorted((row[5], row[1]) for row in seen if row[5])
        return Table(name, tuple(columns), tuple(column for _, column in key))

    def _things(self, side: Side) -> Iterator[Thing]:
        rows = self._database.execute(
            f"SELECT type, name, sql FROM {side.word}.sqlite_schema"
            " WHERE type IN ('index', 'trigger', 'view') AND sql IS NOT NULL"
        )
        yield from (Thing(*row) for row in rows)
        yield from (
            Thing("virtual table", name, sql)
            for name, sql in self._database.execute(
                f"SELECT name, sql FROM {side.word}.sqlite_schema"
                " WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL%'"
            )
        )
        for name in _SETTINGS:
            (value,) = self._database.execute(f"PRAGMA {side.word}.{name}").fetchone()
            yield Thing("setting", name, str(value))

    def relation(self, side: Side, table: Table) -> str:
        return f"{side.word}.{quoted(table.name)}"

    def is_unique(self, table: Table, key: Sequence[str]) -> bool:
        """Only an INTEGER PRIMARY KEY and columns that are NOT NULL: others may hold NULL, many times."""
        if not key or set(map(folded, key)) != set(map(folded, table.key)):
            return False
        declared = {folded(c.name): c for c in table.columns}
        found = [declared[folded(name)] for name in key]
        is_rowid = len(found) == 1 and found[0].type.upper() == "INTEGER"
        return is_rowid or all(column.not_null for column in found)

    def partners(self, before: Table, after: Table) -> Callable[[str, str], str] | None:
        """By rowid: a table that has a key is not asked, one without any has a rowid."""
        taken = {folded(name) for table in (before, after) for name in table.names}
        free = next((name for name in _ROWIDS if name not in taken), None)
        if free is None or before.key or after.key:
            return None
        return lambda inner, outer: f"{outer}.{free} = {inner}.{free}"

    def rows(self, sql: str, values: Sequence[Cell] = ()) -> Iterator[Row]:
        try:
            yield from self._database.execute(sql, values)
        except (sqlite3.Error, MemoryError) as error:
            raise Unreadable(_words(error)) from error


def _words(error: Exception) -> str:
    text = str(error)
    if isinstance(error, MemoryError) or "too big" in text:
        return f"a row holds more than {LONGEST >> 20} MiB: it is too large to compare"
    return f"SQLite cannot read it ({text})"


@contextmanager
def opened(before: Path | None, after: Path | None, folder: Path) -> Iterator[SqliteEngine]:
    """Both databases; a side without one is empty. `folder`: a private place for a copy, where one is needed.

    Raises Corrupt where a file is no database.
    """
    if sqlite3.sqlite_version_info < OLDEST:
        raise DataError(
            f"the SQLite of this Python is {sqlite3.sqlite_version}: comparing databases needs 3.37 (2021)"
        )
    encodings = [encoding_of(path) for path in (before, after) if path is not None]
    common, recoded = encodings[0] if encodings else "UTF-8", None
    if before is not None and after is not None and encodings[1] != common:
        copy = folder / "recoded.sqlite"
        recoded, after = _recode(after, copy, common), copy
    with closing(_connected(common, before, after)) as database:
        yield SqliteEngine(database, recoded)


def _connected(encoding: str, *paths: Path | None) -> sqlite3.Connection:
    database = sqlite3.connect(":memory:", uri=True, isolation_level=None)
    database.text_factory = _text
    for setting in (
        f"encoding = '{encoding}'",
        "temp_store = FILE",
        "trusted_schema = OFF",
        "cell_size_check = ON",
    ):
        database.execute(f"PRAGMA {setting}")
    for side, path in zip(Side, paths, strict=True):
        where = f"{path.absolute().as_uri()}?mode=ro&immutable=1" if path is not None else ":memory:"
        try:
            database.execute(f"ATTACH ? AS {side.word}", (where,))
        except sqlite3.Error as error:
            database.close()
            raise Corrupt(f"SQLite cannot read the database ({error})") from error
    database.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 2)
    database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST)
    database.execute("PRAGMA query_only = ON")
    database.set_authorizer(_allowed)
    return database


def _text(data: bytes) -> str:
    """Bytes that are no UTF-8 stay what they are: a database may hold any."""
    return data.decode("utf-8", "surrogateescape")


def _allowed(action: int, one: str | None, two: str | None, *_: object) -> int:
    """Reading, and functions of SQLite itself that stay inside."""
    if action in _READING:
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_FUNCTION:
        return sqlite3.SQLITE_OK if folded(two or "") != "load_extension" else sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_PRAGMA and (one or "") in _PRAGMAS:
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY


def encoding_of(path: Path) -> str:
    """From the header (sqlite.org/fileformat2.html); UTF-8 where nothing was written yet."""
    with path.open("rb") as file:
        head = file.read(_ENCODING_AT + 4)
    number = struct.unpack_from(">I", head, _ENCODING_AT)[0] if len(head) >= _ENCODING_AT + 4 else 0
    return _ENCODINGS.get(number, "UTF-8")


def _recode(path: Path, target: Path, encoding: str) -> Schema:
    """Copy the tables of a database under another text encoding: SQLite attaches none that differ in it. The
    types are left out, so every cell stays what it is. Returns the schema as it was."""
    with (
        closing(_connected(encoding_of(path), path, None)) as source,
        closing(sqlite3.connect(target)) as copy,
    ):
        copy.execute(f"PRAGMA encoding = '{encoding}'")
        copy.execute("PRAGMA journal_mode = OFF")
        engine = SqliteEngine(source)
        schema = engine.schema(Side.BEFORE)
        try:
            for table in schema.tables:
                if table.closed is None:
                    _copy(engine, table, copy)
            copy.commit()
        except (Unreadable, sqlite3.Error, UnicodeEncodeError) as error:
            raise Corrupt(f"the database cannot be read as {encoding} ({error})") from error
    return schema


def _copy(source: SqliteEngine, table: Table, target: sqlite3.Connection) -> None:
    names = ", ".join(map(quoted, table.names))
    key = f", PRIMARY KEY ({', '.join(map(quoted, table.key))})" if table.key else ""
    target.execute(f"CREATE TABLE {quoted(table.name)} ({names}{key})")
    rows = source.rows(f"SELECT {names} FROM {source.relation(Side.BEFORE, table)}")
    marks = ", ".join("?" * len(table.columns))
    target.executemany(f"INSERT INTO {quoted(table.name)} VALUES ({marks})", rows)
