"""Uploads that broke off are gone on with, by another process too: the store's own digests decide."""

import hashlib
import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from git_datamanager.errors import Corrupt, Forbidden, OutcomeUnknown, PreconditionFailed, Unreachable
from git_datamanager.model.oid import Oid
from git_datamanager.objects import ObjectStore
from git_datamanager.storage import s3multipart
from git_datamanager.storage.base import ABSENT, Begun
from git_datamanager.storage.s3 import S3Store
from git_datamanager.storage.s3request import Sizes, Standing, base64_of, sent_before, smallest_part
from git_datamanager.storage.traffic import TRAFFIC
from git_datamanager.workspace.resumebook import UploadBook
from tests.storage.fakes3 import KEYS, FakeS3, Part, Request, _md5
from tests.storage.sharedlogin import SharedLogin

KIB = 1 << 10
SIZES = Sizes(single=100 * KIB, part=100 * KIB)
DATA = b"".join(hashlib.sha256(b"%d" % n).digest() for n in range(1050 * KIB // 32))
SHA256 = hashlib.sha256(DATA).hexdigest()
KEY = "objects/ab/cdef"
PARTS = 11


@pytest.fixture(params=["aws", "no-checksums"])
def fake(request: pytest.FixtureRequest) -> Iterator[FakeS3]:
    """With digests of parts, and with MD5 as ETags alone."""
    with FakeS3(request.param, min_part=1) as server:
        server.create_bucket("bucket")
        yield server


@pytest.fixture
def store(fake: FakeS3) -> S3Store:
    found = S3Store("bucket", "", SharedLogin(endpoint=fake.url, **KEYS), sizes=SIZES)
    found.capabilities()
    fake.forget()
    return found


@pytest.fixture
def book(tmp_path: Path) -> UploadBook:
    return UploadBook(tmp_path / "uploads.db")


def is_part(request: Request) -> bool:
    return request.method == "PUT" and "partNumber" in request.query


def sent(fake: FakeS3) -> list[int]:
    return sorted(int(r.query["partNumber"]) for r in fake.log if is_part(r) and r.status == 200)


def put(store: S3Store, book: UploadBook | None, data: bytes = DATA, **more: Any) -> Any:
    return store.write_object(KEY, io.BytesIO(data), len(data), sha256=SHA256, book=book, **more)


def break_off(fake: FakeS3, store: S3Store, book: UploadBook, after: int = 5) -> list[int]:
    """^C once so many parts are there; those that were under way arrive, too. Which the store holds."""
    steps: list[int] = []

    def interrupt(count: int) -> None:
        steps.append(count)
        if len(steps) == after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        put(store, book, advance=interrupt)
    [upload] = fake.uploads("bucket")
    fake.forget()
    return sorted(upload.parts)


class Watched:
    """An Advance that keeps apart what moved and what was there."""

    def __init__(self) -> None:
        self.moved = self.there = 0

    def __call__(self, count: int) -> None:
        self.moved += count

    def present(self, count: int) -> None:
        self.there += count


def test_only_what_is_missing_is_sent(fake: FakeS3, store: S3Store, book: UploadBook) -> None:
    held = break_off(fake, store, book)
    assert len(held) >= 5
    watched = Watched()
    put(store, book, advance=watched)
    assert fake.objects("bucket")[KEY] == DATA
    assert sent(fake) == sorted(set(range(1, PARTS + 1)) - set(held))
    assert (watched.there, watched.moved + watched.there) == (100 * KIB * len(held), len(DATA))
    assert fake.uploads("bucket") == []
    assert book.take(store.url, KEY, len(DATA), SHA256) is None
    assert TRAFFIC.memory.lent == 0


def test_the_whole_is_hashed_again(fake: FakeS3, store: S3Store, book: UploadBook) -> None:
    """The local file changed in a part that is in the store already: the parts are given up."""
    break_off(fake, store, book)
    with pytest.raises(Corrupt):
        put(store, book, b"x" + DATA[1:])
    assert fake.objects("bucket") == {}
    assert fake.uploads("bucket") == []
    assert book.take(store.url, KEY, len(DATA), SHA256) is None


def test_a_part_that_is_another_one_by_now_is_sent_again(
    fake: FakeS3, store: S3Store, book: UploadBook
) -> None:
    held = break_off(fake, store, book)
    [upload] = fake.uploads("bucket")
    wrong = b"y" * 100 * KIB
    checksum = ("sha256", base64_of(hashlib.sha256(wrong).hexdigest())) if upload.algorithm else None
    upload.parts[held[1]] = Part(wrong, f'"{_md5(wrong)}"', 0.0, checksum)
    put(store, book)
    assert fake.objects("bucket")[KEY] == DATA
    assert held[1] in sent(fake)


def test_an_upload_that_vanished_begins_anew(fake: FakeS3, store: S3Store, book: UploadBook) -> None:
    break_off(fake, store, book)
    fake.bucket("bucket").uploads.clear()
    put(store, book)
    assert fake.objects("bucket")[KEY] == DATA
    assert sent(fake) == list(range(1, PARTS + 1))


def test_where_nobody_tells_the_parts_it_begins_anew(fake: FakeS3, store: S3Store, book: UploadBook) -> None:
    break_off(fake, store, book)
    fake.grant(KEYS["access_key"], lambda action, *_: action != "s3:ListMultipartUploadParts")
    put(store, book)
    assert sent(fake) == list(range(1, PARTS + 1))
    assert fake.uploads("bucket") == []


def test_two_at_once_have_their_own_uploads(fake: FakeS3, store: S3Store, book: UploadBook) -> None:
    """While one is at work the other begins its own."""
    seen: list[Any] = []

    def second(_: int) -> None:
        if not seen:
            seen.append(None)
            seen[0] = put(store, book)

    put(store, book, advance=second)
    begun = [r for r in fake.log if r.method == "POST" and "uploads" in r.query]
    assert len(begun) == 2
    assert fake.objects("bucket")[KEY] == DATA


def test_a_completion_of_unknown_outcome_is_kept(fake: FakeS3, store: S3Store, book: UploadBook) -> None:
    fake.fault(lambda r: r.method == "POST" and "uploadId" in r.query, "reset", times=9)
    with pytest.raises(OutcomeUnknown):
        put(store, book, expect=ABSENT)
    fake.forget()
    put(store, book, expect=ABSENT)
    assert sent(fake) == []
    assert fake.objects("bucket")[KEY] == DATA


def test_a_lost_network_is_gone_on_with(
    fake: FakeS3, store: S3Store, book: UploadBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3multipart, "WIDTH", 1)
    monkeypatch.setattr(s3multipart, "PATIENCE", s3multipart.Patience(tries=1))
    fake.fault(lambda r: is_part(r) and int(r.query["partNumber"]) > 6, "503", times=99)
    with pytest.raises(Unreachable):
        put(store, book)
    fake.forget()
    put(store, book)
    assert sent(fake) == list(range(7, PARTS + 1))


@pytest.mark.parametrize(
    ("kind", "error"), [("403", Forbidden), ("409", Unreachable)], ids=["refused", "raced"]
)
def test_an_answer_gives_the_upload_up(
    fake: FakeS3, store: S3Store, book: UploadBook, kind: Any, error: type[Exception]
) -> None:
    fake.fault(lambda r: r.method == "POST" and "uploadId" in r.query, kind, times=9)
    with pytest.raises(error):
        put(store, book, expect=ABSENT)
    assert fake.uploads("bucket") == []
    assert book.take(store.url, KEY, len(DATA), SHA256) is None


def test_somebody_else_was_quicker(fake: FakeS3, store: S3Store, book: UploadBook) -> None:
    break_off(fake, store, book)
    fake.put("bucket", KEY, b"theirs")
    with pytest.raises(PreconditionFailed):
        put(store, book, expect=ABSENT)
    assert fake.uploads("bucket") == []


def test_a_book_that_cannot_be_written_does_no_harm(fake: FakeS3, store: S3Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    put(store, UploadBook(tmp_path / "file" / "uploads.db"))
    assert fake.objects("bucket")[KEY] == DATA


SCRIPT = """
import sys
from pathlib import Path
from git_datamanager.model.oid import Oid
from git_datamanager.objects import ObjectStore
from git_datamanager.storage import s3multipart
from git_datamanager.storage.s3 import Login, S3Store
from git_datamanager.storage.s3request import Sizes
from git_datamanager.workspace.resumebook import UploadBook
url, folder, oid, size = sys.argv[1:]
s3multipart.WIDTH = 1
login = Login(endpoint=url, access_key="test-key", secret_key="test-secret")
store = S3Store("bucket", "", login, sizes=Sizes(single=102400, part=102400))
path = Path(folder)
place = ObjectStore(store, "staging", UploadBook(path / "uploads.db"))
place.put(Oid(oid), int(size), lambda: (path / "data").open("rb"))
"""


def test_a_killed_process_is_gone_on_with_by_a_new_one(tmp_path: Path) -> None:
    """kill -9 while a part is on its way; a second process sends that one and the rest."""
    (tmp_path / "data").write_bytes(DATA)
    with FakeS3("aws", min_part=1) as fake:
        fake.create_bucket("bucket")
        command = [sys.executable, "-c", SCRIPT, fake.url, str(tmp_path), SHA256, str(len(DATA))]
        running: list[subprocess.Popen[bytes]] = []
        seventh = fake.before(
            lambda r: is_part(r) and r.query["partNumber"] == "7",
            lambda _: os.kill(running[0].pid, signal.SIGKILL),
        )
        running.append(subprocess.Popen(command))
        assert running[0].wait() == -signal.SIGKILL
        assert seventh.fired
        assert len(fake.uploads("bucket")) == 1
        fake.forget()
        subprocess.run(command, check=True)
        key = f"objects/{SHA256[:2]}/{SHA256}"
        assert fake.objects("bucket") == {key: DATA}
        assert set(sent(fake)) <= set(range(7, PARTS + 1))  # the killed one may have arrived all the same
        assert ObjectStore(S3Store("bucket", "", SharedLogin(endpoint=fake.url, **KEYS)), "staging").look(
            Oid(SHA256), len(DATA)
        )


@pytest.mark.parametrize(
    ("standing", "counts"),
    [
        (Standing(4, '"0cc175b9c0f1b6a831c399e269772661"', None), False),  # MD5 of "a", of another size
        (Standing(1, '"0cc175b9c0f1b6a831c399e269772661"', None), True),
        (Standing(1, '"92eb5ffee6ae2fec3ad71c777531578f"', None), False),  # of "b"
        (Standing(1, '"an-etag-that-says-nothing"', None), False),
        (
            Standing(1, '"92eb5ffee6ae2fec3ad71c777531578f"', base64_of(hashlib.sha256(b"a").hexdigest())),
            True,
        ),
        (
            Standing(1, '"0cc175b9c0f1b6a831c399e269772661"', base64_of(hashlib.sha256(b"b").hexdigest())),
            False,
        ),
    ],
)
def test_a_part_counts_by_the_digest_of_the_store(standing: Standing, counts: bool) -> None:
    assert (sent_before(standing, bytearray(b"a")) is not None) is counts


@pytest.mark.parametrize(
    ("wanted", "memory", "size"),
    [(16 << 20, 192 << 20, 16 << 20), (16 << 20, 40 << 20, 10 << 20), (16 << 20, 1, 5 << 20), (100, 1, 100)],
)
def test_parts_are_smaller_where_memory_is_scarce(wanted: int, memory: int, size: int) -> None:
    assert smallest_part(wanted, memory) == size


class TestBook:
    BEGUN = Begun("id", 5, "nonce", True)

    def test_another_process_takes_over_from_a_dead_one(self, book: UploadBook, tmp_path: Path) -> None:
        script = (
            "import sys; from pathlib import Path; from git_datamanager.storage.base import Begun\n"
            "from git_datamanager.workspace.resumebook import UploadBook\n"
            "UploadBook(Path(sys.argv[1])).begin('place', 'key', 7, 'abc', Begun('id', 5, 'nonce', True))"
        )
        subprocess.run([sys.executable, "-c", script, str(tmp_path / "uploads.db")], check=True)
        assert book.take("place", "key", 7, "abc") == self.BEGUN
        assert book.take("place", "key", 7, "abc") is None  # we are at work on it now

    def test_what_is_left_is_free(self, book: UploadBook) -> None:
        book.begin("place", "key", 7, "abc", self.BEGUN)
        assert book.take("place", "key", 7, "abc") is None
        book.leave(self.BEGUN)
        assert book.take("place", "key", 7, "abc") == self.BEGUN

    @pytest.mark.parametrize(
        "other",
        [
            ("b", "key", 7, "abc"),
            ("place", "k", 7, "abc"),
            ("place", "key", 8, "abc"),
            ("place", "key", 7, "d"),
        ],
    )
    def test_only_the_same_bytes_for_the_same_place(self, book: UploadBook, other: Any) -> None:
        book.begin("place", "key", 7, "abc", self.BEGUN)
        book.leave(self.BEGUN)
        assert book.take(*other) is None

    def test_the_end_is_the_end(self, book: UploadBook) -> None:
        book.begin("place", "key", 7, "abc", self.BEGUN)
        book.end(self.BEGUN)
        assert book.take("place", "key", 7, "abc") is None
