"""git data blame: which version gave each cell its value."""

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from git_datamanager.errors import DataError
from git_datamanager.manager import DataManager
from git_datamanager.ops.inside.blame import read_key
from tests.world import Clone, World


def change(clone: Clone, name: str, note: str, *statements: str) -> None:
    with closing(sqlite3.connect(clone.path / name)) as connection, connection:
        for statement in statements:
            connection.execute(statement)
    clone.data("add", name, "-m", note)
    clone.commit(note)


def make_template(world: World, ana: Clone) -> None:
    """A database in five versions, and a CSV in three."""
    change(
        ana, "e.sqlite", "begin",
        "CREATE TABLE d (region TEXT, year INTEGER, value REAL, note TEXT, PRIMARY KEY (region, year))",
        "INSERT INTO d VALUES ('north', 2030, 1, 'a'), ('south', 2030, 2, NULL)",
    )  # fmt: skip
    change(ana, "e.sqlite", "north grows", "UPDATE d SET value = 5 WHERE region = 'north'")
    change(ana, "e.sqlite", "a column", "ALTER TABLE d ADD COLUMN source TEXT DEFAULT 'iea'")
    change(ana, "e.sqlite", "south goes", "DELETE FROM d WHERE region = 'south'")
    change(ana, "e.sqlite", "a table more", "CREATE TABLE other (id INTEGER PRIMARY KEY)")
    for note, text in (
        ("one", "id,v\n007,1.0\n8,x\n"),
        ("two", "id,v\n007,1.00\n8,x\n"),
        ("three", "v,id\n1.00,007\ny,8\n"),
    ):
        ana.write("p.csv", text)
        ana.data("add", "p.csv", "-m", note)
        ana.commit(note)


def origins(found: dict[str, Any]) -> dict[str, str]:
    return {cell["column"]: cell["version"] + " or older" * cell["or_older"] for cell in found["cells"]}


def test_every_cell_has_the_version_that_changed_it(still: Clone) -> None:
    found = still.json("blame", "e.sqlite", "--table", "d", "--key", "north,2030")
    assert origins(found) == {"region": "v1", "year": "v1", "value": "v2", "note": "v1", "source": "v3"}
    assert found["last"]["version"] == "v3"
    assert [c["value"] for c in found["cells"]] == ["north", 2030, 5.0, "a", "iea"]
    assert [c["message"] for c in found["cells"]] == ["begin", "begin", "north grows", "begin", "a column"]


def test_people_read_it_as_a_table(still: Clone) -> None:
    out = still.data("blame", "e.sqlite", "--table", "d", "--key", "north,2030").out.splitlines()
    assert out[0] == "e.sqlite d region north, year 2030: last changed in v3"
    assert out[1].split() == ["column", "value", "version", "date", "author", "message"]
    assert out[4].split()[:3] == ["value", "5.0", "v2"]


@pytest.mark.parametrize(
    "key", ["north,2030", "region=north,year=2030", "year=2030,north", "value=5", "REGION=north"]
)
def test_a_row_by_its_key_or_by_any_cells(still: Clone, key: str) -> None:
    found = still.json("blame", "e.sqlite", "--table", "D", "--key", key)
    assert origins(found)["region"] in ("v1", "v2")


def test_an_older_version_is_where_one_may_begin(still: Clone) -> None:
    found = still.json("blame", "e.sqlite@v2", "--key", "south,2030")
    assert origins(found) == {"region": "v1", "year": "v1", "value": "v1", "note": "v1"}
    assert found["removed"] is None


def test_a_row_that_was_removed(still: Clone) -> None:
    found = still.json("blame", "e.sqlite", "--table", "d", "--key", "south,2030")
    assert found["removed"] == found["last"]["version"] == "v4"
    assert origins(found) == {"region": "v1", "year": "v1", "value": "v1", "note": "v1", "source": "v3"}


def test_a_key_that_finds_only_some_versions(still: Clone) -> None:
    """By a cell that changed: before that, the row had another."""
    found = still.json("blame", "e.sqlite", "--table", "d", "--key", "value=5")
    assert set(origins(found).values()) == {"v2", "v3"}


def test_cells_of_csv_are_texts_and_columns_may_move(still: Clone) -> None:
    pytest.importorskip("duckdb", reason="DuckDB is not installed (the extra tabular)")
    assert origins(still.json("blame", "p.csv", "--key", "id=007")) == {"v": "v2", "id": "v1"}
    assert origins(still.json("blame", "p.csv", "--key", "id=8")) == {"v": "v3", "id": "v1"}


def test_json_lines_and_parquet(world: World) -> None:
    duckdb = pytest.importorskip("duckdb", reason="DuckDB is not installed (the extra tabular)")
    ana = world.found("ana")
    for n in (1, 2):
        ana.write("l.jsonl", f'{{"id": "a", "v": [{n}]}}\n{{"id": 2, "v": 0}}\n')
        (ana.path / "q.parquet").unlink(missing_ok=True)
        day = f"DATE '2030-01-01' + {n}"
        duckdb.sql(f"SELECT 1 AS id, {day} AS d, 'x' AS t").write_parquet(str(ana.path / "q.parquet"))
        ana.data("add", "l.jsonl", "q.parquet")
        ana.commit(str(n))
    assert origins(ana.json("blame", "l.jsonl", "--key", "id=a")) == {"id": "v1", "v": "v2"}
    assert origins(ana.json("blame", "l.jsonl", "--key", "id=2")) == {"id": "v1", "v": "v1"}
    found = ana.json("blame", "q.parquet", "--key", "id=1")
    assert origins(found) == {"id": "v1", "d": "v2", "t": "v1"}
    assert found["cells"][1]["value"] == "2030-01-03"


def test_a_rollback_is_the_version_that_changed_it_back(world: World) -> None:
    ana = world.found("ana")
    ana.data("rollback", "e.sqlite", "--to", "v1")
    found = ana.json("blame", "e.sqlite", "--table", "d", "--key", "north,2030")
    assert origins(found)["value"] == "v6"


def test_versions_that_are_not_here_are_named_and_fetched_where_asked(world: World) -> None:
    ana = world.found("ana")
    ana.git("push", "-q")
    bob = world.clone("bob")
    key = ("blame", "e.sqlite@v2", "--key", "north,2030")
    said = bob.data(*key, code=128).err
    assert "e.sqlite v2 is not in this clone" in said
    again = "hint: git -c data.diff.fetch=always data blame e.sqlite@v2 --key=north,2030   # fetches"
    assert again in said
    said = bob.data("profile", "e.sqlite@v2", code=128).err
    assert "hint: git config data.diff.fetch always   # then run the same command again" in said
    bob.data("pull", "e.sqlite@v2")
    found = bob.json(*key)
    assert set(origins(found).values()) == {"v2 or older"}
    assert found["needed"] == ["v1"]
    assert again in bob.data(*key).err
    assert "v2 or before" in bob.data(*key).out
    bob.git("config", "data.diff.fetch", "always")
    assert origins(bob.json(*key)) == {"region": "v1", "year": "v1", "value": "v2", "note": "v1"}


def test_no_version_is_fetched_that_is_not_needed(world: World) -> None:
    ana = world.found("ana")
    manager = DataManager.open(ana.path)
    dataset = manager.manifests.current().dataset("p.csv")
    pytest.importorskip("duckdb", reason="DuckDB is not installed (the extra tabular)")
    ana.write("p.csv", "v,id\nz,9\n")
    ana.data("add", "p.csv")
    manager.cache.drop(dataset.version("v1").oid)
    assert origins(ana.json("blame", "p.csv", "--key", "id=9")) == {"v": "v4", "id": "v4"}


@pytest.mark.parametrize(
    ("arguments", "said", "code"),
    [
        (("e.sqlite", "--key", "1"), "has 2 tables", 128),
        (("e.sqlite", "--table", "nix", "--key", "1"), "has no table nix", 3),
        (("e.sqlite", "--table", "d", "--key", "1"), "its key is region, year", 128),
        (("e.sqlite", "--table", "d", "--key", "nix=1"), "cannot be asked for nix=1", 128),
        (("e.sqlite", "--table", "d", "--key", "west,2030"), "has no row of d with region west", 3),
        (("e.sqlite@v1", "--key", "year=2030"), "several rows of d in v1", 128),
        (("p.csv", "--key", "7"), "it declares no key", 128),
        (("p.csv", "--key", ""), "--key needs values", 128),
        (("nix", "--key", "1"), "there is no dataset", 3),
    ],
)
def test_what_cannot_be_followed_says_why(
    still: Clone, arguments: tuple[str, ...], said: str, code: int
) -> None:
    assert said in still.data("blame", *arguments, code=code).err


def test_an_option_key_of_other_tables_leaves_a_table_its_own(world: World) -> None:
    ana = world.found("ana")
    path = ana.path / "manifest.json"
    text = path.read_text().replace('"e.sqlite": {', '"e.sqlite": {\n      "options": {"key": ["id"]},')
    path.write_text(text)
    assert origins(ana.json("blame", "e.sqlite", "--table", "d", "--key", "north,2030"))["value"] == "v2"


def test_values_with_commas_and_quotes() -> None:
    assert read_key('north,"a, b",c=d') == ["north", "a, b", "c=d"]
    for odd in ('"open', "", "\udcff"):
        with pytest.raises(DataError):
            read_key(odd)
