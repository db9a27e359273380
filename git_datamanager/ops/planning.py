"""What a dry run says of a transfer: bytes, requests, about how long and for how much."""

import os
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from git_datamanager.manager import DataManager
from git_datamanager.model import plan
from git_datamanager.model.plan import Plan, Price, Step

_AWS = "https://s3.amazonaws.com"
_R2 = "https://r2.cloudflarestorage.com"


class Estimate(NamedTuple):
    """About what it takes."""

    size: int
    """Bytes, at most."""
    requests: int
    seconds: float | None
    """At the rate of the last transfer from here that moved a mebibyte or more; None where there was none."""
    dollars: float | None
    """By list prices; None for a store of one's own."""


def estimate(manager: DataManager, verb: str, role: str, steps: Sequence[Step]) -> Estimate:
    """Estimate an `upload` to a store or a `pull` from it."""
    planned = Plan(steps, is_download=verb == "pull")
    price = _price(manager, role)
    return Estimate(
        planned.size, planned.requests, planned.seconds(manager.journal.rate(verb)), planned.dollars(price)
    )


def _price(manager: DataManager, role: str) -> Price | None:
    url = urlsplit(manager.remotes.remote(role).url)
    named = parse_qs(url.query).get("endpoint", [""])[0]
    endpoint = named or manager.settings.get(f"data.remote.{role}.endpoint")
    if url.scheme == "r2":
        return plan.price_of(endpoint or _R2)
    if url.scheme == "s3":
        return plan.price_of(endpoint or os.environ.get("AWS_ENDPOINT_URL") or _AWS)
    return None
