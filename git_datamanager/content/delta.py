"""A file told as another one and what is new: docs/spec/delta-v1.md."""

import os
import struct
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import BinaryIO

from git_datamanager.content import varint
from git_datamanager.content.cuts import Rule
from git_datamanager.content.groups import END, GROUP, Decoder, Draft, Source
from git_datamanager.content.matches import NEW, Base, Stretch, rule_of, stretches
from git_datamanager.content.spans import newer
from git_datamanager.errors import Corrupt

__all__ = ["Base", "Header", "make", "read_header", "rebuilt"]

MAGIC, FORMAT = b"\x89GDDLT\r\n", 1
_FORM = struct.Struct("<8sH")
_HEADER = struct.Struct("<8sHBBI32sQ32sQ")
# Up to that many bytes of a base: level, bytes of literals per group. The prefix serves best when it is
# short: all of a base as prefix made deltas of 2 MiB 1 % smaller, some of 8 MiB many times larger.
_GRADES = ((8 << 20, 12, 1 << 20), (64 << 20, 9, 256 << 10), (varint.MAX, 3, 256 << 10))
_UNAIDED = 2 << 20  # bytes of literals per group where there is no prefix
_LITTLE = 256 << 10  # what stands between two neighbours is taken as it is, up to so much
_SLACK = 16 << 10
THREADS = 2

Advance = Callable[[int], None]


def _nothing(_count: int) -> None:
    """Nobody wants to know how far it is."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a delta makes from what; ids as 64 hex digits, sizes in bytes."""

    rule: Rule
    base_oid: str
    base_size: int
    oid: str
    size: int

    def dumps(self) -> bytes:
        return _HEADER.pack(
            MAGIC,
            FORMAT,
            self.rule.number,
            0,
            self.rule.size,
            bytes.fromhex(self.base_oid),
            self.base_size,
            bytes.fromhex(self.oid),
            self.size,
        )


def read_header(delta: BinaryIO) -> Header:
    """The header, the first 96 bytes; Corrupt where it is none or of a newer format."""
    source = Source(delta)
    start = source.take(_FORM.size)
    magic, form = _FORM.unpack(start)
    if magic != MAGIC:
        raise Corrupt("this is no delta")
    if form != FORMAT:
        raise newer("delta", form)
    rest = source.take(_HEADER.size - _FORM.size)
    _, _, kind, zero, rule_size, base_oid, base_size, oid, size = _HEADER.unpack(start + rest)
    if zero or max(base_size, size) > varint.MAX:
        raise Corrupt("the header of a delta is damaged")
    return Header(Rule.numbered(kind, rule_size), base_oid.hex(), base_size, oid.hex(), size)


def _replaced(piece: Stretch, done: int, length: int, base_size: int) -> Iterator[tuple[int, int]]:
    """Ranges of the base that resemble these bytes of a new stretch: what stood in their place.

    As much as the bytes themselves, and a little more: a frame is small, and so is its prefix.
    """
    first, last = piece.near
    room = last - first
    if room <= 2 * length + _SLACK or (room <= _LITTLE and length < piece.length):
        widen = _SLACK if 2 * room < length else 0
        yield max(0, first - widen), min(base_size, last + widen)
    elif room > 4 * piece.length + _LITTLE:  # much was removed here: its two ends
        yield first, first + length + _SLACK
        yield last - length - _SLACK, last
    else:
        begin = first + done * room // piece.length
        end = first + (done + length) * room // piece.length
        yield max(first, begin - _SLACK), min(last, end + _SLACK)


class _Composer:
    """Puts stretches into groups, each closed while it is small."""

    def __init__(self, base: Base) -> None:
        self._base = base
        self.level, self._frame = next(grade[1:] for grade in _GRADES if base.size <= grade[0])
        if base.file is None:
            self._frame = _UNAIDED
        self._draft = Draft(0)

    def _full(self) -> bool:
        draft = self._draft
        return draft.literals >= self._frame or draft.dictionary >= 4 * self._frame or draft.long

    def add(self, piece: Stretch, position: int) -> Iterator[Draft]:
        """The groups that are full with what stands at `position` of the target."""
        if piece.start != NEW:
            self._draft.copy(piece.start, piece.length)
            if self._full():
                yield from self.rest()
            return
        done = 0
        while done < piece.length:
            length = min(piece.length - done, self._frame - self._draft.literals)
            if self._base.file:
                for start, end in _replaced(piece, done, length, self._base.size):
                    self._draft.lean_on(start, end)
            self._draft.take(position + done, length)
            done += length
            if self._full():
                yield from self.rest()

    def rest(self) -> Iterator[Draft]:
        """The group that is not full."""
        if not self._draft.empty:
            draft, self._draft = self._draft, Draft(self._draft.cursor)
            yield draft


def _drafts(
    target: BinaryIO, size: int, base: Base, rule: Rule, composer: _Composer, advance: Advance
) -> Iterator[Draft]:
    position = 0
    for piece in stretches(target, size, base, rule):
        yield from composer.add(piece, position)
        position += piece.length
        advance(piece.length)
    yield from composer.rest()


def _parts(
    target: BinaryIO, size: int, oid: str, base: Base, advance: Advance
) -> Generator[bytes, None, None]:
    """The delta, part by part; the groups are compressed beside each other and come in order."""
    from concurrent.futures import Future, ThreadPoolExecutor

    rule = rule_of(target, size, base)
    yield Header(rule, base.oid, base.size, oid, size).dumps()
    composer, count = _Composer(base), 0
    waiting: deque[Future[bytes]] = deque()
    with ThreadPoolExecutor(THREADS) as pool:
        for draft in _drafts(target, size, base, rule, composer, advance):
            if len(waiting) >= 2 * THREADS:
                yield waiting.popleft().result()
            waiting.append(pool.submit(draft.gather(target, base.file).packed, composer.level))
            count += 1
        while waiting:
            yield waiting.popleft().result()
    end = bytearray([END])
    varint.append(end, count)
    yield bytes(end)


def make(
    target: BinaryIO,
    size: int,
    oid: str,
    base: Base,
    out: BinaryIO,
    *,
    limit: int | None = None,
    advance: Advance = _nothing,
) -> int | None:
    """Write a delta that makes `target` (seekable, `size` bytes) from `base`; how many bytes it took.

    None as soon as that would be more than `limit`; whoever asked cuts off what was written so far.
    `advance` is told of bytes of the target. Corrupt where a file is shorter than it should be.
    Where only the base's block index is known, a delta is as right as that index: rebuild and hash
    before anything relies on it.
    """
    written = 0
    with closing(_parts(target, size, oid, base, advance)) as parts:
        for part in parts:
            written += len(part)
            if limit is not None and written > limit:
                return None
            out.write(part)
    return written


def rebuilt(
    delta: BinaryIO, base: BinaryIO, *, oid: str, base_oid: str, size: int
) -> Iterator[bytes | memoryview]:
    """The bytes of the target, piece by piece, never more than `size` in all.

    `delta` is read forward, `base` anywhere (its position moves). Corrupt for anything but a delta
    that makes a file of this id and size from this base. That the bytes have the SHA-256 `oid` is
    for the caller to check: a base with other content shows only there.
    """
    header = read_header(delta)
    if (header.oid, header.base_oid, header.size) != (oid, base_oid, size):
        raise Corrupt(
            f"this delta makes {header.oid} ({header.size} bytes) from {header.base_oid}, not what was asked"
        )
    if base.seek(0, os.SEEK_END) != header.base_size:
        raise Corrupt(f"the base of this delta has {header.base_size} bytes, this one another number")
    source, decoder, left, count = Source(delta), Decoder(base, header.base_size), size, 0
    while (tag := source.take(1)[0]) == GROUP:
        for piece in decoder.group(source, left):
            left -= len(piece)
            yield piece
        count += 1
    if tag != END or source.number() != count or not source.at_end():
        raise Corrupt("the end of the delta is damaged")
    if left:
        raise Corrupt(f"the delta makes {left} bytes less than the {size} it should")
