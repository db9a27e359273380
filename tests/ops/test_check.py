"""`git data verify` and `fsck`."""

from types import SimpleNamespace

import pytest

from git_datamanager.errors import Forbidden
from git_datamanager.manager import DataManager
from git_datamanager.ops.rights.verify import verify
from git_datamanager.storage.memory import MemoryStore
from tests.world import Clone, World


def make_template(world: World, ana: Clone) -> None:
    """One published dataset, seen in production."""
    ana.write("a.csv", "1\n")
    ana.data("add", "a.csv")
    ana.commit("one")
    ana.git("push", "-q")
    world.publish(ana)
    ana.git("pull", "-q")
    ana.data("fsck", "--remote")


def answers(clone: Clone, *options: str, code: int = 0) -> dict[tuple[str, str], str]:
    return {
        (s["store"], s["right"]): s["answer"] for s in clone.json("verify", *options, code=code)["stores"]
    }


def test_verify_measures_every_right_and_leaves_nothing(world: World, ana: Clone) -> None:
    """R20."""
    before = sorted((world.root / "store").rglob("*"))
    found = answers(ana)
    assert set(found.values()) == {"allowed"}
    assert len(found) == 8
    left = [p for p in sorted((world.root / "store").rglob("*")) if p not in before and p.is_file()]
    assert [p.name for p in left if p.name != ".lock"] == []


def test_verify_warns_of_rights_a_developer_should_not_have(ana: Clone) -> None:
    done = ana.data("verify")
    assert "production: a developer should not be able to write" in done.err
    assert "production: a developer should not be able to write" not in ana.data("verify", "--role", "gc").err


def test_read_only_sends_nothing_that_could_change_anything(ana: Clone) -> None:
    found = answers(ana, "--read-only")
    assert found["production", "write"] == found["staging", "delete"] == "untried"
    assert found["production", "read"] == "allowed"


def test_verify_says_which_store_cannot_be_reached(world: World, ana: Clone) -> None:
    (world.root / "store" / "staging").rename(world.root / "store" / "gone")
    done = ana.data("verify", code=7)
    assert "staging" in done.err
    assert "production" in done.out


def test_fsck_finds_damage_in_every_place(world: World, ana: Clone) -> None:
    oid = ana.versions("a.csv")[0]["oid"][7:]
    cached = ana.path / ".git" / "data" / "cache" / oid[:2] / oid
    for path, place in ((cached, "cache"), (world.object("production", oid), "production")):
        path.chmod(0o644)
        path.write_bytes(b"X\n")
        done = ana.data("fsck", "--remote", code=6)
        assert f"{place}  " in done.out
        assert "wrong bytes" in done.out
        if place == "cache":
            assert not cached.exists(), "a damaged copy is dropped"
    world.object("production", oid).write_bytes(b"too long\n")
    assert "wrong size" in ana.data("fsck", "--remote", code=6).out
    world.object("production", oid).unlink()
    assert "missing" in ana.data("fsck", "--remote", code=3).out
    ana.data("fsck")


def test_a_modified_file_is_no_damage(ana: Clone) -> None:
    ana.write("a.csv", "mine\n")
    assert "modified" in ana.data("fsck").out


def test_what_was_never_written_is_not_left_behind(ana: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader's credentials: everything is refused, looking too."""

    def refuse(*_: object, **__: object) -> None:
        raise Forbidden("no")

    for name in ("write_object", "delete_object", "stat_object"):
        monkeypatch.setattr(MemoryStore, name, refuse)
    monkeypatch.setattr(DataManager, "store", lambda _, role: SimpleNamespace(adapter=MemoryStore(role)))
    found = verify(DataManager.open(ana.path))
    assert {f.answer for f in found.findings if f.right == "write"} == {"refused"}
    assert found.left == []
