"""The bucket server of the tests that want one, and worlds that a module makes once."""

from tests.s3server import s3_bucket, s3_endpoint  # noqa: F401
from tests.templates import ana, still, template, world  # noqa: F401
