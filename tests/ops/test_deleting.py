"""The frame of gc and cleanup: who holds `lease-gc`, and that it comes back."""

import io
from types import SimpleNamespace
from typing import Any

import pytest

from git_datamanager import lease
from git_datamanager.errors import Conflict, Corrupt, OutcomeUnknown, PreconditionFailed, Unreachable
from git_datamanager.events import silent
from git_datamanager.model.layout import GC_LEASE, object_key, staging_trash_key, trash_key
from git_datamanager.model.oid import Oid
from git_datamanager.objects import ObjectStore
from git_datamanager.ops.sweeping import deleting
from git_datamanager.ops.sweeping.deleting import Item, Removal, Run, deleting_run
from git_datamanager.storage.base import Stat
from git_datamanager.storage.memory import MemoryStore
from git_datamanager.storage.wrappers import Wrapper
from tests.yard import Yard, deleted, emptied, published

__all__ = ["deleted", "emptied", "published"]

MANAGER: Any = SimpleNamespace(git=SimpleNamespace(author=lambda: "ana"), progress=silent)


def is_free(store: MemoryStore) -> bool:
    standing = lease.look(store, GC_LEASE)
    return standing is not None and standing.record is not None and standing.record.released


class Timeless(Wrapper):
    """Does not tell its time."""

    def clock(self) -> float:
        raise Unreachable("the store does not answer")


def test_the_lease_is_given_back_where_the_store_stops_answering() -> None:
    """It was kept for a week where the very first question after it got no answer."""
    store = MemoryStore()
    with (
        pytest.raises(Unreachable),
        deleting_run(
            MANAGER, ObjectStore(Timeless(store), "production"), "gc", wait=0, single_writer=False
        ) as run,
    ):
        run.sweep_probes()
    assert is_free(store)


@pytest.mark.parametrize("error", [ValueError("a bug"), KeyboardInterrupt()])
def test_the_lease_is_given_back_however_a_run_ends(error: BaseException) -> None:
    store = MemoryStore()
    with pytest.raises(type(error)), deleting_run(
        MANAGER, ObjectStore(store, "production"), "gc", wait=0, single_writer=False
    ):  # fmt: skip
        raise error
    assert is_free(store)


def in_flight(run: Run) -> None:
    run.in_flight = True


@pytest.mark.parametrize("error", [OutcomeUnknown("lost"), KeyboardInterrupt()])
def test_the_lease_is_kept_while_a_deletion_may_still_arrive(error: BaseException) -> None:
    store = MemoryStore()
    with pytest.raises(type(error)), deleting_run(
        MANAGER, ObjectStore(store, "production"), "gc", wait=0, single_writer=False
    ) as run:  # fmt: skip
        in_flight(run)
        raise error
    assert not is_free(store)


DATA = b"what nobody names"
OID = Oid.of(DATA)


def held(store: MemoryStore, key: str) -> Item:
    """As a listing shows what was just written there."""
    store.write_object(key, io.BytesIO(DATA), len(DATA))
    found = store.stat_object(key)
    assert found is not None
    return Item(key, OID, found.size, found.etag, found.modified)


def running(store: Any) -> Run:
    return Run(ObjectStore(store, "production"), MANAGER, lambda: None)


def test_a_run_of_six_hours_deletes_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that was stopped, or whose machine slept: another one may be at work by then."""
    store, now = MemoryStore(), 1000.0
    monkeypatch.setattr(deleting, "boot_time", lambda: now)
    item, run = held(store, object_key(OID)), running(store)
    now += deleting.JOB + 1
    with pytest.raises(Conflict, match="older than 6 hours"):
        run.delete(item, Removal())
    assert store.stat_object(item.key)
    now -= 2
    assert run.delete(item, Removal())


def test_what_was_written_anew_is_not_deleted() -> None:
    store, done = MemoryStore(), Removal()
    item = held(store, object_key(OID))
    held(store, object_key(OID))
    run = running(store)
    assert not run.delete(item, done)
    assert not run.aside(item, trash_key(OID), done)
    assert [type(t.error) for t in done.troubles] == [PreconditionFailed, PreconditionFailed]
    assert store.stat_object(item.key)
    assert not run.in_flight


class Liar(Wrapper):
    """Says that it copied."""

    def copy_object(self, _: object, source_key: str, *__: object, **___: object) -> Stat | None:
        return self.inner.stat_object(source_key)


def test_an_older_copy_in_the_trash_is_no_proof_of_a_new_one() -> None:
    """Its grace is over soon, or over: the bytes would go with it."""
    now = 1_000_000.0
    store, done = MemoryStore(clock=lambda: now), Removal()
    held(store, trash_key(OID))
    item = held(store, object_key(OID))
    now += 1
    assert not running(Liar(store)).aside(item, trash_key(OID), done)
    assert isinstance(done.troubles[0].error, Corrupt)
    assert running(store).aside(item, trash_key(OID), Removal())


@pytest.mark.slow
def test_what_is_moved_anew_is_not_purged_with_the_older_copy(emptied: Yard) -> None:
    """A store that names objects by their bytes takes one for the other."""
    old = emptied.trash()
    old.parent.mkdir(parents=True)
    old.write_bytes(emptied.object().read_bytes())
    emptied.age(old, 20)
    done = emptied.ana.json("gc", "--apply", "--purge", "--json")
    assert (len(done["moved"]), done["purged"], done["errors"]) == (1, [], [])
    assert old.exists()


@pytest.mark.slow
def test_what_cleanup_moves_anew_is_not_purged_either(emptied: Yard) -> None:
    staged = emptied.world.object("staging", OID.hex)
    old = emptied.world.folder("staging") / staging_trash_key(object_key(OID))
    for path in (staged, old):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(DATA)
        emptied.age(path, 40)
    done = emptied.ana.json("cleanup", "--apply", "--json", "--confirm", "9")
    assert (len(done["moved"]), done["purged"], done["errors"]) == (1, [], [])
    assert old.exists()


def test_a_run_whose_lease_was_broken_deletes_no_more() -> None:
    """Somebody took it for dead: another run may be at work by now."""
    store = MemoryStore()
    objects = ObjectStore(store, "production")
    data = b"bytes"
    oid = Oid.of(data)
    written = store.write_object(object_key(oid), io.BytesIO(data), len(data))
    item = Item(object_key(oid), oid, len(data), written.etag, written.modified)
    with (
        pytest.raises(Conflict, match="somebody freed it"),
        deleting_run(MANAGER, objects, "gc", wait=0, single_writer=False) as run,
    ):
        assert deleting.break_lease(MANAGER, objects) is not None
        run.delete(item, Removal())
    assert store.stat_object(object_key(oid)) is not None
