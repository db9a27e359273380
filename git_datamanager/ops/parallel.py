"""Several transfers at once: one failure stops no other, Ctrl-C stops all."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from typing import Generic, NamedTuple, TypeVar

from git_datamanager.errors import DataError
from git_datamanager.events import STOP, Event, Kind, Progress, mover

T = TypeVar("T")
WORKERS = 4
BIG = 32 << 20


class Job(NamedTuple, Generic[T]):
    """Work on `size` bytes of `name`."""

    name: str
    size: int
    run: Callable[[], T]


class Results(NamedTuple, Generic[T]):
    """In the order of the jobs."""

    done: list[T]
    failures: list[tuple[str, DataError]]


def planned(progress: Progress, name: str, size: int) -> Callable[[int], None]:
    """An `advance` for a pass over `size` bytes that may not be needed: planned with its first block."""
    advance, began = mover(progress, name), False

    def step(count: int) -> None:
        nonlocal began
        if not began:
            began = True
            progress(Event(Kind.PLAN, name, size))
        advance(count)

    return step


def run_all(jobs: Sequence[Job[T]]) -> Results[T]:
    """Run the jobs, at most one big one at a time (it is parallel in itself, and memory is bounded)."""
    big, stop = threading.Lock(), threading.Event()

    def run(job: Job[T]) -> T:
        STOP.set(stop)
        with big if job.size > BIG else nullcontext():
            return job.run()

    if len(jobs) < 2:
        return _collect(jobs, [_settled(run, job) for job in jobs])
    pool = ThreadPoolExecutor(min(WORKERS, len(jobs)))
    try:
        futures = [pool.submit(run, job) for job in jobs]
        for future in futures:
            future.exception()  # waits; a KeyboardInterrupt of this thread comes through here
    except BaseException:
        stop.set()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
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
