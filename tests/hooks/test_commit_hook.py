"""pre-commit with the real program: what stops a commit, what is only told, what is uploaded."""

import json
import shutil
from pathlib import Path

import pytest

from git_datamanager.model import manifest as model
from tests.world import Clone, World

SECRET = "R2_SECRET_ACCESS_KEY=0123456789abcdef\n"


@pytest.fixture
def clone(world: World) -> Clone:
    return world.found()


def staged(world: World) -> int:
    """How many objects staging holds."""
    return len(list(world.folder("staging").glob("objects/*/*")))


def head(clone: Clone) -> str:
    return clone.git("rev-parse", "HEAD").out


def refused(clone: Clone, *args: str) -> str:
    """A commit that must not come about; what was said."""
    before = head(clone)
    done = clone.git("commit", "-q", "-m", "no", *args, code=None)
    assert done.code != 0
    assert head(clone) == before
    return done.err


def test_a_commit_uploads_what_it_adds(world: World, clone: Clone) -> None:
    clone.write("a.csv", "1")
    clone.data("add", "a.csv")
    assert staged(world) == 0
    done = clone.commit("Add a")
    assert "git data: uploaded a.csv v1 to staging" in done.err
    assert staged(world) == 1


@pytest.mark.parametrize("how", ["-a", "-- manifest.json .gitignore", "-m again --amend"])
def test_every_way_to_commit(world: World, clone: Clone, how: str) -> None:
    clone.write("code.py", "1")
    clone.git("add", "code.py")
    clone.commit("code")
    clone.write("a.csv", "1")
    clone.data("add", "a.csv")
    if how == "-a":
        clone.git("reset", "-q")
        clone.git("add", "-N", ".gitignore")
    clone.git("commit", "-q", "-m", "Add a", *how.split())
    assert staged(world) == 1
    assert "a.csv" in clone.git("show", "HEAD:manifest.json").out


def test_a_partial_commit_without_the_manifest_uploads_nothing(world: World, clone: Clone) -> None:
    clone.write("code.py", "1")
    clone.git("add", "code.py")
    clone.commit("code")
    clone.write("a.csv", "1")
    clone.data("add", "a.csv")
    clone.write("code.py", "2")
    clone.git("commit", "-q", "-m", "only code", "--", "code.py")
    assert staged(world) == 0
    clone.commit("the rest")
    assert staged(world) == 1


def test_from_a_subdirectory_and_a_linked_worktree(world: World, clone: Clone) -> None:
    clone.write("sub/a.csv", "1")
    clone.data("add", "a.csv", cwd="sub")
    clone.git("commit", "-q", "-m", "a", cwd="sub")
    assert staged(world) == 1
    clone.git("worktree", "add", "-q", "-b", "linked", "../linked tree")
    linked = Clone(clone.path.parent / "linked tree")
    assert linked.read("sub/a.csv") == b"1"  # post-checkout, from the shared cache
    linked.write("b.csv", "2")
    linked.data("add", "b.csv")
    linked.commit("b")
    assert staged(world) == 2


@pytest.mark.parametrize("mode", ["push", "manual"])
def test_uploads_as_the_setting_says(world: World, clone: Clone, mode: str) -> None:
    clone.git("config", "data.upload", mode)
    clone.write("a.csv", "1")
    clone.data("add", "a.csv")
    clone.commit()
    assert staged(world) == 0


def test_an_unreachable_store_is_a_warning(world: World, clone: Clone) -> None:
    store = world.folder("staging")
    store.rename(store.with_name("away"))
    clone.write("a.csv", "1")
    clone.data("add", "a.csv")
    done = clone.commit()
    assert done.err.count("warning:") == 1
    assert "git push tries again" in done.err


def test_an_untrusted_store_is_a_warning(world: World, clone: Clone) -> None:
    other = world.clone("bob", trust=False)
    other.write("a.csv", "1")
    other.data("add", "a.csv")
    done = other.commit()
    assert "hint: git data trust" in done.err
    assert staged(world) == 0


def test_bytes_that_are_no_longer_there_refuse_the_commit(clone: Clone) -> None:
    clone.git("config", "data.cache", "none")
    clone.write("a.csv", "1")
    clone.data("add", "a.csv")
    clone.write("a.csv", "2")
    said = refused(clone)
    assert "a.csv is no longer what was added" in said
    assert "hint: git data add a.csv" in said
    assert "the commit was stopped; nothing was changed" in said


def test_a_broken_manifest_refuses_the_commit(clone: Clone) -> None:
    clone.write("manifest.json", "{")
    clone.git("add", "manifest.json")
    assert "the staged manifest.json is not JSON" in refused(clone)
    clone.write("manifest.json", "<<<<<<< ours\n=======\n>>>>>>> theirs\n")
    clone.git("add", "manifest.json")
    assert "hint: git data resolve" in refused(clone)


def test_a_broken_manifest_of_the_past_does_not_wedge_other_commits(clone: Clone) -> None:
    clone.write("manifest.json", "{")
    clone.git("add", "manifest.json")
    clone.git("commit", "-qm", "broken", "--no-verify")
    clone.write("code.py", "1")
    clone.git("add", "code.py")
    assert "warning:" in clone.commit().err


def test_a_manifest_that_is_not_canonical_is_told(clone: Clone) -> None:
    clone.write("manifest.json", clone.read("manifest.json").replace(b"\n", b" \n"))
    clone.git("add", "manifest.json")
    assert "not in its canonical form" in clone.commit().err
    clone.data("resolve")
    assert clone.git("status", "--porcelain").out == "M  manifest.json\n"


def test_a_dataset_is_not_committed_to_git(clone: Clone) -> None:
    clone.write("sub/a b.sqlite", "1")
    clone.data("add", "sub/a b.sqlite")
    clone.commit()
    clone.git("add", "-f", "sub/a b.sqlite")
    said = refused(clone)
    assert "sub/a b.sqlite is a dataset" in said
    hint = next(line for line in said.splitlines() if "rm --cached" in line)
    clone.run("sh", "-c", hint.removeprefix("hint: "))
    assert clone.git("status", "--porcelain").out == ""
    assert clone.read("sub/a b.sqlite") == b"1"
    clone.write("sub/a b.sqlite-wal", "x")
    clone.git("add", "-f", "sub/a b.sqlite-wal")
    assert "it belongs to sub/a b.sqlite" in refused(clone)


def test_hints_are_relative_to_where_one_stands(clone: Clone) -> None:
    clone.write("sub/a.csv", "1")
    clone.data("add", "sub/a.csv")
    clone.commit()
    clone.git("add", "-f", "sub/a.csv")
    done = clone.git("commit", "-qm", "no", cwd="sub", code=1)
    assert "git rm --cached -- a.csv " in done.err


def test_a_big_file_is_not_committed_to_git(clone: Clone) -> None:
    clone.git("config", "data.maxBlobSize", "1k")
    clone.write("big.bin", "x" * 1025)
    clone.git("add", "big.bin")
    said = refused(clone)
    assert "big.bin has 1,025 bytes, more than data.maxBlobSize (1k)" in said
    hint = next(line for line in said.splitlines() if "rm --cached" in line)
    clone.run("sh", "-c", hint.removeprefix("hint: "))
    clone.commit()
    assert "big.bin" in clone.manifest()["datasets"]


def test_a_merge_does_not_answer_for_what_it_brings_along(clone: Clone) -> None:
    clone.git("config", "data.maxBlobSize", "1k")
    clone.git("checkout", "-q", "-b", "side")
    clone.write("big.bin", "x" * 1025)
    clone.write("both", "side")
    clone.git("add", "-A")
    clone.git("commit", "-qm", "side", "--no-verify")
    clone.git("checkout", "-q", "main")
    clone.write("both", "main")
    clone.git("add", "-A")
    clone.commit()
    clone.git("merge", "-q", "side", code=1)
    clone.write("both", "main and side")
    clone.git("add", "both")
    clone.commit("merged")


@pytest.mark.parametrize("name", [".env", "sub/.env.local"])
def test_secrets_are_not_committed(clone: Clone, name: str) -> None:
    clone.write(name, "A=1\n" + SECRET)
    clone.git("add", "-f", name)
    said = refused(clone)
    assert f"{name} holds R2_SECRET_ACCESS_KEY" in said
    assert "0123456789" not in said


@pytest.mark.parametrize(
    ("name", "text"), [(".env.example", SECRET), (".env", "R2_SECRET_ACCESS_KEY=\nR2_ACCOUNT_ID=x\n")]
)
def test_examples_are_no_secrets(clone: Clone, name: str, text: str) -> None:
    clone.write(name, text)
    clone.git("add", "-f", name)
    clone.commit()


def test_what_changed_and_was_not_added_is_named(clone: Clone) -> None:
    clone.write("a.csv", "1")
    clone.data("add", "a.csv")
    clone.commit()
    clone.write("a.csv", "22")
    clone.write("code.py", "1")
    clone.git("add", "code.py")
    done = clone.commit()
    assert "warning: a.csv changed on disk" in done.err
    assert "hint: git data add a.csv" in done.err


def test_the_first_commit_of_a_repository(tmp_path: Path) -> None:
    clone = Clone(tmp_path / "new")
    clone.path.mkdir()
    clone.git("init", "-q")
    clone.data("init")
    clone.write("a.csv", "1")
    clone.data("add", "a.csv")
    assert "uploaded a.csv v1" in clone.commit().err


def test_a_deleted_state_folder_does_not_matter(clone: Clone) -> None:
    shutil.rmtree(clone.path / ".git/data")
    clone.write("code.py", "1")
    clone.git("add", "code.py")
    assert clone.commit().err == ""


# Conflicts that were taken as they are


def set_title(clone: Clone, title: str) -> None:
    document = clone.manifest()
    document["datasets"]["a.csv"]["options"] = {"title": title}
    clone.write("manifest.json", model.dumps(model.loads(json.dumps(document).encode())))
    clone.git("commit", "-qam", title)


def conflict(clone: Clone, verb: str = "merge", *, more: bool = True) -> None:
    """main and side gave a.csv another title; `side` is half merged into main."""
    clone.write("a.csv", "1")
    clone.data("add", "a.csv")
    clone.commit("a.csv")
    clone.git("checkout", "-q", "-b", "side")
    if more:
        clone.write("side.txt", "more than the manifest")
        clone.git("add", "side.txt")
    set_title(clone, "side's")
    clone.git("checkout", "-q", "main")
    set_title(clone, "main's")
    clone.git(verb, "side", code=1)


@pytest.mark.parametrize("verb", ["merge", "cherry-pick"])
@pytest.mark.parametrize("staged", [False, True])
def test_a_conflict_is_not_committed_blindly(clone: Clone, verb: str, staged: bool) -> None:
    conflict(clone, verb)
    if staged:
        clone.git("add", "manifest.json")
    said = refused(clone, "-a")
    assert "manifest.json was in conflict, and nobody decided: a.csv: option title" in said
    assert "hint: git data resolve --ours" in said
    assert len(clone.json("resolve", code=5)["conflicts"]) == 1
    assert len(clone.json("resolve", "--dry-run", code=5)["conflicts"]) == 1
    assert "would resolve" in clone.data("resolve", "--theirs", "-n").out
    clone.data("resolve", "--theirs")
    assert clone.manifest()["datasets"]["a.csv"]["options"] == {"title": "side's"}
    clone.commit("decided", "-a")


def test_a_conflict_that_leaves_nothing_staged_is_not_committed_blindly(clone: Clone) -> None:
    """What the driver left is what HEAD has: the index differs in nothing, and still nobody decided."""
    conflict(clone, more=False)
    clone.git("add", "manifest.json")
    assert "nobody decided" in refused(clone)


def test_a_decision_for_what_the_driver_left_is_a_decision(clone: Clone) -> None:
    conflict(clone)
    clone.data("resolve", "--ours")
    clone.write("b.csv", "1")
    clone.data("add", "b.csv")
    clone.commit("decided")


def test_a_merge_begun_anew_asks_anew(clone: Clone) -> None:
    conflict(clone)
    clone.data("resolve", "--ours")
    clone.git("merge", "--abort")
    clone.git("merge", "side", code=1)
    assert "nobody decided" in refused(clone, "-a")


def test_an_edit_by_hand_is_a_decision(clone: Clone) -> None:
    conflict(clone)
    text = clone.read("manifest.json").replace(b"main's", b"both")
    clone.write("manifest.json", text)
    clone.git("add", "manifest.json")
    clone.commit("by hand")
    assert clone.read("manifest.json") == text


@pytest.mark.slow
def test_a_merge_does_not_lose_what_is_published(world: World, clone: Clone) -> None:
    clone.write("code.py", "1")
    clone.git("add", "code.py")
    clone.commit("code")
    clone.git("branch", "side")
    clone.write("a.csv", "1")
    clone.data("add", "a.csv")
    clone.write("code.py", "main")
    clone.commit("a", "-a")
    clone.git("push", "-q")
    world.publish(clone)
    clone.git("pull", "-q")
    clone.git("checkout", "-q", "side")
    clone.write("b.csv", "1")
    clone.data("add", "b.csv")
    clone.write("code.py", "side")
    clone.commit("b", "-a")
    clone.git("merge", "-q", "main", code=1)
    clone.git("checkout", "HEAD", "--", "manifest.json")
    clone.git("add", "code.py")
    said = refused(clone)
    assert "would lose what a parent has published: a.csv v1" in said
    clone.git("merge", "--abort")
    clone.git("merge", "-q", "main", code=1)
    clone.git("add", "code.py")
    clone.commit("merged")


# What is on disk


def test_a_partial_commit_does_not_miss_what_is_added(clone: Clone) -> None:
    clone.write("a.csv", "1")
    clone.write("code.py", "1")
    clone.git("add", "code.py")
    clone.data("add", "a.csv")
    clone.commit("both")
    clone.write("a.csv", "22")
    clone.data("add", "a.csv")
    clone.write("code.py", "2")
    assert "not added" not in clone.commit("part", "--", "code.py").err
    clone.commit("the rest")
    clone.git("checkout", "-q", "-b", "old", "HEAD~1", env={"GIT_DATA_HOOKS": "0"})
    clone.write("code.py", "3")
    assert "not added" not in clone.commit("code", "-a").err
