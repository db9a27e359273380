"""Are the bytes of a request where publish will look for them?

What lies in a trash does not count: a purge may have looked at the roots already. Production counts only
for what the base has live: anything else there may go while the request waits.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from git_datamanager import documents, encoded
from git_datamanager.errors import Corrupt, DataError, Denied, ObjectMissing, SettingsError, Unreachable
from git_datamanager.manager import DataManager
from git_datamanager.model.chains import DEEPEST, SMALLEST
from git_datamanager.model.layout import object_key, receipt_key
from git_datamanager.model.manifest import Dataset, Kind, Manifest, State, Version
from git_datamanager.model.names import pasteable
from git_datamanager.model.oid import Oid
from git_datamanager.model.proposal import Finding, Level, Proposal
from git_datamanager.model.records import Receipt
from git_datamanager.objects import STREAMED, ObjectStore
from git_datamanager.ops.bases import Bases
from git_datamanager.ops.parallel import Job, planned, run_all
from git_datamanager.ops.trees.check import Checker

Entry = tuple[Dataset, Version]
SIZE, DIGEST = "size", "digest"
_NOT_ASKED = (Denied, SettingsError)
"""No rights, not trusted, no store named: that is a fork's lot, and says nothing about the bytes."""


class Look(NamedTuple):
    """What was seen of one entry's bytes."""

    where: str | None = None
    """`staging` or `production`; None where they were not found good."""
    checked: str | None = None
    """SIZE, DIGEST (one that the store keeps), the kind of a form, or a level of objects.py."""
    problem: DataError | None = None


class Seen(NamedTuple):
    looks: dict[str, Look]
    findings: list[Finding]
    unasked: str | None = None
    """Why nobody could look."""
    is_unknown: bool = False
    """A store did not answer."""


def look_for(
    manager: DataManager, proposal: Proposal, base: Manifest, *, mode: str, verify: bool, is_finalize: bool
) -> Seen:
    """Look for the bytes of pending entries, and for the receipts of those that a request finalizes."""
    confirm = proposal.finalized if is_finalize else []
    entries = [*proposal.new, *proposal.waiting]
    if not entries and not confirm:
        return Seen({}, [])
    if mode == "none":
        return Seen({}, list(_unproven(confirm)), "that was not asked for")
    try:
        asker = _Asker(
            manager,
            manager.store("staging"),
            manager.store("production"),
            {v.oid for _, v in base.entries() if v.state is State.PUBLISHED},
            verify,
        )
    except _NOT_ASKED as error:
        return _blind(str(error), confirm, mode)
    except Unreachable as error:
        return Seen({}, [Finding(Level.NOTICE, "", str(error), error.hints)], str(error), is_unknown=True)
    looks = _all_looks(asker, entries, confirm)
    refused = [look.problem for look in looks.values() if isinstance(look.problem, _NOT_ASKED)]
    if len(refused) == len(looks):  # one that is refused alone speaks of that object, not of our rights
        return _blind(str(refused[0]), confirm, mode)
    inherited = {v.id for _, v in proposal.waiting}
    findings = [_finding(d, v, looks[v.id], is_inherited=v.id in inherited) for d, v in (*entries, *confirm)]
    is_unknown = any(isinstance(look.problem, Unreachable) for look in looks.values())
    return Seen(looks, [f for f in findings if f is not None], None, is_unknown)


def _all_looks(asker: "_Asker", entries: Sequence[Entry], confirm: Sequence[Entry]) -> dict[str, Look]:
    jobs = [
        *(Job(d.name, v.size, partial(_answered, asker.bytes_of, d, v)) for d, v in entries),
        *(Job(d.name, v.size, partial(_answered, asker.receipt_of, d, v)) for d, v in confirm),
    ]
    done = run_all(jobs).done
    return {v.id: look for (_, v), look in zip((*entries, *confirm), done, strict=True)}


def _answered(ask: Callable[[Dataset, Version], Look], dataset: Dataset, version: Version) -> Look:
    try:
        return ask(dataset, version)
    except DataError as error:
        return Look(problem=error)


@dataclass(frozen=True)
class _Asker:
    manager: DataManager
    staging: ObjectStore
    production: ObjectStore
    live: Collection[Oid]
    verify: bool

    def bytes_of(self, dataset: Dataset, version: Version) -> Look:
        """Raises ObjectMissing, Corrupt."""
        is_published = self._receipt(version) is not None
        if dataset.kind is Kind.TREE and not is_published and version.oid not in self.live:
            # What the version before has is not sent again.
            return Look("staging", self._check_folder(dataset, version, ("staging", "production")))
        try:
            return Look("staging", self._check(self.staging, dataset, version))
        except ObjectMissing:
            if not is_published and version.oid not in self.live:
                raise
        return Look("production", self._check(self.production, dataset, version))

    def receipt_of(self, dataset: Dataset, version: Version) -> Look:
        if self._receipt(version) is None:
            raise ObjectMissing("production has no receipt of it: it was not published")
        self._check(self.production, dataset, version)
        return Look("production", "receipt")

    def _receipt(self, version: Version) -> Receipt | None:
        found = documents.fetch(self.production.adapter, receipt_key(version.id), Receipt)
        if found is not None and not found.agrees(entry=version.id, oid=str(version.oid), size=version.size):
            raise Corrupt("production has a receipt of its id for other bytes: somebody copied an entry")
        return found

    def _check(self, store: ObjectStore, dataset: Dataset, version: Version) -> str:
        """How the bytes were checked; all of them with `verify`."""
        if dataset.kind is Kind.TREE:
            return self._check_folder(dataset, version, (store.role,))
        found = store.adapter.stat_object(object_key(version.oid))
        if found is None:
            return self._check_forms(store, dataset, version)
        if self.verify:
            advance = planned(self.manager.progress, dataset.name, version.size)
            return store.verify(version.oid, version.size, advance=advance).level
        if found.size != version.size:
            raise Corrupt(f"{store.role} holds {found.size} bytes of it, the manifest says {version.size}")
        if found.sha256 not in (None, version.oid.hex):
            raise Corrupt(f"{store.role} holds other bytes under its name: their sha256 is {found.sha256}")
        return SIZE if found.sha256 is None else DIGEST

    def _check_forms(self, store: ObjectStore, dataset: Dataset, version: Version) -> str:
        """Where no plain object is, publish rebuilds it from a form (`promote.py`): the kind of the first
        that it could. Without `verify` a form is only known to be there, with all that it builds on."""
        bases = Bases(self.manager, dataset, ("production", "staging"), has_local=False)
        problem: DataError | None = None
        for form in encoded.forms(store, version.oid) if version.size >= SMALLEST else []:
            try:
                if self.verify:
                    bases.check(store, form, version.oid, version.size)
                    return STREAMED
                if form.encoding.base is None or self._stands(dataset, form.encoding.base):
                    return form.encoding.kind
            except (Corrupt, ObjectMissing) as error:
                problem = problem or error
        raise problem or ObjectMissing(f"its bytes are not in {store.role}")

    def _stands(self, dataset: Dataset, base: Oid, depth: int = DEEPEST) -> bool:
        """A store has what a delta builds on, whole or in forms that stand."""
        if all(base != version.oid for version in dataset.versions):
            return False
        for store in (self.production, self.staging):
            if store.adapter.stat_object(object_key(base)) is not None:
                return True
            for form in encoded.forms(store, base) if depth else []:
                if form.encoding.base is None or self._stands(dataset, form.encoding.base, depth - 1):
                    return True
        return False

    def _check_folder(self, dataset: Dataset, version: Version, roles: Sequence[str]) -> str:
        advance = planned(self.manager.progress, dataset.name, version.size)
        Checker(self.manager, verify=self.verify).check(version, roles, advance)
        return STREAMED if self.verify else SIZE


def _finding(dataset: Dataset, version: Version, look: Look, *, is_inherited: bool) -> Finding | None:
    """What was pending before this request is no fault of it."""
    if look.problem is None:
        return None
    level = Level.NOTICE if is_inherited or isinstance(look.problem, Unreachable) else Level.ERROR
    hints = look.problem.hints
    if isinstance(look.problem, ObjectMissing):
        hints = (f"git data upload {pasteable(dataset.name)}   # in the clone where it was added",)
    return Finding(level, f"{dataset.name} {version.name}", str(look.problem), tuple(hints), version.id)


def _blind(reason: str, confirm: Sequence[Entry], mode: str) -> Seen:
    findings = list(_unproven(confirm))
    if mode == "require":
        findings.append(Finding(Level.ERROR, "", f"the bytes could not be looked for: {reason}"))
    return Seen({}, findings, reason)


def _unproven(confirm: Sequence[Entry]) -> Iterator[Finding]:
    """A request that says what was published proves it, or is refused."""
    for dataset, version in confirm:
        text = "is marked as published, and nobody could ask production for its receipt"
        yield Finding(Level.ERROR, f"{dataset.name} {version.name}", text, (), version.id)
