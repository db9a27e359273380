"""How often and how soon to try again, by what went wrong: one rule for requests, parts and ranges."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from git_datamanager.errors import DataError, OutcomeUnknown, Unreachable

T = TypeVar("T")
Fraction = Callable[[], float]
random_fraction: Fraction = random.SystemRandom().random


class Busy(Unreachable):
    """The store asks for fewer requests (503 SlowDown, 429): coming back soon makes it worse."""


@dataclass(frozen=True)
class Patience:
    """The pause before the n-th new try is random between 0 and `base * 2**n` seconds, at most `longest`
    (full jitter: many clients that failed together do not come back together)."""

    tries: int = 4
    base: float = 0.5
    longest: float = 20.0
    busy: float = 4.0
    """By what both are multiplied where the store is Busy."""

    def pause(self, attempt: int, error: DataError, fraction: float) -> float | None:
        """Seconds to wait after the failure of try `attempt` (from 0); None where nothing more may help.

        Refusals are answers, and what may have happened is never done again blindly.
        """
        if (
            attempt + 1 >= self.tries
            or not isinstance(error, Unreachable)
            or isinstance(error, OutcomeUnknown)
        ):
            return None
        factor = self.busy if isinstance(error, Busy) else 1.0
        return min(self.longest, self.base * 2.0**attempt) * factor * fraction


def again(
    act: Callable[[], T],
    patience: Patience,
    *,
    before_next: Callable[[], None] = lambda: None,
    sleep: Callable[[float], object] = time.sleep,
    fraction: Fraction = random_fraction,
) -> T:
    """Do it, and again as long as that may help."""
    attempt = 0
    while True:
        try:
            return act()
        except Unreachable as error:
            pause = patience.pause(attempt, error, fraction())
            if pause is None:
                raise
        sleep(pause)
        before_next()
        attempt += 1
