"""Search of a state machine: every state within reach, breadth first, or long random walks."""

import random
from collections import deque
from collections.abc import Hashable, Iterator
from typing import NamedTuple, Protocol, TypeVar

S = TypeVar("S", bound=Hashable)


class Machine(Protocol[S]):
    """States are values; a step has a label for people."""

    def steps(self, state: S) -> Iterator[tuple[str, S]]:
        """Everything that may happen next."""

    def broken(self, state: S) -> str | None:
        """The promise that does not hold in this state."""


class Found(NamedTuple):
    """How many states were seen, and the shortest way to a broken promise."""

    states: int
    broken: str | None
    trace: tuple[str, ...]
    is_complete: bool
    """Every state within reach was seen, or one that breaks a promise."""


def search(machine: Machine[S], first: S, limit: int) -> Found:
    """Breadth first, so the trace to a broken promise is one of the shortest."""
    came: dict[S, tuple[str, S] | None] = {first: None}
    queue = deque([first])
    while queue:
        state = queue.popleft()
        if broken := machine.broken(state):
            return Found(len(came), broken, _way(came, state), True)
        if len(came) >= limit:
            return Found(len(came), None, (), False)
        for label, after in machine.steps(state):
            if after not in came:
                came[after] = label, state
                queue.append(after)
    return Found(len(came), None, (), True)


def _way(came: dict[S, tuple[str, S] | None], state: S) -> tuple[str, ...]:
    labels = []
    while (step := came[state]) is not None:
        label, state = step
        labels.append(label)
    return tuple(reversed(labels))


def walk(machine: Machine[S], first: S, steps: int, *, seed: int, length: int = 200) -> Found:
    """Random walks, each anew from the first state after so many steps or at a dead end."""
    dice, state, way = random.Random(seed), first, list[str]()
    for n in range(steps):
        options = list(machine.steps(state)) if len(way) < length else []
        if not options:
            state, way = first, []
            continue
        label, state = dice.choice(options)
        way.append(label)
        if broken := machine.broken(state):
            return Found(n + 1, broken, tuple(way), True)
    return Found(steps, None, (), False)
