"""Which pack of this clone holds which member: `data/cache/packs/index.db`, derived from the packs.

SQLite, so that one changed file among a million costs one lookup. It is not flushed: where it fails or
is damaged it begins anew, and what it says is checked wherever it matters.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from git_datamanager.content import pack
from git_datamanager.model.oid import Oid
from git_datamanager.workspace.sqlitecache import SqliteCache

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
        self._cache = SqliteCache(file, _SCHEMA)

    def packs(self) -> dict[Oid, int]:
        """The packs that are indexed, with their sizes."""
        return {Oid(oid): size for oid, size in self._cache.run("SELECT oid, size FROM packs")}

    def places(self, digests: Sequence[bytes]) -> dict[bytes, Place]:
        """Where members lie, of those that are here."""
        found: dict[bytes, Place] = {}
        for start in range(0, len(digests), _AT_ONCE):
            some = digests[start : start + _AT_ONCE]
            marks = ",".join("?" * len(some))
            rows = self._cache.run(
                "SELECT digest, oid, start, length FROM members JOIN packs ON packs.id = pack"  # noqa: S608
                f" WHERE digest IN ({marks})",
                *some,
            )
            found |= {digest: Place(Oid(oid), offset, length) for digest, oid, offset, length in rows}
        return found

    def add(self, oid: Oid, size: int, index: pack.Index) -> None:
        """Index a pack; of two that hold a member the newer counts."""
        self.forget(oid)
        with self._cache.writing() as database:
            if database is None:
                return
            made = database.execute(
                "INSERT INTO packs (oid, size, durable) VALUES (?, ?, 0)", (oid.hex, size)
            )
            number = made.lastrowid
            rows = sorted((e.digest, number, e.offset, e.length) for e in index)
            database.executemany("INSERT OR REPLACE INTO members VALUES (?, ?, ?, ?)", rows)

    def forget(self, oid: Oid) -> None:
        if not self._cache.run("SELECT 1 FROM packs WHERE oid = ?", oid.hex):
            return
        self._cache.run("DELETE FROM members WHERE pack = (SELECT id FROM packs WHERE oid = ?)", oid.hex)
        self._cache.run("DELETE FROM packs WHERE oid = ?", oid.hex)

    def is_durable(self, oid: Oid) -> bool:
        """It was read whole and flushed since it was written."""
        return bool(self._cache.run("SELECT 1 FROM packs WHERE oid = ? AND durable", oid.hex))

    def mark_durable(self, oid: Oid) -> None:
        self._cache.run("UPDATE packs SET durable = 1 WHERE oid = ?", oid.hex)
