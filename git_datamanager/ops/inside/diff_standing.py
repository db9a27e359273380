"""What a dataset holds on one side of a diff: a version, or the working file or folder as it is now."""

from typing import NamedTuple

from git_datamanager.content.tree import Listing
from git_datamanager.errors import DataError
from git_datamanager.manager import DataManager
from git_datamanager.model.manifest import Dataset, Kind, State, Version
from git_datamanager.model.oid import Oid
from git_datamanager.ops.inside.diff_words import Place
from git_datamanager.ops.inside.differences import Point
from git_datamanager.ops.inside.reading import is_here
from git_datamanager.workspace.worktree import What

WORK_TREE = "work tree"


class Standing(NamedTuple):
    """A dataset on one side, looked at."""

    dataset: Dataset
    version: Version | None
    """None: what lies in the work tree, which is not its latest version."""
    oid: Oid | None
    """None where it cannot be said."""
    size: int
    problem: str | None = None
    """Why its bytes cannot be compared."""
    listing: Listing | None = None
    """Of a working folder: the members that are there."""
    globs: tuple[str, ...] = ()
    """Of a working folder that was pulled in part."""

    @property
    def point(self) -> Point:
        return Point(self.version.name if self.version else WORK_TREE, self.size, self.version)


def stand(manager: DataManager, place: Place) -> Standing:
    """Look at one side. A working file that is not there stands for its version, as after a clone."""
    version = place.version
    if version is None:
        look = _folder if place.dataset.kind is Kind.TREE else _file
        found = look(manager, place.dataset)
        if found is not None:
            return found
        version = place.dataset.version(None)
    problem = None
    if version.state is State.DELETED:
        day = f" on {version.deleted[:10]}" if version.deleted else ""
        problem = f"{version.name} was deleted{day}: its bytes are gone"
    return Standing(place.dataset, version, version.oid, version.size, problem)


def is_absent(manager: DataManager, standing: Standing) -> bool:
    """A version whose bytes, or whose listing, this clone does not have."""
    if standing.version is None or standing.problem is not None:
        return False
    if standing.dataset.kind is Kind.TREE:
        from git_datamanager.ops.trees.local import kept_listing

        return kept_listing(manager, standing.version.oid) is None
    return not is_here(manager, standing.dataset, standing.version)


def _file(manager: DataManager, dataset: Dataset) -> Standing | None:
    seen = manager.work.look(dataset.name)
    if seen.what is What.ABSENT:
        return None
    if seen.what is What.OTHER:
        return Standing(
            dataset, None, None, 0, "what stands in its place is a folder, a link or a special file"
        )
    return Standing(dataset, _same(dataset, seen.oid), seen.oid, seen.size)


def _folder(manager: DataManager, dataset: Dataset) -> Standing | None:
    try:
        seen = manager.folders.look(dataset.name)
    except DataError as error:
        return Standing(dataset, None, None, 0, str(error))
    if seen is None:
        return None
    if seen.listing is None:
        refused = "; ".join(f"{one.path} {one.reason}" for one in seen.look.refused[:3])
        why = refused or "it changes while it is looked at"
        return Standing(dataset, None, None, 0, f"it cannot be said what the folder holds: {why}")
    size = seen.listing.size
    return Standing(dataset, _same(dataset, seen.oid), seen.oid, size, None, seen.listing, seen.globs)


def _same(dataset: Dataset, oid: Oid | None) -> Version | None:
    """The latest version, where that is what the work tree holds."""
    latest = dataset.latest
    return latest if latest is not None and latest.oid == oid else None
