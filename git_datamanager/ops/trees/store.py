"""The members of a folder, from wherever they can be had cheapest: docs/spec/tree-v1.md.

This clone's packs and cache first; then packs of the stores, whole where most of one is wanted, else in
ranges; big members alone. Every member is verified; what is damaged or lies is asked for elsewhere.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from git_datamanager.content import pack
from git_datamanager.content.packlist import PackRef
from git_datamanager.content.tree import EMPTY, Listing, Member
from git_datamanager.manager import DataManager
from git_datamanager.model.manifest import Dataset, State, Version
from git_datamanager.model.oid import Oid
from git_datamanager.ops.trees import packs as treepacks
from git_datamanager.ops.trees.big import TROUBLES, BigMembers, Troubles
from git_datamanager.ops.trees.listing import listing_of
from git_datamanager.ops.trees.packs import Stored
from git_datamanager.storage.base import Advance
from git_datamanager.workspace.place import Fill

__all__ = ["cost", "listing_of", "provider"]

WHOLE = 0.5
"""A pack of which so much is wanted comes whole, and stays."""
TINY = 1 << 20
"""A pack below this size comes whole, too: one request is all it takes."""
PIECE = 8 << 20
"""Bytes of a range; so much of each stream is in memory."""

Provide = Callable[[Sequence[Member]], Iterator[tuple[bytes, bytes | Fill]]]
_Got = Iterator[tuple[bytes, bytes]]


def cost(
    manager: DataManager,
    dataset: Dataset,  # noqa: ARG001
    version: Version,  # noqa: ARG001
    listing: Listing,  # noqa: ARG001
    members: Sequence[Member],
) -> int:
    """Bytes of these members that this clone lacks; whole packs may bring more. Asks no store."""
    sizes = {m.digest: m.size for m in members if m.size}
    small = {digest for digest, size in sizes.items() if size < pack.SMALL}
    big = (d for d in sizes.keys() - small if not manager.cache.has(Oid(d.hex())))
    return sum(sizes[digest] for digest in (*manager.folders.packs.missing(small), *big))


def provider(
    manager: DataManager,
    dataset: Dataset,
    version: Version,
    listing: Listing,  # noqa: ARG001
    roles: Sequence[str],
    advance: Advance,
) -> Provide:
    """Gives members of this version, verified: small ones as bytes, others as a function that writes them.

    Raises, once all else was given, Corrupt or ObjectMissing naming a member that nobody has, and what the
    stores say; the function raises the same.
    """
    return _Provider(manager, dataset, version, roles, advance).give


class _Provider:
    """Finds the members of one version."""

    def __init__(
        self,
        manager: DataManager,
        dataset: Dataset,
        version: Version,
        roles: Sequence[str],
        advance: Advance,
    ) -> None:
        self._manager = manager
        self._dataset = dataset
        self._version = version
        self._roles = roles
        self._advance = advance
        self._packs = manager.folders.packs
        self._troubles = Troubles(dataset, version)
        self._big = BigMembers(manager, roles, advance, self._troubles)

    def give(self, members: Sequence[Member]) -> Iterator[tuple[bytes, bytes | Fill]]:
        sizes = {m.digest: m.size for m in members}
        if EMPTY in sizes:
            yield EMPTY, b""
        small = {digest for digest, size in sizes.items() if 0 < size < pack.SMALL}
        left = set(small)
        for digest, data in self._small(small):
            left.discard(digest)
            yield digest, data
        if left:
            raise self._troubles.nowhere(next(m for m in members if m.digest in left), len(left))
        yield from self._big.give({m.digest: m for m in members if m.size >= pack.SMALL}.values())

    def _small(self, wanted: set[bytes]) -> _Got:
        left = set(wanted)
        for digest, data in self._packs.read(wanted):
            left.discard(digest)
            yield digest, data
        for trash in (False, True):
            for refs in self._lists(trash=trash):
                if not left:
                    return
                for digest, data in self._from_packs(refs, left, trash=trash):
                    left.discard(digest)
                    yield digest, data

    def _lists(self, *, trash: bool) -> Iterator[list[PackRef]]:
        """What the stores say of this version, and then of others of the dataset: they share members."""
        live = (
            v for v in self._dataset.versions if v.state is not State.DELETED and v.oid != self._version.oid
        )
        for oid in dict.fromkeys((self._version.oid, *(v.oid for v in live))):
            for role in self._roles:
                try:
                    yield treepacks.read_list(self._manager.store(role), oid, trash=trash)
                except TROUBLES as error:
                    self._troubles.note(error)

    def _from_packs(self, refs: Sequence[PackRef], wanted: set[bytes], *, trash: bool) -> _Got:
        """From these packs, role by role: what one store has damaged another may have whole."""
        left = set(wanted)
        for role in self._roles if refs else ():
            found = self._found(role, refs, trash=trash)
            held = [(one, treepacks.covered(index.digests, left), index) for one, index in found]
            indexes = {one.oid: index for one, _, index in held}
            plan = treepacks.assigned(left, [(one, gives) for one, gives, _ in held])
            jobs = {one: partial(self._fetch, one, indexes[one.oid], mine) for one, mine in plan}
            for one, future in treepacks.in_parallel(jobs, treepacks.AT_ONCE):
                try:
                    for digest, data in self._members(one, future.result()):
                        left.discard(digest)
                        yield digest, data
                except TROUBLES as error:
                    self._troubles.note(error)
            if not left:
                return

    def _found(
        self, role: str, refs: Sequence[PackRef], *, trash: bool
    ) -> Iterator[tuple[Stored, pack.Index]]:
        """The packs that a store has, with their indexes."""
        jobs = {ref: partial(self._look, role, ref, trash=trash) for ref in refs}
        for _, future in treepacks.in_parallel(jobs):
            try:
                found = future.result()
            except TROUBLES as error:
                self._troubles.note(error)
                continue
            if found is not None:
                yield found

    def _look(self, role: str, ref: PackRef, *, trash: bool) -> tuple[Stored, pack.Index] | None:
        store = self._manager.store(role)
        found = treepacks.find(store, ref, trash=trash)
        if found is None:
            return None
        if found.is_plain:
            return found, treepacks.remote_index(store, found)
        treepacks.take_over(self._manager, found, advance=self._advance)  # no range of it means anything
        return found, self._packs.read_index(found.oid)

    def _fetch(self, found: Stored, index: pack.Index, wanted: set[bytes]) -> "list[pack.Range] | set[bytes]":
        """Bring a pack here, whose members are then given; or say which ranges to read."""
        if not found.is_plain:
            return wanted
        parts = pack.ranges(index, wanted)
        if found.size > TINY and sum(part.stop - part.start for part in parts) < found.size * WHOLE:
            return [piece for part in parts for piece in _pieces(part)]
        treepacks.take_over(self._manager, found, advance=self._advance)
        return wanted

    def _members(self, found: Stored, got: "list[pack.Range] | set[bytes]") -> _Got:
        if isinstance(got, set):
            yield from self._packs.read(got)
            if not self._packs.keeps:
                self._packs.drop(found.oid)
            return
        jobs = {part: partial(self._range, found, part) for part in got}
        for part, future in treepacks.in_parallel(jobs, treepacks.AT_ONCE):
            for entry, data in part.members(future.result()):
                yield entry.digest, data

    def _range(self, found: Stored, part: pack.Range) -> bytes:
        store, size = self._manager.store(found.role), part.stop - part.start
        with store.adapter.read_object(
            found.form.key, start=part.start, length=size, etag=found.form.etag
        ) as body:
            data = body.read(size)
        self._advance(len(data))
        return data


def _pieces(part: pack.Range) -> Iterator[pack.Range]:
    """A long range in shorter ones, between members."""
    some: list[pack.Entry] = []
    for entry in part.entries:
        if some and entry.offset + entry.length - some[0].offset > PIECE:
            yield _range(some)
            some = []
        some.append(entry)
    yield _range(some)


def _range(entries: Sequence[pack.Entry]) -> pack.Range:
    return pack.Range(entries[0].offset, entries[-1].offset + entries[-1].length, tuple(entries))
