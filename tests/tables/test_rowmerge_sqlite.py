"""Three-way merges of databases: what a schema says beside columns must not be lost, nor decide by itself."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from git_datamanager.errors import Conflict, Corrupt, DataError
from git_datamanager.tables.merging import sqlite as merge_sqlite
from git_datamanager.tables.merging.decisions import Decisions
from git_datamanager.tables.merging.merged import RowMerge, Take
from tests.tables.making import Statements, database

BASE = ("CREATE TABLE t (id INTEGER PRIMARY KEY, a, b)", "INSERT INTO t VALUES (1, 'a', 'b'), (2, 'a', 'b')")
EDIT = (*BASE, "UPDATE t SET a = 'ours' WHERE id = 1", "INSERT INTO t VALUES (3, 3, 3)")


def merged(
    folder: Path,
    base: Statements,
    ours: Statements,
    theirs: Statements,
    take: Take | None = None,
    keys: dict[str, tuple[str, ...]] | None = None,
    encodings: Sequence[str] = ("UTF-8",) * 3,
) -> tuple[RowMerge, Path]:
    """Of three databases made so. Nothing but the result is left in the folder, and no side is written to."""
    folder = folder / "merge"
    folder.mkdir(exist_ok=True)
    sides = [
        database(folder / name, *script, encoding=encoding)
        for name, script, encoding in zip(
            ("base", "ours", "theirs"), (base, ours, theirs), encodings, strict=True
        )
    ]
    before = {path: path.read_bytes() for path in sides}
    out = folder / "out"
    out.unlink(missing_ok=True)
    try:
        found = merge_sqlite.merge(*sides, out, keys or {}, Decisions.all(take))
        assert out.exists() == found.is_written
    finally:
        assert {path: path.read_bytes() for path in sides} == before
        assert {path.name for path in folder.iterdir()} <= {"base", "ours", "theirs", "out"}
    if out.exists():
        assert ask(out, "PRAGMA integrity_check") == [("ok",)]
    return found, out


def ask(path: Path, sql: str = "SELECT * FROM t ORDER BY 1") -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as opened:
        return opened.execute(sql).fetchall()


def told(found: RowMerge) -> list[tuple[str, str]]:
    return [(clash.table, clash.what) for clash in found.clashes]


def test_a_check_that_only_theirs_declares_comes_with_the_rows(tmp_path: Path) -> None:
    checked = BASE[0].replace("a, b", "a CHECK (a <> 'bad'), b")
    _, out = merged(tmp_path, BASE, EDIT, (checked, BASE[1], "DELETE FROM t WHERE id = 2"))
    assert ask(out) == [(1, "ours", "b"), (3, 3, 3)]
    assert ask(out, "SELECT sql FROM sqlite_schema") == [(checked,)]
    _, out = merged(tmp_path, BASE, BASE, (checked, BASE[1]))
    assert ask(out, "SELECT sql FROM sqlite_schema") == [(checked,)]
    with pytest.raises(Conflict, match="CHECK"):
        merged(tmp_path, BASE, (*EDIT, "UPDATE t SET a = 'bad'"), (checked, BASE[1]))


def test_two_declarations_clash_as_a_table(tmp_path: Path) -> None:
    scripts = [(BASE[0].replace("a, b", f"a CHECK (a <> {n}), b"), BASE[1]) for n in (7, 8)]
    found, _ = merged(tmp_path, BASE, *scripts)
    assert told(found) == [("t", "table")]
    for take, sql in zip(Take, (scripts[0][0], scripts[1][0], BASE[0]), strict=True):
        _, out = merged(tmp_path, BASE, *scripts, take)
        assert ask(out, "SELECT sql FROM sqlite_schema") == [(sql,)]


@pytest.mark.parametrize("is_turned", [False, True])
def test_a_column_of_one_side_and_rows_of_the_other(tmp_path: Path, is_turned: bool) -> None:
    wide = (
        *BASE,
        "ALTER TABLE t ADD COLUMN c TEXT DEFAULT 5",
        "UPDATE t SET c = 'x', b = 'w' WHERE id = 1",
        "INSERT INTO t VALUES (4, 4, 4, 4)",
    )
    sides = (wide, EDIT) if is_turned else (EDIT, wide)
    found, out = merged(tmp_path, BASE, *sides)
    assert not found.clashes
    assert ask(out) == [(1, "ours", "w", "x"), (2, "a", "b", "5"), (3, 3, 3, "5"), (4, 4, 4, "4")]


def test_a_column_that_one_side_took_away_and_rows_of_the_other_clash(tmp_path: Path) -> None:
    narrow = (*BASE, "ALTER TABLE t DROP COLUMN b")
    found, _ = merged(tmp_path, BASE, EDIT, narrow)
    assert told(found) == [("t", "table")]
    for take, width in ((Take.OURS, 3), (Take.THEIRS, 2), (Take.BASE, 3)):
        _, out = merged(tmp_path, BASE, EDIT, narrow, take)
        assert len(ask(out)[0]) == width
        assert len(ask(out)) == (3 if take is Take.OURS else 2)


def test_a_dropped_table_comes_back_as_it_was(tmp_path: Path) -> None:
    _, out = merged(tmp_path, BASE, ("DROP TABLE IF EXISTS t",), EDIT, Take.BASE)
    assert ask(out) == [(1, "a", "b"), (2, "a", "b")]
    _, out = merged(tmp_path, BASE, EDIT, ("DROP TABLE IF EXISTS t",), Take.BASE)
    assert ask(out) == [(1, "a", "b"), (2, "a", "b")]


@pytest.mark.parametrize("word", ["REPLACE", "IGNORE"])
def test_a_table_that_gives_way_by_itself_still_says_so(tmp_path: Path, word: str) -> None:
    base = (f"CREATE TABLE t (id INTEGER PRIMARY KEY, a UNIQUE ON CONFLICT {word})",)
    with pytest.raises(Conflict, match="UNIQUE"):
        merged(
            tmp_path, base, (*base, "INSERT INTO t VALUES (1, 'x')"), (*base, "INSERT INTO t VALUES (2, 'x')")
        )


def test_a_trigger_on_a_view_is_there_afterwards(tmp_path: Path) -> None:
    base = (
        *BASE,
        "CREATE VIEW v AS SELECT * FROM t",
        "CREATE TRIGGER g INSTEAD OF INSERT ON v BEGIN INSERT INTO t VALUES (9, 9, 9); END",
    )
    _, out = merged(tmp_path, base, base, (*base, "DELETE FROM t WHERE id = 1"))
    assert ask(out, "SELECT name FROM sqlite_schema WHERE type <> 'table' ORDER BY 1") == [("g",), ("v",)]


def test_rows_without_a_key_go_before_others_come(tmp_path: Path) -> None:
    base = ("CREATE TABLE t (a UNIQUE, b)", "INSERT INTO t VALUES (1, 'z')")
    _, out = merged(tmp_path, base, base, (*base, "UPDATE t SET b = 'a'"))
    assert ask(out) == [(1, "a")]


def test_a_column_in_the_place_of_the_row_number(tmp_path: Path) -> None:
    base = ("CREATE TABLE t (rowid TEXT, b)", "INSERT INTO t VALUES ('x', 1), ('x', 2)")
    _, out = merged(tmp_path, base, base, (*base, "DELETE FROM t WHERE b = 1"))
    assert ask(out) == [("x", 2)]
    taken = ("CREATE TABLE t (rowid, _rowid_, oid)", "INSERT INTO t VALUES (1, 2, 3)")
    with pytest.raises(DataError, match="row numbers"):
        merged(tmp_path, taken, taken, (*taken, "DELETE FROM t"))


def test_texts_that_are_no_utf8_are_moved_as_they_are(tmp_path: Path) -> None:
    base = ("CREATE TABLE t (a)", "CREATE TABLE k (id TEXT PRIMARY KEY, v)")
    rotten = "CAST(x'ff41' AS TEXT)"
    theirs = (*base, f"INSERT INTO t VALUES ({rotten})", f"INSERT INTO k VALUES ({rotten}, {rotten})")  # noqa: S608
    _, out = merged(tmp_path, base, base, theirs)
    assert ask(out, "SELECT hex(a) FROM t") == [("FF41",)]
    assert ask(out, "SELECT hex(id), hex(v) FROM k") == [("FF41", "FF41")]


def test_a_foreign_key_that_refers_to_nothing_stops_nobody(tmp_path: Path) -> None:
    base = (
        *BASE,
        "CREATE TABLE p (x)",
        "CREATE TABLE c (id INTEGER PRIMARY KEY, p REFERENCES p (x))",
        "INSERT INTO c VALUES (1, 1)",
    )
    _, out = merged(tmp_path, base, base, (*base, "DELETE FROM t"))
    assert ask(out) == []


def test_a_broken_key_of_one_table_does_not_excuse_another(tmp_path: Path) -> None:
    base = (
        "CREATE TABLE p (id INTEGER PRIMARY KEY)",
        "INSERT INTO p VALUES (1)",
        "CREATE TABLE c (id INTEGER PRIMARY KEY, p REFERENCES p)",
        "CREATE TABLE d (id INTEGER PRIMARY KEY, p REFERENCES p)",
        "INSERT INTO d VALUES (1, 99)",
    )
    with pytest.raises(Conflict, match="FOREIGN KEY"):
        merged(tmp_path, base, (*base, "DELETE FROM p"), (*base, "INSERT INTO c VALUES (1, 1)"))


def test_a_unique_index_goes_before_the_rows_it_forbids(tmp_path: Path) -> None:
    base = (*BASE[:1], "CREATE UNIQUE INDEX i ON t (a)", "INSERT INTO t VALUES (1, 1, 1)")
    _, out = merged(
        tmp_path,
        base,
        (*base, "INSERT INTO t VALUES (2, 2, 2)"),
        (*base, "DROP INDEX i", "INSERT INTO t VALUES (3, 1, 1)"),
    )
    assert [row[0] for row in ask(out)] == [1, 2, 3]
    assert ask(out, "SELECT name FROM sqlite_schema WHERE type = 'index'") == []


def test_a_table_of_a_name_we_use(tmp_path: Path) -> None:
    base = ("CREATE TABLE changed (id INTEGER PRIMARY KEY, v)", "CREATE TABLE counted (v)")
    theirs = (
        *base,
        "INSERT INTO changed VALUES (1, 1)",
        "INSERT INTO counted VALUES (1)",
        "CREATE INDEX i ON changed (v)",
        "CREATE INDEX j ON counted (v)",
    )
    _, out = merged(tmp_path, base, base, theirs)
    assert ask(out, "SELECT name FROM sqlite_schema WHERE type = 'index' ORDER BY 1") == [("i",), ("j",)]


def test_numbers_are_never_given_twice(tmp_path: Path) -> None:
    base = (
        "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, v)",
        "CREATE TABLE u (id INTEGER PRIMARY KEY AUTOINCREMENT)",
    )
    theirs = (
        *base,
        "INSERT INTO t VALUES (50, 1)",
        "DELETE FROM t",
        "INSERT INTO t VALUES (7, 1)",
        "INSERT INTO u VALUES (8)",
        "DELETE FROM u",
    )
    _, out = merged(tmp_path, base, (*base, "INSERT INTO t VALUES (3, 1)"), theirs)
    assert ask(out, "SELECT * FROM sqlite_sequence ORDER BY 1") == [("t", 50), ("u", 8)]


def test_settings_of_both_sides(tmp_path: Path) -> None:
    _, out = merged(tmp_path, BASE, EDIT, (*BASE, "PRAGMA user_version = 7"))
    assert ask(out, "PRAGMA user_version") == [(7,)]
    found, _ = merged(tmp_path, BASE, (*EDIT, "PRAGMA user_version = 8"), (*BASE, "PRAGMA user_version = 7"))
    assert [clash[:7] for clash in found.clashes] == [("user_version", "setting", (), None, 0, 8, 7)]


def test_what_cannot_stand_in_one_database_is_no_damage(tmp_path: Path) -> None:
    with pytest.raises(Conflict, match="already"):
        merged(tmp_path, BASE, (*BASE, "CREATE VIEW x AS SELECT 1"), (*BASE, "CREATE TABLE x (y)"))
    with pytest.raises(Conflict, match="no such table"):
        merged(
            tmp_path,
            (*BASE, "CREATE TABLE u (x)"),
            (*BASE, "CREATE TABLE u (x)", "CREATE INDEX i ON u (x)"),
            BASE,
        )


def test_a_wished_key_that_is_none_gives_way_to_the_declared_one(tmp_path: Path) -> None:
    base = (
        "CREATE TABLE t (id TEXT PRIMARY KEY, a, b) WITHOUT ROWID",
        "INSERT INTO t VALUES (1, 'a', 'b'), (2, 'a', 'b')",
    )
    _, out = merged(
        tmp_path,
        base,
        (*base, "UPDATE t SET a = 'o' WHERE id = 1"),
        (*base, "UPDATE t SET b = 't' WHERE id = 1"),
        keys={"": ("a",)},
    )
    assert ask(out) == [("1", "o", "t"), ("2", "a", "b")]


def test_generated_columns_are_made_anew(tmp_path: Path) -> None:
    base = (
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a, s AS (a || '!') STORED, v AS (a || '?'))",
        "INSERT INTO t VALUES (1, 'x'), (2, 'y')",
    )
    _, out = merged(
        tmp_path,
        base,
        (*base, "UPDATE t SET a = 'o' WHERE id = 1"),
        (*base, "UPDATE t SET a = 't' WHERE id = 2"),
        keys={"": ("s",)},
    )
    assert ask(out) == [(1, "o", "o!", "o?"), (2, "t", "t!", "t?")]


@pytest.mark.parametrize("turned", [False, True])
def test_databases_of_several_encodings(tmp_path: Path, turned: bool) -> None:
    base = (
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b)",
        "INSERT INTO t VALUES (1, 'ü😀', x'00'), (2, 'y', 1)",
        "CREATE TABLE s (n INTEGER PRIMARY KEY AUTOINCREMENT)",
        "INSERT INTO s VALUES (4)",
        "CREATE INDEX i ON t (a)",
        "CREATE VIEW v AS SELECT a FROM t",
    )
    encodings = ("UTF-16le", "UTF-8", "UTF-16be")
    found, out = merged(
        tmp_path,
        base,
        (*base, "UPDATE t SET b = 2 WHERE id = 2"),
        (*base, "UPDATE t SET a = 'é' WHERE id = 1"),
        encodings=encodings[::-1] if turned else encodings,
    )
    assert not found.clashes
    assert ask(out) == [(1, "é", b"\0"), (2, "y", 2)]
    assert ask(out, "SELECT count(*) FROM sqlite_schema WHERE type <> 'table'") == [(2,)]


def test_logs_are_not_left_beside_the_result(tmp_path: Path) -> None:
    script = ("PRAGMA journal_mode = WAL", *BASE)
    _, out = merged(
        tmp_path, script, (*script, "DELETE FROM t WHERE id = 1"), (*script, "DELETE FROM t WHERE id = 2")
    )
    assert ask(out) == []


@pytest.mark.parametrize(
    "declared",
    [
        "id INTEGER PRIMARY KEY",
        pytest.param("id TEXT PRIMARY KEY NOT NULL COLLATE NOCASE", marks=pytest.mark.slow),
        pytest.param("id", marks=pytest.mark.slow),
    ],
)
def test_many_rows_are_not_looked_for_one_by_one(tmp_path: Path, declared: str) -> None:
    """Where each is compared with each this takes minutes."""
    base = (f"CREATE TABLE t ({declared}, a, b)",
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)"
            " INSERT INTO t SELECT i, 0, 0 FROM n")  # fmt: skip
    ours, theirs = (*base, "UPDATE t SET a = 1 WHERE id % 2"), (*base, "UPDATE t SET b = 1 WHERE NOT id % 2")
    _, out = merged(tmp_path, base, ours, theirs)
    assert ask(out, "SELECT sum(a), sum(b), count(*) FROM t") == [(15000, 15000, 30000)]


def test_a_side_that_is_damaged(tmp_path: Path) -> None:
    sides = [database(tmp_path / name, *script) for name, script in (("b", BASE), ("o", EDIT), ("t", BASE))]
    sides[2].write_bytes(sides[2].read_bytes()[:4096])
    with pytest.raises(Corrupt):
        merge_sqlite.merge(*sides, tmp_path / "out", {}, Decisions())
    assert not (tmp_path / "out").exists()


# Virtual tables

FTS = (
    "CREATE VIRTUAL TABLE f USING fts5(x, y UNINDEXED)",
    "INSERT INTO f(rowid, x, y) VALUES (1, 'one', 1), (2, 'two', 2)",
)


@pytest.mark.parametrize("module", ["fts5", "fts4"])
def test_texts_of_both_sides_are_found(tmp_path: Path, module: str) -> None:
    base = (f"CREATE VIRTUAL TABLE f USING {module}(x, y)", *FTS[1:])
    _, out = merged(
        tmp_path,
        base,
        (*base, "UPDATE f SET x = 'ours' WHERE rowid = 1"),
        (
            *base,
            "UPDATE f SET y = 'theirs' WHERE rowid = 1",
            "DELETE FROM f WHERE rowid = 2",
            "INSERT INTO f(rowid, x) VALUES (5, 'five')",
        ),
    )
    assert ask(out, "SELECT rowid, x, y FROM f ORDER BY 1") == [(1, "ours", "theirs"), (5, "five", None)]
    assert ask(out, "SELECT rowid FROM f WHERE f MATCH 'ours'") == [(1,)]
    assert ask(out, "SELECT rowid FROM f WHERE f MATCH 'one OR two'") == []


def test_texts_that_both_changed_clash(tmp_path: Path) -> None:
    sides = [(*FTS, f"UPDATE f SET x = '{word}' WHERE rowid = 1") for word in ("o", "t")]  # noqa: S608
    found, _ = merged(tmp_path, FTS, *sides)
    assert [clash[:7] for clash in found.clashes] == [("f", "cell", (1,), "x", "one", "o", "t")]
    _, out = merged(tmp_path, FTS, *sides, Take.THEIRS)
    assert ask(out, "SELECT rowid FROM f WHERE f MATCH 't'") == [(1,)]


def test_an_index_of_another_table_is_made_anew(tmp_path: Path) -> None:
    base = (
        "CREATE TABLE t (id INTEGER PRIMARY KEY, x)",
        "INSERT INTO t VALUES (1, 'one'), (2, 'two')",
        "CREATE VIRTUAL TABLE f USING fts5(x, content='t', content_rowid='id')",
        "INSERT INTO f(f) VALUES ('rebuild')",
        "CREATE TRIGGER g AFTER INSERT ON t BEGIN INSERT INTO f(rowid, x) VALUES (new.id, new.x); END",
    )
    _, out = merged(
        tmp_path,
        base,
        (*base, "INSERT INTO t VALUES (3, 'three')"),
        (*base, "INSERT INTO t VALUES (4, 'four')"),
    )
    assert ask(out, "SELECT rowid FROM f WHERE f MATCH 'three OR four' ORDER BY 1") == [(3,), (4,)]
    with closing(sqlite3.connect(out)) as opened:
        opened.execute("INSERT INTO f(f, rank) VALUES ('integrity-check', 1)")


def test_trees_of_both_sides(tmp_path: Path) -> None:
    base = (
        "CREATE VIRTUAL TABLE r USING rtree(id, x1, x2, +note)",
        "INSERT INTO r VALUES (1, 0.1, 1.1, 'a'), (2, 2, 3, 'b')",
    )
    _, out = merged(
        tmp_path,
        base,
        (*base, "UPDATE r SET note = 'ours' WHERE id = 1"),
        (
            *base,
            "UPDATE r SET x2 = 9 WHERE id = 1",
            "DELETE FROM r WHERE id = 2",
            "INSERT INTO r VALUES (3, 5, 6, 'c')",
        ),
    )
    assert ask(out, "SELECT id, x2, note FROM r ORDER BY 1") == [(1, 9.0, "ours"), (3, 6.0, "c")]
    assert ask(out, "SELECT rtreecheck('r')") == [("ok",)]


def test_virtual_tables_that_came_and_went(tmp_path: Path) -> None:
    _, out = merged(tmp_path, BASE, EDIT, (*BASE, *FTS))
    assert ask(out, "SELECT rowid FROM f WHERE f MATCH 'two'") == [(2,)]
    _, out = merged(tmp_path, (*BASE, *FTS), (*EDIT, *FTS), BASE)
    assert ask(out, "SELECT name FROM sqlite_schema") == [("t",)]
    found, _ = merged(tmp_path, FTS, (*FTS, "DELETE FROM f WHERE rowid = 1"), ("DROP TABLE IF EXISTS f",))
    assert told(found) == [("f", "virtual table")]


@pytest.mark.parametrize("declared", ["fts5(x, content='')", 'fts4(x, languageid="lid")'])
def test_a_virtual_table_that_keeps_nothing_to_ask(tmp_path: Path, declared: str) -> None:
    base = (f"CREATE VIRTUAL TABLE f USING {declared}",)
    with pytest.raises(DataError, match="virtual table") as caught:
        merged(tmp_path, base, base, (*base, "CREATE TABLE x (y)"))
    assert "DROP TABLE" in caught.value.hints[0]
