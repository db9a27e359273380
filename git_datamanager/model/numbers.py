"""Which number an entry has once branches have met (docs/spec/manifest-v1.md, "Numbers").

Entries that left `pending` keep theirs. The pending ones follow in the order of their ids, and never
before the pending entry they were made from, whatever the clocks of their authors said.
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
    kept = [v for v in dataset.versions if v.state is not State.PENDING]
    highest = max((v.number for v in kept), default=0)
    # A draft that later versions have overtaken stays behind them.
    pending = [v for v in dataset.versions if v.state is State.PENDING]
    overtaken = {v.id for v in pending if v.number < highest and uses[v.number] == 1}
    followers = _in_order([v for v in pending if v.id not in overtaken])
    if highest + len(followers) > MAX_NUMBER:
        return dataset
    renumbered = [replace(v, number=n) for n, v in zip(count(highest + 1), followers, strict=False)]
    stay = [v for v in pending if v.id in overtaken]
    ordered = sorted([*kept, *stay, *renumbered], key=version_order, reverse=True)
    return replace(dataset, versions=tuple(ordered))


def doubled(versions: Sequence[Version]) -> dict[int, list[str]]:
    """The numbers that several entries beyond `pending` have, with their ids: nothing can settle them."""
    found: dict[int, list[str]] = {}
    for version in versions:
        if version.state is not State.PENDING:
            found.setdefault(version.number, []).append(version.id)
    return {number: sorted(ids) for number, ids in found.items() if len(ids) > 1}


def _in_order(pending: Sequence[Version]) -> list[Version]:
    """By id, each after its parent: an entry counts as no older than what it was made from."""
    by_id = {v.id: v for v in pending}
    keys: dict[str, tuple[str, int]] = {}
    for version in pending:
        line: dict[str, Version] = {}
        step: Version | None = version
        while step is not None and step.id not in keys and step.id not in line:
            line[step.id] = step
            step = by_id.get(step.parent or "")
        for entry in reversed(line.values()):
            key = keys.get(entry.parent or "", ("", 0))
            keys[entry.id] = (entry.id, 0) if entry.id > key[0] else (key[0], key[1] + 1)
    return sorted(pending, key=lambda v: (*keys[v.id], v.id))
