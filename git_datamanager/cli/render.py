"""Everything that is printed: results on stdout, talk on stderr, each field safe for a terminal."""

import json as json_module
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import click

from git_datamanager.cli.ledger import Ledger
from git_datamanager.cli.safe import clean as clean  # noqa: PLC0414 -- everybody prints by this module
from git_datamanager.errors import DataError, Forbidden, SeveralFailed, Unreachable
from git_datamanager.events import Event, Kind, Progress
from git_datamanager.pages.measure import size as size  # noqa: PLC0414 -- the same


@dataclass
class OutputSettings:
    """How to speak; set once by the command line."""

    color: str = "auto"
    wants_json: bool = False
    quiet: bool = False
    verbose: int = 0


settings = OutputSettings()
_SLOTS = {
    "added": "green",
    "removed": "red",
    "changed": "yellow",
    "hint": "cyan",
    "error": "red",
    "dim": "bright_black",
}


def paint(text: str, slot: str, *, stream: str = "stdout") -> str:
    """Colour by meaning; plain where the stream, the user or NO_COLOR says so."""
    return click.style(text, fg=_SLOTS[slot]) if _wants_color(stream) else text


def _wants_color(stream: str) -> bool:
    if settings.color != "auto":
        return settings.color == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    if os.environ.get("TERM") == "dumb":
        return False
    return bool(getattr(sys, stream).isatty()) or os.environ.get("GIT_PAGER_IN_USE") == "true"


def out(text: str = "") -> None:
    """A line of results."""
    click.echo(text, color=True)


def result(text: str) -> None:
    """A line that says what a command has done; `-q` does without."""
    if not settings.quiet:
        out(text)


def raw(data: str) -> None:
    """Results without a line end of ours (`-z`)."""
    click.echo(data, nl=False, color=True)


def say(text: str) -> None:
    """A line of talk, on stderr."""
    finish_progress()
    click.echo(text, err=True, color=True)


def warn(text: str) -> None:
    say(f"{paint('warning:', 'changed', stream='stderr')} {clean(text)}")


def note(text: str) -> None:
    if not settings.quiet:
        say(clean(text))


def hint(text: str) -> None:
    """A command to paste, or a sentence about one."""
    if not settings.quiet:
        say(f"{paint('hint:', 'hint', stream='stderr')} {clean(text)}")


def json(schema: str, value: Mapping[str, Any]) -> None:
    """One document; `schema` names what it is."""
    out(document(schema, value))


def document(schema: str, value: Mapping[str, Any]) -> str:
    return json_module.dumps({"schema": f"git-data/{schema}/1", **value}, indent=2, ensure_ascii=False)


def error(problem: DataError, *, as_json: bool = True) -> None:
    """`error:` with one fact, then `hint:` lines; JSON where JSON was asked for, and nothing else is."""
    failures = problem.failures if isinstance(problem, SeveralFailed) else (("", problem),)
    if settings.wants_json and as_json:
        json("error", {"exit_code": problem.exit_code, "errors": [_plain(n, e) for n, e in failures]})
    for text, hints in _told_once(failures):
        say(f"{paint('error:', 'error', stream='stderr')} {clean(_one_line(text))}")
        for line in hints:
            hint(line)


_LAST_RESORT: tuple[tuple[type[DataError], str], ...] = (
    (Forbidden, "git data verify   # what these credentials may do; --role says for which job"),
    (Unreachable, "git data doctor   # what does not answer; then run the same command again"),
)


def _hints(problem: DataError) -> tuple[str, ...]:
    """Those of the error; where it has none, what helps with all of its kind."""
    return problem.hints or tuple(hint for kind, hint in _LAST_RESORT if isinstance(problem, kind))


def _one_line(text: str) -> str:
    """What git says in several lines."""
    return " ".join(line.strip() for line in text.split("\n") if line.strip())


def _told_once(failures: Sequence[tuple[str, DataError]]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each error and its hints; one that several datasets share (a store that is away) once."""
    alike: dict[tuple[str, tuple[str, ...]], list[DataError]] = {}
    for name, failure in failures:
        alike.setdefault((str(failure).removeprefix(f"{name}: "), _hints(failure)), []).append(failure)
    for (text, hints), same in alike.items():
        yield (f"{text} ({len(same)} datasets)" if len(same) > 1 else str(same[0])), hints


def _plain(name: str, failure: DataError) -> dict[str, Any]:
    return {
        "name": name or failure.dataset,
        "kind": type(failure).__name__,
        "message": failure.message,
        "hints": list(_hints(failure)),
        "exit_code": failure.exit_code,
    }


def usage_error(problem: click.UsageError) -> None:
    say(f"{paint('error:', 'error', stream='stderr')} {clean(' '.join(problem.format_message().split()))}")
    if problem.ctx is not None:
        say(problem.ctx.get_usage())
        hint(f"{problem.ctx.command_path} -h")


def table(rows: Sequence[Sequence[str]], *, head: Sequence[str] = ()) -> None:
    """Columns padded to their widest cell, the last one free."""
    every = [list(head), *rows] if head else list(rows)
    cleaned = [[clean(cell) for cell in row] for row in every]
    widths = [max(len(row[n]) for row in cleaned) for n in range(len(cleaned[0]))] if cleaned else []
    for number, row in enumerate(cleaned):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        line = "  ".join(cells).rstrip()
        out(paint(line, "dim") if head and number == 0 else line)


def files(count: int) -> str:
    """`1 file`, `10 000 files`."""
    return f"{count:,} file{'s' * (count != 1)}".replace(",", " ")


def age(timestamp: str) -> str:
    """How long ago a UTC time was."""
    then = datetime.strptime(timestamp, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    seconds = max(0, int((datetime.now(UTC) - then).total_seconds()))
    steps = ((31_536_000, "year"), (2_592_000, "month"), (86_400, "day"), (3600, "hour"), (60, "minute"))
    for step, unit in steps:
        if seconds >= step:
            number = seconds // step
            return f"{number} {unit}{'s' if number > 1 else ''} ago"
    return "just now"


def quoted(name: str, *, raw_names: bool) -> str:
    """A path for machines: as it is with `-z`, else C-quoted as git quotes it (core.quotePath)."""
    if raw_names or all(c.isprintable() and c not in '"\\' and ord(c) < 128 for c in name):
        return name
    escaped = "".join(_c_escape(byte) for byte in name.encode())
    return f'"{escaped}"'


def _c_escape(byte: int) -> str:
    named = {9: "\\t", 10: "\\n", 13: "\\r", 34: '\\"', 92: "\\\\"}
    if byte in named:
        return named[byte]
    return chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}"


class _Bar:
    """One line on a terminal with all that is moving, a plain line every ten seconds elsewhere in CI.

    Told by several threads at once.
    """

    def __init__(self) -> None:
        quiet = settings.quiet
        now = time.monotonic()
        self._ledger = Ledger(now)
        self._moved: dict[str, int] = {}
        self._drawn = now
        self._line = ""
        self._lock = threading.RLock()
        tty = sys.stderr.isatty() and not os.environ.get("PRE_COMMIT") and os.environ.get("TERM") != "dumb"
        self._draws = tty and not quiet and os.environ.get("GIT_DATA_PROGRESS") != "0"
        self._lines = not tty and not quiet and os.environ.get("CI") == "true"

    def __call__(self, event: Event) -> None:
        with self._lock:
            self._ledger.add(event, time.monotonic())
            if event.kind is Kind.WARNING:
                warn(event.text)
            elif event.kind is Kind.NOTE:
                note(event.text)
            elif event.kind is Kind.ADVANCE:
                self._moved[event.name] = self._moved.get(event.name, 0) + event.size
                self._tick(event.name)
            elif event.kind is Kind.DONE:
                self._done(event.name)

    def _done(self, name: str) -> None:
        moved = self._moved.pop(name, 0)
        if settings.verbose:
            seconds = time.monotonic() - self._ledger.began
            say(f"{clean(name)}: done after {seconds:.1f} s, {size(moved)} read or moved")

    def _tick(self, name: str) -> None:
        now = time.monotonic()
        if self._draws and now - self._ledger.began > 1 and now - self._drawn > 0.1:
            self._drawn = now
            self._draw(f"{self._ledger.text(now)}  {clean(name)}"[: max(20, _columns() - 1)])
        elif self._lines and now - self._drawn > 10:
            self._drawn = now
            click.echo(f"{self._ledger.text(now)}  {clean(name)}", err=True)

    def _draw(self, line: str) -> None:
        """Over the last one, without clearing it before: nothing flickers."""
        if line != self._line:
            click.echo("\r" + line.ljust(len(self._line)), nl=False, err=True)
            self._line = line

    def finish(self) -> None:
        with self._lock:
            if self._line:
                click.echo("\r" + " " * len(self._line) + "\r", nl=False, err=True)
                self._line = ""


def _columns() -> int:
    import shutil

    return shutil.get_terminal_size().columns


_current: list[_Bar] = []


@contextmanager
def progress() -> Iterator[Progress]:
    """Draw what a verb tells."""
    bar = _Bar()
    _current.append(bar)
    try:
        yield bar
    finally:
        bar.finish()
        _current.remove(bar)


def finish_progress() -> None:
    """Clear the bar's line before something else is written."""
    for bar in _current:
        bar.finish()


def confirm(question: str) -> bool | None:
    """Ask on a terminal; None where nobody can answer."""
    if (
        not sys.stdin.isatty()
        or os.environ.get("CI") == "true"
        or os.environ.get("GIT_TERMINAL_PROMPT") == "0"
    ):
        return None
    finish_progress()
    return click.confirm(question, err=True, default=False)


def ask_for(word: str, question: str) -> bool | None:
    """Have a word typed; None where nobody can answer."""
    if (
        not sys.stdin.isatty()
        or os.environ.get("CI") == "true"
        or os.environ.get("GIT_TERMINAL_PROMPT") == "0"
    ):
        return None
    return bool(click.prompt(question, err=True, default="", show_default=False) == word)
