"""Writing a version of a folder into a new, empty one that nobody else knows yet."""

import errno
import hashlib
import os
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from git_datamanager import fsio
from git_datamanager.content.tree import EMPTY, Listing, Member
from git_datamanager.errors import Corrupt, DataError, ObjectMissing
from git_datamanager.workspace.folderhandle import Handle
from git_datamanager.workspace.folderscan import INODE, Look, shown
from git_datamanager.workspace.place import Fill

Provide = Callable[[Sequence[Member]], Iterable[tuple[bytes, bytes | Fill]]]
"""Gives the bytes of these members, whose digests differ: pairs of digest and content, in whichever order is
cheap. Content is bytes, which are verified here, or for a big one a function that writes it, verified."""

TRACE = 3
"""Per member: size, mtime in ns, inode; what a second name of the file does not change."""


class Standing(NamedTuple):
    """The folder that is there, and what its files hold."""

    look: Look
    listing: Listing


class Built(NamedTuple):
    """A new folder."""

    traces: "array[int]"
    """TRACE numbers per member of the target."""
    taken: set[int]
    """Positions in the standing folder whose files have a second name in the new one."""


def trace_of(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_size, found.st_mtime_ns, found.st_ino & INODE


def traces(look: Look) -> "array[int]":
    """TRACE numbers per file of a look."""
    made = array("q", bytes(8 * TRACE * len(look)))
    made[0::3], made[1::3], made[2::3] = look.facts[0::4], look.facts[1::4], look.facts[3::4]
    return made


def build(new: Handle, target: Listing, standing: tuple[Standing, Handle] | None, provide: Provide) -> Built:
    """Fill an empty folder with the members of `target`: unchanged files get a second name, all others are
    written. Raises ObjectMissing where a member's bytes were not provided, Corrupt where they are others."""
    _make_folders(new, target)
    built = Built(array("q", bytes(8 * TRACE * len(target))), set())
    wanted: dict[bytes, list[int]] = {}
    for n, (at, link) in enumerate(_matches(target, standing)):
        if link and standing is not None and _take_over(new, target.paths[n], standing, at):
            built.taken.add(at)
            built.traces[n * TRACE : n * TRACE + TRACE] = traces_at(standing[0].look, at)
        else:
            wanted.setdefault(target.digest(n), []).append(n)
    try:
        _write(new, target, wanted, provide, built)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DataError("no space left for the folder: it was left as it is") from error
        raise
    return built


def traces_at(look: Look, position: int) -> "array[int]":
    facts = look.fact(position)
    return array("q", (facts[0], facts[1], facts[3]))


def _make_folders(new: Handle, target: Listing) -> None:
    made = {""}
    for path in target.paths:
        folder = path.rpartition("/")[0]
        if folder in made:
            continue
        parts = folder.split("/")
        for depth in range(1, len(parts) + 1):
            part = "/".join(parts[:depth])
            if part not in made:
                new.mkdir(part)
                made.add(part)


def _matches(target: Listing, standing: tuple[Standing, Handle] | None) -> Iterator[tuple[int, bool]]:
    """For each member the position of the standing file with its path, and whether it is the same."""
    if standing is None:
        yield from ((-1, False) for _ in target.paths)
        return
    there, m = standing[0].listing, 0
    for n, path in enumerate(target.paths):
        while m < len(there) and there.paths[m] < path:
            m += 1
        found = m < len(there) and there.paths[m] == path
        same = found and there.digest(m) == target.digest(n) and there.executable[m] == target.executable[n]
        yield m, same


def _take_over(new: Handle, path: str, standing: tuple[Standing, Handle], at: int) -> bool:
    """Give an unchanged file a second name. Not one that has others: under those it would be written to."""
    (there, _), folder = standing
    try:
        found = folder.stat(path)
        if found.st_nlink != 1 or array("q", trace_of(found)) != traces_at(there, at):
            return False
        folder.link(path, new, path)
    except OSError:
        return False  # a file system without second names, or it has vanished: it is written
    return True


def _write(
    new: Handle, target: Listing, wanted: dict[bytes, list[int]], provide: Provide, built: Built
) -> None:
    for n in wanted.pop(EMPTY, []):
        _create(new, target, n, b"", built)
    if not wanted:
        return
    asked = [target[positions[0]] for positions in wanted.values()]
    for digest, content in provide(asked):
        positions = wanted.pop(digest, [])
        if isinstance(content, bytes):
            _verify(target, positions, digest, content)
        for n in positions:
            _create(new, target, n, content, built)
    if wanted:
        first = target.paths[next(iter(wanted.values()))[0]]
        raise ObjectMissing(f"the bytes of {shown(first)} and of {len(wanted) - 1} other members are nowhere")


def _verify(target: Listing, positions: Sequence[int], digest: bytes, content: bytes) -> None:
    wrong = [n for n in positions if target.sizes[n] != len(content)]
    if wrong or hashlib.sha256(content).digest() != digest:
        raise Corrupt(f"other bytes than the listing's were found for {shown(target.paths[positions[0]])}")


def _create(new: Handle, target: Listing, n: int, content: bytes | Fill, built: Built) -> None:
    fd = new.create(target.paths[n], 0o777 if target.executable[n] else 0o666)
    if isinstance(content, bytes):
        try:
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(fd, rest) :]
            found = os.fstat(fd)
        finally:
            os.close(fd)
    else:
        with os.fdopen(fd, "r+b", buffering=fsio.BLOCK) as file:
            content(file)
            file.flush()
            found = os.fstat(fd)
        if found.st_size != target.sizes[n]:
            raise Corrupt(f"{found.st_size} bytes were found for {shown(target.paths[n])}")
    built.traces[n * TRACE : n * TRACE + TRACE] = array("q", trace_of(found))
