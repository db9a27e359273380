"""Two folders trade their names at once, and what was written below is flushed in one go.

Linux has renameat2 and syncfs, macOS renameatx_np; neither is in Python's `os`. Where the system or the
file system has no exchange, two renames do it, and `folderleft.recover` mends a crash between them.
"""

import ctypes
import errno
import os
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from git_datamanager import fsio
from git_datamanager.workspace.folderhandle import Handle

_EXCHANGE, _SWAP = 2, 2  # linux/fs.h RENAME_EXCHANGE, sys/stdio.h RENAME_SWAP
_NOT_HERE = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP)
_FEW = 32
"""So many files are flushed one by one: the whole file system may have more to do."""


@cache
def _libc() -> Any:
    try:
        return ctypes.CDLL(None, use_errno=True)
    except (OSError, TypeError):  # Windows has no such library
        return None


def exchange(one: Handle, name: str, other: Handle, new: str) -> bool:
    """Let two folders trade names, at once or not at all; False where that cannot be had here."""
    call, flag = _exchange_call()
    if call is None or one.fd is None or other.fd is None:
        return False
    if call(one.fd, os.fsencode(name), other.fd, os.fsencode(new), flag) == 0:
        return True
    number = ctypes.get_errno()
    if number in _NOT_HERE:
        return False
    raise OSError(number, os.strerror(number), name)


@cache
def _exchange_call() -> tuple[Any, int]:
    names = {"linux": ("renameat2", _EXCHANGE), "darwin": ("renameatx_np", _SWAP)}
    name, flag = names.get(sys.platform, ("", 0))
    call = getattr(_libc(), name, None) if name else None
    if call is not None:
        call.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    return call, flag


def flush(top: Handle, files: Iterable[str], count: int) -> None:
    """Make the files below `top`, and the names of all of it, durable."""
    if count > _FEW and _sync_file_system(top):
        return
    folders = {""}
    for name in files:
        fd = top.open_read(name)
        try:
            fsio.fsync_file(fd)
        finally:
            os.close(fd)
        while name := name.rpartition("/")[0]:
            folders.add(name)
    for folder in folders:
        fsio.fsync_folder(Path(top.path, folder))


def _sync_file_system(top: Handle) -> bool:
    call = getattr(_libc(), "syncfs", None) if sys.platform.startswith("linux") else None
    return call is not None and top.fd is not None and call(top.fd) == 0
