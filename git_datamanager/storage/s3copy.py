"""Copies inside the service, of any size."""

from collections.abc import Callable
from typing import Any

from git_datamanager.errors import ObjectMissing, PreconditionFailed
from git_datamanager.storage import s3request
from git_datamanager.storage.base import ANYTHING, Advance, Presentation, Stat
from git_datamanager.storage.s3bucket import Bucket
from git_datamanager.storage.s3multipart import WIDTH, Upload, begin, side_by_side
from git_datamanager.storage.s3request import Part, Sizes


def copy(
    source: Bucket,
    found: Stat,
    bucket: Bucket,
    key: str,
    *,
    sizes: Sizes,
    presentation: Presentation | None,
    advance: Advance,
    pins_parts: Callable[[], bool],
) -> Stat | None:
    """Copy the very object `found` names, in one request where the service allows its size.

    None where nothing would pin the parts of a larger one (R2): a tampered object could take the place of
    a published one before anybody looks at it. The caller streams it then.
    """
    if found.size > sizes.copy:
        if not pins_parts():
            return None
        return _in_parts(source, found, bucket, key, sizes=sizes, presentation=presentation, advance=advance)
    stat = at_once(source, found, bucket, key, presentation)
    advance(found.size)
    return stat


def at_once(source: Bucket, found: Stat, bucket: Bucket, key: str, presentation: Presentation | None) -> Stat:
    """Copy in one request, on the condition of the source's ETag."""
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

    These credentials may not have been allowed to prove that condition, so the source is looked at again
    before completing.
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
