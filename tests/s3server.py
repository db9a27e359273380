"""An S3 server for tests: moto on 127.0.0.1, one per test process.

Import the fixtures in a conftest.py: `from tests.s3server import s3_bucket, s3_endpoint  # noqa: F401`.
moto is more lenient than S3 (reliability.md fact 7): tests that rest on a refusal have to look first
whether moto refuses.
"""

import uuid
from collections.abc import Iterator

import boto3
import pytest
from moto.server import ThreadedMotoServer

KEYS = {"access_key": "test-key", "secret_key": "test-secret"}
"""What moto takes for credentials, as `Access` and `Login` name them."""


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """The URL of a running server."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_bucket(s3_endpoint: str) -> str:
    """The name of a new and empty bucket."""
    name = f"test-{uuid.uuid4()}"
    boto3.client(
        "s3",
        endpoint_url=s3_endpoint,
        region_name="us-east-1",
        aws_access_key_id=KEYS["access_key"],
        aws_secret_access_key=KEYS["secret_key"],
    ).create_bucket(Bucket=name)
    return name
