"""What became of a conditional request, as a table of answers."""

import pytest

from git_datamanager.errors import (
    DataError,
    Forbidden,
    OutcomeUnknown,
    PreconditionFailed,
    Unreachable,
)
from git_datamanager.storage.settle import Raced, settle

LOST, BUSY, RACED = OutcomeUnknown("lost"), Unreachable("503"), Raced("409")
NO, DENIED = PreconditionFailed("412"), Forbidden("403")


class Script:
    """Answers of a store in the order they come."""

    def __init__(self, *answers: object) -> None:
        self.left = list(answers)

    def __call__(self) -> object:
        answer = self.left.pop(0)
        if isinstance(answer, DataError):
            raise answer
        return answer


@pytest.mark.parametrize(
    ("answers", "looks", "result"),
    [
        (["sent"], [], "sent"),
        ([BUSY, "sent"], [], "sent"),
        ([RACED, "sent"], [], "sent"),
        ([LOST], ["seen"], "seen"),
        ([LOST, "sent"], [None], "sent"),
        ([LOST, NO], [None, "seen"], "seen"),
        ([LOST, BUSY], [None, "seen"], "seen"),
        ([LOST, LOST, LOST], [BUSY, DENIED, "seen"], "seen"),
    ],
)
def test_settled(answers: list[object], looks: list[object], result: str) -> None:
    send, look = Script(*answers), Script(*looks)
    assert settle(send, look, sleep=lambda _: None) == result
    assert send.left == look.left == []


@pytest.mark.parametrize(
    ("answers", "looks", "error"),
    [
        ([NO], [], NO),
        ([DENIED], [], DENIED),
        ([BUSY, BUSY, BUSY], [], BUSY),
        ([LOST, NO], [None, None], LOST),
        ([LOST, DENIED], [None, DENIED], LOST),
        ([LOST, BUSY, BUSY], [None, None, None], LOST),
        ([BUSY, LOST, NO], [None, None], LOST),
    ],
)
def test_not_settled(answers: list[object], looks: list[object], error: DataError) -> None:
    send, look = Script(*answers), Script(*looks)
    with pytest.raises(DataError) as caught:
        settle(send, look, sleep=lambda _: None)
    assert caught.value is error
    assert send.left == look.left == []


def test_a_race_is_final_where_a_repetition_needs_a_new_start() -> None:
    with pytest.raises(Raced):
        settle(Script(RACED), Script(), restartable=False)
    assert settle(Script(BUSY, "sent"), Script(), restartable=False, sleep=lambda _: None) == "sent"


def test_pauses() -> None:
    waited: list[float] = []
    with pytest.raises(Unreachable):
        settle(Script(BUSY, BUSY, BUSY), Script(), pauses=(1, 2), sleep=waited.append)
    assert waited == [1, 2]
