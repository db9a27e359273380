"""git data init, trust, config, completion."""

from typing import TYPE_CHECKING

import click

from git_datamanager.cli import options, render
from git_datamanager.cli.app import HELP, ask_for_trust, manager
from git_datamanager.errors import Untrusted

if TYPE_CHECKING:
    from git_datamanager.ops.setup import Question


@click.command(context_settings=HELP)
@click.option("--staging", metavar="URL", help="Where pending versions go (default: a folder beside).")
@click.option("--production", metavar="URL", help="Where published versions go.")
@click.option("--no-hooks", is_flag=True, help="Install no Git hooks in this clone, now or later.")
@options.dry_run
@options.json_output
@options.talk
def init(staging: str | None, production: str | None, no_hooks: bool, dry_run: bool, as_json: bool) -> None:
    """Set up git data in this repository: write and stage its four files, install the hooks.

    URLs are file:PATH, s3://bucket/prefix?endpoint=…&region=…, r2://bucket/prefix. Without any, two
    folders beside the repository are the stores: no account, no server.
    """
    from git_datamanager.cli.clone import install_for_init
    from git_datamanager.ops.setup import init as verb

    done = verb(staging=staging, production=production, dry_run=dry_run)
    hooks = "would install the hooks" if dry_run else install_for_init(no_hooks=no_hooks)
    if as_json:
        created = [str(path) for path in done.created]
        document = {"dry_run": dry_run, "written": done.written, "created": created, "stores": done.stores}
        render.json("init", {**document, "hooks": hooks})
        return
    verb_word = "would write" if dry_run else "wrote and staged"
    render.result(f"{verb_word} {', '.join(done.written)}" if done.written else "nothing to write")
    for role, url in done.stores.items():
        render.result(f"{role}: {render.clean(url)}")
    render.result(hooks)
    if done.dotenv:
        options.next_steps(
            f"git config data.dotenv {done.dotenv}   # it holds keys: they are read on request"
        )
    if done.written and not dry_run:
        options.next_steps('git commit -m "Set up git data"')
    if not dry_run:
        options.next_steps("git data add <file>")


@click.command(context_settings=HELP)
@options.yes
@options.dry_run
@options.json_output
@options.talk
def trust(yes: bool, dry_run: bool, as_json: bool) -> int:
    """Confirm the store addresses that came with this clone.

    Addresses that only tracked files name are used after this, and asked for again when they change.
    """
    from git_datamanager.ops.setup import trust as verb

    with manager() as data:
        asked = verb(data, lambda place: not dry_run and (yes or ask_for_trust(place)))
    if as_json:
        stores = [{"store": q.place.role, "url": q.place.url, "trusted": q.is_trusted} for q in asked]
        render.json("trust", {"dry_run": dry_run, "stores": stores})
    else:
        for question in asked:
            _print_question(question, yes=yes, dry_run=dry_run)
    if dry_run or all(q.is_trusted for q in asked):
        return 0
    render.hint("git data trust --yes")
    return Untrusted.exit_code


def _print_question(question: "Question", *, yes: bool, dry_run: bool) -> None:
    """`-q` does without what is as it should be."""
    where = f"{question.place.role}  {render.clean(question.place.url)}"
    if question.is_trusted:
        render.result(f"{where}  trusted")
    elif dry_run:
        render.result(f"{where}  would be {'trusted' if yes else 'asked for'}")
    else:
        render.out(f"{where}  not trusted")


@click.command(context_settings=HELP)
@options.json_output
@options.talk
def config(as_json: bool) -> None:
    """Show every effective setting and where it comes from; set them with `git config`."""
    with manager() as data:
        effective = data.settings.effective()
    if as_json:
        values = {name: {"value": s.value, "origin": s.origin} for name, s in effective}
        render.json("config", {"settings": values})
        return
    render.table([[name, s.value, s.origin] for name, s in effective])


@click.command(context_settings=HELP)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell: eval "$(git data completion bash)"."""
    from click.shell_completion import get_completion_class

    from git_datamanager.cli.app import cli
    from git_datamanager.cli.bash import register

    register()
    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"no completion for {shell}")
    render.out(found(cli, {}, "git-data", "_GIT_DATA_COMPLETE").source())
