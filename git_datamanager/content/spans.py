"""Stretches of files: read whole or not at all, and compared at the speed of memory."""

from collections.abc import Iterator
from typing import BinaryIO

from git_datamanager.errors import Corrupt

PIECE = 1 << 20
_COMPARE = 64 << 10


def read_at(file: BinaryIO, start: int, length: int) -> bytes:
    """Exactly these bytes; Corrupt where the file ends before."""
    file.seek(start)
    data = file.read(length)
    while len(data) < length and (more := file.read(length - len(data))):  # unbuffered files may give less
        data += more
    if len(data) != length:
        raise Corrupt(f"a file ends at {start + len(data)}, before {start + length}")
    return data


def pieces(file: BinaryIO, start: int, length: int) -> Iterator[bytes]:
    """The bytes of a stretch, at most 1 MiB at a time; the file may be moved in between."""
    end = start + length
    while start < end:
        data = read_at(file, start, min(PIECE, end - start))
        start += len(data)
        yield data


def same_bytes(one: bytes, other: bytes) -> int:
    """How many bytes the two have in common from the beginning."""
    length = min(len(one), len(other))
    if one[:length] == other[:length]:
        return length
    low, high = 0, length  # they agree up to `low` and not up to `high`
    while high - low > 1:
        middle = (low + high) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle
    return low


def same_ahead(one: BinaryIO, start: int, other: BinaryIO, begin: int, most: int) -> int:
    """How many bytes, at most `most`, two files have in common from these places on."""
    done = 0
    while done < most:
        step = min(_COMPARE, most - done)
        same = same_bytes(read_at(one, start + done, step), read_at(other, begin + done, step))
        done += same
        if same < step:
            break
    return done


def same_behind(one: BinaryIO, end: int, other: BinaryIO, stop: int, most: int) -> int:
    """How many bytes, at most `most`, two files have in common right before these places."""
    done = 0
    while done < most:
        step = min(_COMPARE, most - done)
        first = read_at(one, end - done - step, step)[::-1]
        same = same_bytes(first, read_at(other, stop - done - step, step)[::-1])
        done += same
        if same < step:
            break
    return done


def newer(what: str, form: int) -> Corrupt:
    """What to raise for a binary format with a number that this version does not know."""
    return Corrupt(
        f"this {what} has format {form}, written by a newer git-datamanager than this one",
        hints=["pip install --upgrade git-datamanager"],
    )
