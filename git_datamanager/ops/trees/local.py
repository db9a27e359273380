"""What this clone has of a folder: listings, members, and which of its files may be replaced."""

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from git_datamanager.content import pack, tree
from git_datamanager.content.snapshot import hash_file
from git_datamanager.content.tree import EMPTY, Listing, Member
from git_datamanager.content.treediff import same
from git_datamanager.errors import Corrupt, NotFound
from git_datamanager.manager import DataManager
from git_datamanager.model.manifest import Dataset, Manifest
from git_datamanager.model.members import check_members
from git_datamanager.model.oid import EMPTY as NOTHING
from git_datamanager.model.oid import Oid
from git_datamanager.ops import local
from git_datamanager.workspace.folderbuild import Provide
from git_datamanager.workspace.folderpick import picked
from git_datamanager.workspace.folders import Seen
from git_datamanager.workspace.place import Fill

_VERSIONS = 8
"""So many older listings are read to tell whose a file is."""


def kept_listing(manager: DataManager, oid: Oid) -> Listing | None:
    """The listing of a version, if this clone has it. A damaged one is dropped; bytes that are right and no
    listing stay: a manifest that calls a file a folder may not cost the only copy of it."""
    if oid == NOTHING:
        return tree.loads(b"", check=check_members)
    try:
        with manager.cache.open(oid) as file:
            if hash_file(file)[0] == oid.hex:
                file.seek(0)
                return tree.load(file, check=check_members)
    except (FileNotFoundError, Corrupt):
        return None
    manager.cache.drop(oid)
    return None


def part_of(listing: Listing, globs: Sequence[str]) -> Listing:
    """The members that one of the globs names, all without any; a glob may name nothing here."""
    if not globs:
        return listing
    wanted: set[str] = set()
    for glob in globs:
        try:
            wanted.update(picked(listing, [glob]).paths)
        except NotFound:
            continue
    return listing.picked([n for n, path in enumerate(listing.paths) if path in wanted])


def known_listings(
    manager: DataManager, manifests: Sequence[Manifest], name: str, seen: Seen | None
) -> list[Listing]:
    """The listings whose files may be replaced in this folder: all of it where it is a version, else those
    that git data put there, and those of versions."""
    if seen is None or seen.listing is None:
        return []
    known = {oid for manifest in manifests for oid in local.known_contents(manager, manifest, name)}
    if seen.oid in known:
        return [seen.listing]
    record = manager.folders.states.get(name)
    first = [record.vouched] if record and record.vouched in known else []
    versions = [v.oid for m in manifests if name in m.datasets for v in m.datasets[name].versions]
    oids = list(dict.fromkeys([oid for oid in first if oid] + versions))[:_VERSIONS]
    return [found for oid in oids if (found := kept_listing(manager, oid)) is not None]


def is_held(manager: DataManager, dataset: Dataset, oid: Oid | None) -> bool:
    """A store is known to hold this version of the folder."""
    return oid in {v.oid for v in dataset.versions} and oid is not None and bool(manager.journal.holders(oid))


def to_write(members: Listing, standing: Listing | None) -> Listing:
    """The members that do not stand there already, under their path."""
    if standing is None:
        return members
    at = ((n, standing.position(path)) for n, path in enumerate(members.paths))
    return members.picked([n for n, m in at if m is None or not same(members, n, standing, m)])


def here(top: Path, seen: Seen | None, wanted: Listing) -> dict[bytes, Path]:
    """Files of a folder, at `top`, whose bytes are wanted somewhere: under another name, or elsewhere."""
    if seen is None or seen.listing is None or not len(wanted):
        return {}
    digests = {wanted.digest(n) for n in range(len(wanted))} - {EMPTY}
    there = seen.listing
    return {d: top / path for n, path in enumerate(there.paths) if (d := there.digest(n)) in digests}


def is_complete(manager: DataManager, wanted: Listing, beside: Collection[bytes]) -> bool:
    """This clone has the bytes of all these members: `beside`, in packs or in the cache."""
    digests = {m.digest: m.size for m in wanted if m.size and m.digest not in beside}
    absent = manager.packs.missing(d for d, size in digests.items() if size < pack.SMALL)
    absent |= {d for d, size in digests.items() if size >= pack.SMALL}
    return all(manager.cache.has(Oid(digest.hex())) for digest in absent)


def provider(beside: Mapping[bytes, Path], others: Provide) -> Provide:
    """Gives members from files that are `beside`, the others as `others` does."""

    def provide(members: Sequence[Member]) -> Iterator[tuple[bytes, bytes | Fill]]:
        left = []
        for member in members:
            content = _read(beside.get(member.digest), member)
            if content is None:
                left.append(member)
            else:
                yield member.digest, content
        if left:
            yield from others(left)

    return provide


def _read(path: Path | None, member: Member) -> bytes | Fill | None:
    """The bytes of a file, for a big one what writes them; None where it does not hold them any more."""
    if path is None:
        return None
    if member.size >= pack.SMALL:
        return local.copier(path, Oid(member.digest.hex()), member.size)
    try:
        with path.open("rb") as file:
            data = file.read(member.size + 1)
    except OSError:
        return None
    return data if hashlib.sha256(data).digest() == member.digest else None


def kept_members(manager: DataManager) -> Provide:
    """Gives the members that lie in packs and in the cache of this clone; others it leaves out."""

    def provide(members: Sequence[Member]) -> Iterator[tuple[bytes, bytes | Fill]]:
        given = set()
        for digest, data in manager.packs.read(m.digest for m in members if m.size < pack.SMALL):
            given.add(digest)
            yield digest, data
        for member in members:
            oid = Oid(member.digest.hex())
            if member.digest not in given and manager.cache.has(oid):
                yield member.digest, local.copier(manager.cache.path(oid), oid, member.size)

    return provide
