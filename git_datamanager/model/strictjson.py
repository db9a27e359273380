"""JSON as the project's documents use it: RFC 8259 minus what two parsers could read differently.

Duplicate keys, NaN and Infinity, fractions, lone surrogates, a byte order mark and deep nesting are
refused; the writer is canonical (docs/spec/manifest-v1.md).
"""

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from git_datamanager.errors import ManifestError

MAX_BYTES = 32 << 20
MAX_DEPTH = 16
MAX_INTEGER = 2**63 - 1


def loads(data: bytes, *, what: str, limit: int = MAX_BYTES) -> Any:
    """Parse, or raise ManifestError with what is wrong and where."""
    if len(data) > limit:
        raise ManifestError(f"{what} is larger than {_size(limit)}")
    try:
        text = data.decode("utf-8")
        _check_depth(data)
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_refuse,
            parse_float=_refuse,
            parse_int=_integer,
        )
        if "\\ud" in text or "\\uD" in text:
            _check_surrogates(value)
        return value
    except UnicodeDecodeError as error:
        raise ManifestError(f"{what} is not UTF-8 (byte {error.start})") from error
    except json.JSONDecodeError as error:
        raise ManifestError(f"{what} is not JSON: {error.msg} (line {error.lineno})") from error
    except _Refused as error:
        raise ManifestError(f"{what}: {error}") from error


def dumps(value: object) -> bytes:
    """Two-space indent, one field per line, nothing escaped but what must be, LF at the end.

    ManifestError for text that is no Unicode (an undecodable byte of a command line).
    """
    try:
        return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
    except UnicodeEncodeError as error:
        broken = error.object[max(error.start - 20, 0) : error.end + 20]
        raise ManifestError(f"this text is not valid Unicode: {broken!r}") from error


def canonical(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same object, keys sorted at every depth (by code points, which is by UTF-8 bytes)."""
    return {key: _canonical(values[key]) for key in sorted(values)}


def _canonical(value: Any) -> Any:
    if isinstance(value, Mapping):
        return canonical(value)
    return [_canonical(item) for item in value] if isinstance(value, list) else value


class _Refused(ValueError):
    pass


def _size(limit: int) -> str:
    return f"{limit >> 20} MiB" if limit >> 20 else f"{limit >> 10} KiB"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise _Refused(f"the key {twice[:80]!r} stands twice in one object")
    return result


def _refuse(text: str) -> NoReturn:
    raise _Refused(f"{text[:40]} is not an integer")


def _integer(text: str) -> int:
    if len(text) > 20 or abs(value := int(text)) > MAX_INTEGER:
        raise _Refused(f"the integer {text[:40]} is too large")
    return value


def _check_surrogates(value: object) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise _Refused("a string holds half of a surrogate pair") from error


_NO_MARKS = bytes(set(range(256)) - set(b'"[]{}'))


def _check_depth(data: bytes) -> None:
    """Count brackets outside strings, before the parser recurses into them.

    Reads like the parser up to the first error; what follows it is never parsed.
    """
    if b"\\" in data:
        data = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    # Two quotes side by side may go: what is inside a string and what is not stays as it was.
    marks = data.translate(None, _NO_MARKS).replace(b'""', b"")
    depth = 0
    for mark in b"".join(marks.split(b'"')[::2]):
        depth += 1 if mark in b"[{" else -1
        if depth > MAX_DEPTH:
            raise _Refused(f"it is nested deeper than {MAX_DEPTH} levels")
        if depth < 0:
            return
