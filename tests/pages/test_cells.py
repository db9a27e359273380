"""Cells can be told apart by looking at them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_datamanager.pages.cells import cell, cell_change, first_difference
from git_datamanager.tables.values import same

CELLS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=300), st.binary(max_size=300)
)


def plain(page: str) -> str:
    return re.sub(r"<[^>]*>", "", page)


@given(CELLS, CELLS)
def test_cells_that_differ_look_different(one: object, other: object) -> None:
    if not same(one, other):
        old, new = cell_change(one, other)
        assert old != new


@pytest.mark.parametrize(
    ("before", "after", "old", "new"),
    [
        (1, "1", "1 integer", "1 text"),
        (1.0, "1.0", "1.0 real", "1.0 text"),
        ("a", "a ", "a", "a␣"),
        (" ", "  ", "␣", "␣␣"),
        ("", None, "empty", "NULL"),
        ("a\nb", "a\tb", "a↵\nb", "a⇥b"),
        ("NULL", "null", "NULL", "null"),
        (True, 1, "true", "1"),
        (b"\x41", "A", "x&#x27;41&#x27;", "A"),
    ],
)
def test_values_that_are_easily_confused(before: object, after: object, old: str, new: str) -> None:
    assert tuple(map(plain, cell_change(before, after))) == (old, new)


def test_null_is_no_text() -> None:
    assert cell(None) != cell("NULL")


def test_long_texts_are_shown_where_they_differ() -> None:
    old, new = map(plain, cell_change("x" * 100_000 + "old" + "y" * 500, "x" * 100_000 + "new" + "y" * 500))
    assert old.startswith("…xxx")
    assert "xold" in old
    assert "xnew" in new
    assert "100503 characters" in new
    assert len(new) < 300


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"x" * 100_000 + b"old", b"x" * 100_000 + b"new"),
        (b"x" * 150, b"x" * 150 + b"y"),
        ([*range(5000), 1], [*range(5000), 2]),
        ("x" * 150, "x" * 250),
    ],
)
def test_long_cells_of_any_kind_look_different(before: object, after: object) -> None:
    old, new = map(plain, cell_change(before, after))
    assert old != new
    assert max(len(old), len(new)) < 300


@given(st.text(), st.text())
def test_the_first_difference(one: str, other: str) -> None:
    at = first_difference(one, other)
    assert one[:at] == other[:at]
    assert at == min(len(one), len(other)) or one[at] != other[at]


def test_the_first_difference_beyond_a_block() -> None:
    assert first_difference("a" * 200_000 + "b", "a" * 200_000 + "c") == 200_000
