"""All that a bucket refuses and takes; see s3probe.py for what counts as proven."""

import time
import uuid
from collections.abc import Callable
from io import BytesIO

from git_datamanager.errors import DataError, Forbidden, Unreachable
from git_datamanager.storage import s3copy, s3delete
from git_datamanager.storage.base import (
    ABSENT,
    ANYTHING,
    Examination,
    Expect,
    Stat,
    StorageAdapter,
    Versioning,
    matching,
)
from git_datamanager.storage.s3bucket import Bucket
from git_datamanager.storage.s3multipart import begin
from git_datamanager.storage.s3probe import FIRST, SECOND, is_taken, remove
from git_datamanager.storage.s3request import Part

_THIRD = b"the third of three writes"
_NAMES = ("swapped", "none", "completed", "source", "copied", "parts", "deleted", "listed")


def examine(store: StorageAdapter, bucket: Bucket) -> Examination:
    """Writes a few small objects under `probe/` and removes them again."""
    small = store.capabilities()  # raises Forbidden where nothing may be written at all
    at = f"probe/{uuid.uuid4()}"
    try:
        return Examination(
            *small,
            conditional_overwrite=_proven(lambda: _swaps(store, f"{at}/swapped", f"{at}/none")),
            conditional_complete=_proven(lambda: _completes_once(store, bucket, f"{at}/completed")),
            source_condition=_proven(lambda: _pins_copies(store, bucket, f"{at}/source", f"{at}/copied")),
            part_source_condition=_proven(lambda: _pins_parts(store, bucket, f"{at}/source", f"{at}/parts")),
            conditional_delete=_proven(lambda: _deletes_known(store, bucket, f"{at}/deleted")),
            lists_after_put=_proven(lambda: _lists(store, f"{at}/listed")),
            ranges=_proven(lambda: _ranges(store, f"{at}/listed")),
            clock_skew=_skew(store),
            versioning=_versioning(bucket),
        )
    finally:
        for name in _NAMES:
            remove(store, f"{at}/{name}")


def pins_parts(store: StorageAdapter, bucket: Bucket) -> bool:
    """Whether a copy in parts takes the source it was told, and no other."""
    at = f"probe/{uuid.uuid4()}"
    try:
        return _pins_parts(store, bucket, f"{at}/source", f"{at}/parts")
    finally:
        remove(store, f"{at}/source")


def _proven(question: Callable[[], bool]) -> bool:
    """What these credentials may not try is not proven."""
    try:
        return question()
    except Forbidden:
        return False


def _put(store: StorageAdapter, key: str, data: bytes, expect: Expect = ANYTHING) -> Stat:
    return store.write_object(key, BytesIO(data), len(data), expect=expect)


def _holds(store: StorageAdapter, key: str, data: bytes) -> bool:
    with store.read_object(key) as stream:
        return stream.read() == data


def _swaps(store: StorageAdapter, key: str, free: str) -> bool:
    old = _put(store, key, FIRST)
    new = _put(store, key, SECOND)
    if is_taken(lambda: _put(store, key, _THIRD, matching(old.etag))) or not _holds(store, key, SECOND):
        return False
    if is_taken(lambda: _put(store, free, _THIRD, matching(new.etag))):
        return False
    return is_taken(lambda: _put(store, key, _THIRD, matching(new.etag))) and _holds(store, key, _THIRD)


def _completes_once(store: StorageAdapter, bucket: Bucket, key: str) -> bool:
    if not is_taken(lambda: _in_one_part(bucket, key, FIRST)):
        return False
    return not is_taken(lambda: _in_one_part(bucket, key, SECOND)) and _holds(store, key, FIRST)


def _in_one_part(bucket: Bucket, key: str, data: bytes) -> None:
    with begin(bucket, key, None) as upload:
        part = upload.send(Part(1, 0, len(data)), data)
        upload.complete_once([part], len(data), ABSENT)


def _pins_copies(store: StorageAdapter, bucket: Bucket, source: str, key: str) -> bool:
    old = _put(store, source, FIRST)
    new = _put(store, source, SECOND)
    if is_taken(lambda: s3copy.at_once(bucket, old, bucket, key, None)):
        return False
    return is_taken(lambda: s3copy.at_once(bucket, new, bucket, key, None)) and _holds(store, key, SECOND)


def _pins_parts(store: StorageAdapter, bucket: Bucket, source: str, key: str) -> bool:
    old = _put(store, source, FIRST)
    new = _put(store, source, SECOND)
    with begin(bucket, key, None) as upload:
        part, origin = Part(1, 0, new.size), bucket.at(source)
        refused = not is_taken(lambda: upload.copy(part, origin, old.etag, is_whole=True))
        taken = is_taken(lambda: upload.copy(part, origin, new.etag, is_whole=True))
        upload.abort()
    return refused and taken


def _deletes_known(store: StorageAdapter, bucket: Bucket, key: str) -> bool:
    old = _put(store, key, FIRST)
    new = _put(store, key, SECOND)
    if is_taken(lambda: s3delete.send(bucket, key, old.etag)) or store.stat_object(key) is None:
        return False
    return is_taken(lambda: s3delete.send(bucket, key, new.etag)) and store.stat_object(key) is None


def _lists(store: StorageAdapter, key: str) -> bool:
    _put(store, key, FIRST)
    return [found.key for found in store.list_objects(key)] == [key]


def _ranges(store: StorageAdapter, key: str) -> bool:
    _put(store, key, FIRST)
    try:
        with store.read_object(key, start=2, length=5) as stream:
            return stream.read() == FIRST[2:7]
    except Unreachable:
        raise
    except DataError:
        return False


def _skew(store: StorageAdapter) -> float:
    """Measured at the middle of the request."""
    before = time.time()
    theirs = store.clock()
    return theirs - (before + time.time()) / 2


def _versioning(bucket: Bucket) -> Versioning:
    try:
        with bucket.guard(""):
            status = bucket.steady.get_bucket_versioning(Bucket=bucket.name).get("Status")
    except Unreachable:
        raise
    except DataError:
        return "unknown"
    return "on" if status == "Enabled" else "off"
