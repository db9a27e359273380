"""git data blame inside folders: a file is followed by its path, version by version."""

import sqlite3
from contextlib import closing

from tests.world import Clone, World


def make_template(world: World, ana: Clone) -> None:
    """The folder runs in four versions: e.sqlite comes in v2, changes in v3; v4 changes another file."""
    ana.write("runs/notes.txt", "words")
    add(ana, "first")
    statements = ["CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, cost REAL)"]
    change(ana, *statements, "INSERT INTO t VALUES (1, 'one', 1.5), (2, 'two', 2.5)")
    add(ana, "second")
    change(ana, "UPDATE t SET cost = 9 WHERE id = 1", "DELETE FROM t WHERE id = 2")
    add(ana, "third")
    ana.write("runs/notes.txt", "more words")
    add(ana, "fourth")
    ana.git("push", "-q")


def change(clone: Clone, *statements: str) -> None:
    with closing(sqlite3.connect(clone.path / "runs/e.sqlite")) as database, database:
        for statement in statements:
            database.execute(statement)


def add(clone: Clone, note: str) -> None:
    clone.data("add", "runs", "-m", note)
    clone.commit(note)


def origins(clone: Clone, *args: str) -> dict[str, str]:
    cells = clone.json("blame", *args)["cells"]
    return {cell["column"]: cell["version"] + " or older" * cell["or_older"] for cell in cells}


def test_every_cell_has_the_version_that_changed_it(still: Clone) -> None:
    assert origins(still, "runs/e.sqlite", "--key", "1") == {"id": "v2", "name": "v2", "cost": "v3"}
    assert origins(still, "runs@v2/e.sqlite", "--key", "1") == {"id": "v2", "name": "v2", "cost": "v2"}
    shown = still.data("blame", "runs/e.sqlite", "--key", "1").out
    assert shown.startswith("runs/e.sqlite t id 1: last changed in v3\n")


def test_a_row_that_was_removed(still: Clone) -> None:
    found = still.json("blame", "runs/e.sqlite", "--key", "2")
    assert (found["dataset"], found["removed"]) == ("runs/e.sqlite", "v3")


def test_from_where_one_stands(world: World) -> None:
    ana = world.found("ana")
    found = ana.data("-C", "runs", "blame", "e.sqlite", "--key", "1").out
    assert found.startswith("runs/e.sqlite t id 1: last changed in v3\n")


def test_what_is_not_there(still: Clone) -> None:
    said = still.data("blame", "runs/f.sqlite", "--key", "1", code=3).err
    assert "runs v4 has no file runs/f.sqlite" in said
    assert "runs v1 has no file" in still.data("blame", "runs@v1/e.sqlite", "--key", "1", code=3).err
    assert "runs is no file" in still.data("blame", "runs", "--key", "1", code=128).err
    assert "runs/notes.txt is no table" in still.data("blame", "runs/notes.txt", "--key", "1", code=128).err
    assert "has no row of t" in still.data("blame", "runs/e.sqlite", "--key", "7", code=3).err


def test_versions_that_are_not_here(world: World) -> None:
    bob = world.clone("bob")
    key = ("runs@v2/e.sqlite", "--key", "1")
    said = bob.data("blame", *key, code=128).err
    assert "git -c data.diff.fetch=always data blame runs@v2/e.sqlite --key=1" in said
    bob.data("pull", "runs")
    found = bob.json("blame", "runs/e.sqlite", "--key", "1")
    assert {cell["version"] for cell in found["cells"]} <= {"v3", "v4"}
    assert all(cell["or_older"] for cell in found["cells"])
    assert "v2" in found["needed"]
    bob.git("config", "data.diff.fetch", "always")
    assert origins(bob, "runs/e.sqlite", "--key", "1") == {"id": "v2", "name": "v2", "cost": "v3"}
