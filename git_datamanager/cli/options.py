"""Options that many commands share, each written once."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from git_datamanager.cli import render
from git_datamanager.model.manifest import Dataset, Version, plain_version

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

F = TypeVar("F", bound=Callable[..., Any])

json_output = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
dry_run = click.option("-n", "--dry-run", is_flag=True, help="Show what would happen; change nothing.")
yes = click.option("-y", "--yes", is_flag=True, help="Do not ask.")
message = click.option("-m", "--message", default="", metavar="NOTE", help="A note kept with the version.")


def complete_name(_ctx: click.Context, _param: click.Parameter, begun: str) -> "list[CompletionItem]":
    """Dataset names, from the manifest alone: pressing TAB asks no store."""
    from click.shell_completion import CompletionItem

    from git_datamanager.errors import DataError
    from git_datamanager.model.manifest import loads
    from git_datamanager.workspace.git import open_git

    try:
        manifest = loads((open_git().work_tree / "manifest.json").read_bytes())
    except (DataError, OSError):
        return []
    return [CompletionItem(d.name) for d in manifest.listed() if d.name.startswith(begun)]


names = click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete_name)
name = click.argument("name", shell_complete=complete_name)


def _speak(_ctx: click.Context, param: click.Parameter, value: int) -> None:
    setattr(render.settings, str(param.name), value)


def talk(command: F) -> F:
    """-q and -v: settings of the output, not of any command."""
    command = click.option(
        "-v", "--verbose", count=True, expose_value=False, callback=_speak,
        help="Say what each step did.",
    )(command)  # fmt: skip
    return click.option(
        "-q", "--quiet", is_flag=True, expose_value=False, callback=_speak, help="Say only what went wrong."
    )(command)


def version_json(dataset: Dataset, version: Version) -> dict[str, Any]:
    """A version as every document shows it."""
    return {"name": dataset.name, **plain_version(version)}


def next_steps(*steps: str) -> None:
    """What to run now."""
    for step in steps:
        render.hint(step)
