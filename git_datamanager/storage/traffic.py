"""What all transfers of this process share: so many bytes in memory, so many through the network.

`TRAFFIC` is set once, by whoever reads the settings; a store never does.
"""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

MIB = 1 << 20
MEMORY = 256 * MIB
"""What the process may take in all (`data.memory`)."""
PROGRAM = 120 * MIB
"""What it takes besides: the interpreter, the client of the service, what transfers keep in mind. Measured
with a folder of 10 000 files (bench/)."""
LEAST = 16 * MIB


class ByteBudget:
    """At most `total` bytes lent at a time, in the order of asking; more than that to one alone."""

    def __init__(self, total: int) -> None:
        self.total = total
        self._lent = 0
        self._queue: deque[object] = deque()
        self._changed = threading.Condition()
        self._idle: list[bytearray] = []

    @property
    def lent(self) -> int:
        return self._lent

    def take(self, count: int) -> None:
        """Wait until so many bytes are free. Whoever holds some must be able to give them back meanwhile."""
        ticket = object()
        with self._changed:
            self._queue.append(ticket)
            try:
                while self._queue[0] is not ticket or not self._fits(count):
                    self._changed.wait()
                self._lent += count
            finally:
                self._queue.remove(ticket)
                self._changed.notify_all()

    def take_now(self, count: int) -> bool:
        """The same without waiting; False where it would have to."""
        with self._changed:
            if self._queue or not self._fits(count):
                return False
            self._lent += count
            return True

    def give(self, count: int) -> None:
        with self._changed:
            self._lent -= count
            self._changed.notify_all()

    def buffer(self, size: int) -> bytearray:
        """One of that size, for whoever has taken as many bytes. Those of earlier transfers serve again:
        given back to the system in any order they would leave holes that still count."""
        with self._changed:
            found = next((n for n, buffer in enumerate(self._idle) if len(buffer) == size), None)
            if found is not None:
                return self._idle.pop(found)
            while self._idle and self._lent + sum(map(len, self._idle)) > self.total:
                self._idle.pop()
        return bytearray(size)

    def keep(self, buffers: Iterable[bytearray]) -> None:
        """Buffers whose bytes are given back, for the next transfer."""
        with self._changed:
            for buffer in buffers:
                if self._lent + sum(map(len, self._idle)) + len(buffer) <= self.total:
                    self._idle.append(buffer)

    def _fits(self, count: int) -> bool:
        return self._lent == 0 or self._lent + count <= self.total


class Loan:
    """What one transfer has taken; the rest goes back when it ends, however it ends."""

    def __init__(self, budget: ByteBudget) -> None:
        self._budget = budget
        self._held = 0
        self._lock = threading.Lock()
        self._buffers: list[bytearray] = []

    def take(self, count: int) -> None:
        self._budget.take(count)
        self._add(count)

    def take_now(self, count: int) -> bool:
        taken = self._budget.take_now(count)
        if taken:
            self._add(count)
        return taken

    def give(self, count: int) -> None:
        self._add(-count)
        self._budget.give(count)

    def _add(self, count: int) -> None:
        with self._lock:
            self._held += count

    def buffer(self, size: int) -> bytearray:
        """A buffer for bytes that were taken."""
        self._buffers.append(self._budget.buffer(size))
        return self._buffers[-1]

    def close(self) -> None:
        """Nobody may use its buffers any more."""
        self.give(self._held)
        self._budget.keep(self._buffers)


class Buffers:
    """The buffers of one transfer, which go round: fresh memory costs more than filling it.

    One is made while there is memory for it, the first one however long that takes. With some of one's own
    nobody waits for the memory of others, who may be waiting just so.
    """

    def __init__(self, loan: Loan) -> None:
        self._loan = loan
        self._spare: queue.SimpleQueue[bytearray] = queue.SimpleQueue()
        self._made = 0

    def now(self, size: int) -> bytearray | None:
        """One of `size` bytes; sizes never grow. None where all are at work."""
        with suppress(queue.Empty):
            return _cut(self._spare.get_nowait(), size)
        if self._made and not self._loan.take_now(size):
            return None
        if not self._made:
            self._loan.take(size)
        self._made += 1
        return self._loan.buffer(size)

    def wait(self, size: int) -> bytearray:
        """The same; where all are at work the first that comes back."""
        found = self.now(size)
        return _cut(self._spare.get(), size) if found is None else found

    def give_back(self, buffer: bytearray) -> None:
        self._spare.put(buffer)


def _cut(buffer: bytearray, size: int) -> bytearray:
    """The last part is shorter; a buffer that somebody still looks at cannot be cut."""
    return buffer if len(buffer) == size else bytearray(size)


class Pace:
    """So many bytes a second over all threads, both ways; 0: as fast as it goes.

    Each takes its turn on one time line: what was not used for a second is lost, so a pause is not
    followed by a flood.
    """

    def __init__(
        self,
        rate: int = 0,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.rate = rate
        self._clock = clock
        self._sleep = sleep
        self._free = 0.0
        self._lock = threading.Lock()

    def take(self, count: int) -> None:
        """Wait until so many bytes may have moved."""
        if not self.rate:
            return
        with self._lock:
            now = self._clock()
            self._free = booked(self._free, now, count, self.rate)
            wait = self._free - now
        if wait > 0:
            self._sleep(wait)


def booked(free: float, now: float, count: int, rate: int, saved: float = 1.0) -> float:
    """When the line is free again after `count` more bytes; it was to be at `free`. Seconds.

    At most `saved` seconds that nobody used count as time of one's own.
    """
    return max(free, now - saved) + count / rate


class Traffic:
    """The limits of this process."""

    def __init__(self) -> None:
        self.memory = ByteBudget(MEMORY - PROGRAM)
        self.pace = Pace()

    def limit(self, *, memory: int = MEMORY, bandwidth: int = 0) -> None:
        """Bytes in all, and bytes a second (0: no limit). What is under way keeps what it began with."""
        self.memory = ByteBudget(max(LEAST, memory - PROGRAM))
        self.pace = Pace(bandwidth)

    @contextmanager
    def loan(self) -> Iterator[Loan]:
        loan = Loan(self.memory)
        try:
            yield loan
        finally:
            loan.close()


TRAFFIC = Traffic()
