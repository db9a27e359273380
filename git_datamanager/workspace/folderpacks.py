"""Small members of folders in packs: `data/cache/packs/`, and an index of who lies where.

The index (SQLite) is derived from the packs' own and may vanish at any time. A pack is flushed to the
device only when it becomes the only copy of something (`settle`); until then the working files are
there, and a pack that a power cut damaged is found by its hash and dropped.
"""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from git_datamanager import fsio
from git_datamanager.content import pack
from git_datamanager.errors import Corrupt
from git_datamanager.model.oid import Oid
from git_datamanager.workspace.folderindex import PackIndex

_DAY = 24 * 3600


class LocalPack(NamedTuple):
    """One pack of this clone."""

    oid: Oid
    path: Path
    size: int
    used: float


class Packing:
    """Members on their way into packs. Those that some pack here holds already are left out."""

    def __init__(self, packs: "Packs") -> None:
        self._packs = packs
        self._file: BinaryIO | None = None
        self._temp: Path | None = None
        self._writer: pack.Writer | None = None
        self.made: list[Oid] = []
        """The packs that were finished."""

    def add(self, members: Sequence[tuple[bytes, bytes]]) -> None:
        """Keep members (digest and content) whose SHA-256 was just computed; empty ones are kept nowhere."""
        here = self._packs.index.places([digest for digest, _ in members])
        for digest, data in members:
            if data and digest not in here and not (self._writer and digest in self._writer):
                self._append(digest, data)

    def _append(self, digest: bytes, data: bytes) -> None:
        if self._writer is not None and not self._writer.fits(len(data)):
            self.finish()
        if self._writer is None:
            self._temp = self._packs.new_path()
            self._file = self._temp.open("xb", buffering=0)
            self._writer = pack.Writer(self._file)
        self._writer.append(digest, data)

    def finish(self) -> None:
        """Close the pack that is being written, if any, and make it known."""
        if self._writer is None or self._file is None or self._temp is None:
            return
        digest, index = self._writer.close()
        self._file.close()
        oid = Oid(digest.hex())
        self._packs.place(self._temp, oid, index)
        self.made.append(oid)
        self._writer = self._file = self._temp = None

    def abandon(self) -> None:
        """Drop what was not finished."""
        if self._file is not None and self._temp is not None:
            self._file.close()
            self._temp.unlink(missing_ok=True)


class Packs:
    """The packs of one clone, shared by its work trees."""

    def __init__(
        self, root: Path, mode: str, limit: Callable[[], int], is_held: Callable[[Oid], bool]
    ) -> None:
        """`root` is that of the cache; `mode`, `limit` and `is_held` as there."""
        self.root = root / "packs"
        self.keeps = mode != "none"
        """Whether `add` packs what it reads; what would be lost is packed all the same."""
        self._limit = limit
        self._is_held = is_held
        self._index = PackIndex(self.root / "index.db")
        self._synced = False

    def path(self, oid: Oid) -> Path:
        return self.root / oid.hex[:2] / oid.hex

    @property
    def index(self) -> PackIndex:
        """The index, brought up to date with the packs that are there, once."""
        if not self._synced:
            self._synced = True
            self._sync()
        return self._index

    def _sync(self) -> None:
        there = {found.oid: found for found in self}
        known = self._index.packs()
        for oid in known.keys() - there.keys():
            self._index.forget(oid)
        for oid, found in there.items():
            if known.get(oid) != found.size:
                with suppress(Corrupt, FileNotFoundError):
                    self._index.add(oid, found.size, self.read_index(oid))

    def missing(self, digests: Iterable[bytes]) -> set[bytes]:
        """Those that no pack here should hold (bytes are checked when they are taken)."""
        every = set(digests)
        return every - self.index.places(list(every)).keys()

    def new_path(self) -> Path:
        folder = self.root / "tmp"
        folder.mkdir(parents=True, exist_ok=True)
        fsio.sweep(folder, age=_DAY)
        return folder / f"{fsio.TEMP_PREFIX}{os.getpid()}-{os.urandom(8).hex()}"

    @contextmanager
    def packing(self) -> Iterator[Packing]:
        """Write members into packs; what is finished stays, also where the block fails."""
        work = Packing(self)
        try:
            yield work
            work.finish()
        finally:
            work.abandon()

    def place(self, temp: Path, oid: Oid, index: pack.Index) -> None:
        """Take over a file that is a pack, whose bytes were just hashed (same file system)."""
        target = self.path(oid)
        target.parent.mkdir(parents=True, exist_ok=True)
        temp.chmod(0o444)
        temp.replace(target)
        self.index.add(oid, index.pack_size, index)

    def read_index(self, oid: Oid) -> pack.Index:
        """The pack's own index. Raises Corrupt, FileNotFoundError."""
        with self.path(oid).open("rb") as file:

            def read(offset: int, length: int) -> bytes:
                file.seek(offset)
                return file.read(length)

            return pack.read_index(os.fstat(file.fileno()).st_size, read)

    def holders(self, digests: Iterable[bytes]) -> dict[Oid, list[bytes]]:
        """Which packs here hold these members, each member in one of them."""
        found: dict[Oid, list[bytes]] = {}
        for digest, place in self.index.places(list(dict.fromkeys(digests))).items():
            found.setdefault(place.pack, []).append(digest)
        return found

    def read(self, digests: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
        """The members that are here, verified, in the order of the packs. A damaged pack is dropped: its
        members are then not here."""
        for oid, wanted in self.holders(digests).items():
            try:
                yield from self._from_pack(oid, set(wanted))
            except (Corrupt, FileNotFoundError):
                self.drop(oid)

    def _from_pack(self, oid: Oid, wanted: Collection[bytes]) -> Iterator[tuple[bytes, bytes]]:
        index = self.read_index(oid)
        with self.path(oid).open("rb", buffering=0) as file:
            with suppress(OSError):
                os.utime(self.path(oid))  # least recently used goes first
            for part in pack.ranges(index, wanted):
                file.seek(part.start)
                for entry, data in part.members(file.read(part.stop - part.start)):
                    yield entry.digest, data

    def settle(self, digests: Collection[bytes]) -> set[bytes]:
        """Make sure that these members survive a power cut, before their working files go. Returns those
        that are not here."""
        missing = self.missing(digests)
        for oid, members in self.holders(set(digests) - missing).items():
            if self.index.is_durable(oid):
                continue
            try:
                self._make_durable(oid, members)
            except (Corrupt, FileNotFoundError):
                self.drop(oid)
                missing |= set(members)
        return missing

    def _make_durable(self, oid: Oid, members: Sequence[bytes]) -> None:
        """Read it once more: a power cut since it was written may have left anything."""
        index = self.read_index(oid)
        if set(members) - set(index.digests):
            raise Corrupt(f"the pack {oid.hex} does not hold what the index says")
        with self.path(oid).open("rb") as file:
            pack.verify(file, bytes.fromhex(oid.hex), index)
            fsio.fsync_file(file.fileno())
        fsio.fsync_folder(self.path(oid).parent)
        fsio.fsync_folder(self.root)
        self.index.mark_durable(oid)

    def drop(self, oid: Oid) -> None:
        self.path(oid).unlink(missing_ok=True)
        self.index.forget(oid)

    def __iter__(self) -> Iterator[LocalPack]:
        for path in self.root.glob("[0-9a-f][0-9a-f]/*"):
            with suppress(ValueError, FileNotFoundError):
                found = path.stat()
                yield LocalPack(Oid(path.name), path, found.st_size, found.st_mtime)

    def evict(self) -> list[LocalPack]:
        """Shrink to the limit, least recently used first; never what no store is known to hold."""
        packs = sorted(self, key=lambda p: p.used)
        total, limit = sum(p.size for p in packs), self._limit()
        gone = []
        for found in packs:
            if total <= limit:
                break
            if self._is_held(found.oid):
                self.drop(found.oid)
                total -= found.size
                gone.append(found)
        return gone
