"""What a bucket refuses, found out by asking for it.

A feature counts only where the wrong request was refused *and* the right one taken: a store that
refuses every request with a header proves nothing about the header.
"""

import hashlib
import uuid
from collections.abc import Callable
from io import BytesIO

from git_datamanager.errors import Corrupt, DataError, Denied, NoCredentials, PreconditionFailed, Unreachable
from git_datamanager.storage.base import ABSENT, Capabilities, StorageAdapter
from git_datamanager.storage.s3bucket import Bucket
from git_datamanager.storage.s3errors import NotKnown
from git_datamanager.storage.s3request import base64_of

FIRST = b"the first of two writes to one key"
SECOND = b"the second"


def probe(store: StorageAdapter, bucket: Bucket) -> Capabilities:
    """Writes two small objects under `probe/` and removes them again."""
    folder = f"probe/{uuid.uuid4()}"
    try:
        return Capabilities(
            conditional_put=_keeps_first(store, f"{folder}/twice"),
            checks_sha256=_checks_sha256(bucket, f"{folder}/wrong"),
        )
    finally:
        for name in ("twice", "wrong"):
            remove(store, f"{folder}/{name}")


def _keeps_first(store: StorageAdapter, key: str) -> bool:
    if not is_taken(lambda: _put_new(store, key, FIRST)):
        return False
    if is_taken(lambda: _put_new(store, key, SECOND)):
        return False
    with store.read_object(key) as stream:
        return stream.read() == FIRST


def _put_new(store: StorageAdapter, key: str, data: bytes) -> None:
    store.write_object(key, BytesIO(data), len(data), expect=ABSENT)


def _checks_sha256(bucket: Bucket, key: str) -> bool:
    right, wrong = (base64_of(hashlib.sha256(data).hexdigest()) for data in (FIRST, SECOND))
    try:
        return not is_taken(lambda: _put_with(bucket, key, wrong)) and is_taken(
            lambda: _put_with(bucket, key, right)
        )
    except NoCredentials:  # they were good a moment ago: the header breaks the signature (GCS)
        return False


def _put_with(bucket: Bucket, key: str, checksum: str) -> None:
    with bucket.guard(key):
        bucket.steady.put_object(**bucket.at(key), Body=FIRST, ChecksumSHA256=checksum)


def is_taken(write: Callable[[], object]) -> bool:
    """False where the store answers no; no rights and no connection are no answer to this question."""
    try:
        write()
    except (Denied, Unreachable):
        raise
    except DataError as error:
        if isinstance(error, (PreconditionFailed, Corrupt, NotKnown)) or type(error) is DataError:
            return False
        raise
    return True


def remove(store: StorageAdapter, key: str) -> None:
    try:
        store.delete_object(key)
    except (Denied, Unreachable):  # publish may not delete; whoever cleans `probe/` will
        return
