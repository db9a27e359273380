"""A store in a bucket. The only module that imports boto3, and only for the first request."""

import hashlib
import threading
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from git_datamanager.errors import DataError, Forbidden, ObjectMissing, PreconditionFailed, Unreachable
from git_datamanager.storage import s3body, s3copy, s3delete, s3errors, s3request, s3resume
from git_datamanager.storage.base import (
    ANYTHING,
    Advance,
    Capabilities,
    Examination,
    Expect,
    Presentation,
    ResumeBook,
    Stat,
    StorageAdapter,
    no_advance,
)
from git_datamanager.storage.body import Body
from git_datamanager.storage.keys import check_key, check_prefix, check_range
from git_datamanager.storage.s3bucket import Bucket, quoted
from git_datamanager.storage.s3examine import examine, pins_parts
from git_datamanager.storage.s3probe import probe
from git_datamanager.storage.s3request import SIZES, Sizes
from git_datamanager.storage.settle import settle
from git_datamanager.storage.source import Measured
from git_datamanager.storage.traffic import TRAFFIC
from git_datamanager.storage.wrappers import innermost

if TYPE_CHECKING:
    from boto3.session import Session
    from mypy_boto3_s3 import S3Client

CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 60.0
CONNECTIONS = 64
"""As many as there may be threads at work on one store."""


@dataclass(frozen=True)
class Login:
    """Where the service is and who asks."""

    endpoint: str | None = None
    region: str | None = None
    path_style: bool | None = None
    """None: as the service wants it, the path for everybody but AWS."""
    profile: str | None = None
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    read_timeout: float = READ_TIMEOUT

    @property
    def who(self) -> tuple[str | None, ...]:
        """Equal ones can copy between their buckets."""
        return (self.endpoint, self.profile, self.access_key, self.secret_key, self.session_token)

    def session(self) -> "Session":
        """Finds the credentials, and reads the model of the service once for all its clients."""
        import boto3

        return boto3.Session(
            profile_name=self.profile,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            aws_session_token=self.session_token,
        )

    def connect(self, retries: bool, session: "Session") -> "S3Client":  # noqa: FBT001 -- as Bucket asks
        from botocore.config import Config

        by_path = self.path_style if self.path_style is not None else self.endpoint is not None
        style: Literal["path", "auto"] = "path" if by_path else "auto"
        config = Config(
            signature_version="s3v4",
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=self.read_timeout,
            max_pool_connections=CONNECTIONS,
            retries={"mode": "standard", "total_max_attempts": 3 if retries else 1},
            # Not AWS alone: one way of sending is tested, and the signature covers the body's SHA-256.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": style, "payload_signing_enabled": True},
        )
        region = self.region or session.region_name or "us-east-1"
        client = session.client("s3", region_name=region, endpoint_url=self.endpoint, config=config)
        client.meta.events.register("before-sign.s3", s3body.signed_again)
        client.meta.events.register("before-send.s3", s3body.on_its_way)
        return client


class S3Store:
    """Objects of a bucket below a prefix."""

    is_distant = True
    """Several requests at a time are quicker than one (download.py)."""

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        login: Login = Login(),
        *,
        url: str | None = None,
        sizes: Sizes = SIZES,
    ) -> None:
        self._url = url or "/".join(filter(None, (f"s3://{bucket}", prefix)))
        self._login = login
        self._sizes = sizes
        self._session: Session | None = None
        self._bucket = Bucket(bucket, prefix, self._url, self._connect, self._guard)
        self._probed: Capabilities | None = None
        self._pins: bool | None = None
        self._probing = threading.Lock()

    def _connect(self, retries: bool) -> "S3Client":  # noqa: FBT001 -- the shape Bucket asks for
        if self._session is None:
            self._session = self._login.session()
        return self._login.connect(retries, self._session)

    @property
    def url(self) -> str:
        return self._url

    def stat_object(self, key: str) -> Stat | None:
        check_key(key)
        return self._bucket.stat(key)

    def link(self, key: str, seconds: int) -> str:
        check_key(key)
        with self._guard(key):
            place = self._bucket.at(key)
            return self._bucket.steady.generate_presigned_url("get_object", Params=place, ExpiresIn=seconds)

    @contextmanager
    def read_object(
        self, key: str, *, start: int = 0, length: int | None = None, etag: str | None = None
    ) -> Iterator[BinaryIO]:
        check_key(key)
        check_range(start, length)
        if length == 0:  # HTTP has no empty range
            self._pinned(key, etag)
            yield BytesIO()
            return
        answer = self._get(key, start, length, etag)
        if answer is None:
            yield BytesIO()
            return
        with closing(answer["Body"]) as stream:
            body = Body(stream, answer["ContentLength"], lambda: self._guard(key), TRAFFIC.pace.take)
            yield body.as_file()

    def _get(self, key: str, start: int, length: int | None, etag: str | None) -> Any:
        """None where the range begins at or beyond the end."""
        request = {**self._bucket.at(key), **({} if etag is None else {"IfMatch": etag})}
        ranged = start > 0 or length is not None
        if ranged:
            request["Range"] = f"bytes={start}-{'' if length is None else start + length - 1}"
        try:
            with self._guard(key):
                answer = self._bucket.steady.get_object(**request)
        except s3errors.BeyondEnd:
            return None
        if answer.get("ContentLength") is None:
            raise Unreachable(f"{self.url}: the answer about {key} does not announce its length")
        if ranged and not answer.get("ContentRange", "").startswith(f"bytes {start}-"):
            raise DataError(f"{self.url}: the store does not answer with the range that was asked for")
        if etag is not None and quoted(answer.get("ETag", "")) != etag:
            raise self._other(key)  # not every store looks at the condition of a read
        return answer

    def write_object(
        self,
        key: str,
        source: BinaryIO,
        size: int,
        *,
        expect: Expect = ANYTHING,
        sha256: str | None = None,
        presentation: Presentation | None = None,
        advance: Advance = no_advance,
        book: ResumeBook | None = None,
    ) -> Stat:
        check_key(key)
        measured = Measured(source, size, sha256)
        if size > self._sizes.single:
            smallest = s3request.smallest_part(self._sizes.part, TRAFFIC.memory.total)
            return s3resume.upload(
                self._bucket,
                key,
                measured,
                part_size=s3request.part_size(size, smallest),
                digests=self._takes_sha256(),
                expect=expect,
                presentation=presentation,
                advance=advance,
                book=book,
            )
        with TRAFFIC.loan() as loan:
            loan.take(size)
            data = measured.read(size)
            measured.finish()
            stat = self._put(key, data, expect, presentation)
        advance(size)
        return stat

    def _put(self, key: str, data: bytes, expect: Expect, presentation: Presentation | None) -> Stat:
        request = {
            **self._bucket.at(key),
            **s3request.presented(presentation),
            "Body": s3body.body(data),
        }
        if self._takes_sha256():
            request["ChecksumSHA256"] = s3request.base64_of(hashlib.sha256(data).hexdigest())
        if expect == ANYTHING:
            with self._guard(key):
                return self._bucket.written(key, len(data), self._bucket.steady.put_object(**request))
        nonce = uuid.uuid4().hex
        request |= {"Metadata": {s3request.NONCE: nonce}, **s3request.condition(expect)}

        def send() -> Stat:
            try:
                with self._guard(key, conditional=True):
                    return self._bucket.written(key, len(data), self._bucket.once.put_object(**request))
            except ObjectMissing as error:  # S3's answer to If-Match where there is nothing
                raise self._other(key) from error

        return settle(send, lambda: self._bucket.own(key, nonce))

    def _takes_sha256(self) -> bool:
        """AWS does; others only where the probe saw it (some refuse the header: B2, GCS)."""
        if self._probed is not None:
            return self._probed.checks_sha256
        return self._bucket.is_aws

    def copy_object(
        self,
        source: StorageAdapter,
        source_key: str,
        key: str,
        *,
        source_etag: str,
        presentation: Presentation | None = None,
        advance: Advance = no_advance,
    ) -> Stat | None:
        check_key(key)
        origin = innermost(source)
        if not isinstance(origin, S3Store) or origin._login.who != self._login.who:  # noqa: SLF001
            return None
        found = origin._pinned(source_key, source_etag)  # noqa: SLF001 -- of the same class
        bucket = origin._bucket  # noqa: SLF001
        return s3copy.copy(
            bucket,
            found,
            self._bucket,
            key,
            sizes=self._sizes,
            presentation=presentation,
            advance=advance,
            pins_parts=self._pins_parts,
        )

    def _pins_parts(self) -> bool:
        """Asked only for objects above the limit of one copy; the vendor counts where nobody may try."""
        with self._probing:
            if self._pins is None:
                try:
                    self._pins = pins_parts(self, self._bucket)
                except Forbidden:
                    self._pins = self._bucket.is_aws
            return self._pins

    def list_objects(self, prefix: str) -> Iterator[Stat]:
        """Names in the bucket that are no keys (the `folder/` of some consoles) are left out."""
        check_prefix(prefix)
        yield from self._bucket.list(prefix)

    def delete_object(self, key: str, *, expect: Expect = ANYTHING) -> None:
        """Not every store knows the condition of a deletion: the object is looked at just before, too."""
        check_key(key)
        if expect == ANYTHING:
            with self._guard(key):
                self._bucket.steady.delete_object(**self._bucket.at(key))
            return
        found = self._bucket.stat(key)
        if found is None:
            return
        if found.etag != expect.etag:
            raise self._other(key)
        s3delete.delete(self._bucket, key, found.etag)

    def clock(self) -> float:
        return self._bucket.clock()

    def capabilities(self) -> Capabilities:
        with self._probing:
            if self._probed is None:
                self._probed = probe(self, self._bucket)
            return self._probed

    def examine(self) -> Examination:
        return examine(self, self._bucket)

    def _pinned(self, key: str, etag: str | None) -> Stat:
        """The object's facts, if it is the one with this ETag."""
        found = self._bucket.stat(key)
        if found is None:
            raise ObjectMissing(f"{self.url} does not hold {key}")
        if etag is not None and found.etag != etag:
            raise self._other(key)
        return found

    def _other(self, key: str) -> PreconditionFailed:
        return PreconditionFailed(f"{self.url} does not hold the expected object under {key}")

    @contextmanager
    def _guard(self, key: str, *, conditional: bool = False) -> Iterator[None]:
        """Let no exception of the client through (house rule 18)."""
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.parsers import ResponseParserError
        from urllib3.exceptions import HTTPError

        where = f"{self._url} {key}".rstrip()
        try:
            yield
        except ClientError as error:
            raise s3errors.from_answer(error.response, where, conditional=conditional) from error
        except (BotoCoreError, ResponseParserError, HTTPError, OSError) as error:
            raise s3errors.from_client(error, where, conditional=conditional) from error
