"""What the process may take while somebody's SQL runs."""

import sys

import pytest

from git_datamanager.tables.asking.heap import BESIDE, bounded

resource = pytest.importorskip("resource", reason="no limits of a process here")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there is no bound without Linux")

MORE = 64 << 20


def limit() -> int:
    return resource.getrlimit(resource.RLIMIT_DATA)[0]


def test_the_bound_holds_for_the_block_alone() -> None:
    before = limit()
    with bounded(MORE), pytest.raises(MemoryError):
        bytearray(BESIDE + 4 * MORE)
    assert limit() == before


def test_it_is_gone_after_an_error_too() -> None:
    before = limit()
    with pytest.raises(KeyError), bounded(MORE):
        raise KeyError
    assert limit() == before


def test_a_tighter_bound_stays() -> None:
    with bounded(MORE):
        tight = limit()
        assert tight > MORE
        with bounded(MORE << 4):
            assert limit() == tight
        assert limit() == tight
