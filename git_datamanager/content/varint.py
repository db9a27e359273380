"""Integers of variable length: unsigned LEB128, signed ones by zigzag (docs/spec/delta-v1.md)."""

from git_datamanager.errors import Corrupt

MAX = (1 << 63) - 1
LONGEST = 9
"""Bytes of the largest value."""


def append(data: bytearray, value: int) -> None:
    """Write 0 <= value <= MAX in its shortest form."""
    while value > 0x7F:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    data.append(value)


def append_signed(data: bytearray, value: int) -> None:
    """Write a value of either sign, near zero in one byte."""
    append(data, value << 1 if value >= 0 else (-value << 1) - 1)


def read(data: bytes, position: int) -> tuple[int, int]:
    """The value at `position` and where the next one begins; Corrupt where there is none."""
    value = shift = 0
    for index in range(position, min(position + LONGEST, len(data))):
        byte = data[index]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if byte == 0 and index > position:
                break
            return value, index + 1
        shift += 7
    raise Corrupt("a number is cut short, too long or not in its shortest form")


def read_signed(data: bytes, position: int) -> tuple[int, int]:
    """The inverse of append_signed."""
    value, position = read(data, position)
    return (value >> 1) ^ -(value & 1), position
