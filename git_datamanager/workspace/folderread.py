"""Hashing the members of a folder, and packing the small ones on the way: every file is read once."""

import hashlib
import os
from array import array
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from git_datamanager.content import pack
from git_datamanager.content.snapshot import hash_file
from git_datamanager.content.tree import EMPTY
from git_datamanager.errors import Conflict, Forbidden
from git_datamanager.workspace.cache import Cache
from git_datamanager.workspace.folderpacks import Packing, Packs
from git_datamanager.workspace.folderscan import Look, facts_of, shown

_THREADS = 2
_AT_ONCE = 4 << 20
"""Bytes that one thread reads before it hands them on."""
_FILES = 256
_WORTH_IT = 16 << 10
"""Below this mean size two threads spend more time waiting for each other than hashing."""
_READ = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_NONBLOCK", 0)
)

Advance = Callable[[int], None]


class _Task(NamedTuple):
    """A file to read; what it was when it was looked at."""

    position: int
    path: str
    """On this system."""
    facts: "array[int]"


class _Hashed(NamedTuple):
    """A file that was read."""

    position: int
    digest: bytes
    data: bytes


def digests(
    folder: Path,
    look: Look,
    known: Sequence[bytes | None],
    *,
    keep: tuple[Packs, Cache] | None,
    advance: Advance = lambda _: None,
) -> bytes:
    """The digest of every file of a look, 32 bytes each; read are those without a known one.

    With `keep` their bytes are kept on the way: small ones in packs, others as the cache does it. Raises
    Conflict where a file is not what was looked at, before or after it was read; Forbidden.
    """
    found = [digest or b"" for digest in known]
    small: list[_Task] = []
    top = f"{folder}{os.sep}"
    for n, digest in enumerate(known):
        if digest is not None:
            continue
        if look.size(n) == 0:
            found[n] = EMPTY
        elif look.size(n) < pack.SMALL:
            small.append(_Task(n, top + look.paths[n], look.fact(n)))
        else:
            task = _Task(n, top + look.paths[n], look.fact(n))
            found[n] = _read_big(task, keep[1] if keep else None, advance)
    if keep is not None and keep[0].keeps:
        with keep[0].packing() as packing:
            _take(found, small, packing, advance)
    else:
        _take(found, small, None, advance)
    return b"".join(found)


def _take(found: list[bytes], small: list[_Task], packing: Packing | None, advance: Advance) -> None:
    for batch in _in_threads(small):
        for hashed in batch:
            found[hashed.position] = hashed.digest
        advance(sum(len(hashed.data) for hashed in batch))
        if packing is not None:
            packing.add([(hashed.digest, hashed.data) for hashed in batch])


def _in_threads(tasks: list[_Task]) -> Iterator[list[_Hashed]]:
    """Read and hash, in the order of the tasks; a few batches ahead of whoever takes them."""
    batches = list(_batches(tasks))
    if len(batches) < _THREADS or sum(task.facts[0] for task in tasks) < len(tasks) * _WORTH_IT:
        yield from map(_read_batch, batches)
        return
    with ThreadPoolExecutor(_THREADS) as pool:
        ahead: deque[Future[list[_Hashed]]] = deque()
        try:
            for batch in batches:
                ahead.append(pool.submit(_read_batch, batch))
                if len(ahead) > _THREADS:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for waiting in ahead:
                waiting.cancel()


def _batches(tasks: list[_Task]) -> Iterator[list[_Task]]:
    batch: list[_Task] = []
    size = 0
    for task in tasks:
        batch.append(task)
        size += task.facts[0]
        if size >= _AT_ONCE or len(batch) >= _FILES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _read_batch(batch: list[_Task]) -> list[_Hashed]:
    return [_read_small(task) for task in batch]


def _read_small(task: _Task) -> _Hashed:
    fd = _open(task)
    try:
        size = task.facts[0]
        data = os.read(fd, size + 1)
        while 0 < len(data) < size and (more := os.read(fd, size + 1 - len(data))):
            data += more
        if len(data) != size or facts_of(os.fstat(fd)) != task.facts:
            raise _changed(task)
    finally:
        os.close(fd)
    return _Hashed(task.position, hashlib.sha256(data).digest(), data)


def _read_big(task: _Task, cache: Cache | None, advance: Advance) -> bytes:
    with os.fdopen(_open(task), "rb", buffering=0) as file:
        if cache is None:
            digest, size = hash_file(file, advance)
        else:
            oid, size = cache.ingest(file, task.facts[0], advance)
            digest = oid.hex
        if size != task.facts[0] or facts_of(os.fstat(file.fileno())) != task.facts:
            raise _changed(task)
    return bytes.fromhex(digest)


def _open(task: _Task) -> int:
    # By its path, which is quicker; its inode and times say whether it is the file that was looked at.
    try:
        fd = os.open(task.path, _READ)
    except PermissionError as error:
        raise Forbidden(f"{shown(task.path)} cannot be read: nothing was added") from error
    except OSError as error:
        raise _changed(task) from error
    if facts_of(os.fstat(fd)) != task.facts:
        os.close(fd)
        raise _changed(task)
    return fd


def _changed(task: _Task) -> Conflict:
    return Conflict(
        f"{shown(task.path)} changed while it was read: nothing was added",
        hints=["wait until it is written completely, then run the same command again"],
    )
