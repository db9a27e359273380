"""git data diff; and the text of a manifest that Git compares."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from git_datamanager.cli import asking, options, render
from git_datamanager.cli.app import HELP, manager
from git_datamanager.errors import Conflict
from git_datamanager.model.names import pasteable

if TYPE_CHECKING:
    from git_datamanager.ops.inside.differences import DatasetDiff


class _WithNames(click.Command):
    """Tells what stands before `--` from what stands after it, as git does; click drops the `--`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        at = args.index("--") if "--" in args else None
        ctx.meta[_NAMES] = None if at is None else args[at + 1 :]
        return super().parse_args(ctx, args[:at])

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return [*super().collect_usage_pieces(ctx), "[-- NAME...]"]


_PAGE = b"<!doctype html"
_NAMES = f"{__name__}.names"
_KEYLESS = ("csv", "jsonl", "parquet")
"""Files that declare no key."""


def _rows(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """A number of rows, or `all`."""
    if value in (None, "all") or (value.isascii() and value.isdigit() and len(value) < 10):
        return value
    raise click.BadParameter(f"{value!r} is neither a number of rows nor all")


def _split(_ctx: click.Context, _param: click.Parameter, value: str | None) -> tuple[str, ...]:
    """Columns, each once."""
    return tuple(dict.fromkeys(part.strip() for part in value.split(",") if part.strip())) if value else ()


@click.command(cls=_WithNames, context_settings=HELP)
@click.argument("sides", nargs=-1, metavar="[A [B]]", shell_complete=options.complete_name)
@click.option("--cached", "--staged", "cached", is_flag=True, help="What is staged, against HEAD or A.")
@click.option("--stat", is_flag=True, help="Counts alone, no rows.")
@click.option("--name-only", is_flag=True, help="Only the names of datasets that differ.")
@click.option("--rows", callback=_rows, metavar="N|all",
              help="Rows shown of each kind in each table (20).")  # fmt: skip
@click.option("--schema", "schema_only", is_flag=True, help="Tables, columns, indexes, views; no rows.")
@click.option("--table", "tables", multiple=True, metavar="T", help="Only this table (may be repeated).")
@click.option("--key", callback=_split, metavar="COL[,COL]", help="The columns that tell rows apart.")
@click.option("--where", metavar="SQL", help="Only rows for which this condition holds.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Write a page that opens in any browser.")  # fmt: skip
@click.option("--exit-code", is_flag=True, help="Exit with 1 where data differs.")
@click.option("--no-pager", is_flag=True, help="Print straight to the terminal.")
@options.json_output
@options.talk
@click.pass_context
def diff(
    ctx: click.Context, sides: tuple[str, ...], cached: bool, stat: bool, name_only: bool, rows: str | None,
    schema_only: bool, tables: tuple[str, ...], key: tuple[str, ...], where: str | None, html: Path | None,
    exit_code: bool, no_pager: bool, as_json: bool) -> int:  # fmt: skip
    """Show what changed inside datasets, row by row.

    Without A and B: the working files against their latest versions. A alone: that commit, branch or
    version against the working files. Two of them: one against the other; A..B is the same, A...B begins
    where both branched off. Versions are NAME@v1, NAME@v1..v2, or v1 with the name after the dashes.

    Bytes that are not in this clone are fetched as data.diff.fetch says: never, always, or ask.
    """
    from git_datamanager.ops.inside.diff import Asked
    from git_datamanager.ops.inside.diff import diff as verb
    from git_datamanager.tables.compare import SAMPLES

    if html is not None:
        _refuse_to_replace(html)
    count = 0 if stat else None if rows == "all" else SAMPLES if rows is None else int(rows)
    asked = Asked(
        rows=count, is_capped=rows is None, tables=tables, key=key, where=where,
        is_schema_only=schema_only, is_names_only=name_only,
    )  # fmt: skip
    with manager() as data:
        may_fetch = asking.may_fetch(data)
        found = verb(data, sides, ctx.meta[_NAMES], asked=asked, may_fetch=may_fetch, is_staged=cached)
    if html is not None:
        _write_page(html, found, " ".join(sides))
    if as_json:
        from git_datamanager.cli import diff_json

        render.json(diff_json.SCHEMA, diff_json.document(found))
    elif html is None:
        _print(found, names_only=name_only, rows=count, paged=not no_pager)
        _tell_of_keys(found)
    failures = [one.failure for one in found if one.failure is not None]
    for hint in dict.fromkeys(hint for failure in failures for hint in failure.hints):
        render.hint(hint)
    return failures[0].exit_code if failures else int(exit_code and any(one.differs for one in found))


def _print(found: "Sequence[DatasetDiff]", *, names_only: bool, rows: int | None, paged: bool) -> None:
    from git_datamanager.cli import diff_text, pager

    manner = diff_text.Manner(
        ink=render.paint, has_rows=rows != 0, is_whole=rows is None, for_more=" (--rows all)"
    )
    with pager.paged(is_wanted=paged):
        for one in found:
            if names_only:
                render.out(render.quoted(one.name, raw_names=False))
                continue
            for line in diff_text.lines(one, manner):
                render.out(line)


def _tell_of_keys(found: "Sequence[DatasetDiff]") -> None:
    """Where whole rows of a file went and came, they may be changed ones: said once."""
    for one in found:
        tables = one.source.tables if one.source is not None and one.source.kind in _KEYLESS else ()
        if any(table.added and table.removed and not (table.key or table.note) for table in tables):
            render.hint("git data diff --key COLUMN …   # matches rows by it")
            render.hint(f"git data set {pasteable(one.name)} key=COLUMN   # for everybody")
            return


def _refuse_to_replace(path: Path) -> None:
    """A page is made anew; anything else under its name is somebody's data. Raises Conflict."""
    if not path.is_file():
        return
    with path.open("rb") as file:
        is_page = file.read(len(_PAGE)).lower() in (_PAGE, b"")
    if not is_page:
        raise Conflict(
            f"{path} exists and is no page: nothing was written", hints=["--html FILE   # another name"]
        )


def _write_page(path: Path, found: "Sequence[DatasetDiff]", title: str) -> None:
    from git_datamanager.ops.inside.outfile import new_file
    from git_datamanager.pages.diff_page import diff_page

    with new_file(path.absolute(), force=True) as file:
        file.write(diff_page(found, title or "Data changes").encode())
    render.note(f"wrote {path}")


@click.command(context_settings=HELP)
@click.argument("file", type=click.Path(dir_okay=False))
def textconv(file: str) -> int:
    """Print a manifest as text, each version as its change against the one before.

    Git calls it to show manifest.json in `git diff`, `git log -p` and `git show`. Nothing is fetched unless
    data.diff.fetch is always.
    """
    from git_datamanager.cli.textconv import main

    return main([file])
