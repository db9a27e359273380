"""git data check: where rules come from, what is checked by them, and what is said."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from git_datamanager.manager import DataManager
from git_datamanager.ops.inside.check_asking import Outcome
from git_datamanager.ops.inside.checks import run_checks
from git_datamanager.ops.inside.rulebook import of_dataset, rules_of
from tests.world import Clone, World

pytest.importorskip("duckdb", reason="DuckDB is not installed (the extra tabular)")

RULES = """
[check "energy.sqlite"]
    unique = Demand(region, year)
    range = Demand(value) 0..
    drift = Demand 60%
[check-warning "*.csv"]
    notNull = (price)
"""


ENDLESS = (
    "-- dataset: energy.sqlite\nSELECT count(*) FROM range(1000000000000) a, range(1000) b"
    " WHERE a.range * b.range % 7 = 3"
)


def database(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def make_template(world: World, ana: Clone) -> None:
    """energy.sqlite in two versions that keep all rules but a warning, with rules in all places."""
    database(
        ana.path / "energy.sqlite",
        "CREATE TABLE Demand (region TEXT, year INTEGER, value REAL)",
        "INSERT INTO Demand VALUES ('north', 2030, 1.5), ('south', 2030, 2.5)",
    )
    ana.write("prices.csv", "day,price\n2030-01-01,7\n2030-01-02,\n")
    ana.data("add", "energy.sqlite", "prices.csv")
    ana.commit("one")
    database(ana.path / "energy.sqlite", "INSERT INTO Demand VALUES ('east', 2030, 1)")
    ana.data("add", "energy.sqlite")
    with (ana.path / ".gitdata").open("a") as file:
        file.write(RULES)
    ana.write(
        "checks/lost.sql",
        "-- dataset: energy.sqlite\n-- title: nothing is lost\n\n"
        "SELECT p.* FROM parent.Demand p ANTI JOIN Demand d USING (region, year)\n",
    )
    ana.git("add", ".gitdata", "checks")
    ana.commit("two")


def outcomes(clone: Clone, *args: str, code: int = 0) -> dict[str, str]:
    return {check["rule"]: check["outcome"] for check in clone.json("check", *args, code=code)["checks"]}


def test_all_datasets_that_have_rules_are_checked(ana: Clone) -> None:
    assert outcomes(ana) == {
        "unique Demand(region, year)": "passed",
        "range Demand(value) 0..": "passed",
        "drift Demand 60%": "passed",
        "nothing is lost": "passed",
        "notNull (price)": "failed",
    }


def test_a_warning_refuses_nothing_and_names_its_row(ana: Clone) -> None:
    (check,) = ana.json("check", "prices.csv")["checks"]
    assert (check["severity"], check["outcome"], check["count"]) == ("warning", "failed", 1)
    assert (check["columns"], check["rows"]) == (["price", "day"], [[None, "2030-01-02"]])
    out = ana.data("check", "prices.csv").out
    assert "warning" in out
    assert "2030-01-02" in out


def test_a_working_file_is_checked_before_it_is_added(ana: Clone) -> None:
    database(ana.path / "energy.sqlite", "UPDATE Demand SET value = -1 WHERE region = 'north'")
    done = ana.data("check", "energy.sqlite", code=1)
    assert "energy.sqlite work tree" in done.out
    assert "failed   range Demand(value) 0..: 1 row" in done.out
    assert "north" in done.out
    assert "1 of 4 checks failed" in done.err
    assert ana.data("check", "energy.sqlite", "--version", "v2").code == 0


def test_a_check_of_a_working_file_compares_with_the_latest_version(ana: Clone) -> None:
    database(ana.path / "energy.sqlite", "DELETE FROM Demand WHERE region <> 'north'")
    found = outcomes(ana, "energy.sqlite", code=1)
    assert (found["drift Demand 60%"], found["nothing is lost"]) == ("failed", "failed")


def test_a_first_version_has_nothing_to_compare_with(ana: Clone) -> None:
    found = outcomes(ana, "energy.sqlite", "--version", "v1")
    assert found == {
        "unique Demand(region, year)": "passed",
        "range Demand(value) 0..": "passed",
        "drift Demand 60%": "skipped",
        "nothing is lost": "skipped",
    }


def test_five_rows_are_shown_and_all_are_counted(ana: Clone) -> None:
    ana.write("prices.csv", "day,price\n" + "2030-01-01,\n" * 12)
    (check,) = ana.json("check", "prices.csv")["checks"]
    assert (check["count"], len(check["rows"])) == (12, 5)
    assert "… 7 more" in ana.data("check", "prices.csv").out


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("unique = Nix(a)", "none of them called"),
        ("unique = Demand(nix)", '"nix"'),
        ("unique = Demand", "is written TABLE(COL, …)"),
        ("uniqueness = Demand(a)", "there is no rule 'uniqueness'"),
    ],
)
def test_a_rule_that_cannot_be_run_has_failed(ana: Clone, line: str, said: str) -> None:
    ana.write(".gitdata", ana.read(".gitdata").decode() + f'[check "energy.sqlite"]\n{line}\n')
    (broken,) = [c for c in ana.json("check", "energy.sqlite", code=1)["checks"] if c["outcome"] == "failed"]
    assert said in broken["message"]


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT 1", "says of no dataset"),
        ("-- dataset: energy.sqlite\nSELECT * FROM Nix", "there is no table Nix"),
        ("-- dataset: energy.sqlite\nCOPY Demand TO '/tmp/stolen.csv'", "only a SELECT"),
        ("-- dataset: energy.sqlite\nSELECT * FROM read_text('/etc/passwd')", "cannot be used"),
        ("-- dataset: energy.sqlite\nATTACH '/tmp/stolen.db'", "only a SELECT"),
        ("-- dataset: energy.sqlite\n-- severity: fatal\nSELECT 1", "severity is error or warning"),
        ("-- dataset: energy.sqlite\n-- " + "x" * 70_000, "larger than 64 KiB"),
    ],
)
def test_a_file_of_sql_that_is_no_check_has_failed(ana: Clone, sql: str, said: str) -> None:
    ana.write("checks/odd.sql", sql)
    results = ana.json("check", "energy.sqlite", code=1)["checks"]
    (broken,) = [c for c in results if c["outcome"] == "failed"]
    assert said in broken["message"]
    assert broken["origin"] == "checks/odd.sql"
    assert not list(Path("/tmp").glob("stolen.*"))


def test_sql_may_have_braces_and_other_datasets(ana: Clone) -> None:
    ana.write(
        "checks/odd.sql",
        "-- dataset: energy.sqlite\n"
        "SELECT {'a': d.region} FROM Demand d, prices p WHERE p.price = 7 AND d.value = 2.5",
    )
    (found,) = [c for c in ana.json("check", "energy.sqlite", code=1)["checks"] if c["outcome"] == "failed"]
    assert (found["rule"], found["count"]) == ("odd", 1)


def test_a_rule_about_no_dataset_is_not_left_out(ana: Clone) -> None:
    ana.write(".gitdata", ana.read(".gitdata").decode() + "[check]\nunique = Demand(region)\n")
    results = ana.json("check", "energy.sqlite", code=1)["checks"]
    assert [c["message"] for c in results if c["outcome"] == "failed"] == [
        'it is about no dataset: write [check "NAME"]'
    ]


def test_an_endless_check_is_stopped(ana: Clone) -> None:
    ana.write("checks/odd.sql", ENDLESS)
    results = ana.json("check", "energy.sqlite", "--timeout", "0.2", code=1)["checks"]
    said = next(c["message"] for c in results if c["rule"] == "odd")
    assert "stopped after 0.2 s" in said
    assert "git data check --timeout" in said


def test_checks_behind_a_link_are_not_read(ana: Clone, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.sql").write_text("-- dataset: prices.csv\nSELECT 1")
    (ana.path / "checks/a.sql").symlink_to(outside / "a.sql")
    assert "a" not in outcomes(ana)


def test_rules_of_a_commit_are_not_those_of_the_work_tree(
    ana: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana.write("checks/new.sql", "-- dataset: energy.sqlite\nSELECT 1")
    (ana.path / ".gitdata").write_text(ana.read(".gitdata").decode().replace("60%", "1%"))
    manager = DataManager.open(ana.path)
    texts = [rule.text for rule in of_dataset(rules_of(manager, "HEAD"), "energy.sqlite")]
    assert texts == [
        "unique Demand(region, year)", "range Demand(value) 0..", "drift Demand 60%", "nothing is lost",
    ]  # fmt: skip
    assert rules_of(manager, "HEAD~1") == []
    assert "new" in [rule.text for rule in rules_of(manager)]


def test_the_function_that_others_call(ana: Clone) -> None:
    manager = DataManager.open(ana.path)
    dataset = manager.manifests.current().dataset("energy.sqlite")
    rules = of_dataset(rules_of(manager), dataset.name)
    results = run_checks(manager, dataset, dataset.latest, rules)
    assert [result.outcome for result in results] == [Outcome.PASSED] * 4
    assert [result.refuses for result in results] == [False] * 4


def test_a_version_before_that_is_not_here_skips_what_needs_it(ana: Clone) -> None:
    manager = DataManager.open(ana.path)
    dataset = manager.manifests.current().dataset("energy.sqlite")
    manager.cache.drop(dataset.versions[1].oid)
    found = ana.json("check", "energy.sqlite")["checks"]
    assert [c["outcome"] for c in found] == ["passed", "passed", "skipped", "skipped"]
    assert "energy.sqlite v1 is not in this clone" in found[2]["message"]


def test_a_dataset_without_rules(ana: Clone) -> None:
    ana.write("other.jsonl", '{"a": 1}\n')
    ana.data("add", "other.jsonl")
    assert "no rules" in ana.data("check", "other.jsonl").err
    ana.data("check", "nix", code=3)


def test_a_commit_is_refused_only_where_that_was_asked_for(ana: Clone) -> None:
    database(ana.path / "energy.sqlite", "UPDATE Demand SET value = -1 WHERE region = 'north'")
    ana.data("add", "energy.sqlite")
    ana.git("config", "data.check", "commit")
    said = ana.git("commit", "-q", "-m", "below zero", code=1).err
    assert "energy.sqlite v3 breaks the rule range Demand(value) 0..: 1 row" in said
    assert "git data check energy.sqlite" in said
    ana.git("-c", "data.check=manual", "commit", "-q", "-m", "all the same")


def test_a_commit_that_keeps_the_rules_passes_and_a_warning_refuses_none(ana: Clone) -> None:
    ana.git("config", "data.check", "commit")
    database(ana.path / "energy.sqlite", "UPDATE Demand SET value = 9 WHERE region = 'north'")
    ana.write("prices.csv", "day,price\n2030-01-01,\n")
    ana.data("add", "energy.sqlite", "prices.csv")
    done = ana.git("commit", "-q", "-m", "nine")
    assert "prices.csv v2 breaks the rule notNull (price): 1 row" in done.err
    assert "Demand" not in done.err


def test_a_commit_is_asked_among_the_datasets_that_it_holds(ana: Clone) -> None:
    """Not those of the work tree, which may have gone on."""
    ana.git("config", "data.check", "commit")
    ana.write("checks/both.sql", "-- dataset: energy.sqlite\nSELECT price FROM prices WHERE price < 0")
    database(ana.path / "energy.sqlite", "UPDATE Demand SET value = 9 WHERE region = 'north'")
    ana.data("add", "energy.sqlite")
    staged = ana.git("rev-parse", ":manifest.json").out.strip()
    ana.write("prices.csv", "day,price\n2030-01-01,-1\n")
    ana.data("add", "prices.csv")
    ana.git("update-index", "--cacheinfo", f"100644,{staged},manifest.json")
    assert "both" not in ana.git("commit", "-q", "-m", "nine").err
    assert outcomes(ana, "energy.sqlite", code=1)["both"] == "failed"


def test_one_dataset_that_is_damaged_keeps_no_rule_and_the_others_are_checked(ana: Clone) -> None:
    ana.write("a.parquet", b"PAR1" + b"x" * 300 + b"PAR1")
    ana.write(".gitdata", ana.read(".gitdata").decode() + '[check "a.parquet"]\nunique = (a)\nrows = 1..\n')
    ana.data("add", "a.parquet")
    found = outcomes(ana, code=1)
    assert (found["unique (a)"], found["rows 1.."], found["notNull (price)"]) == ("failed",) * 3
    assert found["unique Demand(region, year)"] == "passed"


def test_a_rule_that_needs_what_is_damaged_fails_alone(ana: Clone) -> None:
    ana.write("a.parquet", b"PAR1" + b"x" * 300 + b"PAR1")
    ana.data("add", "a.parquet")
    ana.write("checks/odd.sql", "-- dataset: energy.sqlite\nSELECT * FROM a")
    found = outcomes(ana, "energy.sqlite", code=1)
    assert found.pop("odd") == "failed"
    assert set(found.values()) == {"passed"}


def test_a_dataset_that_is_not_here_is_told_beside_the_others(world: World) -> None:
    ana = world.found("ana")
    ana.git("push", "-q")
    reader = world.clone("reader")
    reader.data("pull", "energy.sqlite")
    done = reader.data("check", code=128)
    assert "ok       unique Demand(region, year)" in done.out
    assert "unasked  notNull (price): prices.csv v1 is not in this clone" in done.out
    assert "1 of 5 checks could not be asked" in done.err
    assert "not in this clone" in reader.data("check", "prices.csv", code=128).err


def test_no_rule_is_asked_when_the_time_is_over(ana: Clone) -> None:
    manager = DataManager.open(ana.path)
    dataset = manager.manifests.current().dataset("energy.sqlite")
    rules = of_dataset(rules_of(manager), dataset.name)
    results = run_checks(manager, dataset, dataset.latest, rules, until=time.monotonic())
    assert {result.outcome for result in results} == {Outcome.UNCHECKED}
    assert not any(result.refuses for result in results)


def test_a_rule_that_is_stopped_by_the_end_of_all_time_has_not_failed(ana: Clone) -> None:
    ana.write("checks/odd.sql", ENDLESS)
    manager = DataManager.open(ana.path)
    dataset = manager.manifests.current().dataset("energy.sqlite")
    (rule,) = [rule for rule in rules_of(manager) if rule.text == "odd"]
    (result,) = run_checks(manager, dataset, dataset.latest, [rule], until=time.monotonic() + 0.7)
    assert result.outcome is Outcome.UNCHECKED


FOLDER_RULES = """
[check "tiles/*.csv"]
    unique = (id)
    drift = 50%
[check "tiles"]
    rows = 1..
"""


@pytest.fixture
def tiles(ana: Clone) -> Clone:
    """A folder with rules for its files, in two versions: one file came, and one changed."""
    ana.write("tiles/north.csv", "id,v\n1,a\n2,b\n")
    ana.write("tiles/south.csv", "id,v\n1,a\n1,b\n")
    ana.write("tiles/photo.bin", b"\0" * 500)
    ana.write(".gitdata", ana.read(".gitdata").decode() + FOLDER_RULES)
    ana.data("add", "tiles")
    ana.git("add", ".gitdata")
    ana.commit("tiles")
    ana.write("tiles/north.csv", "id,v\n1,a\n2,b\n3,c\n4,d\n")
    ana.write("tiles/east.csv", "id,v\n7,a\n")
    ana.data("add", "tiles")
    return ana


def by_file(clone: Clone, *args: str, code: int = 1) -> dict[tuple[str, str], str]:
    found = clone.json("check", *args, code=code)["checks"]
    return {(c["dataset"], c["rule"].split()[0]): c["outcome"] for c in found}


def test_files_of_a_folder_keep_the_rules_that_name_the_folder(tiles: Clone) -> None:
    """Not those of `*.csv`, which means datasets."""
    assert by_file(tiles, "tiles") == {
        ("tiles", "rows"): "failed",  # a folder has no rows
        ("tiles/east.csv", "unique"): "passed",
        ("tiles/east.csv", "drift"): "skipped",  # it is new
        ("tiles/north.csv", "unique"): "passed",
        ("tiles/north.csv", "drift"): "failed",
        ("tiles/south.csv", "unique"): "failed",
        ("tiles/south.csv", "drift"): "passed",
    }
    out = tiles.data("check", "tiles", code=1).out
    assert "tiles/south.csv v2" in out
    assert "tiles is a folder: only files can be checked" in out


def test_a_working_folder_is_checked_before_it_is_added(tiles: Clone) -> None:
    tiles.write("tiles/east.csv", "id,v\n7,a\n7,b\n")
    assert by_file(tiles, "tiles")["tiles/east.csv", "unique"] == "failed"
    assert "tiles/east.csv work tree" in tiles.data("check", "tiles", code=1).out
    assert by_file(tiles, "tiles", "--version", "v2")["tiles/east.csv", "unique"] == "passed"


@pytest.mark.slow
def test_a_commit_is_asked_about_files_that_are_new_to_the_folder(tiles: Clone) -> None:
    tiles.git("config", "data.check", "commit")
    tiles.git("config", "-f", ".gitdata", "--remove-section", "check.tiles")
    said = tiles.git("commit", "-q", "-m", "grow", code=1).err
    assert "tiles/north.csv v2 breaks the rule drift 50%" in said
    assert "south" not in said
