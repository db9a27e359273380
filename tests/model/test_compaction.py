"""Which versions do without plain bytes, and what they build on."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_datamanager.errors import DataError
from git_datamanager.model import compaction
from git_datamanager.model.chains import DEEPEST, Forms, cheapest
from git_datamanager.model.compaction import Kept, Pair
from git_datamanager.model.manifest import Dataset, Kind, Manifest, State, Version
from git_datamanager.model.oid import Oid

MIB = 1 << 20
NOW = "2026-11-21T10:00:00Z"


def oid(number: int) -> Oid:
    return Oid(f"{number:064x}")


def version(number: int, content: int | None = None, state: State = State.PUBLISHED) -> Version:
    return Version(number=number, id=f"{number:026d}", state=state, oid=oid(content or number), size=2 * MIB,
                   created=NOW, author="a", published=NOW)  # fmt: skip


def dataset(*versions: Version, keep: int | None = 1) -> Dataset:
    options = {} if keep is None else {"plain": keep}
    newest_first = tuple(sorted(versions, key=lambda v: -v.number))
    return Dataset(name="a.bin", kind=Kind.FILE, options=options, versions=newest_first)


def numbers(found: list[Pair]) -> dict[int, int | None]:
    return {pair.version.number: pair.base.number if pair.base else None for pair in found}


def settle(made: Dataset) -> Dataset:
    """As publish would record it."""
    deltas = {
        pair.version.oid: {f"delta:{pair.base.oid}" if pair.base else "zstd": 1}
        for pair in compaction.pairs(made)
    }
    return compaction.recorded(made, Kept(deltas), NOW)


def test_nothing_is_asked_of_most_datasets() -> None:
    plain = dataset(version(1), version(2), keep=None)
    assert compaction.pairs(plain) == compaction.swollen(plain) == []
    assert compaction.keeps_plain(plain) == {oid(1), oid(2)}


def test_each_builds_on_the_next_every_third_on_three_further() -> None:
    made = dataset(*(version(n) for n in range(1, 11)))
    assert numbers(compaction.pairs(made)) == {9: None, 8: 9, 7: 8, 6: 9, 5: 6, 4: 5, 3: 6, 2: 3, 1: 2}


def test_what_has_no_base_yet_waits_compressed_and_gets_its_plain_bytes_back_before_the_delta() -> None:
    made = dataset(*(version(n) for n in range(1, 5)))
    assert numbers(compaction.pairs(made)) == {3: None, 2: 3, 1: 2}
    made = settle(made)
    grown = settle(replace(made, versions=(version(6), version(5), *made.versions)))
    assert [v.number for v in compaction.swollen(grown)] == [3]
    again = compaction.recorded(grown, Kept(plain=frozenset([oid(3)])), NOW)
    assert numbers(compaction.pairs(again)) == {3: 6}


def test_where_a_version_was_deleted_the_next_one_is_the_base() -> None:
    made = dataset(version(1), version(2, state=State.DELETED), version(3), version(4))
    assert numbers(compaction.pairs(made)) == {3: None, 1: 3}


def test_small_versions_stay_whole() -> None:
    assert compaction.pairs(dataset(replace(version(1), size=1000), version(2))) == []


def test_what_is_pending_or_came_back_stays_whole() -> None:
    assert numbers(compaction.pairs(dataset(version(1), version(2), version(3, 1)))) == {2: 3}
    assert compaction.pairs(dataset(version(1), version(2), version(3, 1, State.PENDING))) == []


def test_a_record_is_made_once_and_stays_while_versions_come() -> None:
    made = settle(dataset(*(version(n) for n in range(1, 6))))
    assert compaction.asked(Manifest({"a.bin": made})) == []
    grown = replace(made, versions=(version(6), *made.versions))
    assert numbers(compaction.pairs(grown)) == {5: 6}
    assert [v.number for v in compaction.swollen(grown)] == [3]


def test_a_raised_option_brings_back_what_it_covers() -> None:
    made = settle(dataset(version(1), version(2), version(3)))
    whole = replace(made, options={"plain": 2})
    assert [v.number for v in compaction.swollen(whole)] == [2]
    assert [v.number for v in compaction.swollen(replace(made, options={}))] == [2, 1]


def test_a_base_that_is_no_live_newer_version_any_more_brings_back_all_that_rests_on_it() -> None:
    made = settle(dataset(version(1), version(2), version(3)))
    gone = tuple(replace(v, state=State.DELETED) if v.number == 3 else v for v in made.versions)
    rest = replace(made, versions=(version(4), *gone))
    assert [v.number for v in compaction.swollen(rest)] == [2, 1]


def test_a_finalize_records_only_what_its_tip_still_wants() -> None:
    wanted = dataset(version(1), version(2), version(3))
    deltas = Kept({oid(1): {f"delta:{oid(2)}": 7}})
    assert compaction.recorded(wanted, deltas, NOW).versions[2].encodings == {f"delta:{oid(2)}": 7}
    rolled = dataset(version(1), version(2), version(3), version(4, 1))
    assert compaction.recorded(rolled, deltas, NOW) == rolled
    dropped = dataset(version(1), version(2), version(3), keep=None)
    assert compaction.recorded(dropped, deltas, NOW) == dropped
    downwards = Kept({oid(2): {f"delta:{oid(1)}": 7}})
    assert compaction.recorded(wanted, downwards, NOW) == wanted


def test_bytes_that_were_seen_drop_the_record() -> None:
    made = settle(dataset(version(1), version(2), version(3)))
    again = compaction.recorded(made, Kept(plain=frozenset([oid(1)])), NOW)
    assert [v.number for v in again.versions if v.compacted] == [2]


def test_gc_takes_only_what_every_tip_calls_compacted() -> None:
    made = settle(dataset(version(1), version(2), version(3)))
    small, plain = Manifest({"a.bin": made}), Manifest({"a.bin": dataset(version(1))})
    assert set(compaction.compacted([small])) == {oid(1), oid(2)}
    assert set(compaction.compacted([small, plain])) == {oid(2)}
    assert compaction.compacted([plain]) == {}


def test_a_folder_or_less_than_one_is_refused() -> None:
    folder = replace(dataset(version(1), keep=None), kind=Kind.TREE)
    with pytest.raises(DataError, match="folder"):
        compaction.ask(Manifest({"a.bin": folder}), "a.bin", 1)
    with pytest.raises(DataError, match="newest"):
        compaction.ask(Manifest({"a.bin": dataset(version(1))}), "a.bin", 0)


@given(st.integers(1, 120), st.integers(1, 4), st.sets(st.integers(1, 120)))
def test_every_version_stays_reachable_within_eight_deltas(count: int, keep: int, deleted: set[int]) -> None:
    made = dataset(version(1), keep=keep)
    for number in range(2, count + 1):
        made = settle(replace(made, versions=(version(number), *made.versions)))
        gone = tuple(
            replace(v, state=State.DELETED) if v.number in deleted and v.number < number - keep else v
            for v in made.versions
        )
        made = replace(made, versions=gone)
        lost = frozenset(v.oid for v in compaction.swollen(made))
        made = compaction.recorded(made, Kept(plain=lost), NOW)
    live = [v for v in made.versions if v.state is State.PUBLISHED]
    stored = {v.oid: Forms(None if v.compacted else v.size, v.encodings) for v in live}
    for one in live:
        route = cheapest(one.oid, stored, ())
        assert route is not None
        assert len(route.steps) <= DEEPEST + 1
    if not deleted and count <= 81:
        assert sum(v.compacted is None for v in live) <= keep + 4  # those that waited, until the next run
        assert sum("zstd" in v.encodings for v in live if v.compacted) <= 5
