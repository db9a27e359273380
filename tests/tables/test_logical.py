"""The logical hash: the same for the same data, whatever the bytes; pinned by values made by hand."""

import hashlib
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_datamanager.tables.logical import TableHash, encoded, table_hashes
from tests.tables.making import database, parquet

CREATE = "CREATE TABLE t (b TEXT, a INTEGER, c)"
ROWS: list[tuple[object, ...]] = [("é", 1, None), ("", -5, 2.5), (None, 2**60, b"\0x"), ("é", 1, None)]


def of(path: Path, name: str = "a.sqlite") -> TableHash:
    (found,) = table_hashes(path, name)
    return found


def test_the_bytes_that_are_hashed(tmp_path: Path) -> None:
    """By the words of the design, without a line of the code."""
    path = database(tmp_path / "a", CREATE, ("INSERT INTO t VALUES (?, ?, ?)", ROWS))
    rows = [
        b"i1;t2:\xc3\xa9n",
        b"i-5;t0:r" + struct.pack(">d", 2.5),
        b"i1152921504606846976;nb2:\0x",
        b"i1;t2:\xc3\xa9n",
    ]
    total = sum(int.from_bytes(hashlib.sha256(row).digest(), "big") for row in rows) % 2**256
    head = b"git-data/table/1\nt1:at7:INTEGERt1:bt4:TEXTt1:ct0:4\n"
    assert of(path).digest == hashlib.sha256(head + total.to_bytes(32, "big")).hexdigest()
    assert of(path).digest == "15efed72a4940e4b0a3ee6704148bf0d268046a92d0f65f85dbb5fc51f823399"
    assert of(path).rows == 4


def test_order_of_rows_and_columns_and_encoding_do_not_matter(tmp_path: Path) -> None:
    one = of(database(tmp_path / "a", CREATE, ("INSERT INTO t VALUES (?, ?, ?)", ROWS)))
    for encoding in ("UTF-8", "UTF-16le", "UTF-16be"):
        moved = "CREATE TABLE t (c, a INTEGER, b TEXT)"
        fill = ("INSERT INTO t (b, a, c) VALUES (?, ?, ?)", ROWS[::-1])
        assert of(database(tmp_path / encoding, moved, fill, "VACUUM", encoding=encoding)) == one


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE t SET c = 2 WHERE c = 2.5",
        "UPDATE t SET c = CAST(c AS TEXT) WHERE typeof(c) = 'blob'",
        "UPDATE t SET b = NULL WHERE b = ''",
        "UPDATE t SET c = 0 WHERE rowid = 1",
        "DELETE FROM t WHERE rowid = 4",
        "INSERT INTO t VALUES (NULL, NULL, NULL)",
        "ALTER TABLE t RENAME COLUMN c TO d",
        "ALTER TABLE t ADD COLUMN d",
    ],
)
def test_what_matters(tmp_path: Path, change: str) -> None:
    fill = ("INSERT INTO t VALUES (?, ?, ?)", ROWS)
    one, two = database(tmp_path / "a", CREATE, fill), database(tmp_path / "b", CREATE, fill, change)
    assert of(one).digest != of(two).digest


def test_files_of_other_kinds(tmp_path: Path) -> None:
    pytest.importorskip("duckdb", reason="DuckDB is not installed (the extra tabular)")
    sql = "SELECT 1 AS id, DATE '2020-01-01' AS day, [1, 2] AS l, 'x' AS t"
    one = of(parquet(tmp_path / "a", f"FROM ({sql} UNION ALL SELECT 2, NULL, NULL, NULL)"), "a.parquet")
    same = of(
        parquet(tmp_path / "b", f"SELECT NULL AS l, 2 AS id, NULL AS t, NULL AS day UNION ALL BY NAME {sql}")
    )
    assert one == same
    for name, pair in {
        "a.csv": ("x,y\n1,a\n2,b\n", 'y;x\r\n"b";2\r\n"a";1'),
        "a.jsonl": ('{"x": 1, "y": "é"}\n{"x": [1, 2]}\n', '{"x":[1,2]}\n{"y":"\\u00e9","x":1}'),
    }.items():
        found = []
        for data in pair:
            (tmp_path / "t").write_text(data, newline="")
            found.append(of(tmp_path / "t", name))
        assert found[0] == found[1]
        assert found[0].rows == 2
    wide = ",".join(f"c{n}" for n in range(500)) + "\n" + ",".join(map(str, range(500))) + "\n"
    (tmp_path / "t").write_text(wide)
    first = of(tmp_path / "t", "a.csv")
    (tmp_path / "t").write_text("\n".join(",".join(line.split(",")[::-1]) for line in wide.split("\n")))
    assert of(tmp_path / "t", "a.csv") == first


def test_tables_that_cannot_be_read(tmp_path: Path) -> None:
    path = database(tmp_path / "a", "CREATE VIRTUAL TABLE f USING fts5(x)", "CREATE TABLE t (a)")
    virtual, plain = table_hashes(path, "a.sqlite")
    assert (virtual.digest, virtual.rows) == (None, None)
    assert plain.rows == 0
    assert table_hashes(Path(__file__), "a.bin") == ()


cells = st.one_of(
    st.none(), st.integers(), st.floats(allow_nan=False), st.text(max_size=3), st.binary(max_size=3)
)


@given(st.lists(cells, max_size=3), st.lists(cells, max_size=3))
def test_rows_that_differ_have_encodings_that_differ(one: list[object], other: list[object]) -> None:
    def exact(row: list[object]) -> list[tuple[type, object]]:
        return [(type(cell), cell) for cell in row]

    assert (encoded(one) == encoded(other)) == (exact(one) == exact(other))
    assert encoded([-0.0]) == encoded([0.0])
    assert encoded([float("nan")]) == b"r\x7f\xf8\0\0\0\0\0\0"
