"""`git data add` and `git data prepare`: the bytes of a file become a pending version."""

import stat as stat_module
from collections.abc import Sequence
from enum import StrEnum
from os import PathLike, fspath
from pathlib import Path
from typing import NamedTuple

from git_datamanager.content import snapshot
from git_datamanager.errors import Conflict, DataError, Forbidden, NameRefused, NotFound
from git_datamanager.events import Event, Kind, mover, warn
from git_datamanager.manager import DataManager
from git_datamanager.model.evolve import Draft, add_version
from git_datamanager.model.manifest import Dataset, Manifest, Version
from git_datamanager.model.names import check_name, pasteable
from git_datamanager.model.oid import Oid
from git_datamanager.model.ulid import new_ulid
from git_datamanager.ops import local, select
from git_datamanager.ops.upload import Uploaded, upload
from git_datamanager.workspace import ignorefile, place
from git_datamanager.workspace.journal import utc_now
from git_datamanager.workspace.place import Stamp


class Captured(NamedTuple):
    """What was read of one file."""

    name: str
    path: Path
    oid: Oid
    size: int
    own: str
    """The sha256 of the file itself; another than the oid where a live database was captured."""
    is_database: bool
    stamp: Stamp
    """Of the file and its logs, taken before they were read."""


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


def add(
    manager: DataManager,
    paths: Sequence[str | PathLike[str]],
    *,
    message: str = "",
    dry_run: bool = False,
) -> list[Added]:
    """Make each file the next pending version of its dataset and stage the manifest.

    Paths are relative to the current folder; a folder stands for the datasets below it. All or none:
    where one is refused, nothing is written. Raises NameRefused, Forbidden, Conflict, NotFound.
    """
    names = _names(manager, paths)
    with manager.journal.record("add", names[0] if len(names) == 1 else None, {"names": names}) as details:
        captured = [_capture(manager, name, manager.work.path(name)) for name in names]
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
) -> tuple[Added, list[Uploaded]]:
    """Make FILE, from anywhere, the next version of NAME, and upload it at once.

    The working file follows as by a pull: refused where it has bytes that nobody added.
    """
    manifest = manager.manifests.current()
    full = select.known_name(manager, manifest, name)
    if full not in manifest.datasets:
        full = select.name_of(manager, name)
    _refuse_tracked(manager, [full])
    path = Path(file)
    with manager.journal.record("prepare", full, {"file": fspath(file)}) as details:
        found = _capture(manager, full, path)
        _enter(manager, [found], message, dry_run=True)  # what is refused is refused before a file moves
        if not dry_run and path.resolve() != manager.work.path(full).resolve():
            _follow(manager, manifest, found)
        added = _enter(manager, [found], message, dry_run=dry_run)[0]
        dataset = manager.manifests.current().datasets.get(full)
        entries = [(dataset, added.version)] if dataset and added.version.state == "pending" else []
        sent = [] if dry_run else upload(manager, entries)
        details["version"] = added.version.name
    return added, sent


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
        below = select.below_folder(manager, manifest, text) if Path(text).is_dir() else []
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
    if Path(text).is_dir() and not Path(text).is_symlink():
        raise select.no_git_folder(text)
    return select.name_of(manager, text)


def _refuse_tracked(manager: DataManager, names: Sequence[str]) -> None:
    for name in manager.git.tracked(names):
        raise Conflict(
            f"{name} is tracked by Git itself: nothing was added",
            hints=[
                f"git rm --cached {pasteable(name)}",
                f"git data add {pasteable(name)}   # old commits keep the file in Git",
            ],
        )


def _capture(manager: DataManager, name: str, path: Path) -> Captured:
    """Read the file consistently; its bytes go into the cache where that is cheap."""
    size = _regular_size(manager, name, path)
    stamp = place.look(path)
    manager.progress(Event(Kind.PLAN, name, size))
    try:
        is_database = snapshot.is_sqlite(path)
        if is_database and snapshot.live_logs(path):
            return _capture_live(manager, name, path, stamp)
        with snapshot.reading(path) as file:
            oid, count = manager.cache.ingest(file, size, mover(manager.progress, name))
        if is_database and snapshot.live_logs(path):
            raise Conflict(f"{name} was opened by a writer while it was read: nothing was added")
    except PermissionError as error:
        raise Forbidden(f"{path} cannot be read: nothing was added") from error
    except FileNotFoundError as error:
        raise NotFound(f"{path} vanished while it was read: nothing was added") from error
    manager.progress(Event(Kind.DONE, name))
    return _as_before(manager, Captured(name, path, oid, count, oid.hex, is_database, stamp))


def _capture_live(manager: DataManager, name: str, path: Path, stamp: Stamp) -> Captured:
    with manager.cache.new_file() as copy:
        snapshot.capture(path, copy)
        with copy.open("rb", buffering=0) as file:
            digest, size = snapshot.hash_file(file, mover(manager.progress, name))
        with path.open("rb", buffering=0) as file:
            own = snapshot.hash_file(file)[0]
        manager.cache.adopt(copy, Oid(digest))
    manager.progress(Event(Kind.DONE, name))
    return Captured(name, path, Oid(digest), size, own, is_database=True, stamp=stamp)


def _as_before(manager: DataManager, found: Captured) -> Captured:
    """A database that was captured live, and only checkpointed since, is the version it was."""
    if not found.is_database or found.path != manager.work.path(found.name):
        return found
    seen = manager.work.look(found.name)
    if seen.oid is None or seen.oid == found.oid:
        return found
    known = manager.manifests.current().datasets.get(found.name)
    match = next((v for v in known.versions if v.oid == seen.oid), None) if known else None
    return found._replace(oid=match.oid, size=match.size) if match else found


def _regular_size(manager: DataManager, name: str, path: Path) -> int:
    """The size of a regular file. A working file is reached without following a link (S02), and is not
    part of another repository (S08)."""
    try:
        if path == manager.work.path(name):
            manager.work.open_folder(name).close()
        found = path.lstat()
    except FileNotFoundError as error:
        raise NotFound(f"there is no file {path}: nothing was added", hints=["git data status"]) from error
    except PermissionError as error:
        raise Forbidden(f"{path} cannot be read: nothing was added") from error
    if stat_module.S_ISLNK(found.st_mode):
        raise DataError(f"{name} is a symbolic link; add the file it points to: nothing was added")
    if stat_module.S_ISDIR(found.st_mode):
        raise select.no_git_folder(name)
    if not stat_module.S_ISREG(found.st_mode):
        raise DataError(f"{name} is a pipe, socket or device, not a file: nothing was added")
    return found.st_size


def _enter(manager: DataManager, captured: Sequence[Captured], message: str, *, dry_run: bool) -> list[Added]:
    """Write the versions into the manifest, the names into .gitignore, and stage both."""
    before = manager.manifests.current()
    author = manager.git.author()

    def evolve(manifest: Manifest, committed: frozenset[str]) -> Manifest:
        for found in captured:
            draft = Draft(new_ulid(), utc_now(), author, message)
            manifest = add_version(
                manifest, check_name(found.name), found.oid, found.size, draft, committed=committed
            )
        return manifest

    def ignore(text: str) -> str:
        for found in captured:
            text = ignorefile.add(text, found.name, is_database=found.is_database)
        return text

    after = manager.manifests.change(evolve, ignore=ignore, dry_run=dry_run)
    if not dry_run:
        for found in captured:
            if found.path == manager.work.path(found.name):
                manager.work.states.put(found.name, found.oid, found.own, found.stamp, vouch=True)
        _check_ignored(manager, [found.name for found in captured])
    return [_describe(before, after.datasets[found.name]) for found in captured]


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
