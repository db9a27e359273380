"""Git's commands with all hooks in place: none is ever stopped or slowed into failure by them."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from git_datamanager.workspace.hook_shims import EVENTS
from tests.hooks.conftest import path_without_tool
from tests.world import Clone, World, new_world

pytestmark = pytest.mark.slow


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Stores at absolute places, and no clone yet."""
    return new_world(tmp_path / "world")


@pytest.fixture
def clone(world: World) -> Clone:
    clone = world.found()
    clone.write("a.csv", "1")
    clone.data("add", "a.csv")
    clone.commit("a1")
    clone.git("push", "-q")
    return clone


def next_version(clone: Clone, text: str, message: str = "next") -> None:
    clone.write("a.csv", text)
    clone.data("add", "a.csv")
    clone.commit(message)


DAY = """
switch -q -c topic HEAD~1 | switch -q main | checkout -q HEAD~1 | checkout -q - | stash -q -u
commit -q --allow-empty -m one | commit -q --allow-empty --amend -m two | branch -f topic HEAD~2
checkout -q topic | commit -q --allow-empty -m three | rebase -q main | checkout -q main
merge -q --no-edit topic | merge -q --no-edit --no-ff topic | reset -q --hard HEAD~1
cherry-pick --allow-empty topic | cherry-pick --abort | revert --no-edit HEAD | reset -q --hard
worktree add -q -b linked ../linked | worktree remove ../linked | tag v1 | push -q origin HEAD v1 topic
push -q origin :topic | push -q --delete origin v1 | pull -q --rebase | pull -q --no-rebase | fetch -q | gc -q
checkout -q -B again origin/main | restore . | clean -q -f | bisect start HEAD HEAD~1 | bisect reset
notes add -m note | clone -q . ../copy | checkout -q --detach | submodule status | am nothing
"""


@pytest.mark.parametrize("program", ["there", "missing", "switched off"])
def test_git_answers_as_without_hooks(
    world: World, clone: Clone, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    next_version(clone, "2")
    clone.git("push", "-q")
    shutil.copytree(world.root, world.root.with_name("twin"))
    twin = Clone(world.root.with_name("twin") / clone.path.name)
    shutil.rmtree(twin.path / ".git/hooks")
    for each in (clone, twin):
        each.git("remote", "set-url", "origin", str(each.path.parent / "origin.git"))
    if program == "missing":
        for event in EVENTS:  # the recorded path too
            path = clone.path / ".git/hooks" / event
            path.write_text(path.read_text().replace(shutil.which("git-data") or "-", "/nowhere/git-data"))
        monkeypatch.setenv("PATH", path_without_tool())
    elif program == "switched off":
        monkeypatch.setenv("GIT_DATA_SKIP", "1")
    for command in DAY.replace("\n", "|").strip("|").split("|"):
        done, plain = (each.git(*command.split(), code=None) for each in (clone, twin))
        assert done.code == plain.code, f"{command}: {done.text}"
        assert "Traceback" not in done.text
    assert clone.git("status", "--porcelain").out == ""


def test_stash_takes_a_staged_version_along_and_brings_it_back(clone: Clone) -> None:
    clone.write("a.csv", "2")
    clone.data("add", "a.csv")
    clone.git("stash", "-q")
    assert len(clone.versions("a.csv")) == 1
    clone.git("stash", "pop", "-q", "--index")
    clone.commit("a2")
    clone.git("push", "-q")


def test_a_conflict_elsewhere_is_committed_as_usual(clone: Clone) -> None:
    clone.git("checkout", "-q", "-b", "side")
    clone.write("code", "side")
    clone.git("add", "code")
    clone.commit("code")
    next_version(clone, "2")
    clone.git("checkout", "-q", "main")
    clone.write("code", "main")
    clone.git("add", "code")
    clone.commit("code")
    clone.git("merge", "-q", "side", code=1)
    clone.write("code", "both")
    clone.git("add", "code")
    clone.git("commit", "-q", "--no-edit")
    clone.git("push", "-q")
    assert clone.data("status", "--exit-code", code=1).code == 1  # no hook fires: status finds it
    clone.data("pull")
    assert clone.read("a.csv") == b"2"


def test_git_dir_and_work_tree_given(world: World, clone: Clone) -> None:
    env = {"GIT_DIR": str(clone.path / ".git"), "GIT_WORK_TREE": str(clone.path)}
    elsewhere = Clone(world.root / "elsewhere")
    elsewhere.path.mkdir()
    elsewhere.git("checkout", "-q", "HEAD~1", env=env)
    assert not (clone.path / "a.csv").exists()
    elsewhere.git("checkout", "-q", "main", env=env)
    assert clone.read("a.csv") == b"1"
    next_version(clone, "2")
    elsewhere.git("commit", "-q", "--amend", "-m", "amended", env=env)
    elsewhere.git("push", "-q", env=env)


def test_hooks_for_every_repository(world: World, clone: Clone, home: Path) -> None:
    """core.hooksPath for all: a fresh clone is told, repositories of others are left alone."""
    shutil.copytree(clone.path / ".git/hooks", home / "hooks")
    subprocess.run(["git", "config", "--global", "core.hooksPath", str(home / "hooks")], check=True)
    done = subprocess.run(
        ["git", "clone", "-q", world.origin, world.root / "fresh"], capture_output=True, text=True, check=True
    )
    assert done.stderr == 'hint: 1 dataset differs (a.csv); run "git data pull"\n'
    subprocess.run(["git", "init", "-q", world.root / "other"], check=True)
    other = Clone(world.root / "other")
    other.write("manifest.json", '{"name": "a web app"}')
    other.git("add", "-A")
    assert other.commit("first").err == ""
    other.git("checkout", "-q", "-b", "b")
    other.write("manifest.json", '{"name": "another"}')
    assert other.git("commit", "-qam", "second").err == ""
    assert other.git("checkout", "-q", "main" if other.git("branch", "--list", "main").out else "-").err == ""


def test_in_a_submodule(world: World, clone: Clone) -> None:
    subprocess.run(["git", "init", "-q", world.root / "super"], check=True)
    upper = Clone(world.root / "super")
    upper.git("submodule", "add", "-q", str(world.origin), "data set")
    sub = Clone(upper.path / "data set")
    sub.data("trust", "--yes")
    sub.data("install")
    sub.data("pull")
    next_version(sub, "2")
    sub.git("push", "-q", "origin", "HEAD:topic")
    sub.git("checkout", "-q", "HEAD~1")
    assert sub.read("a.csv") == b"1"
    upper.git("add", "-A")
    upper.commit("sub")


def test_a_sparse_and_a_shallow_clone(world: World, clone: Clone) -> None:
    next_version(clone, "2")
    clone.git("push", "-q")
    target = world.root / "shallow"
    subprocess.run(["git", "clone", "-q", "--depth", "1", f"file://{world.origin}", target], check=True)
    shallow = Clone(target)
    shallow.data("trust", "--yes")
    shallow.data("install")
    shallow.data("pull")
    shallow.git("sparse-checkout", "set", "nothing")
    next_version(shallow, "3")
    shallow.git("push", "-q", "origin", "HEAD:topic")


def test_in_a_sha256_repository(tmp_path: Path) -> None:
    path = tmp_path / "sha256"
    subprocess.run(["git", "init", "-q", "--object-format=sha256", path], check=True)
    clone = Clone(path)
    clone.data("init")
    clone.commit("init")
    next_version(clone, "1")
    clone.git("checkout", "-q", "HEAD~1")
    clone.git("checkout", "-q", "main")
    assert clone.read("a.csv") == b"1"


def test_no_hook_reads_the_terminal(clone: Clone) -> None:
    next_version(clone, "2")
    done = subprocess.run(
        ["git", "checkout", "-q", "HEAD~1"], cwd=clone.path, stdin=subprocess.DEVNULL, timeout=60,
        env={**os.environ, "GIT_TERMINAL_PROMPT": "1"}, check=False,
    )  # fmt: skip
    assert done.returncode == 0
