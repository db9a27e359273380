"""What publish does for datasets whose old versions are to do without plain bytes, and the checks of gc.

docs/design/encodings.md, "Compaction". Nothing is removed here: `gc` moves plain bytes to the trash, once
the chain was rebuilt.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import NamedTuple

from git_datamanager import encoded
from git_datamanager.errors import Corrupt, DataError, ObjectMissing, PreconditionFailed
from git_datamanager.manager import DataManager
from git_datamanager.model import compaction
from git_datamanager.model.chains import cheapest
from git_datamanager.model.compaction import Pair
from git_datamanager.model.layout import Encoding, object_key, trash_key
from git_datamanager.model.manifest import Dataset, Manifest, Version
from git_datamanager.model.oid import Oid
from git_datamanager.objects import ObjectStore
from git_datamanager.ops.bases import Bases
from git_datamanager.ops.encode import SAVING
from git_datamanager.ops.explain import explained
from git_datamanager.ops.fetch import published_forms
from git_datamanager.ops.publishing.promote import Promotion
from git_datamanager.ops.publishing.redelta import Redelta
from git_datamanager.storage.base import Presentation


class Outcome(NamedTuple):
    """What became of one version."""

    name: str
    version: Version
    size: int | None
    """Bytes of its delta; None where it keeps, or has again, its plain bytes."""
    error: DataError | None = None


@dataclass
class Compaction:
    """What a run did, for the manifest and for people."""

    outcomes: list[Outcome] = field(default_factory=list)
    deltas: dict[Oid, Mapping[str, int]] = field(default_factory=dict)
    """By content: the one form that now rebuilds it, checked as it is stored."""
    plain: set[Oid] = field(default_factory=set)
    """Contents that have their plain bytes again."""


def compact(promotion: Promotion, manifest: Manifest) -> Compaction:
    """Make and check the deltas that the manifest asks for, bring back what it wants plain.

    Each version on its own; under the lease of publish.
    """
    done = Compaction()
    for dataset in compaction.asked(manifest):
        work = _Work(promotion, dataset)
        for version in compaction.swollen(dataset):
            outcome = work.bring_back(version)
            done.outcomes.append(outcome)
            done.plain |= {version.oid} if outcome.error is None else set()
        for pair in compaction.pairs(dataset):
            outcome = work.compact(pair)
            done.outcomes.append(outcome)
            if outcome.size is not None:
                name = f"delta:{pair.base.oid}" if pair.base else "zstd"
                done.deltas[pair.version.oid] = {name: outcome.size}
    return done


class _Work:
    """One dataset in production."""

    def __init__(self, promotion: Promotion, dataset: Dataset) -> None:
        self._promotion = promotion
        self._dataset = dataset
        self._store = promotion.production
        self._redelta = Redelta(promotion.manager, dataset, promotion.production, promotion.check)

    def compact(self, pair: Pair) -> Outcome:
        """A delta in place, and rebuilt from there; without one that saves enough nothing changes."""
        return self._tried(pair.version, lambda: self._compact(pair))

    def bring_back(self, version: Version) -> Outcome:
        """The plain bytes under `objects/`, from the trash or over the chain."""
        return self._tried(version, lambda: self._bring_back(version))

    def _tried(self, version: Version, work: Callable[[], int | None]) -> Outcome:
        name = self._dataset.name
        try:
            size = explained(work, name, "its plain bytes stay", "git data publish   # tries again")
        except DataError as error:
            return Outcome(name, version, None, error)
        return Outcome(name, version, size)

    def _compact(self, pair: Pair) -> int | None:
        """Only where the plain bytes lie under `objects/` this very moment: a record never leads from one
        chain to another (tests/search: a purge in between would have looked at the old one)."""
        if self._store.stat(pair.version.oid, pair.version.size) is None:
            raise ObjectMissing(f"{pair.version.name}: production does not hold its plain bytes")
        form = self._redelta.make(pair.version, pair.base, int(pair.version.size * SAVING))
        return form.size if form else None

    def _bring_back(self, version: Version) -> None:
        oid, size, store = version.oid, version.size, self._store
        if store.stat(oid, size) is not None:
            store.verify(oid, size)
            return
        shown = Presentation(filename=PurePosixPath(self._dataset.name).name)
        try:
            good = store.verify(oid, size, key=trash_key(oid))
        except (ObjectMissing, Corrupt):
            with self._redelta.bases.opened(oid) as body:
                self._promotion.check()
                store.adapter.write_object(object_key(oid), body, size, sha256=oid.hex, presentation=shown)
        else:
            self._promotion.check()
            store.copy_from(store, oid, size, good, presentation=shown)
        store.verify(oid, size)


def is_whole(store: ObjectStore, dataset: Dataset, version: Version) -> bool:
    """Every object of the chain is there, by its size. What is in them shows when it is rebuilt."""
    route = cheapest(version.oid, published_forms(dataset), ())
    if route is None:
        return False
    found = [encoded.form(store, step.oid, step.encoding) for step in route.steps]
    return all(f is not None and f.size == s.size for f, s in zip(found, route.steps, strict=True))


def rebuilds(manager: DataManager, store: ObjectStore, dataset: Dataset, version: Version) -> bool:
    """The forms that the manifest names rebuild the version, from what is stored alone."""
    bases = Bases(manager, dataset, (store.role,), has_local=False)
    for name in version.encodings:
        form = encoded.form(store, version.oid, Encoding.parse(name))
        try:
            if form is not None:
                bases.check(store, form, version.oid, version.size)
                return True
        except (ObjectMissing, Corrupt, PreconditionFailed):
            continue
    return False
