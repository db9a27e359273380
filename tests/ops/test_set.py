"""`git data set`: what a dataset is told of itself."""

import pytest

from tests.world import Clone, World


def make_template(world: World, ana: Clone) -> None:
    ana.write("a.csv", "id,n\n1,x\n2,y\n")
    ana.data("add", "a.csv")
    ana.commit("first")


def told(clone: Clone) -> dict:
    return clone.manifest()["datasets"]["a.csv"].get("options", {})


def test_options_are_put_replaced_and_dropped(ana: Clone) -> None:
    done = ana.data("set", "a.csv", "key=id, n", "title=Costs, of power", "max_diff_rows=20")
    assert (
        done.out == "a.csv\n  key            id, n\n  title          Costs, of power\n  max_diff_rows  20\n"
    )
    assert "git commit" in done.err
    assert told(ana) == {"key": ["id", "n"], "title": "Costs, of power", "max_diff_rows": 20}
    ana.data("set", "a.csv", 'key=["a,b"]', "--unset", "title", "--unset", "tags")
    assert told(ana) == {"key": ["a,b"], "max_diff_rows": 20}
    assert ana.json("set", "a.csv")["options"] == told(ana)


def test_what_is_told_is_staged_and_goes_with_the_commit(ana: Clone) -> None:
    ana.data("set", "a.csv", "tags=power,europe")
    assert ana.git("diff", "--cached", "--name-only").out == "manifest.json\n"
    ana.commit("tags")
    assert told(ana) == {"tags": ["power", "europe"]}
    assert list(ana.states("a.csv")) == ["v1"]


def test_a_dry_run_and_a_question_change_nothing(ana: Clone) -> None:
    before = ana.read("manifest.json")
    assert ana.data("set", "a.csv").out == "a.csv  no options\n"
    assert ana.json("set", "a.csv", "key=id", "-n")["options"] == {"key": ["id"]}
    assert ana.read("manifest.json") == before


def test_rows_are_matched_by_the_key_from_then_on(ana: Clone) -> None:
    pytest.importorskip("duckdb")
    ana.write("a.csv", "id,n\n1,x\n2,z\n")
    assert "rows +1 −1 ~0" in ana.data("diff").out
    ana.data("set", "a.csv", "key=id")
    assert "rows +0 −0 ~1" in ana.data("diff").out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["colour=red"], "there is no option 'colour'"),
        (["--unset", "colour"], "there is no option 'colour'"),
        (["key"], "'key' has no value"),
        (["key="], "'key=' has no value"),
        (["title=Strom\udcfc"], "what title is to be is no UTF-8 text"),
        (["key=,"], "has an empty name"),
        (["tags=[1]"], "option tags is not a list of strings"),
        (["tags=[broken"], "option tags is not a list of strings"),
        (["max_diff_rows=-1"], "option max_diff_rows is not an integer"),
        (["max_diff_rows=9999999999"], "option max_diff_rows is not an integer"),
        (["encoding=gzip"], "not one of auto, identity, zstd"),
        (["plain=3"], "git data compact sets how many versions stay whole"),
    ],
)
def test_what_cannot_be_told_is_refused(ana: Clone, words: list[str], said: str) -> None:
    before = ana.read("manifest.json")
    done = ana.data("set", "a.csv", *words, code=128)
    assert said in done.err
    assert "hint: " in done.err
    assert ana.read("manifest.json") == before


def test_an_option_is_not_set_and_unset_at_once(ana: Clone) -> None:
    assert "set and unset at once" in ana.data("set", "a.csv", "key=id", "--unset", "key", code=129).err


def test_an_unknown_dataset_is_named(ana: Clone) -> None:
    assert "b.csv" in ana.data("set", "b.csv", "key=id", code=3).err


def test_both_sides_of_a_merge_may_tell_something(ana: Clone) -> None:
    ana.git("switch", "-q", "-c", "topic")
    ana.data("set", "a.csv", "key=id")
    ana.commit("key")
    ana.git("switch", "-q", "main")
    ana.data("set", "a.csv", "title=Costs")
    ana.commit("title")
    ana.git("merge", "-q", "--no-edit", "topic")
    assert told(ana) == {"key": ["id"], "title": "Costs"}
