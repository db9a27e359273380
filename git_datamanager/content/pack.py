"""Packs: small members of folders in one object (docs/spec/pack-v1.md).

    members, back to back | index: (oid, offset, length) each | footer

The layout follows from the members and their order alone. The index is read from the end, and must
describe the members exactly; what it says of their content is believed only after hashing.
"""

import struct
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from git_datamanager.errors import Corrupt

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

MAX_PACK = 64 << 20
SMALL = 1 << 20
"""Members smaller than this travel in packs."""
TAIL = 64 << 10
"""What a reader of the index asks for first."""
MAGIC = b"gdpack1\n"

_ENTRY = struct.Struct("<32sII")
_FOOTER = struct.Struct("<QII32s8s")
_DIGEST = 32
_GAP = 256 << 10
"""Reading over so many unwanted bytes is quicker than asking once more."""

ReadRange = Callable[[int, int], bytes]
"""The bytes from an offset, so many."""


class Entry(NamedTuple):
    """Where a member lies in its pack."""

    digest: bytes
    offset: int
    length: int


class Index(Sequence[Entry]):
    """The members of a pack, in the order of their offsets."""

    __slots__ = ("_lengths", "_starts", "digests")

    def __init__(self, digests: list[bytes], starts: "array[int]", lengths: "array[int]") -> None:
        self.digests = digests
        self._starts = starts
        self._lengths = lengths

    @property
    def area(self) -> int:
        """Bytes of all members together: where the index begins."""
        return self._starts[-1] + self._lengths[-1]

    @property
    def pack_size(self) -> int:
        return pack_size(self.area, len(self))

    def starts(self) -> list[int]:
        return list(self._starts)

    def __len__(self) -> int:
        return len(self.digests)

    def __getitem__(self, n: int) -> Entry:  # type: ignore[override]  # slices of an index mean nothing
        return Entry(self.digests[n], self._starts[n], self._lengths[n])

    def tail(self) -> bytes:
        """Index and footer, as they stand at the end of the pack."""
        rows = b"".join(map(_ENTRY.pack, self.digests, self._starts, self._lengths))
        return rows + _FOOTER.pack(self.area, len(self), 0, _sha256(rows).digest(), MAGIC)


def pack_size(area: int, count: int) -> int:
    """Bytes of a pack with `count` members of `area` bytes together."""
    return area + count * _ENTRY.size + _FOOTER.size


def _sha256(data: bytes = b"") -> "Hash":
    import hashlib

    return hashlib.sha256(data)


class Writer:
    """Appends members to an open file; `close` makes it a pack. The file stays open, and is the caller's."""

    def __init__(self, target: BinaryIO) -> None:
        self._target = target
        self._hashed = _sha256()
        self._buffer: list[bytes] = []
        self._buffered = 0
        self._digests: dict[bytes, None] = {}
        self._lengths = array("Q")
        self._area = 0

    def __len__(self) -> int:
        return len(self._digests)

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._digests

    def fits(self, length: int) -> bool:
        """Whether a member of this length still goes in."""
        return pack_size(self._area + length, len(self) + 1) <= MAX_PACK

    def append(self, digest: bytes, data: bytes) -> Entry:
        """Add a member whose SHA-256 was just computed. ValueError for one that is empty, there already,
        or too much."""
        if not data or digest in self._digests or not self.fits(len(data)):
            raise ValueError("not a member that this pack can take")
        entry = Entry(digest, self._area, len(data))
        self._digests[digest] = None
        self._lengths.append(len(data))
        self._area += len(data)
        self._buffer.append(data)
        self._buffered += len(data)
        if self._buffered >= SMALL:
            self._flush()
        return entry

    def _flush(self) -> None:
        block = b"".join(self._buffer)
        self._buffer, self._buffered = [], 0
        self._hashed.update(block)
        rest = memoryview(block)
        while rest:
            rest = rest[self._target.write(rest) :]

    def close(self) -> tuple[bytes, Index]:
        """Write index and footer; returns the pack's SHA-256 and its index."""
        index = _index(list(self._digests), self._lengths)
        self._buffer.append(index.tail())
        self._flush()
        self._target.flush()
        return self._hashed.digest(), index


def _index(digests: list[bytes], lengths: "array[int]") -> Index:
    ends = array("Q", accumulate(lengths, initial=0))
    ends.pop()
    return Index(digests, ends, lengths)


def read_index(size: int, read: ReadRange) -> Index:
    """The index of a pack of `size` bytes, from its end: one range as a rule, two at most.

    Raises Corrupt where it does not describe the members exactly.
    """
    if not _ENTRY.size + _FOOTER.size < size <= MAX_PACK:
        raise Corrupt(f"an object of {size} bytes is no pack")
    tail = _range(read, max(0, size - TAIL), min(size, TAIL))
    area, count = _footer(tail, size)
    rows = size - area - _FOOTER.size
    if rows + _FOOTER.size > len(tail):
        tail = _range(read, area, size - area)
    return _parsed(tail[len(tail) - _FOOTER.size - rows :], area, count)


def _range(read: ReadRange, offset: int, length: int) -> bytes:
    data = read(offset, length)
    if len(data) != length:
        raise Corrupt(f"a pack ends early: {len(data)} of {length} bytes at {offset}")
    return data


def _footer(tail: bytes, size: int) -> tuple[int, int]:
    area, count, reserved, _, magic = _FOOTER.unpack(tail[-_FOOTER.size :])
    if magic != MAGIC or reserved:
        raise Corrupt("not a pack, or one that a newer version of git data wrote")
    if not 0 < count <= area or pack_size(area, count) != size:
        raise Corrupt(f"the footer of a pack lies: {count} members of {area} bytes in {size} bytes")
    return area, count


def _parsed(tail: bytes, area: int, count: int) -> Index:
    rows, footer = tail[: -_FOOTER.size], tail[-_FOOTER.size :]
    if _sha256(rows).digest() != _FOOTER.unpack(footer)[3]:
        raise Corrupt("the index of a pack is damaged")
    digests, starts, lengths = zip(*_ENTRY.iter_unpack(rows), strict=True)
    index = _index(list(digests), array("Q", lengths))
    if 0 in lengths or list(starts) != index.starts() or index.area != area:
        raise Corrupt("the index of a pack has gaps, overlaps or empty members, or leads outside")
    if len(set(digests)) != count:
        raise Corrupt("the index of a pack names a member twice")
    return index


def verify(source: BinaryIO, digest: bytes, index: Index) -> None:
    """Read a whole pack once: its own SHA-256 and that of every member. Raises Corrupt."""
    for _ in members(source, digest, index):
        pass


def members(source: BinaryIO, digest: bytes, index: Index) -> Iterator[tuple[Entry, bytes]]:
    """Every member of a pack that is read in one pass, verified; at the end also the whole.

    Whoever needs the pack itself to be right must come to the end of this. Raises Corrupt.
    """
    whole = _sha256()
    for entry in index:
        data = _exactly(source, entry.length)
        whole.update(data)
        if _sha256(data).digest() != entry.digest:
            raise Corrupt(f"a pack holds other bytes under {entry.digest.hex()} than it says")
        yield entry, data
    tail = _exactly(source, index.pack_size - index.area)
    whole.update(tail)
    if source.read(1) or tail != index.tail() or whole.digest() != digest:
        raise Corrupt(f"a pack does not have the bytes of {digest.hex()}")


def _exactly(source: BinaryIO, length: int) -> bytes:
    data = source.read(length)
    while len(data) < length:  # an unbuffered or network stream gives what it has
        more = source.read(length - len(data))
        if not more:
            raise Corrupt("a pack ends early")
        data += more
    return data


class Range(NamedTuple):
    """Neighbouring members that are read together."""

    start: int
    stop: int
    entries: tuple[Entry, ...]

    def members(self, data: bytes) -> Iterator[tuple[Entry, bytes]]:
        """The members in the bytes of this range, verified. Raises Corrupt."""
        if len(data) != self.stop - self.start:
            raise Corrupt(f"a pack ends early: {len(data)} of {self.stop - self.start} bytes")
        for entry in self.entries:
            begin = entry.offset - self.start
            member = data[begin : begin + entry.length]
            if _sha256(member).digest() != entry.digest:
                raise Corrupt(f"a pack holds other bytes under {entry.digest.hex()} than it says")
            yield entry, member


def ranges(index: Iterable[Entry], wanted: Collection[bytes], *, gap: int = _GAP) -> list[Range]:
    """How to read some members of a pack: what lies closer together than `gap` bytes in one go."""
    found: list[list[Entry]] = []
    for entry in index:
        if entry.digest not in wanted:
            continue
        if found and entry.offset - (found[-1][-1].offset + found[-1][-1].length) <= gap:
            found[-1].append(entry)
        else:
            found.append([entry])
    return [Range(f[0].offset, f[-1].offset + f[-1].length, tuple(f)) for f in found]
