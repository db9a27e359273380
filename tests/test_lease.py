"""Leases: who works on a store (docs/spec/lease-v1.md). On every kind of store that keeps conditions."""

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from git_datamanager import lease
from git_datamanager.errors import Conflict, Forbidden, Locked, OutcomeUnknown
from git_datamanager.lease import NoConditions, Terms
from git_datamanager.model.layout import LEASE
from git_datamanager.storage.base import ANYTHING, Stat, StorageAdapter
from git_datamanager.storage.local import LocalStore
from git_datamanager.storage.memory import MemoryStore
from git_datamanager.storage.wrappers import Wrapper


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> StorageAdapter:
    return MemoryStore(clock=clock)


def terms(holder: str = "ana", ttl: int = 60, wait: float = 0, **more: Any) -> Terms:
    return Terms(holder=holder, ttl=ttl, wait=wait, renews=False, sleep=lambda _: None, **more)


def standing(store: StorageAdapter) -> lease.Standing:
    found = lease.look(store, LEASE)
    assert found is not None
    return found


@pytest.fixture(params=["memory", "folder"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[StorageAdapter]:
    yield MemoryStore(clock=clock) if request.param == "memory" else LocalStore(tmp_path)


def test_it_is_taken_and_given_back(any_store: StorageAdapter) -> None:
    with lease.held(any_store, LEASE, terms()) as mine:
        assert standing(any_store).is_held(any_store.clock(), 60)
        mine.check()
    assert not standing(any_store).is_held(any_store.clock(), 60)
    with lease.held(any_store, LEASE, terms("bob")):
        record = standing(any_store).record
        assert record is not None
        assert (record.holder, record.generation) == ("bob", 2)


def test_a_second_holder_is_refused(any_store: StorageAdapter) -> None:
    with lease.held(any_store, LEASE, terms()), pytest.raises(Locked, match="ana holds the lease until"):
        lease.acquire(any_store, LEASE, terms("bob"))


def test_it_waits_and_says_for_whom_once(store: StorageAdapter, clock: Clock) -> None:
    said: list[str] = []
    lease.acquire(store, LEASE, terms())

    def sleep(_: float) -> None:
        clock.now += 40

    taken = lease.acquire(store, LEASE, terms("bob", wait=1000, say=said.append)._replace(sleep=sleep))
    assert taken.record.generation == 2
    assert len(said) == 1
    assert "ana is at work" in said[0]


def test_it_ends_by_the_stores_clock(store: StorageAdapter, clock: Clock) -> None:
    lease.acquire(store, LEASE, terms())
    clock.now += 59
    with pytest.raises(Locked):
        lease.acquire(store, LEASE, terms("bob"))
    clock.now += 2
    assert lease.acquire(store, LEASE, terms("bob")).record.generation == 2


def test_renewing_starts_its_time_anew(store: StorageAdapter, clock: Clock) -> None:
    mine = lease.acquire(store, LEASE, terms())
    clock.now += 50
    mine.renew()
    clock.now += 50
    with pytest.raises(Locked):
        lease.acquire(store, LEASE, terms("bob"))


def test_who_lost_it_is_told_and_takes_nothing_back(store: StorageAdapter, clock: Clock) -> None:
    mine = lease.acquire(store, LEASE, terms())
    clock.now += 61
    lease.acquire(store, LEASE, terms("bob"))
    mine.check()  # it cannot know yet
    mine.renew()
    with pytest.raises(Conflict, match="took the lease over"):
        mine.check()
    mine.release()
    record = standing(store).record
    assert record is not None
    assert (record.holder, record.released) == ("bob", False)


def test_a_heartbeat_keeps_it(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    beats = threading.Event()

    class Beating(Wrapper):
        def write_object(self, *args: Any, **more: Any) -> Stat:
            if threading.current_thread().name == "lease":
                beats.set()
            return super().write_object(*args, **more)

    with lease.held(Beating(store), LEASE, terms(ttl=1)._replace(renews=True)):
        assert beats.wait(10)
    assert standing(store).record.released  # type: ignore[union-attr]


def test_of_many_at_once_one_gets_it(any_store: StorageAdapter) -> None:
    taken: list[str] = []

    def run(name: str) -> None:
        try:
            lease.acquire(any_store, LEASE, terms(name))
        except Locked:
            return
        taken.append(name)

    threads = [threading.Thread(target=run, args=(f"run {n}",)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 1
    assert standing(any_store).holder == taken[0]


@pytest.mark.parametrize("data", [b"", b"{}", b"x" * 100_000, b'{"format": "git-data/lease/2"}'])
def test_what_is_no_lease_ends_like_one(store: MemoryStore, clock: Clock, data: bytes) -> None:
    import io

    store.write_object(LEASE, io.BytesIO(data), len(data))
    with pytest.raises(Locked, match="somebody unknown"):
        lease.acquire(store, LEASE, terms())
    clock.now += 61
    assert lease.acquire(store, LEASE, terms()).record.generation == 1


def test_an_endless_ttl_is_no_lease(store: MemoryStore, clock: Clock) -> None:
    import io

    data = json.dumps({"format": "git-data/lease/1", "holder": "x", "nonce": "0" * 32, "generation": 1,
                       "ttl": 10**12, "released": False}).encode()  # fmt: skip
    store.write_object(LEASE, io.BytesIO(data), len(data))
    clock.now += 61
    assert lease.acquire(store, LEASE, terms()).record.holder == "ana"


class Careless(Wrapper):
    """Keeps only some of the conditions."""

    def __init__(self, inner: StorageAdapter, *, absent: bool, etag: bool) -> None:
        super().__init__(inner)
        self.keeps = {True: absent, False: etag}

    def write_object(self, *args: Any, **more: Any) -> Stat:
        if not self.keeps[more["expect"].absent]:
            more["expect"] = ANYTHING
        return super().write_object(*args, **more)


@pytest.mark.parametrize(("absent", "etag"), [(False, True), (True, False), (False, False)])
@pytest.mark.parametrize("stood", [True, False])
def test_a_store_that_ignores_conditions_is_noticed(
    store: StorageAdapter, clock: Clock, *, absent: bool, etag: bool, stood: bool
) -> None:
    if stood:
        lease.acquire(store, LEASE, terms())
        clock.now += 61
    with pytest.raises(NoConditions, match="condition is not met") as caught:
        lease.acquire(Careless(store, absent=absent, etag=etag), LEASE, terms(verb="gc"))
    assert "git data gc --unsafe-single-writer" in caught.value.hints[0]


class Mute(Wrapper):
    """Loses the answer of the first write, which is done or not."""

    def __init__(self, inner: StorageAdapter, *, is_done: bool) -> None:
        super().__init__(inner)
        self.is_done = is_done
        self.count = 0

    def write_object(self, *args: Any, **more: Any) -> Stat:
        self.count += 1
        if self.count == 1:
            if self.is_done:
                super().write_object(*args, **more)
            raise OutcomeUnknown("the answer was lost")
        return super().write_object(*args, **more)


def test_a_lost_answer_is_read_back(store: StorageAdapter) -> None:
    mine = lease.acquire(Mute(store, is_done=True), LEASE, terms())
    assert standing(store).record == mine.record
    mine.renew()
    mine.check()


def test_a_write_that_was_never_seen_is_not_a_lease(store: StorageAdapter) -> None:
    with pytest.raises(OutcomeUnknown):
        lease.acquire(Mute(store, is_done=False), LEASE, terms())
    assert lease.look(store, LEASE) is None


def test_anothers_lease_is_not_ones_own_because_an_answer_was_lost(
    store: StorageAdapter, clock: Clock
) -> None:
    """Neither where it was to be created, nor where one that had ended was to be taken over."""
    lease.acquire(store, LEASE, terms("bob"))
    with pytest.raises(OutcomeUnknown):
        lease.acquire(Mute(store, is_done=False), LEASE, terms("ana"))
    assert standing(store).holder == "bob"
    clock.now += 61
    with pytest.raises(OutcomeUnknown):
        lease.acquire(Mute(store, is_done=False), LEASE, terms("ana"))
    assert standing(store).holder == "bob"


class Refusing(Wrapper):
    """The second write does not get through: right in the middle of taking a lease."""

    def __init__(self, inner: StorageAdapter, error: BaseException) -> None:
        super().__init__(inner)
        self.error = error
        self.count = 0

    def write_object(self, *args: Any, **more: Any) -> Stat:
        self.count += 1
        if self.count == 2:
            raise self.error
        return super().write_object(*args, **more)


@pytest.mark.parametrize("error", [Forbidden("access denied"), KeyboardInterrupt()])
def test_a_lease_that_could_not_be_proven_is_given_back(store: StorageAdapter, error: BaseException) -> None:
    """That of a deleting run would keep every other one away for a week."""
    with pytest.raises(type(error)):
        lease.acquire(Refusing(store, error), LEASE, terms())
    assert lease.acquire(store, LEASE, terms("bob")).record.holder == "bob"


class Swift(Wrapper):
    """The lease is written anew between the two requests of the first look at it."""

    def __init__(self, inner: StorageAdapter, rewrite: Callable[[], object]) -> None:
        super().__init__(inner)
        self.rewrites = [rewrite]

    def stat_object(self, key: str) -> Stat | None:
        found = super().stat_object(key)
        if self.rewrites:
            self.rewrites.pop()()
        return found


def test_a_lease_given_back_during_the_look_is_taken(store: StorageAdapter) -> None:
    """Whoever stood in line ended with a conflict that was none."""
    mine = lease.acquire(store, LEASE, terms())
    swift = Swift(store, mine.release)
    taken = lease.acquire(swift, LEASE, terms("bob", wait=5))
    assert taken.record.holder == "bob"


def test_a_release_that_is_refused_undoes_nothing_that_was_done(store: StorageAdapter) -> None:
    """The lease ends by itself; what was published is recorded all the same."""

    class Closing(Wrapper):
        is_closed = False

        def write_object(self, *args: Any, **more: Any) -> Stat:
            if self.is_closed:
                raise Forbidden("no longer")
            return super().write_object(*args, **more)

    closing = Closing(store)
    with lease.held(closing, LEASE, terms()):
        closing.is_closed = True
    assert standing(store).holder == "ana"
