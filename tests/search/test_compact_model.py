"""Compaction keeps its promises in every state within reach, and most of its rules are needed for that."""

from typing import NamedTuple

import pytest
from search.compact_model import GOOD, IDLE, LIVE, NONE, PLAIN, Compaction, State
from search.explore import Found, search, walk

A, B, C = range(3)


def deltas(*pairs: tuple[int, int]) -> tuple[int, ...]:
    stored = {3 * x + y for x, y in pairs}
    return tuple(GOOD if n in stored else NONE for n in range(9))


class Scenario(NamedTuple):
    """The contents of the entries, oldest first; how it begins; what a tag names, as a set of bits."""

    contents: tuple[int, ...]
    first: State
    tagged: int = 0

    def search(self, publishers: int, limit: int, *without: str, faults: int = 0) -> Found:
        machine = Compaction(self.contents, self.tagged, without, publishers)
        return search(machine, self.first._replace(faults=faults), limit)


SENT = deltas((B, A))
"""What an upload left: the second version as a delta from the first."""
SCENARIOS = {
    "compact and undo": Scenario((A, B), State((LIVE, LIVE), plain=3, option=2, deltas=SENT)),
    "delete one": Scenario((A, B), State((LIVE, LIVE), plain=3, option=1, deletions=1, deltas=SENT)),
    "tag": Scenario((A, B), State((LIVE, LIVE), plain=3, option=1, deletions=2), tagged=1 << A),
    "roll back": Scenario((A, B, A), State((LIVE, LIVE, IDLE), plain=3, option=1, deltas=SENT)),
    "add": Scenario((A, B, C), State((LIVE, LIVE, IDLE), plain=3, option=1, staged=1 << C)),
    "delete one of three": Scenario((A, B, C), State((LIVE,) * 3, plain=7, option=1, deletions=1)),
    "packed, delete": Scenario(
        (A, B),
        State(
            (LIVE, LIVE), (B, PLAIN, PLAIN), asked=True, plain=1 << B, deltas=deltas((A, B), (B, A)),
            option=1, deletions=1,
        ),
    ),
    "packed, roll back": Scenario(
        (A, B, A),
        State(
            (LIVE, LIVE, IDLE), (B, PLAIN, PLAIN), asked=True, plain=1 << B, trash=(1, 0, 0),
            deltas=deltas((A, B), (B, A)), option=1, withdrawals=1,
        ),
    ),
    "packed, tag": Scenario(
        (A, B, C),
        State(
            (LIVE,) * 3, (B, C, PLAIN), asked=True, plain=1 << C, deltas=deltas((A, B), (B, C)), deletions=2
        ),
        tagged=1 << A,
    ),
    "rolled back before": Scenario(
        (A, B, A, C),
        State(
            (LIVE, LIVE, LIVE, IDLE), (PLAIN, A, PLAIN), asked=True, plain=1 << A, staged=1 << C,
            deltas=deltas((B, A), (A, B)), deletions=1,
        ),
    ),
}  # fmt: skip


def test_one_publish_and_one_gc_at_a_time_keep_all_promises() -> None:
    found = SCENARIOS["compact and undo"].search(1, 60_000)
    assert found.is_complete and found.broken is None, found


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("name", "publishers", "faults"),
    [
        *((name, 1, 1) for name in ("compact and undo", "delete one", "tag", "packed, delete")),
        ("packed, delete", 2, 0),
        ("compact and undo", 2, 0),
    ],
)
def test_every_state_of_two_versions_keeps_all_promises(name: str, publishers: int, faults: int) -> None:
    found = SCENARIOS[name].search(publishers, 400_000, faults=faults)
    assert found.is_complete and found.broken is None, found


@pytest.mark.nightly
@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize(("publishers", "faults"), [(1, 1), (2, 0)])
def test_no_state_within_two_millions_breaks_a_promise(name: str, publishers: int, faults: int) -> None:
    found = SCENARIOS[name].search(publishers, 2_000_000, faults=faults)
    assert found.broken is None, found


@pytest.mark.nightly
@pytest.mark.parametrize("name", SCENARIOS)
def test_long_walks_break_no_promise(name: str) -> None:
    scenario = SCENARIOS[name]
    machine = Compaction(scenario.contents, scenario.tagged)
    first = scenario.first._replace(option=5, faults=1, withdrawals=1)
    assert walk(machine, first, 1_000_000, seed=1).broken is None


NEEDED = [
    ("leave", "compact and undo", 1, 0, "I4 no rest"),
    ("repair", "compact and undo", 1, 1, "I4 undone"),
    ("bases-reached", "roll back", 1, 0, "I4 no rest"),
    ("wanted", "roll back", 1, 0, "I4 undone"),
    ("unlean", "rolled back before", 1, 0, "I4 undone"),
    ("listed-forms", "packed, tag", 1, 0, "I1 later"),
    ("undo-seen", "packed, tag", 2, 0, "I1"),
]


@pytest.mark.parametrize(("rule", "name", "publishers", "faults", "broken"), NEEDED)
def test_without_the_rule_a_promise_breaks(
    rule: str, name: str, publishers: int, faults: int, broken: str
) -> None:
    assert SCENARIOS[name].search(publishers, 60_000, rule, faults=faults).broken == broken


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("rule", "faults", "broken"),
    [("purge-check", 1, "I1"), ("grace", 0, "I1"), ("gc-lease", 0, "I1"), ("rebuild", 1, "I4 undone")],
)
def test_without_the_rule_of_time_or_check_bytes_are_lost(rule: str, faults: int, broken: str) -> None:
    assert SCENARIOS["compact and undo"].search(1, 200_000, rule, faults=faults).broken == broken
