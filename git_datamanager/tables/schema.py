"""Tables and their columns, and what two schemas differ in. Pure: docs/design/tables.md."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain, count
from typing import NamedTuple, Protocol, TypeVar

NARROW = 300
"""Columns of a table that DuckDB can have as such."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column as its table declares it."""

    name: str
    type: str = ""
    """As declared, or as the engine calls it; empty where nothing is declared."""
    not_null: bool = False
    default: str | None = None
    is_trimmed: bool = False
    """SQLite: its collation may take texts for equal that differ in blanks at their ends (RTRIM)."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table that has rows; columns in their order."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    """The columns of the declared primary key, in its order."""
    closed: str | None = None
    """Why its rows cannot be compared."""
    definition: str = ""
    """The SQL text that declares it, where there is one."""
    is_key_whole: bool = False
    """No part of the declared key can be NULL."""
    is_rowid_key: bool = False
    """SQLite: the key is the rowid."""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)


class Thing(NamedTuple):
    """What a database holds besides tables: an index, a trigger, a view, a setting."""

    kind: str
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Schema:
    tables: tuple[Table, ...] = ()
    things: tuple[Thing, ...] = ()


class Change(StrEnum):
    """What became of a table, a column or a thing."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    SAME = "same"

    @property
    def sign(self) -> str:
        """As people write it before a row."""
        return {"added": "+", "removed": "−", "changed": "~", "same": "="}[self.value]


T = TypeVar("T")


def either(before: T | None, after: T | None) -> T:
    """The newer of two sides of which at least one is there. Raises ValueError where none is."""
    if after is not None:
        return after
    if before is None:
        raise ValueError("neither side is there")
    return before


class ColumnChange(NamedTuple):
    """A column that only one side has, or that is declared in another way."""

    change: Change
    before: Column | None
    after: Column | None
    filled: int | None = None
    """Of a column that only one side has: its cells that are not NULL; None where nobody counted."""

    @property
    def name(self) -> str:
        return either(self.before, self.after).name


class ThingChange(NamedTuple):
    change: Change
    kind: str
    name: str
    before: str | None
    after: str | None


class _Named(Protocol):
    @property
    def name(self) -> str: ...


N = TypeVar("N", bound=_Named)
_CASES = str.maketrans({chr(n): chr(n + 32) for n in range(ord("A"), ord("Z") + 1)})


def folded(name: str) -> str:
    """Names that are equal so are one name: SQLite and DuckDB ignore the case of ASCII letters."""
    return name.translate(_CASES)


def distinct_names(names: Sequence[str]) -> tuple[str, ...]:
    """Names for the columns of a file that says what it likes: one without any is called by its number (from
    0), one that was there before gets the next number that is free."""
    taken, given = set[str](), {folded(name) for name in names}
    found = []
    for n, name in enumerate(names):
        if name and folded(name) not in taken:
            found.append(name)
        else:
            stem = name or f"column{n}"
            tries = chain([] if name else [stem], (f"{stem}_{k}" for k in count(1)))
            found.append(next(one for one in tries if folded(one) not in taken | given))
        taken.add(folded(found[-1]))
    return tuple(found)


def paired(before: Sequence[N], after: Sequence[N]) -> list[tuple[N | None, N | None]]:
    """Both sides of each name: in the order of `after`, then what only `before` has."""
    old = {folded(item.name): item for item in before}
    pairs: list[tuple[N | None, N | None]] = [(old.pop(folded(item.name), None), item) for item in after]
    return pairs + [(item, None) for item in old.values()]


def shared(before: Table, after: Table) -> list[tuple[Column, Column]]:
    """The columns that both tables have, in the order of `before`."""
    new = {folded(column.name): column for column in after.columns}
    return [(c, new[folded(c.name)]) for c in before.columns if folded(c.name) in new]


def column_changes(before: Table, after: Table) -> list[ColumnChange]:
    """What is declared otherwise, or has its name in another case. Moving a column changes nothing."""
    found = []
    for old, new in paired(before.columns, after.columns):
        if old is None or new is None:
            found.append(ColumnChange(Change.ADDED if old is None else Change.REMOVED, old, new))
        elif _declared(old) != _declared(new):
            found.append(ColumnChange(Change.CHANGED, old, new))
    return found


def _declared(column: Column) -> tuple[object, ...]:
    return (column.name, folded(column.type), column.not_null, column.default)


def same_text(one: str, other: str) -> bool:
    """Statements that differ in nothing but white space."""
    return one.split() == other.split()


def definition_changes(pairs: Iterable[tuple[Table | None, Table | None]]) -> list[ThingChange]:
    """Tables whose columns are declared alike, and something else is not: a CHECK, a collation."""
    return [
        ThingChange(Change.CHANGED, "table", new.name, old.definition, new.definition)
        for old, new in pairs
        if old and new and not column_changes(old, new) and not same_text(old.definition, new.definition)
    ]


def thing_changes(before: Iterable[Thing], after: Iterable[Thing]) -> list[ThingChange]:
    """Indexes, triggers, views and settings that differ in more than their white space."""
    old = {(t.kind, folded(t.name)): t for t in before}
    new = {(t.kind, folded(t.name)): t for t in after}
    found = []
    for key in sorted(old.keys() | new.keys()):
        was, now = old.get(key), new.get(key)
        if was is None or now is None:
            change = Change.ADDED if was is None else Change.REMOVED
        elif not same_text(was.text, now.text):
            change = Change.CHANGED
        else:
            continue
        one = either(was, now)
        found.append(ThingChange(change, one.kind, one.name, was and was.text, now and now.text))
    return found
