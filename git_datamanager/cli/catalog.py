"""git data catalog."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from git_datamanager.cli import options, render
from git_datamanager.cli.app import HELP, manager

if TYPE_CHECKING:
    from git_datamanager.ops.inside.catalog import Catalog

_WEEK = 7 * 24 * 3600


@click.command(context_settings=HELP)
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
    help="Write catalog.html, catalog.md and catalog.json there.",
)  # fmt: skip
@click.option("--rev", "revision", metavar="COMMIT", help="As of that commit.")
@click.option(
    "--presign", type=click.IntRange(1, _WEEK), metavar="SECONDS",
    help="Links that anybody can use for so long, signed with your credentials.",
)  # fmt: skip
@click.option("--fetch", is_flag=True, help="Fetch what is not here, to count its rows.")
@options.json_output
@options.talk
def catalog(out: Path | None, revision: str | None, presign: int | None, fetch: bool, as_json: bool) -> None:
    """Show what is published: every version, its date, size, rows, checksum, and how to get it.

    Prints Markdown, or writes it as a page too. Rows are counted where the bytes are in this clone, and
    remembered; --fetch brings the others, the latest versions first, up to data.preview.maxSize. Download
    links need data.remote.production.publicUrl, or --presign.
    """
    from git_datamanager.cli import catalog_text
    from git_datamanager.ops.inside.catalog import catalog as verb

    with manager() as data:
        most = data.settings.size("data.preview.maxSize") if fetch else 0
        found = verb(data, revision=revision, presign=presign, fetched=most)
    if out is not None:
        write(out, found)
    if as_json:
        render.json("catalog", catalog_text.document(found))
    elif out is None:
        render.raw("\n".join(catalog_text.page(found)) + "\n")
    else:
        render.result(f"wrote {render.clean(str(out / 'catalog.html'))}, catalog.md and catalog.json")


def write(folder: Path, found: "Catalog") -> None:
    """catalog.md, catalog.html and catalog.json, each at once or not at all."""
    from git_datamanager import fsio
    from git_datamanager.cli import catalog_text
    from git_datamanager.pages.catalog_page import catalog_page

    folder.mkdir(parents=True, exist_ok=True)
    text = "\n".join(catalog_text.page(found)) + "\n"
    plain = render.document("catalog", catalog_text.document(found)) + "\n"
    files = {"catalog.md": text, "catalog.html": catalog_page(found), "catalog.json": plain}
    for name, content in files.items():
        fsio.write_durably(folder.absolute() / name, content.encode())
