"""Which files of a folder have rules, and which of them are new: docs/design/checks.md."""

import re
from collections.abc import Mapping, Sequence

from git_datamanager.content.tree import Listing
from git_datamanager.errors import NotFound
from git_datamanager.manager import DataManager
from git_datamanager.model.manifest import Dataset, Kind, Version
from git_datamanager.model.names import pasteable
from git_datamanager.ops.inside.members import version_listing
from git_datamanager.ops.inside.reading import MayFetch
from git_datamanager.ops.inside.rulebook import of_dataset
from git_datamanager.tables import kinds
from git_datamanager.tables.rules import Rule

_WILD = re.compile(r"[*?\[]")


def rules_for(rules: Sequence[Rule], dataset: Dataset) -> list[Rule]:
    """Those that a dataset, or a file in it, may have to keep."""
    is_file = dataset.kind is Kind.FILE
    return of_dataset(rules, dataset.name) if is_file else _of_folder(rules, dataset.name)


def _of_folder(rules: Sequence[Rule], name: str) -> list[Rule]:
    """A pattern means files of a folder only where it names the folder: `*.csv` was written for datasets."""
    return [rule for rule in rules if rule.dataset == name or _begins(rule.dataset, f"{name}/")]


def _begins(pattern: str, folder: str) -> bool:
    return _WILD.split(pattern, maxsplit=1)[0].startswith(folder)


def member_rules(listing: Listing, folder: str, rules: Sequence[Rule]) -> Mapping[str, list[Rule]]:
    """By the path of each table in the folder the rules of its whole name, `FOLDER/path`."""
    found = {path: of_dataset(rules, f"{folder}/{path}") for path in listing.paths if kinds.could_be(path)}
    return {path: mine for path, mine in found.items() if mine}


def unchanged(listing: Listing, other: Listing) -> set[str]:
    """Paths that hold the same bytes on both sides."""
    places = ((path, n, other.position(path)) for n, path in enumerate(listing.paths))
    return {path for path, n, m in places if m is not None and listing.digest(n) == other.digest(m)}


def listing_of(
    manager: DataManager, dataset: Dataset, version: Version | None, may_fetch: MayFetch
) -> Listing:
    """The files of a version, or of the working folder. Raises NotFound without one, NotHere, and what the
    stores say."""
    if version is not None:
        return version_listing(manager, dataset, version, may_fetch)
    seen = manager.folders.look(dataset.name) if manager.git.top else None
    if seen is None or seen.listing is None:
        raise NotFound(
            f"it cannot be said what {dataset.name} holds in the work tree",
            hints=[f"git data pull {pasteable(dataset.name)}"],
        )
    return seen.listing
