"""Databases that are in use: rows of the log are in, sources stay as they are, nothing is replayed."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.bad.scene import Scene, Still, digests, refused, silent
from tests.world import make_database


def names(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as database:
        return [row[0] for row in database.execute("SELECT name FROM technology ORDER BY id")]


@contextmanager
def open_wal(path: Path) -> Iterator[sqlite3.Connection]:
    """A database whose newest row sits in the -wal file alone, held open by a writer."""
    make_database(path, 10)
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA wal_autocheckpoint = 0")
        with database:
            database.execute("INSERT INTO technology (name) VALUES ('only in the log')")
        assert path.with_name(path.name + "-wal").stat().st_size > 0
        yield database


def left_behind(scene: Scene, path: Path) -> None:
    """A database beside the log of a program that was killed."""
    scratch = scene.root / "scratch.sqlite"
    with open_wal(scratch):
        for suffix in ("", "-wal"):
            shutil.copy(f"{scratch}{suffix}", f"{path}{suffix}")
    for suffix in ("", "-wal", "-shm"):
        Path(f"{scratch}{suffix}").unlink(missing_ok=True)


def around(path: Path) -> dict[str, str]:
    """The database and its log; -shm is shared memory, not data."""
    return {
        n: d for n, d in digests(path.parent) if n in (path.name, path.name + "-wal", path.name + "-journal")
    }


def test_rows_of_the_log_are_in_and_the_source_is_unchanged(scene: Scene):
    path = scene.ana.path / "e.sqlite"
    with open_wal(path):
        before = around(path)
        scene.ana.data("add", "e.sqlite")
        assert around(path) == before
        assert len(before) == 2
        assert scene.ana.data("status", "--porcelain").out == "A. v1 e.sqlite\n"
        assert around(path) == before
    scene.ana.commit()
    scene.ana.data("upload")
    scene.ana.git("push", "-q")
    ben = scene.clone("ben")
    ben.data("pull")
    assert names(ben.path / "e.sqlite")[-1] == "only in the log"


def test_the_log_of_a_killed_program_counts_too(scene: Scene):
    path = scene.ana.path / "e.sqlite"
    left_behind(scene, path)
    before = around(path)
    scene.ana.data("add", "e.sqlite")
    assert around(path) == before
    out = scene.root / "out.sqlite"
    scene.ana.data("pull", "e.sqlite", "-o", str(out))
    assert names(out)[-1] == "only in the log"


def test_prepare_takes_the_rows_of_the_log_from_anywhere(scene: Scene):
    source = scene.root / "elsewhere.sqlite"
    with open_wal(source):
        before = around(source)
        scene.ana.data("prepare", "e.sqlite", str(source))
        assert around(source) == before
    assert names(scene.ana.path / "e.sqlite")[-1] == "only in the log"


def test_a_quiescent_database_is_its_own_bytes(scene: Scene):
    import hashlib

    path = scene.ana.path / "e.sqlite"
    make_database(path, 10)
    scene.ana.data("add", "e.sqlite")
    assert (
        scene.ana.versions("e.sqlite")[0]["oid"] == f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    )


def hot_journal(path: Path) -> None:
    """A database in the middle of a transaction whose program was killed: half the pages are new."""
    make_database(path, 2000)
    scratch = path.with_name("scratch.sqlite")
    shutil.copy(path, scratch)
    with closing(sqlite3.connect(scratch, isolation_level=None)) as database:
        database.execute("PRAGMA cache_size = 5")
        database.execute("PRAGMA journal_mode = DELETE")
        database.execute("BEGIN")
        database.execute("UPDATE technology SET name = 'half of a transaction'")
        for suffix in ("", "-journal"):
            shutil.copy(f"{scratch}{suffix}", f"{path}{suffix}")
        database.execute("ROLLBACK")
    scratch.unlink()
    assert path.with_name(path.name + "-journal").stat().st_size > 512


def test_a_hot_journal_is_refused_and_recovery_is_named(scene: Scene):
    path = scene.ana.path / "e.sqlite"
    hot_journal(path)
    still = Still(scene)
    done = scene.ana.data("add", "e.sqlite", code=None)
    refused(done, 5, "e.sqlite", run="sqlite3 ")
    still.check()
    with closing(sqlite3.connect(path)) as database:
        assert "half of a transaction" not in {r[0] for r in database.execute("SELECT name FROM technology")}
    scene.ana.data("add", "e.sqlite")


def test_status_of_a_hot_journal_fails_no_other_dataset(tracked: Scene):
    path = tracked.ana.path / "e.sqlite"
    make_database(path, 10)
    tracked.ana.data("add", "e.sqlite")
    hot_journal(path)
    done = silent(tracked.ana.data("status", "--porcelain", code=None))
    assert "a.csv" in done.out, done.text
    assert done.code in (0, 5)


@pytest.fixture
def two(scene: Scene) -> Scene:
    """e.sqlite with two versions; the working file holds the first, clean."""
    path = scene.ana.path / "e.sqlite"
    make_database(path, 10)
    scene.ana.data("add", "e.sqlite")
    scene.ana.commit()
    make_database(path, 20)
    scene.ana.data("add", "e.sqlite")
    scene.ana.commit()
    scene.ana.data("upload")
    scene.ana.data("pull", "e.sqlite@v1")
    return scene


def test_pull_beside_a_log_is_refused_or_sqlite_would_replay_it(two: Scene):
    path = two.ana.path / "e.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        with database:
            database.execute("INSERT INTO technology (name) VALUES ('mine')")
        still = Still(two)
        refused(two.ana.data("pull", code=None), 5, "log beside it", run="git data pull --force e.sqlite")
        still.check(but=["-shm$"])


def test_force_keeps_the_database_and_its_log_and_prints_their_id(two: Scene):
    path = two.ana.path / "e.sqlite"
    left_behind(two, path)
    before = {name: (path.parent / name).read_bytes() for name in around(path)}
    done = two.ana.data("pull", "--force")
    assert len(names(path)) == 20
    assert not path.with_name("e.sqlite-wal").exists()
    kept = next((two.ana.path / ".git/data/kept").iterdir())
    assert {p.name: p.read_bytes() for p in kept.iterdir() if not p.name.endswith("-shm")} == before
    assert kept.name in done.text
    assert str(kept) in done.text
    assert two.ana.json("pull")["datasets"][0]["outcome"] == "current"


def test_pull_where_only_a_log_is_left_does_not_feed_it_to_the_new_file(two: Scene):
    path = two.ana.path / "e.sqlite"
    left_behind(two, path)
    path.unlink()
    still = Still(two)
    refused(two.ana.data("pull", code=None), 5, "e.sqlite", run="git data pull --force e.sqlite")
    still.check()
    two.ana.data("pull", "--force")
    assert len(names(path)) == 20


def test_pull_to_a_path_beside_a_log_does_not_feed_it_to_the_new_file(two: Scene):
    out = two.root / "out" / "e.sqlite"
    out.parent.mkdir()
    left_behind(two, out)
    out.unlink()
    still = Still(two)
    refused(two.ana.data("pull", "e.sqlite@v2", "-o", str(out), code=None), 5, "log", run="--force")
    still.check()


def test_text_under_a_database_name_is_text(scene: Scene):
    """R22: content decides, not the suffix."""
    scene.ana.write("not.sqlite", "just text\n")
    scene.ana.write("not.sqlite-wal", "not a log\n")
    scene.ana.data("add", "not.sqlite")
    assert scene.ana.versions("not.sqlite")[0]["size"] == 10


def test_a_database_that_is_cut_off_is_still_somebodys_bytes(scene: Scene):
    path = scene.ana.path / "e.sqlite"
    make_database(path, 100)
    data = path.read_bytes()
    path.write_bytes(data[:5000])
    scene.ana.data("add", "e.sqlite")
    assert scene.ana.versions("e.sqlite")[0]["size"] == 5000


def test_a_garbage_log_beside_a_database_is_no_crash(scene: Scene):
    path = scene.ana.path / "e.sqlite"
    make_database(path, 100)
    for suffix in ("-wal", "-journal"):
        scene.ana.write(f"e.sqlite{suffix}", b"garbage" * 1000)
        silent(scene.ana.data("add", "e.sqlite", code=None))
        (scene.ana.path / f"e.sqlite{suffix}").unlink(missing_ok=True)
    assert len(names(path)) == 100
