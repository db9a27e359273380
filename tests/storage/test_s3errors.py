"""What an answer says of a write whose condition was met or not, or nobody knows."""

import pytest

from git_datamanager.errors import OutcomeUnknown, Unreachable
from git_datamanager.storage import s3errors


def answer(status: int, code: str = "") -> dict[str, object]:
    return {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}


@pytest.mark.parametrize("status", [200, 408, 500, 502, 504, 507, 520, 522, 524, 530, 599])
def test_after_these_it_may_have_happened(status: int) -> None:
    """A deletion that was sent again after a 524 could hit what had been written meanwhile."""
    assert type(s3errors.from_answer(answer(status), "s3:x", conditional=True)) is OutcomeUnknown
    assert type(s3errors.from_answer(answer(status), "s3:x", conditional=False)) is Unreachable


@pytest.mark.parametrize(
    ("status", "code"), [(503, "SlowDown"), (503, ""), (429, ""), (409, ""), (400, "RequestTimeout")]
)
def test_these_are_given_before_anything_is_done(status: int, code: str) -> None:
    error = s3errors.from_answer(answer(status, code), "s3:x", conditional=True)
    assert isinstance(error, Unreachable)
    assert not isinstance(error, OutcomeUnknown)
