"""Folders held open, and what is done below them: no link is followed on the way (S02, S08)."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from git_datamanager.errors import Forbidden

_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_CLOEXEC = getattr(os, "O_CLOEXEC", 0)
_BINARY = getattr(os, "O_BINARY", 0)
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | _NOFOLLOW | _CLOEXEC
_READ = os.O_RDONLY | _NOFOLLOW | _CLOEXEC | _BINARY | getattr(os, "O_NONBLOCK", 0)
_WRITE = os.O_RDWR | os.O_CREAT | os.O_EXCL | _NOFOLLOW | _CLOEXEC | _BINARY
_BY_HANDLE = os.open in os.supports_dir_fd and os.scandir in os.supports_fd


class Handle:
    """An open folder. Names given to it may lead into folders below, whose own names are trusted: they
    are ours, or were just looked at. Without handles (Windows) it is its path."""

    __slots__ = ("fd", "path")

    def __init__(self, fd: int | None, path: Path) -> None:
        self.fd = fd
        self.path = path

    def at(self, name: str) -> str:
        """What a system call takes together with `dir_fd=self.fd`."""
        return name if self.fd is not None else str(self.path / name)

    def close(self) -> None:
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None

    def below(self, name: str) -> "Handle":
        """The folder `name`, opened; OSError where it is a link or no folder."""
        if not _BY_HANDLE:
            path = self.path / name
            if path.is_symlink() or not path.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
            return Handle(None, path)
        return Handle(os.open(name, _FOLDER, dir_fd=self.fd), self.path / name)

    def entries(self) -> "list[os.DirEntry[str]]":
        with os.scandir(self.path if self.fd is None else self.fd) as found:
            return list(found)

    def own(self) -> os.stat_result:
        """The facts of the folder itself."""
        return self.path.lstat() if self.fd is None else os.fstat(self.fd)

    def stat(self, name: str) -> os.stat_result:
        return os.stat(self.at(name), dir_fd=self.fd, follow_symlinks=False)

    def exists(self, name: str) -> bool:
        with suppress(FileNotFoundError, NotADirectoryError):
            self.stat(name)
            return True
        return False

    def open_read(self, name: str) -> int:
        return os.open(self.at(name), _READ, dir_fd=self.fd)

    def create(self, name: str, mode: int) -> int:
        """A new file, opened for writing and reading; its mode is less the umask."""
        return os.open(self.at(name), _WRITE, mode, dir_fd=self.fd)

    def mkdir(self, name: str, mode: int = 0o777) -> None:
        os.mkdir(self.at(name), mode, dir_fd=self.fd)

    def rmdir(self, name: str) -> None:
        os.rmdir(self.at(name), dir_fd=self.fd)

    def unlink(self, name: str) -> None:
        os.unlink(self.at(name), dir_fd=self.fd)

    def rename(self, name: str, target: "Handle", new: str) -> None:
        os.rename(self.at(name), target.at(new), src_dir_fd=self.fd, dst_dir_fd=target.fd)

    def link(self, name: str, target: "Handle", new: str) -> None:
        os.link(
            self.at(name), target.at(new), src_dir_fd=self.fd, dst_dir_fd=target.fd, follow_symlinks=False
        )

    def fsync(self) -> None:
        if self.fd is not None:
            os.fsync(self.fd)


@contextmanager
def opened(top: Path, name: str, *, create: bool = False) -> Iterator[Handle]:
    """The folder `name` below `top` (`.`: `top` itself), no part of the way being a link, a file or, but
    for the last, another repository. Raises Forbidden, FileNotFoundError."""
    parts = [] if name == "." else name.split("/")
    here = Handle(os.open(top, _FOLDER & ~_NOFOLLOW) if _BY_HANDLE else None, top)
    try:
        for depth, part in enumerate(parts, 1):
            shown = "/".join(parts[:depth])
            if depth > 1 and here.exists(".git"):
                inner = "/".join(parts[: depth - 1])
                raise Forbidden(f"{name} lies inside another repository, {inner}: nothing was changed")
            if create:
                with suppress(FileExistsError):
                    here.mkdir(part)
            outer, here = here, _step(here, part, shown)
            outer.close()
        yield here
    finally:
        here.close()


def _step(here: Handle, part: str, shown: str) -> Handle:
    try:
        return here.below(part)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.EMLINK):
            raise Forbidden(
                f"{shown} is a symbolic link or a file, not a folder of this repository: nothing was written"
            ) from error
        raise
