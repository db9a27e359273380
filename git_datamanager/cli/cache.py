"""git data cache: show, list, prune."""

import time
from collections import Counter
from typing import Any

import click

from git_datamanager.cli import options, render
from git_datamanager.cli.app import HELP, manager
from git_datamanager.ops.cachecare import Entry


@click.command(context_settings=HELP)
@click.argument("deed", type=click.Choice(["show", "list", "prune"]), default="show", required=False)
@click.option("--all", "everything", is_flag=True, help="With prune: the newest versions, too.")
@click.option(
    "--older", type=click.FloatRange(0), metavar="DAYS", help="With prune: only what rested so long."
)
@options.dry_run
@options.json_output
@options.talk
def cache(deed: str, everything: bool, older: float | None, dry_run: bool, as_json: bool) -> None:
    """Show what this clone keeps besides the working files, list it, or make room.

    prune removes what a store holds and no newest version needs, indexes, memos of what diffs and profiles
    said, and downloads that broke off. Bytes that no store is known to hold stay, and so does what --force
    replaced.

    Where the file system shares blocks (reflinks) a version here takes no room of its own. The limit is
    data.cacheSize; a directory that several clones share is set by data.cacheDir.
    """
    if deed != "prune" and (everything or older is not None or dry_run):
        raise click.UsageError("--all, --older and --dry-run go with prune")
    if deed == "prune":
        _prune(everything=everything, older=older, dry_run=dry_run, as_json=as_json)
    elif deed == "list":
        _list(as_json=as_json)
    else:
        _show(as_json=as_json)


def _show(*, as_json: bool) -> None:
    from git_datamanager.ops.cachecare import entries

    with manager() as data:
        found = entries(data)
        folder, limit = data.cache_folder, data.settings.size("data.cacheSize")
    counts, sizes = Counter(e.kind for e in found), Counter[str]()
    for entry in found:
        sizes[entry.kind] += entry.size
    free = sum(e.size for e in found if e.is_held)
    if as_json:
        kinds = {str(k): {"count": counts[k], "size": sizes[k]} for k in counts}
        render.json("cache", {"folder": str(folder), "limit": limit, "kinds": kinds, "removable": free})
        return
    render.result(f"{render.clean(str(folder))}  {render.size(sum(sizes.values()))} of {render.size(limit)}")
    for kind in counts:
        render.result(f"  {kind:<8} {counts[kind]:>7}  {render.size(sizes[kind])}")
    render.result(f"  {render.size(free)} can be had again: git data cache prune --all")


def _list(*, as_json: bool) -> None:
    from git_datamanager.ops.cachecare import entries

    with manager() as data:
        found = entries(data)
    if as_json:
        render.json("cache-list", {"entries": [_plain(e) for e in found]})
        return
    for entry in found:
        held = "" if entry.is_held or entry.kind == "kept" else "only here"
        name = entry.id if entry.kind == "memo" else entry.id[:12]
        words = [entry.kind, name, render.size(entry.size), _day(entry.used), *entry.labels, held]
        render.result("  ".join(render.clean(word) for word in words if word))


def _prune(*, everything: bool, older: float | None, dry_run: bool, as_json: bool) -> None:
    from git_datamanager.ops.cachecare import prune

    with manager() as data:
        gone = prune(data, older=older, everything=everything, dry_run=dry_run)
    if as_json:
        render.json("cache-prune", {"dry_run": dry_run, "entries": [_plain(e) for e in gone]})
        return
    size = render.size(sum(e.size for e in gone))
    word = "file" if len(gone) == 1 else "files"
    render.result(f"{len(gone)} {word}, {size}{', would be removed' if dry_run else ' removed'}")


def _plain(entry: Entry) -> dict[str, Any]:
    return {
        "kind": str(entry.kind),
        "id": entry.id,
        "size": entry.size,
        "used": int(entry.used),
        "held": entry.is_held,
        "versions": list(entry.labels),
        "current": entry.is_current,
    }


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))
