"""The pre-commit framework runs our three hooks: quick with the installed program, slow with its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from git_datamanager import __version__
from git_datamanager.workspace.hook_recipes import framework
from tests.conftest import REPOSITORY
from tests.world import Clone, World, new_world

pytestmark = pytest.mark.slow

pytest.importorskip("pre_commit")
TYPES = ("pre-commit", "pre-push", "post-checkout", "post-merge", "post-rewrite")


def system(text: str) -> str:
    """The printed configuration, with the program that is installed already."""
    lines = [line for line in text.splitlines() if "additional_dependencies" not in line]
    return "\n".join(lines).replace("language: python", "language: system") + "\n"


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Stores at absolute places, and no clone yet."""
    return new_world(tmp_path / "world")


@pytest.fixture
def clone(world: World) -> Clone:
    """Hooks by the framework alone."""
    clone = world.clone("ana")
    clone.data("init", "--no-hooks", "--staging", world.staging, "--production", world.production)
    clone.write(".pre-commit-config.yaml", system(framework(__version__)))
    clone.git("add", "-A")
    clone.commit("init")
    clone.git("push", "-q", "-u", "origin", "main")
    clone.run(sys.executable, "-m", "pre_commit", "install")
    return clone


def test_all_hook_types_are_installed(clone: Clone) -> None:
    assert all((clone.path / ".git/hooks" / event).is_file() for event in TYPES)
    steps = clone.json("install", "--dry-run")["hooks"]
    assert {step["action"] for step in steps} == {"current"}


def test_commit_push_and_checkout(world: World, clone: Clone) -> None:
    clone.write("a.csv", "1")
    clone.data("add", "a.csv")
    clone.commit("a1")
    oid = clone.versions("a.csv")[0]["oid"][7:]
    assert world.object("staging", oid).is_file()
    world.object("staging", oid).unlink()
    clone.git("push", "-q")
    assert world.object("staging", oid).is_file()
    clone.git("checkout", "-q", "HEAD~1")
    assert not (clone.path / "a.csv").exists()
    clone.git("checkout", "-q", "main")
    assert clone.read("a.csv") == b"1"


def test_merge_amend_and_rebase(clone: Clone) -> None:
    clone.git("checkout", "-q", "-b", "side")
    clone.write("a.csv", "1")
    clone.data("add", "a.csv")
    clone.commit("a1")
    clone.git("checkout", "-q", "main")
    clone.git("merge", "-q", "side")
    assert clone.read("a.csv") == b"1"
    clone.git("commit", "-q", "--amend", "-m", "amended")
    clone.git("checkout", "-q", "-b", "third", "HEAD~1")
    clone.write("code", "x")
    clone.git("add", "code")
    clone.commit("code")
    clone.git("rebase", "-q", "main")
    assert clone.read("a.csv") == b"1"


def test_a_commit_is_refused(clone: Clone) -> None:
    clone.write("a.csv", "1")
    clone.data("add", "a.csv")
    clone.commit("a1")
    clone.git("add", "-f", "a.csv")
    done = clone.git("commit", "-q", "-m", "no", code=1)
    assert "a.csv is a dataset" in done.text


def test_another_branch_does_not_stop_a_push(clone: Clone) -> None:
    """The framework names the first pushed ref only."""
    clone.git("config", "data.upload", "manual")
    clone.git("checkout", "-q", "-b", "wip")
    clone.write("a.csv", "1")
    clone.data("add", "a.csv")
    clone.commit("a1")
    clone.git("checkout", "-q", "main")
    clone.git("commit", "-q", "--allow-empty", "-m", "empty")
    clone.git("push", "-q", "origin", "main")
    done = clone.git("push", "-q", "origin", "wip", code=1)
    assert "a.csv v1 is neither in staging nor in production" in done.text


@pytest.mark.parametrize("ours_first", [True, False])
def test_native_hooks_and_the_framework_live_together(clone: Clone, ours_first: bool) -> None:
    clone.run(sys.executable, "-m", "pre_commit", "uninstall")
    commands = [("git", "data", "install", "--append"), (sys.executable, "-m", "pre_commit", "install")]
    for command in commands if ours_first else commands[::-1]:
        clone.run(*command)
    clone.write("a.csv", "1")
    clone.data("add", "a.csv")
    clone.commit("a1")
    clone.git("push", "-q")
    clone.git("checkout", "-q", "HEAD~1")
    clone.git("checkout", "-q", "main")
    assert clone.read("a.csv") == b"1"
    clone.data("uninstall")
    assert not list((clone.path / ".git/hooks").glob("*.legacy"))
    clone.run(sys.executable, "-m", "pre_commit", "uninstall")
    assert not any((clone.path / ".git/hooks" / event).exists() for event in TYPES)


def test_the_shipped_file_and_the_printed_lines_agree() -> None:
    import yaml

    shipped = yaml.safe_load((REPOSITORY / ".pre-commit-hooks.yaml").read_text())
    printed = yaml.safe_load(framework(__version__))["repos"][0]["hooks"]
    common = (
        "id",
        "name",
        "entry",
        "args",
        "stages",
        "language",
        "pass_filenames",
        "always_run",
        "require_serial",
    )
    for one, other in zip(shipped, printed, strict=True):
        assert {k: one[k] for k in common} == {k: other[k] for k in common}
        assert one.get("verbose") == other.get("verbose")
    subprocess.run(
        [sys.executable, "-m", "pre_commit", "validate-manifest", REPOSITORY / ".pre-commit-hooks.yaml"],
        check=True,
    )


@pytest.mark.nightly
def test_the_framework_builds_its_own_environment(clone: Clone, tmp_path: Path) -> None:
    probe = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "-q",
        "--no-deps",
        "-d",
        str(tmp_path / "pip"),
        "hatchling",
    ]
    if subprocess.run(probe, capture_output=True, check=False).returncode != 0:
        pytest.skip("pip reaches no package index here: the framework cannot build an environment")
    source = tmp_path / "source"
    subprocess.run(["git", "clone", "-q", str(REPOSITORY), str(source)], check=True)
    revision = subprocess.run(
        ["git", "-C", str(source), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    ids = "".join(f"      - id: git-data-{name}\n" for name in ("check", "upload", "post"))
    clone.write(
        ".pre-commit-config.yaml", f"repos:\n  - repo: {source}\n    rev: {revision}\n    hooks:\n{ids}"
    )
    clone.git("add", "-A")
    env = {"PATH": os.environ["PATH"]}
    done = clone.git("commit", "-m", "own environment", env=env)
    assert done.text.count("Passed") == 2
    clone.write("a.csv", "1")
    clone.data("add", "a.csv")
    clone.commit("a1")
    clone.git("checkout", "-q", "HEAD~1")
    assert not (clone.path / "a.csv").exists()
