"""Deletions on a condition: each is sent once, and its outcome is known or called unknown."""

from git_datamanager.errors import Denied, ObjectMissing, OutcomeUnknown, Unreachable
from git_datamanager.storage.s3bucket import Bucket
from git_datamanager.storage.s3errors import NotKnown


def delete(bucket: Bucket, key: str, etag: str) -> None:
    """Remove the object that was just seen with this ETag.

    A deletion whose answer was lost is never sent again: it may still arrive, and hit what bears the name
    by then (equal bytes have equal ETags). Gone counts as done; else OutcomeUnknown.
    """
    try:
        _delete_known(bucket, key, etag)
    except OutcomeUnknown:
        if not _is_gone(bucket, key):
            raise


def send(bucket: Bucket, key: str, etag: str) -> None:
    """The one request, and what the store says to it."""
    with bucket.guard(key, conditional=True):
        bucket.once.delete_object(**bucket.at(key), IfMatch=etag)


def _delete_known(bucket: Bucket, key: str, etag: str) -> None:
    try:
        send(bucket, key, etag)
    except ObjectMissing:  # somebody else was quicker: it is gone, which was asked for
        return
    except NotKnown:  # no such condition here: the look just before is all there is
        with bucket.guard(key, conditional=True):
            bucket.once.delete_object(**bucket.at(key))


def _is_gone(bucket: Bucket, key: str) -> bool:
    try:
        return bucket.stat(key) is None
    except (Unreachable, Denied):
        return False
