"""Files inside folders, as questions and profiles name them: FOLDER/path, FOLDER@v2/path."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from git_datamanager.content.tree import Listing, Member
from git_datamanager.errors import Conflict, NameRefused, NotFound
from git_datamanager.events import mover
from git_datamanager.manager import DataManager
from git_datamanager.model.manifest import Dataset, Kind, Manifest, Version
from git_datamanager.model.names import pasteable
from git_datamanager.ops.inside.reading import MayFetch, not_here, steady
from git_datamanager.ops.select import known_name, name_of, split_version
from git_datamanager.ops.trees.local import here, kept_listing, kept_members
from git_datamanager.ops.trees.local import provider as beside_or
from git_datamanager.tables.words import FOLDER
from git_datamanager.workspace.folderbuild import Provide


class Inside(NamedTuple):
    """A file of a folder, as an argument names it."""

    dataset: Dataset
    version: str | None
    """As it was written; None: the latest."""
    path: str


def inside(manager: DataManager, manifest: Manifest, text: str) -> Inside | None:
    """What `FOLDER/path` or `FOLDER@v2/path` means; None where no dataset is such a folder."""
    for whole in (*_full(manager, text), text):
        for end in (n for n, sign in enumerate(whole) if sign == "/" and n):
            for name, version in ((whole[:end], None), split_version(whole[:end])):
                dataset = manifest.datasets.get(known_name(manager, manifest, name))
                if dataset is not None and dataset.kind is Kind.TREE:
                    return Inside(dataset, version, whole[end + 1 :])
    return None


def _full(manager: DataManager, text: str) -> Iterator[str]:
    """The name from the top, where the user stands below it."""
    if manager.git.top is not None and manager.git.prefix:
        with suppress(NameRefused):
            yield name_of(manager, text)


@contextmanager
def member_file(
    manager: DataManager, dataset: Dataset, version: Version | None, path: str, may_fetch: MayFetch
) -> Iterator[Path]:
    """A file with the bytes of one member of a version, or as it stands in the work tree (None).

    Raises NotFound where the folder holds no such file, NotHere, Conflict where it changes meanwhile, and
    what the stores say.
    """
    if version is None:
        found = member_of(_standing(manager, dataset), dataset, None, path)
        with steady(manager.folders.path(dataset.name).joinpath(*found.path.split("/"))) as file:
            yield file
        return
    listing = version_listing(manager, dataset, version, may_fetch)
    member = member_of(listing, dataset, version, path)
    with tempfile.TemporaryDirectory(prefix=FOLDER) as folder:
        target = Path(folder) / "member"
        _write(manager, dataset, version, listing, member, target, may_fetch)
        yield target


def member_of(listing: Listing, dataset: Dataset, version: Version | None, path: str) -> Member:
    """Raises NotFound, with names that are alike."""
    position = listing.position(path)
    if position is not None:
        return listing[position]
    alike = get_close_matches(path, listing.paths, 3) or list(islice(listing.paths, 3))
    where = f"{dataset.name} {version.name}" if version else f"{dataset.name} in the work tree"
    said = f"{where} holds no file {path}" if path else f"{where} is a folder: name a file in it"
    raise NotFound(said, hints=[f"it holds {', '.join(alike)}"] if alike else [])


def version_listing(manager: DataManager, dataset: Dataset, version: Version, may_fetch: MayFetch) -> Listing:
    """What a version of a folder holds. Raises NotHere, and what the stores say."""
    kept = kept_listing(manager, version.oid)
    if kept is not None:
        return kept
    _ask(dataset, version, may_fetch)
    from git_datamanager.ops.fetch import roles
    from git_datamanager.ops.trees.listing import listing_of

    return listing_of(manager, dataset, version, roles(version, "auto"))


def _ask(dataset: Dataset, version: Version, may_fetch: MayFetch) -> None:
    if not may_fetch([(dataset, version)]):
        raise not_here([(dataset, version)])


def _standing(manager: DataManager, dataset: Dataset) -> Listing:
    seen = manager.folders.look(dataset.name) if manager.git.top else None
    if seen is None:
        raise NotFound(
            f"{dataset.name} is not in the work tree", hints=[f"git data pull {pasteable(dataset.name)}"]
        )
    if seen.listing is None:
        refused = "; ".join(f"{one.path} {one.reason}" for one in seen.look.refused[:3])
        raise Conflict(
            f"it cannot be said what {dataset.name} holds: {refused or 'it changes while it is looked at'}",
            hints=["git data status"],
        )
    return seen.listing


def _write(
    manager: DataManager, dataset: Dataset, version: Version, listing: Listing, member: Member,
    target: Path, may_fetch: MayFetch) -> None:  # fmt: skip
    """From the working folder, the cache and the packs, else from the stores."""
    if not member.size:
        target.touch()
        return
    seen = manager.folders.look(dataset.name) if manager.git.top else None
    beside = here(manager.folders.path(dataset.name), seen, listing) if seen else {}
    if _filled(beside_or(beside, kept_members(manager)), member, target):
        return
    _ask(dataset, version, may_fetch)
    from git_datamanager.ops.fetch import roles
    from git_datamanager.ops.trees.store import provider

    advance = mover(manager.progress, dataset.name)
    _filled(provider(manager, dataset, version, listing, roles(version, "auto"), advance), member, target)


def _filled(provide: Provide, member: Member, target: Path) -> bool:
    """Whether there was anything to write."""
    for _, content in provide([member]):
        with target.open("w+b") as file:
            if isinstance(content, bytes):
                file.write(content)
            else:
                content(file)
        return True
    return False
