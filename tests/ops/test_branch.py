"""A branch without a remote: index and work tree follow the tip, whatever else happens meanwhile."""

from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from git_datamanager.manager import DataManager
from git_datamanager.ops.publishing.branch import LocalBranch
from git_datamanager.ops.publishing.publish import publish
from git_datamanager.workspace.manifests import Manifests
from tests.world import Clone, World


@pytest.fixture
def alone(world: World) -> Clone:
    """ana without a remote; a.csv is committed and pending."""
    clone = world.found("ana")
    clone.git("remote", "remove", "origin")
    add(clone, "a.csv")
    clone.commit("a")
    return clone


def add(clone: Clone, name: str) -> None:
    clone.write(name, name)
    clone.data("add", name)


def killed(clone: Clone) -> None:
    """As a run leaves it that was killed after the branch moved."""
    clone.git("checkout", "-q", "HEAD~1", "--", "manifest.json")


def test_nobody_else_changes_the_manifest_between_look_and_write(
    alone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A `git data add` in between was overwritten."""
    manager = DataManager.open(alone.path)
    free: list[str] = []
    for name in ("several", "current", "_write"):
        _watched(monkeypatch, name, manager.state_folder / "lock", free)
    tip = manager.git.resolve("HEAD")
    monkeypatch.setattr(LocalBranch, "fetch", lambda _: tip)
    publish(manager)
    assert free == ["several"], "the commits need no lock"
    assert alone.states("a.csv") == {"v1": "published"}


def _watched(patch: pytest.MonkeyPatch, name: str, file: Path, free: list[str]) -> None:
    real = getattr(Manifests, name)

    def watched(self: Manifests, *args: object) -> object:
        try:
            with FileLock(file, timeout=0):
                free.append(name)
        except Timeout:
            pass
        return real(self, *args)

    def commit_of(self: Manifests, *args: object) -> object:
        specs = args[0] if args else ()
        return real(self, *args) if len(specs) == 1 and specs[0][0] != ":" else watched(self, *args)  # type: ignore[index,arg-type]

    patch.setattr(Manifests, name, commit_of if name == "several" else watched)


def test_what_a_killed_run_left_behind_catches_up(alone: Clone) -> None:
    """The next `git commit -a` made the published version pending again."""
    alone.data("publish")
    killed(alone)
    add(alone, "b.csv")
    assert alone.states("a.csv") == {"v1": "pending"}
    alone.data("publish")
    assert alone.states("a.csv") == {"v1": "published"}
    assert alone.states("b.csv") == {"v1": "pending"}
    alone.commit("b")
    assert alone.git("status", "--porcelain").out == ""
    alone.data("publish")
    assert alone.states("b.csv") == {"v1": "published"}
    assert alone.git("status", "--porcelain").out == ""


def test_the_index_alone_catches_up_too(alone: Clone) -> None:
    alone.data("publish")
    good = alone.read("manifest.json")
    killed(alone)
    alone.write("manifest.json", good)
    alone.data("publish")
    assert alone.git("status", "--porcelain").out == ""


def test_what_was_taken_back_on_purpose_stays_so(alone: Clone) -> None:
    """Only entries that publish has finished are brought forward."""
    alone.data("publish")
    alone.data("delete", "a.csv", "--yes")
    alone.commit("delete")
    alone.git("checkout", "-q", "HEAD~1", "--", "manifest.json")
    before = alone.git("status", "--porcelain").out
    alone.data("publish", "--finalize", "none")
    assert alone.git("status", "--porcelain").out == before


def test_a_conflict_in_the_index_is_not_resolved_by_publish(alone: Clone) -> None:
    blob = alone.git("rev-parse", "HEAD:manifest.json").out.strip()
    zeros = "0" * 40
    lines = [f"0 {zeros}\tmanifest.json"] + [f"100644 {blob} {n}\tmanifest.json" for n in (1, 2, 3)]
    (alone.path.parent / "stages").write_text("\n".join(lines) + "\n")
    alone.run("sh", "-c", "git update-index --index-info < ../stages")
    assert len(alone.git("ls-files", "-u").out.splitlines()) == 3
    alone.data("publish")
    assert len(alone.git("ls-files", "-u").out.splitlines()) == 3


def test_a_branch_that_is_not_checked_out(alone: Clone) -> None:
    alone.git("switch", "-q", "-c", "elsewhere")
    before = alone.read("manifest.json")
    alone.data("publish", "--branch", "main")
    alone.data("publish", "--branch", "main")
    assert alone.read("manifest.json") == before
    assert alone.git("status", "--porcelain").out == ""


def test_what_is_not_staged_is_not_staged_by_publish(alone: Clone) -> None:
    staged = alone.read("manifest.json")
    add(alone, "b.csv")
    written = alone.read("manifest.json")
    alone.write("manifest.json", staged)
    alone.git("add", "manifest.json")
    alone.write("manifest.json", written)
    alone.data("publish")
    assert alone.git("diff", "--cached", "--name-only", "--", "manifest.json").out == ""
    assert set(alone.manifest()["datasets"]) == {"a.csv", "b.csv"}
    assert alone.states("a.csv") == {"v1": "published"}
