"""Bytes this clone keeps: `data/cache/` in the common Git directory, shared by its work trees.

A second full copy of a big file is never kept by default: a reflink where the file system can, a
copy below 64 MiB, and otherwise the clean working file itself counts as the local copy. Files are
read-only and are hashed again whenever they are used, so a damaged one heals by being dropped.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from git_datamanager import fsio
from git_datamanager.content.snapshot import COMPANIONS, hash_file
from git_datamanager.model.oid import Oid
from git_datamanager.model.ulid import new_ulid

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

SMALL = 64 << 20
_HOUR = 3600


class Cached(NamedTuple):
    """One file of the cache."""

    oid: Oid
    path: Path
    size: int
    used: float


class Cache:
    """Objects by oid, and what `--force` replaced (`kept/`)."""

    def __init__(
        self,
        root: Path,
        mode: str,
        limit: Callable[[], int],
        is_held: Callable[[Oid], bool],
        *,
        kept: Path | None = None,
    ) -> None:
        """`root` may be shared by clones; `kept`, for what `--force` replaced, belongs to one."""
        self.root = root
        self.kept_root = kept or root.parent / "kept"
        self._mode = mode
        self._limit = limit
        self._is_held = is_held

    def path(self, oid: Oid) -> Path:
        return self.root / oid.hex[:2] / oid.hex

    def has(self, oid: Oid) -> bool:
        return self.path(oid).is_file()

    @contextmanager
    def open(self, oid: Oid) -> Iterator[BinaryIO]:
        """Raises FileNotFoundError where it is not here."""
        path = self.path(oid)
        with path.open("rb", buffering=0) as file:
            with suppress(OSError):
                os.utime(path)  # least recently used goes first
            yield file

    @contextmanager
    def new_file(self) -> Iterator[Path]:
        """A name in the cache's file system for somebody to fill and `adopt`."""
        folder = self._folder(self.root / "tmp")
        fsio.sweep(folder, age=_HOUR)
        path = folder / f"{fsio.TEMP_PREFIX}{os.getpid()}-{new_ulid()}"
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def adopt(self, path: Path, oid: Oid) -> None:
        """Take over a file whose bytes were just hashed (same file system)."""
        target = self.path(oid)
        self._folder(target.parent)
        path.chmod(0o444)
        with path.open("rb") as file:
            fsio.fsync_file(file.fileno())
        path.replace(target)
        fsio.fsync_folder(target.parent)

    def ingest(self, file: BinaryIO, size: int, advance: Callable[[int], None]) -> tuple[Oid, int]:
        """Hash an open file in one pass; keep its bytes where that is cheap (class docstring).

        A reflink is made first and then hashed: what is in the cache is what was hashed.
        """
        if self._mode == "none":
            return _oid_of(file, advance)
        with self.new_file() as path, path.open("x+b", buffering=0) as copy:
            if size and fsio.reflink(file.fileno(), copy.fileno()):
                oid, count = _oid_of(copy, advance)
            elif size <= SMALL or self._mode == "copy":
                import hashlib

                digest = hashlib.sha256()
                count = fsio.copy_stream(file, copy, lambda block: _both(digest, advance, block))
                oid = Oid(digest.hexdigest())
            else:
                return _oid_of(file, advance)
            self.adopt(path, oid)
        return oid, count

    def keep(self, path: Path, oid: Oid, size: int) -> bool:
        """Keep the bytes of a file that was just verified, where that is cheap; they are hashed when
        they are used."""
        if self._mode == "none" or self.has(oid):
            return self.has(oid)
        with path.open("rb", buffering=0) as file, self.new_file() as copy:
            if not self._clone(file, copy, size):
                return False
            self.adopt(copy, oid)
        return True

    def _clone(self, file: BinaryIO, path: Path, size: int) -> bool:
        with path.open("xb") as copy:
            if size and fsio.reflink(file.fileno(), copy.fileno()):
                return True
            if size > SMALL and self._mode != "copy":
                return False
            fsio.copy_stream(file, copy, lambda _: None)
        return True

    def take(self, folder: fsio.Folder, name: str, oid: Oid) -> bool:
        """Give a working file that was just found to have these bytes a place here, without copying.

        Its bytes get a second name, in place of whatever was here under this oid; the caller then
        renames something over the first. True where the bytes are safe: here, or without a cache in a
        store. False where neither is to be had.
        """
        if self._mode == "none" and self._is_held(oid):
            return True
        found = folder.stat(name)
        if found is None:
            return False
        with folder.open_read(name) as file:
            fsio.fsync_file(file.fileno())  # the first name is about to go for good
            # A file with other names would become read-only, and be written to, under those.
            if found.st_nlink > 1 or not self._link(folder, name, oid):
                self.drop(oid)
                self.ingest(file, found.st_size, lambda _: None)
        return self.has(oid)

    def _link(self, folder: fsio.Folder, name: str, oid: Oid) -> bool:
        target = self.path(oid)
        self._folder(target.parent)
        with self.new_file() as second:
            try:
                folder.link_out(name, second)
            except OSError:
                return False
            second.replace(target)
        fsio.fsync_folder(target.parent)
        fsio.fsync_folder(self.root)
        return True

    def seal(self, oid: Oid) -> None:
        """Make an object read-only, once no working file shares its bytes."""
        with suppress(FileNotFoundError):
            if self.path(oid).stat().st_nlink == 1:
                self.path(oid).chmod(0o444)

    def drop(self, oid: Oid) -> None:
        self.path(oid).unlink(missing_ok=True)

    def keep_aside(self, folder: fsio.Folder, announce: Callable[[str], None]) -> str:
        """Keep a working file, and what SQLite keeps beside it, in `kept/<id>/`; the id is returned.

        First everything gets a second name (or a copy) there and is announced; then the logs go. The
        file itself stands in its place until the caller renames something over it.
        """
        entry = new_ulid()
        place = self._folder(self.kept_root / entry)
        names = [n for n in (folder.leaf + s for s in ("", *COMPANIONS)) if folder.stat(n) is not None]
        for name in names:
            _double(folder, name, place / name)
        fsio.fsync_folder(place)
        fsio.fsync_folder(place.parent)
        announce(f"{folder.leaf} as it was is kept as {entry} in {place}")
        for name in names:
            if name != folder.leaf:
                folder.unlink(name)
        return entry

    def kept(self, entry: str) -> Path:
        return self.kept_root / entry

    def __iter__(self) -> Iterator[Cached]:
        for path in self.root.glob("[0-9a-f][0-9a-f]/*"):
            with suppress(ValueError, FileNotFoundError):
                found = path.stat()
                yield Cached(Oid(path.name), path, found.st_size, found.st_mtime)

    def evict(self) -> list[Cached]:
        """Shrink to the limit, least recently used first; never what no store is known to hold."""
        files = sorted(self, key=lambda c: c.used)
        total, limit = sum(c.size for c in files), self._limit()
        gone = []
        for cached in files:
            if total <= limit:
                break
            if self._is_held(cached.oid):
                cached.path.unlink(missing_ok=True)
                total -= cached.size
                gone.append(cached)
        return gone

    def _folder(self, path: Path) -> Path:
        path.mkdir(parents=True, exist_ok=True)
        return path


def _oid_of(file: BinaryIO, advance: Callable[[int], None]) -> tuple[Oid, int]:
    digest, size = hash_file(file, advance)
    return Oid(digest), size


def _both(digest: "Hash", advance: Callable[[int], None], block: bytes) -> None:
    digest.update(block)
    advance(len(block))


def _double(folder: fsio.Folder, name: str, target: Path) -> None:
    """A second name for a file, or where there are none a copy."""
    try:
        folder.link_out(name, target)
    except OSError:
        with folder.open_read(name) as file, target.open("xb") as copy:
            fsio.copy_stream(file, copy, lambda _: None)
            copy.flush()
            fsio.fsync_file(copy.fileno())
