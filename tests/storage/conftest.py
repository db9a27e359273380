"""Fixtures of the store tests."""

from collections.abc import Iterator

import pytest

from tests.s3server import s3_bucket, s3_endpoint
from tests.storage.faultproxy import FaultProxy

pytest.register_assert_rewrite("tests.storage.contract")
__all__ = ["s3_bucket", "s3_endpoint"]


@pytest.fixture
def proxy(s3_endpoint: str) -> Iterator[FaultProxy]:
    """moto behind a server that misbehaves on cue."""
    with FaultProxy(s3_endpoint) as running:
        yield running
