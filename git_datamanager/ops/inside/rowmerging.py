"""`git data resolve --merge-rows`: one version with the rows of two: docs/design/rowmerge.md."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from git_datamanager.errors import DataError, NotFound
from git_datamanager.manager import DataManager
from git_datamanager.model.heads import Heads, heads, stacked
from git_datamanager.model.manifest import FILE_NAME, Dataset, Kind, Manifest, loads
from git_datamanager.model.names import pasteable
from git_datamanager.ops import select
from git_datamanager.ops.add import Added, take_in
from git_datamanager.ops.inside import reading
from git_datamanager.ops.inside.reading import MayFetch
from git_datamanager.tables import kinds
from git_datamanager.tables.merging.decisions import Decisions, Scope, Single
from git_datamanager.tables.merging.merged import RowMerge, Take

_AT_WORK = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REBASE_HEAD")


class Merged(NamedTuple):
    """What became of one dataset."""

    name: str
    heads: Heads
    rows: RowMerge
    added: Added | None
    """The new version; None where clashes are left."""


class Wanted(NamedTuple):
    """How rows are merged."""

    scopes: Mapping[Scope, Take] = {}
    """Whose cell stands where both sides changed it; while some clash has none, nothing is written."""
    single: Mapping[str, Single] = {}
    """The same, conflict by conflict, by the name of the dataset."""
    key: tuple[str, ...] = ()
    """The columns that tell rows apart; none: the dataset's own."""
    is_dry: bool = False


class Done(NamedTuple):
    merged: list[Merged]
    failures: list[tuple[str, DataError]]
    """Datasets that cannot be merged, each for itself: the others are."""


def merge_rows(manager: DataManager, names: Sequence[str], wanted: Wanted, may_fetch: MayFetch) -> Done:
    """Unite the two open ends of each dataset that is named; without names of all whose two newest versions
    are such.

    Raises NotFound where a named one has nothing to merge, DataError where a decision is not of any that is
    merged: before any is.
    """
    manifest, own = manager.manifests.current(), _own_ids(manager)
    chosen = [w.dataset for w in select.select(manager, manifest, names)] if names else list(manifest)
    found = [(dataset, heads(dataset, own) if names else stacked(dataset, own)) for dataset in chosen]
    done = Done([], [])
    pairs = [(d, _refuse_single(d, pair)) for d, pair in found if names or pair is not None]
    _check_decisions([dataset.name for dataset, _ in pairs], wanted)
    for dataset, pair in pairs:
        try:
            done.merged.append(_one(manager, dataset, pair, wanted, may_fetch))
        except DataError as error:
            done.failures.append((dataset.name, error))
    return done


def _refuse_single(dataset: Dataset, found: Heads | None) -> Heads:
    if found is None:
        raise NotFound(
            f"{dataset.name} has one newest version: there are no rows to merge",
            hints=[f"git data log {pasteable(dataset.name)}"],
        )
    return found


def _check_decisions(names: Sequence[str], wanted: Wanted) -> None:
    """What is decided in a file for a dataset, or without the name of any for all."""
    absent = [name for name, single in wanted.single.items() if single and name not in names]
    if absent:
        raise DataError(
            f"{absent[0]} has decisions, and there are no rows of it to merge: nothing was merged",
            hints=["git data resolve --merge-rows --json   # what there is to decide now"],
        )
    if len(names) > 1 and any(wanted.scopes):
        raise DataError(
            f"tables are decided for one dataset, and {len(names)} would be merged: nothing was merged",
            hints=[f"git data resolve --merge-rows --take … {pasteable(names[0])}   # name it"],
        )


def _own_ids(manager: DataManager) -> set[str]:
    """The entries that this side had: HEAD in the middle of a merge, a rebase or a cherry-pick; after a merge
    the first parent of the last one that changed the manifest."""
    git = manager.git
    own: str | None = "HEAD"
    if all(git.answer("rev-parse", "-q", "--verify", name) is None for name in _AT_WORK):
        merge = git.answer("rev-list", "--merges", "--full-history", "-1", "HEAD", "--", FILE_NAME)
        own = f"{merge}^1" if merge else None
    data = git.blob(f"{own}:{FILE_NAME}") if own else None
    manifest = loads(data) if data is not None else Manifest()
    return {version.id for _, version in manifest.entries()}


def _one(manager: DataManager, dataset: Dataset, found: Heads, wanted: Wanted, may_fetch: MayFetch) -> Merged:
    if dataset.kind is not Kind.FILE:
        raise DataError(
            f"{dataset.name} is a folder: its rows are in many files, and are not merged",
            hints=_by_hand(dataset, found),
        )
    versions = [version for version in found if version is not None]
    reading.bring(manager, [(dataset, version) for version in versions], may_fetch)
    with ExitStack() as stack:
        paths = {
            version.id: stack.enter_context(reading.version_file(manager, dataset, version, is_hashed=True))
            for version in versions
        }
        out = stack.enter_context(manager.cache.new_file())
        try:
            rows = _merged(dataset, found, paths, out, wanted)
        except DataError as error:
            if not error.message.startswith(dataset.name):
                error = type(error)(f"{dataset.name}: {error.message}", hints=error.hints)
            raise type(error)(error.message, hints=error.hints or _by_hand(dataset, found)) from error
        if not rows.is_written:
            return Merged(dataset.name, found, rows, None)
        message = "Merge the rows of {} and {}".format(*sorted((found.ours.name, found.theirs.name)))
        parent, *merges = _descent(dataset, found)
        added = take_in(
            manager,
            dataset.name,
            out,
            message=message,
            merges=tuple(merges),
            parent=parent,
            dry_run=wanted.is_dry,
        )
    return Merged(dataset.name, found, rows, added)


def _descent(dataset: Dataset, found: Heads) -> tuple[str, str]:
    """The two sides, the parent first: the newest version, but never one of a third branch."""
    newest = dataset.latest
    if newest is not None and newest.id == found.theirs.id:
        return found.theirs.id, found.ours.id
    return found.ours.id, found.theirs.id


def _by_hand(dataset: Dataset, found: Heads) -> list[str]:
    name = pasteable(dataset.name)
    return [
        f"git data pull {name}@{found.ours.name}   # or @{found.theirs.name}: choose one side …",
        f"git data add {name}   # … bring in what the other has, and add it",
    ]


def _merged(dataset: Dataset, found: Heads, paths: Mapping[str, Path], out: Path, wanted: Wanted) -> RowMerge:
    base = paths[found.base.id] if found.base else None
    ours, theirs = paths[found.ours.id], paths[found.theirs.id]
    seen = {kinds.kind_of(path, dataset.name) for path in paths.values()}
    kind = seen.pop()
    if seen or kind == kinds.OTHER:
        raise DataError(
            f"{dataset.name} is no table that can be merged by rows",
            hints=_by_hand(dataset, found),
        )
    key = wanted.key or tuple(dataset.options.get("key") or ())
    sides = (found.base, found.ours, found.theirs)
    versions = " ".join(version.oid.hex if version else "-" for version in sides)
    decisions = Decisions(wanted.scopes, wanted.single.get(dataset.name, {}), versions)
    if kind == kinds.SQLITE:
        from git_datamanager.tables.merging import sqlite as merge_sqlite

        return merge_sqlite.merge(base, ours, theirs, out, {"": key} if key else {}, decisions)
    if not key:
        raise DataError(
            f"the rows of {dataset.name} are merged by a key, and it has none",
            hints=[
                f"git data resolve --merge-rows --key COLUMN {pasteable(dataset.name)}   # or A,B: once",
                f'"options": {{"key": ["COLUMN"]}}   # in the entry of {dataset.name} in {FILE_NAME}: always',
            ],
        )
    from git_datamanager.tables.merging import duck as merge_duck

    return merge_duck.merge(kind, base, ours, theirs, out, key, decisions, dataset.name)
