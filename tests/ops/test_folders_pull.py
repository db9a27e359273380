"""`git data pull` of folders: all of one, parts of one, elsewhere; nothing of anybody's is lost."""

import hashlib
import os
from pathlib import Path

import pytest

from tests.world import Clone, World

FILES = {"a/1": "one", "a/2": "two", "b/1": "eins", "b/c/2": "zwei", "top": "t"}
BIG = os.urandom((1 << 20) + 7)


def content(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def fill(clone: Clone, files: dict[str, str], name: str = "images") -> None:
    for path, text in files.items():
        clone.write(f"{name}/{path}", text)


def save(clone: Clone, message: str = "change") -> None:
    clone.data("add", "images")
    clone.commit(message)
    clone.git("push", "-q")


def whole() -> dict[str, bytes]:
    return {path: text.encode() for path, text in FILES.items()} | {"big": BIG}


def part(*paths: str) -> dict[str, bytes]:
    return {path: data for path, data in whole().items() if path in paths}


def row(clone: Clone, name: str = "images") -> dict:
    return next(r for r in clone.json("status")["datasets"] if r["name"] == name)


def make_template(world: World, ana: Clone) -> None:
    """Ana has a folder in staging, and ben has cloned."""
    fill(ana, FILES)
    ana.write("images/big", BIG)
    save(ana)
    world.clone("ben").data("install")


@pytest.fixture
def ben(world: World) -> Clone:
    return world.found("ben")


def pulled(clone: Clone, *arguments: str) -> dict:
    return clone.json("pull", *arguments)["datasets"][0]


# all of it


def test_a_folder_is_pulled_and_pulled_again(ben: Clone) -> None:
    planned = pulled(ben, "-n")
    assert (planned["outcome"], planned["files"], planned["fetched"]) == ("planned", 6, 15 + len(BIG))
    assert not (ben.path / "images").exists()
    done = pulled(ben)
    assert (done["outcome"], done["source"], done["files"]) == ("pulled", "staging", 6)
    assert content(ben.path / "images") == whole()
    assert row(ben)["work"] == "clean"
    assert pulled(ben)["outcome"] == "current"
    assert "6 files" in ben.data("status").out


def test_only_what_differs_is_written(ana: Clone) -> None:
    before = (ana.path / "images/big").stat().st_ino
    ana.write("images/top", "T")
    save(ana)
    done = pulled(ana, "images@v1")
    assert (done["files"], done["fetched"], done["source"]) == (1, 0, "cache")
    assert content(ana.path / "images") == whole()
    assert (ana.path / "images/big").stat().st_ino == before
    assert (row(ana)["work"], row(ana)["holds"]) == ("stale", "v1")
    ana.data("pull")
    assert row(ana)["work"] == "clean"


def test_changes_are_never_overwritten(ana: Clone) -> None:
    ana.write("images/top", "T")
    save(ana)
    ana.write("images/a/1", "mine")
    ana.write("images/mine", "mine")
    mine = content(ana.path / "images")
    for options in (("-n",), ()):
        said = ana.data("pull", "images@v1", *options, code=5).err
        assert "2 files with changes that were not added (a/1, mine)" in said
    assert content(ana.path / "images") == mine
    done = pulled(ana, "images@v1", "--force")
    assert content(ana.path / "images") == whole()
    kept = content(ana.path / ".git/data/kept" / done["kept"])
    assert kept == {"a/1": b"mine", "mine": b"mine"}


def test_what_was_deleted_comes_back(ana: Clone) -> None:
    (ana.path / "images/a/1").unlink()
    assert row(ana)["files"]["changes"]["deleted"] == ["a/1"]
    ana.data("pull")
    assert content(ana.path / "images") == whole()


def test_a_draft_that_no_manifest_names_any_more_is_not_replaced(ana: Clone) -> None:
    ana.write("images/top", "mine")
    ana.data("add", "images")
    ana.git("reset", "-q", "--hard")
    assert "changes that were not added" in ana.data("pull", code=5).err
    assert ana.read("images/top") == b"mine"


def test_a_moved_file_is_not_fetched_again(world: World, ana: Clone, ben: Clone) -> None:
    ben.data("pull")
    ana.run("mv", "images/big", "images/moved")
    save(ana)
    ben.git("pull", "-q")
    assert (row(ben)["work"], (ben.path / "images/moved").exists()) == ("stale", False), "the listing is new"
    world.object("staging", sha(BIG)).unlink()
    assert pulled(ben)["fetched"] == 0
    assert ben.read("images/moved") == BIG


# parts


def test_globs_bring_parts_and_add_up(ben: Clone) -> None:
    planned = pulled(ben, "images", "-n", "--only", "a/*")
    assert (planned["files"], planned["fetched"]) == (2, 6)
    ben.data("pull", "images", "--", "a/*")
    assert content(ben.path / "images") == part("a/1", "a/2")
    assert row(ben)["work"] == "clean"
    assert "partial (a/*)" in ben.data("status").out
    assert pulled(ben)["outcome"] == "current", "a pull without names keeps the part"
    done = pulled(ben, "images", "--only", "b/1", "--only", "t?p")
    assert done["partial"] == ["a/*", "b/1", "t?p"]
    assert content(ben.path / "images") == part("a/1", "a/2", "b/1", "top")
    assert ben.data("pull", "images", "--", "nothing*", code=3).code == 3
    ben.data("pull", "images")
    assert content(ben.path / "images") == whole()
    assert row(ben)["files"]["partial"] == []
    assert pulled(ben, "images", "--only", "a/*")["outcome"] == "current", "all of it is here"


def test_globs_are_for_one_folder(ana: Clone, ben: Clone) -> None:
    ben.data("pull", "--", "images")
    assert content(ben.path / "images") == whole(), "a name after the dashes is a name"
    ana.write("x.csv", "1")
    ana.data("add", "x.csv")
    for arguments in (("x.csv", "--", "*"), ("--only", "*"), ("images", "x.csv", "--", "*")):
        assert "exactly one dataset that is a folder" in ana.data("pull", *arguments, code=128).err


def test_a_part_stays_one_at_the_next_version(ana: Clone, ben: Clone) -> None:
    ben.data("pull", "images", "--", "a")
    fill(ana, {"a/1": "ONE", "a/3": "three", "b/1": "EINS"})
    save(ana)
    ben.git("pull", "-q")
    ben.data("pull")
    assert content(ben.path / "images") == {"a/1": b"ONE", "a/2": b"two", "a/3": b"three"}
    assert row(ben)["work"] == "clean"


def test_a_part_follows_a_checkout(ana: Clone, ben: Clone) -> None:
    ben.data("pull", "images", "--", "a")
    fill(ana, {"a/1": "ONE", "b/1": "EINS"})
    save(ana)
    ben.git("pull", "-q")
    ben.data("pull")
    ben.git("checkout", "-q", "HEAD~1")
    assert content(ben.path / "images") == part("a/1", "a/2")
    assert row(ben)["files"]["partial"] == ["a"]


def test_adding_to_a_part_keeps_what_was_not_pulled(ben: Clone) -> None:
    ben.data("pull", "images", "--", "a/*")
    fill(ben, {"a/1": "ONE", "new": "n"})
    (ben.path / "images/a/2").unlink()
    assert row(ben)["files"]["changes"] == {"added": ["new"], "modified": ["a/1"], "deleted": ["a/2"]}
    added = ben.json("add", "images")["datasets"][0]
    assert added["files"] == {"members": 6, "added": 1, "modified": 1, "deleted": 1}
    assert row(ben)["work"] == "clean"
    assert row(ben)["files"]["partial"] == ["a/*", "new"]
    ben.commit("part")
    ben.data("pull", "images")
    after = {**whole(), "a/1": b"ONE", "new": b"n"}
    del after["a/2"]
    assert content(ben.path / "images") == after
    ben.git("checkout", "-q", "HEAD~1")
    assert content(ben.path / "images") == whole()


def test_a_new_file_in_a_part_can_be_deleted_again(ben: Clone) -> None:
    ben.data("pull", "images", "--", "a/*")
    ben.write("images/new", "n")
    ben.data("add", "images")
    (ben.path / "images/new").unlink()
    added = ben.json("add", "images")["datasets"][0]
    assert added["files"]["members"] == 6
    assert row(ben)["work"] == "clean"


# elsewhere


def test_a_folder_is_written_elsewhere(ana: Clone) -> None:
    ana.write("images/top", "T")
    save(ana)
    ana.data("pull", "images@v1", "-o", "old")
    assert content(ana.path / "old") == whole()
    assert row(ana)["work"] == "clean", "the working folder stays"
    assert pulled(ana, "images@v1", "-o", ".", "-n", "--force")["path"] == "images"
    ana.write("into/old/x", "1")
    ana.data("pull", "images@v1", "-o", "into/new", "--", "b/**")
    assert content(ana.path / "into/new") == part("b/1", "b/c/2")
    said = ana.data("pull", "images@v1", "-o", "into/old", code=None)
    assert content(ana.path / "into/old/images") == whole(), said.text


def test_elsewhere_nothing_is_overwritten(ana: Clone) -> None:
    ana.write("out/images/mine", "m")
    assert "exists and holds something else" in ana.data("pull", "images", "-o", "out", code=5).err
    ana.write("file", "1")
    assert "is no folder" in ana.data("pull", "images", "-o", "file", code=5).err
    assert "no folder" in ana.data("pull", "images", "-o", "nowhere/out", code=128).err
    assert content(ana.path / "out") == {"images/mine": b"m"}
    done = pulled(ana, "images", "-o", "out", "--force")
    assert content(ana.path / "out/images") == whole()
    assert content(ana.path / ".git/data/kept" / done["kept"]) == {"mine": b"m"}


def test_bytes_that_nobody_has_leave_the_folder_as_it_is(world: World, ana: Clone, ben: Clone) -> None:
    ben.data("pull")
    ana.write("images/big", BIG[::-1])
    save(ana)
    ben.git("pull", "-q")
    world.object("staging", sha(BIG[::-1])).unlink()
    said = ben.data("pull", code=3).err
    assert "big" in said
    assert "left as it is" in said
    assert content(ben.path / "images") == whole()
    assert not [p for p in ben.path.iterdir() if p.name.startswith(".git-data-tmp")]


def test_something_else_in_the_way_is_left_there(ana: Clone) -> None:
    ana.run("rm", "-r", "images")
    ana.write("images", "mine")
    for options in ((), ("--force",)):
        said = ana.data("pull", "images", *options, code=4).err
        assert "hint: mv -n images images.mine" in said
    assert ana.read("images") == b"mine"
    ana.run("mv", "images", "images.mine")
    ana.data("pull")
    (ana.path / "images/link").symlink_to("top")
    said = ana.data("pull", "images@v1", "--force", code=None)
    assert (ana.path / "images/link").is_symlink(), said.text
    assert row(ana)["work"] == "modified"


def test_a_change_of_a_part_whose_rest_is_only_staged_is_committed(ana: Clone, ben: Clone) -> None:
    """The big member was never pulled here, and production does not have it yet."""
    ben.data("pull", "images", "--", "a/*")
    ben.write("images/a/1", "new")
    save(ben)
    ana.git("pull", "-q", "--rebase")
    ana.data("pull")
    assert content(ana.path / "images") == whole() | {"a/1": b"new"}
