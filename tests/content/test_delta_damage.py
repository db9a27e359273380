"""Deltas that lie, break or want too much: Corrupt, never another exception, never too many bytes."""

import io
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from git_datamanager.content import zstd
from git_datamanager.content.groups import MOST_DICTIONARY, MOST_LITERALS, MOST_PLAN
from git_datamanager.errors import Corrupt
from tests.content.deltas import (
    BASE,
    HEADER,
    NOISE,
    digest,
    forged,
    group,
    made,
    number,
    paged,
    plan,
    rebuilt,
)

OLD = paged([b"page %d" % n * 70 for n in range(40)])
NEW = paged([b"page %d" % (n if n % 7 else n + 1) * 70 for n in range(43)] + [NOISE[:512], b"p" * 512])
STORED = made(OLD, NEW)
COPY = group(plan((), (0, 1024)))


def refused(stored: bytes, new: bytes, base: bytes = BASE) -> str:
    with pytest.raises(Corrupt) as refusal:
        rebuilt(stored, base, new)
    return str(refusal.value)


def survives(stored: bytes) -> None:
    """Refused, the right bytes, or others that their SHA-256 gives away."""
    try:
        found = rebuilt(stored, OLD, NEW)
    except Corrupt:
        return
    assert len(found) == len(NEW)
    assert found == NEW or digest(found) != digest(NEW)


def test_the_forger_knows_the_format() -> None:
    new = BASE[:512] + b"new\n" + BASE[508:]
    stored = forged(new, group(plan([(0, 100)], (0, 512), 4, (-8, 516)), b"new\n", BASE[:100]))
    assert rebuilt(stored, BASE, new) == new
    assert rebuilt(forged(BASE, COPY), BASE, BASE) == BASE
    assert rebuilt(forged(b""), BASE, b"") == b""


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"magic": b"\x89GDDLT\n\n"}, "no delta"),
        ({"form": 2}, "newer git-datamanager"),
        ({"form": 0}, "newer"),
        ({"kind": 2}, "not a rule"),
        ({"zero": 1}, "header"),
        ({"rule": 1000}, "not a rule"),
        ({"base_oid": bytes(32)}, "not what was asked"),
        ({"oid": bytes(32)}, "not what was asked"),
        ({"size": 1025}, "not what was asked"),
        ({"size": 1 << 63}, "header"),
        ({"base_size": 1023}, "another number"),
        ({"base_size": (1 << 64) - 1}, "header"),
    ],
    ids=str,
)
def test_a_header_that_lies_is_refused(fields: dict[str, int | bytes], words: str) -> None:
    assert words in refused(forged(BASE, COPY, **fields), BASE)


def test_a_newer_format_is_refused_with_what_to_do() -> None:
    with pytest.raises(Corrupt) as refusal:
        rebuilt(b"\x89GDDLT\r\n\2\0short", BASE, BASE)
    assert "pip install --upgrade git-datamanager" in refusal.value.hints


def groups_that_lie() -> Iterator[tuple[str, bytes, str]]:
    yield "past the end", group(plan((), (1, 1024))), "asks for bytes"
    yield "before the beginning", group(plan((), (-1, 1024))), "asks for bytes"
    yield "far away", group(plan((), ((1 << 61), 1024))), "asks for bytes"
    yield "an empty copy", group(plan((), (0, 0), (0, 1024))), "asks for bytes"
    yield "an empty literal", group(plan((), 0, (0, 1024)), b"x"), "shorter than its plan"
    yield "literals without a frame", group(plan((), 4, (0, 1020))), "shorter than its plan"
    yield "too few literals", group(plan((), 4, (0, 1020)), b"new"), "shorter than its plan"
    yield "too many literals", group(plan((), 4, (0, 1020)), b"news!"), "longer than its plan"
    yield "too many bytes", group(plan((), (0, 1024), (-1, 1))), "more bytes than it says"
    yield "far too many bytes", group(plan((), (1 << 62) - 1), b"x"), "more bytes than it says"
    yield "too few bytes", group(plan((), (0, 1023))), "less than"
    yield "nothing", group(plan()), "makes nothing"
    yield "no plan", group(b""), "a number"
    yield "half an instruction", group(plan((), (0, 1000)) + b"\x30"), "a number"
    yield "half a range", group(number(2) + b"\0\x10"), "a number"
    yield "a range outside", group(plan([(1000, 100)], 1024), BASE[1:] + b"x", BASE[:100]), "asks for bytes"
    yield "an empty range", group(plan([(0, 0)], 1024), BASE, BASE[:100]), "asks for bytes"
    yield "a short dictionary", group(plan([(0, 7)], 1024), BASE), "too short"
    yield "an idle dictionary", group(plan([(0, 100)], (0, 1024))), "nothing that needs it"
    yield (
        "another dictionary",
        group(plan([(1, 100)], 1024), NOISE[:100] + BASE[:924], NOISE[:100]),
        "damaged",
    )
    yield "none of the dictionary", group(plan((), 1024), NOISE[:100] + BASE[:924], NOISE[:100]), "damaged"


@pytest.mark.parametrize(
    ("lie", "words"), [case[1:] for case in groups_that_lie()], ids=[c[0] for c in groups_that_lie()]
)
def test_a_group_that_lies_is_refused(lie: bytes, words: str) -> None:
    assert words in refused(forged(BASE, lie), BASE)


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (b"", "cut short"),
        (b"\0", "cut short"),
        (b"\0\0", "end of the delta"),
        (b"\0\2", "end of the delta"),
        (b"\0\1\0", "end of the delta"),
        (b"\2\1", "end of the delta"),
        (b"\0\x81\0", "a number"),
    ],
    ids=repr,
)
def test_the_end_is_looked_at(end: bytes, words: str) -> None:
    assert words in refused(forged(BASE, COPY, end=end), BASE)


def test_another_base_of_the_same_size_shows_in_the_result() -> None:
    other = bytes(len(BASE))
    stored = forged(BASE, COPY)
    source = stored[:16] + bytes.fromhex(digest(other)) + stored[48:]
    assert rebuilt(source, other, BASE) != BASE


def peak_of(stored: bytes, new_size: int, words: str) -> int:
    """Bytes of Python's memory at most, while it is refused with these words."""
    from git_datamanager.content import delta

    source, oid = io.BytesIO(stored), stored[56:88].hex()
    tracemalloc.start()
    try:
        with pytest.raises(Corrupt, match=words):
            for _ in delta.rebuilt(source, io.BytesIO(BASE), oid=oid, base_oid=digest(BASE), size=new_size):
                pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def bombs() -> Iterator[tuple[str, bytes, str]]:
    big = zstd.packed(bytes(100 << 20), level=1)
    small = zstd.packed(plan((), 5), level=1)
    yield "a plan", b"\1" + number(len(big)) + big + number(0), "holds more than"
    yield "literals", b"\1" + number(len(small)) + small + number(len(big)) + big, "holds more than"
    yield (
        "a dictionary",
        group(plan([(0, 1024)] + [(-1024, 1024)] * (MOST_DICTIONARY // 1024), 5), b"abcde"),
        "longer than",
    )
    yield "a long frame", b"\1" + number(1 << 40) + bytes(1000), "longer than any"
    yield (
        "a long frame of literals",
        b"\1" + number(len(small)) + small + number(1 << 62) + bytes(1000),
        "longer than any",
    )


@pytest.mark.parametrize(("bomb", "words"), [case[1:] for case in bombs()], ids=[case[0] for case in bombs()])
def test_bombs_stay_small(bomb: bytes, words: str) -> None:
    limits = MOST_DICTIONARY + 2 * MOST_LITERALS + 2 * MOST_PLAN
    assert peak_of(forged(bytes(100), bomb, size=1 << 50), 1 << 50, words) < 2 * limits


def test_a_window_above_the_limit_is_refused() -> None:
    library = zstd.module()
    parameter = library.CompressionParameter
    compressor = library.ZstdCompressor(options={parameter.window_log: zstd.WINDOW_LOG + 1})
    wide = compressor.compress(b"abcde") + compressor.flush()
    steps = zstd.packed(plan((), 5), level=1)
    stored = forged(b"abcde", b"\1" + number(len(steps)) + steps + number(len(wide)) + wide)
    assert "damaged" in refused(stored, b"abcde")


def test_every_cut_is_noticed() -> None:
    for length in range(len(STORED)):
        with pytest.raises(Corrupt):
            rebuilt(STORED[:length], OLD, NEW)


def test_every_flipped_bit_is_noticed_or_harmless() -> None:
    for place in range(len(STORED)):
        for bit in (1, 0x80):
            survives(STORED[:place] + bytes([STORED[place] ^ bit]) + STORED[place + 1 :])


def test_nothing_fits_in_between() -> None:
    for place in range(len(STORED) + 1):
        survives(STORED[:place] + b"\0" + STORED[place:])
        survives(STORED[:place] + STORED[place : place + 3] + STORED[place:])


@given(st.lists(st.tuples(st.integers(HEADER, len(STORED)), st.integers(0, 40), st.binary(max_size=40))))
def test_whatever_is_overwritten_is_noticed_or_harmless(edits: list[tuple[int, int, bytes]]) -> None:
    stored = STORED
    for place, gone, new in edits:
        stored = stored[:place] + new + stored[place + gone :]
    survives(stored)


@given(st.binary(max_size=300))
def test_any_plan_is_followed_or_refused(steps: bytes) -> None:
    survives(forged(NEW, group(steps, NOISE[:100]), base=OLD))


@pytest.mark.slow
@settings(max_examples=1000)
@given(st.data())
def test_fuzz(data: st.DataObject) -> None:
    steps = data.draw(st.lists(st.binary(max_size=60), max_size=5))
    literals = data.draw(st.binary(max_size=60))
    groups = [group(one, literals, OLD[: data.draw(st.integers(0, 60))]) for one in steps]
    stored = bytearray(forged(NEW, *groups, base=OLD))
    for _ in range(data.draw(st.integers(0, 2))):
        stored[data.draw(st.integers(0, len(stored) - 1))] ^= data.draw(st.integers(1, 255))
    survives(bytes(stored))
