"""The page of changes: what stands on it, how much of it, and that nothing in it is a stranger's markup."""

import base64
import hashlib
import re
from itertools import pairwise

import pytest

from git_datamanager.model.manifest import Kind, State, Version
from git_datamanager.model.oid import Oid
from git_datamanager.model.ulid import new_ulid
from git_datamanager.ops.inside.differences import DatasetDiff, Point
from git_datamanager.pages import words
from git_datamanager.pages.budget import Limits
from git_datamanager.pages.diff_page import Remark, diff_page
from git_datamanager.tables.result import RowChange, SourceDiff, TableDiff
from git_datamanager.tables.schema import Change
from tests.pages.scene import PAYLOADS, changed, file_diff, hostile, release
from tests.pages.test_markup import Reader

TAGS = {
    *(
        "html",
        "head",
        "meta",
        "title",
        "style",
        "script",
        "body",
        "main",
        "header",
        "footer",
        "section",
        "div",
    ),
    *(
        "a",
        "p",
        "strong",
        "span",
        "small",
        "bdi",
        "code",
        "pre",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "table",
        "caption",
        "thead",
    ),
    *("tbody", "tr", "th", "td", "del", "ins", "details", "summary", "label", "input", "button", "output"),
}
ATTRIBUTES = {
    *("class", "id", "href", "type", "role", "scope", "open", "hidden", "title", "lang", "charset", "name"),
    *("content", "http-equiv", "tabindex", "for", "placeholder", "autocomplete", "spellcheck", "aria-label"),
    *("aria-labelledby", "aria-hidden", "aria-live", "aria-pressed"),
    *("data-change", "data-group", "data-name", "data-kind"),
}


def words_of(page: str) -> str:
    """What the body says, in one line."""
    body = re.sub(r"(?s)<(style|script)>.*?</\1>|<head>.*?</head>", "", page)
    return " ".join(Reader(body).said.split())


def test_what_a_reviewer_reads() -> None:
    said = words_of(diff_page(release(), "Changes of a1b2c3d"))
    for expected in (
        "5 datasets · +9 −3 ~5 rows",
        "v2 → v3", "+1\u00a0column, ~1\u00a0column, +1\u00a0index, ~1\u00a0view".replace("\u00a0", " "),
        "wind onshore", "1200 → 1180.0", "solar rooftop → solar rooftop␣", "NULL",
        "812 cells not NULL", "INTEGER → REAL NOT NULL", "1 table unchanged: region",
        "CREATE INDEX by_region ON technology(region)",
        "Not shown on this page: 4 added rows.", "rows are matched by id",
        "rows are compared as a whole: there is no key", "×2",
        "files: 1 added, 1 removed, 1 changed, 1 moved", "Bytes changed, data same.",
        "1\u202f403 files unchanged".replace("\u202f", " "),
        "moved from tiles/orient.tif", "Not compared: v1 (5.0 GiB), v2 (5.0 GiB) not here.",
    ):  # fmt: skip
        assert expected in said, f"{expected!r} not in {said}"


def test_no_change_is_said() -> None:
    assert "No data changed." in words_of(diff_page([], "Nothing"))


def test_remarks_stand_above() -> None:
    page = diff_page(release(), "x", remarks=[Remark("not good", "bad", ("git data upload <x>",))])
    assert "not goodgit data upload <x>" in words_of(page).split("Dataset")[0]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_what_a_stranger_wrote_is_text(payload: str) -> None:
    """Wherever it stands: no tag, no attribute and no value that the page does not have of its own."""
    found = Reader(diff_page(hostile(payload), payload, remarks=[Remark(payload, "", (payload,))]))
    assert {name for name, _ in found.tags} <= TAGS
    assert {key for _, attributes in found.tags for key in attributes} <= ATTRIBUTES
    assert sum(name == "script" for name, _ in found.tags) == 1
    links = [attributes["href"] or "" for name, attributes in found.tags if "href" in attributes]
    assert all(re.fullmatch(r"#(main|d\d+)", link) for link in links)


def test_the_policy_names_the_only_style_and_script() -> None:
    page = diff_page(release(), "x")
    policy = Reader(page).tags[3][1]["content"] or ""
    assert policy.startswith("default-src 'none'; ")
    for name in ("style", "script"):
        (content,) = re.findall(f"(?s)<{name}>(.*?)</{name}>", page)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"https?:|//|@import|url\(", re.sub(r"(?m)^\s*//.*$|; // .*$", "", page))


def test_landmarks_heads_and_captions() -> None:
    tags = Reader(diff_page(release(), "x")).tags
    names = [name for name, _ in tags]
    assert [names.count(name) for name in ("main", "h1", "title")] == [1, 1, 1]
    assert names.count("table") == names.count("caption")
    assert all("scope" in attributes for name, attributes in tags if name == "th")
    levels = [int(name[1]) for name in names if re.fullmatch(r"h\d", name)]
    assert all(after <= before + 1 for before, after in pairwise(levels))
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def many(rows: int) -> list[RowChange]:
    return [RowChange((n, "x" * 300), (n, "y" * 300)) for n in range(rows)]


def test_a_page_is_bounded_and_says_what_it_leaves_out() -> None:
    tables = [changed(f"t{n}", many(40), ("id", "text")) for n in range(40)]
    limits = Limits(rows=25, all_rows=500, sections=30)
    page = diff_page([file_diff("big", "sqlite", *tables)], "x", limits=limits)
    said = words_of(page)
    assert said.count("Not shown on this page: 15 changed rows.") == 20
    assert said.count("Not shown on this page: 40 changed rows.") == 10
    assert "10 more tables with changes not shown on this page." in said
    assert page.count('data-change="changed"') == 500


def test_wide_tables_show_their_key_and_what_changed() -> None:
    columns = [f"c{n}" for n in range(1000)]
    before = tuple(range(1000))
    after = (*before[:777], -1, *before[778:])
    page = diff_page(
        [file_diff("wide", "csv", changed("rows", [RowChange(before, after)], columns, key=("c500",)))], "x"
    )
    assert "777 → -1" in words_of(page)
    assert re.search("c500</bdi><small>key", page)
    assert "976 more columns not shown." in words_of(page)
    heads = re.findall(r'<th scope="col"[^>]*><bdi>(\w+)</bdi>', page)
    assert heads[:3] == ["c500", "c777", "c0"]  # not at the far right, where one has to search for it


def test_few_rows_lie_open_and_many_do_not() -> None:
    few, lots = changed("few", many(3), ("id", "t")), changed("lots", many(190), ("id", "t"))
    groups = [
        a
        for name, a in Reader(diff_page([file_diff("d", "sqlite", few, lots)], "x")).tags
        if name == "details"
    ]
    assert [(a["data-group"], "open" in a) for a in groups] == [("few", True), ("lots", False)]


@pytest.mark.parametrize(
    ("diff", "said"),
    [
        (DatasetDiff(name="d", kind=Kind.FILE, before=None, after=Point("v1", 5)), "new, not compared"),
        (DatasetDiff(name="d", kind=Kind.FILE, before=Point("v1", 5), after=None), "removed, not compared"),
        (
            DatasetDiff(
                name="d", kind=Kind.FILE, before=Point("v1", 5), after=Point("v2", 5),
                source=SourceDiff(kind="other", size_before=5, size_after=5, is_same_bytes=True),
            ),
            "not a byte differs",
        ),
        (
            DatasetDiff(
                name="d", kind=Kind.FILE, before=Point("v1", 5), after=Point("v2", 2048),
                source=SourceDiff(kind="other", size_before=5, size_after=2048, common=1024),
            ),
            "1.0 KiB of 2.0 KiB stand in both",
        ),
        (
            DatasetDiff(
                name="d", kind=Kind.FILE, before=Point("v1", 5), after=Point("v2", 5), problem="it is locked"
            ),
            "not compared: it is locked",
        ),
    ],
)  # fmt: skip
def test_outcomes(diff: DatasetDiff, said: str) -> None:
    assert words.outcome(diff) == said


def test_a_problem_is_no_matter_of_colour_alone() -> None:
    page = diff_page(release(), "x", remarks=[Remark("not good", "bad", (), "Problem"), Remark("so so")])
    assert "<strong>Problem: </strong>not good" in page
    assert words_of(page).count("Problem") == 1


def test_a_table_of_another_name_is_a_change_of_schema() -> None:
    diff = file_diff("d", "sqlite", changed("Demand", [], ("id",), was="demand"))
    assert words.schema(diff) == "~1\u00a0table"
    assert "was demand" in words_of(diff_page([diff], "x"))


def test_a_dataset_that_has_only_another_name_was_not_changed() -> None:
    version = Version(
        number=1, id=new_ulid(), state=State.PUBLISHED, oid=Oid("a" * 64), size=5, author="Ana",
        created="2026-01-01T00:00:00Z",
    )  # fmt: skip
    point = Point("v1", 5, version)
    diff = DatasetDiff(name="new", kind=Kind.FILE, before=point, after=point, renamed_from="old")
    assert (words.outcome(diff), words.versions(diff)) == ("not a byte differs", "v1")
    assert "not compared" not in words_of(diff_page([diff], "x")).lower()


def test_rows_of_a_new_dataset_are_no_change_of_schema() -> None:
    table = TableDiff(name="t", change=Change.ADDED, rows_after=3, added=3, after_columns=("a",))
    source = SourceDiff(kind="csv", size_before=None, size_after=9, tables=(table,))
    diff = DatasetDiff(name="d", kind=Kind.FILE, before=None, after=Point("v1", 9), source=source)
    assert (words.row_counts(diff), words.schema(diff), words.outcome(diff)) == ((3, 0, 0), "", "new")
