"""The arithmetic of the progress line: what is planned, done, there already, how fast, how long still.

Pure: it is told what happened and when, and never looks at a clock.
"""

from collections import deque

from git_datamanager.events import Event, Kind
from git_datamanager.pages.measure import size

WINDOW = 10.0
"""Seconds over which the rate is taken: what a transfer does now, not what it did at its beginning."""


class Ledger:
    """Adds up the events of one command. Times are in seconds, of any one clock."""

    def __init__(self, now: float) -> None:
        self.began = now
        self.total = self.moved = self.present = 0
        """Bytes: planned; gone through by this run; found where they should be."""
        self.files = self.finished = 0
        """Jobs of this command, where it said how many there are; those that are done."""
        self._planned: set[str] = set()
        self._over: set[str] = set()
        self._samples: deque[tuple[float, int]] = deque([(now, 0)])

    def add(self, event: Event, now: float) -> None:
        if event.kind is Kind.JOBS:
            self.files += event.size
        elif event.kind is Kind.PLAN:
            self.total += event.size
            self._planned.add(event.name)
        elif event.kind is Kind.ADVANCE:
            self.moved += event.size
            self._sample(now)
        elif event.kind is Kind.PRESENT:
            self.present += event.size
        elif event.kind is Kind.DONE:
            self.finished += 1
            self._over.add(event.name)

    def _sample(self, now: float) -> None:
        """One a quarter of a second, and the last one before the window."""
        if now - self._samples[-1][0] >= 0.25:
            self._samples.append((now, self.moved))
        while len(self._samples) > 2 and self._samples[1][0] <= now - WINDOW:
            self._samples.popleft()

    @property
    def done(self) -> int:
        """Bytes that need not be waited for, whoever moved them."""
        return self.moved + self.present

    def rate(self, now: float) -> float:
        """Bytes a second that moved lately; what was there already is no speed."""
        then, before = self._samples[0]
        return max(0.0, self.moved - before) / max(now - then, 0.001)

    def left(self, now: float) -> float | None:
        """Seconds until all is done; None where nobody can tell: nothing moves, or not every job has said
        yet how much it has to do."""
        rate = self.rate(now)
        if rate <= 0 or self.done >= self.total or len(self._planned | self._over) < self.files:
            return None
        return (self.total - self.done) / rate

    def text(self, now: float) -> str:
        """One line, all of it."""
        words = [f"{size(self.done)} of {size(self.total)}" if self.total else size(self.done)]
        words.append(f"{size(int(self.rate(now)))}/s")
        left = self.left(now)
        words += [f"{duration(left)} left"] if left is not None else []
        words += [f"{self.finished} of {self.files} files"] if self.files > 1 else []
        words += [f"{size(self.present)} already there"] if self.present > 0 else []
        share = f"{share_of(self.done, self.total)}%  " if self.total else ""
        return share + ", ".join(words)


def share_of(done: int, total: int) -> int:
    """Percent, rounded down: 100 is what is done, and nothing before it."""
    return max(0, min(100, 100 * done // total))


def duration(seconds: float) -> str:
    """`54 s`, `3:07 min`, `2:05 h`, rounded up: what is left is never nothing."""
    whole = max(1, -int(-seconds // 1))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02d} h"
