"""Three-way merges of CSV, JSON lines and Parquet: what nobody changed stays as it stands, byte for byte."""
# ruff: noqa: E501 -- files stand on one line each

import gzip
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from git_datamanager.errors import Corrupt, DataError
from git_datamanager.tables.merging import duck as merge_duck
from git_datamanager.tables.merging.decisions import Decisions
from git_datamanager.tables.merging.merged import RowMerge, Take

pytest.importorskip("duckdb", reason="DuckDB is not installed (the extra tabular)")


def merged(
    folder: Path, name: str, *sides: bytes, take: Take | None = None, key: str = "id"
) -> tuple[RowMerge, bytes]:
    """The bytes of the merge of base, ours and theirs. Nothing but the result is left in the folder."""
    folder = folder / "merge"
    folder.mkdir(exist_ok=True)
    paths = [folder / side for side in ("base", "ours", "theirs")]
    for path, data in zip(paths, sides, strict=True):
        path.write_bytes(data)
    out = folder / "out"
    out.unlink(missing_ok=True)
    kind = {"csv": "csv", "tsv": "csv", "jsonl": "jsonl", "parquet": "parquet"}[name.split(".")[1]]
    try:
        found = merge_duck.merge(kind, *paths, out, key.split(","), Decisions.all(take), name)
        assert out.exists() == found.is_written
    finally:
        assert [path.read_bytes() for path in paths] == list(sides)
        assert {path.name for path in folder.iterdir()} <= {"base", "ours", "theirs", "out"}
    return found, out.read_bytes() if out.exists() else b""


@pytest.mark.parametrize(
    ("why", "base", "ours", "theirs", "wanted"),
    [
        ("quotes", 'id,v\n"1","a"\n2,"b"\n', None, 'id,v\n1,a\n2,new\n', 'id,v\n"1","a"\n"2","new"\n'),
        ("quotes everywhere", '"id","v"\n"1","a"\n"2","b"\n', None, '"id","v"\n"1","x"\n"2","b"\n"3","c"\n',
         '"id","v"\n"1","x"\n"2","b"\n"3","c"\n'),
        ("line ends", "id,v\r\n1,a\n2,b\r\n", None, "id,v\n1,x\n2,b\n3,c\n", "id,v\r\n1,x\n2,b\r\n3,c\r\n"),
        ("no last end", "id,v\n1,a\n2,b", None, "id,v\n1,a\n2,b\n3,c\n", "id,v\n1,a\n2,b\n3,c\n"),
        ("no last end, nothing new", "id,v\n1,a\n2,b", None, "id,v\n1,x\n2,b\n", "id,v\n1,x\n2,b"),
        ("the last one goes", "id,v\n1,a\n2,b", None, "id,v\n1,a\n", "id,v\n1,a\n"),
        ("blank lines", "\nid,v\n1,a\n\n2,b\n\n", None, "id,v\n1,a\n2,x\n3,c\n", "\nid,v\n1,a\n\n2,x\n\n3,c\n"),
        ("a header of two lines", 'id,"v\nw"\n1,a\n2,b\n', None, 'id,"v\nw"\n1,a\n2,x\n', 'id,"v\nw"\n1,a\n2,x\n'),
        ("cells of two lines", 'id,v\n1,"a\nb"\n2,b\n', None, 'id,v\n1,"a\nb"\n2,"x\ny"\n', 'id,v\n1,"a\nb"\n2,"x\ny"\n'),
        ("short and long rows", "id,v,w\n1\n2,b,c,d\n3,b,c\n", None, "id,v,w\n1\n2,b,c,d\n3,x\n", "id,v,w\n1\n2,b,c,d\n3,x\n"),
        ("stray quotes", 'id,v\n1,a"b\n2,"x" y\n3,c\n', None, 'id,v\n1,a"b\n2,"x" y\n3,z\n', 'id,v\n1,a"b\n2,"x" y\n3,z\n'),
        ("order of columns", "id,v,w\n1,a,b\n", "id,v,w\n1,o,b\n", "w,id,v\nt,1,a\n", "id,v,w\n1,o,t\n"),
        ("a column of theirs", "id,v\n1,a\n2,b\n3\n", "id,v\n1,o\n2,b\n3\n", 'id,v,"w,x"\n1,a,1\n2,b,\n3\n4,d,4\n',
         'id,v,"w,x"\n1,o,1\n2,b,\n3\n4,d,4\n'),
        ("a column of ours", "id,v\n1,a\n2,b\n", "id,v,w\n1,a,1\n2,b,2\n", "id,v\n1,t\n2,b\n3,c\n",
         "id,v,w\n1,t,1\n2,b,2\n3,c,\n"),
        ("a long cell", f"id,v\n1,{'y' * 200_000}\n2,b\n", None, f"id,v\n1,{'y' * 200_000}\n2,x\n", f"id,v\n1,{'y' * 200_000}\n2,x\n"),
        ("nothing left", "id,v\n1,a\n", None, "id,v\n", "id,v\n"),
    ],
)  # fmt: skip
def test_csv_stays_as_it_stands(
    tmp_path: Path, why: str, base: str, ours: str | None, theirs: str, wanted: str
) -> None:
    sides = [side.encode() for side in (base, ours or base, theirs)]
    assert merged(tmp_path, "a.csv", *sides)[1] == wanted.encode(), why


@pytest.mark.parametrize(
    ("codec", "mark"),
    [("utf-8", b""), ("utf-8", b"\xef\xbb\xbf"), ("utf-16-le", b"\xff\xfe"), ("utf-16-be", b"\xfe\xff"),
     ("utf-32-be", b"\0\0\xfe\xff"), ("latin-1", b"")],
)  # fmt: skip
def test_csv_keeps_the_encoding_of_ours(tmp_path: Path, codec: str, mark: bytes) -> None:
    def data(text: str) -> bytes:
        return mark + text.encode(codec)

    base, theirs = "id;v\n1;ü\n2;b\n", "id;v\n1;ü\n2;é\n3;ß\n"
    _, out = merged(tmp_path, "a.csv", data(base), data(base), data(theirs))
    assert out == data(theirs)
    _, out = merged(tmp_path, "a.csv", data(base), data(base), theirs.encode())
    assert out == data(theirs) or codec == "latin-1"
    _, out = merged(tmp_path, "a.csv", base.encode(), base.encode(), data(theirs))
    assert out == theirs.encode() or codec == "latin-1"


def test_tabs_are_told_by_the_name(tmp_path: Path) -> None:
    base = b"id\ta,b,c\n1\tx\n"
    _, out = merged(tmp_path, "a.tsv", base, base, base + b"2\ty,z\n")
    assert out == base + b"2\ty,z\n"


@pytest.mark.parametrize("name", ["a.csv.gz", "a.jsonl.gz"])
def test_packed_files_stay_packed(tmp_path: Path, name: str) -> None:
    texts = (b"id,v\n1,a\n", b"id,v\n1,b\n") if "csv" in name else (b'{"id":1,"v":1}\n', b'{"id":1,"v":2}\n')
    base, theirs = map(gzip.compress, texts)
    first, second = (merged(tmp_path, name, base, base, theirs)[1] for _ in range(2))
    assert gzip.decompress(first) == texts[1]
    assert first == second


@pytest.mark.parametrize(
    ("why", "base", "ours", "theirs", "wanted"),
    [
        ("numbers as written", '{"id":1e3,"v":1.10,"w":1}\n', None, '{"id":1000.0,"v":1.1,"w":2}\n', '{"id":1e3,"v":1.10,"w":2}\n'),
        ("large numbers", '{"id":12345678901234567890123,"v":1}\n', None, '{"id":12345678901234567890123,"v":98765432109876543210987}\n',
         '{"id":12345678901234567890123,"v":98765432109876543210987}\n'),
        ("keys by their value", '{"id":1e22,"v":"a"}\n{"id":"\\u00fc","v":1}\n', None, '{"id":1e22,"v":"b"}\n{"id":"ü","v":2}\n',
         '{"id":1e22,"v":"b"}\n{"id":"\\u00fc","v":2}\n'),
        ("the order of keys", '{"z":1, "id":1, "a":2}\n', None, '{"id":1,"a":3,"z":1,"new":[1, 2]}\n',
         '{"z": 1, "id": 1, "a": 3, "new": [1, 2]}\n'.replace('": ', '":')),
        ("keys that come and go", '{"id":1,"a":1}\n{"id":2}\n', '{"id":1,"a":1,"o":0}\n{"id":2}\n', '{"id":1,"t":null}\n{"id":2}\n',
         '{"id":1,"o":0,"t":null}\n{"id":2}\n'),
        ("blank lines and ends", '{"id":1}\r\n\r\n  {"id":2}', None, '{"id":1}\n{"id":2}\n{"id": 3}\n', '{"id":1}\r\n\r\n  {"id":2}\r\n{"id": 3}\r\n'),
        ("carriage returns inside", '{"id":1,\r"v":1}\n{"id":2,"v":2}\n', None, '{"id":1,"v":1}\n{"id":2,"v":3}\n', '{"id":1,\r"v":1}\n{"id":2,"v":3}\n'),
        ("keys with all kinds of signs", '{"id":1,"a\\"~/\\n":{"b":"}"}}\n', None, '{"id":1,"a\\"~/\\n":{"b":","}}\n', '{"id":1,"a\\"~/\\n":{"b":","}}\n'),
    ],
)  # fmt: skip
def test_json_lines_stay_as_they_stand(
    tmp_path: Path, why: str, base: str, ours: str | None, theirs: str, wanted: str
) -> None:
    sides = [side.encode() for side in (base, ours or base, theirs)]
    found, out = merged(tmp_path, "a.jsonl", *sides)
    if "order" in why:
        assert out.decode().replace(", ", ",") == wanted.replace(", ", ","), why
    else:
        assert out == wanted.encode(), why
    assert not found.clashes


def test_keys_that_only_their_case_tells_apart(tmp_path: Path) -> None:
    base = b'{"id":1,"a":1,"A":2}\n'
    with pytest.raises(DataError, match="case"):
        merged(tmp_path, "a.jsonl", base, base, b'{"id":1,"a":1,"A":3}\n')


def parquet(folder: Path, rows: Mapping[str, Any], **settings: Any) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet as format_

    format_.write_table(pa.table(rows), folder / "made", **settings)
    return (folder / "made").read_bytes()


def test_parquet_keeps_types_metadata_and_compression(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet as format_

    fields = [
        pa.field("id", pa.uint16(), nullable=False), pa.field("d", pa.dictionary(pa.int8(), pa.string())),
        pa.field("t", pa.timestamp("ns", "Europe/Berlin")), pa.field("m", pa.map_(pa.string(), pa.list_(pa.float32()))),
        pa.field("f", pa.binary(2)), pa.field("h", pa.float16()), pa.field("s", pa.struct([("x", pa.decimal128(9, 2))])),
    ]  # fmt: skip
    schema = pa.schema(fields, metadata={"note": "{}"})

    def rows(numbers: range, letter: str, stamp: int) -> bytes:
        from decimal import Decimal

        columns = [
            list(numbers), [letter] * len(numbers), [stamp] * len(numbers), [[("k", [n / 2])] for n in numbers],
            [b"ab"] * len(numbers), [n / 2 for n in numbers], [{"x": Decimal(n) / 4} for n in numbers],
        ]  # fmt: skip
        arrays = [pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)]
        format_.write_table(
            pa.table(arrays, schema=schema), tmp_path / "made", compression="zstd", row_group_size=4
        )
        return (tmp_path / "made").read_bytes()

    base, theirs = rows(range(10), "a", 1), rows(range(12), "b", 1)
    _, out = merged(tmp_path, "a.parquet", base, rows(range(10), "a", 7), theirs)
    (tmp_path / "out").write_bytes(out)
    found = format_.ParquetFile(tmp_path / "out")
    assert found.schema_arrow.remove_metadata() == schema.remove_metadata()
    assert found.schema_arrow.metadata[b"note"] == b"{}"
    assert [found.metadata.row_group(n).num_rows for n in range(3)] == [4, 4, 4]
    assert found.metadata.row_group(0).column(0).compression == "ZSTD"
    table = found.read()
    assert table["id"].to_pylist() == list(range(12))
    assert set(table["d"].to_pylist()) == {"b"}
    assert table["t"].cast(pa.int64()).to_pylist() == [7] * 10 + [1] * 2
    assert table["s"].to_pylist()[-1] == {"x": pa.scalar(11 / 4).cast(pa.decimal128(9, 2)).as_py()}


def test_parquet_gets_a_column_of_theirs(tmp_path: Path) -> None:
    base = parquet(tmp_path, {"id": [1, 2], "v": ["a", "b"]})
    theirs = parquet(tmp_path, {"id": [1, 2, 3], "v": ["a", "b", "c"], "w": [[1], None, [3]]})
    _, out = merged(tmp_path, "a.parquet", base, parquet(tmp_path, {"id": [1, 2], "v": ["o", "b"]}), theirs)
    import io

    from pyarrow import parquet as format_

    assert format_.read_table(io.BytesIO(out)).to_pydict() == {
        "id": [1, 2, 3], "v": ["o", "b", "c"], "w": [[1], None, [3]]
    }  # fmt: skip


def test_decimals_that_the_merge_would_round_are_refused(tmp_path: Path) -> None:
    import pyarrow as pa

    def side(last: str) -> bytes:
        from decimal import Decimal

        return parquet(tmp_path, {"id": [1], "v": pa.array([Decimal("1" * 40 + last)], pa.decimal256(50, 2))})

    with pytest.raises(DataError, match="more digits than can be merged"):
        merged(tmp_path, "a.parquet", side("1"), side("1"), side("2"))


def test_parquet_of_another_type_is_not_merged(tmp_path: Path) -> None:
    base, theirs = parquet(tmp_path, {"id": [1], "v": [1]}), parquet(tmp_path, {"id": [1], "v": ["1"]})
    with pytest.raises(DataError, match="the column v has several types"):
        merged(tmp_path, "a.parquet", base, base, theirs)


@pytest.mark.parametrize(
    ("theirs", "said"),
    [
        (b"id,v\n1,a\n1,b\n", "does not tell the rows of theirs apart: several have 1"),
        (b"v,w\n1,a\n", "there is no column id in theirs; there is: v, w"),
        (b"v,id\n1\n", "1 rows of theirs lack a value for the key"),
    ],
)
def test_what_is_no_key(tmp_path: Path, theirs: bytes, said: str) -> None:
    with pytest.raises(DataError, match=said):
        merged(tmp_path, "a.csv", b"id,v\n1,a\n", b"id,v\n1,a\n", theirs)


def test_a_file_that_is_none_of_its_kind(tmp_path: Path) -> None:
    for name, data in (
        ("a.jsonl", b'{"id":1}\n{'),
        ("a.parquet", b"PAR1\0\0\0\0\0\0PAR1"),
        ("a.csv.gz", b"\x1f\x8b\0"),
    ):
        with pytest.raises(Corrupt):
            merged(tmp_path, name, data, data, data + b" ")
