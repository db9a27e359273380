"""Three-way merges of rows: against an oracle, and what cannot be decided."""

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_datamanager.errors import Conflict, DataError
from git_datamanager.tables.merging import duck as merge_duck
from git_datamanager.tables.merging import sqlite as merge_sqlite
from git_datamanager.tables.merging.decisions import Decisions
from git_datamanager.tables.merging.merged import RowMerge, Take

Rows = Mapping[int, tuple[object, object]]
CREATE = "CREATE TABLE t (id INTEGER PRIMARY KEY, a, b)"


def database(path: Path, *statements: str | tuple[str, Sequence[object]]) -> Path:
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as made:
        for statement in statements:
            if isinstance(statement, str):
                made.execute(statement)
            else:
                made.executemany(*statement)
    return path


def merged(
    folder: Path,
    base: Sequence[object] | None,
    ours: Sequence[object],
    theirs: Sequence[object],
    take: Take | None = None,
) -> tuple[RowMerge, Path]:
    paths = [
        database(folder / name, *script) if script is not None else None  # type: ignore[arg-type]
        for name, script in (("base", base), ("ours", ours), ("theirs", theirs))
    ]
    out = folder / "out"
    out.unlink(missing_ok=True)
    before = {path: path.read_bytes() for path in paths if path}
    found = merge_sqlite.merge(paths[0], paths[1], paths[2], out, {}, Decisions.all(take))  # type: ignore[arg-type]
    assert {path: path.read_bytes() for path in paths if path} == before
    assert out.exists() == found.is_written
    return found, out


def rows(path: Path, sql: str = "SELECT * FROM t") -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as opened:
        return opened.execute(sql).fetchall()


def oracle(
    base: Rows, ours: Rows, theirs: Rows, take: Take | None
) -> tuple[dict[int, tuple[object, object]], int]:
    """The rows of the merge, and how many clashes there are."""
    result, clashes = {}, 0
    for key in base.keys() | ours.keys() | theirs.keys():
        b, o, t = base.get(key), ours.get(key), theirs.get(key)
        if o is not None and t is not None:
            cells, is_new = [], b is None
            for n in range(2):
                if o[n] == t[n] or (b is not None and t[n] == b[n]):
                    cells.append(o[n])
                elif b is not None and o[n] == b[n]:
                    cells.append(t[n])
                else:
                    clashes += 1
                    cells.append({Take.THEIRS: t[n], Take.BASE: b[n] if b else None}.get(take, o[n]))  # type: ignore[arg-type]
            if not (is_new and o != t and take is Take.BASE):
                result[key] = (cells[0], cells[1])
        elif b is None:
            result[key] = o or t  # type: ignore[assignment]
        elif o is None and t is None:
            continue
        else:
            left = o or t
            if left == b:
                continue
            clashes += 1
            kept = {Take.OURS: o, Take.THEIRS: t, Take.BASE: b}[take or Take.OURS]
            if kept is not None:
                result[key] = kept
    return result, clashes


cells = st.sampled_from([None, 1, 2, "1", "x", b"x", 1.5])
tables = st.dictionaries(st.integers(0, 5), st.tuples(cells, cells), max_size=6)


@given(base=tables, ours=tables, theirs=tables, take=st.sampled_from([None, *Take]))
def test_rows_with_a_key(
    tmp_path_factory: pytest.TempPathFactory, base: Rows, ours: Rows, theirs: Rows, take: Take | None
) -> None:
    scripts = [
        [CREATE, ("INSERT INTO t VALUES (?, ?, ?)", [(k, *v) for k, v in side.items()])]
        for side in (base, ours, theirs)
    ]
    found, out = merged(tmp_path_factory.mktemp("merge"), *scripts, take)
    wanted, clashes = oracle(base, ours, theirs, take)
    if found.is_written:
        assert sorted(rows(out), key=str) == sorted(((k, *v) for k, v in wanted.items()), key=str)
    if set(map(str, theirs.items())) != set(map(str, base.items())):
        assert found.clash_count == clashes
    assert found.is_written == (take is not None or not found.clash_count)


@given(
    base=st.lists(st.tuples(cells), max_size=4), ours=st.lists(st.tuples(cells), max_size=4),
    theirs=st.lists(st.tuples(cells), max_size=4), take=st.sampled_from(list(Take)),
)  # fmt: skip
def test_rows_without_a_key(
    tmp_path_factory: pytest.TempPathFactory, base: list, ours: list, theirs: list, take: Take
) -> None:
    scripts = [["CREATE TABLE t (a)", ("INSERT INTO t VALUES (?)", side)] for side in (base, ours, theirs)]
    _, out = merged(tmp_path_factory.mktemp("merge"), *scripts, take)
    b, o, t = (Counter(map(repr, side)) for side in (base, ours, theirs))
    wanted = Counter()
    for row in b.keys() | o.keys() | t.keys():
        clash = {Take.OURS: o, Take.THEIRS: t, Take.BASE: b}[take][row]
        both = o[row] if o[row] == t[row] else clash
        wanted[row] = o[row] if t[row] == b[row] else t[row] if o[row] == b[row] else both
    assert Counter(map(repr, rows(out))) == +wanted


BASE = [CREATE, "INSERT INTO t VALUES (1, 'a', 'b'), (2, 'a', 'b'), (3, 'a', 'b')"]


def test_both_sides_of_one_row(tmp_path: Path) -> None:
    found, out = merged(
        tmp_path,
        BASE,
        [*BASE, "UPDATE t SET a = 'ours' WHERE id = 1"],
        [*BASE, "UPDATE t SET b = 'theirs' WHERE id = 1"],
    )
    assert rows(out)[0] == (1, "ours", "theirs")
    assert [(t.name, t.changed, t.added, t.removed) for t in found.tables] == [("t", 1, 0, 0)]


def test_clashes_are_listed_cell_by_cell(tmp_path: Path) -> None:
    found, _ = merged(
        tmp_path,
        BASE,
        [
            *BASE,
            "UPDATE t SET a = 'o', b = 'o' WHERE id = 1",
            "DELETE FROM t WHERE id = 2",
            "INSERT INTO t VALUES (4, 1, 2)",
        ],
        [*BASE, "UPDATE t SET a = 't' WHERE id IN (1, 2)", "INSERT INTO t VALUES (4, 1, 3)"],
    )
    assert not found.is_written
    assert [c[:7] for c in found.clashes] == [
        ("t", "cell", (1,), "a", "a", "o", "t"),
        ("t", "cell", (4,), "b", None, 2, 3),
        ("t", "row", (2,), None, None, "removed", "changed"),
    ]


def test_a_table_that_only_theirs_changed_in_its_columns(tmp_path: Path) -> None:
    theirs = [*BASE, "ALTER TABLE t ADD COLUMN c DEFAULT 5", "CREATE INDEX i ON t (c)"]
    found, out = merged(tmp_path, BASE, [*BASE, "CREATE TABLE u (x)", "INSERT INTO u VALUES (1)"], theirs)
    assert found.tables[0].is_whole
    assert rows(out)[0] == (1, "a", "b", 5)
    assert rows(out, "SELECT * FROM u") == [(1,)]
    assert rows(out, "SELECT name FROM sqlite_schema WHERE type = 'index'") == [("i",)]


def test_tables_that_came_and_went(tmp_path: Path) -> None:
    dropped = [
        *BASE,
        "DROP TABLE t",
        "CREATE TABLE new (x INTEGER PRIMARY KEY, y)",
        "INSERT INTO new VALUES (1, 1)",
    ]
    _, out = merged(tmp_path, BASE, BASE, dropped)
    assert rows(out, "SELECT name FROM sqlite_schema") == [("new",)]
    found, _ = merged(tmp_path, BASE, [*BASE, "DELETE FROM t"], dropped)
    assert [(c.table, c.what, c.theirs) for c in found.clashes] == [("t", "table", None)]
    added = [*BASE, "CREATE TABLE new (x INTEGER PRIMARY KEY, y)", "INSERT INTO new VALUES (1, 1), (2, 2)"]
    _, out = merged(
        tmp_path, BASE, added, [*added, "INSERT INTO new VALUES (3, 3)", "DELETE FROM new WHERE x = 2"]
    )
    assert rows(out, "SELECT * FROM new") == [(1, 1), (2, 2), (3, 3)]


def test_no_trigger_fires_and_all_stand_afterwards(tmp_path: Path) -> None:
    base = [
        *BASE,
        "CREATE TABLE log (x)",
        "CREATE TRIGGER g AFTER INSERT ON t BEGIN INSERT INTO log VALUES (1); END",
    ]
    _, out = merged(tmp_path, base, base, [*base, "INSERT INTO t VALUES (9, 9, 9)", "DELETE FROM log"])
    assert rows(out, "SELECT * FROM log") == []
    assert rows(out, "SELECT name FROM sqlite_schema WHERE type = 'trigger'") == [("g",)]


def test_views_and_indexes_of_both_sides(tmp_path: Path) -> None:
    ours, theirs = [*BASE, "CREATE VIEW v AS SELECT 1"], [*BASE, "CREATE VIEW w AS SELECT 2"]
    _, out = merged(tmp_path, BASE, ours, theirs)
    assert rows(out, "SELECT name FROM sqlite_schema WHERE type = 'view' ORDER BY 1") == [("v",), ("w",)]
    found, _ = merged(tmp_path, BASE, ours, [*BASE, "CREATE VIEW v AS SELECT 3"])
    assert [(c.table, c.what) for c in found.clashes] == [("v", "view")]


def test_a_merge_that_breaks_a_constraint_is_refused(tmp_path: Path) -> None:
    base = ["CREATE TABLE t (id INTEGER PRIMARY KEY, a UNIQUE)"]
    with pytest.raises(Conflict, match="UNIQUE constraint failed"):
        merged(
            tmp_path, base, [*base, "INSERT INTO t VALUES (1, 'x')"], [*base, "INSERT INTO t VALUES (2, 'x')"]
        )
    assert not (tmp_path / "out").exists()
    base = [
        "CREATE TABLE p (id INTEGER PRIMARY KEY)",
        "INSERT INTO p VALUES (1)",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, p REFERENCES p)",
    ]
    with pytest.raises(Conflict, match="FOREIGN KEY"):
        merged(tmp_path, base, [*base, "DELETE FROM p"], [*base, "INSERT INTO t VALUES (1, 1)"])


def test_two_sides_without_an_ancestor(tmp_path: Path) -> None:
    found, out = merged(
        tmp_path, None, BASE, [*BASE, "DELETE FROM t WHERE id = 1", "INSERT INTO t VALUES (7, 7, 7)"]
    )
    assert found.clashes == ()
    assert [row[0] for row in rows(out)] == [1, 2, 3, 7]


# Files that have one table: merged by DuckDB, written in the order of ours


def test_csv_keeps_the_order_and_the_dialect_of_ours(tmp_path: Path) -> None:
    sides = {
        "base": "id;a;b\r\n3;x;y\r\n1;x;y\r\n2;x;y\r\n",
        "ours": 'id;a;b\r\n3;o;y\r\n1;x;y\r\n2;x;y\r\n5;"n;w";\r\n',
        "theirs": "id;a;b\r\n1;x;t\r\n3;x;t\r\n9;new;\r\n",
    }
    found, out = by_key(tmp_path, "csv", {side: text.encode() for side, text in sides.items()})
    assert out.read_bytes().decode() == 'id;a;b\r\n3;o;t\r\n1;x;t\r\n5;"n;w";\r\n9;new;\r\n'
    (table,) = found.tables
    assert (table.added, table.removed, table.changed) == (1, 1, 2)


def test_json_lines_keep_the_text_of_what_did_not_change(tmp_path: Path) -> None:
    sides = {
        "base": '{"id": 1, "v": [1, 2]}\n{"id":2,"v":null}\n',
        "ours": '{"id": 1,   "v": [1, 2]}\n{"id":2,"v":null}\n',
        "theirs": '{"id": 2, "v": {"a": 1}}\n{"id": 1, "v": [1, 2]}\n{"id": "ü", "v": 0.5}\n',
    }
    _, out = by_key(tmp_path, "jsonl", {side: text.encode() for side, text in sides.items()})
    assert out.read_text() == '{"id": 1,   "v": [1, 2]}\n{"id":2,"v":{"a": 1}}\n{"id": "ü", "v": 0.5}\n'


def test_parquet_keeps_types_and_order(tmp_path: Path) -> None:
    import duckdb

    columns = "i AS id, DATE '2020-01-01' + i::INT AS day, i::DECIMAL(9,2) AS d, [i] AS l"
    ours = f"SELECT {columns} FROM range(9, -1, -1) t(i)"  # noqa: S608
    theirs = f"SELECT {columns} FROM range(1, 12) t(i)"  # noqa: S608
    for side, sql in (
        ("base", ours),
        ("ours", f"SELECT * REPLACE (CASE WHEN id = 3 THEN [0] ELSE l END AS l) FROM ({ours})"),  # noqa: S608
        ("theirs", f"SELECT * REPLACE (CASE WHEN id = 3 THEN 7.5 ELSE d END AS d) FROM ({theirs})"),  # noqa: S608
    ):
        with duckdb.connect() as database:
            database.execute(f"COPY ({sql}) TO '{tmp_path / side}' (FORMAT parquet)")
    _, out = by_key(
        tmp_path, "parquet", {side: (tmp_path / side).read_bytes() for side in ("base", "ours", "theirs")}
    )
    with duckdb.connect() as database:
        result = database.read_parquet(str(out))
        found = result.project("id, d::VARCHAR, l").fetchall()
        types = [str(kind) for kind in result.types]
    assert [row[0] for row in found] == [9, 8, 7, 6, 5, 4, 3, 2, 1, 10, 11]
    assert found[6] == (3, "7.50", [0])
    assert types == ["BIGINT", "DATE", "DECIMAL(9,2)", "BIGINT[]"]


@pytest.mark.parametrize("take", [None, *Take])
def test_clashes_of_a_file(tmp_path: Path, take: Take | None) -> None:
    sides = {"base": b"id,v\n1,b\n2,b\n", "ours": b"id,v\n1,o\n", "theirs": b"id,v\n1,t\n2,t\n"}
    found, out = by_key(tmp_path, "csv", sides, take)
    assert [(c.what, c.key, c.column, c.base, c.ours, c.theirs) for c in found.clashes] == [
        ("cell", ("1",), "v", "b", "o", "t"),
        ("row", ("2",), None, None, "removed", "changed"),
    ]
    wanted = {None: None, Take.OURS: "1,o\n", Take.THEIRS: "1,t\n2,t\n", Take.BASE: "1,b\n2,b\n"}[take]
    assert (out.read_text() if out.exists() else None) == (wanted and f"id,v\n{wanted}")


@pytest.mark.parametrize(
    ("theirs", "said"),
    [
        (b"id,w\n1,b\n", "the column v is not in theirs any more"),
        (b"id,v\n1,b\n1,c\n", "does not tell the rows of theirs apart"),
    ],
)
def test_what_has_no_key_or_other_columns_is_not_merged(tmp_path: Path, theirs: bytes, said: str) -> None:
    with pytest.raises(DataError, match=said):
        by_key(tmp_path, "csv", {"base": b"id,v\n1,b\n", "ours": b"id,v\n1,o\n", "theirs": theirs})


def by_key(
    folder: Path, kind: str, sides: Mapping[str, bytes], take: Take | None = None
) -> tuple[RowMerge, Path]:
    pytest.importorskip("duckdb", reason="DuckDB is not installed (the extra tabular)")
    for side, data in sides.items():
        (folder / side).write_bytes(data)
    base, ours, theirs = (folder / side for side in ("base", "ours", "theirs"))
    out = folder / "out"
    return merge_duck.merge(kind, base, ours, theirs, out, ["id"], Decisions.all(take)), out
