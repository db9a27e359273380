"""How Git itself shows a change of manifest.json: `git diff`, `git log -p`, `git show`."""

import json
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from git_datamanager.ops.inside import diff_history
from git_datamanager.workspace import drivers
from git_datamanager.workspace.git import open_git
from tests.world import Clone, World

TABLE = "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)"


def version(clone: Clone, *statements: str, name: str = "e.sqlite") -> None:
    with closing(sqlite3.connect(clone.path / name)) as database, database:
        for statement in statements:
            database.execute(statement)
    clone.data("add", name)


@pytest.fixture(scope="module")
def template(founded_world: World, template_folder: Path) -> World:
    """A clone whose Git knows the drivers: one database, its second version staged."""
    world = founded_world.copy(template_folder / "world")
    clone = world.found("ana")
    drivers.configure_drivers(open_git(clone.path))
    version(clone, TABLE, "INSERT INTO t VALUES (1, 'one'), (2, 'two')")
    clone.commit("one")
    version(clone, "UPDATE t SET name = 'zwei' WHERE id = 2", "INSERT INTO t VALUES (3, 'three')")
    return world


@pytest.fixture
def story(template: World, tmp_path: Path) -> World:
    return template.copy(tmp_path / "story")


@pytest.fixture
def ana(story: World) -> Clone:
    return story.found("ana")


def added(text: str) -> list[str]:
    return [line[1:].strip() for line in text.splitlines() if line.startswith("+") and line[:3] != "+++"]


def forget(clone: Clone, oid: str) -> None:
    """This clone has those bytes no more."""
    digest = oid.removeprefix("sha256:")
    (clone.path / ".git" / "data" / "cache" / digest[:2] / digest).unlink()


def test_git_diff_shows_rows(ana: Clone) -> None:
    text = ana.git("diff", "--cached", "--", "manifest.json").out
    lines = added(text)
    assert lines[0].startswith("v2  pending  20")
    assert "v1 → v2  8.0 KiB  rows +1 −0 ~1" in lines
    assert "t  (keyed by id)  +1 −0 ~1, 1 unchanged" in lines
    assert "~ 2: name: two → zwei" in lines
    assert "+ 3: three" in lines
    assert [line for line in text.splitlines() if line.startswith("-")] == ["--- a/manifest.json"]


@pytest.mark.slow
def test_log_and_show_print_each_change_with_the_commit_that_made_it(ana: Clone) -> None:
    ana.commit("two")
    version(ana, "DELETE FROM t WHERE id = 1")
    ana.commit("three")
    three, two, one = ana.git("log", "-p", "--format=tformat:COMMIT", "-3", "--", "manifest.json").out.split(
        "COMMIT"
    )[1:]
    assert "− 1: one" in added(three)
    assert not any("zwei" in line for line in added(three))
    assert "~ 2: name: two → zwei" in added(two)
    assert "t  new table, 2 rows" in added(one)
    assert "+ 2: two" in added(ana.git("show", "HEAD~2", "--", "manifest.json").out)


def test_a_hunk_is_headed_by_its_dataset(ana: Clone) -> None:
    ana.commit("two")
    for _ in range(2):
        version(ana, "INSERT INTO t (name) VALUES ('more')")
    ana.commit("more")
    path = ana.path / "manifest.json"
    document = json.loads(path.read_text())
    document["datasets"]["e.sqlite"]["versions"][-1]["message"] = "edited"
    path.write_text(json.dumps(document))
    assert "@@ e.sqlite" in ana.git("diff").out


def test_nothing_that_a_manifest_says_goes_unseen(ana: Clone) -> None:
    ana.commit("two")
    path = ana.path / "manifest.json"
    known = json.loads(path.read_text())
    newest = known["datasets"]["e.sqlite"]["versions"][0]
    for change, wanted in [
        ({"state": "published", "published": "2026-01-02T03:04:05Z"}, "published: 2026-01-02T03:04:05Z"),
        ({"encodings": {"zstd": 12}}, 'encodings: {"zstd": 12}'),
        ({"message": "why \u001b[31m"}, "why \\u001b[31m"),
        ({"later": {"x": 1}}, 'later: {"x": 1}'),
    ]:
        changed = json.loads(json.dumps(known))
        changed["datasets"]["e.sqlite"]["versions"][0] = {**newest, **change}
        path.write_text(json.dumps(changed))
        assert f"    {wanted}\n" in ana.data("textconv", "manifest.json").out, change
    changed = {**known, "coming": "soon"}
    changed["datasets"]["e.sqlite"]["options"] = {"key": ["id"]}
    path.write_text(json.dumps(changed))
    path.write_text(json.dumps(changed))
    text = ana.data("textconv", "manifest.json").out
    assert "coming: soon\n" in text
    assert '  option key: ["id"]\n' in text


def test_what_was_shown_once_needs_no_bytes(ana: Clone) -> None:
    ana.commit("two")
    first = ana.data("textconv", "manifest.json").out
    assert "~ 2: name: two → zwei" in first
    for one in ana.versions("e.sqlite"):
        forget(ana, one["oid"])
    (ana.path / "e.sqlite").unlink()
    assert ana.data("textconv", "manifest.json").out == first
    (ana.path / ".git" / "data" / "diffs" / "texts.db").write_bytes(b"no database" * 100)
    again = ana.data("textconv", "manifest.json").out
    assert (
        "needs v1 (8.0 KiB), v2 (8.0 KiB): git -c data.diff.fetch=always data diff e.sqlite@v1 e.sqlite@v2"
        in again
    )


def test_nothing_is_fetched_unless_it_always_is(story: World, ana: Clone) -> None:
    ana.commit("two")
    ana.git("push", "-q")
    story.publish(ana)
    bob = story.clone("bob")
    drivers.configure_drivers(open_git(bob.path))
    text = ["textconv", "manifest.json"]
    assert "needs v1 (8.0 KiB), v2 (8.0 KiB)" in bob.data(*text, env={"GIT_DATA_DIFF_FETCH": "ask"}).out
    assert not list((bob.path / ".git" / "data" / "cache").rglob("*"))
    assert "~ 2: name: two → zwei" in bob.data(*text, env={"GIT_DATA_DIFF_FETCH": "always"}).out
    assert "~ 2: name: two → zwei" in bob.data(*text).out


def test_what_would_take_long_is_left_to_the_command(ana: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    from git_datamanager.cli import textconv
    from git_datamanager.model.manifest import loads

    monkeypatch.chdir(ana.path)
    monkeypatch.setattr(diff_history, "EACH", 10_000)
    manifest = loads(ana.read("manifest.json"))
    lines = list(textconv.lines(manifest, textconv._told(manifest)))
    assert "    not compared here: git data diff e.sqlite@v1 e.sqlite@v2" in lines
    assert "      t  new table, 2 rows" in lines, "a small one is compared all the same"


def test_the_newest_versions_come_first(ana: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    """And those that are remembered count too: both sides of a diff stop at the same version."""
    from git_datamanager.cli import textconv
    from git_datamanager.model.manifest import loads

    monkeypatch.chdir(ana.path)
    monkeypatch.setattr(diff_history, "AT_ONCE", 2 * 8192)
    manifest = loads(ana.read("manifest.json"))
    for _ in range(2):
        text = "\n".join(textconv.lines(manifest, textconv._told(manifest)))
        assert "~ 2: name: two → zwei" in text
        assert "not compared here: git data diff e.sqlite@v1" in text


def test_a_tool_that_is_gone_leaves_the_plain_text(ana: Clone, tmp_path: Path) -> None:
    git = open_git(ana.path)
    here = drivers.hook_shims.tool() or ""
    text = git.output("config", "diff.git-data.textconv")
    git.set_config("diff.git-data.textconv", text.replace(here, "/nowhere/git-data"))
    without = [p for p in os.environ["PATH"].split(os.pathsep) if not (Path(p) / "git-data").exists()]
    if shutil.which("git", path=os.pathsep.join(without)) is None:
        pytest.skip("git lies beside git-data")
    done = ana.git("diff", "--cached", "--", "manifest.json", env={"PATH": os.pathsep.join(without)})
    assert '"version": "v2",' in added(done.out)
    assert done.err == ""


def test_what_is_no_manifest_is_shown_as_it_is(ana: Clone) -> None:
    ana.write("manifest.json", '{"format": "git-data/manifest/99"}\n')
    assert '{"format": "git-data/manifest/99"}' in added(ana.git("diff").out)
    ana.data("textconv", "manifest.json", code=2)
    assert ana.data("textconv", "nowhere.json", code=2).out == ""


def test_a_repository_that_was_never_set_up(tmp_path: Path, ana: Clone) -> None:
    """A manifest is shown there too, without what changed inside."""
    there = Clone(tmp_path / "plain")
    there.path.mkdir()
    there.git("init", "-q")
    there.write("manifest.json", ana.read("manifest.json"))
    assert "dataset e.sqlite  (file)" in there.data("textconv", "manifest.json").out


def test_a_folder_is_shown_file_by_file(ana: Clone) -> None:
    ana.write("images/a.png", "a")
    ana.data("add", "images")
    ana.commit("images")
    ana.write("images/b.png", "bb")
    ana.data("add", "images")
    lines = added(ana.git("diff", "HEAD", "--", "manifest.json").out)
    assert "+ b.png  2 B" in lines
    assert "1 file unchanged" in lines


def test_a_text_of_somebody_else_stays(ana: Clone) -> None:
    git = open_git(ana.path)
    git.set_config("diff.git-data.textconv", "mine")
    assert drivers.configure_drivers(git) == []
    assert drivers.remove_drivers(git)
    assert git.output("config", "diff.git-data.textconv") == "mine"


def test_what_an_earlier_release_configured_is_replaced_and_removed(ana: Clone) -> None:
    git = open_git(ana.path)
    git.run("config", "--unset-all", "diff.git-data.textconv")
    git.set_config("diff.git-data.xfuncname", r'^    "(.*)": \{$')
    assert drivers.configure_drivers(git) == ["diff.git-data.xfuncname", "diff.git-data.textconv"]
    assert drivers.configure_drivers(git) == []
    git.set_config("diff.git-data.xfuncname", r'^    "(.*)": \{$')
    drivers.remove_drivers(git)
    assert git.answer("config", "--get-regexp", "git-data") is None
