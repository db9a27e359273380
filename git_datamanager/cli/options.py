"""Options that many commands share, each written once."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from git_datamanager.cli import render
from git_datamanager.model.manifest import Dataset, Manifest, State, Version, plain_version

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

F = TypeVar("F", bound=Callable[..., Any])

json_output = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
dry_run = click.option("-n", "--dry-run", is_flag=True, help="Show what would happen; change nothing.")
yes = click.option("-y", "--yes", is_flag=True, help="Do not ask.")
message = click.option("-m", "--message", default="", metavar="NOTE", help="A note kept with the version.")


def complete_name(_ctx: click.Context, _param: click.Parameter, begun: str) -> "list[CompletionItem]":
    """Dataset names, and after `NAME@` versions; from the manifest alone: pressing TAB asks no store."""
    from click.shell_completion import CompletionItem

    manifest = _manifest_here()
    name, at, version = begun.rpartition("@")
    found = [d.name for d in manifest.listed() if d.name.startswith(begun)]
    if at:
        found += [f"{name}@{v}" for v in _versions(manifest, name) if v.startswith(version)]
    return [CompletionItem(text) for text in found]


def complete_version(ctx: click.Context, _param: click.Parameter, begun: str) -> "list[CompletionItem]":
    """The versions of the dataset that the command line names already."""
    from click.shell_completion import CompletionItem

    named = ctx.params.get("name") or next(iter(ctx.params.get("names") or ()), "")
    return [CompletionItem(v) for v in _versions(_manifest_here(), named) if v.startswith(begun)]


def complete_deleted(_ctx: click.Context, _param: click.Parameter, begun: str) -> "list[CompletionItem]":
    """Datasets that have deleted versions, and after `NAME@` those."""
    from click.shell_completion import CompletionItem

    gone = {d.name: [v.name for v in d.versions if v.state is State.DELETED] for d in _manifest_here()}
    name, at, version = begun.rpartition("@")
    found = [n for n, versions in gone.items() if versions and n.startswith(begun)]
    if at:
        found += [f"{name}@{v}" for v in gone.get(name, ()) if v.startswith(version)]
    return [CompletionItem(text) for text in found]


def _versions(manifest: Manifest, name: str) -> list[str]:
    dataset = manifest.datasets.get(name)
    return [v.name for v in dataset.versions if v.state is not State.DELETED] if dataset else []


def _manifest_here() -> Manifest:
    from git_datamanager.errors import DataError
    from git_datamanager.model.manifest import loads
    from git_datamanager.workspace.git import open_git

    try:
        return loads((open_git().work_tree / "manifest.json").read_bytes())
    except (DataError, OSError):
        return Manifest()


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
