"""`git data status`: what differs between manifest, working files and stores. Offline by default."""

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from git_datamanager.errors import DataError
from git_datamanager.manager import DataManager
from git_datamanager.model.manifest import Dataset, DatasetState, Kind, Manifest, State, Version
from git_datamanager.model.oid import Oid
from git_datamanager.ops.select import select
from git_datamanager.workspace.manifests import HEAD, INDEX
from git_datamanager.workspace.worktree import Seen, What

if TYPE_CHECKING:
    from git_datamanager.ops.folders.status import Files
    from git_datamanager.workspace import folders


class Work(StrEnum):
    """The working file or folder against the manifest's latest version."""

    CLEAN = "clean"
    MODIFIED = "modified"
    MISSING = "missing"
    STALE = "stale"
    """It holds another version, or what git data itself brought there for another commit."""
    BLOCKED = "blocked"
    """Something else stands in its place: a link or special file, a folder for a file or the reverse."""


class Stage(StrEnum):
    """How far the latest version has come."""

    NEW = "new"
    """A dataset that HEAD does not hold."""
    CHANGED = "changed"
    """A version that HEAD does not hold."""
    RENAMED = "renamed"
    """HEAD holds the version under another name."""
    DELETING = "deleting"
    """Its deletion is asked for, and not merged."""
    PENDING = "pending"
    """Committed, and not known to be in staging."""
    UPLOADED = "uploaded"
    """Committed and in staging (or already in production)."""
    PUBLISHED = "published"


class Row(NamedTuple):
    """One dataset."""

    name: str
    version: Version | None
    stage: Stage
    work: Work
    holds: str | None
    """The version the working file has, where that is not `version` and the manifest names it."""
    head: str | None
    """The latest version of HEAD."""
    stored: bool | None
    """Asked with `remote`: does the store that should hold the version hold it?"""
    marked: tuple[str, ...] = ()
    """Versions whose deletion is asked for (`prune`, `delete`), and not final."""
    files: "Files | None" = None
    """Of a folder that is there: its files, and which of them are changed."""

    @property
    def is_quiet(self) -> bool:
        settled = self.work is Work.CLEAN and self.stage is Stage.PUBLISHED
        return settled and self.stored is not False and not self.marked


class Status(NamedTuple):
    """The whole picture."""

    branch: str | None
    commit: str | None
    rows: list[Row]
    staged: bool
    """The index holds the work tree's manifest."""
    failures: list[tuple[str, DataError]]
    """Datasets whose store could not be asked (`remote`)."""
    unmerged: bool = False
    """The index holds the sides of a conflict; what is shown is what the merge driver made of them."""

    @property
    def has_drift(self) -> bool:
        """A working file is not what the manifest says (`--exit-code`)."""
        return any(row.work is not Work.CLEAN for row in self.rows)


def status(
    manager: DataManager,
    names: Sequence[str] = (),
    *,
    remote: bool = False,
    rehash: bool = False,
) -> Status:
    """Compare; files are hashed only where their stat signature changed (all with `rehash`)."""
    manifest = manager.manifests.current()
    committed, staged = manager.manifests.several([HEAD, INDEX])
    head = committed or Manifest()
    holders = manager.journal.all_holders()
    urls = _urls(manager)
    wanted = [w.dataset for w in select(manager, manifest, names)] if names else _shown(manifest)
    rows: list[Row] = []
    failures: list[tuple[str, DataError]] = []
    for dataset in wanted:
        seen, folder = _look(manager, dataset, rehash=rehash)
        held = {role for role, url in urls.items() for oid in _oids(dataset) if url in holders.get(oid, ())}
        row = _row(dataset, _in_head(head, dataset), seen, held)
        if row.work is Work.MODIFIED and _is_ours(manager, manifest, dataset.name, seen):
            row = row._replace(work=Work.STALE)
        row = row._replace(files=_files(manager, row, folder))
        rows.append(_asked(manager, dataset, row, failures) if remote else row)
    conflict = staged is None and _is_unmerged(manager)
    return Status(*manager.git.where(), rows, staged == manifest, failures, conflict)


def _look(manager: DataManager, dataset: Dataset, *, rehash: bool) -> "tuple[Seen, folders.Seen | None]":
    if dataset.kind is Kind.FILE:
        return manager.work.look(dataset.name, rehash=rehash), None
    from git_datamanager.ops.folders.status import look

    return look(manager, dataset, rehash=rehash)


def _files(manager: DataManager, row: Row, folder: "folders.Seen | None") -> "Files | None":
    if folder is None:
        return None
    from git_datamanager.ops.folders.status import files_of

    return files_of(manager, row.version, folder, modified=row.work is Work.MODIFIED)


def _is_ours(manager: DataManager, manifest: Manifest, name: str, seen: Seen) -> bool:
    """Git data itself put it there, for another commit: nobody's change."""
    from git_datamanager.ops.local import known_contents

    return seen.oid is not None and seen.oid in known_contents(manager, manifest, name)


def _is_unmerged(manager: DataManager) -> bool:
    from git_datamanager.ops.hooks.unmerged import is_unmerged

    return is_unmerged(manager)


def _oids(dataset: Dataset) -> list[str]:
    return [str(dataset.latest.oid)] if dataset.latest else []


def _urls(manager: DataManager) -> dict[str, str]:
    roles = [r for r in ("staging", "production") if manager.settings.get(f"data.remote.{r}.url")]
    return {role: manager.remotes.remote(role).url for role in roles}


def _shown(manifest: Manifest) -> list[Dataset]:
    """What is listed, and what is being deleted: the deletion is not published yet."""
    return [d for d in manifest if d.is_listed or d.state is DatasetState.DELETING]


def _in_head(head: Manifest, dataset: Dataset) -> Dataset | None:
    """HEAD's dataset of this name, or the one that has its versions (`git data mv`)."""
    if dataset.name in head.datasets:
        return head.datasets[dataset.name]
    ids = {v.id for v in dataset.versions}
    return next((d for d in head if any(v.id in ids for v in d.versions)), None)


def _asked(manager: DataManager, dataset: Dataset, row: Row, failures: list[tuple[str, DataError]]) -> Row:
    """With the store's answer; where it gives none, the offline picture stays."""
    if row.version is None:
        return row
    try:
        return row._replace(stored=_ask(manager, dataset, row.version))
    except DataError as error:
        failures.append((row.name, error))
        return row


def _row(dataset: Dataset, head: Dataset | None, seen: Seen, held: set[str]) -> Row:
    version = dataset.latest
    head_latest = head.latest if head else None
    holds = _holds(dataset, version, seen)
    return Row(
        name=dataset.name,
        version=version,
        stage=_stage(dataset, head, held),
        work=_work(version, seen, holds),
        holds=holds,
        head=head_latest.name if head_latest else None,
        stored=None,
        marked=tuple(v.name for v in reversed(dataset.versions) if v.state is State.DELETING),
    )


def _stage(dataset: Dataset, head: Dataset | None, held: set[str]) -> Stage:
    version = dataset.latest
    if version is None:
        return Stage.DELETING
    if head is None:
        return Stage.NEW
    if head.name != dataset.name:
        return Stage.RENAMED
    if head.by_id(version.id) is None:
        return Stage.CHANGED
    if version.state is State.PUBLISHED:
        return Stage.PUBLISHED
    return Stage.UPLOADED if held else Stage.PENDING


def _work(version: Version | None, seen: Seen, holds: str | None) -> Work:
    if seen.what is What.OTHER:
        return Work.BLOCKED
    if version is None:
        return Work.CLEAN
    if seen.what is What.ABSENT:
        return Work.MISSING
    if seen.oid == version.oid:
        return Work.CLEAN
    return Work.STALE if holds else Work.MODIFIED


def _holds(dataset: Dataset, version: Version | None, seen: Seen) -> str | None:
    if version is None or seen.oid is None or seen.oid == version.oid:
        return None
    return next((v.name for v in dataset.versions if v.oid == seen.oid), None)


def _ask(manager: DataManager, dataset: Dataset, version: Version) -> bool:
    if dataset.kind is Kind.TREE:
        from git_datamanager.ops.folders.status import is_stored

        return any(is_stored(manager, role, version) for role in _roles(version))
    return any(_holds_object(manager, role, version.oid, version.size) for role in _roles(version))


def _holds_object(manager: DataManager, role: str, oid: Oid, size: int) -> bool:
    found = manager.store(role).stat(oid, size)
    location = manager.remotes.remote(role).url
    if found is None:
        manager.journal.lost(location, oid)
    return found is not None


def _roles(version: Version) -> tuple[str, ...]:
    return ("production",) if version.state is State.PUBLISHED else ("staging", "production")
