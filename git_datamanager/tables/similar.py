"""How much two files share that are no tables: content-defined blocks, by their digests."""

from collections.abc import Iterator
from pathlib import Path

from git_datamanager.content import cuts

_SMALL = cuts.Rule("content", 1 << 10)
_FINE = 16 << 20
"""Bytes up to which a file is cut into blocks of a KiB."""


def common_bytes(before: Path, after: Path) -> int:
    """Bytes of `after` that lie in blocks which stand somewhere in `before` too. Reads both once; memory
    grows with the number of blocks alone (docs/spec/cuts-v1.md)."""
    rule = _rule(max(before.stat().st_size, after.stat().st_size))
    known = {digest for _, digest in _blocks(before, rule)}
    return sum(size for size, digest in _blocks(after, rule) if digest in known)


def _rule(size: int) -> cuts.Rule:
    average = _SMALL.size
    while size > _FINE and size // average > 1 << 14 and average < 1 << 20:
        average *= 2
    return cuts.Rule("content", average)


def _blocks(path: Path, rule: cuts.Rule) -> Iterator[tuple[int, bytes]]:
    size = path.stat().st_size
    with path.open("rb") as file:
        found = cuts.cut(file, size, rule)
    for n, start in enumerate(found.starts):
        yield found.end(n) - start, found.hashes[n * cuts.HASH : (n + 1) * cuts.HASH]
