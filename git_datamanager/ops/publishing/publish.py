"""`git data publish`: what is merged goes live. Run by CI; docs/design/publish.md has the protocol.

Level-triggered: it takes every pending entry of the branch's tip, not what one event brought. Bytes are
named by their content and receipts by their entry, so a second run, a concurrent one or one that was
killed at any point ends in the same state.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from itertools import chain
from typing import NamedTuple

from git_datamanager import lease
from git_datamanager.errors import DataError, Denied, ObjectMissing, Unreachable
from git_datamanager.events import Event, Kind, note, warn
from git_datamanager.manager import DataManager
from git_datamanager.model import evolve
from git_datamanager.model import manifest as model
from git_datamanager.model.compaction import Kept, asked, compacted
from git_datamanager.model.layout import LEASE, TRASH, object_of, tree_key
from git_datamanager.model.manifest import Dataset, DatasetState, Manifest, State, Version
from git_datamanager.model.oid import Oid
from git_datamanager.objects import ObjectStore
from git_datamanager.ops.explain import explained
from git_datamanager.ops.parallel import Job, run_all
from git_datamanager.ops.publishing import compacting, promote, register
from git_datamanager.ops.publishing import finalize as finalizing
from git_datamanager.ops.publishing.branch import Branch, find_branch
from git_datamanager.ops.publishing.compacting import Compaction, compact, is_whole
from git_datamanager.ops.publishing.finalize import Finalized, Outcome
from git_datamanager.ops.publishing.promote import Live, Promotion
from git_datamanager.ops.upload import Entry, pending_entries
from git_datamanager.workspace import reflists
from git_datamanager.workspace.history import introductions
from git_datamanager.workspace.journal import utc_now

WAIT = 900.0
"""Seconds that a run stands in line for another one."""


class Result(StrEnum):
    PUBLISHED = "published"
    """Its bytes are in production, checked, with a receipt."""
    PLANNED = "planned"
    FAILED = "failed"


class EntryReport(NamedTuple):
    """What became of one pending entry."""

    name: str
    version: Version
    result: Result
    verified: str | None = None
    error: DataError | None = None


_Pair = tuple[EntryReport, Live | None]


class Report(NamedTuple):
    """A run of publish."""

    branch: str
    remote: str | None
    tip: str
    entries: list[EntryReport]
    deleted: list[tuple[str, list[str]]]
    """Dataset and the versions that become tombstones."""
    finalized: Finalized
    commit: str | None
    request: str | None = None
    """The URL of the pull request that records it, where there is one."""
    restored: Sequence[tuple[str, DataError | None]] = ()
    """Datasets whose bytes lay in the trash alone, and why one could not be brought back."""
    trouble: DataError | None = None
    """Why no pull request could be opened, where one is needed."""
    compacted: Sequence[compacting.Outcome] = ()
    """Versions whose plain bytes gave way to a delta, or came back."""

    @property
    def failures(self) -> list[tuple[str, DataError]]:
        entries = [(e.name, e.error) for e in self.entries if e.error is not None]
        lost = [(name, error) for name, error in self.restored if error is not None]
        swollen = [(c.name, c.error) for c in self.compacted if c.error is not None]
        return entries + lost + swollen + ([("", self.trouble)] if self.trouble else [])


@dataclass(frozen=True)
class _Work:
    """What a run did to the store."""

    tip: str
    manifest: Manifest
    entries: list[EntryReport]
    confirmed: dict[str, evolve.Publication]
    restored: Sequence[tuple[str, DataError | None]] = ()
    compaction: Compaction = field(default_factory=Compaction)

    @property
    def kept(self) -> Kept:
        return Kept(self.compaction.deltas, frozenset(self.compaction.plain))


def publish(
    manager: DataManager,
    *,
    finalize: str = "commit",
    branch: str | None = None,
    remote: str | None = None,
    dry_run: bool = False,
    unsafe_single_writer: bool = False,
    wait: float = WAIT,
) -> Report:
    """Publish every pending entry of the tip, each on its own, and record it in the manifest.

    `unsafe_single_writer` makes do with a store that knows no conditional writes: the caller promises
    that no other run is at work. `wait` is how long to stand in line for one that is (seconds).
    Failures of single entries are in the report; the others go live. Raises what stops the whole run:
    an unreadable manifest at the tip, an unreachable remote or store, one without conditional writes, a
    finalize that found no way.
    """
    place = find_branch(manager.git, manager.manifests, remote, branch)
    tip = place.fetch()
    manifest = manager.manifests.at(tip)
    with manager.journal.record("publish", None, {"branch": place.name, "tip": tip}) as details:
        if dry_run:
            planned = [EntryReport(d.name, v, Result.PLANNED) for d, v in pending_entries(manifest)]
            return _report(place, _Work(tip, manifest, planned, {}), Outcome(Finalized.NONE))
        work = _work(manager, place, tip, manifest, wait=wait, single_writer=unsafe_single_writer)
        details["entries"] = {r.version.id: r.result for r in work.entries}
        outcome = finalizing.finalize(manager, place, work.tip, work.confirmed, finalize, work.kept)
        details["commit"] = outcome.commit
    return _report(place, work, outcome)


def _report(place: Branch, work: _Work, outcome: Outcome) -> Report:
    return Report(
        place.name, place.remote, work.tip, work.entries, _deletions(work.manifest),
        outcome.how, outcome.commit, outcome.request, work.restored, outcome.trouble,
        work.compaction.outcomes,
    )  # fmt: skip


def _deletions(manifest: Manifest) -> list[tuple[str, list[str]]]:
    marked = [(d.name, [v.name for v in d.versions if v.state is State.DELETING]) for d in manifest]
    return [
        (name, versions)
        for name, versions in marked
        if versions or manifest.datasets[name].state is DatasetState.DELETING
    ]


def _work(
    manager: DataManager, place: Branch, tip: str, manifest: Manifest, *, wait: float, single_writer: bool
) -> _Work:
    """Bring the bytes to production, under the lease; nothing where there is nothing to bring."""
    if not (pending_entries(manifest) or asked(manifest) or _lost(manager, place, manifest)):
        return _Work(tip, manifest, [], {})
    with _leased(manager, wait=wait, single_writer=single_writer) as check:
        tip = place.fetch()  # somebody else may have been at work meanwhile
        manifest = manager.manifests.at(tip)
        promotion = Promotion(
            manager, manager.store("staging"), manager.store("production"), check, single_writer
        )
        register.register(manager, place.remote)
        lost = _lost(manager, place, manifest)
        restored = promotion.restore(lost)
        entries, confirmed = _publish_entries(promotion, pending_entries(manifest), tip)
        compaction = compact(promotion, evolve.finalize(manifest, confirmed, utc_now()))
        compaction.plain |= {oid for oid, (_, error) in zip(lost, restored, strict=True) if error is None}
        compaction.plain |= {e.version.oid for e in entries if e.result is Result.PUBLISHED}
    return _Work(tip, manifest, entries, confirmed, restored, compaction)


def _lost(manager: DataManager, place: Branch, manifest: Manifest) -> dict[Oid, Entry]:
    """What the tip or a tag reaches and `objects/` lacks, while the trash has it; of what is compacted
    only that whose chain has a gap."""
    try:
        production = manager.store("production")
        trashed = {object_of(s.key, TRASH) for s in production.adapter.list_objects(TRASH)}
        if not trashed:
            return {}
        tagged = reflists.tags(manager.git, place.remote, partial(warn, manager.progress))
        needed = {
            v.oid: (d, v)
            for one in chain(tagged, [manifest])
            for d, v in one.entries()
            if v.oid in trashed and v.state in _HELD
        }
        small = compacted([manifest])
        return {
            oid: (d, v)
            for oid, (d, v) in needed.items()
            if not _is_there(production, d, v) and not (oid in small and is_whole(production, *small[oid]))
        }
    except (Denied, Unreachable) as error:
        warn(manager.progress, f"nobody can say whether something waits in the trash: {error}")
        return {}


def _is_there(production: ObjectStore, dataset: Dataset, version: Version) -> bool:
    if dataset.kind is model.Kind.TREE:
        return production.adapter.stat_object(tree_key(version.oid)) is not None
    return production.stat(version.oid, version.size) is not None


_HELD = (State.PUBLISHED, State.DELETING)
"""Pending entries find their bytes in the trash themselves."""


@contextmanager
def _leased(manager: DataManager, *, wait: float, single_writer: bool) -> Iterator[Callable[[], None]]:
    """Hold the lease of production; without conditional writes the caller's promise takes its place."""
    if single_writer:
        yield lambda: None
        return
    terms = lease.Terms(
        holder=promote.holder(manager),
        ttl=manager.settings.number("data.leaseTime"),
        wait=wait,
        renews=True,
        say=lambda text: note(manager.progress, text),
    )
    store = manager.store("production").adapter
    with ExitStack() as stack:
        taken = explained(
            lambda: stack.enter_context(lease.held(store, LEASE, terms)), "", "nothing was done",
            "git data publish   # again, once that is put right",
        )  # fmt: skip
        yield taken.check


def _publish_entries(
    promotion: Promotion, entries: Sequence[Entry], tip: str
) -> tuple[list[EntryReport], dict[str, evolve.Publication]]:
    origins = introductions(promotion.manager.git, [v.id for _, v in entries], tip)
    groups: dict[Oid, list[Entry]] = {}
    for dataset, version in entries:
        groups.setdefault(version.oid, []).append((dataset, version))

    def one_content(group: Sequence[Entry]) -> list[_Pair]:
        """Entries that share bytes go one after the other: the second finds the first one's copy."""
        return [_entry(promotion, d, v, origins.get(v.id)) for d, v in group]

    pairs = list[_Pair]()
    waiting: list[Sequence[Entry]] = list(groups.values())
    while waiting:
        jobs = [Job(g[0][0].name, g[0][1].size, partial(one_content, g)) for g in waiting]
        done = [pair for group in run_all(jobs, promotion.manager.progress).done for pair in group]
        waiting = _worth_another_try(waiting, done)
        again = {v.id for group in waiting for _, v in group}
        pairs += [pair for pair in done if pair[0].version.id not in again]
    confirmed = {
        report.version.id: evolve.Publication(
            live.receipt.published, origins.get(report.version.id), live.encodings
        )
        for report, live in pairs
        if live is not None
    }
    order = {v.id: n for n, (_, v) in enumerate(entries)}
    return sorted((r for r, _ in pairs), key=lambda r: order[r.version.id]), confirmed


def _worth_another_try(groups: Sequence[Sequence[Entry]], done: Sequence[_Pair]) -> list[Sequence[Entry]]:
    """What found no bytes, while a version of the same dataset went live: a delta may build on that."""
    lively = {report.name for report, live in done if live is not None}
    missed = {r.version.id for r, _ in done if isinstance(r.error, ObjectMissing) and r.name in lively}
    return [g for g in groups if any(v.id in missed for _, v in g)]


def _entry(promotion: Promotion, dataset: Dataset, version: Version, origin: str | None) -> _Pair:
    try:
        live = explained(
            lambda: promotion.go_live(dataset, version, origin),
            dataset.name,
            "it stays pending",
            "git data publish   # again: what is published stays so, nothing is copied twice",
        )
    except DataError as error:
        return EntryReport(dataset.name, version, Result.FAILED, None, error), None
    promotion.manager.progress(Event(Kind.DONE, dataset.name))
    return EntryReport(dataset.name, version, Result.PUBLISHED, live.receipt.verified), live
