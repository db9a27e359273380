"""git data blame."""

from typing import TYPE_CHECKING, Any

import click

from git_datamanager.cli import asking, options, render
from git_datamanager.cli.app import HELP, manager

if TYPE_CHECKING:
    from git_datamanager.ops.inside.blame import Blame, CellBlame

_WIDEST = 40


@click.command(context_settings=HELP)
@click.argument("name", metavar="NAME[@vN]", shell_complete=options.complete_name)
@click.option("--table", metavar="T", help="The table, where there is more than one.")
@click.option("--key", required=True, metavar="V[,V]",
              help="The row: values of its key, or COL=V for any columns.")  # fmt: skip
@options.json_output
@options.talk
def blame(name: str, table: str | None, key: str, as_json: bool) -> None:
    """Show which version last changed a row, cell by cell.

    Versions are looked into from the newest back, until every cell is explained; those that are not in this
    clone are fetched as data.diff.fetch says. A file in a folder is FOLDER/path, or FOLDER@vN/path.
    """
    from git_datamanager.ops.inside.blame import blame as verb
    from git_datamanager.ops.inside.blame import command
    from git_datamanager.ops.inside.reading import fetching

    with manager() as data:
        found = verb(data, name, table, key, may_fetch=asking.may_fetch(data))
    if as_json:
        render.json("blame", _plain(found))
    else:
        _print(found)
    if found.note:
        render.note(found.note)
    if found.needed:
        size = render.size(sum(version.size for version in found.needed))
        names = ", ".join(version.name for version in found.needed)
        render.note(f"not in this clone, and they may say more: {names} ({size})")
        render.hint(fetching(command(name, table, key)))


def _plain(found: "Blame") -> dict[str, Any]:
    from git_datamanager.tables.values import as_json

    return {
        "dataset": found.name,
        "table": found.table,
        "key": dict(found.key),
        "last": options.version_json(found.dataset, found.last),
        "removed": found.removed.name if found.removed else None,
        "cells": [
            {
                "column": cell.column,
                "value": as_json(cell.value),
                "version": cell.version.name,
                "or_older": cell.is_older,
                "created": cell.version.created,
                "author": cell.version.author,
                "message": cell.version.message,
            }
            for cell in found.cells
        ],
        "needed": [version.name for version in found.needed],
        "note": found.note,
    }


def _print(found: "Blame") -> None:
    key = ", ".join(f"{column} {value}" for column, value in found.key.items())
    verb = f"removed in {found.removed.name}" if found.removed else f"last changed in {found.last.name}"
    head = f"{found.name} {found.table} {key}: {verb}"
    render.out(render.paint(render.clean(head), "changed"))
    render.table(
        [_row(cell) for cell in found.cells], head=["column", "value", "version", "date", "author", "message"]
    )


def _row(cell: "CellBlame") -> list[str]:
    from git_datamanager.tables.values import shown

    version = cell.version
    return [
        cell.column,
        shown(cell.value, _WIDEST),
        f"{version.name} or before" if cell.is_older else version.name,
        version.created[:10],
        version.author.partition(" <")[0],
        version.message,
    ]
