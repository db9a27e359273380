"""Encoded objects of a store: what lies under `zstd/` and `delta/`, and reading it as plain bytes.

Nothing here is believed: whoever takes the bytes hashes them (`objects.py`), and falls back to plain
ones. docs/design/encodings.md.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from git_datamanager import fsio
from git_datamanager.content import compress, delta
from git_datamanager.errors import Corrupt, ObjectMissing
from git_datamanager.model.layout import IDENTITY, Encoding, delta_prefix, encoded_key, encoding_of
from git_datamanager.model.oid import Oid
from git_datamanager.objects import ObjectStore
from git_datamanager.storage.base import Advance, Stat, no_advance
from git_datamanager.storage.ranged import Ranged

ZSTD = Encoding("zstd")
Block = bytes | memoryview


class Form(NamedTuple):
    """One form of a version that a store was seen to have; `key` may be that of a trash."""

    encoding: Encoding
    key: str
    size: int
    etag: str


def form(store: ObjectStore, oid: Oid, encoding: Encoding, *, below: str = "") -> Form | None:
    """The form under its key, below another prefix for a trash; None where there is none."""
    found = store.adapter.stat_object(below + encoded_key(oid, encoding))
    return _form(encoding, found) if found else None


def forms(store: ObjectStore, oid: Oid, *, below: str = "") -> list[Form]:
    """Every encoded form of these bytes that the store lists, the smallest first."""
    compressed = form(store, oid, ZSTD, below=below)
    found = [compressed] if compressed else []
    for stat in store.adapter.list_objects(below + delta_prefix(oid)):
        encoding = encoding_of(stat.key.removeprefix(below))
        if encoding is not None:
            found.append(_form(encoding[1], stat))
    return sorted(found, key=lambda one: one.size)


def _form(encoding: Encoding, stat: Stat) -> Form:
    return Form(encoding, stat.key, stat.size, stat.etag)


def put(
    store: ObjectStore,
    oid: Oid,
    encoding: Encoding,
    path: Path,
    sha256: str,
    *,
    advance: Advance = no_advance,
) -> Stat:
    """Store a form from a file, in place of any other one under this key: both rebuild the same bytes.

    Raises Corrupt where the file does not have this digest any more.
    """
    with path.open("rb", buffering=0) as file:
        size = path.stat().st_size
        return store.adapter.write_object(
            encoded_key(oid, encoding), file, size, sha256=sha256, advance=advance
        )


@contextmanager
def opened(store: ObjectStore, oid: Oid, size: int) -> Iterator[BinaryIO]:
    """The plain bytes as a file that can be read anywhere, by ranges of one and the same object, not
    verified. Raises ObjectMissing; PreconditionFailed while reading, once it is another object."""
    found = store.stat(oid, size)
    if found is None:
        raise ObjectMissing(f"{store.role} ({store.url}) does not hold {oid}")
    yield cast("BinaryIO", Ranged(store.adapter, found))


@contextmanager
def reading(
    store: ObjectStore,
    one: Form,
    oid: Oid,
    size: int,
    base: BinaryIO | None,
    *,
    advance: Advance = no_advance,
) -> Iterator[BinaryIO]:
    """The plain bytes that a form decodes to, front to back; `advance` is told the encoded ones.

    `base` holds the bytes a delta builds on. Raises what the store says, and Corrupt while reading for
    anything but `size` bytes in the encoding; the caller hashes them.
    """
    with store.adapter.read_object(one.key, etag=one.etag) as body:
        told = cast("BinaryIO", Told(body, advance))
        yield cast("BinaryIO", Blocks(decoded(told, one.encoding, oid, size, base)))


def fetch(
    store: ObjectStore,
    one: Form,
    oid: Oid,
    size: int,
    target: BinaryIO,
    base: BinaryIO | None,
    *,
    advance: Advance = no_advance,
) -> None:
    """Write the verified plain bytes to `target`. Raises Corrupt, ObjectMissing, PreconditionFailed."""
    _checked(store, one, oid, size, base, target.write, advance)


def check(store: ObjectStore, one: Form, oid: Oid, size: int, base: BinaryIO | None) -> None:
    """Decode a form and hash the result. Raises Corrupt, ObjectMissing, PreconditionFailed."""
    _checked(store, one, oid, size, base, len, no_advance)


def _checked(
    store: ObjectStore,
    one: Form,
    oid: Oid,
    size: int,
    base: BinaryIO | None,
    take: Callable[[bytes], object],
    advance: Advance,
) -> None:
    digest = hashlib.sha256()
    with reading(store, one, oid, size, base, advance=advance) as body:
        while block := body.read(fsio.BLOCK):
            digest.update(block)
            take(block)
    if digest.hexdigest() != oid.hex:
        raise Corrupt(f"{store.role}: {one.key} does not rebuild {oid.short}: it gives other bytes")


def decoded(
    body: BinaryIO, encoding: Encoding, oid: Oid, size: int, base: BinaryIO | None
) -> Iterable[Block]:
    """The plain bytes in blocks. Raises Corrupt in the middle of it."""
    if encoding == IDENTITY:
        return iter(lambda: body.read(fsio.BLOCK), b"")
    if encoding.base is None:
        return compress.decompressed(body, size)
    if base is None:
        raise ValueError(f"{encoding} needs its base")
    return delta.rebuilt(body, base, oid=oid.hex, base_oid=encoding.base.hex, size=size)


class Told:
    """A stream whose reader is watched."""

    def __init__(self, body: BinaryIO, advance: Advance) -> None:
        self._body = body
        self._advance = advance

    def read(self, size: int = -1) -> bytes:
        block = self._body.read(size)
        self._advance(len(block))
        return block


class Blocks:
    """Blocks of bytes as a stream: `read` gives all that it is asked for, less only at the end."""

    def __init__(self, blocks: Iterable[Block]) -> None:
        self._blocks = iter(blocks)
        self._rest = memoryview(b"")

    def seekable(self) -> bool:
        """Never: whoever writes it and fails has to ask for it anew."""
        return False

    def read(self, size: int = -1) -> bytes:
        pieces, wanted = list[memoryview](), size
        while wanted:
            while not self._rest:
                block = next(self._blocks, None)
                if block is None:
                    return b"".join(pieces)
                self._rest = memoryview(block)
            piece = self._rest[:wanted] if wanted > 0 else self._rest
            pieces.append(piece)
            self._rest = self._rest[len(piece) :]
            wanted -= len(piece) if wanted > 0 else 0
        return b"".join(pieces)
