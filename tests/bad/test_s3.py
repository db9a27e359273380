"""S3 that is not as it should be: no bucket, no rights, expired keys, nobody there, 503, cut bodies."""

import os
import socket
from collections.abc import Iterator

import pytest

from tests.bad.scene import Scene, Still, refused, silent
from tests.s3server import KEYS
from tests.storage.faultproxy import FaultProxy, cut_body, error, hang_up, lose_answer

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::ResourceWarning")]


def address(endpoint: str, bucket: str, role: str) -> str:
    return f"s3://{bucket}/{role}?endpoint={endpoint}&region=us-east-1"


def point(scene: Scene, staging: str, production: str) -> None:
    scene.ana.env |= {
        "GIT_DATA_REMOTE_STAGING_URL": staging,
        "GIT_DATA_REMOTE_PRODUCTION_URL": production,
        "AWS_ACCESS_KEY_ID": KEYS["access_key"],
        "AWS_SECRET_ACCESS_KEY": KEYS["secret_key"],
    }


@pytest.fixture
def proxy(s3_endpoint: str) -> Iterator[FaultProxy]:
    with FaultProxy(s3_endpoint) as proxy:
        yield proxy


@pytest.fixture
def s3(scene: Scene, proxy: FaultProxy, s3_bucket: str) -> Scene:
    """A dataset `a.csv`, committed and pushed, not uploaded; both stores behind the proxy."""
    point(scene, address(proxy.url, s3_bucket, "staging"), address(proxy.url, s3_bucket, "production"))
    scene.add("a.csv", "1\n", upload=False)
    return scene


def forget_bytes(scene: Scene) -> None:
    (scene.ana.path / "a.csv").unlink()
    for path in (scene.ana.path / ".git/data/cache").glob("??/*"):
        path.unlink()


def test_a_missing_bucket_is_named(scene: Scene, s3_endpoint: str, s3_bucket: str):
    scene.add("a.csv", "1\n", upload=False)
    point(scene, address(s3_endpoint, "no-such-bucket", "x"), address(s3_endpoint, s3_bucket, "y"))
    still = Still(scene)
    for words in (["upload"], ["publish"], ["status", "--remote"]):
        refused(
            scene.ana.data(*words, code=None),
            3,
            "no-such-bucket",
            run=None,
            unchanged=words != ["status", "--remote"],
        )
    forget_bytes(scene)
    still = Still(scene)
    refused(scene.ana.data("pull", code=None), 3, "no-such-bucket", run="git data", unchanged=False)
    still.check()


@pytest.mark.parametrize("code", ["AccessDenied", "SignatureDoesNotMatch", "InvalidAccessKeyId"])
def test_403_is_denied_and_nothing_is_uploaded(s3: Scene, proxy: FaultProxy, code: str):
    for method in ("HEAD", "PUT", "GET", "POST"):
        proxy.on(method, error(403, code), times=1000)
    still = Still(s3)
    refused(s3.ana.data("upload", code=None), 4, "a.csv", run="git ")
    still.check()
    forget_bytes(s3)
    still = Still(s3)
    refused(s3.ana.data("pull", code=None), 4, "a.csv", run="git ")
    still.check()
    refused(s3.ana.data("publish", code=None), 4, "lease", "nothing was done", run="git ")


@pytest.mark.parametrize(
    ("status", "code"), [(400, "ExpiredToken"), (403, "ExpiredToken"), (403, "RequestTimeTooSkewed")]
)
def test_expired_credentials_are_denied_with_what_to_renew(
    s3: Scene, proxy: FaultProxy, status: int, code: str
):
    for method in ("HEAD", "PUT", "GET", "POST"):
        proxy.on(method, error(status, code), times=1000)
    forget_bytes(s3)
    still = Still(s3)
    refused(s3.ana.data("pull", code=None), 4, "a.csv", run="", unchanged=True)
    still.check()


def test_without_credentials_nothing_is_sent(s3: Scene, proxy: FaultProxy):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del s3.ana.env[name]
    still = Still(s3)
    refused(s3.ana.data("upload", code=None), 4, "credentials", run="")
    still.check()
    assert proxy.seen == []


def test_a_closed_port_is_unreachable(s3: Scene, s3_bucket: str, monkeypatch: pytest.MonkeyPatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    gone = f"http://127.0.0.1:{port}"
    point(s3, address(gone, s3_bucket, "staging"), address(gone, s3_bucket, "production"))
    still = Still(s3)
    refused(s3.ana.data("upload", code=None), 7, "a.csv", run="git data upload a.csv")
    still.check()


def test_503_twice_and_then_fine_is_fine(s3: Scene, proxy: FaultProxy):
    proxy.on("PUT", error(503, "SlowDown"), times=2)
    s3.ana.data("upload")
    proxy.on("GET", error(503, "SlowDown"), times=2, part="objects")
    forget_bytes(s3)
    s3.ana.data("pull")
    assert s3.ana.read("a.csv") == b"1\n"
    assert all(fault.times == 0 for fault in proxy.faults)


def test_a_lost_answer_to_a_write_is_read_back(s3: Scene, proxy: FaultProxy):
    proxy.on("PUT", lose_answer)
    s3.ana.data("upload")
    assert all(fault.times == 0 for fault in proxy.faults)
    s3.publish()
    assert s3.ana.states("a.csv") == {"v1": "published"}


def test_a_lost_answer_to_copy_and_receipt_is_read_back(s3: Scene, proxy: FaultProxy):
    s3.ana.data("upload")
    proxy.on("PUT", lose_answer, times=1, part="production/objects")
    proxy.on("PUT", lose_answer, times=1, part="production/receipts")
    first = silent(s3.ana.data("publish", code=None))
    assert first.code in (0, 7)
    assert all(fault.times == 0 for fault in proxy.faults)
    silent(s3.ana.data("publish"))
    s3.ana.git("pull", "-q")
    assert s3.ana.states("a.csv") == {"v1": "published"}


@pytest.mark.parametrize("act", [cut_body, hang_up], ids=["cut", "hang up"])
def test_a_body_cut_short_is_fetched_again_and_never_seen(s3: Scene, proxy: FaultProxy, act):
    s3.ana.data("upload")
    forget_bytes(s3)
    proxy.on("GET", act, part="objects", times=1)
    s3.ana.data("pull")
    assert s3.ana.read("a.csv") == b"1\n"
    assert all(fault.times == 0 for fault in proxy.faults)


@pytest.mark.nightly
def test_bodies_that_are_always_cut_leave_the_old_file(s3: Scene, proxy: FaultProxy):
    s3.ana.data("upload")
    s3.add("a.csv", os.urandom(100_000))
    forget_bytes(s3)
    s3.ana.data("pull", "a.csv@v1")
    proxy.on("GET", cut_body, part="objects", times=1000)
    still = Still(s3)
    done = silent(s3.ana.data("pull", code=None))
    assert done.code in (6, 7), done.text
    refused(done, done.code, "a.csv", run="git data")
    still.check()
    assert s3.ana.read("a.csv") == b"1\n"


@pytest.mark.nightly
def test_wrong_bytes_of_the_right_size_are_never_published(s3: Scene, s3_endpoint: str, s3_bucket: str):
    import boto3

    s3.ana.data("upload")
    oid = s3.ana.versions("a.csv")[0]["oid"].removeprefix("sha256:")
    client = boto3.client(
        "s3", endpoint_url=s3_endpoint, region_name="us-east-1",
        aws_access_key_id=KEYS["access_key"], aws_secret_access_key=KEYS["secret_key"],
    )  # fmt: skip
    client.put_object(Bucket=s3_bucket, Key=f"staging/objects/{oid[:2]}/{oid}", Body=b"2\n")
    refused(s3.ana.data("publish", code=None), 6, "a.csv v1", "stays pending", run="git data upload a.csv")
    listed = client.list_objects_v2(Bucket=s3_bucket, Prefix="production/").get("Contents", [])
    assert listed == []
    s3.ana.data("upload")
    s3.publish()
    assert s3.ana.states("a.csv") == {"v1": "published"}


def test_errors_of_several_datasets_are_all_told_and_in_json(s3: Scene, proxy: FaultProxy):
    s3.add("b.csv", "2\n", upload=False)
    proxy.on("HEAD", error(403, "AccessDenied"), times=1000)
    proxy.on("PUT", error(403, "AccessDenied"), times=1000)
    proxy.on("GET", error(403, "AccessDenied"), times=1000)
    done = silent(s3.ana.data("upload", "--json", code=4))
    assert [e["name"] for e in done.json()["errors"]] == ["a.csv", "b.csv"]
    assert {e["exit_code"] for e in done.json()["errors"]} == {4}
