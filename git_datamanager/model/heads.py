"""Versions of one dataset that nobody has united yet: docs/design/rowmerge.md. Pure."""

from collections.abc import Collection, Iterator
from typing import NamedTuple

from git_datamanager.model.entries import Dataset, Version


class Heads(NamedTuple):
    """Two versions that nobody has united yet, and the nearest one that both descend from."""

    base: Version | None
    ours: Version
    theirs: Version


def heads(dataset: Dataset, own: Collection[str] = ()) -> Heads | None:
    """The two lowest live versions that no other one descends from; None where there is but one.

    `own`: ids of the entries that this side had before the merge.
    """
    live = [v for v in dataset.versions if v.state.is_live]
    below = {parent for version in live for parent in _parents(version)}
    open_ends = sorted((v for v in live if v.id not in below), key=lambda v: (v.number, v.id))[:2]
    if len(open_ends) < 2:
        return None
    ours, theirs = open_ends
    if own and ours.id not in own and theirs.id in own:
        ours, theirs = theirs, ours
    return Heads(_ancestor(dataset, ours, theirs), ours, theirs)


def stacked(dataset: Dataset, own: Collection[str] = ()) -> Heads | None:
    """The same, where the two are the newest versions: nobody has gone on with one of them."""
    found = heads(dataset, own)
    live = [v.id for v in dataset.versions if v.state.is_live][:2]
    return found if found is not None and {found.ours.id, found.theirs.id} == set(live) else None


def _parents(version: Version) -> list[str]:
    merges = version.extra.get("merges")
    more = [one for one in merges if isinstance(one, str)] if isinstance(merges, list) else []
    return [*([version.parent] if version.parent else []), *more]


def _ancestor(dataset: Dataset, one: Version, other: Version) -> Version | None:
    mine = {version.id for version in _line(dataset, one)}
    return next((v for v in _line(dataset, other) if v.id in mine and v.state.is_live), None)


def _line(dataset: Dataset, version: Version) -> Iterator[Version]:
    """A version and all that it descends from, the nearest first."""
    waiting, seen = [version], set[str]()
    while waiting:
        one = waiting.pop(0)
        if one.id not in seen:
            seen.add(one.id)
            yield one
            waiting += [v for name in _parents(one) if (v := dataset.by_id(name)) is not None]
