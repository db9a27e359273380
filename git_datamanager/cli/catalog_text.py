"""The available datasets in Markdown and as JSON."""

from collections.abc import Iterator
from typing import Any

from git_datamanager.cli import markdown, render
from git_datamanager.ops.inside.catalog import Catalog, Listed, Release
from git_datamanager.pages.measure import counted, number

VERSIONS = 50
"""Of one dataset."""


def page(found: Catalog) -> list[str]:
    """Lines: a table of datasets, then each with its versions."""
    lines = ["# Available datasets", ""]
    if not found.datasets:
        return [*lines, "Nothing is published yet."]
    if found.expires is not None:
        text = f"Download links end {counted(found.expires, 'second')} after this page was made."
        lines += [text, ""]
    head = ["dataset", "latest", "published", "size", "rows", "versions"]
    lines += markdown.table(head, map(_summary, found.datasets))
    for listed in found.datasets:
        lines += _dataset(listed)
    return lines


def _summary(listed: Listed) -> list[str]:
    latest = listed.latest
    return [
        markdown.code(listed.dataset.name), latest.version.name, latest.day, render.size(latest.version.size),
        _rows(latest), str(len(listed.releases)),
    ]  # fmt: skip


def _dataset(listed: Listed) -> Iterator[str]:
    yield from ("", f"## {markdown.code(listed.dataset.name)}", "")
    if listed.title:
        yield from (f"**{markdown.plain(listed.title)}**", "")
    if listed.about:
        yield from (markdown.plain(listed.about, limit=2000), "")
    yield from markdown.fenced([listed.latest.pull])
    yield ""
    head = ["version", "published", "size", "rows", "note", "SHA-256", "download"]
    yield from markdown.table(head, map(_release, listed.releases[:VERSIONS]))
    if len(listed.releases) > VERSIONS:
        yield from ("", f"{counted(len(listed.releases) - VERSIONS, 'older version')} not shown.")


def _release(release: Release) -> list[str]:
    version = release.version
    link = f"[download](<{release.url}>)" if release.url else "pull it"
    note = markdown.plain(version.message) if version.message else ""
    return [
        version.name, release.day, render.size(version.size), _rows(release), note,
        f"`{version.oid.hex}`", link,
    ]  # fmt: skip


def _rows(release: Release) -> str:
    """Without a count why there is none."""
    return f"– ({release.rows.why})" if release.rows.known is None else number(release.rows.known)


def document(found: Catalog) -> dict[str, Any]:
    """As JSON has it: git-data/catalog/1."""
    return {"expires": found.expires, "datasets": [_plain(listed) for listed in found.datasets]}


def _plain(listed: Listed) -> dict[str, Any]:
    options = listed.dataset.options
    return {
        "name": listed.dataset.name,
        "kind": str(listed.dataset.kind),
        "title": options.get("title"),
        "description": options.get("description"),
        "tags": list(options.get("tags", ())),
        "versions": [_plain_release(release) for release in listed.releases],
    }


def _plain_release(release: Release) -> dict[str, Any]:
    version = release.version
    return {
        "version": version.name,
        "id": version.id,
        "published": version.published or version.created,
        "message": version.message,
        "oid": str(version.oid),
        "size": version.size,
        "rows": release.rows.known,
        "rows_unknown": release.rows.why or None,
        "url": release.url,
        "pull": release.pull,
    }
