"""git data profile."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from git_datamanager.cli import asking, options, render
from git_datamanager.cli.app import HELP, manager

if TYPE_CHECKING:
    from git_datamanager.ops.inside.profiles import Profiled
    from git_datamanager.tables.profiling.profiled import ColumnProfile, TableProfile
    from git_datamanager.tables.values import Cell

_WIDEST = 24
_TOP = 3


@click.command(context_settings=HELP)
@click.argument("name", metavar="NAME[@vN][/PATH]", shell_complete=options.complete_name)
@click.option("--work", is_flag=True, help="The working file as it is.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Write a page that opens in any browser.")  # fmt: skip
@click.option("--force", is_flag=True, help="Write over the file.")
@options.json_output
@options.talk
def profile(name: str, work: bool, html: Path | None, force: bool, as_json: bool) -> None:
    """Show what the tables of a version hold: columns, types, rows, extremes, frequent values.

    A file in a folder is named by its path: FOLDER/path, FOLDER@v2/path.

    Empty cells are those that are NULL, or a text without a character. A `~` marks an estimate.
    """
    from git_datamanager.ops.inside.profiles import plain
    from git_datamanager.ops.inside.profiles import profile as verb

    with manager() as data:
        found = verb(data, name, work=work, may_fetch=asking.may_fetch(data))
    if html is not None:
        _write_page(html, found, force=force)
    if as_json:
        version = found.version.name if found.version else None
        render.json("profile", {"dataset": found.name, "version": version, **plain(found.profile)})
    elif html is None:
        _print(found)


def _title(found: "Profiled") -> str:
    return f"{found.name} {found.version.name if found.version else 'work tree'}"


def _write_page(path: Path, found: "Profiled", *, force: bool) -> None:
    from git_datamanager.ops.inside.outfile import new_file
    from git_datamanager.pages.profile_page import profile_page

    with new_file(path, force=force) as file:
        file.write(profile_page(found.profile, _title(found)).encode())
    render.result(f"wrote {render.clean(str(path))}")


def _print(found: "Profiled") -> None:
    about = f"{_title(found)}  {found.profile.kind}, {render.size(found.profile.size)}"
    render.out(render.paint(render.clean(about), "changed"))
    if found.profile.note:
        render.note(found.profile.note)
    if not found.profile.tables and not found.profile.note:
        render.note("it holds no tables")
    for table in found.profile.tables:
        render.out()
        render.out(render.clean(_head(table)))
        if table.columns:
            head = ["column", "type", "empty", "distinct", "smallest", "largest", "frequent"]
            render.table([list(_row(table, column)) for column in table.columns], head=head)


def _head(table: "TableProfile") -> str:
    rows = "" if table.rows is None else f": {table.rows:,} row{'s' * (table.rows != 1)}".replace(",", " ")
    key = f", key {', '.join(table.key)}" if table.key else ""
    note = f" ({table.note})" if table.note else ""
    return f"{table.name}{rows}{key}{note}"


def _row(table: "TableProfile", column: "ColumnProfile") -> Iterator[str]:
    about = "" if column.is_distinct_exact else "~"
    yield column.name
    yield column.type or ", ".join(kind for kind, _ in column.classes)
    empty = column.nulls + column.empty
    yield f"{100 * empty / table.rows:.3g}%" if empty and table.rows else ""
    yield f"{about}{column.distinct:,}".replace(",", " ")
    yield _cell(column.minimum)
    yield _cell(column.maximum)
    about = "" if column.is_top_exact else "~"
    yield ", ".join(f"{_cell(value)} ×{about}{times}" for value, times in column.top[:_TOP])


def _cell(cell: "Cell") -> str:
    from git_datamanager.tables.values import shown

    return "" if cell is None else shown(cell, _WIDEST)
