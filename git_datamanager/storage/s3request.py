"""Values for S3 requests: headers, conditions, parts. Pure."""

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote

from git_datamanager.storage.base import Expect, Presentation

MIB = 1 << 20
MOST_PARTS = 10_000
NONCE = "git-data-nonce"
"""User metadata by which a writer knows its own object again after an answer was lost."""
_CONTENT_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+(; ?[\w.+-]+=[\w.+-]+)*", re.ASCII)
_ATTR_CHAR = "!#$&+-.^_`|~"
"""RFC 5987: what may stand unencoded in an extended value, besides letters and digits."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes. Smaller ones make tests quick."""

    single: int = 16 * MIB
    """Up to here an object is sent in one request, from memory."""
    part: int = 16 * MIB
    copy: int = 5 * 10**9
    """The largest single CopyObject: AWS stops at 5 GiB, R2 at 4.995 GiB."""
    copy_part: int = 256 * MIB


SIZES = Sizes()


class Part(NamedTuple):
    """One part of a multipart upload: its number (from 1) and the bytes it holds."""

    number: int
    start: int
    size: int


def presented(presentation: Presentation | None) -> dict[str, Any]:
    """The headers of a presentation. ValueError for a content type that is none."""
    shown = presentation or Presentation()
    if not _CONTENT_TYPE.fullmatch(shown.content_type):
        raise ValueError(f"not a content type: {shown.content_type[:80]!r}")
    headers = {"ContentType": shown.content_type}
    if shown.filename is not None:
        # Only the encoded form of RFC 6266: no quoting to break out of, no line to inject.
        name = quote(shown.filename, safe=_ATTR_CHAR, errors="replace")
        headers["ContentDisposition"] = f"attachment; filename*=UTF-8''{name}"
    return headers


def condition(expect: Expect) -> dict[str, Any]:
    """The headers of an expectation."""
    if expect.absent:
        return {"IfNoneMatch": "*"}
    return {} if expect.etag is None else {"IfMatch": expect.etag}


def parts(size: int, smallest: int) -> Iterator[Part]:
    """Parts of one size but the last (R2 demands it), at most 10,000 of them."""
    step = part_size(size, smallest)
    for number, start in enumerate(range(0, size, step), 1):
        yield Part(number, start, min(step, size - start))


def part_size(size: int, smallest: int) -> int:
    """`smallest`, or as many whole MiB as 10,000 parts need."""
    needed = -(-size // MOST_PARTS)
    return smallest if needed <= smallest else -(-needed // MIB) * MIB


def smallest_part(wanted: int, memory: int) -> int:
    """The size of parts before their number is looked at: what is wanted, less where memory is scarce; S3
    takes no parts below 5 MiB."""
    return min(wanted, max(5 * MIB, memory // 4 // MIB * MIB))


class Standing(NamedTuple):
    """A part as the store lists it."""

    size: int
    etag: str
    sha256: str | None
    """As S3 writes it."""


def sent_before(standing: Standing, data: bytearray) -> dict[str, Any] | None:
    """What completing has to say of a listed part, if the store's own digest says these bytes: their
    SHA-256, else an MD5 as the ETag. Any other ETag proves nothing."""
    if standing.size != len(data):
        return None
    if standing.sha256 is not None:
        mine = base64_of(hashlib.sha256(data).hexdigest())
        return {"ETag": standing.etag, "ChecksumSHA256": mine} if mine == standing.sha256 else None
    if not re.fullmatch(r"[0-9a-f]{32}", standing.etag.strip('"')):
        return None
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    return {"ETag": standing.etag} if md5 == standing.etag.strip('"') else None


def base64_of(sha256: str) -> str:
    """A hex digest as S3 writes it."""
    return base64.b64encode(bytes.fromhex(sha256)).decode()


def hex_of(checksum: str | None) -> str | None:
    """A digest as S3 writes it, in hex; None for anything else, as the digest of digests `…-3`."""
    if checksum is None or not re.fullmatch(r"[A-Za-z0-9+/]{43}=", checksum):
        return None
    return base64.b64decode(checksum).hex()
