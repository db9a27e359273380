"""Folders follow the commit that was checked out, as far as this clone has their files."""

from array import array

from git_datamanager.content.tree import Listing
from git_datamanager.errors import DirtyFile, Forbidden, ObjectMissing
from git_datamanager.manager import DataManager
from git_datamanager.model.manifest import Dataset, Manifest, Version
from git_datamanager.ops import local
from git_datamanager.ops.trees import local as folder_local
from git_datamanager.workspace import folderput

_NOTHING = Listing([], array("q"), b"", b"")


def advance(
    manager: DataManager, sides: tuple[Manifest, ...], dataset: Dataset, version: Version, *, moves: bool
) -> bool:
    """Bring a folder without local changes to this version, from what this clone has; True where it moved,
    False where it was right already.

    Raises DirtyFile where it has changes, ObjectMissing where this clone lacks files, or nothing may move.
    """
    name, folders = dataset.name, manager.folders
    try:
        seen = folders.look(name)
    except Forbidden as error:
        raise DirtyFile(f"{name} is no folder here: it was left as it is") from error
    if seen is not None and seen.oid == version.oid:
        if not seen.globs:
            folders.vouch(name, version.oid)
        return False
    known = {oid for side in sides for oid in local.known_contents(manager, side, name)}
    if seen is not None and (seen.listing is None or seen.oid not in known):
        raise DirtyFile(f"{name} has changes that were not added: it was left as it is")
    listing = folder_local.kept_listing(manager, version.oid) if moves else None
    if listing is None:
        raise ObjectMissing(f"the files of {name} {version.name} are not in this clone")
    globs = seen.globs if seen is not None else ()
    members = folder_local.part_of(listing, globs)
    standing = seen.listing if seen is not None else None
    wanted = folder_local.to_write(members, standing)
    beside = folder_local.here(folders.path(name), seen, wanted)
    if not folder_local.is_complete(manager, wanted, beside):
        raise ObjectMissing(f"files of {name} {version.name} are not in this clone")
    folderput.materialise(
        folders, name, folderput.Version(version.oid, members, globs),
        folder_local.provider(beside, folder_local.kept_members(manager)),
        known=[standing] if standing is not None else [],
        held=folder_local.is_held(manager, dataset, seen.oid if seen is not None else None),
    )  # fmt: skip
    return True


def take_away(manager: DataManager, dataset: Dataset) -> bool:
    """Remove a folder that holds a version, once its files are in packs and the cache."""
    name, folders = dataset.name, manager.folders
    seen = folders.look(name)
    if seen is None or seen.listing is None or seen.oid not in {v.oid for v in dataset.versions}:
        return False
    folderput.materialise(
        folders, name, folderput.Version(seen.oid, _NOTHING), folder_local.kept_members(manager),
        known=[seen.listing], held=folder_local.is_held(manager, dataset, seen.oid),
    )  # fmt: skip
    folders.states.forget(name)
    folders.path(name).rmdir()
    return True
