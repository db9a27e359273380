"""What a merge of rows cannot decide, found by either engine: docs/design/rowmerge.md."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from git_datamanager.tables.merging.merged import Clash
from git_datamanager.tables.merging.rowmerge import Three, changed_on_both, removed_and_changed
from git_datamanager.tables.result import Row
from git_datamanager.tables.schema import folded
from git_datamanager.tables.values import Cell, same

REMOVED, CHANGED = "removed", "changed"


def clashes(table: str, three: Three, rows: Callable[[str], Iterable[Row]]) -> Iterator[Clash]:
    """Cells that both sides changed differently, then rows that one removed and the other changed."""
    width = len(three.columns)
    for has_base, *cells in rows(changed_on_both(three)):
        base, ours, theirs = (cells[n * width : (n + 1) * width] for n in range(3))
        yield from _cells(table, three, base if has_base else None, ours, theirs)
    for gone, left in (("t", "o"), ("o", "t")):
        for row in rows(removed_and_changed(three, gone=gone, left=left)):
            words = (REMOVED, CHANGED) if gone == "o" else (CHANGED, REMOVED)
            yield Clash(table, "row", _key(three, row[:width]), None, None, *words)


def _cells(
    table: str, three: Three, base: Sequence[Cell] | None, ours: Sequence[Cell], theirs: Sequence[Cell]
) -> Iterator[Clash]:
    for n, column in enumerate(three.columns):
        was = None if base is None else base[n]
        is_ours = base is not None and same(theirs[n], was)
        is_theirs = base is not None and same(ours[n], was)
        if not (same(ours[n], theirs[n]) or is_ours or is_theirs):
            yield Clash(table, "cell", _key(three, ours), column.name, was, ours[n], theirs[n])


def _key(three: Three, row: Sequence[Cell]) -> tuple[Cell, ...]:
    places = {folded(column.name): n for n, column in enumerate(three.columns)}
    return tuple(row[places[folded(column.name)]] for column in three.key)
