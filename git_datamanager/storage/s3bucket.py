"""One bucket: its names, its heads, and what its answers say. The client comes from s3.py."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from email.utils import parsedate_to_datetime
from time import time
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from git_datamanager.errors import DataError, Forbidden, NotFound, ObjectMissing, Unreachable
from git_datamanager.storage.base import Stat
from git_datamanager.storage.keys import check_key
from git_datamanager.storage.s3request import NONCE, hex_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class Guard(Protocol):
    """Tells foreign exceptions in our own words."""

    def __call__(self, key: str, *, conditional: bool = False) -> AbstractContextManager[None]: ...


class Bucket:
    """What single and multipart requests share."""

    def __init__(self, name: str, prefix: str, url: str, connect: Callable[[bool], "S3Client"], guard: Guard):
        self.name = name
        self.url = url
        self.guard = guard
        self._prefix = f"{prefix}/" if prefix else ""
        self._connect = connect
        self._clients: dict[bool, S3Client] = {}
        self._lock = threading.Lock()
        self._was_seen = False

    @property
    def steady(self) -> "S3Client":
        """The client that tries again by itself: for reads, and writes that do no harm twice."""
        return self._client(retries=True)

    @property
    def once(self) -> "S3Client":
        """The client that sends once: conditional requests (see settle.py)."""
        return self._client(retries=False)

    @property
    def is_aws(self) -> bool:
        """By the host: a guess, for where nothing was proven and nobody may try."""
        host = urlsplit(self.steady.meta.endpoint_url).hostname or ""
        return host.endswith((".amazonaws.com", ".amazonaws.com.cn"))

    def _client(self, *, retries: bool) -> "S3Client":
        with self._lock:  # making clients is not safe in threads, using them is
            if retries not in self._clients:
                with self.guard(""):
                    self._clients[retries] = self._connect(retries)
            return self._clients[retries]

    def full(self, key: str) -> str:
        """The key in the bucket."""
        return self._prefix + key

    def at(self, key: str) -> dict[str, Any]:
        """The parameters that name an object."""
        return {"Bucket": self.name, "Key": self.full(key)}

    def stat(self, key: str) -> Stat | None:
        answer = self._head(key)
        return self._stat_of(key, answer) if answer is not None else None

    def own(self, key: str, nonce: str) -> Stat | None:
        """The object's facts where it bears this nonce."""
        answer = self._head(key)
        is_ours = answer is not None and answer.get("Metadata", {}).get(NONCE) == nonce
        return self._stat_of(key, answer) if is_ours else None

    def clock(self) -> float:
        """The Date of an answer, whether or not there is an object and whoever may see it."""
        with self.guard(""):
            return _date_of(self._any_head(), self.url)

    def _any_head(self) -> Any:
        """The metadata of an answer to a HEAD that reads nothing; 403 and 404 will do."""
        errors = self.steady.exceptions
        try:
            return self.steady.head_object(**self.at("probe/clock"))["ResponseMetadata"]
        except errors.ClientError as error:
            answer = error.response["ResponseMetadata"]
            if answer["HTTPStatusCode"] not in (403, 404):
                raise
            return answer

    def list(self, prefix: str) -> Iterator[Stat]:
        """Everything below a prefix that has a key's name."""
        with self.guard(prefix):
            paginator = self.steady.get_paginator("list_objects_v2")
            pages = iter(paginator.paginate(Bucket=self.name, Prefix=self.full(prefix)))
        while True:
            with self.guard(prefix):
                page = next(pages, None)
            if page is None:
                return
            yield from filter(None, map(self._listed, page.get("Contents", ())))

    def _listed(self, entry: Any) -> Stat | None:
        key = entry["Key"].removeprefix(self._prefix)
        try:
            check_key(key)
        except ValueError:
            return None
        return Stat(key, entry["Size"], quoted(entry["ETag"]), entry["LastModified"].timestamp())

    def written(self, key: str, size: int, answer: Any) -> Stat:
        """The facts of an object that was just written; its time is that of the store's answer."""
        headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        return Stat(key, size, self._etag(key, answer), _seconds(headers.get("date")), _sha256(answer))

    def _stat_of(self, key: str, answer: Any) -> Stat:
        modified = answer["LastModified"].timestamp()
        return Stat(key, answer["ContentLength"], self._etag(key, answer), modified, _sha256(answer))

    def _etag(self, key: str, answer: Any) -> str:
        """A 200 that lacks what a 200 holds is a failure."""
        if not (etag := answer.get("ETag")):
            raise Unreachable(f"{self.url}: the answer about {key} holds no ETag")
        return quoted(etag)

    def _head(self, key: str) -> Any:
        try:
            with self.guard(key):
                return self.steady.head_object(**self.at(key), ChecksumMode="ENABLED")
        except ObjectMissing:
            self._check_bucket()
            return None
        except Unreachable:
            raise
        except DataError:
            self._explain(key)
            raise

    def _explain(self, key: str) -> None:
        """Raise the reason of a refused HEAD: its answer has no body, that of a GET says why."""
        with self.guard(key):
            self.steady.get_object(**self.at(key), Range="bytes=0-0")["Body"].close()

    def _check_bucket(self) -> None:
        """Once: a HEAD answers 404 for a missing object and for a missing bucket alike."""
        if self._was_seen:
            return
        try:
            with self.guard(""):
                self.steady.head_bucket(Bucket=self.name)
        except ObjectMissing as error:
            raise NotFound(f"{self.url}: there is no bucket {self.name}") from error
        except Forbidden:  # these credentials may not ask, so the bucket is there
            self._was_seen = True
        self._was_seen = True


def quoted(etag: str) -> str:
    """An ETag as HTTP writes it: some services leave the quotes out, in listings only or everywhere."""
    return etag if etag.endswith('"') else f'"{etag}"'


def _sha256(answer: Any) -> str | None:
    """The digest of the whole object; a COMPOSITE one is that of digests of parts."""
    if answer.get("ChecksumType") != "FULL_OBJECT":
        return None
    return hex_of(answer.get("ChecksumSHA256"))


def _date_of(answer: Any, url: str) -> float:
    """DataError where a store does not tell its time: nothing may be judged old then."""
    date = answer.get("HTTPHeaders", {}).get("date", "")
    try:
        return parsedate_to_datetime(date).timestamp()
    except ValueError:
        raise DataError(f"{url}: the store does not tell its time (no Date in its answer)") from None


def _seconds(date: str | None) -> float:
    """An HTTP date in seconds; this machine's clock where the store tells none."""
    try:
        return parsedate_to_datetime(date or "").timestamp()
    except ValueError:
        return time()
