"""What databases declare: keys, names and definitions that differ between the sides."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_datamanager.tables.compare import Wish
from git_datamanager.tables.schema import Change, distinct_names, folded
from git_datamanager.tables.source import compare
from tests.tables.making import ALL, BY_ID, counts, database, databases, only
from tests.tables.oracle import applied, counted

INSERT = "INSERT INTO t VALUES (?, ?)"
keys = st.sampled_from(["a", "A", "b", "1", "01", "1.0", 1, 2, 1.5, b"a"])
declarations = st.sampled_from(
    ["TEXT", "TEXT COLLATE NOCASE", "TEXT COLLATE RTRIM", "INT", "REAL", "NUMERIC COLLATE NOCASE", ""]
)


@given(
    declared=st.tuples(declarations, declarations),
    before=st.lists(st.tuples(keys, st.integers(0, 2)), max_size=6),
    after=st.lists(st.tuples(keys, st.integers(0, 2)), max_size=6),
)
def test_keys_that_both_sides_declare_in_another_way(
    tmp_path_factory: pytest.TempPathFactory, declared: tuple[str, str], before: list, after: list
) -> None:
    """What one side takes for two keys may be one for the other: nothing is lost, and no row counts twice."""
    folder = tmp_path_factory.mktemp("keys")
    sides = [
        [
            f"CREATE TABLE t (k {kind} PRIMARY KEY NOT NULL, v)",
            ("INSERT OR IGNORE INTO t VALUES (?, ?)", rows),
        ]
        for kind, rows in zip(declared, (before, after), strict=True)
    ]
    found = databases(folder, *sides)
    rows = []
    for name in ("old", "new"):
        with closing(sqlite3.connect(folder / name)) as opened:
            rows.append(opened.execute("SELECT * FROM t").fetchall())
    if not found.is_same_bytes:
        assert applied(only(found), rows[0]) == counted(rows[1])
        assert only(found).unchanged is not None
        assert only(found).unchanged >= 0


def test_a_key_that_matches_several_rows_is_none(tmp_path: Path) -> None:
    found = databases(
        tmp_path,
        ["CREATE TABLE t (k TEXT PRIMARY KEY NOT NULL, v)", (INSERT, [("1", 1), ("01", 2)])],
        ["CREATE TABLE t (k INTEGER PRIMARY KEY, v)", (INSERT, [(1, 1)])],
    )
    assert only(found).key == ()
    assert (only(found).note or "").startswith("one key (k) of the after side is that of several other rows")


def test_a_descending_integer_key_is_no_rowid_and_may_hold_null(tmp_path: Path) -> None:
    create = "CREATE TABLE t (k INTEGER PRIMARY KEY DESC, v)"
    found = databases(
        tmp_path,
        [create, (INSERT, [(1, 1), (None, 2)])],
        [create, (INSERT, [(1, 9), (None, 2), (None, 3)])],
    )
    assert counts(only(found)) == (1, 0, 1)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a, b, CHECK (a > 0)", "a, b, CHECK (a > 1)"),
        ("a, b REFERENCES u(x)", "a, b REFERENCES u(y)"),
        ("a TEXT, b", "a TEXT COLLATE NOCASE, b"),
        ("a, b, g AS (a + 1)", "a, b, g AS (a + 2)"),
        ("a, b, UNIQUE (a)", "a, b, UNIQUE (b)"),
    ],
)
def test_a_definition_that_changes_beside_the_columns(tmp_path: Path, before: str, after: str) -> None:
    fill = "INSERT INTO t (a, b) VALUES (5, 6)"
    found = databases(tmp_path, [f"CREATE TABLE t ({before})", fill], [f"CREATE TABLE t ({after})", fill])
    assert only(found).change is Change.SAME
    assert [(t.change, t.kind, t.name) for t in found.things if t.kind != "index"] == [
        (Change.CHANGED, "table", "t")
    ]
    assert not found.is_same_data


def test_names_that_change_their_case(tmp_path: Path) -> None:
    found = databases(
        tmp_path,
        ["CREATE TABLE Sites (Id INTEGER PRIMARY KEY)", "INSERT INTO Sites VALUES (1)"],
        ["CREATE TABLE sites (id INTEGER PRIMARY KEY)", "INSERT INTO sites VALUES (1)"],
    )
    table = only(found)
    assert (table.name, table.was, table.change, counts(table)) == (
        "sites",
        "Sites",
        Change.CHANGED,
        (0, 0, 0),
    )
    assert [(c.change, c.name) for c in table.columns] == [(Change.CHANGED, "id")]


def test_columns_that_moved_are_the_same_data(tmp_path: Path) -> None:
    found = databases(
        tmp_path,
        ["CREATE TABLE t (id INTEGER PRIMARY KEY, a, b)", "INSERT INTO t VALUES (1, 2, 3)"],
        ["CREATE TABLE t (b, id INTEGER PRIMARY KEY, a)", "INSERT INTO t VALUES (3, 1, 2)"],
        BY_ID,
    )
    assert counts(only(found)) == (0, 0, 0)
    assert only(found).columns == ()


def test_a_wish_for_one_table(tmp_path: Path) -> None:
    script = ["CREATE TABLE t (a)", "CREATE TABLE u (a)", "CREATE VIEW w AS SELECT 1"]
    more = ["INSERT INTO t VALUES (1)", "INSERT INTO u VALUES (1)", "DROP VIEW w"]
    found = databases(tmp_path, script, [*script, *more], Wish(tables=("T",)))
    assert ([t.name for t in found.tables], found.things) == (["t"], ())


def test_nothing_but_the_schema(tmp_path: Path) -> None:
    found = databases(
        tmp_path,
        ["CREATE TABLE t (a)", "INSERT INTO t VALUES (1)"],
        ["CREATE TABLE t (a, b)"],
        Wish(is_schema_only=True),
    )
    assert (only(found).rows_before, [c.name for c in only(found).columns]) == (None, ["b"])


def test_empty_tables_and_a_file_without_any(tmp_path: Path) -> None:
    create = "CREATE TABLE t (a)"
    assert counts(only(databases(tmp_path, [create], [create, "INSERT INTO t VALUES (1)"]))) == (1, 0, 0)
    none = databases(tmp_path, ["PRAGMA user_version = 1"], ["PRAGMA user_version = 2"])
    assert (none.tables, [t.name for t in none.things]) == ((), ["user_version"])


def test_names_and_cells_that_are_no_unicode(tmp_path: Path) -> None:
    for name, value in (("old", 1), ("new", 2)):
        path = database(tmp_path / name, "CREATE TABLE t (id INTEGER PRIMARY KEY, v, qqq)")
        with closing(sqlite3.connect(path)) as made:
            made.execute("INSERT INTO t VALUES (1, CAST(x'ff' AS TEXT), ?)", (value,))
            made.commit()
    found = compare(tmp_path / "old", tmp_path / "new", "a.sqlite", ALL)
    assert counts(only(found)) == (0, 0, 1)
    for name in ("old", "new"):
        path = tmp_path / name
        path.write_bytes(path.read_bytes().replace(b"qqq", b"q\xffq"))
    found = compare(tmp_path / "old", tmp_path / "new", "a.sqlite", ALL)
    assert found.note or only(found).note or counts(only(found)) == (0, 0, 1)


@given(st.lists(st.sampled_from(["", "v", "V", "v_1", "column0", "column1", "column1_1"]), max_size=8))
def test_distinct_names(names: list[str]) -> None:
    made = distinct_names(names)
    assert len({folded(name) for name in made}) == len(names)
    first = {folded(name): name for name in reversed(names) if name}
    assert all(made[names.index(name)] == name for name in first.values())
