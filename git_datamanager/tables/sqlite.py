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
from git_datamanager.tables.deadline import interruptible
from git_datamanager.tables.dialect import SqliteDialect
from git_datamanager.tables.engine import Side, Unreadable
from git_datamanager.tables.result import Row
from git_datamanager.tables.rowdiff import Pair, quoted
from git_datamanager.tables.schema import Column, Schema, Table, Thing, folded, same_text
from git_datamanager.tables.values import Cell

OLDEST = (3, 37, 0)
LONGEST = 128 << 20
"""Bytes of a cell, or a row, that is still compared."""
_ENCODING_AT = 56
_ENCODINGS = {1: "UTF-8", 2: "UTF-16le", 3: "UTF-16be"}
_HIDDEN, _STORED = 6, 3
"""A generated column whose values stand in the file; those of the other kind are not computed."""
_SETTINGS = ("user_version", "application_id")
_ROWIDS = ("rowid", "_rowid_", "oid")
_READING = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE})
_PRAGMAS = frozenset({"table_list", "table_xinfo", "index_list", *_SETTINGS})


class SqliteEngine:
    """An Engine over two attached databases."""

    def __init__(self, database: sqlite3.Connection, recoded: Schema | None = None) -> None:
        """`recoded`: the schema of the `after` side, where that is a copy without types."""
        self.dialect = SqliteDialect(is_typed=recoded is None)
        self._database = database
        self._recoded = recoded
        self.joins_fully = False
        self.widest = database.getlimit(sqlite3.SQLITE_LIMIT_COLUMN)

    def schema(self, side: Side) -> Schema:
        if side is Side.AFTER and self._recoded is not None:
            return self._recoded
        try:
            return Schema(tuple(self._tables(side)), tuple(self._things(side)))
        except (sqlite3.Error, UnicodeError) as error:
            raise Corrupt(f"SQLite cannot read the database ({error})") from error

    def _tables(self, side: Side) -> Iterator[Table]:
        listed = self._database.execute(f"PRAGMA {side.word}.table_list").fetchall()
        texts = dict(
            self._database.execute(f"SELECT name, sql FROM {side.word}.sqlite_schema WHERE type = 'table'")
        )
        for _, name, kind, _, has_no_rowid, _ in sorted(listed, key=lambda row: folded(row[1])):
            if kind == "virtual":
                yield Table(name, (), closed="a virtual table: what it shows is not compared")
            elif kind == "table" and not folded(name).startswith("sqlite_"):
                yield self._table(side, name, texts.get(name) or "", has_rowid=not has_no_rowid)

    def _table(self, side: Side, name: str, text: str, *, has_rowid: bool) -> Table:
        rows = self._pragma(side, "table_xinfo", name)
        seen = [row for row in rows if row[_HIDDEN] in (0, _STORED)]
        is_trimmed = "RTRIM" in text.upper()  # which column has it nobody says: then any may
        columns = [Column(row[1], row[2], bool(row[3]), row[4], is_trimmed) for row in seen]
        key = tuple(column for _, column in sorted((row[5], row[1]) for row in seen if row[5]))
        parts = [column for column in columns if column.name in key]
        is_rowid = has_rowid and self._is_rowid(side, name, parts)
        is_whole = bool(key) and (not has_rowid or is_rowid or all(column.not_null for column in parts))
        return Table(name, tuple(columns), key, definition=text, is_key_whole=is_whole, is_rowid_key=is_rowid)

    def _is_rowid(self, side: Side, name: str, key: Sequence[Column]) -> bool:
        """An INTEGER PRIMARY KEY, but that of INTEGER PRIMARY KEY DESC, which has an index of its own."""
        if len(key) != 1 or key[0].type.upper() != "INTEGER":
            return False
        return all(row[3] != "pk" for row in self._pragma(side, "index_list", name))

    def _pragma(self, side: Side, word: str, name: str) -> list[Row]:
        return self._database.execute(f"PRAGMA {side.word}.{word}({quoted(name)})").fetchall()

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

    def scope(self, side: Side, table: Table) -> tuple[str, Sequence[str]]:
        return self.relation(side, table), tuple(map(quoted, table.names))

    def is_unique(self, table: Table, key: Sequence[str]) -> bool:
        """A declared key that cannot hold NULL: others may, many times."""
        return table.is_key_whole and set(map(folded, key)) == set(map(folded, table.key))

    def is_one_to_one(self, before: Table, after: Table, key: Sequence[Pair]) -> bool:
        """Where both sides declare the same, or hold nothing but integers: else one side may take for one
        value (by its collation, or as a number) what are two on the other."""
        if self._recoded is None and before.definition and same_text(before.definition, after.definition):
            return True
        return self.has_integers(before, after, key)

    def has_integers(self, before: Table, after: Table, key: Sequence[Pair]) -> bool:
        """An INTEGER PRIMARY KEY on both sides: the rowid."""
        return (
            before.is_rowid_key
            and after.is_rowid_key
            and all(
                folded(table.key[0]) == folded(column.name)
                for table, column in zip((before, after), key[0], strict=True)
            )
        )

    def partners(self, before: Table, after: Table) -> Callable[[str, str], str] | None:
        """By rowid: a table that has a key is not asked, one without any has a rowid."""
        if before.key or after.key:
            return None
        sides = ((Side.BEFORE, before), (Side.AFTER, after))
        taken = {folded(row[1]) for side, t in sides for row in self._pragma(side, "table_xinfo", t.name)}
        free = next((name for name in _ROWIDS if name not in taken), None)
        return None if free is None else lambda inner, outer: f"{outer}.{free} = {inner}.{free}"

    def packed(self, side: Side, table: Table) -> str | None:  # noqa: ARG002 -- 2000 columns are no matter
        return None

    def rows(self, sql: str, values: Sequence[Cell] = ()) -> Iterator[Row]:
        try:
            yield from self._database.execute(sql, values)
        except (sqlite3.Error, sqlite3.Warning, MemoryError, UnicodeError, OverflowError) as error:
            raise Unreadable(_words(error), str(error)) from error


def _words(error: Exception) -> str:
    text = str(error)
    if isinstance(error, MemoryError) or "too big" in text:
        return f"a row holds more than {LONGEST >> 20} MiB: it is too large to compare"
    if "too many columns" in text:
        return "it has no key and too many columns to compare whole rows: --key COL[,COL] names one"
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
    with closing(_connected(common, before, after)) as database, interruptible(database.interrupt):
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
        copy.execute("PRAGMA synchronous = OFF")
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
