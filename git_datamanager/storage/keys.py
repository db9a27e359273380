"""Keys and prefixes, checked before anything reaches a store.

The rule is that of the narrowest store: a key is also a path below a folder.
"""

import re

_MOST = 1024
"""S3's limit in bytes, prefix of the store included; moto lets longer ones pass (reliability.md fact 7)."""
_CHARACTERS = re.compile(r"[ -\[\]-~]*", re.ASCII)
"""Printable ASCII without the backslash, which is a separator on Windows."""
_NOWHERE = frozenset(("", ".", ".."))


def check_key(key: str) -> None:
    """Raise ValueError unless `key` is safe in every store."""
    parts = key.split("/")
    if not _NOWHERE.isdisjoint(parts) or not _is_plain(key):
        raise ValueError(f"not a key: {key[:200]!r}")


def check_prefix(prefix: str) -> None:
    """Raise ValueError unless some key could start with `prefix`; the last part may be unfinished."""
    *parts, _ = prefix.split("/")
    if not _NOWHERE.isdisjoint(parts) or not _is_plain(prefix):
        raise ValueError(f"not the start of a key: {prefix[:200]!r}")


def _is_plain(text: str) -> bool:
    # A leading dot is kept for what a folder store writes for itself: its lock, its temporary files.
    return len(text) <= _MOST and not text.startswith(".") and bool(_CHARACTERS.fullmatch(text))


def check_range(start: int, length: int | None) -> None:
    """Raise ValueError for a range that counts backwards."""
    if start < 0 or (length is not None and length < 0):
        raise ValueError(f"not a range: {start}, {length}")
