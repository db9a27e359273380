"""Which versions keep their plain bytes, and what the others build on: docs/design/encodings.md. Pure.

Records are per content: what an entry says of its oid holds for every entry that has it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from git_datamanager.errors import DataError
from git_datamanager.model.chains import DEEPEST, SMALLEST
from git_datamanager.model.layout import Encoding
from git_datamanager.model.manifest import Dataset, Kind, Manifest, State, Version
from git_datamanager.model.oid import Oid

OPTION = "plain"
_SPREAD = 3
"""Every third version skips three, every ninth nine: chains stay below 8 up to 81 versions, and no more than
a logarithm of them waits for its base."""


class Pair(NamedTuple):
    """A version that is to do without plain bytes, and the newer one it is to build on; without one that is
    there yet, its own bytes compressed."""

    version: Version
    base: Version | None


@dataclass(frozen=True, slots=True)
class Kept:
    """How production keeps contents by now, where that changed."""

    deltas: Mapping[Oid, Mapping[str, int]] = field(default_factory=dict)
    """The form that rebuilds a content without plain bytes."""
    plain: frozenset[Oid] = frozenset()
    """Contents whose plain bytes were seen under `objects/`."""


def keeps_plain(dataset: Dataset) -> set[Oid]:
    """The contents whose plain bytes production keeps: all of them where nobody asked for less."""
    live = [v for v in dataset.versions if v.state.is_live]
    keep = dataset.options.get(OPTION)
    if keep is None or dataset.kind is not Kind.FILE:
        return {v.oid for v in live}
    published = list(dict.fromkeys(v.oid for v in live if v.state is State.PUBLISHED))
    return {*published[:keep], *(v.oid for v in live if v.state is State.PENDING)}


def pairs(dataset: Dataset) -> list[Pair]:
    """What to compact now, the newest first, so that a base is settled before what builds on it.

    The version with number n builds on n + 3^k, with the largest 3^k that divides n, or on the next one that
    is there, and never changes that base. Where there is none yet it waits as zstd.
    """
    plain, newest = keeps_plain(dataset), _newest(dataset)
    by_number = {v.number: v for v in newest.values()}
    heights, found = _heights(newest), list[Pair]()
    made = dict(newest)  # as it will be once these pairs are recorded
    for version in newest.values():
        if version.compacted or version.oid in plain or version.size < SMALLEST:
            continue
        base = _base(version.number, by_number)
        depth = _depth(made[base.oid], made) if base else -1
        if depth is not None and heights[version.oid] + depth + 1 <= DEEPEST:
            found.append(Pair(version, base))
            name = f"delta:{base.oid}" if base else "zstd"
            made[version.oid] = replace(version, compacted=version.created, encodings={name: 0})
    return found


def _newest(dataset: Dataset) -> dict[Oid, Version]:
    """Every published content with its newest entry, the newest first."""
    found = dict[Oid, Version]()
    for version in dataset.versions:
        if version.state is State.PUBLISHED:
            found.setdefault(version.oid, version)
    return found


def _base(number: int, by_number: Mapping[int, Version]) -> Version | None:
    step = 1
    while number % (step * _SPREAD) == 0:
        step *= _SPREAD
    there = [n for n in by_number if n >= number + step]
    return by_number[min(there)] if there else None


def _depth(version: Version, newest: Mapping[Oid, Version]) -> int | None:
    """How many deltas lead down to plain bytes, each onto a newer live version; None where they do not."""
    depth = 0
    while version.compacted and (onto := _onto(version.encodings)):
        base = newest.get(onto)
        if base is None or base.number <= version.number:
            return None
        version, depth = base, depth + 1
    return depth


def _heights(newest: Mapping[Oid, Version]) -> dict[Oid, int]:
    """How many deltas rest on each content, one on top of the other: what it builds on deepens them all."""
    found = dict.fromkeys(newest, 0)
    for oid, version in sorted(newest.items(), key=lambda item: item[1].number):
        onto = _onto(version.encodings) if version.compacted else None
        if onto in found:
            found[onto] = max(found[onto], found[oid] + 1)
    return found


def _onto(encodings: Mapping[str, int]) -> Oid | None:
    return next((base for base in (Encoding.parse(name).base for name in encodings) if base), None)


def swollen(dataset: Dataset) -> list[Version]:
    """Compacted versions that are to have plain bytes again: the option was raised or dropped, a newer entry
    has the same content, what they build on is no newer live version any more, or a base that they waited
    for has come: a record never leads from one form to another directly."""
    plain, newest = keeps_plain(dataset), _newest(dataset)
    by_number = {v.number: v for v in newest.values()}

    def is_over(version: Version) -> bool:
        waited = _onto(version.encodings) is None and _base(version.number, by_number) is not None
        return version.oid in plain or waited or _depth(version, newest) is None

    return [v for v in newest.values() if v.compacted and is_over(v)]


def asked(manifest: Manifest) -> list[Dataset]:
    """The datasets of which something is to be compacted or to be brought back."""
    return [d for d in manifest if pairs(d) or swollen(d)]


def recorded(dataset: Dataset, kept: Kept, time: str) -> Dataset:
    """With what a run has seen: a chain only where this manifest still wants it, and leads upwards."""
    plain, newest = keeps_plain(dataset), _newest(dataset)

    def leads_up(oid: Oid) -> bool:
        onto = _onto(kept.deltas[oid])
        base = newest.get(onto) if onto else None
        return onto is None or (base is not None and base.number > newest[oid].number)

    def of(version: Version) -> Version:
        if version.state is not State.PUBLISHED:
            return version
        if version.compacted and version.oid in kept.plain:
            return replace(version, compacted=None)
        if version.oid in kept.deltas and version.oid not in plain and leads_up(version.oid):
            return replace(version, compacted=time, encodings=kept.deltas[version.oid])
        return version

    return replace(dataset, versions=tuple(of(v) for v in dataset.versions))


def compacted(manifests: Iterable[Manifest]) -> dict[Oid, tuple[Dataset, Version]]:
    """The contents that every one of these tips calls compacted, of those that name them at all."""
    found, plain = dict[Oid, tuple[Dataset, Version]](), set[Oid]()
    for manifest in manifests:
        for dataset, version in manifest.entries():
            if version.state is State.DELETED:
                continue
            if version.compacted is not None and version.state is State.PUBLISHED:
                found[version.oid] = (dataset, version)
            else:
                plain.add(version.oid)
    return {oid: entry for oid, entry in found.items() if oid not in plain}


def ask(manifest: Manifest, name: str, keep: int | None) -> Manifest:
    """Set or drop the option. Raises DataError for less than one version, and for folders."""
    dataset = manifest.dataset(name)
    if keep is not None and keep < 1:
        raise DataError(f"--keep {keep}: the newest version always keeps its plain bytes")
    if dataset.kind is not Kind.FILE:
        raise DataError(f"{name} is a folder: its versions share their files already")
    rest = {key: value for key, value in dataset.options.items() if key != OPTION}
    return manifest.put(replace(dataset, options=rest if keep is None else {**rest, OPTION: keep}))
