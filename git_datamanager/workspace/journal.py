"""The journal of this clone: what was done, and which store is known to hold what.

One SQLite file in the common Git directory (docs/spec/local-state-v1.md). It is a record, never a
condition: where it cannot be written (a read-only mount), work goes on and a warning is given.
"""

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any

from git_datamanager.errors import DataError, OutcomeUnknown, SeveralFailed
from git_datamanager.model.oid import Oid
from git_datamanager.model.ulid import new_ulid

_VERSION = 1
_TELLING = 1 << 20
_SCHEMA = """
CREATE TABLE operations (
  id TEXT PRIMARY KEY,
  parent TEXT REFERENCES operations (id),
  verb TEXT NOT NULL,
  dataset TEXT,
  started TEXT NOT NULL,
  finished TEXT,
  outcome TEXT CHECK (outcome IN ('ok', 'failed', 'unknown', 'cancelled')),
  duration REAL,
  user TEXT NOT NULL,
  arguments TEXT NOT NULL,
  details TEXT,
  manifest_before TEXT,
  manifest_after TEXT,
  sequence INTEGER UNIQUE,
  hash TEXT
) STRICT;
CREATE INDEX operations_by_start ON operations (started);
CREATE INDEX operations_by_dataset ON operations (dataset);
CREATE TABLE files (
  location TEXT NOT NULL,
  oid TEXT NOT NULL,
  path TEXT,
  size INTEGER NOT NULL,
  etag TEXT,
  status TEXT NOT NULL,
  seen TEXT NOT NULL,
  PRIMARY KEY (location, oid)
) STRICT;
CREATE INDEX files_by_oid ON files (oid);
CREATE TRIGGER operations_are_final BEFORE UPDATE ON operations WHEN OLD.outcome IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a finished operation is final'); END;
CREATE TRIGGER operations_are_kept BEFORE DELETE ON operations WHEN OLD.outcome IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a finished operation is final'); END;
"""


class Outcome(StrEnum):
    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"


def utc_now() -> str:
    """UTC to the second, as every document writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


class Journal:
    """Opened on first use; threads take turns on its one connection."""

    def __init__(self, file: Path, user: Callable[[], str], on_trouble: Callable[[str], None]) -> None:
        self._file = file
        self._user = user
        self._on_trouble = on_trouble
        self._lock = threading.RLock()  # on the one connection another's statement is in our transaction

    @contextmanager
    def record(
        self, verb: str, dataset: str | None = None, arguments: Mapping[str, Any] | None = None
    ) -> Iterator[dict[str, Any]]:
        """A row before the work and its outcome after; what is put into the dict becomes its details."""
        entry, began = new_ulid(), time.monotonic()
        details: dict[str, Any] = {}
        self._write(
            "INSERT INTO operations (id, verb, dataset, started, user, arguments) VALUES (?, ?, ?, ?, ?, ?)",
            (entry, verb, dataset, utc_now(), self._user(), json.dumps(arguments or {}, sort_keys=True)),
        )
        outcome = Outcome.OK
        try:
            yield details
        except BaseException as error:
            outcome = _outcome(error)
            details["error"] = str(error)
            raise
        finally:
            self._finish(entry, outcome, time.monotonic() - began, details)

    def _finish(self, entry: str, outcome: Outcome, duration: float, details: Mapping[str, Any]) -> None:
        """Close the row and chain it to the one that was closed before."""
        import hashlib

        text = json.dumps(details, sort_keys=True, default=str)
        database = self._database
        if database is None:
            return
        try:
            with self._lock, database:
                database.execute("BEGIN IMMEDIATE")
                last = database.execute(
                    "SELECT sequence, hash FROM operations WHERE sequence IS NOT NULL"
                    " ORDER BY sequence DESC LIMIT 1"
                ).fetchone() or (0, "")
                finished = utc_now()
                chain = "\n".join([last[1], entry, finished, outcome, text])
                database.execute(
                    "UPDATE operations SET finished = ?, outcome = ?, duration = ?, details = ?,"
                    " sequence = ?, hash = ? WHERE id = ?",
                    (
                        finished,
                        outcome,
                        duration,
                        text,
                        last[0] + 1,
                        hashlib.sha256(chain.encode()).hexdigest(),
                        entry,
                    ),
                )
        except sqlite3.Error as error:
            self._on_trouble(f"the journal could not be written ({error}); the work itself is done")

    def saw(self, location: str, oid: Oid, size: int, etag: str | None, *, key: str | None = None) -> None:
        """`location` held these bytes: they were hashed on their way in or out, or when they were read
        back. `etag` is what the store called the object then (after a download: right afterwards), `key`
        where it lies if that is an encoded form.

        It may have been removed or replaced since. Who relies on it asks the store, and compares ETags.
        """
        self._write(
            "INSERT OR REPLACE INTO files (location, oid, path, size, etag, status, seen)"
            " VALUES (?, ?, ?, ?, ?, 'held', ?)",
            (location, str(oid), key, size, etag, utc_now()),
        )

    def seen(self, location: str, oid: Oid) -> tuple[str | None, str | None] | None:
        """Key and ETag of what was seen there; no key stands for the plain object."""
        rows = self._read("SELECT path, etag FROM files WHERE location = ? AND oid = ?", (location, str(oid)))
        return (rows[0][0], rows[0][1]) if rows else None

    def lost(self, location: str, oid: Oid) -> None:
        """`location` was seen not to hold these bytes."""
        self._write("DELETE FROM files WHERE location = ? AND oid = ?", (location, str(oid)))

    def holders(self, oid: Oid) -> dict[str, str | None]:
        """Where these bytes were seen: location → ETag."""
        return dict(self._read("SELECT location, etag FROM files WHERE oid = ?", (str(oid),)))

    def all_holders(self) -> dict[str, set[str]]:
        """Every oid (as text) with the locations that were seen to hold it."""
        found: dict[str, set[str]] = {}
        for oid, location in self._read("SELECT oid, location FROM files", ()):
            found.setdefault(oid, set()).add(location)
        return found

    def operations(self, limit: int = 100) -> list[dict[str, Any]]:
        """The newest operations first."""
        columns = ("id", "verb", "dataset", "started", "finished", "outcome", "duration", "user")
        rows = self._read(
            f"SELECT {', '.join(columns)} FROM operations ORDER BY started DESC, id DESC LIMIT ?",  # noqa: S608 - fixed names
            (limit,),
        )
        return [dict(zip(columns, row, strict=True)) for row in rows]

    def rate(self, verb: str) -> float | None:
        """Bytes a second of the latest of these operations that moved enough to tell."""
        rows = self._read(
            "SELECT details, duration FROM operations WHERE verb = ? AND outcome = 'ok' AND duration > 0"
            " ORDER BY started DESC, id DESC LIMIT 20",
            (verb,),
        )
        found = ((json.loads(details).get("bytes", 0), duration) for details, duration in rows)
        return next((count / duration for count, duration in found if count >= _TELLING), None)

    @property
    def _database(self) -> sqlite3.Connection | None:
        with self._lock:  # opened once, and a trouble with it told once
            return self._opened

    @cached_property
    def _opened(self) -> sqlite3.Connection | None:
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            database = sqlite3.connect(self._file, timeout=30, isolation_level=None, check_same_thread=False)
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
            _migrate(database)
        except (sqlite3.Error, OSError) as error:
            self._on_trouble(f"no journal is kept: {self._file} cannot be written ({error})")
            return None
        return database

    def _write(self, statement: str, values: tuple[object, ...]) -> None:
        database = self._database
        if database is None:
            return
        try:
            with self._lock:
                database.execute(statement, values)
        except sqlite3.Error as error:
            self._on_trouble(f"the journal could not be written ({error})")

    def _read(self, statement: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        database = self._database if self._file.exists() else None
        if database is None:
            return []
        try:
            with self._lock:
                return database.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            self._on_trouble(f"the journal could not be read ({error})")
            return []


def _migrate(database: sqlite3.Connection) -> None:
    found = database.execute("PRAGMA user_version").fetchone()[0]
    if found > _VERSION:
        raise sqlite3.DatabaseError(f"written by a newer git-datamanager (version {found})")
    if found == _VERSION:
        return
    database.execute("BEGIN EXCLUSIVE")
    if database.execute("PRAGMA user_version").fetchone()[0] == 0:
        for statement in _statements(_SCHEMA):
            database.execute(statement)
        database.execute(f"PRAGMA user_version = {_VERSION}")
    database.execute("COMMIT")


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _outcome(error: BaseException) -> Outcome:
    parts = [part for _, part in error.failures] if isinstance(error, SeveralFailed) else [error]
    if any(isinstance(part, OutcomeUnknown) for part in parts):
        return Outcome.UNKNOWN
    if isinstance(error, DataError | OSError | sqlite3.Error):
        return Outcome.FAILED
    return Outcome.CANCELLED if isinstance(error, KeyboardInterrupt | SystemExit) else Outcome.FAILED
