"""What an owner should know of a bucket: whether it keeps versions, and which uploads were never ended."""

from typing import NamedTuple

from git_datamanager.storage.base import StorageAdapter
from git_datamanager.storage.s3 import S3Store
from git_datamanager.storage.s3errors import NotKnown
from git_datamanager.storage.wrappers import innermost


class Unfinished(NamedTuple):
    """An upload in parts that nobody completed or gave up; its parts are paid for."""

    key: str
    begun: float
    """Seconds since the epoch, by the store's clock."""


def bucket_of(store: StorageAdapter) -> S3Store | None:
    """The store itself where it is a bucket."""
    inner = innermost(store)
    return inner if isinstance(inner, S3Store) else None


def versioning(store: S3Store) -> str | None:
    """`Enabled` or `Suspended`; empty where it was never on, None where the service knows no versions.

    Raises Forbidden: most credentials may not ask.
    """
    bucket = store._bucket  # noqa: SLF001 - of the same package
    try:
        with bucket.guard(""):
            return str(bucket.steady.get_bucket_versioning(Bucket=bucket.name).get("Status", ""))
    except NotKnown:
        return None


def unfinished(store: S3Store, limit: int = 1000) -> list[Unfinished]:
    """Uploads below the store's prefix, at most `limit`. Raises Forbidden."""
    bucket = store._bucket  # noqa: SLF001 - of the same package
    own = bucket.full("")
    with bucket.guard(""):
        answer = bucket.steady.list_multipart_uploads(Bucket=bucket.name, Prefix=own, MaxUploads=limit)
    return [
        Unfinished(upload["Key"].removeprefix(own), upload["Initiated"].timestamp())
        for upload in answer.get("Uploads", ())
    ]
