"""The reference implementation."""

import io

import pytest

from git_datamanager.storage.base import Presentation
from git_datamanager.storage.memory import MemoryStore
from tests.storage.contract import DATA, KEY, StoreContract, put, sha256


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()


def test_a_name_is_one_store_in_the_process() -> None:
    put(MemoryStore.named("one"))
    assert MemoryStore.named("one").stat_object(KEY) is not None
    assert MemoryStore.named("two").stat_object(KEY) is None


def test_a_copy_between_two_stores_knows_its_sha256() -> None:
    a, b = MemoryStore("a"), MemoryStore("b")
    copied = b.copy_object(a, "from", KEY, source_etag=put(a, "from").etag)
    assert copied is not None
    assert copied.sha256 == sha256(DATA)


def test_a_presentation_is_kept() -> None:
    store = MemoryStore()
    store.write_object(KEY, io.BytesIO(b""), 0, presentation=Presentation("text/csv", "a.csv"))
    assert store.presentation(KEY) == ("text/csv", "a.csv")


def test_the_clock_can_be_set() -> None:
    now = 1000.0
    store = MemoryStore(clock=lambda: now)
    assert put(store).modified == store.clock() == 1000.0
    now += 86400
    assert store.clock() - store.stat_object(KEY).modified == 86400
