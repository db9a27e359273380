"""Replacing a working folder by another version of it, at once or not at all.

Built beside it under a temporary name, flushed, switched in if the folder is still what was looked at;
then the old one is taken apart. Before the switch every byte of it is somewhere else too: under a
second name in the new folder, in a pack, in the cache, or kept aside.
"""

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from git_datamanager import fsio
from git_datamanager.content import pack, tree
from git_datamanager.content.tree import EMPTY, Listing
from git_datamanager.content.treediff import same
from git_datamanager.errors import DirtyFile, NotFound
from git_datamanager.model.members import check_members
from git_datamanager.model.names import pasteable
from git_datamanager.model.oid import Oid
from git_datamanager.workspace import folderleft
from git_datamanager.workspace.folderbuild import TRACE, Built, Provide, Standing, build, trace_of, traces
from git_datamanager.workspace.folderhandle import Handle, opened
from git_datamanager.workspace.folderleft import NEW, OLD, Aside
from git_datamanager.workspace.folders import Folders
from git_datamanager.workspace.folderscan import INODE, Look, raise_refused, scan, scan_calm, shown
from git_datamanager.workspace.folderstate import recorded
from git_datamanager.workspace.folderswitch import exchange, flush

_NAMED = 3


class Version(NamedTuple):
    """What is to stand there."""

    oid: Oid
    """Of the whole version."""
    members: Listing
    """Those to write: all, or the ones that `globs` ask for."""
    globs: tuple[str, ...] = ()


def materialise(
    folders: Folders,
    name: str,
    version: Version,
    provide: Provide,
    *,
    known: Sequence[Listing],
    held: bool = False,
    force: bool = False,
) -> str | None:
    """Make the folder `name` hold exactly these members.

    `known` are listings whose files may be replaced; `held` says that a store is known to hold all their
    members. Returns the id under which files with other bytes were kept (`force`), else None. Raises
    DirtyFile, Forbidden, ObjectMissing, Corrupt; the old folder stands as it was then.
    """
    members = tree.checked(version.members, check_members)
    outer, _, leaf = name.rpartition("/")
    with opened(folders.top, outer or ".", create=True) as parent:
        _tidy(folders, parent)
        standing = _standing(folders, name)
        dirty = _dirty(standing, [*known, members]) if standing else []
        if dirty and not force:
            raise _refusal(name, [standing.listing.paths[n] for n in dirty] if standing else [])
        work = _Replacement(folders, name, parent, leaf, standing, dirty, held=held)
        if standing is None or standing.listing != members:
            return work.run(members, provide, lambda built: _record(folders, name, version, built))
        _record_as_it_is(folders, name, version, standing)
    return None


def _tidy(folders: Folders, parent: Handle) -> None:
    def is_kept(digest: bytes) -> bool:
        return not folders.packs.missing([digest]) or folders.cache.has(Oid(digest.hex()))

    folderleft.sweep(parent, is_kept, lambda leaf: _aside(folders, leaf))


def _aside(folders: Folders, name: str) -> Aside:
    return Aside(folders.cache.root.parent / "kept", name, folders.announce)


def _standing(folders: Folders, name: str) -> Standing | None:
    seen = folders.look(name, calm=True)
    if seen is None:
        return None
    raise_refused(name, seen.look, what="the folder was left as it is")
    if seen.listing is None:
        raise DirtyFile(f"{name} changes while it is read: it was left as it is", hints=["git data status"])
    return Standing(seen.look, seen.listing)


def _dirty(standing: Standing, known: Sequence[Listing]) -> list[int]:
    """Positions of files that no known listing has under this path."""
    there = standing.listing
    dirty = []
    for n, path in enumerate(there.paths):
        at = ((listing, listing.position(path)) for listing in known)
        if not any(m is not None and same(there, n, listing, m) for listing, m in at):
            dirty.append(n)
    return dirty


def _refusal(name: str, paths: Sequence[str]) -> DirtyFile:
    some = ", ".join(shown(path) for path in paths[:_NAMED])
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    files = f"{len(paths)} {'files' if len(paths) > 1 else 'file'}"
    hint = pasteable(name)
    return DirtyFile(
        f"{name} has {files} with changes that were not added ({some}{more}): it was left as it is",
        hints=[f"git data add {hint}", f"git data pull --force {hint}   # keeps your files, prints their id"],
    )


class _Replacement:
    """One replacement of one folder, and what it knows of the old one."""

    def __init__(
        self,
        folders: Folders,
        name: str,
        parent: Handle,
        leaf: str,
        standing: Standing | None,
        dirty: Sequence[int],
        *,
        held: bool,
    ) -> None:
        self._folders = folders
        self._name = name
        self._parent = parent
        self._leaf = leaf
        self._standing = standing
        self._dirty = dirty
        self._held = held
        self._aside = _aside(folders, name)
        self._saved: list[Oid] = []

    def run(self, target: Listing, provide: Provide, record: Callable[[Built], None]) -> str | None:
        place_name, new = folderleft.begin(self._parent, self._leaf)
        try:
            built = self._switch_in(place_name, new, target, provide)
        except BaseException:
            self._abandon(place_name, new)
            raise
        finally:
            new.close()
        self._take_apart(place_name, built)
        for oid in self._saved:
            self._folders.cache.seal(oid)
        record(built)
        return self._aside.entry

    def _switch_in(self, place_name: str, new: Handle, target: Listing, provide: Provide) -> Built:
        with self._old_handle() as old:
            there = (self._standing, old) if self._standing and old else None
            built = build(new, target, there, provide)
            flush(new, target.paths, len(target))
            if self._standing is not None and old is not None:
                try:
                    self._preserve(self._standing, old, target, built)
                except FileNotFoundError as error:
                    raise self._changed() from error
                self._check_unchanged(self._standing, old)
        self._switch(place_name)
        return built

    def _abandon(self, place_name: str, new: Handle) -> None:
        """Remove the new folder if it still stands aside: what failed may have been what follows the
        switch. Then the old one stands aside, and is left to the next command."""
        place = self._parent.below(place_name)
        try:
            if not place.exists(NEW) or place.stat(NEW).st_ino != new.own().st_ino or place.exists(OLD):
                return
        finally:
            place.close()
        folderleft.dismantle(new, lambda *_: True, self._aside)
        folderleft.finish(self._parent, place_name)

    @contextmanager
    def _old_handle(self) -> Iterator[Handle | None]:
        if self._standing is None:
            yield None
            return
        old = self._parent.below(self._leaf)
        try:
            yield old
        finally:
            old.close()

    def _preserve(self, standing: Standing, old: Handle, target: Listing, built: Built) -> None:
        """Nobody's bytes go: what the new folder does not hold is put somewhere else."""
        there = standing.listing
        stays = {EMPTY, *(target.digest(n) for n in range(len(target)))}
        gone = [n for n in range(len(there)) if n not in built.taken]
        dirty = set(self._dirty)
        clean = [n for n in gone if n not in dirty and there.digest(n) not in stays]
        small = {there.digest(n): n for n in clean if there.sizes[n] < pack.SMALL}
        if self._folders.packs.keeps or not self._held:
            self._pack(old, there, small)
        for n in clean:
            if there.sizes[n] >= pack.SMALL:
                self._cache(there, n)
        for n in dirty:
            self._aside.keep(old, there.paths[n])

    def _pack(self, old: Handle, there: Listing, small: dict[bytes, int]) -> None:
        packs = self._folders.packs
        missing = packs.settle(small.keys())
        with packs.packing() as packing:
            for digest in missing:
                packing.add([(digest, self._bytes(old, there, small[digest]))])
        if missing and packs.settle(missing):
            raise DirtyFile(f"the bytes of {self._name} could not be kept: it was left as it is")

    def _bytes(self, old: Handle, there: Listing, n: int) -> bytes:
        import hashlib

        with os.fdopen(old.open_read(there.paths[n]), "rb") as file:
            data = file.read(there.sizes[n] + 1)
        if hashlib.sha256(data).digest() != there.digest(n):
            raise self._changed()
        return data

    def _cache(self, there: Listing, n: int) -> None:
        oid = Oid(there.digest(n).hex())
        with fsio.Folder(self._folders.top, f"{self._name}/{there.paths[n]}") as folder:
            if not self._folders.cache.take(folder, folder.leaf, oid):
                raise self._changed()
        self._saved.append(oid)

    def _check_unchanged(self, standing: Standing, old: Handle) -> None:
        """The folder still is what was looked at; second names moved only the ctime of its files."""
        try:
            now = scan(self._folders.top, self._name)
        except NotFound as error:
            raise self._changed() from error
        before = standing.look
        if now.refused or now.inode != before.inode or old.own().st_ino & INODE != before.inode:
            raise self._changed()
        if now.paths != before.paths or traces(now) != traces(before):
            raise self._changed()

    def _changed(self) -> DirtyFile:
        return DirtyFile(f"{self._name} changed meanwhile: it was left as it is", hints=["git data status"])

    def _switch(self, place_name: str) -> None:
        place = self._parent.below(place_name)
        try:
            if self._standing is None:
                place.rename(NEW, self._parent, self._leaf)
            elif exchange(place, NEW, self._parent, self._leaf):
                self._check_switched(place, self._standing)
            else:
                self._switch_by_two_renames(place)
            place.fsync()
            self._parent.fsync()
        finally:
            place.close()

    def _switch_by_two_renames(self, place: Handle) -> None:
        self._parent.rename(self._leaf, place, OLD)
        try:
            place.rename(NEW, self._parent, self._leaf)
        except OSError:
            place.rename(OLD, self._parent, self._leaf)
            raise

    def _check_switched(self, place: Handle, standing: Standing) -> None:
        """What came out is what was looked at; else the two trade their names again."""
        if place.stat(NEW).st_ino & INODE != standing.look.inode:
            exchange(place, NEW, self._parent, self._leaf)
            raise self._changed()

    def _take_apart(self, place_name: str, built: Built) -> None:
        place = self._parent.below(place_name)
        try:
            for part in (NEW, OLD):
                if self._standing is not None and place.exists(part):
                    old = place.below(part)
                    try:
                        folderleft.dismantle(old, _Unchanged(self._standing.look, built.taken), self._aside)
                    finally:
                        old.close()
        finally:
            place.close()
        folderleft.finish(self._parent, place_name)


class _Unchanged:
    """Whether a file of the old folder is what was looked at, and so was preserved."""

    def __init__(self, look: Look, taken: Collection[int]) -> None:
        self._look = look
        self._traces = traces(look)
        self._at = {path: n for n, path in enumerate(look.paths)}
        self._taken = taken

    def __call__(self, path: str, found: os.stat_result) -> bool:
        n = self._at.get(path)
        if n is None:
            return path in self._look.passed
        if n in self._taken and found.st_nlink > 1:
            return True  # what was written to it meanwhile stands in the new folder too
        return tuple(self._traces[n * TRACE : n * TRACE + TRACE]) == trace_of(found)


def _record(folders: Folders, name: str, version: Version, built: Built) -> None:
    """Note what stands there now, if it is what was written."""
    try:
        look = scan_calm(folders.top, name)
    except NotFound:
        return
    members = version.members
    if look.refused or look.paths != members.paths or traces(look) != built.traces:
        folders.states.forget(name)  # somebody was quick: it is hashed when it is looked at
        return
    _note(folders, name, version, look)


def _record_as_it_is(folders: Folders, name: str, version: Version, standing: Standing) -> None:
    _note(folders, name, version, standing.look)


def _note(folders: Folders, name: str, version: Version, look: Look) -> None:
    members = version.members
    own = Oid(tree.digest_of(members).hex())
    record = recorded(
        look,
        members.digests,
        version.oid,
        kept=bytes([1]) * len(members),
        vouched=version.oid,
        picked=own if own != version.oid else None,
        globs=version.globs,
    )
    folders.states.put(name, record)
