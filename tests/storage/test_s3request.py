"""Parts and headers."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_datamanager.storage.base import Presentation
from git_datamanager.storage.s3request import MIB, MOST_PARTS, hex_of, part_size, parts, presented


@given(size=st.integers(1, 5 * 10**13))
def test_part_sizes_fit_the_limits(size: int) -> None:
    step = part_size(size, 16 * MIB)
    assert step >= 16 * MIB
    assert -(-size // step) <= MOST_PARTS


@given(size=st.integers(1, 10**6), smallest=st.integers(1000, 10**5))
def test_parts_cover_everything_once_in_one_size(size: int, smallest: int) -> None:
    planned = list(parts(size, smallest))
    assert [p.number for p in planned] == list(range(1, len(planned) + 1))
    assert sum(p.size for p in planned) == size
    assert all(a.start + a.size == b.start for a, b in pairwise(planned))
    assert len({p.size for p in planned[:-1]}) <= 1
    assert planned[-1].size <= planned[0].size


@given(st.text())
def test_a_file_name_never_leaves_its_place(name: str) -> None:
    header = presented(Presentation(filename=name))["ContentDisposition"]
    assert header.startswith("attachment; filename*=UTF-8''")
    assert header.isascii()
    assert not set(header.removeprefix("attachment; ")) & set(' ";,\r\n\0/\\')


@pytest.mark.parametrize("text", [None, "", "x", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=-3"])
def test_what_is_no_digest(text: str | None) -> None:
    assert hex_of(text) is None


def test_a_digest() -> None:
    assert hex_of("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=") == (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )
