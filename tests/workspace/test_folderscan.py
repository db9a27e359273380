"""Looking at a folder: what is a member, what is passed over, what is refused by its name."""

import os
import socket
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from git_datamanager.errors import Conflict, DataError, Forbidden, NotFound
from git_datamanager.workspace import folderscan
from git_datamanager.workspace.folderscan import raise_refused, scan, scan_calm
from tests.workspace.folderworld import folders_in, write


@pytest.fixture
def top(tmp_path: Path) -> Path:
    write(tmp_path / "d", {"b": b"2", "a/c": b"1", "a.b": b"", "a/x/y": b"3"}, executable=["b"])
    return tmp_path


def test_paths_come_sorted_by_their_bytes(top: Path) -> None:
    write(top / "d", dict.fromkeys(("é", "a-b", "ab/c", "Z", "😀", "�", "a/x.y", "a0"), b""))
    look = scan(top, "d")
    assert [p.encode() for p in look.paths] == sorted(p.encode() for p in look.paths)
    assert len(look) == 12
    stat = (top / "d" / "b").stat()
    at = look.paths.index("b")
    assert list(look.fact(at)) == [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
    assert [p for p, mode in zip(look.paths, look.executable, strict=True) if mode] == ["b"]


def test_empty_folders_and_our_own_temporary_names_are_no_members(top: Path) -> None:
    (top / "d" / "empty" / "er").mkdir(parents=True)
    write(top / "d", {".git-data-tmp-1-x": b"1", ".git-data-tmp-folder-1-x/new/a": b"1"})
    look = scan(top, "d")
    assert look.paths == ["a.b", "a/c", "a/x/y", "b"]
    assert not look.refused


def test_what_is_no_regular_file_is_refused_by_its_name(top: Path) -> None:
    (top / "d" / "a" / "link").symlink_to("c")
    (top / "d" / "folderlink").symlink_to("a")
    os.mkfifo(top / "d" / "pipe")
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(str(top / "d" / "sock"))
    look = scan(top, "d")
    assert [r.path for r in look.refused] == ["a/link", "folderlink", "pipe", "sock"]
    assert look.paths == ["a.b", "a/c", "a/x/y", "b"], "no link was followed"
    with pytest.raises(DataError, match=r"d/a/link is a symbolic link \(and 3 more like it\): nothing"):
        raise_refused("d", look)


@pytest.mark.parametrize("inner", [".git/HEAD", "a/.git", "a/x/.GIT/config"])
def test_another_repository_inside_is_refused(top: Path, inner: str) -> None:
    write(top / "d", {inner: b"gitdir: x"})
    (refused,) = scan(top, "d").refused
    assert refused.path.lower().endswith(".git")


@pytest.mark.parametrize("name", [b"\xff.csv", b"a\\b", b"x:y", b"con", b".gitignore", b"a ", b"a\nb"])
def test_names_that_other_systems_do_not_take_are_refused_before_anything_is_read(
    tmp_path: Path, name: bytes
) -> None:
    folders = folders_in(tmp_path)
    write(tmp_path / "top" / "d", {"a": b"1"})
    (tmp_path / "top" / "d" / os.fsdecode(name)).write_bytes(b"2")
    with pytest.raises(DataError) as raised:
        folders.capture("d")
    assert raised.value.message.endswith("nothing was added")
    assert raised.value.message.isascii()
    assert raised.value.message.isprintable()
    assert list(folders.packs) == []
    seen = folders.look("d")
    assert seen is not None


def test_names_that_are_one_elsewhere_are_refused(tmp_path: Path) -> None:
    folders = folders_in(tmp_path)
    write(tmp_path / "top" / "d", {"A": b"1", "a": b"2"})
    with pytest.raises(DataError, match="same file on some systems: nothing was added"):
        folders.capture("d")


def test_a_database_in_use_is_refused_and_one_at_rest_is_not(top: Path) -> None:
    path = top / "d" / "x.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE t (a)")
        database.commit()
        (refused,) = scan(top, "d").refused
        assert refused.path == "x.db"
        assert "wal_checkpoint" in refused.hints[0]
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        look = scan(top, "d")
        assert not look.refused
        assert look.passed == {"x.db-wal", "x.db-shm"}
        assert "x.db-shm" not in look.paths
    write(top / "d", {"y.txt": b"", "y.txt-wal": b"my own file"})
    assert "y.txt-wal" in scan(top, "d").paths


def test_a_folder_behind_a_link_or_in_another_repository_is_not_ours(top: Path) -> None:
    (top / "link").symlink_to("d")
    for name in ("link", "link/a"):
        with pytest.raises(Forbidden):
            scan(top, name)
    with pytest.raises(Forbidden):
        scan(top, "d/b")
    with pytest.raises(NotFound):
        scan(top, "nothing")
    write(top / "d", {".git": b""})
    with pytest.raises(Forbidden, match="another repository"):
        scan(top, "d/a")


def test_what_cannot_be_entered_is_refused(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    below = folderscan.Handle.below

    def refuse(handle: folderscan.Handle, name: str) -> folderscan.Handle:
        if name == "x":
            raise PermissionError
        if name == "swapped":
            raise NotADirectoryError
        return below(handle, name)

    monkeypatch.setattr(folderscan.Handle, "below", refuse)
    assert [r.path for r in scan(top, "d").refused] == ["a/x/"]
    (top / "d" / "swapped").mkdir()
    with pytest.raises(Conflict):
        scan(top, "d")


def test_too_deep_is_refused(top: Path) -> None:
    (top / "d" / "/".join("d" * 140)).mkdir(parents=True)
    assert "nested deeper" in scan(top, "d").refused[0].reason


def test_files_of_this_very_instant_are_not_safe(top: Path) -> None:
    path = top / "d" / "b"
    os.utime(path, ns=(time.time_ns(),) * 2)
    look = scan(top, "d")
    assert "b" in {look.paths[n] for n in look.unsafe()}
    calm = scan_calm(top, "d")
    assert list(calm.unsafe()) == []
    future = time.time_ns() + 10**12
    os.utime(path, ns=(future, future))
    assert [calm.paths[n] for n in scan_calm(top, "d").unsafe()] == ["b"]
