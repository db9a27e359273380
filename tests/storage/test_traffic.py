"""What transfers share: memory and bandwidth. Rules and turns, no clocks."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_datamanager.storage.traffic import MIB, Buffers, ByteBudget, Loan, Pace, Traffic, booked


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@given(st.lists(st.tuples(st.integers(1, 10**6), st.floats(0, 30)), max_size=30), st.integers(1, 10**6))
def test_no_stretch_of_time_carries_more_than_the_rate(steps: list[tuple[int, float]], rate: int) -> None:
    """From any moment to any later one: the rate, and what one second may have saved."""
    clock = Clock()
    pace = Pace(rate, clock=clock, sleep=clock.sleep)
    moved: list[tuple[float, int]] = []
    for count, idle in steps:
        clock.now += idle
        pace.take(count)
        moved.append((clock.now, count))
    for first in range(len(moved)):
        total = 0
        for now, count in moved[first:]:
            total += count
            seconds = now - moved[first][0]
            assert total <= moved[first][1] + rate * (seconds + 1.0) * (1 + 1e-9) + 1


def test_a_second_that_nobody_used_is_lost() -> None:
    assert booked(free=10.0, now=100.0, count=50, rate=100) == 99.5
    assert booked(free=100.5, now=100.0, count=50, rate=100) == 101.0


def test_without_a_rate_nobody_waits() -> None:
    pace = Pace(0, clock=Clock(), sleep=lambda _: pytest.fail("it waited"))
    pace.take(10**12)


def test_a_budget_is_never_overdrawn() -> None:
    budget = ByteBudget(100)
    budget.take(60)
    assert not budget.take_now(50)
    assert budget.take_now(40)
    assert budget.lent == 100
    budget.give(60)
    assert budget.take_now(60)


def test_more_than_there_is_goes_to_one_alone() -> None:
    budget = ByteBudget(100)
    budget.take(1000)
    assert not budget.take_now(1)
    budget.give(1000)
    assert budget.take_now(1)


def test_who_asks_first_is_served_first() -> None:
    """A small request does not overtake a large one for ever."""
    budget = ByteBudget(100)
    budget.take(60)
    order: list[int] = []
    threads = []
    for count in (90, 10):
        threads.append(
            threading.Thread(target=lambda n=count: (budget.take(n), order.append(n), budget.give(n)))
        )
        threads[-1].start()
        while len(budget._queue) < len(threads):
            pass
    assert not budget.take_now(1)
    budget.give(60)
    for thread in threads:
        thread.join()
    assert order == [90, 10]
    assert budget.lent == 0


def test_what_is_borrowed_goes_back_however_a_transfer_ends() -> None:
    traffic = Traffic()
    with pytest.raises(KeyboardInterrupt), traffic.loan() as loan:
        loan.take(5)
        assert traffic.memory.lent == 5
        raise KeyboardInterrupt
    assert traffic.memory.lent == 0


def test_the_limits_are_for_the_whole_process() -> None:
    traffic = Traffic()
    assert traffic.memory.total == 136 * MIB  # the program itself takes some of 256
    traffic.limit(memory=136 * MIB, bandwidth=7)
    assert (traffic.memory.total, traffic.pace.rate) == (16 * MIB, 7)
    traffic.limit(memory=1)
    assert (traffic.memory.total, traffic.pace.rate) == (16 * MIB, 0)


def test_buffers_go_round() -> None:
    budget = ByteBudget(20)
    buffers = Buffers(Loan(budget))
    first, second = buffers.now(10), buffers.now(10)
    assert first is not None
    assert second is not None
    assert buffers.now(10) is None
    buffers.give_back(first)
    assert buffers.now(10) is first
    buffers.give_back(second)
    assert len(buffers.wait(3)) == 3
    assert budget.lent == 20


def test_buffers_serve_the_next_transfer_while_there_is_memory_for_both() -> None:
    traffic = Traffic()
    traffic.memory = ByteBudget(20)
    with traffic.loan() as loan:
        loan.take(20)
        first, second = loan.buffer(10), loan.buffer(10)
    with traffic.loan() as loan:
        loan.take(10)
        assert loan.buffer(10) is first
        loan.take(4)
        assert len(loan.buffer(4)) == 4  # in place of the second
        loan.take(6)
        assert loan.buffer(6) is not second


def test_two_transfers_that_want_all_memory_both_end() -> None:
    """Each waits for its own buffers, never for the other's while it holds some."""
    budget = ByteBudget(30)
    ended = []

    def transfer() -> None:
        buffers = Buffers(Loan(budget))
        held = [buffers.wait(10)]
        for _ in range(200):
            more = buffers.now(10)
            held += [more] if more is not None else []
            buffers.give_back(held.pop(0))
            held = held or [buffers.wait(10)]
        ended.append(True)
        budget.give(10 * buffers._made)

    threads = [threading.Thread(target=transfer, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert ended == [True] * 4
    assert budget.lent == 0
