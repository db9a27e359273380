"""git data compact."""

import shlex

import click

from git_datamanager.cli import options, render
from git_datamanager.cli.app import HELP, manager
from git_datamanager.model import compaction
from git_datamanager.ops import lifecycle


@click.command(context_settings=HELP)
@options.name
@click.option("--keep", type=int, metavar="N", help="How many of the newest versions stay whole (default 1).")
@click.option("--off", is_flag=True, help="All versions whole again.")
@options.dry_run
@options.json_output
@options.talk
def compact(name: str, keep: int | None, off: bool, dry_run: bool, as_json: bool) -> None:
    """Ask production to keep old versions as deltas: the newest N stay whole files.

    Only the manifest changes. Once merged, publish makes the deltas and rebuilds each version from them;
    then gc moves the plain bytes to the trash. Every version can be pulled as before.
    """
    if off and keep is not None:
        raise click.UsageError("--off and --keep contradict each other")
    with manager() as data:
        change = lifecycle.compact(data, name, None if off else keep or 1, dry_run=dry_run)
    after = change.after
    pairs = compaction.pairs(after) if after else []
    size = sum(pair.version.size for pair in pairs)
    if as_json:
        names = [pair.version.name for pair in pairs]
        render.json(
            "compact",
            {"dry_run": dry_run, "name": change.name, "plain": None if off else keep or 1, "versions": names,
             "size": size},
        )  # fmt: skip
    elif off:
        render.result(f"{render.clean(change.name)}  all versions whole")
    else:
        word = "version" if len(pairs) == 1 else "versions"
        said = f"{len(pairs)} published {word} ({render.size(size)}) as deltas"
        render.result(f"{render.clean(change.name)}  {said}")
    if not dry_run:
        options.next_steps(
            "git commit && git push   # once merged, publish makes the deltas",
            f"git data compact {shlex.quote(change.name)} --off   # takes it back",
        )
