"""What `git data doctor` says of one thing it looked at."""

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple

from git_datamanager.errors import DataError


class Result(StrEnum):
    OK = "ok"
    WARN = "warn"
    """Works, and will not under some circumstances that are named."""
    FAIL = "fail"
    SKIPPED = "skipped"
    """Not looked at: offline, not allowed, or what it rests on is missing."""


class Check(NamedTuple):
    """One thing, how it is, and what to do about it."""

    topic: str
    """tool, clone, files, staging, production, push."""
    name: str
    result: Result
    said: str
    """What was found and what it means, in a sentence."""
    fix: tuple[str, ...] = ()
    """Commands to paste."""
    repair: Callable[[], str] | None = None
    """Does what is safe (`--fix`) and says what it did."""

    @property
    def is_sound(self) -> bool:
        return self.result in (Result.OK, Result.SKIPPED)


def ok(topic: str, name: str, said: str) -> Check:
    return Check(topic, name, Result.OK, said)


def skipped(topic: str, name: str, said: str) -> Check:
    return Check(topic, name, Result.SKIPPED, said)


def warn(topic: str, name: str, said: str, *fix: str, repair: Callable[[], str] | None = None) -> Check:
    return Check(topic, name, Result.WARN, said, fix, repair)


def fail(topic: str, name: str, said: str, *fix: str) -> Check:
    return Check(topic, name, Result.FAIL, said, fix)


def failed(topic: str, name: str, error: BaseException) -> Check:
    """An error as a finding."""
    if isinstance(error, DataError):
        return fail(topic, name, str(error), *error.hints)
    return fail(topic, name, f"could not be looked at: {type(error).__name__}: {error}")


Look = Callable[[], Check | Sequence[Check]]


def each(topic: str, looks: Sequence[tuple[str, Look]]) -> Iterator[Check]:
    """Every look on its own: one that breaks is a finding and stops no other."""
    for name, look in looks:
        try:
            found = look()
        except Exception as error:  # noqa: BLE001 - a doctor who faints helps nobody
            yield failed(topic, name, error)
        else:
            yield from [found] if isinstance(found, Check) else found
