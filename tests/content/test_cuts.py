"""Where blocks begin: docs/spec/cuts-v1.md."""

import io
import random
import sqlite3
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_datamanager.content import zstd
from git_datamanager.content.cuts import Cuts, Cutter, Rule, Splitter, blocks, cut, dumps, loads, rule_for
from git_datamanager.errors import Corrupt

NOISE = random.Random(2).randbytes(600_000)
RULES = [Rule("fixed", 512), Rule("fixed", 65536), Rule("content", 1024), Rule("content", 16384)]
HEAD = b"SQLite format 3\0"


def cuts_of(data: bytes, rule: Rule) -> Cuts:
    return cut(io.BytesIO(data), len(data), rule)


@pytest.mark.parametrize("page", [512, 4096, 65536])
def test_a_database_is_cut_at_its_pages(tmp_path: Path, page: int) -> None:
    path = tmp_path / "a.sqlite"
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA page_size = {page}")
        db.execute("CREATE TABLE t (a)")
    db.close()
    with path.open("rb") as file:
        assert rule_for(file, path.stat().st_size) == Rule("fixed", page)


@pytest.mark.parametrize(
    ("head", "size", "rule"),
    [
        (HEAD + (4096).to_bytes(2, "big"), 1 << 30, Rule("fixed", 4096)),
        (HEAD + (4096).to_bytes(2, "big"), 4 << 30, Rule("fixed", 8192)),
        (HEAD + (4096).to_bytes(2, "big"), (2 << 30) + 1, Rule("fixed", 8192)),
        (HEAD + b"\0\1", 1 << 20, Rule("fixed", 65536)),
        (HEAD + b"\0\3", 1 << 20, Rule("content", 16384)),
        (HEAD, 16, Rule("content", 16384)),
        (b"a,b,c\n", 8 << 30, Rule("content", 16384)),
        (b"a,b,c\n", 100 << 30, Rule("content", 262144)),
        (b"a,b,c\n", 1 << 50, Rule("content", 1 << 22)),
        (b"", 0, Rule("content", 16384)),
    ],
)
def test_blocks_grow_with_the_file(head: bytes, size: int, rule: Rule) -> None:
    assert rule_for(io.BytesIO(head), size) == rule


@pytest.mark.parametrize(
    ("kind", "size"), [("fixed", 256), ("fixed", 1000), ("fixed", 1 << 31), ("content", 512), ("other", 4096)]
)
def test_other_rules_are_refused(kind: str, size: int) -> None:
    with pytest.raises(ValueError, match="not a rule"):
        Rule(kind, size)  # type: ignore[arg-type]


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_blocks_make_up_the_file(rule: Rule) -> None:
    found = [bytes(block) for block in blocks(io.BytesIO(NOISE), len(NOISE), rule)]
    index = cuts_of(NOISE, rule)
    assert b"".join(found) == NOISE
    assert [index.hash(number) for number in range(len(index))] == [sha256(b).digest()[:16] for b in found]
    assert [index.end(n) - index.starts[n] for n in range(len(index))] == list(map(len, found))
    assert max(map(len, found)) <= rule.longest


@given(st.sampled_from(RULES), st.lists(st.integers(0, 200_000), max_size=12), st.integers(0, len(NOISE)))
def test_how_the_bytes_arrive_changes_nothing(rule: Rule, places: list[int], size: int) -> None:
    data = NOISE[:size]
    cutter, start = Cutter(rule), 0
    for place in [*sorted(places), size]:
        cutter.feed(data[start : max(start, place)])
        start = max(start, min(place, size))
    assert cutter.finish() == cuts_of(data, rule)


def test_large_pieces_and_small_ones_cut_alike() -> None:
    rule, data = Rule("content", 16384), NOISE * 6
    whole, small = Splitter(rule), Splitter(rule)
    one = [len(block) for block in (*whole.feed(data), *whole.finish())]
    other = [
        len(block)
        for start in range(0, len(data), 70_001)
        for block in small.feed(data[start : start + 70_001])
    ]
    assert one == other + [len(block) for block in small.finish()]


def test_content_is_cut_alike_wherever_it_stands() -> None:
    rule = Rule("content", 1024)
    one, other = cuts_of(NOISE, rule), cuts_of(b"in front of it" + NOISE, rule)
    hashes = {one.hash(number) for number in range(len(one))}
    assert len(hashes & {other.hash(number) for number in range(len(other))}) > 0.98 * len(one)


def test_a_file_that_ends_early_is_refused() -> None:
    with pytest.raises(Corrupt, match="ends at 100"):
        cut(io.BytesIO(bytes(100)), 101, Rule("fixed", 512))


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("size", [0, 1, 512, 513, 600_000])
def test_what_is_written_is_read(rule: Rule, size: int) -> None:
    index = cuts_of(NOISE[:size], rule)
    assert loads(dumps(index), size) == index


def test_an_index_is_small() -> None:
    assert len(dumps(cuts_of(NOISE, Rule("fixed", 4096)))) < len(NOISE) / 4096 * 16 + 100
    assert len(dumps(cuts_of(NOISE, Rule("content", 16384)))) < len(NOISE) / 16384 * 20 + 100


def forged(**changes: object) -> bytes:
    """An index of the first 8000 bytes by content/1024, with some fields made up."""
    index = cuts_of(NOISE[:8000], Rule("content", 1024))
    lengths = [index.end(n) - index.starts[n] for n in range(len(index))]
    fields = {
        "magic": b"\x89GDCUT\r\n", "form": 1, "kind": 1, "zero": 0, "rule": 1024, "size": 8000,
        "count": len(lengths), "lengths": lengths, "hashes": index.hashes, "tail": b"",
    } | changes  # fmt: skip
    numbers = (("form", 2), ("kind", 1), ("zero", 1), ("rule", 4), ("size", 8), ("count", 4))
    head = b"".join(int(str(fields[name])).to_bytes(width, "little") for name, width in numbers)
    columns = b"".join(length.to_bytes(4, "little") for length in fields["lengths"])  # type: ignore[attr-defined]
    body = zstd.packed(columns + fields["hashes"], level=3)  # type: ignore[operator]
    return fields["magic"] + head + body + fields["tail"]  # type: ignore[operator]


COUNT = len(cuts_of(NOISE[:8000], Rule("content", 1024)))


def test_the_forger_knows_the_format() -> None:
    assert forged() == dumps(cuts_of(NOISE[:8000], Rule("content", 1024)))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"magic": b"\x89GDCUT\n\n"}, "no block index"),
        ({"form": 2}, "newer git-datamanager"),
        ({"kind": 2}, "not a rule"),
        ({"zero": 1}, "not the block index"),
        ({"rule": 1000}, "not a rule"),
        ({"rule": 0}, "not a rule"),
        ({"size": 8001}, "not the block index"),
        ({"count": COUNT + 1}, "shorter"),
        ({"count": COUNT - 1}, "more than"),
        ({"count": (1 << 32) - 1}, "not the block index"),
        ({"kind": 0, "rule": 512}, "does not fit"),
        ({"lengths": [8000] + [0] * (COUNT - 1)}, "do not make up"),
        ({"lengths": [4096, 3904] + [0] * (COUNT - 2)}, "do not make up"),
        ({"lengths": [5000, 3002 - COUNT] + [1] * (COUNT - 2)}, "do not make up"),
        ({"lengths": [1] * COUNT}, "do not make up"),
        ({"hashes": b""}, "shorter"),
        ({"tail": b"x"}, "goes on"),
    ],
    ids=str,
)
def test_an_index_that_lies_is_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(Corrupt, match=words):
        loads(forged(**changes), 8000)


@given(st.data())
def test_damage_is_noticed_or_harmless(data: st.DataObject) -> None:
    rule = data.draw(st.sampled_from([Rule("fixed", 512), Rule("content", 1024)]))
    index = cuts_of(NOISE[:8000], rule)
    stored = bytearray(dumps(index))
    place = data.draw(st.integers(0, len(stored) - 1))
    kind = data.draw(st.sampled_from(["flip", "cut", "insert"]))
    if kind == "flip":
        stored[place] ^= data.draw(st.integers(1, 255))
    elif kind == "cut":
        del stored[place : place + data.draw(st.integers(1, 100))]
    else:
        stored[place:place] = data.draw(st.binary(min_size=1, max_size=20))
    try:
        found = loads(bytes(stored), 8000)
    except Corrupt:
        return
    assert found.hashes == index.hashes
    assert found.starts == index.starts
