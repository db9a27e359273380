"""What one object of a folder store is: a file, its facts, its place."""

import os
import stat as stat_module
from pathlib import Path
from typing import Self

from git_datamanager import fsio
from git_datamanager.errors import Forbidden
from git_datamanager.storage.base import Stat


class Place(fsio.Folder):
    """The folder of one key, which takes in finished files from the store's root."""

    def __enter__(self) -> Self:
        return self

    def link_in(self, temp: Path) -> None:
        """Appear under the key; FileExistsError where it is taken."""
        os.link(temp, self._at(self.leaf), dst_dir_fd=self._fd)
        self.fsync()

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
