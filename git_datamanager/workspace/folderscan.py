"""What lies in a folder that is a dataset: one walk by directory handles, following no link.

The walk is most of what `status` does, so it makes columns and no object per file, and nothing is read.
"""

import os
import time
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from git_datamanager import fsio
from git_datamanager.content.snapshot import COMPANIONS, LOGS, MAGIC
from git_datamanager.content.tree import MAX_DEPTH, MAX_MEMBERS
from git_datamanager.errors import Conflict, DataError, NotFound
from git_datamanager.model.names import pasteable
from git_datamanager.workspace.folderhandle import Handle, opened
from git_datamanager.workspace.place import COARSE, TICK

FACTS = 4
"""Per member: size, mtime and ctime in ns, inode."""
INODE = 2**63 - 1
"""What is kept of an inode's number: it may have 64 bits, a column of signed numbers has 63."""
_KIND, _REGULAR, _EXECUTABLE = 0o170000, 0o100000, 0o100


class Refused(NamedTuple):
    """Something that cannot be a member, and why."""

    path: str
    reason: str
    hints: tuple[str, ...] = ()


class Look:
    """The regular files of a folder at one instant, sorted by the bytes of their paths."""

    def __init__(self, inode: int) -> None:
        self.inode = inode
        """Of the folder itself."""
        self.taken = time.time_ns()
        """Before the first file was looked at."""
        self.paths: list[str] = []
        self.facts = array("q")
        """FACTS numbers per path."""
        self.executable = bytearray()
        self.refused: list[Refused] = []
        self.passed: set[str] = set()
        """What is no member and holds nobody's data: our temporary files, what SQLite keeps beside a
        quiescent database."""

    def __len__(self) -> int:
        return len(self.paths)

    def size(self, position: int) -> int:
        return self.facts[position * FACTS]

    def fact(self, position: int) -> "array[int]":
        """Size, mtime_ns, ctime_ns, inode."""
        return self.facts[position * FACTS : position * FACTS + FACTS]

    def is_same(self, other: "Look") -> bool:
        """Nothing was touched between the two looks, as far as stat tells."""
        mine = (self.inode, self.facts, self.paths)
        return mine == (other.inode, other.facts, other.paths) and not other.refused

    def unsafe(self) -> Iterator[int]:
        """Positions of files so young that a change right after the look might not show (Git's
        racy-clean rule, as in place.Stamp)."""
        mtimes, ctimes = self.facts[1::FACTS], self.facts[2::FACTS]
        if not mtimes or max([*mtimes, *ctimes]) + COARSE <= self.taken:
            return
        for n, youngest in enumerate(map(max, mtimes, ctimes)):
            coarse = youngest % 1_000_000_000 == 0
            if youngest + (COARSE if coarse else TICK) > self.taken:
                yield n


def facts_of(found: os.stat_result) -> "array[int]":
    """The same four numbers as in a Look."""
    return array("q", (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino & INODE))


def scan(top: Path, name: str) -> Look:
    """Walk the folder `name` below `top`. What cannot be a member is noted in `refused`, not raised.

    Raises NotFound where there is nothing, Forbidden where it is no folder or lies behind a link.
    """
    try:
        with opened(top, name) as handle:
            look = Look(handle.own().st_ino & INODE)
            _walk(handle, "", look, 1)
    except FileNotFoundError as error:
        raise NotFound(f"there is no folder {name}: nothing was done") from error
    return look


def scan_calm(top: Path, name: str) -> Look:
    """Scan, and once more where something was touched in the last instant: so that what is recorded
    now need not be hashed again."""
    look = scan(top, name)
    late = max((max(look.fact(n)[1:3]) for n in look.unsafe()), default=0) + TICK - look.taken
    if 0 < late <= TICK:
        time.sleep(late / 1e9)
        look = scan(top, name)
    return look


def raise_refused(name: str, look: Look, *, what: str = "nothing was added") -> None:
    """Raise DataError for the first thing that cannot be a member, saying how many more there are."""
    if not look.refused:
        return
    first, more = look.refused[0], len(look.refused) - 1
    others = f" (and {more} more like it)" if more else ""
    raise DataError(f"{name}/{shown(first.path)} {first.reason}{others}: {what}", hints=first.hints)


def shown(path: str) -> str:
    """A path of a file system, as it may be shown: without what a terminal would obey."""
    return path if path.isprintable() else ascii(path)[1:-1]


def _walk(handle: Handle, prefix: str, look: Look, depth: int) -> None:
    """Add all below one folder. Names are sorted as Git does, a folder as if it ended with a slash:
    so the paths come out sorted by their bytes."""
    rows = [(e.name + "/" if e.is_dir(follow_symlinks=False) else e.name, e) for e in handle.entries()]
    rows.sort(key=_by_name)
    _pass_companions(handle, prefix, [key for key, _ in rows], look)
    passed = look.passed
    add_path, add_facts, add_mode = look.paths.append, look.facts.extend, look.executable.append
    for key, entry in rows:
        path = prefix + key
        if key[0] == "." and _is_special(path, key, look):
            continue
        if key[-1] == "/":
            _below(handle, path, entry.name, look, depth)
            continue
        try:
            stat = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue  # vanished since: it is no member
        mode = stat.st_mode
        if mode & _KIND != _REGULAR:
            look.refused.append(Refused(path, _what(mode)))
        elif path not in passed:
            add_path(path)
            add_facts((stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino & INODE))
            add_mode(mode & _EXECUTABLE != 0)
    if len(look.paths) > MAX_MEMBERS:
        raise DataError(f"more than {MAX_MEMBERS} files are too much for one folder: nothing was done")


def _by_name(row: tuple[str, object]) -> str:
    return row[0]


def _below(handle: Handle, path: str, name: str, look: Look, depth: int) -> None:
    if depth >= MAX_DEPTH:
        look.refused.append(Refused(path, f"is nested deeper than {MAX_DEPTH} folders"))
        return
    try:
        inner = handle.below(name)
    except PermissionError:
        look.refused.append(Refused(path, "cannot be read"))
        return
    except OSError as error:  # it has vanished, or is a link by now
        raise Conflict(f"{shown(path)} changed while it was looked at: nothing was done") from error
    try:
        _walk(inner, path, look, depth + 1)
    finally:
        inner.close()


def _is_special(path: str, key: str, look: Look) -> bool:
    if key.startswith(fsio.TEMP_PREFIX):
        look.passed.add(path)
        return True
    if key.rstrip("/").lower() == ".git":
        look.refused.append(Refused(path.rstrip("/"), "belongs to another repository inside of the folder"))
        return True
    return False


def _what(mode: int) -> str:
    return "is a symbolic link" if mode & _KIND == 0o120000 else "is a pipe, socket or device, not a file"


def _pass_companions(handle: Handle, prefix: str, names: list[str], look: Look) -> None:
    """What SQLite keeps beside a database is no member; one whose log holds changes is refused."""
    found = [(name, suffix) for suffix in COMPANIONS for name in names if name.endswith(suffix)]
    if not found:
        return
    every = set(names)
    for name, suffix in found:
        base = name.removesuffix(suffix)
        if base not in every or not _is_database(handle, base):
            continue
        look.passed.add(prefix + name)
        if suffix in LOGS and handle.stat(name).st_size:
            shell = f"sqlite3 {pasteable(prefix + base)} 'PRAGMA wal_checkpoint(TRUNCATE)'"
            reason = f"has a SQLite log beside it, {shown(name)}, that holds changes"
            look.refused.append(Refused(prefix + base, reason, (f"{shell}   # in the folder",)))


def _is_database(handle: Handle, name: str) -> bool:
    try:
        fd = handle.open_read(name)
    except OSError:
        return False
    try:
        return os.read(fd, len(MAGIC)) == MAGIC
    finally:
        os.close(fd)
