"""A small SQLite file that remembers: where it fails, nothing was remembered, and work goes on.

For what can be found out again, never for what must be known. A damaged file begins anew.
"""

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

_WAIT = 10.0
"""Seconds for another process that writes."""


class SqliteCache:
    """Opened on first use; threads take turns on its one connection."""

    def __init__(self, file: Path, schema: str, *, flushed: bool = False, read_only: bool = False) -> None:
        """`schema`: statements that change nothing where they ran before. `flushed`: what was written
        outlives a loss of power."""
        self._file = file
        self._schema = schema
        self._synchronous = "NORMAL" if flushed else "OFF"
        self._read_only = read_only
        self._lock = threading.Lock()

    def run(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a statement; none where the file cannot be read or written."""
        rows: list[tuple[Any, ...]] = []
        with self._using() as database:
            if database is not None:
                rows = database.execute(statement, values).fetchall()
        return rows

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection | None]:
        """One transaction; None where there is no file to write to."""
        with self._using() as database:
            if database is None:
                yield None
                return
            with database:
                database.execute("BEGIN IMMEDIATE")
                yield database

    @contextlib.contextmanager
    def _using(self) -> Iterator[sqlite3.Connection | None]:
        with self._lock:
            try:
                yield self._database
            except sqlite3.Error as error:  # busy, full, read-only: as if nothing were remembered
                if type(error) is sqlite3.DatabaseError:
                    self._discard()  # damaged: the next command begins anew

    @cached_property
    def _database(self) -> sqlite3.Connection | None:
        if self._read_only:
            return self._connect("ro") if self._file.exists() else None
        with contextlib.suppress(OSError, sqlite3.DatabaseError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            try:
                return self._connect("rwc")
            except sqlite3.DatabaseError:
                self._discard()
                return self._connect("rwc")
        return None

    def _discard(self) -> None:
        with contextlib.suppress(OSError):
            self._file.unlink(missing_ok=True)

    def _connect(self, mode: str) -> sqlite3.Connection | None:
        try:
            database = sqlite3.connect(
                f"{self._file.absolute().as_uri()}?mode={mode}",
                uri=True, isolation_level=None, check_same_thread=False, timeout=_WAIT,
            )  # fmt: skip
            if mode != "ro":
                database.execute(f"PRAGMA synchronous = {self._synchronous}")
                database.executescript(self._schema)
        except sqlite3.OperationalError:
            return None  # a read-only file system
        return database
