"""What became of the tables of one source: sections that open and close, with all that differs in them."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from git_datamanager.pages import measure
from git_datamanager.pages.budget import Budget
from git_datamanager.pages.markup import Html, join, tag
from git_datamanager.pages.rows import rows_table, sign
from git_datamanager.tables.result import RowChange, SourceDiff, TableDiff
from git_datamanager.tables.schema import Change, Column, ColumnChange, ThingChange

_KINDS = (Change.ADDED, Change.REMOVED, Change.CHANGED)


def source_parts(source: SourceDiff, budget: Budget, level: int) -> Iterator[Html]:
    """Everything about the source but its name and sizes; headings are of this level."""
    if source.note is not None:
        yield note(source.note)
    quiet = [t for t in source.tables if _is_quiet(t)]
    loud = [t for t in source.tables if not _is_quiet(t)]
    shown = loud[: budget.sections(len(loud))]
    for diff in shown:
        yield _table(diff, budget, level)
    if len(shown) < len(loud):
        yield left(
            f"{measure.counted(len(loud) - len(shown), 'more table')} with changes not shown on this page."
        )
    if source.things:
        yield _things(source.things, budget, level)
    if quiet and not source.is_same_bytes:
        yield _unchanged(quiet)


def note(text: str) -> Html:
    return tag("p", text, class_="note")


def left(text: str) -> Html:
    return tag("p", text, class_="left")


def counts(added: int, removed: int, changed: int) -> Html:
    """+12 −3 ~48, what is none left out; nothing for no change at all."""
    found = zip(_KINDS, (added, removed, changed), strict=True)
    parts = [
        tag(
            "span",
            f"{change.sign}{measure.number(count)}",
            class_=str(change),
            title=f"{count} {change}",
        )
        for change, count in found
        if count
    ]
    return tag("span", join(parts, " "), class_="counts") if parts else Html("")


def group(name: str, head: Sequence[str], body: Sequence[str], level: int, *, is_open: bool) -> Html:
    """What opens and closes; the filter knows it by its name."""
    title = tag(f"h{level}", tag("bdi", name))
    return tag(
        "details", tag("summary", title, *head), tag("div", *body, class_="inside"),
        open=is_open, data_group=name, class_="group",
    )  # fmt: skip


def _is_quiet(diff: TableDiff) -> bool:
    return diff.change is Change.SAME and diff.note is None and diff.was is None and diff.is_compared


def _unchanged(tables: Sequence[TableDiff]) -> Html:
    few = [tag("bdi", table.name, class_="name") for table in tables[:12]]
    more = [f"{measure.number(len(tables) - len(few))} more"] if len(tables) > len(few) else []
    head = measure.counted(len(tables), "table")
    return tag("p", f"{head} unchanged: ", join([*few, *more], ", "), class_="quiet")


def _table(diff: TableDiff, budget: Budget, level: int) -> Html:
    kept = diff.samples[: budget.rows(len(diff.samples))]
    body = [*_remarks(diff)]
    if diff.columns:
        body.append(_columns(diff.columns, diff.name))
    if kept:
        body.append(rows_table(diff, kept))
    if missing := _missing(diff, kept):
        body.append(left(missing))
    state = {Change.ADDED: "new table", Change.REMOVED: "table removed"}.get(diff.change)
    head = [
        *([tag("span", "was ", tag("bdi", diff.was), class_="pill")] if diff.was is not None else []),
        *([tag("span", state, class_=f"pill {diff.change}")] if state else []),
        counts(diff.added, diff.removed, diff.changed),
        tag("span", _rows_then_and_now(diff), class_="quiet"),
    ]
    return group(diff.name, head, body, level, is_open=budget.may_open(len(kept)))


def _rows_then_and_now(diff: TableDiff) -> str:
    then, now = diff.rows_before, diff.rows_after
    if then is None or now is None:
        one = now if then is None else then
        return "" if one is None else measure.counted(one, "row")
    if then == now:
        return measure.counted(now, "row")
    return f"{measure.number(then)} → {measure.counted(now, 'row')}"


def _remarks(diff: TableDiff) -> Iterator[Html]:
    if diff.note is not None:
        yield note(diff.note)
    elif not diff.is_compared:
        yield note("Its rows were not compared.")
    if diff.is_compared and diff.change is Change.CHANGED and diff.unchanged is not None:
        by = f"matched by {', '.join(diff.key)}" if diff.key else "compared as a whole: there is no key"
        same = f"{measure.counted(diff.unchanged, 'row')} unchanged"
        yield tag("p", f"{same}; rows are {by}.", class_="quiet")


def _missing(diff: TableDiff, kept: Sequence[RowChange]) -> str:
    """How many rows are left out, by kind."""
    shown = {change: sum(row.times for row in kept if row.change is change) for change in _KINDS}
    absent = [
        f"{measure.number(count - shown[change])} {change}"
        for change, count in zip(_KINDS, (diff.added, diff.removed, diff.changed), strict=True)
        if count > shown[change]
    ]
    return f"Not shown on this page: {', '.join(absent)} rows." if absent else ""


def _columns(changes: Sequence[ColumnChange], table: str) -> Html:
    rows = []
    for one in changes:
        filled = "" if one.filled is None else f"{measure.counted(one.filled, 'cell')} not NULL"
        rows.append(
            tag(
                "tr",
                tag("th", sign(one.change), scope="row", class_="sign"),
                tag("td", tag("bdi", one.name)),
                tag("td", *_declared(one.before, one.after)),
                tag("td", filled, class_="quiet"),
                data_change=str(one.change), class_=str(one.change),
            )
        )  # fmt: skip
    heads = (
        tag("th", tag("span", word, class_="aside"), scope="col")
        for word in ("Change", "Column", "Type", "Cells")
    )
    caption = tag("caption", "Columns", tag("span", f" of {table} that changed", class_="aside"))
    return tag(
        "table", caption, tag("thead", tag("tr", *heads), class_="aside"), tag("tbody", *rows), class_="list"
    )


def _declared(before: Column | None, after: Column | None) -> Iterator[Html]:
    if before is not None:
        yield tag("del" if after is not None else "span", _type(before))
    if before is not None and after is not None:
        yield tag("span", " → ", class_="arrow")
    if after is not None:
        yield tag("ins" if before is not None else "span", _type(after))


def _type(column: Column) -> str:
    default = f"DEFAULT {column.default}" if column.default is not None else ""
    return " ".join(filter(None, (column.type, "NOT NULL" if column.not_null else "", default))) or "no type"


def _things(things: Sequence[ThingChange], budget: Budget, level: int) -> Html:
    """Indexes, triggers, views, settings."""
    kept = things[: budget.sections(len(things))]
    body = [
        tag(
            "section",
            tag(f"h{level + 1}", sign(one.change), f" {kind} ", tag("bdi", one.name)),
            *_texts(one),
            data_change=str(one.change), class_=f"thing {one.change}",
        )
        for kind, found in groupby(kept, key=lambda one: one.kind)
        for one in found
    ]  # fmt: skip
    if len(kept) < len(things):
        body.append(left(f"{measure.number(len(things) - len(kept))} more not shown on this page."))
    tally = counts(*(sum(one.change is change for one in things) for change in _KINDS))
    return group(
        "Indexes, views, triggers, settings", [tally], body, level, is_open=budget.may_open(len(kept))
    )


def _texts(one: ThingChange) -> Iterator[Html]:
    if one.before is not None:
        yield tag("pre", tag("del" if one.after is not None else "span", one.before))
    if one.after is not None:
        yield tag("pre", tag("ins" if one.before is not None else "span", one.after))
