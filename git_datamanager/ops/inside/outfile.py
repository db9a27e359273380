"""A file that a command writes for its user: all of it or none, and over another only where asked to."""

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from git_datamanager import fsio
from git_datamanager.errors import Conflict, NotFound


@contextmanager
def new_file(path: Path, *, force: bool = False) -> Iterator[BinaryIO]:
    """The file to write to; it gets its name when the block ends without an error.

    Raises Conflict where there is one already (with `force` only where it is a device, a folder or the like),
    NotFound without its folder.
    """
    if not path.parent.is_dir():
        raise NotFound(
            f"there is no folder {path.parent}: nothing was written",
            hints=[f"mkdir -p {shlex.quote(str(path.parent))}"],
        )
    if os.path.lexists(path) and not path.is_file():
        raise Conflict(f"{path} is no plain file: nothing was written", hints=["-o FILE   # another name"])
    if not force and os.path.lexists(path):
        raise _is_there(path)
    with fsio.new_temp(path.parent) as (file, temp):
        yield file
        file.flush()
        temp.chmod(fsio.default_mode())
        fsio.fsync_file(file.fileno())
        if force:
            temp.replace(path)
        else:
            _give_name(temp, path)
    fsio.fsync_folder(path.parent)


def _give_name(temp: Path, path: Path) -> None:
    """A link never replaces a file; a file system that has none leaves a moment for somebody else's."""
    try:
        path.hardlink_to(temp)
    except FileExistsError as error:
        raise _is_there(path) from error
    except OSError:
        if os.path.lexists(path):
            raise _is_there(path) from None
        temp.replace(path)


def _is_there(path: Path) -> Conflict:
    return Conflict(f"{path} exists: nothing was written", hints=["--force   # writes over it"])
