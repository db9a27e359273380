"""Content-addressed view of a store: the one door where bytes are verified, in and out.

Stores trust nobody and are trusted by nobody; a size and a SHA-256 decide.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from git_datamanager import fsio
from git_datamanager.errors import Corrupt, Forbidden, ObjectMissing, PreconditionFailed
from git_datamanager.events import Tally, already
from git_datamanager.model.layout import object_key
from git_datamanager.model.oid import Oid
from git_datamanager.storage import download
from git_datamanager.storage.base import (
    ABSENT,
    ANYTHING,
    Advance,
    Capabilities,
    Expect,
    Presentation,
    ResumeBook,
    Stat,
    StorageAdapter,
    matching,
    no_advance,
)

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

STREAMED = "sha256-streamed"
"""Verification level V3: all bytes were read back and hashed."""
SERVER = "sha256-server"
"""Level V2: a digest of the whole object kept by a server that was seen refusing wrong ones."""

Opener = Callable[[], AbstractContextManager[BinaryIO]]


class Verified(NamedTuple):
    """An object whose bytes were checked, and how; `etag` pins the very object that was."""

    key: str
    etag: str
    level: str
    modified: float
    """By the store's clock."""


class ObjectStore:
    """Objects of one store by their oid."""

    def __init__(self, adapter: StorageAdapter, role: str, book: ResumeBook | None = None) -> None:
        self.adapter = adapter
        self.role = role
        self.book = book
        """Where uploads are written down that may be gone on with."""
        self._probed: tuple[Capabilities | None] | None = None

    @property
    def url(self) -> str:
        return self.adapter.url

    def stat(self, oid: Oid, size: int) -> Stat | None:
        """The object's facts; None where it is missing or obviously another one (its size)."""
        found = self.adapter.stat_object(object_key(oid))
        return found if found is not None and found.size == size else None

    def verify(
        self, oid: Oid, size: int | None = None, *, key: str | None = None, advance: Advance = no_advance
    ) -> Verified:
        """Check all bytes of a stored object, under its own key or another (the trash). Without `size`
        the hash alone decides.

        A digest the store keeps counts only where it was seen refusing wrong ones; else the bytes are
        read, pinned by the ETag. Raises ObjectMissing, Corrupt, and PreconditionFailed where the object is
        replaced again and again meanwhile.
        """
        key = key or object_key(oid)
        try:
            return self._verify(key, oid, size, advance)
        except PreconditionFailed:  # replaced between the look and the reading, by equal bytes as a rule
            return self._verify(key, oid, size, advance)

    def _verify(self, key: str, oid: Oid, size: int | None, advance: Advance) -> Verified:
        found = self.adapter.stat_object(key)
        if found is None:
            raise self._missing(oid)
        if size is not None and found.size != size:
            raise Corrupt(f"{self.role} holds {found.size} bytes under {oid}, the manifest says {size}")
        level = SERVER
        if found.sha256 == oid.hex and (known := self._capabilities()) and known.checks_sha256:
            advance(found.size)
        else:
            level = STREAMED
            with closing(self._blocks(found)) as blocks:
                _checked(blocks, None, oid, found.size, advance, self.role)
        return Verified(key, found.etag, level, found.modified)

    def first_good(
        self, oid: Oid, size: int, keys: Sequence[str], *, advance: Advance = no_advance
    ) -> Verified:
        """The first of these keys that holds the bytes. Raises Corrupt where one holds others and none
        the right ones, else ObjectMissing."""
        wrong: Corrupt | None = None
        for key in keys:
            try:
                return self.verify(oid, size, key=key, advance=advance)
            except ObjectMissing:
                continue
            except Corrupt as error:
                wrong = wrong or error
        raise wrong or self._missing(oid)

    def fetch(
        self, oid: Oid, size: int, target: BinaryIO, *, key: str | None = None, advance: Advance = no_advance
    ) -> None:
        """Write the object's bytes to `target`, never more than `size`. Raises ObjectMissing, Corrupt.

        Of a large object in a distant store several ranges come at a time, if `target` can be rewound: it
        is, once, where the object is replaced meanwhile.
        """
        key = key or object_key(oid)
        if download.pays(self.adapter, size) and target.seekable():
            begin, meter = target.tell(), Tally(advance)
            try:
                with closing(self._blocks(self.look(oid, size, key))) as blocks:
                    return _checked(blocks, target, oid, size, meter, self.role)
            except PreconditionFailed:
                target.seek(begin)
                target.truncate()
                meter.take_back()
        try:
            with self.adapter.read_object(key) as body:
                _checked(_read(body, size), target, oid, size, advance, self.role)
        except ObjectMissing as error:
            raise self._missing(oid) from error

    def look(self, oid: Oid, size: int, key: str | None = None) -> Stat:
        """The facts of an object of this size. Raises ObjectMissing, and Corrupt for another size."""
        found = self.adapter.stat_object(key or object_key(oid))
        if found is None:
            raise self._missing(oid)
        if found.size != size:
            raise _of_another_size(self.role, oid, found.size, size)
        return found

    def complete(
        self, oid: Oid, size: int, file: BinaryIO, found: Stat, *, advance: Advance = no_advance
    ) -> None:
        """Let `file`, which holds the beginning of the object or nothing, hold all of it.

        What it has is hashed again, the rest is fetched on the condition that the object is still the one
        `found` tells of (PreconditionFailed). Bytes are appended in order: what a run leaves behind that
        is cut short, another can complete. Raises Corrupt where all bytes together are not those of `oid`.
        """
        digest, held = hashlib.sha256(), 0
        file.seek(0)
        while block := file.read(min(fsio.BLOCK, size - held)):
            digest.update(block)
            held += len(block)
        file.truncate(held)
        if held:
            already(advance, held)
        with closing(self._blocks(found, held)) as blocks:
            _checked(blocks, file, oid, size, advance, self.role, digest=digest, done=held)

    def _blocks(self, found: Stat, start: int = 0) -> "download.Stream":
        return download.blocks(self.adapter, found.key, etag=found.etag, start=start, size=found.size)

    def put(
        self,
        oid: Oid,
        size: int,
        open_source: Opener,
        *,
        presentation: Presentation | None = None,
        advance: Advance = no_advance,
    ) -> str:
        """Store verified bytes under their oid; what stands there already is checked, not trusted.

        Returns the ETag of the object that was written or checked. Raises Corrupt where the source does
        not have these bytes (nothing is stored then), or somebody else stored wrong ones meanwhile.
        """
        key = object_key(oid)
        standing = self.adapter.stat_object(key)
        checked = self._good(oid, size, lambda _: advance(0)) if standing is not None else None
        if checked is not None:
            return checked.etag
        expect = matching(standing.etag) if standing else ABSENT
        try:
            with open_source() as source:
                return self._write(key, source, oid, size, expect, presentation, advance).etag
        except PreconditionFailed:
            # Somebody stored it meanwhile: theirs is as good as ours, if it is good.
            return self.verify(oid, size, advance=lambda _: advance(0)).etag

    def _write(
        self,
        key: str,
        source: BinaryIO,
        oid: Oid,
        size: int,
        expect: Expect,
        presentation: Presentation | None,
        advance: Advance,
    ) -> Stat:
        if expect != ANYTHING and self._ignores_conditions():
            expect = ANYTHING  # of two writers either one's bytes are right: they are named by their hash
        written = self.adapter.write_object(
            key, source, size,
            expect=expect, sha256=oid.hex, presentation=presentation, advance=advance, book=self.book,
        )  # fmt: skip
        if written.size != size:
            raise Corrupt(f"{self.role} stored {written.size} of {size} bytes under {oid}")
        return written

    def _capabilities(self) -> Capabilities | None:
        """What the store was seen to refuse; None where nobody with these rights may try."""
        if self._probed is None:
            try:
                self._probed = (self.adapter.capabilities(),)
            except Forbidden:
                self._probed = (None,)
        return self._probed[0]

    def _ignores_conditions(self) -> bool:
        found = self._capabilities()
        return found is not None and not found.conditional_put

    def _good(self, oid: Oid, size: int, advance: Advance) -> Verified | None:
        try:
            return self.verify(oid, size, advance=advance)
        except (Corrupt, ObjectMissing, PreconditionFailed):
            return None

    def copy_from(
        self,
        source: "ObjectStore",
        oid: Oid,
        size: int,
        checked: Verified,
        *,
        key: str | None = None,
        presentation: Presentation | None = None,
        advance: Advance = no_advance,
    ) -> None:
        """Copy the very object that was verified, to its own key or to `key`; inside the service where both
        stores share one. Raises PreconditionFailed where the source is another one by now."""
        target = key or object_key(oid)
        copied = self.adapter.copy_object(
            source.adapter, checked.key, target,
            source_etag=checked.etag, presentation=presentation, advance=advance,
        )  # fmt: skip
        if copied is None:
            with source.adapter.read_object(checked.key, etag=checked.etag) as body:
                self._write(target, body, oid, size, ANYTHING, presentation, advance)

    def _missing(self, oid: Oid) -> ObjectMissing:
        return ObjectMissing(f"{self.role} ({self.url}) does not hold {oid}")


def _read(body: BinaryIO, size: int) -> Iterator[bytes]:
    """What there is, up to one byte too many."""
    left = size + 1
    while left and (block := body.read(min(fsio.BLOCK, left))):
        left -= len(block)
        yield block


def _checked(
    blocks: Iterable[bytes | memoryview],
    target: BinaryIO | None,
    oid: Oid,
    size: int,
    advance: Advance,
    role: str,
    *,
    digest: "Hash | None" = None,
    done: int = 0,
) -> None:
    """Hash and write blocks; the first `done` bytes went into `digest` before."""
    digest = digest or hashlib.sha256()
    with ThreadPoolExecutor(1) as beside:
        for block in blocks:
            if done + len(block) > size:
                raise _of_another_size(role, oid, done + len(block), size)
            written = _written(block, target, beside)
            digest.update(block)
            written()
            done += len(block)
            advance(len(block))
    if done < size:
        raise _of_another_size(role, oid, done, size)
    if digest.hexdigest() != oid.hex:
        raise Corrupt(f"{role} holds other bytes under {oid}: their sha256 is {digest.hexdigest()}")


def _written(
    block: bytes | memoryview, target: BinaryIO | None, beside: ThreadPoolExecutor
) -> Callable[[], object]:
    """Write a block, a large one while it is hashed; what is returned waits for that."""
    if target is None:
        return lambda: None
    if len(block) > fsio.BLOCK:
        return beside.submit(fsio.write_all, target, block).result
    fsio.write_all(target, block)
    return lambda: None


def _of_another_size(role: str, oid: Oid, found: int, size: int) -> Corrupt:
    return Corrupt(f"{role} holds {'less' if found < size else 'more'} than the {size} bytes of {oid}")
