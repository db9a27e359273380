"""Before a commit, where `data.check` is `commit`: new versions keep the rules. docs/design/checks.md."""

from collections.abc import Iterator

from git_datamanager.errors import DataError
from git_datamanager.manager import DataManager
from git_datamanager.model.names import pasteable
from git_datamanager.ops.hooks.findings import Commit, Finding
from git_datamanager.ops.inside.check_asking import CheckResult, Outcome
from git_datamanager.ops.inside.check_members import rules_for
from git_datamanager.ops.inside.checks import run_checks
from git_datamanager.ops.inside.rulebook import rules_of

_EVERYTHING = "git -c data.check=manual commit   # commits all the same"


def broken_rules(manager: DataManager, commit: Commit) -> Iterator[Finding]:
    """What failed checks say; those that only warn refuse nothing, nor does data that cannot be read."""
    if commit.manifest is None:
        return
    old = {v.id for parent in commit.parents for _, v in parent.entries()}
    rules = rules_of(manager)
    for dataset in commit.manifest.listed():
        version, mine = dataset.latest, rules_for(rules, dataset)
        if version is None or version.id in old or not mine:
            continue
        try:
            results = run_checks(manager, dataset, version, mine, among=commit.manifest, is_news_only=True)
        except DataError as error:
            yield Finding(refuses=False, text=f"{dataset.name} was not checked: {error}", hints=error.hints)
            continue
        yield from (_finding(result) for result in results if result.outcome is Outcome.FAILED)


def _finding(result: CheckResult) -> Finding:
    rows = f"{result.count} row{'s' * (result.count != 1)}"
    said = result.message or rows
    hints = [f"git data check {pasteable(result.dataset)}   # shows rows"]
    return Finding(
        refuses=result.refuses,
        text=f"{result.label} breaks the rule {result.rule.text}: {said}",
        hints=(*hints, *([_EVERYTHING] if result.refuses else [])),
    )
