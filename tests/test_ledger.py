"""The progress line says what is so: bytes, rate, time, files, and what was there already."""

from hypothesis import given
from hypothesis import strategies as st

from git_datamanager.cli.ledger import Ledger, duration, share_of
from git_datamanager.events import Event, Kind

MIB = 1 << 20


def told(*steps: tuple[float, Event]) -> Ledger:
    ledger = Ledger(0.0)
    for now, event in steps:
        ledger.add(event, now)
    return ledger


def plan(name: str, size: int) -> Event:
    return Event(Kind.PLAN, name, size)


def moved(name: str, size: int) -> Event:
    return Event(Kind.ADVANCE, name, size)


def test_a_file_half_way() -> None:
    ledger = told((0, plan("a", 100 * MIB)), (1, moved("a", 25 * MIB)), (2, moved("a", 25 * MIB)))
    assert ledger.text(2) == "50%  50.0 MiB of 100.0 MiB, 25.0 MiB/s, 2 s left"


def test_what_was_there_is_done_and_no_speed() -> None:
    ledger = told(
        (0, plan("a", 100 * MIB)), (0, Event(Kind.PRESENT, "a", 60 * MIB)), (2, moved("a", 20 * MIB))
    )
    assert ledger.text(2) == "80%  80.0 MiB of 100.0 MiB, 10.0 MiB/s, 2 s left, 60.0 MiB already there"


def test_a_part_that_is_sent_again_is_taken_back() -> None:
    ledger = told((0, plan("a", 10)), (1, moved("a", 8)), (2, moved("a", -8)), (3, moved("a", 2)))
    assert ledger.done == 2
    assert ledger.rate(3) >= 0


def test_the_rate_is_that_of_now() -> None:
    steps = [(0.0, plan("a", 10**9))]
    steps += [(float(n), moved("a", 1000)) for n in range(1, 31)]
    steps += [(30.0 + n, moved("a", 10)) for n in range(1, 31)]
    ledger = told(*steps)
    assert 9 <= ledger.rate(60.0) <= 20


def test_no_time_is_told_while_jobs_have_not_said_what_they_need() -> None:
    """Of 3 files one is under way: how long the others take nobody knows."""
    ledger = told((0, Event(Kind.JOBS, size=3)), (0, plan("a", 100)), (1, moved("a", 50)))
    assert ledger.left(1) is None
    ledger.add(plan("b", 100), 1)
    ledger.add(Event(Kind.DONE, "c"), 1)  # nothing had to be moved for it
    assert ledger.left(1) == 3
    assert "1 of 3 files" in ledger.text(1)


def test_one_file_is_not_counted() -> None:
    assert "files" not in told((0, Event(Kind.JOBS, size=1)), (0, plan("a", 5)), (1, moved("a", 5))).text(1)


@given(st.integers(0, 10**13), st.integers(1, 10**13))
def test_a_hundred_percent_is_all(done: int, total: int) -> None:
    assert (share_of(done, total) == 100) == (done >= total)


@given(
    st.lists(
        st.tuples(st.floats(0, 5), st.sampled_from("ab"), st.integers(-50, 100), st.sampled_from(list(Kind)))
    )
)
def test_whatever_is_told_there_is_a_line(steps: list[tuple[float, str, int, Kind]]) -> None:
    ledger, now = Ledger(0.0), 0.0
    for wait, name, count, kind in steps:
        now += wait
        ledger.add(Event(kind, name, abs(count) if kind is not Kind.ADVANCE else count), now)
        line = ledger.text(now)
        assert "\n" not in line
        assert (left := ledger.left(now)) is None or left > 0


def test_durations() -> None:
    assert [duration(s) for s in (0.2, 59, 59.5, 187, 3600, 7500)] == [
        "1 s", "59 s", "1:00 min", "3:07 min", "1:00 h", "2:05 h",
    ]  # fmt: skip
