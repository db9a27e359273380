"""Folders as datasets: `git data add DIR` and what follows from it, as somebody types it."""

import json
import os
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from tests.world import Clone, World

FILES = {"a/1.txt": "one", "a/2.txt": "two", "b/ö ä.csv": "1;2\n", "empty": "", "top": "t"}
BIG = os.urandom(1 << 20)


def fill(clone: Clone, name: str = "images", files: dict[str, str] | None = None) -> None:
    for path, text in (FILES if files is None else files).items():
        clone.write(f"{name}/{path}", text)


def content(clone: Clone, name: str = "images") -> dict[str, bytes]:
    top = clone.path / name
    return {p.relative_to(top).as_posix(): p.read_bytes() for p in top.rglob("*") if p.is_file()}


def encoded(files: dict[str, str]) -> dict[str, bytes]:
    return {path: text.encode() for path, text in files.items()}


def row(clone: Clone, name: str = "images") -> dict:
    return next(r for r in clone.json("status")["datasets"] if r["name"] == name)


def commit(clone: Clone, message: str = "change") -> None:
    clone.data("add", "images")
    clone.commit(message)


# add


def test_a_folder_becomes_a_dataset(ana: Clone) -> None:
    fill(ana)
    (ana.path / "images/a/1.txt").chmod(0o755)
    added = ana.json("add", "images", "-m", "first")["datasets"][0]
    assert (added["name"], added["outcome"], added["version"]) == ("images", "new", "v1")
    assert added["size"] == sum(map(len, encoded(FILES).values()))
    assert added["files"] == {"members": 5, "added": 5, "modified": 0, "deleted": 0}
    assert ana.manifest()["datasets"]["images"]["kind"] == "tree"
    assert "/images/\n" in ana.read(".gitignore").decode()
    assert "images" not in ana.git("status", "--short", "-uall").out
    assert row(ana)["work"] == "clean"
    ana.commit("one")
    assert ana.json("add", "images")["datasets"][0]["outcome"] == "unchanged"


def test_the_next_version_says_what_changed(ana: Clone) -> None:
    fill(ana)
    commit(ana)
    ana.write("images/a/1.txt", "ONE")
    ana.write("images/new", "n")
    (ana.path / "images/top").unlink()
    shown = ana.data("status").out
    assert "modified:  images  v1 → ?" in shown
    assert "1 changed, 1 new, 1 deleted" in shown
    assert "images/a/1.txt" not in shown, "files are listed where the folder is named"
    shown = ana.data("status", "images").out
    assert all(line in shown for line in ("new:      images/new", "changed:  images/a/1.txt"))
    assert ana.data("status", "-v").out == shown
    found = row(ana)["files"]
    assert found["changes"] == {"added": ["new"], "modified": ["a/1.txt"], "deleted": ["top"]}
    assert ana.data("status", "--porcelain").out == "UM v1 images\n"
    assert "images  v2  11 B in 5 files (+1 ~1 -1)" in ana.data("add", "images/").out
    assert row(ana)["work"] == "clean"


def test_many_changed_files_are_cut_but_for_machines(ana: Clone) -> None:
    fill(ana)
    commit(ana)
    fill(ana, files={f"n/{number:02}": "x" for number in range(30)})
    shown = ana.data("status", "images").out
    assert shown.count("new:      images/n/") == 20
    assert "and 10 more" in shown
    assert len(row(ana)["files"]["changes"]["added"]) == 30


def test_a_dry_run_writes_nothing(ana: Clone) -> None:
    fill(ana)
    before = ana.read("manifest.json"), ana.read(".gitignore")
    assert "would add  images  v1" in ana.data("add", "-n", "images").out
    assert (ana.read("manifest.json"), ana.read(".gitignore")) == before
    ana.data("add", "images")
    assert row(ana)["work"] == "clean"


def test_a_folder_with_datasets_below_stands_for_those(ana: Clone) -> None:
    ana.write("data/a.csv", "1")
    ana.data("add", "data/a.csv")
    fill(ana, "data/images")
    ana.data("add", "data/images")
    ana.write("data/a.csv", "2")
    ana.write("data/images/top", "T")
    added = ana.json("add", "data")["datasets"]
    assert [a["name"] for a in added] == ["data/a.csv", "data/images"]
    assert set(ana.manifest()["datasets"]) == {"data/a.csv", "data/images"}


@pytest.mark.parametrize("path", ["images/a", "images/top", "images/a/1.txt"])
def test_what_lies_in_a_dataset_is_added_with_it(ana: Clone, path: str) -> None:
    fill(ana)
    ana.data("add", "images")
    said = ana.data("add", path, code=128).err
    assert "lies inside the dataset images" in said
    assert "hint: git data add images\n" in said


def test_a_folder_around_the_name_of_a_dataset_is_refused(ana: Clone) -> None:
    """Also where that dataset was removed: its versions still have the name."""
    fill(ana)
    ana.data("add", "images/top")
    ana.commit("one")
    ana.data("rm", "--cached", "images/top")
    said = ana.data("add", "images", code=128).err
    assert "'images/top' lies inside the dataset 'images'" in said
    assert "nothing was" in said


def test_a_file_cannot_become_a_folder_nor_the_reverse(ana: Clone) -> None:
    ana.write("x", "1")
    fill(ana)
    ana.data("add", "x", "images")
    ana.commit("one")
    (ana.path / "x").unlink()
    ana.write("x/y", "1")
    assert "x is a file in the manifest" in ana.data("add", "x", code=5).err
    ana.run("rm", "-r", "images")
    ana.write("images", "1")
    assert "images is a folder in the manifest" in ana.data("add", "images", code=5).err
    assert row(ana)["work"] == "blocked"


def test_what_git_tracks_inside_is_refused(ana: Clone) -> None:
    fill(ana)
    ana.git("add", "images/top")
    said = ana.data("add", "images", code=5).err
    assert "git rm -r --cached images" in said
    ana.git("rm", "-q", "-r", "--cached", "images")
    ana.data("add", "images")


def test_an_empty_folder_is_refused(ana: Clone) -> None:
    (ana.path / "images" / "inner").mkdir(parents=True)
    assert "images holds no files" in ana.data("add", "images", code=128).err
    assert "the repository itself" in ana.data("add", ".", code=128).err
    assert ana.manifest()["datasets"] == {}


def test_a_folder_of_empty_files_is_a_dataset(ana: Clone) -> None:
    fill(ana, files={"one": "", "two": ""})
    assert ana.json("add", "images")["datasets"][0]["size"] == 0
    ana.commit("one")
    ana.run("rm", "-r", "images")
    ana.data("pull")
    assert content(ana) == {"one": b"", "two": b""}


def link(folder: Path) -> None:
    (folder / "x").symlink_to("top")


def pipe(folder: Path) -> None:
    os.mkfifo(folder / "x")


def repository(folder: Path) -> None:
    (folder / "x" / ".git").mkdir(parents=True)


def bad_name(folder: Path) -> None:
    (folder / "x:y").write_text("1")


def twins(folder: Path) -> None:
    (folder / "TOP").write_text("1")


def no_text(folder: Path) -> None:
    Path(os.fsdecode(os.fsencode(folder) + b"/x\xff")).write_text("1")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (link, "images/x is a symbolic link"),
        (pipe, "images/x is a pipe"),
        (repository, "another repository"),
        (bad_name, "holds a colon"),
        (twins, "the same file on some systems"),
        (no_text, "no UTF-8"),
    ],
)
def test_what_cannot_be_a_member_is_named(ana: Clone, make: object, said: str) -> None:
    fill(ana)
    commit(ana)
    make(ana.path / "images")  # type: ignore[operator]
    before = ana.read("manifest.json")
    done = ana.data("add", "images", code=128)
    assert said in done.err
    assert "nothing was added" in done.err
    assert ana.read("manifest.json") == before
    assert row(ana)["work"] == "modified", "status goes on"


def test_a_link_inside_is_told_by_status(ana: Clone) -> None:
    fill(ana)
    commit(ana)
    link(ana.path / "images")
    assert row(ana)["files"]["refused"] == ["x is a symbolic link"]
    assert "images/x is a symbolic link" in ana.data("status").out


def test_a_database_in_use_is_refused(ana: Clone) -> None:
    fill(ana)
    with closing(sqlite3.connect(ana.path / "images/d.db")) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE t (x)")
        database.commit()
        assert "d.db has a SQLite log" in ana.data("add", "images", code=128).err
    ana.data("add", "images")
    assert row(ana)["work"] == "clean"


def test_a_file_that_grows_while_it_is_read_makes_no_version(ana: Clone) -> None:
    fill(ana)
    stop = threading.Event()

    def grow() -> None:
        with (ana.path / "images/log").open("ab") as file:
            while not stop.is_set():
                file.write(b"x" * 1000)
                file.flush()

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        done = ana.data("add", "images", code=None)
    finally:
        stop.set()
        writer.join()
    assert done.code == 5, done.text
    assert "changed while it was read" in done.err
    assert ana.manifest()["datasets"] == {}


def test_explain_tells_how_a_folder_travels(ana: Clone) -> None:
    fill(ana)
    ana.write("images/big", BIG)
    found = ana.json("add", "--explain", "images")["folders"][0]
    assert (found["small"], found["big"], found["empty"]) == (4, 1, 1)
    assert found["big_size"] == len(BIG)
    assert "1 file travel" in ana.data("add", "--explain", "images").out
    assert ana.manifest()["datasets"] == {}


# commit, checkout


def test_a_commit_without_a_changed_folder_says_so(ana: Clone) -> None:
    fill(ana)
    commit(ana)
    ana.write("other", "1")
    ana.git("add", "other")
    assert "not added" not in ana.commit("clean").err
    ana.write("images/top", "T")
    ana.write("other", "2")
    said = ana.git("commit", "-q", "-a", "-m", "dirty").err
    assert "images changed on disk and not added" in said
    assert "hint: git data add images" in said


def test_folders_follow_the_commit(ana: Clone) -> None:
    ana.write("other", "1")
    ana.git("add", "other")
    ana.commit("without")
    fill(ana)
    ana.write("images/big", BIG)
    commit(ana, "one")
    first = content(ana)
    ana.write("images/top", "T")
    ana.run("mv", "images/big", "images/moved")
    commit(ana, "two")
    second = content(ana)
    ana.git("checkout", "-q", "HEAD~1")
    assert content(ana) == first
    assert row(ana)["work"] == "clean"
    ana.git("checkout", "-q", "main")
    assert content(ana) == second
    ana.git("checkout", "-q", "HEAD~2")
    assert not (ana.path / "images").exists(), "a commit without the dataset has no folder"
    ana.git("checkout", "-q", "main")
    assert content(ana) == second


def test_a_changed_folder_is_left_alone_by_a_checkout(ana: Clone) -> None:
    fill(ana)
    commit(ana, "one")
    ana.write("images/top", "T")
    commit(ana, "two")
    ana.write("images/mine", "m")
    before = content(ana)
    assert "changes that were not added" in ana.git("checkout", "-q", "HEAD~1").err
    assert content(ana) == before
    ana.git("checkout", "-q", "HEAD~1")
    assert content(ana) == before, "also where the commit has no such dataset"


def test_what_is_not_here_is_only_told(world: World, ana: Clone) -> None:
    fill(ana)
    commit(ana, "one")
    ana.git("push", "-q")
    ben = world.clone("ben")
    ben.data("install")
    ben.data("pull")
    ana.write("images/top", "T")
    commit(ana, "two")
    ana.git("push", "-q")
    assert "1 dataset differs (images)" in ben.git("pull", "-q").err
    assert content(ben) == encoded(FILES)
    ben.data("pull")
    assert content(ben) == encoded({**FILES, "top": "T"})


# mv, rm, rollback, delete


def test_a_folder_moves_with_its_name(ana: Clone) -> None:
    fill(ana)
    commit(ana)
    ana.write("images/top", "T")
    ana.data("mv", "images", "pictures/x")
    assert content(ana, "pictures/x") == encoded({**FILES, "top": "T"})
    assert not (ana.path / "images").exists()
    assert "/pictures/x/\n" in ana.read(".gitignore").decode()
    assert "/images" not in ana.read(".gitignore").decode()
    found = row(ana, "pictures/x")
    assert (found["stage"], found["work"]) == ("renamed", "modified")
    assert found["files"]["changes"]["modified"] == ["top"]


def test_a_move_that_was_killed_is_finished(ana: Clone) -> None:
    fill(ana)
    commit(ana)
    ana.data("mv", "images", "pictures")
    ana.run("mv", "pictures", "images")
    ana.data("mv", "images", "pictures")
    assert content(ana, "pictures") == encoded(FILES)
    assert row(ana, "pictures")["work"] == "clean"


def test_nothing_is_moved_over_what_is_there(ana: Clone) -> None:
    fill(ana)
    ana.data("add", "images")
    ana.write("taken", "1")
    assert "already" in ana.data("mv", "images", "taken", code=5).err
    assert "inside" in ana.data("mv", "images", "images/a", code=None).err
    assert content(ana) == encoded(FILES)
    assert set(ana.manifest()["datasets"]) == {"images"}


def test_rollback_and_removal(ana: Clone) -> None:
    fill(ana)
    commit(ana)
    ana.write("images/top", "T")
    commit(ana)
    ana.data("rollback", "images", "--to", "v1")
    assert row(ana)["work"] == "stale"
    ana.data("pull")
    assert content(ana) == encoded(FILES)
    assert [v["oid"] for v in ana.versions("images")][::2] == [ana.versions("images")[0]["oid"]] * 2
    ana.commit("back")
    ana.data("delete", "images", "--yes", "-n")
    ana.data("rm", "--cached", "images")
    assert "/images/" not in ana.read(".gitignore").decode()
    assert content(ana) == encoded(FILES)


# where a folder is not here


def test_a_folder_that_is_not_here_is_missing_and_ignored(ana: Clone) -> None:
    fill(ana)
    commit(ana)
    ana.run("rm", "-r", "images")
    assert row(ana)["work"] == "missing"
    assert ana.data("status", "--exit-code", code=1).code == 1
    checks = {c["name"]: c["result"] for c in ana.data("doctor", "--json", code=None).json()["checks"]}
    assert checks["ignored"] == "ok"
    assert "there is no folder images" in ana.data("add", "images", code=3).err
    ana.data("pull")
    assert content(ana) == encoded(FILES)


def test_doctor_writes_the_line_of_a_folder(ana: Clone) -> None:
    fill(ana)
    commit(ana)
    ana.write(".gitignore", "")
    ana.data("doctor", "--fix", code=None)
    assert "/images/\n" in ana.read(".gitignore").decode()


def test_stores_are_asked_for_the_listing(world: World, ana: Clone) -> None:
    fill(ana)
    commit(ana)
    listing = next((world.folder("staging") / "trees").rglob("????????????????*"))
    remote = ana.json("status", "--remote")["datasets"][0]
    assert (remote["stored"], remote["stage"]) == (True, "uploaded")
    for path in listing.parent.glob(listing.name[:64] + "*"):
        path.unlink()
    assert ana.json("status", "--remote")["datasets"][0]["stored"] is False
    assert row(ana)["stage"] == "pending", "what was seen is remembered"


def test_a_path_from_where_one_stands(ana: Clone) -> None:
    fill(ana, "data/images")
    ana.data("add", "images", cwd="data")
    ana.data("add", ".", cwd="data/images")
    ana.write("data/images/top", "T")
    for name, folder in (
        ("data/images/", ""),
        ("./data/images", ""),
        ("images/", "data"),
        (".", "data/images"),
    ):
        assert "data/images/top" in ana.data("status", name, cwd=folder).out
    assert set(ana.manifest()["datasets"]) == {"data/images"}


@pytest.mark.parametrize("command", [["status"], ["pull", "images"], ["add", "images"]])
def test_a_manifest_that_calls_a_file_a_folder_does_not_cost_its_only_copy(
    ana: Clone, command: list[str]
) -> None:
    """Its bytes are right, whatever else they are: they stay in the cache."""
    ana.write("images", "no listing")
    added = ana.json("add", "images")["datasets"][0]
    (ana.path / "images").unlink()
    manifest = ana.manifest()
    manifest["datasets"]["images"]["kind"] = "tree"
    ana.write("manifest.json", json.dumps(manifest))
    ana.write("images/a", "1")
    ana.data(*command, code=None)
    digest = added["oid"].removeprefix("sha256:")
    kept = [path for path in (ana.path / ".git/data/cache").rglob(digest) if path.is_file()]
    assert [path.read_text() for path in kept] == ["no listing"]
