"""The journal: a record of what was done, chained, final, and never a condition."""

import hashlib
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from git_datamanager.errors import Corrupt, OutcomeUnknown, SeveralFailed
from git_datamanager.model.oid import Oid
from git_datamanager.workspace import journal as module
from git_datamanager.workspace.journal import Journal

OID = Oid.of(b"1")


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def journal(tmp_path: Path, said: list[str]) -> Journal:
    return Journal(tmp_path / "data" / "journal.db", lambda: "A <a@b>", said.append)


def rows(tmp_path: Path, statement: str) -> list[tuple]:
    with closing(sqlite3.connect(tmp_path / "data" / "journal.db")) as database:
        return database.execute(statement).fetchall()


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, "ok"),
        (Corrupt("x"), "failed"),
        (OutcomeUnknown("x"), "unknown"),
        (SeveralFailed([("a", Corrupt("x")), ("b", OutcomeUnknown("x"))]), "unknown"),
        (SeveralFailed([("a", Corrupt("x")), ("b", Corrupt("x"))]), "failed"),
        (KeyboardInterrupt(), "cancelled"),
        (ZeroDivisionError(), "failed"),
    ],
)
def test_every_end_has_its_outcome(
    journal: Journal, tmp_path: Path, error: BaseException | None, outcome: str
) -> None:
    try:
        with journal.record("add", "a.csv", {"message": "x"}) as details:
            details["version"] = "v1"
            if error is not None:
                raise error
    except BaseException as raised:
        assert raised is error
    found = rows(tmp_path, "SELECT verb, dataset, outcome, user FROM operations")
    assert found == [("add", "a.csv", outcome, "A <a@b>")]


def test_a_killed_operation_has_a_row_without_an_end(journal: Journal, tmp_path: Path) -> None:
    context = journal.record("add")
    context.__enter__()
    assert rows(tmp_path, "SELECT outcome, finished FROM operations") == [(None, None)]


def test_finished_rows_are_final(journal: Journal, tmp_path: Path) -> None:
    with journal.record("add"):
        pass
    for statement in ("UPDATE operations SET outcome = 'failed'", "DELETE FROM operations"):
        with pytest.raises(sqlite3.IntegrityError, match="final"):
            rows(tmp_path, statement)


def test_the_chain_can_be_recomputed_whatever_the_clock_says(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for year in ("2026", "2020", "2023"):
        monkeypatch.setattr(module, "utc_now", lambda year=year: f"{year}-01-01T00:00:00Z")
        with journal.record("add"):
            pass
    before = ""
    statement = "SELECT id, finished, outcome, details, hash FROM operations ORDER BY sequence"
    for *values, digest in rows(tmp_path, statement):
        assert digest == hashlib.sha256("\n".join([before, *values]).encode()).hexdigest()
        before = digest
    assert before


def test_holders(journal: Journal) -> None:
    journal.saw("file:a", OID, 1, "etag-1")
    journal.saw("file:b", OID, 1, None)
    assert journal.holders(OID) == {"file:a": "etag-1", "file:b": None}
    journal.lost("file:a", OID)
    assert journal.all_holders() == {str(OID): {"file:b"}}


def test_a_journal_that_cannot_be_written_is_a_warning(tmp_path: Path, said: list[str]) -> None:
    (tmp_path / "data").write_text("a file, not a folder")
    journal = Journal(tmp_path / "data" / "journal.db", lambda: "x", said.append)
    with journal.record("add") as details:
        details["done"] = True
    assert journal.holders(OID) == {}
    assert len(said) == 1
    assert "journal" in said[0]


def test_a_newer_journal_is_left_alone(journal: Journal, tmp_path: Path, said: list[str]) -> None:
    with journal.record("add"):
        pass
    rows(tmp_path, "PRAGMA user_version = 99")
    newer = Journal(tmp_path / "data" / "journal.db", lambda: "x", said.append)
    with newer.record("add"):
        pass
    assert "newer" in said[0]
    assert len(rows(tmp_path, "SELECT 1 FROM operations")) == 1


def test_two_processes_may_write_at_once(tmp_path: Path, said: list[str]) -> None:
    journals = [Journal(tmp_path / "data" / "journal.db", lambda: "x", said.append) for _ in range(2)]
    for _ in range(20):
        for journal in journals:
            with journal.record("add"):
                journal.saw("file:a", OID, 1, None)
    assert said == []
    assert rows(tmp_path, "SELECT count(*), count(DISTINCT hash), max(sequence) FROM operations") == [
        (40, 40, 40)
    ]


def test_threads_share_one_connection(journal: Journal, tmp_path: Path, said: list[str]) -> None:
    def work(number: int) -> None:
        with journal.record("add", f"{number}.csv"):
            journal.saw("file:x", Oid.of(str(number).encode()), 1, None)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(16)))
    assert said == []
    assert rows(tmp_path, "SELECT count(*), max(sequence) FROM operations WHERE outcome = 'ok'") == [(16, 16)]
    assert rows(tmp_path, "SELECT count(*) FROM files") == [(16,)]
