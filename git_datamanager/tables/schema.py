"""Tables and their columns, and what two schemas differ in. Pure: docs/design/tables.md."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol, TypeVar


@dataclass(frozen=True, slots=True)
class Column:
    """A column as its table declares it."""

    name: str
    type: str = ""
    """As declared, or as the engine calls it; empty where nothing is declared."""
    not_null: bool = False
    default: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table that has rows; columns in their order."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    """The columns of the declared primary key, in its order."""
    closed: str | None = None
    """Why its rows cannot be compared."""

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


class ColumnChange(NamedTuple):
    """A column that only one side has, or that is declared in another way."""

    change: Change
    before: Column | None
    after: Column | None
    filled: int | None = None
    """Of a column that only one side has: its cells that are not NULL; None where nobody counted."""

    @property
    def name(self) -> str:
        column = self.after or self.before
        assert column is not None  # noqa: S101 -- one side has it
        return column.name


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
    """What is declared otherwise. Moving a column changes nothing."""
    found = []
    for old, new in paired(before.columns, after.columns):
        if old is None or new is None:
            found.append(ColumnChange(Change.ADDED if old is None else Change.REMOVED, old, new))
        elif _declared(old) != _declared(new):
            found.append(ColumnChange(Change.CHANGED, old, new))
    return found


def _declared(column: Column) -> tuple[object, ...]:
    return (folded(column.type), column.not_null, column.default)


def thing_changes(before: Iterable[Thing], after: Iterable[Thing]) -> list[ThingChange]:
    """Indexes, triggers, views and settings that differ in more than their white space."""
    old = {(t.kind, folded(t.name)): t for t in before}
    new = {(t.kind, folded(t.name)): t for t in after}
    found = []
    for key in sorted(old.keys() | new.keys()):
        was, now = old.get(key), new.get(key)
        if was is None or now is None:
            change = Change.ADDED if was is None else Change.REMOVED
        elif was.text.split() != now.text.split():
            change = Change.CHANGED
        else:
            continue
        one = now or was
        assert one is not None  # noqa: S101 -- a key comes from one of them
        found.append(ThingChange(change, one.kind, one.name, was and was.text, now and now.text))
    return found
