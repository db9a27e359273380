"""The working files of datasets: what lies there, and putting verified bytes in their place.

The rule of every replacement: only what is absent, or whose bytes are a known version, goes; it goes
into the cache. Everything else stays, or with `force` is moved aside under an id.
"""

import errno
import os
import stat as stat_module
from collections.abc import Callable, Collection
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, NamedTuple

from git_datamanager import fsio
from git_datamanager.content import snapshot
from git_datamanager.errors import Conflict, DataError, DirtyFile, Forbidden
from git_datamanager.model.names import check_name
from git_datamanager.model.oid import Oid
from git_datamanager.workspace.cache import Cache
from git_datamanager.workspace.statecache import StateCache, is_unchanged

Fill = Callable[[BinaryIO], None]
"""Writes the wanted bytes, verified, or raises."""


class What(StrEnum):
    """What stands at a dataset's path."""

    ABSENT = "absent"
    FILE = "file"
    OTHER = "other"
    """A folder, a link, a special file."""


class Seen(NamedTuple):
    """A look at a working file."""

    what: What
    oid: Oid | None = None
    size: int = 0
    is_live: bool = False
    """A database beside a non-empty log; `oid` is that of its snapshot. Also a log without its database:
    SQLite would replay it into the next file of that name."""


ABSENT = Seen(What.ABSENT)
OTHER = Seen(What.OTHER)


class WorkTree:
    """The working files below one top."""

    def __init__(self, top: Path, states: StateCache, cache: Cache) -> None:
        self.top = top
        self.states = states
        self.cache = cache

    def path(self, name: str) -> Path:
        return self.top.joinpath(*check_name(name).split("/"))

    def look(self, name: str, *, rehash: bool = False, stat_only: bool = False) -> Seen:
        """What lies at the name; hashed only where its stat signature says that it changed.

        With `stat_only` a changed file is not hashed: its `oid` is None.
        """
        path = self.path(name)
        kind, size = _kind(self.top, name)
        live = kind is not What.OTHER and bool(snapshot.live_logs(path))
        if kind is not What.FILE:
            return Seen(kind, is_live=live)
        known = self.states.get(name)
        if known is not None and not rehash and is_unchanged(known, path):
            return Seen(What.FILE, known.oid, size, live)
        if stat_only:
            return Seen(What.FILE, None, size, live)
        captured = known.oid if known and known.own != known.oid.hex else None
        try:
            oid, own = self._identify(path, captured, live=live)
        except (Conflict, PermissionError):
            # In use, in the middle of a recovery, not readable: what it holds cannot be said, which is
            # no version and no reason to hide the other datasets. `add` says what is wrong with it.
            return Seen(What.FILE, None, size, live)
        self.states.put(name, oid, own, path, vouch=False)
        return Seen(What.FILE, oid, size, live)

    def _identify(self, path: Path, captured: Oid | None, *, live: bool) -> tuple[Oid, str]:
        """The oid of the content and the sha256 of the file itself.

        A database that was captured live is compared as a snapshot also once its log is gone.
        """
        with snapshot.reading(path) as file:
            own = snapshot.hash_file(file)[0]
        if not snapshot.is_sqlite(path) or not (live or captured):
            return Oid(own), own
        copied = self._snapshot_oid(path)
        return (copied, own) if live or copied == captured else (Oid(own), own)

    def _snapshot_oid(self, path: Path) -> Oid:
        with self.cache.new_file() as copy:
            snapshot.capture(path, copy)
            with copy.open("rb", buffering=0) as file:
                return Oid(snapshot.hash_file(file)[0])

    def own_bytes(self, name: str, oid: Oid) -> Path | None:
        """The working file, if it consists of exactly these bytes (no snapshot is needed)."""
        seen = self.look(name)
        known = self.states.get(name)
        same = seen.what is What.FILE and seen.oid == oid and (known is None or known.own == oid.hex)
        return self.path(name) if same else None

    def vouch(self, name: str, oid: Oid, own: str | None = None) -> None:
        """Note that the file holds a version (`own`: the sha256 of the file itself)."""
        known = self.states.get(name)
        if own is None:
            own = known.own if known and known.oid == oid else oid.hex
        self.states.put(name, oid, own, self.path(name), vouch=True)

    def materialise(
        self,
        name: str,
        oid: Oid,
        fill: Fill,
        *,
        known: Collection[Oid],
        force: bool = False,
    ) -> str | None:
        """Put verified bytes at the dataset's path, at once or not at all.

        `known` are the contents that may be replaced. Returns the id under which a file with unknown
        bytes was kept (`force`), else None. Raises DirtyFile, Forbidden; the old file stays then.
        """
        before = self.look(name)
        self._guard(name, before, known, force=force)
        with fsio.Folder(self.top, name, create=True) as folder:
            fsio.sweep(folder.path)
            stood = folder.stat()
            with folder.new_temp() as (file, temp):
                _fill(file, fill, name)
                folder.chmod(temp, _mode(stood))
                fsio.fsync_file(file.fileno())
                if _differs(stood, folder.stat()):
                    raise DirtyFile(f"{name} changed meanwhile: it was left as it is")
                kept = self._preserve(folder, before, known)
                folder.rename_into_place(temp)
        if before.oid is not None:
            self.cache.seal(before.oid)
        self.vouch(name, oid, oid.hex)
        return kept

    def take_away(self, name: str, oid: Oid) -> bool:
        """Move a clean file into the cache, as Git removes what a commit no longer has."""
        seen = self.look(name)
        if seen.oid != oid or seen.is_live:
            return False
        with fsio.Folder(self.top, name) as folder:
            if not self.cache.take(folder, folder.leaf, oid):
                return False
            folder.unlink(folder.leaf)
            folder.fsync()
        self.cache.seal(oid)
        self.states.forget(name)
        return True

    def _guard(self, name: str, seen: Seen, known: Collection[Oid], *, force: bool) -> None:
        if seen.what is What.OTHER:
            with fsio.Folder(self.top, name):  # says it better where a parent folder is a link
                pass
            if self.path(name).is_dir() and not self.path(name).is_symlink():
                raise Forbidden(f"{name} is a folder here: it was left as it is, move it away first")
        if force or (seen.what is What.ABSENT and not seen.is_live):
            return
        hints = [f"git data add {name}", f"git data pull --force {name}   # keeps your file, prints its id"]
        if seen.what is What.OTHER:
            raise DirtyFile(f"{name} is a link or special file here: it was left as it is", hints=hints[1:])
        if seen.is_live:
            raise DirtyFile(
                f"{name} has a SQLite log beside it that holds changes: it was left as it is", hints=hints
            )
        if seen.oid not in known:
            raise DirtyFile(f"{name} has changes that were not added: it was left as it is", hints=hints)

    def _preserve(self, folder: fsio.Folder, seen: Seen, known: Collection[Oid]) -> str | None:
        """Before the rename: nobody's bytes go."""
        if seen.what is What.ABSENT and not seen.is_live:
            return None
        clean = seen.what is What.FILE and seen.oid in known and not seen.is_live
        if clean and seen.oid is not None and self.cache.take(folder, folder.leaf, seen.oid):
            return None
        return self.cache.keep_aside(folder)


def _fill(file: BinaryIO, fill: Fill, name: str) -> None:
    try:
        fill(file)
        file.flush()
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DataError(f"no space left for {name}: the old file was left as it is") from error
        raise


def _kind(top: Path, name: str) -> tuple[What, int]:
    try:
        with fsio.Folder(top, name) as folder:
            found = folder.stat()
    except FileNotFoundError:
        return What.ABSENT, 0
    except Forbidden:
        return What.OTHER, 0  # a link or a file stands where a folder should: nothing behind it is ours
    if found is None:
        return What.ABSENT, 0
    return (What.FILE, found.st_size) if stat_module.S_ISREG(found.st_mode) else (What.OTHER, 0)


def _differs(before: os.stat_result | None, after: os.stat_result | None) -> bool:
    if before is None or after is None:
        return before is not after
    return snapshot.signature(before) != snapshot.signature(after)


def _mode(stood: os.stat_result | None) -> int:
    if stood is not None and stat_module.S_ISREG(stood.st_mode):
        return stat_module.S_IMODE(stood.st_mode) | stat_module.S_IWUSR
    return fsio.default_mode()
