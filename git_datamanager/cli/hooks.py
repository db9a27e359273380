"""git data install, uninstall, hook, merge-driver, resolve."""

from typing import TYPE_CHECKING, Any

import click

from git_datamanager.cli import options, render
from git_datamanager.cli.app import HELP, manager
from git_datamanager.errors import Conflict

if TYPE_CHECKING:
    from git_datamanager.manager import DataManager
    from git_datamanager.ops.mergefile import Resolved
    from git_datamanager.workspace.git import Git
    from git_datamanager.workspace.hooks_install import Step

_scope = click.option("--global/--local", "is_global", default=False, help="For all clones of this user.")


@click.command(context_settings=HELP)
@_scope
@click.option(
    "--hooks", "mode", type=click.Choice(["auto", "config", "files", "none"]),
    help="Where they go; kept as data.hooks.",
)  # fmt: skip
@click.option("--append", is_flag=True, help="Add a marked block to sh hooks of others.")
@click.option("--force", is_flag=True, help="Replace hooks of ours that somebody edited.")
@click.option("--pre-commit", "framework", is_flag=True, help="Print the lines for .pre-commit-config.yaml.")
@options.dry_run
@options.json_output
@options.talk
def install(
    is_global: bool, mode: str | None, append: bool, force: bool, framework: bool, dry_run: bool,
    as_json: bool) -> None:  # fmt: skip
    """Install the Git hooks and the merge driver in this clone, beside everybody else's.

    Git 2.54 and newer run them from the configuration, older ones from the hooks folder. A hook that
    is not ours is left as it is, and the lines to add are printed.
    """
    if framework:
        _print_framework()
        return
    from git_datamanager.workspace import drivers, hooks_install

    scope = "global" if is_global else "local"
    git = _git(is_global=is_global)
    chosen = _mode(git, mode, scope, dry_run=dry_run)
    steps = hooks_install.install(
        git, chosen, scope=scope, append=append, force=force, dry_run=dry_run
    )  # fmt: skip
    keys = drivers.configure_drivers(git, scope=scope, dry_run=dry_run)
    _report("install", steps, list(keys), dry_run=dry_run, as_json=as_json)


def _print_framework() -> None:
    from git_datamanager import __version__
    from git_datamanager.workspace.hook_recipes import framework

    render.raw(framework(__version__))


def _git(*, is_global: bool) -> "Git":
    """This repository; with `--global` none is needed."""
    from git_datamanager.workspace.git import Git, NotARepository, open_git

    try:
        return open_git()
    except NotARepository:
        if not is_global:
            raise
    from pathlib import Path

    here = Path.cwd()
    return Git(top=None, git_dir=here, common_dir=here)


def _mode(git: "Git", asked: str | None, scope: str, *, dry_run: bool) -> str:
    """What was asked for now, else what the clone is set to; asking takes back an earlier `none`."""
    mode = asked or git.answer("config", "data.hooks") or "auto"
    if asked is None and mode == "none":
        asked = mode = "auto"
    if asked is not None and not dry_run:
        git.run("config", f"--{scope}", "data.hooks", asked)
    return mode


@click.command(context_settings=HELP)
@_scope
@options.dry_run
@options.json_output
@options.talk
def uninstall(is_global: bool, dry_run: bool, as_json: bool) -> None:
    """Remove the hooks and drivers that `git data install` put in place, and nothing else."""
    from git_datamanager.workspace import drivers, hooks_install

    scope = "global" if is_global else "local"
    git = _git(is_global=is_global)
    steps = hooks_install.uninstall(git, scope=scope, dry_run=dry_run)
    keys = drivers.remove_drivers(git, scope=scope, dry_run=dry_run)
    if not dry_run:
        git.run("config", f"--{scope}", "data.hooks", "none")  # or the next `add` would bring them back
    _report("uninstall", steps, list(keys), dry_run=dry_run, as_json=as_json)


def _report(verb: str, steps: "list[Step]", keys: list[str], *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        render.json(verb, {"dry_run": dry_run, "hooks": [_plain(step) for step in steps], "drivers": keys})
        return
    if render.settings.quiet:
        return
    rows = [[step.event, step.deed, str(step.path or "Git configuration")] for step in steps]
    rows += [["driver", "removed" if verb == "uninstall" else "configured", key] for key in keys]
    if dry_run:
        rows = [[event, f"would be {deed}", where] for event, deed, where in rows]
    if rows:
        render.table(rows)
    else:
        render.out("nothing to do")
    for step in steps:
        if step.advice:
            render.hint(f"{step.event} was left as it is; to have git data run there:")
            render.raw(step.advice)


def _plain(step: "Step") -> dict[str, Any]:
    path = str(step.path) if step.path else None
    return {"event": step.event, "action": str(step.deed), "path": path, "advice": step.advice or None}


@click.command(context_settings=HELP)
@click.argument("event", metavar="EVENT")
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def hook(event: str, args: tuple[str, ...]) -> int:
    """Run a hook: pre-commit, pre-push, post-checkout, post-merge, post-rewrite.

    Git calls this. check, upload and post are for the pre-commit framework.
    """
    from git_datamanager import hook as hooks

    return hooks.main([event, *args])


@click.command(context_settings=HELP)
@click.argument("args", nargs=-1, type=click.UNPROCESSED, metavar="%O %A %B %L %P")
def merge_driver(args: tuple[str, ...]) -> int:
    """Merge two manifests into the second file; Git calls this (gitattributes(5))."""
    from git_datamanager import hook as hooks

    return hooks.main(["merge-driver", *args])


@click.command(context_settings=HELP)
@click.option("--ours", "take", flag_value="ours", help="Where both sides differ, take this side.")
@click.option("--theirs", "take", flag_value="theirs", help="Where both sides differ, take the other side.")
@click.option("--merge-rows", is_flag=True, help="Make one version with the rows of the two newest ones.")
@click.option(
    "--take", "takes", metavar="SIDE[:TABLE[.COLUMN]]", multiple=True,
    help="With --merge-rows: ours, theirs or base, where both sides changed it; of a table, of a column.",
)  # fmt: skip
@click.option(
    "--decisions", "files", metavar="FILE", multiple=True,
    help="With --merge-rows: what --json printed, with the side for each conflict after its \"take\".",
)  # fmt: skip
@click.option("--key", metavar="COL[,COL]", help="With --merge-rows: the columns that tell rows apart.")
@options.names
@options.dry_run
@options.json_output
@options.talk
def resolve(
    take: str | None, merge_rows: bool, takes: tuple[str, ...], files: tuple[str, ...], key: str | None,
    names: tuple[str, ...], dry_run: bool, as_json: bool) -> int:  # fmt: skip
    """Settle a manifest that Git left in conflict: unite the versions of both sides, and stage it.

    What both sides changed differently is listed; --ours or --theirs decides it. In a rebase `ours` is
    the branch one rebases onto, as everywhere in Git.

    Versions of both sides are stacked, none is lost. With --merge-rows a further one is made that has the
    rows of both: of all datasets that two branches changed, or of those named. Cells that both changed
    differently are listed; --take decides all of them, or those of a table or column, --decisions each.
    """
    if merge_rows:
        from git_datamanager.cli import rowmerge

        return rowmerge.run(rowmerge.Wishes(names, takes, files, key, dry_run), as_json=as_json)
    if names or takes or files or key:
        raise click.UsageError("NAME, --take, --decisions and --key go with --merge-rows")
    with manager() as data:
        done = _would_resolve(data, take) if dry_run else _resolve(data, take)
    if as_json:
        clashes = [
            {"name": c.dataset, "what": c.what, "ours": _text(c.ours), "theirs": _text(c.theirs)}
            for c in done.clashes
        ]
        render.json("resolve", {"dry_run": dry_run, "changed": done.is_changed, "conflicts": clashes})
    elif done.clashes:
        for clash in done.clashes:
            render.out(render.clean(f"conflict: {clash}"))
        render.hint("git data resolve --ours   # or --theirs: decides all of them")
    else:
        word = "would resolve and stage" if dry_run else "resolved and staged"
        render.result(f"{word} manifest.json" if done.is_changed else "manifest.json is in order")
    return Conflict.exit_code if done.clashes else 0


def _resolve(data: "DataManager", take: str | None) -> "Resolved":
    from git_datamanager.ops import mergefile
    from git_datamanager.ops.hooks import unmerged

    unmerged.reopen(data, decided=take is not None)
    done = mergefile.resolve(data, take)
    if not done.clashes:
        unmerged.mark_resolved(data)
    return done


def _would_resolve(data: "DataManager", take: str | None) -> "Resolved":
    from git_datamanager.ops.hooks import unmerged
    from git_datamanager.ops.mergefile import Resolved

    merged, conflicted = unmerged.merged_sides(data)
    if merged is None or not conflicted:
        data.manifests.current()
        return Resolved((), is_changed=False)
    return Resolved(() if take else merged.clashes, is_changed=bool(take) or not merged.clashes)


def _text(value: object) -> str | None:
    return None if value is None else str(value)
