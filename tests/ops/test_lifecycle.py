"""rollback, delete, prune, mv, rm --cached."""

import os
from pathlib import Path

import pexpect
import pytest

from tests.world import Clone, World, movable_world


@pytest.fixture(scope="module")
def template(template_folder: Path) -> World:
    """A world whose clone ana has a.csv in three published versions."""
    world = movable_world(template_folder / "world")
    ana = world.found("ana")
    for number in (1, 2, 3):
        ana.write("a.csv", f"{number}\n")
        ana.data("add", "a.csv", "-m", f"note {number}")
        ana.commit(f"version {number}")
    ana.git("push", "-q")
    world.publish(ana)
    ana.git("pull", "-q")
    return world


@pytest.fixture
def world(template: World, tmp_path: Path) -> World:
    return template.copy(tmp_path / "world")


@pytest.fixture
def ana(world: World) -> Clone:
    return Clone(world.root / "ana")


def land(world: World, clone: Clone) -> None:
    clone.commit("change")
    clone.git("push", "-q")
    world.publish(clone)
    clone.git("pull", "-q")


def test_rollback_is_a_new_version_and_moves_no_bytes(world: World, ana: Clone) -> None:
    (world.object("staging", ana.versions("a.csv")[2]["oid"][7:])).unlink()
    done = ana.data("rollback", "a.csv", "--to", "v1")
    assert done.out.startswith("a.csv  v4 = v1")
    version = ana.versions("a.csv")[0]
    assert version["state"] == "pending"
    assert version["rollback_of"] == ana.versions("a.csv")[3]["id"]
    assert version["oid"] == ana.versions("a.csv")[3]["oid"]
    assert ana.read("a.csv") == b"3\n", "the working file follows by pull alone"
    ana.data("pull")
    assert ana.read("a.csv") == b"1\n"
    land(world, ana)
    assert ana.states("a.csv")["v4"] == "published"
    assert not world.object("staging", version["oid"][7:]).exists(), "production has the bytes already"


def test_pruning_the_original_does_not_harm_its_rollback(world: World, ana: Clone) -> None:
    """R7."""
    ana.data("rollback", "a.csv", "--to", "v1")
    land(world, ana)
    ana.data("prune", "a.csv", "--keep", "1", "--yes")
    land(world, ana)
    assert ana.states("a.csv") == {"v4": "published", "v3": "deleted", "v2": "deleted", "v1": "deleted"}
    ben = world.clone("ben")
    ben.data("pull")
    assert ben.read("a.csv") == b"1\n"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("rollback", "a.csv", "--to", "v9"), 3, "no version 'v9'"),
        (("rollback", "b.csv", "--to", "v1"), 3, "no dataset 'b.csv'"),
        (("rollback", "a.csv", "--to", "v3"), 5, "nothing to roll back"),
        (("prune", "a.csv", "--keep", "0", "--yes"), 128, "at least 1"),
        (("prune", "a.csv", "--keep", "-1", "--yes"), 128, "at least 1"),
        (("delete", "a.csv"), 128, "--yes"),
        (("prune", "a.csv", "--keep", "1"), 128, "--yes"),
        (("mv", "a.csv", "../b.csv"), 128, "outside"),
        (("mv", "a.csv", ".git/config"), 128, "belongs to Git"),
        (("rm", "a.csv"), 129, "--cached"),
    ],
)
def test_refusals_change_nothing(ana: Clone, arguments: tuple[str, ...], code: int, said: str) -> None:
    before = ana.read("manifest.json")
    done = ana.data(*arguments, code=code)
    assert said in done.err
    assert ana.read("manifest.json") == before
    assert ana.git("status", "--porcelain").out == ""


def test_prune_with_nothing_old_changes_nothing(ana: Clone) -> None:
    assert "nothing to delete" in ana.data("prune", "a.csv", "--keep", "3", "--yes").out
    assert ana.git("status", "--porcelain").out == ""


def test_delete_marks_and_publish_leaves_tombstones(world: World, ana: Clone) -> None:
    ana.data("delete", "a.csv", "--yes", "-m", "wrong units")
    assert ana.manifest()["datasets"]["a.csv"]["state"] == "deleting"
    assert "deleting" in ana.data("status").out
    assert "/a.csv" in ana.read(".gitignore").decode()
    land(world, ana)
    dataset = ana.manifest()["datasets"]["a.csv"]
    assert dataset["state"] == "deleted"
    assert all(v["reason"] == "wrong units" and v["deleted"] and v["oid"] for v in dataset["versions"])
    assert ana.read("a.csv") == b"3\n"
    assert all(world.object("production", v["oid"][7:]).exists() for v in dataset["versions"])
    assert "was deleted" in ana.data("pull", "a.csv@v2", "-o", "out", code=3).err


def test_a_deleted_dataset_added_again_counts_on(world: World, ana: Clone) -> None:
    ana.data("delete", "a.csv", "--yes")
    land(world, ana)
    ana.write("a.csv", "4\n")
    ana.data("add", "a.csv")
    land(world, ana)
    assert ana.states("a.csv") == {"v4": "published", "v3": "deleted", "v2": "deleted", "v1": "deleted"}
    assert "state" not in ana.manifest()["datasets"]["a.csv"]


def test_what_was_never_committed_is_simply_dropped(ana: Clone) -> None:
    ana.write("b.csv", "1\n")
    ana.data("add", "b.csv")
    ana.data("delete", "b.csv", "--yes")
    assert "b.csv" not in ana.manifest()["datasets"]


def test_delete_has_the_name_typed(ana: Clone) -> None:
    def play(answer: str) -> int:
        child = pexpect.spawn(
            "git", ["data", "delete", "a.csv"], cwd=str(ana.path), encoding="utf-8", timeout=60,
            env={**os.environ, "GIT_TERMINAL_PROMPT": "1"},
        )  # fmt: skip
        child.expect("a.csv")
        child.expect("go on")
        child.sendline(answer)
        child.expect(pexpect.EOF)
        child.close()
        return child.exitstatus

    assert play("b.csv") == 128
    assert "state" not in ana.manifest()["datasets"]["a.csv"]
    assert play("a.csv") == 0
    assert ana.manifest()["datasets"]["a.csv"]["state"] == "deleting"


def test_mv_takes_versions_file_and_ignore_line_along(world: World, ana: Clone) -> None:
    before = ana.versions("a.csv")
    ana.data("mv", "a.csv", "prices/b.csv")
    assert ana.versions("prices/b.csv") == before
    assert not (ana.path / "a.csv").exists()
    assert ana.read("prices/b.csv") == b"3\n"
    lines = ana.read(".gitignore").decode().splitlines()
    assert "/prices/b.csv" in lines
    assert "/a.csv" not in lines
    assert ana.data("status", "--porcelain").out == "R. v3 prices/b.csv\n"
    land(world, ana)
    ben = world.clone("ben")
    ben.data("pull", "prices/b.csv@v1")
    assert ben.read("prices/b.csv") == b"1\n"


def test_rm_cached_hides_and_add_brings_back(world: World, ana: Clone) -> None:
    before = ana.versions("a.csv")
    ana.data("rm", "--cached", "a.csv")
    land(world, ana)
    assert ana.data("ls").out == ""
    assert "a.csv" in ana.data("ls", "--all").out
    assert ana.read("a.csv") == b"3\n"
    assert ana.git("status", "--porcelain").out == "?? a.csv\n"
    assert ana.versions("a.csv") == before
    ben = world.clone("ben")
    assert ben.json("pull")["datasets"] == []
    ana.data("add", "a.csv")
    assert ana.versions("a.csv") == before
    assert "state" not in ana.manifest()["datasets"]["a.csv"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("rollback", "a.csv", "--to", "v1"),
        ("delete", "a.csv"),
        ("prune", "a.csv", "--keep", "1"),
        ("mv", "a.csv", "b.csv"),
        ("rm", "--cached", "a.csv"),
        ("add", "c.csv"),
        ("prepare", "b.csv", "c.csv"),
        ("upload",),
        ("pull", "a.csv@v1"),
    ],
)
def test_dry_runs_change_nothing(ana: Clone, arguments: tuple[str, ...]) -> None:
    ana.write("c.csv", "3\n")
    before = {p: p.read_bytes() for p in ana.path.rglob("*") if p.is_file() and ".git/" not in p.as_posix()}
    index = ana.git("ls-files", "-s").out
    ana.data(*arguments, "--dry-run")
    document = ana.json(*arguments, "--dry-run")
    assert document["dry_run"] is True
    after = {p: p.read_bytes() for p in ana.path.rglob("*") if p.is_file() and ".git/" not in p.as_posix()}
    assert after == before
    assert ana.git("ls-files", "-s").out == index


def test_the_seeds_words_are_understood(ana: Clone) -> None:
    assert "a.csv" in ana.data("list-datasets").out
    ana.data("pull", "a.csv", "--version", "v2")
    assert ana.read("a.csv") == b"2\n"
    ana.data("prune-versions", "a.csv", "--keep", "2", "--yes")
    ana.git("reset", "-q", "--hard")
    ana.data("rollback", "a.csv", "--to-version", "v1")
