"""JSON lines as people write them."""

import gzip
import json
from pathlib import Path

import pytest

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
