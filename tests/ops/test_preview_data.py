"""What a request changes inside datasets, as `git data preview` tells it."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.world import Clone, World, make_database

HOSTILE = "<img src=x onerror=alert(1)>|`@all`</details>\u202e"


def make_template(world: World, ana: Clone) -> None:
    """Published: a database and a CSV. In the clone ana a branch that changes the one and adds another."""
    make_database(ana.path / "energy.sqlite", 50)
    ana.write("prices.csv", "day,price\n1,10\n2,20\n")
    ana.data("add", "energy.sqlite", "prices.csv")
    ana.commit("one")
    ana.git("push", "-q")
    world.publish(ana)
    ana.git("pull", "-q")
    ana.git("switch", "-q", "-c", "next")
    with closing(sqlite3.connect(ana.path / "energy.sqlite")) as database, database:
        database.execute("UPDATE technology SET capacity = 77.5 WHERE id IN (3, 5, 7, 9)")
        database.execute("UPDATE technology SET name = ? WHERE id = 2", (HOSTILE,))
        database.execute("INSERT INTO technology (name, capacity) VALUES ('new', 1)")
        database.execute("CREATE INDEX by_name ON technology (name)")
    ana.write("extra.csv", "a,b\n1,2\n3,4\n")
    ana.data("add", "energy.sqlite", "extra.csv")
    ana.commit("two")


class Report:
    """The three files of a preview."""

    def __init__(self, clone: Clone, *args: str, code: int = 0, env: dict[str, str] | None = None) -> None:
        out = clone.path.parent / "out"
        self.document = clone.data(
            "preview", "--base", "origin/main", "--json", "--out", str(out), *args, code=code, env=env
        ).json()
        self.markdown = (out / "preview.md").read_text(encoding="utf-8")
        self.page = (out / "preview.html").read_text(encoding="utf-8")

    def dataset(self, name: str) -> dict:
        return next(d for d in self.document["datasets"] if d["name"] == name)

    def row(self, name: str) -> list[str]:
        line = next(line for line in self.markdown.splitlines() if line.startswith(f"| `{name}` "))
        return [cell.strip() for cell in line.strip("|").split(" | ")]


def tracked(ana: Clone, *settings: str) -> None:
    """A request whose base has these settings in its `.gitdata`."""
    ana.git("switch", "-q", "main")
    for setting in settings:
        ana.git("config", "-f", ".gitdata", *setting.split("="))
    ana.git("add", ".gitdata")
    ana.commit("settings")
    ana.git("push", "-q")
    ana.git("switch", "-q", "next")
    ana.git("merge", "-q", "--no-edit", "main")


def test_rows_and_schema_of_every_dataset_that_changes(ana: Clone) -> None:
    found = Report(ana)
    energy = found.row("energy.sqlite")
    assert energy[1:3] == ["v2", "new, goes live"]
    assert energy[5:] == ["+1 −0 ~5", "\\+1\u00a0index", "staging (size)"]
    assert found.row("extra.csv")[5:] == ["+2 −0 ~0", "", "staging (size)"]
    assert "prices.csv" not in found.markdown


def test_the_document_and_the_page_hold_the_rows(ana: Clone) -> None:
    found = Report(ana)
    (table,) = found.dataset("energy.sqlite")["source"]["tables"]
    assert (table["added"], table["removed"], table["changed"], table["unchanged"]) == (1, 0, 5, 45)
    assert len(table["rows"]) == 6
    assert "77.5" in found.page
    assert "Data changes of" in found.page
    assert "ready to merge" in found.page


def test_a_few_cells_stand_in_the_comment(ana: Clone) -> None:
    text = Report(ana).markdown
    (summary,) = [line for line in text.splitlines() if line.startswith("<summary>")]
    assert summary == (
        "<summary><code>energy.sqlite</code> <code>v1 → v2</code>: "
        "1 row added, 0 removed, 5 changed</summary>"
    )
    cells = [line for line in text.splitlines() if line.startswith("| `technology` |")]
    assert len(cells) == 3
    assert "| `technology` | `3` | `capacity` | `1.4` | `77.5` |" in cells
    assert [line for line in text.splitlines() if "details>" in line and "|" not in line] == [
        "<details>",
        "</details>",
    ]


def test_cells_of_a_stranger_are_text(ana: Clone) -> None:
    found = Report(ana)
    assert HOSTILE in found.dataset("energy.sqlite")["source"]["tables"][0]["rows"][0]["after"].values()
    for text in (found.markdown, found.page):
        assert "\u202e" not in text
    assert "<img" not in found.page
    (line,) = [line for line in found.markdown.splitlines() if "onerror" in line]
    assert len(line.split(" | ")) == 5  # no cell more
    assert re.search(r"\| `<img src=x onerror=alert\(1\)>[^`|]*` \|$", line)


def test_no_cell_leaves_the_stores_where_none_may(ana: Clone) -> None:
    tracked(ana, "data.preview.samples=0")
    found = Report(ana)
    assert found.row("energy.sqlite")[5] == "+1 −0 ~5"
    for text in (found.markdown, found.page, str(found.document)):
        assert "77.5" not in text
        assert "onerror=alert" not in text
    assert "<details>" not in found.markdown


@pytest.mark.slow
def test_no_engine_says_what_it_could_not_read(ana: Clone) -> None:
    """Where no cell may leave: its message may quote one."""
    ana.write("extra.jsonl", '{"a": "secret')
    ana.data("add", "extra.jsonl")
    ana.commit("broken")
    assert "Malformed" in Report(ana).page
    tracked(ana, "data.preview.samples=0")
    found = Report(ana)
    assert "Malformed" not in found.markdown + found.page + str(found.document)
    assert "cannot be read as a table" in found.page


def test_what_is_too_big_is_not_opened(ana: Clone) -> None:
    tracked(ana, "data.preview.maxSize=1k")
    found = Report(ana)
    assert "data.preview.maxSize" in found.dataset("energy.sqlite")["problem"]
    assert found.dataset("extra.csv")["source"]["added"] == 2
    assert "not compared" in found.row("energy.sqlite")[5]
    assert found.document["verdict"] == "ok"


@pytest.mark.slow
def test_the_limits_are_those_of_the_base(ana: Clone) -> None:
    ana.git("config", "-f", ".gitdata", "data.preview.maxSize", "1k")
    ana.git("add", ".gitdata")
    ana.commit("a request that lowers its own limit")
    assert Report(ana).dataset("energy.sqlite")["source"] is not None


@pytest.mark.parametrize("args", [("--bytes", "none"), ()])
def test_without_the_bytes_it_is_the_manifest_that_speaks(
    world: World, ana: Clone, args: tuple[str, ...]
) -> None:
    """Not asked for, or a fork: nobody trusts its stores, it has no credentials."""
    clone = world.clone("fork", trust=False)
    clone.git("fetch", "-q", str(ana.path), "next:next")
    found = Report(clone, "--head", "next", *args)
    assert found.document["verdict"] == "unchecked"
    assert found.dataset("energy.sqlite")["source"] is None
    assert "schema" not in found.markdown
    assert "<details>" not in found.markdown
    assert "not compared" in found.page
    assert "energy.sqlite" in found.page


@pytest.mark.slow
def test_missing_bytes_are_an_error_and_the_others_are_compared(world: World, ana: Clone) -> None:
    oid = ana.versions("energy.sqlite")[0]["oid"].removeprefix("sha256:")
    world.object("staging", oid).unlink()
    found = Report(ana, code=1)
    assert "not in staging" in found.dataset("energy.sqlite")["problem"]
    assert found.dataset("extra.csv")["source"]["added"] == 2


@pytest.mark.slow
def test_a_comparison_that_fails_keeps_nobody_from_merging(world: World, ana: Clone) -> None:
    """The published version is damaged in its store, and nowhere else to be had."""
    clone = world.clone("reader")
    clone.git("fetch", "-q", str(ana.path), "next:next")
    oid = ana.versions("energy.sqlite")[1]["oid"].removeprefix("sha256:")
    for store in ("staging", "production"):
        path = world.object(store, oid)
        if path.exists():
            path.chmod(0o644)
            path.write_bytes(b"damaged")
    found = Report(clone, "--head", "next")
    assert found.document["verdict"] == "ok"
    assert found.dataset("energy.sqlite")["source"] is None
    assert "not compared" in found.row("energy.sqlite")[5]
    assert found.row("extra.csv")[5] == "+2 −0 ~0"


@pytest.mark.slow
def test_a_renamed_dataset_is_still_one(ana: Clone) -> None:
    ana.data("mv", "energy.sqlite", "power.sqlite")
    ana.commit("rename")
    found = Report(ana).dataset("power.sqlite")
    assert found["renamed_from"] == "energy.sqlite"
    assert found["source"]["changed"] == 5


@pytest.mark.slow
def test_a_folder_is_told_file_by_file_and_its_tables_row_by_row(world: World, ana: Clone) -> None:
    """Asked in another clone, which has neither version."""
    ana.git("switch", "-q", "main")
    ana.write("maps/north.csv", "id,name\n1,a\n2,b\n")
    ana.write("maps/photo.bin", b"\0" * 5000)
    ana.data("add", "maps")
    ana.git("config", "-f", ".gitdata", "check.maps/*.csv.range", "(id) ..2")
    ana.git("add", ".gitdata")
    ana.commit("maps")
    ana.git("push", "-q")
    world.publish(ana)
    ana.git("pull", "-q")
    ana.git("switch", "-q", "-c", "folder")
    ana.write("maps/north.csv", "id,name\n1,a\n2,b\n3,c\n")
    ana.write("maps/new.txt", "new")
    (ana.path / "maps" / "photo.bin").unlink()
    ana.data("add", "maps")
    ana.commit("more")
    clone = world.clone("reader")
    clone.git("fetch", "-q", str(ana.path), "folder:folder")
    found = Report(clone, "--head", "folder", code=1)
    folder = found.dataset("maps")["folder"]
    assert [(f["path"], f["change"]) for f in folder["files"]] == [
        ("new.txt", "added"), ("north.csv", "changed"), ("photo.bin", "removed")
    ]  # fmt: skip
    assert found.row("maps")[5] == "+1 −0 ~0"
    assert "Files: 1 added, 1 removed, 1 changed." in found.page
    assert found.row("maps")[7] == "❌ 1 failed"
    (error,) = [f["text"] for f in found.document["findings"] if f["level"] == "error"]
    assert error.startswith("check range (id) ..2: 1 row (id 3")


@pytest.mark.slow
def test_a_removed_dataset_is_not_read(ana: Clone) -> None:
    ana.data("delete", "prices.csv", "--yes")
    ana.commit("delete")
    found = Report(ana).dataset("prices.csv")
    assert (found["after"], found["source"]) == (None, None)


@pytest.mark.slow
def test_a_dataset_that_the_base_alone_changed_is_none_of_it(world: World, ana: Clone) -> None:
    ana.git("switch", "-q", "main")
    ana.write("prices.csv", "day,price\n1,11\n")
    ana.data("add", "prices.csv")
    ana.commit("meanwhile")
    ana.git("push", "-q")
    ana.git("switch", "-q", "next")
    assert [d["name"] for d in Report(ana).document["datasets"]] == ["energy.sqlite", "extra.csv"]


def test_rules_of_the_base_are_asked_of_what_is_new(ana: Clone) -> None:
    tracked(
        ana,
        "check.energy.sqlite.range=technology(capacity) 0..70",
        "check.energy.sqlite.unique=technology(id)",
        "check-warning.extra.csv.range=(a) 2..",
    )
    found = Report(ana, code=1)
    assert found.document["verdict"] == "refused"
    assert found.row("energy.sqlite")[7] == "❌ 1 failed, 1 ok"
    assert found.row("extra.csv")[7] == "⚠️ 1 warned"
    (error,) = [f for f in found.document["findings"] if f["level"] == "error"]
    assert error["subject"] == "energy.sqlite v2"
    assert error["text"].startswith("check range technology(capacity) 0..70: ")
    assert "77.5" in error["text"]
    outcomes = {
        c["rule"].split()[0]: c["outcome"] for c in found.document["checks"] if c["dataset"] != "extra.csv"
    }
    assert outcomes == {"range": "failed", "unique": "passed"}
    assert "check range technology(capacity)" in found.page


@pytest.mark.slow
def test_a_request_cannot_loosen_its_rules(ana: Clone) -> None:
    tracked(ana, "check.energy.sqlite.range=technology(capacity) 0..70")
    ana.git("config", "-f", ".gitdata", "check.energy.sqlite.range", "technology(capacity) 0..1000")
    ana.git("add", ".gitdata")
    ana.commit("looser")
    assert Report(ana, code=1).document["verdict"] == "refused"


@pytest.mark.slow
def test_a_failing_check_names_no_cell_where_none_may_leave(ana: Clone) -> None:
    tracked(ana, "check.energy.sqlite.range=technology(capacity) 0..70", "data.preview.samples=0")
    found = Report(ana, code=1)
    (error,) = [f for f in found.document["findings"] if f["level"] == "error"]
    assert re.fullmatch(r"check range technology\(capacity\) 0\.\.70: \d+ rows", error["text"])
    assert "77.5" not in found.page + found.markdown + str(found.document)


def without_duckdb(folder: Path) -> dict[str, str]:
    """The environment of a machine that has not the extra `tabular`."""
    (folder / "absent").mkdir()
    (folder / "absent" / "duckdb.py").write_text("raise ImportError")
    return {"PYTHONPATH": str(folder / "absent")}


@pytest.mark.slow
def test_without_what_asks_rules_nobody_says_that_all_is_well(ana: Clone, tmp_path: Path) -> None:
    tracked(ana, "check.energy.sqlite.unique=technology(id)", "check-warning.extra.csv.range=(a) 2..")
    found = Report(ana, env=without_duckdb(tmp_path))
    assert found.document["verdict"] == "unchecked"
    assert "2 checks could not be asked" in found.markdown.splitlines()[0]
    assert "ready to merge" not in found.markdown + found.page
    assert found.row("energy.sqlite")[7] == "❓ 1 not asked"
    notices = [f for f in found.document["findings"] if f["level"] == "notice"]
    assert [n["subject"] for n in notices] == ["energy.sqlite v2", "extra.csv v1"]
    assert "git-datamanager[tabular]" in notices[0]["text"]
    assert {c["outcome"] for c in found.document["checks"]} == {"unchecked"}


@pytest.mark.slow
def test_a_rule_that_only_warns_keeps_the_verdict(ana: Clone, tmp_path: Path) -> None:
    tracked(ana, "check-warning.extra.csv.range=(a) 2..")
    assert Report(ana, env=without_duckdb(tmp_path)).document["verdict"] == "ok"


@pytest.mark.slow
@pytest.mark.parametrize("limit", ["data.preview.maxSize=1k", "data.preview.seconds=0"])
def test_rules_of_what_nobody_opens_are_open(ana: Clone, limit: str) -> None:
    tracked(ana, "check.energy.sqlite.unique=technology(id)", limit)
    found = Report(ana)
    assert found.document["verdict"] == "unchecked"
    (notice,) = [f for f in found.document["findings"] if "could not be asked" in f["text"]]
    assert limit.partition("=")[0] in notice["text"]


@pytest.mark.slow
def test_data_that_cannot_be_read_keeps_no_rule(ana: Clone) -> None:
    """Else a request would pass every check with a damaged file."""
    ana.write("more.parquet", b"PAR1" + b"x" * 300 + b"PAR1")
    ana.data("add", "more.parquet")
    ana.commit("damaged")
    tracked(ana, "check.*.parquet.unique=(a)")
    found = Report(ana, code=1)
    assert found.row("more.parquet")[7] == "❌ 1 failed"


@pytest.mark.slow
def test_a_rule_on_two_datasets_asks_those_of_the_request(ana: Clone) -> None:
    """Whatever is checked out meanwhile."""
    ana.git("switch", "-q", "main")
    ana.write(
        "checks/sum.sql",
        "-- dataset: energy.sqlite\nSELECT * FROM technology t, extra e WHERE e.a = 3 LIMIT 1",
    )
    ana.git("add", "checks")
    ana.commit("a rule")
    ana.git("push", "-q")
    found = Report(ana, "--head", "next", code=1)
    assert [c["outcome"] for c in found.document["checks"]] == ["failed"]
    assert "1 row" in found.document["findings"][0]["text"]


@pytest.mark.slow
def test_drift_is_measured_from_what_the_base_has(ana: Clone) -> None:
    """Two versions in one request are no way to grow in steps that are small enough."""
    tracked(ana, "check.energy.sqlite.drift=technology 30%")
    make_database(ana.path / "energy.sqlite", 64)
    ana.data("add", "energy.sqlite")
    ana.commit("first step")
    make_database(ana.path / "energy.sqlite", 80)
    ana.data("add", "energy.sqlite")
    ana.commit("second step")
    found = Report(ana, code=1)
    assert "was 50, rows 80" in found.document["findings"][0]["text"]


@pytest.mark.slow
def test_a_comparison_is_broken_off_when_the_time_is_over(ana: Clone) -> None:
    ana.write("long.csv", "a,b\n" + "1,2,3\n1\n" * 700_000)  # Python has to read it
    ana.data("add", "long.csv")
    ana.commit("long")
    ana.data("upload", "long.csv")
    tracked(ana, "data.preview.seconds=1", "check.long.csv.notNull=(a)")
    found = Report(ana)
    assert found.dataset("energy.sqlite")["source"] is not None
    assert found.dataset("long.csv")["source"] is None
    assert found.row("long.csv")[5].startswith("new\\, not compared\\: time")
    assert found.document["verdict"] == "unchecked"


@pytest.mark.slow
def test_a_dataset_that_was_only_renamed(ana: Clone) -> None:
    ana.data("mv", "prices.csv", "costs.csv")
    ana.commit("rename")
    found = Report(ana)
    line = next(line for line in found.markdown.splitlines() if "→ `costs.csv`" in line)
    assert "renamed" in line
    assert "not compared" not in line
    assert "not compared" not in found.page.lower()
