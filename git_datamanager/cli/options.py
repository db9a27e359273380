"""Options that many commands share, each written once."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from git_datamanager.cli import render
from git_datamanager.model.manifest import Dataset, Version, plain_version

F = TypeVar("F", bound=Callable[..., Any])

json_output = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
dry_run = click.option("-n", "--dry-run", is_flag=True, help="Show what would happen; change nothing.")
yes = click.option("-y", "--yes", is_flag=True, help="Do not ask.")
message = click.option("-m", "--message", default="", metavar="NOTE", help="A note kept with the version.")
names = click.argument("names", nargs=-1, metavar="[NAME]...")


def talk(command: F) -> F:
    """-q and -v."""
    command = click.option("-v", "--verbose", count=True, help="Say more.")(command)
    return click.option("-q", "--quiet", is_flag=True, help="Say only what went wrong.")(command)


def version_json(dataset: Dataset, version: Version) -> dict[str, Any]:
    """A version as every document shows it."""
    return {"name": dataset.name, **plain_version(version)}


def next_steps(*steps: str) -> None:
    """What to run now."""
    for step in steps:
        render.hint(step)
