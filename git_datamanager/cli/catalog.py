"""git data catalog."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from git_datamanager.cli import options, render
from git_datamanager.cli.app import HELP, manager

if TYPE_CHECKING:
    from git_datamanager.ops.catalog import Catalog

_WEEK = 7 * 24 * 3600


@click.command(context_settings=HELP)
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
    help="Write catalog.md and catalog.html there.",
)  # fmt: skip
@click.option("--rev", "revision", metavar="COMMIT", help="As of that commit.")
@click.option(
    "--presign", type=click.IntRange(1, _WEEK), metavar="SECONDS",
    help="Links that anybody can use for so long, signed with your credentials.",
)  # fmt: skip
@options.talk
def catalog(out: Path | None, revision: str | None, presign: int | None) -> None:
    """Show what is published: every version, its date, size, rows, checksum, and how to get it.

    Prints Markdown, or writes it as a page too. Rows are counted where the bytes are in this clone.
    Download links need data.remote.production.publicUrl, or --presign.
    """
    from git_datamanager.cli import catalog_text
    from git_datamanager.ops.catalog import catalog as verb

    with manager() as data:
        found = verb(data, revision=revision, presign=presign)
    if out is None:
        render.raw("\n".join(catalog_text.page(found)) + "\n")
        return
    write(out, found)
    render.result(f"wrote {render.clean(str(out / 'catalog.html'))} and catalog.md")


def write(folder: Path, found: "Catalog") -> None:
    """catalog.md and catalog.html, each at once or not at all."""
    from git_datamanager import fsio
    from git_datamanager.cli import catalog_text
    from git_datamanager.pages.catalog_page import catalog_page

    folder.mkdir(parents=True, exist_ok=True)
    text = "\n".join(catalog_text.page(found)) + "\n"
    for name, content in (("catalog.md", text), ("catalog.html", catalog_page(found))):
        fsio.write_durably(folder.absolute() / name, content.encode())
