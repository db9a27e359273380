"""What a command leaves behind in a CI job: a summary page, annotations, outputs.

Outside of CI nothing happens. GitHub Actions is known by the files it names; other hosts take the page
and the document from where `--json` and `--out` put them.
"""

import json
import os
import secrets
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import click

from git_datamanager.cli import markdown, render
from git_datamanager.errors import DataError, SeveralFailed
from git_datamanager.model.manifest import FILE_NAME

MAX_SUMMARY = (1 << 20) - 1024
"""GitHub drops the summary of a step that is bigger than 1 MiB."""
MAX_ANNOTATIONS = 10
"""Of each kind and step; GitHub shows no more."""


class Annotation(NamedTuple):
    """One message beside the manifest; `level` is `error`, `warning` or `notice`."""

    level: str
    text: str
    line: int | None = None


class JobReport(NamedTuple):
    """What one command tells the job."""

    command: str
    summary: str
    """One line."""
    page: Sequence[str]
    """Lines of Markdown, made with cli/markdown.py."""
    document: Mapping[str, Any]
    """What `--json` prints."""
    changed: Sequence[str] = ()
    """Datasets."""
    published: Sequence[Mapping[str, Any]] = ()
    annotations: Sequence[Annotation] = ()


def is_github() -> bool:
    return os.environ.get("GITHUB_ACTIONS") == "true"


def tell(report: JobReport) -> None:
    """Hand the report to the job."""
    if not is_github():
        return
    _annotate(report.annotations)
    _summarise(report)
    _put_out(report)


@contextmanager
def hushed(command: str) -> Iterator[None]:
    """Around a command in a job: what it prints is not read as commands to the runner, and an error that
    ends it is annotated. Whoever calls `tell` does so after this."""
    if not is_github():
        yield
        return
    token = secrets.token_hex(16)
    _say(f"::stop-commands::{token}")
    try:
        yield
    except DataError as error:
        _say(f"::{token}::")
        tell(_failed(command, error))
        raise
    except BaseException:
        _say(f"::{token}::")
        raise
    _say(f"::{token}::")


def _failed(command: str, error: DataError) -> JobReport:
    errors = [e for _, e in error.failures] if isinstance(error, SeveralFailed) else [error]
    lines = [f"### git data {command}: failed", ""]
    for one in errors:
        lines.append(f"- {markdown.plain(one.message)}")
        lines += [f"  - {markdown.code(hint)}" for hint in one.hints]
    notes = [Annotation("error", _with_hints(one.message, one.hints)) for one in errors]
    document = {"errors": [{"message": one.message, "exit_code": one.exit_code} for one in errors]}
    return JobReport(command, render.clean(str(error)), lines, document, annotations=notes)


def _with_hints(text: str, hints: Sequence[str]) -> str:
    return "\n".join([text, *(f"hint: {hint}" for hint in hints)])


def annotation(
    level: str, subject: str, text: str, hints: Sequence[str] = (), line: int | None = None
) -> Annotation:
    """An annotation about a dataset or version."""
    return Annotation(level, _with_hints(f"{subject}: {text}" if subject else text, hints), line)


def _annotate(annotations: Sequence[Annotation]) -> None:
    for level in ("error", "warning", "notice"):
        same = [a for a in annotations if a.level == level]
        shown = same if len(same) <= MAX_ANNOTATIONS else same[: MAX_ANNOTATIONS - 1]
        for one in shown:
            place = f"file={FILE_NAME}" + (f",line={one.line}" if one.line else "")
            _say(f"::{level} {place}::{_data(one.text)}")
        if more := len(same) - len(shown):
            _say(f"::{level} file={FILE_NAME}::and {more} more: see the summary of this job")


def _data(text: str) -> str:
    """The message of a workflow command: one line, its line ends as the runner decodes them. What stands
    before the message holds nothing but a file name and a number."""
    return "%0A".join(render.clean(line).replace("%", "%25") for line in text.split("\n"))


def _summarise(report: JobReport) -> None:
    name = os.environ.get("GITHUB_STEP_SUMMARY")
    if not name:
        return
    path = Path(name)
    room = MAX_SUMMARY - (path.stat().st_size if path.exists() else 0)
    if room > 1024:
        with path.open("a", encoding="utf-8") as file:
            file.write(markdown.fitted(report.page, room))


def _put_out(report: JobReport) -> None:
    name = os.environ.get("GITHUB_OUTPUT")
    if not name:
        return
    outputs = {
        "changed": json.dumps(list(report.changed)),
        "published": json.dumps(list(report.published)),
        "report-path": _written(report),
        "summary": render.clean(report.summary),
    }
    with Path(name).open("a", encoding="utf-8") as file:
        for key, value in outputs.items():
            mark = f"end-{secrets.token_hex(16)}"  # which no value can hold: nobody could foresee it
            file.write(f"{key}<<{mark}\n{value}\n{mark}\n")


def _written(report: JobReport) -> str:
    """The document as a file of the job, outside of the work tree."""
    given = os.environ.get("RUNNER_TEMP")  # the job's own; elsewhere nobody may know the name beforehand
    folder = Path(given) / "git-data" if given else Path(tempfile.mkdtemp(prefix="git-data-"))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{report.command}.json"
    path.write_text(render.document(report.command, report.document) + "\n", encoding="utf-8")
    return str(path)


def _say(line: str) -> None:
    render.finish_progress()
    click.echo(line, err=True)
