"""Row diffs of SQLite databases: against an oracle, and against what a database can be."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_datamanager.tables.compare import Wish
from git_datamanager.tables.result import SourceDiff
from git_datamanager.tables.schema import Change
from git_datamanager.tables.source import compare
from tests.tables.making import ALL, database, only
from tests.tables.oracle import applied, counted, keyed_counts, multiset_counts


def rows_of(path: Path, table: str = "t") -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as opened:
        return opened.execute(f'SELECT * FROM "{table}"').fetchall()  # noqa: S608 -- a name of ours


def diff(tmp_path: Path, before: Sequence[object], after: Sequence[object], wish: Wish = ALL) -> SourceDiff:
    old = database(tmp_path / "old.sqlite", *before)  # type: ignore[arg-type]
    new = database(tmp_path / "new.sqlite", *after)  # type: ignore[arg-type]
    return compare(old, new, "a.sqlite", wish)


# Any cells: SQLite stores them by the affinity of the column

cells = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-3, 3),
    st.floats(allow_nan=False),
    st.sampled_from([0.0, 1.0, 2.0]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
    st.sampled_from(["1", "a", "A", ""]),
    st.binary(max_size=4),
    st.sampled_from([b"1", b"a"]),
)
types = st.sampled_from(["", "INTEGER", "TEXT", "REAL", "NUMERIC", "BLOB", "TEXT COLLATE NOCASE", "ANY"])


@given(
    declared=st.tuples(types, types),
    before=st.dictionaries(st.integers(0, 9), st.tuples(cells, cells), max_size=8),
    after=st.dictionaries(st.integers(0, 9), st.tuples(cells, cells), max_size=8),
)
def test_keyed_rows_as_the_oracle_has_them(
    tmp_path_factory: pytest.TempPathFactory, declared: tuple[str, str], before: dict, after: dict
) -> None:
    folder = tmp_path_factory.mktemp("keyed")
    create = f"CREATE TABLE t (id INTEGER PRIMARY KEY, a {declared[0]}, b {declared[1]})"
    paths = [
        database(
            folder / name, create, ("INSERT INTO t VALUES (?, ?, ?)", [(k, *v) for k, v in rows.items()])
        )
        for name, rows in (("old", before), ("new", after))
    ]
    found = compare(*paths, "a.sqlite", ALL)
    old, new = map(rows_of, paths)
    if found.is_same_bytes:
        assert counted(old) == counted(new)
        return
    table = only(found)
    assert (table.added, table.removed, table.changed) == keyed_counts(old, new, [0])
    assert applied(table, old) == counted(new)
    assert table.is_complete
    assert found.is_same_data == (counted(old) == counted(new))
    for row in table.samples:
        assert row.change is not Change.CHANGED or list(table.cells(row))


@given(
    declared=st.tuples(types, types),
    then=st.tuples(types, types),
    before=st.lists(st.tuples(cells, cells), max_size=8),
    after=st.lists(st.tuples(cells, cells), max_size=8),
    shared=st.lists(st.tuples(cells, cells), max_size=4),
)
def test_rows_without_a_key_as_multisets(
    tmp_path_factory: pytest.TempPathFactory,
    declared: tuple[str, str],
    then: tuple[str, str],
    before: list,
    after: list,
    shared: list,
) -> None:
    folder = tmp_path_factory.mktemp("multiset")
    sides = (("old", declared, before + shared), ("new", then, shared + after))
    paths = [
        database(folder / name, f"CREATE TABLE t (a {one}, b {two})", ("INSERT INTO t VALUES (?, ?)", rows))
        for name, (one, two), rows in sides
    ]
    found = compare(*paths, "a.sqlite", ALL)
    old, new = map(rows_of, paths)
    if found.is_same_bytes:
        assert counted(old) == counted(new)
        return
    table = only(found)
    assert (table.added, table.removed) == multiset_counts(old, new)
    assert applied(table, old) == counted(new)
    assert (table.key, table.changed) == ((), 0)


keys = st.one_of(
    st.none(), st.sampled_from(["a", "A", "b", ""]), st.integers(0, 2), st.sampled_from([b"a", 1.5])
)


@given(
    before=st.lists(st.tuples(keys, keys, cells), max_size=7),
    after=st.lists(st.tuples(keys, keys, cells), max_size=7),
    collation=st.sampled_from(["", "COLLATE NOCASE"]),
)
def test_keys_that_may_be_missing(
    tmp_path_factory: pytest.TempPathFactory, before: list, after: list, collation: str
) -> None:
    """SQLite lets a primary key hold NULL, any number of times."""
    folder = tmp_path_factory.mktemp("holes")
    create = f"CREATE TABLE t (x {collation}, y, v, PRIMARY KEY (x, y))"
    paths = [
        database(folder / name, create, ("INSERT OR IGNORE INTO t VALUES (?, ?, ?)", rows))
        for name, rows in (("old", before), ("new", after))
    ]
    found = compare(*paths, "a.sqlite", ALL)
    if not found.is_same_bytes:
        assert applied(only(found), rows_of(paths[0])) == counted(rows_of(paths[1]))


def test_cells_of_a_retyped_column_are_shown_as_they_are_stored(tmp_path: Path) -> None:
    """United with reals integers would become reals, and lose digits."""
    create, insert = "CREATE TABLE t (v {})", "INSERT INTO t VALUES (?)"
    found = diff(
        tmp_path,
        [create.format("REAL"), (insert, [(1,), (2.5,)])],
        [create.format("INTEGER"), (insert, [(1,), (2.5,), (2**53 + 1,)])],
    )
    table = only(found)
    assert {(row.before, row.after) for row in table.samples} == {
        ((1.0,), None), (None, (1,)), (None, (2**53 + 1,)),
    }  # fmt: skip
    assert all(type(row.after[0]) is int for row in table.samples if row.after)


@pytest.mark.parametrize("declared", ["k TEXT COLLATE RTRIM, v", "k TEXT PRIMARY KEY COLLATE RTRIM, v"])
def test_no_row_is_lost_under_a_key_that_ignores_blanks(tmp_path: Path, declared: str) -> None:
    """SQLite 3.38 to 3.40 looks such keys up by their length; the copy of a UTF-16 database has no index."""
    insert = "INSERT INTO t VALUES (?, ?)"
    old = database(tmp_path / "old", f"CREATE TABLE t ({declared})", (insert, [("a ", 1), ("b", 2)]))
    for encoding in ("UTF-8", "UTF-16le"):
        new = database(
            tmp_path / "new", f"CREATE TABLE t ({declared})", (insert, [("a", 1), ("b", 2)]),
            encoding=encoding,
        )  # fmt: skip
        table = only(compare(old, new, "a.sqlite", Wish(rows=None, keys={"": ("k",)})))
        assert table.key == ("k",)
        assert applied(table, rows_of(old)) == counted(rows_of(new))


# What a table can be

CREATE = "CREATE TABLE t (id INTEGER PRIMARY KEY, v)"


def test_cells_of_a_changed_row(tmp_path: Path) -> None:
    create, insert = "CREATE TABLE t (k TEXT PRIMARY KEY NOT NULL, a, b)", "INSERT INTO t VALUES (?, ?, ?)"
    found = diff(
        tmp_path,
        [create, (insert, [("x", 1, "o"), ("y", 2, "p")])],
        [create, (insert, [("x", 1, "q"), ("z", 2, "p")])],
    )
    table = only(found)
    assert [row.change for row in table.samples] == [Change.CHANGED, Change.ADDED, Change.REMOVED]
    changed = table.samples[0]
    assert table.key_of(changed) == ("x",)
    assert list(table.cells(changed)) == [("b", "o", "q")]
    assert (table.rows_before, table.rows_after, table.unchanged) == (2, 2, 0)


def test_bytes_changed_and_data_same(tmp_path: Path) -> None:
    found = diff(
        tmp_path,
        [CREATE, "INSERT INTO t VALUES (1, 'a'), (2, 'b')"],
        [CREATE, "INSERT INTO t VALUES (2, 'b'), (1, 'x')", "UPDATE t SET v = 'a' WHERE id = 1", "VACUUM"],
    )
    assert not found.is_same_bytes
    assert found.is_same_data


def test_columns_that_came_went_and_changed_their_type(tmp_path: Path) -> None:
    found = diff(
        tmp_path,
        [
            "CREATE TABLE t (id INTEGER PRIMARY KEY, gone, kept INT)",
            "INSERT INTO t VALUES (1, 'x', 5), (2, NULL, 6)",
        ],
        [
            "CREATE TABLE t (id INTEGER PRIMARY KEY, kept TEXT, new)",
            "INSERT INTO t VALUES (1, '5', 'n'), (2, '6', 'm')",
        ],
    )
    table = only(found)
    assert [(c.name, c.change, c.filled) for c in table.columns] == [
        ("kept", Change.CHANGED, None),
        ("new", Change.ADDED, 2),
        ("gone", Change.REMOVED, 1),
    ]
    assert table.changed == 2  # 5 is not '5'


def test_tables_that_came_and_went(tmp_path: Path) -> None:
    found = diff(
        tmp_path,
        ["CREATE TABLE a (x)", "INSERT INTO a VALUES (1), (2)"],
        ["CREATE TABLE b (x)", "INSERT INTO b VALUES (3)"],
        Wish(rows=1),
    )
    came, went = found.tables
    assert (came.name, came.change, came.added, came.rows_before) == ("b", Change.ADDED, 1, None)
    assert (went.name, went.change, went.removed, len(went.samples)) == ("a", Change.REMOVED, 2, 1)
    assert not went.is_complete


@pytest.mark.parametrize(
    ("declared", "is_keyed"),
    [
        ("k TEXT, v, PRIMARY KEY (k))", True),
        ("k TEXT NOT NULL, v, PRIMARY KEY (k)) WITHOUT ROWID", True),
        ("k INT NOT NULL, v ANY, PRIMARY KEY (k)) STRICT", True),
        ("k TEXT COLLATE NOCASE PRIMARY KEY, v)", True),
        ("k, v, rowid)", False),
        ("rowid, oid, _rowid_, k, v)", False),
    ],
)
def test_every_kind_of_table(tmp_path: Path, declared: str, is_keyed: bool) -> None:
    create = f"CREATE TABLE t ({declared}"
    rows = "INSERT INTO t (k, v) VALUES (1, 'a'), (2, 'b'), (3, 'c')"
    found = diff(
        tmp_path,
        [create, rows],
        [create, rows, "UPDATE t SET v = 'B' WHERE k = 2", "DELETE FROM t WHERE k = 3"],
    )
    table = only(found)
    assert (table.added, table.removed, table.changed) == ((0, 1, 1) if is_keyed else (1, 2, 0))
    assert bool(table.key) == is_keyed
    assert applied(table, rows_of(tmp_path / "old.sqlite")) == counted(rows_of(tmp_path / "new.sqlite"))


def test_a_key_that_is_asked_for(tmp_path: Path) -> None:
    create = "CREATE TABLE t (a, b, v)"
    old, new = [(1, 1, "x"), (1, 2, "y")], [(1, 1, "z"), (1, 2, "y")]
    before, after = (
        [create, ("INSERT INTO t VALUES (?,?,?)", old)],
        [create, ("INSERT INTO t VALUES (?,?,?)", new)],
    )
    table = only(diff(tmp_path, before, after, Wish(keys={"": ("A", "b")})))
    assert (table.key, table.changed, table.note) == (("a", "b"), 1, None)
    table = only(diff(tmp_path, before, after, Wish(keys={"t": ("a",)})))
    assert (table.key, table.added, table.removed) == ((), 1, 1)
    assert table.note == "several rows have one key (a) on the before side: rows are compared as a whole"
    table = only(diff(tmp_path, before, after, Wish(keys={"t": ("none",)})))
    assert table.note == "the key column none is not on both sides: rows are compared as a whole"


def test_rows_without_their_key_do_not_spoil_the_others(tmp_path: Path) -> None:
    create = "CREATE TABLE t (k TEXT PRIMARY KEY, v)"
    found = diff(
        tmp_path,
        [create, "INSERT INTO t VALUES ('a', 1), (NULL, 2), (NULL, 3)"],
        [create, "INSERT INTO t VALUES ('a', 9), (NULL, 2), (NULL, 4), (NULL, 4)"],
    )
    table = only(found)
    assert (table.added, table.removed, table.changed) == (2, 1, 1)
    assert table.note is not None
    assert table.note.endswith("2 before, 3 after; those are compared as a whole")


def test_what_stands_beside_the_tables(tmp_path: Path) -> None:
    found = diff(
        tmp_path,
        [
            "CREATE TABLE t (a)",
            "CREATE INDEX i ON t (a)",
            "CREATE VIEW w AS SELECT 1",
            "PRAGMA user_version = 1",
        ],
        [
            "CREATE TABLE t (a)",
            "CREATE INDEX  i ON  t (a)",
            "CREATE VIEW w AS SELECT 2",
            "CREATE TRIGGER g DELETE ON t BEGIN SELECT 1; END",
            "PRAGMA user_version = 2",
        ],
    )
    assert [(t.change, t.kind, t.name) for t in found.things] == [
        (Change.CHANGED, "setting", "user_version"),
        (Change.ADDED, "trigger", "g"),
        (Change.CHANGED, "view", "w"),
    ]
    assert not found.is_same_data


@pytest.mark.parametrize("other", ["UTF-16le", "UTF-16be"])
def test_databases_of_two_encodings(tmp_path: Path, other: str) -> None:
    create = "CREATE TABLE t (k TEXT PRIMARY KEY, v, w INTEGER, x REAL)"
    rows = [("ä", "ö", 1, 2.0), ("b", b"\xff", None, 0.5), ("c", 1, "no number", 7)]
    fill = ("INSERT INTO t VALUES (?,?,?,?)", rows)
    old = database(tmp_path / "old", create, fill)
    same = database(tmp_path / "same", create, fill, encoding=other)
    found = compare(old, same, "a.sqlite", ALL)
    assert found.is_same_data
    assert only(found).columns == ()
    new = database(tmp_path / "new", create, fill, "UPDATE t SET v = '1' WHERE k = 'c'", encoding=other)
    table = only(compare(old, new, "a.sqlite", ALL))
    assert [list(table.cells(row)) for row in table.samples] == [[("v", 1, "1")]]
    assert only(compare(new, old, "a.sqlite", ALL)).changed == 1


def test_virtual_tables_are_named_and_their_own_tables_left_out(tmp_path: Path) -> None:
    create = "CREATE VIRTUAL TABLE f USING fts5(x)"
    found = diff(tmp_path, [create], [create, "INSERT INTO f VALUES ('word')"])
    table = only(found)
    assert (table.name, table.is_compared) == ("f", False)
    assert not found.is_same_data


def test_hostile_names(tmp_path: Path) -> None:
    names = ['a"b', "c'd", "e;DROP", "select", "line\nbreak", "\x1b[31m", "ä\u202e", "[x]", "`"]
    create = "CREATE TABLE {} (id INTEGER PRIMARY KEY, {})"
    cells = ", ".join('"' + name.replace('"', '""') + '"' for name in names)
    marks = ", ".join("?" * (len(names) + 1))

    def made(value: int) -> list[object]:
        found: list[object] = []
        for name in names:
            table = '"' + name.replace('"', '""') + '"'
            found += [
                create.format(table, cells),
                (f"INSERT INTO {table} VALUES ({marks})", [(1, *[value] * len(names))]),  # noqa: S608
            ]
        return found

    found = diff(tmp_path, made(1), made(2))
    assert [(t.name, t.changed) for t in found.tables] == [(name, 1) for name in sorted(names, key=str)]


def test_many_columns(tmp_path: Path) -> None:
    """More than one result may have, deeper than one expression may be."""
    names = [f"c{n}" for n in range(1500)]
    create = f"CREATE TABLE t (id INTEGER PRIMARY KEY, {', '.join(names)})"
    fill = "INSERT INTO t (id, c0, c1499) VALUES (1, 1, 1), (2, 2, 2)"
    found = diff(tmp_path, [create, fill], [create, fill, "UPDATE t SET c1499 = 3 WHERE id = 2"])
    table = only(found)
    assert [list(table.cells(row)) for row in table.samples] == [[("c1499", 2, 3)]]


@pytest.mark.parametrize(("declared", "number"), [("", 1999), ("INT", 1999), ("", 2000)])
def test_many_columns_without_a_key(tmp_path: Path, declared: str, number: int) -> None:
    create = f"CREATE TABLE t ({', '.join(f'c{n} {declared}' for n in range(number))})"
    last = f"c{number - 1}"
    fill = f"INSERT INTO t (c0, {last}) VALUES (1, 1), (2, 2)"  # noqa: S608 -- names of ours
    then = f"UPDATE t SET {last} = '3' WHERE c0 = 2"  # noqa: S608
    found = diff(tmp_path, [create, fill], [create, fill, then])
    table = only(found)
    if number == 2000:  # no place for a count among the columns of a result
        assert not table.is_compared
        assert "--key COL[,COL] names one" in (table.note or "")
        keyed = Wish(keys={"": ("c0",)})
        table = only(compare(tmp_path / "old.sqlite", tmp_path / "new.sqlite", "a.sqlite", keyed))
        assert (table.key, table.changed) == (("c0",), 1)
        return
    assert (table.added, table.removed, table.changed) == (1, 1, 0)
    assert table.samples[0].after[-1] == (3 if declared else "3")  # type: ignore[index]


# What a file can be


@pytest.mark.parametrize("now", [b"", b"\x8f" * 5000])
def test_what_is_no_database_any_more_is_said_to_be_no_table(tmp_path: Path, now: bytes) -> None:
    old = database(tmp_path / "old", CREATE)
    (tmp_path / "new").write_bytes(now)
    found = compare(old, tmp_path / "new", "a.sqlite", ALL)
    assert found.kind == "other"
    said = "it was sqlite and is no table (empty, damaged, encrypted, or something else)"
    assert found.note == said


@pytest.mark.parametrize("harm", ["cut", "rotten", "page"])
def test_a_damaged_database_is_said_to_be_one(tmp_path: Path, harm: str) -> None:
    old = database(
        tmp_path / "old", CREATE, ("INSERT INTO t VALUES (?, ?)", [(n, "x" * 500) for n in range(200)])
    )
    new = tmp_path / "new"
    data = bytearray(old.read_bytes())
    if harm == "cut":
        del data[len(data) // 2 :]
    elif harm == "rotten":
        data[100:4000] = b"\xff" * 3900
    else:
        data[5 * 4096 : 6 * 4096] = b"\x0d" + b"\xff" * 4095
    new.write_bytes(data)
    found = compare(old, new, "a.sqlite", ALL)
    assert not found.is_same_data
    said = [found.note or "", *(t.note or "" for t in found.tables)]
    assert any("SQLite cannot read" in text for text in said), said


def test_an_encrypted_database_is_compared_as_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(range(256)) * 64)
    (tmp_path / "b").write_bytes(bytes(range(256)) * 64 + b"more")
    found = compare(tmp_path / "a", tmp_path / "b", "a.sqlite", ALL)
    assert (found.kind, found.size_after) == ("other", 16388)
    assert found.note is not None
    assert "no table" in found.note


def test_nothing_is_written_beside_either_file(tmp_path: Path) -> None:
    for name, value in (("old", 1), ("new", 2)):
        folder = tmp_path / name
        folder.mkdir()
        path = database(
            folder / "a.sqlite",
            "PRAGMA journal_mode = WAL",
            CREATE,
            ("INSERT INTO t VALUES (1, ?)", [(value,)]),
        )
        path.chmod(0o444)
        folder.chmod(0o555)
    before = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in tmp_path.glob("*/*")}
    assert compare(tmp_path / "old/a.sqlite", tmp_path / "new/a.sqlite", "a.sqlite", ALL).changed == 1
    assert {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in tmp_path.glob("*/*")} == before
    for name in ("old", "new"):
        (tmp_path / name).chmod(0o755)


def test_a_cell_that_is_too_big_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("git_datamanager.tables.sqlite.LONGEST", 1 << 20)
    found = diff(
        tmp_path,
        [
            CREATE,
            "INSERT INTO t VALUES (1, zeroblob(2000000))",
            "CREATE TABLE u (a)",
            "INSERT INTO u VALUES (1)",
        ],
        [
            CREATE,
            "INSERT INTO t VALUES (1, zeroblob(2000001))",
            "CREATE TABLE u (a)",
            "INSERT INTO u VALUES (2)",
        ],
    )
    big, small = found.tables
    assert (big.is_compared, big.note) == (False, "a row holds more than 1 MiB: it is too large to compare")
    assert (small.added, small.removed) == (1, 1)


def test_hostile_schemas_run_nothing(tmp_path: Path) -> None:
    """Views, triggers, defaults and virtual generated columns that would do harm are not evaluated."""
    script = [
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v, g AS (v))",
        "CREATE VIEW w AS SELECT load_extension('/tmp/x')",
        "CREATE TRIGGER r AFTER UPDATE OF id ON t BEGIN SELECT load_extension('/tmp/x'); END",
        "INSERT INTO t (id, v) VALUES (1, 1)",
    ]
    turned = [
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_schema SET sql = replace(sql, '(v))', '(zeroblob(2000000000)))') WHERE name = 't'",
    ]
    found = diff(tmp_path, [*script, *turned], [*script, "UPDATE t SET v = 2", *turned])
    table = only(found)
    assert (table.changed, table.note, table.before_columns) == (1, None, ("id", "v"))
