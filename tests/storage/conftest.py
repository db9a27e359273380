"""Fixtures of the store tests."""

from collections.abc import Iterator

import pytest
from faultproxy import FaultProxy
from s3server import s3_bucket, s3_endpoint

pytest.register_assert_rewrite("contract")
__all__ = ["s3_bucket", "s3_endpoint"]


@pytest.fixture
def proxy(s3_endpoint: str) -> Iterator[FaultProxy]:
    """moto behind a server that misbehaves on cue."""
    with FaultProxy(s3_endpoint) as running:
        yield running
