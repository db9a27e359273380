"""Whole files as zstd frames: docs/spec/zstd-v1.md."""

import io
import random
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_datamanager.content import compress, zstd
from git_datamanager.errors import Corrupt

LIBRARY = zstd.module()
TEXT = b"".join(b"2026,R%02d,wind,%d\n" % (number % 9, number * 7919 % 1000) for number in range(20_000))
NOISE = random.Random(1).randbytes(300_000)


def compressed(data: bytes) -> bytes:
    target = io.BytesIO()
    assert compress.compress(io.BytesIO(data), target) == len(target.getvalue())
    return target.getvalue()


def plain(data: bytes, size: int) -> bytes:
    pieces = list(compress.decompressed(io.BytesIO(data), size))
    assert sum(map(len, pieces)) <= size
    return b"".join(pieces)


def refused(data: bytes, size: int) -> str:
    given_out = 0
    with pytest.raises(Corrupt) as refusal:
        for piece in compress.decompressed(io.BytesIO(data), size):
            given_out += len(piece)
    assert given_out <= size
    return str(refusal.value)


@pytest.mark.parametrize("data", [b"", b"x", TEXT, NOISE, bytes(3 << 20)], ids=len)
def test_what_is_written_is_read(data: bytes) -> None:
    assert plain(compressed(data), len(data)) == data


@given(st.lists(st.binary(max_size=200), max_size=4))
def test_frames_follow_each_other(parts: list[bytes]) -> None:
    data = b"".join(map(compressed, parts))
    assert plain(data, sum(map(len, parts))) == b"".join(parts)


def test_a_frame_has_a_checksum_and_a_small_window() -> None:
    frame = compressed(TEXT * 30)
    assert frame[4] & 0x04  # Content_Checksum_flag, RFC 8878, 3.1.1.1.1
    assert (frame[5] >> 3) + 10 <= zstd.WINDOW_LOG


def test_it_stops_at_the_limit() -> None:
    full = len(compressed(NOISE))
    target = io.BytesIO()
    assert compress.compress(io.BytesIO(NOISE), target, limit=full) == full
    target = io.BytesIO()
    assert compress.compress(io.BytesIO(NOISE), target, limit=full - 1) is None
    assert len(target.getvalue()) < full


def test_it_reads_no_further_than_the_limit_asks() -> None:
    source = io.BytesIO(NOISE * 40)
    assert compress.compress(source, io.BytesIO(), limit=100_000) is None
    assert source.tell() < 4 << 20


def test_it_tells_how_far_it_is() -> None:
    told: list[int] = []
    compress.compress(io.BytesIO(bytes(2_500_000)), io.BytesIO(), advance=told.append)
    assert sum(told) == 2_500_000


@pytest.mark.parametrize("cut", [1, 4, 5, 12, 100, 300_000])
def test_a_truncated_file_is_refused(cut: int) -> None:
    frame = compressed(NOISE)
    assert "cut short" in refused(frame[:cut], len(NOISE))


@pytest.mark.parametrize("tail", [b"\0", b"x", b"(\xb5", b"garbage at the end", bytes(100)])
def test_what_follows_the_last_frame_is_refused(tail: bytes) -> None:
    refused(compressed(TEXT) + tail, len(TEXT))


@pytest.mark.parametrize("size", [0, 1, len(TEXT) - 1])
def test_no_byte_more_than_asked_is_given_out(size: int) -> None:
    assert "more than" in refused(compressed(TEXT), size)


def test_fewer_bytes_than_asked_are_refused() -> None:
    assert "less than" in refused(compressed(TEXT), len(TEXT) + 1)
    assert "less than" in refused(b"", 1)


def test_a_bomb_is_given_up_at_once() -> None:
    bomb = compressed(bytes(200 << 20))
    assert len(bomb) < 100_000
    assert "more than" in refused(bomb, 1000)


def test_frames_with_a_dictionary_are_refused() -> None:
    dictionary = LIBRARY.train_dict([TEXT[start : start + 500] for start in range(0, 100_000, 500)], 4096)
    assert "damaged" in refused(LIBRARY.compress(TEXT, zstd_dict=dictionary), len(TEXT))


def test_a_window_above_the_limit_is_refused() -> None:
    parameter = LIBRARY.CompressionParameter
    options = {parameter.window_log: compress.WINDOW_LOG_READ + 1, parameter.content_size_flag: 0}
    compressor = LIBRARY.ZstdCompressor(options=options)
    frame = compressor.compress(b"x" * 100) + compressor.flush()
    assert "damaged" in refused(frame, 100)


@given(st.data())
def test_damage_is_noticed_or_harmless(data: st.DataObject) -> None:
    whole = TEXT[:2000]
    frame = bytearray(compressed(whole))
    for _ in range(data.draw(st.integers(1, 3))):
        frame[data.draw(st.integers(0, len(frame) - 1))] ^= data.draw(st.integers(1, 255))
    with suppress(Corrupt):
        assert plain(bytes(frame), len(whole)) == whole


def test_skippable_frames_say_nothing() -> None:
    skippable = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"hello"
    assert plain(skippable + compressed(TEXT) + skippable, len(TEXT)) == TEXT


@pytest.mark.parametrize(
    "options",
    [
        ("-1",),
        ("-19",),
        ("--ultra", "-22"),
        ("--long=27",),
        ("-T0", "-B1MiB"),
        ("--no-check",),
        ("--fast=5",),
    ],
    ids=" ".join,
)
def test_frames_of_another_tool_are_read(tmp_path: Path, options: tuple[str, ...]) -> None:
    program = shutil.which("zstd")
    if program is None:
        pytest.skip("the zstd program is not installed")
    source = tmp_path / "table.csv"
    source.write_bytes(TEXT + NOISE)
    subprocess.run([program, "-q", *options, str(source)], check=True)
    assert plain((tmp_path / "table.csv.zst").read_bytes(), len(TEXT + NOISE)) == TEXT + NOISE


def test_another_tool_reads_our_frames(tmp_path: Path) -> None:
    program = shutil.which("zstd")
    if program is None:
        pytest.skip("the zstd program is not installed")
    done = subprocess.run([program, "-dc"], input=compressed(TEXT * 20), capture_output=True, check=True)
    assert done.stdout == TEXT * 20


def test_an_estimate_is_near_what_comes_out() -> None:
    for data in (TEXT, TEXT + NOISE, NOISE, bytes(5 << 20), TEXT[:1000]):
        real = len(compressed(data)) / len(data)
        assert compress.estimate(io.BytesIO(data), len(data)) == pytest.approx(real, abs=0.1)
    assert compress.estimate(io.BytesIO(), 0) == 1.0


def test_an_estimate_looks_at_the_whole_file() -> None:
    half = NOISE + bytes(len(NOISE))
    assert compress.estimate(io.BytesIO(half), len(half)) == pytest.approx(0.5, abs=0.1)
