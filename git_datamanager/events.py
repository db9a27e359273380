"""What a verb tells while it works; the CLI draws it, a page streams it, CI prints lines.

The library itself never prints.
"""

import threading
from collections.abc import Callable
from contextvars import ContextVar
from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    JOBS = "jobs"
    """`size` files or objects are going to be looked at."""
    PLAN = "plan"
    """`size` bytes of `name` are going to move."""
    ADVANCE = "advance"
    """`size` bytes of `name` have moved (negative: a part is sent again)."""
    PRESENT = "present"
    """`size` bytes of `name` were where they should be already: an earlier run had moved them."""
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


class Mover:
    """An `advance`: tells how many bytes of `name` have moved, or (`present`) need not; stops the transfer
    once somebody pressed Ctrl-C."""

    def __init__(self, progress: Progress, name: str) -> None:
        self._progress = progress
        self._name = name
        self._stop = STOP.get()

    def __call__(self, size: int) -> None:
        self._tell(Kind.ADVANCE, size)

    def present(self, size: int) -> None:
        self._tell(Kind.PRESENT, size)

    def _tell(self, kind: Kind, size: int) -> None:
        if self._stop is not None and self._stop.is_set():
            raise KeyboardInterrupt
        self._progress(Event(kind, self._name, size))


def mover(progress: Progress, name: str) -> Mover:
    """Tells how many bytes of `name` have moved; stops the transfer once somebody pressed Ctrl-C."""
    return Mover(progress, name)


def already(advance: Callable[[int], None], size: int) -> None:
    """Tell of bytes that need not move. An `advance` may have a `present` for them, and then knows how fast
    the others move."""
    getattr(advance, "present", advance)(size)


class Tally:
    """An `advance` that can be taken back, where what it counted was for nothing. For several threads."""

    def __init__(self, advance: Callable[[int], None]) -> None:
        self._advance = advance
        self._moved = self._present = 0
        self._lock = threading.Lock()

    def __call__(self, size: int) -> None:
        with self._lock:
            self._moved += size
        self._advance(size)

    def present(self, size: int) -> None:
        with self._lock:
            self._present += size
        already(self._advance, size)

    def take_back(self) -> None:
        with self._lock:
            moved, present = self._moved, self._present
            self._moved = self._present = 0
        if moved:
            self._advance(-moved)
        if present:
            already(self._advance, -present)
