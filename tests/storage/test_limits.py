"""The limits of transfers where they matter: memory of a whole process, bytes as they leave."""

import hashlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from git_datamanager.storage.s3 import S3Store
from git_datamanager.storage.s3request import Sizes
from git_datamanager.storage.traffic import TRAFFIC
from tests.storage.fakes3 import KEYS, FakeS3
from tests.storage.sharedlogin import SharedLogin

MIB = 1 << 20
SCRIPT = """
import sys
from concurrent.futures import ThreadPoolExecutor
from git_datamanager.model.oid import Oid
from git_datamanager.objects import ObjectStore
from git_datamanager.storage.s3 import Login, S3Store
from git_datamanager.storage.traffic import TRAFFIC
url, folder, size, *oids = sys.argv[1:]
TRAFFIC.limit(memory=160 << 20)
login = Login(endpoint=url, access_key="test-key", secret_key="test-secret")
store = ObjectStore(S3Store("bucket", "", login), "staging")
def transfer(oid):
    store.put(Oid(oid), int(size), lambda: open(f"{folder}/{oid}", "rb", buffering=0))
    with open(f"{folder}/{oid}.out", "wb", buffering=0) as target:
        store.fetch(Oid(oid), int(size), target)
with ThreadPoolExecutor(len(oids)) as pool:
    list(pool.map(transfer, oids))
status = open("/proc/self/status").read()  # getrusage counts what the parent had before exec
print(next(line.split()[1] for line in status.split("\\n") if line.startswith("VmHWM")))
"""


@pytest.fixture
def fake() -> Iterator[FakeS3]:
    with FakeS3("no-checksums", min_part=1) as server:
        server.create_bucket("bucket")
        yield server


@pytest.mark.slow
def test_four_big_files_at_once_stay_below_the_memory_they_may_take(fake: FakeS3, tmp_path: Path) -> None:
    """Without the common budget each of them would have five parts of 16 MiB at work."""
    oids = []
    for _ in range(4):
        data = os.urandom(80 * MIB)
        oids.append(hashlib.sha256(data).hexdigest())
        (tmp_path / oids[-1]).write_bytes(data)
    words = [sys.executable, "-c", SCRIPT, fake.url, str(tmp_path), str(80 * MIB), *oids]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    assert int(done.stdout) * 1024 < 190 * MIB


def test_bytes_leave_and_come_at_their_pace_and_are_signed_at_once(
    fake: FakeS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every byte is counted once each way: what the signature reads is not sent."""
    counted: list[int] = []
    monkeypatch.setattr(TRAFFIC.pace, "rate", 1)
    monkeypatch.setattr(TRAFFIC.pace, "take", counted.append)
    store = S3Store("bucket", "", SharedLogin(endpoint=fake.url, **KEYS), sizes=Sizes(single=1000, part=1000))
    for data in (b"small" * 100, b"large" * 1000):
        counted.clear()
        store.write_object("key", io.BytesIO(data), len(data), sha256=hashlib.sha256(data).hexdigest())
        assert sum(counted) == len(data)
        counted.clear()
        with store.read_object("key") as body:
            assert body.read() == data
        assert sum(counted) == len(data)


def test_a_part_that_is_sent_again_is_counted_again(fake: FakeS3, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []
    monkeypatch.setattr(TRAFFIC.pace, "rate", 1)
    monkeypatch.setattr(TRAFFIC.pace, "take", counted.append)
    store = S3Store("bucket", "", SharedLogin(endpoint=fake.url, **KEYS), sizes=Sizes(single=1000, part=1000))
    fake.fault(lambda r: r.query.get("partNumber") == "2", "500")
    data = b"x" * 3000
    store.write_object("key", io.BytesIO(data), len(data))
    assert sum(counted) == 4000
    assert fake.objects("bucket") == {"key": data}


@pytest.mark.parametrize("part", [1000, 1024])
def test_parts_are_not_copied_into_files_by_the_client(
    fake: FakeS3, monkeypatch: pytest.MonkeyPatch, part: int
) -> None:
    """As a file a part would be sent in pieces of 16 KiB, after a question whether it may come."""
    store = S3Store("bucket", "", SharedLogin(endpoint=fake.url, **KEYS), sizes=Sizes(single=100, part=part))
    data = os.urandom(2500)
    store.write_object("key", io.BytesIO(data), len(data))
    puts: list[Any] = [r for r in fake.log if "partNumber" in r.query]
    assert [len(r.body) for r in puts] and not any("expect" in r.headers for r in puts)
    assert {r.headers["x-amz-content-sha256"] for r in puts} == {
        hashlib.sha256(r.body).hexdigest() for r in puts
    }
    assert fake.objects("bucket")["key"] == data
