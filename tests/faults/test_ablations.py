"""Each rule of the protocol left out in turn: the search finds the promise that breaks. So it can fail.

The code that ships is patched for the time of a test; docs/design/publish.md says what each rule is for.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from git_datamanager import documents
from git_datamanager.errors import OutcomeUnknown
from git_datamanager.model.layout import TRASH, object_key, object_of, staging_trash_key, trash_key
from git_datamanager.model.oid import Oid
from git_datamanager.objects import ObjectStore, Verified
from git_datamanager.ops import fetch, upload
from git_datamanager.ops.publishing import promote, publish
from git_datamanager.ops.publishing.promote import Live, Promotion
from git_datamanager.ops.sweeping import cleanup, deleting, gc
from git_datamanager.ops.sweeping.deleting import Item, Removal, Run
from git_datamanager.storage.base import ANYTHING
from tests.faults.cases import CASES, Case, Stage
from tests.faults.memory import in_memory
from tests.faults.test_interleavings import at_work, enumerated, story, thrown, told
from tests.faults.turns import History, Script

Patch = pytest.MonkeyPatch
MOST = 600
"""Histories that are tried before a rule counts as not needed."""


def copy_whatever_is_there(patch: Patch) -> None:
    """No copy-source-if-match."""
    real = ObjectStore.copy_from

    def copy_from(
        self: ObjectStore, source: ObjectStore, oid: Oid, size: int, good: Verified, **more: Any
    ) -> None:
        found = source.adapter.stat_object(good.key)
        real(self, source, oid, size, good._replace(etag=found.etag) if found else good, **more)

    patch.setattr(ObjectStore, "copy_from", copy_from)


def believe_the_copy(patch: Patch) -> None:
    """No check of the destination before the receipt."""

    def bring(self: Promotion, dataset: Any, version: Any, source: ObjectStore, good: Verified) -> Verified:
        self.production.copy_from(source, version.oid, version.size, good)
        return good

    patch.setattr(Promotion, "_bring", bring)


def overwrite_receipts(patch: Patch) -> None:
    real = documents.write
    patch.setattr(
        promote,
        "documents",
        type("Careless", (), {
            "fetch": staticmethod(documents.fetch),
            "write": staticmethod(lambda store, key, document, _: real(store, key, document, ANYTHING)),
        }),
    )  # fmt: skip


def purge_what_was_moved(patch: Patch) -> None:
    """An old copy in the trash is purged, though the same run has just replaced it."""
    real = gc._Gc.plan

    def plan(self: Any) -> Any:
        found = real(self)
        trash = deleting.items(self.store, TRASH, lambda key: object_of(key, TRASH))
        return found._replace(to_purge=self._aged(trash)[0])

    patch.setattr(gc._Gc, "plan", plan)


def purge_at_once(patch: Patch) -> None:
    patch.setattr(gc._Gc, "_aged", lambda _, trash: (trash, []))


def believe_the_move(patch: Patch) -> None:
    """The copy in the trash is not verified."""

    def copy(self: Run, item: Item, target: str) -> None:
        good = self.store.verify(item.oid, item.size, key=item.key)
        self.store.copy_from(self.store, item.oid, item.size, good, key=target)

    patch.setattr(Run, "_copy", copy)


def take_an_old_copy(patch: Patch) -> None:
    """What lies in the trash already counts as the copy, whatever its age."""

    def copy(self: Run, item: Item, target: str) -> None:
        good = self.store.verify(item.oid, item.size, key=item.key)
        if self.store.adapter.stat_object(target) is None:
            self.store.copy_from(self.store, item.oid, item.size, good, key=target)
        self.store.verify(item.oid, item.size, key=target)

    patch.setattr(Run, "_copy", copy)


@contextmanager
def _no_lease(manager: Any, store: ObjectStore, _: str, **__: Any) -> Iterator[Run]:
    yield Run(store, manager, lambda: None)


def delete_without_lease(patch: Patch) -> None:
    patch.setattr(gc.deleting, "deleting_run", _no_lease)


def give_the_lease_back_anyway(patch: Patch) -> None:
    """Though the outcome of a deletion is unknown."""
    real = Run.delete

    def delete(self: Run, item: Item, done: Removal) -> bool:
        try:
            return real(self, item, done)
        except OutcomeUnknown:
            self.in_flight = False
            raise

    patch.setattr(Run, "delete", delete)


def finalize_by_receipt(patch: Patch) -> None:
    """Whatever has a receipt becomes live, whether or not its bytes were seen."""

    def go_live(self: Promotion, dataset: Any, version: Any, origin: str | None) -> Any:
        receipt = self._receipt(version)
        return Live(receipt, {}) if receipt else real(self, dataset, version, origin)

    real = Promotion.go_live
    patch.setattr(Promotion, "go_live", go_live)


def look_in_the_trash_once(patch: Patch) -> None:
    """A reader does not look under objects/ once more."""
    real = fetch.places
    patch.setattr(fetch, "places", lambda role, oid: real(role, oid)[:2])


def restore_nothing(patch: Patch) -> None:
    patch.setattr(publish, "_lost", lambda *_: {})


def delete_what_was_withdrawn(patch: Patch) -> None:
    """Without moving it to staging's trash."""
    patch.setattr(Run, "aside", lambda *_: True)


def count_the_trash(patch: Patch) -> None:
    """What lies in a trash alone counts as present for whoever names it anew."""

    def present(manager: Any, twins: Sequence[Any]) -> Any:
        oid, size = twins[0][1].oid, twins[0][1].size
        for role, key in (("production", trash_key(oid)), ("staging", staging_trash_key(object_key(oid)))):
            found = manager.store(role).adapter.stat_object(key)
            if found is not None and found.size == size:
                return upload.Outcome.PRESENT
        return real(manager, twins)

    real = upload._present
    patch.setattr(upload, "_present", present)


def ask_nobody_what_is_pending(patch: Patch) -> None:
    real = cleanup._Cleanup._roots

    def roots(self: Any) -> Any:
        return replace(real(self), pending=set(), named=set())

    patch.setattr(cleanup._Cleanup, "_roots", roots)


@dataclass(frozen=True)
class Rule:
    """A rule, the history in which it is needed, and what breaks without it."""

    without: Callable[[Patch], None]
    case: Case
    breaks: str
    script: Sequence[tuple[str, str]] = ()
    """The history itself, where it has too many turns to be found by search."""


ROLLBACK = replace(CASES["rollback while it is deleted"], publish=0, lies=0)
FORMER_LIFE = replace(CASES["rollback over a former life"], publish=0, lost=0)
STAGED = Case([("add", Stage.UNSEEN)], "staging", {0: 1}, cleanup=1)
RULES: Mapping[str, Rule] = {
    "copy conditioned on the source": Rule(copy_whatever_is_there, replace(CASES["tampered"], lies=0), "I2"),
    "check of the destination": Rule(believe_the_copy, CASES["tampered"], "I"),
    "receipts are create-only": Rule(
        overwrite_receipts,
        Case([("add", Stage.PENDING)], "staging", publish=1, foreign=1),
        "I2: a receipt has changed",
    ),
    "the grace": Rule(purge_at_once, ROLLBACK, "I3"),
    "check of the copy in the trash": Rule(believe_the_move, replace(ROLLBACK, lies=1), "I3"),
    "a copy made anew": Rule(take_an_old_copy, FORMER_LIFE, "I3"),
    "one deleting run at a time": Rule(
        delete_without_lease,
        FORMER_LIFE,
        "I3",
        # gc 0 is about to drop the trash copy beside a good object; gc 1 moves that object.
        [("author 1", "push"), ("gc 0", "DELETE trash"), ("delete 0", ""), ("gc 1", ""), ("gc 0", "")],
    ),
    "an unknown deletion keeps the lease": Rule(
        give_the_lease_back_anyway,
        replace(FORMER_LIFE, lost=1),
        "I3",
        [("author 1", "push"), ("gc 0", ""), ("delete 0", ""), ("gc 1", ""), ("late deletion", "")],
    ),
    "what is moved is not purged": Rule(purge_what_was_moved, FORMER_LIFE, "I3"),
    "finalize what this run has seen": Rule(finalize_by_receipt, CASES["purged, merged again"], "I1"),
    "readers look again": Rule(look_in_the_trash_once, CASES["one reader"], "I1: a reader"),
    "publish restores": Rule(restore_nothing, CASES["readers"], "I4: a live entry"),
    "withdrawn bytes are moved": Rule(delete_what_was_withdrawn, STAGED, "I3"),
    "a trash does not count": Rule(
        count_the_trash, Case([("add", Stage.DEAD), ("roll", Stage.UNSEEN)], "trash", {1: 1}, gc=1), "I3"
    ),
    "pending bytes stay": Rule(
        ask_nobody_what_is_pending, Case([("add", Stage.PENDING)], "aside", cleanup=1), "I3"
    ),
}


def histories(rule: Rule) -> Iterator[History]:
    if rule.script:
        yield story(rule.case, lambda _: Script(rule.script))
        return
    yield from enumerated(rule.case, 1)
    yield from (thrown(rule.case, seed) for seed in range(MOST))


@pytest.mark.parametrize("name", RULES)
def test_without_a_rule_a_promise_breaks(name: str) -> None:
    rule = RULES[name]
    with in_memory(lambda: at_work[-1]) as patch:
        rule.without(patch)
        found = next((history.found for history in histories(rule) if history.found), "")
    assert found.startswith(rule.breaks), f"{found!r} is all that breaks"


@pytest.mark.parametrize("name", [name for name, rule in RULES.items() if rule.script])
def test_with_the_rule_the_same_history_is_sound(name: str) -> None:
    rule = RULES[name]
    with in_memory(lambda: at_work[-1]):
        history = next(histories(rule))
    assert not history.found, told(name, history)
