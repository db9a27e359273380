"""JSON lines as people write them."""

import gzip
import json
from pathlib import Path

import pytest

from git_datamanager.tables.logical import table_hashes
from tests.tables.making import ALL, BY_ID, cells, counts, only, texts

pytest.importorskip("duckdb", reason="DuckDB is not installed (the extra tabular)")


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("", '{"id":1}\n', (1, 0, 0)),
        ('{"id":1}\n\n\n', '{"id":1}', (0, 0, 0)),
        ('{"id":1,"v":2}\n', '{"v":2,"id":1}\n', (0, 0, 0)),
        ('{"id":1,"v":[1, 2]}\n', '{"id":1,"v":[1,2]}\n', (0, 0, 0)),
        ('{"id":1,"v":"\\u00e9"}\n', '{"id":1,"v":"é"}\n', (0, 0, 0)),
        ('{"id":1,"v":{"a":1,"b":2}}\n', '{"id":1,"v":{"a":1,"b":3}}\n', (0, 0, 1)),
        ('{"id":1,"v":1}\n', '{"id":1,"v":"1"}\n', (0, 0, 1)),
        ('{"id":1,"v":null}\n{"id":2,"v":1}\n', '{"id":1}\n{"id":2,"v":1}\n', (0, 0, 1)),
        (f'{{"id":1,"v":{2**70}}}\n', f'{{"id":1,"v":{2**70 + 1}}}\n', (0, 0, 1)),
        ('{"id":1,"":2}\n', '{"id":1,"":3}\n', (0, 0, 1)),
        ('{"id":1,"a/b~c":2}\n', '{"id":1,"a/b~c":3}\n', (0, 0, 1)),
        ('{"id":1,"v":2,"V":3}\n', '{"id":1,"v":2,"V":4}\n', (0, 0, 1)),
        ('{"id":1,"v":2,"V":3}\n', '{"id":1,"v":2}\n', (0, 0, 0)),
        ('{"id":1,"v":2,"v":3}\n', '{"id":1,"v":2,"v":4}\n', (1, 1, 0)),
        ('{"id":1}\n[1,2]\n5\n', '{"id":1}\n[1,3]\n5\n', (1, 1, 0)),
        ("{}\n{}\n", "{}\n{}\n{}\n", (1, 0, 0)),
        ('[{"id":1}]\n', '[{"id":2}]\n', (1, 1, 0)),
        ('{"id":1,"json":2}\n7\n', '{"id":1,"json":3}\n7\n', (0, 0, 1)),
    ],
    ids=str,
)
def test_what_lines_can_be(tmp_path: Path, before: str, after: str, expected: tuple[int, int, int]) -> None:
    found = texts(tmp_path, before, after, BY_ID, "a.jsonl")
    assert found.kind == "jsonl", found.note
    assert counts(only(found)) == expected


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("1.00000000000000000000001", "1.00000000000000000000002"),
        ("-1.00000000000000000000001e5", "-1.00000000000000000000002e5"),
        ("1.0", "1.00000000000000000000001"),
        ("1e-400", "1e-401"),
        ("1E-400", "0.0"),
    ],
)
@pytest.mark.parametrize(
    "line",
    ['{"id":1,"v":%s}', '{"id":1,"v":[{"a":"\\"1","b":%s}]}', '{"id":1,"x":1e00000000000000000001,"v":%s}'],
)
@pytest.mark.parametrize("more", [{}, {f"k{n}": n for n in range(400)}], ids=["few", "packed"])
def test_numbers_of_more_digits_than_a_double_are_compared_as_they_are_written(
    tmp_path: Path, old: str, new: str, line: str, more: dict[str, int]
) -> None:
    rest = json.dumps(more)[1:-1]
    before, after = (line % number + f"\n{{{rest}}}\n[{number}]\n" for number in (old, new))
    again = before.replace(",", " , ")
    (first, *others) = only(texts(tmp_path, before, after, BY_ID, "a.jsonl")).samples
    assert len(others) == 2
    assert first.before is not None
    assert first.after is not None
    ((was, now),) = ((b, a) for b, a in zip(first.before, first.after, strict=True) if b != a)
    assert old in str(was)
    assert new in str(now)
    hashes = []
    for name, text in (("x", before), ("y", after), ("z", again)):
        (tmp_path / name).write_text(text)
        hashes.append(table_hashes(tmp_path / name, "a.jsonl")[0].digest)
    assert hashes[0] == hashes[2] != hashes[1]
    assert texts(tmp_path, before, again, ALL, "a.jsonl").is_same_data


def test_a_text_of_digits_stays_as_it_is(tmp_path: Path) -> None:
    line = '{"id":1,"v":"1.00000000000000000000001, \\"1e-400","w":1.00000000000000000000001}\n'
    (row,) = only(texts(tmp_path, "", line, BY_ID, "a.jsonl")).samples
    assert row.after == (
        "1", '"1.00000000000000000000001, \\"1e-400"', "1.00000000000000000000001"
    )  # fmt: skip


def test_packed_lines(tmp_path: Path) -> None:
    line = b'{"id": 1, "v": 2}\n'
    assert texts(tmp_path, line, gzip.compress(line), BY_ID, "a.jsonl.gz").is_same_data


def test_very_many_keys(tmp_path: Path) -> None:
    one = {"id": 1, **{f"k{n}": n for n in range(1000)}}
    two = one | {"k7": "x"}
    table = only(texts(tmp_path, json.dumps(one) + "\n", json.dumps(two) + "\n5\n", BY_ID, "a.ndjson"))
    assert counts(table) == (1, 0, 1)
    assert cells(table)[0] == [("k7", "7", '"x"')]


@pytest.mark.parametrize(
    "data", [b'{"a": 1}\n{"a": \n', b'{"a": "\xff"}\n', b"\0\n", b"{'a': 1}\n", b"x" * 10]
)
def test_what_is_no_json_is_said_to_be_none(tmp_path: Path, data: bytes) -> None:
    found = texts(tmp_path, data, data + b"\n", ALL, "a.jsonl")
    assert found.kind == "other"
    assert (found.note or "").startswith("the file cannot be read as JSON lines (")
    assert "git-data-tables-" not in (found.note or "")
