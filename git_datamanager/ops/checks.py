"""`git data check`: rules that data must keep, asked of one version. docs/design/checks.md."""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from git_datamanager.errors import DataError
from git_datamanager.manager import DataManager
from git_datamanager.model.manifest import Dataset, Kind, Manifest, Version
from git_datamanager.ops.naming import WORK, Finder, Seen, aliases
from git_datamanager.ops.reading import Entry, MayFetch, NotHere, bring, never
from git_datamanager.ops.rulebook import of_dataset, rules_of
from git_datamanager.ops.select import select, version_of
from git_datamanager.ops.sql import memory_for
from git_datamanager.tables.deadline import OutOfTime, limited
from git_datamanager.tables.engine import NotInstalled
from git_datamanager.tables.load import Loaded, Want, loaded
from git_datamanager.tables.query import Question, answered, read_question
from git_datamanager.tables.result import Row
from git_datamanager.tables.rowdiff import quoted
from git_datamanager.tables.rules import PARENT, Rule, Severity
from git_datamanager.tables.schema import folded

SAMPLES = 5
SECONDS = 60.0


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


class _Clock(NamedTuple):
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


def check(
    manager: DataManager,
    names: Sequence[str] = (),
    *,
    version: str | None = None,
    may_fetch: MayFetch = never,
    seconds: float = SECONDS,
) -> list[CheckResult]:
    """Check datasets by the rules of the work tree; without names all that have rules. Without a version
    their working files; the latest version of those that have none, or none that differs.

    What keeps one of several datasets from being checked is the result of its rules. Raises UnknownDataset,
    UnknownVersion, NotInstalled, and of one dataset alone what `run_checks` does.
    """
    rules = rules_of(manager)
    wanted = select(manager, manager.manifests.current(), names)
    subjects = [(d, version or v, of_dataset(rules, d.name)) for d, v in wanted]
    subjects = [(d, v, mine) for d, v, mine in subjects if mine and (names or d.kind is Kind.FILE)]
    results = []
    for dataset, asked, mine in subjects:
        is_version = asked is not None or not _is_changed(manager, dataset)
        one = version_of(dataset, asked) if is_version else None
        try:
            results += run_checks(manager, dataset, one, mine, may_fetch=may_fetch, seconds=seconds)
        except NotInstalled:
            raise
        except DataError as error:  # of one dataset: the others are checked all the same
            if len(subjects) == 1:
                raise
            results += [unchecked(dataset.name, one, rule, _told(error)) for rule in mine]
    return results


def _is_changed(manager: DataManager, dataset: Dataset) -> bool:
    """There is a working file, and it is not the latest version."""
    if manager.git.top is None or not manager.work.path(dataset.name).is_file():
        return False
    return dataset.latest is None or manager.work.own_bytes(dataset.name, dataset.latest.oid) is None


def run_checks(
    manager: DataManager,
    dataset: Dataset,
    version: Version | None,
    rules: Sequence[Rule],
    *,
    among: Manifest | None = None,
    before: Version | None = None,
    may_fetch: MayFetch = never,
    seconds: float = SECONDS,
    until: float = math.inf,
) -> list[CheckResult]:
    """Ask each rule of a version (None: of the working file), in their order.

    `among`: where other datasets are looked for, the work tree's manifest unless given; `before`: the version
    to compare with, in place of its parent. Every table is loaded once for all rules. What one rule cannot
    have (a table, a version that is not here) is that rule's result. Each rule gets `seconds`; after `until`,
    of `time.monotonic`, none is asked any more. Raises NotHere where the version itself is not here, NotFound
    without a working file, NotInstalled.
    """
    if dataset.kind is not Kind.FILE:
        problem = f"{dataset.name} is a folder: only files can be checked"
        return [_failed(dataset, version, rule, problem) for rule in rules]
    if version is not None:
        bring(manager, [(dataset, version)], may_fetch)
    home = Seen(dataset, version, aliases(dataset.name, ""))
    parent = before or parent_of(dataset, version)
    seen = list(_around(among or manager.manifests.current(), home, parent))
    clock = _Clock(seconds, until)
    with ExitStack() as stack:
        finder = Finder(manager, seen, _once(may_fetch), stack, is_narrow=False, home=home)
        ready = [_ready(finder, home, parent, rule) for rule in rules]
        answers = iter(
            _answers(memory_for(manager), home, [r for r in ready if isinstance(r, _Ready)], clock)
        )
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
        yield Seen(home.dataset, parent, frozenset((PARENT,)))
    for other in manifest.listed():
        if other.name != home.dataset.name:
            names = aliases(other.name, "") - home.aliases - {PARENT}
            yield Seen(other, version_of(other, None), names)


def parent_of(dataset: Dataset, version: Version | None) -> Version | None:
    """The version that this one followed; of a working file the latest."""
    if version is None:
        return dataset.latest
    parent = dataset.by_id(version.parent) if version.parent else None
    return parent if parent is not None and parent.state.is_live else None


def _ready(finder: Finder, home: Seen, parent: Version | None, rule: Rule) -> _Ready | CheckResult:
    if rule.problem is not None:
        return _failed(home.dataset, home.version, rule, rule.problem)
    try:
        question = read_question(rule.sql.format(dataset=quoted(home.dataset.name)))
        asks_parent = any(folded(path[0]) == PARENT for path in question.mentions)
        if asks_parent and parent is None:
            return _skipped(home, rule, "there is no version before it")
        return _Ready(rule, question, finder.wants(question))
    except NotHere as error:
        return _skipped(home, rule, str(error))
    except NotInstalled:
        raise
    except DataError as error:
        return _failed(home.dataset, home.version, rule, _told(error))


def _once(may_fetch: MayFetch) -> MayFetch:
    """Several rules may need one version: nobody is asked twice."""
    said: dict[tuple[str, ...], bool] = {}

    def answer(wanted: Sequence[Entry]) -> bool:
        key = tuple(version.id for _, version in wanted)
        if key not in said:
            said[key] = may_fetch(wanted)
        return said[key]

    return answer


def _answers(memory: int, home: Seen, ready: Sequence[_Ready], clock: _Clock) -> list[CheckResult]:
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
            return [_failed(home.dataset, home.version, ready[0].rule, _told(error))]
        return [result for one in ready for result in _answers(memory, home, [one], clock)]


def _asked(there: Loaded, home: Seen, ready: _Ready, clock: _Clock) -> CheckResult:
    rule, limit = ready.rule, min(clock.seconds, clock.left)
    if limit <= 0:
        return _too_late(home, rule)
    try:
        with answered(there.database, ready.question, limit) as answer:
            if not answer.count:
                return CheckResult(
                    dataset=home.dataset.name, version=home.version, rule=rule, outcome=Outcome.PASSED
                )
            rows = tuple(answer.rows(SAMPLES))
            names = tuple(column.name for column in answer.columns)
    except DataError as error:
        if clock.left <= 0:
            return _too_late(home, rule)
        return _failed(home.dataset, home.version, rule, _told(error))
    if rule.counts:
        said = ", ".join(f"{name} {cell}" for name, cell in zip(names, rows[0], strict=True))
        return _failed(home.dataset, home.version, rule, said)
    return CheckResult(
        dataset=home.dataset.name,
        version=home.version,
        rule=rule,
        outcome=Outcome.FAILED,
        count=answer.count,
        columns=names,
        rows=rows,
    )


def _failed(dataset: Dataset, version: Version | None, rule: Rule, message: str) -> CheckResult:
    return CheckResult(
        dataset=dataset.name, version=version, rule=rule, outcome=Outcome.FAILED, message=message
    )


def _skipped(home: Seen, rule: Rule, message: str) -> CheckResult:
    return CheckResult(
        dataset=home.dataset.name,
        version=home.version,
        rule=rule,
        outcome=Outcome.SKIPPED,
        message=message,
    )


def _too_late(home: Seen, rule: Rule) -> CheckResult:
    return unchecked(home.dataset.name, home.version, rule, "there was no time left")


def _told(error: DataError) -> str:
    return "; ".join((error.message, *error.hints))
