"""What a target has in common with its base: the part of a delta's encoder that only looks.

A target is told as a sequence of stretches without gaps, each either found in the base or new.
"""

import sys
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import BinaryIO, NamedTuple

from git_datamanager.content.cuts import Cuts, Rule, block_hash, blocks, cut, rule_for
from git_datamanager.content.spans import PIECE, pieces, read_at, same_ahead, same_behind

NEW = -1
"""The `start` of a stretch that is not in the base."""
_SLICE = 64 << 10  # compared before single pages are
_MOST_OPEN = 16 << 20  # bytes of a new stretch that wait for what follows it
_SMALL = 32 << 20  # bytes of a base whose blocks are looked up in any case
_MANY, _SHARE = 1024, 4  # pages that differ, and 1/share of all so far: they may have moved


class Stretch(NamedTuple):
    """`length` bytes of the target; from `start` in the base, or NEW and in place of `near` there."""

    length: int
    start: int
    near: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Base:
    """The file that a delta starts from, known by its bytes, by its block index, or by both.

    `oid`: its SHA-256 as 64 hex digits; `file` is seekable. ValueError where nothing of it is known.
    """

    oid: str
    size: int
    file: BinaryIO | None
    cuts: Cuts | None

    def __post_init__(self) -> None:
        if self.file is None and self.cuts is None:
            raise ValueError("of a base either the bytes or the block index must be at hand")
        if self.cuts is not None and self.cuts.size != self.size:
            raise ValueError(f"the block index is of {self.cuts.size} bytes, the base has {self.size}")

    def index(self, rule: Rule) -> "Index":
        """Its blocks by that rule, from its block index where that has the same one."""
        if self.cuts is None or (self.file is not None and self.cuts.rule != rule):
            assert self.file is not None  # noqa: S101 - one of the two is there
            return Index(cut(self.file, self.size, rule))
        return Index(self.cuts)

    def holds(self, data: bytes | memoryview, start: int) -> bool:
        """Whether these bytes stand there; taken for granted where only the block index is known."""
        return self.file is None or read_at(self.file, start, len(data)) == bytes(data)


class Index:
    """Finds blocks of the base by their hashes; about 100 bytes of memory per block."""

    def __init__(self, cuts: Cuts) -> None:
        self._cuts = cuts
        halves = array("Q", cuts.hashes)[::2]
        # Of equal blocks the first counts; the lookup holds half a hash, `find` compares the whole.
        self._places = dict(zip(reversed(halves), range(len(cuts) - 1, -1, -1), strict=True))
        self._next = 0

    def find(self, block: memoryview | bytes) -> int:
        """Where these bytes begin in the base, or NEW; best right after what was found before."""
        digest, cuts = block_hash(block), self._cuts
        for index in (self._next, self._places.get(int.from_bytes(digest[:8], sys.byteorder), NEW)):
            found = 0 <= index < len(cuts) and cuts.hash(index) == digest
            if found and cuts.end(index) - cuts.starts[index] == len(block):
                self._next = index + 1
                return cuts.starts[index]
        self._next += 1
        return NEW


def rule_of(target: BinaryIO, size: int, base: Base) -> Rule:
    """How the two are compared: as the base was cut, where only that is known or it fits as well."""
    own = rule_for(target, size)
    if base.cuts and (base.file is None or base.cuts.rule.kind == own.kind == "content"):
        return base.cuts.rule
    return own


def _by_hash(target: BinaryIO, size: int, base: Base, rule: Rule) -> Iterator[Stretch]:
    index = base.index(rule)
    for block in blocks(target, size, rule):
        start = index.find(block)
        yield Stretch(len(block), start if start != NEW and base.holds(block, start) else NEW)


class _Moved:
    """Pages that are not where they were: looked for only once that seems worth a pass over the base."""

    def __init__(self, base: Base, rule: Rule) -> None:
        self._base, self._rule = base, rule
        self._index: Index | None = None
        self._differing = 0

    def _worthwhile(self, start: int) -> bool:
        base, step = self._base, self._rule.size
        if step > _SLICE:
            return False
        if base.size <= _SMALL or (base.cuts and base.cuts.rule == self._rule):
            return True
        return self._differing >= _MANY and self._differing * step * _SHARE >= start

    def find(self, page: bytes, start: int) -> int:
        """Where a page stands in the base that does not stand there at `start`, or NEW."""
        self._differing += 1
        if self._index is None:
            if not self._worthwhile(start):
                return NEW
            self._index = self._base.index(self._rule)
        place = self._index.find(page)
        return place if place != NEW and self._base.holds(page, place) else NEW


def _compared(new: bytes, old: bytes, start: int, steps: list[int], moved: _Moved) -> Iterator[Stretch]:
    step, *finer = steps
    for offset in range(0, len(new), step):
        mine, theirs = new[offset : offset + step], old[offset : offset + step]
        if mine == theirs:
            yield Stretch(len(mine), start + offset)
        elif finer:
            yield from _compared(mine, theirs, start + offset, finer, moved)
        else:
            yield Stretch(len(mine), moved.find(mine, start + offset))


def _in_place(target: BinaryIO, size: int, base: Base, file: BinaryIO, rule: Rule) -> Iterator[Stretch]:
    moved, start = _Moved(base, rule), 0
    steps = sorted({PIECE, _SLICE, min(rule.size, _SLICE)}, reverse=True)
    for new in pieces(target, 0, size):
        old = read_at(file, start, max(0, min(len(new), base.size - start)))
        yield from _compared(new, old, start, steps, moved)
        start += len(new)


def _joined(stretches: Iterable[Stretch]) -> Iterator[Stretch]:
    last = Stretch(0, 0)
    for one in stretches:
        length = last.length + one.length
        if not one.length:
            continue
        if last.start == NEW == one.start and length <= _MOST_OPEN:
            last = Stretch(length, NEW, (last.near[0], one.near[1]))
        elif last.start != NEW != one.start and last.start + last.length == one.start:
            last = Stretch(length, last.start)
        else:
            if last.length:
                yield last
            last = one
    if last.length:
        yield last


def _settled(stretches: Iterable[Stretch], target: BinaryIO, base: Base, *, grow: bool) -> Iterator[Stretch]:
    """Each new stretch with what stands in the base between its neighbours.

    With `grow` the neighbours first take what they share with it, byte by byte.
    """
    position = old = waiting = 0  # in the target; where the base would go on; bytes of a new stretch
    for one in chain(stretches, [Stretch(0, base.size)]):
        if one.start == NEW:
            if waiting:  # the stretch before was cut at its longest: take it that the base goes on beside it
                yield Stretch(waiting, NEW, (old, min(old + waiting, base.size)))
                old = min(old + waiting, base.size)
            position, waiting = position + waiting, one.length
            continue
        ahead = behind = 0
        if waiting and grow and base.file:
            ahead = same_ahead(target, position, base.file, old, min(waiting, base.size - old))
            end, most = position + waiting, min(waiting - ahead, one.start)
            behind = same_behind(target, end, base.file, one.start, most)
        yield Stretch(ahead, old)
        old, waiting = old + ahead, waiting - ahead - behind
        start, length = one.start - behind, one.length + behind
        if waiting:
            near = start if start >= old else min(old + waiting, base.size)
            yield Stretch(waiting, NEW, (old, near))
        yield Stretch(length, start)
        position, old, waiting = position + ahead + waiting + length, start + length, 0


def stretches(target: BinaryIO, size: int, base: Base, rule: Rule) -> Iterator[Stretch]:
    """The whole target, in order, in bounded memory; Corrupt where a file is shorter than it should be."""
    if base.file is None or rule.kind == "content":
        found = _by_hash(target, size, base, rule)
    else:
        found = _in_place(target, size, base, base.file, rule)
    return _joined(_settled(_joined(found), target, base, grow=rule.kind == "content"))
