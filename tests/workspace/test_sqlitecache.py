"""A file that only remembers: whatever befalls it, work goes on without it."""

import sqlite3
from pathlib import Path

import pytest

from git_datamanager.workspace.sqlitecache import SqliteCache

SCHEMA = "CREATE TABLE IF NOT EXISTS seen (name TEXT PRIMARY KEY) STRICT"
ADD, ALL = "INSERT INTO seen VALUES (?)", "SELECT name FROM seen"


def test_it_remembers_across_processes(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "seen.db"
    SqliteCache(file, SCHEMA).run(ADD, "a")
    assert SqliteCache(file, SCHEMA).run(ALL) == [("a",)]


def test_a_damaged_file_begins_anew(tmp_path: Path) -> None:
    file = tmp_path / "seen.db"
    file.write_bytes(b"no database at all" * 400)
    cache = SqliteCache(file, SCHEMA)
    cache.run(ADD, "a")
    assert cache.run(ALL) == [("a",)]


def test_one_that_is_damaged_deep_inside_begins_anew_with_the_next_command(tmp_path: Path) -> None:
    file = tmp_path / "seen.db"
    SqliteCache(file, SCHEMA).run(ADD, "a")
    with file.open("r+b") as data:
        data.seek(4096)  # the page of the table
        data.write(b"\xff" * 4096)
    broken = SqliteCache(file, SCHEMA)
    assert broken.run(ALL) == []
    assert not file.exists()
    SqliteCache(file, SCHEMA).run(ADD, "b")
    assert SqliteCache(file, SCHEMA).run(ALL) == [("b",)]


def test_where_nothing_can_be_written_nothing_is_remembered(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where a folder is wanted")
    cache = SqliteCache(tmp_path / "taken" / "seen.db", SCHEMA)
    assert cache.run(ADD, "a") == cache.run(ALL) == []
    with cache.writing() as database:
        assert database is None


def test_a_folder_in_its_place_stays(tmp_path: Path) -> None:
    (tmp_path / "seen.db").mkdir()
    assert SqliteCache(tmp_path / "seen.db", SCHEMA).run(ALL) == []
    assert (tmp_path / "seen.db").is_dir()


def test_read_only_makes_no_file(tmp_path: Path) -> None:
    file = tmp_path / "seen.db"
    cache = SqliteCache(file, SCHEMA, read_only=True)
    assert cache.run(ADD, "a") == cache.run(ALL) == []
    assert not file.exists()


def test_read_only_reads_what_is_there(tmp_path: Path) -> None:
    file = tmp_path / "seen.db"
    SqliteCache(file, SCHEMA).run(ADD, "a")
    cache = SqliteCache(file, SCHEMA, read_only=True)
    cache.run(ADD, "b")
    assert cache.run(ALL) == [("a",)]


def test_a_transaction_is_whole_or_not_at_all(tmp_path: Path) -> None:
    cache = SqliteCache(tmp_path / "seen.db", SCHEMA)
    with cache.writing() as database:
        assert database is not None
        database.execute(ADD, ("a",))
    with cache.writing() as database:
        assert database is not None
        database.execute(ADD, ("b",))
        database.execute(ADD, ("a",))  # there already: the file forgets both
    assert cache.run(ALL) == [("a",)]


def test_what_is_wrong_in_the_body_of_a_transaction_is_no_matter_of_the_file(tmp_path: Path) -> None:
    cache = SqliteCache(tmp_path / "seen.db", SCHEMA)
    with pytest.raises(ZeroDivisionError), cache.writing() as database:
        assert database is not None
        database.execute(ADD, ("a",))
        _ = 1 / 0
    assert cache.run(ALL) == []


def test_another_that_writes_is_waited_for_and_then_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("git_datamanager.workspace.sqlitecache._WAIT", 0.05)
    file = tmp_path / "seen.db"
    SqliteCache(file, SCHEMA).run(ADD, "a")
    other = sqlite3.connect(file, isolation_level=None)
    cache = SqliteCache(file, SCHEMA)
    cache.run(ALL)
    other.execute("BEGIN EXCLUSIVE")
    assert cache.run(ADD, "b") == []
    other.execute("ROLLBACK")
    other.close()
    assert cache.run(ALL) == [("a",)]
