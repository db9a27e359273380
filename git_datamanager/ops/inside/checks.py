"""`git data check`: rules that data must keep, asked of datasets. docs/design/checks.md."""

import math
from collections.abc import Iterator, Sequence

from git_datamanager.content.tree import Listing
from git_datamanager.errors import DataError
from git_datamanager.manager import DataManager
from git_datamanager.model.manifest import Dataset, Kind, Manifest, Version
from git_datamanager.ops.inside.check_asking import Asker, CheckResult, Clock, failed, told, unchecked
from git_datamanager.ops.inside.check_members import listing_of, member_rules, rules_for, unchanged
from git_datamanager.ops.inside.naming import Seen, aliases
from git_datamanager.ops.inside.reading import MayFetch, NotHere, bring, never
from git_datamanager.ops.inside.rulebook import rules_of
from git_datamanager.ops.select import select, version_of
from git_datamanager.tables.engine import NotInstalled
from git_datamanager.tables.rules import Rule

SECONDS = 60.0


def check(
    manager: DataManager,
    names: Sequence[str] = (),
    *,
    version: str | None = None,
    may_fetch: MayFetch = never,
    seconds: float = SECONDS,
) -> list[CheckResult]:
    """Check datasets by the rules of the work tree; without names all that have rules. Without a version
    their working files; the latest version of those that have none, or none that differs.

    What keeps one of several datasets from being checked is the result of its rules. Raises UnknownDataset,
    UnknownVersion, NotInstalled, and of one dataset alone what `run_checks` does.
    """
    rules = rules_of(manager)
    wanted = select(manager, manager.manifests.current(), names)
    subjects = [(d, version or v, mine) for d, v in wanted if (mine := rules_for(rules, d))]
    results = []
    for dataset, asked, mine in subjects:
        is_version = asked is not None or not _is_changed(manager, dataset)
        one = version_of(dataset, asked) if is_version else None
        try:
            results += run_checks(manager, dataset, one, mine, may_fetch=may_fetch, seconds=seconds)
        except NotInstalled:
            raise
        except DataError as error:  # of one dataset: the others are checked all the same
            if len(subjects) == 1:
                raise
            results += [unchecked(dataset.name, one, rule, told(error)) for rule in mine]
    return results


def _is_changed(manager: DataManager, dataset: Dataset) -> bool:
    """There is a working file or folder, and it is not the latest version."""
    if dataset.kind is Kind.TREE:
        seen = manager.folders.look(dataset.name) if manager.git.top is not None else None
        return seen is not None and (dataset.latest is None or seen.oid != dataset.latest.oid)
    if manager.git.top is None or not manager.work.path(dataset.name).is_file():
        return False
    return dataset.latest is None or manager.work.own_bytes(dataset.name, dataset.latest.oid) is None


def run_checks(
    manager: DataManager,
    dataset: Dataset,
    version: Version | None,
    rules: Sequence[Rule],
    *,
    among: Manifest | None = None,
    before: Version | None = None,
    is_news_only: bool = False,
    may_fetch: MayFetch = never,
    seconds: float = SECONDS,
    until: float = math.inf,
) -> list[CheckResult]:
    """Ask each rule of a version (None: of the working file), in their order.

    `among`: where other datasets are looked for, the work tree's manifest unless given; `before`: the version
    to compare with, in place of its parent. Of a folder each file is asked the rules of its own name; with
    `is_news_only` those alone that the version before has not just so. What one rule cannot have (a table, a
    version that is not here) is that rule's result. Each rule gets `seconds`; after `until`, of
    `time.monotonic`, none is asked any more. Raises NotHere where the version itself is not here, NotFound
    without a working file, NotInstalled.
    """
    parent = before or parent_of(dataset, version)
    asker = Asker(manager, among or manager.manifests.current(), may_fetch, Clock(seconds, until))
    if dataset.kind is Kind.TREE:
        folder = Seen(dataset, version, frozenset())
        return list(_in_folder(asker, folder, parent, rules, is_news_only=is_news_only))
    if version is not None:
        bring(manager, [(dataset, version)], may_fetch)
    return asker.ask(Seen(dataset, version, aliases(dataset.name, "")), parent, rules)


def _in_folder(
    asker: Asker, folder: Seen, parent: Version | None, rules: Sequence[Rule], *, is_news_only: bool
) -> Iterator[CheckResult]:
    """Of each file that has rules; a folder as a whole keeps none."""
    name = folder.dataset.name
    problem = f"{name} is a folder: only files can be checked, such as {name}/*.csv"
    yield from (failed(folder, rule, problem) for rule in rules if rule.dataset == name)
    listing = listing_of(asker.manager, folder.dataset, folder.version, asker.may_fetch)
    old = _files_before(asker, folder.dataset, parent)
    same = unchanged(listing, old) if is_news_only and old is not None else set()
    for path, mine in member_rules(listing, name, rules).items():
        if path not in same:
            was = parent if old is not None and old.position(path) is not None else None
            home = folder._replace(aliases=aliases(f"{name}/{path}", ""), member=path)
            yield from asker.ask(home, was, mine)


def parent_of(dataset: Dataset, version: Version | None) -> Version | None:
    """The version that this one followed; of a working file the latest."""
    if version is None:
        return dataset.latest
    parent = dataset.by_id(version.parent) if version.parent else None
    return parent if parent is not None and parent.state.is_live else None


def _files_before(asker: Asker, dataset: Dataset, parent: Version | None) -> Listing | None:
    """None where there is no version before, or nobody has its listing."""
    try:
        return listing_of(asker.manager, dataset, parent, asker.may_fetch) if parent else None
    except NotHere:
        return None
