"""How often and how soon to try again, by what went wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_datamanager.errors import Corrupt, DataError, Forbidden, ObjectMissing, OutcomeUnknown, Unreachable
from git_datamanager.storage.patience import Busy, Patience, again
from git_datamanager.storage.s3errors import from_answer

PATIENCE = Patience(tries=4, base=1.0, longest=3.0)


def answer(status: int, code: str = "") -> DataError:
    return from_answer(
        {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "", conditional=False
    )


@pytest.mark.parametrize("attempt", [0, 1, 2])
def test_pauses_grow_and_are_capped(attempt: int) -> None:
    assert PATIENCE.pause(attempt, Unreachable("reset"), 1.0) == [1.0, 2.0, 3.0][attempt]


def test_a_busy_store_is_given_more_time() -> None:
    assert PATIENCE.pause(0, Busy("slow down"), 1.0) == 4.0
    assert PATIENCE.pause(2, Busy("slow down"), 1.0) == 12.0


@given(st.integers(0, 2), st.floats(0, 1), st.sampled_from([Busy("b"), Unreachable("u")]))
def test_jitter_is_full(attempt: int, fraction: float, error: Unreachable) -> None:
    longest = PATIENCE.pause(attempt, error, 1.0)
    assert PATIENCE.pause(attempt, error, fraction) == pytest.approx((longest or 0) * fraction)


@pytest.mark.parametrize(
    "error", [Forbidden("no"), ObjectMissing("no"), Corrupt("bad"), OutcomeUnknown("perhaps"), DataError("x")]
)
def test_an_answer_is_not_asked_for_again(error: DataError) -> None:
    assert PATIENCE.pause(0, error, 1.0) is None


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 411, 412, 416, 501])
def test_refusals_are_answers(status: int) -> None:
    error = answer(status)
    assert PATIENCE.pause(0, error, 1.0) is None or status == 409  # of two writers at once


@pytest.mark.parametrize(
    ("status", "code", "pause"),
    [(429, "", 4.0), (503, "SlowDown", 4.0), (503, "", 1.0), (500, "InternalError", 1.0), (408, "", 1.0),
     (400, "RequestTimeout", 1.0), (502, "", 1.0), (524, "", 1.0)],
)  # fmt: skip
def test_what_may_pass_is_tried_again(status: int, code: str, pause: float) -> None:
    assert PATIENCE.pause(0, answer(status, code), 1.0) == pause


def test_the_last_failure_is_told() -> None:
    waits: list[float] = []
    calls: list[int] = []

    def act() -> None:
        calls.append(1)
        raise Unreachable("still")

    with pytest.raises(Unreachable, match="still"):
        again(act, PATIENCE, sleep=waits.append, fraction=lambda: 1.0)
    assert (len(calls), waits) == (4, [1.0, 2.0, 3.0])
