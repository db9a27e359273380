"""What stands beside a folder while it is replaced, and what a killed run leaves there.

The new folder is built as `.git-data-tmp-folder-<pid>-<random>/new`; `plan` beside it names the
dataset's folder and the inode of the new one, so that whoever finds it later knows which of the two it
holds: a new folder that was never finished goes, an old one goes file by file, and only where its bytes
have another name, lie in a pack or in the cache. The rest is kept aside.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from git_datamanager import fsio
from git_datamanager.content.snapshot import hash_file
from git_datamanager.content.tree import EMPTY
from git_datamanager.model.ulid import new_ulid
from git_datamanager.workspace.folderhandle import Handle
from git_datamanager.workspace.folderscan import INODE

PREFIX = f"{fsio.TEMP_PREFIX}folder-"
NEW, OLD, PLAN = "new", "old", "plan"


class Plan(NamedTuple):
    """Whose place the new folder takes, and its inode."""

    leaf: str
    inode: int


def begin(parent: Handle, leaf: str) -> tuple[str, Handle]:
    """Make the place in which a new folder is built; returns its name and the new folder, opened."""
    name = f"{PREFIX}{os.getpid()}-{os.urandom(8).hex()}"
    parent.mkdir(name, 0o700)
    with_place = parent.below(name)
    try:
        with_place.mkdir(NEW)
        new = with_place.below(NEW)
        plan = json.dumps({"leaf": leaf, "inode": new.own().st_ino & INODE}).encode()
        fd = with_place.create(PLAN, 0o600)
        try:
            os.write(fd, plan)
            fsio.fsync_file(fd)
        finally:
            os.close(fd)
        with_place.fsync()
        parent.fsync()
    finally:
        with_place.close()
    return name, new


class Aside:
    """Keeps files under an id in `data/kept/`, with their paths in the folder."""

    def __init__(self, root: Path, name: str, announce: Callable[[str], None]) -> None:
        self._root = root
        self._name = name
        self._announce = announce
        self.entry: str | None = None
        """The id; None as long as nothing was kept."""

    def keep(self, folder: Handle, path: str) -> None:
        """Give a file a second name there, or where that cannot be had a copy."""
        target = self._place() / path
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(folder.at(path), target, src_dir_fd=folder.fd, follow_symlinks=False)
        except OSError:
            with os.fdopen(folder.open_read(path), "rb", buffering=0) as file, target.open("xb") as copy:
                fsio.copy_stream(file, copy, lambda _: None)
        if not target.is_symlink():
            with target.open("rb") as file:
                fsio.fsync_file(file.fileno())
        fsio.fsync_folder(target.parent)

    def _place(self) -> Path:
        if self.entry is None:
            self.entry = new_ulid()
            place = self._root / self.entry
            place.mkdir(parents=True)
            self._announce(f"files of {self._name} as they were are kept as {self.entry} in {place}")
        return self._root / self.entry


def dismantle(old: Handle, may_go: Callable[[str, os.stat_result], bool], aside: Aside) -> None:
    """Remove all below a folder; of files that may not simply go the bytes are kept aside first."""
    for path, found in list(files(old)):
        holds_data = not os.path.basename(path).startswith(fsio.TEMP_PREFIX)  # noqa: PTH119
        if holds_data and not may_go(path, found):
            aside.keep(old, path)
        old.unlink(path)
    _remove_folders(old)


def files(folder: Handle, prefix: str = "") -> Iterator[tuple[str, os.stat_result]]:
    """Everything below that is no folder, with its facts."""
    for entry in folder.entries():
        if entry.is_dir(follow_symlinks=False):
            inner = folder.below(entry.name)
            try:
                yield from files(inner, f"{prefix}{entry.name}/")
            finally:
                inner.close()
        else:
            with suppress(FileNotFoundError):
                yield prefix + entry.name, entry.stat(follow_symlinks=False)


def _remove_folders(folder: Handle) -> None:
    for entry in folder.entries():
        if entry.is_dir(follow_symlinks=False):
            inner = folder.below(entry.name)
            try:
                _remove_folders(inner)
            finally:
                inner.close()
            folder.rmdir(entry.name)


def finish(parent: Handle, name: str) -> None:
    """Remove the place once nothing is left in it but its plan."""
    place = parent.below(name)
    try:
        for part in (NEW, OLD):
            with suppress(FileNotFoundError):
                place.rmdir(part)
        with suppress(FileNotFoundError):
            place.unlink(PLAN)
    finally:
        place.close()
    parent.rmdir(name)
    parent.fsync()


def sweep(parent: Handle, is_kept: Callable[[bytes], bool], aside: Callable[[str], Aside]) -> None:
    """Tidy up after runs that were killed while they replaced a folder of this one.

    `is_kept` says whether a pack or the cache holds the bytes with this SHA-256.
    """
    for entry in parent.entries():
        if entry.name.startswith(PREFIX) and entry.is_dir(follow_symlinks=False):
            pid = entry.name.removeprefix(PREFIX).split("-")[0]
            if pid.isdigit() and not fsio.is_alive(int(pid)):
                _sweep_one(parent, entry.name, is_kept, aside)


def _sweep_one(
    parent: Handle, name: str, is_kept: Callable[[bytes], bool], aside: Callable[[str], Aside]
) -> None:
    place = parent.below(name)
    try:
        plan = _read_plan(place)
        if plan is not None and place.exists(OLD) and not parent.exists(plan.leaf):
            place.rename(OLD, parent, plan.leaf)  # killed between the two renames: the old one comes back
            parent.fsync()
        for part in (NEW, OLD):
            if not place.exists(part):
                continue
            folder = place.below(part)
            try:
                unfinished = plan is None or folder.own().st_ino & INODE == plan.inode
                kept = aside(plan.leaf if plan else name)
                goes = _anything if unfinished else _Spare(folder, is_kept)
                dismantle(folder, goes, kept)
            finally:
                folder.close()
    finally:
        place.close()
    finish(parent, name)


def _read_plan(place: Handle) -> Plan | None:
    """None where the run was killed before it had written it; nothing was built then."""
    try:
        fd = place.open_read(PLAN)
    except FileNotFoundError:
        return None
    with os.fdopen(fd, "rb") as file, suppress(ValueError, KeyError, TypeError):
        found = json.loads(file.read())
        return Plan(str(found["leaf"]), int(found["inode"]))
    return None


def _anything(_path: str, _found: os.stat_result) -> bool:
    return True


class _Spare:
    """Whether the bytes of a file of an old folder are elsewhere too."""

    def __init__(self, folder: Handle, is_kept: Callable[[bytes], bool]) -> None:
        self._folder = folder
        self._is_kept = is_kept

    def __call__(self, path: str, found: os.stat_result) -> bool:
        if found.st_nlink > 1:
            return True
        with os.fdopen(self._folder.open_read(path), "rb", buffering=0) as file:
            digest = bytes.fromhex(hash_file(file)[0])
        return digest == EMPTY or self._is_kept(digest)
