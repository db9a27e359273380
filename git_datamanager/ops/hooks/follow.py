"""The post-* hooks: data files follow the commit that was checked out, as far as this clone has them.

Only datasets that differ between the two manifests are looked at, only files without local changes
move, and nothing is fetched unless `data.autoPull` says so.
"""

from contextlib import suppress
from typing import NamedTuple

from git_datamanager.errors import Conflict, Corrupt, DataError, ObjectMissing
from git_datamanager.manager import DataManager
from git_datamanager.model.manifest import Dataset, Kind, Manifest, Version
from git_datamanager.model.oid import Oid
from git_datamanager.ops import local
from git_datamanager.workspace.worktree import What


class Followed(NamedTuple):
    """What became of the datasets that differ."""

    restored: list[str]
    """They have the new commit's bytes now."""
    put_away: list[str]
    """The new commit does not name them; their files lie in the cache."""
    differ: list[str]
    """The new commit's bytes are not in this clone: `git data pull`."""
    changed: list[str]
    """They hold changes nobody added, and were left alone."""


def follow(manager: DataManager, old: Manifest, new: Manifest) -> Followed:
    """Let the working files of a clone follow from one manifest to another. Never raises DataError."""
    follower = _Follower(manager, old, new)
    wanted = [d for d in new.listed() if _latest(old, d.name) != _latest(new, d.name)]
    gone = [d for d in old.listed() if d.name not in new.datasets]
    tracked = manager.git.tracked([d.name for d in (*gone, *wanted)])
    for dataset in gone:
        if dataset.name not in tracked and _put_away(manager, dataset):
            follower.result.put_away.append(dataset.name)
    for dataset in wanted:
        if dataset.name not in tracked:
            follower.advance(dataset)
    return follower.result


def _latest(manifest: Manifest, name: str) -> Oid | None:
    """What the working file should be; None for what is not listed."""
    dataset = manifest.datasets.get(name)
    return dataset.latest.oid if dataset and dataset.is_listed and dataset.latest else None


def _put_away(manager: DataManager, dataset: Dataset) -> bool:
    """As Git removes a tracked file that a commit no longer has, with the folders it leaves empty."""
    try:
        if not (_take_folder if dataset.kind is Kind.TREE else _take_file)(manager, dataset):
            return False
    except (DataError, OSError):
        return False
    folder = manager.work.path(dataset.name).parent
    with suppress(OSError):  # it is not empty
        while folder != manager.work.top:
            folder.rmdir()
            folder = folder.parent
    return True


def _take_file(manager: DataManager, dataset: Dataset) -> bool:
    seen = manager.work.look(dataset.name)
    if seen.oid not in {v.oid for v in dataset.versions} or seen.oid is None:
        return False
    return manager.work.take_away(dataset.name, seen.oid)


def _take_folder(manager: DataManager, dataset: Dataset) -> bool:
    from git_datamanager.ops.folders.follow import take_away

    return take_away(manager, dataset)


class _Follower:
    """Brings datasets to the new manifest, one after the other."""

    def __init__(self, manager: DataManager, old: Manifest, new: Manifest) -> None:
        self._manager = manager
        self._sides = (old, new)
        self._mode = manager.settings.choice("data.autoPull")
        self.result = Followed([], [], [], [])

    def advance(self, dataset: Dataset) -> None:
        try:
            one = self._folder if dataset.kind is Kind.TREE else self._file
            outcome = one(dataset, dataset.version(None))
        except Conflict:
            outcome = self.result.changed
        except (DataError, OSError):
            outcome = self.result.differ
        if outcome is not None:
            outcome.append(dataset.name)

    def _folder(self, dataset: Dataset, version: Version) -> list[str] | None:
        from git_datamanager.ops.folders.follow import advance

        try:
            moved = advance(self._manager, self._sides, dataset, version, moves=self._mode != "never")
        except ObjectMissing:
            return self.result.restored if self._fetched(dataset.name) else self.result.differ
        return self.result.restored if moved else None

    def _file(self, dataset: Dataset, version: Version) -> list[str] | None:
        """The list the dataset belongs to; None where its file was right already."""
        work, name = self._manager.work, dataset.name
        known = {oid for side in self._sides for oid in local.known_contents(self._manager, side, name)}
        seen = work.look(name)
        if seen.what is What.FILE and seen.oid == version.oid and not seen.is_live:
            work.states.vouch(name, version.oid)
            return None
        if seen.what is What.OTHER or (seen.what is What.FILE and (seen.is_live or seen.oid not in known)):
            return self.result.changed
        if self._mode == "never" or not (self._from_cache(name, version, known) or self._fetched(name)):
            return self.result.differ
        return self.result.restored

    def _from_cache(self, name: str, version: Version, known: set[Oid]) -> bool:
        cache = self._manager.cache
        if not cache.has(version.oid):
            return False
        copier = local.copier(cache.path(version.oid), version.oid, version.size)
        try:
            self._manager.work.materialise(name, version.oid, copier, known=known, is_held=True)
        except Corrupt:
            cache.drop(version.oid)  # it heals by being fetched again
            return False
        return True

    def _fetched(self, name: str) -> bool:
        if self._mode != "always":
            return False
        from git_datamanager.ops.pull import pull

        pull(self._manager, [name])
        return True
