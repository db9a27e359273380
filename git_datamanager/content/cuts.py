"""Where a file's blocks begin, and a hash of each: docs/spec/cuts-v1.md."""

import struct
import sys
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, BinaryIO, Literal

from git_datamanager.content import zstd
from git_datamanager.content.snapshot import MAGIC as SQLITE
from git_datamanager.content.spans import newer, pieces
from git_datamanager.content.zstd import Bytes
from git_datamanager.errors import Corrupt

if TYPE_CHECKING:
    from pyfastcdc import FastCDC

MAGIC, FORMAT = b"\x89GDCUT\r\n", 1
HASH = 16
"""Bytes of a SHA-256 that are kept of each block."""
KINDS: tuple[Literal["fixed", "content"], ...] = ("fixed", "content")
"""In the order of their numbers in the formats."""
_HEADER = struct.Struct("<8sHBBIQI")
_MOST_BLOCKS = 1 << 19  # that a rule is chosen for; the lookup of a delta stays near 50 MB
_MOST_STORED = 1 << 21  # content-defined blocks may all be as short as a quarter of the average
_AVERAGE = 16 << 10
_SIZES = {"fixed": (512, 1 << 30), "content": (1 << 10, 1 << 22)}
_READ = 1 << 20


@dataclass(frozen=True, slots=True)
class Rule:
    """How a file is cut: every `size` bytes, or by content with that average; ValueError else."""

    kind: Literal["fixed", "content"]
    size: int

    def __post_init__(self) -> None:
        least, most = _SIZES.get(self.kind, (1, 0))
        if not least <= self.size <= most or self.size.bit_count() != 1:
            raise ValueError(f"not a rule for blocks: {self.kind} {self.size}")

    @classmethod
    def numbered(cls, number: int, size: int) -> "Rule":
        """The rule that a format names by its kind's number; Corrupt where there is none."""
        try:
            return cls(KINDS[number], size)
        except (IndexError, ValueError) as error:
            raise Corrupt(f"not a rule for blocks: kind {number}, size {size}") from error

    @property
    def number(self) -> int:
        return KINDS.index(self.kind)

    @property
    def longest(self) -> int:
        """No block has more bytes."""
        return self.size if self.kind == "fixed" else 4 * self.size


def _grown(least: int, most: int, size: int) -> int:
    while size > least * _MOST_BLOCKS and least < most:
        least *= 2
    return least


def rule_for(file: BinaryIO, size: int) -> Rule:
    """Pages for a SQLite database, cuts by content for any other file; moves the file's position."""
    file.seek(0)
    head = file.read(18)
    if head.startswith(SQLITE) and len(head) == 18:
        page = int.from_bytes(head[16:18], "big")
        page = 65536 if page == 1 else page
        if 512 <= page <= 65536 and page.bit_count() == 1:
            return Rule("fixed", _grown(page, _SIZES["fixed"][1], size))
    return Rule("content", _grown(_AVERAGE, _SIZES["content"][1], size))


class Splitter:
    """Cuts a stream that is fed in pieces of any length; the blocks are views into what was fed."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._rest = b""
        self._chunker = _chunker(rule) if rule.kind == "content" else None
        # Content-defined cuts are only looked for in so much that a short rest is all that is read twice.
        self._enough = max(_READ, 2 * rule.longest) if self._chunker else rule.size

    def feed(self, data: Bytes) -> list[memoryview]:
        """The blocks that are whole by now; valid as long as the bytes that were fed stay."""
        view = memoryview(b"".join((self._rest, data)) if self._rest else data)
        if len(view) < self._enough:
            self._rest = bytes(view)
            return []
        if self._chunker:
            blocks = [chunk.data for chunk in self._chunker.cut_buf(view)]
            self._rest = bytes(blocks.pop())  # the end of what was fed is no cut
            return blocks
        step = self._rule.size
        whole = len(view) - len(view) % step
        self._rest = bytes(view[whole:])
        return [view[start : start + step] for start in range(0, whole, step)]

    def finish(self) -> list[memoryview]:
        """The blocks that were left."""
        view, self._rest = memoryview(self._rest), b""
        if self._chunker and view:
            return [chunk.data for chunk in self._chunker.cut_buf(view)]
        return [view] if view else []


def _chunker(rule: Rule) -> "FastCDC":
    from pyfastcdc import FastCDC

    return FastCDC(
        rule.size,
        min_size=rule.size // 4,
        max_size=rule.longest,
        normalized_chunking=1,
        seed=0,
    )


@dataclass(frozen=True, slots=True)
class Cuts:
    """The blocks of a file of `size` bytes: where each begins (array of u64), 16 bytes of hash each."""

    rule: Rule
    size: int
    starts: "array[int]"
    hashes: bytes

    def __len__(self) -> int:
        return len(self.starts)

    def end(self, index: int) -> int:
        """Where the block ends."""
        return self.starts[index + 1] if index + 1 < len(self.starts) else self.size

    def hash(self, index: int) -> bytes:
        """What `block_hash` said of the block."""
        return self.hashes[HASH * index : HASH * (index + 1)]


def block_hash(block: Bytes) -> bytes:
    """The first 16 bytes of the block's SHA-256."""
    import hashlib

    return hashlib.sha256(block).digest()[:HASH]


class Cutter:
    """Makes the index of a stream, from the same blocks that somebody hashes or uploads."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._splitter = Splitter(rule)
        self._starts, self._hashes, self._size = array("Q"), bytearray(), 0

    def _take(self, blocks: list[memoryview]) -> None:
        for block in blocks:
            self._starts.append(self._size)
            self._hashes += block_hash(block)
            self._size += len(block)

    def feed(self, data: Bytes) -> None:
        """The next bytes of the file, as many as are at hand."""
        self._take(self._splitter.feed(data))

    def finish(self) -> Cuts:
        """The index of all that was fed."""
        self._take(self._splitter.finish())
        return Cuts(self._rule, self._size, self._starts, bytes(self._hashes))


def blocks(file: BinaryIO, size: int, rule: Rule) -> Iterator[memoryview]:
    """The blocks of a file, in bounded memory; Corrupt where it ends before `size`.

    The file's position may be moved between two blocks.
    """
    splitter = Splitter(rule)
    for data in pieces(file, 0, size):
        yield from splitter.feed(data)
    yield from splitter.finish()


def cut(file: BinaryIO, size: int, rule: Rule) -> Cuts:
    """The index of a file, in one pass and bounded memory; Corrupt where it ends before `size`."""
    cutter = Cutter(rule)
    for data in pieces(file, 0, size):
        cutter.feed(data)
    return cutter.finish()


def _little_endian(lengths: "array[int]") -> "array[int]":
    if sys.byteorder == "big":
        lengths.byteswap()
    return lengths


def dumps(cuts: Cuts) -> bytes:
    """The index as it is stored."""
    header = _HEADER.pack(MAGIC, FORMAT, cuts.rule.number, 0, cuts.rule.size, cuts.size, len(cuts))
    lengths = array("I")
    if cuts.rule.kind == "content":
        ends = (cuts.end(index) for index in range(len(cuts)))
        lengths.extend(end - start for start, end in zip(cuts.starts, ends, strict=True))
    return header + zstd.packed(_little_endian(lengths).tobytes() + cuts.hashes, level=3)


def loads(data: bytes, size: int) -> Cuts:
    """The index of a file of `size` bytes; Corrupt for anything that `dumps` would not have written."""
    if len(data) < _HEADER.size or not data.startswith(MAGIC):
        raise Corrupt("this is no block index")
    _, form, kind, zero, rule_size, file_size, count = _HEADER.unpack_from(data)
    if form != FORMAT:
        raise newer("block index", form)
    rule = Rule.numbered(kind, rule_size)
    if zero or file_size != size or count > _MOST_STORED:
        raise Corrupt(f"this is not the block index of a file of {size} bytes")
    if rule.kind == "fixed" and count != -(-size // rule.size):
        raise Corrupt(f"a block index of {count} blocks does not fit a file of {size} bytes")
    columns = 4 * count if rule.kind == "content" else 0
    what = "the content of a block index"
    body = zstd.unpacked(data[_HEADER.size :], limit=columns + HASH * count, what=what)
    if len(body) != columns + HASH * count:
        raise Corrupt(f"{what} is shorter than its header says")
    if rule.kind == "fixed":
        return Cuts(rule, size, array("Q", range(0, size, rule.size)), body)
    lengths = _little_endian(array("I", body[:columns]))
    starts = array("Q", accumulate(lengths, initial=0))
    if starts.pop() != size or (lengths and not 0 < min(lengths) <= max(lengths) <= rule.longest):
        raise Corrupt("the blocks of a block index do not make up its file")
    return Cuts(rule, size, starts, body[columns:])
