"""Reading single fields of JSON: the checked value, or a ManifestError that says where."""

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, TypeVar

from git_datamanager.errors import ManifestError
from git_datamanager.model.ulid import is_ulid

E = TypeVar("E", bound=StrEnum)
T = TypeVar("T")
_TIME = re.compile(
    r"([0-9]{4})-(0[1-9]|1[0-2])-([0-9]{2})T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z", re.ASCII
)
_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)  # not datetime: hooks start without it
_NUMBER = re.compile(r"v([1-9][0-9]{0,8})", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?", re.ASCII)


def mapping(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ManifestError(f"{where} is not an object")
    return value


def unknown(raw: Mapping[str, Any], known: tuple[str, ...]) -> dict[str, Any]:
    return {key: value for key, value in raw.items() if key not in known}


def choice(kind: type[E], value: Any, where: str) -> E:
    try:
        return kind(value)
    except ValueError as error:
        known = ", ".join(kind)
        raise ManifestError(f"{where} is {str(value)[:40]!r}, not one of {known}") from error


def byte_count(value: object, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ManifestError(f"{where} is not a number of bytes")
    return value


def checked(
    raw: Mapping[str, Any], key: str, read: Callable[[str], T], where: str, *, default: str | None = None
) -> T:
    value = raw.get(key, default)
    if not isinstance(value, str):
        raise ManifestError(f"{where}: {key} is missing or not a string")
    try:
        return read(value)
    except ValueError as error:
        raise ManifestError(f"{where}: {key}: {error}") from error


def optional(raw: Mapping[str, Any], key: str, read: Callable[[str], T], where: str) -> T | None:
    return checked(raw, key, read, where) if key in raw else None


def ulid(text: str) -> str:
    if not is_ulid(text):
        raise ValueError(f"not a ULID: {text[:40]!r}")
    return text


def time(text: str) -> str:
    match = _TIME.fullmatch(text)
    if not match:
        raise ValueError(f"not a UTC time to the second: {text[:40]!r}")
    year, month, day = map(int, match.groups())
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if not 1 <= day <= (29 if month == 2 and leap else _DAYS[month - 1]):
        raise ValueError(f"there is no such day: {text!r}")
    return text


def commit(text: str) -> str:
    if not _COMMIT.fullmatch(text):
        raise ValueError(f"not a full commit id: {text[:80]!r}")
    return text


def parse_number(text: str) -> int:
    """`v12` → 12; ValueError for anything else."""
    match = _NUMBER.fullmatch(text)
    if not match:
        raise ValueError(f"not a version number: {text[:40]!r}")
    return int(match[1])
