"""The working files of datasets: what lies there, and putting verified bytes in their place.

The rule of every replacement: only what is absent, or whose bytes are a known version, goes; it goes
into the cache. Everything else stays, or with `force` is kept aside under an id.
"""

import os
import stat as stat_module
from collections.abc import Callable, Collection
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from git_datamanager import fsio
from git_datamanager.content import snapshot
from git_datamanager.errors import Conflict, DirtyFile, Forbidden
from git_datamanager.model.names import check_name, pasteable
from git_datamanager.model.oid import Oid
from git_datamanager.workspace import place
from git_datamanager.workspace.cache import Cache
from git_datamanager.workspace.place import Fill, Stamp
from git_datamanager.workspace.statecache import StateCache, is_unchanged


class What(StrEnum):
    """What stands at a dataset's path."""

    ABSENT = "absent"
    FILE = "file"
    OTHER = "other"
    """A folder, a link, a special file, or something in a place that is not ours."""


class Seen(NamedTuple):
    """A look at a working file."""

    what: What
    stamp: Stamp
    """Of the instant of the look, before anything was read."""
    oid: Oid | None = None
    size: int = 0
    is_live: bool = False
    """A database beside a non-empty log; `oid` is that of its snapshot. Also a log without its database:
    SQLite would replay it into the next file of that name."""


class WorkTree:
    """The working files below one top. `announce` is told what is kept aside, before it moves."""

    def __init__(self, top: Path, states: StateCache, cache: Cache, announce: Callable[[str], None]) -> None:
        self.top = top
        self.states = states
        self.cache = cache
        self._announce = announce

    def path(self, name: str) -> Path:
        return self.top.joinpath(*check_name(name).split("/"))

    def open_folder(self, name: str, *, create: bool = False) -> fsio.Folder:
        """The folder of a working file, held open. Raises Forbidden where it is not ours: behind a
        link (S02), or inside another repository or work tree (S08)."""
        folder = fsio.Folder(self.top, name, create=create)
        parts = name.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            if os.path.lexists(self.top.joinpath(*parts[:depth], ".git")):
                folder.close()
                inner = "/".join(parts[:depth])
                raise Forbidden(f"{name} lies inside another repository, {inner}: nothing was changed")
        return folder

    def look(self, name: str, *, rehash: bool = False, stat_only: bool = False) -> Seen:
        """What lies at the name; hashed only where its stat signature says that it changed.

        With `stat_only` a changed file is not hashed: its `oid` is None.
        """
        path = self.path(name)
        stamp = place.look(path)
        kind, size = self._kind(name)
        live = kind is not What.OTHER and bool(snapshot.live_logs(path))
        if kind is not What.FILE:
            return Seen(kind, stamp, is_live=live)
        known = self.states.get(name)
        if known is not None and not rehash and is_unchanged(known, stamp):
            return Seen(What.FILE, stamp, known.oid, size, live)
        oid = None if stat_only else self._read(name, path, stamp, live=live)
        return Seen(What.FILE, stamp, oid, size, live)

    def _kind(self, name: str) -> tuple[What, int]:
        try:
            with self.open_folder(name) as folder:
                found = folder.stat()
        except FileNotFoundError:
            return What.ABSENT, 0
        except Forbidden:
            return What.OTHER, 0
        if found is None:
            return What.ABSENT, 0
        return (What.FILE, found.st_size) if stat_module.S_ISREG(found.st_mode) else (What.OTHER, 0)

    def _read(self, name: str, path: Path, stamp: Stamp, *, live: bool) -> Oid | None:
        """Hash the file and record it under the stamp; None where it cannot be said what it holds.

        In use, in the middle of a recovery, not readable, or changed while it was read: that is no
        version, and no reason to hide the other datasets. `add` says what is wrong with it.
        """
        known = self.states.get(name)
        captured = known.oid if known and known.own != known.oid.hex else None
        try:
            oid, own = self._identify(path, captured, live=live)
        except (Conflict, PermissionError, FileNotFoundError):
            return None
        if place.glance(path).text != stamp.text:
            return None
        self.states.put(name, oid, own, stamp, vouch=False)
        return oid

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

    def check(self, name: str, known: Collection[Oid], *, force: bool = False) -> Seen:
        """Look, and raise DirtyFile or Forbidden where the file must not be replaced."""
        seen = self.look(name)
        self._guard(name, seen, known, force=force)
        return seen

    def materialise(
        self,
        name: str,
        oid: Oid,
        fill: Fill,
        *,
        known: Collection[Oid],
        force: bool = False,
        is_held: bool = False,
    ) -> str | None:
        """Put verified bytes at the dataset's path, at once or not at all.

        `known` are the contents that may be replaced. `is_held`: a store or the cache has the bytes too, so
        nobody waits for the disk; after a restart of the machine the file is hashed before it is believed
        (docs/adr/0014). Returns the id under which a file with unknown
        bytes was kept (`force`), else None. Raises DirtyFile, Forbidden; the old file stays then.
        """
        try:
            before = self.check(name, known, force=force)
        except DirtyFile:
            if not self._has(name, oid):
                raise
            return None  # another command put these very bytes there while this one looked
        flush = not is_held or fsio.boot_id() is None
        with self.open_folder(name, create=True) as folder:
            fsio.sweep(folder.path)
            try:
                kept, stamp = place.put(
                    folder,
                    self.path(name),
                    before.stamp,
                    fill,
                    mode=_mode(folder.stat()),
                    preserve=lambda: self._preserve(folder, before, known),
                    flush=flush,
                )
            except DirtyFile:
                if not self._has(name, oid):
                    raise
                return None  # another command put the same bytes there first
        if before.oid is not None:
            self.cache.seal(before.oid)
        if stamp is not None:
            self.states.put(name, oid, oid.hex, stamp, vouch=True, flushed=flush)
        return kept

    def _has(self, name: str, oid: Oid) -> bool:
        seen = self.look(name)
        return seen.what is What.FILE and seen.oid == oid and not seen.is_live

    def take_away(self, name: str, oid: Oid) -> bool:
        """Move a clean file into the cache, as Git removes what a commit no longer has."""
        seen = self.look(name)
        if seen.oid != oid or seen.is_live:
            return False
        with self.open_folder(name) as folder:
            stood = folder.stat()
            if place.glance(self.path(name)).text != seen.stamp.text:
                return False
            if not self.cache.take(folder, folder.leaf, oid):
                return False
            if not _is_same(stood, folder.stat()):
                self.cache.drop(oid)  # somebody wrote to it in this very instant: it stays what it is
                return False
            folder.unlink(folder.leaf)
            folder.fsync()
        self.cache.seal(oid)
        self.states.forget(name)
        return True

    def _guard(self, name: str, seen: Seen, known: Collection[Oid], *, force: bool) -> None:
        if seen.what is What.OTHER:
            with self.open_folder(name):  # says it better where a parent folder is not ours
                pass
            if self.path(name).is_dir() and not self.path(name).is_symlink():
                raise Forbidden(f"{name} is a folder here: it was left as it is, move it away first")
        if force or (seen.what is What.ABSENT and not seen.is_live):
            return
        shown = pasteable(name)
        hints = [f"git data add {shown}", f"git data pull --force {shown}   # keeps your file, prints its id"]
        if seen.what is What.OTHER:
            raise DirtyFile(f"{name} is a link or special file here: it was left as it is", hints=hints[1:])
        if seen.is_live:
            close = f"sqlite3 {shown} 'PRAGMA wal_checkpoint(TRUNCATE)'   # where no program has it open"
            raise DirtyFile(
                f"{name} has a SQLite log beside it that holds changes: it was left as it is",
                hints=[*hints, close],
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
        return self.cache.keep_aside(folder, self._announce)


def _mode(stood: os.stat_result | None) -> int:
    if stood is not None and stat_module.S_ISREG(stood.st_mode):
        return stat_module.S_IMODE(stood.st_mode) | stat_module.S_IWUSR
    return fsio.default_mode()


def _is_same(before: os.stat_result | None, after: os.stat_result | None) -> bool:
    """The same file with the same content; its ctime may have moved, a second name does that."""
    if before is None or after is None:
        return False
    same_file = before.st_ino == after.st_ino and before.st_size == after.st_size
    return same_file and before.st_mtime_ns == after.st_mtime_ns
