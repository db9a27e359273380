"""`git data catalog`: what is published, in Markdown and as a page."""

import hashlib
import json
import re
import urllib.request
from pathlib import Path

import pytest

from git_datamanager.manager import DataManager
from git_datamanager.ops.inside.rowcounts import RowCounter, Rows
from tests.pages.scene import PAYLOADS
from tests.pages.test_markup import Reader
from tests.world import Clone, World, make_database, movable_world, new_world

NOTE = "costs <b>2026</b> | `@all`"


def make_template(world: World, ana: Clone) -> None:
    """Two published versions of a database, a folder, and a third version that waits."""
    for rows, note in ((10, "first"), (400, NOTE)):
        make_database(ana.path / "energy.sqlite", rows)
        ana.data("add", "energy.sqlite", "-m", note)
        ana.commit(note)
    ana.write("maps/a.csv", "x\n1\n")
    ana.data("add", "maps")
    ana.commit("maps")
    ana.git("push", "-q")
    world.publish(ana)
    ana.git("pull", "-q")
    make_database(ana.path / "energy.sqlite", 20)
    ana.data("add", "energy.sqlite", "-m", "not yet")
    ana.commit("not yet")


def without_bytes(clone: Clone) -> None:
    (clone.path / "energy.sqlite").unlink(missing_ok=True)
    manager = DataManager.open(clone.path)
    for version in manager.manifests.current().dataset("energy.sqlite").versions:
        manager.cache.drop(version.oid)


def line(text: str, start: str) -> list[str]:
    found = next(line for line in text.splitlines() if line.startswith(f"| {start} "))
    return [cell.strip() for cell in found.strip("|").split(" | ")]


def test_published_versions_with_all_that_one_asks(ana: Clone) -> None:
    text = ana.data("catalog").out
    newest = ana.versions("energy.sqlite")[1]
    assert line(text, "`energy.sqlite`")[1:3] == ["v2", newest["published"][:10]]
    assert line(text, "`energy.sqlite`")[4:] == ["400", "2"]
    row = line(text, "v2")
    assert row[3:] == [
        "400", "costs \\<b\\>2026\\<\\/b\\> \\| \\`@\u200ball\\`",
        f"`{newest['oid'].removeprefix('sha256:')}`", "pull it",
    ]  # fmt: skip
    assert "git data pull energy.sqlite@v2" in text
    assert "not yet" not in text


@pytest.mark.slow
def test_rows_are_left_out_where_the_bytes_are_not_here(world: World, ana: Clone) -> None:
    clone = world.clone("reader")
    assert line(clone.data("catalog").out, "`energy.sqlite`")[4:] == ["– (not in this clone)", "2"]


@pytest.mark.slow
def test_what_is_not_here_is_fetched_to_be_counted_the_latest_first(world: World, ana: Clone) -> None:
    clone = world.clone("reader")
    size = ana.versions("energy.sqlite")[1]["size"]
    some = clone.data("catalog", "--fetch", env={"GIT_DATA_PREVIEW_MAX_SIZE": str(size)}).out
    assert line(some, "v2")[3] == "400"
    assert line(some, "v1")[3] == "– (not in this clone)"
    assert line(clone.data("catalog", "--fetch").out, "v1")[3] == "10"
    without_bytes(clone)
    assert line(clone.data("catalog").out, "v1")[3] == "10", "it is remembered"


@pytest.mark.slow
def test_what_cannot_be_fetched_is_said(world: World, ana: Clone) -> None:
    clone = world.clone("reader")
    production = world.root / "store" / "production"
    assert production.is_dir()
    production.rename(production.with_name("away"))
    assert line(clone.data("catalog", "--fetch").out, "v2")[3] == "– (cannot be fetched)"


@pytest.mark.slow
def test_rows_that_were_counted_once_are_known_without_the_bytes(ana: Clone) -> None:
    ana.data("catalog")
    without_bytes(ana)
    text = ana.data("catalog").out
    assert line(text, "v2")[3] == "400"
    assert line(text, "v1")[3] == "10"


@pytest.mark.slow
def test_rows_that_a_profile_saw_are_known_without_the_bytes(ana: Clone) -> None:
    ana.data("profile", "energy.sqlite@v2")
    without_bytes(ana)
    text = ana.data("catalog").out
    assert line(text, "v2")[3] == "400"
    assert line(text, "v1")[3] == "– (not in this clone)"


def test_a_profile_of_what_is_no_table_saw_no_rows(ana: Clone) -> None:
    ana.write("noise.bin", b"\0\1")
    ana.data("add", "noise.bin")
    ana.data("profile", "noise.bin")
    manager = DataManager.open(ana.path)
    dataset = manager.manifests.current().dataset("noise.bin")
    assert dataset.latest is not None
    (ana.path / "noise.bin").unlink()
    manager.cache.drop(dataset.latest.oid)
    assert RowCounter(manager).rows(dataset, dataset.latest) == Rows(None, "no tables")


def test_why_nobody_knows_the_rows(ana: Clone) -> None:
    text = ana.data("catalog").out
    assert line(text, "`maps`")[4] == "– (a folder)"


def test_as_a_document(ana: Clone, tmp_path: Path) -> None:
    found = ana.json("catalog", "--out", str(tmp_path / "site"))
    assert json.loads((tmp_path / "site" / "catalog.json").read_text()) == found
    energy, maps = found["datasets"]
    assert [(v["version"], v["rows"], v["message"]) for v in energy["versions"]] == [
        ("v2", 400, NOTE), ("v1", 10, "first"),
    ]  # fmt: skip
    newest = ana.versions("energy.sqlite")[1]
    assert (energy["versions"][0]["oid"], energy["versions"][0]["published"]) == (
        newest["oid"], newest["published"],
    )  # fmt: skip
    assert (maps["kind"], maps["versions"][0]["rows_unknown"]) == ("tree", "a folder")
    assert "author" not in str(found)  # a page for everybody names nobody


def test_what_a_dataset_was_told_of_itself(ana: Clone, tmp_path: Path) -> None:
    ana.data(
        "set", "energy.sqlite", "title=Energy <b>", "description=All of | it @all", "tags=power,<i>europe"
    )
    text = ana.data("catalog", "--out", str(tmp_path)).out
    text = (tmp_path / "catalog.md").read_text()
    assert "**Energy \\<b\\>**" in text
    assert "All of \\| it @\u200ball · power\\, \\<i\\>europe" in text
    page = Reader((tmp_path / "catalog.html").read_text(encoding="utf-8"))
    assert "Energy <b>" in page.said
    assert not {"b", "i"} & {name for name, _ in page.tags}
    (one, _) = json.loads((tmp_path / "catalog.json").read_text())["datasets"]
    assert (one["title"], one["tags"]) == ("Energy <b>", ["power", "<i>europe"])


def test_the_page_shows_the_same_and_a_chart(ana: Clone, tmp_path: Path) -> None:
    out = tmp_path / "site"
    ana.data("catalog", "--out", str(out))
    assert (out / "catalog.md").read_text() == ana.data("catalog").out
    found = Reader((out / "catalog.html").read_text(encoding="utf-8"))
    assert NOTE in found.said
    assert "git data pull energy.sqlite@v2" in found.said
    assert [name for name, _ in found.tags].count("circle") == 2
    assert not {"b", "img"} & {name for name, _ in found.tags}


def test_links_of_a_public_production(ana: Clone, tmp_path: Path) -> None:
    ana.git("config", "data.remote.production.publicUrl", "https://data.example.org/base/")
    digest = ana.versions("energy.sqlite")[1]["oid"].removeprefix("sha256:")
    url = f"https://data.example.org/base/objects/{digest[:2]}/{digest}"
    text = ana.data("catalog", "--out", str(tmp_path)).out
    assert "catalog.html" in text
    assert f"[download](<{url}>)" in (tmp_path / "catalog.md").read_text()
    page = Reader((tmp_path / "catalog.html").read_text(encoding="utf-8"))
    links = [attributes["href"] for name, attributes in page.tags if name == "a"]
    assert url in links
    assert not any("/trees/" in link or "packs" in link for link in links if link)


@pytest.mark.parametrize("url", ["javascript:alert(1)", "https://x.example/\"onclick='1'", "file:///etc"])
def test_what_is_no_web_address_makes_no_link(ana: Clone, url: str) -> None:
    ana.git("config", "data.remote.production.publicUrl", url)
    done = ana.data("catalog", code=128)
    assert "publicUrl" in done.err


@pytest.mark.slow
def test_a_folder_store_signs_nothing(ana: Clone) -> None:
    assert "cannot sign" in ana.data("catalog", "--presign", "60", code=128).err


@pytest.mark.slow
def test_a_signed_link_gives_the_bytes_to_anybody(
    tmp_path: Path,
    s3_bucket: str,
    s3_endpoint: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    query = f"?endpoint={s3_endpoint}&region=us-east-1"
    world = new_world(
        tmp_path / "s3",
        staging=f"s3://{s3_bucket}/staging{query}",
        production=f"s3://{s3_bucket}/live{query}",
    )
    ana = world.found("ana")
    ana.write("prices.csv", "a,b\n1,2\n")
    ana.data("add", "prices.csv")
    ana.commit("one")
    ana.git("push", "-q")
    world.publish(ana)
    ana.git("pull", "-q")
    text = ana.data("catalog", "--presign", "600").out
    assert "Download links end 600 seconds after" in text
    (url,) = re.findall(r"\[download\]\(<([^>]*)>\)", text)
    assert "secret" not in url
    with urllib.request.urlopen(url) as answer:  # noqa: S310 -- of the test's own server
        digest = hashlib.sha256(answer.read()).hexdigest()
    assert ana.versions("prices.csv")[0]["oid"] == f"sha256:{digest}"


@pytest.mark.slow
def test_publish_writes_it_with_what_just_went_live(world: World, ana: Clone, tmp_path: Path) -> None:
    ana.git("push", "-q")
    world.publish(ana, "--catalog", str(tmp_path / "site"))
    assert line((tmp_path / "site" / "catalog.md").read_text(), "`energy.sqlite`")[1] == "v3"


@pytest.mark.slow
def test_nothing_is_published_yet(tmp_path: Path) -> None:
    clone = movable_world(tmp_path / "new").found("ana")
    assert "Nothing is published yet." in clone.data("catalog").out


@pytest.mark.slow
@pytest.mark.parametrize("payload", [p for p in PAYLOADS if p.isprintable()])
def test_notes_of_strangers_are_text(ana: Clone, tmp_path: Path, payload: str) -> None:
    path = ana.path / "manifest.json"
    manifest = json.loads(path.read_text())
    for version in manifest["datasets"]["energy.sqlite"]["versions"]:
        version["message"] = payload
    path.write_text(json.dumps(manifest, indent=2))
    ana.data("catalog", "--out", str(tmp_path / "site"))
    found = Reader((tmp_path / "site" / "catalog.html").read_text(encoding="utf-8"))
    names = [name for name, _ in found.tags]
    assert names.count("script") == 1
    assert not {"img", "iframe", "base", "form", "animate"} & set(names)
