"""Row diffs of CSV, JSON lines and Parquet: against an oracle, and against what files can be."""

import csv
import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_datamanager.tables.compare import Wish
from git_datamanager.tables.schema import Change
from git_datamanager.tables.source import compare
from tests.tables.making import ALL, BY_ID, only, parquet
from tests.tables.making import texts as made
from tests.tables.oracle import applied, counted, keyed_counts, multiset_counts

pytest.importorskip("duckdb", reason="DuckDB is not installed (the extra tabular)")


def write_csv(path: Path, head: Sequence[str], rows: Sequence[Sequence[str]], **dialect: str) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, **({"lineterminator": "\n"} | dialect))  # type: ignore[arg-type]
        writer.writerow(head)
        writer.writerows(rows)
    return path


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5) | st.sampled_from(
    ["", " ", "1", "1.0", "NULL", 'say "so"', "a,b", "line\nbreak", ";"]
)


@given(
    before=st.lists(st.tuples(texts, texts), max_size=6), after=st.lists(st.tuples(texts, texts), max_size=6)
)
def test_csv_without_a_key(tmp_path_factory: pytest.TempPathFactory, before: list, after: list) -> None:
    folder = tmp_path_factory.mktemp("csv")
    paths = [
        write_csv(folder / n, ["x", "y"], rows, quoting=csv.QUOTE_ALL)
        for n, rows in (("old", before), ("new", after))
    ]  # type: ignore[arg-type]
    found = compare(*paths, "a.csv", ALL)
    if found.is_same_bytes:
        return
    table = only(found)
    assert (table.added, table.removed) == multiset_counts(before, after)
    assert applied(table, before) == counted(after)


@given(
    before=st.dictionaries(st.integers(0, 9), texts, max_size=8),
    after=st.dictionaries(st.integers(0, 9), texts, max_size=8),
)
def test_csv_by_a_key(tmp_path_factory: pytest.TempPathFactory, before: dict, after: dict) -> None:
    folder = tmp_path_factory.mktemp("csv")
    old, new = ([(str(k), v) for k, v in rows.items()] for rows in (before, after))
    paths = [
        write_csv(folder / n, ["id", "v"], rows, quoting=csv.QUOTE_ALL)
        for n, rows in (("old", old), ("new", new))
    ]  # type: ignore[arg-type]
    found = compare(*paths, "a.csv", BY_ID)
    if found.is_same_bytes:
        return
    table = only(found)
    assert (table.added, table.removed, table.changed) == keyed_counts(old, new, [0])
    assert applied(table, old) == counted(new)


values = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False),
    texts,
    st.lists(st.integers(0, 3), max_size=2), st.dictionaries(st.sampled_from("ab"), st.integers(0, 3)),
)  # fmt: skip


@given(
    before=st.dictionaries(st.integers(0, 9), values, max_size=6),
    after=st.dictionaries(st.integers(0, 9), values, max_size=6),
)
def test_json_lines(tmp_path_factory: pytest.TempPathFactory, before: dict, after: dict) -> None:
    folder = tmp_path_factory.mktemp("jsonl")
    for name, rows in (("old", before), ("new", after)):
        lines = [json.dumps({"id": k, "v": v}) for k, v in rows.items()]
        (folder / name).write_text("".join(line + "\n" for line in lines))
    found = compare(folder / "old", folder / "new", "a.jsonl", BY_ID)
    if found.is_same_bytes or not before or not after:
        return
    table = only(found)
    old, new = ({k: json.dumps(v) for k, v in rows.items()} for rows in (before, after))
    assert table.added == len(new.keys() - old.keys())
    assert table.removed == len(old.keys() - new.keys())
    assert table.changed == sum(old[k] != new[k] for k in old.keys() & new.keys())


numbers = st.one_of(st.none(), st.floats(), st.sampled_from([0.0, -0.0, 1.0]))
parquet_rows = st.dictionaries(
    st.integers(0, 9),
    st.tuples(numbers, texts, st.lists(st.integers(0, 2), max_size=2) | st.none()),
    max_size=6,
)


@given(before=parquet_rows, after=parquet_rows, is_keyed=st.booleans())
def test_parquet(tmp_path_factory: pytest.TempPathFactory, before: dict, after: dict, is_keyed: bool) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    folder = tmp_path_factory.mktemp("parquet")
    kinds = [
        ("id", pa.int64()),
        ("x", pa.float64()),
        ("t", pa.string()),
        ("l", pa.list_(pa.int64())),
    ]
    sides = []
    for name, rows in (("old", before), ("new", after)):
        lines = [(key, *cells) for key, cells in rows.items()]
        columns = list(zip(*lines, strict=True)) or [()] * 4
        table = pa.table({n: pa.array(c, k) for (n, k), c in zip(kinds, columns, strict=True)})
        parquet.write_table(table, folder / name)
        sides.append([(*line[:3], line[3] if line[3] is None else str(line[3])) for line in lines])
    found = compare(folder / "old", folder / "new", "a.parquet", BY_ID if is_keyed else ALL)
    if found.is_same_bytes:
        return
    table = only(found)
    if is_keyed:
        assert (table.added, table.removed, table.changed) == keyed_counts(*sides, [0])
    else:
        assert (table.added, table.removed) == multiset_counts(*sides)
    assert applied(table, sides[0]) == counted(sides[1])


def test_parquet_by_a_key(tmp_path: Path) -> None:
    columns = (
        "range AS id, range::VARCHAR AS t, [range, 1] AS l, {'a': range} AS s, range::DECIMAL(9,2) AS d,"
        " DATE '2020-01-01' + range::INT AS day"
    )
    rows = f"SELECT {columns} FROM range"  # noqa: S608 -- names of ours
    old = parquet(tmp_path / "old", f"{rows}(1000)")
    new = parquet(
        tmp_path / "new",
        "SELECT * REPLACE (CASE WHEN id = 7 THEN [0] ELSE l END AS l,"  # noqa: S608 -- names of ours
        " CASE WHEN id = 8 THEN {'a': -1} ELSE s END AS s)"
        f" FROM ({rows}(5, 1001)) ORDER BY id DESC",
    )
    table = only(compare(old, new, "a.parquet", BY_ID))
    assert (table.added, table.removed, table.changed) == (1, 5, 2)
    changed = [list(table.cells(row)) for row in table.samples if row.change is Change.CHANGED]
    assert changed == [[("l", "[7, 1]", "[0]")], [("s", "{'a': 8}", "{'a': -1}")]]


def test_parquet_types_that_changed_are_compared_as_text(tmp_path: Path) -> None:
    old = parquet(tmp_path / "old", "SELECT range AS id, range AS v FROM range(3)")
    new = parquet(
        tmp_path / "new", "SELECT range::INT AS id, (range + (range = 2)::INT)::VARCHAR AS v FROM range(3)"
    )
    table = only(compare(old, new, "a.parquet", BY_ID))
    assert [c.name for c in table.columns] == ["id", "v"]
    assert [list(table.cells(row)) for row in table.samples] == [[("v", "2", "3")]]


def test_parquet_written_anew_is_the_same_data(tmp_path: Path) -> None:
    old = parquet(tmp_path / "old", "SELECT range AS id, 'nan'::DOUBLE AS v FROM range(10)")
    new = parquet(tmp_path / "new", "SELECT range AS id, 'nan'::DOUBLE AS v FROM range(10) ORDER BY id DESC")
    assert compare(old, new, "a.parquet", ALL).is_same_data
    assert compare(old, new, "a.parquet", BY_ID).is_same_data


@pytest.mark.parametrize(
    "after",
    [
        "id;v\n1;a\n2;b c\n",
        'id,v\r\n"1","a"\r\n"2","b c"\r\n',
        "\ufeffid,v\n2,b c\n1,a\n",
        "v,id\na,1\nb c,2\n",
        gzip.compress(b"id,v\n1,a\n2,b c\n"),
        "id,v\n1,a\n2,b c\n".encode("utf-16"),
    ],
    ids=["semicolons", "quotes and CRLF", "BOM and order", "columns moved", "gzip", "UTF-16"],
)
@pytest.mark.parametrize("wish", [ALL, BY_ID], ids=["multiset", "keyed"])
def test_another_dialect_is_no_other_data(tmp_path: Path, after: str | bytes, wish: Wish) -> None:
    found = made(tmp_path, "id,v\n1,a\n2,b c\n", after, wish)
    assert found.is_same_data, (found.note, found.tables)


def test_text_is_not_rounded(tmp_path: Path) -> None:
    table = only(made(tmp_path, "id,v\n1,1.0\n2,\n", "id,v\n1,1.00\n2,x\n", BY_ID))
    assert [list(table.cells(row)) for row in table.samples] == [[("v", "1.0", "1.00")], [("v", "", "x")]]


def test_types_of_csv_are_those_of_its_cells(tmp_path: Path) -> None:
    table = only(made(tmp_path, "id,v\n1,1.5\n", "id,v\n1,word\n", BY_ID))
    assert [(c.name, c.before and c.before.type, c.after and c.after.type) for c in table.columns] == [
        ("v", "DOUBLE", "VARCHAR")
    ]


def test_latin_1_is_read_where_utf_8_is_not(tmp_path: Path) -> None:
    table = only(made(tmp_path, "id,v\n1,é\n".encode("latin-1"), "id,v\n1,é\n2,è\n"))
    assert (table.added, table.removed) == (1, 0)


def test_ragged_rows(tmp_path: Path) -> None:
    found = made(tmp_path, "id,v\n1,a\n2\n3,c,extra\n", "id,v\n1,a\n2\n3,d,extra\n", BY_ID)
    assert only(found).changed == 1


def test_nul_and_controls_in_cells(tmp_path: Path) -> None:
    table = only(made(tmp_path, b"id,v\n1,a\0b\n", b"id,v\n1,a\0c\x1b[31m\n", BY_ID))
    assert [list(table.cells(row)) for row in table.samples] == [[("v", "a\0b", "a\0c\x1b[31m")]]


def test_keys_that_are_nan_null_or_doubled(tmp_path: Path) -> None:
    sql = "SELECT * FROM (VALUES ('nan'::DOUBLE, {}), (1.5, 2), (NULL, 3)) t(id, v)"
    old, new = (parquet(tmp_path / str(n), sql.format(n)) for n in (1, 2))
    table = only(compare(old, new, "a.parquet", BY_ID))
    assert (table.added, table.removed, table.changed) == (0, 0, 1)
    assert table.note is not None
    twice = parquet(tmp_path / "twice", "SELECT 1.5::DOUBLE AS id, range::INT AS v FROM range(2)")
    assert only(compare(old, twice, "a.parquet", BY_ID)).note == (
        "several rows have one key (id) on the after side: rows are compared as a whole"
    )


@pytest.mark.slow
def test_ten_thousand_columns(tmp_path: Path) -> None:
    head = ",".join(["id", *(f"c{n}" for n in range(9_999))])
    row = ",".join(["1", *("x" for _ in range(9_999))])
    table = only(made(tmp_path, f"{head}\n{row}\n", f"{head}\n{row[:-1]}y\n", BY_ID))
    assert [list(table.cells(r)) for r in table.samples] == [[("c9998", "x", "y")]]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.parquet", b"PAR1" + b"\0" * 100 + b"PAR1"),
        ("a.parquet", b"PAR1" + b"\xff" * 100),
        ("a.jsonl", b'{"a": 1}\n{"a": \n'),
        ("a.csv.gz", b"\x1f\x8b\x08" + b"\xff" * 50),
        ("a.csv", b"a,b\n1," + b"x" * (40 << 20) + b"\n"),
    ],
    ids=["parquet, rotten", "parquet, cut", "jsonl", "gzip", "a line of 40 MiB"],
)
def test_what_cannot_be_read_is_compared_as_bytes(tmp_path: Path, name: str, data: bytes) -> None:
    found = made(tmp_path, data, data + b"\n", ALL, name)
    assert found.kind == "other"
    assert found.note
    assert "/" not in found.note.replace("and/or", "")
    assert found.common is not None


def test_nothing_is_written_beside_either_file(tmp_path: Path) -> None:
    for side in ("old", "new"):
        (tmp_path / side).mkdir()
        (tmp_path / side / "it's [a] *?.csv").write_text(f"id,v\n1,{side}\n")
        (tmp_path / side).chmod(0o555)
    name = "it's [a] *?.csv"
    assert compare(tmp_path / "old" / name, tmp_path / "new" / name, name, BY_ID).changed == 1
    assert [p.name for side in ("old", "new") for p in (tmp_path / side).iterdir()] == [name, name]
    for side in ("old", "new"):
        (tmp_path / side).chmod(0o755)
