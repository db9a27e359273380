"""Parquet with what it may hold."""

import io
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from git_datamanager.tables.asking.load import Source, Want, loaded
from git_datamanager.tables.compare import Wish
from git_datamanager.tables.logical import table_hashes
from git_datamanager.tables.source import compare
from tests.tables.making import ALL, BY_ID, cells, counts, only, parquet, parquets, texts

pa: Any = pytest.importorskip("pyarrow", reason="pyarrow is not installed (the extra tabular)")
pytest.importorskip("duckdb", reason="DuckDB is not installed (the extra tabular)")


def written(table: Any, **options: Any) -> bytes:
    from pyarrow import parquet as pq

    buffer = io.BytesIO()
    pq.write_table(table, buffer, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("TIMESTAMPTZ '2020-01-01 00:00:00+00'", "TIMESTAMPTZ '2020-01-01 00:00:00+01'"),
        ("'47183823-2574-4bfd-b411-99ed177d3e43'::UUID", "'47183823-2574-4bfd-b411-99ed177d3e44'::UUID"),
        ("'a'::ENUM('a', 'b')", "'b'::ENUM('a', 'b')"),
        ("INTERVAL '30 days'", "INTERVAL '1 month'"),
        ("1.10::DECIMAL(9,2)", "1.11::DECIMAL(9,2)"),
        ("TIME '10:00:00'", "TIME '10:00:01'"),
        ("[1, NULL, 2]", "[1, 2]"),
        ("MAP {'a': 1}", "MAP {'a': 2}"),
        ("{'a': [{'b': 1}]}", "{'a': [{'b': 2}]}"),
        ("'\\x00'::BLOB", "'\\x01'::BLOB"),
        ("NULL::INT", "0"),
        ("'nan'::DOUBLE", "'inf'::DOUBLE"),
        ("range(100000)", "range(100001)"),
    ],
)
@pytest.mark.parametrize("wish", [BY_ID, ALL], ids=["keyed", "multiset"])
def test_types(tmp_path: Path, before: str, after: str, wish: Wish) -> None:
    old, new = (f"SELECT 1 AS id, {value} AS v UNION ALL SELECT 2, {before}" for value in (before, after))
    assert counts(only(parquets(tmp_path, old, new, wish))) == ((0, 0, 1) if wish is BY_ID else (1, 1, 0))
    assert parquets(tmp_path, new, f"FROM ({new}) ORDER BY id DESC", wish).is_same_data
    for one_sided in (
        compare(None, tmp_path / "new", "a.parquet"),
        compare(tmp_path / "new", None, "a.parquet"),
    ):
        assert len(only(one_sided).samples) == 2


LONG = Decimal("1234567890123456789012345678901234567890.12")
LONGER = Decimal("1234567890123456789012345678901234567890.13")
WIDE = pa.decimal256(50, 2)


@pytest.mark.parametrize(
    ("of", "value"),
    [
        (WIDE, lambda number: number),
        (pa.list_(WIDE), lambda number: [None, number]),
        (pa.large_list(WIDE), lambda number: [number]),
        (pa.struct([("a", pa.int64()), ("b", pa.list_(WIDE))]), lambda number: {"a": 1, "b": [number]}),
        (pa.map_(pa.string(), WIDE), lambda number: [("a", number)]),
    ],
    ids=["plain", "list", "large list", "struct", "map"],
)
def test_decimals_of_more_digits_than_duckdb_has(
    tmp_path: Path, of: Any, value: Callable[[Decimal], object]
) -> None:
    def data(number: Decimal, ids: Sequence[int]) -> bytes:
        values = pa.array([None if n == 2 else value(number) for n in ids], of)
        return written(pa.table({"V": ids, "v": values, "id": ids}), row_group_size=2)

    old, new, moved = data(LONG, [1, 2, 3]), data(LONGER, [1, 2, 3]), data(LONG, [3, 1, 2])
    for wish, expected in ((BY_ID, (0, 0, 2)), (ALL, (2, 2, 0))):
        assert counts(only(texts(tmp_path, old, new, wish, "a.parquet"))) == expected
        assert texts(tmp_path, old, moved, wish, "a.parquet").is_same_data
    hashes = []
    for name, content in (("old", old), ("new", new), ("moved", moved)):
        (tmp_path / name).write_bytes(content)
        hashes.append(table_hashes(tmp_path / name, "a.parquet")[0].digest)
    assert hashes[0] == hashes[2] != hashes[1]


def test_such_decimals_are_shown_whole_and_have_their_type(tmp_path: Path) -> None:
    old, new = (written(pa.table({"id": [1], "v": pa.array([n], WIDE)})) for n in (LONG, LONGER))
    table = only(texts(tmp_path, old, new, BY_ID, "a.parquet"))
    assert cells(table) == [[("v", str(LONG), str(LONGER))]]
    wider = written(pa.table({"id": [1], "v": pa.array([LONG], pa.decimal256(60, 2))}))
    (change,) = only(texts(tmp_path, old, wider, BY_ID, "a.parquet")).columns
    assert change.before is not None
    assert change.after is not None
    assert (change.before.type, change.after.type) == ("DECIMAL(50,2)", "DECIMAL(60,2)")


def test_such_decimals_are_asked_as_texts_which_is_said(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(written(pa.table({"id": [1], "v": pa.array([LONG], WIDE)})))
    source = Source(tmp_path / "a", "a.parquet", "a.parquet v1")
    with loaded([Want(source, "rows", ("a",))]) as found:
        assert found.database.execute("SELECT v FROM a").fetchall() == [(str(LONG),)]
    assert found.notes == (
        "a.parquet v1: v can hold numbers of more digits than DuckDB has: they are texts here",
    )


def test_no_rows(tmp_path: Path) -> None:
    found = parquets(tmp_path, "SELECT 1 AS id WHERE false", "SELECT 1 AS id")
    assert counts(only(found)) == (1, 0, 0)


def test_no_columns_are_compared_as_bytes(tmp_path: Path) -> None:
    found = texts(tmp_path, written(pa.table({})), written(pa.table({"id": [1]})), BY_ID, "a.parquet")
    assert found.kind == "other"
    assert (found.note or "").startswith("the Parquet file cannot be read (")


def test_names_that_are_equal_but_for_their_case(tmp_path: Path) -> None:
    old, new = (written(pa.table({"id": [1], "V": [2], "v": [n]})) for n in (3, 4))
    assert counts(only(texts(tmp_path, old, new, BY_ID, "a.parquet"))) == (0, 0, 1)


def test_a_column_that_holds_no_text_though_it_says_so(tmp_path: Path) -> None:
    bad = pa.table({"id": [1], "v": pa.array([b"\xff"]).view(pa.string())})
    found = texts(tmp_path, written(bad), written(pa.table({"id": [1], "v": ["x"]})), BY_ID, "a.parquet")
    assert not found.is_same_data
    assert only(found).note is not None
    assert str(tmp_path) not in str(only(found).note)


def test_a_key_of_another_type_matches_by_its_text(tmp_path: Path) -> None:
    table = only(parquets(tmp_path, "SELECT 1::INT AS id, 2 AS v", "SELECT '1' AS id, 3 AS v"))
    assert cells(table) == [[("v", 2, 3)]]


def test_more_columns_than_an_engine_likes(tmp_path: Path) -> None:
    old, new = (
        "SELECT 1 AS id, " + ", ".join(f"{m + (m == n)} AS c{m}" for m in range(600)) for n in (-1, 9)
    )
    assert cells(only(parquets(tmp_path, old, new))) == [[("c9", 9, 10)]]


@pytest.mark.slow
@pytest.mark.parametrize("wish", [BY_ID, ALL], ids=["keyed", "multiset"])
def test_thousands_of_columns_are_compared_row_by_row(tmp_path: Path, wish: Wish) -> None:
    rows, columns = 20, 1600
    data = {"id": [str(n) for n in range(rows)], "real": [0.0] * rows, "list": [[None, "a, b"]] * rows}
    data |= {f"c{m}": [m * n for n in range(rows)] for m in range(columns)}
    old = written(pa.table(data))
    data["real"] = [-0.0] * rows
    data["c1599"] = [*data["c1599"][:-1], None]
    data["list"] = [[None, "a", "b"], *data["list"][1:]]
    new = written(pa.table(data).take(list(reversed(range(rows)))))
    found = only(texts(tmp_path, old, new, wish, "a.parquet"))
    assert (found.note, found.rows_after) == (None, rows)
    assert counts(found) == ((0, 0, 2) if wish is BY_ID else (2, 2, 0))
    if wish is BY_ID:
        assert sorted(cells(found), key=str) == [
            [("c1599", "30381", None)], [("list", "[NULL, 'a, b']", "[NULL, a, b]")],
        ]  # fmt: skip
    same = written(pa.table(data), row_group_size=3, compression="zstd")
    assert texts(tmp_path, new, same, wish, "a.parquet").is_same_data
    data["real"] = [0.0] * rows
    narrow = written(pa.table({name: data[name] for name in list(data)[:1400]}))
    assert counts(only(texts(tmp_path, new, narrow, wish, "a.parquet"))) == (0, 0, 0)


def test_a_damaged_page_is_said_of_the_table(tmp_path: Path) -> None:
    old = parquet(tmp_path / "a", "SELECT range AS id, md5(range::VARCHAR) AS v FROM range(5000)")
    data = bytearray(old.read_bytes())
    data[2000:60000] = b"\xff" * 58000
    found = texts(tmp_path, old.read_bytes(), bytes(data), BY_ID, "a.parquet")
    assert not found.is_same_data
    assert found.note or only(found).note
