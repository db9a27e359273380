"""`git data cleanup`: staging keeps what anybody may still need, and nothing else for ever."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from git_datamanager.manager import DataManager
from git_datamanager.model.layout import staging_trash_key
from git_datamanager.model.oid import Oid
from git_datamanager.ops.sweeping import cleanup
from git_datamanager.ops.sweeping.deleting import Asked
from tests.world import Done
from tests.yard import DAY, Yard, deleted, emptied, named_after, published, yard

__all__ = ["deleted", "emptied", "published", "yard"]


def sweep(yard: Yard, *words: str, code: int | None = 0) -> Done:
    return yard.ana.data("cleanup", *words, code=code)


def staged(yard: Yard, oid: Oid) -> Path:
    return yard.world.object("staging", oid.hex)


def aside(yard: Yard, oid: Oid) -> Path:
    return yard.world.folder("staging") / staging_trash_key(f"objects/{oid.hex[:2]}/{oid.hex}")


def rewrite_times(yard: Yard, days: float) -> None:
    """As if everything had been published or deleted so long ago."""
    then = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - days * DAY))
    manifest = yard.ana.manifest()
    for dataset in manifest["datasets"].values():
        for version in dataset["versions"]:
            for field in ("published", "deleted"):
                if field in version:
                    version[field] = then
    yard.ana.write("manifest.json", json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
    yard.ana.git("add", "-f", "manifest.json")
    yard.ana.commit("time goes by", "--no-verify")
    yard.ana.git("push", "-q")


def age(yard: Yard, days: float) -> None:
    for oid in yard.oids.values():
        yard.age(staged(yard, oid), days)


def test_what_was_published_long_ago_goes(yard: Yard) -> None:
    age(yard, 8)
    assert "nothing to remove" in sweep(yard).err, "it was published just now"
    rewrite_times(yard, 8)
    done = sweep(yard)
    assert "published, would go" in done.out
    assert staged(yard, yard.oids["gone.bin"]).exists()
    sweep(yard, "--apply")  # production has it all, so it needs no number
    assert not any(staged(yard, oid).exists() for oid in yard.oids.values())
    assert all(yard.object(name).exists() for name in yard.oids)


def test_staged_anew_a_short_while_ago_it_stays(yard: Yard) -> None:
    rewrite_times(yard, 8)
    assert "nothing to remove" in sweep(yard).err


@pytest.mark.slow
def test_what_is_pending_anywhere_stays_however_old(yard: Yard) -> None:
    """A request that is open for 40 days finds its bytes when it is merged."""
    data = os.urandom(500)
    rewrite_times(yard, 300)
    git = yard.ana.git
    git("switch", "-q", "-c", "request")
    yard.ana.write("new.bin", data)
    yard.ana.data("add", "new.bin")
    yard.ana.commit("new")
    git("push", "-q", "origin", "HEAD:refs/pull/7/head")
    git("switch", "-q", "main")
    git("branch", "-q", "-D", "request")
    yard.oids["new.bin"] = Oid.of(data)
    age(yard, 400)
    sweep(yard, "--apply", "--confirm", "9")
    assert staged(yard, Oid.of(data)).exists()
    assert not staged(yard, yard.oids["gone.bin"]).exists()


@pytest.mark.slow
def test_what_was_withdrawn_is_moved_aside_and_purged_after_the_grace(yard: Yard) -> None:
    data = os.urandom(500)
    oid = Oid.of(data)
    yard.ana.write("new.bin", data)
    yard.ana.data("add", "new.bin")
    yard.ana.commit("new")
    yard.ana.git("reset", "-q", "--hard", "HEAD~1")
    yard.age(staged(yard, oid), 29)
    assert "nothing to remove" in sweep(yard, "--apply").err
    yard.age(staged(yard, oid), 31)
    sweep(yard, "--apply")
    assert not staged(yard, oid).exists()
    assert aside(yard, oid).read_bytes() == data
    yard.age(aside(yard, oid), 13)
    sweep(yard, "--apply")
    assert aside(yard, oid).exists()
    yard.age(aside(yard, oid), 15)
    sweep(yard, "--apply")
    assert not aside(yard, oid).exists()


@pytest.mark.slow
def test_what_was_moved_aside_is_found_by_publish_and_pull(yard: Yard) -> None:
    data = os.urandom(500)
    oid = Oid.of(data)
    yard.ana.write("new.bin", data)
    yard.ana.data("add", "new.bin")
    yard.ana.commit("new")
    merged = yard.ana.git("rev-parse", "HEAD").out.strip()
    yard.ana.git("reset", "-q", "--hard", "HEAD~1")
    yard.age(staged(yard, oid), 31)
    sweep(yard, "--apply")
    yard.ana.git("reset", "-q", "--hard", merged)
    yard.ana.git("push", "-q", "--no-verify")
    bob = yard.world.clone("bob")
    bob.data("pull", "new.bin")
    assert bob.read("new.bin") == data
    sweep(yard, "--apply")
    assert aside(yard, oid).exists()
    yard.publish()
    assert yard.world.object("production", oid.hex).read_bytes() == data


@pytest.mark.slow
def test_deleted_bytes_are_moved_not_removed(emptied: Yard) -> None:
    age(emptied, 8)
    rewrite_times(emptied, 8)
    sweep(emptied, "--apply")
    assert aside(emptied, emptied.oids["gone.bin"]).exists()
    assert not aside(emptied, emptied.oids["stays.bin"]).exists()


def cut(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.slow
@pytest.mark.parametrize("spoil", [Path.unlink, cut])
def test_published_bytes_that_production_lacks_stay(yard: Yard, spoil: Callable[[Path], None]) -> None:
    age(yard, 8)
    rewrite_times(yard, 8)
    spoil(yard.object())
    done = sweep(yard, "--apply", "--confirm", "9", code=3)
    assert "production does not hold it" in done.err
    assert staged(yard, yard.oids["gone.bin"]).exists()


def test_another_repository_on_the_same_stores_is_doubt(yard: Yard) -> None:
    """Nobody knows what its requests hold as pending."""
    age(yard, 40)
    rewrite_times(yard, 40)
    other = yard.world.folder("production") / "repos" / ("ab" * 32 + ".json")
    entry = {
        "format": "git-data/repository/1",
        "url": "https://example.org/x",
        "registered": "2026-11-21T10:05:00Z",
    }
    other.write_text(json.dumps(entry))
    done = sweep(yard, "--apply", "--confirm", "9", code=128)
    assert "--repository https://example.org/x" in done.err
    assert all(staged(yard, oid).exists() for oid in yard.oids.values())


@pytest.mark.slow
def test_damaged_bytes_are_reported_and_left(yard: Yard) -> None:
    path = yard.world.folder("staging") / "objects/aa" / ("aa" * 32)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"not these")
    yard.age(path, 31)
    done = sweep(yard, "--apply", code=6)
    assert "other bytes" in done.err
    assert path.exists()


def test_what_is_no_content_is_left_alone(yard: Yard) -> None:
    path = yard.world.folder("staging") / "notes/README"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"somebody's")
    yard.age(path, 400)
    sweep(yard, "--apply")
    assert path.exists()


def test_probe_objects_of_yesterday_are_swept(yard: Yard) -> None:
    folder = yard.world.folder("staging") / "probe"
    folder.mkdir(exist_ok=True)
    for name, days in (("old", 2), ("new", 0.5)):
        (folder / name).write_bytes(b"probe")
        yard.age(folder / name, days)
    sweep(yard, "--apply")
    assert [p.name for p in folder.iterdir()] == ["new"]


def test_apply_and_dry_run_contradict_each_other(yard: Yard) -> None:
    assert "which of them" in sweep(yard, "--apply", "--dry-run", code=129).err


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["delete", "move", "purge"])
def test_what_is_named_once_the_plan_is_made_stays(
    yard: Yard, monkeypatch: pytest.MonkeyPatch, phase: str
) -> None:
    """A request that names it as pending is opened between the look at the refs and the deletion."""
    git = yard.ana.git
    data = os.urandom(500)
    oid = Oid.of(data)
    yard.ana.write("new.bin", data)
    yard.ana.data("add", "new.bin")
    yard.ana.commit("new")
    pending = git("rev-parse", "HEAD").out.strip()
    if phase == "delete":
        git("push", "-q")
        yard.publish()
        rewrite_times(yard, 8)
        yard.age(staged(yard, oid), 8)
    else:
        git("reset", "-q", "--hard", "HEAD~1")
        yard.age(staged(yard, oid), 31)
    path = staged(yard, oid)
    if phase == "purge":
        sweep(yard, "--apply", "--confirm", "9")
        path = aside(yard, oid)
        yard.age(path, 20)
    named_after(
        monkeypatch,
        cleanup,
        lambda: git("push", "-q", "--no-verify", "origin", f"{pending}:refs/pull/9/head"),
    )
    report = cleanup.cleanup(DataManager.open(yard.ana.path), Asked(confirmed=9), apply=True)
    assert oid in {i.oid for i in report.kept}
    assert path.exists()
