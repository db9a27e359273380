"""What this work tree holds, as far as known without reading it again: `data/state.db`.

Per dataset the oid, the file's own sha256 (another one where a live database was captured), its stat
signature, and the oid that git data itself last put or added there (docs/adr/0006). Git's racy-clean
rule holds: a file touched in the very instant of its recording is hashed again. A cache: deleting it
costs one hash per file.
"""

import contextlib
import os
import sqlite3
import threading
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from git_datamanager.model.oid import Oid
from git_datamanager.workspace.place import Stamp

_SCHEMA = """
CREATE TABLE IF NOT EXISTS materialised (
  name TEXT PRIMARY KEY, vouched TEXT, oid TEXT NOT NULL, own TEXT NOT NULL,
  signature TEXT NOT NULL, recorded INTEGER NOT NULL
) STRICT
"""


class Known(NamedTuple):
    """What a working file was when it was last looked at."""

    vouched: Oid | None
    """What git data put there, or read for a version: never a local change."""
    oid: Oid
    own: str
    signature: str
    recorded: int


class StateCache:
    """Where it cannot be written (a read-only mount, GIT_OPTIONAL_LOCKS=0) everything is hashed anew."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()

    def get(self, name: str) -> Known | None:
        rows = self._run(
            "SELECT vouched, oid, own, signature, recorded FROM materialised WHERE name = ?", (name,)
        )
        if not rows:
            return None
        vouched, oid, own, text, recorded = rows[0]
        return Known(Oid.parse(vouched) if vouched else None, Oid.parse(oid), own, text, recorded)

    def put(self, name: str, oid: Oid, own: str, stamp: Stamp, *, vouch: bool) -> None:
        """Record what the file was when `stamp` was taken, before it was read.

        `vouch`: git data itself put these bytes there or made them a version; else what it last
        vouched for stays on record.
        """
        self._run(
            "INSERT INTO materialised VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (name) DO UPDATE SET"
            " vouched = coalesce(?2, vouched), oid = ?3, own = ?4, signature = ?5, recorded = ?6",
            (name, str(oid) if vouch else None, str(oid), own, stamp.text, stamp.taken),
        )

    def vouch(self, name: str, oid: Oid) -> None:
        """Keep what was recorded, and note that git data stands for these bytes."""
        self._run("UPDATE materialised SET vouched = ? WHERE name = ?", (str(oid), name))

    def forget(self, name: str) -> None:
        self._run("DELETE FROM materialised WHERE name = ?", (name,))

    def names(self) -> set[str]:
        return {row[0] for row in self._run("SELECT name FROM materialised", ())}

    def _run(self, statement: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        with self._lock:
            if self._database is None:
                return []
            try:
                return self._database.execute(statement, values).fetchall()
            except sqlite3.Error:
                # A cache that fails is a cache without entries: files are hashed instead.
                return []

    @cached_property
    def _database(self) -> sqlite3.Connection | None:
        if os.environ.get("GIT_OPTIONAL_LOCKS") == "0":
            return self._connect("ro") if self._file.exists() else None
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            return self._connect("rwc")
        except (sqlite3.DatabaseError, OSError):
            with contextlib.suppress(OSError):
                self._file.unlink(missing_ok=True)  # damaged: begin anew
                return self._connect("rwc")
        return None

    def _connect(self, mode: str) -> sqlite3.Connection | None:
        try:
            database = sqlite3.connect(
                f"{self._file.absolute().as_uri()}?mode={mode}",
                uri=True, isolation_level=None, check_same_thread=False, timeout=10,
            )  # fmt: skip
            if mode != "ro":
                database.execute("PRAGMA synchronous = OFF")
                database.execute(_SCHEMA)
        except sqlite3.OperationalError:
            return None  # a read-only file system
        return database


def is_unchanged(known: Known, stamp: Stamp) -> bool:
    """The file (and its logs) are those that were recorded, by stat alone."""
    return stamp.text == known.signature and stamp._replace(taken=known.recorded).is_safe
