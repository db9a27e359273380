"""What a hook imports: the start-up budget is kept by this list, not by a stopwatch."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from git_datamanager import hook
from tests.hooks.conftest import Stub, path_without_tool, write_program
from tests.world import Clone, World

pytestmark = pytest.mark.slow

HEAVY = {"click", "pydantic", "boto3", "botocore", "pygit2", "duckdb", "filelock", "rich", "asyncio"}
REPORT = """\
import json, sys
from git_datamanager import __main__ as program
sys.argv[0:1] = ["git-data"]
code = program.main()
print(json.dumps([code, sorted(set(sys.modules) & set({heavy!r}))]))
"""


def imported(clone: Clone, *args: str, stdin: str = "", cwd: Path | None = None) -> list[str]:
    """The heavy modules that a run of the program loads."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", REPORT.format(heavy=sorted(HEAVY)), *args],
        cwd=cwd or clone.path, input=stdin, capture_output=True, text=True, check=True,
    )  # fmt: skip
    code, heavy = json.loads(done.stdout)
    assert code == 0, done.stderr
    return heavy


@pytest.fixture
def clone(world: World) -> Clone:
    clone = world.found()
    clone.write("a.csv", "1")
    clone.data("add", "a.csv")
    clone.commit("a1")
    clone.write("code.py", "1")
    clone.git("add", "code.py")
    return clone


@pytest.mark.parametrize("event", ["pre-commit", "check", "upload"])
def test_a_commit_without_new_data(clone: Clone, event: str) -> None:
    assert imported(clone, "hook", event) == []


def test_a_commit_with_data_for_a_folder_store(clone: Clone) -> None:
    clone.write("a.csv", "2")
    clone.data("add", "a.csv")
    assert imported(clone, "hook", "pre-commit") == []


def test_following_and_pushing(clone: Clone) -> None:
    old, new = clone.git("rev-parse", "HEAD~1", "HEAD").out.split()
    assert imported(clone, "hook", "post-checkout", old, new, "1") == []
    assert imported(clone, "hook", "post-merge", "0") == []
    assert imported(clone, "hook", "post-rewrite", "amend", stdin=f"{old} {new}\n") == []
    line = f"refs/heads/main {new} refs/heads/main {old}\n"
    assert imported(clone, "hook", "pre-push", "origin", "url", stdin=line) == []


def test_merging(clone: Clone, tmp_path: Path) -> None:
    for name in "oab":
        (tmp_path / name).write_bytes(clone.read("manifest.json"))
    assert imported(clone, "hook", "merge-driver", "o", "a", "b", "7", "manifest.json", cwd=tmp_path) == []


def test_modules_that_a_repository_ships_are_not_imported(world: World, clone: Clone) -> None:
    """S10."""
    for name in ("json", "boto3", "sitecustomize", "git_datamanager", "re", "subprocess"):
        clone.write(f"{name}.py", "open('hacked', 'w')\nraise SystemExit(9)\n")
    clone.git("add", "-A")
    clone.commit("traps")
    clone.git("checkout", "-q", "-b", "b", "HEAD~2")
    clone.git("checkout", "-q", "main")
    assert not (clone.path / "hacked").exists()


@pytest.mark.parametrize(("event", "expected"), [("pre-commit", 130), ("post-merge", 0), ("pre-push", 130)])
def test_ctrl_c(monkeypatch: pytest.MonkeyPatch, event: str, expected: int) -> None:
    def interrupted(_: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setitem(hook._HANDLERS, event, interrupted)
    assert hook.main([event]) == expected


@pytest.mark.parametrize(("event", "expected"), [("pre-commit", 0), ("post-merge", 0), ("pre-push", 128)])
def test_a_fault_of_ours(
    clone: Clone,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    event: str,
    expected: int,
) -> None:
    def faulty(_: list[str]) -> int:
        raise RuntimeError("oops")

    monkeypatch.chdir(clone.path)
    monkeypatch.setitem(hook._HANDLERS, event, faulty)
    assert hook.main([event]) == expected
    said = capsys.readouterr().err
    assert "RuntimeError: oops" in said
    assert "Traceback" not in said
    assert "Traceback" in (clone.path / ".git/data/hook.log").read_text()


def test_unknown_hooks_and_places_without_git_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hook.main(["no-such-hook"]) == 129
    assert hook.main([]) == 129
    subprocess.run(["git", "init", "-q", str(tmp_path / "plain")], check=True)
    monkeypatch.chdir(tmp_path / "plain")
    capsys.readouterr()
    for event in ("pre-commit", "post-checkout", "post-merge", "check", "post"):
        assert hook.main([event]) == 0
    assert capsys.readouterr().err == ""


def test_a_killed_upload_is_taken_up_by_the_next_commit(world: World, clone: Clone) -> None:
    """kill -9 in the middle of the hook: Git does not commit, and nothing is in the way afterwards."""
    clone.write("big.bin", random.Random(48).randbytes(48 << 20))
    clone.data("add", "big.bin")
    process = subprocess.Popen(["git", "commit", "-qm", "big"], cwd=clone.path, start_new_session=True)
    time.sleep(0.4)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    (clone.path / ".git/index.lock").unlink(missing_ok=True)
    if "big" not in clone.git("log", "-1", "--format=%s").out:
        clone.commit("big")
    clone.git("push", "-q")
    oid = clone.versions("big.bin")[0]["oid"][7:]
    assert world.object("staging", oid).stat().st_size == 48 << 20


def test_a_hook_needs_no_terminal_and_no_home(clone: Clone, stub: Stub) -> None:
    """As a GUI client starts it: a short PATH, no HOME, stdin closed."""
    write_program(stub.folder / "git-data", "#!/nowhere\n")
    env = {"PATH": path_without_tool(), "HOME": "/nonexistent"}
    clone.git("-c", "user.name=A", "-c", "user.email=a@b", "commit", "-q", "-m", "gui", env=env)
