"""Deltas: whatever changed, the target comes back, and little is written."""

import io
import random
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_datamanager.content import delta
from git_datamanager.content.cuts import Rule, cut
from git_datamanager.errors import Corrupt
from tests.conftest import REPOSITORY
from tests.content.deltas import BASE, NOISE, base_of, digest, made, paged, rebuilt

KNOWN = ["file", "cuts", "both"]
Edit = tuple[str, int, int, int]
EDITS = st.lists(
    st.tuples(
        st.sampled_from(["insert", "delete", "replace", "move", "double"]),
        st.integers(0, 1 << 20),
        st.integers(0, 80_000),
        st.integers(0, 1 << 20),
    ),
    max_size=6,
)


def edited(data: bytes, edits: list[Edit]) -> bytes:
    for kind, first, length, second in edits:
        place, other = first % (len(data) + 1), second % (len(data) + 1)
        new = NOISE[other : other + length]
        gone = data[:place] + data[place + length :]
        match kind:
            case "insert":
                data = data[:place] + new + data[place:]
            case "delete":
                data = gone
            case "replace":
                data = data[:place] + new + data[place + length :]
            case "move":
                data = gone[:other] + data[place : place + length] + gone[other:]
            case "double":
                data = data[:other] + data[place : place + length] + data[other:]
    return data


@given(st.sampled_from(KNOWN), st.integers(0, 400_000), st.integers(0, 3), EDITS)
def test_a_file_comes_back(known: str, size: int, zeros: int, edits: list[Edit]) -> None:
    old = NOISE[:size] + bytes(zeros * 50_000)
    new = edited(old, edits)
    assert rebuilt(made(old, new, known), old, new) == new


PAGES = st.lists(st.integers(0, 30), max_size=60)


@given(st.sampled_from(KNOWN), PAGES, PAGES, st.binary(max_size=700))
def test_a_database_comes_back(known: str, before: list[int], after: list[int], tail: bytes) -> None:
    old, new = (paged([b"page %d " % one * 40 for one in pages]) for pages in (before, after))
    assert rebuilt(made(old, new + tail, known), old, new + tail) == new + tail


@given(st.sampled_from(KNOWN), st.binary(max_size=60), st.binary(max_size=60))
def test_tiny_files_come_back(known: str, old: bytes, new: bytes) -> None:
    assert rebuilt(made(old, new, known), old, new) == new


@pytest.mark.parametrize("known", KNOWN)
def test_a_file_that_became_a_database_comes_back(known: str) -> None:
    old, new = NOISE[:100_000], paged([NOISE[start : start + 512] for start in range(0, 100_000, 512)])
    assert rebuilt(made(old, new, known), old, new) == new
    assert rebuilt(made(new, old, known), new, old) == old


def test_a_block_index_by_another_rule_serves_as_well() -> None:
    new = NOISE[:300_000] + b"!" + NOISE[300_000:]
    for rule in (Rule("content", 1024), Rule("fixed", 512)):
        index = cut(io.BytesIO(NOISE), len(NOISE), rule)
        for file in (None, io.BytesIO(NOISE)):
            out = io.BytesIO()
            base = delta.Base(digest(NOISE), len(NOISE), file, index)
            delta.make(io.BytesIO(new), len(new), digest(new), base, out)
            assert rebuilt(out.getvalue(), NOISE, new) == new


@pytest.mark.parametrize("most", [1, 7, 4096])
def test_a_delta_is_read_in_pieces_of_any_size(most: int) -> None:
    new = NOISE[:50_000] + b"new" + NOISE[60_000:]
    assert rebuilt(made(NOISE, new), NOISE, new, most) == new


def test_an_insertion_costs_what_it_inserts() -> None:
    new = NOISE[:333_333] + random.Random(8).randbytes(10_000) + NOISE[333_333:]
    assert len(made(NOISE, new)) < 10_000 + 200
    assert len(made(NOISE, new, "cuts")) < 10_000 + 2 * 65536 + 200
    assert len(made(new, NOISE)) < 200


def test_a_changed_row_costs_little_with_the_base_at_hand() -> None:
    pages = [NOISE[start : start + 512] for start in range(0, 512_000, 512)]
    old = paged(pages)
    for place in range(100, 1000, 100):
        pages[place] = pages[place][:200] + b"another value" + pages[place][213:]
    new = paged(pages)
    assert len(made(old, new)) < 96 + 9 * 40 + 60
    assert 9 * 512 < len(made(old, new, "cuts")) < 10 * 512 + 200


def test_pages_that_moved_are_found() -> None:
    pages = [NOISE[start : start + 512] for start in range(0, 512_000, 512)]
    old, new = paged(pages), paged([b"one more", *pages])
    for known in KNOWN:
        assert len(made(old, new, known)) < 300


def test_a_file_that_was_rewritten_throughout_leans_on_what_it_was() -> None:
    lines = [b"%d,%d,%d\n" % (n, n * 7919 % 1009, n * 104729 % 100_003) for n in range(60_000)]
    old = b"".join(lines)
    new = b"".join(line if n % 20 else b"x" + line for n, line in enumerate(lines))
    assert len(made(old, new)) < len(new) / 40


def test_many_groups_come_back() -> None:
    old = NOISE * 2
    new = b"".join(
        NOISE[start : start + 70_000] + bytes(range(256)) * 90 for start in range(0, 1 << 20, 70_000)
    )
    new += random.Random(9).randbytes(5 << 20)
    stored = made(old, new)
    assert stored[-1] >= 3  # the number of groups
    assert rebuilt(stored, old, new) == new


def test_the_same_files_make_the_same_delta() -> None:
    old, new = NOISE, edited(NOISE, [("insert", 5000, 70_000, 9), ("move", 400_000, 60_000, 700_000)])
    assert len({made(old, new) for _ in range(5)}) == 1


def test_it_stops_at_the_limit() -> None:
    old, new = b"", NOISE * 8
    full = len(made(b"", NOISE[:70_000]))
    for limit, size in ((full, full), (full - 1, None)):
        out = io.BytesIO()
        target = io.BytesIO(NOISE[:70_000])
        assert delta.make(target, 70_000, digest(NOISE[:70_000]), base_of(b""), out, limit=limit) == size
        assert len(out.getvalue()) <= limit
    told: list[int] = []
    out = io.BytesIO()
    made_size = delta.make(
        io.BytesIO(new), len(new), digest(new), base_of(old), out, limit=1000, advance=told.append
    )
    assert made_size is None
    assert len(out.getvalue()) <= 1000


def test_it_tells_how_far_it_is() -> None:
    told: list[int] = []
    new = edited(NOISE, [("insert", 5000, 70_000, 9)])
    delta.make(io.BytesIO(new), len(new), digest(new), base_of(NOISE), io.BytesIO(), advance=told.append)
    assert sum(told) == len(new)


def test_the_header_tells_what_is_made_from_what() -> None:
    stored = made(BASE, BASE + b"more")
    header = delta.read_header(io.BytesIO(stored))
    assert header == delta.Header(
        Rule("content", 16384), digest(BASE), len(BASE), digest(BASE + b"more"), 1028
    )


def test_files_that_end_early_are_refused() -> None:
    with pytest.raises(Corrupt, match="ends at"):
        delta.make(io.BytesIO(NOISE), len(NOISE) + 1, digest(NOISE), base_of(BASE), io.BytesIO())
    short = delta.Base(digest(BASE), len(BASE) + 1, io.BytesIO(BASE), None)
    with pytest.raises(Corrupt, match="ends at"):
        delta.make(io.BytesIO(NOISE), len(NOISE), digest(NOISE), short, io.BytesIO())


def test_something_of_the_base_must_be_known() -> None:
    with pytest.raises(ValueError, match="at hand"):
        delta.Base(digest(BASE), len(BASE), None, None)
    with pytest.raises(ValueError, match="block index is of"):
        delta.Base(digest(BASE), 9, None, cut(io.BytesIO(BASE), len(BASE), Rule("fixed", 512)))


def test_a_block_index_that_lies_does_no_harm_where_the_bytes_are() -> None:
    other = cut(io.BytesIO(NOISE[::-1]), len(NOISE), Rule("content", 16384))
    base = delta.Base(digest(NOISE), len(NOISE), io.BytesIO(NOISE), other)
    out, new = io.BytesIO(), NOISE[::-1]
    delta.make(io.BytesIO(new), len(new), digest(new), base, out)
    assert rebuilt(out.getvalue(), NOISE, new) == new


@pytest.mark.parametrize("paging", [True, False])
def test_a_block_index_whose_hashes_stand_elsewhere_does_no_harm_either(*, paging: bool) -> None:
    old = paged([NOISE[start : start + 512] for start in range(0, 50_000, 512)]) if paging else NOISE
    index = base_of(old, "cuts").cuts
    assert index
    turned = replace(index, hashes=index.hashes[-16:] + index.hashes[:-16])
    base = delta.Base(digest(old), len(old), io.BytesIO(old), turned)
    for new in (old, old[:512] + b"x" * 512 + old[512:]):
        out = io.BytesIO()
        delta.make(io.BytesIO(new), len(new), digest(new), base, out)
        assert rebuilt(out.getvalue(), old, new) == new


@pytest.mark.slow
def test_the_history_of_a_database_stays_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(REPOSITORY / "bench"))
    import histories

    versions = [path.read_bytes() for path in histories.energy_history(tmp_path, steps=12)]
    whole = stored = 0
    for old, new in pairwise(versions):
        step = made(old, new)
        assert rebuilt(step, old, new) == new
        whole, stored = whole + len(new), stored + len(step)
    assert whole / stored > 28


@pytest.mark.slow
def test_a_big_database_takes_the_fast_way() -> None:
    """Above 64 MiB: small frames at a low level, and pages that moved are looked for only when many did."""
    pages = [NOISE[start : start + 4096] for start in range(0, 1 << 20, 4096)]
    old = paged([b"%d " % n + pages[n % 256] for n in range(18_000)], 4096)
    aligned = bytearray(old)
    for place in range(5000, len(old), 400_000):
        aligned[place : place + 20] = b"twenty other bytes.."
    assert len(made(old, bytes(aligned))) < 20_000
    shifted = old[: 4096 * 500] + NOISE[:4096] + old[4096 * 500 :]
    stored = made(old, shifted)
    assert rebuilt(stored, old, shifted) == shifted
    assert len(stored) < 300_000  # what had to be seen first was told by the pages beside it
