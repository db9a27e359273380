"""The contract on a second S3 server, which keeps no condition of any kind: the tool has to notice, say so,
and go on with what needs none."""

import io
import uuid
from collections.abc import Iterator
from typing import ClassVar

import pytest

from git_datamanager import lease
from git_datamanager.model.oid import Oid
from git_datamanager.objects import ObjectStore
from git_datamanager.storage.base import Capabilities
from git_datamanager.storage.s3 import S3Store
from tests.storage.contract import DATA, KEY, StoreContract, put, sha256
from tests.storage.fakes3 import KEYS
from tests.storage.rcloneserver import BUCKET, RcloneServer
from tests.storage.sharedlogin import SharedLogin
from tests.storage.test_s3 import SMALL

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RcloneServer]:
    with RcloneServer(tmp_path_factory.mktemp("rclone")) as server:
        yield server


@pytest.fixture
def store(rclone: RcloneServer) -> S3Store:
    return S3Store(BUCKET, str(uuid.uuid4()), SharedLogin(rclone.url, **KEYS), sizes=SMALL)


class TestRclone(StoreContract):
    capabilities: ClassVar[Capabilities] = Capabilities(conditional_put=False, checks_sha256=False)


def test_the_full_probe_says_what_is_missing(store: S3Store) -> None:
    found = store.examine()
    proven = {name for name in found._fields[:9] if getattr(found, name)}
    assert proven == {"lists_after_put", "ranges"}
    assert abs(found.clock_skew) < 2
    assert list(store.list_objects("")) == []


def test_nobody_takes_a_lease_on_it(store: S3Store) -> None:
    terms = lease.Terms("test", 60, 0.0, renews=False)
    with pytest.raises(lease.NoConditions, match="condition is not met"):
        lease.acquire(store, "lease", terms)


def test_objects_named_by_their_bytes_need_no_conditions(store: S3Store) -> None:
    objects, oid = ObjectStore(store, "staging"), Oid.parse(f"sha256:{sha256(DATA)}")
    for _ in range(2):
        objects.put(oid, len(DATA), lambda: io.BytesIO(DATA))
    assert objects.verify(oid, len(DATA)).level == "sha256-streamed"


def test_what_is_too_large_for_one_copy_is_streamed(store: S3Store) -> None:
    """It answers a part copy with 200 and stores an empty part."""
    put(store, data=bytes(SMALL.copy + 1))
    etag = store.stat_object(KEY).etag  # not the one it told when the parts were put together
    assert store.copy_object(store, KEY, "copy", source_etag=etag) is None
