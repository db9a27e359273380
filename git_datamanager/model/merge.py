"""Three-way merge of manifests: histories are united by the entries' ids.

Facts of the format make most merges clean: an entry never changes but for its state and what comes
with it, states only go forward, and numbers are settled afterwards. A conflict is left only where
both sides changed one entry or one option differently.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

from git_datamanager.model.evolve import settle_numbers
from git_datamanager.model.manifest import Dataset, Kind, Manifest, State, Version, version_order

_MISSING: Any = object()
_RANK = {state: rank for rank, state in enumerate(State)}


@dataclass(frozen=True, slots=True)
class Clash:
    """What both sides changed differently; `ours` was kept in the merged value."""

    dataset: str
    what: str
    ours: object
    theirs: object

    def __str__(self) -> str:
        return f"{self.dataset}: {self.what}: {self.ours!r} here, {self.theirs!r} there"


class Merged(NamedTuple):
    """The united manifest, and what a person must decide (ours stands meanwhile)."""

    manifest: Manifest
    clashes: tuple[Clash, ...]


def merge(base: Manifest, ours: Manifest, theirs: Manifest) -> Merged:
    """Unite two successors of `base`. Deterministic: numbers do not depend on who is `ours`."""
    clashes: list[Clash] = []
    names = _Names(base, ours, theirs)
    datasets = [
        merged for name in names.final if (merged := _dataset(name, *names.parts(name), clashes)) is not None
    ]
    extra = _fields("manifest.json", base.extra, ours.extra, theirs.extra, clashes)
    return Merged(settle_numbers(Manifest({}, extra).with_datasets(datasets)), tuple(clashes))


class _Names:
    """Follows datasets through `mv`: a name gone on one side whose entries stand elsewhere there."""

    def __init__(self, base: Manifest, ours: Manifest, theirs: Manifest) -> None:
        self._sides = (base, ours, theirs)
        moved = _renames(base, theirs) | _renames(base, ours)
        self._aliases = {new: {old for old, to in moved.items() if to == new} for new in moved.values()}
        every = {name for side in self._sides for name in side.datasets}
        gone = {old for old, new in moved.items() if old != new}
        self.final = sorted(every - gone, key=str.encode)

    def parts(self, name: str) -> tuple[Dataset | None, Dataset | None, Dataset | None]:
        """The dataset called `name` in the end, as base, ours and theirs know it."""
        known = (name, *sorted(self._aliases.get(name, ())))
        base, ours, theirs = (
            next((side.datasets[n] for n in known if n in side.datasets), None) for side in self._sides
        )
        return base, ours, theirs


def _renames(base: Manifest, side: Manifest) -> dict[str, str]:
    owner = {v.id: d.name for d, v in side.entries()}
    found: dict[str, str] = {}
    for dataset in base:
        if dataset.name not in side.datasets:
            now = next((owner[v.id] for v in dataset.versions if v.id in owner), None)
            if now is not None:
                found[dataset.name] = now
    return found


def _dataset(
    name: str,
    base: Dataset | None,
    ours: Dataset | None,
    theirs: Dataset | None,
    clashes: list[Clash],
) -> Dataset | None:
    if ours is None and theirs is None:
        return None
    sides = [side for side in (ours, theirs) if side is not None]
    if base is None and len(sides) == 1:
        return sides[0]
    if len(sides) == 2 and sides[0].kind is not sides[1].kind:
        clashes.append(Clash(name, "kind", sides[0].kind, sides[1].kind))
        return sides[0]
    empty = Dataset(name=name, kind=sides[0].kind)
    b, o, t = base or empty, ours or empty, theirs or empty
    versions = _versions(name, b, o, t, clashes)
    if not versions and (base is not None or ours is None or theirs is None):
        return None
    return Dataset(
        name=name,
        kind=_pick(name, "kind", _kind(base), o.kind, t.kind, clashes),
        state=_pick(name, "state", b.state, o.state, t.state, clashes),
        options=_fields(name, b.options, o.options, t.options, clashes),
        versions=versions,
        extra=_fields(name, b.extra, o.extra, t.extra, clashes),
    )


def _kind(base: Dataset | None) -> Kind | None:
    return base.kind if base else None


def _versions(
    name: str, base: Dataset, ours: Dataset, theirs: Dataset, clashes: list[Clash]
) -> tuple[Version, ...]:
    ids = {v.id for side in (ours, theirs) for v in side.versions}
    merged = [
        version
        for entry in sorted(ids)
        if (version := _version(name, base.by_id(entry), ours.by_id(entry), theirs.by_id(entry), clashes))
        is not None
    ]
    return tuple(sorted(merged, key=version_order, reverse=True))


def _version(
    name: str,
    base: Version | None,
    ours: Version | None,
    theirs: Version | None,
    clashes: list[Clash],
) -> Version | None:
    if ours is None or theirs is None:
        remaining = ours or theirs
        # An entry that one side dropped goes, unless the other has taken it further: what is
        # published elsewhere cannot be undone by replacing a draft here.
        if base is None or remaining is None or remaining.state is not base.state:
            return remaining
        return None
    return _united(name, base, ours, theirs, clashes)


def _united(name: str, base: Version | None, ours: Version, theirs: Version, clashes: list[Clash]) -> Version:
    where = f"{name} {ours.name} ({ours.id})"
    values: dict[str, Any] = {}
    for field in fields(Version):
        was = getattr(base, field.name) if base else None
        mine, other = getattr(ours, field.name), getattr(theirs, field.name)
        if field.name == "state":
            values["state"] = max(mine, other, key=_RANK.__getitem__)
        elif field.name == "number":
            values["number"] = _number(was, ours, theirs)
        elif field.name in ("encodings", "extra"):
            values[field.name] = _fields(where, was or {}, mine, other, clashes)
        else:
            values[field.name] = _pick(where, field.name, was, mine, other, clashes)
    return replace(ours, **values)


def _number(was: int | None, ours: Version, theirs: Version) -> int:
    """The side that got further settled the number; else the one that changed it."""
    if ours.state is not theirs.state:
        return max(ours, theirs, key=lambda v: _RANK[v.state]).number
    return theirs.number if ours.number == was else ours.number


def _fields(
    where: str,
    base: Mapping[str, Any],
    ours: Mapping[str, Any],
    theirs: Mapping[str, Any],
    clashes: list[Clash],
) -> dict[str, Any]:
    merged = {
        key: _pick(
            where, key, base.get(key, _MISSING), ours.get(key, _MISSING), theirs.get(key, _MISSING), clashes
        )
        for key in [*ours, *(key for key in theirs if key not in ours)]
    }
    return {key: value for key, value in merged.items() if value is not _MISSING}


def _pick(where: str, what: str, base: Any, ours: Any, theirs: Any, clashes: list[Clash]) -> Any:
    if ours == theirs or theirs == base:
        return ours
    if ours == base:
        return theirs
    clashes.append(
        Clash(where, what, None if ours is _MISSING else ours, None if theirs is _MISSING else theirs)
    )
    return ours
