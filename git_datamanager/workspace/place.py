"""Looking at a path, and putting verified bytes there only if it is still what was looked at.

What a command knows of a file is true for the instant it looked. Everything that follows from it, a
record or a replacement, is tied to the stamp of that look.
"""

import contextlib
import errno
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NamedTuple

from git_datamanager import fsio
from git_datamanager.content.snapshot import LOGS, signature
from git_datamanager.errors import DataError, DirtyFile

TICK = 15_000_000  # ns; the kernel stamps files with the time of its last timer tick
COARSE = 2_000_000_000  # ns; FAT and some network file systems

Fill = Callable[[BinaryIO], None]
"""Writes the wanted bytes, verified, or raises."""


class Stamp(NamedTuple):
    """What stood at a path, and in the non-empty SQLite logs beside it, at one instant."""

    text: str
    youngest: int
    """The latest time in it, ns; 0 where nothing is there."""
    taken: int
    """When it was taken, ns."""

    @property
    def is_safe(self) -> bool:
        """A change right after the look would show in another stamp (Git's racy-clean rule)."""
        coarse = self.youngest % 1_000_000_000 == 0
        return self.youngest + (COARSE if coarse else TICK) <= self.taken


def glance(path: Path) -> Stamp:
    """Look at once."""
    taken = time.time_ns()
    words, times = [], [0]
    for beside in ("", *LOGS):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            stat = os.lstat(f"{path}{beside}")
            if beside and not stat.st_size:
                continue
            # A reader's SQLite sets the owner of a log anew, and so its ctime: that is no change.
            facts = (stat.st_size, stat.st_mtime_ns, stat.st_ino) if beside else signature(stat)
            words.append(beside + ",".join(map(str, facts)))
            times += [stat.st_mtime_ns] if beside else [stat.st_mtime_ns, stat.st_ctime_ns]
    return Stamp(";".join(words) or "absent", max(times), taken)


def look(path: Path) -> Stamp:
    """Look, and wait out the instant in which a change would go unseen."""
    stamp = glance(path)
    late = stamp.youngest + TICK - stamp.taken
    if 0 < late <= TICK:
        time.sleep(late / 1e9)
        stamp = glance(path)
    return stamp


def put(
    folder: fsio.Folder,
    path: Path,
    before: Stamp,
    fill: Fill,
    *,
    mode: int,
    preserve: Callable[[], str | None],
    flush: bool = True,
) -> tuple[str | None, Stamp | None]:
    """Fill a temporary file, and rename it over `path` if that is still what `before` saw.

    `preserve` runs right before the rename and saves what stands there; its answer is returned, with
    the stamp of the new file (None where somebody touched it at once). With `flush` the bytes are on the
    device before they get their name. Raises DirtyFile where the path changed meanwhile: it is left as it is.
    """
    with folder.new_temp() as (file, temp):
        with fsio.flushing(file) if flush else contextlib.nullcontext():
            _fill(file, fill, path)
        folder.chmod(temp, mode)
        if flush:
            fsio.fsync_file(file.fileno())
        ours = os.fstat(file.fileno())
        time.sleep(max(0, ours.st_mtime_ns + TICK - time.time_ns()) / 1e9)  # later writes have later times
        if glance(path).text != before.text:
            raise DirtyFile(f"{path} changed meanwhile: it was left as it is", hints=["git data status"])
        kept = preserve()
        folder.rename_into_place(temp, flush=flush)
    stamp = look(path)
    now = os.lstat(path)
    same = (now.st_ino, now.st_size, now.st_mtime_ns) == (ours.st_ino, ours.st_size, ours.st_mtime_ns)
    return kept, stamp if same else None


def _fill(file: BinaryIO, fill: Fill, path: Path) -> None:
    try:
        fill(file)
        file.flush()
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DataError(f"no space left for {path}: the file was left as it is") from error
        raise
