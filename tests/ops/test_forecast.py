"""`git data add --explain`: how a file travels, measured; nothing is added."""

import gzip
import sqlite3
from contextlib import closing

from tests.world import Clone


def explained(clone: Clone, name: str) -> dict:
    (one,) = clone.json("add", "--explain", name)["files"]
    return one


def test_text_is_compressed(ana: Clone) -> None:
    text = b"".join(b"%d,%d\n" % (n, n * n) for n in range(100_000))
    ana.write("a.csv", text)
    one = explained(ana, "a.csv")
    assert (one["what"], one["encoding"], one["base"]) == ("text or tables", "zstd", None)
    assert one["sent"] < len(text) * 0.6


def test_a_change_is_measured_against_the_version_before(ana: Clone) -> None:
    text = b"".join(b"%d,%d\n" % (n, n * n) for n in range(100_000))
    ana.write("a.csv", text)
    ana.data("add", "a.csv")
    ana.commit("Add")
    ana.write("a.csv", text.replace(b"5000,", b"5001,"))
    one = explained(ana, "a.csv")
    assert (one["encoding"], one["base"]) == ("delta", "v1")
    assert one["sent"] < 10_000
    assert len(ana.versions("a.csv")) == 1


def test_an_archive_is_better_unpacked(ana: Clone) -> None:
    ana.write("a.csv.gz", gzip.compress(b"text " * 100_000))
    one = explained(ana, "a.csv.gz")
    assert one["what"] == "gzip archive"
    assert "uncompressed" in one["advice"][0]


def test_a_database_that_moves_its_pages_is_told_so(ana: Clone) -> None:
    with closing(sqlite3.connect(ana.path / "a.sqlite")) as database:
        database.execute("PRAGMA auto_vacuum = FULL")
        database.execute("CREATE TABLE t (a)")
        database.commit()
    one = explained(ana, "a.sqlite")
    assert one["what"] == "SQLite, pages of 4096 bytes"
    assert any("auto_vacuum = NONE" in text for text in one["advice"])


def test_people_get_lines(ana: Clone) -> None:
    ana.write("a.txt", "x\n")
    assert "would be sent as identity: 2 B (100.0 %)" in ana.data("add", "--explain", "a.txt").out


def test_what_is_not_there(ana: Clone) -> None:
    assert "nothing was looked at" in ana.data("add", "--explain", "a.txt", code=3).err
