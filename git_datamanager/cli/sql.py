"""git data sql."""

import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from git_datamanager.cli import asking, options, render
from git_datamanager.cli.app import HELP, manager

if TYPE_CHECKING:
    from git_datamanager.ops.inside.sql import Asked
    from git_datamanager.tables.asking.query import Answer

FORMS = ("table", "csv", "json", "jsonl", "parquet")
_ROWS = 100
_WIDEST = 40
"""Characters of a cell in a table."""


@click.command(context_settings=HELP)
@click.argument("query", metavar="SELECT")
@click.argument("names", nargs=-1, metavar="[NAME[@vN]]...", shell_complete=options.complete_name)
@click.option("--format", "form", type=click.Choice(FORMS), help="How to print the answer (table).")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Write to a file; its name says the format where --format does not.")  # fmt: skip
@click.option("--force", is_flag=True, help="Write over the file.")
@click.option("--rows", type=click.IntRange(min=0), metavar="N",
              help="So many rows at most (100 in a table, else all).")  # fmt: skip
@click.option("--work", is_flag=True, help="The working files as they are, in place of latest versions.")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS",
              help="Stop a query that takes longer.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@options.talk
def sql(
    query: str, names: tuple[str, ...], form: str | None, output: Path | None, force: bool,
    rows: int | None, work: bool, timeout: float | None, as_json: bool) -> None:  # fmt: skip
    """Ask datasets in SQL: one SELECT, read by DuckDB, that can change nothing.

    A dataset is a table by its name without the ending (prices for data/prices.csv), or by its whole name
    in double quotes. Tables of a database stand behind its name (energy.Demand), or alone where no other
    has such a table. Versions are NAME@v3, as an argument or in double quotes in the query: "energy@v3".
    A file in a folder is named by its path, in double quotes: "folder/a.csv", "folder@v3/a.csv".

    With names only these can be asked; without, all. Reads the query from the standard input for `-`.
    """
    from git_datamanager.ops.inside.sql import sql as verb

    form = form or ("json" if as_json else _by_name(output))
    if output is not None and str(output) == "-":
        output = None
    if form == "parquet" and output is None:
        raise click.UsageError("Parquet is no text: name a file with -o FILE.")
    text = sys.stdin.read() if query == "-" else query
    with manager() as data:
        may_fetch = asking.may_fetch(data)
        with verb(data, text, names, work=work, may_fetch=may_fetch, seconds=timeout) as asked:
            _show(asked, form, output, rows, force=force)


def _by_name(output: Path | None) -> str:
    suffix = output.suffix.lower().removeprefix(".") if output else ""
    if suffix in ("", "txt"):
        return "table"
    if suffix not in FORMS:
        raise click.UsageError(f"The name ends in .{suffix}, none of {', '.join(FORMS)}: say --format.")
    return suffix


def _show(asked: "Asked", form: str, output: Path | None, rows: int | None, *, force: bool) -> None:
    from git_datamanager.ops.inside.outfile import new_file
    from git_datamanager.tables.asking.export import WRITERS

    for text in asked.notes:
        render.note(text)
    if output is not None:
        if form == "table" and rows is None:
            rows = _ROWS
        with new_file(output, force=force) as file:
            if form == "table":
                file.write(("\n".join(_lines(asked.answer, rows)) + "\n").encode())
            else:
                WRITERS[form](asked.answer, file, rows)
        count = asked.answer.count if rows is None else min(rows, asked.answer.count)
        render.result(f"wrote {_counted(count)} to {render.clean(str(output))}")
    elif form == "table":
        for line in _lines(asked.answer, rows):
            render.out(line)
    else:
        with suppress(ValueError):  # a closed stdout has no buffer to flush
            sys.stdout.flush()
        WRITERS[form](asked.answer, sys.stdout.buffer, rows)


def _counted(rows: int) -> str:
    return f"{rows} row{'s' * (rows != 1)}"


def _lines(answer: "Answer", limit: int | None) -> Sequence[str]:
    """A table in which no cell is wider than it can be read, and how many rows there are besides."""
    from git_datamanager.tables.values import shown

    limit = _ROWS if limit is None else limit
    numeric = [column.type not in ("VARCHAR", "BLOB", "JSON") for column in answer.columns]
    rows = [[_cell(shown(cell, _WIDEST)) for cell in row] for row in answer.rows(limit)]
    head = [_cell(shown(column.name, _WIDEST)) for column in answer.columns]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [_line(row, widths, numeric) for row in (head, ["-" * width for width in widths], *rows)]
    if answer.count > len(rows):
        lines.append(f"… {answer.count - len(rows)} more")
    elif not rows:
        lines.append("(no rows)")
    return lines


def _cell(text: str) -> str:
    return render.clean(text)


def _line(cells: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    padded = (
        cell.rjust(width) if is_right else cell.ljust(width)
        for cell, width, is_right in zip(cells, widths, numeric, strict=True)
    )
    return "  ".join(padded).rstrip()
