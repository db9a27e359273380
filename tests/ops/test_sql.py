"""git data sql: what names mean, which versions are asked, how answers come out."""

import json
import os
import pty
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.world import Clone, World

pytest.importorskip("duckdb", reason="DuckDB is not installed (the extra tabular)")


def database(path: Path, *statements: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def make_template(world: World, ana: Clone) -> None:
    """energy.sqlite in two versions, prices.csv in one."""
    energy = ana.path / "data/energy.sqlite"
    database(
        energy,
        "CREATE TABLE Demand (region TEXT, year INTEGER, value REAL, PRIMARY KEY (region, year))",
        "INSERT INTO Demand VALUES ('north', 2030, 1.5), ('south', 2030, 2.5)",
        "CREATE TABLE Region (name TEXT)",
    )
    ana.write("data/prices.csv", "day,price\n2030-01-01,7\n2030-01-02,\n")
    ana.data("add", "data/energy.sqlite", "data/prices.csv")
    ana.commit("one")
    database(energy, "UPDATE Demand SET value = 3 WHERE region = 'south'")
    ana.data("add", "data/energy.sqlite")
    ana.commit("two")


def rows(clone: Clone, query: str, *args: str) -> list[list[object]]:
    return clone.json("sql", query, *args)["rows"]


@pytest.mark.parametrize(
    "table",
    ["energy.Demand", '"energy.sqlite".Demand', '"data/energy.sqlite".demand', "ENERGY.DEMAND", "Demand",
     "main.Demand", '"energy@v2".Demand', '"energy@2".Demand', '"data/energy.sqlite@v2"."Demand"'],
)  # fmt: skip
def test_a_table_of_a_database_by_any_of_its_names(still: Clone, table: str) -> None:
    assert rows(still, f"FROM {table} SELECT region, value ORDER BY 1") == [["north", 1.5], ["south", 3.0]]


@pytest.mark.parametrize(
    "table", ["prices", "Prices", "prices.csv", '"prices.csv"', '"data/prices.csv"', "prices.rows"]
)
def test_a_file_that_is_one_table(still: Clone, table: str) -> None:
    assert rows(still, f"FROM {table}") == [["2030-01-01", 7], ["2030-01-02", None]]


def test_versions_side_by_side(still: Clone) -> None:
    query = 'SELECT region, o.value, n.value FROM "energy@v1".Demand o JOIN energy.Demand n USING (region)'
    assert rows(still, f"{query} WHERE o.value <> n.value") == [["south", 2.5, 3.0]]


def test_named_versions_alone_can_be_asked(still: Clone) -> None:
    total = "SELECT sum(value) FROM energy.Demand"
    assert rows(still, total, "data/energy.sqlite@v1") == [[4.0]]
    assert rows(still, "SELECT sum(value) FROM Demand", "data/energy.sqlite@v1") == [[4.0]]
    both = ("data/energy.sqlite", "data/energy.sqlite@v1")
    assert rows(still, total, *both) == [[4.5]]
    assert rows(still, 'SELECT sum(value) FROM "energy@v1".Demand', *both) == [[4.0]]
    assert "there is no table prices" in still.data("sql", "FROM prices", "data/energy.sqlite", code=3).err


def test_a_bare_table_of_two_versions_is_ambiguous(still: Clone) -> None:
    said = still.data("sql", "FROM Demand", "data/energy.sqlite@v1", "data/energy.sqlite@v2", code=128).err
    assert "may be several tables" in said


def test_two_datasets_of_one_stem(ana: Clone) -> None:
    ana.write("other/prices.csv", "day\n2031-01-01\n")
    ana.data("add", "other/prices.csv")
    assert "may be several tables" in ana.data("sql", "FROM prices", code=128).err
    assert rows(ana, 'FROM "other/prices.csv"') == [["2031-01-01"]]


def test_a_name_that_the_query_makes_itself(still: Clone) -> None:
    assert rows(still, "WITH prices AS (SELECT count(*) AS n FROM prices) FROM prices") == [[2]]
    assert rows(still, "WITH nix AS (SELECT 1) FROM nix") == [[1]]


def test_the_working_file_as_it_is(ana: Clone) -> None:
    ana.write("data/prices.csv", "day,price\n2030-01-01,8\n")
    assert rows(ana, "SELECT price FROM prices") == [[7], [None]]
    assert rows(ana, "SELECT price FROM prices", "--work") == [[8]]


def test_what_is_not_known_is_said_with_what_is(still: Clone) -> None:
    said = still.data("sql", "FROM nix", code=3).err
    assert "there is no table nix" in said
    assert "energy, prices" in said
    said = still.data("sql", "FROM energy", code=3).err
    assert '"energy"."Demand", "energy"."Region"' in said
    assert "has no version" in still.data("sql", "FROM prices", "data/prices.csv@v9", code=3).err


def test_a_folder_cannot_be_asked(ana: Clone) -> None:
    ana.write("images/a", "a")
    ana.data("add", "images")
    assert "is a folder" in ana.data("sql", "FROM images", code=128).err


def test_versions_that_are_not_here(ana: Clone, world: World) -> None:
    ana.git("push", "-q")
    bob = world.clone("bob")
    query = "SELECT sum(value) AS total FROM energy.Demand"
    assert "energy.sqlite v2 is not in this clone" in bob.data("sql", query, code=128).err
    assert "not looked into" in bob.data("sql", "FROM Demand", code=3).err
    bob.git("config", "data.diff.fetch", "always")
    assert bob.data("sql", query, "--format", "csv").out.split() == ["total", "4.5"]
    bob.git("config", "data.diff.fetch", "never")
    assert rows(bob, query) == [[4.5]]


def test_the_table_shows_null_cuts_cells_and_counts_the_rest(still: Clone) -> None:
    out = still.data("sql", "SELECT price, repeat('x', 100) AS long, 'a\nb\x1b[31m' AS odd FROM prices").out
    lines = out.splitlines()
    assert lines[0].split() == ["price", "long", "odd"]
    assert lines[2].split()[0] == "7"
    assert lines[3].split()[0] == "NULL"
    assert "x" * 41 not in out
    assert "(100 characters)" in out
    assert "\x1b" not in out
    assert still.data("sql", "FROM range(250)").out.splitlines()[-1] == "… 150 more"
    assert still.data("sql", "FROM range(250)", "--rows", "2").out.splitlines()[2:] == [
        "    0",
        "    1",
        "… 248 more",
    ]
    assert still.data("sql", "FROM prices WHERE false").out.splitlines()[-1] == "(no rows)"


def test_a_file_gets_all_of_the_answer_or_nothing(still: Clone, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    still.data("sql", "FROM range(3) t(i)", "-o", str(out))
    assert out.read_text().split() == ["i", "0", "1", "2"]
    assert "exists" in still.data("sql", "FROM range(4) t(i)", "-o", str(out), code=5).err
    assert out.read_text().split() == ["i", "0", "1", "2"]
    still.data("sql", "FROM range(4) t(i)", "-o", str(out), "--force")
    assert out.read_text().split()[-1] == "3"
    still.data("sql", "SELECT error('no')", "-o", str(out), "--force", code=128)
    assert out.read_text().split()[-1] == "3"
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith((".git-data", "out"))] == ["out.csv"]
    os.mkfifo(tmp_path / "pipe")
    said = still.data("sql", "SELECT 1", "-o", str(tmp_path / "pipe"), "--force", code=5).err
    assert "is no plain file" in said
    assert (tmp_path / "pipe").is_fifo()
    still.data("sql", "SELECT 1", "--format", "parquet", code=129)
    still.data("sql", "SELECT 1", "-o", str(tmp_path / "no" / "a.csv"), code=3)
    still.data("sql", "SELECT 1 AS i", "-o", str(tmp_path / "a.jsonl"))
    assert json.loads((tmp_path / "a.jsonl").read_text()) == {"i": 1}
    said = still.data("sql", "FROM range(1000)", "-o", str(tmp_path / "a.txt"))
    assert "wrote 100 rows" in said.out + said.err
    assert (tmp_path / "a.txt").read_text().splitlines()[-1] == "… 900 more"
    assert ".xlsx" in still.data("sql", "SELECT 1", "-o", str(tmp_path / "a.xlsx"), code=129).err
    assert not (tmp_path / "a.xlsx").exists()
    assert still.data("sql", "SELECT 1 AS i", "-o", "-", "--format", "csv").out == "i\r\n1\r\n"


@pytest.mark.parametrize(
    "query",
    [
        "COPY prices TO '{}/stolen.csv'",
        "ATTACH '{}/stolen.db'",
        "INSTALL httpfs",
        "SELECT * FROM read_text('/etc/passwd')",
        "FROM '/etc/passwd'",
        "PRAGMA database_list",
        "SET threads = 1",
        "CREATE TABLE a (i INTEGER)",
        "INSERT INTO prices VALUES ('a', 1)",
        "SELECT 1; SELECT 2",
    ],
)
def test_hostile_queries_do_nothing(still: Clone, tmp_path: Path, query: str) -> None:
    before = {path: path.read_bytes() for path in still.path.glob("data/*")}
    done = still.data("sql", query.format(tmp_path), code=None)
    assert done.code in (3, 128)
    assert done.err.startswith("error: ")
    assert done.out == ""
    assert not list(tmp_path.glob("stolen*"))
    assert {path: path.read_bytes() for path in still.path.glob("data/*")} == before


def test_values_of_several_types_are_said_to_be_texts(ana: Clone) -> None:
    database(ana.path / "odd.db", "CREATE TABLE t (v)", "INSERT INTO t VALUES (1), ('a')")
    ana.data("add", "odd.db")
    done = ana.data("sql", "SELECT v FROM t ORDER BY v", "--format", "csv")
    assert done.out.split() == ["v", "1", "a"]
    assert "odd.db v1: t holds values of several types in v" in done.err


def test_a_query_from_standard_input(still: Clone) -> None:
    done = subprocess.run(
        ["git", "data", "sql", "-", "--format", "csv"],
        cwd=still.path, input="SELECT count(*) AS n\nFROM prices", capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["n", "2"]


@pytest.mark.slow
def test_ctrl_c_stops_a_query_at_once(still: Clone) -> None:
    endless = "SELECT count(*) FROM range(1000000000000) a, range(1000) b WHERE a.range * b.range % 7 = 3"
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        ["git-data", "sql", endless],
        cwd=still.path, stdin=follower, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    )  # fmt: skip
    try:
        time.sleep(3)
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        _, said = process.communicate(timeout=30)
        assert time.monotonic() - began < 10
        assert process.returncode == 130
        assert "interrupted" in said
    finally:
        process.kill()
        os.close(leader)
        os.close(follower)
