"""post-checkout, post-merge, post-rewrite: data files follow, local changes stay, Git is never stopped."""

import os
from pathlib import Path

import pytest

from git_datamanager import hook_talk
from tests.world import Clone, World

pytestmark = pytest.mark.slow


@pytest.fixture
def clone(world: World) -> Clone:
    """main: a.csv v1; branch `next`: a.csv v2 and sub/b.csv."""
    clone = world.found()
    clone.write("a.csv", "1")
    clone.data("add", "a.csv")
    clone.commit("a1")
    clone.git("checkout", "-q", "-b", "next")
    clone.write("a.csv", "22")
    clone.write("sub/b.csv", "b")
    clone.data("add", "a.csv", "sub/b.csv")
    clone.commit("a2 b1")
    return clone


def empty_cache(clone: Clone) -> None:
    for path in (clone.path / ".git/data/cache").rglob("*"):
        if path.is_file():
            path.unlink()


def files(clone: Clone) -> dict[str, bytes]:
    names = ("a.csv", "sub/b.csv")
    return {name: clone.read(name) for name in names if (clone.path / name).exists()}


MAIN = {"a.csv": b"1"}
NEXT = {"a.csv": b"22", "sub/b.csv": b"b"}


@pytest.mark.parametrize("verb", ["checkout", "switch"])
def test_files_follow_there_and_back(clone: Clone, verb: str) -> None:
    assert clone.git(verb, "-q", "main").err == ""
    assert files(clone) == MAIN
    assert not (clone.path / "sub").exists()
    assert clone.git("status", "--porcelain").out == ""
    clone.git(verb, "-q", "next")
    assert files(clone) == NEXT
    assert clone.data("status", "--exit-code").code == 0


def test_a_modified_file_stays_and_is_named(clone: Clone) -> None:
    clone.write("a.csv", "mine")
    clone.write("sub/b.csv", "mine too")
    done = clone.git("checkout", "-q", "main")
    assert files(clone) == {"a.csv": b"mine", "sub/b.csv": b"mine too"}
    assert done.err == "hint: 1 dataset has changes that were not added, left as they are: a.csv\n"


def test_what_is_not_here_is_hinted_at(clone: Clone) -> None:
    clone.git("checkout", "-q", "main")
    empty_cache(clone)
    done = clone.git("checkout", "-q", "next")
    assert done.err == 'hint: 2 datasets differ (a.csv, sub/b.csv); run "git data pull"\n'
    assert files(clone) == MAIN
    clone.data("pull")
    assert files(clone) == NEXT


def test_never_only_hints_and_always_fetches(clone: Clone) -> None:
    clone.git("config", "data.autoPull", "never")
    assert "1 dataset differs (a.csv)" in clone.git("checkout", "-q", "main").err
    assert clone.read("a.csv") == b"22"
    clone.git("checkout", "-q", "next")
    clone.git("config", "data.autoPull", "always")
    clone.data("upload")
    empty_cache(clone)
    assert clone.git("checkout", "-q", "main").err == ""
    assert files(clone) == MAIN


def test_a_damaged_cache_is_no_source(clone: Clone) -> None:
    clone.git("checkout", "-q", "main")
    for path in (clone.path / ".git/data/cache").glob("??/*"):
        path.chmod(0o644)
        path.write_bytes(b"x" * path.stat().st_size)
    done = clone.git("checkout", "-q", "next")
    assert "2 datasets differ" in done.err
    assert clone.read("a.csv") == b"1"


def test_merge_fast_forward_and_squash(clone: Clone) -> None:
    clone.git("checkout", "-q", "main")
    clone.git("merge", "-q", "--squash", "next")
    assert files(clone) == NEXT
    clone.git("reset", "-q", "--hard")
    clone.data("pull")
    assert files(clone)["a.csv"] == b"1"
    assert clone.git("merge", "-q", "next").err == ""
    assert files(clone) == NEXT


def test_a_pull_of_a_colleague(world: World, clone: Clone) -> None:
    clone.git("checkout", "-q", "main")
    clone.git("push", "-q", "origin", "main")
    other = world.clone("bob")
    other.data("install")
    other.data("pull")
    clone.git("merge", "-q", "next")
    clone.git("push", "-q", "origin", "main")
    done = other.git("pull", "-q")
    assert 'run "git data pull"' in done.err
    other.data("pull")
    assert files(other) == NEXT


def test_a_rebase_is_silent_and_ends_right(clone: Clone) -> None:
    clone.git("checkout", "-q", "main")
    clone.write("c.csv", "c")
    clone.data("add", "c.csv")
    clone.commit("c1")
    clone.git("checkout", "-q", "next")
    assert "hint" not in clone.git("rebase", "-q", "main").err
    assert files(clone) == NEXT
    assert clone.read("c.csv") == b"c"
    assert clone.git("status", "--porcelain").out == ""


def test_an_aborted_rebase_has_moved_nothing(clone: Clone) -> None:
    clone.write("code", "next")
    clone.git("add", "code")
    clone.commit("code")
    clone.git("checkout", "-q", "main")
    clone.write("code", "main")
    clone.git("add", "code")
    clone.commit("code")
    clone.git("checkout", "-q", "next")
    before = os.stat(clone.path / "a.csv").st_mtime_ns
    clone.git("rebase", "main", code=1)
    clone.git("rebase", "--abort")
    assert files(clone) == NEXT
    assert os.stat(clone.path / "a.csv").st_mtime_ns == before


@pytest.mark.parametrize("backend", ["--merge", "--apply"])
def test_a_rebase_that_is_a_fast_forward(clone: Clone, backend: str) -> None:
    clone.git("checkout", "-q", "main")
    clone.git("rebase", "-q", backend, "next")
    assert files(clone) == NEXT


def test_an_amend_that_takes_a_dataset_out(clone: Clone) -> None:
    clone.git("checkout", "HEAD~1", "--", "manifest.json", ".gitignore")
    clone.git("commit", "-q", "--amend", "--allow-empty", "-m", "nothing")
    assert files(clone) == MAIN


def test_a_bisect_follows_and_is_silent(clone: Clone) -> None:
    for n in range(4):
        clone.write("a.csv", f"more {n}")
        clone.data("add", "a.csv")
        clone.commit(f"more {n}")
    empty_cache(clone)
    clone.git("bisect", "start")
    clone.git("bisect", "bad")
    done = clone.git("bisect", "good", "main")
    assert "hint" not in done.err
    clone.git("bisect", "reset")
    assert clone.read("a.csv") == b"more 3"


def test_a_new_worktree_is_filled_from_the_shared_cache(clone: Clone) -> None:
    clone.git("worktree", "add", "-q", "../linked", "main")
    assert files(Clone(clone.path.parent / "linked")) == MAIN


def test_leaving_a_branch_where_git_has_the_file(clone: Clone) -> None:
    clone.git("checkout", "-q", "main")
    clone.git("checkout", "-q", "--orphan", "tracked")
    clone.git("rm", "-q", "--cached", "-r", ".")
    (clone.path / ".gitignore").unlink()
    clone.write("manifest.json", '{\n  "format": "git-data/manifest/1",\n  "datasets": {}\n}\n')
    clone.write("a.csv", "as Git has it")
    clone.git("add", "-A")
    clone.git("commit", "-q", "-m", "tracked")
    clone.git("checkout", "-q", "main")
    assert files(clone) == MAIN
    clone.git("checkout", "-q", "tracked")
    assert clone.read("a.csv") == b"as Git has it"


def test_a_commit_before_git_data(clone: Clone) -> None:
    clone.git("checkout", "-q", "--orphan", "older")
    clone.git("rm", "-q", "-rf", ".")
    clone.git("commit", "-q", "--allow-empty", "-m", "before")
    for name in ("a.csv", "sub/b.csv"):
        (clone.path / name).unlink(missing_ok=True)
    clone.git("checkout", "-q", "main")
    assert files(clone) == MAIN
    clone.git("checkout", "-q", "older")
    assert files(clone) == {}
    assert clone.git("status", "--porcelain").out == ""


def test_a_reset_is_found_by_status(clone: Clone) -> None:
    clone.git("reset", "-q", "--hard", "main")
    assert clone.data("status", "--exit-code", code=1).code == 1


@pytest.mark.parametrize(
    "text", ["{", "<<<<<<< a\n=======\n>>>>>>> b\n", '{"format": "git-data/manifest/99"}']
)
def test_a_manifest_nobody_can_read_stops_nothing(clone: Clone, text: str) -> None:
    clone.write("manifest.json", text)
    clone.git("commit", "-q", "--no-verify", "-am", "broken")
    clone.git("checkout", "-q", "main")
    done = clone.git("checkout", "-q", "next")
    assert "git data: warning:" in done.err
    clone.git("commit", "-q", "--amend", "--no-verify", "-m", "still broken")


def test_a_fault_of_ours_is_one_line_and_a_log(clone: Clone) -> None:
    (clone.path / ".git/data/cache").rename(clone.path / ".git/data/old")
    clone.write(".git/data/cache", "no folder")
    done = clone.git("checkout", "-q", "main")
    assert done.code == 0
    assert len(done.err.splitlines()) <= 2
    assert "Traceback" not in done.err


def test_nothing_printed_can_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    hook_talk.say("a\x1b[2J\u202eb\nc\rd")
    assert capsys.readouterr().err == "git data: a\\u001b[2J\\u202eb\\u000ac\\u000dd\n"


def test_a_worktree_that_is_read_only(clone: Clone) -> None:
    if os.geteuid() == 0:
        pytest.skip("root writes everywhere")
    data = Path(clone.path / ".git/data")
    data.chmod(0o500)
    clone.git("checkout", "-q", "main")
    data.chmod(0o700)
