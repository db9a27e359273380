"""`git data add DIR`: a folder becomes a version, and what is counted of it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from git_datamanager.content import tree
from git_datamanager.content.tree import Listing, Member
from git_datamanager.content.treediff import changes
from git_datamanager.errors import Conflict, DataError, NotFound
from git_datamanager.events import Event, Kind, mover
from git_datamanager.manager import DataManager
from git_datamanager.model.manifest import Dataset, Version
from git_datamanager.model.members import check_members
from git_datamanager.model.names import pasteable
from git_datamanager.model.oid import Oid
from git_datamanager.ops.trees import local as folder_local
from git_datamanager.workspace.folderstate import Recorded


class Folder(NamedTuple):
    """What was read of one folder."""

    listing: Listing
    """Of the version it becomes."""
    oid: Oid
    own: Oid
    """Of what stands there: of a partly pulled folder another one than the version's."""
    globs: tuple[str, ...]
    """What of the version stands there; empty for all."""


class Files(NamedTuple):
    """How a version of a folder differs from the one below."""

    members: int
    added: int | None
    """None, as the two below, where this clone does not know the version below."""
    modified: int | None
    deleted: int | None


def capture(manager: DataManager, dataset: Dataset | None, name: str) -> Folder:
    """Read the folder; its bytes go into packs and the cache on the way.

    Of a partly pulled folder the members outside of what was pulled stay as they are in its version.
    Raises DataError for an empty folder and for what cannot be a member.
    """
    manager.progress(Event(Kind.PLAN, name, 0))
    try:
        found = manager.folders.capture(name, advance=mover(manager.progress, name))
    except NotFound as error:
        raise NotFound(
            f"there is no folder {name}: nothing was added", hints=[f"git data pull {pasteable(name)}"]
        ) from error
    manager.progress(Event(Kind.DONE, name))
    record = manager.folders.states.get(name)
    if record is None or not record.globs or record.vouched is None or dataset is None:
        if not len(found.listing):
            raise _empty(name)
        return Folder(found.listing, found.oid, found.oid, ())
    return _completed(manager, dataset, record, found.listing, found.oid)


def _empty(name: str) -> DataError:
    return DataError(
        f"{name} holds no files, and an empty folder is no dataset: nothing was added",
        hints=[f"git data delete {pasteable(name)}   # where the dataset is to go"],
    )


def _completed(manager: DataManager, dataset: Dataset, record: Recorded, here: Listing, own: Oid) -> Folder:
    """The version that a partly pulled folder stands for: what was not pulled is as it was."""
    whole = _base(manager, dataset, record.vouched)
    selected = {*folder_local.part_of(whole, record.globs).paths, *here.paths}
    kept: list[Member] = [member for member in whole if member.path not in selected]
    try:
        listing = tree.listing([*kept, *here], check=check_members)
    except DataError as error:
        raise DataError(f"{dataset.name}: {error}: nothing was added") from error
    if not len(listing):
        raise _empty(dataset.name)
    beyond = sorted(set(here.paths) - set(folder_local.part_of(here, record.globs).paths))
    globs = (*record.globs, *beyond)
    if len(folder_local.part_of(listing, globs)) != len(here):
        raise Conflict(
            f"{dataset.name} is only partly here, and the new file {beyond[0]!a} has a name that reads as a "
            "pattern: nothing was added",
            hints=[f"git data pull {pasteable(dataset.name)}   # all of it, then add again"],
        )
    return Folder(listing, Oid(tree.digest_of(listing).hex()), own, globs)


def _base(manager: DataManager, dataset: Dataset, oid: Oid | None) -> Listing:
    from git_datamanager.ops.fetch import roles
    from git_datamanager.ops.trees.store import listing_of

    kept = folder_local.kept_listing(manager, oid) if oid else None
    if kept is not None:
        return kept
    version = next((v for v in dataset.versions if v.oid == oid), None)
    if version is None:
        raise Conflict(
            f"{dataset.name} is only partly here, and of a version that is not in the manifest: nothing was "
            "added",
            hints=[f"git data pull --force {pasteable(dataset.name)}   # keeps your files, prints their id"],
        )
    return listing_of(manager, dataset, version, roles(version, "auto"))


def enter(manager: DataManager, name: str, found: Folder) -> None:
    """The folder is a version now: git data stands for what is there."""
    states = manager.folders.states
    record = states.get(name)
    if record is None or record.oid not in (found.own, found.oid):
        return  # it changed since it was read
    picked = found.own if found.globs else None
    states.put(name, replace(record, oid=found.oid, vouched=found.oid, picked=picked, globs=found.globs))


def files_of(manager: DataManager, listing: Listing, previous: Version | None) -> Files:
    """What `add` says of a folder: how many files, and how many of them are other ones than before."""
    if previous is None:
        return Files(len(listing), len(listing), 0, 0)
    before = folder_local.kept_listing(manager, previous.oid)
    if before is None:
        return Files(len(listing), None, None, None)
    found = changes(before, listing)
    return Files(len(listing), len(found.added), len(found.modified), len(found.deleted))


class Sizes(NamedTuple):
    """What sending a folder would take: `git data add --explain DIR`."""

    name: str
    size: int
    small: int
    """Members that travel together, in packs."""
    small_size: int
    big: int
    big_size: int
    empty: int
    largest: str


def sizes(manager: DataManager, names: Sequence[str]) -> list[Sizes]:
    """Look at folders; nothing is read, added or sent. Raises DataError for what cannot be a member."""
    from git_datamanager.workspace.folderscan import raise_refused, scan

    found = []
    for name in names:
        look = scan(manager.git.work_tree, name)
        raise_refused(name, look, what="nothing was looked at")
        found.append(_sizes(name, [look.size(n) for n in range(len(look))], look.paths))
    return found


def _sizes(name: str, every: list[int], paths: list[str]) -> Sizes:
    from git_datamanager.content.pack import SMALL

    small = [size for size in every if 0 < size < SMALL]
    big = [size for size in every if size >= SMALL]
    largest = paths[every.index(max(every))] if every else ""
    empty = len(every) - len(small) - len(big)
    return Sizes(name, sum(every), len(small), sum(small), len(big), sum(big), empty, largest)
