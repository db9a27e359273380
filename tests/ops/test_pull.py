"""`git data pull`: where bytes go, and what is asked before they do."""

import os
import sqlite3
from contextlib import closing

import pexpect

from tests.world import Clone, World


def make_template(world: World, ana: Clone) -> None:
    """Two published datasets."""
    for name in ("a/x.csv", "b/x.csv"):
        ana.write(name, name)
    ana.data("add", "a/x.csv", "b/x.csv")
    ana.commit("one")
    ana.git("push", "-q")
    world.publish(ana)
    ana.git("pull", "-q")


def test_several_datasets_keep_their_folders_below_the_output(ana: Clone) -> None:
    (ana.path / "out").mkdir()
    ana.data("pull", "-o", "out")
    assert ana.read("out/a/x.csv") == b"a/x.csv"
    assert ana.read("out/b/x.csv") == b"b/x.csv"
    ana.data("pull", "a/x.csv", "-o", "out")
    assert ana.read("out/x.csv") == b"a/x.csv"


def test_two_versions_of_one_dataset_do_not_fit_one_folder(ana: Clone) -> None:
    ana.write("a/x.csv", "2\n")
    ana.data("add", "a/x.csv")
    (ana.path / "out").mkdir()
    assert "one at a time" in ana.data("pull", "a/x.csv@v1", "a/x.csv@v2", "-o", "out", code=128).err
    assert list((ana.path / "out").iterdir()) == []


def test_a_dry_run_refuses_what_the_real_run_refuses(ana: Clone) -> None:
    ana.write("a/x.csv", "mine\n")
    for options in (("--dry-run",), ()):
        assert "changes that were not added" in ana.data("pull", *options, code=5).err
    assert ana.read("a/x.csv") == b"mine\n"


def test_a_draft_that_no_manifest_names_any_more_is_not_replaced(ana: Clone) -> None:
    ana.write("a/x.csv", "mine\n")
    ana.data("add", "a/x.csv")
    ana.git("reset", "-q", "--hard")
    assert "changes that were not added" in ana.data("pull", code=5).err
    assert ana.read("a/x.csv") == b"mine\n"


def test_a_store_address_is_asked_about_once(world: World, ana: Clone) -> None:
    """Six workers, one question, on the main thread."""
    ben = world.clone("ben", trust=False)

    def play(answer: str) -> tuple[int, str]:
        child = pexpect.spawn(
            "git", ["data", "pull"], cwd=str(ben.path), encoding="utf-8", timeout=60,
            env={**os.environ, "GIT_TERMINAL_PROMPT": "1"},
        )  # fmt: skip
        child.expect("Send requests there")
        child.sendline(answer)
        child.expect(pexpect.EOF)
        child.close()
        return child.exitstatus, child.before

    code, said = play("n")
    assert code == 4
    assert "Send requests" not in said
    assert not (ben.path / "a").exists()
    code, said = play("y")
    assert code == 0
    assert "Send requests" not in said
    assert ben.read("a/x.csv") == b"a/x.csv"


def test_the_file_edited_while_another_one_is_hashed_is_seen(ana: Clone) -> None:
    """The record of an add is that of the instant before reading."""
    ana.write("a/x.csv", "2\n")
    ana.data("add", "a/x.csv")
    ana.write("a/x.csv", "3\n")
    assert "a/x.csv" in ana.data("status", "--exit-code", code=1).out


def test_behind_a_link_is_not_ours(world: World, ana: Clone) -> None:
    """S02: neither added nor pulled, nothing outside changes."""
    outside = world.root / "outside"
    outside.mkdir()
    (outside / "x.csv").write_text("secret\n")
    ana.run("rm", "-r", "a")
    (ana.path / "a").symlink_to(outside)
    before = ana.read("manifest.json")
    ana.data("add", ".", code=None)
    assert ana.data("add", "a/x.csv", code=None).code != 0
    assert ana.data("pull", "a/x.csv", code=None).code == 4
    assert ana.read("manifest.json") == before
    assert (outside / "x.csv").read_text() == "secret\n"


def test_a_nested_repository_is_not_ours(ana: Clone) -> None:
    """S08."""
    ana.git("init", "-q", "inner")
    ana.write("inner/a.csv", "1\n")
    assert "another repository" in ana.data("add", "inner/a.csv", code=4).err
    ana.write("file", "1\n")
    assert "another repository" in ana.data("prepare", "inner/b.csv", "file", code=4).err
    assert not (ana.path / "inner" / "b.csv").exists()


def test_a_refused_prepare_leaves_nothing_behind(ana: Clone) -> None:
    ana.write("file", "1\n")
    ana.data("prepare", "A/x.csv", "file", code=128)
    assert not (ana.path / "A").exists()


def test_output_beside_a_live_log_is_refused(ana: Clone) -> None:
    with closing(sqlite3.connect(ana.path / "out.db")) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE t (x)")
        database.commit()
        assert "log beside it" in ana.data("pull", "a/x.csv", "-o", "out.db", code=5).err
