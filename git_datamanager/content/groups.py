"""The groups of a delta: a plan, and the bytes that the base does not have (docs/spec/delta-v1.md)."""

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from git_datamanager.content import varint, zstd
from git_datamanager.content.spans import pieces, read_at
from git_datamanager.errors import Corrupt

MOST_PLAN = 1 << 20
MOST_DICTIONARY = 32 << 20
MOST_LITERALS = 8 << 20
_SLACK = 64 << 10  # a frame of incompressible bytes is a little longer than they are
GROUP, END = 1, 0
_PLAN_LEVEL = 9
_ENOUGH_PLAN = 64 << 10  # a writer closes a group there


class Draft:
    """A group that is being written: what to copy, what to take anew and in whose place."""

    def __init__(self, cursor: int) -> None:
        self.cursor = cursor
        self._begin = cursor
        self._ranges: list[tuple[int, int]] = []
        self._plan = bytearray()
        self._literals: list[tuple[int, int]] = []
        self.literals = self.dictionary = 0
        """Bytes of each so far."""

    def copy(self, start: int, length: int) -> None:
        """Take bytes from the base."""
        varint.append(self._plan, 2 * length)
        varint.append_signed(self._plan, start - self.cursor)
        self.cursor = start + length

    def take(self, position: int, length: int) -> None:
        """Take bytes anew, from this place of the target."""
        varint.append(self._plan, 2 * length + 1)
        self._literals.append((position, length))
        self.literals += length
        self.cursor += length

    def lean_on(self, start: int, end: int) -> None:
        """Add a range of the base to the dictionary, together with the one before where they meet."""
        if self._ranges and self._ranges[-1][0] <= start <= self._ranges[-1][1]:
            begin, stop = self._ranges.pop()
            self.dictionary -= stop - begin
            start, end = begin, max(end, stop)
        if end > start:
            self._ranges.append((start, end))
            self.dictionary += end - start

    @property
    def empty(self) -> bool:
        return not self._plan

    @property
    def long(self) -> bool:
        """The plan alone is a reason to close the group."""
        return len(self._plan) >= _ENOUGH_PLAN

    def _header(self) -> bytearray:
        header, end = bytearray(), self._begin
        varint.append(header, len(self._ranges))
        for start, stop in self._ranges:
            varint.append_signed(header, start - end)
            varint.append(header, stop - start)
            end = stop
        return header

    def gather(self, target: BinaryIO, base: BinaryIO | None) -> "Gathered":
        """Read what has to be compressed: the last time that this group needs the files."""
        literals = b"".join(piece for place in self._literals for piece in pieces(target, *place))
        ranges = ((start, end - start) for start, end in self._ranges)
        prefix = b"".join(read_at(base, *place) for place in ranges) if base else b""
        if not (literals and zstd.usable_prefix(prefix)):
            self._ranges, prefix = [], b""
        return Gathered(bytes(self._header() + self._plan), literals, prefix)


class Gathered(NamedTuple):
    """A group in plain bytes."""

    plan: bytes
    literals: bytes
    prefix: bytes

    def packed(self, level: int) -> bytes:
        """The group as it is stored; runs beside others, it touches no file."""
        group = bytearray([GROUP])
        frames = [zstd.packed(self.plan, level=_PLAN_LEVEL, checksum=False)]
        if self.literals:
            frames.append(zstd.packed(self.literals, level=level, prefix=self.prefix))
        for frame in (*frames, b"")[:2]:
            varint.append(group, len(frame))
            group += frame
        return bytes(group)


class Source:
    """A delta that is read once from its beginning; Corrupt where it ends too early."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def take(self, count: int) -> bytes:
        """Exactly so many bytes."""
        parts, left = [], count
        while left:
            part = self._file.read(left)
            if not part:
                raise Corrupt("the delta is cut short")
            parts.append(part)
            left -= len(part)
        return b"".join(parts)

    def number(self) -> int:
        """A varint."""
        data = self.take(1)
        while data[-1] > 0x7F and len(data) < varint.LONGEST:
            data += self.take(1)
        return varint.read(data, 0)[0]

    def frame(self, most: int) -> bytes:
        """The bytes of a frame whose content may have `most` bytes."""
        length = self.number()
        if length > most + _SLACK:
            raise Corrupt(f"a frame of {length} bytes in a delta is longer than any may be")
        return self.take(length)

    def at_end(self) -> bool:
        return not self._file.read(1)


class Decoder:
    """Makes the bytes of group after group; all it holds is one group."""

    def __init__(self, base: BinaryIO, base_size: int) -> None:
        self._base, self._base_size = base, base_size
        self._cursor = 0

    def _checked(self, start: int, length: int) -> tuple[int, int]:
        if length < 1 or start < 0 or start + length > self._base_size:
            raise Corrupt(f"a delta asks for bytes {start}+{length} of a base of {self._base_size} bytes")
        return start, length

    def _dictionary(self, plan: bytes) -> tuple[bytearray, int]:
        """The prefix of the literals, and where the instructions begin."""
        count, at = varint.read(plan, 0)
        data, end = bytearray(), self._cursor
        for _ in range(count):
            offset, at = varint.read_signed(plan, at)
            length, at = varint.read(plan, at)
            start, length = self._checked(end + offset, length)
            if len(data) + length > MOST_DICTIONARY:
                raise Corrupt(f"a dictionary in a delta is longer than {MOST_DICTIONARY} bytes")
            data += read_at(self._base, start, length)
            end = start + length
        if data and not zstd.usable_prefix(data):
            raise Corrupt("a dictionary in a delta is too short to be one")
        return data, at

    def group(self, source: Source, left: int) -> Iterator[bytes | memoryview]:
        """What the next group stands for, at most `left` bytes."""
        what = "the plan of a delta"
        plan = zstd.unpacked(source.frame(MOST_PLAN), limit=MOST_PLAN, what=what)
        packed = source.frame(MOST_LITERALS)
        prefix, at = self._dictionary(plan)
        what = "new content in a delta"
        if prefix and not packed:
            raise Corrupt("a delta has a dictionary and nothing that needs it")
        literals = memoryview(
            zstd.unpacked(packed, limit=MOST_LITERALS, prefix=prefix, what=what) if packed else b""
        )
        del packed, prefix
        if at == len(plan):
            raise Corrupt("a group of a delta makes nothing")
        while at < len(plan):
            value, at = varint.read(plan, at)
            length, is_literal = divmod(value, 2)
            left -= length
            if left < 0:
                raise Corrupt("a delta makes more bytes than it says")
            if is_literal:
                if not 1 <= length <= len(literals):
                    raise Corrupt(f"{what} is shorter than its plan")
                yield literals[:length]
                literals = literals[length:]
                self._cursor += length
            else:
                offset, at = varint.read_signed(plan, at)
                place = self._checked(self._cursor + offset, length)
                yield from pieces(self._base, *place)
                self._cursor = sum(place)
        if literals:
            raise Corrupt(f"{what} is longer than its plan")
