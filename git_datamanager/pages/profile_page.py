"""`profile_page`: what the tables of one version hold, as one HTML document that needs nothing else."""

from collections.abc import Iterator

from git_datamanager.pages import measure
from git_datamanager.pages.document import document
from git_datamanager.pages.markup import Html, join, tag
from git_datamanager.tables.profiling.profiled import ColumnProfile, SourceProfile, TableProfile
from git_datamanager.tables.values import Cell, shown

_WIDEST = 60
_TOP = 5
_HEADS = (
    ("Column", ""), ("Type", ""), ("Empty", "n"), ("Distinct", "n"), ("Smallest", ""), ("Largest", ""),
    ("Mean", "n"), ("Most frequent", ""),
)  # fmt: skip


def profile_page(profile: SourceProfile, title: str) -> str:
    """A self-contained page. It opens offline and runs nothing that stands in the data."""
    facts = " · ".join(
        [profile.kind, measure.size(profile.size), measure.counted(len(profile.tables), "table")]
    )
    head = tag("header", tag("h1", tag("bdi", title)), tag("p", facts, class_="quiet"), class_="top")
    parts = [head]
    if profile.note is not None:
        parts.append(tag("p", profile.note, class_="note"))
    parts += [_table(place, table) for place, table in enumerate(profile.tables, 1)]
    return document(title, join(parts))


def _table(place: int, table: TableProfile) -> Html:
    facts = [] if table.rows is None else [measure.counted(table.rows, "row")]
    facts += [f"key {', '.join(table.key)}"] if table.key else []
    head = tag(
        "div",
        tag("h2", tag("bdi", table.name), id=f"t{place}"),
        tag("span", " · ".join(facts), class_="quiet"),
        class_="head",
    )
    body = [tag("p", table.note, class_="note")] if table.note else []
    if table.columns:
        body.append(_columns(table))
    return tag("section", head, *body, class_="dataset", aria_labelledby=f"t{place}")


def _columns(table: TableProfile) -> Html:
    heads = (tag("th", word, scope="col", class_=kind or None) for word, kind in _HEADS)
    rows = (tag("tr", *_cells(table, column)) for column in table.columns)
    found = tag(
        "table", tag("caption", f"Columns of {table.name}", class_="aside"),
        tag("thead", tag("tr", *heads)), tag("tbody", *rows), class_="summary",
    )  # fmt: skip
    return tag("div", found, class_="wide", tabindex=0, role="region", aria_label=f"Columns of {table.name}")


def _cells(table: TableProfile, column: ColumnProfile) -> Iterator[Html]:
    about = "" if column.is_distinct_exact else "about "
    kind = column.type or ", ".join(word for word, _ in column.classes)
    yield tag("th", tag("bdi", column.name), scope="row")
    yield tag("td", tag("bdi", kind))
    empty = column.nulls + column.empty
    yield tag("td", f"{100 * empty / table.rows:.3g} %" if empty and table.rows else "–", class_="n")
    yield tag("td", f"{about}{column.distinct:,}".replace(",", " "), class_="n")
    yield tag("td", _value(column.minimum))
    yield tag("td", _value(column.maximum))
    yield tag("td", "" if column.mean is None else f"{column.mean:.6g}", class_="n")
    about = "" if column.is_top_exact else "about "
    top = [join([_value(value), f" ×{about}{times}"]) for value, times in column.top[:_TOP]]
    yield tag("td", join(top, ", "))


def _value(cell: Cell) -> Html:
    return Html("") if cell is None else tag("bdi", shown(cell, _WIDEST))
