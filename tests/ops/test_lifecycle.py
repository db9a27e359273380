"""rollback, delete, prune, mv, rm --cached."""

import errno
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pexpect
import pytest

from git_datamanager import fsio
from git_datamanager.errors import Conflict
from git_datamanager.manager import DataManager
from git_datamanager.model.manifest import Manifest
from git_datamanager.ops import lifecycle
from tests.world import Clone, World


def make_template(world: World, ana: Clone) -> None:
    """A world whose clone ana has a.csv in three published versions."""
    for number in (1, 2, 3):
        ana.write("a.csv", f"{number}\n")
        ana.data("add", "a.csv", "-m", f"note {number}")
        ana.commit(f"version {number}")
    ana.git("push", "-q")
    world.publish(ana)
    ana.git("pull", "-q")


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


@pytest.mark.slow
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
    assert "To be deleted" in ana.data("status").out
    assert "/a.csv" in ana.read(".gitignore").decode()
    land(world, ana)
    dataset = ana.manifest()["datasets"]["a.csv"]
    assert dataset["state"] == "deleted"
    assert all(v["reason"] == "wrong units" and v["deleted"] and v["oid"] for v in dataset["versions"])
    assert ana.read("a.csv") == b"3\n"
    assert all(world.object("production", v["oid"][7:]).exists() for v in dataset["versions"])
    assert "was deleted" in ana.data("pull", "a.csv@v2", "-o", "out", code=3).err


@pytest.mark.slow
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


def opened(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> DataManager:
    monkeypatch.chdir(clone.path)
    return DataManager.open()


def meanwhile(manager: DataManager, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """`act` happens when the manifest has been written, before the file moves."""
    change = manager.manifests.change

    def changed(*args: Any, **options: Any) -> Manifest:
        after = change(*args, **options)
        act()
        return after

    monkeypatch.setattr(manager.manifests, "change", changed)


@pytest.mark.parametrize("links", [True, False])
def test_mv_replaces_nothing_that_came_meanwhile(
    ana: Clone, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    manager = opened(ana, monkeypatch)
    if not links:
        monkeypatch.setattr(fsio.Folder, "link_out", raising(OSError(errno.EPERM, "no links here")))
    meanwhile(manager, monkeypatch, lambda: ana.write("b.csv", "somebody's"))
    with pytest.raises(Conflict, match="the manifest is renamed"):
        lifecycle.move(manager, "a.csv", "b.csv")
    assert (ana.read("a.csv"), ana.read("b.csv")) == (b"3\n", b"somebody's")
    (ana.path / "b.csv").unlink()
    ana.data("mv", "a.csv", "b.csv")
    assert ana.read("b.csv") == b"3\n"


def raising(error: BaseException) -> Callable[..., Any]:
    def act(*_: object, **__: object) -> None:
        raise error

    return act


def test_mv_works_without_links(ana: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fsio.Folder, "link_out", raising(OSError(errno.EPERM, "no links here")))
    lifecycle.move(opened(ana, monkeypatch), "a.csv", "b.csv")
    assert ana.read("b.csv") == b"3\n"
    assert not (ana.path / "a.csv").exists()


def test_mv_leaves_a_log_that_came_meanwhile(ana: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = opened(ana, monkeypatch)
    meanwhile(manager, monkeypatch, lambda: ana.write("a.csv-wal", "rows"))
    with pytest.raises(Conflict, match="being written to"):
        lifecycle.move(manager, "a.csv", "b.csv")
    assert (ana.read("a.csv"), ana.read("a.csv-wal")) == (b"3\n", b"rows")


def test_mv_takes_empty_logs_away(ana: Clone) -> None:
    for suffix in ("-wal", "-journal"):
        ana.write(f"a.csv{suffix}", "")
    ana.write("a.csv-shm", "index")
    ana.data("mv", "a.csv", "b.csv")
    assert not list(ana.path.glob("?.csv-*"))


@pytest.mark.parametrize("name", ["a.csv", "b.csv"])
def test_mv_refuses_beside_a_log(ana: Clone, name: str) -> None:
    ana.write(f"{name}-wal", "rows")
    before = ana.read("manifest.json")
    assert "nothing was renamed" in ana.data("mv", "a.csv", "b.csv", code=5).err
    assert ana.read("manifest.json") == before
    assert ana.read(f"{name}-wal") == b"rows"


@pytest.mark.parametrize("where", ["_move_file", "_drop_empty_logs", "unlink"])
@pytest.mark.parametrize("is_new", [True, False])
def test_a_killed_mv_is_finished_by_the_next(
    ana: Clone, monkeypatch: pytest.MonkeyPatch, where: str, is_new: bool
) -> None:
    old = "n.csv" if is_new else "a.csv"
    if is_new:
        ana.write(old, "3\n")
        ana.data("add", old)
    manager = opened(ana, monkeypatch)
    with monkeypatch.context() as patch:
        place = fsio.Folder if where == "unlink" else lifecycle
        patch.setattr(place, where, raising(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            lifecycle.move(manager, old, "b.csv")
    done = ana.data("mv", old, "b.csv", code=3 if where == "_drop_empty_logs" else 0)
    assert ana.read("b.csv") == b"3\n"
    assert not (ana.path / old).exists()
    assert done.code or f"{old} → b.csv" in done.out
    assert "b.csv" in ana.data("status").out
    lines = ana.read(".gitignore").decode().splitlines()
    assert "/b.csv" in lines
    assert f"/{old}" not in lines


@pytest.mark.parametrize("words", [("data/a.csv", "b.csv"), ("a.csv", "data/b.csv")])
def test_mv_follows_no_link_out_of_the_repository(ana: Clone, tmp_path: Path, words: tuple[str, str]) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.csv").write_text("theirs")
    if words[0] != "a.csv":
        ana.data("mv", "a.csv", words[0])
        (ana.path / words[0]).unlink()
        (ana.path / "data").rmdir()
    (ana.path / "data").symlink_to(outside)
    before = ana.read("manifest.json")
    done = ana.data("mv", *words, code=None)
    assert done.code in (4, 128)
    assert ana.read("manifest.json") == before
    assert [p.name for p in outside.iterdir()] == ["a.csv"]
    assert not (ana.path / "b.csv").exists()


def test_hints_are_quoted_for_the_shell(ana: Clone) -> None:
    name = "a;touch x;.csv"
    ana.data("mv", "a.csv", name)
    assert f"git data delete {shlex.quote(name)} --yes" in ana.data("delete", name, code=128).err
    ana.commit("renamed")
    assert f"git data pull {shlex.quote(name)} " in ana.data("rollback", name, "--to", "v1").err


@pytest.mark.parametrize("folder", ["prices", "prices/"])
def test_mv_into_a_folder_keeps_the_files_own_name(ana: Clone, folder: str) -> None:
    (ana.path / "prices").mkdir()
    ana.data("mv", "a.csv", folder)
    assert ana.read("prices/a.csv") == b"3\n"
    assert list(ana.manifest()["datasets"]) == ["prices/a.csv"]


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
