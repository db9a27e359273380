"""Lists of packs have one encoding; packs of one size do not pile up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_datamanager.content import pack, packlist
from git_datamanager.content.packlist import PackRef
from git_datamanager.content.repack import FEW, crowded
from git_datamanager.errors import Corrupt

refs = st.builds(PackRef, st.binary(min_size=32, max_size=32).map(bytes.hex), st.integers(97, pack.MAX_PACK))


@given(st.lists(refs, min_size=1))
def test_what_is_written_is_read_sorted_and_each_once(packs: list[PackRef]) -> None:
    assert packlist.loads(packlist.dumps(packs)) == sorted(set(packs))


GOOD = packlist.dumps([PackRef("ab" * 32, 200), PackRef("cd" * 32, 300)])


@pytest.mark.parametrize("data", [
    b"",
    GOOD[:-1],
    GOOD + b"\n",
    GOOD + GOOD,
    b"".join(reversed(GOOD.splitlines(keepends=True))),
    GOOD.replace(b"200", b"0200"),
    GOOD.replace(b"200", b"0"),
    GOOD.replace(b"200", b"%d" % (pack.MAX_PACK + 1)),
    GOOD.replace(b"ab", b"AB"),
    GOOD.replace(b": ", b":"),
])  # fmt: skip
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(Corrupt):
        packlist.loads(data)


def test_a_folder_that_changes_every_day_ends_in_few_packs_and_writes_little() -> None:
    """One new pack a day; crowded ones become one, as an upload does it."""
    packs, written, size = list[PackRef](), 0, 10_000
    for day in range(2000):
        packs.append(PackRef(f"{day:064x}", size))
        many = crowded(packs)
        if many:
            packs = [one for one in packs if one not in many]
            packs.append(PackRef(f"{day:063x}f", sum(one.size for one in many)))
        written += size + sum(one.size for one in many)
        assert len(packs) < 8 * FEW
    assert written < 5 * 2000 * size


def test_large_packs_stay() -> None:
    assert crowded([PackRef(f"{n:064x}", 60 << 20) for n in range(40)]) == []
