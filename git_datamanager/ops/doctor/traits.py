"""What follows from what a store was seen to refuse, in words; the probe itself is the store's `examine`."""

from typing import NamedTuple

from git_datamanager.ops.doctor.check import Result
from git_datamanager.storage.address import BUCKETS
from git_datamanager.storage.base import Examination, StorageAdapter


class Trait(NamedTuple):
    """One feature, and what follows from it."""

    name: str
    result: Result
    said: str


class _Feature(NamedTuple):
    """How a feature is told, with it and without."""

    fact: str
    """The field of `Examination`."""
    name: str
    with_it: str
    without: str
    without_result: Result


_FEATURES = (
    _Feature(
        "conditional_put", "create-only put", "a second one is refused, the first bytes stay",
        "a second one is taken: two runs of publish, gc or cleanup cannot tell who was first. They refuse "
        "this store unless --unsafe-single-writer says that never two of them run",
        Result.FAIL,
    ),
    _Feature(
        "conditional_overwrite", "put by ETag", "a wrong one is refused, the right one taken",
        "a wrong one is taken, or the right one refused: leases, which keep a second deleting run away, "
        "do not hold",
        Result.FAIL,
    ),
    _Feature(
        "conditional_complete", "create-only parts", "a second one is refused",
        "a second one is taken: the object is looked at just before instead",
        Result.OK,
    ),
    _Feature(
        "source_condition", "copy by ETag", "another source is refused",
        "a source that was replaced is copied all the same: bytes exchanged between check and copy are "
        "noticed only behind it",
        Result.WARN,
    ),
    _Feature(
        "part_source_condition", "part copy by ETag", "another source is refused",
        "a source that was replaced is copied all the same: objects above 5 GB are streamed instead",
        Result.OK,
    ),
    _Feature(
        "conditional_delete", "delete by ETag", "another object is left",
        "another object is deleted all the same: a look just before is all there is; trash and grace "
        "cover the rest",
        Result.OK,
    ),
    _Feature(
        "checks_sha256", "checksum", "a body that does not fit its SHA-256 is refused",
        "a wrong SHA-256 is taken, or its header not understood: bytes are read back and hashed instead",
        Result.OK,
    ),
    _Feature(
        "lists_after_put", "list after put", "shows the object at once",
        "does not show the object, or may not be asked: gc and cleanup would decide by an old list",
        Result.WARN,
    ),
    _Feature(
        "ranges", "range", "is answered with that range",
        "is answered with other bytes: a broken download is begun anew",
        Result.WARN,
    ),
)  # fmt: skip


def traits(adapter: StorageAdapter) -> list[Trait]:
    """Examine the store; raises Forbidden where these credentials may not write below `probe/`."""
    found = adapter.examine()
    is_bucket = adapter.url.partition(":")[0] in BUCKETS
    return [_trait(feature, found) for feature in _FEATURES] + ([_settings(found)] if is_bucket else [])


def _trait(feature: _Feature, found: Examination) -> Trait:
    if getattr(found, feature.fact):
        return Trait(feature.name, Result.OK, feature.with_it)
    return Trait(feature.name, feature.without_result, feature.without)


def _settings(found: Examination) -> Trait:
    """What follows for the requests that are sent."""
    header = "is sent" if found.checks_sha256 else "is not sent"
    big = "inside the service" if found.part_source_condition else "through this machine"
    said = (
        f"x-amz-checksum-sha256 {header}; no other checksums (when_required), no trailers, bodies signed; "
        f"conditional requests are sent once; copies above 5 GB go {big}"
    )
    return Trait("client settings", Result.OK, said)
