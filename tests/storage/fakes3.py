"""A strict S3 service in memory, on 127.0.0.1: it refuses what S3 refuses, and fails on cue.

    with FakeS3("aws") as server:
        server.create_bucket("staging")
        login = Login(endpoint=server.url, **KEYS)
        lost = server.fault(3, "lost")              # the third request: done, and its answer lost
        server.fault(lambda r: r.method == "PUT" and r.key.startswith("receipts/"), "503", times=2)
        ...
        assert lost.fired

What it answers stands in docs/reference/s3-answers.md, and a test replays every row of that page. The
signature itself is not verified: its form, the access key, the signed headers and the hash of the body are.
Requests are applied one at a time, so every key is atomic. Addresses are by path only.

Not there: DeleteObjects, ListObjects version 1, ACLs, bodies in signed chunks (`aws-chunked`), and every
checksum but SHA-256, SHA-1 and CRC-32; all of them are answered with 501.
"""

import base64
import calendar
import fnmatch
import hashlib
import itertools
import re
import socket
import sys
import threading
import time
import uuid
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

MIB = 1 << 20
KEYS = {"access_key": "test-key", "secret_key": "test-secret"}
"""Credentials that every fake knows at first, as `Access` and `Login` name them."""
OWNER = "111122223333"


@dataclass(frozen=True)
class Profile:
    """What a service keeps of the conditions and checks of S3. Default: all, as AWS documents it."""

    if_none_match: bool = True
    """PutObject: create-only."""
    if_match: bool = True
    """PutObject: compare and swap."""
    if_match_absent: bool = True
    """PutObject: If-Match on a key that is free is refused."""
    complete: bool = True
    """CompleteMultipartUpload: both conditions."""
    copy_source: bool = True
    part_source: bool = True
    delete: bool = True
    digests: bool = True
    """Wrong x-amz-checksum-* and Content-MD5 are refused. Else the claim is kept unseen."""
    keeps_digests: bool = True
    equal_parts: bool = False
    """All parts but the last need one size (R2)."""
    versioning: bool = True
    owners: bool = True
    """x-amz-expected-bucket-owner is looked at."""
    refused_headers: tuple[tuple[str, int, str], ...] = ()
    """Starts of names of headers that are refused as such, with status and code."""
    ranges: bool = True
    list_lag: float = 0.0
    """Seconds until a listing shows a new object."""
    delay: float = 0.0
    """Seconds every answer takes."""
    copy_limit: int = 5 * 1024 * MIB
    put_limit: int = 5 * 1024 * MIB
    min_part: int = 5 * MIB


AWS = Profile()
PROFILES: Mapping[str, Profile] = {
    "aws": AWS,
    "r2": replace(
        AWS,
        complete=False,
        part_source=False,
        delete=False,
        equal_parts=True,
        versioning=False,
        owners=False,
        refused_headers=(("x-amz-trailer", 401, "Unauthorized"),),
        copy_limit=4995 * 10**6 * MIB // 10**6,
    ),
    "minio-old": replace(
        AWS,
        if_match_absent=False,
        complete=False,
        owners=False,
        refused_headers=(("x-amz-trailer", 400, "XAmzContentSHA256Mismatch"),),
    ),
    "ignores-conditions": replace(
        AWS,
        if_none_match=False,
        if_match=False,
        complete=False,
        copy_source=False,
        part_source=False,
        delete=False,
    ),
    "no-checksums": replace(AWS, digests=False),
    "gcs": replace(
        AWS,
        if_none_match=False,
        if_match=False,
        complete=False,
        delete=False,
        keeps_digests=False,
        refused_headers=(("x-amz-checksum-", 403, "SignatureDoesNotMatch"),),
    ),
    "b2": replace(
        AWS,
        if_none_match=False,
        if_match=False,
        complete=False,
        delete=False,
        refused_headers=(("x-amz-checksum-", 400, "InvalidArgument"),),
    ),
    "eventual-list": replace(AWS, list_lag=3600.0),
    "slow": replace(AWS, delay=0.05),
}

Kind = Literal[
    "reset", "lost", "500", "503", "403", "timeout", "flip", "truncate", "lost-500", "200-error", "409"
]
FAULTS: tuple[Kind, ...] = ("reset", "lost", "500", "503", "403", "timeout", "flip", "truncate")
"""The ones a sweep tries; the others fit only some requests."""
_REFUSALS = {
    "500": (500, "InternalError"),
    "503": (503, "SlowDown"),
    "403": (403, "AccessDenied"),
    "409": (409, "ConditionalRequestConflict"),
    "200-error": (200, "InternalError"),
}


@dataclass
class Request:
    """One request, as the log keeps it."""

    number: int
    """From 1, in the order they came in."""
    method: str
    path: str
    bucket: str
    key: str
    query: dict[str, str]
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes = field(repr=False)
    action: str = ""
    """As a policy names it: s3:PutObject, …"""
    access_key: str = ""
    status: int = 0
    """0: there was no answer."""
    sent: int = 0
    """Bytes of the answer's body."""
    fault: str = ""
    """What was done to it on cue."""


When = int | Callable[[Request], bool]
Policy = Callable[[str, str, str], bool]
"""(action, bucket, key) → allowed."""


@dataclass
class Fault:
    """Something that will be done to the next `times` requests that fit, and which it was done to.

    `flip` and `truncate` damage the body of the request, or of the answer where the request has none; where
    neither has one they do not fire.
    """

    when: When
    kind: Kind | None
    times: int
    act: Callable[[Request], None] | None = None
    hits: list[int] = field(default_factory=list)

    @property
    def fired(self) -> bool:
        return bool(self.hits)

    def fits(self, request: Request) -> bool:
        if len(self.hits) >= self.times:
            return False
        return self.when == request.number if isinstance(self.when, int) else self.when(request)


@dataclass(frozen=True)
class Held:
    """One version of an object; `data` is None in a delete marker."""

    key: str
    version: str
    data: bytes | None
    etag: str
    modified: float
    headers: dict[str, str] = field(default_factory=dict)
    """Content-Type and its like, and user metadata with its x-amz-meta-."""
    checksum: tuple[str, str, str] | None = None
    """Algorithm, value, FULL_OBJECT or COMPOSITE."""


@dataclass
class Part:
    data: bytes
    etag: str
    modified: float
    checksum: tuple[str, str] | None = None


@dataclass
class Upload:
    """A multipart upload that was begun."""

    key: str
    id: str
    started: float
    headers: dict[str, str]
    algorithm: str | None
    parts: dict[int, Part] = field(default_factory=dict)


@dataclass
class Bucket:
    name: str
    owner: str = OWNER
    versioning: str = ""
    """As S3 says it: never set, Enabled, Suspended."""
    versions: dict[str, list[Held]] = field(default_factory=dict)
    """Newest last."""
    uploads: dict[str, Upload] = field(default_factory=dict)

    def current(self, key: str) -> Held | None:
        """None where there is nothing, or a delete marker on top."""
        versions = self.versions.get(key)
        return versions[-1] if versions and versions[-1].data is not None else None


class Refused(Exception):
    """An error answer."""

    def __init__(self, status: int, code: str, **headers: str) -> None:
        super().__init__(code)
        self.status, self.code = status, code
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


@dataclass
class Answer:
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    length: int | None = None
    """What a HEAD announces."""


class FakeS3:
    """The service and its server. Everything here may be called from any thread, at any time."""

    def __init__(self, profile: str | Profile = "aws", **changes: Any) -> None:
        """`changes` replace fields of the profile: FakeS3("aws", min_part=1024)."""
        base = PROFILES[profile] if isinstance(profile, str) else profile
        self.profile = replace(base, **changes)
        self.page_size = 1000
        """The most keys a listing answers with at once."""
        self.offset = 0.0
        """Seconds by which the service's clock is ahead of this machine's."""
        self.checks_time = False
        """Refuse signatures that are more than 15 minutes off, as S3 does."""
        self.hold = 30.0
        """Seconds a request is held that times out; a test's client should lose patience earlier."""
        self.log: list[Request] = []
        self.lock = threading.RLock()
        self._faults: list[Fault] = []
        self._keys: dict[str, Policy | None] = {KEYS["access_key"]: None}
        self._expired: set[str] = set()
        self._buckets: dict[str, Bucket] = {}
        self._numbers = itertools.count(1)
        self._closed = threading.Event()
        handler = type("Handler", (_Handler,), {"fake": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> "FakeS3":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    # The world behind the requests.

    def create_bucket(self, name: str, *, owner: str = OWNER, versioning: bool = False) -> None:
        with self.lock:
            self._buckets[name] = Bucket(name, owner, "Enabled" if versioning else "")

    def bucket(self, name: str) -> Bucket:
        return self._buckets[name]

    def objects(self, bucket: str) -> dict[str, bytes]:
        """Every current object and its bytes, in the order of their keys."""
        with self.lock:
            found = self._buckets[bucket]
            held = ((key, found.current(key)) for key in sorted(found.versions))
            return {key: each.data for key, each in held if each is not None and each.data is not None}

    def held(self, bucket: str, key: str) -> Held | None:
        with self.lock:
            return self._buckets[bucket].current(key)

    def versions(self, bucket: str, key: str) -> list[Held]:
        """Oldest first, delete markers too."""
        with self.lock:
            return list(self._buckets[bucket].versions.get(key, ()))

    def uploads(self, bucket: str) -> list[Upload]:
        """Multipart uploads that were neither completed nor aborted."""
        with self.lock:
            return list(self._buckets[bucket].uploads.values())

    def put(self, bucket: str, key: str, data: bytes, *, modified: float | None = None) -> Held:
        """Write without a request: somebody else did."""
        with self.lock:
            return self._store(self._buckets[bucket], key, data, modified=modified)

    def remove(self, bucket: str, key: str) -> None:
        """Delete without a request, all versions."""
        with self.lock:
            self._buckets[bucket].versions.pop(key, None)

    def damage(self, bucket: str, key: str, data: bytes) -> None:
        """Let an object have other bytes with the ETag, date and checksum it had: rot, or a liar."""
        with self.lock:
            versions = self._buckets[bucket].versions[key]
            versions[-1] = replace(versions[-1], data=data)

    def now(self) -> float:
        return time.time() + self.offset

    def advance(self, seconds: float) -> None:
        """Turn the service's clock."""
        self.offset += seconds

    def grant(self, access_key: str, policy: Policy | None = None) -> None:
        """Let an access key be known; without a policy it may do everything."""
        with self.lock:
            self._keys[access_key] = policy
            self._expired.discard(access_key)

    def expire(self, access_key: str) -> None:
        with self.lock:
            self._expired.add(access_key)

    # Faults and the log.

    def fault(self, when: When, kind: Kind, *, times: int = 1) -> Fault:
        """Do this to the request with that number, or to the next `times` ones that fit."""
        return self._cue(Fault(when, kind, times))

    def before(self, when: When, act: Callable[[Request], None], *, times: int = 1) -> Fault:
        """Call this before such a request is applied: somebody is quicker, or the client is killed."""
        return self._cue(Fault(when, None, times, act))

    def _cue(self, fault: Fault) -> Fault:
        with self.lock:
            self._faults.append(fault)
        return fault

    def forget(self) -> None:
        """Empty the log, drop all faults, and number from 1 again."""
        with self.lock:
            self.log.clear()
            self._faults.clear()
            self._numbers = itertools.count(1)

    def requests(self, method: str = "*", key: str = "*", action: str = "*") -> list[Request]:
        """What the log holds of this kind; patterns as in a shell."""
        with self.lock:
            return [
                r
                for r in self.log
                if fnmatch.fnmatchcase(r.method, method)
                and fnmatch.fnmatchcase(r.key, key)
                and fnmatch.fnmatchcase(r.action, action)
            ]

    # One request.

    def enter(self, request: Request) -> list[Fault]:
        """Give it its number, write it down, and say what is to be done to it."""
        with self.lock:
            request.number = next(self._numbers)
            self.log.append(request)
            found = [fault for fault in self._faults if fault.fits(request)]
            due = [fault for fault in found if fault.act] + [fault for fault in found if fault.kind][:1]
            for fault in due:
                if fault.kind not in ("flip", "truncate") or request.body:
                    fault.hits.append(request.number)
                    request.fault = fault.kind or "before"
            return due

    def answer(self, request: Request) -> Answer:
        if self.profile.delay:
            time.sleep(self.profile.delay)
        with self.lock:
            try:
                if request.query.get("X-Amz-Signature"):
                    raise Refused(501, "NotImplemented")
                self._authenticate(request)
                return _Operation(self, request).run()
            except Refused as refused:
                return self.refusal(refused.status, refused.code, request, refused.headers)

    def refusal(self, status: int, code: str, request: Request, headers: Mapping[str, str] = {}) -> Answer:
        if status == 304:
            return Answer(304, dict(headers))
        where = f"<Resource>{escape(request.path)}</Resource>"
        body = f"<Error><Code>{code}</Code><Message>{code}</Message>{where}</Error>"
        return Answer(status, {"Content-Type": "application/xml", **headers}, body.encode())

    def _authenticate(self, request: Request) -> None:
        form = re.fullmatch(
            r"AWS4-HMAC-SHA256 Credential=([^/,]+)/(\d{8})/([^/,]+)/s3/aws4_request, ?"
            r"SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})",
            request.headers.get("authorization", ""),
        )
        if not form:
            raise (
                Refused(403, "AccessDenied")
                if "authorization" not in request.headers
                else Refused(400, "AuthorizationHeaderMalformed")
            )
        request.access_key = form[1]
        if form[1] not in self._keys:
            raise Refused(403, "InvalidAccessKeyId")
        if form[1] in self._expired:
            raise Refused(400, "ExpiredToken")
        signed = set(form[4].split(";"))
        if any(name.startswith("x-amz-") and name not in signed for name in request.headers):
            raise Refused(403, "AccessDenied")
        for start, status, code in self.profile.refused_headers:
            if any(name.startswith(start) for name in request.headers):
                raise Refused(status, code)
        if self.checks_time:
            self._check_time(request.headers.get("x-amz-date", ""))
        self._check_hash(request)

    def _check_time(self, date: str) -> None:
        try:
            sent = time.strptime(date, "%Y%m%dT%H%M%SZ")
        except ValueError:
            raise Refused(403, "AccessDenied") from None
        if abs(calendar.timegm(sent) - self.now()) > 900:
            raise Refused(403, "RequestTimeTooSkewed")

    def _check_hash(self, request: Request) -> None:
        claimed = request.headers.get("x-amz-content-sha256")
        if claimed is None:
            raise Refused(400, "InvalidRequest")
        if claimed.startswith("STREAMING-"):
            raise Refused(501, "NotImplemented")
        if claimed != "UNSIGNED-PAYLOAD" and claimed != hashlib.sha256(request.body).hexdigest():
            raise Refused(400, "XAmzContentSHA256Mismatch")

    def allow(self, request: Request, action: str, bucket: str, key: str = "") -> bool:
        request.action = request.action or action
        policy = self._keys[request.access_key]
        return policy is None or policy(action, bucket, key)

    def find(self, name: str) -> Bucket:
        if name not in self._buckets:
            raise Refused(404, "NoSuchBucket")
        return self._buckets[name]

    def make(self, name: str, access_key: str) -> None:
        if name in self._buckets:
            raise Refused(409, "BucketAlreadyOwnedByYou")
        if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", name):
            raise Refused(400, "InvalidBucketName")
        self._buckets[name] = Bucket(name)

    def _store(
        self,
        bucket: Bucket,
        key: str,
        data: bytes,
        *,
        etag: str | None = None,
        headers: Mapping[str, str] = {},
        checksum: tuple[str, str, str] | None = None,
        modified: float | None = None,
    ) -> Held:
        keeps = bucket.versioning == "Enabled"
        held = Held(
            key,
            uuid.uuid4().hex if keeps else "null",
            data,
            etag or f'"{_md5(data)}"',
            self.now() if modified is None else modified,
            dict(headers),
            checksum,
        )
        self.push(bucket, held)
        return held

    def push(self, bucket: Bucket, held: Held) -> None:
        """Put a version on top; without versioning it replaces the one that has no name."""
        versions = [each for each in bucket.versions.get(held.key, ()) if each.version != held.version]
        bucket.versions[held.key] = [*versions, held]


class _Operation:
    """What one request does to the world; the world's lock is held."""

    def __init__(self, fake: FakeS3, request: Request) -> None:
        self.fake = fake
        self.profile = fake.profile
        self.request = request
        self.query = request.query
        self.headers = request.headers

    def run(self) -> Answer:
        request = self.request
        if not request.bucket:
            raise Refused(501, "NotImplemented")
        if not request.key:
            return self._on_bucket()
        if len(request.key.encode()) > 1024:
            raise Refused(400, "KeyTooLongError")
        self.bucket = self._owned(request.bucket, "x-amz-expected-bucket-owner")
        return self._on_object()

    def _on_bucket(self) -> Answer:
        method, query, name = self.request.method, self.query, self.request.bucket
        if method == "PUT" and not query:
            self._demand("s3:CreateBucket", name)
            self.fake.make(name, self.request.access_key)
            return Answer(200, {"Location": f"/{name}"})
        self.bucket = self._owned(name, "x-amz-expected-bucket-owner")
        if method == "HEAD":
            self._demand("s3:ListBucket", name)
            return Answer()
        if "versioning" in query:
            return self._versioning()
        if method != "GET":
            raise Refused(501, "NotImplemented")
        if query.get("list-type") == "2":
            return self._list()
        if "uploads" in query:
            return self._list_uploads()
        if "location" in query:
            self._demand("s3:GetBucketLocation", name)
            return _xml("<LocationConstraint/>")
        if "versions" in query:
            return self._list_versions()
        if "lifecycle" in query:
            self._demand("s3:GetLifecycleConfiguration", name)
            raise Refused(404, "NoSuchLifecycleConfiguration")
        raise Refused(501, "NotImplemented")

    def _on_object(self) -> Answer:
        method, query = self.request.method, self.query
        if method in ("GET", "HEAD"):
            return self._list_parts() if "uploadId" in query else self._get()
        if method == "PUT":
            if "x-amz-copy-source" in self.headers:
                return self._copy_part() if "partNumber" in query else self._copy()
            return self._put_part() if "partNumber" in query else self._put()
        if method == "POST" and "uploads" in query:
            return self._begin()
        if method == "POST" and "uploadId" in query:
            return self._complete()
        if method == "DELETE":
            return self._abort() if "uploadId" in query else self._delete()
        raise Refused(501, "NotImplemented")

    def _owned(self, name: str, header: str) -> Bucket:
        bucket = self.fake.find(name)
        expected = self.headers.get(header)
        if self.profile.owners and expected is not None and expected != bucket.owner:
            raise Refused(403, "AccessDenied")
        return bucket

    def _demand(self, action: str, bucket: str, key: str = "") -> None:
        if not self.fake.allow(self.request, action, bucket, key):
            raise Refused(403, "AccessDenied")

    # Reading.

    def _get(self) -> Answer:
        key = self.request.key
        self._demand("s3:GetObject", self.bucket.name, key)
        held = self._found(self.bucket, key, self.query.get("versionId"))
        assert held.data is not None
        if self.headers.get("if-match", held.etag) not in (held.etag, held.etag.strip('"'), "*"):
            raise Refused(412, "PreconditionFailed")
        if self.headers.get("if-none-match") in (held.etag, held.etag.strip('"'), "*"):
            raise Refused(304, "NotModified", ETag=held.etag)
        headers = self._facts(held)
        start, end = 0, len(held.data)
        status = 200
        if (asked := _range(self.headers.get("range"), len(held.data))) and self.profile.ranges:
            start, end = asked
            status = 206
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(held.data)}"
        elif held.checksum and self.headers.get("x-amz-checksum-mode") == "ENABLED":
            headers[f"x-amz-checksum-{held.checksum[0]}"] = held.checksum[1]
            headers["x-amz-checksum-type"] = held.checksum[2]
        if self.request.method == "HEAD":
            return Answer(status, headers, b"", end - start)
        return Answer(status, headers, held.data[start:end])

    def _facts(self, held: Held) -> dict[str, str]:
        headers = {"Content-Type": "binary/octet-stream", **held.headers}
        headers |= {"ETag": held.etag, "Last-Modified": formatdate(held.modified, usegmt=True)}
        return headers | {"Accept-Ranges": "bytes"} | self._named(held)

    def _named(self, held: Held) -> dict[str, str]:
        return {"x-amz-version-id": held.version} if self.bucket.versioning else {}

    def _found(self, bucket: Bucket, key: str, version: str | None) -> Held:
        """Whoever may not list learns nothing of what is missing."""
        if version is not None:
            for held in bucket.versions.get(key, ()):
                if held.version == version:
                    if held.data is None:
                        raise Refused(405, "MethodNotAllowed", x_amz_delete_marker="true")
                    return held
            raise Refused(404, "NoSuchVersion")
        if (current := bucket.current(key)) is not None:
            return current
        if not self.fake.allow(self.request, "s3:ListBucket", bucket.name):
            raise Refused(403, "AccessDenied")
        marked = {"x_amz_delete_marker": "true"} if bucket.versions.get(key) else {}
        raise Refused(404, "NoSuchKey", **marked)

    # Writing.

    def _put(self) -> Answer:
        request = self.request
        self._demand("s3:PutObject", self.bucket.name, request.key)
        if "content-length" not in self.headers:
            raise Refused(411, "MissingContentLength")
        if len(request.body) > self.profile.put_limit:
            raise Refused(400, "EntityTooLarge")
        checksum = self._checked(request.body)
        kept = self._kept_headers()
        current = self.bucket.current(request.key)
        self._put_condition(current, create=self.profile.if_none_match, swap=self.profile.if_match)
        held = self._store(
            request.body, checksum=(*checksum, "FULL_OBJECT") if checksum else None, headers=kept
        )
        answer = Answer(200, {"ETag": held.etag, **self._named(held)})
        if held.checksum:
            answer.headers |= {
                f"x-amz-checksum-{held.checksum[0]}": held.checksum[1],
                "x-amz-checksum-type": "FULL_OBJECT",
            }
        return answer

    def _store(
        self,
        data: bytes,
        *,
        headers: Mapping[str, str],
        checksum: tuple[str, str, str] | None,
        etag: str | None = None,
    ) -> Held:
        kept = checksum if self.profile.keeps_digests else None
        return self.fake._store(
            self.bucket, self.request.key, data, etag=etag, headers=headers, checksum=kept
        )

    def _put_condition(self, current: Held | None, *, create: bool, swap: bool) -> None:
        absent, etag = self.headers.get("if-none-match"), self.headers.get("if-match")
        if absent is not None and create:
            if absent != "*":
                raise Refused(501, "NotImplemented")
            if current is not None:
                raise Refused(412, "PreconditionFailed")
        if etag is not None and swap:
            if current is None:
                if self.profile.if_match_absent:
                    raise Refused(404, "NoSuchKey")
            elif etag.strip('"') != current.etag.strip('"'):
                raise Refused(412, "PreconditionFailed")

    def _checked(self, body: bytes) -> tuple[str, str] | None:
        """The checksum that was sent, if it is the body's."""
        if (md5 := self.headers.get("content-md5")) is not None and self.profile.digests:
            if not re.fullmatch(r"[A-Za-z0-9+/]{22}==", md5):
                raise Refused(400, "InvalidDigest")
            if md5 != base64.b64encode(hashlib.md5(body).digest()).decode():  # noqa: S324 -- S3's
                raise Refused(400, "BadDigest")
        sent = [
            (name.removeprefix("x-amz-checksum-"), value)
            for name, value in self.headers.items()
            if name.startswith("x-amz-checksum-") and name not in _NO_VALUES
        ]
        if not sent:
            return None
        if len(sent) > 1:
            raise Refused(400, "InvalidRequest")
        [(algorithm, value)] = sent
        if algorithm not in _ALGORITHMS:
            raise Refused(501, "NotImplemented")
        right = _ALGORITHMS[algorithm](body)
        if self.profile.digests and len(value) != len(right):
            raise Refused(400, "InvalidRequest")
        if self.profile.digests and value != right:
            raise Refused(400, "BadDigest")
        return algorithm, value

    def _kept_headers(self) -> dict[str, str]:
        kept = {name.title(): self.headers[name] for name in _KEPT if name in self.headers}
        meta = {name: value for name, value in self.headers.items() if name.startswith("x-amz-meta-")}
        if sum(len(name) - len("x-amz-meta-") + len(value) for name, value in meta.items()) > 2048:
            raise Refused(400, "MetadataTooLarge")
        return kept | meta

    # Copying.

    def _source(self, *, pinned: bool) -> Held:
        path, _, version = unquote(self.headers["x-amz-copy-source"]).partition("?versionId=")
        name, _, key = path.lstrip("/").partition("/")
        if not name or not key:
            raise Refused(400, "InvalidArgument")
        source = self._owned(name, "x-amz-source-expected-bucket-owner")
        self._demand("s3:PutObject", self.bucket.name, self.request.key)
        self._demand("s3:GetObject", name, key)
        held = self._found(source, key, version or None)
        etags = (held.etag, held.etag.strip('"'))
        if pinned and self.headers.get("x-amz-copy-source-if-match", held.etag) not in (*etags, "*"):
            raise Refused(412, "PreconditionFailed")
        if pinned and self.headers.get("x-amz-copy-source-if-none-match") in etags:
            raise Refused(412, "PreconditionFailed")
        return held

    def _copy(self) -> Answer:
        held = self._source(pinned=self.profile.copy_source)
        assert held.data is not None
        if len(held.data) > self.profile.copy_limit:
            raise Refused(400, "InvalidRequest")
        replaced = self.headers.get("x-amz-metadata-directive", "COPY") == "REPLACE"
        current = self.bucket.current(self.request.key)
        if current is held and not replaced:
            raise Refused(400, "InvalidRequest")
        self._put_condition(current, create=self.profile.if_none_match, swap=self.profile.if_match)
        wanted = self.headers.get(
            "x-amz-checksum-algorithm", held.checksum[0] if held.checksum else ""
        ).lower()
        checksum = (wanted, _ALGORITHMS[wanted](held.data), "FULL_OBJECT") if wanted in _ALGORITHMS else None
        stored = self._store(
            held.data, headers=self._kept_headers() if replaced else held.headers, checksum=checksum
        )
        summed = _checksum_xml(stored.checksum)
        return _xml(
            f"<CopyObjectResult><ETag>{escape(stored.etag)}</ETag>"
            f"<LastModified>{_iso(stored.modified)}</LastModified>{summed}</CopyObjectResult>",
            **self._named(stored),
        )

    def _copy_part(self) -> Answer:
        upload = self._upload()
        held = self._source(pinned=self.profile.part_source)
        assert held.data is not None
        data = held.data
        if (text := self.headers.get("x-amz-copy-source-range")) is not None:
            form = re.fullmatch(r"bytes=(\d+)-(\d+)", text)
            if not form or not int(form[1]) <= int(form[2]) < len(data):
                raise Refused(400, "InvalidArgument")
            if len(data) <= self.profile.min_part:
                raise Refused(400, "InvalidRequest")
            data = data[int(form[1]) : int(form[2]) + 1]
        if len(data) > self.profile.copy_limit:
            raise Refused(400, "InvalidRequest")
        part = self._add_part(upload, data, None)
        return _xml(
            f"<CopyPartResult><ETag>{escape(part.etag)}</ETag>"
            f"<LastModified>{_iso(part.modified)}</LastModified></CopyPartResult>"
        )

    # Parts.

    def _begin(self) -> Answer:
        request = self.request
        self._demand("s3:PutObject", self.bucket.name, request.key)
        algorithm = self.headers.get("x-amz-checksum-algorithm", "").lower() or None
        if algorithm and algorithm not in _ALGORITHMS:
            raise Refused(501, "NotImplemented")
        if algorithm != "crc32" and self.headers.get("x-amz-checksum-type") == "FULL_OBJECT":
            raise Refused(400, "InvalidRequest")
        upload = Upload(request.key, uuid.uuid4().hex, self.fake.now(), self._kept_headers(), algorithm)
        self.bucket.uploads[upload.id] = upload
        return _xml(
            f"<InitiateMultipartUploadResult><Bucket>{self.bucket.name}</Bucket>"
            f"<Key>{escape(request.key)}</Key><UploadId>{upload.id}</UploadId></InitiateMultipartUploadResult>"
        )

    def _upload(self) -> Upload:
        upload = self.bucket.uploads.get(self.query.get("uploadId", ""))
        if upload is None or upload.key != self.request.key:
            raise Refused(404, "NoSuchUpload")
        return upload

    def _put_part(self) -> Answer:
        self._demand("s3:PutObject", self.bucket.name, self.request.key)
        upload = self._upload()
        if len(self.request.body) > self.profile.put_limit:
            raise Refused(400, "EntityTooLarge")
        checksum = self._checked(self.request.body)
        if upload.algorithm and checksum and checksum[0] != upload.algorithm:
            raise Refused(400, "InvalidRequest")
        part = self._add_part(upload, self.request.body, checksum)
        answer = Answer(200, {"ETag": part.etag})
        if part.checksum:
            answer.headers[f"x-amz-checksum-{part.checksum[0]}"] = part.checksum[1]
        return answer

    def _add_part(self, upload: Upload, data: bytes, checksum: tuple[str, str] | None) -> Part:
        number = self.query["partNumber"]
        if not number.isdigit() or not 1 <= int(number) <= 10_000:
            raise Refused(400, "InvalidArgument")
        if checksum is None and upload.algorithm:
            checksum = (upload.algorithm, _ALGORITHMS[upload.algorithm](data))
        part = Part(data, f'"{_md5(data)}"', self.fake.now(), checksum if upload.algorithm else None)
        upload.parts[int(number)] = part
        return part

    def _complete(self) -> Answer:
        request = self.request
        self._demand("s3:PutObject", self.bucket.name, request.key)
        upload = self._upload()
        parts = [self._named_part(upload, *named) for named in self._named_parts()]
        data = b"".join(part.data for part in parts)
        sizes = [len(part.data) for part in parts[:-1]]
        if any(size < self.profile.min_part for size in sizes):
            raise Refused(400, "EntityTooSmall")
        if self.profile.equal_parts and (len(set(sizes)) > 1 or (sizes and len(parts[-1].data) > sizes[0])):
            raise Refused(400, "InvalidPart")
        if self.headers.get("x-amz-mp-object-size", str(len(data))) != str(len(data)):
            raise Refused(400, "InvalidRequest")
        keeps = self.profile.complete
        self._put_condition(self.bucket.current(request.key), create=keeps, swap=keeps)
        whole = hashlib.md5(b"".join(bytes.fromhex(p.etag.strip('"')) for p in parts)).hexdigest()  # noqa: S324
        held = self._store(
            data,
            etag=f'"{whole}-{len(parts)}"',
            headers=upload.headers,
            checksum=_composite(upload, parts),
        )
        del self.bucket.uploads[upload.id]
        return _xml(
            f"<CompleteMultipartUploadResult><Bucket>{self.bucket.name}</Bucket><Key>{escape(request.key)}</Key>"
            f"<ETag>{escape(held.etag)}</ETag>{_checksum_xml(held.checksum)}</CompleteMultipartUploadResult>",
            **self._named(held),
        )

    def _named_parts(self) -> list[tuple[int, str, str | None]]:
        try:
            root = ET.fromstring(self.request.body)  # noqa: S314 -- a test's own
            named = [
                (
                    int(_text(part, "PartNumber") or ""),
                    _text(part, "ETag") or "",
                    _text(part, "ChecksumSHA256"),
                )
                for part in root
            ]
        except (ET.ParseError, ValueError):
            raise Refused(400, "MalformedXML") from None
        if not named:
            raise Refused(400, "MalformedXML")
        numbers = [number for number, _, _ in named]
        if numbers != sorted(set(numbers)):
            raise Refused(400, "InvalidPartOrder")
        return named

    def _named_part(self, upload: Upload, number: int, etag: str, sha256: str | None) -> Part:
        part = upload.parts.get(number)
        if part is None or part.etag.strip('"') != etag.strip('"'):
            raise Refused(400, "InvalidPart")
        if sha256 is not None and part.checksum is not None and sha256 != part.checksum[1]:
            raise Refused(400, "InvalidPart")
        return part

    def _abort(self) -> Answer:
        self._demand("s3:AbortMultipartUpload", self.bucket.name, self.request.key)
        del self.bucket.uploads[self._upload().id]
        return Answer(204)

    def _list_parts(self) -> Answer:
        self._demand("s3:ListMultipartUploadParts", self.bucket.name, self.request.key)
        upload = self._upload()
        rows = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{escape(part.etag)}</ETag><Size>{len(part.data)}</Size>"
            f"<LastModified>{_iso(part.modified)}</LastModified>"
            f"{_checksum_xml((*part.checksum, '') if part.checksum else None)}</Part>"
            for number, part in sorted(upload.parts.items())
        )
        return _xml(
            f"<ListPartsResult><UploadId>{upload.id}</UploadId><IsTruncated>false</IsTruncated>{rows}</ListPartsResult>"
        )

    # Deleting.

    def _delete(self) -> Answer:
        key, version = self.request.key, self.query.get("versionId")
        self._demand(
            "s3:DeleteObject" if version is None else "s3:DeleteObjectVersion", self.bucket.name, key
        )
        etag = self.headers.get("if-match")
        current = self.bucket.current(key)
        if etag is not None and self.profile.delete:
            if etag != "*":
                self._demand("s3:GetObject", self.bucket.name, key)
            if current is None:
                raise Refused(404, "NoSuchKey")
            if etag != "*" and etag.strip('"') != current.etag.strip('"'):
                raise Refused(412, "PreconditionFailed")
        versions = self.bucket.versions.get(key, [])
        if version is not None:
            left = [held for held in versions if held.version != version]
            self._keep(key, left)
            return Answer(204, {"x-amz-version-id": version})
        if not self.bucket.versioning:
            self._keep(key, [])
            return Answer(204)
        name = uuid.uuid4().hex if self.bucket.versioning == "Enabled" else "null"
        self.fake.push(self.bucket, Held(key, name, None, "", self.fake.now()))
        return Answer(204, {"x-amz-delete-marker": "true", "x-amz-version-id": name})

    def _keep(self, key: str, versions: list[Held]) -> None:
        if versions:
            self.bucket.versions[key] = versions
        else:
            self.bucket.versions.pop(key, None)

    # The bucket itself.

    def _versioning(self) -> Answer:
        name = self.bucket.name
        if not self.profile.versioning:
            raise Refused(501, "NotImplemented")
        if self.request.method == "PUT":
            self._demand("s3:PutBucketVersioning", name)
            root = ET.fromstring(self.request.body)  # noqa: S314 -- a test's own
            self.bucket.versioning = _text(root, "Status") or ""
            return Answer()
        self._demand("s3:GetBucketVersioning", name)
        status = self.bucket.versioning
        return _xml(
            "<VersioningConfiguration>"
            + (f"<Status>{status}</Status>" if status else "")
            + "</VersioningConfiguration>"
        )

    def _list(self) -> Answer:
        self._demand("s3:ListBucket", self.bucket.name)
        query = self.query
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        most = self._count("max-keys")
        after = query.get("start-after", "")
        if (token := query.get("continuation-token")) is not None:
            try:
                after = base64.b64decode(token, validate=True).decode()
            except ValueError:
                raise Refused(400, "InvalidArgument") from None
        encode = quote if query.get("encoding-type") == "url" else escape
        seen: list[str] = []
        rows: list[str] = []
        last = ""
        for held in self._listed(prefix):
            key = held.key
            start, found, _ = key.removeprefix(prefix).partition(delimiter) if delimiter else ("", "", "")
            name = prefix + start + delimiter if found else key
            if name <= after or (found and name in seen):
                continue
            if len(rows) + len(seen) == most:
                break
            last = name
            if found:
                seen.append(name)
                continue
            rows.append(
                f"<Contents><Key>{encode(key)}</Key><LastModified>{_iso(held.modified)}</LastModified>"
                f"<ETag>{escape(held.etag)}</ETag><Size>{len(held.data or b'')}</Size>"
                "<StorageClass>STANDARD</StorageClass></Contents>"
            )
        else:
            last = ""
        rows += [f"<CommonPrefixes><Prefix>{encode(name)}</Prefix></CommonPrefixes>" for name in seen]
        more = (
            f"<NextContinuationToken>{base64.b64encode(last.encode()).decode()}</NextContinuationToken>"
            if last
            else ""
        )
        return _xml(
            f"<ListBucketResult><Name>{self.bucket.name}</Name><Prefix>{encode(prefix)}</Prefix>"
            f"<KeyCount>{len(rows)}</KeyCount><MaxKeys>{most}</MaxKeys>"
            f"<EncodingType>{query.get('encoding-type', '')}</EncodingType>"
            f"<IsTruncated>{'true' if last else 'false'}</IsTruncated>{more}"
            f"{''.join(rows)}</ListBucketResult>"
        )

    def _count(self, name: str) -> int:
        text = self.query.get(name, "1000")
        if not text.isdigit():
            raise Refused(400, "InvalidArgument")
        return min(int(text), self.fake.page_size)

    def _listed(self, prefix: str) -> Iterator[Held]:
        latest = self.fake.now() - self.profile.list_lag
        for key in sorted(self.bucket.versions, key=str.encode):
            held = self.bucket.current(key)
            if (
                held is not None
                and key.startswith(prefix)
                and (not self.profile.list_lag or held.modified <= latest)
            ):
                yield held

    def _list_uploads(self) -> Answer:
        self._demand("s3:ListBucketMultipartUploads", self.bucket.name)
        prefix = self.query.get("prefix", "")
        encode = quote if self.query.get("encoding-type") == "url" else escape
        rows = "".join(
            f"<Upload><Key>{encode(upload.key)}</Key><UploadId>{upload.id}</UploadId>"
            f"<Initiated>{_iso(upload.started)}</Initiated></Upload>"
            for upload in sorted(self.bucket.uploads.values(), key=lambda each: (each.key, each.started))
            if upload.key.startswith(prefix)
        )
        return _xml(
            f"<ListMultipartUploadsResult><Bucket>{self.bucket.name}</Bucket>"
            f"<EncodingType>{self.query.get('encoding-type', '')}</EncodingType>"
            f"<IsTruncated>false</IsTruncated>{rows}</ListMultipartUploadsResult>"
        )

    def _list_versions(self) -> Answer:
        self._demand("s3:ListBucketVersions", self.bucket.name)
        prefix = self.query.get("prefix", "")
        encode = quote if self.query.get("encoding-type") == "url" else escape
        rows = []
        for key in sorted(self.bucket.versions, key=str.encode):
            for held in reversed(self.bucket.versions[key] if key.startswith(prefix) else []):
                is_latest = "true" if held is self.bucket.versions[key][-1] else "false"
                facts = (
                    f"<Key>{encode(key)}</Key><VersionId>{held.version}</VersionId><IsLatest>{is_latest}</IsLatest>"
                    f"<LastModified>{_iso(held.modified)}</LastModified>"
                )
                if held.data is None:
                    rows.append(f"<DeleteMarker>{facts}</DeleteMarker>")
                else:
                    rows.append(
                        f"<Version>{facts}<ETag>{escape(held.etag)}</ETag><Size>{len(held.data)}</Size></Version>"
                    )
        return _xml(
            f"<ListVersionsResult><Name>{self.bucket.name}</Name>"
            f"<EncodingType>{self.query.get('encoding-type', '')}</EncodingType>"
            f"<IsTruncated>false</IsTruncated>{''.join(rows)}</ListVersionsResult>"
        )


_KEPT = (
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
)
_NO_VALUES = frozenset(("x-amz-checksum-mode", "x-amz-checksum-type", "x-amz-checksum-algorithm"))
_ALGORITHMS: Mapping[str, Callable[[bytes], str]] = {
    "sha256": lambda data: base64.b64encode(hashlib.sha256(data).digest()).decode(),
    "sha1": lambda data: base64.b64encode(hashlib.sha1(data).digest()).decode(),  # noqa: S324 -- S3's
    "crc32": lambda data: base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode(),
}


def _md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()  # noqa: S324 -- S3's


def _composite(upload: Upload, parts: list[Part]) -> tuple[str, str, str] | None:
    """The digest of the parts' digests."""
    sums = [part.checksum for part in parts if part.checksum]
    if not upload.algorithm or len(sums) < len(parts):
        return None
    joined = b"".join(base64.b64decode(value) for _, value in sums)
    return (upload.algorithm, f"{_ALGORITHMS[upload.algorithm](joined)}-{len(parts)}", "COMPOSITE")


def _checksum_xml(checksum: tuple[str, str, str] | None) -> str:
    if checksum is None:
        return ""
    name = f"Checksum{checksum[0].upper()}"
    kind = f"<ChecksumType>{checksum[2]}</ChecksumType>" if checksum[2] else ""
    return f"<{name}>{checksum[1]}</{name}>{kind}"


def _range(text: str | None, size: int) -> tuple[int, int] | None:
    """Begin and end; None for all of it, as for a range that cannot be read."""
    form = re.fullmatch(r"bytes=(\d*)-(\d*)", text or "")
    if not form or form[0] == "bytes=-":
        return None
    if not form[1]:
        start, end = max(0, size - int(form[2])), size
    else:
        start, end = int(form[1]), min(size, int(form[2]) + 1) if form[2] else size
        if form[2] and int(form[2]) < start:
            return None
    if start >= size or start == end:
        raise Refused(416, "InvalidRange", Content_Range=f"bytes */{size}")
    return start, end


def _xml(text: str, **headers: str) -> Answer:
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()
    return Answer(200, {"Content-Type": "application/xml", **headers}, body)


def _iso(seconds: float) -> str:
    """Whole seconds, as all of S3's dates are."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(int(seconds)))


def _text(element: ET.Element, name: str) -> str | None:
    """A child's text, whatever its namespace."""
    for child in element:
        if child.tag.rpartition("}")[2] == name:
            return child.text
    return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no fault of the server; anything else is shown."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def server_close(self) -> None:
        """End the connections that clients keep open, too."""
        super().server_close()
        with self._lock:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server_version, sys_version = "FakeS3", ""
    fake: FakeS3

    def _serve(self) -> None:
        request = self._read()
        faults = self.fake.enter(request)
        for fault in faults:
            if fault.act:
                fault.act(request)
        failing = [fault for fault in faults if fault.kind]
        if failing:
            self._fail(request, failing[0], str(failing[0].kind))
        else:
            self._send(request, self.fake.answer(request))

    def _fail(self, request: Request, fault: Fault, kind: str) -> None:
        if kind in _REFUSALS:
            self._send(request, self.fake.refusal(*_REFUSALS[kind], request))
        elif kind == "reset":
            self._hang_up()
        elif kind == "timeout":
            self.fake._closed.wait(self.fake.hold)
            self._hang_up()
        elif kind == "lost":
            self.fake.answer(request)
            self._hang_up()
        elif kind == "lost-500":
            self.fake.answer(request)
            self._send(request, self.fake.refusal(500, "InternalError", request))
        elif request.body:
            self._damage_request(request, kind)
        else:
            self._damage_answer(request, fault)

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _serve

    def _read(self) -> Request:
        split = urlsplit(self.path)
        bucket, _, key = unquote(split.path.lstrip("/")).partition("/")
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length") or 0))
        query = dict(parse_qsl(split.query, keep_blank_values=True))
        return Request(0, self.command, self.path, bucket, key, query, headers, body)

    def handle_expect_100(self) -> bool:
        super().handle_expect_100()
        self.wfile.flush()  # the client waits for it
        return True

    def _hang_up(self) -> None:
        self.close_connection = True

    def _damage_request(self, request: Request, kind: str) -> None:
        """What arrives is not what was sent."""
        if kind == "truncate":
            self._hang_up()
            self._send(request, self.fake.refusal(400, "IncompleteBody", request))
            return
        middle = len(request.body) // 2
        request.body = _flipped(request.body, middle)
        self._send(request, self.fake.answer(request))

    def _damage_answer(self, request: Request, fault: Fault) -> None:
        answer = self.fake.answer(request)
        if not answer.body or request.method == "HEAD":
            self._send(request, answer)
            return
        fault.hits.append(request.number)
        request.fault = str(fault.kind)
        if fault.kind == "flip":
            answer.body = _flipped(answer.body, len(answer.body) // 2)
            self._send(request, answer)
            return
        whole = len(answer.body)
        answer.body = answer.body[: whole // 2]
        self._hang_up()
        self._send(request, answer, announced=whole)

    def _send(self, request: Request, answer: Answer, *, announced: int | None = None) -> None:
        is_head = request.method == "HEAD"
        request.status, request.sent = answer.status, 0 if is_head else len(answer.body)
        self.send_response_only(answer.status)
        self.send_header("Date", formatdate(self.fake.now(), usegmt=True))
        self.send_header("x-amz-request-id", f"{request.number:016X}")
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status not in (204, 304):
            length = announced if announced is not None else answer.length
            self.send_header("Content-Length", str(len(answer.body) if length is None else length))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if not is_head:
            self.wfile.write(answer.body)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the base class's name
        """Tests are silent."""


def _flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes((data[place] ^ 1,)) + data[place + 1 :]
