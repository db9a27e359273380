"""ULIDs: 48 bits of milliseconds and 80 random bits in Crockford's base 32 (github.com/ulid/spec).

They order by time of creation and become keys (`receipts/<id>.json`), so they are checked like names.
"""

import os
import re
import time

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", re.ASCII)


def is_ulid(text: str) -> bool:
    return _ULID.fullmatch(text) is not None


def encode_ulid(milliseconds: int, randomness: int) -> str:
    """The 26 characters of a 128-bit value; ValueError beyond 48 and 80 bits."""
    if milliseconds >> 48 or randomness >> 80:
        raise ValueError("a ULID has 48 bits of time and 80 random bits")
    value = milliseconds << 80 | randomness
    return "".join(_ALPHABET[value >> shift & 31] for shift in range(125, -1, -5))


def new_ulid() -> str:
    return encode_ulid(time.time_ns() // 1_000_000, int.from_bytes(os.urandom(10), "big"))
