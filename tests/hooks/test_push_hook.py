"""pre-push with the real program: no commit leaves without its data."""

import io
import subprocess
from pathlib import Path

import pytest

from git_datamanager import hook
from git_datamanager.manager import DataManager
from git_datamanager.ops.hooks.push import PushedRef, check_push, parse_refs
from tests.world import Clone, World


@pytest.fixture
def clone(world: World) -> Clone:
    """Commits upload nothing here: that is the push's business."""
    clone = world.found()
    clone.git("config", "data.upload", "push")
    return clone


def add(clone: Clone, name: str, text: str) -> None:
    clone.write(name, text)
    clone.data("add", name)
    clone.commit(f"{name}: {text}")


def staging(world: World) -> Path:
    return world.folder("staging")


def staged(world: World) -> int:
    return len(list(staging(world).glob("objects/*/*")))


def forget(clone: Clone, *names: str) -> None:
    """The bytes are nowhere in this clone any more."""
    for path in (clone.path / ".git/data/cache").rglob("*"):
        if path.is_file():
            path.unlink()
    for name in names:
        (clone.path / name).unlink()


def tips(world: World) -> str:
    return subprocess.run(
        ["git", "-C", world.origin, "for-each-ref", "--format=%(refname:short)"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip


def test_a_push_uploads_what_is_missing(world: World, clone: Clone) -> None:
    add(clone, "a.csv", "1")
    add(clone, "a.csv", "2")
    done = clone.git("push", "-q")
    assert "uploaded" in done.err
    assert staged(world) == 2
    assert clone.git("push", "-q").err == ""


def test_a_version_that_came_and_went_is_uploaded_too(world: World, clone: Clone) -> None:
    add(clone, "a.csv", "1")
    clone.git("revert", "--no-edit", "HEAD")
    assert clone.manifest()["datasets"] == {}
    clone.git("push", "-q")
    assert staged(world) == 1


def test_a_push_without_the_bytes_is_refused(world: World, clone: Clone) -> None:
    add(clone, "a.csv", "1")
    forget(clone, "a.csv")
    done = clone.git("push", "-q", code=1)
    assert "error: the bytes of a.csv v1" in done.err
    assert "hint: git data upload a.csv" in done.err
    assert "the push was stopped" in done.err
    clone.git("push", "-q", env={"GIT_DATA_SKIP": "1"})


def test_bytes_that_staging_has_need_not_be_here(world: World, clone: Clone) -> None:
    add(clone, "a.csv", "1")
    clone.data("upload")
    forget(clone, "a.csv")
    clone.git("push", "-q")


def test_what_a_commit_could_not_upload_is_caught_up(world: World, clone: Clone) -> None:
    clone.git("config", "data.upload", "commit")
    staging(world).rename(staging(world).with_name("away"))
    add(clone, "a.csv", "1")
    done = clone.git("push", "-q", code=None)
    assert done.code != 0
    assert "nobody can say whether a.csv v1 can be had" in done.err
    assert "hint: GIT_DATA_SKIP=1 git push" in done.err
    staging(world).with_name("away").rename(staging(world))
    clone.git("push", "-q")
    assert staged(world) == 1


def test_staging_that_was_swept_is_filled_again(world: World, clone: Clone) -> None:
    clone.git("config", "data.upload", "commit")
    add(clone, "a.csv", "1")
    next(staging(world).glob("objects/*/*")).unlink()
    clone.git("push", "-q")
    assert staged(world) == 1


def test_manual_refuses_and_says_how(world: World, clone: Clone) -> None:
    clone.git("config", "data.upload", "manual")
    add(clone, "a.csv", "1")
    done = clone.git("push", "-q", code=1)
    assert "error: a.csv v1 is neither in staging nor in production" in done.err
    assert "hint: git data upload" in done.err
    clone.git("-c", "data.upload=push", "push", "-q")
    assert staged(world) == 1


def test_new_branches_tags_and_deletions(world: World, clone: Clone) -> None:
    clone.git("checkout", "-q", "-b", "topic/one")
    add(clone, "a.csv", "1")
    clone.git("tag", "-a", "-m", "tag", "v1")
    clone.git("tag", "blob", "HEAD:manifest.json")
    clone.git("tag", "tree", "HEAD^{tree}")
    clone.git("push", "-q", "origin", "v1", "blob", "tree", "HEAD:refs/heads/other", "topic/one")
    assert staged(world) == 1
    forget(clone, "a.csv")
    next(staging(world).glob("objects/*/*")).unlink()
    clone.git("push", "-q", "origin", ":other", ":v1")
    assert tips(world).split() == ["main", "topic/one", "blob", "tree"]


def test_several_branches_each_with_its_own(world: World, clone: Clone) -> None:
    for name in ("one", "two"):
        clone.git("checkout", "-q", "-b", name, "main")
        add(clone, f"{name}.csv", name)
    clone.git("push", "-q", "--all")
    assert staged(world) == 2


def test_a_push_to_a_bare_address(world: World, clone: Clone) -> None:
    add(clone, "a.csv", "1")
    clone.git("push", "-q", str(world.origin), "HEAD:refs/heads/topic")
    assert staged(world) == 1


def test_a_deleted_version_needs_no_bytes(world: World, clone: Clone) -> None:
    add(clone, "a.csv", "1")
    clone.git("push", "-q")
    world.publish(clone)
    clone.git("pull", "-q")
    clone.data("delete", "a.csv", "--yes")
    clone.commit("delete")
    clone.git("push", "-q")
    world.publish(clone)
    clone.git("pull", "-q")
    for store in ("staging", "production"):
        for path in world.folder(store).glob("objects/*/*"):
            path.unlink()
    subprocess.run(["git", "init", "-q", "--bare", world.root / "second.git"], check=True)
    clone.git("remote", "add", "second", str(world.root / "second.git"))
    clone.git("push", "-q", "second", "main")


def test_what_another_remote_has_does_not_stop_a_push(world: World, clone: Clone) -> None:
    """A fork is brought up to date by somebody who cannot ask the stores."""
    add(clone, "a.csv", "1")
    clone.git("push", "-q")
    subprocess.run(["git", "init", "-q", "--bare", world.root / "fork.git"], check=True)
    visitor = world.clone("visitor", trust=False)
    visitor.data("install")
    visitor.git("remote", "add", "fork", str(world.root / "fork.git"))
    assert "warning: nobody can say" in visitor.git("push", "-q", "fork", "main").err


def test_a_broken_manifest_at_the_tip_is_refused(clone: Clone) -> None:
    clone.write("manifest.json", "{")
    clone.git("commit", "-qam", "broken", "--no-verify")
    done = clone.git("push", "-q", code=1)
    assert "git data: error: the manifest.json of" in done.err
    assert "is not JSON" in done.err


def test_a_broken_manifest_in_between_is_passed_over(world: World, clone: Clone) -> None:
    add(clone, "a.csv", "1")
    good = clone.read("manifest.json")
    clone.write("manifest.json", "{")
    clone.git("commit", "-qam", "broken", "--no-verify")
    clone.write("manifest.json", good)
    clone.git("commit", "-qam", "mended")
    clone.git("push", "-q")
    assert staged(world) == 1


def test_merges_bring_in_nothing_of_their_own(world: World, clone: Clone) -> None:
    clone.git("config", "data.upload", "commit")
    add(clone, "a.csv", "1")
    clone.git("push", "-q")
    clone.git("checkout", "-q", "-b", "side", "HEAD~1")
    add(clone, "b.csv", "2")
    clone.git("merge", "-q", "--no-edit", "main")
    assert set(clone.manifest()["datasets"]) == {"a.csv", "b.csv"}
    next(iter(world.object("staging", clone.versions("a.csv")[0]["oid"][7:]).parent.iterdir())).unlink()
    forget(clone)
    clone.git("push", "-q", "origin", "side")


def test_long_histories_are_read_in_pieces(
    world: World, clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(7):
        add(clone, "a.csv", str(n))
    monkeypatch.setattr("git_datamanager.ops.hooks.push._CHUNK", 2)
    manager = DataManager.open(clone.path)
    pushed = check_push(manager, "origin", [PushedRef(clone.git("rev-parse", "HEAD").out.strip(), "0" * 40)])
    assert pushed.findings == []
    assert len(pushed.uploaded) == 7


def test_a_history_git_cannot_read_refuses_the_push(clone: Clone) -> None:
    """Nothing was found in it, so all was well."""
    add(clone, "a.csv", "1")
    add(clone, "b.csv", "2")
    parent = clone.git("rev-parse", "HEAD~1").out.strip()
    (clone.path / ".git/objects" / parent[:2] / parent[2:]).unlink()
    done = clone.data("hook", "pre-push", "origin", code=None)
    assert done.code == 0, "nothing is pushed"
    tip = clone.git("rev-parse", "HEAD").out.strip()
    line = f"refs/heads/main {tip} refs/heads/main {'0' * 40}"
    done = clone.run("sh", "-c", f"echo {line} | git-data hook pre-push origin", code=128)
    assert "git rev-list failed" in done.err


def test_a_wrong_object_in_staging_does_not_pass(world: World, clone: Clone) -> None:
    """P5: same name, same size, other bytes, and the right ones are nowhere here."""
    add(clone, "a.csv", "1")
    staged = world.object("staging", clone.versions("a.csv")[0]["oid"][7:])
    staged.parent.mkdir(parents=True)
    staged.write_bytes(b"X")
    forget(clone, "a.csv")
    clone.git("push", "-q", code=1)
    staged.write_bytes(b"1")
    clone.git("push", "-q")


def test_a_fault_is_told_also_with_bytes_that_are_no_text(
    clone: Clone, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(clone.path)

    def fault() -> None:
        raise RuntimeError("caf\udce9")

    monkeypatch.setattr(hook, "_open", fault)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert hook.main(["pre-push"]) == 128
    assert "\\udce9" in capsys.readouterr().err
    assert "caf\\udce9" in (clone.path / ".git/data/hook.log").read_text()


def test_refs_are_read_from_the_right() -> None:
    a, b, zero = "a" * 40, "b" * 40, "0" * 40
    text = f"HEAD^{{/a b}} {a} refs/heads/x {zero}\n(delete) {zero} refs/heads/y {b}\nrubbish\n"
    assert parse_refs(text) == [PushedRef(a, zero)]
