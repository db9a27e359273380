"""The block in .gitignore: ours inside, the user's lines outside and in their order."""

import pytest

from git_datamanager.workspace import ignorefile
from git_datamanager.workspace.ignorefile import BEGIN, END

TEMP = ".git-data-tmp-*"


def text(*lines: str) -> str:
    return "".join(line + "\n" for line in lines)


def test_lines_between_two_blocks_stay_outside_in_their_order() -> None:
    merged = text(
        "*.log", BEGIN, TEMP, "/a.csv", END, "!keep.log", "*.tmp", BEGIN, TEMP, "/b.csv", END, "!keep.tmp"
    )
    assert ignorefile.add(merged, "c.csv") == text(
        "*.log", BEGIN, TEMP, "/a.csv", "/b.csv", "/c.csv", END, "!keep.log", "*.tmp", "!keep.tmp"
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([BEGIN, "/a", BEGIN, "/b", END, "x"], [BEGIN, TEMP, "/a", "/b", END, "x"]),
        ([BEGIN, "/a", "*.l", "!k.l", BEGIN, "/b", END], [BEGIN, TEMP, "/a", "/b", END, "*.l", "!k.l"]),
        (["x", BEGIN, "/a", "*.log", "!keep.log"], ["x", BEGIN, TEMP, "/a", END, "*.log", "!keep.log"]),
        ([BEGIN, "/a", END, "*.log", END, "!keep.log"], [BEGIN, TEMP, "/a", END, "*.log", "!keep.log"]),
        (["x", END, "y"], ["x", "y", BEGIN, TEMP, END]),
        ([BEGIN, END, BEGIN, END], [BEGIN, TEMP, END]),
        ([], [BEGIN, TEMP, END]),
    ],
)  # fmt: skip
def test_broken_markers_are_mended(before: list[str], after: list[str]) -> None:
    mended = ignorefile.empty_block(text(*before))
    assert mended == text(*after)
    assert ignorefile.empty_block(mended) == mended


def test_a_file_without_a_last_line_end_is_continued() -> None:
    assert ignorefile.empty_block("x") == text("x", BEGIN, TEMP, END)
    block = text(BEGIN, TEMP, END)
    assert ignorefile.empty_block(block + "x") == block + "x"
