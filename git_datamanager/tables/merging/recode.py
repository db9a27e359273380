"""A SQLite database under another text encoding: SQLite attaches none that differ in it."""

import sqlite3
from contextlib import closing
from pathlib import Path

from git_datamanager.errors import Corrupt, DataError
from git_datamanager.tables import sqlite
from git_datamanager.tables.rowdiff import quoted

_HIDDEN = 6
"""The column of PRAGMA table_xinfo that is not 0 for what cannot be written."""


def recoded(path: Path, target: Path, encoding: str) -> Path:
    """The database itself, where it has this encoding; else a copy in `target` that has, with all that it
    holds. Raises Corrupt where a text cannot be read, DataError for one with virtual tables."""
    if sqlite.encoding_of(path) == encoding:
        return path
    where = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    try:
        with (
            closing(sqlite3.connect(where, uri=True)) as source,
            closing(sqlite3.connect(target, isolation_level=None)) as copy,
        ):
            for setting in (f"encoding = '{encoding}'", "journal_mode = OFF", "synchronous = OFF"):
                copy.execute(f"PRAGMA {setting}")
            _copy(source, copy)
    except (sqlite3.Error, UnicodeError) as error:
        raise Corrupt(f"the database cannot be read as {encoding} ({error})") from error
    return target


def _copy(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    listed = "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid"
    things = source.execute(listed).fetchall()
    target.execute("BEGIN")
    for kind, name, sql in things:
        if kind == "table" and not name.lower().startswith("sqlite_"):
            if sql.upper().startswith("CREATE VIRTUAL"):
                raise DataError(
                    f"the sides have several text encodings, and the virtual table {name} cannot be converted"
                )
            target.execute(sql)
            _copy_rows(source, target, name)
    for wanted in ("index", "view", "trigger"):
        for kind, _, sql in things:
            if kind == wanted:
                target.execute(sql)
    _copy_sequences(source, target, [name for kind, name, _ in things if kind == "table"])
    for setting in ("user_version", "application_id"):
        (value,) = source.execute(f"PRAGMA {setting}").fetchone()
        target.execute(f"PRAGMA {setting} = {int(value)}")
    target.execute("COMMIT")


def _copy_rows(source: sqlite3.Connection, target: sqlite3.Connection, name: str) -> None:
    rows = source.execute(f"PRAGMA table_xinfo({quoted(name)})").fetchall()
    cells = [quoted(row[1]) for row in rows if row[_HIDDEN] == 0]
    target.executemany(
        f"INSERT INTO {quoted(name)} ({', '.join(cells)}) VALUES ({', '.join('?' * len(cells))})",
        source.execute(f"SELECT {', '.join(cells)} FROM {quoted(name)}"),
    )


def _copy_sequences(source: sqlite3.Connection, target: sqlite3.Connection, tables: list[str]) -> None:
    if "sqlite_sequence" in tables:
        target.execute("DELETE FROM sqlite_sequence")
        target.executemany(
            "INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)",
            source.execute("SELECT name, seq FROM sqlite_sequence"),
        )
