"""Durable and safe file writes.

Every write is: temporary file beside the target (O_EXCL, mode 0600) -> fsync -> rename -> fsync of
the folder. A reader sees the old bytes or the new ones, never something between. Writes below a
repository go through `Folder`, which walks from the top by directory handles and follows no
symbolic link (CVE-2021-21300, CVE-2024-32002 are what happens else).
"""

import errno
import os
import stat as stat_module
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cache
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from git_datamanager.errors import DataError, Forbidden

TEMP_PREFIX = ".git-data-tmp-"
BLOCK = 1 << 20
_FICLONE = 0x40049409  # linux/fs.h: share the extents of another file (Btrfs, XFS, bcachefs)
_DIRECTORY = getattr(os, "O_DIRECTORY", 0)
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_CLOEXEC = getattr(os, "O_CLOEXEC", 0)
_BINARY = getattr(os, "O_BINARY", 0)


def fsync_file(fd: int) -> None:
    """Flush to the device itself: on macOS fsync alone stops at the drive's cache."""
    if sys.platform == "darwin":
        import fcntl

        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
    else:
        os.fsync(fd)


@contextmanager
def flushing(file: BinaryIO) -> Iterator[None]:
    """Write a large file to the device while it grows: the flush that ends it then waits for little.

    The writer is not held up. Raises at the end what the device said: it says it once.
    """
    done, said = threading.Event(), list[OSError]()

    def flush() -> None:
        while not done.wait(0.05):
            try:
                os.fdatasync(file.fileno())
            except OSError as error:
                said.append(error)
                return

    if not hasattr(os, "fdatasync"):
        yield
        return
    beside = threading.Thread(target=flush, daemon=True)
    beside.start()
    try:
        yield
    finally:
        done.set()
        beside.join()
    if said:
        raise said[0]


@cache
def boot_id() -> str | None:
    """Names the time since this machine was started (Linux: random(4)): what was written in it and not
    flushed is still there while it lasts. None where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip() or None
    except OSError:
        return None


def fsync_folder(path: str | os.PathLike[str]) -> None:
    """Make names durable; a no-op where folders cannot be opened (Windows)."""
    if sys.platform == "win32":
        return
    fd = os.open(path, os.O_RDONLY | _DIRECTORY | _CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def new_temp(folder: Path, *, mode: int = 0o600) -> Iterator[tuple[BinaryIO, Path]]:
    """A new file with a name nobody can guess; whatever is left of it afterwards is removed."""
    path = folder / f"{TEMP_PREFIX}{os.getpid()}-{os.urandom(8).hex()}"
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _NOFOLLOW | _CLOEXEC | _BINARY, mode)
    try:
        with os.fdopen(fd, "r+b") as file:
            yield file, path
    finally:
        with suppress(FileNotFoundError):
            path.unlink()


def sweep(folder: Path, *, age: float = 0) -> None:
    """Remove what killed runs left in a folder: temporary files of processes that are gone.

    `age` in seconds is asked of files in folders that several machines or containers may share.
    """
    for path in folder.glob(f"{TEMP_PREFIX}*"):
        pid = path.name.removeprefix(TEMP_PREFIX).split("-")[0]
        with suppress(FileNotFoundError):
            if pid.isdigit() and not is_alive(int(pid)) and time.time() - path.lstat().st_mtime >= age:
                path.unlink()


def is_alive(pid: int) -> bool:
    """Whether a process of this number runs on this machine."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def write_durably(path: Path, data: bytes, *, mode: int = 0o666) -> None:
    """Replace `path` by `data`, all of it or not at all. The mode is that of an existing file, else
    `mode` less the umask."""
    try:
        mode = stat_module.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        mode &= ~_umask()
    with new_temp(path.parent) as (file, temp):
        file.write(data)
        file.flush()
        temp.chmod(mode)
        fsync_file(file.fileno())
        temp.replace(path)
    fsync_folder(path.parent)


@cache
def _umask() -> int:
    # Asking changes it for an instant, for all threads: once is enough.
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def default_mode() -> int:
    """The mode a plain new file gets."""
    return 0o666 & ~_umask()


def copy_stream(
    source: BinaryIO, target: BinaryIO, update: Callable[[bytes], object], limit: int | None = None
) -> int:
    """Copy up to `limit` bytes in blocks, showing each block to `update`; returns how many."""
    done = 0
    while limit is None or done < limit:
        block = source.read(BLOCK if limit is None else min(BLOCK, limit - done))
        if not block:
            break
        write_all(target, block)
        update(block)
        done += len(block)
    return done


def write_all(target: BinaryIO, block: bytes | memoryview) -> None:
    """An unbuffered file takes what fits and says how much: on a disk that is filling up, not all."""
    rest = memoryview(block)
    while rest:
        rest = rest[target.write(rest) :]


def reflink(source_fd: int, target_fd: int) -> bool:
    """Let the target share the source's blocks (Linux); False where the file system cannot."""
    if not sys.platform.startswith("linux"):
        return False
    import fcntl

    try:
        fcntl.ioctl(target_fd, _FICLONE, source_fd)
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL, errno.ENOSYS):
            return False
        raise
    return True


def copy_cheaply(source: BinaryIO, target: BinaryIO) -> None:
    """Append all of a file to the empty `target`: shared blocks, else copied by the kernel, else by us."""
    size, done = os.fstat(source.fileno()).st_size, 0
    if size == 0 or reflink(source.fileno(), target.fileno()):
        return
    if hasattr(os, "copy_file_range"):
        try:  # at places of our own: a buffered file does not see the descriptor's move
            while count := os.copy_file_range(source.fileno(), target.fileno(), 1 << 30, done, done):
                done += count
            return
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
                raise
    copy_stream(source, target, lambda _: None)
    target.flush()


def link_open(fd: int, path: Path) -> bool:
    """Give an open file another name; False where the system or the file system cannot (Linux can, within
    one file system)."""
    if not sys.platform.startswith("linux"):
        return False
    folder = os.open(path.parent, os.O_RDONLY | _DIRECTORY | _CLOEXEC)
    try:  # With a folder given Python calls linkat, which follows the link that /proc is made of.
        os.link(f"/proc/self/fd/{fd}", path.name, dst_dir_fd=folder, follow_symlinks=True)
    except OSError as error:
        if error.errno in (errno.EXDEV, errno.EPERM, errno.ENOENT, errno.EOPNOTSUPP, errno.EMLINK):
            return False
        raise
    finally:
        os.close(folder)
    return True


class Folder(AbstractContextManager["Folder"]):
    """The parent folder of one name below `top`, held open; no component is a symbolic link.

    Raises Forbidden where a component is a link or a file. Without directory handles (Windows) the
    components are looked at one by one before each use instead.
    """

    def __init__(self, top: Path, name: str, *, create: bool = False) -> None:
        parts = PurePosixPath(name).parts
        self.leaf = parts[-1]
        self.path = top.joinpath(*parts[:-1])
        self._fd = _walk(top, parts[:-1], create=create)

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _at(self, name: str) -> str:
        return name if self._fd is not None else str(self.path / name)

    def stat(self, name: str | None = None) -> os.stat_result | None:
        """lstat of the leaf (or a neighbour); None where there is nothing."""
        try:
            return os.stat(self._at(name or self.leaf), dir_fd=self._fd, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def open_read(self, name: str | None = None) -> BinaryIO:
        flags = os.O_RDONLY | _NOFOLLOW | _CLOEXEC | _BINARY | getattr(os, "O_NONBLOCK", 0)
        return os.fdopen(os.open(self._at(name or self.leaf), flags, dir_fd=self._fd), "rb", buffering=0)

    @contextmanager
    def new_temp(self) -> Iterator[tuple[BinaryIO, str]]:
        """A temporary file beside the leaf; removed afterwards unless it was renamed away."""
        name = f"{TEMP_PREFIX}{os.getpid()}-{os.urandom(8).hex()}"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | _NOFOLLOW | _CLOEXEC | _BINARY
        fd = os.open(self._at(name), flags, 0o600, dir_fd=self._fd)
        try:
            with os.fdopen(fd, "r+b") as file:
                yield file, name
        finally:
            with suppress(FileNotFoundError):
                os.unlink(self._at(name), dir_fd=self._fd)

    def rename_into_place(self, temp: str, *, flush: bool = True) -> None:
        os.replace(self._at(temp), self._at(self.leaf), src_dir_fd=self._fd, dst_dir_fd=self._fd)
        if flush:
            self.fsync()

    def chmod(self, name: str, mode: int) -> None:
        os.chmod(self._at(name), mode, dir_fd=self._fd)

    def move_out(self, name: str, target: Path) -> None:
        """Move the leaf or a neighbour to `target` on the same file system."""
        os.replace(self._at(name), target, src_dir_fd=self._fd)
        self.fsync()

    def link_out(self, name: str, target: Path) -> None:
        """Give the bytes a second name outside; OSError where the file system cannot."""
        os.link(self._at(name), target, src_dir_fd=self._fd, follow_symlinks=False)

    def unlink(self, name: str) -> None:
        with suppress(FileNotFoundError):
            os.unlink(self._at(name), dir_fd=self._fd)

    def fsync(self) -> None:
        if self._fd is not None:
            os.fsync(self._fd)


def _walk(top: Path, parts: tuple[str, ...], *, create: bool) -> int | None:
    if os.open not in os.supports_dir_fd:
        _look(top, parts, create=create)
        return None
    fd = os.open(top, os.O_RDONLY | _DIRECTORY | _CLOEXEC)
    for depth, part in enumerate(parts):
        try:
            if create:
                with suppress(FileExistsError):
                    os.mkdir(part, dir_fd=fd)
            deeper = os.open(part, os.O_RDONLY | _DIRECTORY | _NOFOLLOW | _CLOEXEC, dir_fd=fd)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                raise _not_a_folder(parts[: depth + 1]) from error
            raise
        finally:
            os.close(fd)
        fd = deeper
    return fd


def _look(top: Path, parts: tuple[str, ...], *, create: bool) -> None:
    here = top
    for depth, part in enumerate(parts):
        here = here / part
        if create:
            here.mkdir(exist_ok=True)
        if here.is_symlink() or not here.is_dir():
            raise _not_a_folder(parts[: depth + 1])


def _not_a_folder(parts: tuple[str, ...]) -> DataError:
    return Forbidden(
        f"{'/'.join(parts)} is a symbolic link or a file, not a folder of this repository: "
        "nothing was written"
    )
