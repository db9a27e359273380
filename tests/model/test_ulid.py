import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_datamanager.model.ulid import encode_ulid, is_ulid, new_ulid


def test_known_value() -> None:
    assert encode_ulid(1469918176385, 0) == "01ARYZ6S41" + "0" * 16  # the example of github.com/ulid/spec
    assert encode_ulid(2**48 - 1, 2**80 - 1) == "7" + "Z" * 25


def test_new_ones_are_valid_and_differ() -> None:
    made = {new_ulid() for _ in range(1000)}
    assert len(made) == 1000
    assert all(map(is_ulid, made))


@given(st.integers(0, 2**48 - 2), st.integers(0, 2**80 - 1), st.integers(0, 2**80 - 1))
def test_order_is_that_of_time(moment: int, one: int, other: int) -> None:
    assert is_ulid(encode_ulid(moment, one))
    assert encode_ulid(moment, one) < encode_ulid(moment + 1, other)


@pytest.mark.parametrize(("moment", "randomness"), [(2**48, 0), (0, 2**80), (-1, 0), (0, -1)])
def test_refuses_numbers_that_do_not_fit(moment: int, randomness: int) -> None:
    with pytest.raises(ValueError, match="48 bits"):
        encode_ulid(moment, randomness)


@pytest.mark.parametrize(
    "text",
    ["", "0" * 25, "0" * 27, "8" + "0" * 25, "01ARYZ6S41TSV4RRFFQ69G5FAI", "01aryz6s41tsv4rrffq69g5fav",
     "../../../../../../../../..", "0" * 25 + "\n", "0" * 26 + "\n", "٠" * 26, "01ARYZ6S41TSV4RRFFQ69G5FA/"],
)  # fmt: skip
def test_refuses(text: str) -> None:
    assert not is_ulid(text)
