"""Files in folders, asked in SQL and profiled as if each were a dataset of its own."""

import sqlite3
from contextlib import closing

import pytest

from tests.world import Clone, World

pytest.importorskip("duckdb", reason="DuckDB is not installed (the extra tabular)")


def make_template(world: World, ana: Clone) -> None:
    """The folder data/runs in two versions: a CSV, JSON lines, a database, no table, an empty file."""
    for n in (1, 2):
        ana.write("data/runs/costs.csv", f"id,cost\n1,{n}\n2,5\n")
        if n == 1:
            ana.write("data/runs/sub/Log.jsonl", '{"id": 1, "said": "x"}\n')
            ana.write("data/runs/notes.txt", "words")
            ana.write("data/runs/empty.csv", "")
            with closing(sqlite3.connect(ana.path / "data/runs/e.sqlite")) as database, database:
                database.execute("CREATE TABLE Demand (value REAL)")
                database.execute("CREATE TABLE Other (value REAL)")
                database.execute("INSERT INTO Demand VALUES (1.5)")
        ana.data("add", "data/runs")
        ana.commit(str(n))
    ana.git("push", "-q")


def rows(clone: Clone, query: str, *args: str) -> list[list[object]]:
    return clone.json("sql", query, *args)["rows"]


@pytest.mark.parametrize(
    "table", ['"runs/costs.csv"', '"data/runs/costs.csv"', '"RUNS/costs.csv"', '"runs@v2/costs.csv"']
)
def test_a_file_in_a_folder_is_a_table(still: Clone, table: str) -> None:
    assert rows(still, f"FROM {table} SELECT cost ORDER BY id") == [[2], [5]]


def test_any_version_of_it_and_any_other_table_side_by_side(still: Clone) -> None:
    query = """SELECT o.cost, n.cost, said, value FROM "data/runs@v1/costs.csv" o
        JOIN "runs/costs.csv" n USING (id) JOIN "runs/sub/Log.jsonl" USING (id), "runs/e.sqlite".Demand"""
    assert rows(still, query) == [[1, 2, "x", 1.5]]


def test_a_version_that_is_an_argument(still: Clone) -> None:
    assert rows(still, 'SELECT cost FROM "runs/costs.csv" WHERE id = 1', "data/runs@v1") == [[1]]
    both = ("data/runs@v1", "data/runs@v2")
    assert rows(still, 'SELECT cost FROM "runs@v1/costs.csv" WHERE id = 1', *both) == [[1]]


@pytest.mark.parametrize(
    ("query", "code", "said"),
    [
        ('FROM "runs/cost.csv"', 3, "data/runs v2 holds no file cost.csv\nhint: it holds costs.csv"),
        ('FROM "runs/sub/log.jsonl"', 3, "hint: it holds sub/Log.jsonl"),
        ('FROM "runs/../costs.csv"', 3, "holds no file ../costs.csv"),
        ('FROM "runs/notes.txt"', 128, "data/runs/notes.txt v2 is no table"),
        ('FROM "runs/e.sqlite"', 3, 'hint: it has "runs/e.sqlite"."Demand", "runs/e.sqlite"."Other"'),
        ('FROM "runs@v9/costs.csv"', 3, "has no version 'v9'"),
        ("FROM runs", 128, 'hint: FROM "data/runs/…"'),
    ],
    ids=str,
)
def test_what_is_no_such_file_is_said(still: Clone, query: str, code: int, said: str) -> None:
    assert said in still.data("sql", query, code=code).err


def test_an_empty_file_has_no_rows(still: Clone) -> None:
    assert rows(still, 'SELECT count(*) FROM "runs/empty.csv"') == [[0]]


def test_the_working_folder_as_it_is(world: World) -> None:
    ana = world.found("ana")
    ana.write("data/runs/costs.csv", "id,cost\n1,9\n")
    ana.write("secret.csv", "x\n1\n")
    assert rows(ana, 'SELECT cost FROM "runs/costs.csv"', "--work") == [[9]]
    assert rows(ana, 'SELECT cost FROM "runs/costs.csv" ORDER BY id') == [[2], [5]]
    assert ana.json("profile", "data/runs/costs.csv", "--work")["tables"][0]["rows"] == 1
    (ana.path / "data/runs/link.csv").symlink_to("../../secret.csv")
    assert "link.csv" in ana.data("sql", 'FROM "runs/link.csv"', "--work", code=5).err


def test_what_this_clone_does_not_have_is_fetched_where_it_may_be(world: World) -> None:
    bob = world.clone("bob")
    query = 'SELECT sum(cost) AS total FROM "runs@v1/costs.csv"'
    assert "not in this clone" in bob.data("sql", query, code=128).err
    bob.git("config", "data.diff.fetch", "always")
    assert rows(bob, query) == [[6]]
    assert bob.json("profile", "data/runs@v1/costs.csv")["version"] == "v1"


def test_a_profile_of_one_file(still: Clone) -> None:
    found = still.json("profile", "data/runs@v1/costs.csv")
    assert (found["dataset"], found["version"]) == ("data/runs/costs.csv", "v1")
    assert [(c["name"], c["max"]) for c in found["tables"][0]["columns"]] == [("id", 2), ("cost", 5)]
    assert "FOLDER/path" in still.data("profile", "data/runs", code=128).err
    assert "holds no file nix" in still.data("profile", "data/runs/nix", code=3).err


def test_a_profile_is_not_that_of_another_version(still: Clone) -> None:
    for version, least in (("v1", 1), ("v2", 2), ("v1", 1)):
        (table,) = still.json("profile", f"data/runs@{version}/costs.csv")["tables"]
        assert table["columns"][1]["min"] == least


def test_a_path_from_where_the_user_stands(still: Clone) -> None:
    inside = "data/runs/sub"
    for name in ("../costs.csv", "../../runs/costs.csv"):
        ended = still.data("profile", name, cwd=inside)
        assert ended.out.startswith("data/runs/costs.csv v2")


def test_a_folder_itself_has_no_profile(still: Clone) -> None:
    done = still.data("profile", "data/runs/", code=3)
    assert "is a folder: name a file in it" in done.err
    assert "costs.csv" in done.err
