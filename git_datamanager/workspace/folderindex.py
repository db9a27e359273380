"""Which pack of this clone holds which member: `data/cache/packs/index.db`, derived from the packs.

SQLite, so that one changed file among a million costs one lookup. It is not flushed: where it fails or
is damaged it begins anew, and what it says is checked wherever it matters.
"""

import contextlib
import sqlite3
import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from git_datamanager.content import pack
from git_datamanager.model.oid import Oid

_SCHEMA = """
CREATE TABLE IF NOT EXISTS packs (
  id INTEGER PRIMARY KEY, oid TEXT NOT NULL UNIQUE, size INTEGER NOT NULL, durable INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS members (
  digest BLOB PRIMARY KEY, pack INTEGER NOT NULL, start INTEGER NOT NULL, length INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
"""


_AT_ONCE = 500
"""Members asked for in one statement."""


class Place(NamedTuple):
    """Where a member lies."""

    pack: Oid
    offset: int
    length: int


class PackIndex:
    """An index that fails is an empty one: members are packed again."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()

    def packs(self) -> dict[Oid, int]:
        """The packs that are indexed, with their sizes."""
        return {Oid(oid): size for oid, size in self._run("SELECT oid, size FROM packs")}

    def places(self, digests: Sequence[bytes]) -> dict[bytes, Place]:
        """Where members lie, of those that are here."""
        found: dict[bytes, Place] = {}
        for start in range(0, len(digests), _AT_ONCE):
            some = digests[start : start + _AT_ONCE]
            marks = ",".join("?" * len(some))
            rows = self._run(
                "SELECT digest, oid, start, length FROM members JOIN packs ON packs.id = pack"  # noqa: S608
                f" WHERE digest IN ({marks})",
                *some,
            )
            found |= {digest: Place(Oid(oid), offset, length) for digest, oid, offset, length in rows}
        return found

    def add(self, oid: Oid, size: int, index: pack.Index) -> None:
        """Index a pack; of two that hold a member the newer counts."""
        self.forget(oid)
        with self._lock, contextlib.suppress(sqlite3.Error):
            if self._database is None:
                return
            with self._database as database:
                database.execute("BEGIN IMMEDIATE")
                made = database.execute(
                    "INSERT INTO packs (oid, size, durable) VALUES (?, ?, 0)", (oid.hex, size)
                )
                number = made.lastrowid
                rows = sorted((e.digest, number, e.offset, e.length) for e in index)
                database.executemany("INSERT OR REPLACE INTO members VALUES (?, ?, ?, ?)", rows)

    def forget(self, oid: Oid) -> None:
        if not self._run("SELECT 1 FROM packs WHERE oid = ?", oid.hex):
            return
        self._run("DELETE FROM members WHERE pack = (SELECT id FROM packs WHERE oid = ?)", oid.hex)
        self._run("DELETE FROM packs WHERE oid = ?", oid.hex)

    def is_durable(self, oid: Oid) -> bool:
        """It was read whole and flushed since it was written."""
        return bool(self._run("SELECT 1 FROM packs WHERE oid = ? AND durable", oid.hex))

    def mark_durable(self, oid: Oid) -> None:
        self._run("UPDATE packs SET durable = 1 WHERE oid = ?", oid.hex)

    def _run(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock:
            if self._database is None:
                return []
            try:
                return self._database.execute(statement, values).fetchall()
            except sqlite3.OperationalError:
                return []  # busy, or a read-only file system
            except sqlite3.DatabaseError:
                self._file.unlink(missing_ok=True)  # damaged: the next command begins anew
                return []

    @cached_property
    def _database(self) -> sqlite3.Connection | None:
        for _ in range(2):
            with contextlib.suppress(OSError):
                self._file.parent.mkdir(parents=True, exist_ok=True)
                try:
                    return self._connect()
                except sqlite3.OperationalError:
                    return None  # a read-only file system
                except sqlite3.DatabaseError:
                    self._file.unlink(missing_ok=True)  # damaged: begin anew
        return None

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._file, isolation_level=None, check_same_thread=False, timeout=10)
        database.execute("PRAGMA synchronous = OFF")
        database.executescript(_SCHEMA)
        return database
