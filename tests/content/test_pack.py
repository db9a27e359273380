"""Packs: the layout follows from the members, and an index that lies is refused."""

import hashlib
import io
import re
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_datamanager.content import pack
from git_datamanager.errors import Corrupt
from tests.conftest import REPOSITORY


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def packed(*contents: bytes) -> bytes:
    target = io.BytesIO()
    writer = pack.Writer(target)
    for data in contents:
        writer.append(sha(data), data)
    digest, index = writer.close()
    assert digest == sha(target.getvalue())
    assert index.pack_size == len(target.getvalue())
    return target.getvalue()


def read_index(data: bytes) -> pack.Index:
    return pack.read_index(len(data), lambda offset, length: data[offset : offset + length])


def forged(area: bytes, rows: list[tuple[bytes, int, int]], /, **footer: object) -> bytes:
    """A pack with an index of our own making."""
    index = b"".join(struct.pack("<32sII", *row) for row in rows)
    fields = {
        "area": len(area),
        "count": len(rows),
        "reserved": 0,
        "check": sha(index),
        "magic": b"gdpack1\n",
    }
    return area + index + struct.pack("<QII32s8s", *(fields | footer).values())


CONTENTS = st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=12, unique=True)


@given(CONTENTS)
def test_what_is_packed_is_what_is_read(contents: list[bytes]) -> None:
    data = packed(*contents)
    index = read_index(data)
    assert index.tail() == data[index.area :]
    found = list(pack.members(io.BytesIO(data), sha(data), index))
    assert [(entry.digest, body) for entry, body in found] == [(sha(c), c) for c in contents]
    assert packed(*contents) == data, "the layout follows from the members"


@given(CONTENTS, st.data())
def test_a_changed_byte_is_found(contents: list[bytes], draw: st.DataObject) -> None:
    data = packed(*contents)
    at = draw.draw(st.integers(0, len(data) - 1))
    wrong = data[:at] + bytes([data[at] ^ draw.draw(st.integers(1, 255))]) + data[at + 1 :]
    with pytest.raises(Corrupt):
        pack.verify(io.BytesIO(wrong), sha(data), read_index(wrong))
    with pytest.raises(Corrupt):
        pack.verify(io.BytesIO(wrong), sha(data), read_index(data))


@given(st.binary(min_size=0, max_size=400))
def test_noise_is_no_pack(noise: bytes) -> None:
    with pytest.raises(Corrupt):
        read_index(noise)


@given(
    CONTENTS,
    st.integers(0, 11),
    st.sampled_from(["offset", "length", "digest"]),
    st.one_of(st.integers(0, 600), st.integers(0, 2**32 - 1)),
)
def test_an_index_that_lies_is_refused(contents: list[bytes], row: int, field: str, value: int) -> None:
    index = read_index(packed(*contents))
    rows = [tuple(entry) for entry in index]
    digest, offset, length = rows[row % len(rows)]
    lie = {
        "offset": (digest, value, length),
        "length": (digest, offset, value),
        "digest": (rows[0][0], offset, length),
    }[field]
    if lie == rows[row % len(rows)]:
        return
    rows[row % len(rows)] = lie
    with pytest.raises(Corrupt):
        read_index(forged(b"".join(contents), rows))


A, B = sha(b"aa"), sha(b"bbb")
GOOD = [(A, 0, 2), (B, 2, 3)]


def test_the_forger_can_make_a_good_one() -> None:
    assert forged(b"aabbb", GOOD) == packed(b"aa", b"bbb")


@pytest.mark.parametrize(
    ("rows", "footer"),
    [
        ([(A, 0, 3), (B, 2, 3)], {}),
        ([(A, 0, 1), (B, 2, 3)], {}),
        ([(A, 0, 2), (B, 2, 2)], {}),
        ([(A, 0, 2), (B, 2, 4)], {}),
        ([(B, 2, 3), (A, 0, 2)], {}),
        ([(A, 0, 2), (A, 2, 3)], {}),
        ([(A, 0, 0), (B, 0, 5)], {}),
        ([(A, 0, 5), (B, 5, 0)], {}),
        ([(A, 1, 2), (B, 3, 2)], {}),
        ([(A, 0, 2**32 - 1), (B, 2**32 - 1, 2)], {}),
        ([], {}),
        (GOOD, {"count": 1}),
        (GOOD, {"count": 3}),
        (GOOD, {"count": 2**32 - 1}),
        (GOOD, {"area": 4}),
        (GOOD, {"area": 2**64 - 1}),
        (GOOD, {"area": 5 + 40, "count": 1}),
        (GOOD, {"reserved": 1}),
        (GOOD, {"check": b"\0" * 32}),
        (GOOD, {"magic": b"gdpack2\n"}),
    ],
)
def test_every_lie_of_an_index(rows: list[tuple[bytes, int, int]], footer: dict[str, object]) -> None:
    with pytest.raises(Corrupt):
        read_index(forged(b"aabbb", rows, **footer))


def test_a_lie_about_content_is_found_when_it_is_taken() -> None:
    data = forged(b"aabbb", [(A, 0, 2), (sha(b"ccc"), 2, 3)])
    index = read_index(data)
    with pytest.raises(Corrupt):
        pack.verify(io.BytesIO(data), sha(data), index)
    (part,) = pack.ranges(index, {sha(b"ccc")})
    with pytest.raises(Corrupt):
        list(part.members(data[part.start : part.stop]))
    (part,) = pack.ranges(index, {A})
    assert [body for _, body in part.members(data[part.start : part.stop])] == [b"aa"]


def test_a_pack_that_goes_on_or_ends_early_is_refused() -> None:
    data = packed(b"aa", b"bbb")
    index = read_index(data)
    for wrong in (data + b"x", data[:-1], data[:3], b""):
        with pytest.raises(Corrupt):
            pack.verify(io.BytesIO(wrong), sha(data), index)
    with pytest.raises(Corrupt):
        pack.read_index(len(data) + 100, lambda offset, length: data[offset : offset + length])


def test_the_index_is_asked_for_from_the_end() -> None:
    asked: list[tuple[int, int]] = []

    def read(data: bytes, offset: int, length: int) -> bytes:
        asked.append((offset, length))
        return data[offset : offset + length]

    small = packed(b"x" * 100_000)
    assert len(pack.read_index(len(small), lambda o, n: read(small, o, n))) == 1
    assert asked == [(len(small) - pack.TAIL, pack.TAIL)]
    asked.clear()
    many = packed(*(b"%d" % n for n in range(2000)))
    assert len(pack.read_index(len(many), lambda o, n: read(many, o, n))) == 2000
    assert len(asked) == 2


def test_neighbours_are_read_together() -> None:
    contents = [bytes([n]) * 100 for n in range(10)]
    data = packed(*contents)
    wanted = {sha(contents[n]) for n in (1, 2, 4, 9)}
    found = pack.ranges(read_index(data), wanted, gap=150)
    assert [(r.start, r.stop) for r in found] == [(100, 500), (900, 1000)]
    bodies = [body for r in found for _, body in r.members(data[r.start : r.stop])]
    assert bodies == [contents[n] for n in (1, 2, 4, 9)]
    with pytest.raises(Corrupt):
        list(found[0].members(data[found[0].start : found[0].stop - 1]))


def test_a_writer_takes_no_more_than_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack, "MAX_PACK", 56 + 40 + 10)
    writer = pack.Writer(io.BytesIO())
    for wrong in (b"", b"x" * 11):
        with pytest.raises(ValueError, match="member"):
            writer.append(sha(wrong), wrong)
    writer.append(sha(b"x" * 10), b"x" * 10)
    assert sha(b"x" * 10) in writer
    assert not writer.fits(1)
    _, index = writer.close()
    assert index.pack_size == pack.MAX_PACK


def test_the_example_of_the_specification() -> None:
    page = (REPOSITORY / "docs" / "spec" / "pack-v1.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```hex pack\n(.*?)```", page, re.DOTALL)
    data = b"".join(bytes.fromhex(row[6:]) for row in text.splitlines())
    assert data == packed(b"one\n", b"two\n")
    assert f"`packs/{sha(data).hex()[:2]}/{sha(data).hex()}`" in page
