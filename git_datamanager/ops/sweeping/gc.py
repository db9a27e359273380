"""`git data gc`: objects of production that nothing names go to the trash, and after the grace for good.

docs/design/publish.md, "Deleting from production". Its own role; in doubt it does nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from git_datamanager import documents
from git_datamanager.errors import Corrupt, ObjectMissing
from git_datamanager.manager import DataManager
from git_datamanager.model.layout import (
    AUDIT,
    OBJECTS,
    PACKS,
    TRASH,
    TREES,
    audit_key,
    home_keys,
    object_of,
    pack_of,
    packs_list_of,
    production_trash_key,
    trashed_of,
    tree_of,
)
from git_datamanager.model.names import pasteable
from git_datamanager.model.oid import Oid
from git_datamanager.model.records import GcRecord
from git_datamanager.model.ulid import is_ulid, new_ulid
from git_datamanager.ops.publishing import compacting
from git_datamanager.ops.publishing.branch import find_branch
from git_datamanager.ops.publishing.promote import actor
from git_datamanager.ops.publishing.register import address, identity
from git_datamanager.ops.sweeping import deleting, rests
from git_datamanager.ops.sweeping import records as gcrecords
from git_datamanager.ops.sweeping.deleting import DAY, Asked, Item, Removal, Run, Trouble
from git_datamanager.ops.sweeping.reach import Reach
from git_datamanager.ops.sweeping.roots import Roots, collect, demand_all
from git_datamanager.storage.base import ABSENT
from git_datamanager.workspace.journal import utc_now

_PLACES: tuple[tuple[str, Callable[[str], Oid | None]], ...] = (
    (TREES, lambda key: tree_of(key) or packs_list_of(key)),
    (PACKS, pack_of),
    (OBJECTS, object_of),
)
"""Whoever sees a listing finds what it names: it goes first."""


class Report(NamedTuple):
    """What a run did, or would do."""

    applied: bool
    moved: list[Item]
    purged: list[Item]
    kept: list[Item]
    """Named again, so they stay."""
    waiting: list[Item]
    """In the trash, not yet old enough."""
    troubles: list[Trouble]
    held: list[str]
    """Deleted datasets and versions that another ref still names."""
    labels: Mapping[Oid, str]
    """What the contents are called, where a tip knows it."""
    refs: int
    is_much: bool
    """It takes a number to confirm it."""


class _Plan(NamedTuple):
    """One look at everything, and what follows from it."""

    total: int
    """Bytes in objects and trash."""
    to_move: list[Item]
    to_purge: list[Item]
    kept: list[Item]
    waiting: list[Item]
    idle: list[Item]
    """Encoded forms and indexes that nothing needs: they go without trash, and count for little."""
    roots: Roots
    record: GcRecord


def gc(
    manager: DataManager,
    asked: Asked | None = None,
    *,
    purge: bool = False,
    fewer_refs: bool = False,
    apply: bool = False,
) -> Report:
    """Move what nothing names into the trash, and with `purge` remove what lay there for the grace.

    Dry unless `apply`. `fewer_refs`: the caller knows that many refs are gone. Raises DataError where
    anything is in doubt: nothing was done then.
    """
    asked = asked or Asked()
    work = _Gc(manager, asked, purge=purge, fewer_refs=fewer_refs)
    with manager.journal.record("gc", None, {"purge": purge, "apply": apply}) as details:
        if not apply:
            plan, done = work.plan(), None
        else:
            with deleting.deleting_run(
                manager, work.store, "gc", wait=asked.wait, single_writer=asked.single_writer
            ) as run:
                plan = work.plan()
                work.demand_confirmation(plan)
                done = work.carry_out(run, plan)
        report = _report(plan, done)
        details["moved"] = [str(i.oid) for i in report.moved if done]
        details["purged"] = [str(i.oid) for i in report.purged if done]
    return report


def _report(plan: _Plan, done: Removal | None) -> Report:
    return Report(
        applied=done is not None,
        moved=done.moved if done else plan.to_move,
        purged=done.deleted if done else plan.to_purge,
        kept=[*plan.kept, *(done.kept if done else ())],
        waiting=plan.waiting,
        troubles=done.troubles if done else [],
        held=plan.roots.held,
        labels=plan.roots.labels,
        refs=len(plan.roots.refs),
        is_much=deleting.is_much([*plan.to_move, *plan.to_purge], plan.total),
    )


class _Gc:
    """A run of gc: the store, the repository it belongs to, and what is asked for."""

    def __init__(self, manager: DataManager, asked: Asked, *, purge: bool, fewer_refs: bool) -> None:
        self.store = manager.store("production")
        self._manager = manager
        self._asked = asked
        self._purge = purge
        self._fewer_refs = fewer_refs
        self._place = find_branch(manager.git, manager.manifests, asked.remote, asked.branch)
        self._reach = Reach(manager, self.store)
        self._repository = identity(address(manager.git, self._place.remote))

    def plan(self) -> _Plan:
        """The listings first, then the roots: what somebody names meanwhile is seen."""
        demand_all(self._manager, self.store.adapter, self._place.remote, self._asked.repositories)
        objects = [i for prefix, read in _PLACES for i in deleting.items(self.store, prefix, read)]
        trash = deleting.items(self.store, TRASH, trashed_of)
        roots, named = self._named()
        old, young = self._aged(trash)
        keys = {i.key for i in objects}
        there = {i.oid for i in trash if not keys.isdisjoint(home_keys(i.key))}
        small = roots.compacted
        last_copies = [i for i in old if i.oid in named and i.oid not in there and i.oid not in small]
        to_move = [i for i in objects if i.oid not in named or i.oid in small]
        anew = {i.oid for i in to_move}  # their copy in the trash is replaced: its grace only begins
        purgeable = [i for i in old if i.oid not in named or i.oid in there or i.oid in small]
        to_purge = [i for i in purgeable if i.oid not in anew] if self._purge else []
        return _Plan(
            total=sum(i.size for i in (*objects, *trash)),
            to_move=to_move,
            to_purge=to_purge,
            kept=last_copies,
            waiting=young if self._purge else [*young, *purgeable],
            idle=rests.idle(self.store, roots.tips, named, self._limit()),
            roots=roots,
            record=self._record(roots, to_move, to_purge),
        )

    def _aged(self, trash: Sequence[Item]) -> tuple[list[Item], list[Item]]:
        """What lay there for longer than the grace, and the rest."""
        limit = self._limit()
        return [i for i in trash if i.modified < limit], [i for i in trash if i.modified >= limit]

    def _limit(self) -> float:
        """The grace ago, by the store's clock."""
        return self.store.adapter.clock() - self._manager.settings.number("data.grace", 1) * DAY

    def demand_confirmation(self, plan: _Plan) -> None:
        command = "git data gc --apply" + (" --purge" if self._purge else "")
        planned = [*plan.to_move, *plan.to_purge]
        deleting.demand_confirmation(planned, plan.total, self._asked.confirmed, command)

    def carry_out(self, run: Run, plan: _Plan) -> Removal:
        """Say what is intended, do it, say what was done."""
        done = Removal()
        if not plan.to_move and not plan.to_purge:
            self._drop_idle(run, plan, done)
            run.sweep_probes()
            return done
        self._leave(plan.record)
        for chunk in deleting.in_chunks(plan.to_move):
            sound = [i for i in chunk if self._does_without(i, plan.roots, done)]
            copied = [i for i in sound if run.aside(i, production_trash_key(i.key), done)]
            free = self._still_free(copied)
            done.kept += [i for i in copied if i not in free]
            done.moved += [i for i in free if run.delete(i, done)]
        for chunk in deleting.in_chunks(plan.to_purge):
            free = [i for i in self._still_free(chunk) if self._does_without(i, plan.roots, done)]
            # Named again, and not under `objects/`: publish brings it back.
            gone = [i for i in chunk if i in free or self._is_good(i)]
            done.kept += [i for i in chunk if i not in gone]
            done.deleted += [i for i in gone if run.delete(i, done)]
        self._drop_idle(run, plan, done)
        run.sweep_probes()
        moved, purged = ([str(i.oid) for i in some] for some in (done.moved, done.deleted))
        self._leave(
            plan.record.model_copy(
                update={"id": new_ulid(), "phase": "done", "moved": moved, "purged": purged}
            )
        )
        return done

    def _drop_idle(self, run: Run, plan: _Plan, done: Removal) -> None:
        """Each chunk by a new look: what is recorded or named meanwhile stays. A form beside the recorded one
        goes once that one was seen to rebuild the version."""
        sound = dict[Oid, bool]()
        for chunk in deleting.in_chunks(plan.idle):
            roots, named = self._named()
            still = {i.key for i in rests.idle(self.store, roots.tips, named, self._limit())}
            for item in chunk:
                if item.oid not in sound:
                    sound[item.oid] = self._does_without(item, roots, done)
                if item.key in still and sound[item.oid]:
                    run.delete(item, done)

    def _leave(self, record: GcRecord) -> None:
        documents.write(self.store.adapter, audit_key(record.id), record, ABSENT)

    def _still_free(self, some: Sequence[Item]) -> list[Item]:
        """Those that still nothing names, or needs plain, by a new look at all refs."""
        if not some:
            return []
        roots, named = self._named()
        return [i for i in some if i.oid not in named or i.oid in roots.compacted]

    def _does_without(self, item: Item, roots: Roots, done: Removal) -> bool:
        """What is compacted goes only once its chain was rebuilt in this very run, from what is stored."""
        entry = roots.compacted.get(item.oid)
        if entry is None or compacting.rebuilds(self._manager, self.store, *entry):
            return True
        name = f"{entry[0].name} {entry[1].name}"
        error = Corrupt(
            f"{name} is compacted, and its deltas do not rebuild it: its plain bytes stay",
            hints=[f"git data compact {pasteable(entry[0].name)} --off   # once merged, plain again"],
        )
        done.troubles.append(Trouble(item.key, error))
        return False

    def _is_good(self, item: Item) -> bool:
        """A good copy is where it belongs."""
        for key in home_keys(item.key):
            with suppress(ObjectMissing, Corrupt):
                if packs_list_of(key) is None:
                    self.store.verify(item.oid, item.size, key=key)
                    return True
                return self.store.adapter.stat_object(key) is not None
        return False

    def _named(self) -> tuple[Roots, set[Oid]]:
        """What refs, earlier refs and receipts without a tombstone name."""
        roots = collect(self._manager, self._place, self._asked.repositories)
        records = self._records()
        gcrecords.demand_refs(roots, records, fewer=self._fewer_refs)
        remembered = gcrecords.remembered(self._manager, roots, records)
        named = roots.named | remembered | gcrecords.vanished(self.store, roots)
        reached = self._reach.of(roots, named)
        return roots, named | reached | rests.bases(self.store, roots.tips, named - roots.folders)

    def _records(self) -> list[GcRecord]:
        """Those that earlier runs for this repository left, not too long ago, oldest first."""
        store = self.store.adapter
        since = store.clock() - gcrecords.REMEMBERED
        keys = [
            s.key for s in store.list_objects(AUDIT)
            if s.modified > since and is_ulid(s.key.removeprefix(AUDIT).removesuffix(".json"))
        ]  # fmt: skip
        found = (documents.fetch(store, key, GcRecord) for key in keys)
        return [r for r in found if r is not None and r.repository == self._repository]

    def _record(self, roots: Roots, to_move: Sequence[Item], to_purge: Sequence[Item]) -> GcRecord:
        return GcRecord(
            id=new_ulid(),
            phase="intent",
            started=utc_now(),
            actor=actor(self._manager)[:1000],
            repository=self._repository,
            refs=len(roots.refs),
            beyond={c: sorted(map(str, oids)) for c, oids in sorted(roots.beyond.items())},
            moved=[str(i.oid) for i in to_move],
            purged=[str(i.oid) for i in to_purge],
        )
