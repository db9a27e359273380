"""`git data upload` and the look before a push: which bytes count as stored, and which copy is given up."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from git_datamanager.errors import Corrupt, DataError, DirtyFile, Locked, PreconditionFailed
from git_datamanager.events import Event, Kind
from git_datamanager.manager import DataManager
from git_datamanager.model.oid import Oid
from git_datamanager.objects import ObjectStore
from git_datamanager.ops.upload import Outcome, absent, pending_entries, upload
from git_datamanager.storage.base import Stat
from git_datamanager.storage.wrappers import Wrapper
from tests.world import Clone, World


class Scripted(Wrapper):
    """A folder store that counts what it is asked and raises `error` on writes."""

    def __init__(self, inner: Any, error: BaseException | None = None) -> None:
        super().__init__(inner)
        self.error = error
        self.asked: Counter[str] = Counter()

    def stat_object(self, key: str) -> Stat | None:
        self.asked["stat"] += 1
        return super().stat_object(key)

    def read_object(self, key: str, **more: Any) -> Any:
        self.asked["read"] += 1
        return super().read_object(key, **more)

    def write_object(self, *args: Any, **more: Any) -> Stat:
        self.asked["write"] += 1
        if self.error is not None:
            raise self.error
        return super().write_object(*args, **more)


@pytest.fixture
def ana(world: World) -> Clone:
    clone = world.found("ana")
    clone.git("config", "data.upload", "manual")
    return clone


def add(clone: Clone, *names: str, text: str = "1\n") -> None:
    for name in names:
        clone.write(name, text)
    clone.data("add", *names)


def opened(clone: Clone, events: list[Event] | None = None) -> DataManager:
    return DataManager.open(clone.path, progress=(events if events is not None else []).append)


def scripted(manager: DataManager, role: str = "staging", error: BaseException | None = None) -> Scripted:
    """Put a script between the manager and one of its stores."""
    store = Scripted(manager.store(role).adapter, error)
    manager.remotes._open[role] = ObjectStore(store, role)
    return store


def entries(manager: DataManager) -> list[Any]:
    return pending_entries(manager.manifests.staged())


def oid(manager: DataManager) -> Oid:
    return entries(manager)[0][1].oid


def put_wrong(world: World, store: str, oid: Oid) -> Path:
    path = world.object(store, oid.hex)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"X\n")
    return path


def in_journal(manager: DataManager) -> list[str]:
    return sorted(url.rpartition("/")[2] for url in manager.journal.holders(oid(manager)))


@pytest.mark.parametrize(
    "error", [Corrupt("BadDigest"), Locked("held"), PreconditionFailed("another writer was faster")]
)
def test_the_only_copy_stays_whatever_a_store_says(world: World, ana: Clone, error: DataError) -> None:
    add(ana, "a.csv")
    (ana.path / "a.csv").unlink()
    manager = opened(ana)
    scripted(manager, error=error)
    with pytest.raises(DataError):
        upload(manager, entries(manager))
    assert manager.cache.has(oid(manager))
    assert upload(opened(ana), entries(manager))[0].outcome is Outcome.UPLOADED


def test_a_damaged_copy_is_dropped_and_the_working_file_sent(world: World, ana: Clone) -> None:
    add(ana, "a.csv")
    manager = opened(ana)
    copy = manager.cache.path(oid(manager))
    copy.chmod(0o600)
    copy.write_bytes(b"X\n")
    upload(manager, entries(manager))
    assert world.object("staging", oid(manager).hex).read_bytes() == b"1\n"
    assert not copy.exists()


def test_a_copy_that_goes_after_the_look_is_no_fault(
    world: World, ana: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(ana, "a.csv")
    manager = opened(ana)
    manager.cache.drop(oid(manager))
    monkeypatch.setattr(type(manager.cache), "has", lambda *_: True)
    (ana.path / "a.csv").unlink()
    with pytest.raises(DataError, match="neither in this clone"):
        upload(manager, entries(manager))


def test_a_source_that_cannot_be_read_is_not_the_stores_fault(
    ana: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(ana, "a.csv")
    manager = opened(ana)

    def broken(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(type(manager.cache), "open", broken)
    monkeypatch.setattr("git_datamanager.content.snapshot.reading", broken)
    with pytest.raises(DataError, match=r"a\.csv cannot be read here") as caught:
        upload(manager, entries(manager))
    assert type(caught.value) is DataError


def test_bytes_are_sent_from_the_twin_that_still_has_them(world: World, ana: Clone) -> None:
    add(ana, "a.csv", "b.csv", "c.csv")
    manager = opened(ana)
    manager.cache.drop(oid(manager))
    ana.write("a.csv", "edited\n")
    ana.write("c.csv", "edited\n")
    assert len(upload(manager, entries(manager))) == 1
    assert world.object("staging", oid(manager).hex).read_bytes() == b"1\n"


def test_files_that_were_all_edited_are_named(ana: Clone) -> None:
    add(ana, "a file.csv")
    manager = opened(ana)
    manager.cache.drop(oid(manager))
    ana.write("a file.csv", "edited\n")
    with pytest.raises(DirtyFile, match="no longer what was added") as caught:
        upload(manager, entries(manager))
    assert caught.value.hints == ("git data add 'a file.csv'",)


def test_a_wrong_object_of_the_right_size_does_not_pass_a_push(world: World, ana: Clone) -> None:
    """P5."""
    add(ana, "a.csv")
    manager = opened(ana)
    staged = put_wrong(world, "staging", oid(manager))
    assert len(absent(manager, entries(manager))) == 1
    assert in_journal(manager) == []
    upload(manager, entries(manager))
    assert staged.read_bytes() == b"1\n"
    assert absent(manager, entries(manager)) == []


def test_what_was_verified_once_costs_one_question(ana: Clone) -> None:
    add(ana, "a.csv")
    manager = opened(ana)
    upload(manager, entries(manager))
    store = scripted(manager)
    assert absent(manager, entries(manager)) == []
    assert upload(manager, entries(manager))[0].outcome is Outcome.PRESENT
    assert store.asked == {"stat": 2}


def test_production_counts_only_once_its_bytes_were_read(world: World, ana: Clone) -> None:
    add(ana, "a.csv")
    manager = opened(ana)
    live = put_wrong(world, "production", oid(manager))
    assert len(absent(manager, entries(manager))) == 1
    assert in_journal(manager) == []
    live.write_bytes(b"1\n")
    assert absent(manager, entries(manager)) == []
    assert in_journal(manager) == ["production"]


def test_an_object_that_was_replaced_is_forgotten(world: World, ana: Clone) -> None:
    """What the journal names may be dropped from the cache: it must not name what is gone."""
    add(ana, "a.csv")
    manager = opened(ana)
    upload(manager, entries(manager))
    staged = world.object("staging", oid(manager).hex)
    staged.unlink()
    assert len(absent(manager, entries(manager))) == 1
    assert in_journal(manager) == []


def test_verifying_is_shown_and_can_be_stopped(world: World, ana: Clone) -> None:
    add(ana, "a.csv")
    ana.data("upload")
    (ana.path / ".git/data/journal.db").unlink()
    events: list[Event] = []
    manager = opened(ana, events)
    upload(manager, entries(manager))
    moved = [(e.kind, e.size) for e in events if e.kind in (Kind.PLAN, Kind.ADVANCE)]
    assert moved == [(Kind.PLAN, 2), (Kind.ADVANCE, 2)]

    def stop(event: Event) -> None:
        if event.kind is Kind.ADVANCE:
            raise KeyboardInterrupt

    (ana.path / ".git/data/journal.db").unlink()
    with pytest.raises(KeyboardInterrupt):
        upload(DataManager.open(ana.path, progress=stop), entries(manager))
