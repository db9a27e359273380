"""`--where`: a condition on the rows of both sides, that can reach nothing else."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from git_datamanager.errors import DataError
from git_datamanager.tables.compare import Wish
from git_datamanager.tables.engine import Side, Unreadable
from git_datamanager.tables.source import compare, opened
from tests.tables.making import cells, counts, database, databases, only, parquets, texts

pytest.importorskip("duckdb", reason="DuckDB is not installed (the extra tabular)")
CREATE = "CREATE TABLE t (id INTEGER PRIMARY KEY, region TEXT, year INTEGER)"
OLD = [CREATE, "INSERT INTO t VALUES (1, 'east', 2030), (2, 'west', 2030), (3, 'east', 2040)"]
NEW = [CREATE, "INSERT INTO t VALUES (1, 'east', 2035), (2, 'west', 2036), (4, 'east', 2040)"]
CSV = (
    "id,region,year\n1,east,2030\n2,west,2030\n3,east,2040\n",
    "id,region,year\n1,east,2035\n2,west,2036\n4,east,2040\n",
)
HOSTILE = [
    "1; DROP TABLE t",
    "1) OR (1",
    "1) UNION SELECT 1 --",
    "1 UNION SELECT 1",
    "1 GROUP BY 1",
    "1 LIMIT 1",
    "1 /*",
    "",
    "?",
    "count(*) > 0",
    "ATTACH '/tmp/x' AS x",
    "(PRAGMA query_only = 0)",
    "load_extension('/tmp/x') IS NULL",
    "readfile('/etc/passwd') IS NULL",
    "(SELECT count(*) FROM read_text('/etc/passwd')) > 0",
    "EXISTS (SELECT 1 FROM read_csv('/etc/passwd'))",
    "EXISTS (SELECT 1 FROM '/etc/passwd')",
    "EXISTS (SELECT 1 FROM glob('/etc/*'))",
    "(COPY before TO '/tmp/x')",
    "EXISTS (SELECT 1 FROM pragma_journal_mode)",
    "no_such_column = 1",
    "random() > 0",
    "Random () > id",
    'id > "random"/* */()',
    "id = \ud800",
    "id = 1\0",
]


def test_rows_of_which_it_is_true_on_their_own_side(tmp_path: Path) -> None:
    wish = Wish(rows=None, where="region = 'east'")
    found = databases(tmp_path, OLD, NEW, wish)
    assert counts(only(found)) == (1, 1, 1)
    assert (only(found).rows_before, only(found).rows_after) == (2, 2)
    assert cells(only(found))[0] == [("year", 2030, 2035)]
    moved = databases(tmp_path, OLD, NEW, Wish(rows=None, where="year = 2030"))
    assert counts(only(moved)) == (0, 2, 0)  # they no longer meet it


@pytest.mark.parametrize("end", ["", " -- uuid()", " /* uuid() */"])
def test_texts_and_comments_call_no_function(tmp_path: Path, end: str) -> None:
    sides = ("id,v\n1,a\n", "id,v\n1,a uuid(3)\n2,it's uuid()\n")
    found = texts(tmp_path, *sides, Wish(rows=None, where=f"v IN ('a uuid(3)', 'it''s random()'){end}"))
    assert counts(only(found)) == (1, 0, 0)


def test_cells_of_csv_are_the_numbers_that_they_look_like(tmp_path: Path) -> None:
    wish = Wish(rows=None, keys={"": ("id",)}, where="year > 2035 AND region IN ('east', 'west')")
    table = only(texts(tmp_path, *CSV, wish))
    assert counts(table) == (2, 1, 0)
    assert table.samples[0].after == ("2", "west", "2036")


def test_parquet(tmp_path: Path) -> None:
    wish = Wish(rows=None, keys={"": ("id",)}, where="v % 2 = 0")
    found = parquets(tmp_path, "SELECT range AS id, range AS v FROM range(4)", "SELECT 2 AS id, 4 AS v", wish)
    assert counts(only(found)) == (0, 1, 1)


def test_other_tables_may_be_asked(tmp_path: Path) -> None:
    more = ["CREATE TABLE wanted (id)", "INSERT INTO wanted VALUES (3)"]
    wish = Wish(tables=("t",), where="id IN (SELECT id FROM before.wanted)")
    assert counts(only(databases(tmp_path, [*OLD, *more], [*NEW, *more], wish))) == (0, 1, 0)


def test_a_table_that_it_does_not_fit_is_named_and_the_others_are_compared(tmp_path: Path) -> None:
    other = "CREATE TABLE u (a)"
    found = databases(tmp_path, [*OLD, other], [*NEW, other], Wish(where="region = 'east'"))
    assert [(t.name, t.is_compared) for t in found.tables] == [("t", True), ("u", False)]
    assert found.tables[1].note == "--where does not fit it: no such column: region"
    assert not found.is_same_data


@pytest.mark.parametrize("kind", ["sqlite", "csv"])
@pytest.mark.parametrize("condition", HOSTILE)
def test_what_is_no_condition_is_refused_in_the_words_of_the_engine(
    tmp_path: Path, kind: str, condition: str
) -> None:
    wish = Wish(where=condition)
    with pytest.raises(DataError, match="--where is no condition on the rows of table") as caught:
        if kind == "csv":
            texts(tmp_path, *CSV, wish)
        else:
            databases(tmp_path, OLD, NEW, wish)
    assert str(caught.value).rpartition(": ")[2]
    assert str(tmp_path) not in str(caught.value)


def test_a_condition_that_fails_on_a_row_is_said_of_its_table(tmp_path: Path) -> None:
    wish = Wish(where="error(region) IS NULL")
    table = only(texts(tmp_path, *CSV, wish))
    assert not table.is_compared
    assert "DuckDB cannot read it" in (table.note or "")


def test_the_sources_stay_as_they_are(tmp_path: Path) -> None:
    old = database(tmp_path / "old", "PRAGMA journal_mode = WAL", *OLD)
    new = database(tmp_path / "new", *NEW)
    was = (old.read_bytes(), new.read_bytes())
    for condition in ("(SELECT 1 FROM before.t) = 1", "abs(id) > 0", "1 --"):
        compare(old, new, "a.sqlite", Wish(where=condition))
    assert (old.read_bytes(), new.read_bytes()) == was
    with closing(sqlite3.connect(new)) as opened:
        assert opened.execute("SELECT count(*) FROM t").fetchone() == (3,)


def test_an_engine_runs_one_statement_at_a_time(tmp_path: Path) -> None:
    """Whatever a condition smuggles in behind a semicolon is refused before any of it runs."""
    (tmp_path / "a").write_text(CSV[0])
    path = database(tmp_path / "b", *OLD)
    for kind, file in (("csv", tmp_path / "a"), ("sqlite", path)):
        with opened(kind, file, None) as engine:
            with pytest.raises(Unreadable):
                list(engine.rows("SELECT 1; CREATE TABLE before.x (a)"))
            with pytest.raises(Unreadable):
                list(engine.rows("SELECT 1; DROP TABLE before"))
            relation = engine.relation(Side.BEFORE, engine.schema(Side.BEFORE).tables[0])
            assert next(engine.rows(f"SELECT count(*) FROM {relation}")) == (3,)  # noqa: S608 -- made by us


def test_a_virtual_table_beside_hides_no_mistake(tmp_path: Path) -> None:
    """Its rows are not compared, so no condition is asked of them."""
    with_words = ["CREATE VIRTUAL TABLE words USING fts5(x)"]
    with pytest.raises(DataError, match="--where is no condition on the rows of table t: incomplete input"):
        databases(tmp_path, OLD + with_words, NEW + with_words, Wish(where="id >"))


def wide_csv(rows: int, *, year: int = 2030, names: int = 400) -> str:
    head = ["id", "year", "a b", "cells", *(f"c{n}" for n in range(names))]
    lines = [[n, year + n, f"x{n}", n * 10, *range(n, n + names)] for n in range(rows)]
    return "".join(",".join(map(str, line)) + "\n" for line in (head, *lines))


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("year > 2031 AND id <> 4", (1, 0, 1)),  # rows 2 and 3; the latter is new
        ("\"a b\" = 'x2' OR C399 = 403", (1, 0, 1)),
        ("cells >= 30", (2, 0, 0)),
        ("id = 1", (0, 0, 0)),
        ("false", (0, 0, 0)),
    ],
)
@pytest.mark.parametrize("key", [("id",), ()])
def test_tables_of_very_many_columns(
    tmp_path: Path, condition: str, expected: tuple[int, int, int], key: tuple[str, ...]
) -> None:
    after = wide_csv(5).replace("x2,20", "x2,21")
    found = only(texts(tmp_path, wide_csv(3), after, Wish(rows=None, keys={"": key}, where=condition)))
    added, removed, changed = expected
    assert counts(found) == (expected if key else (added + changed, removed + changed, 0))


def test_columns_of_very_many_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r'--where is no condition on the rows of table rows: .*"?nope'):
        texts(tmp_path, wide_csv(2), wide_csv(3), Wish(where="nope = 1"))
    narrow = "id,year\n0,2030\n7,2050\n"
    found = only(
        texts(tmp_path, narrow, wide_csv(2), Wish(rows=None, keys={"": ("id",)}, where="year = 2030"))
    )
    assert counts(found) == (0, 0, 0)
    assert (found.rows_before, found.rows_after) == (1, 1)


def test_json_lines_of_very_many_keys(tmp_path: Path) -> None:
    lines = [
        "".join(
            json.dumps({"id": n, "v": word, **{f"c{k}": k for k in range(400)}}) + "\n"
            for n, word in enumerate(words)
        )
        for words in (("a", "b"), ("a", "c", "a"))
    ]
    wish = Wish(rows=None, keys={"": ("id",)}, where="v->>'$' = 'a'")
    assert counts(only(texts(tmp_path, *lines, wish, "a.jsonl"))) == (1, 0, 0)


@pytest.mark.parametrize("condition", HOSTILE)
def test_nothing_but_a_condition_of_very_many_columns(tmp_path: Path, condition: str) -> None:
    with pytest.raises(DataError, match="--where is no condition"):
        texts(tmp_path, wide_csv(2), wide_csv(3), Wish(where=condition))
