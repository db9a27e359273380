"""Small documents of a store (receipts, leases, registers): read with a limit, written on a condition."""

import hashlib
import io
from typing import NamedTuple, TypeVar

from git_datamanager.errors import Corrupt, DataError, ObjectMissing
from git_datamanager.model.records import Document, read
from git_datamanager.storage.base import Expect, Presentation, Stat, StorageAdapter

T = TypeVar("T", bound=Document)
_JSON = Presentation("application/json")


class Raw(NamedTuple):
    """The bytes under a key, at most one more than a document may have, and the object's facts."""

    data: bytes
    stat: Stat


def fetch_raw(store: StorageAdapter, key: str, limit: int) -> Raw | None:
    """None where there is no object. Raises PreconditionFailed where it is replaced meanwhile."""
    stat = store.stat_object(key)
    if stat is None:
        return None
    try:
        with store.read_object(key, length=limit + 1, etag=stat.etag) as body:
            return Raw(body.read(limit + 1), stat)
    except ObjectMissing:
        return None


def fetch(store: StorageAdapter, key: str, kind: type[T]) -> T | None:
    """None where there is none. Raises Corrupt for what is no such document."""
    try:
        with store.read_object(key, length=kind.limit + 1) as body:
            data = body.read(kind.limit + 1)
    except ObjectMissing:
        return None
    if len(data) > kind.limit:
        raise Corrupt(f"{store.url}: {key} is larger than any {kind.noun}")
    return read(kind, data, what=f"{store.url}: {key}")


def write(store: StorageAdapter, key: str, document: Document, expect: Expect) -> Stat:
    """Raises PreconditionFailed, OutcomeUnknown as any conditional write, and DataError for what no reader
    would take: nothing is written then."""
    data = document.encode()
    if len(data) > document.limit:
        raise DataError(
            f"{store.url}: the {document.noun} {key} would have {len(data):,} bytes, and nobody reads more "
            f"than {document.limit:,}: nothing was written"
        )
    return store.write_object(
        key,
        io.BytesIO(data),
        len(data),
        expect=expect,
        sha256=hashlib.sha256(data).hexdigest(),
        presentation=_JSON,
    )
