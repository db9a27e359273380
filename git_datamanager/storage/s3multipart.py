"""Uploads in parts, hashed before they become visible."""

import hashlib
import os
import threading
import uuid
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from typing import Any, TypeVar

from git_datamanager.errors import DataError, OutcomeUnknown, PreconditionFailed
from git_datamanager.events import already
from git_datamanager.storage import s3body, s3request
from git_datamanager.storage.base import ANYTHING, Advance, Begun, Expect, Presentation, Stat
from git_datamanager.storage.patience import Patience, again
from git_datamanager.storage.s3bucket import Bucket
from git_datamanager.storage.s3errors import NotKnown
from git_datamanager.storage.s3request import Part
from git_datamanager.storage.settle import settle
from git_datamanager.storage.source import Measured
from git_datamanager.storage.traffic import TRAFFIC, Buffers, Loan

T = TypeVar("T")
WIDTH = min(8, max(4, 2 * (os.cpu_count() or 1)))
PATIENCE = Patience(tries=3, base=1.0)
"""With a part, besides what the client itself tries again at once."""
Sent = dict[str, Any]
"""What completing an upload has to say of a part."""


class Upload:
    """An upload that was begun: it either completes or leaves nothing."""

    def __init__(self, bucket: Bucket, key: str, begun: Begun) -> None:
        self.bucket = bucket
        self.key = key
        self.begun = begun
        self.at: dict[str, Any] = {**bucket.at(key), "UploadId": begun.upload_id}
        self.standing: dict[int, s3request.Standing] = {}
        """Parts that the store holds already, by their number."""

    def send(self, part: Part, data: bytes | bytearray) -> Sent:
        request: dict[str, Any] = {**self.at, "PartNumber": part.number, "Body": s3body.body(data)}
        sent: Sent = {"PartNumber": part.number}
        if self.begun.has_digests:
            sent["ChecksumSHA256"] = s3request.base64_of(hashlib.sha256(data).hexdigest())
            request["ChecksumSHA256"] = sent["ChecksumSHA256"]
        with self.bucket.guard(self.key):
            answer = self.bucket.steady.upload_part(**request)
        return {**sent, "ETag": answer["ETag"]}

    def held(self, part: Part, data: bytearray) -> Sent | None:
        """The part as it stands in the store, where its digest is that of these bytes."""
        standing = self.standing.get(part.number)
        known = s3request.sent_before(standing, data) if standing is not None else None
        return None if known is None else {"PartNumber": part.number, **known}

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
            lambda: self.bucket.own(self.key, self.begun.nonce),
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


def start(
    bucket: Bucket, key: str, presentation: Presentation | None, *, part_size: int = 0, digests: bool = False
) -> Upload:
    """Begin an upload. With `digests` its parts carry their SHA-256, which the store has to know."""
    nonce = uuid.uuid4().hex
    algorithm: dict[str, Any] = {"ChecksumAlgorithm": "SHA256"} if digests else {}
    with bucket.guard(key):
        answer = bucket.steady.create_multipart_upload(
            **bucket.at(key),
            **s3request.presented(presentation),
            **algorithm,
            Metadata={s3request.NONCE: nonce},
        )
    return Upload(bucket, key, Begun(answer["UploadId"], part_size, nonce, digests))


@contextmanager
def begin(bucket: Bucket, key: str, presentation: Presentation | None) -> Iterator[Upload]:
    """Abort on any failure, ^C included; never where the outcome is unknown, for it may be complete."""
    with ended(start(bucket, key, presentation)) as upload:
        yield upload


@contextmanager
def ended(upload: Upload) -> Iterator[Upload]:
    """Leave nothing behind but a complete object, or one of which nobody knows."""
    try:
        yield upload
    except OutcomeUnknown:
        raise
    except BaseException:
        upload.abort()
        raise


def send_all(upload: Upload, source: Measured, expect: Expect, advance: Advance) -> Stat:
    """Read the source once, in order; send side by side what the store lacks; complete only what
    proved right."""
    parts = list(s3request.parts(source.size, upload.begun.part_size))
    stop = threading.Event()
    with TRAFFIC.loan() as loan:
        done: list[Sent] = []
        jobs = _Jobs(upload, source, parts, loan, stop)
        with closing(side_by_side(jobs.each(), WIDTH)) as results:
            try:
                for (sent, is_new), part in zip(results, parts, strict=True):
                    done.append(sent)
                    advance(part.size) if is_new else already(advance, part.size)
            finally:
                stop.set()
    source.finish()
    return upload.complete(done, source.size, expect)


class _Jobs:
    """The parts of one upload, read into buffers that go round."""

    def __init__(
        self, upload: Upload, source: Measured, parts: list[Part], loan: Loan, stop: threading.Event
    ) -> None:
        self._upload = upload
        self._source = source
        self._parts = parts
        self._stop = stop
        self._buffers = Buffers(loan)

    def each(self) -> Iterator[Callable[[], tuple[Sent, bool]]]:
        """What is to be done with each part: whether it was sent now is told too."""
        for part in self._parts:
            data = self._buffers.wait(part.size)
            self._source.fill(data)
            yield partial(self._settle, part, data, self._upload.held(part, data))

    def _settle(self, part: Part, data: bytearray, held: Sent | None) -> tuple[Sent, bool]:
        try:
            if held is not None:
                return held, False
            return again(lambda: self._upload.send(part, data), PATIENCE, sleep=self._stop.wait), True
        finally:
            self._buffers.give_back(data)


def side_by_side(jobs: Iterable[Callable[[], T]], width: int) -> Generator[T, None, None]:
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
