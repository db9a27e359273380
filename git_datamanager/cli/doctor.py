"""git data doctor."""

import shutil
import textwrap
from itertools import groupby
from typing import TYPE_CHECKING

import click

from git_datamanager.cli import options, render
from git_datamanager.cli.app import HELP
from git_datamanager.errors import EXIT_NEGATIVE

if TYPE_CHECKING:
    from git_datamanager.ops.doctor.check import Check
    from git_datamanager.ops.doctor.examine import Diagnosis

_SLOTS = {"ok": "added", "warn": "changed", "fail": "removed", "skipped": "dim"}
_NARROWEST = 40


@click.command(context_settings=HELP)
@click.option("--fix", is_flag=True, help="Put right what is safe: hooks, drivers, ignore lines, left-overs.")
@click.option("--offline", is_flag=True, help="Send no request.")
@click.option("--refresh", is_flag=True, help="Probe the stores anew; a probe counts for 7 days.")
@options.json_output
@options.talk
def doctor(fix: bool, offline: bool, refresh: bool, as_json: bool) -> int:
    """Look at everything git data rests on, and say how to put it right.

    The tool and its hooks, settings, trust, credentials, what each store refuses (tried under its
    probe/), clocks, who holds a lease, left-overs of killed runs, and whether a push could finalize.
    Exit 1 when a check failed. With -q only what is not in order is shown.
    """
    from git_datamanager.ops.doctor.examine import doctor as verb

    found = verb(fix=fix, offline=offline, refresh=refresh)
    if as_json:
        render.json("doctor", _json(found))
    else:
        _print(found)
    return EXIT_NEGATIVE if found.is_failed else 0


def _json(found: "Diagnosis") -> dict[str, object]:
    return {
        "checks": [
            {
                "topic": check.topic,
                "name": check.name,
                "result": str(check.result),
                "said": check.said,
                "fix": list(check.fix),
                "repairable": check.repair is not None,
            }
            for check in found.checks
        ],
        "repaired": found.repaired,
        "failed": found.is_failed,
    }


def _print(found: "Diagnosis") -> None:
    """One block per topic: result, name, what it means; below it the commands that help."""
    quiet = render.settings.quiet
    shown = [check for check in found.checks if not (quiet and check.is_sound)]
    margin = max((len(check.name) for check in shown), default=0)
    for topic, checks in groupby(shown, key=lambda check: check.topic):
        render.out(render.paint(topic, "dim"))
        for check in checks:
            _print_check(check, margin)
    for said in found.repaired:
        render.out(f"repaired: {render.clean(said)}")
    if any(check.repair is not None and not check.is_sound for check in found.checks):
        render.hint("git data doctor --fix   # puts right what is safe")
    _print_sum(found)


def _print_check(check: "Check", margin: int) -> None:
    word = str(check.result)
    head = f"  {word:<8}{render.clean(check.name):<{margin}}  "
    indent = " " * len(head)
    width = max(shutil.get_terminal_size().columns - len(head), _NARROWEST)
    said = render.clean(" ".join(check.said.split()))
    lines = textwrap.wrap(said, width, break_long_words=False, break_on_hyphens=False)
    painted = head.replace(word, render.paint(word, _SLOTS[word]), 1)
    render.out(painted + (lines[0] if lines else ""))
    for line in lines[1:]:
        render.out(indent + line)
    for command in check.fix:  # in one line, however long: it is there to be pasted
        render.out(f"{indent}{render.paint('fix:', 'hint')} {render.clean(command)}")


def _print_sum(found: "Diagnosis") -> None:
    counts = {word: sum(check.result == word for check in found.checks) for word in _SLOTS}
    told = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    render.result(told)
