"""Replacing a folder: the old one or the new one, whole, and nobody's bytes are lost."""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from git_datamanager.content import pack
from git_datamanager.content.tree import Listing, Member
from git_datamanager.errors import Conflict, Corrupt, DataError, DirtyFile, Forbidden, ObjectMissing
from git_datamanager.model.oid import Oid
from git_datamanager.workspace import folderbuild, folderread, folderreplace, folderswitch
from git_datamanager.workspace.folderhandle import Handle
from git_datamanager.workspace.folderput import Version, materialise
from git_datamanager.workspace.folders import Folders
from tests.workspace.folderworld import (
    folders_in,
    inodes,
    kept_bytes,
    leftovers,
    listing,
    provider,
    put,
    read,
    sha,
    version,
    write,
)

BIG = b"x" * pack.SMALL
OLD = {"a": b"old a", "b/same": b"same", "b/gone": b"gone", "empty": b"", "big": BIG, "moved": b"moves"}
NEW = {
    "a": b"new a",
    "b/same": b"same",
    "c/d/new": b"new",
    "empty": b"",
    "big": BIG + b"y",
    "c/moved": b"moves",
}


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    made = folders_in(tmp_path)
    write(tmp_path / "top" / "d", OLD)
    return made


def test_a_folder_that_is_not_there_is_made(tmp_path: Path) -> None:
    folders = folders_in(tmp_path)
    assert put(folders, "x/y/d", NEW) is None
    assert read(folders.path("x/y/d")) == NEW
    seen = folders.look("x/y/d")
    assert seen is not None
    assert seen.oid == version(NEW).oid
    assert leftovers(tmp_path) == []


def test_another_version_takes_its_place(folders: Folders, tmp_path: Path) -> None:
    before = inodes(folders.path("d"))
    same = (folders.path("d") / "b" / "same").stat().st_ino
    assert put(folders, "d", NEW, [OLD]) is None
    assert read(folders.path("d")) == NEW
    assert (folders.path("d") / "b" / "same").stat().st_ino == same, (
        "what did not change is not written again"
    )
    assert len(inodes(folders.path("d")) & before) == 2
    assert set(OLD.values()) <= kept_bytes(tmp_path, folders)
    assert folders.cache.path(Oid.of(BIG)).stat().st_mode & 0o222 == 0
    assert leftovers(tmp_path) == []
    assert not (tmp_path / "data" / "kept").exists()


def test_no_file_shares_its_inode_with_anything(folders: Folders) -> None:
    put(folders, "d", NEW | {"copy": b"new a"}, [OLD])
    put(folders, "d", OLD, [NEW | {"copy": b"new a"}])
    assert read(folders.path("d")) == OLD
    for path in folders.path("d").rglob("*"):
        assert path.is_dir() or path.stat().st_nlink == 1, path


def test_what_was_put_there_is_not_hashed_again(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    put(folders, "d", NEW, [OLD])
    monkeypatch.setattr(folderread, "_open", lambda task: pytest.fail(task.path))
    seen = folders.look("d")
    assert seen is not None
    assert seen.oid == version(NEW).oid
    assert folders.capture("d").oid == version(NEW).oid


def test_the_same_version_is_left_alone(folders: Folders) -> None:
    before = inodes(folders.path("d"))
    put(folders, "d", OLD)
    assert inodes(folders.path("d")) == before


def test_modes_are_those_of_the_umask_and_the_exec_bit(folders: Folders) -> None:
    new = version(NEW | {"run": b"#!"}, executable=["run", "b/same"])
    old_mask = os.umask(0o027)
    try:
        materialise(folders, "d", new, provider(NEW | {"run": b"#!"}), known=[listing(OLD)])
    finally:
        os.umask(old_mask)
    top = folders.path("d")
    modes = {p: stat.S_IMODE((top / p).stat().st_mode) for p in ("run", "b/same", "c/d/new", "c", ".")}
    assert modes == {"run": 0o750, "b/same": 0o750, "c/d/new": 0o640, "c": 0o750, ".": 0o750}


@pytest.mark.parametrize("change", ["edit", "extra", "chmod"])
def test_changes_that_nobody_added_stay(folders: Folders, tmp_path: Path, change: str) -> None:
    top = folders.path("d")
    if change == "edit":
        write(top, {"a": b"mine"})
    elif change == "extra":
        write(top, {f"extra{n}": b"mine" for n in range(5)})
    else:
        (top / "a").chmod(0o755)
    before = read(top)
    with pytest.raises(DirtyFile, match=r"d has [15] files? with changes") as raised:
        put(folders, "d", NEW, [OLD])
    named = {"edit": "(a)", "extra": "(extra0, extra1, extra2 and 2 more)", "chmod": "(a)"}[change]
    assert named in raised.value.message
    assert read(top) == before
    assert leftovers(tmp_path) == []
    entry = put(folders, "d", NEW, [OLD], force=True)
    assert entry is not None
    assert read(top) == NEW
    assert set(before.values()) <= kept_bytes(tmp_path, folders)
    kept = read(tmp_path / "data" / "kept" / entry)
    assert kept.keys() == {"edit": {"a"}, "extra": {f"extra{n}" for n in range(5)}, "chmod": {"a"}}[change]
    assert entry in (tmp_path / "said").read_text()


def test_deleted_members_come_back_and_members_of_the_new_version_are_no_changes(folders: Folders) -> None:
    (folders.path("d") / "b" / "gone").unlink()
    write(folders.path("d"), {"a": NEW["a"]})
    assert put(folders, "d", NEW, [OLD]) is None
    assert read(folders.path("d")) == NEW


@pytest.mark.parametrize("thing", ["link", "pipe", "repository"])
def test_what_is_no_file_is_never_replaced(folders: Folders, tmp_path: Path, thing: str) -> None:
    top = folders.path("d")
    if thing == "link":
        (top / "l").symlink_to("a")
    elif thing == "pipe":
        os.mkfifo(top / "l")
    else:
        write(top, {".git/HEAD": b""})
    with pytest.raises(DataError, match="it was left as it is"):
        put(folders, "d", NEW, [OLD], force=True)
    assert OLD.items() <= read(top).items()
    assert leftovers(tmp_path) == []


def test_a_file_or_link_in_its_place_stays(folders: Folders, tmp_path: Path) -> None:
    (tmp_path / "top" / "f").write_bytes(b"1")
    (tmp_path / "top" / "l").symlink_to("d")
    for name in ("f", "l", "l/x", "f/x"):
        with pytest.raises(Forbidden):
            put(folders, name, NEW, force=True)
    assert read(folders.path("d")) == OLD


def test_a_file_with_other_names_is_written_anew(folders: Folders, tmp_path: Path) -> None:
    os.link(folders.path("d") / "b" / "same", tmp_path / "other")
    put(folders, "d", NEW, [OLD])
    assert (folders.path("d") / "b" / "same").stat().st_nlink == 1
    assert (tmp_path / "other").read_bytes() == b"same"


@pytest.mark.parametrize(
    "path", ["../out", "/out", "a/../../out", ".git/hooks/x", "d/.gitignore", "a//b", "con", "x\\y", ""]
)
def test_hostile_paths_never_leave_the_folder(folders: Folders, tmp_path: Path, path: str) -> None:
    from array import array

    hostile = Listing([path], array("q", [1]), sha(b"1"), b"\0")
    before = sorted(p for p in tmp_path.rglob("*"))
    with pytest.raises(Corrupt):
        materialise(folders, "d", Version(Oid.of(b""), hostile), provider({"x": b"1"}), known=[listing(OLD)])
    assert sorted(p for p in tmp_path.rglob("*")) == before


def test_twins_are_refused_before_anything_is_written(folders: Folders, tmp_path: Path) -> None:
    from array import array

    twins = Listing(["A", "a"], array("q", [1, 1]), sha(b"1") * 2, b"\0\0")
    with pytest.raises(Corrupt, match="same file"):
        materialise(folders, "d", Version(Oid.of(b""), twins), provider({"x": b"1"}), known=[listing(OLD)])
    assert read(folders.path("d")) == OLD


@pytest.mark.parametrize("wrong", ["missing", "others", "long"])
def test_wrong_bytes_change_nothing(folders: Folders, tmp_path: Path, wrong: str) -> None:
    right = provider(NEW)

    def provide(members: Any) -> Iterator[tuple[bytes, bytes]]:
        for digest, content in right(members):
            assert isinstance(content, bytes)
            if digest != sha(b"new"):
                yield digest, content
            elif wrong != "missing":
                yield digest, b"old" if wrong == "others" else b"new and more"

    with pytest.raises(ObjectMissing if wrong == "missing" else Corrupt, match="c/d/new"):
        materialise(folders, "d", version(NEW), provide, known=[listing(OLD)])
    assert read(folders.path("d")) == OLD
    assert leftovers(tmp_path) == []


def test_big_members_may_be_written_by_a_function(folders: Folders) -> None:
    def provide(members: list[Member]) -> Iterator[tuple[bytes, Any]]:
        for digest, content in provider(NEW)(members):
            yield digest, (lambda file, data=content: file.write(data))

    materialise(folders, "d", version(NEW), provide, known=[listing(OLD)])  # type: ignore[arg-type]
    assert read(folders.path("d")) == NEW


def test_a_part_of_a_version(folders: Folders) -> None:
    whole = version(NEW)
    picked = whole.members.picked([n for n, path in enumerate(whole.members.paths) if path.startswith("c/")])
    part = Version(whole.oid, picked, ("c/**",))
    materialise(folders, "d", part, provider(NEW), known=[listing(OLD)])
    assert read(folders.path("d")) == {path: data for path, data in NEW.items() if path.startswith("c/")}
    seen = folders.look("d", rehash=True)
    assert seen is not None
    assert seen.oid == whole.oid, "it holds what was asked for"
    record = folders.states.get("d")
    assert record is not None
    assert (record.globs, record.vouched) == (("c/**",), whole.oid)
    write(folders.path("d"), {"c/moved": b"edited"})
    seen = folders.look("d")
    assert seen is not None
    assert seen.oid != whole.oid


@pytest.mark.parametrize("held", [True, False])
def test_without_a_cache_only_what_no_store_holds_is_kept(tmp_path: Path, held: bool) -> None:
    folders = folders_in(tmp_path, mode="none", held=held)
    write(tmp_path / "top" / "d", OLD)
    put(folders, "d", NEW, [OLD], held=held)
    assert read(folders.path("d")) == NEW
    assert (set(OLD.values()) <= kept_bytes(tmp_path, folders)) is not held


@pytest.mark.parametrize("moment", ["build", "preserve", "switch"])
@pytest.mark.parametrize("change", ["edit", "add", "delete", "replace"])
def test_a_folder_that_changes_meanwhile_is_left_alone(
    folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str, change: str
) -> None:
    top = folders.path("d")

    def meddle() -> None:
        if change == "edit":
            write(top, {"a": b"mine!"})
        elif change == "add":
            write(top, {"mine": b"mine!"})
        elif change == "delete":
            (top / "a").unlink()
        else:
            top.rename(tmp_path / "elsewhere")
            write(top, {"mine": b"mine!"})

    before(monkeypatch, moment, meddle)
    try:
        put(folders, "d", NEW, [OLD])
    except DirtyFile:
        assert moment != "switch" or change == "replace"
        assert read(top) != NEW
    else:
        assert moment == "switch"
        assert read(top) == NEW
    if change != "delete":
        assert b"mine!" in kept_bytes(tmp_path, folders)
    assert leftovers(tmp_path) == []


def before(monkeypatch: pytest.MonkeyPatch, moment: str, act: Callable[[], None]) -> None:
    """Run `act` once, right before a step."""
    place, name = {
        "build": (folderreplace, "build"),
        "preserve": (folderreplace.Replacement, "_preserve"),
        "switch": (folderreplace, "exchange"),
    }[moment]
    original, acts = getattr(place, name), [act]

    def first(*arguments: Any) -> Any:
        if acts:
            acts.pop()()
        return original(*arguments)

    monkeypatch.setattr(place, name, first)


def test_a_taken_file_that_is_edited_at_the_last_moment_keeps_the_edit(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    def edit() -> None:
        with (folders.path("d") / "b" / "same").open("r+b") as file:
            file.write(b"edit")

    before(monkeypatch, "switch", edit)
    put(folders, "d", NEW, [OLD])
    assert read(folders.path("d")) == NEW | {"b/same": b"edit"}
    seen = folders.look("d")
    assert seen is not None
    assert seen.oid != version(NEW).oid


@pytest.fixture(params=["exchange", "two renames"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "two renames":
        monkeypatch.setattr(folderreplace, "exchange", lambda *_: False)
    return str(request.param)


def test_both_ways_to_switch(folders: Folders, tmp_path: Path, way: str) -> None:
    put(folders, "d", NEW, [OLD])
    assert read(folders.path("d")) == NEW
    assert leftovers(tmp_path) == []


STEPS = ("mkdir", "create", "link", "rename", "unlink", "rmdir", "fsync")


def dying(at: int, die: Callable[[], None]) -> Callable[[pytest.MonkeyPatch], None]:
    """Make the process die right before its `at`-th step on the file system."""
    left = [at]

    def install(patch: pytest.MonkeyPatch) -> None:
        for name in STEPS:
            original = getattr(Handle, name)

            def step(*arguments: Any, _original: Any = original) -> Any:
                left[0] -= 1
                if left[0] == 0:
                    die()
                return _original(*arguments)

            patch.setattr(Handle, name, step)

    return install


def killed_at(root: Path, at: int) -> bool:
    """Replace the folder in a process that is killed at a step; whether it came so far."""
    child = os.fork()
    if child == 0:
        try:
            dying(at, lambda: os._exit(9))(pytest.MonkeyPatch())
            put(folders_in(root), "d", NEW, [OLD])
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


@pytest.mark.slow
def test_a_kill_at_any_step_leaves_the_old_or_the_new_folder(tmp_path: Path, way: str) -> None:
    at, seen = 1, set()
    while True:
        root = tmp_path / str(at)
        root.mkdir()
        folders = folders_in(root)
        write(root / "top" / "d", OLD)
        died = killed_at(root, at)
        top = folders.path("d")
        if way == "exchange":
            assert read(top) in (OLD, NEW), at
        seen.add("old" if top.exists() and read(top) == OLD else "new" if top.exists() else "none")
        again = folders_in(root)
        put(again, "d", NEW, [OLD])
        assert read(top) == NEW, at
        assert leftovers(root) == [], at
        assert {*OLD.values(), *NEW.values()} <= kept_bytes(root, again), at
        kept = read(root / "data" / "kept").values()
        assert set(kept) <= {b"moves"}, "only what stands in the new folder under another name"
        for path in top.rglob("*"):
            assert path.is_dir() or path.stat().st_nlink == 1, (at, path)
        if not died:
            break
        at += 1
    assert at > 20
    assert seen == ({"old", "new"} if way == "exchange" else {"old", "new", "none"})


def lose_the_disk() -> None:
    raise OSError(errno.EIO, "the disk is gone")


@pytest.mark.slow
def test_a_failure_at_any_step_leaves_the_old_or_the_new_folder(
    tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = 1
    while True:
        root = tmp_path / str(at)
        root.mkdir()
        folders = folders_in(root)
        write(root / "top" / "d", OLD)
        failed = False
        with pytest.MonkeyPatch.context() as patch:
            dying(at, lose_the_disk)(patch)
            try:
                put(folders, "d", NEW, [OLD])
            except (OSError, Conflict):
                failed = True
        if folders.path("d").exists():
            assert read(folders.path("d")) in (OLD, NEW), at
        else:
            assert way == "two renames"
        assert {*OLD.values()} <= kept_bytes(root, folders) or leftovers(root), at
        if not failed and at > 60:
            break
        at += 1


def test_a_leftover_with_bytes_that_are_nowhere_else_is_kept_aside(folders: Folders, tmp_path: Path) -> None:
    place = tmp_path / "top" / ".git-data-tmp-folder-99999999-x"
    write(place, {"new/mine": b"mine", "plan": b'{"leaf": "d", "inode": 1}'})
    put(folders, "d", NEW, [OLD])
    assert leftovers(tmp_path) == []
    assert b"mine" in kept_bytes(tmp_path, folders)


def test_the_place_of_a_run_that_is_still_there_is_left_alone(folders: Folders, tmp_path: Path) -> None:
    name = f".git-data-tmp-folder-{os.getpid()}-x"
    write(tmp_path / "top" / name, {"new/mine": b"mine"})
    put(folders, "d", NEW, [OLD])
    assert leftovers(tmp_path) == [name]


@pytest.mark.parametrize("names", [["renameat2"], ["renameat2", "syncfs"]])
def test_without_the_calls_of_this_system(
    folders: Folders, monkeypatch: pytest.MonkeyPatch, names: list[str]
) -> None:
    class Poor:
        def __getattr__(self, name: str) -> Any:
            if name in names:
                raise AttributeError(name)
            return getattr(real, name)

    real = folderswitch._libc()
    monkeypatch.setattr(folderswitch, "_libc", Poor)
    monkeypatch.setattr(folderswitch, "_FEW", 0)
    folderswitch._exchange_call.cache_clear()
    try:
        put(folders, "d", NEW, [OLD])
    finally:
        folderswitch._exchange_call.cache_clear()
    assert read(folders.path("d")) == NEW


def test_a_file_system_without_second_names(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError

    monkeypatch.setattr(folderbuild.Handle, "link", refuse)
    put(folders, "d", NEW, [OLD])
    assert read(folders.path("d")) == NEW
