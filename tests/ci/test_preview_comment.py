"""The comment of a preview: it fits, it is whole Markdown, and it says where the report is."""

from itertools import pairwise, takewhile

import pytest

from git_datamanager.cli import markdown, preview_cells, preview_page, preview_report
from git_datamanager.model.proposal import Deletions, Proposal
from git_datamanager.ops.ci.preview import Preview, Verdict
from git_datamanager.ops.ci.preview_data import Limits
from git_datamanager.tables.result import RowChange
from tests.pages.scene import PAYLOADS, changed, file_diff, hostile, release


def seen(diffs: list) -> Preview:
    proposal = Proposal([], [], [], [], [], 0, Deletions(0, 0, 0), 0)
    return Preview(
        "b" * 40, "a" * 40, "a" * 40, proposal, [], {}, None, Verdict.OK, {}, diffs, [], Limits(3, 1, 1)
    )


@pytest.mark.parametrize(
    ("env", "address"),
    [
        (
            {
                "GITHUB_SERVER_URL": "https://github.com",
                "GITHUB_REPOSITORY": "lab/data",
                "GITHUB_RUN_ID": "42",
            },
            "https://github.com/lab/data/actions/runs/42#artifacts",
        ),
        ({"CI_JOB_URL": "https://git.lab/x/-/jobs/7"}, "https://git.lab/x/-/jobs/7/artifacts/browse"),
        ({}, None),
        ({"CI_JOB_URL": "javascript:alert(1)//"}, None),
        ({"CI_JOB_URL": "https://x) [evil](https://evil.example"}, None),
    ],
)  # fmt: skip
def test_where_the_report_is(env: dict[str, str], address: str | None) -> None:
    assert preview_report.place(env) == address


def test_the_comment_points_to_the_report() -> None:
    text = preview_page.comment(seen(release()), report="https://x.example/run")
    assert text.rstrip().endswith("[the report](https://x.example/run).")
    assert "the report" not in preview_page.comment(seen(release()))
    assert "the report" not in preview_page.comment(seen([]), report="https://x.example/run")


def test_a_long_comment_is_cut_below_the_limit_and_still_points_to_the_report() -> None:
    text = preview_page.comment(seen(release() * 200), report="https://x.example/run")
    assert len(text.encode()) <= preview_page.MAX_COMMENT
    assert "more lines" in text
    assert text.rstrip().endswith("[the report](https://x.example/run).")
    lines = text.splitlines()
    assert lines.count("<details>") == lines.count("</details>") > 10


@pytest.mark.parametrize("size", range(200, 1200, 37))
def test_what_was_opened_is_closed_wherever_it_is_cut(size: int) -> None:
    lines = [line for n in range(20) for line in markdown.details(f"x{n}", ["| a |", "| --- |", "| 1 |" * 9])]
    kept = markdown.fitted(lines, size).splitlines()
    assert kept.count("<details>") == kept.count("</details>")
    assert all(after.startswith("<summary>") for before, after in pairwise(kept) if before == "<details>")
    whole = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(kept, lines, strict=False)))
    (left,) = [int(line.split()[2]) for line in kept if line.startswith("… and")]
    assert whole - 2 <= len(lines) - left <= whole  # the two that close it may be as they were


def test_what_to_do_is_not_cut_off_by_samples() -> None:
    before = seen([file_diff("d", "csv", changed("rows", [RowChange((1,), (2,))], ("a",)))] * 2000)
    text = preview_page.comment(before)
    assert "more lines" in text
    assert "\nStorage: " in text


@pytest.mark.parametrize("payload", PAYLOADS)
def test_cells_of_strangers_end_nothing(payload: str) -> None:
    lines = list(preview_cells.samples(hostile(payload), 10))
    rows = [line for line in lines if line.startswith("| ") and "---" not in line.split(" | ")[1]]
    assert rows
    assert {line.count(" | ") for line in lines if line.startswith("| ")} == {4}
    for line in rows[1:]:
        assert line.count("`") % 2 == 0
    for line in lines:
        if line.startswith("<summary>"):
            assert line.count("<") == line.count(">") == 6


def test_rows_that_came_are_shown_where_no_cell_changed() -> None:
    rows = [RowChange(None, (7, "heat pump")), RowChange((8, "lignite"), None)]
    diff = file_diff("d", "sqlite", changed("technology", rows, ("id", "name")))
    text = "\n".join(preview_cells.samples([diff], 3))
    assert "| `technology` |  |  |  | `7, heat pump` |" in text
    assert "| `technology` |  |  | `8, lignite` |  |" in text


def test_thousands_are_written_alike_everywhere() -> None:
    diff = file_diff("d", "csv", changed("rows", [RowChange(None, (1,))], ("a",), added=1000, removed=2000))
    (summary,) = [line for line in preview_cells.samples([diff], 3) if line.startswith("<summary>")]
    assert "1\u202f000 rows added, 2\u202f000 removed, 0 changed" in summary
    assert preview_cells.facts(diff)[0] == "+1\u202f000 −2\u202f000 ~0"


def test_few_cells_come_from_every_table() -> None:
    (text,) = ("\n".join(preview_cells.samples(release()[:1], 3)),)
    assert text.count("| `technology` |") == 2
    assert text.count("| `demand` |") == 1
