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
from git_datamanager.ops import reading, select
from git_datamanager.ops.add import Added, take_in
from git_datamanager.ops.reading import MayFetch
from git_datamanager.tables import kinds
from git_datamanager.tables.merged import RowMerge
from git_datamanager.tables.rowmerge import Take


class Merged(NamedTuple):
    """What became of one dataset."""

    name: str
    heads: Heads
    rows: RowMerge
    added: Added | None
    """The new version; None where clashes are left."""


def merge_rows(
    manager: DataManager, names: Sequence[str], take: Take | None, may_fetch: MayFetch
) -> list[Merged]:
    """Unite the two open ends of each dataset that is named; without names of all whose two newest versions
    are such.

    Raises NotFound where a named one has nothing to merge, NotHere, DirtyFile, Conflict, DataError where a
    dataset cannot be merged by rows.
    """
    manifest, own = manager.manifests.current(), _own_ids(manager)
    chosen = [w.dataset for w in select.select(manager, manifest, names)] if names else list(manifest)
    done = []
    for dataset in chosen:
        found = heads(dataset, own) if names else stacked(dataset, own)
        if found is None:
            if names:
                raise NotFound(
                    f"{dataset.name} has one newest version: there are no rows to merge",
                    hints=[f"git data log {pasteable(dataset.name)}"],
                )
            continue
        done.append(_one(manager, dataset, found, take, may_fetch))
    return done


def _own_ids(manager: DataManager) -> set[str]:
    """The entries that this side had: HEAD in the middle of a merge, after it the first parent of the last
    merge that changed the manifest."""
    git = manager.git
    own: str | None = "HEAD"
    if git.answer("rev-parse", "-q", "--verify", "MERGE_HEAD") is None:
        merge = git.answer("rev-list", "--merges", "--full-history", "-1", "HEAD", "--", FILE_NAME)
        own = f"{merge}^1" if merge else None
    data = git.blob(f"{own}:{FILE_NAME}") if own else None
    manifest = loads(data) if data is not None else Manifest()
    return {version.id for _, version in manifest.entries()}


def _one(
    manager: DataManager, dataset: Dataset, found: Heads, take: Take | None, may_fetch: MayFetch
) -> Merged:
    if dataset.kind is not Kind.FILE:
        raise DataError(f"{dataset.name} is a folder: its rows are in many files, and are not merged")
    versions = [version for version in found if version is not None]
    reading.bring(manager, [(dataset, version) for version in versions], may_fetch)
    with ExitStack() as stack:
        paths = {
            version.id: stack.enter_context(reading.version_file(manager, dataset, version))
            for version in versions
        }
        out = stack.enter_context(manager.cache.new_file())
        rows = _merged(dataset, found, paths, out, take)
        if not rows.is_written:
            return Merged(dataset.name, found, rows, None)
        message = "Merge the rows of {} and {}".format(*sorted((found.ours.name, found.theirs.name)))
        newest = dataset.latest
        merges = tuple(v.id for v in (found.ours, found.theirs) if newest is None or v.id != newest.id)
        added = take_in(manager, dataset.name, out, message=message, merges=merges)
    return Merged(dataset.name, found, rows, added)


def _merged(
    dataset: Dataset, found: Heads, paths: Mapping[str, Path], out: Path, take: Take | None
) -> RowMerge:
    base = paths[found.base.id] if found.base else None
    ours, theirs = paths[found.ours.id], paths[found.theirs.id]
    seen = {kinds.kind_of(path, dataset.name) for path in paths.values()}
    kind = seen.pop()
    if seen or kind == kinds.OTHER:
        raise DataError(
            f"{dataset.name} is no table that can be merged by rows",
            hints=[
                f"git data pull {pasteable(dataset.name)}@{found.ours.name}   # choose one, then git data add"
            ],
        )
    key = tuple(dataset.options.get("key") or ())
    if kind == kinds.SQLITE:
        from git_datamanager.tables import merge_sqlite

        return merge_sqlite.merge(base, ours, theirs, out, {"": key} if key else {}, take)
    if not key:
        raise DataError(
            f"the rows of {dataset.name} are merged by a key, and it has none",
            hints=[f'add "key": ["COLUMN"] to the options of {dataset.name} in {FILE_NAME}'],
        )
    from git_datamanager.tables import merge_duck

    return merge_duck.merge(kind, base, ours, theirs, out, key, take, dataset.name)
