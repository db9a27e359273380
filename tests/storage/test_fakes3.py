"""The fake S3: that it is as strict as its page says, that the adapter keeps its contract on it, and that
the probes tell its profiles apart."""

import functools
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

import pytest

from git_datamanager.errors import (
    Corrupt,
    DataError,
    Forbidden,
    NoCredentials,
    OutcomeUnknown,
    PreconditionFailed,
    Unreachable,
)
from git_datamanager.storage.base import ABSENT, Capabilities, Examination, matching, sound
from git_datamanager.storage.s3 import S3Store
from git_datamanager.storage.s3bucket import Bucket
from git_datamanager.storage.s3request import MIB, Sizes
from git_datamanager.storage.wrappers import Retrying
from tests.storage.contract import DATA, KEY, StoreContract, get, put
from tests.storage.fakes3 import FAULTS, KEYS, FakeS3, Kind, Request
from tests.storage.sharedlogin import SharedLogin

SMALL = Sizes(single=5 * MIB, part=5 * MIB, copy=5 * MIB, copy_part=5 * MIB)
BIG = bytes(range(256)) * (12 * MIB // 256) + b"a last part of another size"
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "s3-answers.md"
SOUND = sound(0.0)


def store_on(server: FakeS3, access_key: str = KEYS["access_key"], **more: Any) -> S3Store:
    """A store in a new bucket."""
    name = f"test-{uuid.uuid4()}"
    server.create_bucket(name)
    login = SharedLogin(server.url, access_key=access_key, secret_key=KEYS["secret_key"], **more)
    return S3Store(name, "some/where", login, sizes=SMALL)


def bucket_of(store: S3Store) -> str:
    return store._bucket.name


def comparable(found: Examination) -> Examination:
    """Without the skew, after a look at it."""
    assert abs(found.clock_skew) < 2
    return found._replace(clock_skew=0.0)


Fakes = Callable[[str], FakeS3]


@pytest.fixture(scope="module")
def fakes() -> Iterator[Fakes]:
    """One server of each profile for this module."""
    with ExitStack() as stack:
        yield functools.cache(lambda profile: stack.enter_context(FakeS3(profile)))


@pytest.fixture
def server() -> Iterator[FakeS3]:
    """A server of one's own, to break."""
    with FakeS3() as running:
        yield running


@pytest.fixture
def store(server: FakeS3) -> S3Store:
    return store_on(server)


class OnFake(StoreContract):
    profile: ClassVar[str]
    examination: ClassVar[Examination]

    @pytest.fixture
    def server(self, fakes: "Fakes") -> FakeS3:
        return fakes(self.profile)

    @pytest.fixture
    def store(self, server: FakeS3) -> S3Store:
        return store_on(server)

    def test_the_full_probe_finds_what_the_service_refuses(self, store: S3Store, server: FakeS3) -> None:
        assert comparable(store.examine()) == self.examination
        assert server.objects(bucket_of(store)) == {}
        assert server.uploads(bucket_of(store)) == []


class TestAws(OnFake):
    profile = "aws"
    capabilities = Capabilities(conditional_put=True, checks_sha256=True)
    examination = SOUND


@pytest.mark.nightly
class TestR2(OnFake):
    profile = "r2"
    capabilities = TestAws.capabilities
    examination = SOUND._replace(
        conditional_complete=False,
        part_source_condition=False,
        conditional_delete=False,
        versioning="unknown",
    )


@pytest.mark.nightly
class TestOldMinio(OnFake):
    profile = "minio-old"
    capabilities = TestAws.capabilities
    examination = SOUND._replace(conditional_overwrite=False, conditional_complete=False)

    def test_a_write_with_an_etag_where_nothing_is(self, store: S3Store) -> None:  # type: ignore[override]
        """minio/minio#21526: it is taken, and the full probe says so."""
        put(store, expect=matching(put(store, "elsewhere").etag))
        assert not store.examine().conditional_overwrite


@pytest.mark.parametrize(
    ("profile", "missing"),
    [
        (
            "ignores-conditions",
            {
                "conditional_put",
                "conditional_overwrite",
                "conditional_complete",
                "source_condition",
                "part_source_condition",
                "conditional_delete",
            },
        ),
        ("no-checksums", {"checks_sha256"}),
        (
            "gcs",
            {
                "conditional_put",
                "checks_sha256",
                "conditional_overwrite",
                "conditional_complete",
                "conditional_delete",
            },
        ),
        (
            "b2",
            {
                "conditional_put",
                "checks_sha256",
                "conditional_overwrite",
                "conditional_complete",
                "conditional_delete",
            },
        ),
        ("eventual-list", {"lists_after_put"}),
        pytest.param("slow", set(), marks=pytest.mark.slow),
    ],
)
def test_the_probes_tell_services_apart(fakes: Fakes, profile: str, missing: set[str]) -> None:
    store = store_on(fakes(profile))
    found = comparable(store.examine())
    assert {name for name in found._fields[:9] if not getattr(found, name)} == missing
    assert store.capabilities() == found[:2]


def test_a_bucket_with_versions_is_named(server: FakeS3, store: S3Store) -> None:
    server.bucket(bucket_of(store)).versioning = "Enabled"
    assert store.examine().versioning == "on"
    put(store)
    store.delete_object(KEY)
    kept = [held.data for held in server.versions(bucket_of(store), f"some/where/{KEY}")]
    assert kept == [DATA, None]


def test_the_skew_of_the_clock(server: FakeS3, store: S3Store) -> None:
    server.advance(86400)
    assert abs(store.examine().clock_skew - 86400) < 2
    assert abs(store.clock() - put(store).modified) < 2


def test_an_examination_without_the_right_to_delete(server: FakeS3, store: S3Store) -> None:
    """Not proven, which is no error: publish may not delete."""
    server.grant("publisher", lambda action, *_: not action.startswith("s3:DeleteObject"))
    name = bucket_of(store)
    login = SharedLogin(server.url, access_key="publisher", secret_key="any")
    found = S3Store(name, "", login).examine()
    assert comparable(found) == SOUND._replace(conditional_delete=False)


def test_an_examination_without_the_right_to_write(server: FakeS3, store: S3Store) -> None:
    server.grant("reader", lambda action, *_: action in ("s3:GetObject", "s3:ListBucket"))
    login = SharedLogin(server.url, access_key="reader", secret_key="any")
    with pytest.raises(Forbidden):
        S3Store(bucket_of(store), "", login).examine()


class TestCopiesInParts:
    def test_where_the_source_is_pinned(self, server: FakeS3, store: S3Store) -> None:
        etag = put(store, data=BIG).etag
        steps: list[int] = []
        copied = store.copy_object(store, KEY, "copy", source_etag=etag, advance=steps.append)
        assert copied is not None
        assert get(store, "copy") == BIG
        assert sum(steps) == len(BIG)
        assert server.requests("GET", "*copy") and not server.requests("GET", f"*{KEY}")
        assert [key for key in server.objects(bucket_of(store)) if "/probe/" in key] == []

    def test_a_source_that_changes_meanwhile(self, server: FakeS3, store: S3Store) -> None:
        """The condition itself refuses, with the third part."""
        etag = put(store, data=BIG).etag
        name = bucket_of(store)
        server.before(
            lambda r: "x-amz-copy-source" in r.headers and r.query.get("partNumber") == "3",
            lambda _: server.put(name, f"some/where/{KEY}", BIG[::-1]) and None,
        )
        with pytest.raises(PreconditionFailed):
            store.copy_object(store, KEY, "copy", source_etag=etag)
        assert list(server.objects(name)) == [f"some/where/{KEY}"]
        assert server.uploads(name) == []

    @pytest.mark.parametrize("profile", ["r2", "ignores-conditions"])
    def test_where_nothing_pins_it_the_caller_streams(self, fakes: Fakes, profile: str) -> None:
        store = store_on(fakes(profile))
        etag, small = put(store, data=BIG).etag, put(store, "small").etag
        assert store.copy_object(store, KEY, "copy", source_etag=etag) is None
        assert store.stat_object("copy") is None
        assert store.copy_object(store, "small", "copy", source_etag=small) is not None

    @pytest.mark.parametrize("is_aws", [True, False])
    def test_where_nobody_may_try_the_vendor_counts(
        self, server: FakeS3, monkeypatch: pytest.MonkeyPatch, is_aws: bool
    ) -> None:
        server.grant("publisher", lambda action, bucket, key: "probe/" not in key)
        store = store_on(server, "publisher")
        etag = put(store, data=BIG).etag
        monkeypatch.setattr(Bucket, "is_aws", is_aws)
        copied = store.copy_object(store, KEY, "copy", source_etag=etag)
        assert (copied is not None) is is_aws

    def test_small_copies_ask_nothing(self, server: FakeS3, store: S3Store) -> None:
        etag = put(store, "from").etag
        server.forget()
        store.copy_object(store, "from", KEY, source_etag=etag)
        assert [(r.method, r.key.rpartition("/")[2]) for r in server.log] == [
            ("HEAD", "from"),
            ("PUT", "abcdef"),
        ]


@pytest.mark.nightly
class TestFaults:
    """Each one does what its name says, and tells that it did."""

    @pytest.mark.parametrize("kind", FAULTS)
    @pytest.mark.parametrize("expect", [ABSENT, None])
    def test_on_a_write(self, server: FakeS3, store: S3Store, kind: Kind, expect: Any) -> None:
        server.hold = 0.05
        cued = server.fault(lambda r: r.method == "PUT", kind)
        more = {} if expect is None else {"expect": expect}
        if kind == "403":
            with pytest.raises(Forbidden):
                put(store, **more)
        elif kind == "flip":
            with pytest.raises(Corrupt):
                put(store, **more)
        elif kind == "truncate":
            with pytest.raises(DataError, match="IncompleteBody"):
                put(store, **more)
        else:
            put(store, **more)
            assert get(store) == DATA
        assert cued.hits == [1]
        assert server.log[0].fault == kind

    @pytest.mark.parametrize("kind", FAULTS)
    def test_on_a_read(self, server: FakeS3, store: S3Store, kind: Kind) -> None:
        server.hold = 0.05
        put(store)
        cued = server.fault(lambda r: r.method == "GET", kind)
        if kind == "403":
            with pytest.raises(Forbidden):
                get(store)
        elif kind == "truncate":
            with pytest.raises(Unreachable):
                get(store)
        elif kind == "flip":
            got = get(store)
            assert sum(a != b for a, b in zip(got, DATA, strict=True)) == 1
        else:
            assert get(store) == DATA
        assert cued.fired

    def test_the_lost_are_applied_and_the_reset_are_not(self, server: FakeS3, store: S3Store) -> None:
        name = bucket_of(store)
        for kind, key in (("lost", "a"), ("lost-500", "b"), ("reset", "c"), ("500", "d"), ("timeout", "e")):
            seen: list[bool] = []

            def look(_: Request, key: str = key, seen: list[bool] = seen) -> None:
                seen.append(f"some/where/{key}" in server.objects(name))

            server.hold = 0.05
            server.fault(lambda r, key=key: r.method == "PUT" and r.key.endswith(key), kind)  # type: ignore[misc]
            server.before(lambda r, key=key: r.method == "HEAD" and r.key.endswith(key), look)  # type: ignore[misc]
            put(store, key, expect=ABSENT)
            assert seen == [kind.startswith("lost")]

    def test_a_number_names_one_request(self, server: FakeS3, store: S3Store) -> None:
        put(store)
        server.forget()
        cued = server.fault(2, "403")
        assert get(store) == DATA
        with pytest.raises(Forbidden):
            get(store)
        assert get(store) == DATA
        assert [r.status for r in server.log] == [200, 403, 200]
        assert cued.hits == [2]

    def test_what_does_not_fit_does_not_fire(self, server: FakeS3, store: S3Store) -> None:
        put(store)
        cued = server.fault(lambda r: r.method == "HEAD", "flip")
        assert store.stat_object(KEY) is not None
        assert not cued.fired

    def test_somebody_is_quicker(self, server: FakeS3, store: S3Store) -> None:
        name = bucket_of(store)
        server.before(lambda r: r.method == "PUT", lambda r: server.put(name, r.key, b"theirs") and None)
        with pytest.raises(PreconditionFailed):
            put(store, expect=ABSENT)
        assert get(store) == b"theirs"

    def test_a_deletion_is_sent_once(self, server: FakeS3, store: S3Store) -> None:
        """Reset before it was done: it may still come, so it is unknown and never repeated."""
        etag = put(store).etag
        server.fault(lambda r: r.method == "DELETE", "reset")
        with pytest.raises(OutcomeUnknown):
            Retrying(store, sleep=lambda _: None).delete_object(KEY, expect=matching(etag))
        assert len(server.requests("DELETE")) == 1
        server.fault(lambda r: r.method == "DELETE", "lost")
        store.delete_object(KEY, expect=matching(etag))
        assert len(server.requests("DELETE")) == 2

    def test_a_deletion_of_equal_bytes_put_back_by_somebody(self, server: FakeS3, store: S3Store) -> None:
        """Equal ETags: no condition sees it, which is why nothing may come late."""
        etag = put(store).etag
        name = bucket_of(store)
        server.before(lambda r: r.method == "DELETE", lambda r: server.put(name, r.key, b"other") and None)
        with pytest.raises(PreconditionFailed):
            store.delete_object(KEY, expect=matching(etag))
        assert get(store) == b"other"


class TestCredentials:
    def test_expired_ones(self, server: FakeS3, store: S3Store) -> None:
        put(store)
        server.expire(KEYS["access_key"])
        for act in (lambda: get(store), lambda: put(store), lambda: store.stat_object(KEY)):
            with pytest.raises(NoCredentials):
                act()
        server.grant(KEYS["access_key"])
        assert get(store) == DATA

    def test_unknown_ones(self, server: FakeS3) -> None:
        with pytest.raises(NoCredentials):
            put(store_on(server, "nobody"))

    def test_read_only_ones(self, server: FakeS3, store: S3Store) -> None:
        put(store)
        server.grant("reader", lambda action, *_: action in ("s3:GetObject", "s3:ListBucket"))
        login = SharedLogin(server.url, access_key="reader", secret_key="any")
        reader = S3Store(bucket_of(store), "some/where", login)
        assert get(reader) == DATA
        for act in (lambda: put(reader), lambda: reader.delete_object(KEY)):
            with pytest.raises(Forbidden):
                act()

    def test_who_may_not_list_learns_nothing(self, server: FakeS3, store: S3Store) -> None:
        server.grant("getter", lambda action, *_: action == "s3:GetObject")
        login = SharedLogin(server.url, access_key="getter", secret_key="any")
        with pytest.raises(Forbidden):
            S3Store(bucket_of(store), "", login).stat_object("missing")

    def test_a_clock_that_is_a_day_off(self, server: FakeS3, store: S3Store) -> None:
        server.checks_time = True
        server.advance(86400)
        with pytest.raises(NoCredentials, match="clock"):
            get(store)
        assert abs(store.clock() - time.time() - 86400) < 2


def test_a_listing_in_pages(server: FakeS3, store: S3Store) -> None:
    server.page_size = 3
    keys = [f"a/{n} &<%2F+=" for n in range(10)]
    for key in keys:
        put(store, key, b"")
    assert [found.key for found in store.list_objects("a/")] == keys
    assert len(server.requests("GET", "")) == 4


@pytest.mark.nightly
def test_a_part_that_came_damaged(server: FakeS3, store: S3Store) -> None:
    server.fault(lambda r: r.query.get("partNumber") == "2", "flip", times=9)
    with pytest.raises(Corrupt):
        put(store, data=BIG)
    assert server.objects(bucket_of(store)) == {}
    assert server.uploads(bucket_of(store)) == []


def test_a_read_whose_condition_nobody_looks_at(server: FakeS3, store: S3Store) -> None:
    """rclone serve s3 answers with whatever is there: its ETag tells."""
    etag = put(store).etag
    put(store, data=b"other")
    server.before(lambda r: r.method == "GET", lambda r: r.headers.pop("if-match") and None)
    with pytest.raises(PreconditionFailed), store.read_object(KEY, etag=etag):
        pass


def test_a_store_that_rots(server: FakeS3, store: S3Store) -> None:
    etag = put(store).etag
    server.damage(bucket_of(store), f"some/where/{KEY}", DATA[::-1])
    assert store.stat_object(KEY).etag == etag
    assert get(store) == DATA[::-1]


def test_it_starts_and_stops_at_once() -> None:
    before, threads = time.perf_counter(), set(threading.enumerate())
    with FakeS3():
        assert set(threading.enumerate()) != threads
    assert set(threading.enumerate()) <= threads
    assert time.perf_counter() - before < 1
