"""One replacement of one working folder: build, flush, preserve, look again, switch, take apart.

Before the switch every byte of the old folder is somewhere else too: under a second name in the new one,
in a pack, in the cache, or kept aside. A crash at any point leaves the old or the new folder, whole.
"""

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager

from git_datamanager import fsio
from git_datamanager.content import pack
from git_datamanager.content.tree import EMPTY, Listing
from git_datamanager.errors import DirtyFile, NotFound
from git_datamanager.model.oid import Oid
from git_datamanager.workspace import folderleft
from git_datamanager.workspace.folderbuild import TRACE, Built, Provide, Standing, build, trace_of, traces
from git_datamanager.workspace.folderhandle import Handle
from git_datamanager.workspace.folderleft import NEW, OLD, Aside
from git_datamanager.workspace.folders import Folders
from git_datamanager.workspace.folderscan import INODE, Look, scan
from git_datamanager.workspace.folderswitch import exchange, flush


class Replacement:
    """One replacement of one folder, and what it knows of the old one."""

    def __init__(
        self,
        folders: Folders,
        name: str,
        parent: Handle,
        leaf: str,
        standing: Standing | None,
        dirty: Sequence[int],
        aside: Aside,
        *,
        held: bool,
    ) -> None:
        """`dirty` are positions in the standing folder whose bytes go aside; `held` says that a store is
        known to hold all its other members."""
        self._folders = folders
        self._name = name
        self._parent = parent
        self._leaf = leaf
        self._standing = standing
        self._dirty = dirty
        self._held = held
        self._aside = aside
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
