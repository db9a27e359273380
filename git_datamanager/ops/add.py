"""`git data add` and `git data prepare`: the bytes of a file or folder become a pending version."""

from collections.abc import Sequence
from enum import StrEnum
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from git_datamanager.errors import Conflict, DataError, NameRefused
from git_datamanager.events import warn
from git_datamanager.manager import DataManager
from git_datamanager.model import manifest as model
from git_datamanager.model.evolve import Draft, add_version
from git_datamanager.model.manifest import Dataset, Manifest, Version
from git_datamanager.model.names import check_name, pasteable
from git_datamanager.model.ulid import new_ulid
from git_datamanager.ops import local, select
from git_datamanager.ops.capture import Captured, capture_any, capture_file, is_folder
from git_datamanager.workspace import ignorefile
from git_datamanager.workspace.journal import utc_now

if TYPE_CHECKING:
    from git_datamanager.ops.folders.add import Files, Folder
    from git_datamanager.ops.upload import Uploaded


class Outcome(StrEnum):
    NEW = "new"
    """The first version of a dataset."""
    VERSION = "version"
    """A further one."""
    UNCHANGED = "unchanged"
    """The latest version has these bytes already."""


class Added(NamedTuple):
    """What became of one file."""

    name: str
    outcome: Outcome
    version: Version
    previous: Version | None
    """The version below, whose bytes the working file had before."""
    files: "Files | None" = None
    """Of a folder: how many, and how they differ from the version below."""


def add(
    manager: DataManager,
    paths: Sequence[str | PathLike[str]],
    *,
    message: str = "",
    dry_run: bool = False,
) -> list[Added]:
    """Make each file or folder the next pending version of its dataset and stage the manifest.

    Paths are relative to the current folder; a folder with datasets below it stands for those. All or
    none: where one is refused, nothing is written. Raises NameRefused, Forbidden, Conflict, NotFound.
    """
    names = _names(manager, paths)
    with manager.journal.record("add", names[0] if len(names) == 1 else None, {"names": names}) as details:
        captured = [capture_any(manager, name) for name in names]
        added = _enter(manager, captured, message, dry_run=dry_run)
        details["versions"] = {a.name: a.version.name for a in added}
    return added


def prepare(
    manager: DataManager,
    name: str,
    file: str | PathLike[str],
    *,
    message: str = "",
    dry_run: bool = False,
) -> "tuple[Added, list[Uploaded]]":
    """Make FILE, from anywhere, the next version of NAME, and upload it at once.

    The working file follows as by a pull: refused where it has bytes that nobody added.
    """
    from git_datamanager.ops.upload import upload

    manifest = manager.manifests.current()
    full = select.known_name(manager, manifest, name)
    if full not in manifest.datasets:
        full = select.name_of(manager, name)
    _refuse_tracked(manager, [full])
    path = Path(file)
    with manager.journal.record("prepare", full, {"file": fspath(file)}) as details:
        added = take_in(manager, full, path, message=message, dry_run=dry_run)
        dataset = manager.manifests.current().datasets.get(full)
        entries = [(dataset, added.version)] if dataset and added.version.state == "pending" else []
        sent = [] if dry_run else upload(manager, entries)
        details["version"] = added.version.name
    return added, sent


def take_in(
    manager: DataManager,
    name: str,
    path: Path,
    *,
    message: str = "",
    merges: tuple[str, ...] = (),
    parent: str | None = None,
    dry_run: bool = False,
) -> Added:
    """Make a file, wherever it lies, the next version of a dataset; the working file follows. `parent`: the
    id of the version that it goes on with, where that is not the latest one. Raises
    DirtyFile where that has bytes that nobody added, and nothing was changed then."""
    manifest = manager.manifests.current()
    found = capture_file(manager, name, path)
    _enter(manager, [found], message, merges, parent, dry_run=True)  # refused before a file moves
    if not dry_run and path.resolve() != manager.work.path(name).resolve():
        _follow(manager, manifest, found)
    return _enter(manager, [found], message, merges, parent, dry_run=dry_run)[0]


def _follow(manager: DataManager, manifest: Manifest, found: Captured) -> None:
    known = {found.oid, *local.known_contents(manager, manifest, found.name)}
    source = manager.cache.path(found.oid) if manager.cache.has(found.oid) else found.path
    manager.work.materialise(found.name, found.oid, local.copier(source, found.oid, found.size), known=known)


def _names(manager: DataManager, paths: Sequence[str | PathLike[str]]) -> list[str]:
    manifest = manager.manifests.current()
    names: dict[str, None] = {}
    for path in paths:
        text = fspath(path)
        if not text:
            raise NameRefused("an empty path names no file: nothing was added", hints=["git data add ."])
        below = select.below_folder(manager, manifest, text) if is_folder(Path(text)) else []
        if below:
            names |= {d.name: None for d in below if manager.work.path(d.name).exists()}
        else:
            names[_file_name(manager, manifest, text)] = None
    _refuse_tracked(manager, list(names))
    return list(names)


def _file_name(manager: DataManager, manifest: Manifest, text: str) -> str:
    known = select.known_name(manager, manifest, text)
    if known in manifest.datasets and not Path(text).exists():
        return known
    if is_folder(Path(text)) and Path(text).samefile(manager.git.work_tree):
        raise DataError(
            "there are no datasets here yet, and the repository itself cannot be one: nothing was added",
            hints=["git data add FILE-OR-FOLDER …"],
        )
    name = select.name_of(manager, text)
    owner = next((d for d in manifest if d.kind is model.Kind.TREE and name.startswith(d.name + "/")), None)
    if owner is not None:
        raise NameRefused(
            f"{name} lies inside the dataset {owner.name}, which is added as a whole: nothing was added",
            hints=[f"git data add {pasteable(owner.name)}"],
        )
    return name


def _refuse_tracked(manager: DataManager, names: Sequence[str]) -> None:
    for name in manager.git.tracked(names):
        folder = is_folder(manager.work.path(name))
        what = f"{name} holds files that are tracked" if folder else f"{name} is tracked"
        raise Conflict(
            f"{what} by Git itself: nothing was added",
            hints=[
                f"git rm {'-r ' if folder else ''}--cached {pasteable(name)}",
                f"git data add {pasteable(name)}   # old commits keep the file{'s' * folder} in Git",
            ],
        )


def _enter(
    manager: DataManager,
    captured: Sequence[Captured],
    message: str,
    merges: tuple[str, ...] = (),
    parent: str | None = None,
    *,
    dry_run: bool,
) -> list[Added]:
    """Write the versions into the manifest, the names into .gitignore, and stage both."""
    before = manager.manifests.current()
    author = manager.git.author()

    def evolve(manifest: Manifest, committed: frozenset[str]) -> Manifest:
        for found in captured:
            draft = Draft(new_ulid(), utc_now(), author, message, merges, parent)
            manifest = add_version(
                manifest,
                check_name(found.name),
                found.oid,
                found.size,
                draft,
                committed=committed,
                kind=found.kind,
            )
        return manifest

    def ignore(text: str) -> str:
        for found in captured:
            is_folder = found.folder is not None
            text = ignorefile.add(text, found.name, is_database=found.is_database, is_folder=is_folder)
        return text

    if not dry_run:
        _keep_listings(manager, captured)
    after = manager.manifests.change(evolve, ignore=ignore, dry_run=dry_run)
    if not dry_run:
        for found in captured:
            if found.folder is not None:
                _enter_folder(manager, found.name, found.folder)
            elif found.path == manager.work.path(found.name):
                manager.work.states.put(found.name, found.oid, found.own, found.stamp, vouch=True)
        _check_ignored(manager, [found.name for found in captured])
    return [_counted(manager, found, _describe(before, after.datasets[found.name])) for found in captured]


def _keep_listings(manager: DataManager, captured: Sequence[Captured]) -> None:
    for found in captured:
        if found.folder is not None:
            manager.folders.keep_listing(found.folder.listing, found.oid)


def _enter_folder(manager: DataManager, name: str, folder: "Folder") -> None:
    from git_datamanager.ops.folders.add import enter

    enter(manager, name, folder)


def _counted(manager: DataManager, found: Captured, added: Added) -> Added:
    """With how many files of a folder are other ones than before."""
    if found.folder is None:
        return added
    from git_datamanager.ops.folders.add import Files, files_of

    if added.outcome is Outcome.UNCHANGED:
        return added._replace(files=Files(len(found.folder.listing), 0, 0, 0))
    return added._replace(files=files_of(manager, found.folder.listing, added.previous))


def _describe(before: Manifest, dataset: Dataset) -> Added:
    old = before.datasets.get(dataset.name)
    version = dataset.version(None)
    live = [v for v in dataset.versions if v.state.is_live]
    previous = live[1] if len(live) > 1 else None
    if old is not None and old.by_id(version.id) is not None:
        return Added(dataset.name, Outcome.UNCHANGED, version, previous)
    return Added(dataset.name, Outcome.VERSION if previous else Outcome.NEW, version, previous)


def _check_ignored(manager: DataManager, names: Sequence[str]) -> None:
    for name in sorted(set(names) - manager.git.ignored(names)):
        warn(
            manager.progress,
            f"a deeper .gitignore brings {name} back: Git will offer to track the file itself",
        )
