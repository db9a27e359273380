"""`catalog_page`: the available datasets, as one HTML document that needs nothing else."""

from collections.abc import Iterator

from git_datamanager.model.manifest import Kind
from git_datamanager.ops.inside.catalog import Catalog, Listed, Release
from git_datamanager.pages import measure
from git_datamanager.pages.chart import Point, size_chart
from git_datamanager.pages.document import document
from git_datamanager.pages.markup import Html, join, tag, text

VERSIONS = 200
"""Of one dataset; the page says how many older ones there are."""


def catalog_page(found: Catalog, title: str = "Available datasets") -> str:
    """A self-contained page. Links lead to where the bytes can be downloaded, and nowhere else."""
    count = sum(len(listed.releases) for listed in found.datasets)
    facts = (
        f"{measure.counted(len(found.datasets), 'dataset')} · {measure.counted(count, 'published version')}"
    )
    parts = [tag("header", tag("h1", title), tag("p", facts, class_="quiet"), class_="top")]
    if found.expires is not None:
        text = f"Download links end {measure.counted(found.expires, 'second')} after this page was made."
        parts.append(tag("p", text, class_="note"))
    if found.datasets:
        parts += [_summary(found), *(_dataset(n, listed) for n, listed in enumerate(found.datasets, 1))]
    else:
        parts.append(tag("p", "Nothing is published yet.", class_="note"))
    return document(title, join(parts))


def _summary(found: Catalog) -> Html:
    rows = [
        tag(
            "tr",
            tag(
                "th",
                tag("a", tag("bdi", listed.dataset.name), href=f"#d{place}"),
                *([tag("small", tag("bdi", listed.title))] if listed.title else []),
                scope="row",
            ),
            tag("td", listed.latest.version.name),
            tag("td", listed.latest.day),
            tag("td", measure.size(listed.latest.version.size), class_="n"),
            tag("td", _rows(listed.latest), class_="n"),
            tag("td", measure.number(len(listed.releases)), class_="n"),
            tag("td", listed.latest.version.message, class_="words quiet"),
        )
        for place, listed in enumerate(found.datasets, 1)
    ]
    heads = (
        ("Dataset", ""),
        ("Latest", ""),
        ("Published", ""),
        ("Size", "n"),
        ("Rows", "n"),
        ("Versions", "n"),
    )
    return _wide(
        "Datasets",
        [*(tag("th", head, scope="col", class_=c or None) for head, c in heads), _note_head()],
        rows,
    )


def _note_head() -> Html:
    return tag("th", "Note", scope="col")


def _wide(caption: str, heads: list[Html], rows: list[Html]) -> Html:
    table = tag(
        "table", tag("caption", caption, class_="aside"), tag("thead", tag("tr", *heads)),
        tag("tbody", *rows), class_="summary",
    )  # fmt: skip
    return tag("div", table, class_="wide", tabindex=0, role="region", aria_label=caption)


def _dataset(place: int, listed: Listed) -> Html:
    latest = listed.latest
    kind = "folder" if listed.dataset.kind is Kind.TREE else "file"
    head = tag(
        "div",
        tag("h2", tag("bdi", listed.dataset.name), id=f"d{place}"),
        tag("span", latest.version.name, class_="pill"),
        tag("span", f"{kind} · {measure.size(latest.version.size)} · {latest.day}", class_="quiet"),
        class_="head",
    )
    told = [
        *([tag("p", tag("strong", tag("bdi", listed.title)))] if listed.title else []),
        *([tag("p", tag("bdi", listed.about), class_="quiet")] if listed.about else []),
    ]
    points = [Point(r.version.name, r.version.size) for r in reversed(listed.releases)]
    return tag(
        "section", head, *told, tag("pre", latest.pull), size_chart(points), *_versions(listed),
        class_="dataset", aria_labelledby=f"d{place}",
    )  # fmt: skip


def _versions(listed: Listed) -> Iterator[Html]:
    heads = (("Version", ""), ("Published", ""), ("Size", "n"), ("Rows", "n"), ("Note", ""), ("SHA-256", ""))
    shown = listed.releases[:VERSIONS]
    has_links = any(release.url for release in shown)
    names = [tag("th", head, scope="col", class_=c or None) for head, c in heads]
    if has_links:
        names.append(tag("th", "Download", scope="col"))
    yield _wide(
        f"Versions of {listed.dataset.name}", names, [_release(r, has_links=has_links) for r in shown]
    )
    if len(shown) < len(listed.releases):
        left = measure.counted(len(listed.releases) - len(shown), "older version")
        yield tag("p", f"{left} not shown on this page.", class_="left")


def _release(release: Release, *, has_links: bool) -> Html:
    version = release.version
    cells = [
        tag("th", version.name, scope="row"),
        tag("td", release.day),
        tag("td", measure.size(version.size), class_="n"),
        tag("td", _rows(release), class_="n"),
        tag("td", version.message, class_="words"),
        tag("td", tag("code", version.oid.hex), class_="digest"),
    ]
    if has_links:
        link = tag("a", "Download", tag("span", f" {version.name}", class_="aside"), href=release.url)
        cells.append(tag("td", link if release.url else tag("span", "pull it", class_="quiet")))
    return tag("tr", *cells)


def _rows(release: Release) -> Html:
    """Without a count why there is none."""
    if release.rows.known is None:
        return join(["– ", tag("small", release.rows.why)])
    return text(measure.number(release.rows.known))
