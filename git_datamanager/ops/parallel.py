"""Several transfers at once: one failure stops no other, Ctrl-C stops all."""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, NamedTuple, TypeVar

from git_datamanager.errors import DataError
from git_datamanager.events import STOP, Event, Kind, Progress, mover, silent

T = TypeVar("T")
CORES = os.cpu_count() or 1
WORKERS = min(32, 8 * CORES)
"""At small objects, which wait for answers more than they work."""
BIG = 32 << 20
AT_BIG_ONES = min(4, CORES)
"""Each of these is parallel in itself; they share one budget of memory (storage/traffic.py)."""


class Job(NamedTuple, Generic[T]):
    """Work on `size` bytes of `name`."""

    name: str
    size: int
    run: Callable[[], T]


class Results(NamedTuple, Generic[T]):
    """In the order of the jobs."""

    done: list[T]
    failures: list[tuple[str, DataError]]


class _Planned:
    """An `advance` that plans its pass with the first block."""

    def __init__(self, progress: Progress, name: str, size: int) -> None:
        self._advance = mover(progress, name)
        self._plan: Callable[[], None] | None = lambda: progress(Event(Kind.PLAN, name, size))

    def __call__(self, count: int) -> None:
        self._begin()
        self._advance(count)

    def present(self, count: int) -> None:
        self._begin()
        self._advance.present(count)

    def _begin(self) -> None:
        plan, self._plan = self._plan, None
        if plan is not None:
            plan()


def planned(progress: Progress, name: str, size: int) -> Callable[[int], None]:
    """An `advance` for a pass over `size` bytes that may not be needed: planned with its first block."""
    return _Planned(progress, name, size)


def run_all(jobs: Sequence[Job[T]], progress: Progress = silent) -> Results[T]:
    """Run the jobs, small ones many at a time, big ones few beside them; tells how many there are."""
    stop = threading.Event()

    def run(job: Job[T]) -> T:
        STOP.set(stop)
        return job.run()

    progress(Event(Kind.JOBS, size=len(jobs)))
    if len(jobs) < 2:
        return _collect(jobs, [_settled(run, job) for job in jobs])
    pools = [ThreadPoolExecutor(min(WORKERS, len(jobs))), ThreadPoolExecutor(min(WORKERS, AT_BIG_ONES))]
    try:
        futures = [pools[job.size > BIG].submit(run, job) for job in jobs]
        for future in futures:
            future.exception()  # waits; a KeyboardInterrupt of this thread comes through here
    except BaseException:
        stop.set()
        raise
    finally:
        for pool in pools:
            pool.shutdown(wait=False, cancel_futures=True)
        for pool in pools:
            pool.shutdown(wait=True)
    return _collect(jobs, futures)


def _settled(run: Callable[[Job[T]], T], job: Job[T]) -> "Future[T]":
    future: Future[T] = Future()
    try:
        future.set_result(run(job))
    except DataError as error:
        future.set_exception(error)
    return future


def _collect(jobs: Sequence[Job[T]], futures: "Sequence[Future[T]]") -> Results[T]:
    results: Results[T] = Results([], [])
    for job, future in zip(jobs, futures, strict=True):
        error = future.exception()
        if error is None:
            results.done.append(future.result())
        elif isinstance(error, DataError):
            results.failures.append((job.name, error))
        else:
            raise error
    return results
