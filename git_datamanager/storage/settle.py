"""One place that decides what became of a conditional request whose answer was lost.

Sent again blindly it comes back as 412 although it succeeded, and whoever cleans up after that answer
destroys good data (reliability.md fact 4; apache/iceberg#2317 and many others). So: read back, and know
one's own write by a nonce.
"""

import time
from collections.abc import Callable
from typing import TypeVar

from git_datamanager.errors import DataError, Denied, OutcomeUnknown, Unreachable

T = TypeVar("T")
PAUSES = (0.2, 1.0)
"""Seconds before the second and the third try; longer patience is the Retrying wrapper's."""


class Raced(Unreachable):
    """Another write of the same key was under way and neither was done (409)."""


def settle(
    send: Callable[[], T],
    look: Callable[[], T | None],
    *,
    restartable: bool = True,
    pauses: tuple[float, ...] = PAUSES,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Send until the outcome is known; `look` answers with the result where our own write is in place.

    `send` must be safe to repeat: its condition lets it succeed at most once. Without `restartable` a
    Raced answer is final (S3 wants a multipart upload from its beginning then). Raises OutcomeUnknown
    where an answer was lost and our write is not seen: it may have been overwritten, or still come.
    """
    lost: OutcomeUnknown | None = None
    left = list(pauses)
    while True:
        try:
            return send()
        except DataError as error:
            answer = error
        if isinstance(answer, OutcomeUnknown):
            lost = answer
        if lost and (found := _seen(look)) is not None:
            return found
        if not left or not _may_help(answer, restartable=restartable):
            raise lost or answer
        sleep(left.pop(0))


def _may_help(answer: DataError, *, restartable: bool) -> bool:
    """Whether sending the same request again may."""
    return isinstance(answer, Unreachable) and (restartable or not isinstance(answer, Raced))


def _seen(look: Callable[[], T | None]) -> T | None:
    """What `look` sees; nothing where it cannot look either."""
    try:
        return look()
    except (Unreachable, Denied):
        return None
