"""Buckets: the contract on moto, and what happens when a server or a network misbehaves."""

import base64
import hashlib
import io
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from git_datamanager.errors import (
    Corrupt,
    DataError,
    Forbidden,
    NoCredentials,
    NotFound,
    ObjectMissing,
    OutcomeUnknown,
    PreconditionFailed,
    Unreachable,
)
from git_datamanager.storage import s3multipart
from git_datamanager.storage.base import ABSENT, Capabilities, Presentation, matching
from git_datamanager.storage.patience import Busy
from git_datamanager.storage.s3 import Login, S3Store
from git_datamanager.storage.s3bucket import quoted
from git_datamanager.storage.s3request import MIB, Sizes
from git_datamanager.storage.traffic import TRAFFIC, ByteBudget
from git_datamanager.storage.wrappers import Retrying
from tests.s3server import KEYS
from tests.storage.contract import DATA, KEY, StoreContract, get, put, sha256
from tests.storage.faultproxy import FaultProxy, cut_body, drop_header, error, hang_up, lose_answer
from tests.storage.sharedlogin import SharedLogin

SMALL = Sizes(single=5 * MIB, part=5 * MIB, copy=5 * MIB, copy_part=5 * MIB)
BIG = bytes(range(256)) * (12 * MIB // 256) + b"a last part of another size"


def store_at(url: str, bucket: str, prefix: str = "some/where", **more: Any) -> S3Store:
    return S3Store(bucket, prefix, SharedLogin(endpoint=url, **KEYS, **more), sizes=SMALL)


def put_big(store: S3Store, **more: Any) -> Any:
    return store.write_object(KEY, io.BytesIO(BIG), len(BIG), sha256=sha256(BIG), **more)


def unfinished(store: S3Store) -> list[Any]:
    bucket = store._bucket
    return list(bucket.steady.list_multipart_uploads(Bucket=bucket.name).get("Uploads", ()))


@pytest.fixture
def store(s3_endpoint: str, s3_bucket: str) -> S3Store:
    return store_at(s3_endpoint, s3_bucket)


@pytest.fixture
def faulty(proxy: FaultProxy, s3_bucket: str) -> S3Store:
    """The same bucket through the proxy."""
    return store_at(proxy.url, s3_bucket)


class TestS3Store(StoreContract):
    capabilities = Capabilities(conditional_put=True, checks_sha256=False)  # moto takes wrong digests


@pytest.mark.nightly
class TestWithoutPrefix(StoreContract):
    capabilities = TestS3Store.capabilities

    @pytest.fixture
    def store(self, s3_endpoint: str, s3_bucket: str) -> S3Store:
        return store_at(s3_endpoint, s3_bucket, prefix="")


class TestInParts:
    """Everything above the limit of a single request."""

    def test_the_bytes_come_back(self, store: S3Store) -> None:
        steps: list[int] = []
        written = put_big(store, advance=steps.append)
        assert hashlib.sha256(get(store)).digest() == hashlib.sha256(BIG).digest()
        assert steps == [5 * MIB, 5 * MIB, len(BIG) - 10 * MIB]
        found = store.stat_object(KEY)
        assert found is not None
        assert (found.size, found.etag, found.sha256) == (len(BIG), written.etag, None)

    def test_create_only(self, store: S3Store) -> None:
        put(store)
        with pytest.raises(PreconditionFailed):
            put_big(store, expect=ABSENT)
        assert get(store) == DATA
        assert unfinished(store) == []

    def test_create_only_on_completing(self, store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
        """Somebody writes between our look and our completing: the condition itself has to hold."""
        monkeypatch.setattr(s3multipart.Upload, "_check", lambda *_: put(store))
        with pytest.raises(PreconditionFailed):
            put_big(store, expect=ABSENT)
        assert get(store) == DATA

    def test_by_etag(self, store: S3Store) -> None:
        first = put(store, data=b"1")
        second = put_big(store, expect=matching(first.etag))
        with pytest.raises(PreconditionFailed):
            put_big(store, expect=matching(first.etag))
        assert store.stat_object(KEY)[2] == second.etag

    @pytest.mark.parametrize("size", [len(BIG) - 1, len(BIG) + 1, len(BIG)])
    def test_wrong_bytes_are_never_completed(self, store: S3Store, size: int) -> None:
        with pytest.raises(Corrupt):
            store.write_object(KEY, io.BytesIO(BIG), size, sha256=sha256(DATA))
        assert store.stat_object(KEY) is None
        assert unfinished(store) == []

    def test_a_failing_part_aborts(self, faulty: S3Store, store: S3Store, proxy: FaultProxy) -> None:
        proxy.on("PUT", error(403, "AccessDenied"), part="partNumber=2")
        with pytest.raises(Forbidden):
            put_big(faulty)
        assert store.stat_object(KEY) is None
        assert unfinished(store) == []

    def test_an_interrupt_aborts(self, store: S3Store) -> None:
        def interrupt(_: int) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            put_big(store, advance=interrupt)
        assert unfinished(store) == []

    def test_a_part_is_sent_again(self, faulty: S3Store, proxy: FaultProxy) -> None:
        proxy.on("PUT", error(503, "SlowDown"), part="partNumber=1")
        put_big(faulty)
        assert get(faulty) == BIG

    @pytest.mark.parametrize("act", [lose_answer, error(500, "InternalError"), error(200, "InternalError")])
    def test_a_lost_completion_is_recognised(self, faulty: S3Store, proxy: FaultProxy, act: Any) -> None:
        proxy.on("POST", act, part="uploadId=")
        put_big(faulty, expect=ABSENT)
        assert get(faulty) == BIG

    def test_an_unknown_completion_is_not_aborted(self, faulty: S3Store, proxy: FaultProxy) -> None:
        proxy.on("POST", hang_up, part="uploadId=", times=9)
        with pytest.raises(OutcomeUnknown):
            put_big(faulty)
        assert proxy.count("DELETE") == 0

    def test_a_race_on_completing_starts_anew(self, faulty: S3Store, proxy: FaultProxy) -> None:
        proxy.on("POST", error(409, "ConditionalRequestConflict"), part="uploadId=")
        with pytest.raises(Unreachable) as caught:
            put_big(faulty, expect=ABSENT)
        assert not isinstance(caught.value, OutcomeUnknown)
        assert proxy.count("POST", "uploadId=") == 1

    def test_memory_is_bounded(self, store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
        held = most = 0
        lock = threading.Lock()
        send = s3multipart.Upload.send

        def counted(self: Any, part: Any, data: bytes) -> Any:
            nonlocal held, most
            with lock:
                held += 1
                most = max(most, held)
            try:
                return send(self, part, data)
            finally:
                with lock:
                    held -= 1

        monkeypatch.setattr(s3multipart.Upload, "send", counted)
        monkeypatch.setattr(TRAFFIC, "memory", ByteBudget(10 * MIB))
        put_big(store)
        assert most <= 2
        assert TRAFFIC.memory.lent == 0


class TestCopies:
    @pytest.fixture
    def pinning(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """As if moto had been seen to pin the source of part copies."""
        monkeypatch.setattr(S3Store, "_pins_parts", lambda _: True)

    def test_in_one_request(self, store: S3Store, s3_endpoint: str, s3_bucket: str) -> None:
        other = store_at(s3_endpoint, s3_bucket, prefix="other")
        etag = put(other, "from").etag
        shown = Presentation("text/csv", "prices ü.csv")
        assert store.copy_object(other, "from", KEY, source_etag=etag, presentation=shown) is not None
        head = store._bucket.steady.head_object(**store._bucket.at(KEY))
        assert head["ContentType"] == "text/csv"
        assert head["ContentDisposition"] == "attachment; filename*=UTF-8''prices%20%C3%BC.csv"

    def test_in_parts(self, store: S3Store, pinning: None) -> None:
        etag = put_big(store).etag
        steps: list[int] = []
        shown = Presentation("application/vnd.sqlite3")
        copied = store.copy_object(
            store, KEY, "copy", source_etag=etag, presentation=shown, advance=steps.append
        )
        assert copied is not None
        assert get(store, "copy") == BIG
        assert sum(steps) == len(BIG)
        head = store._bucket.steady.head_object(**store._bucket.at("copy"))
        assert head["ContentType"] == "application/vnd.sqlite3"

    def test_in_parts_of_a_source_that_changes(
        self, store: S3Store, pinning: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """moto keeps no condition on parts: it is our second look that refuses."""
        etag = put_big(store).etag
        copy = s3multipart.Upload.copy

        def copy_then_change(self: Any, part: Any, *args: Any) -> Any:
            copied = copy(self, part, *args)
            if part.number == 3:
                store.write_object(KEY, io.BytesIO(BIG[::-1]), len(BIG))
            return copied

        monkeypatch.setattr(s3multipart.Upload, "copy", copy_then_change)
        with pytest.raises(PreconditionFailed, match="changed"):
            store.copy_object(store, KEY, "copy", source_etag=etag)
        assert store.stat_object("copy") is None
        assert unfinished(store) == []

    def test_an_error_in_a_200_is_a_failure(self, faulty: S3Store, proxy: FaultProxy) -> None:
        etag = put(faulty, "from").etag
        proxy.on("PUT", error(200, "InternalError"), times=9)
        with pytest.raises(Unreachable):
            faulty.copy_object(faulty, "from", KEY, source_etag=etag)

    def test_with_other_keys_the_bytes_are_streamed(self, store: S3Store, s3_endpoint: str) -> None:
        login = Login(endpoint=s3_endpoint, access_key="other", secret_key="other")
        other = S3Store(store._bucket.name, "", login)
        assert store.copy_object(other, "from", KEY, source_etag="any") is None


class TestLostAnswers:
    def test_a_lost_create_is_ours(self, faulty: S3Store, proxy: FaultProxy) -> None:
        proxy.on("PUT", lose_answer)
        written = put(faulty, expect=ABSENT)
        assert written.etag == faulty.stat_object(KEY).etag
        assert proxy.count("PUT") == 1

    def test_a_lost_update_is_ours(self, faulty: S3Store, proxy: FaultProxy) -> None:
        first = put(faulty, data=b"1")
        proxy.on("PUT", lose_answer)
        put(faulty, data=b"2", expect=matching(first.etag))
        assert get(faulty) == b"2"

    def test_a_request_that_never_arrived_is_sent_again(self, faulty: S3Store, proxy: FaultProxy) -> None:
        proxy.on("PUT", hang_up)
        put(faulty, expect=ABSENT)
        assert get(faulty) == DATA

    def test_equal_bytes_of_somebody_else_are_not_ours(
        self, faulty: S3Store, store: S3Store, proxy: FaultProxy
    ) -> None:
        put(store)
        proxy.on("PUT", hang_up)
        with pytest.raises(OutcomeUnknown):
            put(faulty, expect=ABSENT)

    def test_a_refusal_is_believed(self, faulty: S3Store, store: S3Store, proxy: FaultProxy) -> None:
        put(store)
        with pytest.raises(PreconditionFailed):
            put(faulty, expect=ABSENT)
        assert proxy.count("PUT") == 1
        assert proxy.count("HEAD") == 0

    def test_no_look_no_answer(self, faulty: S3Store, proxy: FaultProxy) -> None:
        proxy.on("PUT", lose_answer)
        proxy.on("PUT", hang_up, times=9)
        proxy.on("HEAD", error(503, "SlowDown"), times=99)
        with pytest.raises(OutcomeUnknown):
            put(faulty, expect=ABSENT)

    def test_the_client_never_repeats_a_conditional_write(self, faulty: S3Store, proxy: FaultProxy) -> None:
        proxy.on("PUT", error(409, "ConditionalRequestConflict"))
        put(faulty, expect=ABSENT)
        assert proxy.count("PUT") == 2

    def test_a_lost_deletion(self, faulty: S3Store, proxy: FaultProxy) -> None:
        etag = put(faulty).etag
        proxy.on("DELETE", lose_answer)
        faulty.delete_object(KEY, expect=matching(etag))
        assert faulty.stat_object(KEY) is None

    @pytest.mark.parametrize("act", [hang_up, error(500, "InternalError"), error(504, "")])
    @pytest.mark.parametrize("knows_conditions", [True, False])
    def test_an_unknown_deletion_is_not_repeated(
        self, faulty: S3Store, proxy: FaultProxy, act: Any, knows_conditions: bool
    ) -> None:
        """Coming late, it would hit equal bytes that somebody has put back."""
        etag = put(faulty).etag
        if not knows_conditions:
            proxy.on("DELETE", error(501, "NotImplemented"))
        proxy.on("DELETE", act, times=9)
        with pytest.raises(OutcomeUnknown):
            Retrying(faulty, sleep=lambda _: None).delete_object(KEY, expect=matching(etag))
        assert proxy.count("DELETE") == (1 if knows_conditions else 2)

    def test_a_lost_deletion_that_nobody_can_check(self, faulty: S3Store, proxy: FaultProxy) -> None:
        etag = put(faulty).etag

        def lose(handler: Any) -> None:
            lose_answer(handler)
            proxy.on("HEAD", error(403, "AccessDenied"), times=9)
            proxy.on("GET", error(403, "AccessDenied"), times=9)

        proxy.on("DELETE", lose)
        with pytest.raises(OutcomeUnknown):
            faulty.delete_object(KEY, expect=matching(etag))

    def test_a_refused_deletion_is_tried_again(self, faulty: S3Store, proxy: FaultProxy) -> None:
        etag = put(faulty).etag
        proxy.on("DELETE", error(503, "SlowDown"), times=2)
        Retrying(faulty, sleep=lambda _: None).delete_object(KEY, expect=matching(etag))
        assert proxy.count("DELETE") == 3
        assert faulty.stat_object(KEY) is None

    def test_a_plain_write_is_repeated_by_the_client(self, faulty: S3Store, proxy: FaultProxy) -> None:
        proxy.on("PUT", lose_answer)
        put(faulty)
        assert proxy.count("PUT") == 2

    def test_a_deletion_without_conditions(self, faulty: S3Store, proxy: FaultProxy) -> None:
        etag = put(faulty).etag
        proxy.on("DELETE", error(501, "NotImplemented"))
        faulty.delete_object(KEY, expect=matching(etag))
        assert faulty.stat_object(KEY) is None


@pytest.mark.nightly
class TestErrors:
    @pytest.mark.parametrize(
        ("status", "code", "kind"),
        [
            (403, "AccessDenied", Forbidden),
            (400, "ExpiredToken", NoCredentials),
            (403, "ExpiredToken", NoCredentials),
            (403, "InvalidAccessKeyId", NoCredentials),
            (403, "SignatureDoesNotMatch", NoCredentials),
            (401, "Unauthorized", NoCredentials),
            (404, "NoSuchKey", ObjectMissing),
            (404, "NoSuchBucket", NotFound),
            (503, "SlowDown", Busy),
            (500, "InternalError", Unreachable),
            (599, "Whatever", Unreachable),
            (400, "InvalidArgument", DataError),
        ],
    )
    def test_an_answer_has_its_class(
        self, faulty: S3Store, proxy: FaultProxy, status: int, code: str, kind: type[DataError]
    ) -> None:
        proxy.on("GET", error(status, code), times=9)
        with pytest.raises(kind) as caught:
            get(faulty)
        assert type(caught.value) is kind
        assert faulty.url in str(caught.value)

    @pytest.mark.parametrize(("status", "kind"), [(403, NoCredentials), (400, NoCredentials)])
    def test_a_refused_head_says_why(
        self, faulty: S3Store, proxy: FaultProxy, status: int, kind: type[DataError]
    ) -> None:
        proxy.on("HEAD", error(status, ""), times=9)
        proxy.on("GET", error(403, "ExpiredToken"))
        with pytest.raises(kind):
            faulty.stat_object(KEY)

    def test_trouble_that_passes_is_not_seen(self, faulty: S3Store, proxy: FaultProxy) -> None:
        put(faulty)
        proxy.on("GET", error(503, "SlowDown"), times=2)
        assert get(faulty) == DATA

    def test_a_body_cut_short(self, faulty: S3Store, proxy: FaultProxy) -> None:
        put(faulty)
        proxy.on("GET", cut_body)
        with pytest.raises(Unreachable), faulty.read_object(KEY) as stream:
            while stream.read(1000):
                pass

    def test_nobody_listens(self) -> None:
        store = store_at("http://127.0.0.1:9", "bucket")
        with pytest.raises(Unreachable, match="no connection"):
            store.stat_object(KEY)
        with pytest.raises(Unreachable) as caught:
            put(store, expect=ABSENT)
        assert not isinstance(caught.value, OutcomeUnknown)

    def test_an_answer_that_never_comes(self, faulty: S3Store, proxy: FaultProxy) -> None:
        slow = store_at(proxy.url, faulty._bucket.name, read_timeout=0.1)
        proxy.on("GET", lambda handler: threading.Event().wait(0.3), times=9)
        with pytest.raises(Unreachable, match="timeout"):
            get(slow)

    def test_a_missing_bucket_is_named(self, s3_endpoint: str) -> None:
        store = store_at(s3_endpoint, "no-such-bucket")
        for act in (
            lambda: store.stat_object(KEY),
            lambda: get(store),
            lambda: put(store),
            lambda: put(store, expect=ABSENT),
            lambda: list(store.list_objects("")),
        ):
            with pytest.raises(NotFound, match="no-such-bucket") as caught:
                act()
            assert type(caught.value) is NotFound

    def test_no_credentials(self, s3_endpoint: str, s3_bucket: str) -> None:
        with pytest.raises(NoCredentials, match="no credentials"):
            S3Store(s3_bucket, "", Login(endpoint=s3_endpoint)).stat_object(KEY)

    def test_an_unknown_profile(self, s3_endpoint: str, s3_bucket: str) -> None:
        with pytest.raises(NoCredentials, match="profile"):
            S3Store(s3_bucket, "", Login(endpoint=s3_endpoint, profile="nobody")).stat_object(KEY)

    def test_no_secret_is_shown(self, faulty: S3Store, proxy: FaultProxy) -> None:
        canary = "canary-5f2a"
        login = Login(proxy.url, access_key=canary, secret_key=canary, session_token=canary)
        store = S3Store(faulty._bucket.name, "", login)
        proxy.on("GET", error(403, f"Signature\x1b[31m{canary}"))
        with pytest.raises(Forbidden) as caught:
            get(store)
        assert "\x1b" not in str(caught.value)
        assert canary not in repr(login) + store.url

    def test_the_digest_of_parts_is_no_digest(self, store: S3Store) -> None:
        bucket = store._bucket
        answer = {"ETag": "e", "ChecksumSHA256": base64.b64encode(bytes(32)).decode()}
        assert bucket.written(KEY, 1, {**answer, "ChecksumType": "FULL_OBJECT"}).sha256 == "0" * 64
        assert bucket.written(KEY, 1, {**answer, "ChecksumType": "COMPOSITE"}).sha256 is None
        assert bucket.written(KEY, 1, answer).sha256 is None


class TestClock:
    DATE = "Sun, 06 Nov 1994 08:49:37 GMT"

    @pytest.mark.parametrize("status", [200, 403, 404])
    def test_the_date_of_any_answer(self, faulty: S3Store, proxy: FaultProxy, status: int) -> None:
        proxy.on("HEAD", lambda handler: handler.answer(status, {"Date": self.DATE}, b""))
        assert faulty.clock() == 784111777
        assert proxy.count("HEAD") == 1

    @pytest.mark.parametrize("date", ["", "yesterday", "Sun, 99 Nov 1994 08:49:37 GMT"])
    def test_no_date_no_time(self, faulty: S3Store, proxy: FaultProxy, date: str) -> None:
        proxy.on("HEAD", lambda handler: handler.answer(404, {"Date": date}, b""))
        with pytest.raises(DataError, match="does not tell its time"):
            faulty.clock()

    def test_a_failing_store_tells_no_time(self, faulty: S3Store, proxy: FaultProxy) -> None:
        proxy.on("HEAD", error(500, ""), times=9)
        with pytest.raises(Unreachable):
            faulty.clock()


class TestProbe:
    def test_a_server_that_ignores_conditions(self, faulty: S3Store, proxy: FaultProxy) -> None:
        proxy.on("PUT", drop_header("If-None-Match"), times=9)
        assert faulty.capabilities().conditional_put is False

    def test_a_server_that_checks_digests(self, faulty: S3Store, proxy: FaultProxy) -> None:
        def check(handler: Any) -> None:
            sent = handler.headers.get("x-amz-checksum-sha256")
            if sent and sent != base64.b64encode(hashlib.sha256(handler.body).digest()).decode():
                error(400, "BadDigest")(handler)
            else:
                handler.answer(*handler.ask())

        proxy.on("PUT", check, times=99)
        assert faulty.capabilities() == (True, True)
        put(faulty)
        assert "x-amz-checksum-sha256" in {name.lower() for name in proxy.seen[-1][2]}

    @pytest.mark.parametrize(("status", "code"), [(400, "InvalidArgument"), (403, "SignatureDoesNotMatch")])
    def test_a_server_that_refuses_the_header(
        self, faulty: S3Store, proxy: FaultProxy, status: int, code: str
    ) -> None:
        def refuse(handler: Any) -> None:
            if handler.headers.get("x-amz-checksum-sha256"):
                error(status, code)(handler)
            else:
                handler.answer(*handler.ask())

        proxy.on("PUT", refuse, times=99)
        assert faulty.capabilities() == (True, False)
        put(faulty)

    def test_once(self, faulty: S3Store, proxy: FaultProxy) -> None:
        faulty.capabilities()
        before = len(proxy.seen)
        faulty.capabilities()
        assert len(proxy.seen) == before

    def test_without_the_right_to_delete(self, faulty: S3Store, proxy: FaultProxy) -> None:
        proxy.on("DELETE", error(403, "AccessDenied"), times=9)
        assert faulty.capabilities() == (True, False)

    def test_without_the_right_to_write(self, faulty: S3Store, proxy: FaultProxy) -> None:
        proxy.on("PUT", error(403, "AccessDenied"), times=9)
        with pytest.raises(Forbidden):
            faulty.capabilities()


def test_requests_are_plain(faulty: S3Store, proxy: FaultProxy) -> None:
    """No trailers, no chunks, a signed body: what every compatible store understands."""
    put(faulty, expect=ABSENT)
    headers = {name.lower(): value for name, value in proxy.seen[-1][2].items()}
    assert headers["content-length"] == str(len(DATA))
    assert headers["x-amz-content-sha256"] == sha256(DATA)
    assert headers["x-amz-meta-git-data-nonce"]
    assert not [name for name in headers if "trailer" in name or "crc" in name or name == "transfer-encoding"]


def test_a_presentation_is_seen_by_browsers(store: S3Store) -> None:
    shown = Presentation("text/csv", 'a"\r\nb/ü.csv')
    store.write_object(KEY, io.BytesIO(b"x"), 1, presentation=shown)
    head = store._bucket.steady.head_object(**store._bucket.at(KEY))
    assert head["ContentDisposition"] == "attachment; filename*=UTF-8''a%22%0D%0Ab%2F%C3%BC.csv"
    with pytest.raises(ValueError, match="content type"):
        store.write_object(KEY, io.BytesIO(b"x"), 1, presentation=Presentation("text/html\r\nX: y"))


@pytest.mark.parametrize(
    ("told", "meant"), [('"abc"', '"abc"'), ("abc", '"abc"'), ('W/"abc"', 'W/"abc"'), ("abc-3", '"abc-3"')]
)
def test_an_etag_has_its_quotes(told: str, meant: str) -> None:
    assert quoted(told) == meant


def test_names_that_are_no_keys_are_not_listed(store: S3Store) -> None:
    bucket = store._bucket
    bucket.steady.put_object(Bucket=bucket.name, Key=bucket.full("folder/"), Body=b"")
    put(store)
    assert [s.key for s in store.list_objects("")] == [KEY]


def test_importing_is_light() -> None:
    heavy = {"boto3", "botocore", "urllib3", "asyncio"}
    code = f"import git_datamanager.storage.s3, sys; print({heavy!r} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"


def test_only_one_module_names_boto3() -> None:
    package = Path(__file__).parents[2] / "git_datamanager" / "storage"
    naming = {
        p.name
        for p in package.glob("*.py")
        if any(
            f"{word} {name}" in p.read_text() for word in ("import", "from") for name in ("boto3", "botocore")
        )
    }
    assert naming == {"s3.py"}
