"""CSV and TSV as people write them: every cell as it stands there, and no guess that DuckDB makes."""

import csv
import gzip
import io
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_datamanager.tables import separated
from git_datamanager.tables.schema import Change
from git_datamanager.tables.source import compare
from tests.tables.making import ALL, BY_ID, cells, counts, only, texts
from tests.tables.oracle import applied, counted

pytest.importorskip("duckdb", reason="DuckDB is not installed (the extra tabular)")


@given(
    data=st.text(st.sampled_from('ab1",;\n\r\t é#\\'), max_size=40),
    more=st.text(st.sampled_from('ab1",;\n\r\t é#\\'), max_size=40),
)
def test_any_text_is_read_as_pythons_csv_reads_it(
    tmp_path_factory: pytest.TempPathFactory, data: str, more: str
) -> None:
    folder = tmp_path_factory.mktemp("any")
    before, after = f"x,y\n{data}", f"x,y\n{data}\n{more}"
    found = texts(folder, before, after)
    old, new = (list(filter(None, csv.reader(io.StringIO(t, newline=""))))[1:] for t in (before, after))
    table = only(found)
    width = max(map(len, [*old, *new, ["x", "y"]]))
    assert (table.rows_before, table.rows_after) == (len(old), len(new))
    if len(table.before_columns) == len(table.after_columns) == width:
        padded = [[(*row, *[None] * (width - len(row))) for row in rows] for rows in (old, new)]
        assert applied(table, padded[0]) == counted(padded[1])


@given(data=st.lists(st.sampled_from(["1\n", "\n", "\r\n", '""\n', '"x"\n', " \n", '"\n\n"\n', "\n\n"])))
def test_in_one_column_a_blank_line_is_no_row_and_an_empty_text_is_one(
    tmp_path_factory: pytest.TempPathFactory, data: list[str]
) -> None:
    before, after = "a\n1\n", "a\n" + "".join(data)
    rows = [tuple(row) for row in csv.reader(io.StringIO(after, newline="")) if row][1:]
    found = texts(tmp_path_factory.mktemp("one"), before, after)
    assert before == after or applied(only(found), [("1",)]) == counted(rows)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("id,v\n", "id,v\n1,a\n", (1, 0, 0)),
        ("", "id,v\n1,a\n", (1, 0, 0)),
        ("id,v\n1,a\n", "\n\n", (0, 1, 0)),
        ("id,v\n1,a", "id,v\n1,a\n", (0, 0, 0)),
        ("\n\nid,v\n\n1,a\n", "id,v\n1,a\n\n", (0, 0, 0)),
        ("id,v,v\n1,a,b\n", "id,v,v\n1,a,c\n", (0, 0, 1)),
        ("id,,\n1,a,b\n", "id,,\n1,c,b\n", (0, 0, 1)),
        ('id,v\n1,"a\r\nb"\n', 'id,v\n1,"a\nb"\n', (0, 0, 1)),
        ("id,v\r1,a\r2,b\r", "id,v\n1,a\n2,b\n", (0, 0, 0)),
        ("id,v\r\n1,a\n2,b\r\n", "id,v\n1,a\n2,b\n", (0, 0, 0)),
        ("#id,v\n#1,a\n", "#id,v\n#1,b\n", (1, 1, 0)),
        ('id,v\n1,5" x\n', 'id,v\n1,6" x\n', (0, 0, 1)),
        ('id,v\n1,"a"b\n', "id,v\n1,ab\n", (0, 0, 0)),
        ('id,v\n1,"a\n', "id,v\n1,b\n", (0, 0, 1)),
        ("id,v\n1, a\n", "id,v\n1,a\n", (0, 0, 1)),
        ("id,v\n1,NULL\n", "id,v\n1,\n", (0, 0, 1)),
        ("id,v\n1,\n", 'id,v\n1,""\n', (0, 0, 0)),
        ("id;v\n1;2,5\n", "id,v\n1,2.5\n", (0, 0, 1)),
        ("id,v\n1,a\n2\n", 'id,v\n1,a\n2,""\n', (0, 0, 1)),
    ],
    ids=str,
)
def test_what_files_can_be(tmp_path: Path, before: str, after: str, expected: tuple[int, int, int]) -> None:
    found = texts(tmp_path, before, after, BY_ID)
    assert found.kind == "csv"
    assert counts(only(found)) == expected
    assert found.is_same_data == (expected == (0, 0, 0))


@pytest.mark.parametrize(
    ("line", "row"),
    [
        ('1, "a"', ("1", ' "a"')),
        ('1,"a" ', ("1", "a ")),
        (' "1",a', (' "1"', "a")),
        ('"1" ,a', ("1 ", "a")),
        ('1,"a "" b"', ("1", 'a " b')),
        ('1," a"', ("1", " a")),
        ('1,"b, ""a"" "', ("1", 'b, "a" ')),
        ('"","" ', ("", " ")),
        ('"a, " ,b', ("a,  ", "b")),
    ],
    ids=str,
)
@pytest.mark.parametrize("block", [1, 2, 5, 1 << 20])
def test_a_blank_beside_a_quote_is_a_part_of_the_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, row: tuple[str, ...], block: int
) -> None:
    """Whether another line makes the file one that DuckDB does not read, or not."""
    monkeypatch.setattr(separated, "_BLOCK", block)
    for data in (f"\ufeffid,v\n{line}\n", f"id,v\r\nx,y\r\n{line}"):
        (tmp_path / "one").write_bytes(gzip.compress(data.encode()))
        assert row in [r.after for r in only(compare(None, tmp_path / "one", "a.csv.gz", ALL)).samples]
    ragged = only(texts(tmp_path, f"id,v\n{line}\n", f"id,v\n{line}\nx\n"))
    assert counts(ragged) == (1, 0, 0)


def test_a_row_that_is_too_long_makes_a_column(tmp_path: Path) -> None:
    table = only(texts(tmp_path, "id,v\n1,a\n", "id,v\n1,a\n2,b,more\n", BY_ID))
    assert [(c.name, c.change, c.filled) for c in table.columns] == [("column2", Change.ADDED, 1)]
    assert table.samples[0].after == ("2", "b", "more")


def test_the_name_of_a_file_says_that_it_is_separated_by_tabs(tmp_path: Path) -> None:
    before, after = "a,b,c\tv\n1\t2,3,4\n", "a,b,c\tv\n1\t2,3,5\n"
    for name in ("x.tsv", "x.TSV.gz"):
        table = only(texts(tmp_path, before, after, ALL, name))
        assert table.after_columns == ("a,b,c", "v")
    assert only(texts(tmp_path, before, after, ALL, "x.csv")).after_columns == ("a", "b", "c\tv")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "latin-1"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_encodings(tmp_path: Path, encoding: str, pack: type[bytes]) -> None:
    text = "id,v\n1,é\n2,ü\n"
    assert texts(tmp_path, text, pack(text.encode(encoding)), BY_ID).is_same_data


def test_bytes_of_two_encodings_in_one_file(tmp_path: Path) -> None:
    mixed = "id,v\n1,é\n".encode() + "2,ü\n".encode("latin-1")
    assert texts(tmp_path, "id,v\n1,é\n2,ü\n", mixed, BY_ID).is_same_data


def test_a_column_whose_name_changes_its_case_is_the_same_column(tmp_path: Path) -> None:
    found = texts(tmp_path, "ID,v\n1,a\n", "id,v\n1,a\n", BY_ID)
    assert counts(only(found)) == (0, 0, 0)
    assert [(c.change, c.before and c.before.name) for c in only(found).columns] == [(Change.CHANGED, "ID")]
    assert not found.is_same_data


def test_a_column_is_retyped_only_where_all_its_cells_say_so(tmp_path: Path) -> None:
    """The first rows of one side look like numbers, and the last do not; on the other they come first."""
    numbers, words = [f"{n},{n}\n" for n in range(3000)], [f"{n},w\n" for n in range(3000, 3010)]
    before, after = "id,v\n" + "".join(numbers + words), "id,v\n" + "".join(words + numbers)
    assert texts(tmp_path, before, after, BY_ID).is_same_data
    table = only(texts(tmp_path, after, "id,v\n" + "".join(numbers[:2]), BY_ID))
    assert [(c.before and c.before.type, c.after and c.after.type) for c in table.columns] == [
        ("VARCHAR", "BIGINT")
    ]


def test_nothing_in_common(tmp_path: Path) -> None:
    table = only(texts(tmp_path, "a\n1\n2\n", "b\n1\n"))
    assert counts(table) == (1, 2, 0)
    assert [row.before or row.after for row in table.samples] == [("1",), ("1",), ("2",)]
    assert table.note == "no column is on both sides: every row counts as removed or added"


@pytest.mark.parametrize("data", ["id,v\n1,{}\n", 'id,v\n1,"{}"\n', "{},v\n", 'id,v\n1,"\n{}'])
def test_a_cell_that_nobody_should_hold_in_memory(
    tmp_path: Path, data: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(separated, "LINE", 1 << 16)
    monkeypatch.setattr("git_datamanager.tables.csvs.LINE", 1 << 16)
    long = data.format("x" * 1000 * 20_000)
    tracemalloc.start()
    found = texts(tmp_path, long, long + "\n", BY_ID)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.kind == "other"
    assert (found.note or "").startswith("the file cannot be read as CSV (a ")
    assert (found.note or "").endswith(" is longer than 0 MiB)")
    assert peak < 3 * len(long)


@pytest.mark.slow
def test_a_line_of_a_gigabyte(tmp_path: Path) -> None:
    for side in ("old", "new"):
        with (tmp_path / side).open("wb") as file:
            file.write(f"id,v\n1,{side}".encode())
            file.seek(1 << 30, 1)
            file.write(b"\n")
    from git_datamanager.tables.source import compare

    found = compare(tmp_path / "old", tmp_path / "new", "a.csv", BY_ID)
    assert found.note == "the file cannot be read as CSV (a line is longer than 16 MiB)"


def test_very_many_columns(tmp_path: Path) -> None:
    names = ["id", *(f"c{n}" for n in range(600))]
    rows = [[str(k), *(f"{k}.{n}" for n in range(600))] for k in range(4)]

    def text(names: list[str], rows: list[list[str]]) -> str:
        return "\n".join(map(",".join, [names, *rows])) + "\n"

    new = [row[:] for row in rows[1:]]
    new[0][599] = "other"
    new.append(["9", *["" for _ in range(600)]])
    table = only(texts(tmp_path, text(names, rows), text(names, new), BY_ID))
    assert counts(table) == (1, 1, 1)
    assert cells(table)[0] == [("c598", "1.598", "other")]
    assert applied(table, map(tuple, rows)) == counted(map(tuple, new))
    as_a_whole = only(texts(tmp_path, text(names, rows), text(names, new)))
    assert counts(as_a_whole) == (2, 2, 0)
    assert applied(as_a_whole, map(tuple, rows)) == counted(map(tuple, new))
    fewer = text(names[:5], [row[:5] for row in new])
    less = only(texts(tmp_path, text(names, rows), fewer, BY_ID))
    assert (counts(less), len(less.columns)) == ((1, 1, 0), 596)
    moved = text(names[::-1], [row[::-1] for row in rows])
    assert texts(tmp_path, text(names, rows), moved, BY_ID).is_same_data
