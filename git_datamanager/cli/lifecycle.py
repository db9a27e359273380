"""git data rollback, delete, prune, mv, rm."""

import shlex
from typing import Any

import click

from git_datamanager.cli import options, render
from git_datamanager.cli.app import HELP, manager
from git_datamanager.errors import DataError
from git_datamanager.ops import lifecycle
from git_datamanager.ops.lifecycle import Change

reason = click.option("-m", "--message", "reason", metavar="REASON", help="Why; kept in the tombstone.")
_MERGE = "git commit && git push   # final once the pull request is merged and published"


@click.command(context_settings=HELP)
@options.name
@click.option(
    "--to",
    "--to-version",
    "to",
    required=True,
    metavar="vN",
    shell_complete=options.complete_version,
    help="The version to go back to.",
)
@options.message
@click.option("-y", "--yes", is_flag=True, expose_value=False, help="Accepted for scripts: nothing is asked.")
@options.dry_run
@options.json_output
@options.talk
def rollback(name: str, to: str, message: str, dry_run: bool, as_json: bool) -> None:
    """Make an older version the newest: a new pending version with its bytes. Nothing is copied."""
    with manager() as data:
        change = lifecycle.rollback(data, name, to, message=message, dry_run=dry_run)
    version = change.after.latest if change.after else None
    if as_json:
        _json("rollback", change, dry_run)
    elif version is not None:
        render.result(f"{render.clean(change.name)}  {version.name} = {to}  {version.oid.short}  pending")
    if not dry_run:
        options.next_steps(f"git data pull {shlex.quote(change.name)}   # the working file follows", _MERGE)


@click.command(context_settings=HELP)
@click.argument("name", metavar="NAME[@vN]", shell_complete=options.complete_deleted)
@options.message
@options.dry_run
@options.json_output
@options.talk
def undelete(name: str, message: str, dry_run: bool, as_json: bool) -> None:
    """Bring back what was deleted, as new pending versions with the old bytes.

    NAME brings back all that went with the dataset, NAME@vN one version. It works for as long as the
    bytes can be had: the trash of production keeps them for the time of grace (14 days). The next
    commit stages them again; final once merged and published.
    """
    from git_datamanager.ops.sweeping.undelete import undelete as verb

    with manager() as data:
        change = verb(data, name, message=message, dry_run=dry_run)
    old = {v.id for v in change.before.versions} if change.before else set()
    added = [v for v in change.after.versions if v.id not in old] if change.after else []
    if as_json:
        _json("undelete", change, dry_run)
    else:
        for version in reversed(added):
            said = f"{version.name}  {version.oid.short}  {render.clean(version.message)}  pending"
            render.result(f"{render.clean(change.name)}  {said}")
    if not dry_run:
        options.next_steps(f"git data pull {shlex.quote(change.name)}   # the working file follows", _MERGE)


@click.command(context_settings=HELP)
@options.name
@reason
@options.yes
@options.dry_run
@options.json_output
@options.talk
def delete(name: str, reason: str | None, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Ask for the deletion of a dataset with all its versions.

    Only the manifest changes; the working file and its ignore line stay. Final once merged and
    published.
    """
    with manager() as data:
        planned = lifecycle.delete(data, name, reason=reason, dry_run=True)
        if not dry_run:
            _confirm(planned, "delete", yes=yes, word=planned.name)
            planned = lifecycle.delete(data, name, reason=reason)
    _report("delete", planned, dry_run=dry_run, as_json=as_json)


@click.command(context_settings=HELP)
@options.name
@click.option("--keep", type=int, required=True, metavar="N", help="How many published versions stay (≥ 1).")
@reason
@options.yes
@options.dry_run
@options.json_output
@options.talk
def prune(name: str, keep: int, reason: str | None, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Ask for the deletion of all published versions but the newest N."""
    with manager() as data:
        planned = lifecycle.prune(data, name, keep, reason=reason, dry_run=True)
        if not dry_run and planned.marked:
            _confirm(planned, "prune", yes=yes, word="yes", extra=f" --keep {keep}")
            planned = lifecycle.prune(data, name, keep, reason=reason)
    _report("prune", planned, dry_run=dry_run, as_json=as_json)


def _confirm(change: Change, verb: str, *, yes: bool, word: str, extra: str = "") -> None:
    """Have the word typed; scripts say --yes."""
    if yes:
        return
    marked = ", ".join(v.name for v in change.marked) or "nothing that was published"
    render.say(f"this asks for the deletion of {render.clean(change.name)} {marked}")
    answer = render.ask_for(word, f"Type {word!r} to go on")
    if answer is None:
        raise DataError(
            f"{verb} asks before it acts, and nobody is here to answer: nothing was changed",
            hints=[f"git data {verb} {shlex.quote(change.name)}{extra} --yes"],
        )
    if not answer:
        raise DataError("not confirmed: nothing was changed")


def _report(verb: str, change: Change, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        _json(verb, change, dry_run)
    elif change.after is None:
        render.result(f"{render.clean(change.name)}  was never committed: dropped from the manifest")
    else:
        names = " ".join(v.name for v in change.marked)
        will = "would be deleted" if dry_run else "marked for deletion"
        render.result(f"{render.clean(change.name)}  {names}  {will}" if names else "nothing to delete")
    _tell_dropped(change, dry_run=dry_run)
    if change.marked and not dry_run:
        options.next_steps(_MERGE)


def _tell_dropped(change: Change, *, dry_run: bool) -> None:
    if change.dropped and change.after is not None:
        names = " ".join(v.name for v in change.dropped)
        would = "would go" if dry_run else "is gone"
        render.note(f"{change.name} {names} was never committed: it {would} from the manifest")


@click.command(context_settings=HELP)
@click.argument("old", shell_complete=options.complete_name)
@click.argument("new")
@options.dry_run
@options.json_output
@options.talk
def mv(old: str, new: str, dry_run: bool, as_json: bool) -> None:
    """Rename a dataset; its versions, the file and the ignore line follow."""
    with manager() as data:
        change = lifecycle.move(data, old, new, dry_run=dry_run)
    if as_json:
        _json("mv", change, dry_run)
    else:
        before = change.before.name if change.before else old
        render.result(f"{render.clean(before)} → {render.clean(change.name)}")


@click.command(context_settings=HELP)
@click.argument("names", nargs=-1, required=True, shell_complete=options.complete_name)
@click.option("--cached", is_flag=True, help="Required: the working file stays.")
@options.dry_run
@options.json_output
@options.talk
def rm(names: tuple[str, ...], cached: bool, dry_run: bool, as_json: bool) -> None:
    """Stop materialising, pulling and listing datasets; versions and bytes stay.

    The working file stays too, and is no longer ignored. `git data add NAME` brings it back.
    """
    if not cached:
        raise click.UsageError("say --cached (the file stays), or use git data delete to delete the dataset")
    with manager() as data:
        changes = lifecycle.remove(data, names, dry_run=dry_run)
    if as_json:
        render.json("rm", {"dry_run": dry_run, "datasets": [_change_json(c) for c in changes]})
        return
    for change in changes:
        render.result(
            f"{render.clean(change.name)}  {'would be removed' if dry_run else 'removed from listings'}"
        )


def _json(verb: str, change: Change, dry_run: bool) -> None:
    render.json(verb, {"dry_run": dry_run, **_change_json(change)})


def _change_json(change: Change) -> dict[str, Any]:
    latest = change.after.latest if change.after else None
    return {
        "name": change.name,
        "was": change.before.name if change.before else None,
        "dataset_state": str(change.after.state) if change.after and change.after.state else None,
        "latest": options.version_json(change.after, latest) if change.after and latest else None,
        "marked": [v.name for v in change.marked],
    }
