"""Uploads in parts that were begun and not ended: `data/uploads.db` (docs/spec/local-state-v1.md).

What it takes to go on with one, and never a secret. One process at a time is at work on each; one that
died is no owner. A record, no condition: where it cannot be written uploads begin anew.
"""

import os
import socket
import time
from pathlib import Path

from git_datamanager import fsio
from git_datamanager.storage.base import Begun
from git_datamanager.workspace.sqlitecache import SqliteCache

_SCHEMA = """
CREATE TABLE IF NOT EXISTS uploads (
  upload_id TEXT PRIMARY KEY, location TEXT NOT NULL, key TEXT NOT NULL, size INTEGER NOT NULL,
  sha256 TEXT NOT NULL, part_size INTEGER NOT NULL, nonce TEXT NOT NULL, has_digests INTEGER NOT NULL,
  owner TEXT NOT NULL, touched INTEGER NOT NULL
) STRICT
"""
_DAY = 86_400
_KEPT = 30 * _DAY
"""Stores tidy away unfinished uploads after a week, as a rule."""


class UploadBook:
    """The ResumeBook of one clone."""

    def __init__(self, file: Path) -> None:
        self._cache = SqliteCache(file, _SCHEMA, flushed=True)

    def take(self, location: str, key: str, size: int, sha256: str) -> Begun | None:
        rows = self._cache.run(
            "SELECT upload_id, part_size, nonce, has_digests, owner, touched FROM uploads"
            " WHERE location = ? AND key = ? AND size = ? AND sha256 = ? ORDER BY touched DESC",
            location, key, size, sha256,
        )  # fmt: skip
        for upload_id, part_size, nonce, has_digests, owner, touched in rows:
            if not _is_at_work(owner, touched) and self._claim(upload_id, owner):
                return Begun(upload_id, part_size, nonce, bool(has_digests))
        return None

    def _claim(self, upload_id: str, owner: str) -> bool:
        """Take it over, unless somebody else just did."""
        return bool(
            self._cache.run(
                "UPDATE uploads SET owner = ?, touched = ? WHERE upload_id = ? AND owner = ? RETURNING 1",
                _me(), _now(), upload_id, owner,
            )
        )  # fmt: skip

    def begin(self, location: str, key: str, size: int, sha256: str, begun: Begun) -> None:
        self._cache.run("DELETE FROM uploads WHERE touched < ?", _now() - _KEPT)
        self._cache.run(
            "INSERT OR REPLACE INTO uploads VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            begun.upload_id, location, key, size, sha256,
            begun.part_size, begun.nonce, int(begun.has_digests), _me(), _now(),
        )  # fmt: skip

    def leave(self, begun: Begun) -> None:
        self._cache.run(
            "UPDATE uploads SET owner = '', touched = ? WHERE upload_id = ?", _now(), begun.upload_id
        )

    def end(self, begun: Begun) -> None:
        self._cache.run("DELETE FROM uploads WHERE upload_id = ?", begun.upload_id)


def _me() -> str:
    return f"{os.getpid()}@{socket.gethostname()}"


def _now() -> int:
    return int(time.time())


def _is_at_work(owner: str, touched: int) -> bool:
    """Whether its owner may still send parts. Of another machine that is not known: a day is enough."""
    pid, _, host = owner.partition("@")
    if not pid.isdigit():
        return False
    if host != socket.gethostname():
        return _now() - touched < _DAY
    return fsio.is_alive(int(pid))
