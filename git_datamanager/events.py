"""What a verb tells while it works; the CLI draws it, a page streams it, CI prints lines.

The library itself never prints.
"""

import threading
from collections.abc import Callable
from contextvars import ContextVar
from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    PLAN = "plan"
    """`size` bytes of `name` are going to move."""
    ADVANCE = "advance"
    """`size` bytes of `name` have moved (negative: a part is sent again)."""
    DONE = "done"
    """`name` is finished."""
    NOTE = "note"
    """`text` is worth a line."""
    WARNING = "warning"
    """`text` is worth somebody's attention."""


class Event(NamedTuple):
    kind: Kind
    name: str = ""
    size: int = 0
    text: str = ""


STOP: ContextVar[threading.Event | None] = ContextVar("STOP", default=None)
"""Set in the threads of a parallel transfer: Ctrl-C reaches the main thread alone."""

Progress = Callable[[Event], None]


def silent(_: Event) -> None:
    """The Progress of somebody who does not watch."""


def warn(progress: Progress, text: str) -> None:
    progress(Event(Kind.WARNING, text=text))


def note(progress: Progress, text: str) -> None:
    progress(Event(Kind.NOTE, text=text))


def mover(progress: Progress, name: str) -> Callable[[int], None]:
    """Tells how many bytes of `name` have moved; stops the transfer once somebody pressed Ctrl-C."""
    stop = STOP.get()

    def advance(size: int) -> None:
        if stop is not None and stop.is_set():
            raise KeyboardInterrupt
        progress(Event(Kind.ADVANCE, name, size))

    return advance


class Tally:
    """An `advance` that can be taken back, where what it counted was for nothing."""

    def __init__(self, advance: Callable[[int], None]) -> None:
        self._advance = advance
        self._count = 0

    def __call__(self, size: int) -> None:
        self._count += size
        self._advance(size)

    def take_back(self) -> None:
        count, self._count = self._count, 0
        self._advance(-count)
