"""Three-way merge of manifests: histories are united by the entries' ids.

Facts of the format make most merges clean: an entry never changes but for its state and what comes
with it, states only go forward, and numbers are settled afterwards. A clash is left only where both
sides changed one thing differently, or one side took away what the other went on with. Nothing here
raises: the merged value is a valid manifest whatever clashes there are.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

from git_datamanager.model.evolve import settle_numbers
from git_datamanager.model.manifest import (
    FILE_NAME,
    Dataset,
    DatasetState,
    Manifest,
    State,
    Version,
    version_order,
)
from git_datamanager.model.matching import Sides, match
from git_datamanager.model.names import overlapping
from git_datamanager.model.numbers import doubled

_MISSING: Any = object()
_RANK = {state: rank for rank, state in enumerate(State)}
_STRENGTH = {None: 0, DatasetState.REMOVED: 1, DatasetState.DELETING: 2, DatasetState.DELETED: 3}
_PROGRESS = ("state", "published", "commit", "deleting", "reason", "deleted")


@dataclass(frozen=True, slots=True)
class Clash:
    """What both sides changed differently.

    The merged value keeps `ours`, but a dataset that one side dropped and the other changed stays.
    What it leaves out of `theirs` is named here, and still stands in that side's commit.
    """

    dataset: str
    what: str
    ours: object
    theirs: object

    def __str__(self) -> str:
        return f"{self.dataset}: {self.what}: {_shown(self.ours)} here, {_shown(self.theirs)} there"


def _shown(value: object) -> str:
    return (
        "nothing" if value is None else repr(str(value) if isinstance(value, State | DatasetState) else value)
    )


class Merged(NamedTuple):
    """The united manifest, and what a person must decide (ours stands meanwhile)."""

    manifest: Manifest
    clashes: tuple[Clash, ...]


Note = Callable[[str, object, object], None]
"""Takes down what clashes, ours, theirs."""


def merge(base: Manifest, ours: Manifest, theirs: Manifest) -> Merged:
    """Unite two successors of `base`. Deterministic: numbers do not depend on who is `ours`."""
    clashes: list[Clash] = []
    extra = _fields("", base.extra, ours.extra, theirs.extra, _noting(FILE_NAME, clashes))
    united = [
        (sides, merged)
        for sides in match(base, ours, theirs)
        if (merged := _dataset(sides, clashes)) is not None
    ]
    datasets = _side_by_side(united, clashes)
    manifest = settle_numbers(Manifest({}, extra).with_datasets(_ids_once(datasets, ours, clashes)))
    clashes.extend(_doubled_numbers(manifest, ours, theirs))
    return Merged(manifest, tuple(clashes))


def _noting(dataset: str, clashes: list[Clash]) -> Note:
    def note(what: str, ours: object, theirs: object) -> None:
        mine, other = (None if value is _MISSING else value for value in (ours, theirs))
        clashes.append(Clash(dataset, what, mine, other))

    return note


# Datasets


def _dataset(sides: Sides, clashes: list[Clash]) -> Dataset | None:
    base, ours, theirs = sides
    if ours is None or theirs is None:
        return _from_one_side(sides, clashes)
    note = _noting(ours.name, clashes)
    was = base or Dataset(name="", kind=ours.kind)
    return Dataset(
        name=_pick("name", was.name, ours.name, theirs.name, note),
        kind=_pick("kind", base and base.kind, ours.kind, theirs.kind, note),
        state=_dataset_state(was, ours, theirs, note),
        options=_fields("option ", was.options, ours.options, theirs.options, note),
        versions=_versions(was, ours, theirs, note),
        extra=_fields("", was.extra, ours.extra, theirs.extra, note),
    )


def _from_one_side(sides: Sides, clashes: list[Clash]) -> Dataset | None:
    """New on one side, or gone on the other: then it goes, unless the first one went on with it."""
    base, ours, theirs = sides
    left = ours or theirs
    if base is None or left is None:
        return left
    if left == base:
        return None
    note = _noting(left.name, clashes)
    note("dataset", "changed" if ours else "dropped", "changed" if theirs else "dropped")
    return left


def _dataset_state(base: Dataset, ours: Dataset, theirs: Dataset, note: Note) -> DatasetState | None:
    """Hiding a dataset clashes with new versions on the other side, and with bringing it back there."""
    if ours.state == theirs.state:
        return ours.state
    changed = [side for side in (ours, theirs) if _wish(side.state) is not _wish(base.state)]
    if len(changed) == 2 and ours.state and theirs.state:
        return max(ours.state, theirs.state, key=_STRENGTH.__getitem__)
    if len(changed) == 1:
        mover, other = (ours, theirs) if changed[0] is ours else (theirs, ours)
        if mover.state is None or not _extends(other, base, mover):
            return mover.state
    elif not changed:
        return theirs.state if ours.state == base.state else ours.state
    note("state", ours.state or "new versions", theirs.state or "new versions")
    return ours.state


def _wish(state: DatasetState | None) -> DatasetState | None:
    """Finalizing a deletion is no new wish."""
    return DatasetState.DELETING if state is DatasetState.DELETED else state


def _extends(side: Dataset, *others: Dataset) -> bool:
    known = {v.id for other in others for v in other.versions}
    return any(v.state.is_live and v.id not in known for v in side.versions)


# Versions


def _versions(base: Dataset, ours: Dataset, theirs: Dataset, note: Note) -> tuple[Version, ...]:
    was, mine, other = ({v.id: v for v in side.versions} for side in (base, ours, theirs))
    merged = [
        version
        for entry in sorted(mine.keys() | other.keys())
        if (version := _version(was.get(entry), mine.get(entry), other.get(entry), note)) is not None
    ]
    return tuple(sorted(merged, key=version_order, reverse=True))


def _version(
    base: Version | None, ours: Version | None, theirs: Version | None, note: Note
) -> Version | None:
    if ours is None or theirs is None:
        left = ours or theirs
        # An entry that one side dropped goes, unless the other has taken it further: what is
        # published elsewhere cannot be undone by replacing a draft here.
        if base is None or left is None or left.state is not base.state:
            return left
        return None
    if ours == theirs:
        return ours
    return _united(base, ours, theirs, note)


def _united(base: Version | None, ours: Version, theirs: Version, note: Note) -> Version:
    where = f"{ours.name} ({ours.id}): "
    values = _progress(base, ours, theirs) | {"number": _number(base, ours, theirs, note)}
    for field in fields(Version):
        was = getattr(base, field.name) if base else None
        mine, other = getattr(ours, field.name), getattr(theirs, field.name)
        if field.name in ("encodings", "extra"):
            values[field.name] = _fields(where, was or {}, mine, other, note)
        elif field.name not in values:
            values[field.name] = _pick(where + field.name, was, mine, other, note)
    return replace(ours, **values)


def _progress(base: Version | None, ours: Version, theirs: Version) -> dict[str, Any]:
    """State, times and commits as one: the side that moved, of two the one that got further.

    These are facts that tools write, so two records of the same step are no clash: the earlier wins.
    """
    was = _stamps(base) if base else None
    mine, other = _stamps(ours), _stamps(theirs)
    if other in (was, mine):
        return mine
    if mine == was:
        return other
    far, near = sorted((mine, other), key=lambda s: (-_RANK[s["state"]], *(str(s[k]) for k in _PROGRESS)))
    for stamp, company in (("published", "commit"), ("deleting", "reason")):
        if far[stamp] is None:
            far |= {stamp: near[stamp], company: near[company]}
    return far


def _stamps(version: Version) -> dict[str, Any]:
    return {key: getattr(version, key) for key in _PROGRESS}


def _number(base: Version | None, ours: Version, theirs: Version, note: Note) -> int:
    """The side that got further settled the number; else the one that changed it."""
    was = base.number if base else None
    if theirs.number in (ours.number, was):
        return ours.number
    if ours.number == was:
        return theirs.number
    if ours.state is not theirs.state:
        return max(ours, theirs, key=lambda v: _RANK[v.state]).number
    if ours.state is not State.PENDING:
        note(f"number of {ours.id}", ours.name, theirs.name)
        return ours.number
    return max(ours.number, theirs.number)


# Single fields


def _fields(
    where: str, base: Mapping[str, Any], ours: Mapping[str, Any], theirs: Mapping[str, Any], note: Note
) -> dict[str, Any]:
    merged = {
        key: _pick(
            where + key, base.get(key, _MISSING), ours.get(key, _MISSING), theirs.get(key, _MISSING), note
        )
        for key in [*ours, *(key for key in theirs if key not in ours)]
    }
    return {key: value for key, value in merged.items() if value is not _MISSING}


def _pick(what: str, base: Any, ours: Any, theirs: Any, note: Note) -> Any:
    if theirs in (ours, base):
        return ours
    if ours == base:
        return theirs
    note(what, ours, theirs)
    return ours


# All datasets together


def _side_by_side(united: list[tuple[Sides, Dataset]], clashes: list[Clash]) -> list[Dataset]:
    """Names that cannot stand together: renamings of the other side are undone, then its newcomers go.

    What is left has the names of ours, or names that disturb nobody; so this comes to an end.
    """
    while True:
        names = [dataset.name for _, dataset in united]
        pairs = list(overlapping(names))
        if not pairs:
            return [dataset for _, dataset in united]
        changed: dict[int, Dataset | None] = {}
        for pair in pairs:
            if changed.keys().isdisjoint(pair):
                place = next(p for p in pair if not _is_named_by_ours(*united[p]))
                rival = names[sum(pair) - place]
                changed[place] = _out_of_the_way(*united[place], rival, clashes)
        united = [
            (sides, kept)
            for place, (sides, dataset) in enumerate(united)
            if (kept := changed.get(place, dataset)) is not None
        ]


def _is_named_by_ours(sides: Sides, merged: Dataset) -> bool:
    return sides.ours is not None and sides.ours.name == merged.name


def _out_of_the_way(sides: Sides, merged: Dataset, rival: str, clashes: list[Clash]) -> Dataset | None:
    if sides.ours is not None:
        clashes.append(Clash(sides.ours.name, "name", sides.ours.name, merged.name))
        return replace(merged, name=sides.ours.name)
    left_out = f"a new {merged.kind} with the versions {', '.join(v.id for v in merged.versions[:8])}"
    clashes.append(Clash(merged.name, "dataset", rival, left_out))
    return None


def _ids_once(datasets: Iterable[Dataset], ours: Manifest, clashes: list[Clash]) -> list[Dataset]:
    """An entry that both sides moved, to different datasets, stays where ours has it."""
    united = list(datasets)
    home = {v.id: d.name for d, v in ours.entries()}
    places: dict[str, list[str]] = {}
    for dataset in united:
        for version in dataset.versions:
            places.setdefault(version.id, []).append(dataset.name)
    twice = {entry: names for entry, names in places.items() if len(names) > 1}
    kept = {entry: home[entry] if home.get(entry) in names else names[0] for entry, names in twice.items()}
    clashes.extend(
        Clash(kept[entry], f"entry {entry}", kept[entry], next(n for n in names if n != kept[entry]))
        for entry, names in twice.items()
    )
    return [
        replace(d, versions=tuple(v for v in d.versions if kept.get(v.id, d.name) == d.name)) if twice else d
        for d in united
    ]


def _doubled_numbers(manifest: Manifest, ours: Manifest, theirs: Manifest) -> list[Clash]:
    """Two branches published different entries under one number: both keep it, by id they differ."""
    known = {(n, *ids) for side in (ours, theirs) for d in side for n, ids in doubled(d.versions).items()}
    return [
        Clash(dataset.name, f"published number v{number}", ids[0], ids[1])
        for dataset in manifest
        for number, ids in doubled(dataset.versions).items()
        if (number, *ids) not in known
    ]
