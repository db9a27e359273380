"""What every store has to do, whatever it is made of: subclass, and give a fixture `store`.

An implementation states what the service behind it was built to refuse in `capabilities`; the suite
checks that the probe finds exactly that.
"""

import hashlib
import io
import threading
from typing import BinaryIO, ClassVar

import pytest

from git_datamanager.errors import Corrupt, Forbidden, ObjectMissing, PreconditionFailed
from git_datamanager.storage.base import (
    ABSENT,
    ANYTHING,
    Capabilities,
    Expect,
    Presentation,
    Stat,
    StorageAdapter,
    matching,
)
from git_datamanager.storage.wrappers import ReadOnly

KEY = "objects/ab/abcdef"
DATA = bytes(range(256)) * 700
BAD_KEYS = (
    "",
    "/a",
    "a/",
    "a//b",
    "..",
    "a/../b",
    "./a",
    "a/.",
    "a\\b",
    "ä",
    "a\nb",
    "a\0b",
    ".lock",
)


def put(store: StorageAdapter, key: str = KEY, data: bytes = DATA, expect: Expect = ANYTHING) -> Stat:
    return store.write_object(key, io.BytesIO(data), len(data), expect=expect)


def get(store: StorageAdapter, key: str = KEY) -> bytes:
    with store.read_object(key) as stream:
        return stream.read()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Dripping(io.RawIOBase):
    """A stream that gives a few bytes at a time and cannot be rewound, as a pipe does."""

    def __init__(self, data: bytes) -> None:
        self._stream = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:
        return self._stream.readinto(memoryview(buffer)[:1000])


class StoreContract:
    capabilities: ClassVar[Capabilities] = Capabilities(conditional_put=True, checks_sha256=True)

    @pytest.fixture
    def conditions(self) -> None:
        """Only for services that keep conditions; of the others the probe has to say so."""
        if not self.capabilities.conditional_put:
            pytest.skip("this service keeps no conditions of writes, and its probe says so")

    def test_an_absent_object_is_none(self, store: StorageAdapter) -> None:
        assert store.stat_object(KEY) is None

    def test_reading_an_absent_object_raises(self, store: StorageAdapter) -> None:
        with pytest.raises(ObjectMissing), store.read_object(KEY):
            pass

    def test_written_bytes_come_back(self, store: StorageAdapter) -> None:
        put(store)
        assert get(store) == DATA

    def test_an_empty_object(self, store: StorageAdapter) -> None:
        assert put(store, data=b"").size == 0
        assert get(store) == b""
        with store.read_object(KEY, start=0, length=5) as stream:
            assert stream.read() == b""

    def test_writing_tells_the_facts_that_stat_tells(self, store: StorageAdapter) -> None:
        written = put(store)
        found = store.stat_object(KEY)
        assert found is not None
        assert (found.key, found.size, found.etag) == (KEY, len(DATA), written.etag) == written[:3]
        assert abs(found.modified - written.modified) < 5

    def test_a_known_sha256_is_right(self, store: StorageAdapter) -> None:
        put(store)
        found = store.stat_object(KEY)
        assert found is not None
        assert found.sha256 in (None, sha256(DATA))

    @pytest.mark.parametrize("start", [0, 1, 1000, len(DATA) - 1, len(DATA), len(DATA) + 5])
    @pytest.mark.parametrize("length", [None, 0, 1, 4096, len(DATA) * 2])
    def test_a_range(self, store: StorageAdapter, start: int, length: int | None) -> None:
        put(store)
        with store.read_object(KEY, start=start, length=length) as stream:
            assert stream.read() == DATA[start : None if length is None else start + length]

    @pytest.mark.parametrize(("start", "length"), [(-1, None), (0, -1)])
    def test_a_range_never_counts_backwards(
        self, store: StorageAdapter, start: int, length: int | None
    ) -> None:
        put(store)
        with pytest.raises(ValueError, match="range"), store.read_object(KEY, start=start, length=length):
            pass

    def test_a_stream_can_be_read_in_pieces(self, store: StorageAdapter) -> None:
        put(store)
        with store.read_object(KEY) as stream:
            pieces = [stream.read(1000), stream.read(1), stream.read()]
            assert stream.read(1) == b""
        assert b"".join(pieces) == DATA
        assert len(pieces[0]) == 1000

    def test_reading_by_etag(self, store: StorageAdapter) -> None:
        first = put(store)
        with store.read_object(KEY, etag=first.etag) as stream:
            assert stream.read() == DATA
        put(store, data=b"other")
        with pytest.raises(PreconditionFailed), store.read_object(KEY, etag=first.etag) as stream:
            stream.read()

    def test_a_plain_write_replaces(self, store: StorageAdapter) -> None:
        first = put(store, data=b"one")
        assert put(store, data=b"two").etag != first.etag
        assert get(store) == b"two"

    @pytest.mark.usefixtures("conditions")
    def test_create_only_refuses_a_second_write(self, store: StorageAdapter) -> None:
        put(store, data=b"one", expect=ABSENT)
        with pytest.raises(PreconditionFailed):
            put(store, data=b"two", expect=ABSENT)
        assert get(store) == b"one"

    @pytest.mark.usefixtures("conditions")
    def test_create_only_refuses_the_same_bytes_too(self, store: StorageAdapter) -> None:
        put(store, expect=ABSENT)
        with pytest.raises(PreconditionFailed):
            put(store, expect=ABSENT)

    def test_a_write_with_the_right_etag(self, store: StorageAdapter) -> None:
        first = put(store, data=b"one")
        second = put(store, data=b"two", expect=matching(first.etag))
        assert put(store, data=b"three", expect=matching(second.etag)).size == 5

    @pytest.mark.usefixtures("conditions")
    def test_a_write_with_an_old_etag(self, store: StorageAdapter) -> None:
        first = put(store, data=b"one")
        put(store, data=b"two")
        with pytest.raises(PreconditionFailed):
            put(store, data=b"three", expect=matching(first.etag))
        assert get(store) == b"two"

    @pytest.mark.usefixtures("conditions")
    def test_a_write_with_an_etag_where_nothing_is(self, store: StorageAdapter) -> None:
        etag = put(store, "elsewhere").etag
        with pytest.raises(PreconditionFailed):
            put(store, expect=matching(etag))
        assert store.stat_object(KEY) is None

    @pytest.mark.usefixtures("conditions")
    def test_one_of_many_creators_wins(self, store: StorageAdapter) -> None:
        results: list[bytes] = []
        start = threading.Barrier(8)

        def create(data: bytes) -> None:
            start.wait()
            try:
                put(store, data=data, expect=ABSENT)
            except PreconditionFailed:
                return
            results.append(data)

        _together([lambda n=n: create(b"%d" % n) for n in range(8)])
        assert [get(store)] == results

    @pytest.mark.usefixtures("conditions")
    def test_no_update_by_etag_is_lost(self, store: StorageAdapter) -> None:
        put(store, data=b"0")
        _together([lambda: _increment(store)] * 3)
        assert get(store) == b"3"

    def test_the_promised_sha256_holds(self, store: StorageAdapter) -> None:
        stat = store.write_object(KEY, io.BytesIO(DATA), len(DATA), sha256=sha256(DATA))
        assert stat.size == len(DATA)

    @pytest.mark.parametrize("size", [len(DATA), len(DATA) - 1, len(DATA) + 1])
    @pytest.mark.parametrize("expect", [ANYTHING, ABSENT])
    def test_wrong_bytes_never_become_visible(self, store: StorageAdapter, size: int, expect: Expect) -> None:
        with pytest.raises(Corrupt):
            store.write_object(KEY, io.BytesIO(DATA), size, sha256=sha256(b"else"), expect=expect)
        assert store.stat_object(KEY) is None
        assert list(store.list_objects("")) == []

    @pytest.mark.parametrize("size", [len(DATA) - 1, len(DATA) + 1, 0])
    def test_a_wrong_size_keeps_the_old_bytes(self, store: StorageAdapter, size: int) -> None:
        put(store, data=b"old")
        with pytest.raises(Corrupt):
            store.write_object(KEY, io.BytesIO(DATA), size)
        assert get(store) == b"old"

    def test_a_slow_source_without_rewind(self, store: StorageAdapter) -> None:
        source: BinaryIO = Dripping(DATA)  # type: ignore[assignment]
        store.write_object(KEY, source, len(DATA), sha256=sha256(DATA))
        assert get(store) == DATA

    def test_a_source_is_read_from_where_it_is(self, store: StorageAdapter) -> None:
        source = io.BytesIO(DATA)
        source.seek(1000)
        store.write_object(KEY, source, len(DATA) - 1000)
        assert get(store) == DATA[1000:]

    def test_progress_adds_up(self, store: StorageAdapter) -> None:
        steps: list[int] = []
        store.write_object(KEY, io.BytesIO(DATA), len(DATA), advance=steps.append)
        assert sum(steps) == len(DATA)

    def test_a_hostile_presentation_does_no_harm(self, store: StorageAdapter) -> None:
        name = 'a"; filename=evil.exe\r\nX-Evil: 1\0/../ä💾\udc80'
        store.write_object(
            KEY, io.BytesIO(DATA), len(DATA), presentation=Presentation("text/csv; charset=utf-8", name)
        )
        assert get(store) == DATA

    def test_a_copy(self, store: StorageAdapter) -> None:
        etag = put(store, "from").etag
        steps: list[int] = []
        copied = store.copy_object(store, "from", KEY, source_etag=etag, advance=steps.append)
        assert copied is not None
        assert copied[:2] == (KEY, len(DATA))
        assert sum(steps) == len(DATA)
        assert get(store) == DATA
        found = store.stat_object(KEY)
        assert found is not None
        assert found.etag == copied.etag

    def test_a_copy_sees_through_wrappers(self, store: StorageAdapter) -> None:
        etag = put(store, "from").etag
        assert store.copy_object(ReadOnly(ReadOnly(store)), "from", KEY, source_etag=etag) is not None

    def test_a_copy_of_a_changed_object(self, store: StorageAdapter) -> None:
        etag = put(store, "from").etag
        put(store, "from", b"changed")
        with pytest.raises(PreconditionFailed):
            store.copy_object(store, "from", KEY, source_etag=etag)
        assert store.stat_object(KEY) is None

    def test_a_copy_of_an_absent_object(self, store: StorageAdapter) -> None:
        with pytest.raises(ObjectMissing):
            store.copy_object(store, "from", KEY, source_etag="any")

    def test_a_copy_from_another_service_is_left_to_the_caller(self, store: StorageAdapter) -> None:
        assert store.copy_object(_Foreign(), "from", KEY, source_etag="any") is None  # type: ignore[arg-type]

    def test_a_listing_is_complete_and_in_order(self, store: StorageAdapter) -> None:
        keys = ["a/b/c", "a/b-c", "a-b", "a.b", "aa", "a/b/c2", "b", "B", "a/b0"]
        for key in keys:
            put(store, key, key.encode())
        assert [s.key for s in store.list_objects("")] == sorted(keys)
        assert [s.key for s in store.list_objects("a/")] == sorted(k for k in keys if k.startswith("a/"))
        assert [s.key for s in store.list_objects("a/b")] == sorted(k for k in keys if k.startswith("a/b"))
        assert list(store.list_objects("nothing/")) == []

    def test_a_listing_tells_what_stat_tells(self, store: StorageAdapter) -> None:
        put(store)
        [listed] = store.list_objects("objects/")
        found = store.stat_object(KEY)
        assert found is not None
        assert listed[:3] == found[:3]

    def test_deleting(self, store: StorageAdapter) -> None:
        put(store)
        store.delete_object(KEY)
        assert store.stat_object(KEY) is None
        assert list(store.list_objects("")) == []

    def test_deleting_what_is_absent_is_no_error(self, store: StorageAdapter) -> None:
        store.delete_object(KEY)
        store.delete_object(KEY, expect=matching("any"))

    def test_deleting_by_etag(self, store: StorageAdapter) -> None:
        first = put(store, data=b"one")
        second = put(store, data=b"two")
        with pytest.raises(PreconditionFailed):
            store.delete_object(KEY, expect=matching(first.etag))
        assert get(store) == b"two"
        store.delete_object(KEY, expect=matching(second.etag))
        assert store.stat_object(KEY) is None

    def test_the_clock_is_that_of_the_objects(self, store: StorageAdapter) -> None:
        """Whole seconds and 4 ms ticks allowed for; reading it leaves nothing."""
        before = store.clock()
        written = put(store).modified
        assert before - 1 <= written <= store.clock() + 1
        store.delete_object(KEY)
        assert list(store.list_objects("")) == []

    @pytest.mark.parametrize("key", [*BAD_KEYS, pytest.param("x" * 1025, id="long")])
    def test_a_bad_key_is_refused_everywhere(self, store: StorageAdapter, key: str) -> None:
        put(store, "good")
        with pytest.raises(ValueError, match="key"):
            store.stat_object(key)
        with pytest.raises(ValueError, match="key"), store.read_object(key):
            pass
        with pytest.raises(ValueError, match="key"):
            put(store, key)
        with pytest.raises(ValueError, match="key"):
            store.delete_object(key)
        with pytest.raises(ValueError, match="key"):
            store.copy_object(store, "good", key, source_etag="any")

    @pytest.mark.parametrize("prefix", ["/", "../", "a/../", "a//", ".", "ä"])
    def test_a_bad_prefix_is_refused(self, store: StorageAdapter, prefix: str) -> None:
        with pytest.raises(ValueError, match="key"):
            list(store.list_objects(prefix))

    def test_the_probe_finds_what_the_service_refuses(self, store: StorageAdapter) -> None:
        assert store.capabilities() == self.capabilities
        assert store.capabilities() is store.capabilities() or store.capabilities() == self.capabilities
        assert list(store.list_objects("probe/")) == []

    def test_the_full_probe_agrees_and_leaves_nothing(self, store: StorageAdapter) -> None:
        found = store.examine()
        assert found[:2] == self.capabilities
        assert found.ranges
        assert found.lists_after_put
        assert abs(found.clock_skew) < 2
        assert found.versioning in ("off", "unknown")
        assert list(store.list_objects("")) == []

    def test_read_only(self, store: StorageAdapter) -> None:
        etag = put(store).etag
        closed = ReadOnly(store)
        with pytest.raises(Forbidden):
            put(closed, "new")
        with pytest.raises(Forbidden):
            closed.delete_object(KEY)
        with pytest.raises(Forbidden):
            closed.examine()
        with pytest.raises(Forbidden):
            closed.copy_object(store, KEY, "new", source_etag=etag)
        assert get(closed) == DATA
        assert [s.key for s in closed.list_objects("")] == [KEY]

    def test_the_url_is_a_line(self, store: StorageAdapter) -> None:
        assert store.url.isprintable()


class _Foreign:
    """A store of a kind that nobody here knows."""


def _increment(store: StorageAdapter) -> None:
    """Add one to the number under KEY, five tries and more: compare and swap."""
    while True:
        found = store.stat_object(KEY)
        assert found is not None
        try:
            with store.read_object(KEY, etag=found.etag) as stream:
                number = int(stream.read())
            put(store, data=b"%d" % (number + 1), expect=matching(found.etag))
        except PreconditionFailed:
            continue
        return


def _together(acts: list) -> None:
    threads = [threading.Thread(target=act) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
