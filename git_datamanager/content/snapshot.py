"""A consistent view of a file that others may write to.

A quiescent file is read as it lies. A live SQLite database (a non-empty `-wal` or `-journal`) is
captured through SQLite's backup API: a raw copy would miss the rows in the log, and hash, upload and
CI would stay green over it. The backup of a quiescent database is never used: it rewrites the change
counter and so has another sha256 than the file (docs/adr/0005-sqlite-in-place.md).
"""

import os
import shlex
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO

from git_datamanager.errors import Conflict, Locked

MAGIC = b"SQLite format 3\0"
LOGS = ("-wal", "-journal")
COMPANIONS = ("-wal", "-shm", "-journal")
_SHARED_FIRST, _SHARED_SIZE = 0x40000002, 510  # sqlite.org/lockingv3.html: the bytes of a SHARED lock
_CHUNK = 1 << 20
_BUSY_SECONDS = 30.0

Signature = tuple[int, int, int, int]


def signature(found: os.stat_result) -> Signature:
    """What must not change while a file is read: size, mtime_ns, ctime_ns, inode."""
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def is_sqlite(path: Path) -> bool:
    """The file starts as a SQLite database does (sqlite.org/fileformat2.html)."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def live_logs(path: Path) -> list[Path]:
    """The non-empty logs beside a database: with one of them the file alone is not the data."""
    logs = (path.with_name(path.name + suffix) for suffix in LOGS)
    return [log for log in logs if log.is_file() and log.stat().st_size > 0]


def capture(path: Path, target: Path) -> None:
    """Write a consistent copy of a live database to `target` (which must not exist).

    Reads through a read-only connection: neither the database nor its logs change. Raises Locked
    where a writer does not let go, Conflict where its journal waits for a recovery.
    """
    from urllib.parse import quote

    uri = f"file:{quote(str(path.absolute()))}?mode=ro"
    try:
        with (
            closing(sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS)) as source,
            closing(sqlite3.connect(target)) as copy,
        ):
            source.execute("BEGIN")
            source.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            source.backup(copy)
    except sqlite3.OperationalError as error:
        target.unlink(missing_ok=True)
        if "locked" in str(error) or "busy" in str(error):
            raise Locked(
                f"{path} is being written to and stayed locked for {_BUSY_SECONDS:.0f} s: nothing was done"
            ) from error
        raise _unreadable(path, error) from error
    except sqlite3.DatabaseError as error:
        target.unlink(missing_ok=True)
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: sqlite3.Error) -> Conflict:
    return Conflict(
        f"{path} has a log beside it and SQLite cannot read the two together ({error}): nothing was done",
        hints=[f"sqlite3 {shlex.quote(str(path))} 'PRAGMA wal_checkpoint(TRUNCATE)'   # recovers it"],
    )


def hash_file(file: BinaryIO, advance: Callable[[int], None] | None = None) -> tuple[str, int]:
    """The sha256 (hex) and size of all that is left to read, in constant memory."""
    import hashlib

    digest, size = hashlib.sha256(), 0
    buffer = bytearray(_CHUNK)
    view = memoryview(buffer)
    while count := file.readinto(view):  # type: ignore[attr-defined]  # unbuffered files have it
        digest.update(view[:count])
        size += count
        if advance:
            advance(count)
    return digest.hexdigest(), size


@contextmanager
def reading(path: Path) -> Iterator[BinaryIO]:
    """The file opened for reading; must be the same file, unchanged, when the block ends.

    A SQLite writer is kept out meanwhile by a SHARED lock, where it is to be had at once. Raises
    Conflict where the file changed under the reader.
    """
    with path.open("rb", buffering=0) as file:
        before = signature(os.fstat(file.fileno()))
        is_database = file.read(len(MAGIC)) == MAGIC
        file.seek(0)
        with _shared_lock(file) if is_database else nullcontext():
            yield file
            after = signature(os.fstat(file.fileno()))
            try:
                named = signature(path.stat())
            except FileNotFoundError as error:
                raise _moved(path, "vanished") from error
        if before != after or before != named:
            raise _moved(path, "changed")


def _moved(path: Path, how: str) -> Conflict:
    return Conflict(
        f"{path} {how} while it was read: nothing was done",
        hints=["wait until it is written completely, then run the same command again"],
    )


@contextmanager
def _shared_lock(file: BinaryIO) -> Iterator[None]:
    if sys.platform == "win32":
        yield
        return
    import fcntl

    try:
        fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB, _SHARED_SIZE, _SHARED_FIRST)
    except OSError:
        # A writer holds it, or the file system has no locks: the comparison of signatures decides.
        yield
        return
    try:
        yield
    finally:
        fcntl.lockf(file, fcntl.LOCK_UN, _SHARED_SIZE, _SHARED_FIRST)
