"""Copies inside the service, of any size."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from git_datamanager.errors import ObjectMissing, PreconditionFailed
from git_datamanager.storage import s3request
from git_datamanager.storage.base import ANYTHING, Advance, Presentation, Stat
from git_datamanager.storage.s3bucket import Bucket
from git_datamanager.storage.s3multipart import WIDTH, Upload, begin, side_by_side
from git_datamanager.storage.s3request import Part, Sizes

_UNPINNED = (".r2.cloudflarestorage.com",)
"""Services that keep no condition on the source of a part copy: a tampered object could be published."""


def copy(
    source: Bucket,
    found: Stat,
    bucket: Bucket,
    key: str,
    *,
    sizes: Sizes,
    presentation: Presentation | None,
    advance: Advance,
) -> Stat | None:
    """Copy the very object `found` names, in one request where the service allows its size. None where
    nothing would pin a larger one: the caller streams it then (reliability.md 5.4)."""
    if found.size > sizes.copy:
        if (urlsplit(bucket.steady.meta.endpoint_url).hostname or "").endswith(_UNPINNED):
            return None
        return _in_parts(source, found, bucket, key, sizes=sizes, presentation=presentation, advance=advance)
    stat = _at_once(source, found, bucket, key, presentation)
    advance(found.size)
    return stat


def _at_once(
    source: Bucket, found: Stat, bucket: Bucket, key: str, presentation: Presentation | None
) -> Stat:
    with bucket.guard(key):
        answer = bucket.steady.copy_object(
            **bucket.at(key),
            CopySource=source.at(found.key),  # type: ignore[arg-type] # a dict like the TypedDict
            CopySourceIfMatch=found.etag,
            MetadataDirective="REPLACE",
            **s3request.presented(presentation),
        )
    result = {**answer.get("CopyObjectResult", {}), "ResponseMetadata": answer["ResponseMetadata"]}
    return bucket.written(key, found.size, result)


def _in_parts(
    source: Bucket,
    found: Stat,
    bucket: Bucket,
    key: str,
    *,
    sizes: Sizes,
    presentation: Presentation | None,
    advance: Advance,
) -> Stat:
    """Copy part by part inside the service, pinned by the source's ETag.

    Not every service may keep that condition, so the source is looked at again before completing.
    """
    origin = source.at(found.key)
    planned = list(s3request.parts(found.size, sizes.copy_part))
    with begin(bucket, key, presentation) as begun:
        jobs = (_copying(begun, part, origin, found.etag) for part in planned)
        done = []
        for copied, part in zip(side_by_side(jobs, WIDTH), planned, strict=True):
            done.append(copied)
            advance(part.size)
        again = source.stat(found.key)
        if again is None:
            raise ObjectMissing(f"{source.url} does not hold {found.key} any more")
        if again.etag != found.etag:
            raise PreconditionFailed(f"{source.url}: {found.key} changed while it was copied")
        return begun.complete(done, found.size, ANYTHING)


def _copying(begun: Upload, part: Part, origin: dict[str, Any], etag: str) -> Callable[[], dict[str, Any]]:
    return lambda: begun.copy(part, origin, etag)
