"""`git data status`, `ls`, `log`, `show`: what a person and a script are told."""

import json
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from git_datamanager.model import manifest as model
from tests.world import Clone, World


def row(clone: Clone, name: str = "a.csv", *options: str) -> dict:
    rows = clone.json("status", *options)["datasets"]
    return next(r for r in rows if r["name"] == name)


def test_the_road_of_a_version(world: World, ana: Clone) -> None:
    ana.write("a.csv", "1\n")
    ana.data("add", "a.csv")
    assert row(ana)["stage"] == "new"
    assert ana.data("status", "--porcelain").out == "A. v1 a.csv\n"
    ana.git("-c", "data.upload=push", "commit", "-q", "-m", "one")
    assert row(ana)["stage"] == "pending"
    assert ana.data("status", "-s").out == "P. a.csv\n"
    ana.git("push", "-q")
    assert row(ana)["stage"] == "uploaded"
    world.publish(ana)
    ana.git("pull", "-q")
    assert row(ana)["stage"] == "published"
    assert ana.data("status", "--porcelain").out == ""
    ana.write("a.csv", "2\n")
    ana.data("add", "a.csv")
    assert row(ana)["stage"] == "changed"
    assert row(ana)["head"] == "v1"


def test_the_working_file(ana: Clone) -> None:
    for number in (1, 2):
        ana.write("a.csv", f"{number}\n")
        ana.data("add", "a.csv")
        ana.commit("one")
    assert row(ana)["work"] == "clean"
    ana.data("status", "--exit-code")
    ana.write("a.csv", "3\n")
    assert row(ana)["work"] == "modified"
    assert "Changed on disk" in ana.data("status", "--exit-code", code=1).out
    ana.write("a.csv", "1\n")
    assert (row(ana)["work"], row(ana)["holds"]) == ("stale", "v1")
    (ana.path / "a.csv").unlink()
    assert row(ana)["work"] == "missing"
    (ana.path / "a.csv").mkdir()
    assert row(ana)["work"] == "blocked"


def test_a_change_of_equal_size_and_time_in_the_same_instant_is_seen(ana: Clone) -> None:
    """Git's racy-clean rule."""
    for n in range(5):
        ana.write("a.csv", "1\n")
        ana.data("add", "a.csv")
        ana.write("a.csv", "2\n")
        assert row(ana)["work"] == "modified", n


def test_a_touched_file_is_clean_and_hashed_once(ana: Clone) -> None:
    path = ana.write("a.csv", "1\n")
    ana.data("add", "a.csv")
    os.utime(path, (1, 1))
    assert row(ana)["work"] == "clean"


def test_rehash_finds_what_stat_hides(ana: Clone) -> None:
    """A change that restores size and mtime is still seen: ctime tells."""
    path = ana.write("a.csv", "1\n")
    ana.data("add", "a.csv")
    found = path.stat()
    path.write_text("2\n")
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert row(ana)["work"] == "modified"
    assert row(ana, "a.csv", "--rehash")["work"] == "modified"


def test_remote_asks_the_stores(world: World, ana: Clone) -> None:
    ana.write("a.csv", "1\n")
    ana.data("add", "a.csv")
    ana.commit("one")
    assert row(ana)["stored"] is None
    assert row(ana, "a.csv", "--remote")["stored"] is True
    world.object("staging", ana.versions("a.csv")[0]["oid"][7:]).unlink()
    assert row(ana)["stage"] == "uploaded", "offline it is what was seen last"
    assert row(ana, "a.csv", "--remote")["stored"] is False
    assert row(ana)["stage"] == "pending", "and what was seen is remembered"


def test_names_for_machines(ana: Clone) -> None:
    ana.write('da ta/ö "x".csv', "1\n")
    ana.data("add", 'da ta/ö "x".csv')
    assert ana.data("status", "--porcelain").out == 'A. v1 "da ta/\\303\\266 \\"x\\".csv"\n'
    assert ana.data("status", "--porcelain", "-z").out == 'A. v1 da ta/ö "x".csv\0'


def test_names_cannot_steer_a_terminal(ana: Clone) -> None:
    """S44: what cannot be seen is shown, what steers is not obeyed."""
    ana.write("a\u200bb.csv", "1\n")
    ana.data("add", "a\u200bb.csv", "-m", "\x1b[31mred")
    for command in (("status",), ("ls",), ("log",), ("show", "a\u200bb.csv")):
        out = ana.data(*command).text
        assert "\u200b" not in out
        assert "\x1b[31m" not in out


def test_subfolders_give_the_same_answers(ana: Clone) -> None:
    """R21."""
    ana.write("data/a.csv", "1\n")
    (ana.path / "data" / "deep").mkdir()
    ana.data("add", "a.csv", cwd="data")
    for folder in ("", "data", "data/deep"):
        assert ana.data("status", "--porcelain", cwd=folder).out == "A. v1 data/a.csv\n"
        assert "data/a.csv" in ana.data("ls", cwd=folder).out
        assert ana.data("show", "data/a.csv", "--json", cwd=folder).json()["name"] == "data/a.csv"
    assert ana.data("show", "../a.csv", "--json", cwd="data/deep").json()["name"] == "data/a.csv"
    assert ana.data("log", ".", cwd="data", code=None).code in (0, 3)


def test_log_names_note_author_and_commit(world: World, ana: Clone) -> None:
    ana.write("a.csv", "1\n")
    ana.data("add", "a.csv", "-m", "the first numbers")
    ana.commit("one")
    commit = ana.git("rev-parse", "HEAD").out.strip()
    ana.write("a.csv", "2\n")
    ana.data("add", "a.csv")
    entries = ana.json("log", "a.csv")["versions"]
    assert [(e["version"], e["commit"]) for e in entries] == [("v2", None), ("v1", commit)]
    assert entries[1]["message"] == "the first numbers"
    assert entries[1]["author"] == "A U Thor <author@example.org>"
    assert "uncommitted" in ana.data("log").out


def test_ls_of_an_old_commit(ana: Clone) -> None:
    ana.write("a.csv", "1\n")
    ana.data("add", "a.csv")
    ana.commit("one")
    ana.write("b.csv", "2\n")
    ana.data("add", "b.csv")
    ana.commit("two")
    assert [d["name"] for d in ana.json("ls", "--rev", "HEAD~1")["datasets"]] == ["a.csv"]
    assert "no commit" in ana.data("ls", "--rev", "nowhere", code=3).err


def test_show_says_where_the_bytes_are(ana: Clone) -> None:
    ana.write("a.csv", "1\n")
    ana.data("add", "a.csv")
    ana.commit("one")
    shown = ana.json("show", "a.csv@v1")
    assert shown["key"] == f"objects/{shown['oid'][7:9]}/{shown['oid'][7:]}"
    assert shown["seen_in"] == ["staging"]
    assert shown["cached"] is True


def test_status_works_where_the_state_cannot_be_written(ana: Clone) -> None:
    """GIT_OPTIONAL_LOCKS=0: editors poll it."""
    ana.write("a.csv", "1\n")
    ana.data("add", "a.csv")
    state = ana.path / ".git" / "data" / "state.db"
    before = state.stat().st_mtime_ns
    time.sleep(0.01)
    os.utime(ana.path / "a.csv")
    assert ana.data("status", "--porcelain", env={"GIT_OPTIONAL_LOCKS": "0"}).out == "A. v1 a.csv\n"
    assert state.stat().st_mtime_ns == before


def add(clone: Clone, name: str, text: str) -> None:
    clone.write(name, text)
    clone.data("add", name)
    clone.commit(f"{name}: {text}")


def test_an_unmerged_manifest_is_named(ana: Clone) -> None:
    add(ana, "a.csv", "1")
    assert ana.json("status")["unmerged"] is False
    for side in ("side", "main"):
        ana.git("checkout", "-q", *(["-b", side] if side == "side" else [side]))
        document = ana.manifest()
        document["datasets"]["a.csv"]["options"] = {"title": side}
        ana.write("manifest.json", model.dumps(model.loads(json.dumps(document).encode())))
        ana.git("commit", "-qam", side)
    ana.git("merge", "side", code=1)
    said = ana.data("status").out
    assert "manifest.json is unmerged: git data resolve" in said
    assert "git add manifest.json" not in said
    assert ana.json("status")["unmerged"] is True
    assert ana.data("status", "--porcelain").out.splitlines()[0] == "UU - manifest.json"
    assert ana.data("status", "-s").out.splitlines()[0] == "UU manifest.json"
    ana.data("resolve", "--ours")
    assert ana.json("status")["unmerged"] is False


def test_what_git_data_put_there_for_another_commit_is_no_change(ana: Clone) -> None:
    for text in ("1", "2"):
        add(ana, "a.csv", text)
    ana.git("checkout", "-q", "HEAD~1", env={"GIT_DATA_HOOKS": "0"})
    assert (row(ana)["work"], row(ana)["holds"]) == ("stale", None)
    assert "v1 → another version" in ana.data("status").out
    ana.data("pull")
    assert row(ana)["work"] == "clean"
    ana.write("a.csv", "mine")
    assert row(ana)["work"] == "modified"


@pytest.mark.slow
def test_versions_to_be_deleted_are_shown(world: World, ana: Clone) -> None:
    for text in ("1", "2", "3"):
        add(ana, "a.csv", text)
    ana.git("push", "-q")
    world.publish(ana)
    ana.git("pull", "-q")
    ana.data("prune", "a.csv", "--keep", "1", "--yes")
    assert row(ana)["marked"] == ["v1", "v2"]
    assert "To be deleted:" in ana.data("status").out
    assert "a.csv  v1 v2" in ana.data("status").out
    assert ana.data("status", "--porcelain").out == "D. v3 a.csv\n"
    add(ana, "a.csv", "4")
    assert ana.data("status", "--porcelain").out == "U. v4 a.csv\n"


@pytest.mark.skipif(not Path("/proc/sys/kernel/random/boot_id").exists(), reason="the system names no boot")
def test_what_was_pulled_is_hashed_again_after_a_restart(world: World) -> None:
    """It was not flushed: a power cut may have left something else under the same size and times."""
    ana = world.found("ana")
    ana.write("a.bin", b"1" * 1000)
    ana.data("add", "a.bin")
    ana.commit("one")
    (ana.path / "a.bin").unlink()
    ana.data("pull", "a.bin")
    states = ana.path / ".git/data/state.db"

    def signature() -> str:
        with closing(sqlite3.connect(states)) as opened:
            return opened.execute("SELECT signature FROM materialised").fetchone()[0]

    pulled = signature()
    facts, boot = pulled.split("@")
    assert boot == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    ana.data("status")
    assert signature() == pulled
    with closing(sqlite3.connect(states)) as opened, opened:
        opened.execute(
            "UPDATE materialised SET signature = ?, oid = ?", (f"{facts}@another", f"sha256:{'0' * 64}")
        )
    (row,) = ana.json("status")["datasets"]
    assert row["work"] == "clean"
    assert signature() == facts
