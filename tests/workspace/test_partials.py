"""Downloads that broke off are gone on with; until all bytes are verified nothing of them is used."""

import errno
import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from git_datamanager import fsio
from git_datamanager.errors import Corrupt, DataError, ObjectMissing, Unreachable
from git_datamanager.model.layout import object_key
from git_datamanager.model.oid import Oid
from git_datamanager.objects import ObjectStore
from git_datamanager.storage import download
from git_datamanager.storage.patience import Patience
from git_datamanager.storage.s3 import S3Store
from git_datamanager.storage.traffic import TRAFFIC
from git_datamanager.workspace import partials, place
from git_datamanager.workspace.partials import Partials
from tests.storage.fakes3 import KEYS, FakeS3, Request
from tests.storage.sharedlogin import SharedLogin

KIB = 1 << 10
DATA = b"".join(hashlib.sha256(b"%d" % n).digest() for n in range(1050 * KIB // 32))
OID = Oid.of(DATA)
KEY = object_key(OID)
OTHER = DATA[::-1]


@pytest.fixture
def fake() -> Iterator[FakeS3]:
    with FakeS3("aws") as server:
        server.create_bucket("bucket")
        server.put("bucket", KEY, DATA)
        yield server


@pytest.fixture
def store(fake: FakeS3) -> ObjectStore:
    return ObjectStore(S3Store("bucket", "", SharedLogin(endpoint=fake.url, **KEYS)), "production")


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "PART", 100 * KIB)
    monkeypatch.setattr(download, "LEAST", 100 * KIB)
    monkeypatch.setattr(download, "BLOCK", 50 * KIB)
    monkeypatch.setattr(download, "PATIENCE", Patience(tries=2, base=0.0))
    monkeypatch.setattr(partials, "SMALL", 100 * KIB)


@pytest.fixture
def kept(tmp_path: Path) -> Partials:
    return Partials(tmp_path / "partial")


def left(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "partial").glob("*"))


def ranges(fake: FakeS3) -> list[int]:
    """Where each ranged request began, in order."""
    return sorted(int(r.headers["range"][6:].split("-")[0]) for r in fake.log if "range" in r.headers)


class Stop:
    """An Advance that presses ^C after so many blocks, and keeps apart what moved and what was there."""

    def __init__(self, after: int = 0) -> None:
        self.after = after
        self.steps = self.moved = self.there = 0

    def __call__(self, count: int) -> None:
        self.moved += count
        self.steps += 1
        if self.steps == self.after:
            raise KeyboardInterrupt

    def present(self, count: int) -> None:
        self.there += count


def fill(kept: Partials, store: ObjectStore, path: Path, **more: Any) -> bytes:
    with path.open("w+b") as target:
        kept.fill(store, OID, len(DATA), target, **more)
    return path.read_bytes()


def test_a_file_comes_in_ranges_and_leaves_nothing(
    fake: FakeS3, store: ObjectStore, kept: Partials, tmp_path: Path
) -> None:
    watched = Stop()
    assert fill(kept, store, tmp_path / "out", advance=watched) == DATA
    assert ranges(fake) == list(range(0, len(DATA), 100 * KIB))
    assert {r.headers.get("if-match") for r in fake.requests("GET")} == {fake.held("bucket", KEY).etag}
    assert (watched.moved, watched.there) == (len(DATA), 0)
    assert left(tmp_path) == []
    assert (tmp_path / "out").stat().st_nlink == 1
    assert TRAFFIC.memory.lent == 0


def test_after_an_interrupt_the_rest_is_fetched(
    fake: FakeS3, store: ObjectStore, kept: Partials, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        fill(kept, store, tmp_path / "one", advance=Stop(4))
    (tmp_path / "one").unlink()
    [partial] = left(tmp_path)
    assert partial.read_bytes() == DATA[: 400 * KIB]
    fake.forget()
    watched = Stop()
    assert fill(kept, store, tmp_path / "two", advance=watched) == DATA
    assert min(ranges(fake)) == 400 * KIB
    assert (watched.there, watched.moved) == (400 * KIB, len(DATA) - 400 * KIB)
    assert left(tmp_path) == []


def test_without_second_names_the_beginning_is_copied(
    fake: FakeS3, store: ObjectStore, kept: Partials, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another file system, or a system that cannot."""
    monkeypatch.setattr(fsio, "link_open", lambda *_: False)
    with pytest.raises(KeyboardInterrupt):
        fill(kept, store, tmp_path / "one", advance=Stop(4))
    (tmp_path / "one").unlink()
    fake.forget()
    assert fill(kept, store, tmp_path / "two") == DATA
    assert min(ranges(fake)) == 400 * KIB
    assert left(tmp_path) == []


SCRIPT = """
import sys
from pathlib import Path
from git_datamanager.model.oid import Oid
from git_datamanager.objects import ObjectStore
from git_datamanager.storage import download
from git_datamanager.storage.s3 import Login, S3Store
from git_datamanager.workspace import partials
url, folder, oid, size, name = sys.argv[1:]
download.PART = download.LEAST = partials.SMALL = 102400
download.WIDTH = 1
login = Login(endpoint=url, access_key="test-key", secret_key="test-secret")
store = ObjectStore(S3Store("bucket", "", login), "production")
with (Path(folder) / name).open("w+b", buffering=0) as target:
    partials.Partials(Path(folder) / "partial").fill(store, Oid(oid), int(size), target)
"""


def test_a_killed_process_is_gone_on_with_by_a_new_one(fake: FakeS3, tmp_path: Path) -> None:
    """kill -9, and the temporary file beside the working file is swept away."""

    def run(name: str) -> subprocess.Popen[bytes]:
        words = [fake.url, str(tmp_path), OID.hex, str(len(DATA)), name]
        return subprocess.Popen([sys.executable, "-c", SCRIPT, *words])

    running: list[subprocess.Popen[bytes]] = []
    fake.before(
        lambda r: r.headers.get("range", "").startswith(f"bytes={700 * KIB}-"),
        lambda _: os.kill(running[0].pid, signal.SIGKILL),
    )
    running.append(run("one"))
    assert running[0].wait() == -signal.SIGKILL
    (tmp_path / "one").unlink()
    fake.forget()
    assert run("two").wait() == 0
    assert (tmp_path / "two").read_bytes() == DATA
    assert min(ranges(fake)) >= 600 * KIB
    assert left(tmp_path) == []


def test_another_object_by_now_begins_anew(
    fake: FakeS3, store: ObjectStore, kept: Partials, tmp_path: Path
) -> None:
    """The same bytes with another ETag: what was fetched of the other one is left alone."""
    with pytest.raises(KeyboardInterrupt):
        fill(kept, store, tmp_path / "one", advance=Stop(4))
    with fake.lock:
        fake._store(fake.bucket("bucket"), KEY, DATA, etag='"another"')
    fake.forget()
    assert fill(kept, store, tmp_path / "two") == DATA
    assert min(ranges(fake)) == 0


def test_a_damaged_beginning_is_fetched_again(
    fake: FakeS3, store: ObjectStore, kept: Partials, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        fill(kept, store, tmp_path / "one", advance=Stop(4))
    [partial] = left(tmp_path)
    with partial.open("r+b") as file:
        file.write(b"rot")
    watched = Stop()
    assert fill(kept, store, tmp_path / "two", advance=watched) == DATA
    assert (watched.there, watched.moved) == (0, len(DATA))


def test_wrong_bytes_are_never_kept(fake: FakeS3, store: ObjectStore, kept: Partials, tmp_path: Path) -> None:
    fake.damage("bucket", KEY, OTHER)
    with pytest.raises(Corrupt):
        fill(kept, store, tmp_path / "out")
    assert left(tmp_path) == []


def replace_at(fake: FakeS3, start: int, data: bytes) -> Any:
    """Somebody writes the object anew right before the range that begins at `start` is answered."""

    def act(_: Request) -> None:
        with fake.lock:
            fake._store(fake.bucket("bucket"), KEY, data, etag='"another"')

    return fake.before(lambda r: r.headers.get("range", "").startswith(f"bytes={start}-"), act)


def test_replaced_between_ranges_by_equal_bytes(
    fake: FakeS3, store: ObjectStore, kept: Partials, tmp_path: Path
) -> None:
    cue = replace_at(fake, 500 * KIB, DATA)
    watched = Stop()
    assert fill(kept, store, tmp_path / "out", advance=watched) == DATA
    assert cue.fired
    assert watched.moved + watched.there == len(DATA)
    assert left(tmp_path) == []


def test_replaced_between_ranges_by_others(
    fake: FakeS3, store: ObjectStore, kept: Partials, tmp_path: Path
) -> None:
    """Never half of one and half of the other: the hash decides, whatever the conditions did."""
    replace_at(fake, 500 * KIB, OTHER)
    with pytest.raises(Corrupt):
        fill(kept, store, tmp_path / "out")


def test_a_plain_fetch_of_an_object_that_is_replaced(
    fake: FakeS3, store: ObjectStore, tmp_path: Path
) -> None:
    replace_at(fake, 500 * KIB, DATA)
    steps: list[int] = []
    with (tmp_path / "out").open("w+b") as target:
        store.fetch(OID, len(DATA), target, advance=steps.append)
    assert (tmp_path / "out").read_bytes() == DATA
    assert sum(steps) == len(DATA)


def test_a_body_that_breaks_off_is_gone_on_with(
    fake: FakeS3, store: ObjectStore, kept: Partials, tmp_path: Path
) -> None:
    cut = fake.fault(lambda r: r.headers.get("range", "").startswith(f"bytes={300 * KIB}-"), "truncate")
    assert fill(kept, store, tmp_path / "out") == DATA
    assert cut.fired
    assert 350 * KIB in ranges(fake)


def test_a_network_that_is_gone_keeps_what_came(
    fake: FakeS3, store: ObjectStore, kept: Partials, tmp_path: Path
) -> None:
    fake.fault(
        lambda r: int(r.headers.get("range", "bytes=0-")[6:].split("-")[0]) >= 600 * KIB, "503", times=99
    )
    with pytest.raises(Unreachable):
        fill(kept, store, tmp_path / "out")
    [partial] = left(tmp_path)
    assert partial.read_bytes() == DATA[: 600 * KIB]


def test_a_full_disk_keeps_the_beginning_and_the_old_file(
    fake: FakeS3, store: ObjectStore, kept: Partials, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full after 250 KiB; with room again the rest is fetched."""
    path = tmp_path / "working"
    path.write_bytes(b"old")
    write_all = fsio.write_all

    def full(target: Any, block: Any) -> None:
        room = 250 * KIB - os.fstat(target.fileno()).st_size
        write_all(target, block[:room])
        if room < len(block):
            target.flush()
            raise OSError(errno.ENOSPC, "No space left on device")

    def put() -> None:
        with fsio.Folder(tmp_path, "working") as folder:
            place.put(
                folder, path, place.look(path),
                lambda target: kept.fill(store, OID, len(DATA), target),
                mode=0o644, preserve=lambda: None,
            )  # fmt: skip

    with monkeypatch.context() as patch:
        patch.setattr(fsio, "write_all", full)
        with pytest.raises(DataError, match="no space left"):
            put()
    assert path.read_bytes() == b"old"
    fake.forget()
    put()
    assert path.read_bytes() == DATA
    assert min(ranges(fake)) == 250 * KIB
    assert path.stat().st_nlink == 1
    assert left(tmp_path) == []


def test_what_somebody_else_is_fetching_is_left_to_them(
    store: ObjectStore, kept: Partials, tmp_path: Path
) -> None:
    """While one comes a second one begins at zero, and neither disturbs the other."""
    seen: list[bytes] = []

    def second(_: int) -> None:
        if not seen:
            seen.append(b"")
            seen[0] = fill(kept, store, tmp_path / "two")

    assert fill(kept, store, tmp_path / "one", advance=second) == DATA
    assert seen == [DATA]
    assert left(tmp_path) == []


def test_the_same_target_is_gone_on_with(
    fake: FakeS3, store: ObjectStore, kept: Partials, tmp_path: Path
) -> None:
    with (tmp_path / "out").open("w+b") as target:
        with pytest.raises(KeyboardInterrupt):
            kept.fill(store, OID, len(DATA), target, advance=Stop(4))
        fake.forget()
        kept.fill(store, OID, len(DATA), target)
    assert (tmp_path / "out").read_bytes() == DATA
    assert min(ranges(fake)) == 400 * KIB
    assert (tmp_path / "out").stat().st_nlink == 1
    assert left(tmp_path) == []


def test_a_target_that_is_filled_from_elsewhere_keeps_no_second_name(
    fake: FakeS3, store: ObjectStore, kept: Partials, tmp_path: Path
) -> None:
    """The first store broke off, the second has it: nothing here may change with the working file."""
    fake.create_bucket("second")
    fake.put("second", KEY, DATA)
    second = ObjectStore(S3Store("second", "", SharedLogin(endpoint=fake.url, **KEYS)), "staging")
    with (tmp_path / "out").open("w+b") as target:
        with pytest.raises(KeyboardInterrupt):
            kept.fill(store, OID, len(DATA), target, advance=Stop(4))
        kept.fill(second, OID, len(DATA), target)
    assert (tmp_path / "out").read_bytes() == DATA
    assert (tmp_path / "out").stat().st_nlink == 1


def test_an_absent_object(fake: FakeS3, store: ObjectStore, kept: Partials, tmp_path: Path) -> None:
    fake.remove("bucket", KEY)
    with pytest.raises(ObjectMissing):
        fill(kept, store, tmp_path / "out")


def test_another_size_is_told_before_anything_is_read(
    fake: FakeS3, store: ObjectStore, kept: Partials, tmp_path: Path
) -> None:
    fake.put("bucket", KEY, DATA + b"more")
    with pytest.raises(Corrupt, match="more"):
        fill(kept, store, tmp_path / "out")
    assert fake.requests("GET") == []


def test_old_beginnings_are_swept(store: ObjectStore, kept: Partials, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        fill(kept, store, tmp_path / "one", advance=Stop(2))
    [partial] = left(tmp_path)
    other = partial.with_name(partial.name.replace(OID.hex, "0" * 64))
    partial.rename(other)
    os.utime(other, (0, 0))
    fill(kept, store, tmp_path / "two")
    assert left(tmp_path) == []
