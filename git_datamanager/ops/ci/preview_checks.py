"""The rules of the base, asked of what a request brings: docs/design/checks.md."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from git_datamanager.errors import DataError
from git_datamanager.manager import DataManager
from git_datamanager.model.manifest import Manifest
from git_datamanager.model.proposal import Finding, Level
from git_datamanager.ops.inside.check_asking import CheckResult, Outcome, unchecked
from git_datamanager.ops.inside.check_members import rules_for
from git_datamanager.ops.inside.checks import run_checks
from git_datamanager.ops.inside.diff_sides import Pair
from git_datamanager.ops.inside.reading import Entry
from git_datamanager.tables.rules import Rule, Severity
from git_datamanager.tables.values import shown

ROWS = 3
"""Rows that a finding names."""
_CELLS = 4


class Asking(NamedTuple):
    """What is asked of every dataset of a request."""

    rules: Sequence[Rule] = ()
    """Of the base."""
    among: Manifest | None = None
    """The request's: where a rule finds other datasets."""


def checked(
    manager: DataManager, pair: Pair, asking: Asking, *, size: int, until: float
) -> list[CheckResult]:
    """Each rule for this dataset asked of its new version, which is compared with the one that the base has,
    whatever the request says of its parent.

    `size`: bytes up to which other versions, which a rule compares with, are fetched; `until`: the
    `time.monotonic` after which nothing is asked.
    """
    place = pair.after
    mine = _rules(pair, asking)
    if place is None or not mine:
        return []

    def may_fetch(wanted: Sequence[Entry]) -> bool:
        return sum(version.size for _, version in wanted) <= size

    before = pair.before.version if pair.before is not None else None
    try:
        return run_checks(
            manager, place.dataset, place.version, mine,
            among=asking.among, before=before, may_fetch=may_fetch, until=until,
            is_news_only=True,
        )  # fmt: skip
    except DataError as error:
        return unasked(pair, asking, "; ".join((error.message, *error.hints)))


def unasked(pair: Pair, asking: Asking, why: str) -> list[CheckResult]:
    """The results of rules that nobody could ask of a new version."""
    if pair.after is None:
        return []
    place = pair.after
    return [unchecked(place.dataset.name, place.version, rule, why) for rule in _rules(pair, asking)]


def _rules(pair: Pair, asking: Asking) -> list[Rule]:
    return rules_for(asking.rules, pair.after.dataset) if pair.after is not None else []


def are_open(results: Sequence[CheckResult]) -> bool:
    """A rule that could refuse the request was not asked: nobody can say that all is well."""
    return any(r.outcome is Outcome.UNCHECKED and r.rule.severity is Severity.ERROR for r in results)


def failures(results: Sequence[CheckResult], *, has_cells: bool) -> Iterator[Finding]:
    """What failed: a check that refuses is an error of the request. Without `has_cells` none is named."""
    for result in results:
        if result.outcome is not Outcome.FAILED:
            continue
        level = Level.ERROR if result.refuses else Level.NOTICE
        text = f"check {result.rule.text}: {_why(result, has_cells=has_cells)}"
        yield Finding(level, result.label, text, (), result.version.id if result.version else None)


def gaps(results: Sequence[CheckResult]) -> Iterator[Finding]:
    """Rules that could not be asked: a notice for each version and reason."""
    open_: dict[tuple[str, str], list[CheckResult]] = {}
    for result in results:
        if result.outcome is Outcome.UNCHECKED:
            open_.setdefault((result.label, result.message), []).append(result)
    for (label, message), found in open_.items():
        count = "1 check" if len(found) == 1 else f"{len(found)} checks"
        entry = found[0].version.id if found[0].version else None
        yield Finding(Level.NOTICE, label, f"{count} could not be asked: {message}", (), entry)


def _why(result: CheckResult, *, has_cells: bool) -> str:
    if result.message:
        # An engine's message may quote the cell that it could not read.
        is_safe = has_cells or result.rule.counts or result.rule.problem is not None
        return result.message if is_safe else "it could not be asked"
    count = f"{result.count} row{'s' * (result.count != 1)}"
    rows = "; ".join(_named(result, n) for n in range(min(ROWS, len(result.rows)))) if has_cells else ""
    return f"{count} ({rows})" if rows else count


def _named(result: CheckResult, position: int) -> str:
    cells = zip(result.columns, result.rows[position], strict=True)
    return ", ".join(f"{name} {shown(cell, 40)}" for name, cell in list(cells)[:_CELLS])
