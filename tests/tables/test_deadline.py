"""Work that takes too long is broken off in the middle of it, in either engine."""

import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from git_datamanager.errors import Corrupt
from git_datamanager.tables.deadline import OutOfTime, check, interruptible, limited
from git_datamanager.tables.source import compare

SOON = 0.3
LATE = 20.0
"""Far less than what the comparisons below would take."""


def squared(path: Path, rows: int, value: int) -> Path:
    """A table without a key, whose rows are all changed by `value`: nothing can be matched quickly."""
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE t (a INTEGER, b TEXT)")
        database.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
            " INSERT INTO t SELECT i * 7919 % 1000003 + ?, hex(i) FROM n",
            (rows, value),
        )
    return path


def ragged(path: Path, rows: int, value: int) -> Path:
    """Rows of many lengths, which Python has to read."""
    with path.open("w") as file:
        file.write("a,b\n")
        for n in range(rows):
            file.write(f"{n},{value}" + ",x" * (n % 3) + "\n")
    return path


def broken_off(work: Callable[[], object]) -> float:
    """Seconds until it was."""
    begin = time.monotonic()
    with pytest.raises(OutOfTime), limited(SOON):
        work()
    return time.monotonic() - begin


@pytest.mark.slow
def test_a_comparison_of_databases(tmp_path: Path) -> None:
    files = [squared(tmp_path / f"{n}.sqlite", 1_500_000, n) for n in (1, 2)]
    assert broken_off(lambda: compare(*files, "t.sqlite")) < 1.5


@pytest.mark.slow
def test_a_comparison_of_texts_that_python_reads(tmp_path: Path) -> None:
    pytest.importorskip("duckdb", reason="DuckDB is not installed (the extra tabular)")
    files = [ragged(tmp_path / f"{n}.csv", 1_000_000, n) for n in (1, 2)]
    assert broken_off(lambda: compare(*files, "t.csv")) < 2


@pytest.mark.slow
def test_a_statement_of_duckdb(tmp_path: Path) -> None:
    pytest.importorskip("duckdb", reason="DuckDB is not installed (the extra tabular)")
    from git_datamanager.tables import duck

    (tmp_path / "a.csv").write_text("a\n1\n")

    def work() -> None:
        with duck.opened("csv", None, tmp_path / "a.csv", tmp_path) as engine:
            list(engine.rows("SELECT count(*) FROM range(1000000000000) x WHERE range % 7 = 3"))

    assert broken_off(work) < LATE


def test_what_ends_in_time_is_left_alone(tmp_path: Path) -> None:
    files = [squared(tmp_path / f"{n}.sqlite", 10, n) for n in (1, 2)]
    with limited(LATE):
        check()
        assert compare(*files, "t.sqlite").added == 10


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(Corrupt), limited(LATE):
        raise Corrupt("damaged")


def test_what_was_done_too_late_counts_as_not_done() -> None:
    with pytest.raises(OutOfTime), limited(0):
        pass
    with pytest.raises(OutOfTime), limited(-1):
        check()


def test_a_connection_that_is_closed_is_left_alone() -> None:
    called: list[int] = []
    with pytest.raises(OutOfTime), limited(0):
        with interruptible(lambda: called.append(1)):
            time.sleep(0.2)
        before = len(called)
        time.sleep(0.2)
    assert before
    assert len(called) == before


def test_what_begins_after_the_first_interruption_meets_another() -> None:
    interruptions = threading.Semaphore(0)
    with pytest.raises(OutOfTime), limited(0), interruptible(interruptions.release):
        assert interruptions.acquire(timeout=LATE)
        assert interruptions.acquire(timeout=LATE)


def test_without_a_limit_nothing_is_broken_off() -> None:
    check()
    with interruptible(lambda: pytest.fail("nobody asked for that")):
        pass
