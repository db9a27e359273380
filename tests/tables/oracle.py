"""What a diff must say, found without any engine: rows are compared one by one in Python."""

import struct
from collections import Counter
from collections.abc import Iterable, Sequence

from git_datamanager.tables.result import Row, TableDiff


def exact(cell: object) -> object:
    """A value that is equal to another's where class and content are: 1 is not 1.0, NaN is NaN."""
    if isinstance(cell, float):
        return ("real", struct.pack(">d", cell + 0.0) if cell == cell else b"nan")
    return (type(cell).__name__, cell)


def exact_row(row: Sequence[object]) -> tuple[object, ...]:
    return tuple(map(exact, row))


def counted(rows: Iterable[Row]) -> Counter[tuple[object, ...]]:
    return Counter(map(exact_row, rows))


def applied(diff: TableDiff, before: Iterable[Row]) -> Counter[tuple[object, ...]]:
    """`before` with all that the diff says done to it; every row it takes away must be there."""
    rows = counted(before)
    for change in diff.samples:
        if change.before is not None:
            old = exact_row(change.before)
            assert rows[old] >= change.times, (change, rows)
            rows[old] -= change.times
        if change.after is not None:
            rows[exact_row(change.after)] += change.times
    return +rows


def keyed_counts(before: Sequence[Row], after: Sequence[Row], key: Sequence[int]) -> tuple[int, int, int]:
    """(added, removed, changed) of rows that their key tells apart."""
    old = {exact_row([row[n] for n in key]): exact_row(row) for row in before}
    new = {exact_row([row[n] for n in key]): exact_row(row) for row in after}
    changed = sum(old[k] != new[k] for k in old.keys() & new.keys())
    return len(new.keys() - old.keys()), len(old.keys() - new.keys()), changed


def multiset_counts(before: Sequence[Row], after: Sequence[Row]) -> tuple[int, int]:
    old, new = counted(before), counted(after)
    return (new - old).total(), (old - new).total()
