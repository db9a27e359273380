"""Integers of variable length: one encoding each, and nothing else is read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_datamanager.content import varint
from git_datamanager.errors import Corrupt

UNSIGNED = st.integers(0, varint.MAX)
SIGNED = st.integers(-(varint.MAX // 2), varint.MAX // 2)


@given(st.lists(UNSIGNED), st.lists(SIGNED))
def test_what_is_written_is_read(unsigned: list[int], signed: list[int]) -> None:
    data, at = bytearray(), 0
    for value in unsigned:
        varint.append(data, value)
    for value in signed:
        varint.append_signed(data, value)
    for value in unsigned:
        found, at = varint.read(bytes(data), at)
        assert found == value
    for value in signed:
        found, at = varint.read_signed(bytes(data), at)
        assert found == value
    assert at == len(data)


@pytest.mark.parametrize(
    ("value", "data"),
    [(0, "00"), (127, "7f"), (128, "8001"), (300, "ac02"), (varint.MAX, "ffffffffffffffff7f")],
)
def test_the_bytes_are_those_of_leb128(value: int, data: str) -> None:
    written = bytearray()
    varint.append(written, value)
    assert written.hex() == data


@pytest.mark.parametrize(("value", "byte"), [(0, 0), (-1, 1), (1, 2), (-2, 3), (2, 4)])
def test_small_signed_values_take_a_byte(value: int, byte: int) -> None:
    written = bytearray()
    varint.append_signed(written, value)
    assert written == bytes([byte])


@pytest.mark.parametrize("data", ["", "80", "ffff", "8000", "ff00", "ffffffffffffffffff", "80" * 9 + "01"])
def test_cut_long_and_roundabout_numbers_are_refused(data: str) -> None:
    with pytest.raises(Corrupt):
        varint.read(bytes.fromhex(data), 0)
