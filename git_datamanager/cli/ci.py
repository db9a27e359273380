"""git data ci: the files of CI."""

import click

from git_datamanager.cli import options, render
from git_datamanager.cli.app import HELP, manager
from git_datamanager.ops.ci import setup as ci_setup
from git_datamanager.ops.ci.setup import Outcome, Setup


@click.command(context_settings=HELP)
@click.argument("deed", type=click.Choice(["setup"]), metavar="setup")
@click.argument("host", type=click.Choice(ci_setup.HOSTS), metavar="github|gitlab")
@click.option(
    "--store", type=click.Choice(ci_setup.STORES),
    help="Roles of AWS, or tokens of R2 (default: as the production store says).",
)  # fmt: skip
@click.option("-f", "--force", is_flag=True, help="Overwrite files that somebody edited.")
@options.dry_run
@options.json_output
@options.talk
def ci(deed: str, host: str, store: str | None, force: bool, dry_run: bool, as_json: bool) -> int:  # noqa: ARG001
    """Write the workflow files that preview requests, publish what is merged, and clean up.

    Third-party actions are pinned by commit, this tool by version. Then prints what only a person can do:
    environments, roles or keys, the branch rule. Exit code 1: a file that somebody edited was left alone.
    """
    with manager() as data:
        done = ci_setup.setup(data, host, store=store, force=force, dry_run=dry_run)
    left = [file.path for file in done.files if file.outcome is Outcome.CHANGED]
    if as_json:
        render.json("ci", _document(done, dry_run=dry_run))
    else:
        _print(done)
    for path in left:
        render.warn(f"{path} was edited: it was left as it is")
        render.hint(f"git data ci setup {host} --force   # overwrites it; git diff shows what that changes")
    return 1 if left else 0


def _document(done: Setup, *, dry_run: bool) -> dict[str, object]:
    return {
        "dry_run": dry_run,
        "host": done.host,
        "store": done.store,
        "files": [{"path": file.path, "outcome": str(file.outcome)} for file in done.files],
        "steps": [{"text": step.text, "lines": list(step.lines)} for step in done.steps],
    }


def _print(done: Setup) -> None:
    for file in done.files:
        render.result(f"{file.path}  {file.outcome}")
    render.result("")
    render.result(f"Left for you ({done.host}, {done.store}):")
    for number, step in enumerate(done.steps, 1):
        render.result(f"{number}. {render.clean(step.text)}")
        for line in step.lines:
            render.result(f"     {render.clean(line)}")
