"""What the encoded forms of a bucket are worth: decoded here with the bytes that the buckets hold."""

import hashlib
import io
from collections.abc import Iterator, Mapping
from functools import cache

from git_datamanager.content import delta, zstd
from git_datamanager.errors import Corrupt
from git_datamanager.model.layout import TRASH, encoding_of, object_key, staging_trash_key, trash_key
from git_datamanager.model.oid import Oid

Bucket = Mapping[str, bytes]
_FORMS = ("zstd/", "delta/")


@cache
def digest(data: bytes) -> str:
    """A sweep looks at the same bytes again and again."""
    return hashlib.sha256(data).hexdigest()


@cache
def _from_delta(form: bytes, base: bytes, base_oid: str, oid: str) -> bytes | None:
    try:
        size = delta.read_header(io.BytesIO(form)).size
        made = delta.rebuilt(io.BytesIO(form), io.BytesIO(base), oid=oid, base_oid=base_oid, size=size)
        return b"".join(made)
    except Corrupt:
        return None


@cache
def _from_zstd(form: bytes) -> bytes | None:
    library = zstd.module()
    try:
        made: bytes = library.decompress(form)
    except library.ZstdError:
        return None
    return made


def decoded(key: str, data: bytes, *buckets: Bucket, depth: int = 8) -> bytes | None:
    """The version that this form rebuilds; None where it does not."""
    form = encoding_of(key.removeprefix(TRASH))
    assert form is not None
    oid, encoding = form
    if encoding.base is None:
        made = _from_zstd(data)
    else:
        base = rebuilt(encoding.base, *buckets, depth=depth - 1)
        made = _from_delta(data, base, encoding.base.hex, oid.hex) if base is not None else None
    return made if made is not None and digest(made) == oid.hex else None


def rebuilt(oid: Oid, *buckets: Bucket, depth: int = 8) -> bytes | None:
    """The bytes of `oid`: plain in one of these buckets or its trash, else what a form there gives."""
    for held in buckets:
        for key in (object_key(oid), trash_key(oid), staging_trash_key(object_key(oid))):
            if key in held and digest(held[key]) == oid.hex:
                return held[key]
    for held in buckets if depth else ():
        for key, data in held.items():
            if not key.removeprefix(TRASH).startswith(_FORMS):
                continue
            form = encoding_of(key.removeprefix(TRASH))
            found = decoded(key, data, *buckets, depth=depth) if form and form[0] == oid else None
            if found is not None:
                return found
    return None


def worthless(held: Bucket, *buckets: Bucket) -> Iterator[str]:
    """The keys of forms that do not rebuild their version with what these buckets hold."""
    for key, data in held.items():
        if key.startswith(_FORMS) and decoded(key, data, held, *buckets) is None:
            yield key
