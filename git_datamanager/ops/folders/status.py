"""`git data status` of a folder: one look, and file by file only where it was changed."""

from typing import NamedTuple

from git_datamanager.content.treediff import Changes, changes
from git_datamanager.errors import DataError, Forbidden
from git_datamanager.manager import DataManager
from git_datamanager.model.manifest import Dataset, Version
from git_datamanager.workspace import folders
from git_datamanager.workspace.place import Stamp
from git_datamanager.workspace.worktree import Seen, What

_UNSEEN = Stamp("", 0, 0)


class Files(NamedTuple):
    """The files of a working folder."""

    members: int
    globs: tuple[str, ...]
    """What a partial pull was asked for; empty where all is meant to be here."""
    changes: Changes | None = None
    """Against the latest version, as far as it was pulled; None where nothing is changed, and where this
    clone does not know the version file by file."""
    refused: tuple[str, ...] = ()
    """What lies there and cannot be a member, with the reason."""


def look(manager: DataManager, dataset: Dataset, *, rehash: bool) -> tuple[Seen, folders.Seen | None]:
    """A look at the folder as one at a file, and what was seen of its members."""
    try:
        found = manager.folders.look(dataset.name, rehash=rehash)
    except Forbidden:
        return Seen(What.OTHER, _UNSEEN), None
    except DataError:  # it changes while it is looked at, or holds too much for one folder
        return Seen(What.FILE, _UNSEEN), None
    if found is None:
        return Seen(What.ABSENT, _UNSEEN), None
    return Seen(What.FILE, _UNSEEN, found.oid), found


def files_of(manager: DataManager, version: Version | None, found: folders.Seen, *, modified: bool) -> Files:
    """What to tell of its files."""
    refused = tuple(f"{one.path} {one.reason}" for one in found.look.refused)
    differs = _changes(manager, version, found) if modified and version else None
    return Files(len(found.look), found.globs, differs, refused)


def _changes(manager: DataManager, version: Version, found: folders.Seen) -> Changes | None:
    from git_datamanager.ops.trees import local as folder_local

    if found.listing is None:
        return None
    whole = folder_local.kept_listing(manager, version.oid)
    if whole is None:
        return None
    if not found.globs:
        return changes(whole, found.listing)
    wanted = {*folder_local.part_of(whole, found.globs).paths, *found.listing.paths}
    meant = whole.picked([n for n, path in enumerate(whole.paths) if path in wanted])
    return changes(meant, found.listing)


def is_stored(manager: DataManager, role: str, version: Version) -> bool:
    """The store holds the listing, which is what makes the version exist there; `fsck` looks at its files."""
    from git_datamanager import encoded
    from git_datamanager.model.layout import tree_key

    store = manager.store(role)
    if store.adapter.stat_object(tree_key(version.oid)) is not None:
        return True
    if any(True for _ in encoded.forms(store, version.oid)):
        return True
    manager.journal.lost(manager.remotes.remote(role).url, version.oid)
    return False
