"""What this work tree holds, as far as known without reading it again: `data/state.db`.

Per dataset the oid, the file's own sha256 (another one where a live database was captured), its stat
signature, and the oid that git data itself last put or added there (docs/adr/0006). Git's racy-clean
rule holds: a file touched in the very instant of its recording is hashed again. A cache: deleting it
costs one hash per file.
"""

import os
from pathlib import Path
from typing import NamedTuple

from git_datamanager import fsio
from git_datamanager.model.oid import Oid
from git_datamanager.workspace.place import Stamp
from git_datamanager.workspace.sqlitecache import SqliteCache

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
        read_only = os.environ.get("GIT_OPTIONAL_LOCKS") == "0"
        self._cache = SqliteCache(file, _SCHEMA, read_only=read_only)

    def get(self, name: str) -> Known | None:
        rows = self._cache.run(
            "SELECT vouched, oid, own, signature, recorded FROM materialised WHERE name = ?", name
        )
        if not rows:
            return None
        vouched, oid, own, text, recorded = rows[0]
        return Known(Oid.parse(vouched) if vouched else None, Oid.parse(oid), own, text, recorded)

    def put(self, name: str, oid: Oid, own: str, stamp: Stamp, *, vouch: bool, flushed: bool = True) -> None:
        """Record what the file was when `stamp` was taken, before it was read.

        `vouch`: git data itself put these bytes there or made them a version; else what it last
        vouched for stays on record. `flushed`: the bytes are on the device; else the record holds until the
        machine is started again.
        """
        text = stamp.text if flushed else _until_restart(stamp)
        self._cache.run(
            "INSERT INTO materialised VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (name) DO UPDATE SET"
            " vouched = coalesce(?2, vouched), oid = ?3, own = ?4, signature = ?5, recorded = ?6",
            name, str(oid) if vouch else None, str(oid), own, text, stamp.taken,
        )  # fmt: skip

    def vouch(self, name: str, oid: Oid) -> None:
        """Keep what was recorded, and note that git data stands for these bytes."""
        self._cache.run("UPDATE materialised SET vouched = ? WHERE name = ?", str(oid), name)

    def forget(self, name: str) -> None:
        self._cache.run("DELETE FROM materialised WHERE name = ?", name)

    def names(self) -> set[str]:
        return {row[0] for row in self._cache.run("SELECT name FROM materialised")}


def is_unchanged(known: Known, stamp: Stamp) -> bool:
    """The file (and its logs) are those that were recorded, by stat alone."""
    is_same = known.signature == stamp.text or known.signature == _until_restart(stamp)
    return is_same and stamp._replace(taken=known.recorded).is_safe


def _until_restart(stamp: Stamp) -> str:
    return f"{stamp.text}@{fsio.boot_id()}"
