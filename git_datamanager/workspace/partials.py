"""Downloads that may break off: `data/partial/` (docs/spec/local-state-v1.md).

While a large object comes, the file it goes into has a second name here, which outlives the process. Its
bytes are appended in order, so what a kill leaves is a beginning. The next run hashes that beginning
again and fetches the rest of the very same object; all bytes together are checked before any is used.
"""

import errno
import hashlib
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from git_datamanager import fsio
from git_datamanager.errors import Corrupt, PreconditionFailed
from git_datamanager.events import Tally
from git_datamanager.model.oid import Oid
from git_datamanager.objects import ObjectStore
from git_datamanager.storage.base import Advance, Stat, no_advance

SMALL = 16 << 20
"""Up to here a download is done before anybody could miss its beginning."""
_WEEK = 7 * 86_400
_FREE = "0"


class _Wanted(NamedTuple):
    """One object of one store, and the beginning of the names that partial files of it have."""

    store: ObjectStore
    oid: Oid
    size: int
    found: Stat

    @property
    def stem(self) -> str:
        place = "\0".join((self.store.url, self.found.key, self.found.etag))
        return f"{self.oid.hex}-{hashlib.sha256(place.encode()).hexdigest()[:16]}"


class Partials:
    """The partial files of one clone. Their names say of which object they are, by its ETag too, and which
    process is at work on them; one that died is none."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def fill(
        self,
        store: ObjectStore,
        oid: Oid,
        size: int,
        target: BinaryIO,
        *,
        key: str | None = None,
        advance: Advance = no_advance,
    ) -> None:
        """Let `target`, an unbuffered or buffered file, hold the verified bytes of the object and no others.

        What an earlier run has of it is used, and what an earlier call has put into this very target, if
        nobody has emptied it. A failure (the disk is full, the network gone, ^C) leaves
        what came so far for the next one. Raises ObjectMissing, Corrupt, Unreachable, OSError.
        """
        if size <= SMALL:
            store.fetch(oid, size, _emptied(target), key=key, advance=advance)
            return
        self._sweep()
        meter = Tally(advance)
        for is_last in (False, True):
            try:
                self._fill(_Wanted(store, oid, size, store.look(oid, size, key)), target, meter)
                return
            except PreconditionFailed:  # replaced meanwhile: other bytes, or the same written anew
                meter.take_back()
                if is_last:
                    store.fetch(oid, size, _emptied(target), key=key, advance=advance)

    def _fill(self, wanted: _Wanted, target: BinaryIO, meter: Tally) -> None:
        earlier = self._take(wanted.stem, target)
        if earlier is None or not _is_same(earlier, target):
            self._disown(wanted.oid, _emptied(target))
            if earlier is not None:
                with earlier.open("rb") as file:
                    fsio.copy_cheaply(file, target)
        ours = self._link(wanted.stem, target)
        if ours is not None:
            _drop(earlier)
            earlier = None
        try:
            _completed(wanted, target, meter)
        except (Corrupt, PreconditionFailed):
            raise
        except BaseException:
            self._leave(ours, wanted.stem, target)
            raise
        finally:
            _drop(ours)
            _drop(earlier)

    def _disown(self, oid: Oid, target: BinaryIO) -> None:
        """Let no name here be that of a file with other bytes by now: a call before this one failed."""
        for path in self._root.glob(f"{oid.hex}-*"):
            if _is_same(path, target):
                path.unlink(missing_ok=True)

    def _take(self, stem: str, target: BinaryIO) -> Path | None:
        """A partial file that nobody is at work on, the target itself first; now we are."""
        for path in sorted(self._root.glob(f"{stem}-*"), key=lambda p: not _is_same(p, target)):
            if not is_at_work(path):
                ours = self._name(stem, os.getpid())
                with suppress(FileNotFoundError):  # somebody was quicker
                    path.rename(ours)
                    return ours
        return None

    def _link(self, stem: str, target: BinaryIO) -> Path | None:
        """Give the target a second name here; None where that cannot be done."""
        ours = self._name(stem, os.getpid())
        self._root.mkdir(parents=True, exist_ok=True)
        return ours if fsio.link_open(target.fileno(), ours) else None

    def _leave(self, ours: Path | None, stem: str, target: BinaryIO) -> None:
        """Let the next run have what came so far. Without a second name it is copied, if it fits."""
        free = self._name(stem, int(_FREE))
        with suppress(OSError):
            target.flush()
        if ours is not None:
            with suppress(FileNotFoundError):
                ours.rename(free)
            return
        try:
            target.seek(0)
            with free.open("xb") as file:
                fsio.copy_cheaply(target, file)
        except OSError as error:
            free.unlink(missing_ok=True)
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise

    def _name(self, stem: str, pid: int) -> Path:
        return self._root / f"{stem}-{pid}-{os.urandom(4).hex()}"

    def _sweep(self) -> None:
        """Remove what nobody came back for within a week."""
        for path in self._root.glob("*-*-*-*"):
            with suppress(FileNotFoundError):
                if time.time() - path.lstat().st_mtime > _WEEK and not is_at_work(path):
                    path.unlink()


def _completed(wanted: _Wanted, target: BinaryIO, meter: Tally) -> None:
    """Once more from zero where the beginning was not what it should be (a power cut, a bad disk)."""
    had_some = os.fstat(target.fileno()).st_size > 0
    complete: Callable[[], None] = lambda: wanted.store.complete(  # noqa: E731 -- called at two places
        wanted.oid, wanted.size, target, wanted.found, advance=meter
    )
    try:
        complete()
    except Corrupt:
        if not had_some:
            raise
        meter.take_back()
        _emptied(target)
        complete()


def _emptied(target: BinaryIO) -> BinaryIO:
    target.seek(0)
    target.truncate()
    return target


def _drop(path: Path | None) -> None:
    if path is not None:
        path.unlink(missing_ok=True)


def _is_same(path: Path, file: BinaryIO) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def is_at_work(path: Path) -> bool:
    pid = path.name.split("-")[2]
    return pid != _FREE and pid.isdigit() and fsio.is_alive(int(pid))
