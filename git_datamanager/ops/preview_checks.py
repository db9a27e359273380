"""The rules of the base, asked of what a request brings: docs/design/checks.md."""

from collections.abc import Iterator, Sequence

from git_datamanager.errors import DataError
from git_datamanager.manager import DataManager
from git_datamanager.model.manifest import Kind
from git_datamanager.model.proposal import Finding, Level
from git_datamanager.ops.checks import SECONDS, CheckResult, Outcome, run_checks
from git_datamanager.ops.diff_sides import Place
from git_datamanager.ops.reading import Entry
from git_datamanager.ops.rulebook import of_dataset
from git_datamanager.tables.rules import Rule
from git_datamanager.tables.values import shown

ROWS = 3
"""Rows that a finding names."""
_CELLS = 4


def checked(
    manager: DataManager, place: Place, rules: Sequence[Rule], *, size: int, seconds: float
) -> list[CheckResult]:
    """Each rule for this dataset asked of its new version. `size`: bytes up to which other versions, which
    a rule compares with, are fetched; `seconds`: what is left, for each rule a minute at most.

    What cannot be read at all has no result: whoever compares it tells why.
    """
    mine = of_dataset(rules, place.dataset.name)
    if not mine or place.version is None or place.dataset.kind is not Kind.FILE:
        return []

    def may_fetch(wanted: Sequence[Entry]) -> bool:
        return sum(version.size for _, version in wanted) <= size

    limit = max(1.0, min(SECONDS, seconds))
    try:
        return run_checks(manager, place.dataset, place.version, mine, may_fetch=may_fetch, seconds=limit)
    except DataError:
        return []


def findings(results: Sequence[CheckResult], *, has_cells: bool) -> Iterator[Finding]:
    """What failed: a check that refuses is an error of the request. Without `has_cells` none is named."""
    for result in results:
        if result.outcome is not Outcome.FAILED:
            continue
        level = Level.ERROR if result.refuses else Level.NOTICE
        text = f"check {result.rule.text}: {_why(result, has_cells=has_cells)}"
        yield Finding(level, result.label, text, (), result.version.id if result.version else None)


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
