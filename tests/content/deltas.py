"""What the tests of deltas share: files that resemble each other, and a way to forge a delta."""

import hashlib
import io
import random
from collections.abc import Sequence

from git_datamanager.content import delta, varint, zstd
from git_datamanager.content.cuts import cut, rule_for

NOISE = random.Random(7).randbytes(1 << 20)
BASE = b"0123456789abcdef" * 64
HEADER = 96


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def base_of(data: bytes, known: str = "file") -> delta.Base:
    """A base that is known by its `file`, its `cuts`, or `both`."""
    file = io.BytesIO(data)
    index = None if known == "file" else cut(file, len(data), rule_for(file, len(data)))
    return delta.Base(digest(data), len(data), None if known == "cuts" else file, index)


def made(old: bytes, new: bytes, known: str = "file") -> bytes:
    out = io.BytesIO()
    size = delta.make(io.BytesIO(new), len(new), digest(new), base_of(old, known), out)
    assert size == len(out.getvalue())
    return out.getvalue()


class Forward(io.RawIOBase):
    """A stream that can only be read on, a few bytes at a time."""

    def __init__(self, data: bytes, most: int = 1 << 30) -> None:
        self._left, self._most = data, most

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        count = min(self._most, len(self._left) if size < 0 else size)
        part, self._left = self._left[:count], self._left[count:]
        return part


def rebuilt(stored: bytes, old: bytes, new: bytes, most: int = 1 << 30) -> bytes:
    """What the delta makes; never more bytes than `new` has."""
    source, base, done = Forward(stored, most), io.BytesIO(old), bytearray()
    for piece in delta.rebuilt(source, base, oid=digest(new), base_oid=digest(old), size=len(new)):  # type: ignore[arg-type]
        done += piece
        assert len(done) <= len(new)
    return bytes(done)


def paged(pages: Sequence[bytes], page: int = 512) -> bytes:
    """What starts like a SQLite database of such pages."""
    head = b"SQLite format 3\0" + page.to_bytes(2, "big")
    return head.ljust(page, b"\0") + b"".join(one.ljust(page, b".")[:page] for one in pages)


def number(value: int) -> bytes:
    data = bytearray()
    varint.append(data, value)
    return bytes(data)


def signed(value: int) -> bytes:
    data = bytearray()
    varint.append_signed(data, value)
    return bytes(data)


def plan(ranges: Sequence[tuple[int, int]] = (), *instructions: tuple[int, int] | int) -> bytes:
    """Ranges and copies as (offset as stored, length), literals as a length."""
    data = number(len(ranges)) + b"".join(signed(offset) + number(length) for offset, length in ranges)
    for one in instructions:
        data += number(2 * one + 1) if isinstance(one, int) else number(2 * one[1]) + signed(one[0])
    return data


def group(steps: bytes, literals: bytes = b"", prefix: bytes = b"") -> bytes:
    frames = (zstd.packed(steps, level=1), zstd.packed(literals, level=1, prefix=prefix) if literals else b"")
    return b"\1" + b"".join(number(len(frame)) + frame for frame in frames)


def forged(
    new: bytes, *groups: bytes, base: bytes = BASE, end: bytes | None = None, **fields: int | bytes
) -> bytes:
    """A delta with any fields and groups of our own making."""
    told: dict[str, int | bytes] = {
        "magic": b"\x89GDDLT\r\n", "form": 1, "kind": 0, "zero": 0, "rule": 4096,
        "base_oid": bytes.fromhex(digest(base)), "base_size": len(base),
        "oid": bytes.fromhex(digest(new)), "size": len(new),
    } | fields  # fmt: skip
    widths = (8, 2, 1, 1, 4, 32, 8, 32, 8)
    head = b"".join(
        value if isinstance(value, bytes) else value.to_bytes(width, "little")
        for value, width in zip(told.values(), widths, strict=True)
    )
    return head + b"".join(groups) + (b"\0" + number(len(groups)) if end is None else end)
