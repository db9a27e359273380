"""Rules: how a line is read, and that its SQL finds what breaks it and nothing else."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from git_datamanager.tables.asking.load import Source, Want, loaded
from git_datamanager.tables.asking.query import answered, read_question
from git_datamanager.tables.rules import NoRule, failing, read_rule

duckdb = pytest.importorskip("duckdb", reason="DuckDB is not installed (the extra tabular)")


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("unique", "Demand", "is written TABLE"),
        ("unique", "Demand(a,,b)", "is written TABLE"),
        ("unique", "Demand(a, )", "a name is missing"),
        ("unique", "Demand(a) DROP TABLE x", "is written TABLE"),
        ("notnull", "Demand()", "notNull is written"),
        ("range", "D(v)", "MIN..MAX"),
        ("range", "D(v) ..", "smallest value"),
        ("range", "D(v, w) 0..1", "about one column"),
        ("accepted", "D(v)", "VALUE"),
        ("foreign", "D(a, b) -> E(a)", "same number"),
        ("rows", "..", "smallest value"),
        ("rows", "D many", "MIN..MAX"),
        ("drift", "D 10", "PERCENT"),
        ("nothing", "D(v)", "there is no rule"),
    ],
)
def test_what_is_no_rule_says_what_one_looks_like(kind: str, value: str, said: str) -> None:
    with pytest.raises(NoRule, match=said):
        failing(kind, value)
    assert said in (read_rule("a.csv", kind, value).problem or "")


names = st.text(st.characters(codec="utf-8", exclude_characters="\0\n"), min_size=1, max_size=6).filter(
    lambda name: name.strip() == name
)


@settings(max_examples=12)
@given(table=names, column=names, value=names)
def test_any_name_and_value_can_be_written(table: str, column: str, value: str) -> None:
    def quoted(text: str) -> str:
        return "'" + text.replace("'", "''") + "'"

    for kind, rule in (
        ("unique", f"{quoted(table)}({quoted(column)})"),
        ("accepted", f"{quoted(table)}( {quoted(column)} ) {quoted(value)}, 'b'"),
        ("foreign", f"{quoted(table)}({quoted(column)}) -> {quoted(table)}({quoted(column)})"),
    ):
        sql = failing(kind, rule).format(dataset='"a.db"')
        assert read_question(sql).mentions == (("a.db", table),)


def broken(tmp_path: Path, kind: str, value: str, rows: str) -> list[tuple[object, ...]]:
    """The rows of T(a, b) that break a rule; U(name) holds x and y, and the parent's T two rows."""
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE T (a, b)")
        database.execute("INSERT INTO T VALUES " + rows)  # noqa: S608
        database.execute("CREATE TABLE U (name)")
        database.execute("INSERT INTO U VALUES ('x'), ('y')")
        database.execute("CREATE TABLE P (a)")
        database.execute("INSERT INTO P VALUES (1), (2)")
    source = Source(path, "a.db", "a.db v1")
    wants = [Want(source, "T", ("d", "T")), Want(source, "U", ("d", "U")), Want(source, "P", ("parent", "T"))]
    question = read_question(failing(kind, value).format(dataset="d"))
    with loaded(wants) as (connection, _), answered(connection, question) as answer:
        return list(answer.rows())


@pytest.mark.parametrize(
    ("kind", "value", "rows", "found"),
    [
        ("unique", "T(a)", "(1, 1), (2, 1)", []),
        ("unique", "T(a)", "(1, 1), (1, 2), (2, 1)", [(1, 2)]),
        ("unique", "T(a, b)", "(1, 1), (1, 2), (1, 2)", [(1, 2, 2)]),
        ("unique", "T(a)", "(NULL, 1), (NULL, 2)", []),
        ("notnull", "T(a, b)", "(1, NULL), (1, 1)", [(1, None)]),
        ("range", "T(a) 0..10", "(0, 1), (10, 1), (NULL, 1)", []),
        ("range", "T(a) 0..10", "(-1, 1), (11, 2), (5, 3)", [(-1, 1), (11, 2)]),
        ("range", "T(a) 0..", "(-0.5, 1), (1e9, 2)", [(-0.5, 1)]),
        ("range", "T(a) ..1e3", "(1000, 1), (1001, 2)", [(1001, 2)]),
        ("range", "T(a) 0..10", "('5', 1), ('word', 2)", [("word", 2)]),
        ("range", "T(a) 0..10", "(9e999, 1), (-9e999, 2)", [(float("inf"), 1), (float("-inf"), 2)]),
        ("range", "T(a) 2020-01-01..2029-12-31", "('2019-12-31', 1), ('2020-01-01', 2)", [("2019-12-31", 1)]),
        ("accepted", "T(a) x, 'a, b'", "('x', 1), ('a, b', 2), ('y', 3), (NULL, 4)", [("y", 3)]),
        ("accepted", "T(a) 1, 2", "(1.0, 1), (2.0, 2), (2.5, 3)", [(2.5, 3)]),
        ("foreign", "T(a) -> U(name)", "('x', 1), ('z', 2), (NULL, 3)", [("z", 2)]),
        ("rows", "T 1..2", "(1, 1), (2, 2)", []),
        ("rows", "T 1..2", "(1, 1), (2, 2), (3, 3)", [(3,)]),
        ("rows", "T 2..", "(1, 1)", [(1,)]),
        ("drift", "T 50%", "(1, 1), (2, 2), (3, 3)", []),
        ("drift", "T 49%", "(1, 1), (2, 2), (3, 3)", [(2, 3)]),
        ("drift", "T 49.9%", "(1, 1)", [(2, 1)]),
    ],
)  # fmt: skip
def test_a_rule_finds_what_breaks_it(
    tmp_path: Path, kind: str, value: str, rows: str, found: list[tuple[object, ...]]
) -> None:
    assert broken(tmp_path, kind, value, rows) == found
