"""Several jobs at once: how many, what fails, who is told to stop."""

import os
import signal
import threading
import time

import pytest

from git_datamanager.errors import Unreachable
from git_datamanager.events import Event, Kind, mover, silent
from git_datamanager.ops import parallel
from git_datamanager.ops.parallel import BIG, Job, planned, run_all


class Crowd:
    """How many are in at a time; they wait for each other, so that there are as many as there can be."""

    def __init__(self, wanted: int) -> None:
        self.most = self._inside = 0
        self._lock = threading.Lock()
        self._full = threading.Event()
        self._wanted = wanted

    def __call__(self) -> None:
        with self._lock:
            self._inside += 1
            self.most = max(self.most, self._inside)
            if self._inside == self._wanted:
                self._full.set()
        self._full.wait(10)
        with self._lock:
            self._inside -= 1


def test_small_ones_run_many_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "WORKERS", 8)
    crowd = Crowd(8)
    run_all([Job(str(n), 1, crowd) for n in range(20)])
    assert crowd.most == 8


def test_big_ones_run_beside_them_and_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "AT_BIG_ONES", 2)
    monkeypatch.setattr(parallel, "WORKERS", 4)
    big, small = Crowd(2), Crowd(4)
    jobs = [Job(f"b{n}", BIG + 1, big) for n in range(6)] + [Job(f"s{n}", 1, small) for n in range(6)]
    run_all(jobs)
    assert (big.most, small.most) == (2, 4)


def test_results_are_in_the_order_of_the_jobs_and_one_failure_stops_no_other() -> None:
    def fail() -> int:
        raise Unreachable("away")

    jobs = [Job(str(n), BIG * (n % 2) * 2, (lambda n=n: n) if n != 3 else fail) for n in range(9)]
    results = run_all(jobs)
    assert results.done == [0, 1, 2, 4, 5, 6, 7, 8]
    assert [name for name, _ in results.failures] == ["3"]


def test_a_fault_of_our_own_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        run_all([Job("a", 1, lambda: 1 // 0), Job("b", 1, lambda: 1)])


def test_an_interrupt_reaches_those_at_work() -> None:
    """The main thread alone gets ^C; whoever moves bytes is told at the next block."""
    started, seen = threading.Event(), []

    def work() -> None:
        advance = mover(silent, "a")
        started.set()
        try:
            while True:
                advance(1)
        except KeyboardInterrupt:
            seen.append(True)
            raise

    def interrupt() -> None:
        started.wait(10)
        time.sleep(0.1)  # the main thread has begun to wait by then
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell in the background ignores it
    try:
        with pytest.raises(KeyboardInterrupt):
            run_all([Job("a", 1, interrupt), Job("b", 1, work)])
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [True]


def test_the_number_of_jobs_is_told_first() -> None:
    told: list[Event] = []
    run_all([Job("a", 1, lambda: 1)] * 3, told.append)
    assert told == [Event(Kind.JOBS, size=3)]


def test_a_pass_is_planned_with_its_first_block() -> None:
    told: list[Event] = []
    advance = planned(told.append, "a", 10)
    assert told == []
    advance(4)
    advance(6)
    assert [(e.kind, e.size) for e in told] == [(Kind.PLAN, 10), (Kind.ADVANCE, 4), (Kind.ADVANCE, 6)]
