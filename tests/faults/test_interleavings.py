"""The verbs at once, one request at a time, in every order that can be tried: no promise is ever broken.

After each single request: what is live can be had, what is pending is somewhere, receipts stand for checked
bytes. At the end two undisturbed runs of publish finish everything.
"""

import random
from collections.abc import Callable, Iterator, Sequence

import pytest

from tests.faults.cases import CASES, Case, Stories
from tests.faults.memory import World, in_memory
from tests.faults.turns import Actor, Choice, Dice, History, Preempting, Ranks, play, preempted

STEPS = 120
"""About as many has a history."""


def story(
    case: Case, pick: Callable[[Sequence[Actor]], Choice], dice: random.Random | None = None
) -> History:
    """One history, with what is checked at its end."""
    stories = Stories(case, dice)
    at_work.append(stories.world)
    try:
        history = play(stories.actors, pick(stories.actors), stories.check)
        history.found = history.found or stories.check_end() or ""
    finally:
        at_work.pop()
    return history


at_work: list[World] = []
"""Whose clock is the time now."""


def thrown(case: Case, seed: int) -> History:
    """Two ways of throwing, in turn."""
    dice = random.Random(seed)
    return story(case, lambda _: Ranks(dice, STEPS) if seed % 2 else Dice(dice), dice)


def enumerated(case: Case, bound: int) -> Iterator[History]:
    """Every history with so few switches; every lie and lost answer at its first opportunity."""
    return preempted(lambda switches: story(case, lambda actors: Preempting(actors, switches)), bound)


def told(name: str, history: History) -> str:
    return f"{name}: {history.found}, after\n  " + "\n  ".join(history.steps)


def sound(name: str, seeds: range) -> None:
    with in_memory(lambda: at_work[-1]):
        for seed in seeds:
            history = thrown(CASES[name], seed)
            assert not history.found, f"seed {seed} of {told(name, history)}"


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_lost_in_any_order(name: str) -> None:
    sound(name, range(30))


SMALL = (
    "one reader",
    "tampered",
    "withdrawn twice",
    "purged, merged again",
    "rollback while it is deleted",
    "rollback over a former life",
)


def sound_within(name: str, bound: int) -> None:
    with in_memory(lambda: at_work[-1]):
        count = 0
        for history in enumerated(CASES[name], bound):
            assert not history.found, told(name, history)
            count += 1
    assert count > 5, "nothing was enumerated"


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in SMALL else pytest.mark.nightly) for name in CASES]
)
def test_nothing_is_lost_with_one_switch(name: str) -> None:
    sound_within(name, 1)


@pytest.mark.nightly
@pytest.mark.parametrize("name", SMALL)
def test_nothing_is_lost_with_two_switches(name: str) -> None:
    sound_within(name, 2)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_nothing_is_lost_in_more_orders(name: str) -> None:
    sound(name, range(100, 140))


@pytest.mark.nightly
@pytest.mark.parametrize("shard", range(4))
@pytest.mark.parametrize("name", CASES)
def test_nothing_is_lost_in_many_orders(name: str, shard: int) -> None:
    sound(name, range(1000 + shard * 1000, 2000 + shard * 1000))
