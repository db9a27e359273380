"""rollback, delete, prune, mv, rm --cached: pending changes of the manifest. No bytes move."""

import errno
from collections.abc import Sequence
from typing import NamedTuple

from git_datamanager import fsio
from git_datamanager.content.snapshot import COMPANIONS, live_logs
from git_datamanager.errors import Conflict, DataError
from git_datamanager.manager import DataManager
from git_datamanager.model import evolve
from git_datamanager.model.evolve import Draft
from git_datamanager.model.manifest import Dataset, Manifest, State, Version
from git_datamanager.model.names import check_name
from git_datamanager.model.ulid import new_ulid
from git_datamanager.ops import select
from git_datamanager.workspace import ignorefile
from git_datamanager.workspace.journal import utc_now


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
    """Give a dataset another name; its versions, their ids, the file and the ignore line follow."""
    before = manager.manifests.current()
    source = select.dataset_of(manager, before, old).name
    target = check_name(select.name_of(manager, new))
    if target != source and manager.work.path(target).exists():
        raise Conflict(f"there is a file {target} already: nothing was renamed")
    if manager.git.tracked([target]):
        raise Conflict(f"{target} is tracked by Git itself: nothing was renamed")
    is_database = f"{ignorefile.pattern(source)}-wal" in _ignore_text(manager).splitlines()

    def ignore(text: str) -> str:
        return ignorefile.add(ignorefile.remove(text, source), target, is_database=is_database)

    with manager.journal.record("mv", source, {"to": target}):
        if live_logs(manager.work.path(source)):
            raise Conflict(f"{source} is open in a program that writes to it: nothing was renamed")
        after = manager.manifests.change(
            lambda m, _: evolve.rename(m, source, target), ignore=ignore, dry_run=dry_run
        )
        if not dry_run:
            _move_file(manager, source, target)
    return Change(target, before.datasets[source], after.datasets[target])


def _ignore_text(manager: DataManager) -> str:
    path = manager.git.work_tree / ignorefile.FILE_NAME
    return path.read_bytes().decode(errors="surrogateescape") if path.exists() else ""


def _move_file(manager: DataManager, source: str, target: str) -> None:
    """The file, and the empty logs SQLite may have left beside it."""
    path = manager.work.path(source)
    if not path.exists():
        return
    known = manager.work.states.get(source)
    unchanged = known is not None and manager.work.look(source, stat_only=True).oid == known.oid
    with fsio.Folder(manager.work.top, target, create=True) as folder:
        try:
            path.rename(folder.path / folder.leaf)
        except OSError as error:
            if error.errno == errno.EXDEV:
                raise DataError(
                    f"{target} is on another file system: move the file there yourself",
                    hints=[f"mv {source} {target}"],
                ) from error
            raise
        folder.fsync()
    for suffix in COMPANIONS:
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    manager.work.states.forget(source)
    if unchanged and known is not None:
        manager.work.vouch(target, known.oid, known.own)
