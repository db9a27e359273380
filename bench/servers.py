"""The bucket of a run: any S3 by its address, or a small server on this machine; and a counter before it."""

import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from socket import create_connection, create_server
from typing import Any
from urllib.parse import urlsplit

PROXY = Path(__file__).parent / "programs" / "countproxy.py"
Count = Callable[[], tuple[int, int]]


@dataclass(frozen=True)
class Bucket:
    """A bucket behind an endpoint. `folder` is where a server on this machine keeps it."""

    endpoint: str
    name: str
    folder: Path | None = None
    region: str = "us-east-1"

    def url(self, prefix: str) -> str:
        """As git data writes it."""
        insecure = "&insecure=1" if self.endpoint.startswith("http:") else ""
        return f"s3://{self.name}/{prefix}?endpoint={self.endpoint}&region={self.region}{insecure}"

    def env(self) -> dict[str, str]:
        """How every other client is told of it. AWS_… names of the person who runs this stay."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_REGION": self.region,
            "S3_ENDPOINT_URL": self.endpoint,
            "RCLONE_S3_ENDPOINT": self.endpoint,
            "RCLONE_S3_REGION": self.region,
        }

    def empty(self, prefix: str) -> None:
        """Remove all keys below a prefix. Not timed, so the short way where there is one."""
        if self.folder is not None:
            shutil.rmtree(self.folder / prefix, ignore_errors=True)
            return
        client = self._client()
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda key: client.delete_object(Bucket=self.name, Key=key), self.sizes(prefix)))

    def sizes(self, prefix: str) -> dict[str, int]:
        """Every key below a prefix, and its bytes."""
        if self.folder is not None:
            top = self.folder / prefix
            return {str(p.relative_to(self.folder)): p.stat().st_size for p in top.rglob("*") if p.is_file()}
        pages = (
            self._client().get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix + "/")
        )
        return {one["Key"]: one["Size"] for page in pages for one in page.get("Contents", ())}

    def _client(self) -> Any:
        import boto3
        from botocore.config import Config

        config = Config(s3={"addressing_style": "path"}, max_pool_connections=16)
        return boto3.client("s3", endpoint_url=self.endpoint, region_name=self.region, config=config)


@contextmanager
def loopback(program: str, folder: Path) -> Iterator[Bucket]:
    """localbucket on a free port of this machine, with one bucket, until the end of the block."""
    name = "bench"
    (folder / name).mkdir(parents=True)
    with create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [program, "--port", str(port), folder], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_for(port)
        yield Bucket(f"http://127.0.0.1:{port}", name, folder / name)
    finally:
        server.terminate()
        server.wait()


def _wait_for(port: int) -> None:
    for _ in range(100):
        with suppress(OSError):
            create_connection(("127.0.0.1", port)).close()
            return
        time.sleep(0.1)
    raise SystemExit("the S3 server on this machine does not answer")


@contextmanager
def given(endpoint: str, name: str) -> Iterator[Bucket]:
    """A bucket that is there; credentials from AWS_… in the environment."""
    try:
        urllib.request.urlopen(endpoint, timeout=10).close()  # noqa: S310 - the address was given
    except urllib.error.HTTPError:
        pass  # it answers
    except OSError as error:
        raise SystemExit(f"{endpoint} does not answer: {error}") from error
    yield Bucket(endpoint.rstrip("/"), name, region=os.environ.get("AWS_DEFAULT_REGION", "us-east-1"))


@contextmanager
def counting(bucket: Bucket) -> Iterator[tuple[Bucket | None, Count]]:
    """The same bucket behind a counter: bytes sent to and received from it, headers included.

    None for an endpoint with TLS, whose name a proxy cannot keep.
    """
    address = urlsplit(bucket.endpoint)
    if address.scheme != "http":
        yield None, lambda: (0, 0)
        return
    proxy = subprocess.Popen(
        [sys.executable, PROXY, str(address.hostname), str(address.port or 80)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert proxy.stdin is not None
    assert proxy.stdout is not None
    talk, hear = proxy.stdin, proxy.stdout

    def count() -> tuple[int, int]:
        talk.write("\n")
        talk.flush()
        sent, received = hear.readline().split()
        return int(sent), int(received)

    try:
        yield replace(bucket, endpoint=f"http://127.0.0.1:{int(hear.readline())}"), count
    finally:
        talk.close()
        proxy.wait()
        hear.close()
