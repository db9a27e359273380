"""Rows that differ, as a table of a page: old and new cells side by side."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from git_datamanager.pages import measure
from git_datamanager.pages.cells import cell, cell_change, is_number
from git_datamanager.pages.markup import Html, join, tag
from git_datamanager.tables.result import RowChange, TableDiff
from git_datamanager.tables.schema import Change, folded
from git_datamanager.tables.values import Cell, same, shown

COLUMNS = 24
"""Columns of a table that are shown: of its key, then those that changed, then the first ones."""


_SHORT = 28
"""Characters of a cell, or of both its sides, that stay on one line."""


class _Absent:
    """A side that has no such cell."""


_ABSENT = _Absent()


class _Seen(NamedTuple):
    """A column of the page."""

    name: str
    is_key: bool
    status: Change
    """ADDED and REMOVED: only one side has it."""
    is_right: bool = False
    """Nothing but numbers stands below it."""


class _Line(NamedTuple):
    row: RowChange
    before: dict[str, Cell]
    after: dict[str, Cell]

    def differs(self, name: str) -> bool:
        if self.row.change is not Change.CHANGED:
            return False
        old, new = self.before.get(name, _ABSENT), self.after.get(name, _ABSENT)
        return old is not _ABSENT and new is not _ABSENT and not same(old, new)


def rows_table(diff: TableDiff, rows: Sequence[RowChange]) -> Html:
    """A `table` of these rows of the diff, and a line on the columns that had no room."""
    lines = [
        _Line(r, _by_name(diff.before_columns, r.before), _by_name(diff.after_columns, r.after)) for r in rows
    ]
    every = _columns(diff)
    columns = [c._replace(is_right=_is_numbers(c, lines)) for c in _chosen(every, lines)]
    caption = tag("caption", f"Rows of {diff.name} that differ", class_="aside")
    head = tag("thead", tag("tr", _hidden_head(), *map(_head, columns)))
    body = tag("tbody", *(_row(line, columns) for line in lines))
    parts = [
        tag(
            "div", tag("table", caption, head, body, class_="cells"),
            class_="wide", tabindex=0, role="region", aria_label=f"Rows of {diff.name}",
        )
    ]  # fmt: skip
    if len(columns) < len(every):
        left = measure.counted(len(every) - len(columns), "more column")
        parts.append(tag("p", f"{left} not shown.", class_="left"))
    return join(parts)


def _by_name(names: Sequence[str], cells: Sequence[Cell] | None) -> dict[str, Cell]:
    return {} if cells is None else dict(zip(map(folded, names), cells, strict=True))


def _columns(diff: TableDiff) -> list[_Seen]:
    """Keys first, then as the table has them, then those that are gone."""
    keys = {folded(name) for name in diff.key}
    old, new = set(map(folded, diff.before_columns)), set(map(folded, diff.after_columns))
    is_both = bool(old) and bool(new)
    found = []
    for name in (*diff.after_columns, *(n for n in diff.before_columns if folded(n) not in new)):
        plain = folded(name)
        status = Change.SAME
        if is_both and plain not in old:
            status = Change.ADDED
        elif is_both and plain not in new:
            status = Change.REMOVED
        found.append(_Seen(name, plain in keys, status))
    return sorted(found, key=lambda column: not column.is_key)


def _chosen(every: Sequence[_Seen], lines: Sequence[_Line]) -> list[_Seen]:
    if len(every) <= COLUMNS:
        return list(every)
    differing = {c.name for c in every if any(line.differs(folded(c.name)) for line in lines)}
    ranks = sorted(every, key=lambda c: (not c.is_key, c.name not in differing, c.status is Change.SAME))
    return ranks[:COLUMNS]  # in this order: what changed is not to be searched for at the far right


def _hidden_head() -> Html:
    return tag("th", tag("span", "Change", class_="aside"), scope="col", class_="sign")


def _is_numbers(column: _Seen, lines: Sequence[_Line]) -> bool:
    name = folded(column.name)
    cells = [side[name] for line in lines for side in (line.before, line.after) if name in side]
    return all(cell is None or is_number(cell) for cell in cells) and any(map(is_number, cells))


def _head(column: _Seen) -> Html:
    marks = []
    if column.is_key:
        marks.append(tag("small", "key"))
    if column.status is not Change.SAME:
        marks.append(tag("small", str(column.status), class_=str(column.status)))
    return tag("th", tag("bdi", column.name), *marks, scope="col", class_="n" if column.is_right else None)


def _row(line: _Line, columns: Sequence[_Seen]) -> Html:
    change = line.row.change
    times = tag("small", f"×{measure.number(line.row.times)}") if line.row.times > 1 else ""
    head = tag("th", sign(change), times, scope="row", class_="sign")
    return tag(
        "tr", head, *(_cell(line, column) for column in columns), data_change=str(change), class_=str(change)
    )


def sign(change: Change) -> Html:
    """+, −, ~, with its word for those who do not see it."""
    return join(
        [
            tag("span", change.sign, aria_hidden="true"),
            tag("span", str(change), class_="aside"),
        ]
    )


def _cell(line: _Line, column: _Seen) -> Html:
    name = folded(column.name)
    old, new = line.before.get(name, _ABSENT), line.after.get(name, _ABSENT)
    if old is _ABSENT and new is _ABSENT:
        return tag("td")
    one = old if new is _ABSENT else new
    if line.differs(name):
        content, length = join(_both(old, new)), len(shown(old)) + len(shown(new))
    else:
        content, length = cell(one), len(shown(one))
    classes = ["n"] if column.is_right else []
    if length <= _SHORT:
        classes.append("short")
    return tag("td", content, class_=" ".join(classes) or None)


def _both(old: Cell, new: Cell) -> Iterator[Html]:
    before, after = cell_change(old, new)
    yield tag("del", before)
    yield tag("span", " → ", class_="arrow", aria_hidden="true")
    yield tag("ins", after)
