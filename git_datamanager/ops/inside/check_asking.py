"""Rules asked of one version, or of one file of a folder: docs/design/checks.md, "Results"."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from git_datamanager.errors import DataError
from git_datamanager.manager import DataManager
from git_datamanager.model.manifest import Manifest, Version
from git_datamanager.ops.inside.naming import WORK, Finder, Seen, aliases
from git_datamanager.ops.inside.reading import Entry, MayFetch, NotHere, memory_for
from git_datamanager.ops.select import version_of
from git_datamanager.tables.asking.load import Loaded, Want, loaded
from git_datamanager.tables.asking.query import Question, answered, read_question
from git_datamanager.tables.deadline import OutOfTime, limited
from git_datamanager.tables.engine import NotInstalled
from git_datamanager.tables.result import Row
from git_datamanager.tables.rowdiff import quoted
from git_datamanager.tables.rules import PARENT, Rule, Severity
from git_datamanager.tables.schema import folded

SAMPLES = 5


class Outcome(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    """It compares with a version that does not exist, or is not here."""
    UNCHECKED = "unchecked"
    """Nobody could ask: no engine, no bytes, no time. It says nothing about the data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What became of one rule for one version."""

    dataset: str
    version: Version | None
    """None: the working file as it is."""
    rule: Rule
    outcome: Outcome
    message: str = ""
    """Why it failed without rows, or was not asked."""
    count: int = 0
    """Rows that break it; for `unique` values that stand more than once."""
    columns: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    """The first of them."""

    @property
    def refuses(self) -> bool:
        return self.outcome is Outcome.FAILED and self.rule.severity is Severity.ERROR

    @property
    def label(self) -> str:
        return f"{self.dataset} {self.version.name if self.version else WORK}"


class Clock(NamedTuple):
    """How long rules may take: seconds of each, and the `time.monotonic` at which all are over."""

    seconds: float
    until: float

    @property
    def left(self) -> float:
        return self.until - time.monotonic()


class _Ready(NamedTuple):
    rule: Rule
    question: Question
    wants: list[Want]


class Asker(NamedTuple):
    """What all files of a dataset are asked with."""

    manager: DataManager
    among: Manifest
    may_fetch: MayFetch
    clock: Clock

    def ask(self, home: Seen, parent: Version | None, rules: Sequence[Rule]) -> list[CheckResult]:
        """Each rule, in their order; `parent` is the version before."""
        seen = list(_around(self.among, home, parent))
        with ExitStack() as stack:
            finder = Finder(self.manager, seen, _once(self.may_fetch), stack, is_narrow=False, home=home)
            ready = [_ready(finder, home, parent, rule) for rule in rules]
            open_ = [one for one in ready if isinstance(one, _Ready)]
            answers = iter(_answers(memory_for(self.manager), home, open_, self.clock))
            return [next(answers) if isinstance(one, _Ready) else one for one in ready]


def unchecked(dataset: str, version: Version | None, rule: Rule, message: str) -> CheckResult:
    """The result of a rule that nobody could ask."""
    return CheckResult(
        dataset=dataset, version=version, rule=rule, outcome=Outcome.UNCHECKED, message=message
    )


def _around(manifest: Manifest, home: Seen, parent: Version | None) -> Iterator[Seen]:
    """The version itself, the one before it, and all other datasets in their latest version."""
    yield home
    if parent is not None:
        yield Seen(home.dataset, parent, frozenset((PARENT,)), home.member)
    for other in manifest.listed():
        if other.name != home.dataset.name:
            names = aliases(other.name, "") - home.aliases - {PARENT}
            yield Seen(other, version_of(other, None), names)


def _ready(finder: Finder, home: Seen, parent: Version | None, rule: Rule) -> _Ready | CheckResult:
    if rule.problem is not None:
        return failed(home, rule, rule.problem)
    try:
        question = read_question(rule.sql.format(dataset=quoted(home.name)))
        asks_parent = any(folded(path[0]) == PARENT for path in question.mentions)
        if asks_parent and parent is None:
            return _skipped(home, rule, "there is no version before it")
        return _Ready(rule, question, finder.wants(question))
    except NotHere as error:
        return _skipped(home, rule, str(error))
    except NotInstalled:
        raise
    except DataError as error:
        return failed(home, rule, told(error))


def _once(may_fetch: MayFetch) -> MayFetch:
    """Several rules may need one version: nobody is asked twice."""
    said: dict[tuple[str, ...], bool] = {}

    def answer(wanted: Sequence[Entry]) -> bool:
        key = tuple(version.id for _, version in wanted)
        if key not in said:
            said[key] = may_fetch(wanted)
        return said[key]

    return answer


def _answers(memory: int, home: Seen, ready: Sequence[_Ready], clock: Clock) -> list[CheckResult]:
    """From one database that holds the tables of all; where one of those cannot be read, each rule from its
    own, so that it is the failure of those that need it."""
    wants = {tuple(map(folded, want.seen_as)): want for one in ready for want in one.wants}
    try:
        with ExitStack() as stack:
            with limited(clock.left):
                there = stack.enter_context(loaded(list(wants.values()), memory))
            return [_asked(there, home, one, clock) for one in ready]
    except NotInstalled:
        raise
    except OutOfTime:
        return [_too_late(home, one.rule) for one in ready]
    except DataError as error:
        if len(ready) == 1:
            return [failed(home, ready[0].rule, told(error))]
        return [result for one in ready for result in _answers(memory, home, [one], clock)]


def _asked(there: Loaded, home: Seen, ready: _Ready, clock: Clock) -> CheckResult:
    rule, limit, begin = ready.rule, min(clock.seconds, clock.left), time.monotonic()
    if limit <= 0:
        return _too_late(home, rule)
    try:
        with answered(there.database, ready.question, limit) as answer:
            if not answer.count:
                return CheckResult(dataset=home.name, version=home.version, rule=rule, outcome=Outcome.PASSED)
            rows = tuple(answer.rows(SAMPLES))
            names = tuple(column.name for column in answer.columns)
    except DataError as error:
        if clock.left <= 0:
            return _too_late(home, rule)
        is_stopped = time.monotonic() - begin >= limit
        stopped = f"it was stopped after {limit:g} s; git data check --timeout SECONDS   # waits longer"
        return failed(home, rule, stopped if is_stopped else told(error))
    if rule.counts:
        said = ", ".join(f"{name} {cell}" for name, cell in zip(names, rows[0], strict=True))
        return failed(home, rule, said)
    return CheckResult(
        dataset=home.name,
        version=home.version,
        rule=rule,
        outcome=Outcome.FAILED,
        count=answer.count,
        columns=names,
        rows=rows,
    )


def failed(home: Seen, rule: Rule, message: str) -> CheckResult:
    """The result of a rule that was broken, or is none."""
    return CheckResult(
        dataset=home.name, version=home.version, rule=rule, outcome=Outcome.FAILED, message=message
    )


def _skipped(home: Seen, rule: Rule, message: str) -> CheckResult:
    return CheckResult(
        dataset=home.name,
        version=home.version,
        rule=rule,
        outcome=Outcome.SKIPPED,
        message=message,
    )


def _too_late(home: Seen, rule: Rule) -> CheckResult:
    return unchecked(home.name, home.version, rule, "there was no time left")


def told(error: DataError) -> str:
    """The error with what to do, in one line."""
    return "; ".join((error.message, *error.hints))
