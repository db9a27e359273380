"""Content ids: `sha256:<64 lower-case hex digits>` of the plain bytes (FIPS 180-4)."""

import re
from dataclasses import dataclass

_HEX = re.compile(r"[0-9a-f]{64}", re.ASCII)
_PREFIX = "sha256:"


@dataclass(frozen=True, slots=True, order=True)
class Oid:
    """A validated SHA-256. ValueError on a short, upper-case or otherwise wrong digest."""

    hex: str

    def __post_init__(self) -> None:
        if not _HEX.fullmatch(self.hex):
            raise ValueError(f"not 64 lower-case hex digits: {self.hex[:80]!r}")

    @classmethod
    def parse(cls, text: str) -> "Oid":
        """Read `sha256:<hex>`; another algorithm is a ValueError, never a guess."""
        if not text.startswith(_PREFIX):
            raise ValueError(f"not a sha256 id: {text[:80]!r}")
        return cls(text.removeprefix(_PREFIX))

    @classmethod
    def of(cls, data: bytes) -> "Oid":
        import hashlib

        return cls(hashlib.sha256(data).hexdigest())

    def __str__(self) -> str:
        return _PREFIX + self.hex

    @property
    def short(self) -> str:
        """Enough for a person to compare."""
        return self.hex[:12]


EMPTY = Oid("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
"""That of no bytes at all."""
