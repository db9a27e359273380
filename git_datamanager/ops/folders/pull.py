"""`git data pull` of a folder: all of it, or the members that globs ask for; at once or not at all."""

import os
import shlex
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from git_datamanager.content.tree import Listing
from git_datamanager.errors import DataError, DirtyFile, Forbidden
from git_datamanager.events import Event, Kind, mover
from git_datamanager.manager import DataManager
from git_datamanager.model.manifest import Dataset, Manifest, Version
from git_datamanager.model.names import pasteable
from git_datamanager.ops.fetch import roles
from git_datamanager.ops.trees import local as folder_local
from git_datamanager.ops.trees import store as treestore
from git_datamanager.workspace import folderput
from git_datamanager.workspace.folderbuild import Provide
from git_datamanager.workspace.folderpick import picked
from git_datamanager.workspace.folders import Folders, Seen
from git_datamanager.workspace.folderstate import FolderStates, Recorded


class Asked(NamedTuple):
    """One folder to bring here."""

    dataset: Dataset
    version: Version
    source: str
    globs: tuple[str, ...] = ()
    """The members that are asked for; empty for all."""
    keeps_part: bool = False
    """What of it was pulled before is brought up to date, and no more."""
    force: bool = False
    dry_run: bool = False


class Done(NamedTuple):
    """What became of the folder."""

    is_current: bool
    source: str
    """cache, or the store that was asked for the rest."""
    fetched: int = 0
    """Bytes that this clone lacked."""
    files: int = 0
    """Members that were written, or would be."""
    globs: tuple[str, ...] = ()
    kept: str | None = None


def pull(manager: DataManager, manifest: Manifest, asked: Asked) -> Done:
    """Bring a folder to its place in the work tree. Raises DirtyFile naming files, ObjectMissing, Corrupt."""
    name, version, folders = asked.dataset.name, asked.version, manager.folders
    seen = _look(folders, name)
    globs = _globs(asked, seen)
    if seen is not None and seen.oid == version.oid and seen.globs in ((), globs):
        if not seen.globs:
            folders.vouch(name, version.oid)
        return Done(is_current=True, source="cache", globs=seen.globs)
    listing = _listing(manager, asked)
    known = folder_local.known_listings(manager, [manifest, manager.manifests.current()], name, seen)
    return _Bringing(manager, folders, name, asked, listing).run(seen, _target(asked, listing, globs), known)


def write_out(manager: DataManager, asked: Asked, parent: Path, name: str) -> Done:
    """Write a folder below one of the user's own; it does not become the working folder."""
    folders = Folders(parent, _NoStates(parent), manager.packs, manager.cache, manager.folders.announce)
    path = parent / name
    if not parent.is_dir():
        hint = f"mkdir -p {shlex.quote(str(parent))}"
        raise DataError(f"there is no folder {parent}: nothing was written", hints=[hint])
    try:
        seen = folders.look(name)
    except Forbidden as error:
        raise DirtyFile(f"{path} exists and is no folder: it was left as it is") from error
    listing = _listing(manager, asked)
    target = _target(asked, listing, asked.globs)
    if seen is not None and seen.listing == target.members:
        return Done(is_current=True, source="cache", globs=target.globs)
    if seen is not None and (seen.look.refused or len(seen.look)) and not asked.force:
        again = f"git data pull {pasteable(asked.dataset.name)} -o {shlex.quote(str(path))} --force"
        raise DirtyFile(
            f"{path} exists and holds something else: it was left as it is",
            hints=[f"{again}   # keeps its files, prints their id"],
        )
    return _Bringing(manager, folders, name, asked, listing).run(seen, target, [])


def is_at_hand(manager: DataManager, dataset: Dataset, version: Version) -> bool:
    """The folder stands there, or can be made of what this clone has: no store need be asked."""
    if manager.git.top is not None:
        record = manager.folders.states.get(dataset.name)
        if record is not None and record.oid == version.oid and not record.globs:
            return True
    listing = folder_local.kept_listing(manager, version.oid)
    return listing is not None and folder_local.is_complete(manager, listing, ())


def _look(folders: Folders, name: str) -> Seen | None:
    try:
        return folders.look(name)
    except Forbidden as error:
        if os.path.lexists(folders.path(name)) and not folders.path(name).is_dir():
            raise Forbidden(
                f"{name} is a file here, and a folder in the manifest: it was left as it is",
                hints=[
                    shlex.join(["mv", "-n", name, f"{name}.mine"]) + "   # from the top of the repository"
                ],
            ) from error
        raise


def _globs(asked: Asked, seen: Seen | None) -> tuple[str, ...]:
    """What of the version shall stand there: globs come on top of what a partial pull asked for before."""
    before = seen.globs if seen is not None else ()
    if not asked.globs:
        return before if asked.keeps_part else ()
    return tuple(dict.fromkeys((*before, *asked.globs)))


def _listing(manager: DataManager, asked: Asked) -> Listing:
    stores = roles(asked.version, asked.source)
    return treestore.listing_of(manager, asked.dataset, asked.version, stores)


def _target(asked: Asked, listing: Listing, globs: tuple[str, ...]) -> folderput.Version:
    """Raises NotFound where a glob that was given names nothing."""
    picked(listing, asked.globs)
    members = folder_local.part_of(listing, globs)
    whole = len(members) == len(listing)
    return folderput.Version(asked.version.oid, members, () if whole else globs)


class _Bringing:
    """One folder on its way to its place."""

    def __init__(
        self, manager: DataManager, folders: Folders, name: str, asked: Asked, listing: Listing
    ) -> None:
        self._manager = manager
        self._folders = folders
        self._name = name
        self._asked = asked
        self._listing = listing

    def run(self, seen: Seen | None, target: folderput.Version, known: Sequence[Listing]) -> Done:
        asked, standing = self._asked, seen.listing if seen is not None else None
        wanted = folder_local.to_write(target.members, standing)
        beside = self._beside(seen, wanted)
        cost = treestore.cost(
            self._manager, asked.dataset, asked.version, self._listing,
            [member for member in wanted if member.digest not in beside],
        )  # fmt: skip
        source = roles(asked.version, asked.source)[0] if cost else "cache"
        done = Done(is_current=False, source=source, fetched=cost, files=len(wanted), globs=target.globs)
        if asked.dry_run:
            folderput.check(self._folders, self._name, target.members, known, force=asked.force)
            return done
        self._manager.progress(Event(Kind.PLAN, asked.dataset.name, cost))
        kept = folderput.materialise(
            self._folders, self._name, target, self._provider(beside), known=known,
            held=folder_local.is_held(self._manager, asked.dataset, seen.oid if seen else None),
            force=asked.force,
        )  # fmt: skip
        self._folders.keep_listing(self._listing, asked.version.oid)
        self._manager.progress(Event(Kind.DONE, asked.dataset.name))
        return done._replace(kept=kept)

    def _beside(self, seen: Seen | None, wanted: Listing) -> dict[bytes, Path]:
        """Files that hold what is wanted: of the folder to replace, and of the working folder."""
        manager, name = self._manager, self._asked.dataset.name
        found = folder_local.here(self._folders.path(self._name), seen, wanted)
        if self._folders is manager.folders or manager.git.top is None:
            return found
        with suppress(DataError):
            work = manager.folders.look(name)
            found = {**folder_local.here(manager.folders.path(name), work, wanted), **found}
        return found

    def _provider(self, beside: dict[bytes, Path]) -> Provide:
        asked = self._asked
        fetch = treestore.provider(
            self._manager, asked.dataset, asked.version, self._listing,
            roles(asked.version, asked.source), mover(self._manager.progress, asked.dataset.name),
        )  # fmt: skip
        return folder_local.provider(beside, fetch)


class _NoStates(FolderStates):
    """Of a folder that is the user's own nothing is recorded."""

    def get(self, name: str) -> Recorded | None:  # noqa: ARG002
        return None

    def put(self, name: str, record: Recorded) -> None:
        pass
