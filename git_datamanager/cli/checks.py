"""git data check."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from git_datamanager.cli import asking, options, render
from git_datamanager.cli.app import HELP, manager
from git_datamanager.errors import EXIT_NEGATIVE, DataError

if TYPE_CHECKING:
    from git_datamanager.ops.inside.check_asking import CheckResult

_COLUMNS = 8
_WIDEST = 30


@click.command(context_settings=HELP)
@options.names
@click.option("--version", metavar="vN", shell_complete=options.complete_version,
              help="That version, in place of the working file.")  # fmt: skip
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), default=60.0, metavar="SECONDS",
              help="For each rule (60).")  # fmt: skip
@options.json_output
@options.talk
def check(names: tuple[str, ...], version: str | None, timeout: float, as_json: bool) -> int:
    """Check datasets by the rules that .gitdata and checks/*.sql have for them.

    Checked is the working file as it is; where there is none, or none that differs, the latest version. A
    failing check names rows. Exits with 1 where one failed that does not only warn, with 128 where one could
    not be asked.
    """
    from git_datamanager.ops.inside.check_asking import Outcome
    from git_datamanager.ops.inside.checks import check as verb

    with manager() as data:
        may_fetch = asking.may_fetch(data)
        results = verb(data, names, version=version, may_fetch=may_fetch, seconds=timeout)
    if as_json:
        render.json("check", {"checks": [_plain(result) for result in results]})
    else:
        _print(results)
    if any(result.refuses for result in results):
        return EXIT_NEGATIVE
    return DataError.exit_code if any(result.outcome is Outcome.UNCHECKED for result in results) else 0


def _plain(result: "CheckResult") -> dict[str, Any]:
    from git_datamanager.tables.values import as_json

    return {
        "dataset": result.dataset,
        "version": result.version.name if result.version else None,
        "rule": result.rule.text,
        "severity": str(result.rule.severity),
        "origin": result.rule.origin,
        "outcome": str(result.outcome),
        "message": result.message or None,
        "count": result.count,
        "columns": list(result.columns),
        "rows": [list(map(as_json, row)) for row in result.rows],
    }


def _print(results: "Sequence[CheckResult]") -> None:
    from git_datamanager.ops.inside.check_asking import Outcome

    if not results:
        render.note("no rules for these datasets: .gitdata has none, nor has checks/*.sql")
    last = ""
    for result in results:
        if result.label != last:
            last = result.label
            render.out(render.paint(render.clean(last), "changed"))
        _print_one(result)
    failed = sum(result.refuses for result in results)
    if failed:
        render.say(f"{failed} of {len(results)} checks failed")
    if unasked := sum(result.outcome is Outcome.UNCHECKED for result in results):
        render.say(f"{unasked} of {len(results)} checks could not be asked")


def _print_one(result: "CheckResult") -> None:
    from git_datamanager.ops.inside.check_asking import Outcome

    word, slot = {
        Outcome.PASSED: ("ok", "added"),
        Outcome.SKIPPED: ("skipped", "dim"),
        Outcome.UNCHECKED: ("unasked", "changed"),
        Outcome.FAILED: ("failed", "removed") if result.refuses else ("warning", "changed"),
    }[result.outcome]
    where = "" if result.rule.origin == ".gitdata" else f"  ({result.rule.origin})"
    said = f": {result.message}" if result.message else f": {_counted(result.count)}" if result.count else ""
    line = render.clean(f"{result.rule.text}{where}{said}")
    render.out(f"  {render.paint(word.ljust(7), slot)}  {line}")
    for row in _table(result):
        render.out(f"           {row}")


def _counted(count: int) -> str:
    return f"{count} row{'s' * (count != 1)}"


def _table(result: "CheckResult") -> list[str]:
    """The rows that break it, in as many columns as one can read."""
    from git_datamanager.tables.values import shown

    if not result.rows:
        return []
    cells = [list(result.columns), *([shown(c, _WIDEST) for c in row] for row in result.rows)]
    cleaned = [[render.clean(cell) for cell in row[:_COLUMNS]] for row in cells]
    widths = [max(map(len, column)) for column in zip(*cleaned, strict=True)]
    padded = ([c.ljust(width) for c, width in zip(row, widths, strict=True)] for row in cleaned)
    lines = ["  ".join(row).rstrip() for row in padded]
    more = result.count - len(result.rows)
    return [*lines, f"… {more} more"] if more > 0 else lines
