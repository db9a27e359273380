"""How many rows a version has, from wherever that is known: remembered, for its bytes never change."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from git_datamanager import __version__
from git_datamanager.errors import DataError
from git_datamanager.manager import DataManager
from git_datamanager.model.manifest import Dataset, Kind, Version
from git_datamanager.ops.inside import reading
from git_datamanager.ops.inside.profiles import profile_of
from git_datamanager.tables import kinds
from git_datamanager.workspace.sqlitecache import SqliteCache

COUNTED = 256 << 20
"""Bytes up to which the rows of a version are counted."""
_SCHEMA = "CREATE TABLE IF NOT EXISTS counted (key TEXT PRIMARY KEY, rows INTEGER)"


class Rows(NamedTuple):
    """Of all tables of a version."""

    known: int | None
    why: str = ""
    """In two or three words, why nobody knows it."""


_ABSENT = Rows(None, "not in this clone")


def memo(manager: DataManager) -> Path:
    """The file that remembers; it may be deleted at any time."""
    return manager.state_folder / "rows.db"


class RowCounter:
    """Counts rows of the versions of one clone."""

    def __init__(self, manager: DataManager, fetched: int = 0) -> None:
        """`fetched`: bytes that may be fetched to be counted, all versions together."""
        self._manager = manager
        self._left = fetched
        self._cache = SqliteCache(memo(manager), _SCHEMA)

    def rows(self, dataset: Dataset, version: Version) -> Rows:
        """What cannot be fetched or read is no error: this is no check."""
        if dataset.kind is not Kind.FILE:
            return Rows(None, "a folder")
        # Of the name only the ending says what kind of file it is; another release may read more.
        key = f"{__version__} {version.oid} {''.join(PurePosixPath(dataset.name).suffixes[-2:]).lower()}"
        for (count,) in self._cache.run("SELECT rows FROM counted WHERE key = ?", key):
            return Rows(count)
        is_here = reading.is_here(self._manager, dataset, version)
        if is_here and version.size <= COUNTED:
            found = self._counted(dataset, version)
        else:
            found = self._profiled(dataset, version, is_here=is_here)
            if found == _ABSENT and self._may_fetch(version):
                found = self._fetched(dataset, version)
        if found.known is not None:
            self._cache.run("INSERT OR REPLACE INTO counted VALUES (?, ?)", key, found.known)
        return found

    def _profiled(self, dataset: Dataset, version: Version, *, is_here: bool) -> Rows:
        """What somebody saw who looked into it while it was here."""
        if is_here:
            return Rows(None, "too large to count")
        try:
            found = profile_of(self._manager, dataset, version)
        except DataError:
            return _ABSENT
        if found.kind == kinds.OTHER:
            return Rows(None, "no tables")
        return _sum([table.rows for table in found.tables])

    def _may_fetch(self, version: Version) -> bool:
        return version.size <= min(self._left, COUNTED)

    def _fetched(self, dataset: Dataset, version: Version) -> Rows:
        try:
            reading.bring(self._manager, [(dataset, version)], reading.always)
        except DataError:
            return Rows(None, "cannot be fetched")
        self._left -= version.size
        return self._counted(dataset, version)

    def _counted(self, dataset: Dataset, version: Version) -> Rows:
        from git_datamanager.tables.compare import Wish
        from git_datamanager.tables.source import compare

        try:
            with reading.version_file(self._manager, dataset, version) as path:
                found = compare(None, path, dataset.name, Wish(rows=0))
        except DataError:  # damaged, or in use
            return Rows(None, "cannot be read")
        if found.kind == kinds.OTHER:
            return Rows(None, "not read as tables" if found.note else "no tables")
        return _sum([table.rows_after for table in found.tables])


def _sum(counts: Sequence[int | None]) -> Rows:
    known = [count for count in counts if count is not None]
    return Rows(sum(known)) if len(known) == len(counts) else Rows(None, "not all readable")
