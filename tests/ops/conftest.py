"""Fixtures of the tests of the verbs."""

from tests.s3server import s3_bucket, s3_endpoint  # noqa: F401 - fixtures
