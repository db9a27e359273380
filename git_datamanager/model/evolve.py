"""Manifest → Manifest: what each verb changes. Pure; docs/spec/manifest-v1.md says why."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from git_datamanager.errors import Conflict, DataError, ManifestError, NotFound, UnknownVersion
from git_datamanager.model.manifest import (
    Dataset,
    DatasetState,
    Kind,
    Manifest,
    State,
    Version,
    version_order,
)
from git_datamanager.model.names import check_name
from git_datamanager.model.oid import Oid


@dataclass(frozen=True, slots=True)
class Draft:
    """What the author of a new entry brings along."""

    id: str
    time: str
    author: str
    message: str = ""


def add_version(
    manifest: Manifest,
    name: str,
    oid: Oid,
    size: int,
    draft: Draft,
    *,
    committed: Collection[str],
    rollback_of: str | None = None,
) -> Manifest:
    """Put a new pending version on top.

    `committed` are the ids of the entries that HEAD holds: pending entries on top that it lacks are
    replaced, the others stay and the new one is stacked. The same manifest comes back where the
    latest version left has these bytes already.
    """
    existing = manifest.datasets.get(check_name(name))
    if existing is not None and existing.kind is not Kind.FILE:
        raise Conflict(f"{name} is a folder in the manifest: it cannot become a file")
    dataset = existing or Dataset(name=name, kind=Kind.FILE)
    kept = replace(_without_uncommitted(dataset, committed), state=None)
    if kept.latest is not None and kept.latest.oid == oid and rollback_of is None:
        return manifest.put(kept)
    version = Version(
        number=max((v.number for v in kept.versions), default=0) + 1,
        id=draft.id,
        state=State.PENDING,
        oid=oid,
        size=size,
        created=draft.time,
        author=draft.author,
        message=draft.message,
        parent=kept.latest.id if kept.latest else None,
        rollback_of=rollback_of,
    )
    return manifest.put(replace(kept, versions=(version, *kept.versions)))


def _without_uncommitted(dataset: Dataset, committed: Collection[str]) -> Dataset:
    kept = [v for v in dataset.versions if v.state is not State.PENDING or v.id in committed]
    return replace(dataset, versions=tuple(kept))


def roll_back(
    manifest: Manifest, name: str, to: str, draft: Draft, *, committed: Collection[str]
) -> Manifest:
    """A new pending version with the bytes of an older one."""
    dataset = manifest.dataset(name)
    target = dataset.version(to)
    if target.state is State.DELETED:
        raise UnknownVersion(f"{name} {target.name} was deleted on {target.deleted}: its bytes may be gone")
    latest = _without_uncommitted(dataset, committed).latest
    if dataset.state is None and latest is not None and latest.oid == target.oid:
        raise Conflict(f"{name} {latest.name} has the bytes of {target.name} already: nothing to roll back")
    if target.state is State.PENDING and target.id not in committed:
        raise Conflict(
            f"{name} {target.name} is not committed yet: rolling back to it would replace it",
            hints=[f'git commit -m "{target.message or name}"'],
        )
    return add_version(
        manifest, name, target.oid, target.size, draft, committed=committed, rollback_of=target.id
    )


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
    if new in manifest.datasets:
        raise Conflict(f"there is a dataset {new!r} already")
    return manifest.drop(old).put(replace(dataset, name=check_name(new)))


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


def finalize(manifest: Manifest, confirmed: Mapping[str, Publication], time: str) -> Manifest:
    """Confirmed pending entries become published, merged deletions become tombstones."""
    settled = settle_numbers(manifest)
    return settled.with_datasets(_finalized(dataset, confirmed, time) for dataset in settled)


def _finalized(dataset: Dataset, confirmed: Mapping[str, Publication], time: str) -> Dataset:
    state = DatasetState.DELETED if dataset.state is DatasetState.DELETING else dataset.state
    versions = tuple(_final_version(v, confirmed.get(v.id), time) for v in dataset.versions)
    return replace(dataset, state=state, versions=versions)


def _final_version(version: Version, seen: Publication | None, time: str) -> Version:
    if version.state is State.DELETING:
        return replace(version, state=State.DELETED, deleted=time)
    if version.state is State.PENDING and seen is not None:
        return replace(version, state=State.PUBLISHED, published=seen.time, commit=seen.commit)
    return version


def settle_numbers(manifest: Manifest) -> Manifest:
    """Give colliding version numbers their final ones: what is pending follows, in the order of `id`."""
    return manifest.with_datasets(_settled(dataset) for dataset in manifest)


def _settled(dataset: Dataset) -> Dataset:
    numbers = [v.number for v in dataset.versions]
    if len(set(numbers)) == len(numbers):
        return dataset
    fixed = [v for v in dataset.versions if v.state is not State.PENDING]
    fixed_numbers = [v.number for v in fixed]
    if len(set(fixed_numbers)) != len(fixed_numbers):
        raise ManifestError(f"{dataset.name}: two published entries share a version number")
    highest = max(fixed_numbers, default=0)
    pending = sorted((v for v in dataset.versions if v.state is State.PENDING), key=lambda v: v.id)
    renumbered = [replace(v, number=highest + n) for n, v in enumerate(pending, 1)]
    ordered = sorted([*fixed, *renumbered], key=version_order, reverse=True)
    return replace(dataset, versions=tuple(ordered))


def committed_ids(manifests: Iterable[Manifest]) -> frozenset[str]:
    """The ids of all entries in these manifests."""
    return frozenset(v.id for manifest in manifests for _, v in manifest.entries())
