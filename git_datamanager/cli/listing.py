"""git data ls, log, show."""

from typing import TYPE_CHECKING, Any

import click

from git_datamanager.cli import options, render
from git_datamanager.cli.app import HELP, manager

if TYPE_CHECKING:
    from git_datamanager.ops.listing import Logged


@click.command(context_settings=HELP)
@options.names
@click.option("--rev", "revision", metavar="COMMIT", help="As of that commit.")
@click.option("-a", "--all", "every", is_flag=True, help="Removed and deleted datasets too.")
@options.json_output
@options.talk
def ls(names: tuple[str, ...], revision: str | None, every: bool, as_json: bool) -> None:
    """List the datasets: name, latest version, state, age, size, digest."""
    from git_datamanager.ops.listing import ls as verb

    with manager() as data:
        datasets = verb(data, names, revision=revision, every=every)
    if as_json:
        documents = [
            options.version_json(d, d.latest)
            if d.latest
            else {"name": d.name, "version": None, "state": str(d.state or "deleted")}
            for d in datasets
        ]
        render.json("ls", {"datasets": documents})
        return
    rows = [
        [d.name, v.name, str(d.state or v.state), render.age(v.created), render.size(v.size), v.oid.short]
        if (v := d.latest)
        else [d.name, "-", str(d.state or "deleted"), "", "", ""]
        for d in datasets
    ]
    if rows:
        render.table(rows, head=["name", "version", "state", "age", "size", "sha256"])
    else:
        render.note("nothing to list: git data add <file>, or git data ls --all for what was removed")


@click.command(context_settings=HELP)
@options.names
@click.option("--rev", "revision", metavar="COMMIT", help="As of that commit.")
@options.json_output
@options.talk
def log(names: tuple[str, ...], revision: str | None, as_json: bool) -> None:
    """Show the versions of datasets: number, state, date, author, size, note, commit."""
    from git_datamanager.ops.listing import log as verb

    with manager() as data:
        entries = verb(data, names, revision=revision)
    if as_json:
        render.json("log", {"versions": [_logged_json(entry) for entry in entries]})
        return
    last = None
    for entry in entries:
        if entry.dataset.name != last:
            last = entry.dataset.name
            state = f"  ({entry.dataset.state})" if entry.dataset.state else ""
            render.out(render.paint(render.clean(last) + state, "changed"))
        _print_logged(entry)


def _logged_json(entry: "Logged") -> dict[str, Any]:
    return {**options.version_json(entry.dataset, entry.version), "commit": entry.commit}


def _print_logged(entry: "Logged") -> None:
    version = entry.version
    words = [
        version.name.ljust(5),
        str(version.state).ljust(9),
        version.created[:16].replace("T", " "),
        render.size(version.size).rjust(10),
        version.oid.short,
        (entry.commit or "uncommitted")[:11].ljust(11),
        render.clean(version.author),
    ]
    render.out("  " + "  ".join(words))
    if version.message:
        render.out("         " + render.clean(version.message))


@click.command(context_settings=HELP)
@click.argument("name", metavar="NAME[@vN]", shell_complete=options.complete_name)
@click.option("--rev", "revision", metavar="COMMIT", help="As of that commit.")
@options.json_output
@options.talk
def show(name: str, revision: str | None, as_json: bool) -> None:
    """Show one version in full: its entry in the manifest, its commit, where its bytes are."""
    from git_datamanager.model.layout import object_key, tree_key
    from git_datamanager.model.manifest import Kind
    from git_datamanager.ops.listing import show as verb

    with manager() as data:
        entry = verb(data, name, revision=revision)
        held = sorted(data.held_by(entry.version.oid))
        cached = data.cache.has(entry.version.oid)
    document = {
        **_logged_json(entry),
        "dataset_state": str(entry.dataset.state) if entry.dataset.state else None,
        "key": (tree_key if entry.dataset.kind is Kind.TREE else object_key)(entry.version.oid),
        "seen_in": held,
        "cached": cached,
    }
    if as_json:
        render.json("show", document)
        return
    render.table(
        [[f"{key}:", _plain(value)] for key, value in document.items() if value not in (None, [], "")]
    )


def _plain(value: object) -> str:
    """A value of the document for people."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
