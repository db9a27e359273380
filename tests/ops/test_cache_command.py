"""`git data cache`: what is kept besides the working files, what may go, and sharing it."""

import os
import random
from pathlib import Path

import pytest

from tests.world import Clone, World


@pytest.fixture
def ana(world: World) -> Clone:
    return world.found("ana")


def pushed(clone: Clone, name: str, data: bytes) -> None:
    clone.write(name, data)
    clone.data("add", name)
    clone.commit(f"Add {name}")
    clone.git("push", "-q")


def listed(clone: Clone) -> dict[tuple[str, ...], dict]:
    return {tuple(e["versions"]): e for e in clone.json("cache", "list")["entries"]}


def test_it_says_what_takes_room(ana: Clone) -> None:
    pushed(ana, "a.csv", b"1" * 1000)
    shown = ana.json("cache")
    assert shown["kinds"] == {"object": {"count": 1, "size": 1000}}
    assert shown["removable"] == 1000
    assert "1000 B" in ana.data("cache").out


def test_older_versions_go_and_the_newest_stay(ana: Clone) -> None:
    pushed(ana, "a.csv", b"1" * 1000)
    pushed(ana, "a.csv", b"2" * 1000)
    assert [e["versions"] for e in ana.json("cache", "prune")["entries"]] == [["a.csv v1"]]
    assert set(listed(ana)) == {("a.csv v2",)}
    ana.data("cache", "prune", "--all")
    assert listed(ana) == {}
    ana.data("pull", "a.csv@v1")
    assert ana.read("a.csv") == b"1" * 1000


def test_bytes_that_no_store_has_stay(ana: Clone) -> None:
    ana.write("a.csv", b"1" * 1000)
    ana.data("add", "a.csv")
    assert ana.json("cache", "prune", "--all")["entries"] == []
    assert "only here" in ana.data("cache", "list").out


def test_a_dry_run_and_an_age(ana: Clone) -> None:
    pushed(ana, "a.csv", b"1" * 1000)
    assert len(ana.json("cache", "prune", "--all", "--dry-run")["entries"]) == 1
    assert ana.json("cache", "prune", "--all", "--older", "1")["entries"] == []
    for path in (ana.path / ".git" / "data" / "cache").rglob("*"):
        os.utime(path, (1, 1))
    assert len(ana.json("cache", "prune", "--all", "--older", "1")["entries"]) == 1


def test_what_was_said_of_versions_is_counted_and_goes(world: World, ana: Clone) -> None:
    """Git shows a diff, which is remembered; so are a profile, and rows that were counted. Nothing is lost
    with them."""
    pytest.importorskip("duckdb", reason="DuckDB is not installed (the extra tabular)")
    pushed(ana, "a.csv", b"x\n1\n")
    ana.git("show", "HEAD")
    ana.data("profile", "a.csv")
    world.publish(ana)
    ana.git("pull", "-q")
    ana.data("catalog")
    memos = [e for e in ana.json("cache", "list")["entries"] if e["kind"] == "memo"]
    assert {e["id"] for e in memos} == {"diffs/texts.db", "profiles.db", "rows.db"}
    shown = ana.json("cache")
    size = sum(e["size"] for e in memos)
    assert shown["kinds"]["memo"] == {"count": 3, "size": size}
    assert shown["removable"] == size + 4
    assert "diffs/texts.db" in ana.data("cache", "list").out
    assert "3 files" in ana.data("cache", "prune").out
    assert not list((ana.path / ".git" / "data").rglob("texts.db*"))
    assert "rows +1 −0 ~0" in ana.git("show", "HEAD").out


def test_what_force_replaced_is_shown_and_stays(ana: Clone) -> None:
    pushed(ana, "a.csv", b"1" * 1000)
    ana.write("a.csv", b"mine")
    ana.data("pull", "--force", "a.csv")
    assert ana.json("cache")["kinds"]["kept"] == {"count": 1, "size": 4}
    ana.data("cache", "prune", "--all")
    assert ana.json("cache")["kinds"]["kept"]["count"] == 1


def test_clones_share_one_cache(world: World, ana: Clone, tmp_path: Path) -> None:
    shared = str(tmp_path / "shared")
    data = random.Random(1).randbytes(100_000)
    ana.git("config", "data.cacheDir", shared)
    pushed(ana, "a.bin", data)
    ben = world.clone("ben")
    ben.git("config", "data.cacheDir", shared)
    assert ben.json("pull")["datasets"][0]["source"] == "cache"
    assert ben.read("a.bin") == data
    ben.write("a.bin", b"mine")
    ben.data("pull", "--force")
    assert ben.json("cache")["kinds"]["kept"]["count"] == 1
    assert "kept" not in ana.json("cache")["kinds"]


def test_what_one_clone_alone_knows_to_be_stored_the_other_does_not_remove(
    world: World, ana: Clone, tmp_path: Path
) -> None:
    for clone in (ana, ben := world.clone("ben")):
        clone.git("config", "data.cacheDir", str(tmp_path / "shared"))
    ana.write("a.csv", b"1" * 1000)
    ana.data("add", "a.csv")
    assert ben.json("cache", "prune", "--all")["entries"] == []
    assert len(ana.json("cache", "list")["entries"]) == 1


def test_a_relative_directory_is_refused(ana: Clone) -> None:
    ana.git("config", "data.cacheDir", "elsewhere")
    assert "absolute" in ana.data("cache", code=128).err
