"""rollback, delete, prune, mv, rm --cached: pending changes of the manifest. No bytes move."""

import errno
import os
import shlex
import stat as stat_module
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from git_datamanager import fsio
from git_datamanager.content.snapshot import LOGS
from git_datamanager.errors import Conflict, DataError
from git_datamanager.manager import DataManager
from git_datamanager.model import compaction, evolve
from git_datamanager.model.evolve import Draft
from git_datamanager.model.manifest import Dataset, Kind, Manifest, State, Version
from git_datamanager.model.names import check_name
from git_datamanager.model.ulid import new_ulid
from git_datamanager.ops import select
from git_datamanager.ops.folders import move as folder_move
from git_datamanager.workspace import ignorefile
from git_datamanager.workspace.journal import utc_now
from git_datamanager.workspace.worktree import What


class Change(NamedTuple):
    """What a command makes of a dataset; None where it was or is not there."""

    name: str
    before: Dataset | None
    after: Dataset | None

    @property
    def dropped(self) -> list[Version]:
        """Drafts that HEAD never held: they are simply gone from the manifest."""
        left = {v.id for v in self.after.versions} if self.after else set()
        return [v for v in self.before.versions if v.id not in left] if self.before else []

    @property
    def marked(self) -> list[Version]:
        """The versions whose deletion this asks for."""
        old = {v.id: v.state for v in self.before.versions} if self.before else {}
        new = self.after.versions if self.after else ()
        return [v for v in new if v.state is State.DELETING and old.get(v.id) is not State.DELETING]


def rollback(manager: DataManager, name: str, to: str, *, message: str = "", dry_run: bool = False) -> Change:
    """A new pending version with the bytes of an older one. Raises UnknownVersion, Conflict."""
    before = manager.manifests.current()
    full = select.known_name(manager, before, name)
    target = select.version_of(before.dataset(full), to)
    draft = Draft(new_ulid(), utc_now(), manager.git.author(), message or f"Roll back to {target.name}")
    with manager.journal.record("rollback", full, {"to": to}):
        after = manager.manifests.change(
            lambda m, ids: evolve.roll_back(m, full, to, draft, committed=ids), dry_run=dry_run
        )
    return Change(full, before.datasets.get(full), after.datasets.get(full))


def delete(manager: DataManager, name: str, *, reason: str | None = None, dry_run: bool = False) -> Change:
    """Ask for the deletion of a dataset; working file and ignore line stay."""
    before = manager.manifests.current()
    full = select.dataset_of(manager, before, name).name
    with manager.journal.record("delete", full, {"reason": reason}):
        after = manager.manifests.change(
            lambda m, ids: evolve.mark_dataset(m, full, utc_now(), reason, committed=ids), dry_run=dry_run
        )
    return Change(full, before.datasets[full], after.datasets.get(full))


def prune(
    manager: DataManager, name: str, keep: int, *, reason: str | None = None, dry_run: bool = False
) -> Change:
    """Ask for the deletion of all published versions but the newest `keep` (at least 1)."""
    before = manager.manifests.current()
    full = select.dataset_of(manager, before, name).name
    with manager.journal.record("prune", full, {"keep": keep, "reason": reason}):
        after = manager.manifests.change(
            lambda m, _: evolve.prune_versions(m, full, keep, utc_now(), reason), dry_run=dry_run
        )
    return Change(full, before.datasets[full], after.datasets[full])


def compact(manager: DataManager, name: str, keep: int | None, *, dry_run: bool = False) -> Change:
    """Ask for whole files of the newest `keep` versions only, deltas of the others; None for all whole."""
    before = manager.manifests.current()
    full = select.dataset_of(manager, before, name).name
    with manager.journal.record("compact", full, {"keep": keep}):
        after = manager.manifests.change(lambda m, _: compaction.ask(m, full, keep), dry_run=dry_run)
    return Change(full, before.datasets[full], after.datasets[full])


def set_options(
    manager: DataManager, name: str, put: Mapping[str, Any], drop: Collection[str], *, dry_run: bool = False
) -> Change:
    """Tell a dataset these options, and no longer those."""
    before = manager.manifests.current()
    full = select.dataset_of(manager, before, name).name
    with manager.journal.record("set", full, {"put": dict(put), "drop": sorted(drop)}):
        after = manager.manifests.change(lambda m, _: evolve.set_options(m, full, put, drop), dry_run=dry_run)
    return Change(full, before.datasets[full], after.datasets[full])


def remove(manager: DataManager, names: Sequence[str], *, dry_run: bool = False) -> list[Change]:
    """No longer materialise, pull or list datasets; versions, bytes and working files stay."""
    before = manager.manifests.current()
    full = [select.dataset_of(manager, before, name).name for name in names]

    def change(manifest: Manifest, committed: frozenset[str]) -> Manifest:
        for name in full:
            manifest = evolve.remove(manifest, name, committed=committed)
        return manifest

    def ignore(text: str) -> str:
        for name in full:
            text = ignorefile.remove(text, name)
        return text

    with manager.journal.record("rm", None, {"names": full}):
        after = manager.manifests.change(change, ignore=ignore, dry_run=dry_run)
    return [Change(name, before.datasets[name], after.datasets.get(name)) for name in full]


def move(manager: DataManager, old: str, new: str, *, dry_run: bool = False) -> Change:
    """Give a dataset another name; its versions, their ids, the file and the ignore line follow.

    A `new` that is a folder, or ends with a slash, takes the file in under its own name (as git mv).
    Run again after it was killed it finishes what it began.
    """
    if new.endswith("/") or Path(new).is_dir():
        new = str(Path(new, PurePosixPath(old).name))
    target = check_name(select.name_of(manager, new))
    with manager.manifests.lock():  # what is looked at here holds until the file has moved
        before = manager.manifests.current()
        source = _source(manager, before, old, target)
        is_begun = source not in before.datasets
        is_folder = before.dataset(target if is_begun else source).kind is Kind.TREE
        if is_folder:
            folder_move.check(manager, source, target)
        else:
            _check_ways(manager, source, target, is_begun=is_begun)
        with manager.journal.record("mv", source, {"to": target}):
            after = manager.manifests.change(
                lambda m, _: evolve.rename(m, source, target) if source in m.datasets else m,
                ignore=_renaming(source, target, is_folder=is_folder),
                dry_run=dry_run,
            )
            if not dry_run:
                (folder_move.move if is_folder else _move_file)(manager, source, target)
    return Change(target, before.datasets.get(source), after.datasets[target])


def _source(manager: DataManager, manifest: Manifest, old: str, target: str) -> str:
    """The dataset to rename, or the old name of one whose file was left behind. Raises UnknownDataset."""
    full = select.known_name(manager, manifest, old)
    if full in manifest.datasets:
        return full
    with suppress(DataError):
        name = select.name_of(manager, old)
        if _is_begun(manager, manifest, name, target):
            return name
    return manifest.dataset(full).name


def _is_begun(manager: DataManager, manifest: Manifest, source: str, target: str) -> bool:
    """A run was killed: the manifest has the new name, a file of the dataset is at the old one."""
    dataset = manifest.datasets.get(target)
    if dataset is not None and dataset.kind is Kind.TREE:
        was = manager.manifests.committed().datasets.get(source)
        return folder_move.is_begun(manager, source, target, {v.id for v in was.versions} if was else set())
    if dataset is None or manager.work.look(source, stat_only=True).what is What.ABSENT:
        return False
    was = manager.manifests.committed().datasets.get(source)
    known = manager.work.states.get(source)
    ids = {v.id for v in was.versions} if was else set()
    return any(v.id in ids or (known is not None and v.oid == known.oid) for v in dataset.versions)


def _check_ways(manager: DataManager, source: str, target: str, *, is_begun: bool) -> None:
    """Both files can be reached without following a link, and moving takes nothing from anybody."""
    stands, found = _look(manager, source), _look(manager, target)
    is_same = stands is not None and found is not None and os.path.samestat(stands, found)
    if found is not None and target != source and not (is_begun and is_same):
        raise Conflict(
            f"there is a file {target} already: nothing was renamed", hints=[f"ls -l {shlex.quote(target)}"]
        )
    if stands is not None and not stat_module.S_ISREG(stands.st_mode):
        raise Conflict(f"{source} is a link or a folder here: nothing was renamed")
    if manager.git.tracked([target]):
        raise Conflict(f"{target} is tracked by Git itself: nothing was renamed")
    for name, word in ((source, "is open in a program that writes to it"), (target, "has a log already")):
        if any(_look(manager, name + suffix, is_log=True) for suffix in LOGS):
            raise Conflict(f"{name} {word}: nothing was renamed")


def _look(manager: DataManager, name: str, *, is_log: bool = False) -> os.stat_result | None:
    """lstat of a working file (of a log: only where it holds something). Raises Forbidden where a link
    leads to it."""
    try:
        with fsio.Folder(manager.work.top, name) as folder:
            found = folder.stat()
    except FileNotFoundError:
        return None
    return None if is_log and found is not None and found.st_size == 0 else found


def _renaming(source: str, target: str, *, is_folder: bool) -> Callable[[str], str]:
    """What becomes of .gitignore."""

    def ignore(text: str) -> str:
        lines = text.splitlines()
        is_database = any(f"{ignorefile.pattern(name)}-wal" in lines for name in (source, target))
        text = ignorefile.remove(text, source)
        return ignorefile.add(text, target, is_database=is_database, is_folder=is_folder)

    return ignore


def _move_file(manager: DataManager, source: str, target: str) -> None:
    """The file; the empty logs SQLite may have left beside it go."""
    if _look(manager, source) is None:
        return
    with (
        fsio.Folder(manager.work.top, source) as here,
        fsio.Folder(manager.work.top, target, create=True) as there,
    ):
        if any(_has_bytes(here, suffix) for suffix in LOGS):
            raise _half_done(source, target, f"{source} is being written to by a program")
        _rename(here, there, source, target)
        _drop_empty_logs(here)
    manager.work.states.forget(source)


def _rename(here: fsio.Folder, there: fsio.Folder, source: str, target: str) -> None:
    """Without replacing: by a second name, and only where there are no links by a look and a rename."""
    try:
        here.link_out(here.leaf, there.path / there.leaf)
    except OSError as error:
        stands, found = here.stat(), there.stat()
        if found is not None and not (stands is not None and os.path.samestat(stands, found)):
            raise _half_done(source, target, f"there is a file {target} by now") from error
        if error.errno == errno.EXDEV:
            raise DataError(
                f"{target} is on another file system: the manifest is renamed, move the file there yourself",
                hints=[shlex.join(["mv", "-n", source, target])],
            ) from error
        if found is None:
            here.move_out(here.leaf, there.path / there.leaf)
    there.fsync()
    here.unlink(here.leaf)
    here.fsync()


def _half_done(source: str, target: str, why: str) -> Conflict:
    return Conflict(
        f"{why}: the manifest is renamed, the file was left where it is",
        hints=[f"{shlex.join(['git', 'data', 'mv', source, target])}   # again, once that is settled"],
    )


def _drop_empty_logs(folder: fsio.Folder) -> None:
    """A log that holds something is somebody's data, and SQLite needs its -shm to read it."""
    for suffix in LOGS:
        if not _has_bytes(folder, suffix):
            folder.unlink(folder.leaf + suffix)
    if not _has_bytes(folder, "-wal"):
        folder.unlink(folder.leaf + "-shm")


def _has_bytes(folder: fsio.Folder, suffix: str) -> bool:
    found = folder.stat(folder.leaf + suffix)
    return found is not None and found.st_size > 0
