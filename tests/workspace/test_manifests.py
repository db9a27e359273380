"""The manifest while Git is in the middle of something, and what is no manifest at all."""

from tests.world import Clone, World


def make_template(world: World, ana: Clone) -> None:
    """Before a merge of a topic that brings a.csv v2 and n.csv, both pending."""
    _add(ana, "a.csv", "1")
    ana.git("checkout", "-q", "-b", "topic")
    _add(ana, "a.csv", "2")
    _add(ana, "n.csv", "n")
    ana.git("checkout", "-q", "main")
    _add(ana, "m.csv", "m")


def _add(clone: Clone, name: str, text: str) -> None:
    clone.write(name, text)
    clone.data("add", name)
    clone.commit(f"{name}: {text}")


def test_what_a_merge_at_hand_brings_is_committed(ana: Clone) -> None:
    ana.git("merge", "-q", "--no-commit", "topic")
    ana.write("a.csv", "3")
    ana.data("add", "a.csv")
    assert list(ana.states("a.csv")) == ["v3", "v2", "v1"]
    ana.data("delete", "n.csv", "--yes")
    assert ana.manifest()["datasets"]["n.csv"]["state"] == "deleting"


def test_what_a_stopped_cherry_pick_brings_is_committed(ana: Clone) -> None:
    ana.git("cherry-pick", "topic~1", "-n")
    (ana.path / ".git" / "CHERRY_PICK_HEAD").write_text(ana.git("rev-parse", "topic~1").out)
    ana.write("a.csv", "3")
    ana.data("add", "a.csv")
    assert list(ana.states("a.csv")) == ["v3", "v2", "v1"]


def test_a_side_that_is_no_manifest_hinders_nobody(ana: Clone) -> None:
    ana.git("checkout", "-q", "topic")
    ana.write("manifest.json", "{\n")
    ana.git("commit", "-q", "--no-verify", "-am", "broken")
    ana.git("checkout", "-q", "main")
    ana.git("merge", "-q", "--no-commit", "topic", code=1)
    ana.git("checkout", "--ours", "manifest.json")
    ana.write("a.csv", "3")
    ana.data("add", "a.csv")
    assert list(ana.states("a.csv")) == ["v2", "v1"]
