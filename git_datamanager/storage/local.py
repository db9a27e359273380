"""A store in a folder: keys are files below it.

No component below the root is ever followed if it is a symbolic link: the folder may be shared, and
whoever can write into it must not make us read or write elsewhere.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from git_datamanager import fsio
from git_datamanager.errors import (
    Locked,
    ObjectMissing,
    PreconditionFailed,
)
from git_datamanager.storage.base import (
    ANYTHING,
    Advance,
    Capabilities,
    Examination,
    Expect,
    Presentation,
    ResumeBook,
    Stat,
    StorageAdapter,
    no_advance,
    sound,
)
from git_datamanager.storage.body import Window
from git_datamanager.storage.keys import check_key, check_prefix, check_range
from git_datamanager.storage.localfile import (
    Place,
    Source,
    check_root,
    clock_of,
    etag_of,
    in_words,
    stamp,
    stat_of,
)
from git_datamanager.storage.source import Measured
from git_datamanager.storage.wrappers import innermost

LOCK_NAME = ".lock"
LOCK_TIMEOUT = 60.0
"""Seconds; the lock is held for a look and a rename, so a longer wait means a process that hangs."""
_DAY = 86400


def create(root: Path) -> "LocalStore":
    """Make the folder of a new store. Only `init` may: elsewhere a missing folder is a store that
    cannot be reached, never a new and empty one."""
    root.mkdir(parents=True, exist_ok=True)
    return LocalStore(root)


class LocalStore:
    """Objects as read-only files. Presentations are not kept: a file says what it is by its bytes."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._mode = fsio.default_mode() & 0o444
        self._is_swept = False

    @property
    def url(self) -> str:
        return f"file:{self._root}"

    def stat_object(self, key: str) -> Stat | None:
        check_key(key)
        with self._told():
            try:
                with fsio.Folder(self._root, key) as folder:
                    return stat_of(key, folder.stat())
            except FileNotFoundError:
                check_root(self._root)
                return None

    @contextmanager
    def read_object(
        self, key: str, *, start: int = 0, length: int | None = None, etag: str | None = None
    ) -> Iterator[BinaryIO]:
        check_range(start, length)
        file, found = self._open(key)
        with file:
            if etag is not None and found.etag != etag:
                raise self._other(key)
            yield Window(file, start, found.size, length, self._told).as_file()

    def write_object(
        self,
        key: str,
        source: BinaryIO,
        size: int,
        *,
        expect: Expect = ANYTHING,
        sha256: str | None = None,
        presentation: Presentation | None = None,  # noqa: ARG002 -- nowhere to keep it
        advance: Advance = no_advance,
        book: ResumeBook | None = None,  # noqa: ARG002 -- written at once or not at all
    ) -> Stat:
        check_key(key)
        reading = Source(source)
        measured = Measured(reading, size, sha256)  # type: ignore[arg-type] # it reads, and no more
        self._sweep()
        with self._told(reading), fsio.new_temp(self._root) as (file, temp):
            while block := measured.read():
                file.write(block)
                advance(len(block))
            measured.finish()
            return self._keep(file, temp, key, expect)

    def copy_object(
        self,
        source: StorageAdapter,
        source_key: str,
        key: str,
        *,
        source_etag: str,
        presentation: Presentation | None = None,  # noqa: ARG002 -- nowhere to keep it
        advance: Advance = no_advance,
    ) -> Stat | None:
        """By sharing blocks where the file system can, else byte by byte."""
        check_key(key)
        origin = innermost(source)
        if not isinstance(origin, LocalStore):
            return None
        opened, found = origin._open(source_key)  # noqa: SLF001 -- of the same class
        reading = Source(opened)
        self._sweep()
        told = origin._told()  # noqa: SLF001
        with opened, told, self._told(reading), fsio.new_temp(self._root) as (file, temp):
            if found.etag != source_etag:
                raise origin._other(source_key)  # noqa: SLF001
            if fsio.reflink(opened.fileno(), file.fileno()):
                advance(found.size)
            else:
                fsio.copy_stream(reading, file, lambda block: advance(len(block)))  # type: ignore[arg-type]
            if etag_of(os.fstat(opened.fileno())) != source_etag:
                raise origin._other(source_key)  # noqa: SLF001 -- changed in place while it was copied
            return self._keep(file, temp, key, ANYTHING)

    def list_objects(self, prefix: str) -> Iterator[Stat]:
        check_prefix(prefix)
        with self._told():
            check_root(self._root)
        yield from self._walk("", prefix)

    def delete_object(self, key: str, *, expect: Expect = ANYTHING) -> None:
        check_key(key)
        with self._told():
            try:
                with fsio.Folder(self._root, key) as folder, self._locked():
                    if folder.stat() is not None:
                        self._check(key, stat_of(key, folder.stat()), expect)
                        folder.unlink(folder.leaf)
                        folder.fsync()
            except FileNotFoundError:
                check_root(self._root)

    def clock(self) -> float:
        """The file system's time, which on a network is another machine's; ours where nobody may write."""
        with self._told():
            return clock_of(self._root)

    def capabilities(self) -> Capabilities:
        """By construction: os.link refuses a taken name, and bytes are hashed before they get one."""
        return Capabilities(conditional_put=True, checks_sha256=True)

    def examine(self) -> Examination:
        """A folder nobody may write to is told by its clock, which is then this machine's."""
        return sound(self.clock() - time.time())

    def _keep(self, file: BinaryIO, temp: Path, key: str, expect: Expect) -> Stat:
        """Make the finished temporary file durable, then visible."""
        file.flush()
        stamp(file, temp)
        temp.chmod(self._mode)
        fsio.fsync_file(file.fileno())
        written = os.fstat(file.fileno())
        with self._place(key) as place:
            if not (expect.absent and self._linked(place, temp, key)):
                with self._locked():
                    self._check(key, stat_of(key, place.stat()), expect)
                    place.move_in(temp)
        return Stat(key, written.st_size, etag_of(written), written.st_mtime)

    def _linked(self, place: Place, temp: Path, key: str) -> bool:
        """Take a free name, atomically between machines too; False where there are no hard links."""
        try:
            return place.link_in(temp)
        except FileExistsError as error:
            raise PreconditionFailed(f"{self.url} holds {key} already") from error

    def _place(self, key: str) -> Place:
        try:
            return Place(self._root, key)
        except FileNotFoundError:
            check_root(self._root)
        place = Place(self._root, key, create=True)
        folder = place.path
        while folder != self._root:  # the names of the new folders have to last as well
            folder = folder.parent
            fsio.fsync_folder(folder)
        return place

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Exclude every other replacement and deletion: a look and the act upon it belong together."""
        from filelock import FileLock, Timeout

        try:
            lock = FileLock(self._root / LOCK_NAME, timeout=LOCK_TIMEOUT)
            lock.acquire()
        except Timeout as error:
            raise Locked(f"another process holds {self._root / LOCK_NAME}") from error
        try:
            yield
        finally:
            lock.release()

    def _check(self, key: str, found: Stat | None, expect: Expect) -> None:
        if expect.absent and found:
            raise PreconditionFailed(f"{self.url} holds {key} already")
        if expect.etag is not None and (found is None or found.etag != expect.etag):
            raise self._other(key)

    def _open(self, key: str) -> tuple[BinaryIO, Stat]:
        check_key(key)
        with self._told():
            try:
                with fsio.Folder(self._root, key) as folder:
                    if stat_of(key, folder.stat()) is None:  # a link is named here, before open refuses it
                        raise self._missing(key)
                    file = folder.open_read()
            except FileNotFoundError as error:
                check_root(self._root)
                raise self._missing(key) from error
            found = stat_of(key, os.fstat(file.fileno()))
            if found is None:  # replaced by a folder since
                file.close()
                raise self._missing(key)
            return file, found

    def _walk(self, folder: str, prefix: str) -> Iterator[Stat]:
        for name, is_folder in self._children(folder):
            key = folder + name
            if is_folder and (key.startswith(prefix) or prefix.startswith(key)):
                yield from self._walk(key, prefix)
            elif not is_folder and key.startswith(prefix) and (found := self._listed(key)):
                yield found

    def _children(self, folder: str) -> list[tuple[str, bool]]:
        """Names in the order of their keys (a folder sorts as `name/`), without links and our own files."""
        with self._told():
            try:
                with os.scandir(self._root / folder) as entries:
                    found = [(e.name, e.is_dir(follow_symlinks=False)) for e in entries if not e.is_symlink()]
            except FileNotFoundError:  # removed since it was listed
                return []
        return sorted(
            (f"{name}/" if is_folder else name, is_folder)
            for name, is_folder in found
            if folder or not name.startswith(".")
        )

    def _listed(self, key: str) -> Stat | None:
        """None for what vanished since, and for files no key can name."""
        try:
            return self.stat_object(key)
        except ValueError:
            return None

    def _sweep(self) -> None:
        """Once: remove what killed writes left a day ago (docs/spec/store-v1.md)."""
        if not self._is_swept:
            self._is_swept = True
            with suppress(OSError):
                fsio.sweep(self._root, age=_DAY)

    def _missing(self, key: str) -> ObjectMissing:
        return ObjectMissing(f"{self.url} does not hold {key}")

    def _other(self, key: str) -> PreconditionFailed:
        return PreconditionFailed(f"{self.url} does not hold the expected object under {key}")

    @contextmanager
    def _told(self, reading: "Source | None" = None) -> Iterator[None]:
        """Tell operating system errors in the tool's own words, but for those of a source."""
        try:
            yield
        except OSError as error:
            if reading is not None and error is reading.failure:
                raise
            raise in_words(error, self._root) from error
