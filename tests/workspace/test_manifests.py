"""The manifest while Git is in the middle of something, and what is no manifest at all."""

import pytest

from tests.world import Clone, World


@pytest.fixture
def merging(world: World) -> Clone:
    """`merge --no-commit` of a topic that brings a.csv v2 and n.csv, both pending."""
    ana = world.found()
    _add(ana, "a.csv", "1")
    ana.git("checkout", "-q", "-b", "topic")
    _add(ana, "a.csv", "2")
    _add(ana, "n.csv", "n")
    ana.git("checkout", "-q", "main")
    _add(ana, "m.csv", "m")
    return ana


def _add(clone: Clone, name: str, text: str) -> None:
    clone.write(name, text)
    clone.data("add", name)
    clone.commit(f"{name}: {text}")


def test_what_a_merge_at_hand_brings_is_committed(merging: Clone) -> None:
    merging.git("merge", "-q", "--no-commit", "topic")
    merging.write("a.csv", "3")
    merging.data("add", "a.csv")
    assert list(merging.states("a.csv")) == ["v3", "v2", "v1"]
    merging.data("delete", "n.csv", "--yes")
    assert merging.manifest()["datasets"]["n.csv"]["state"] == "deleting"


def test_what_a_stopped_cherry_pick_brings_is_committed(merging: Clone) -> None:
    merging.git("cherry-pick", "topic~1", "-n")
    (merging.path / ".git" / "CHERRY_PICK_HEAD").write_text(merging.git("rev-parse", "topic~1").out)
    merging.write("a.csv", "3")
    merging.data("add", "a.csv")
    assert list(merging.states("a.csv")) == ["v3", "v2", "v1"]


def test_a_side_that_is_no_manifest_hinders_nobody(merging: Clone) -> None:
    merging.git("checkout", "-q", "topic")
    merging.write("manifest.json", "{\n")
    merging.git("commit", "-q", "--no-verify", "-am", "broken")
    merging.git("checkout", "-q", "main")
    merging.git("merge", "-q", "--no-commit", "topic", code=1)
    merging.git("checkout", "--ours", "manifest.json")
    merging.write("a.csv", "3")
    merging.data("add", "a.csv")
    assert list(merging.states("a.csv")) == ["v2", "v1"]
