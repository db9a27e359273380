"""What a store refuses, found out by asking for it: every request goes below `probe/<uuid>/`.

A feature counts only where the wrong request was refused *and* the right one taken.
"""

import io
import uuid
from collections.abc import Callable
from typing import NamedTuple

from git_datamanager.errors import DataError, Denied, Unreachable
from git_datamanager.model.layout import PROBE_PREFIX
from git_datamanager.ops.doctor_check import Result
from git_datamanager.storage.address import BUCKETS
from git_datamanager.storage.base import ANYTHING, Expect, StorageAdapter, matching

_FIRST = b"the first of two writes to one key"
_SECOND = b"the second"
_NOBODYS = matching("0" * 32)


class Trait(NamedTuple):
    """One feature, and what follows from it."""

    name: str
    result: Result
    said: str


def traits(adapter: StorageAdapter) -> list[Trait]:
    """Try each feature; raises Denied where these credentials may not write below `probe/`."""
    folder = f"{PROBE_PREFIX}{uuid.uuid4()}"
    key = f"{folder}/object"
    _write(adapter, key, _FIRST, ANYTHING)  # Denied here means: no probe at all
    try:
        known = adapter.capabilities()
        return [
            _creates(known.conditional_put),
            _updates(adapter, key, f"{folder}/missing"),
            _checksum(known.checks_sha256),
            _lists(adapter, folder, key),
            _ranges(adapter, key),
            *_settings(adapter, known.checks_sha256),
        ]
    finally:
        for name in ("object", "missing"):
            _remove(adapter, f"{folder}/{name}")


def _write(adapter: StorageAdapter, key: str, data: bytes, expect: Expect) -> str:
    return adapter.write_object(key, io.BytesIO(data), len(data), expect=expect).etag


def _is_refused(request: Callable[[], object]) -> bool:
    """No rights and no answer say nothing about the store's manners."""
    try:
        request()
    except (Denied, Unreachable):
        raise
    except DataError:
        return True
    return False


def _creates(refuses: bool) -> Trait:  # noqa: FBT001 - the answer of a probe
    if refuses:
        return Trait("create-only put", Result.OK, "a second one is refused, the first bytes stay")
    return Trait(
        "create-only put",
        Result.FAIL,
        "a second one is taken: two runs of publish, gc or cleanup cannot tell who was first. They refuse "
        "this store unless --unsafe-single-writer says that never two of them run",
    )


def _updates(adapter: StorageAdapter, key: str, missing: str) -> Trait:
    name = "put by ETag"
    found = adapter.stat_object(key)
    wrong = _is_refused(lambda: _write(adapter, key, _SECOND, _NOBODYS))
    absent = _is_refused(lambda: _write(adapter, missing, _SECOND, _NOBODYS))
    right = found is not None and not _is_refused(lambda: _write(adapter, key, _SECOND, matching(found.etag)))
    if wrong and absent and right:
        return Trait(name, Result.OK, "a wrong one is refused, the right one taken")
    what = "a wrong one is taken" if not (wrong and absent) else "the right one is refused"
    return Trait(name, Result.FAIL, f"{what}: leases, which keep a second deleting run away, do not hold")


def _checksum(checks: bool) -> Trait:  # noqa: FBT001 - the answer of a probe
    if checks:
        return Trait("checksum", Result.OK, "a body that does not fit its SHA-256 is refused")
    return Trait(
        "checksum",
        Result.OK,
        "a wrong SHA-256 is taken, or its header not understood: bytes are read back and hashed instead",
    )


def _lists(adapter: StorageAdapter, folder: str, key: str) -> Trait:
    name = "list after put"
    try:
        seen = [stat.key for stat in adapter.list_objects(f"{folder}/")]
    except Denied:
        return Trait(name, Result.SKIPPED, "these credentials may not list")
    if key in seen:
        return Trait(name, Result.OK, "shows the object at once")
    return Trait(name, Result.FAIL, "does not show the object: gc and cleanup would decide by an old list")


def _ranges(adapter: StorageAdapter, key: str) -> Trait:
    with adapter.read_object(key, start=4, length=6) as body:
        got = body.read()
    if got == _SECOND[4:10]:
        return Trait("range", Result.OK, "is answered with that range")
    return Trait("range", Result.FAIL, "is answered with other bytes: a broken download cannot be taken up")


def _settings(adapter: StorageAdapter, checks: bool) -> list[Trait]:  # noqa: FBT001 - the answer of a probe
    """What follows for the requests that are sent."""
    if adapter.url.partition(":")[0] not in BUCKETS:
        return []
    header = "is sent" if checks else "is not sent"
    said = (
        f"x-amz-checksum-sha256 {header}; no other checksums (when_required), no trailers, bodies signed; "
        "conditional requests are sent once"
    )
    return [Trait("client settings", Result.OK, said)]


def _remove(adapter: StorageAdapter, key: str) -> None:
    try:
        adapter.delete_object(key)
    except (Denied, Unreachable):  # whoever sweeps `probe/` will
        return
