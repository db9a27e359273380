"""What a command knows of a file is true for the instant it looked; nothing else may follow from it."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

import pytest

from git_datamanager import fsio
from git_datamanager.errors import DirtyFile, Forbidden
from git_datamanager.model.oid import Oid
from git_datamanager.workspace import place
from git_datamanager.workspace.cache import Cache
from git_datamanager.workspace.statecache import StateCache
from git_datamanager.workspace.worktree import What, WorkTree

OLD, NEW = b"1\n", b"2\n"


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def work(tmp_path: Path, said: list[str]) -> WorkTree:
    top = tmp_path / "top"
    top.mkdir()
    cache = Cache(tmp_path / "data" / "cache", "auto", lambda: 1 << 30, lambda _: False)
    return WorkTree(top, StateCache(tmp_path / "data" / "state.db"), cache, said.append)


def fill(data: bytes):
    def write(target: BinaryIO) -> None:
        target.write(data)

    return write


def test_the_old_bytes_go_into_the_cache(work: WorkTree) -> None:
    work.path("a").write_bytes(OLD)
    assert work.materialise("a", Oid.of(NEW), fill(NEW), known={Oid.of(OLD)}) is None
    assert work.path("a").read_bytes() == NEW
    assert work.cache.path(Oid.of(OLD)).read_bytes() == OLD
    assert work.cache.path(Oid.of(OLD)).stat().st_mode & 0o222 == 0
    assert work.look("a", stat_only=True).oid == Oid.of(NEW), "what was put there need not be hashed again"


@pytest.mark.parametrize("change", ["edit", "appear", "vanish", "log"])
def test_a_path_that_changes_while_the_bytes_are_fetched_is_left_alone(work: WorkTree, change: str) -> None:
    path = work.path("a")
    if change != "appear":
        path.write_bytes(OLD)

    def meddle(target: BinaryIO) -> None:
        target.write(NEW)
        if change == "vanish":
            path.unlink()
        else:
            (path if change != "log" else path.with_name("a-wal")).write_bytes(b"mine")

    with pytest.raises(DirtyFile, match="meanwhile"):
        work.materialise("a", Oid.of(NEW), meddle, known={Oid.of(OLD)})
    assert path.exists() == (change != "vanish")
    if change in ("edit", "appear"):
        assert path.read_bytes() == b"mine"


@pytest.mark.parametrize("stood", [True, False])
def test_another_command_that_puts_the_same_bytes_there_first_is_as_good(
    work: WorkTree, tmp_path: Path, *, stood: bool
) -> None:
    path = work.path("a")
    if stood:
        path.write_bytes(OLD)
    cache = Cache(tmp_path / "data" / "cache", "auto", lambda: 1 << 30, lambda _: False)
    other = WorkTree(work.top, StateCache(tmp_path / "data" / "state.db"), cache, lambda _: None)

    def late(target: BinaryIO) -> None:
        target.write(NEW)
        other.materialise("a", Oid.of(NEW), fill(NEW), known={Oid.of(OLD)})

    assert work.materialise("a", Oid.of(NEW), late, known={Oid.of(OLD)}) is None
    assert path.read_bytes() == NEW
    assert work.look("a").oid == Oid.of(NEW)
    assert sorted(p.name for p in work.top.iterdir()) == ["a"]


def test_and_while_this_one_looks_what_stands_there(work: WorkTree, monkeypatch: pytest.MonkeyPatch) -> None:
    path, look = work.path("a"), place.look

    def before_the_other(there: Path) -> place.Stamp:
        stamp = look(there)
        if not path.exists():
            path.write_bytes(NEW)
        return stamp

    monkeypatch.setattr(place, "look", before_the_other)
    assert work.materialise("a", Oid.of(NEW), fill(b"never asked"), known={Oid.of(OLD)}) is None
    assert path.read_bytes() == NEW


def test_a_record_belongs_to_the_instant_before_reading(
    work: WorkTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file edited right after it was hashed is not taken for what was hashed."""
    path = work.path("a")
    path.write_bytes(OLD)
    stamp = place.look(path)
    path.write_bytes(NEW)
    work.states.put("a", Oid.of(OLD), Oid.of(OLD).hex, stamp, vouch=True)
    assert work.look("a").oid == Oid.of(NEW)


def test_an_edit_during_the_hash_is_no_version(work: WorkTree, monkeypatch: pytest.MonkeyPatch) -> None:
    path = work.path("a")
    path.write_bytes(OLD)
    identify = work._identify

    def late(*args, **kwargs):
        found = identify(*args, **kwargs)
        path.write_bytes(b"mine")
        return found

    monkeypatch.setattr(work, "_identify", late)
    assert work.look("a").oid is None


def test_take_replaces_a_damaged_cache_file_by_the_good_one(work: WorkTree) -> None:
    """The only good copy does not go because a bad one stands in the cache."""
    oid = Oid.of(OLD)
    bad = work.cache.path(oid)
    bad.parent.mkdir(parents=True)
    bad.write_bytes(b"X\n")
    work.path("a").write_bytes(OLD)
    assert work.take_away("a", oid)
    assert bad.read_bytes() == OLD


def test_a_file_with_another_name_is_copied_not_linked(work: WorkTree, tmp_path: Path) -> None:
    """S04: the user's other name stays writable, and what is written there stays out of the cache."""
    path = work.path("a")
    path.write_bytes(OLD)
    os.link(path, tmp_path / "other")
    assert work.take_away("a", Oid.of(OLD))
    (tmp_path / "other").write_bytes(b"mine")
    assert work.cache.path(Oid.of(OLD)).read_bytes() == OLD


def test_force_keeps_file_and_logs_and_says_so_before_they_go(work: WorkTree, said: list[str]) -> None:
    path = work.path("a.db")
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE t (x)")
        database.commit()
        kept = work.materialise("a.db", Oid.of(NEW), fill(NEW), known=(), force=True)
    assert kept is not None
    assert kept in said[0]
    assert path.read_bytes() == NEW
    assert not path.with_name("a.db-wal").exists()
    with closing(sqlite3.connect(work.cache.kept(kept) / "a.db")) as database:
        assert database.execute("SELECT name FROM sqlite_schema").fetchall() == [("t",)]


def test_another_repository_inside_is_not_ours(work: WorkTree) -> None:
    """S08: a submodule, a linked work tree, a nested clone."""
    (work.top / "inner" / "deep").mkdir(parents=True)
    (work.top / "inner" / ".git").write_text("gitdir: elsewhere\n")
    (work.top / "inner" / "deep" / "a").write_bytes(OLD)
    assert work.look("inner/deep/a").what is What.OTHER
    with pytest.raises(Forbidden, match="another repository"):
        work.materialise("inner/deep/b", Oid.of(NEW), fill(NEW), known=())


def test_a_temporary_file_never_stays(work: WorkTree) -> None:
    def fails(target: BinaryIO) -> None:
        target.write(NEW)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work.materialise("a", Oid.of(NEW), fails, known=())
    assert list(work.top.iterdir()) == []
    with fsio.Folder(work.top, "a") as folder:
        assert folder.stat() is None
