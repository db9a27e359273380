"""Which number an entry has once branches have met (docs/spec/manifest-v1.md, "Numbers").

Entries that left `pending` keep theirs; one that is to be deleted before it was ever published gives way to
others that do. The rest follow in the order of their ids, and never before the one of them that they were
made from, whatever the clocks of their authors said.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import count

from git_datamanager.model.manifest import MAX_NUMBER, Dataset, State, Version, version_order


def settled(dataset: Dataset) -> Dataset:
    """The dataset with one number per entry, as far as the entries that keep theirs allow it."""
    uses = Counter(v.number for v in dataset.versions)
    if len(uses) == len(dataset.versions):
        return dataset
    keepers = _keepers(dataset.versions)
    kept = [v for v in dataset.versions if v.id in keepers]
    highest = max((v.number for v in kept), default=0)
    # A draft that later versions have overtaken stays behind them.
    drafts = [v for v in dataset.versions if v.id not in keepers]
    overtaken = {v.id for v in drafts if v.number < highest and uses[v.number] == 1}
    followers = _in_order([v for v in drafts if v.id not in overtaken])
    if highest + len(followers) > MAX_NUMBER:
        return dataset
    renumbered = [replace(v, number=n) for n, v in zip(count(highest + 1), followers, strict=False)]
    stay = [v for v in drafts if v.id in overtaken]
    ordered = sorted([*kept, *stay, *renumbered], key=version_order, reverse=True)
    return replace(dataset, versions=tuple(ordered))


def doubled(versions: Sequence[Version]) -> dict[int, list[str]]:
    """The numbers that several entries have which keep them, with their ids: nothing can settle them."""
    found: dict[int, list[str]] = {}
    for version in versions:
        if _is_fixed(version):
            found.setdefault(version.number, []).append(version.id)
    return {number: sorted(ids) for number, ids in found.items() if len(ids) > 1}


def _is_fixed(version: Version) -> bool:
    """Whether others may know the entry by its number, for good."""
    if version.state is State.DELETING:
        return version.published is not None
    return version.state is not State.PENDING


def _keepers(versions: Sequence[Version]) -> set[str]:
    """The ids of those that keep their number: all that are fixed, and what is to be deleted beside them."""
    keepers = {v.id for v in versions if _is_fixed(v)}
    taken = {v.number for v in versions if v.id in keepers}
    for doomed in sorted((v for v in versions if v.state is State.DELETING), key=lambda v: v.id):
        if doomed.number not in taken:
            taken.add(doomed.number)
            keepers.add(doomed.id)
    return keepers


def _in_order(drafts: Sequence[Version]) -> list[Version]:
    """By id, each after its parent: an entry counts as no older than what it was made from."""
    by_id = {v.id: v for v in drafts}
    keys: dict[str, tuple[str, int]] = {}
    for version in drafts:
        line: dict[str, Version] = {}
        step: Version | None = version
        while step is not None and step.id not in keys and step.id not in line:
            line[step.id] = step
            step = by_id.get(step.parent or "")
        for entry in reversed(line.values()):
            key = keys.get(entry.parent or "", ("", 0))
            keys[entry.id] = (entry.id, 0) if entry.id > key[0] else (key[0], key[1] + 1)
    return sorted(drafts, key=lambda v: (*keys[v.id], v.id))
