"""What hooks say, on stderr; nothing is ever asked.

Several hook managers print into one terminal, so each message begins with `git data:`.
"""

import os
import sys
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from git_datamanager.events import Event, Kind

if TYPE_CHECKING:
    from git_datamanager.ops.hooks.findings import Finding
    from git_datamanager.ops.hooks.follow import Followed


def say(text: str, *, prefix: str = "git data: ") -> None:
    """One line, harmless on a terminal whatever names are in it."""
    shown = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)
    sys.stderr.write(f"{prefix}{shown}\n")


def hint(hints: Iterable[str]) -> None:
    for hint in hints:
        say(f"hint: {hint}", prefix="")


def tell(findings: "Iterable[Finding]", verb: str) -> int:
    """Print what was found; the exit status is that of the first finding that refuses."""
    codes = []
    for finding in findings:
        say(f"{'error' if finding.refuses else 'warning'}: {finding.text}")
        hint(finding.hints)
        codes += [finding.exit_code] if finding.refuses else []
    if codes:
        say(f"the {verb} was stopped; nothing was changed", prefix="")
    return codes[0] if codes else 0


def tell_uploaded(labels: list[str]) -> None:
    from git_datamanager.ops.hooks.commit import names_of

    if labels:
        say(f"uploaded {names_of(labels)} to staging")


def tell_followed(followed: "Followed") -> None:
    from git_datamanager.ops.hooks.commit import names_of

    differ, changed = followed.differ, followed.changed
    if differ:
        what = "1 dataset differs" if len(differ) == 1 else f"{len(differ)} datasets differ"
        say(f'hint: {what} ({names_of(differ)}); run "git data pull"', prefix="")
    if changed:
        what = "1 dataset has" if len(changed) == 1 else f"{len(changed)} datasets have"
        say(f"hint: {what} changes that were not added, left as they are: {names_of(changed)}", prefix="")


class Listener:
    """Shows a transfer on a terminal once it takes more than a second."""

    def __init__(self) -> None:
        self._planned = self._done = 0
        self._began = self._drawn = time.monotonic()
        quiet = os.environ.get("PRE_COMMIT") or os.environ.get("GIT_DATA_PROGRESS") == "0"
        self._draws = sys.stderr.isatty() and not quiet and os.environ.get("TERM") != "dumb"

    def __call__(self, event: Event) -> None:
        if event.kind is Kind.WARNING:
            say(f"warning: {event.text}")
        elif event.kind is Kind.NOTE:
            say(event.text)
        elif event.kind is Kind.PLAN:
            self._planned += event.size
        elif event.kind is Kind.ADVANCE:
            self._done += event.size
            self._draw(event.name)

    def _draw(self, name: str) -> None:
        now = time.monotonic()
        if self._draws and now - self._began > 1 and now - self._drawn > 0.2:
            self._drawn = now
            text = f"git data: {self._done >> 20} of {self._planned >> 20} MiB  {name}"
            sys.stderr.write("\r\x1b[K" + "".join(c for c in text if c.isprintable())[:79])
            sys.stderr.flush()


def clear() -> None:
    """Nothing of a progress line stays."""
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        sys.stderr.write("\r\x1b[K")
