"""git data profile: what a version holds, for people, scripts and browsers; and what is remembered of it."""

import sqlite3
from contextlib import closing
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from git_datamanager.cli.profile import _row
from git_datamanager.manager import DataManager
from git_datamanager.ops.inside.profiles import plain, profile_of, read
from git_datamanager.pages.profile_page import profile_page
from git_datamanager.tables.profiling.profiled import ColumnProfile, Frequent, SourceProfile, TableProfile
from tests.world import Clone, World

HOSTILE = "<script>alert(1)</script>"


def make_template(world: World, ana: Clone) -> None:
    for rows in (3, 5):
        with closing(sqlite3.connect(ana.path / "e.sqlite")) as database, database:
            database.execute("DROP TABLE IF EXISTS d")
            database.execute("CREATE TABLE d (id INTEGER PRIMARY KEY, region TEXT, value REAL)")
            database.executemany(
                "INSERT INTO d VALUES (?, ?, ?)",
                [(n, HOSTILE if n else None, n / 2) for n in range(rows)],
            )
        ana.data("add", "e.sqlite")
        ana.commit(str(rows))


def test_a_version_and_its_columns(ana: Clone) -> None:
    found = ana.json("profile", "e.sqlite@v1")
    (table,) = found["tables"]
    assert (found["dataset"], found["version"], found["kind"]) == ("e.sqlite", "v1", "sqlite")
    assert (table["name"], table["rows"], table["key"]) == ("d", 3, ["id"])
    identity, region, value = table["columns"]
    assert (identity["min"], identity["max"], identity["distinct"]) == (0, 2, 3)
    assert (region["nulls"], region["null_share"]) == (1, 0.333333)
    assert region["top"] == [{"value": HOSTILE, "times": 2}]
    assert (value["type"], value["mean"]) == ("REAL", 0.5)


def test_what_was_sampled_is_marked_for_people() -> None:
    column = ColumnProfile(
        name="v", type="", nulls=0, empty=0, distinct=2, is_distinct_exact=False,
        top=(Frequent("x", 600),), is_top_exact=False,
    )  # fmt: skip
    table = TableProfile(name="t", rows=1000, columns=(column,))
    assert list(_row(table, column))[-4:] == ["~2", "", "", "x ×~600"]
    page = profile_page(SourceProfile(kind="sqlite", size=1, tables=(table,)), "t")
    assert "about 2" in page
    assert "×about 600" in page


def test_people_read_a_table(ana: Clone) -> None:
    lines = ana.data("profile", "e.sqlite").out.splitlines()
    assert lines[0].startswith("e.sqlite v2  sqlite, ")
    assert lines[2] == "d: 5 rows, key id"
    assert lines[3].split() == ["column", "type", "empty", "distinct", "smallest", "largest", "frequent"]
    assert lines[5].split()[:3] == ["region", "TEXT", "20%"]


def test_the_working_file(ana: Clone) -> None:
    with closing(sqlite3.connect(ana.path / "e.sqlite")) as database, database:
        database.execute("DELETE FROM d WHERE id > 0")
    assert ana.json("profile", "e.sqlite", "--work")["tables"][0]["rows"] == 1
    assert ana.json("profile", "e.sqlite")["tables"][0]["rows"] == 5


def test_what_was_looked_into_once_needs_no_bytes_again(ana: Clone) -> None:
    first = ana.json("profile", "e.sqlite@v1")
    manager = DataManager.open(ana.path)
    dataset = manager.manifests.current().dataset("e.sqlite")
    manager.cache.drop(dataset.version("v1").oid)
    assert ana.json("profile", "e.sqlite@v1") == first
    (manager.state_folder / "profiles.db").write_bytes(b"rotten")
    assert "is not in this clone" in ana.data("profile", "e.sqlite@v1", code=128).err
    assert profile_of(manager, dataset, dataset.version("v2")).tables[0].rows == 5


def test_the_page_is_whole_and_what_it_shows_is_inert(ana: Clone, tmp_path: Path) -> None:
    page = tmp_path / "p.html"
    ana.data("profile", "e.sqlite", "--html", str(page))
    text = page.read_text()
    assert text.startswith("<!doctype html>")
    assert HOSTILE not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "http://" not in text.replace("http-equiv", "")
    ana.data("profile", "e.sqlite", "--html", str(page), code=5)
    ana.data("profile", "e.sqlite", "--html", str(page), "--force")


def test_what_is_no_table_says_so(ana: Clone) -> None:
    ana.write("a.txt", "word")
    ana.write("b.sqlite", b"SQLite format 3\0" + b"\xff" * 5000)
    ana.write("images/a", "a")
    ana.data("add", "a.txt", "b.sqlite", "images")
    assert "holds no tables" in ana.data("profile", "a.txt").err
    assert ana.json("profile", "b.sqlite")["note"]
    assert "is no file" in ana.data("profile", "images", code=128).err
    ana.data("profile", "nix", code=3)


cells = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63),
    st.floats(allow_nan=False),
    st.text(max_size=5),
    st.binary(max_size=5),
)  # fmt: skip


@given(minimum=cells, maximum=cells, top=st.lists(st.tuples(cells, st.integers(2, 9)), max_size=3))
def test_a_profile_is_remembered_as_it_was(minimum: object, maximum: object, top: list) -> None:
    column = ColumnProfile(
        name="c", type="", classes=(("integer", 2), ("text", 1)), nulls=1, empty=0, minimum=minimum,
        maximum=maximum, mean=1.5, distinct=3, is_distinct_exact=False,
        top=tuple(Frequent(*one) for one in top), is_top_exact=False,
    )  # fmt: skip
    table = TableProfile(name="t", rows=4, key=("c",), columns=(column,), note="only a part")
    found = SourceProfile(kind="sqlite", size=5, tables=(table,))
    assert read(plain(found)) == found
