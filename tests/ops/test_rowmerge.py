"""Two branches change one table: `git data resolve --merge-rows`, as somebody types it."""

import json
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from git_datamanager import fsio
from git_datamanager.errors import DataError, raise_failures
from git_datamanager.manager import DataManager
from git_datamanager.model.oid import Oid
from git_datamanager.ops.inside.rowmerging import Wanted, merge_rows
from tests.world import Clone, World


def database(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as opened:
        for statement in statements:
            opened.execute(statement)


def rows(path: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as opened:
        return opened.execute("SELECT * FROM t ORDER BY id").fetchall()


@pytest.fixture
def ana(world: World) -> Clone:
    ana = world.found("ana")
    database(ana.path / "a.sqlite", "CREATE TABLE t (id INTEGER PRIMARY KEY, v, w)",
             "INSERT INTO t VALUES (1, 'a', 'b'), (2, 'a', 'b')")  # fmt: skip
    commit(ana, "base")
    return ana


def commit(clone: Clone, message: str, name: str = "a.sqlite") -> None:
    clone.data("add", name, "-m", message)
    clone.commit(message)


def branches(ana: Clone, theirs: str, ours: str) -> None:
    """Both sides change the database; then theirs is merged, which stacks the versions."""
    ana.git("checkout", "-q", "-b", "theirs")
    database(ana.path / "a.sqlite", theirs)
    commit(ana, "theirs")
    ana.git("checkout", "-q", "main")
    ana.data("pull", "a.sqlite")
    database(ana.path / "a.sqlite", ours)
    commit(ana, "ours")
    merged = ana.git("merge", "-q", "--no-edit", "theirs")
    assert "a.sqlite: both sides made a new version" in merged.err
    assert "git data resolve --merge-rows" in merged.err


def test_rows_of_both_sides_become_one_version(ana: Clone) -> None:
    branches(ana, "UPDATE t SET w = 'theirs' WHERE id = 1", "UPDATE t SET v = 'ours' WHERE id = 1")
    assert len(ana.versions("a.sqlite")) == 3
    done = ana.json("resolve", "--merge-rows")["datasets"][0]
    assert ({done["ours"], done["theirs"]}, done["base"], done["version"]) == ({"v2", "v3"}, "v1", "v4")
    assert rows(ana.path / "a.sqlite")[0] == (1, "ours", "theirs")
    newest, *_ = ana.versions("a.sqlite")
    assert newest["message"] == "Merge the rows of v2 and v3"
    assert len({newest["parent"], *newest["merges"]}) == 2
    ana.commit("merged")
    assert "no rows to merge" in ana.data("resolve", "--merge-rows").out


def test_what_clashes_is_listed_and_decided(ana: Clone) -> None:
    branches(ana, "UPDATE t SET v = 'theirs'", "UPDATE t SET v = 'ours' WHERE id = 1")
    before = ana.manifest(), ana.read("a.sqlite")
    done = ana.data("resolve", "--merge-rows", code=5)
    assert done.out == "conflict: a.sqlite: t [1]: v: a in base, ours here, theirs there\n"
    assert "git data resolve --merge-rows --take ours a.sqlite" in done.err
    assert (ana.manifest(), ana.read("a.sqlite")) == before
    found = ana.json("resolve", "--merge-rows", code=5)["datasets"][0]
    assert found["clashes"] == [
        {
            "table": "t",
            "what": "cell",
            "key": [1],
            "column": "v",
            "base": "a",
            "ours": "ours",
            "theirs": "theirs",
            "id": found["clashes"][0]["id"],
            "take": None,
        }
    ]
    ana.data("resolve", "--merge-rows", "--take", "theirs", "a.sqlite")
    assert [row[1] for row in rows(ana.path / "a.sqlite")] == ["theirs", "theirs"]


def test_work_that_nobody_added_is_left_alone(ana: Clone) -> None:
    branches(ana, "UPDATE t SET w = 1", "UPDATE t SET v = 2")
    database(ana.path / "a.sqlite", "INSERT INTO t VALUES (9, 9, 9)")
    mine = ana.read("a.sqlite")
    done = ana.data("resolve", "--merge-rows", code=5)
    assert "git data add a.sqlite" in done.err
    assert ana.read("a.sqlite") == mine
    assert len(ana.versions("a.sqlite")) == 3


def test_in_the_middle_of_a_merge_head_is_ours(ana: Clone) -> None:
    ana.git("checkout", "-q", "-b", "theirs")
    database(ana.path / "a.sqlite", "UPDATE t SET v = 'theirs'")
    commit(ana, "theirs")
    ana.git("checkout", "-q", "main")
    ana.data("pull", "a.sqlite")
    database(ana.path / "a.sqlite", "UPDATE t SET v = 'ours'")
    commit(ana, "ours")
    ana.git("merge", "-q", "--no-commit", "theirs")
    ana.data("resolve", "--merge-rows", "--take", "ours")
    assert [row[1] for row in rows(ana.path / "a.sqlite")] == ["ours", "ours"]
    ana.commit("merged")
    assert len(ana.versions("a.sqlite")) == 4


def test_a_csv_needs_a_key(ana: Clone) -> None:
    pytest.importorskip("duckdb", reason="DuckDB is not installed (the extra tabular)")
    ana.write("p.csv", "id,v\n1,a\n2,b\n")
    commit(ana, "csv", "p.csv")
    ana.git("checkout", "-q", "-b", "theirs")
    ana.write("p.csv", "id,v\n1,a\n2,theirs\n")
    commit(ana, "theirs", "p.csv")
    ana.git("checkout", "-q", "main")
    ana.data("pull", "p.csv")
    ana.write("p.csv", "id,v\n1,ours\n2,b\n3,new\n")
    commit(ana, "ours", "p.csv")
    ana.git("merge", "-q", "--no-edit", "theirs")
    assert "it has none" in ana.data("resolve", "--merge-rows", "p.csv", code=128).err
    manifest = ana.read("manifest.json").decode()
    head = '"p.csv": {\n      "kind": "file",'
    assert head in manifest
    ana.write(
        "manifest.json",
        manifest.replace(head, f'{head}\n      "options": {{\n        "key": ["id"]\n      }},'),
    )
    ana.data("resolve", "--merge-rows", "p.csv")
    assert ana.read("p.csv") == b"id,v\n1,ours\n2,theirs\n3,new\n"


def test_a_name_that_has_one_newest_version(ana: Clone) -> None:
    done = ana.data("resolve", "--merge-rows", "a.sqlite", code=3)
    assert "one newest version" in done.err
    assert "go with --merge-rows" in ana.data("resolve", "a.sqlite", code=129).err


def test_once_somebody_went_on_with_one_side_only_a_name_merges_the_other(ana: Clone) -> None:
    branches(ana, "UPDATE t SET w = 'theirs' WHERE id = 1", "UPDATE t SET v = 'ours' WHERE id = 1")
    ana.data("pull", "a.sqlite")
    database(ana.path / "a.sqlite", "INSERT INTO t VALUES (3, 'more', 'more')")
    commit(ana, "on")
    assert "no rows to merge" in ana.data("resolve", "--merge-rows").out
    ana.data("resolve", "--merge-rows", "a.sqlite")
    assert rows(ana.path / "a.sqlite") == [(1, "ours", "theirs"), (2, "a", "b"), (3, "more", "more")]


def texts(ana: Clone, base: str, ours: str, theirs: str, name: str = "p.csv") -> None:
    """Both sides change a file that says nowhere what tells its rows apart."""
    pytest.importorskip("duckdb", reason="DuckDB is not installed (the extra tabular)")
    ana.write(name, base)
    commit(ana, "base", name)
    ana.git("checkout", "-q", "-b", "theirs")
    ana.write(name, theirs)
    commit(ana, "theirs", name)
    ana.git("checkout", "-q", "main")
    ana.data("pull", name)
    ana.write(name, ours)
    commit(ana, "ours", name)
    ana.git("merge", "-q", "--no-edit", "theirs")


def test_the_key_of_a_text_can_be_given_once(ana: Clone) -> None:
    texts(ana, "id,v\n1,a\n2,b\n", "id,v\n1,o\n2,b\n", "id,v\n1,a\n2,t\n", "my p.csv")
    refused = ana.data("resolve", "--merge-rows", code=128)
    assert "git data resolve --merge-rows --key COLUMN 'my p.csv'" in refused.err
    assert "there is no column x" in ana.data("resolve", "--merge-rows", "--key", "x", code=128).err
    ana.data("resolve", "--merge-rows", "--key", "id", "my p.csv")
    assert ana.read("my p.csv") == b"id,v\n1,o\n2,t\n"
    assert "go with --merge-rows" in ana.data("resolve", "--key", "id", code=129).err


def test_what_would_be_merged(ana: Clone) -> None:
    branches(ana, "UPDATE t SET w = 'theirs' WHERE id = 1", "UPDATE t SET v = 'ours' WHERE id = 1")
    before = ana.manifest(), ana.read("a.sqlite")
    found = ana.json("resolve", "--merge-rows", "--dry-run")
    assert (found["dry_run"], found["datasets"][0]["version"]) == (True, "v4")
    assert "would become v4" in ana.data("resolve", "--merge-rows", "--dry-run").out
    assert (ana.manifest(), ana.read("a.sqlite")) == before


def test_what_cannot_be_merged_stops_no_other(ana: Clone) -> None:
    ana.git("checkout", "-q", "-b", "theirs")
    database(ana.path / "a.sqlite", "UPDATE t SET w = 1")
    ana.write("x.bin", "theirs")
    commit(ana, "theirs")
    commit(ana, "theirs", "x.bin")
    ana.git("checkout", "-q", "main")
    ana.data("pull", "a.sqlite")
    database(ana.path / "a.sqlite", "UPDATE t SET v = 2")
    ana.write("x.bin", "ours")
    commit(ana, "ours")
    commit(ana, "ours", "x.bin")
    ana.git("merge", "-q", "--no-edit", "theirs")
    scoped = ana.data("resolve", "--merge-rows", "--take", "ours:t", code=128)
    assert "tables are decided for one dataset, and 2 would be merged" in scoped.err
    done = ana.data("resolve", "--merge-rows", code=128)
    assert "a.sqlite  v4" in done.out
    assert "x.bin is no table" in done.err
    assert "git data pull x.bin@v" in done.err
    assert rows(ana.path / "a.sqlite")[0] == (1, 2, 1)


def test_a_refusal_names_the_dataset(ana: Clone) -> None:
    database(ana.path / "a.sqlite", "UPDATE t SET v = id", "CREATE UNIQUE INDEX i ON t (v)")
    commit(ana, "unique")
    branches(ana, "INSERT INTO t VALUES (8, 'x', 1)", "INSERT INTO t VALUES (9, 'x', 1)")
    refused = ana.data("resolve", "--merge-rows", code=5)
    assert "a.sqlite: the rows of both sides together break a constraint (UNIQUE" in refused.err
    assert "git data pull a.sqlite@v" in refused.err


def test_in_the_middle_of_a_rebase_ours_is_what_one_rebases_onto(ana: Clone) -> None:
    ana.write("f", "1")
    ana.git("add", "f")
    ana.git("checkout", "-q", "-b", "theirs")
    database(ana.path / "a.sqlite", "UPDATE t SET v = 'mine'")
    commit(ana, "theirs")
    ana.git("checkout", "-q", "main")
    ana.data("pull", "a.sqlite")
    database(ana.path / "a.sqlite", "UPDATE t SET v = 'upstream'")
    ana.write("f", "2")
    ana.git("add", "f")
    commit(ana, "ours")
    ana.git("checkout", "-q", "theirs")
    ana.write("f", "3")
    ana.git("add", "f")
    ana.git("commit", "-q", "--amend", "--no-edit")
    ana.git("rebase", "-q", "main", code=1)
    ana.data("resolve", "--merge-rows", "--take", "ours")
    assert rows(ana.path / "a.sqlite")[0][1] == "upstream"


@pytest.mark.parametrize("side", ["ours", "theirs"])
def test_a_merge_that_is_one_of_its_sides_unites_them_all_the_same(ana: Clone, side: str) -> None:
    texts(ana, "id,v\n1,a\n", "id,v\n1,o\n", "id,v\n1,t\n")
    ana.data("resolve", "--merge-rows", "--key", "id", "--take", side)
    ana.commit("merged")
    assert ana.read("p.csv") == f"id,v\n1,{side[0]}\n".encode()
    assert [version["version"] for version in ana.versions("p.csv")] == ["v4", "v3", "v2", "v1"]
    assert "no rows to merge" in ana.data("resolve", "--merge-rows").out


DECIDED = ("UPDATE t SET v = 't', w = 't' WHERE id = 1", "UPDATE t SET v = 'o', w = 'o' WHERE id = 1")


def test_conflicts_are_decided_by_table_and_column(ana: Clone) -> None:
    branches(ana, *DECIDED)
    before = ana.manifest(), ana.read("a.sqlite")
    left = ana.data("resolve", "--merge-rows", "--take", "theirs:t.w", code=5)
    assert left.out == (
        "conflict: a.sqlite: t [1]: v: a in base, o here, t there\n"
        "take theirs: a.sqlite: t [1]: w: b in base, o here, t there\n"
    )
    assert "2 conflicts" in left.err
    assert "1 of them undecided" in left.err
    assert "git data resolve --merge-rows --take theirs:t.w --take ours:t.v a.sqlite" in left.err
    assert (ana.manifest(), ana.read("a.sqlite")) == before
    dry = ("resolve", "--merge-rows", "--take", "ours", "--take", "theirs:t.w", "--dry-run")
    assert "take ours: a.sqlite: t [1]: v" in ana.data(*dry).out
    assert [c["take"] for c in ana.json(*dry)["datasets"][0]["clashes"]] == ["ours", "theirs"]
    assert (ana.manifest(), ana.read("a.sqlite")) == before
    ana.data(*dry[:-1])
    assert rows(ana.path / "a.sqlite")[0] == (1, "o", "t")


def test_conflicts_are_decided_one_by_one_in_a_file(ana: Clone) -> None:
    branches(ana, *DECIDED)
    found = ana.json("resolve", "--merge-rows", "--key", "id", code=5)
    (shown,) = [line for line in ana.data("resolve", "--merge-rows", "--key", "id", code=5).err.splitlines()
                if "--json" in line]  # fmt: skip
    assert "git data resolve --merge-rows --key id --json a.sqlite > decisions.json" in shown
    first, second = found["datasets"][0]["clashes"]
    first["take"] = "theirs"
    ana.write("decisions.json", json.dumps(found))
    left = ana.json("resolve", "--merge-rows", "--decisions", "decisions.json", code=5)["datasets"][0]
    assert [(c["column"], c["take"]) for c in left["clashes"]] == [("w", None), ("v", "theirs")]
    assert (left["conflicts"], left["undecided"]) == (2, 1)
    second["take"] = "base"
    ana.write("more.json", json.dumps({**found, "datasets": [{"name": "a.sqlite", "clashes": [second]}]}))
    ana.data(
        "resolve", "--merge-rows", "--decisions", "decisions.json", "--decisions", "more.json",
        "--take", "ours:t.v", "--take", "ours",
    )  # fmt: skip
    assert rows(ana.path / "a.sqlite")[0] == (1, "t", "b")


def test_decisions_of_other_versions_are_refused(ana: Clone) -> None:
    branches(ana, *DECIDED)
    found = ana.json("resolve", "--merge-rows", "--take", "theirs", "--dry-run")
    found["datasets"][0]["clashes"][0]["id"] = "0" * 20
    ana.write("stale.json", json.dumps(found))
    before = ana.manifest(), ana.read("a.sqlite")
    refused = ana.data("resolve", "--merge-rows", "--decisions", "stale.json", "--take", "ours", code=128)
    assert "the conflict 00000000000000000000 of the decisions fits no conflict" in refused.err
    assert "git data resolve --merge-rows --json " in refused.err
    found["datasets"][0]["name"] = "b.sqlite"
    ana.write("stale.json", json.dumps(found))
    refused = ana.data("resolve", "--merge-rows", "--decisions", "stale.json", code=128)
    assert "b.sqlite has decisions, and there are no rows of it to merge" in refused.err
    refused = ana.data("resolve", "--merge-rows", "--take", "ours:other", "--take", "ours", code=128)
    assert "other of the decisions fits no conflict" in refused.err
    assert (ana.manifest(), ana.read("a.sqlite")) == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--take", "mine"], "begins with none of ours, theirs, base"),
        (["--take", "ours", "--take", "theirs"], "decides once more"),
        (["--take", "ours:"], "is not SIDE:TABLE"),
    ],
)
def test_what_is_no_decision(ana: Clone, options: list[str], said: str) -> None:
    assert said in ana.data("resolve", "--merge-rows", *options, code=129).err


def test_a_file_that_holds_no_decisions(ana: Clone) -> None:
    refused = ana.data("resolve", "--merge-rows", "--decisions", "absent.json", code=128)
    assert "absent.json cannot be read" in refused.err
    ana.write("odd.json", "{}")
    assert "its schema is not" in ana.data("resolve", "--merge-rows", "--decisions", "odd.json", code=128).err


# What happens around it


def test_bytes_that_are_nowhere(ana: Clone) -> None:
    branches(ana, "UPDATE t SET w = 'theirs' WHERE id = 1", "UPDATE t SET v = 'ours' WHERE id = 1")
    lost = next(v["oid"] for v in ana.versions("a.sqlite") if v["message"] == "theirs").removeprefix(
        "sha256:"
    )
    stores = [path for path in ana.path.parent.rglob(f"*{lost[4:]}*") if path.is_file()]
    assert stores
    for path in stores:
        path.unlink()
    before = ana.manifest(), ana.read("a.sqlite"), sorted(ana.path.rglob("*"))
    refused = ana.data("resolve", "--merge-rows", code=3)
    assert "a.sqlite" in refused.err
    assert "hint: " in refused.err
    assert (ana.manifest(), ana.read("a.sqlite"), sorted(ana.path.rglob("*"))) == before


def side_branch(ana: Clone, name: str, change: str) -> None:
    ana.git("checkout", "-q", "-b", name, "start")
    ana.data("pull", "a.sqlite")
    database(ana.path / "a.sqlite", change)
    commit(ana, name)


def test_three_branches_are_merged_two_by_two(ana: Clone) -> None:
    ana.git("branch", "start")
    changes = {
        "x": "UPDATE t SET v = 'x' WHERE id = 1",
        "y": "UPDATE t SET w = 'y' WHERE id = 1",
        "z": "INSERT INTO t VALUES (9, 'z', 'z')",
    }
    for name, change in changes.items():
        side_branch(ana, name, change)
    ana.git("checkout", "-q", "x")
    ana.data("pull", "a.sqlite")
    for other in ("y", "z"):
        ana.git("merge", "-q", "--no-edit", other)
    for _ in range(2):
        ana.data("resolve", "--merge-rows", "a.sqlite")
        ana.commit("rows")
    assert "no rows to merge" in ana.data("resolve", "--merge-rows").out
    assert rows(ana.path / "a.sqlite") == [(1, "x", "y"), (2, "a", "b"), (9, "z", "z")]


def publish(world: World, ana: Clone) -> None:
    ana.git("push", "-q", "origin", "main")
    world.publish(ana)
    ana.git("pull", "-q", "--rebase")


def test_a_published_version_and_a_pending_one(world: World, ana: Clone) -> None:
    publish(world, ana)
    ana.git("branch", "start")
    side_branch(ana, "theirs", "UPDATE t SET w = 'theirs' WHERE id = 1")
    ana.git("checkout", "-q", "main")
    ana.data("pull", "a.sqlite")
    database(ana.path / "a.sqlite", "UPDATE t SET v = 'ours' WHERE id = 1")
    commit(ana, "ours")
    publish(world, ana)
    assert ana.states("a.sqlite")["v2"] == "published"
    ana.git("merge", "-q", "--no-edit", "theirs")
    ana.data("resolve", "--merge-rows")
    ana.commit("rows")
    assert rows(ana.path / "a.sqlite")[0] == (1, "ours", "theirs")
    publish(world, ana)
    assert "no rows to merge" in ana.data("resolve", "--merge-rows").out


def test_a_working_file_that_is_edited_meanwhile_stays(ana: Clone) -> None:
    branches(ana, "UPDATE t SET w = 'theirs' WHERE id = 1", "UPDATE t SET v = 'ours' WHERE id = 1")
    before = ana.manifest()
    manager = DataManager.open(ana.path)
    for version in ana.versions("a.sqlite"):
        manager.cache.drop(Oid.parse(version["oid"]))

    def edit(_absent: object) -> bool:
        database(ana.path / "a.sqlite", "UPDATE t SET v = 'edited'")
        return True

    with pytest.raises(DataError) as caught:
        raise_failures(merge_rows(manager, [], Wanted(), edit).failures)
    assert caught.value.hints
    assert [row[1] for row in rows(ana.path / "a.sqlite")] == ["edited", "edited"]
    assert ana.manifest() == before


def test_the_next_merge_clears_what_a_killed_one_left(ana: Clone) -> None:
    """Those of the last hour stay: another machine may be at work in a cache that is shared."""
    branches(ana, "UPDATE t SET w = 'theirs' WHERE id = 1", "UPDATE t SET v = 'ours' WHERE id = 1")
    folder = DataManager.open(ana.path).cache.root / "tmp"
    folder.mkdir(exist_ok=True)
    left = [folder / f"{fsio.TEMP_PREFIX}999999999-01{end}" for end in ("", "-journal", "-wal")]
    young = folder / f"{fsio.TEMP_PREFIX}999999999-02"
    for path in (*left, young):
        path.write_bytes(b"x")
    for path in left:
        os.utime(path, (time.time() - 4000,) * 2)
    ana.data("resolve", "--merge-rows")
    assert list(folder.iterdir()) == [young]
