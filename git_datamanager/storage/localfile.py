"""What one object of a folder store is: a file, its facts, its place."""

import errno
import os
import secrets
import stat as stat_module
from pathlib import Path
from time import time
from typing import BinaryIO, Self

from git_datamanager import fsio
from git_datamanager.errors import DataError, Forbidden, Unreachable
from git_datamanager.storage.base import Stat

_CLOSED = frozenset((errno.EACCES, errno.EPERM, errno.EROFS))
_NO_LINKS = frozenset((errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK))
_FULL = frozenset((errno.ENOSPC, errno.EDQUOT))
_COARSE = 10_000_000
"""Nanoseconds; the ticks of kernels, which stamp files, are 1 to 10 ms long."""


class Place(fsio.Folder):
    """The folder of one key, which takes in finished files from the store's root."""

    def __enter__(self) -> Self:
        return self

    def link_in(self, temp: Path) -> bool:
        """Appear under the key; FileExistsError where it is taken, False where there are no hard links."""
        try:
            os.link(temp, self._at(self.leaf), dst_dir_fd=self._fd)
        except OSError as error:
            if error.errno in _NO_LINKS:
                return False
            raise
        self.fsync()
        return True

    def move_in(self, temp: Path) -> None:
        """Appear under the key in place of what is there."""
        os.replace(temp, self._at(self.leaf), dst_dir_fd=self._fd)
        self.fsync()


def etag_of(found: os.stat_result) -> str:
    return f"{found.st_ino:x}-{found.st_size:x}-{found.st_mtime_ns:x}"


def stat_of(key: str, found: os.stat_result | None) -> Stat | None:
    """None for nothing and for a folder; Forbidden for a link or a device, which no store writes."""
    if found is None or stat_module.S_ISDIR(found.st_mode):
        return None
    if not stat_module.S_ISREG(found.st_mode):
        raise Forbidden(f"{key} is a symbolic link or a device, not an object: it was not followed")
    return Stat(key, found.st_size, etag_of(found), found.st_mtime)


def stamp(file: BinaryIO, path: Path) -> None:
    """Make the time of a written file its own, as an ETag needs it, but keep it the file system's: on a
    network that is the server's, the one that all writers share."""
    found = os.fstat(file.fileno()).st_mtime_ns
    own = found - found % _COARSE + secrets.randbelow(_COARSE)
    os.utime(path, ns=(own, own))


def clock_of(folder: Path) -> float:
    """The time by which a file system stamps files; this machine's where nobody may write."""
    try:
        with fsio.new_temp(folder) as (file, _):
            return os.fstat(file.fileno()).st_mtime
    except OSError as error:
        if error.errno in _CLOSED:
            return time()
        raise


def check_root(root: Path) -> None:
    """A missing folder is a store that cannot be reached, never an empty one."""
    if not root.is_dir():
        raise Unreachable(f"the folder {root} does not exist")


def in_words(error: OSError, root: Path) -> DataError:
    """What went wrong below a store's root; raises Unreachable where it is not there."""
    if isinstance(error, PermissionError):
        return Forbidden(f"no permission in {root}: {error.strerror}")
    if error.errno == errno.EROFS:
        return Forbidden(f"{root} is read-only here: {error.strerror}")
    if error.errno in _FULL:
        return DataError(f"no space left in {root}: nothing was stored")
    check_root(root)
    return Unreachable(f"{root}: {error.strerror or error}")


class Source:
    """Reads what is to be stored, and remembers its failure: that one is not the store's."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.failure: OSError | None = None

    def read(self, count: int) -> bytes:
        try:
            return self._stream.read(count)
        except OSError as error:
            self.failure = error
            raise
