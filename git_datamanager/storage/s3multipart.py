"""Uploads in parts, hashed before they become visible."""

import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from git_datamanager.errors import DataError, OutcomeUnknown, PreconditionFailed
from git_datamanager.storage import s3request
from git_datamanager.storage.base import ANYTHING, Advance, Expect, Presentation, Stat
from git_datamanager.storage.s3bucket import Bucket
from git_datamanager.storage.s3errors import NotKnown
from git_datamanager.storage.s3request import Part
from git_datamanager.storage.settle import settle
from git_datamanager.storage.source import Measured

T = TypeVar("T")
WIDTH = 4
MEMORY = 80 * s3request.MIB
"""Bytes of parts held at once: those on their way and the one being read."""


class Upload:
    """An upload that was begun: it either completes or leaves nothing."""

    def __init__(self, bucket: Bucket, key: str, presentation: Presentation | None) -> None:
        self.bucket = bucket
        self.key = key
        self._nonce = uuid.uuid4().hex
        with bucket.guard(key):
            answer = bucket.steady.create_multipart_upload(
                **bucket.at(key),
                **s3request.presented(presentation),
                Metadata={s3request.NONCE: self._nonce},
            )
        self.at: dict[str, Any] = {**bucket.at(key), "UploadId": answer["UploadId"]}

    def send(self, part: Part, data: bytes) -> dict[str, Any]:
        with self.bucket.guard(self.key):
            answer = self.bucket.steady.upload_part(**self.at, PartNumber=part.number, Body=data)
        return {"PartNumber": part.number, "ETag": answer["ETag"]}

    def copy(
        self, part: Part, source: dict[str, Any], etag: str, *, is_whole: bool = False
    ) -> dict[str, Any]:
        """Take a part from an object with this ETag; sources up to 5 MiB can only be taken whole."""
        ranged: dict[str, Any] = (
            {} if is_whole else {"CopySourceRange": f"bytes={part.start}-{part.start + part.size - 1}"}
        )
        with self.bucket.guard(self.key):
            answer = self.bucket.steady.upload_part_copy(
                **self.at,
                PartNumber=part.number,
                CopySource=source,  # type: ignore[arg-type] # a dict with the keys of the TypedDict
                CopySourceIfMatch=etag,
                **ranged,
            )
        etag_of_part = answer.get("CopyPartResult", {}).get("ETag")
        if not etag_of_part:
            raise NotKnown(f"{self.bucket.url}: a part of {self.key} was not copied: the store cannot do it")
        return {"PartNumber": part.number, "ETag": etag_of_part}

    def complete(self, parts: list[dict[str, Any]], size: int, expect: Expect) -> Stat:
        """Make it visible. A store may drop the condition here (reliability.md section 3), so the
        object is looked at just before as well."""
        self._check(expect)
        return settle(
            lambda: self.complete_once(parts, size, expect),
            lambda: self.bucket.own(self.key, self._nonce),
            restartable=False,
        )

    def complete_once(self, parts: list[dict[str, Any]], size: int, expect: Expect) -> Stat:
        """The one request, and what the store says to it."""
        with self.bucket.guard(self.key, conditional=True):
            answer = self.bucket.once.complete_multipart_upload(
                **self.at,
                MultipartUpload={"Parts": parts},  # type: ignore[typeddict-item]
                **s3request.condition(expect),
            )
        return self.bucket.written(self.key, size, answer)

    def abort(self) -> None:
        """Where even that fails, the bucket's lifecycle rule for unfinished uploads remains."""
        try:
            with self.bucket.guard(self.key):
                self.bucket.steady.abort_multipart_upload(**self.at)
        except DataError:
            return

    def _check(self, expect: Expect) -> None:
        if expect == ANYTHING:
            return
        found = self.bucket.stat(self.key)
        etag = found.etag if found else None
        if (expect.absent and found) or (expect.etag is not None and etag != expect.etag):
            raise PreconditionFailed(f"{self.bucket.url} does not hold what was expected under {self.key}")


@contextmanager
def begin(bucket: Bucket, key: str, presentation: Presentation | None) -> Iterator[Upload]:
    """Abort on any failure, ^C included; never where the outcome is unknown, for it may be complete."""
    upload = Upload(bucket, key, presentation)
    try:
        yield upload
    except OutcomeUnknown:
        raise
    except BaseException:
        upload.abort()
        raise


def upload(
    bucket: Bucket,
    key: str,
    source: Measured,
    *,
    smallest: int,
    expect: Expect,
    presentation: Presentation | None,
    advance: Advance,
) -> Stat:
    """Read the source once, in order; send parts side by side; complete only what proved right."""
    step = s3request.part_size(source.size, smallest)
    width = max(1, min(WIDTH, MEMORY // step - 1))
    with begin(bucket, key, presentation) as begun:

        def jobs() -> Iterator[Callable[[], dict[str, Any]]]:
            for part in s3request.parts(source.size, smallest):
                yield _sending(begun, part, source.read(part.size))

        done = []
        for sent, part in zip(
            side_by_side(jobs(), width), s3request.parts(source.size, smallest), strict=True
        ):
            done.append(sent)
            advance(part.size)
        source.finish()
        return begun.complete(done, source.size, expect)


def _sending(begun: Upload, part: Part, data: bytes) -> Callable[[], dict[str, Any]]:
    return lambda: begun.send(part, data)


def side_by_side(jobs: Iterable[Callable[[], T]], width: int) -> Iterator[T]:
    """Results in order, at most `width` jobs at work; the next job is made when one is free or due."""
    running: deque[Future[T]] = deque()
    with ThreadPoolExecutor(width) as pool:
        try:
            for job in jobs:
                if len(running) == width:
                    yield running.popleft().result()
                running.append(pool.submit(job))
            while running:
                yield running.popleft().result()
        finally:
            for future in running:
                future.cancel()
