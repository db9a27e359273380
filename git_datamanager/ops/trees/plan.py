"""What has to be sent of a pending folder: whatever no store of ours holds already.

A pack of production counts where publish said so, in the list of packs of a version that is published; a
pack of staging where this clone sent or checked it. What lies in a pack its own index says.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from git_datamanager import encoded
from git_datamanager.content import pack
from git_datamanager.content.packlist import PackRef
from git_datamanager.content.repack import crowded
from git_datamanager.content.tree import EMPTY, Listing, Member
from git_datamanager.errors import (
    Corrupt,
    DataError,
    Denied,
    NotFound,
    ObjectMissing,
    PreconditionFailed,
    SettingsError,
    Unreachable,
)
from git_datamanager.manager import DataManager
from git_datamanager.model.layout import IDENTITY, tree_key
from git_datamanager.model.manifest import Dataset, State, Version
from git_datamanager.model.oid import Oid
from git_datamanager.ops import encode
from git_datamanager.ops.trees import listing as treelisting
from git_datamanager.ops.trees import packs as treepacks
from git_datamanager.ops.trees.packs import Stored

OLDER = 3
"""Versions below, whose packs are looked at."""
LIVE = 0.5
"""A pack of which less is alive is written anew, where its members are at hand."""
_SILENT = (Denied, Unreachable, SettingsError, NotFound)
_BAD = (Corrupt, ObjectMissing, PreconditionFailed)


@dataclass
class Plan:
    """What to send, and what is there."""

    listing: Listing
    small: set[bytes] = field(default_factory=set)
    """Members to be packed."""
    big: list[Member] = field(default_factory=list)
    """Members to be sent alone, each content once."""
    kept: list[PackRef] = field(default_factory=list)
    """Packs that are in place and go on being named."""
    has_list: bool = True
    """Staging's list names all that are kept; nothing is to be packed."""
    has_listing: bool = True

    @property
    def is_done(self) -> bool:
        return not self.small and not self.big and self.has_list and self.has_listing


class _Held(NamedTuple):
    """A pack that counts, and what it holds."""

    ref: PackRef
    inside: pack.Index
    is_own: bool
    """Staging's list of this very version names it: that was decided before."""

    def live(self, wanted: set[bytes]) -> set[bytes]:
        return wanted.intersection(self.inside.digests)

    def share(self, alive: set[bytes]) -> float:
        """Of its bytes, how much these members are."""
        return sum(e.length for e in self.inside if e.digest in alive) / self.inside.area


def plan(manager: DataManager, dataset: Dataset, version: Version) -> Plan:
    """Compare a version with what the stores hold. Raises what `treelisting.listing_of` raises, and what
    staging answers."""
    return _Planner(manager, dataset, version).plan()


class _Planner:
    def __init__(self, manager: DataManager, dataset: Dataset, version: Version) -> None:
        self._manager = manager
        self._dataset = dataset
        self._version = version
        self._packs = manager.folders.packs
        self._staging = manager.store("staging")
        self._location = manager.remotes.remote("staging").url
        self._older = dataset.older(version)[:OLDER]

    def plan(self) -> Plan:
        listing = treelisting.listing_of(
            self._manager, self._dataset, self._version, ("staging", "production")
        )
        made = Plan(listing)
        sizes = {m.digest: m.size for m in listing if m.digest != EMPTY}
        small = {digest for digest, size in sizes.items() if size < pack.SMALL}
        if small:
            self._plan_packs(made, small)
        made.big = self._absent([m for m in listing if m.size >= pack.SMALL])
        made.has_listing = self._has_listing()
        return made

    def _plan_packs(self, made: Plan, small: set[bytes]) -> None:
        own = self._list("staging", self._version.oid)
        held = {one.ref: one for one in self._held(own)}
        gives = treepacks.assigned(small, [(one.ref, one.live(small)) for one in held.values()])
        kept = {ref: alive for ref, alive in gives if not self._is_better_anew(held[ref], alive)}
        many = crowded(ref for ref in kept if not held[ref].is_own)
        if many and self._is_here(set().union(*(kept[ref] for ref in many))):
            kept = {ref: alive for ref, alive in kept.items() if ref not in many}
        made.kept = sorted(kept)
        made.small = small.difference(*kept.values())
        made.has_list = set(made.kept) <= set(own)

    def _is_better_anew(self, one: _Held, alive: set[bytes]) -> bool:
        return not one.is_own and one.share(alive) < LIVE and self._is_here(alive)

    def _is_here(self, members: set[bytes]) -> bool:
        return not self._packs.missing(members)

    def _list(self, role: str, oid: Oid) -> list[PackRef]:
        try:
            return treepacks.read_list(self._manager.store(role), oid)
        except Corrupt:
            return []
        except _SILENT:
            if role == "staging":
                raise
            return []

    def _held(self, own: Sequence[PackRef]) -> Iterator[_Held]:
        """The packs that count: what publish vouches for, then what is staged."""
        vouched, claimed = dict[PackRef, None](), dict.fromkeys(own)
        same = [v for v in self._dataset.versions if v.oid == self._version.oid]
        for version in (*same, *self._older):
            if version.state is State.PUBLISHED:
                vouched |= dict.fromkeys(self._list("production", version.oid))
            elif version.oid != self._version.oid:
                claimed |= dict.fromkeys(self._list("staging", version.oid))
        yield from self._looked("production", vouched, set(own))
        yield from self._looked("staging", {r: None for r in claimed if r not in vouched}, set(own))

    def _looked(self, role: str, refs: dict[PackRef, None], own: set[PackRef]) -> Iterator[_Held]:
        jobs = {ref: partial(self._look, role, ref) for ref in refs}
        for ref, future in treepacks.in_parallel(jobs):
            try:
                index = future.result()
            except _BAD:
                continue
            except _SILENT:
                if role == "staging":
                    raise
                continue
            if index is not None:
                yield _Held(ref, index, ref in own)

    def _look(self, role: str, ref: PackRef) -> pack.Index | None:
        store = self._manager.store(role)
        found = treepacks.find(store, ref)
        if found is None:
            return None
        if role == "staging" and not self._is_known(found):
            self._check(found)
        try:
            return self._packs.read_index(found.oid)
        except (FileNotFoundError, Corrupt):
            return treepacks.remote_index(store, found) if found.is_plain else self._fetched(found)

    def _is_known(self, found: Stored) -> bool:
        return self._manager.journal.seen(self._location, found.oid) == (found.form.key, found.form.etag)

    def _check(self, found: Stored) -> None:
        """Somebody else's pack counts once all of it was read."""
        with treepacks.whole(self._manager, found) as (path, index), path.open("rb") as file:
            pack.verify(file, bytes.fromhex(found.oid.hex), index)
        self._manager.journal.saw(self._location, found.oid, found.size, found.form.etag, key=found.form.key)

    def _fetched(self, found: Stored) -> pack.Index:
        treepacks.take_over(self._manager, found)
        return self._packs.read_index(found.oid)

    def _absent(self, big: Sequence[Member]) -> list[Member]:
        """Those that no published version has, and that staging does not hold."""
        members = {m.digest: m for m in big}
        for version in self._older if members else ():
            if version.state is State.PUBLISHED:
                for member in self._members(version):
                    members.pop(member.digest, None)
        jobs = {m: partial(self._is_staged, m) for m in members.values()}
        return [member for member, future in treepacks.in_parallel(jobs) if not future.result()]

    def _members(self, version: Version) -> Sequence[Member]:
        try:
            return treelisting.listing_of(self._manager, self._dataset, version, ("production",))
        except DataError:
            return []

    def _is_staged(self, member: Member) -> bool:
        """Sent or checked by this clone before; the rest `put` looks at."""
        oid = Oid(member.digest.hex())
        found = self._staging.stat(oid, member.size)
        return found is not None and self._manager.journal.seen(self._location, oid) == (None, found.etag)

    def _has_listing(self) -> bool:
        """Staging holds the listing, or a form of it, that this clone sent or that gives the right bytes."""
        oid = self._version.oid
        is_plain = encode.wish(self._manager, self._dataset) == "identity"
        key, etag = self._manager.journal.seen(self._location, oid) or (None, None)
        if key is not None and (key == tree_key(oid) or not is_plain):
            found = self._staging.adapter.stat_object(key)
            if found is not None and found.etag == etag:
                return True
        found = self._staging.adapter.stat_object(tree_key(oid))
        forms = [encoded.Form(IDENTITY, found.key, found.size, found.etag)] if found else []
        forms += [] if is_plain else encoded.forms(self._staging, oid)
        return any(self._gives(one) for one in forms)

    def _gives(self, one: encoded.Form) -> bool:
        oid, roles = self._version.oid, ("production", "staging")
        try:
            with self._manager.cache.new_file() as path, path.open("w+b") as file:
                treelisting.read_form(self._manager, self._staging, one, oid, file, roles)
        except _BAD:
            return False
        self._manager.journal.saw(self._location, oid, self._version.size, one.etag, key=one.key)
        return True
