"""Manifest → Manifest: what each verb changes. Pure; docs/spec/manifest-v1.md says why."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from git_datamanager.errors import Conflict, DataError, ManifestError, NotFound, UnknownVersion
from git_datamanager.model import compaction
from git_datamanager.model.compaction import Kept
from git_datamanager.model.manifest import (
    MAX_NUMBER,
    Dataset,
    DatasetState,
    Kind,
    Manifest,
    State,
    Version,
)
from git_datamanager.model.names import check_name, pasteable
from git_datamanager.model.numbers import settled
from git_datamanager.model.oid import Oid


@dataclass(frozen=True, slots=True)
class Draft:
    """What the author of a new entry brings along."""

    id: str
    time: str
    author: str
    message: str = ""
    merges: tuple[str, ...] = ()
    """Entries beside its parent whose rows it holds too."""
    parent: str | None = None
    """The id of the version that it goes on with, where that is not the latest one."""


def add_version(
    manifest: Manifest,
    name: str,
    oid: Oid,
    size: int,
    draft: Draft,
    *,
    committed: Collection[str],
    kind: Kind = Kind.FILE,
    rollback_of: str | None = None,
) -> Manifest:
    """Put a new pending version on top.

    `committed` are the ids of the entries that HEAD holds: pending entries on top that it lacks are
    replaced, the others stay and the new one is stacked. The same manifest comes back where the
    latest version left has these bytes already, and the draft unites no others with it.
    """
    dataset = manifest.datasets.get(check_name(name)) or Dataset(name=name, kind=kind)
    if dataset.kind is not kind:
        raise Conflict(f"{name} is a {_NOUNS[dataset.kind]} in the manifest: it cannot become another thing")
    kept = replace(_without_uncommitted(dataset, committed), state=None)
    is_repeated = kept.latest is not None and kept.latest.oid == oid
    if is_repeated and rollback_of is None and not draft.merges:
        return manifest.put(kept)
    version = Version(
        number=_next_number(kept),
        id=draft.id,
        state=State.PENDING,
        oid=oid,
        size=size,
        created=draft.time,
        author=draft.author,
        message=draft.message,
        parent=draft.parent or (kept.latest.id if kept.latest else None),
        rollback_of=rollback_of,
        extra={"merges": list(draft.merges)} if draft.merges else {},
    )
    return manifest.put(replace(kept, versions=(version, *kept.versions)))


_NOUNS = {Kind.FILE: "file", Kind.TREE: "folder"}


def _next_number(dataset: Dataset) -> int:
    highest = max((v.number for v in dataset.versions), default=0)
    if highest >= MAX_NUMBER:
        raise ManifestError(f"{dataset.name} has used up its version numbers (v{highest})")
    return highest + 1


def _without_uncommitted(dataset: Dataset, committed: Collection[str]) -> Dataset:
    kept = [v for v in dataset.versions if v.state is not State.PENDING or v.id in committed]
    return replace(dataset, versions=tuple(kept))


def roll_back(
    manifest: Manifest, name: str, to: str, draft: Draft, *, committed: Collection[str], deleted: bool = False
) -> Manifest:
    """A new pending version with the bytes of an older one, of a tombstone only where `deleted` says so.

    Where the older one is the latest that HEAD holds, the drafts on top of it are dropped instead.
    """
    dataset = manifest.dataset(name)
    target = dataset.version(to)
    if target.state is State.DELETED and not deleted:
        raise UnknownVersion(
            f"{name} {target.name} was deleted on {target.deleted}: its bytes may be gone",
            hints=[f"git data undelete {pasteable(name)}@{target.name}   # while they can be had"],
        )
    kept = _without_uncommitted(dataset, committed)
    if target not in kept.versions:
        raise Conflict(
            f"{name} {target.name} is not committed yet: rolling back to it would replace it",
            hints=["git commit"],
        )
    if dataset.state is None and kept.latest is not None and kept.latest.oid == target.oid:
        if kept.versions != dataset.versions:
            return manifest.put(kept)
        raise Conflict(
            f"{name} {kept.latest.name} has the bytes of {target.name} already: nothing to roll back"
        )
    return add_version(
        manifest,
        name,
        target.oid,
        target.size,
        draft,
        committed=committed,
        kind=dataset.kind,
        rollback_of=target.id,
    )


def deleted_with(dataset: Dataset) -> list[Version]:
    """The versions that went, or are to go, with the dataset itself, oldest first: those it was marked
    with at its last deletion. Adjacent ones with the same bytes count once."""
    marked = [v for v in dataset.versions if v.deleting]
    last = max((v.deleting or "" for v in marked), default="")
    together = [v for v in reversed(marked) if v.deleting == last]
    return [v for n, v in enumerate(together) if n == 0 or v.oid != together[n - 1].oid]


def undelete(
    manifest: Manifest,
    name: str,
    drafts: Sequence[tuple[str, Draft]],
    *,
    committed: Collection[str],
) -> Manifest:
    """New pending versions with the bytes of deleted ones, given by name or id, in this order. No tombstone
    is turned back: states only go forward."""
    done: set[str] = set()
    for target, draft in drafts:
        manifest = roll_back(manifest, name, target, draft, committed={*committed, *done}, deleted=True)
        done.add(draft.id)
    return manifest


def mark_dataset(
    manifest: Manifest, name: str, time: str, reason: str | None, *, committed: Collection[str]
) -> Manifest:
    """Ask for the deletion of a dataset; what was never committed simply goes."""
    dataset = _without_uncommitted(manifest.dataset(name), committed)
    if not dataset.versions:
        return manifest.drop(name)
    if dataset.state in (DatasetState.DELETING, DatasetState.DELETED):
        raise NotFound(f"{name} is marked as {dataset.state} already")
    versions = tuple(_mark(v, time, reason) if v.state.is_live else v for v in dataset.versions)
    return manifest.put(replace(dataset, state=DatasetState.DELETING, versions=versions))


def prune_versions(manifest: Manifest, name: str, keep: int, time: str, reason: str | None) -> Manifest:
    """Ask for the deletion of all published versions but the newest `keep`."""
    if keep < 1:
        raise DataError(f"--keep {keep} would delete every version: keep at least 1")
    dataset = manifest.dataset(name)
    published = [v for v in dataset.versions if v.state is State.PUBLISHED]
    old = {v.id for v in published[keep:]}
    versions = tuple(_mark(v, time, reason) if v.id in old else v for v in dataset.versions)
    return manifest.put(replace(dataset, versions=versions))


def _mark(version: Version, time: str, reason: str | None) -> Version:
    return replace(version, state=State.DELETING, deleting=time, reason=reason)


def rename(manifest: Manifest, old: str, new: str) -> Manifest:
    """The versions and their ids go with the name."""
    dataset = manifest.dataset(old)
    check_name(new)
    if new in manifest.datasets:
        state = manifest.datasets[new].state
        raise Conflict(f"there is a dataset {new!r} already" + (f", {state}" if state else ""))
    return manifest.drop(old).put(replace(dataset, name=new))


def set_options(manifest: Manifest, name: str, put: Mapping[str, Any], drop: Collection[str]) -> Manifest:
    """Tell a dataset these options, and no longer those."""
    dataset = manifest.dataset(name)
    kept = {key: value for key, value in dataset.options.items() if key not in drop}
    return manifest.put(replace(dataset, options={**kept, **put}))


def remove(manifest: Manifest, name: str, *, committed: Collection[str]) -> Manifest:
    """Hide the dataset from listings and pulls; versions stay. Adding the name again brings it back."""
    dataset = _without_uncommitted(manifest.dataset(name), committed)
    if dataset.state is not None:
        raise NotFound(f"{name} is marked as {dataset.state} already")
    if not dataset.versions:
        return manifest.drop(name)
    return manifest.put(replace(dataset, state=DatasetState.REMOVED))


@dataclass(frozen=True, slots=True)
class Publication:
    """What publish has seen of a pending entry."""

    time: str
    commit: str | None
    encodings: Mapping[str, int] = field(default_factory=dict)
    """The forms beside the plain bytes, with their sizes."""


AS_BEFORE = Kept()


def finalize(
    manifest: Manifest, confirmed: Mapping[str, Publication], time: str, kept: Kept = AS_BEFORE
) -> Manifest:
    """Confirmed pending entries become published, merged deletions become tombstones; what was compacted
    says so, where the tip still asks for it."""
    settled_first = settle_numbers(manifest)
    final = settled_first.with_datasets(_finalized(dataset, confirmed, time) for dataset in settled_first)
    return final.with_datasets(compaction.recorded(dataset, kept, time) for dataset in final)


def _finalized(dataset: Dataset, confirmed: Mapping[str, Publication], time: str) -> Dataset:
    state = DatasetState.DELETED if dataset.state is DatasetState.DELETING else dataset.state
    versions = tuple(_final_version(v, confirmed.get(v.id), time) for v in dataset.versions)
    return replace(dataset, state=state, versions=versions)


def _final_version(version: Version, seen: Publication | None, time: str) -> Version:
    if version.state is State.DELETING:
        return replace(version, state=State.DELETED, deleted=time)
    if version.state is State.PENDING and seen is not None:
        return replace(
            version,
            state=State.PUBLISHED,
            published=seen.time,
            commit=seen.commit,
            encodings={**version.encodings, **seen.encodings},
        )
    return version


def settle_numbers(manifest: Manifest) -> Manifest:
    """Give colliding version numbers their final ones: model/numbers.py has the rules. Never raises."""
    return manifest.with_datasets(settled(dataset) for dataset in manifest)


def committed_ids(manifests: Iterable[Manifest]) -> frozenset[str]:
    """The ids of all entries in these manifests."""
    return frozenset(v.id for manifest in manifests for _, v in manifest.entries())
