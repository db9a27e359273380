"""Going on with an upload in parts that another run began: the store's list of parts decides."""

from collections.abc import Iterator
from contextlib import contextmanager

from git_datamanager.errors import DataError, Forbidden, NoCredentials, Unreachable
from git_datamanager.storage.base import Advance, Expect, Presentation, ResumeBook, Stat
from git_datamanager.storage.s3bucket import Bucket, quoted
from git_datamanager.storage.s3errors import NotKnown, UploadGone
from git_datamanager.storage.s3multipart import Upload, ended, send_all, start
from git_datamanager.storage.s3request import Standing
from git_datamanager.storage.settle import Raced
from git_datamanager.storage.source import Measured


def upload(
    bucket: Bucket,
    key: str,
    source: Measured,
    *,
    part_size: int,
    digests: bool,
    expect: Expect,
    presentation: Presentation | None,
    advance: Advance,
    book: ResumeBook | None,
) -> Stat:
    """Store the source in parts; with a book those that an earlier run has sent need not be sent again."""
    if book is None or source.sha256 is None:
        with ended(start(bucket, key, presentation, part_size=part_size, digests=digests)) as begun:
            return send_all(begun, source, expect, advance)
    found = _found(bucket, key, source, book)
    if found is None:
        found = start(bucket, key, presentation, part_size=part_size, digests=digests)
        book.begin(bucket.url, key, source.size, source.sha256, found.begun)
    with _recorded(found, book):
        return send_all(found, source, expect, advance)


def _found(bucket: Bucket, key: str, source: Measured, book: ResumeBook) -> Upload | None:
    """An upload of the book that the store still knows, with the parts it holds."""
    begun = book.take(bucket.url, key, source.size, source.sha256 or "")
    if begun is None:
        return None
    upload = Upload(bucket, key, begun)
    try:
        upload.standing = _standing(upload)
    except UploadGone:
        book.end(begun)
        return None
    except (Forbidden, NotKnown):  # nobody tells which parts are there: begin anew
        upload.abort()
        book.end(begun)
        return None
    except BaseException:
        book.leave(begun)
        raise
    return upload


def _standing(upload: Upload) -> dict[int, Standing]:
    with upload.bucket.guard(upload.key):
        pages = upload.bucket.steady.get_paginator("list_parts").paginate(**upload.at)
        return {
            part["PartNumber"]: Standing(part["Size"], quoted(part["ETag"]), part.get("ChecksumSHA256"))
            for page in pages
            for part in page.get("Parts", ())
        }


@contextmanager
def _recorded(upload: Upload, book: ResumeBook) -> Iterator[None]:
    """Keep what may be gone on with: after ^C, a lost network, an unknown outcome. Anything else is an
    answer, and the upload is given up."""
    try:
        yield
    except BaseException as error:
        if is_worth_keeping(error):
            book.leave(upload.begun)
        else:
            upload.abort()
            book.end(upload.begun)
        raise
    book.end(upload.begun)


def is_worth_keeping(error: BaseException) -> bool:
    """Whether the parts that were sent may be of use after this failure. After a race (409) S3 wants all
    of them anew; wrong bytes are forgotten."""
    if isinstance(error, Raced | UploadGone):
        return False
    return isinstance(error, Unreachable | NoCredentials) or not isinstance(error, DataError)
