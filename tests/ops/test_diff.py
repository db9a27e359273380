"""`git data diff`: which versions are compared, and what a person and a script are told."""

import contextlib
import os
import pty
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from git_datamanager.ops.inside.diff import MOST_MEMBERS
from tests.world import Clone, World


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        for statement in statements:
            database.execute(statement)


def version(clone: Clone, name: str, *statements: str) -> None:
    """The next version of a database, committed."""
    change(clone.path / name, *statements)
    clone.data("add", name)
    clone.commit(f"{name} changed")


TABLE = "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)"


def make_template(world: World, ana: Clone) -> None:
    """One database in three versions, each a commit, with one row more in each."""
    version(ana, "e.sqlite", TABLE, "INSERT INTO t VALUES (1, 'one')")
    version(ana, "e.sqlite", "INSERT INTO t VALUES (2, 'two')")
    version(ana, "e.sqlite", "INSERT INTO t VALUES (3, 'three')")


@pytest.fixture
def story(template: World, tmp_path: Path) -> World:
    return template.copy(tmp_path / "story")


@pytest.fixture
def three(story: World) -> Clone:
    return story.found("ana")


@pytest.fixture
def published(story: World, three: Clone) -> Clone:
    three.git("push", "-q")
    story.publish(three)
    three.git("pull", "-q")
    return three


def only(clone: Clone, *args: str) -> dict[str, Any]:
    """The one dataset that differs."""
    document = clone.data("diff", "--json", *args).json()
    assert document["schema"] == "git-data/diff/1"
    (found,) = document["datasets"]
    return found


def labels(clone: Clone, *args: str) -> tuple[str | None, str | None]:
    found = only(clone, *args)
    return tuple(found[side] and found[side]["label"] for side in ("before", "after"))  # type: ignore[return-value]


def test_a_working_file_against_its_latest_version(three: Clone) -> None:
    assert three.data("diff", "--exit-code").out == ""
    change(
        three.path / "e.sqlite",
        "UPDATE t SET name = 'eins' WHERE id = 1",
        "DELETE FROM t WHERE id = 2",
        "INSERT INTO t VALUES (9, 'nine')",
    )
    text = three.data("diff", "--exit-code", code=1).out
    assert text.splitlines() == [
        "e.sqlite  v3 → work tree  8.0 KiB  rows +1 −1 ~1",
        "  t  (keyed by id)  +1 −1 ~1, 1 unchanged",
        "    ~ 1: name: one → eins",
        "    + 9: nine",
        "    − 2: two",
    ]


def test_every_form_of_the_arguments(three: Clone) -> None:
    first, second = (three.git("rev-parse", f"HEAD~{n}").out.strip() for n in (2, 1))
    three.git("branch", "topic", second)
    for args, wanted in [
        (["HEAD~1"], ("v2", "v3")),
        ([first[:8]], ("v1", "v3")),
        (["HEAD~2", "HEAD~1"], ("v1", "v2")),
        (["HEAD~2..topic"], ("v1", "v2")),
        (["topic.."], ("v2", "v3")),
        (["..topic"], ("v3", "v2")),
        (["topic", "--", "e.sqlite"], ("v2", "v3")),
        (["topic", "e.sqlite"], ("v2", "v3")),
        (["topic", first, "e.sqlite"], ("v2", "v1")),
        (["e.sqlite@v1", "e.sqlite@v3"], ("v1", "v3")),
        (["e.sqlite@v2"], ("v2", "v3")),
        (["e.sqlite@v1..v2"], ("v1", "v2")),
        (["./e.sqlite@v3..v1"], ("v3", "v1")),
        (["e.sqlite@v1.."], ("v1", "v3")),
        (["v1", "v2", "--", "e.sqlite"], ("v1", "v2")),
        (["v2..v1", "e.sqlite"], ("v2", "v1")),
        (["v1", "e.sqlite"], ("v1", "v3")),
    ]:
        assert labels(three, *args) == wanted, args
    change(three.path / "e.sqlite", "DELETE FROM t")
    for args, wanted in [
        ([], ("v3", "work tree")),
        (["e.sqlite"], ("v3", "work tree")),
        (["--", "e.sqlite"], ("v3", "work tree")),
        (["."], ("v3", "work tree")),
        (["HEAD"], ("v3", "work tree")),
        (["e.sqlite@v1"], ("v1", "work tree")),
    ]:
        assert labels(three, *args) == wanted, args


def test_what_is_staged(three: Clone) -> None:
    three.data("add", "e.sqlite")
    assert three.json("diff", "--cached")["datasets"] == []
    change(three.path / "e.sqlite", "INSERT INTO t VALUES (4, 'four')")
    three.data("add", "e.sqlite")
    change(three.path / "e.sqlite", "INSERT INTO t VALUES (5, 'five')")
    for args, wanted in [
        (["--cached"], ("v3", "v4")),
        (["--staged", "e.sqlite"], ("v3", "v4")),
        (["--cached", "HEAD~1"], ("v2", "v4")),
        (["--cached", "HEAD~1", "--", "e.sqlite"], ("v2", "v4")),
        ([], ("v4", "work tree")),
    ]:
        assert labels(three, *args) == wanted, args
    assert [row["key"] for row in only(three, "--cached")["source"]["tables"][0]["rows"]] == [[4]]
    for args in (["HEAD", "HEAD~1"], ["e.sqlite@v1"], ["v1", "--", "e.sqlite"], ["HEAD~1..HEAD"]):
        said = three.data("diff", "--cached", *args, code=128).err
        assert "is no commit: --cached compares the index with one" in said, args
    three.git("restore", "--staged", "manifest.json")
    assert three.json("diff", "--cached")["datasets"] == []


def test_names_count_from_where_one_stands(three: Clone) -> None:
    (three.path / "sub").mkdir()
    version(three, "sub/e.sqlite", TABLE)
    change(three.path / "e.sqlite", "DELETE FROM t")
    change(three.path / "sub" / "e.sqlite", "INSERT INTO t VALUES (1, 'x')")

    def names(*args: str) -> list[str]:
        return three.data("diff", "--name-only", *args, cwd="sub").out.splitlines()

    assert names() == ["e.sqlite", "sub/e.sqlite"]
    assert names("e.sqlite") == names(".") == names("--", ".") == ["sub/e.sqlite"]
    assert names("../e.sqlite") == names("../e.sqlite@v1") == ["e.sqlite"]
    assert names("HEAD", "..") == ["e.sqlite", "sub/e.sqlite"]


def test_without_working_files_commits_are_compared(story: World, published: Clone) -> None:
    bare = Clone(story.origin)
    args = ("diff", "--name-only", "main~3", "main")
    assert bare.data(*args).out == "e.sqlite\n"
    assert "bare" in bare.data("diff", code=128).err


def test_three_dots_begin_where_both_branched_off(three: Clone) -> None:
    three.git("checkout", "-q", "-b", "topic", "HEAD~1")
    three.write("a.csv", "x\n1\n")
    three.data("add", "a.csv")
    three.commit("topic")
    assert [d["name"] for d in three.json("diff", "main..topic")["datasets"]] == ["a.csv", "e.sqlite"]
    assert [d["name"] for d in three.json("diff", "main...topic")["datasets"]] == ["a.csv"]


def test_words_that_mean_nothing_or_two_things(three: Clone) -> None:
    said = three.data("diff", "e.sqlit", code=3).err
    assert "neither a revision here nor a dataset" in said
    assert "git data log e.sqlite" in said
    assert "neither" in three.data("diff", "nonsense", "--", "e.sqlite", code=3).err
    assert "no dataset 'nonsense'" in three.data("diff", "--", "nonsense", code=3).err
    assert "one side too many" in three.data("diff", "HEAD", "HEAD~1", "HEAD~2", code=128).err
    assert "one side too many" in three.data("diff", "v1", "v2", "v3", "--", "e.sqlite", code=128).err
    assert "v1 of which dataset?" in three.data("diff", "v1", "v2", code=128).err
    assert "no version 'v9'" in three.data("diff", "e.sqlite@v9", code=3).err
    three.git("branch", "e.sqlite")
    assert "both a revision and a dataset" in three.data("diff", "e.sqlite", code=128).err
    three.git("branch", "-D", "e.sqlite")
    three.git("tag", "v1", "HEAD~1")
    said = three.data("diff", "v1", "--", "e.sqlite", code=128).err
    assert "git data diff e.sqlite@v1" in said
    assert labels(three, "v1") == ("v2", "v3"), "a tag is a revision where no dataset stands beside it"
    assert "--rows" in three.data("diff", "--rows", "few", code=129).err


def test_datasets_that_come_go_and_are_renamed(three: Clone) -> None:
    three.write("a.csv", "x\n1\n")
    three.data("add", "a.csv")
    three.data("mv", "e.sqlite", "energy.sqlite")
    three.commit("moved")
    text = three.data("diff", "HEAD~1", "HEAD").out
    assert "a.csv  new: v1  4 B  rows +1 −0 ~0\n" in text
    assert "e.sqlite → energy.sqlite  v3  8.0 KiB  renamed\n" in text
    assert "a.csv  v1 → gone" in three.data("diff", "HEAD", "HEAD~1").out
    version(three, "energy.sqlite", "DELETE FROM t")
    found = only(three, "HEAD~2", "HEAD", "--", "e.sqlite")
    assert (found["renamed_from"], found["source"]["removed"]) == ("e.sqlite", 3)


def test_only_bytes_changed(three: Clone) -> None:
    change(three.path / "e.sqlite", "CREATE TABLE u (x)", "DROP TABLE u")
    assert three.data("diff", "--exit-code").out.rstrip().endswith("bytes changed, data same")
    found = only(three)
    assert (found["same_bytes"], found["same_data"]) == (False, True)
    change(three.path / "e.sqlite", "INSERT INTO t VALUES (7, 'x')")
    assert "bytes changed, schema same" in three.data("diff", "--schema", "--exit-code").out
    assert only(three, "--schema")["same_data"] is None


def test_less_than_all_of_it(three: Clone) -> None:
    many = (
        "WITH RECURSIVE n(n) AS (SELECT 10 UNION ALL SELECT n + 1 FROM n WHERE n < 39)"
        " INSERT INTO t SELECT n, 'n' || n FROM n"
    )
    change(three.path / "e.sqlite", many, "CREATE TABLE u (x)")
    assert three.data("diff", "--name-only").out == "e.sqlite\n"
    stat = three.data("diff", "--stat").out
    assert "+30 −0 ~0" in stat
    assert "+ 10" not in stat
    assert "… 10 more rows (--rows all)" in three.data("diff").out
    assert "+ 39: n39" in three.data("diff", "--rows", "all").out
    assert len(only(three, "--rows", "2")["source"]["tables"][0]["rows"]) == 2
    assert [t["name"] for t in only(three, "--table", "u")["source"]["tables"]] == ["u"]
    assert "new table" in three.data("diff", "--schema").out
    found = only(three, "--where", "id > 37")
    assert (found["source"]["tables"][0]["added"], found["scope"]) == (2, "rows asked for")


def test_a_condition_need_not_fit_every_dataset(three: Clone) -> None:
    three.write("years.csv", "year,v\n2020,a\n2030,a\n")
    three.write("runs/one.csv", "year,v\n2020,a\n2030,a\n")
    three.write("runs/two.csv", "name,v\nx,a\n")
    three.data("add", "years.csv", "runs")
    change(three.path / "e.sqlite", "DELETE FROM t")
    three.write("years.csv", "year,v\n2020,b\n2030,b\n")
    three.write("runs/one.csv", "year,v\n2020,b\n2030,b\n")
    three.write("runs/two.csv", "name,v\nx,b\n")
    shown = three.data("diff", "--where", "year > 2025")
    assert "not compared: --where does not fit it: no such column: year" in shown.out
    assert "--where does not fit two.csv: " in shown.out
    assert shown.out.count("+ 2030, b") == 2
    assert "2020" not in shown.out
    assert "expression of SQL" not in shown.err
    for condition, names in (("year > 2025", ["e.sqlite"]), ("nope", []), ("nope", ["runs"])):
        said = three.data("diff", "--where", condition, "--", *names, code=128)
        assert "--where is no condition on the rows of table" in said.out
        assert "hint: it is an expression of SQL" in said.err


def test_a_journal_that_waits_for_a_recovery_is_said_in_words_of_the_diff(three: Clone) -> None:
    with closing(sqlite3.connect(three.path / "e.sqlite")) as database:
        database.execute("PRAGMA cache_size = 1")
        database.execute("BEGIN")
        database.execute("CREATE TABLE big (x)")
        database.executemany("INSERT INTO big VALUES (randomblob(?))", [(4000,)] * 99)
        for path in three.path.glob("e.sqlite*"):
            shutil.copy(path, path.with_name(path.name.replace("e.", "hot.")))
    for path in three.path.glob("hot.sqlite*"):
        path.replace(path.with_name(path.name.replace("hot.", "e.")))
    said = three.data("diff", code=5)
    assert "SQLite cannot read the two together" in said.out + said.err
    assert "added" not in said.out + said.err


def test_tables_and_keys_that_nobody_has(three: Clone) -> None:
    change(three.path / "e.sqlite", "DELETE FROM t")
    three.write("a.bin", "a")
    three.data("add", "a.bin")
    three.write("a.bin", "b")
    assert only(three, "--table", "T")["name"] == "e.sqlite"
    assert "no dataset that differs has a table 'u'" in three.data("diff", "--table", "u", code=3).err
    said = three.data("diff", "v3", "--key", "nope", "--", "e.sqlite", code=3).err
    assert "has the columns nope" in said
    assert "hint: git data diff --schema v3 -- e.sqlite   # the columns that differ" in said


def test_a_dataset_says_how_many_rows_and_by_which_key(three: Clone) -> None:
    change(three.path / "e.sqlite", "UPDATE t SET id = id + 10")
    assert "+3 −3 ~0" in three.data("diff").out
    assert "(keyed by name)  +0 −0 ~3" in three.data("diff", "--key", "name,name").out
    path = three.path / "manifest.json"
    options = '"kind": "file",\n      "options": {"key": ["name"], "max_diff_rows": 1},'
    path.write_text(path.read_text().replace('"kind": "file",', options, 1))
    found = only(three)["source"]["tables"][0]
    assert (found["key"], found["changed"], len(found["rows"])) == (["name"], 3, 1)
    assert len(only(three, "--rows", "5")["source"]["tables"][0]["rows"]) == 3, "who asks for rows gets them"


def test_names_and_cells_that_would_steer_a_terminal(three: Clone) -> None:
    change(
        three.path / "e.sqlite",
        'CREATE TABLE "w\x1b[31m\n\u202e" ("c\x1b]0;x\x07" TEXT)',
        "INSERT INTO \"w\x1b[31m\n\u202e\" VALUES ('\x1b[2J' || char(10) || 'next'), ('a, b'), ('')",
    )
    text = three.data("diff").out
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "\\u001b[2J\\nnext" in text
    assert "'a, b'" in text
    assert "+ ''\n" in text
    rows = only(three)["source"]["tables"][1]["rows"]
    assert {"c\x1b]0;x\x07": "\x1b[2J\nnext"} in [row["after"] for row in rows]


def test_texts_that_are_no_utf_8_are_told_apart(three: Clone) -> None:
    change(
        three.path / "e.sqlite",
        "UPDATE t SET name = CAST(x'ff41' AS TEXT) WHERE id = 1",
        'CREATE TABLE "" (x)', "INSERT INTO \"\" VALUES (CAST(x'fe' AS TEXT))",
    )  # fmt: skip
    found = only(three)["source"]["tables"]
    (changed,) = found[1]["rows"]
    assert changed["after"]["name"] == {"text": "\ufffdA", "hex": "ff41", "size": 2}
    shown = three.data("diff").out
    assert "    ~ 1: name: one → \\udcffA\n" in shown
    assert "  ''  new table, 1 row\n    + \\udcfe\n" in shown


def test_a_database_in_use_is_compared_with_its_log(three: Clone) -> None:
    with closing(sqlite3.connect(three.path / "e.sqlite")) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA wal_autocheckpoint = 0")
        database.execute("INSERT INTO t VALUES (4, 'in the log')")
        database.commit()
        before = {p.name: p.read_bytes() for p in three.path.glob("e.sqlite*") if p.suffix != ".sqlite-shm"}
        assert "+ 4: in the log" in three.data("diff").out
        assert before == {
            p.name: p.read_bytes() for p in three.path.glob("e.sqlite*") if p.suffix != ".sqlite-shm"
        }


def test_versions_whose_bytes_are_not_here(story: World, published: Clone) -> None:
    bob = story.clone("bob")
    text = bob.data("diff", "v1", "v3", "--", "e.sqlite").out
    assert text.startswith("e.sqlite  v1 → v3  8.0 KiB\n  needs v1 (8.0 KiB), v3 (8.0 KiB): git -c data.diff")
    found = only(bob, "e.sqlite@v1", "e.sqlite@v3")
    assert [need["version"] for need in found["needs"]] == ["v1", "v3"]
    assert found["same_data"] is None
    bob.data("diff", "--exit-code", "e.sqlite@v1", "e.sqlite@v3", code=1)
    fetching = {"GIT_DATA_DIFF_FETCH": "always"}
    text = bob.data("diff", "e.sqlite@v1", "e.sqlite@v3", env=fetching).out
    assert "rows +2 −0 ~0" in text
    assert "rows +2 −0 ~0" in bob.data("diff", "e.sqlite@v1", "e.sqlite@v3").out, "it stays in the cache"


def test_stores_that_cannot_be_reached(story: World, published: Clone) -> None:
    bob = story.clone("bob")
    shutil.rmtree(story.folder("production"))
    shutil.rmtree(story.folder("staging"))
    done = bob.data("diff", "e.sqlite@v1", "e.sqlite@v2", env={"GIT_DATA_DIFF_FETCH": "always"}, code=None)
    assert done.code not in (0, 1)
    assert "needs v1" in done.out
    assert "not compared:" in done.out


def test_a_deleted_version_is_gone(story: World, published: Clone) -> None:
    three = published
    three.data("prune", "e.sqlite", "--keep", "1", "--yes")
    three.commit("pruned")
    three.git("push", "-q")
    story.publish(three)
    three.git("pull", "-q")
    assert three.states("e.sqlite")["v1"] == "deleted"
    text = three.data("diff", "v1", "v3", "--", "e.sqlite").out
    assert "not compared: v1 was deleted on 20" in text
    assert "its bytes are gone" in text


def test_damaged_bytes_in_the_cache_are_not_compared(three: Clone) -> None:
    oid = three.versions("e.sqlite")[2]["oid"].removeprefix("sha256:")
    path = three.path / ".git" / "data" / "cache" / oid[:2] / oid
    data = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(data[:-1] + b"X")
    found = only(three, "e.sqlite@v1", "e.sqlite@v2")
    assert [need["version"] for need in found["needs"]][:1] == ["v1"]
    assert found["source"] is None


def test_other_files_say_how_much_they_share(ana: Clone) -> None:
    ana.write("model.bin", os.urandom(40_000))
    ana.data("add", "model.bin")
    ana.write("model.bin", ana.read("model.bin") + os.urandom(10_000))
    found = only(ana)["source"]
    assert found["kind"] == "other"
    assert 30_000 < found["common"] <= 40_000
    assert "% of its bytes were there before" in ana.data("diff").out


def test_csv_by_key(ana: Clone) -> None:
    pytest.importorskip("duckdb")
    ana.write("a.csv", "id,price\n1,2.0\n2,3.5\n")
    ana.data("add", "a.csv")
    ana.write("a.csv", "id,price\n1,2.0\n2,3.75\n5,NULL\n")
    told = [
        "hint: git data diff --key COLUMN …   # matches rows by it",
        "hint: git data set a.csv key=COLUMN   # for everybody",
    ]
    assert ana.data("diff").err.splitlines() == told
    assert ana.data("diff", "--json").err == ""
    assert ana.data("diff", "--where", "id = 5").err == "", "rows were added, and none removed"
    shown = ana.data("diff", "--key", "id")
    assert shown.err == ""
    text = shown.out
    assert "\n  (keyed by id)  +1 −0 ~1, 1 unchanged\n" in text, "its one table has no name"
    assert "~ 2: price: 3.5 → 3.75" in text
    assert "+ 5: 'NULL'" in text


def test_a_folder_file_by_file(ana: Clone) -> None:
    ana.write("images/a.png", "a")
    ana.write("images/b/c.png", "moving")
    ana.write("images/gone.png", "gone")
    change(ana.path / "images" / "t.sqlite", TABLE, "INSERT INTO t VALUES (1, 'one')")
    ana.data("add", "images")
    ana.commit("one")
    assert ana.data("diff").out == ""
    (ana.path / "images" / "b" / "c.png").rename(ana.path / "images" / "d.png")
    (ana.path / "images" / "gone.png").unlink()
    ana.write("images/new.png", "new")
    change(ana.path / "images" / "t.sqlite", "UPDATE t SET name = 'eins'")
    wanted = [
        "  ~ b/c.png → d.png  6 B  moved",
        "  − gone.png  4 B",
        "  + new.png  3 B",
        "  ~ t.sqlite  8.0 KiB  rows +0 −0 ~1",
        "    t  (keyed by id)  +0 −0 ~1, 0 unchanged",
        "      ~ 1: name: one → eins",
        "  1 file unchanged",
    ]
    head, *rest = ana.data("diff").out.splitlines()
    assert head.startswith("images  v1 → work tree")
    assert head.endswith("files +1 −1 ~2")
    assert rest == wanted
    ana.data("add", "images")
    ana.commit("two")
    assert ana.data("diff", "HEAD~1", "HEAD").out.splitlines()[1:] == wanted
    found = {one["path"]: one for one in only(ana, "HEAD~1")["folder"]["files"]}
    assert found["d.png"]["moved_from"] == "b/c.png"
    assert found["t.sqlite"]["source"]["changed"] == 1


def test_nothing_is_said_of_files_that_were_not_looked_into(ana: Clone) -> None:
    """Whoever asks for one table learns nothing of the data of the other files."""
    pytest.importorskip("duckdb", reason="DuckDB is not installed (the extra tabular)")
    (ana.path / "runs").mkdir()
    change(ana.path / "runs/e.sqlite", TABLE, "CREATE TABLE u (x)", "CREATE TABLE w (x)")
    ana.write("runs/a.csv", "id\n1\n")
    ana.data("add", "runs")
    ana.commit("one")
    change(ana.path / "runs/e.sqlite", "INSERT INTO u VALUES (1)")
    ana.write("runs/a.csv", "id\n2\n")
    shown = ana.data("diff", "--table", "u").out
    assert "  ~ a.csv  5 B\n" in shown
    assert "rows +1 −0 ~0" in shown
    assert "the same in what was asked for" in ana.data("diff", "--table", "w").out
    found = only(ana, "--table", "w")
    assert [one["source"] and one["source"]["same_data"] for one in found["folder"]["files"]] == [None, None]
    assert (found["scope"], found["same_data"]) == ("rows asked for", None)


def test_a_folder_whose_files_hold_the_same_differs_in_bytes_alone(ana: Clone) -> None:
    pytest.importorskip("duckdb")
    for ends in ("\n", "\r\n"):
        ana.write("images/a.csv", ends.join(["id,v", "1,x", ""]))
        ana.write("images/b.bin", b"\0 one")
        ana.data("add", "images")
        ana.commit("images")
    assert "bytes changed, data same" in ana.data("diff", "v1", "v2", "--exit-code", "--", "images").out
    ana.write("images/a.csv", "id,v\n1,y\n")
    assert only(ana)["same_data"] is False
    schema = ana.data("diff", "--schema", "--exit-code").out
    assert "bytes changed, schema same" in schema
    ana.write("images/b.bin", b"\0 two")
    ana.data("diff", "--schema", "--exit-code", code=1)


def test_not_every_table_of_a_folder_is_opened(ana: Clone) -> None:
    change(ana.path / "one.sqlite", TABLE)
    members = [f"many/{n}.sqlite" for n in range(MOST_MEMBERS + 2)]
    for name in members:
        ana.write(name, ana.read("one.sqlite"))
    ana.data("add", "many")
    change(ana.path / "one.sqlite", "INSERT INTO t VALUES (1, 'x')")
    for name in members:
        ana.write(name, ana.read("one.sqlite"))
    assert "2 changed tables were not compared: --rows all compares them" in ana.data("diff").out
    found = only(ana, "--rows", "all")["folder"]
    assert found["note"] is None
    assert all(one["source"]["added"] == 1 for one in found["files"])


def test_a_page_to_read_in_a_browser(three: Clone) -> None:
    three.data("diff", "HEAD~1", "HEAD", "--html", "changes.html")
    assert "e.sqlite" in three.read("changes.html").decode()
    three.data("diff", "HEAD~2", "HEAD", "--html", "changes.html")


def test_a_page_replaces_nothing_but_a_page(three: Clone) -> None:
    before = three.read("e.sqlite")
    said = three.data("diff", "HEAD~1", "HEAD", "--html", "e.sqlite", code=5).err
    assert "e.sqlite exists and is no page: nothing was written" in said
    assert three.read("e.sqlite") == before


def test_a_key_is_shown_once(three: Clone) -> None:
    """Also where a side spells its column otherwise, and where nothing stands beside it."""
    change(
        three.path / "e.sqlite",
        "ALTER TABLE t RENAME COLUMN id TO ID", "INSERT INTO t VALUES (9, 'nine')",
        "CREATE TABLE bare (k PRIMARY KEY)", "INSERT INTO bare VALUES (5)",
    )  # fmt: skip
    shown = three.data("diff").out.splitlines()
    assert "    + 9: nine" in shown
    assert "    + 5" in shown


def on_terminal(
    clone: Clone, *args: str, typed: bytes = b"", pager: str = "sed s/^/paged:/", code: int = 0
) -> bytes:
    """What `git data diff` shows on a terminal, where somebody types that."""
    ours, theirs = pty.openpty()
    with open(ours, "r+b", buffering=0) as terminal:
        process = subprocess.Popen(
            ["git", "data", "diff", *args],
            cwd=clone.path, stdin=theirs, stdout=theirs, stderr=theirs,
            env={**os.environ, "GIT_PAGER": pager, "TERM": "xterm", "GIT_TERMINAL_PROMPT": "1"},
        )  # fmt: skip
        os.close(theirs)
        terminal.write(typed)
        found = b""
        with contextlib.suppress(OSError):  # that is how a terminal ends
            while block := terminal.read(1 << 16):
                found += block
        assert process.wait() == code
    return found


def test_long_output_goes_through_the_pager_on_a_terminal(three: Clone) -> None:
    paged = on_terminal(three, "HEAD~1", "HEAD")
    assert b"paged:" in paged
    assert b"\x1b[3" in paged, "colours stay"
    assert b"paged:" not in on_terminal(three, "HEAD~1", "HEAD", "--no-pager")
    assert "paged:" not in three.data("diff", "HEAD~1", env={"GIT_PAGER": "sed s/^/paged:/"}).out


def test_a_reader_that_has_seen_enough_is_no_error(three: Clone) -> None:
    change(
        three.path / "e.sqlite", "UPDATE t SET name = hex(randomblob(30000))", "DELETE FROM t WHERE id > 1"
    )
    for word, code in (("", 0), ("--exit-code", 1)):
        options = [word] if word else []
        assert on_terminal(three, "HEAD~2", *options, pager="true", code=code) == b""


@pytest.mark.parametrize(
    "command",
    [
        ["diff", "HEAD~2"],
        ["log"],
        ["ls"],
        ["show", "e.sqlite"],
        ["status"],
        ["catalog"],
        ["sql", "SELECT * FROM e"],
        ["sql", "SELECT * FROM e", "--format", "csv"],
        ["--help"],
        ["--version"],
    ],
    ids=" ".join,
)
def test_a_pipe_that_nobody_reads_is_no_error_to_talk_about(three: Clone, command: list[str]) -> None:
    """As git: a shell sees 141, which is SIGPIPE, and nobody says a word."""
    with subprocess.Popen(
        ["git-data", *command], cwd=three.path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
    assert (said, process.returncode) == (b"", 141)


def test_on_a_terminal_it_asks_once_before_it_fetches(story: World, published: Clone) -> None:
    bob = story.clone("bob")
    sides = ("e.sqlite@v1", "e.sqlite@v2", "--no-pager")
    said = on_terminal(bob, *sides, typed=b"n\n")
    assert b"e.sqlite v1, e.sqlite v2 are not here: fetch 16.0 KiB at most?" in said
    assert b"needs v1" in said
    assert b"+ 2: two" in on_terminal(bob, *sides, typed=b"y\n").replace(b"\x1b[32m", b"")
