"""Reading what stands at a path, to make it a version: a file, a live database, a folder."""

import stat as stat_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from git_datamanager.content import snapshot
from git_datamanager.errors import Conflict, DataError, Forbidden, ManifestError, NotFound
from git_datamanager.events import Event, Kind, mover
from git_datamanager.manager import DataManager
from git_datamanager.model import manifest as model
from git_datamanager.model.evolve import Draft, add_version
from git_datamanager.model.oid import Oid
from git_datamanager.model.ulid import new_ulid
from git_datamanager.workspace import place
from git_datamanager.workspace.journal import utc_now
from git_datamanager.workspace.place import Stamp

if TYPE_CHECKING:
    from git_datamanager.ops.folders.add import Folder


class Captured(NamedTuple):
    """What was read of one file or folder."""

    name: str
    path: Path
    oid: Oid
    size: int
    own: str
    """The sha256 of the file itself; another than the oid where a live database was captured."""
    is_database: bool
    stamp: Stamp
    """Of the file and its logs, taken before they were read."""
    folder: "Folder | None" = None
    """Its members; None for a file."""

    @property
    def kind(self) -> model.Kind:
        return model.Kind.FILE if self.folder is None else model.Kind.TREE


def is_folder(path: Path) -> bool:
    """A folder itself, no link to one."""
    return path.is_dir() and not path.is_symlink()


def capture_any(manager: DataManager, name: str) -> Captured:
    """Read what stands at the dataset's path: a file or a folder."""
    path = manager.work.path(name)
    manifest = manager.manifests.current()
    dataset = manifest.datasets.get(name)
    was_folder = dataset is not None and dataset.kind is model.Kind.TREE
    if not is_folder(path) and (path.exists() or not was_folder):
        return capture_file(manager, name, path)
    from git_datamanager.ops.folders.add import capture

    draft = Draft(new_ulid(), utc_now(), "")  # what the manifest refuses is refused before much is read
    try:
        add_version(manifest, name, Oid("0" * 64), 1, draft, committed=(), kind=model.Kind.TREE)
    except (ManifestError, Conflict) as error:
        raise type(error)(
            f"{error}: nothing was added", hints=error.hints or ["git data ls --all"]
        ) from error
    folder = capture(manager, dataset, name)
    size = folder.listing.size
    unseen = Stamp("", 0, 0)  # a folder has its own record
    return Captured(
        name, path, folder.oid, size, folder.own.hex, is_database=False, stamp=unseen, folder=folder
    )


def capture_file(manager: DataManager, name: str, path: Path) -> Captured:
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
        raise DataError(f"{name} is a folder by now: nothing was added", hints=["git data status"])
    if not stat_module.S_ISREG(found.st_mode):
        raise DataError(f"{name} is a pipe, socket or device, not a file: nothing was added")
    return found.st_size
