"""`git data cleanup`: what staging need not keep. docs/design/publish.md, "Sweeping staging".

Bytes that were published have another copy and go; those that never were have none and are moved to
staging's trash first.
"""

import calendar
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from git_datamanager.errors import DataError, Denied, ObjectMissing
from git_datamanager.manager import DataManager
from git_datamanager.model.layout import (
    CUTS,
    FORMS,
    PACKS,
    TRASH,
    TREES,
    content_of,
    object_key,
    pack_key,
    pack_of,
    packs_list_of,
    staging_trash_key,
    trash_key,
    tree_key,
    tree_of,
)
from git_datamanager.model.oid import Oid
from git_datamanager.ops.publishing.branch import find_branch
from git_datamanager.ops.sweeping import deleting
from git_datamanager.ops.sweeping.deleting import DAY, Asked, Item, Removal, Run, Trouble
from git_datamanager.ops.sweeping.reach import Spread
from git_datamanager.ops.sweeping.roots import Roots, collect, demand_all

SETTLED = 7 * DAY
"""For how long staging keeps what was published or deleted."""
UNNAMED = 30 * DAY
_PREFIXES = (*FORMS, CUTS, TREES, PACKS)


class Report(NamedTuple):
    """What a run did, or would do."""

    applied: bool
    deleted: list[Item]
    """Production has them."""
    moved: list[Item]
    """To staging's trash: they were never published, or are deleted by now."""
    purged: list[Item]
    """From staging's trash, for good."""
    kept: list[Item]
    """Everything else that staging holds."""
    troubles: list[Trouble]
    labels: Mapping[Oid, str]
    """What the contents are called, where a tip knows it."""
    is_much: bool
    """It takes a number to confirm it."""


class _Plan(NamedTuple):
    total: int
    delete: list[Item]
    move: list[Item]
    purge: list[Item]
    kept: list[Item]
    troubles: list[Trouble]
    labels: Mapping[Oid, str]

    @property
    def unsaved(self) -> list[Item]:
        """What goes without a copy in production: much of it takes a number to confirm."""
        return [*self.move, *self.purge]

    @property
    def is_much(self) -> bool:
        return deleting.is_much(self.unsaved, self.total)


def cleanup(manager: DataManager, asked: Asked | None = None, *, apply: bool = False) -> Report:
    """Sweep staging. Dry unless `apply`. Raises DataError where anything is in doubt: nothing was done."""
    asked = asked or Asked()
    work = _Cleanup(manager, asked)
    with manager.journal.record("cleanup", None, {"apply": apply}) as details:
        if not apply:
            plan = work.plan()
            return _report(plan)
        with deleting.deleting_run(
            manager, work.store, "cleanup", wait=asked.wait, single_writer=asked.single_writer
        ) as run:
            plan = work.plan()
            deleting.demand_confirmation(
                plan.unsaved, plan.total, asked.confirmed, "git data cleanup --apply"
            )
            report = work.carry_out(run, plan)
        for name in ("deleted", "moved", "purged"):
            details[name] = [str(i.oid) for i in getattr(report, name)]
    return report


class _Cleanup:
    """A sweep of staging."""

    def __init__(self, manager: DataManager, asked: Asked) -> None:
        self.store = manager.store("staging")
        self._manager = manager
        self._asked = asked
        self._spread = Spread(manager)
        self._staged: set[Oid] = set()
        self._place = find_branch(manager.git, manager.manifests, asked.remote, asked.branch)

    def _roots(self) -> Roots:
        roots = collect(self._manager, self._place, self._asked.repositories)
        self._spread.over(roots, self._staged)
        return roots

    def plan(self) -> _Plan:
        production = self._manager.store("production").adapter
        demand_all(self._manager, production, self._place.remote, self._asked.repositories)
        objects = [i for prefix in _PREFIXES for i in deleting.items(self.store, prefix, _content)]
        aside = deleting.items(self.store, TRASH, lambda key: _content(key.removeprefix(TRASH)))
        self._staged = {i.oid for i in (*objects, *aside)}
        roots, now = self._roots(), self.store.adapter.clock()
        grace = self._manager.settings.number("data.grace", 1) * DAY
        free = [i for i in objects if _is_free(i, roots, now)]
        delete, move, troubles = self._split(free, roots)
        anew = {staging_trash_key(i.key) for i in move}  # that copy is replaced: its grace only begins
        purge = [
            i for i in aside if i.modified < now - grace and i.oid not in roots.pending and i.key not in anew
        ]
        going = {i.key for i in (*delete, *move, *purge)}
        kept = [i for i in (*objects, *aside) if i.key not in going]
        return _Plan(
            sum(i.size for i in (*objects, *aside)), delete, move, purge, kept, troubles, roots.labels
        )

    def _split(self, free: Sequence[Item], roots: Roots) -> tuple[list[Item], list[Item], list[Trouble]]:
        """What is live goes only where its bytes are seen in production: it may be the last copy."""
        delete, move, troubles = list[Item](), list[Item](), list[Trouble]()
        for item in free:
            if item.key.startswith(CUTS):
                delete.append(item)  # an index, made again from the bytes
                continue
            if item.oid not in roots.live:
                move.append(item)
                continue
            try:
                self._demand_published(item)
                delete.append(item)
            except (ObjectMissing, Denied) as error:
                troubles.append(Trouble(item.key, error))
        return delete, move, troubles

    def _demand_published(self, item: Item) -> None:
        store = self._manager.store("production").adapter
        homes = object_key(item.oid), pack_key(item.oid), tree_key(item.oid), trash_key(item.oid)
        found = [store.stat_object(key) for key in homes]
        if not any(stat is not None and (stat.size == item.size or not item.is_plain) for stat in found):
            raise ObjectMissing(
                f"{item.oid} is published, and production does not hold it: the staged copy stays",
                hints=["git data fsck --remote   # which datasets that is"],
            )

    def carry_out(self, run: Run, plan: _Plan) -> Report:
        done, deleted = Removal(troubles=list(plan.troubles)), list[Item]()
        for chunk in deleting.in_chunks(plan.delete):
            pending = self._roots().pending
            deleted += [i for i in self._free(chunk, pending, done) if run.delete(i, done)]
        for chunk in deleting.in_chunks(plan.move):
            copied = [i for i in chunk if run.aside(i, staging_trash_key(i.key), done)]
            pending = self._roots().pending if copied else set()
            done.moved += [i for i in self._free(copied, pending, done) if run.delete(i, done)]
        for chunk in deleting.in_chunks(plan.purge):
            pending = self._roots().pending
            done.deleted += [i for i in self._free(chunk, pending, done) if run.delete(i, done)]
        run.sweep_probes()
        return _report(plan)._replace(
            applied=True,
            deleted=deleted,
            moved=done.moved,
            purged=done.deleted,
            kept=[*plan.kept, *done.kept],
            troubles=done.troubles,
        )

    @staticmethod
    def _free(some: Sequence[Item], pending: set[Oid], done: Removal) -> list[Item]:
        """Without what a ref names as pending by now."""
        done.kept += [i for i in some if i.oid in pending]
        return [i for i in some if i.oid not in pending]


def _report(plan: _Plan) -> Report:
    """What would be done."""
    return Report(
        applied=False,
        deleted=plan.delete,
        moved=plan.move,
        purged=plan.purge,
        kept=plan.kept,
        troubles=plan.troubles,
        labels=plan.labels,
        is_much=plan.is_much,
    )


def _content(key: str) -> Oid | None:
    """What is in staging of a version, or of a folder's parts; a list of packs goes with its listing."""
    return content_of(key) or pack_of(key) or tree_of(key) or packs_list_of(key)


def _is_free(item: Item, roots: Roots, now: float) -> bool:
    """Its time is up: nowhere pending, and settled for long, or named by nobody for longer."""
    if item.oid in roots.pending:
        return False
    settled = roots.settled.get(item.oid)
    if settled is None:
        return item.oid not in roots.named and item.modified < now - UNNAMED
    return max(item.modified, _seconds(settled)) < now - SETTLED


def _seconds(text: str) -> float:
    try:
        return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))
    except ValueError as error:
        raise DataError(f"{text!r} is no time: nothing was deleted") from error
