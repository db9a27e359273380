"""Real code in threads, of which one moves at a time: whoever has the turn makes its next request.

A process stops before each request to a store and each look at Git (`Process.step`). The scheduler picks who
goes on; between two steps nothing moves, and the world can be looked at. Equal choices make equal histories.
"""

import random
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from git_datamanager.errors import DataError

LONG = 30.0
"""Seconds after which a process that neither asks nor ends counts as stuck."""


class Killed(BaseException):
    """The process is no more: whatever it does next is not done."""


class Actor(Protocol):
    """Something that can take the next step."""

    name: str

    @property
    def next_step(self) -> str:
        """What it would do."""

    def can_move(self) -> bool: ...

    def move(self) -> str:
        """Take one step; says which."""


class Process:
    """A verb in a thread of its own."""

    def __init__(
        self, name: str, run: Callable[["Process"], object], may: Callable[[], bool] = lambda: True
    ) -> None:
        """`may` says whether it may begin."""
        self.name = name
        self._may = may
        self.age = 0
        """Ticks it has seen."""
        self.error: DataError | None = None
        self.broken: BaseException | None = None
        """What no verb may raise."""
        self.is_started = False
        self.is_over = False
        self.is_killed = False
        self._run = run
        self._label = "start"
        self._turn, self._waits = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def _work(self) -> None:
        self._turn.acquire()
        try:
            if not self.is_killed:
                self._run(self)
        except DataError as error:
            self.error = error
        except Killed:
            pass
        except BaseException as error:
            self.broken = error
        finally:
            self.is_over = True
            self._waits.release()

    def step(self, label: str) -> None:
        """Called by the code of the process before it asks for anything."""
        if self.is_killed:
            raise Killed
        self._label = label
        self._waits.release()
        self._turn.acquire()
        if self.is_killed:
            raise Killed

    @property
    def next_step(self) -> str:
        return self._label

    def can_move(self) -> bool:
        return not self.is_over and not self.is_killed and (self.is_started or self._may())

    @property
    def is_active(self) -> bool:
        return self.is_started and not self.is_over and not self.is_killed

    def move(self) -> str:
        if not self.is_started:
            self.is_started = True
            self._thread.start()
        label = self._label
        self._turn.release()
        if not self._waits.acquire(timeout=LONG):
            raise AssertionError(f"{self.name} is stuck after {label}")
        if self.broken is not None:
            raise AssertionError(f"{self.name} broke with {self.broken!r}") from self.broken
        return label

    def kill(self) -> None:
        """From now on it does nothing more; its thread ends."""
        if self.is_over or self.is_killed:
            return
        self.is_killed = True
        if self.is_started:
            self._turn.release()
            self._waits.acquire(timeout=LONG)
            self._thread.join(LONG)


@dataclass
class Budget:
    """How often something may still happen; several events may share one."""

    left: int


@dataclass
class Event:
    """Something that the world does, as long as it may."""

    name: str
    act: Callable[[], None]
    may: Callable[[], bool] = lambda: True
    budget: Budget = field(default_factory=lambda: Budget(1))
    next_step = "now"

    def can_move(self) -> bool:
        return self.budget.left > 0 and self.may()

    def move(self) -> str:
        self.budget.left -= 1
        self.act()
        return self.next_step


class Choice(Protocol):
    """Who is next."""

    def __call__(self, movable: Sequence[Actor], last: Actor | None) -> Actor: ...


@dataclass
class History:
    """What happened, step by step."""

    steps: list[str] = field(default_factory=list)
    options: list[int] = field(default_factory=list)
    """How many could have moved at each step."""
    found: str = ""
    """The promise that was broken, by the last step."""


def play(actors: Sequence[Actor], choose: Choice, check: Callable[[], str | None]) -> History:
    """Let them move until no process can, or a promise is broken. Events need not happen."""
    history, last = History(), None
    try:
        while any(actor.can_move() for actor in actors if isinstance(actor, Process)):
            movable = [actor for actor in actors if actor.can_move()]
            last = choose(movable, last)
            history.options.append(len(movable))
            history.steps.append(f"{last.name}: {last.move()}")
            if found := check():
                history.found = found
                break
    finally:
        for actor in actors:
            if isinstance(actor, Process):
                actor.kill()
    return history


class Dice:
    """Who moves is thrown for: more or less eager to stay with one, more or less full of events."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._stays = dice.choice((0.0, 0.5, 0.9, 0.98))
        self._events = dice.choice((0.02, 0.1, 0.5))
        self._begins = dice.choice((0.05, 0.3, 1.0))

    def __call__(self, movable: Sequence[Actor], last: Actor | None) -> Actor:
        if last in movable and last is not None and self._dice.random() < self._stays:
            return last
        return self._dice.choices(movable, [self._weight(actor) for actor in movable])[0]

    def _weight(self, actor: Actor) -> float:
        if isinstance(actor, Process):
            return 1.0 if actor.is_started else self._begins
        return self._events


class Ranks:
    """Everybody has a rank, and whoever has the highest moves; at a few steps the mover falls to the end.

    The fewer falls a broken promise needs, the likelier a throw finds it (probabilistic concurrency testing).
    """

    def __init__(self, dice: random.Random, steps: int) -> None:
        self._dice = dice
        self._falls = {dice.randrange(steps) for _ in range(dice.randrange(1, 5))}
        self._ranks: dict[str, float] = {}
        self._number = -1

    def __call__(self, movable: Sequence[Actor], last: Actor | None) -> Actor:
        self._number += 1
        if self._number in self._falls and last is not None:
            self._ranks[last.name] = -self._number
        return max(movable, key=self._rank)

    def _rank(self, actor: Actor) -> float:
        return self._ranks.setdefault(actor.name, self._dice.random())


class Script:
    """A history that is written down: who moves, up to the request that it would make next (empty: to its
    end); afterwards everybody in their order."""

    def __init__(self, lines: Sequence[tuple[str, str]]) -> None:
        self._lines = list(lines)

    def __call__(self, movable: Sequence[Actor], last: Actor | None) -> Actor:
        while self._lines:
            name, until = self._lines[0]
            actor = next((a for a in movable if a.name == name), None)
            if actor is not None and not (until and actor.next_step.startswith(until)):
                return actor
            self._lines.pop(0)
        return movable[0]


class Preempting:
    """Whoever moves goes on until it ends, but for some steps, where the n-th of the others takes over."""

    def __init__(self, actors: Sequence[Actor], switches: Mapping[int, int]) -> None:
        self._actors = list(actors)
        self._switches = switches
        self._number = -1

    def __call__(self, movable: Sequence[Actor], last: Actor | None) -> Actor:
        self._number += 1
        others = [actor for actor in movable if actor is not last]
        if self._number in self._switches and others:
            return others[self._switches[self._number] % len(others)]
        return last if last is not None and last in movable else self._next(movable, last)

    def _next(self, movable: Sequence[Actor], last: Actor | None) -> Actor:
        """The one that stands behind it, and the first again behind the last."""
        place = self._actors.index(last) if last is not None else -1
        return next(a for a in (*self._actors[place + 1 :], *self._actors) if a in movable)


def preempted(run: Callable[[Mapping[int, int]], History], bound: int) -> Iterator[History]:
    """Every history with at most `bound` switches away from somebody who could have gone on, those with
    fewer first."""
    waiting: deque[dict[int, int]] = deque([{}])
    while waiting:
        switches = waiting.popleft()
        history = run(switches)
        yield history
        if len(switches) < bound:
            first = max(switches, default=-1) + 1
            waiting += [
                switches | {number: other}
                for number in range(first, len(history.options))
                for other in range(history.options[number] - 1)
            ]
