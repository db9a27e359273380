"""Profiles, against a count of every cell in Python."""

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_datamanager.tables.profiling.profile import profile
from git_datamanager.tables.profiling.profiled import ColumnProfile, TableProfile
from git_datamanager.tables.values import SHOWN
from tests.tables.making import database, parquet
from tests.tables.oracle import exact

INSERT = "INSERT INTO t VALUES (?)"
values = st.one_of(
    st.none(), st.integers(-3, 3), st.sampled_from([0.5, 1.0, -2.0]), st.sampled_from(["", "a", "A", "1"]),
    st.sampled_from([b"", b"a"]),
)  # fmt: skip
_CLASS = {int: "integer", float: "real", str: "text", bytes: "blob"}


def table_of(path: Path, name: str = "a.sqlite", *, at_most: int | None = None) -> TableProfile:
    (table,) = profile(path, name, exact=at_most).tables
    return table


def ranked(cell: object) -> tuple[int, object]:
    """The order of SQLite: numbers, texts, blobs."""
    return (0 if isinstance(cell, int | float) else 1 if isinstance(cell, str) else 2, cell)


def check(column: ColumnProfile, cells: Sequence[object]) -> None:
    """All that a profile says, found one by one."""
    there = [cell for cell in cells if cell is not None]
    numbers = [float(cell) for cell in there if isinstance(cell, int | float)]
    times = Counter(map(exact, there))
    assert column.nulls == len(cells) - len(there)
    assert column.empty == cells.count("")
    assert dict(column.classes) == Counter(_CLASS[type(cell)] for cell in there)
    assert column.distinct == len(times)
    assert (column.mean is None) == (not numbers)
    if numbers:
        assert column.mean == pytest.approx(sum(numbers) / len(numbers))
    if there:
        assert (column.minimum, column.maximum) == (min(there, key=ranked), max(there, key=ranked))
    assert [one.times for one in column.top] == sorted((n for n in times.values() if n > 1), reverse=True)[:5]
    assert all(times[exact(one.value)] == one.times for one in column.top)


@given(st.lists(values, max_size=12))
def test_every_figure_of_a_column(tmp_path_factory: pytest.TempPathFactory, cells: list[object]) -> None:
    path = tmp_path_factory.mktemp("profile") / "a"
    database(path, "CREATE TABLE t (v)", (INSERT, [(cell,) for cell in cells]))
    table = table_of(path)
    assert table.rows == len(cells)
    check(table.columns[0], cells)


def test_many_columns_and_other_tables(tmp_path: Path) -> None:
    names = [f"c{n}" for n in range(400)]
    path = database(
        tmp_path / "a",
        f"CREATE TABLE t (id INTEGER PRIMARY KEY, {', '.join(names)})",
        "INSERT INTO t (id, c399) VALUES (1, 'x'), (2, 'x')",
        "CREATE VIRTUAL TABLE f USING fts5(x)",
    )
    virtual, table = profile(path, "a.sqlite").tables
    assert (virtual.rows, virtual.note is None) == (None, False)
    assert (len(table.columns), table.key) == (401, ("id",))
    assert [(c.name, c.nulls, c.top) for c in table.columns[-2:]] == [
        ("c398", 2, ()),
        ("c399", 0, (("x", 2),)),
    ]
    assert table.null_share(table.columns[5]) == 1.0


def test_large_cells_are_cut(tmp_path: Path) -> None:
    path = database(tmp_path / "a", "CREATE TABLE t (v)", (INSERT, [("x" * 10_000,), ("x" * 10_000,)]))
    (column,) = table_of(path).columns
    assert (column.minimum, column.top[0]) == ("x" * SHOWN, ("x" * SHOWN, 2))


@pytest.mark.parametrize("different", [10, 1000, 20_000])
def test_beyond_the_limit_distinct_values_are_estimated_and_said_to_be(
    tmp_path: Path, different: int
) -> None:
    rows = [(n % different,) for n in range(20_000)]
    path = database(tmp_path / "a", "CREATE TABLE t (v)", (INSERT, rows))
    (column,) = table_of(path, at_most=5000).columns
    assert (column.is_distinct_exact, column.is_top_exact) == (False, False)
    assert math.isclose(column.distinct, different, rel_tol=0.1)
    (exactly,) = table_of(path).columns
    assert (exactly.distinct, exactly.is_distinct_exact) == (different, True)
    pytest.importorskip("duckdb", reason="DuckDB is not installed (the extra tabular)")
    other = parquet(tmp_path / "b", f"FROM range(20000) SELECT range % {different} AS v")
    (column,) = table_of(other, "a.parquet", at_most=5000).columns
    assert not column.is_distinct_exact
    assert math.isclose(column.distinct, different, rel_tol=0.2)


def test_beyond_the_limit_a_key_and_all_counts_are_exact(tmp_path: Path) -> None:
    rows = [(f"k{n}", None if n % 3 else n / 7) for n in range(20_000)]
    path = database(
        tmp_path / "a", "CREATE TABLE t (k TEXT PRIMARY KEY, v REAL)", ("INSERT INTO t VALUES (?, ?)", rows)
    )
    key, value = table_of(path, at_most=500).columns
    assert (key.distinct, key.is_distinct_exact, key.is_top_exact, key.top) == (20_000, True, True, ())
    assert (value.nulls, value.minimum, value.maximum) == (13_333, 0.0, 19_998 / 7)
    assert math.isclose(value.distinct, 6667, rel_tol=0.05)


def test_cells_of_csv_are_told_apart_as_texts(tmp_path: Path) -> None:
    pytest.importorskip("duckdb", reason="DuckDB is not installed (the extra tabular)")
    rows = [f"{10**19 + n},{('1.0', '1.00')[n % 2]},," for n in range(2000)]
    (tmp_path / "a").write_text("id,v,nothing,late\n" + "\n".join(rows) + "\n1,2,,x\n")
    identity, value, nothing, late = table_of(tmp_path / "a", "a.csv").columns
    assert (identity.distinct, value.distinct) == (2001, 3)
    assert value.top == (("1.0", 1000), ("1.00", 1000))
    assert (nothing.type, nothing.distinct, nothing.empty, nothing.top) == ("VARCHAR", 0, 2001, ())
    assert (late.type, late.minimum, late.distinct) == ("VARCHAR", "x", 1)


def test_csv(tmp_path: Path) -> None:
    pytest.importorskip("duckdb", reason="DuckDB is not installed (the extra tabular)")
    rows = [f"{n},{n % 3 / 2},{'' if n % 4 else 'w'},2020-01-0{1 + n % 9}" for n in range(3000)]
    (tmp_path / "a").write_text("id,v,t,d\n" + "\n".join(rows) + "\nlast,9,,2021-01-01\n")
    table = table_of(tmp_path / "a", "a.csv")
    key, number, text, day = table.columns
    assert (table.rows, [c.type for c in table.columns]) == (3001, ["VARCHAR", "DOUBLE", "VARCHAR", "DATE"])
    assert (key.distinct, key.minimum, key.maximum, key.mean, key.top) == (3001, "0", "last", None, ())
    assert (number.minimum, number.maximum, number.mean) == (0.0, 9.0, pytest.approx((1500 + 9) / 3001))
    assert number.top == (("0.0", 1000), ("0.5", 1000), ("1.0", 1000))
    assert (text.empty, text.distinct, text.top, text.minimum) == (2251, 1, (("w", 750),), "w")
    assert (day.minimum, day.maximum) == ("2020-01-01", "2021-01-01")


def test_parquet_of_every_type(tmp_path: Path) -> None:
    pytest.importorskip("duckdb", reason="DuckDB is not installed (the extra tabular)")
    shown = {
        "2::TINYINT": 2, "2::HUGEINT": 2, "2.5::FLOAT": 2.5, "2.50::DECIMAL(9,2)": "2.50", "true": True,
        "'x'": "x", "'ab'::BLOB": b"ab", "DATE '2020-01-01'": "2020-01-01", "uuid()": None,
        "[2, 1]": "[2, 1]",
        "TIMESTAMPTZ '2020-01-01 00:00:00+00'": "2020-01-01 00:00:00+00", "{'a': 1}": "{'a': 1}",
        "MAP {'a': 1}": "{a=1}", "INTERVAL '1 month'": "1 month", "'nan'::DOUBLE": None,
    }  # fmt: skip
    columns = ", ".join(f"{value} AS c{n}" for n, value in enumerate(shown))
    path = parquet(tmp_path / "a", f"FROM range(3) SELECT {columns}")
    table = table_of(path, "a.parquet")
    assert table.note is None
    for column, expected in zip(table.columns, shown.values(), strict=True):
        if expected is not None:
            assert (column.minimum, column.maximum) == (expected, expected)
            assert column.top == ((expected, 3),)
    assert [c.mean for c in table.columns[:4]] == [2, 2, 2.5, 2.5]
    assert table.columns[-1].mean is None


def test_files_that_hold_no_tables(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"PAR1" + b"\0" * 50 + b"PAR1")
    found = profile(tmp_path / "a", "a.parquet")
    assert (found.kind, found.tables, found.size) == ("other", (), 58)
    assert profile(Path(__file__), "a.py").kind == "other"
    (tmp_path / "b").write_bytes(b"")
    assert profile(tmp_path / "b", "a.csv").tables[0].rows == 0


def test_nothing_is_written_beside_it(tmp_path: Path) -> None:
    path = database(tmp_path / "a", "PRAGMA journal_mode = WAL", "CREATE TABLE t (v)", (INSERT, [(1,)]))
    before = path.read_bytes()
    profile(path, "a.sqlite")
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith("a")] == ["a"]
