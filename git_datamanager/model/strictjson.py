"""JSON as the project's documents use it: RFC 8259 minus what two parsers could read differently.

Duplicate keys, NaN and Infinity, fractions, lone surrogates, a byte order mark and deep nesting are
refused; the writer is canonical (docs/spec/manifest-v1.md).
"""

import json
from typing import Any, NoReturn

from git_datamanager.errors import ManifestError

MAX_BYTES = 32 << 20
MAX_DEPTH = 16
MAX_INTEGER = 2**63 - 1


def loads(data: bytes, *, what: str, limit: int = MAX_BYTES) -> Any:
    """Parse, or raise ManifestError with what is wrong and where."""
    if len(data) > limit:
        raise ManifestError(f"{what} is larger than {limit >> 20} MiB")
    try:
        text = data.decode("utf-8")
        _check_depth(text, what)
        return json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_refuse,
            parse_float=_refuse,
            parse_int=_integer,
        )
    except UnicodeDecodeError as error:
        raise ManifestError(f"{what} is not UTF-8 (byte {error.start})") from error
    except json.JSONDecodeError as error:
        raise ManifestError(f"{what} is not JSON: {error.msg} (line {error.lineno})") from error
    except _Refused as error:
        raise ManifestError(f"{what}: {error}") from error


def dumps(value: object) -> bytes:
    """Two-space indent, one field per line, nothing escaped but what must be, LF at the end."""
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


class _Refused(ValueError):
    pass


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise _Refused(f"the key {twice[:80]!r} stands twice in one object")
    return result


def _refuse(text: str) -> NoReturn:
    raise _Refused(f"{text[:40]} is not an integer")


def _integer(text: str) -> int:
    if len(text) > 20 or abs(value := int(text)) > MAX_INTEGER:
        raise _Refused(f"the integer {text[:40]} is too large")
    return value


def _check_depth(text: str, what: str) -> None:
    """Count brackets outside strings, before the parser recurses into them."""
    deepest = depth = 0
    for piece in _outside_strings(text):
        if "[" not in piece and "{" not in piece and "]" not in piece and "}" not in piece:
            continue
        for char in piece:
            if char in "[{":
                depth += 1
                deepest = max(deepest, depth)
            elif char in "]}":
                depth -= 1
    if deepest > MAX_DEPTH:
        raise ManifestError(f"{what} is nested deeper than {MAX_DEPTH} levels")


def _outside_strings(text: str) -> list[str]:
    if "\\" in text:
        text = text.replace("\\\\", "").replace('\\"', "")
    return text.split('"')[::2]
