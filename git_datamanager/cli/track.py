"""git data add, prepare."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from git_datamanager.cli import options, render
from git_datamanager.cli.app import HELP, manager
from git_datamanager.ops.add import Added, Outcome

if TYPE_CHECKING:
    from git_datamanager.manager import DataManager
    from git_datamanager.ops.folders.add import Files, Sizes

_WORDS = {Outcome.NEW: "new", Outcome.VERSION: "", Outcome.UNCHANGED: "unchanged"}


@click.command(context_settings=HELP)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path())
@options.message
@click.option("--explain", is_flag=True, help="Add nothing; say how well the files travel, and why.")
@options.dry_run
@options.json_output
@options.talk
def add(paths: tuple[str, ...], message: str, explain: bool, dry_run: bool, as_json: bool) -> None:
    """Make files and folders the next version of their datasets.

    Hashes each file, records a pending version in manifest.json, ignores the file in Git and stages
    both. The bytes go to staging with the commit.

    A folder becomes one dataset with all files in it, or its next version; only changed files are read.
    A folder that has datasets below it stands for those instead: `git data add .` adds what changed.

    A name is the path in the repository. Refused are those that some system cannot hold or reads
    otherwise (a colon, a backslash, a dot or space at the end of a part, CON and other devices,
    names that differ in case alone) and those that belong to Git or to git data (.git, .env, …).
    """
    from git_datamanager.cli.clone import ensure_hooks
    from git_datamanager.ops.add import add as verb

    if explain:
        _explain(paths, as_json=as_json)
        return
    with manager() as data:
        added = verb(data, paths, message=message, dry_run=dry_run)
        ensure_hooks(data, dry_run=dry_run)
    _report(added, as_json=as_json, dry_run=dry_run)
    if not dry_run and any(a.outcome is not Outcome.UNCHANGED for a in added):
        options.next_steps("git commit   # uploads the bytes to staging")


@click.command(context_settings=HELP)
@options.name
@click.argument("file", type=click.Path(dir_okay=False))
@options.message
@options.dry_run
@options.json_output
@options.talk
def prepare(name: str, file: str, message: str, dry_run: bool, as_json: bool) -> None:
    """Make FILE the next version of the dataset NAME and upload it at once.

    NAME is a path in the repository; its working file becomes a copy of FILE.
    """
    from git_datamanager.cli.clone import ensure_hooks
    from git_datamanager.ops.add import prepare as verb

    with manager() as data:
        added, sent = verb(data, name, file, message=message, dry_run=dry_run)
        ensure_hooks(data, dry_run=dry_run)
    _report([added], as_json=as_json, dry_run=dry_run, uploads={u.name: str(u.outcome) for u in sent})
    if not dry_run and added.outcome is not Outcome.UNCHANGED:
        options.next_steps("git commit && git push   # then open a pull request")


def _explain(paths: tuple[str, ...], *, as_json: bool) -> None:
    from git_datamanager.ops.forecast import forecast

    with manager() as data:
        folders = [path for path in paths if Path(path).is_dir()]
        found = forecast(data, [path for path in paths if path not in folders])
        sizes = _sizes(data, folders) if folders else []
    if as_json:
        files = [{**one._asdict(), "share": round(one.share, 3), "advice": list(one.advice)} for one in found]
        render.json("explain", {"files": files, "folders": [one._asdict() for one in sizes]})
        return
    for one in found:
        form = f"as a delta of {one.base}" if one.base else f"as {one.encoding}"
        part = f" ({100 * one.sent / one.size:.1f} %)" if one.size else ""
        render.result(f"{render.clean(one.name)}  {render.size(one.size)}  {one.what}")
        render.result(f"  would be sent {form}: {render.size(one.sent)}{part}")
        for text in one.advice:
            render.result(f"  {text}")
    for folder in sizes:
        _print_sizes(folder)


def _sizes(data: "DataManager", folders: list[str]) -> "list[Sizes]":
    from git_datamanager.ops.folders.add import sizes
    from git_datamanager.ops.select import name_of

    return sizes(data, [name_of(data, path) for path in folders])


def _print_sizes(folder: "Sizes") -> None:
    count = folder.small + folder.big + folder.empty
    render.result(f"{render.clean(folder.name)}  {render.size(folder.size)} in {render.files(count)}")
    packed = render.size(folder.small_size)
    render.result(f"  {render.files(folder.small)} below 1 MiB travel in packs: {packed}")
    render.result(f"  {render.files(folder.big)} travel on their own: {render.size(folder.big_size)}")
    if folder.empty:
        render.result(f"  {render.files(folder.empty)} are empty and stand in the listing alone")
    if folder.largest:
        render.result(f"  the largest is {render.clean(folder.largest)}")


def _files_json(files: "Files | None") -> dict[str, Any] | None:
    return files._asdict() if files is not None else None


def _counts(files: "Files") -> str:
    """`332 files (+1 ~1 -0)`."""
    if files.added is None:
        return f"in {render.files(files.members)}"
    return f"in {render.files(files.members)} (+{files.added} ~{files.modified} -{files.deleted})"


def _report(
    added: list[Added], *, as_json: bool, dry_run: bool, uploads: dict[str, str] | None = None
) -> None:
    if as_json:
        render.json(
            "add",
            {
                "dry_run": dry_run,
                "datasets": [
                    {
                        "name": a.name,
                        "outcome": str(a.outcome),
                        "version": a.version.name,
                        "id": a.version.id,
                        "state": str(a.version.state),
                        "oid": str(a.version.oid),
                        "size": a.version.size,
                        "previous": a.previous.name if a.previous else None,
                        "upload": (uploads or {}).get(a.name),
                        "files": _files_json(a.files),
                    }
                    for a in added
                ],
            },
        )
        return
    for a in added:
        size = render.size(a.version.size) + (f" {_counts(a.files)}" if a.files else "")
        words = [render.clean(a.name), a.version.name, size, a.version.oid.short]
        words += [_WORDS[a.outcome]] if _WORDS[a.outcome] else []
        words += [(uploads or {})[a.name]] if a.name in (uploads or {}) else []
        render.result(("would add  " if dry_run else "") + "  ".join(words))
