"""Trying again, and refusing to write."""

import io
from collections.abc import Iterator
from typing import Any

import pytest

from git_datamanager.errors import Corrupt, ObjectMissing, OutcomeUnknown, Unreachable
from git_datamanager.storage.base import Stat
from git_datamanager.storage.memory import MemoryStore
from git_datamanager.storage.wrappers import ReadOnly, Retrying, Wrapper, innermost
from tests.storage.contract import DATA, KEY, Dripping, StoreContract, get, put

BUSY = Unreachable("busy")


class Failing(Wrapper):
    """Raises the next of `errors` after `after` bytes of a write were reported."""

    def __init__(self, *errors: Exception, after: int = 0) -> None:
        super().__init__(MemoryStore())
        self.errors = list(errors)
        self.after = after
        self.calls = 0

    def _fail(self) -> None:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)

    def stat_object(self, key: str) -> Stat | None:
        self._fail()
        return super().stat_object(key)

    def read_object(self, key: str, **more: Any) -> Any:
        self._fail()
        return super().read_object(key, **more)

    def write_object(self, key: str, source: Any, size: int, **more: Any) -> Stat:
        if self.errors:
            source.read(self.after)
            more["advance"](self.after)
        self._fail()
        return super().write_object(key, source, size, **more)

    def clock(self) -> float:
        self._fail()
        return super().clock()

    def list_objects(self, prefix: str) -> Iterator[Stat]:
        for stat in super().list_objects(prefix):
            self._fail()
            yield stat


def retrying(inner: Wrapper, waits: list[float] | None = None) -> Retrying:
    return Retrying(
        inner, base=1.0, longest=3.0, sleep=(waits if waits is not None else []).append, fraction=lambda: 1.0
    )


class TestRetrying(StoreContract):
    @pytest.fixture
    def store(self) -> Retrying:
        return Retrying(MemoryStore())


class TestWrapper(StoreContract):
    @pytest.fixture
    def store(self) -> Wrapper:
        return Wrapper(MemoryStore())


def test_it_tries_again_with_growing_pauses() -> None:
    waits: list[float] = []
    inner = Failing(BUSY, BUSY, BUSY)
    assert retrying(inner, waits).stat_object(KEY) is None
    assert waits == [1, 2, 3]


def test_it_gives_up() -> None:
    inner = Failing(*[BUSY] * 9)
    with pytest.raises(Unreachable, match="busy"):
        retrying(inner).stat_object(KEY)
    assert inner.calls == 4


def test_pauses_are_random() -> None:
    waits: list[float] = []
    Retrying(Failing(BUSY, BUSY), base=1.0, sleep=waits.append).stat_object(KEY)
    assert 0 <= waits[0] <= 1
    assert 0 <= waits[1] <= 2


@pytest.mark.parametrize("error", [OutcomeUnknown("lost"), ObjectMissing("gone"), Corrupt("bad")])
def test_what_is_not_transient_is_not_repeated(error: Exception) -> None:
    inner = Failing(error)
    with pytest.raises(type(error)):
        put(retrying(inner))  # type: ignore[arg-type]
    assert inner.calls == 1


def test_a_write_is_rewound_and_its_progress_taken_back() -> None:
    inner = Failing(BUSY, BUSY, after=1000)
    source = io.BytesIO(b"head" + DATA)
    source.seek(4)
    steps: list[int] = []
    retrying(inner).write_object(KEY, source, len(DATA), advance=steps.append)
    assert get(inner.inner) == DATA
    assert steps == [1000, -1000, 1000, -1000, len(DATA)]


def test_a_pipe_is_sent_once() -> None:
    inner = Failing(BUSY)
    with pytest.raises(Unreachable):
        retrying(inner).write_object(KEY, Dripping(DATA), len(DATA))  # type: ignore[arg-type]
    assert inner.calls == 1


def test_opening_a_stream_is_repeated() -> None:
    inner = Failing(BUSY)
    put(inner.inner)
    assert get(retrying(inner)) == DATA


def test_a_listing_goes_on_where_it_broke_off() -> None:
    inner = Failing()
    for key in "abcd":
        put(inner.inner, key)
    inner.errors = [BUSY]
    keys = []
    for stat in retrying(inner).list_objects(""):
        keys.append(stat.key)
        if stat.key == "b":
            inner.errors = [BUSY]
    assert keys == ["a", "b", "c", "d"]


def test_the_innermost_store() -> None:
    store = MemoryStore()
    assert innermost(ReadOnly(Retrying(store))) is store
    assert innermost(store) is store


def test_a_read_only_store_proves_nothing() -> None:
    assert ReadOnly(MemoryStore()).capabilities() == (False, False)


def test_the_clock_is_asked_again() -> None:
    inner = Failing(BUSY)
    assert retrying(inner).clock() > 1.7e9
    assert inner.calls == 2
