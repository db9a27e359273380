"""Every request of a verb with every fault: what was promised holds, and the next run ends right.

The fake fails exactly one request, whichever number it has; from the same state the verb is then run again.
"""

from collections.abc import Callable, Sequence

import pytest

from tests.faults.encoded import ENCODED, EVERY
from tests.faults.sweep import Point, Prepared, disturb
from tests.storage.fakes3 import FAULTS

Get = Callable[[str], Prepared]
SHARDS = 8
BY_DAY = 1
"""Of these so many outside the night."""
OLDER = ("first publish", "publish in parts", "upload in parts", "gc --purge", "cleanup")


def swept(world: Prepared, points: Sequence[Point]) -> None:
    found = [text for number, kind in points for text in disturb(world, number, kind)]
    assert not found, "\n".join(found)


def part(world: Prepared, shard: int) -> list[Point]:
    """One of the parts of a sweep, so that several processes share it."""
    found = [point for point in world.points() if point[0] % SHARDS == shard]
    assert found or len(world.asked) < SHARDS, "the sweep sweeps nothing"
    return found


def sample(world: Prepared, count: int) -> list[Point]:
    """Spread over the run, with every fault in turn."""
    found = list(world.points())
    step = len(found) // count
    return found[:: step + (step % len(FAULTS) == 0)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "shard", [pytest.param(n, marks=() if n < BY_DAY else pytest.mark.nightly) for n in range(SHARDS)]
)
def test_publish_holds_its_promises_whatever_request_fails(prepared: Get, shard: int) -> None:
    """Each request with every third fault, by turns; at night with all of them."""
    world = prepared("publish")
    swept(world, [(n, kind) for n, kind in part(world, shard) if (n + FAULTS.index(kind)) % 3 == 0])


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.nightly if name in OLDER else ())
        for name in EVERY
        if name != "publish"
    ],
)
def test_a_verb_holds_its_promises_when_one_request_fails(prepared: Get, name: str) -> None:
    """A sample; the next test has them all."""
    world = prepared(name)
    swept(world, sample(world, 3 if name in ENCODED else 6))


@pytest.mark.nightly
@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize("name", EVERY)
def test_a_verb_holds_its_promises_whatever_request_fails(prepared: Get, name: str, shard: int) -> None:
    world = prepared(name)
    swept(world, part(world, shard))
