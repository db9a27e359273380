"""What a transfer is going to move, and about how long that takes and costs. Pure.

Prices are the list prices of the services' standard classes without free tiers (US dollars, as published
in 2025; AWS: us-east-1). They are there for the order of magnitude.
"""

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

PART = 16 << 20
"""Bytes; a larger object travels in parts of about this size, a request each."""
_GB = 10**9


class Step(NamedTuple):
    """One object on its way."""

    name: str
    version: str
    size: int
    """Bytes that move, at most."""
    writes: int
    reads: int


class Price(NamedTuple):
    """US dollars per request that writes, per request that reads, per gigabyte that leaves the service."""

    write: float
    read: float
    leaving: float


_PRICES = {
    "amazonaws.com": Price(0.005 / 1000, 0.0004 / 1000, 0.09),
    "r2.cloudflarestorage.com": Price(4.5 / 10**6, 0.36 / 10**6, 0),
}


class Plan(NamedTuple):
    """Everything a command would do."""

    steps: Sequence[Step]
    is_download: bool

    @property
    def size(self) -> int:
        return sum(step.size for step in self.steps)

    @property
    def requests(self) -> int:
        return sum(step.writes + step.reads for step in self.steps)

    def seconds(self, rate: float | None) -> float | None:
        """At `rate` bytes a second; None where nobody has measured one."""
        return self.size / rate if rate else None

    def dollars(self, price: Price | None) -> float | None:
        """None for a store whose prices are not known."""
        if price is None:
            return None
        asked = sum(s.writes * price.write + s.reads * price.read for s in self.steps)
        return asked + (self.size / _GB * price.leaving if self.is_download else 0)


def price_of(endpoint: str) -> Price | None:
    """By the host of the service, which is no more than a guess at what one pays there."""
    host = urlsplit(endpoint).hostname or ""
    return next((p for suffix, p in _PRICES.items() if host == suffix or host.endswith(f".{suffix}")), None)


def upload(name: str, version: str, size: int) -> Step:
    """A look, and the object in one request or in parts."""
    parts = -(-size // PART)
    return Step(name, version, size, writes=parts + 2 if parts > 1 else 1, reads=1)


def download(name: str, version: str, size: int) -> Step:
    """A look for a large one, and its ranges."""
    parts = -(-size // PART)
    return Step(name, version, size, writes=0, reads=parts + 1 if parts > 1 else 1)
