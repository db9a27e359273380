"""A time after which work in an engine is broken off, whatever statement it is in."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from git_datamanager.errors import DataError

_EVERY = 0.05
"""Seconds from one interruption to the next: a statement that begins after the first is hit by another."""


class OutOfTime(DataError):
    """What was asked for takes longer than it may."""


class _Deadline:
    """The interrupters of all connections that are open, called once its time has come until it ends."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + max(0.0, seconds)
        self._lock = threading.Lock()
        self._stops: list[Callable[[], None]] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self._end

    def _watch(self) -> None:
        if self._done.wait(min(self._end - time.monotonic(), threading.TIMEOUT_MAX)):
            return
        while not self._done.wait(_EVERY):
            with self._lock:  # no connection is closed meanwhile
                for stop in self._stops:
                    stop()

    def add(self, stop: Callable[[], None]) -> None:
        with self._lock:
            self._stops.append(stop)

    def remove(self, stop: Callable[[], None]) -> None:
        with self._lock:
            self._stops.remove(stop)

    def close(self) -> None:
        self._done.set()
        self._thread.join()


_current: ContextVar[_Deadline | None] = ContextVar("deadline", default=None)


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Give the block so much time. Connections opened in it are interrupted then, and whatever comes of that,
    or was done too late, ends as OutOfTime."""
    deadline = _Deadline(seconds)
    token = _current.set(deadline)
    try:
        yield
    except Exception as error:  # an engine that is broken off says so in words of its own
        if deadline.is_over:
            raise OutOfTime("it takes too long") from error
        raise
    finally:
        _current.reset(token)
        deadline.close()
    if deadline.is_over:
        raise OutOfTime("it takes too long")


@contextmanager
def interruptible(stop: Callable[[], None]) -> Iterator[None]:
    """While the block runs, `stop` breaks off what a connection of it does; called from another thread."""
    deadline = _current.get()
    if deadline is None:
        yield
        return
    deadline.add(stop)
    try:
        yield
    finally:
        deadline.remove(stop)


def check() -> None:
    """For loops of our own. Raises OutOfTime where the time is over."""
    deadline = _current.get()
    if deadline is not None and deadline.is_over:
        raise OutOfTime("it takes too long")
