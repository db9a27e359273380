"""The merge driver and `git data resolve`, as two people meet them."""

import json
import subprocess
import time
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from git_datamanager.manager import DataManager
from git_datamanager.model import manifest as model
from git_datamanager.ops.mergefile import resolve, split_conflicts
from tests.hooks.conftest import path_without_tool
from tests.world import Clone, World

pytestmark = pytest.mark.slow


@pytest.fixture
def clone(world: World) -> Clone:
    """main and side, both with a.csv v1."""
    clone = world.found()
    add(clone, "a.csv", "1")
    clone.git("branch", "side")
    return clone


def add(clone: Clone, name: str, text: str) -> None:
    clone.write(name, text)
    clone.data("add", name)
    clone.commit(f"{name}: {text}")


def numbers(clone: Clone, name: str) -> list[str]:
    return [v["version"] for v in clone.versions(name)]


def set_option(clone: Clone, value: str) -> None:
    """Both sides of a conflict: an option of a.csv."""
    document = clone.manifest()
    document["datasets"]["a.csv"]["options"] = {"title": value}
    clone.write("manifest.json", model.dumps(model.loads(json.dumps(document).encode())))
    clone.git("commit", "-qam", value)


def both_options(clone: Clone) -> None:
    set_option(clone, "main's")
    add(clone, "m.csv", "m")
    clone.git("checkout", "-q", "side")
    set_option(clone, "side's")
    add(clone, "s.csv", "s")
    clone.git("checkout", "-q", "main")


def forget_driver(clone: Clone) -> None:
    """As in a clone that never ran install; `git data add` would bring it back."""
    clone.git("config", "--remove-section", "merge.git-data")


def title(clone: Clone) -> str:
    return clone.manifest()["datasets"]["a.csv"]["options"]["title"]


def test_both_sides_add_datasets_that_sort_together(clone: Clone) -> None:
    add(clone, "b1.csv", "1")
    clone.git("checkout", "-q", "side")
    add(clone, "b2.csv", "2")
    clone.git("merge", "-q", "--no-edit", "main")
    assert set(clone.manifest()["datasets"]) == {"a.csv", "b1.csv", "b2.csv"}
    assert clone.data("status", "--exit-code").code == 0
    assert clone.git("status", "--porcelain").out == ""


@pytest.mark.parametrize("verb", ["merge", "rebase", "cherry-pick"])
def test_both_sides_add_a_version_of_one_dataset(clone: Clone, verb: str) -> None:
    add(clone, "a.csv", "main")
    clone.git("checkout", "-q", "side")
    add(clone, "a.csv", "side")
    if verb == "merge":
        clone.git("merge", "-q", "--no-edit", "main")
    else:
        clone.git(verb, "main")
    assert numbers(clone, "a.csv") == ["v3", "v2", "v1"]
    assert clone.git("status", "--porcelain").out == ""
    clone.data("pull")
    assert clone.data("status", "--exit-code").code == 0


def test_two_people_push_one_after_the_other(world: World, clone: Clone) -> None:
    clone.git("push", "-q")
    other = world.clone("bob")
    other.data("install")
    other.data("pull")
    add(other, "a.csv", "bob")
    other.git("push", "-q")
    add(clone, "a.csv", "ana")
    clone.git("pull", "-q", "--no-rebase", "--no-edit")
    clone.git("push", "-q")
    assert numbers(clone, "a.csv") == ["v3", "v2", "v1"]


def test_a_clash_leaves_something_to_resolve(clone: Clone) -> None:
    both_options(clone)
    done = clone.git("merge", "-q", "side", code=1)
    assert "conflict: a.csv" in done.err
    assert "hint: git data resolve --ours" in done.err
    manifest = model.loads(clone.read("manifest.json"))
    assert set(manifest.datasets) == {"a.csv", "m.csv", "s.csv"}
    assert "UU manifest.json" in clone.git("status", "--porcelain").out
    listed = clone.data("resolve", code=5)
    assert 'title: "main\'s" here, "side\'s" there' in listed.out
    assert clone.json("resolve", code=5)["conflicts"][0]["theirs"] == "side's"
    assert "UU manifest.json" in clone.git("status", "--porcelain").out


@pytest.mark.parametrize(("take", "expected"), [("--ours", "main's"), ("--theirs", "side's")])
def test_a_clash_is_decided(clone: Clone, take: str, expected: str) -> None:
    both_options(clone)
    clone.git("merge", "-q", "side", code=1)
    clone.data("resolve", take)
    assert title(clone) == expected
    assert set(clone.manifest()["datasets"]) == {"a.csv", "m.csv", "s.csv"}
    assert "UU" not in clone.git("status", "--porcelain").out
    clone.git("commit", "-q", "--no-edit")
    assert clone.read("m.csv") == b"m"


def test_an_edit_by_hand_is_not_overwritten(clone: Clone) -> None:
    add(clone, "m.csv", "m")
    clone.git("checkout", "-q", "side")
    add(clone, "s.csv", "s")
    forget_driver(clone)
    clone.git("merge", "-q", "main", code=1)
    clone.git("checkout", "--theirs", "--", "manifest.json")
    document = clone.manifest()
    document["datasets"]["m.csv"]["options"] = {"title": "by hand"}
    edited = model.dumps(model.loads(json.dumps(document).encode()))
    clone.write("manifest.json", edited)
    assert "was edited since the merge began" in clone.data("resolve", code=5).err
    assert clone.read("manifest.json") == edited
    clone.data("resolve", "--ours")
    assert set(clone.manifest()["datasets"]) == {"a.csv", "m.csv", "s.csv"}


@pytest.mark.parametrize("style", ["merge", "diff3"])
@pytest.mark.parametrize("staged", [False, True])
def test_without_the_driver_text_markers_are_resolved(clone: Clone, style: str, staged: bool) -> None:
    clone.git("config", "merge.conflictStyle", style)
    add(clone, "b1.csv", "1")
    clone.git("checkout", "-q", "side")
    add(clone, "b2.csv", "2")
    forget_driver(clone)
    clone.git("merge", "-q", "--no-edit", "main", code=1)
    assert b"<<<<<<<" in clone.read("manifest.json")
    if staged:
        clone.git("add", "manifest.json")
    clone.data("resolve")
    assert set(clone.manifest()["datasets"]) == {"a.csv", "b1.csv", "b2.csv"}
    clone.git("commit", "-q", "--no-edit")


def test_with_the_driver_but_without_the_program_git_merges_text(clone: Clone) -> None:
    add(clone, "b1.csv", "1")
    clone.git("checkout", "-q", "side")
    add(clone, "b2.csv", "2")
    driver = clone.git("config", "merge.git-data.driver").out.strip()
    clone.git("config", "merge.git-data.driver", driver.replace("/git-data'", "/nowhere'"))
    done = clone.git("merge", "-q", "--no-edit", "main", code=1, env={"PATH": path_without_tool()})
    assert "CONFLICT" in done.out
    assert b"<<<<<<< ours" in clone.read("manifest.json")
    clone.data("resolve")
    assert set(clone.manifest()["datasets"]) == {"a.csv", "b1.csv", "b2.csv"}


def test_a_side_that_cannot_be_read_is_merged_as_text(clone: Clone) -> None:
    clone.git("checkout", "-q", "side")
    clone.write("manifest.json", "{\n")
    clone.git("commit", "-q", "--no-verify", "-am", "broken")
    clone.git("checkout", "-q", "main")
    add(clone, "b.csv", "1")
    done = clone.git("merge", "-q", "side", code=1)
    assert "warning: the manifest.json of the other side" in done.err or "merging it as text" in done.err
    assert b"<<<<<<<" in clone.read("manifest.json")


def test_both_sides_began_with_git_data(tmp_path: Path) -> None:
    clone = Clone(tmp_path / "new")
    clone.path.mkdir()
    clone.git("init", "-q")
    clone.git("commit", "-q", "--allow-empty", "-m", "root")
    clone.git("branch", "side")
    clone.data("init")
    clone.commit("init")
    add(clone, "a.csv", "a")
    clone.git("checkout", "-q", "side")
    clone.data("init")
    clone.commit("init")
    add(clone, "b.csv", "b")
    clone.git("merge", "-q", "--no-edit", "main", code=None)
    clone.data("resolve")
    assert set(clone.manifest()["datasets"]) == {"a.csv", "b.csv"}


def test_a_side_that_deleted_the_manifest(clone: Clone) -> None:
    add(clone, "b.csv", "1")
    clone.git("checkout", "-q", "side")
    clone.git("rm", "-q", "manifest.json")
    clone.commit("gone")
    clone.git("checkout", "-q", "main")
    clone.git("merge", "-q", "side", code=1)
    clone.data("resolve", "--ours")
    assert "UD" not in clone.git("status", "--porcelain").out


def test_a_manifest_without_conflict_is_in_order(clone: Clone) -> None:
    assert clone.data("resolve").out == "manifest.json is in order\n"


def test_resolving_in_a_subdirectory_and_a_linked_worktree(clone: Clone) -> None:
    both_options(clone)
    clone.git("worktree", "add", "-q", "../linked", "side")
    linked = Clone(clone.path.parent / "linked")
    linked.git("merge", "-q", "main", code=1)
    linked.write("sub/x", "")
    linked.data("resolve", "--theirs", cwd="sub")
    assert title(linked) == "main's"


def test_the_driver_leaves_the_file_alone_where_it_cannot_merge(tmp_path: Path) -> None:
    for name, text in (("o", ""), ("a", "{"), ("b", "{}")):
        (tmp_path / name).write_text(text)
    code = subprocess.call(["git-data", "merge-driver", "o", "a", "b", "7", "manifest.json"], cwd=tmp_path)
    assert code not in (0, 1)
    assert (tmp_path / "a").read_text() == "{"


def test_markers_are_found_in_one_pass() -> None:
    marked = b"a\n<<<<<<< x\n1\n||||||| o\n0\n=======\n2\n>>>>>>> y\nb\n"
    assert split_conflicts(marked) == (b"a\n1\nb\n", b"a\n0\nb\n", b"a\n2\nb\n")
    plain = marked.replace(b"||||||| o\n0\n", b"")
    assert split_conflicts(plain) == (b"a\n1\nb\n", None, b"a\n2\nb\n")
    assert split_conflicts(plain.replace(b"\n", b"\r\n")) is not None
    assert split_conflicts(b"a\n<<<<<<< x\n1\n=======\n") is None
    half = plain + b"<<<<<<< x\nrest\n"
    assert split_conflicts(half) == (
        b"a\n1\nb\n<<<<<<< x\nrest\n",
        None,
        b"a\n2\nb\n<<<<<<< x\nrest\n",
    )
    began = time.process_time()
    assert split_conflicts(b"<<<<<<<\n" * 200_000) is None
    assert time.process_time() - began < 3, "S53: it was quadratic, 32 kB took 3.5 s"


def test_resolve_waits_for_whoever_changes_the_manifest(
    clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(clone.path)
    manager = DataManager.open()
    held: list[bool] = []
    write = manager.manifests.write
    monkeypatch.setattr(manager.manifests, "write", lambda m: held.append(is_locked(clone)) or write(m))
    resolve(manager)
    assert held == [True]
    assert not is_locked(clone)


def is_locked(clone: Clone) -> bool:
    try:
        with FileLock(clone.path / ".git" / "data" / "lock", timeout=0):
            return False
    except Timeout:
        return True
