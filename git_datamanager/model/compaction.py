"""Which versions keep their plain bytes, and what the others build on: docs/design/encodings.md. Pure."""

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from git_datamanager.errors import DataError
from git_datamanager.model.chains import SMALLEST
from git_datamanager.model.layout import Encoding
from git_datamanager.model.manifest import Dataset, Kind, Manifest, State, Version
from git_datamanager.model.oid import Oid

OPTION = "plain"


class Pair(NamedTuple):
    """A version that is to do without plain bytes, and the newer one it is to build on."""

    version: Version
    base: Version


def keeps_plain(dataset: Dataset) -> set[Oid]:
    """The contents whose plain bytes production keeps: all of them where nobody asked for less."""
    live = [v for v in dataset.versions if v.state.is_live]
    keep = dataset.options.get(OPTION)
    if keep is None or dataset.kind is not Kind.FILE:
        return {v.oid for v in live}
    published = list(dict.fromkeys(v.oid for v in live if v.state is State.PUBLISHED))
    return {*published[:keep], *(v.oid for v in live if v.state is State.PENDING)}


def pairs(dataset: Dataset) -> list[Pair]:
    """What to compact, the newest first, so that a base is settled before what builds on it.

    The version with number n builds on n + 2^k, with the largest 2^k that divides n and leads to a version
    that exists: a chain is then about log2 deep, and a base stays what it is while versions are added.
    """
    plain = keeps_plain(dataset)
    newest = dict[Oid, Version]()
    for version in dataset.versions:
        if version.state is State.PUBLISHED:
            newest.setdefault(version.oid, version)
    by_number = {v.number: v for v in newest.values()}
    old = [v for v in newest.values() if v.oid not in plain and v.size >= SMALLEST]
    found = ((version, _base(version, by_number)) for version in old)
    return [Pair(version, base) for version, base in found if base is not None]


def _base(version: Version, by_number: dict[int, Version]) -> Version | None:
    step = version.number & -version.number
    while step:
        if version.number + step in by_number:
            return by_number[version.number + step]
        step //= 2
    newer = [number for number in by_number if number > version.number]
    return by_number[min(newer)] if newer else None


def is_settled(pair: Pair) -> bool:
    """The manifest says already that the version is compacted onto this base, or without any."""
    if pair.version.compacted is None:
        return False
    return pair.base.oid in {Encoding.parse(name).base for name in pair.version.encodings}


def asked(manifest: Manifest) -> list[Dataset]:
    """The datasets of which something is to be compacted or to be brought back."""
    return [d for d in manifest if any(not is_settled(p) for p in pairs(d)) or swollen(d)]


def swollen(dataset: Dataset) -> list[Version]:
    """Compacted versions that are to have plain bytes again: the option was raised or dropped, or a new
    version has the same content."""
    plain = keeps_plain(dataset)
    found = {v.oid: v for v in dataset.versions if v.compacted and v.oid in plain and v.state.is_live}
    return list(found.values())


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


def chain_bases(entries: Iterable[Version]) -> set[Oid]:
    """What the deltas of compacted versions build on: needed as long as they are."""
    encodings = (Encoding.parse(name) for version in entries for name in version.encodings)
    return {e.base for e in encodings if e.base is not None}


def ask(manifest: Manifest, name: str, keep: int | None) -> Manifest:
    """Set or drop the option. Raises DataError for less than one version, and for folders."""
    dataset = manifest.dataset(name)
    if keep is not None and keep < 1:
        raise DataError(f"--keep {keep}: the newest version always keeps its plain bytes")
    if dataset.kind is not Kind.FILE:
        raise DataError(f"{name} is a folder: its versions share their files already")
    rest = {key: value for key, value in dataset.options.items() if key != OPTION}
    return manifest.put(replace(dataset, options=rest if keep is None else {**rest, OPTION: keep}))
