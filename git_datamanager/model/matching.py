"""Which dataset of one manifest is which of another: by the ids of their entries, then by name.

A renamed dataset keeps its entries, so ids follow it through `mv`, also where a new dataset has
taken the old name meanwhile.
"""

from collections import Counter
from typing import NamedTuple

from git_datamanager.model.manifest import Dataset, Manifest


class Sides(NamedTuple):
    """One dataset as base, ours and theirs know it."""

    base: Dataset | None
    ours: Dataset | None
    theirs: Dataset | None


def match(base: Manifest, ours: Manifest, theirs: Manifest) -> list[Sides]:
    """Every dataset of the three exactly once, in an order that does not depend on who is `ours`."""
    mine, other = _pairs(base, ours), _pairs(base, theirs)
    found = [
        Sides(d, ours.datasets.get(mine.get(d.name, "")), theirs.datasets.get(other.get(d.name, "")))
        for d in base
    ]
    new_ours = _without(ours, mine)
    new_theirs = _without(theirs, other)
    both = _pairs(new_ours, new_theirs)
    found += [Sides(None, d, new_theirs.datasets.get(both.get(d.name, ""))) for d in new_ours]
    found += [Sides(None, None, d) for d in _without(new_theirs, both)]
    return sorted(found, key=lambda sides: sorted(d.name for d in sides if d is not None))


def _without(manifest: Manifest, pairs: dict[str, str]) -> Manifest:
    gone = set(pairs.values())
    return Manifest({d.name: d for d in manifest if d.name not in gone})


def _pairs(one: Manifest, two: Manifest) -> dict[str, str]:
    """Names of `one` with the name in `two` of the same dataset; nobody is paired twice."""
    owner = {v.id: d.name for d, v in two.entries()}
    shared = {d.name: Counter(owner[v.id] for v in d.versions if v.id in owner) for d in one}
    # Names that stayed come first: where entries of two datasets were put into one, its own stay its own.
    found = {name: name for name, names in shared.items() if name in names}
    taken = set(found)
    for name, names in shared.items():
        free = (other for other, _ in sorted(names.items(), key=_most_first) if other not in taken)
        moved_to = None if name in found else next(free, None)
        if moved_to is not None:
            found[name] = moved_to
            taken.add(moved_to)
    return found | _by_name(one, two, found)


def _most_first(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]


def _by_name(one: Manifest, two: Manifest, found: dict[str, str]) -> dict[str, str]:
    """Datasets that share no entry are the same only under the same name and of the same kind."""
    taken = set(found.values())
    return {
        dataset.name: dataset.name
        for dataset in one
        if dataset.name not in found
        and dataset.name not in taken
        and dataset.name in two.datasets
        and two.datasets[dataset.name].kind is dataset.kind
    }
