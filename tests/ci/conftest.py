"""The bucket server of the tests that want one."""

from tests.s3server import s3_bucket, s3_endpoint  # noqa: F401
