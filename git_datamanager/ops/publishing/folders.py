"""A folder's way into production: docs/spec/tree-v1.md.

Members, packs, the list of packs, the listing: each verified before it is copied, and again where it lies.
What staging's list says only tells where to look; the list of production is made from what was verified.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import PurePosixPath
from typing import NamedTuple

from git_datamanager import encoded
from git_datamanager.content import pack
from git_datamanager.content.packlist import PackRef
from git_datamanager.content.tree import EMPTY, Listing, Member
from git_datamanager.errors import Corrupt, DataError, ObjectMissing, PreconditionFailed
from git_datamanager.model.layout import (
    encoded_key,
    object_key,
    pack_key,
    staging_trash_key,
    trash_key,
    tree_key,
)
from git_datamanager.model.manifest import Dataset, State, Version
from git_datamanager.model.names import pasteable
from git_datamanager.model.oid import Oid
from git_datamanager.objects import STREAMED, ObjectStore, Verified
from git_datamanager.ops.parallel import planned
from git_datamanager.ops.publishing.crossing import Crossing
from git_datamanager.ops.trees import form as treeform
from git_datamanager.ops.trees import listing as treelisting
from git_datamanager.ops.trees import packs as treepacks
from git_datamanager.ops.trees import plan as treeplan
from git_datamanager.ops.trees.packs import Stored
from git_datamanager.storage.base import Presentation

_BAD = (ObjectMissing, Corrupt, PreconditionFailed)
_ROLES = ("production", "staging")


class Folder(NamedTuple):
    """A folder that is in production."""

    checked: Verified
    """Its listing."""
    encodings: dict[str, int]
    """Of the listing: form → bytes."""


def bring(crossing: Crossing, dataset: Dataset, version: Version) -> Folder:
    """All of a version in production, checked; safe to repeat at any point. Raises ObjectMissing and Corrupt
    naming what is missing or wrong: the entry stays pending then."""
    return _Bringer(crossing, dataset, version).bring()


def _members(index: pack.Index) -> list[bytes]:
    return index.digests


def forms(production: ObjectStore, version: Version) -> dict[str, int]:
    """The forms of the listing that publish left in production."""
    return {str(one.encoding): one.size for one in encoded.forms(production, version.oid)}


class _Bringer:
    def __init__(self, crossing: Crossing, dataset: Dataset, version: Version) -> None:
        self._crossing = crossing
        self._manager = crossing.manager
        self._staging = crossing.staging
        self._production = crossing.production
        self._dataset = dataset
        self._version = version
        self._advance = planned(crossing.manager.progress, dataset.name, version.size)
        self._trouble: DataError | None = None

    def bring(self) -> Folder:
        listing = self._listing()
        self._bring_members([m for m in listing if m.size >= pack.SMALL])
        small = {m.digest: m for m in listing if m.digest != EMPTY and m.size < pack.SMALL}
        named = self._bring_packs(small)
        self._crossing.check()
        treepacks.write_list(self._production, self._version.oid, named)
        checked = self._leave_listing(listing)
        location = self._manager.remotes.remote("production").url
        oid, size = self._version.oid, self._version.size
        self._manager.journal.saw(location, oid, size, checked.etag, key=checked.key)
        return Folder(checked, self._keep_form())

    def _listing(self) -> Listing:
        try:
            return treelisting.listing_of(self._manager, self._dataset, self._version, _ROLES)
        except (ObjectMissing, Corrupt) as error:
            raise self._pending(error, f"{error}") from error

    def _pending(self, error: DataError | None, text: str) -> DataError:
        start = f"{self._dataset.name} {self._version.name}: "
        kind = Corrupt if isinstance(error, Corrupt) else ObjectMissing
        return kind(
            f"{start}{text.removeprefix(start)}; it stays pending",
            hints=[f"git data upload {pasteable(self._dataset.name)}   # in the clone where it was added"],
        )

    # Members that are stored alone

    def _bring_members(self, big: Sequence[Member]) -> None:
        members = {m.digest: m for m in big}
        for member in self._published_members() if members else ():
            members.pop(member.digest, None)  # verified when that version was published
        jobs = {member: partial(self._bring_member, member) for member in members.values()}
        for member, future in treepacks.in_parallel(jobs, treepacks.AT_ONCE):
            try:
                future.result()
            except (ObjectMissing, Corrupt) as error:
                raise self._pending(error, f"its member {member.path}: {error}") from error

    def _published_members(self) -> Iterator[Member]:
        for version in self._dataset.older(self._version)[: treeplan.OLDER]:
            if version.state is State.PUBLISHED:
                yield from treelisting.listing_of(self._manager, self._dataset, version, ("production",))

    def _bring_member(self, member: Member) -> None:
        oid, size, production = Oid(member.digest.hex()), member.size, self._production
        try:  # a copy that is there: of a run that was killed, or another dataset's
            production.verify(oid, size, advance=self._advance)
        except (ObjectMissing, Corrupt):
            source, good = self._staged(oid, size)
            self._crossing.check()
            shown = Presentation(filename=PurePosixPath(member.path).name)
            production.copy_from(source, oid, size, good, presentation=shown, advance=self._advance)
            production.verify(oid, size)

    def _staged(self, oid: Oid, size: int) -> tuple[ObjectStore, Verified]:
        """Verified bytes: in staging, in its trash, in the trash of production."""
        keys = object_key(oid), staging_trash_key(object_key(oid))
        try:
            return self._staging, self._staging.first_good(oid, size, keys)
        except (ObjectMissing, Corrupt) as error:
            try:
                return self._production, self._production.verify(oid, size, key=trash_key(oid))
            except (ObjectMissing, Corrupt):
                raise error from None

    # Packs

    def _bring_packs(self, small: dict[bytes, Member]) -> list[PackRef]:
        """Packs in production that hold all of these, verified; those that are needed."""
        vouched, held, left = self._vouched() if small else {}, dict[PackRef, pack.Index](), set(small)
        for claimed in self._claims() if small else ():
            refs = [ref for ref in claimed if ref not in held]
            known = dict(self._indexes([ref for ref in refs if ref in vouched]))
            left.difference_update(*map(_members, known.values()))
            known |= dict(self._taken([ref for ref in refs if ref not in known], left))
            left.difference_update(*map(_members, known.values()))
            held |= known
            if not left:
                gives = [(ref, treepacks.covered(index.digests, set(small))) for ref, index in held.items()]
                return [ref for ref, _ in treepacks.assigned(set(small), gives)]
        if small:
            raise self._lacking(small, left)
        return []

    def _vouched(self) -> set[PackRef]:
        """Packs that an earlier run has verified: lists in production are made of those alone."""
        below = self._dataset.older(self._version)[: treeplan.OLDER]
        published = [v.oid for v in below if v.state is State.PUBLISHED]
        return {ref for oid in (self._version.oid, *published) for ref in self._list(self._production, oid)}

    def _claims(self) -> Iterator[list[PackRef]]:
        """Packs that somebody says hold members: first what its uploader chose, then all others."""
        below = [v.oid for v in self._dataset.older(self._version)[: treeplan.OLDER]]
        for oid in (self._version.oid, *below):
            for store in (self._staging, self._production):
                yield self._list(store, oid, trash=True)

    def _list(self, store: ObjectStore, oid: Oid, *, trash: bool = False) -> list[PackRef]:
        try:
            return treepacks.read_list(store, oid, trash=trash)
        except Corrupt as error:
            self._trouble = error
            return []

    def _indexes(self, refs: Sequence[PackRef]) -> Iterator[tuple[PackRef, pack.Index]]:
        """Of packs in production that were verified when they came there."""
        jobs = {ref: partial(self._index, ref) for ref in refs}
        for ref, future in treepacks.in_parallel(jobs):
            try:
                yield ref, future.result()
            except _BAD as error:
                self._trouble = error

    def _index(self, ref: PackRef) -> pack.Index:
        found = treepacks.find(self._production, ref)
        if found is None:
            raise ObjectMissing(f"production does not hold the pack {Oid(ref.hex).short}")
        return treepacks.remote_index(self._production, found)

    def _taken(self, refs: Sequence[PackRef], wanted: set[bytes]) -> Iterator[tuple[PackRef, pack.Index]]:
        """Verify and copy those that give something that is wanted."""
        jobs = {ref: partial(self._take, ref, frozenset(wanted)) for ref in refs}
        for ref, future in treepacks.in_parallel(jobs, treepacks.AT_ONCE):
            index = future.result()
            if index is not None:
                yield ref, index

    def _take(self, ref: PackRef, wanted: frozenset[bytes]) -> pack.Index | None:
        for found in self._found(ref):
            try:
                return self._take_from(found, wanted)
            except _BAD as error:
                self._trouble = error
        return None

    def _found(self, ref: PackRef) -> Iterator[Stored]:
        for store in (self._production, self._staging):
            for trash in (False, True):
                found = treepacks.find(store, ref, trash=trash)
                if found is not None and found.is_trash == trash:
                    yield found

    def _take_from(self, found: Stored, wanted: frozenset[bytes]) -> pack.Index | None:
        store, key = self._manager.store(found.role), pack_key(found.oid)
        if not found.is_plain:
            return self._unpack(found, wanted)
        index = treepacks.remote_index(store, found)
        if wanted.isdisjoint(index.digests):
            return None
        with store.adapter.read_object(found.form.key, etag=found.form.etag) as body:
            pack.verify(body, bytes.fromhex(found.oid.hex), index)
        if found.role != "production" or found.is_trash:
            good = Verified(found.form.key, found.form.etag, STREAMED, 0)
            self._crossing.check()
            self._production.copy_from(store, found.oid, found.size, good, key=key, advance=self._advance)
            self._production.verify(found.oid, found.size, key=key)
        return index

    def _unpack(self, found: Stored, wanted: frozenset[bytes]) -> pack.Index | None:
        """Make the plain pack of its zstd form."""
        with treepacks.whole(self._manager, found) as (path, index), path.open("rb") as file:
            if wanted.isdisjoint(index.digests):
                return None
            pack.verify(file, bytes.fromhex(found.oid.hex), index)
            file.seek(0)
            self._crossing.check()
            self._production.adapter.write_object(
                pack_key(found.oid), file, found.size, sha256=found.oid.hex, advance=self._advance
            )
        self._production.verify(found.oid, found.size, key=pack_key(found.oid))
        return index

    def _lacking(self, small: dict[bytes, Member], left: set[bytes]) -> DataError:
        first = min(small[digest].path for digest in left)
        more = f" and of {len(left) - 1} more" if len(left) > 1 else ""
        said = f" ({self._trouble})" if self._trouble else ""
        return self._pending(
            self._trouble, f"no pack that is staged holds the bytes of its member {first}{more}{said}"
        )

    # The listing

    def _leave_listing(self, listing: Listing) -> Verified:
        oid, key, production = self._version.oid, tree_key(self._version.oid), self._production
        with treeform.dumped(self._manager, listing) as path, path.open("rb") as file:
            size = path.stat().st_size
            try:
                return production.verify(oid, size, key=key)
            except (ObjectMissing, Corrupt):
                self._crossing.check()
                production.adapter.write_object(key, file, size, sha256=oid.hex)
        return production.verify(oid, size, key=key)

    def _keep_form(self) -> dict[str, int]:
        """The smallest form of the listing that is staged and good, beside the plain one: its next readers
        have the version before."""
        oid = self._version.oid
        standing = forms(self._production, self._version)
        if standing:
            return standing
        live = {v.oid for v in self._dataset.versions if v.state.is_live}
        for one in encoded.forms(self._staging, oid):
            base = one.encoding.base
            if base is not None and base not in live:
                continue  # nobody will have that one
            try:
                with self._manager.cache.new_file() as path, path.open("w+b") as file:
                    treelisting.read_form(self._manager, self._staging, one, oid, file, _ROLES)
                self._crossing.take_over(one.key, one.etag, encoded_key(oid, one.encoding))
            except _BAD:
                continue
            return {str(one.encoding): one.size}
        return {}
