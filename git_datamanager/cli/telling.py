"""git data set."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from git_datamanager.cli import options, render
from git_datamanager.cli.app import HELP, manager
from git_datamanager.model import options as model
from git_datamanager.ops import lifecycle, select

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


def _complete(_ctx: click.Context, _param: click.Parameter, begun: str) -> "list[CompletionItem]":
    from click.shell_completion import CompletionItem

    return [CompletionItem(f"{n}=", help=o.means) for n, o in model.KNOWN.items() if n.startswith(begun)]


@click.command("set", context_settings=HELP)
@options.name
@click.argument("words", nargs=-1, metavar="[OPTION=VALUE]...", shell_complete=_complete)
@click.option("--unset", multiple=True, metavar="OPTION", help="No longer say so; may be repeated.")
@options.dry_run
@options.json_output
@options.talk
def set(  # noqa: A001 - the command's name
    name: str, words: Sequence[str], unset: Sequence[str], dry_run: bool, as_json: bool
) -> None:
    """Tell a dataset what it is: its key columns, title, tags; without OPTION, show them.

    \b
    key            columns by which diff, blame and merge match rows (a,b or a JSON list)
    title, description, tags
                   what people find in the catalog
    encoding       auto, identity or zstd: how its versions may travel
    storage_class  of its objects, where the store has classes
    max_diff_rows  rows that a diff shows at most

    Only manifest.json changes; what is told goes with the next commit, and is reviewed like everything.
    """
    put = dict(model.read_word(word) for word in words)
    for option in unset:
        model.check_name(option)
    if both := sorted(put.keys() & unset):
        raise click.UsageError(f"{both[0]} is set and unset at once")
    with manager() as data:
        if not put and not unset:
            dataset = select.dataset_of(data, data.manifests.current(), name)
            _show(dataset.name, dataset.options, dry_run, as_json)
            return
        change = lifecycle.set_options(data, name, put, unset, dry_run=dry_run)
    _show(change.name, change.after.options if change.after else {}, dry_run, as_json)
    if not dry_run and not as_json and change.before != change.after:
        options.next_steps("git commit")


def _show(name: str, told: Mapping[str, Any], dry_run: bool, as_json: bool) -> None:
    if as_json:
        render.json("set", {"dry_run": dry_run, "name": name, "options": dict(told)})
        return
    render.result(render.clean(name) + ("" if told else "  no options"))
    width = max(map(len, told), default=0)
    for option, value in told.items():
        text = ", ".join(value) if isinstance(value, list) else str(value)
        render.result(f"  {render.clean(option):{width}}  {render.clean(text)}")
