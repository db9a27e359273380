"""Questions in SQL: what may be asked, what is loaded for them, and how answers are written."""

import csv
import io
import json
import resource
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from git_datamanager.errors import Corrupt, DataError
from git_datamanager.tables.asking.export import WRITERS
from git_datamanager.tables.asking.load import Source, Want, loaded, tables_of
from git_datamanager.tables.asking.query import Answer, answered, read_question
from git_datamanager.tables.engine import NotInstalled
from git_datamanager.tables.profiling.profile import profile
from git_datamanager.tables.similar import common_bytes

pytest.importorskip("duckdb", reason="DuckDB is not installed (the extra tabular)")


def source(path: Path) -> Source:
    return Source(path, path.name, f"{path.name} v1")


@contextmanager
def asked(sql: str, **tables: Path) -> Iterator[Answer]:
    """`t=path`: the file's first table is seen as t."""
    wants = [Want(source(path), tables_of(source(path))[0], (name,)) for name, path in tables.items()]
    with loaded(wants) as (database, _), answered(database, read_question(sql)) as answer:
        yield answer


def rows(sql: str, **tables: Path) -> list[tuple[object, ...]]:
    with asked(sql, **tables) as answer:
        return list(answer.rows())


def types(sql: str, **tables: Path) -> dict[str, str]:
    with asked(sql, **tables) as answer:
        return {column.name: column.type for column in answer.columns}


def database(path: Path, *statements: str) -> Path:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)
    return path


# What may be asked


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "SELECT 1;",
        "SELECT ';é'; -- and a word after it",
        "-- first\n;;SELECT 1;; /* ; */",
        "FROM a -- all of it",
        "VALUES (1), (2)",
        "WITH x AS (FROM a) SELECT count(*) FROM x",
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 3) FROM r",
        "DESCRIBE a",
        "SUMMARIZE a",
        "SELECT 1, 2 UNION ALL FROM a",
        "FROM a PIVOT (sum(x) FOR y IN (1, 2))",
        "SELECT * FROM range(3), unnest([1, 2])",
        "SELECT table_name FROM information_schema.tables",
    ],
)
def test_what_only_reads_may_be_asked(sql: str) -> None:
    with loaded([]) as (connection, _):
        connection.execute("CREATE TABLE a AS SELECT 1 AS x, 2 AS y")
        with answered(connection, read_question(sql)) as answer:
            assert answer.columns


@pytest.mark.parametrize(
    "sql",
    [
        "COPY a TO '/tmp/stolen.csv'",
        "COPY (SELECT 1) TO '/tmp/stolen.csv'",
        "COPY a FROM '/etc/passwd'",
        "EXPORT DATABASE '/tmp/stolen'",
        "IMPORT DATABASE '/tmp/stolen'",
        "ATTACH '/tmp/other.db'",
        "ATTACH ':memory:' AS other",
        "DETACH memory",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET memory_limit = '1TB'",
        "RESET memory_limit",
        "PRAGMA database_list",
        "CALL pragma_version()",
        "CREATE TABLE b (i INTEGER)",
        "CREATE VIEW b AS SELECT 1",
        "CREATE MACRO f() AS 1",
        "CREATE SECRET s (TYPE s3)",
        "INSERT INTO a VALUES (1)",
        "UPDATE a SET i = 1",
        "DELETE FROM a",
        "DROP TABLE a",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '/tmp/stolen.csv'",
        "PREPARE p AS SELECT 1",
        "EXECUTE p",
        "BEGIN",
        "CHECKPOINT",
        "VACUUM",
        "USE main",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE a",
        "",
        "-- nothing",
        "WITH x AS (INSERT INTO a VALUES (1) RETURNING i) FROM x",
        "WITH x AS (DELETE FROM a RETURNING i) FROM x",
        "SELECT (WITH x AS (UPDATE a SET i = 1 RETURNING i) SELECT max(i) FROM x)",
        "SHOW TABLES",
        "SELECT FROM WHERE",
        "SELECT '\udcff'",
        "FROM one.two.three",
        "SELECT " + "abs(" * 5000 + "1" + ")" * 5000,
    ],
)
def test_all_else_is_refused(sql: str) -> None:
    with pytest.raises(DataError):
        read_question(sql)


HOSTILE_SOURCES = [
    "read_text('/etc/passwd')", "read_blob('/etc/passwd')", "read_csv('/etc/passwd')",
    "read_json('/etc/passwd')", "read_parquet('/etc/passwd')", "parquet_metadata('/etc/passwd')",
    "read_duckdb('/etc/passwd')", "sniff_csv('/etc/passwd')", "glob('/etc/*')", "READ_TEXT('/etc/passwd')",
    "duckdb_secrets()", "which_secret('s3://a', 's3')", "duckdb_settings()", "duckdb_databases()",
    "query('SELECT 1')", "query_table('a')", "json_execute_serialized_sql('{}')",
    "arrow_scan(1::POINTER, 1::POINTER, 1::POINTER)", "pandas_scan(1)", "python_map_function(1)",
    "read_csv('https://example.org/a.csv')", "pragma_storage_info('a')", "enable_logging()",
    "main.read_text('/etc/passwd')", "system.main.read_text('/etc/passwd')",
]  # fmt: skip


@pytest.mark.parametrize("function", HOSTILE_SOURCES)
@pytest.mark.parametrize(
    "form", ["FROM {}", "SELECT (SELECT count(*) FROM {})", "WITH x AS (FROM {}) FROM x"]
)
def test_functions_that_reach_out_are_refused(form: str, function: str) -> None:
    with pytest.raises(DataError, match="cannot be used"):
        read_question(form.format(function))


@pytest.mark.parametrize(
    "sql",
    [
        *(f"FROM {function}" for function in HOSTILE_SOURCES if "/etc" in function),
        "FROM '/etc/passwd'",
        "FROM 'https://example.org/a.parquet'",
        "FROM 's3://bucket/a.parquet'",
        "SELECT getenv('HOME')",
        "SELECT load_extension('x')",
        "FROM secret",
        "COPY (SELECT 1) TO '/tmp/git-data-must-not-be'",
        "ATTACH '/tmp/git-data-must-not-be'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "RESET lock_configuration",
        "EXPORT DATABASE '/tmp/git-data-must-not-be'",
    ],
)
def test_the_database_itself_cannot_obey_either(sql: str) -> None:
    """What slips through the reading of a question meets a locked database."""
    import duckdb

    secret = duckdb.sql("SELECT 1")  # a variable that a replacement scan would find
    with loaded([]) as (connection, _), pytest.raises(duckdb.Error):
        connection.execute(sql)
    assert secret is not None
    assert not Path("/tmp/git-data-must-not-be").exists()


def test_a_question_names_its_tables_and_its_own_parts() -> None:
    sql = 'WITH a AS (FROM b) SELECT * FROM a, "energy@v3".Demand JOIN prices USING (x), "data/p.csv", p.csv'
    found = read_question(sql)
    assert set(found.mentions) == {
        ("a",), ("b",), ("energy@v3", "Demand"), ("prices",), ("data/p.csv",), ("p", "csv"),
    }  # fmt: skip
    assert found.own == {"a"}


# What is loaded


def test_sqlite_columns_get_the_type_of_their_values(tmp_path: Path) -> None:
    path = database(
        tmp_path / "a.db",
        "CREATE TABLE t (i, r, t, b, n, mixed, wide, empty)",
        "INSERT INTO t VALUES (1, 0.5, 'x', x'00ff', 1, 'a', 9007199254740993, NULL)",
        "INSERT INTO t VALUES (NULL, 2.0, '', x'', 1.5, 7, 0.5, NULL)",
        "INSERT INTO t VALUES (-9223372036854775808, NULL, NULL, NULL, NULL, x'4a', NULL, NULL)",
    )
    assert types("FROM t", t=path) == {
        "i": "BIGINT", "r": "DOUBLE", "t": "VARCHAR", "b": "BLOB", "n": "DOUBLE", "mixed": "VARCHAR",
        "wide": "VARCHAR", "empty": "VARCHAR",
    }  # fmt: skip
    assert rows("FROM t", t=path) == [
        (1, 0.5, "x", b"\x00\xff", 1.0, "a", "9007199254740993", None),
        (None, 2.0, "", b"", 1.5, "7", "0.5", None),
        (-(2**63), None, None, None, None, "x'4A'", None, None),
    ]
    with loaded([Want(source(path), "t", ("t",))]) as (_, notes):
        assert notes == ("a.db v1: t holds values of several types in mixed, wide: they are texts here",)


@settings(max_examples=20)
@given(
    st.lists(
        st.tuples(
            st.none() | st.integers(-(2**63), 2**63 - 1),
            st.none() | st.floats(allow_nan=False),
            st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0")),
            st.none() | st.binary(max_size=5),
        ),
        max_size=20,
    )
)
def test_every_value_of_sqlite_arrives(
    tmp_path_factory: pytest.TempPathFactory, given_rows: list[tuple[object, ...]]
) -> None:
    path = tmp_path_factory.mktemp("db") / "a.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE t (i INTEGER, r REAL, t TEXT, b BLOB)")
        connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", given_rows)
    assert rows("FROM t", t=path) == given_rows


def test_text_that_is_no_utf_8_is_read_all_the_same(tmp_path: Path) -> None:
    path = database(
        tmp_path / "a.db", "CREATE TABLE t (v TEXT)", "INSERT INTO t VALUES (CAST(x'61ff' AS TEXT))"
    )
    assert rows("FROM t", t=path) == [("a\ufffd",)]


def test_a_utf_16_database(tmp_path: Path) -> None:
    path = database(
        tmp_path / "a.db",
        "PRAGMA encoding = 'UTF-16le'",
        "CREATE TABLE t (v TEXT)",
        "INSERT INTO t VALUES ('é')",
    )
    assert rows("FROM t", t=path) == [("é",)]


def test_more_rows_than_one_batch_stay_in_order(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE t (i INTEGER)")
        connection.executemany("INSERT INTO t VALUES (?)", ((n,) for n in range(70_000)))
    assert rows("FROM t", t=path) == [(n,) for n in range(70_000)]


def test_two_thousand_columns(tmp_path: Path) -> None:
    names = ", ".join(f"c{n} INTEGER" for n in range(2000))
    path = database(tmp_path / "a.db", f"CREATE TABLE t ({names})", "INSERT INTO t (c0, c1999) VALUES (7, 8)")
    assert rows("SELECT c0, c1, c1999 FROM t", t=path) == [(7, None, 8)]


def test_large_cells_come_in_small_batches(tmp_path: Path) -> None:
    path = database(
        tmp_path / "a.db",
        "CREATE TABLE t (i INTEGER, b BLOB, t TEXT)",
        "INSERT INTO t WITH n(i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i < 9)"
        " SELECT i, zeroblob(5000000), 'x' FROM n",
    )
    assert rows("SELECT i, octet_length(b), t FROM t", t=path) == [(n, 5_000_000, "x") for n in range(10)]


@pytest.mark.parametrize(
    ("cells", "wanted", "values"),
    [
        (["1", "-2", ""], "BIGINT", [1, -2, None]),
        (["007", "010"], "VARCHAR", ["007", "010"]),
        (["1", "2.5"], "DOUBLE", [1.0, 2.5]),
        (["00.5", "1"], "VARCHAR", ["00.5", "1"]),
        (["true", "FALSE"], "BOOLEAN", [True, False]),
        (["2020-02-29"], "DATE", ["2020-02-29"]),
        (["2020-02-30"], "VARCHAR", ["2020-02-30"]),
        (["2020-02-29 12:00"], "TIMESTAMP", ["2020-02-29 12:00:00"]),
        (["2020-02-29T12:00:00.5"], "TIMESTAMP", ["2020-02-29 12:00:00.5"]),
        (["9223372036854775808", "1"], "VARCHAR", ["9223372036854775808", "1"]),
        (["9007199254740993", "0.5"], "VARCHAR", ["9007199254740993", "0.5"]),
        (["999999999999999.5", "1"], "DOUBLE", [999999999999999.5, 1.0]),
        (["+491701234567"], "VARCHAR", ["+491701234567"]),
        (["1_000", "1"], "VARCHAR", ["1_000", "1"]),
        ([" 1.5"], "VARCHAR", [" 1.5"]),
        (["1e400", "1"], "VARCHAR", ["1e400", "1"]),
        (["-1.5E-3", ".5", "5."], "DOUBLE", [-0.0015, 0.5, 5.0]),
        (["NaN", "-inf", "0"], "DOUBLE", [pytest.approx(float("nan"), nan_ok=True), float("-inf"), 0.0]),
        (["2020-02-29 12:00:00.123456789"], "VARCHAR", ["2020-02-29 12:00:00.123456789"]),
        (["1"] * 2000 + ["word"], "VARCHAR", ["1"] * 2000 + ["word"]),
        (["", ""], "VARCHAR", [None, None]),
    ],
)  # fmt: skip
def test_a_column_of_csv_gets_a_type_that_loses_nothing(
    tmp_path: Path, cells: list[str], wanted: str, values: list[object]
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("n,v\n" + "".join(f"x,{cell}\n" for cell in cells))
    assert types("FROM t", t=path) == {"n": "VARCHAR", "v": wanted}
    assert rows("SELECT v FROM t", t=path) == [(value,) for value in values]


def test_json_lines_get_types(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{"i": 1, "r": 1, "t": "x", "b": true, "m": 1, "l": [1]}\n'
        '{"i": null, "r": 2.5, "t": "", "b": false, "m": "1", "l": null}\n'
    )
    assert types("SELECT i, r, t, b, m, l FROM t", t=path) == {
        "i": "BIGINT", "r": "DOUBLE", "t": "VARCHAR", "b": "BOOLEAN", "m": "JSON", "l": "JSON",
    }  # fmt: skip
    assert rows("SELECT i, r, t, b, m, l FROM t", t=path) == [
        (1, 1.0, "x", True, "1", "[1]"), (None, 2.5, "", False, '"1"', None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "values", [["123456789012345678901234567890", "1"], ["9007199254740993", "0.5"], ["1e999", "1"]]
)
def test_numbers_of_json_lines_that_a_double_cannot_hold_stay_json(tmp_path: Path, values: list[str]) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(f'{{"v": {value}}}\n' for value in values))
    assert types("FROM t", t=path) == {"v": "JSON"}
    assert rows("FROM t", t=path) == [(value,) for value in values]


def test_no_part_of_a_path_is_a_column(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "year=2020"))
    (tmp_path / "year=2020").mkdir()
    (tmp_path / "a.parquet").write_bytes(written("parquet", "SELECT 1 AS i"))
    assert types("FROM t", t=tmp_path / "a.parquet") == {"i": "INTEGER"}
    (table,) = profile(tmp_path / "a.parquet", "a.parquet").tables
    assert [column.name for column in table.columns] == ["i"]


def test_names_that_are_patterns_or_keywords(tmp_path: Path) -> None:
    path = database(tmp_path / "it's [a] *?.db", 'CREATE TABLE "select ""*""" ("order" INTEGER)')
    (tmp_path / "[b]*.csv").write_text('"a ""quoted"" name"\n1\n')
    assert tables_of(source(path)) == ('select "*"',)
    wants = [
        Want(source(path), 'select "*"', ("s", 'select "*"')),
        Want(source(tmp_path / "[b]*.csv"), "rows", ("b",)),
    ]
    question = read_question('SELECT count(*) FROM s."select ""*""", b')
    with loaded(wants) as (connection, _), answered(connection, question) as answer:
        assert list(answer.rows()) == [(0,)]


def test_what_cannot_be_read_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    (tmp_path / "a.parquet").write_bytes(b"PAR1" + b"\0" * 100 + b"PAR1")
    (tmp_path / "a.txt").write_text("word")
    for name in ("a.db", "a.parquet"):
        want = Want(source(tmp_path / name), "rows", ("t",))
        with pytest.raises(Corrupt) as raised, loaded([want]):
            pass
        assert str(tmp_path) not in str(raised.value)
    with pytest.raises(DataError, match="is no table"):
        tables_of(source(tmp_path / "a.txt"))


# What an answer is


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system has no such bound")
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT len(range(1000000000))",
        "SELECT length(repeat('x', 4000000000))",
        "SELECT length(printf('%2000000000d', 1))",
        "SELECT list(range) FROM range(1000000000)",
        "SELECT string_agg(repeat('x', 1000000)) FROM range(10000)",
    ],
)
def test_a_query_that_wants_all_memory_gets_none_of_it(sql: str) -> None:
    bound = resource.getrlimit(resource.RLIMIT_DATA)
    with pytest.raises(DataError, match="needs more memory than there is"), asked(sql):
        pass
    assert resource.getrlimit(resource.RLIMIT_DATA) == bound
    assert rows("SELECT 1") == [(1,)]


def test_a_query_can_be_stopped() -> None:
    endless = "SELECT count(*) FROM range(1000000000000) a, range(1000) b WHERE a.range * b.range % 7 = 3"
    began = time.monotonic()
    with (
        loaded([]) as (connection, _),
        pytest.raises(DataError, match=r"stopped after 0\.3 s"),
        answered(connection, read_question(endless), seconds=0.3),
    ):
        pass
    assert time.monotonic() - began < 30


def test_a_wrong_name_gets_the_right_one_as_a_hint(tmp_path: Path) -> None:
    path = database(tmp_path / "a.db", "CREATE TABLE t (region TEXT)")
    with pytest.raises(DataError) as raised:
        rows("SELECT regoin FROM t", t=path)
    assert raised.value.hints == ('there is "region"',)


def written(form: str, sql: str, limit: int | None = None) -> bytes:
    file = io.BytesIO()
    with asked(sql) as answer:
        WRITERS[form](answer, file, limit)
    return file.getvalue()


ODD = (
    "SELECT * FROM (VALUES (1, NULL, '', 'a,\"b\"\n', 'nan'::DOUBLE, DATE '2020-01-01', [1, NULL], "
    "{'k': 'v'}, '\\xFF'::BLOB, 170141183460469231731687303715884105727::HUGEINT, 'infinity'::TIMESTAMPTZ)) "
    "t(i, nothing, empty, text, n, d, l, s, b, h, tz)"
)


def test_csv_tells_null_from_an_empty_text() -> None:
    data = written("csv", ODD).decode()
    assert data.splitlines()[1].startswith('1,,"","a,""b""')
    (_, row) = csv.reader(io.StringIO(data, newline=""))
    assert row[3:] == [
        'a,"b"\n', "nan", "2020-01-01", "[1, NULL]", "{'k': v}", "ff",
        "170141183460469231731687303715884105727", "infinity",
    ]  # fmt: skip


def test_json_keeps_what_it_can_hold() -> None:
    document = json.loads(written("json", ODD))
    assert document["schema"] == "git-data/sql/1"
    assert document["columns"][0] == {"name": "i", "type": "INTEGER"}
    assert document["rows"] == [
        [
            1, None, "", 'a,"b"\n', {"real": "nan"}, "2020-01-01", [1, None], {"k": "v"},
            {"blob": "ff", "size": 1}, {"integer": "170141183460469231731687303715884105727"}, "infinity",
        ]
    ]  # fmt: skip
    assert json.loads(written("json", "SELECT 1 WHERE false"))["rows"] == []


def test_json_is_json_whatever_is_nested() -> None:
    deep = "repeat('[', 5000) || repeat(']', 5000)"
    sql = f"""SELECT ['nan'::DOUBLE, '-inf'] AS l, '[1e999, {{"n": NaN}}]'::JSON AS j, 1.1::FLOAT AS f,
        CAST({deep} AS JSON) AS deep, [repeat('[', 500)] AS brackets, repeat('9', 5000)::JSON AS digits"""
    (row,) = json.loads(written("json", sql), parse_constant=pytest.fail)["rows"]
    assert row == [
        [{"real": "nan"}, {"real": "-inf"}], [{"real": "inf"}, {"n": {"real": "nan"}}], 1.1,
        "[" * 5000 + "]" * 5000, ["[" * 500], {"integer": "9" * 5000},
    ]  # fmt: skip
    line = written("jsonl", sql).decode()
    assert json.loads(line, parse_constant=pytest.fail)["f"] == 1.1


def test_json_lines_are_objects() -> None:
    lines = written("jsonl", "SELECT i, i AS i, 'x' AS \"a b\" FROM range(3) r(i)", 2).splitlines()
    assert [json.loads(line) for line in lines] == [
        {"i": 0, "i_1": 0, "a b": "x"}, {"i": 1, "i_1": 1, "a b": "x"},
    ]  # fmt: skip


def test_the_order_of_a_query_is_that_of_its_answer() -> None:
    lines = written("jsonl", "FROM range(5000) r(i) ORDER BY i DESC").splitlines()
    assert [json.loads(line)["i"] for line in lines] == list(range(4999, -1, -1))


SERIES = (
    "SELECT i, 'station ' || (hash(i) % 1000000) || ' reads ' || (hash(i) % 977) AS t, "
    "(hash(i) % 10000) / 100 AS r FROM range(200000) s(i)"
)


@pytest.mark.parametrize(
    "changed",
    [
        SERIES.replace("hash(i) % 10000)", "CASE WHEN i = 50000 THEN 0 ELSE hash(i) % 10000 END)"),
        SERIES.replace(
            "range(200000)",
            "(FROM range(50000) UNION ALL VALUES (1000000) UNION ALL FROM range(50000, 200000))",
        ),
    ],
    ids=["one cell", "one row more"],
)
def test_a_small_change_leaves_most_bytes_of_parquet_as_they_are(tmp_path: Path, changed: str) -> None:
    for name, sql in (("old", SERIES), ("new", changed)):
        (tmp_path / name).write_bytes(written("parquet", sql))
    size = (tmp_path / "new").stat().st_size
    assert size > 1_000_000
    assert common_bytes(tmp_path / "old", tmp_path / "new") > 0.7 * size


def test_rows_that_are_too_many_to_be_written_are_said_to_be() -> None:
    with pytest.raises(DataError, match="needs more memory than there is"), asked("SELECT 1"):
        raise OSError("Out of Memory Error: ArrowBuffer: failed to allocate 524288 bytes")
    with pytest.raises(OSError, match="No space left"), asked("SELECT 1"):
        raise OSError(28, "No space left on device")


def test_parquet_can_be_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(written("parquet", ODD))
    assert rows("SELECT i, nothing, empty, d, l, s.k FROM t", t=path) == [
        (1, None, "", "2020-01-01", "[1, NULL]", "v")
    ]


def test_nobody_waits_for_a_query_that_is_done() -> None:
    before = threading.active_count()
    with loaded([]) as (connection, _), answered(connection, read_question("SELECT 1"), seconds=1000):
        assert threading.active_count() == before


@pytest.mark.parametrize("library", ["duckdb", "pyarrow"])
def test_what_is_not_installed_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    path = database(tmp_path / "a.db", "CREATE TABLE t (i INTEGER)")
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(NotInstalled) as raised:
        rows("FROM t", t=path)
    assert raised.value.hints == ("pip install 'git-datamanager[tabular]'",)
