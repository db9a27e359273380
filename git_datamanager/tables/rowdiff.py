"""The SQL that compares two relations: as text, for either engine. Pure: docs/design/tables.md.

Aliases: `b` is before, `a` is after. Long conditions are built as balanced trees: engines limit how deep an
expression may go.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from git_datamanager.tables.schema import Column

Pair = tuple[Column, Column]
"""A column as both sides have it."""


def quoted(name: str) -> str:
    """An identifier for SQLite and DuckDB."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


class Dialect(Protocol):
    """The words in which the engines differ."""

    def same_cell(self, before: str, after: str, pair: Pair) -> str:
        """A condition that is never NULL: both hold the same, and NULL is the same as NULL."""
        ...

    def same_key(self, before: str, after: str, pair: Pair) -> str:
        """A condition for cells of which none is NULL; it may use an index."""
        ...

    def common(self, cell: str, pair: Pair, side: int) -> str:
        """The cell of one side (0 before, 1 after), as both sides can have it in one column."""
        ...

    def shown(self, cell: str, column: Column) -> str:
        """The cell as Python can have it."""
        ...

    def is_plain(self, column: Column) -> bool:
        """Python has the cells of this column as they are; else as text."""
        ...

    def sorted_by(self, cell: str) -> str:
        """For ORDER BY of few rows: sorting them is cheaper than going through an index."""
        ...

    def grouped(self, cell: str, pair: Pair) -> tuple[str, ...]:
        """What to group by, so that cells come together that hold the same, and no others: the cell; after it
        texts of which none begins as another, or nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Sides:
    """Two relations, as they stand in FROM, and the columns that both have."""

    before: str
    after: str
    shared: tuple[Pair, ...]
    dialect: Dialect


def all_of(conditions: Sequence[str]) -> str:
    """Their conjunction; true where there are none."""
    return _tree(conditions, "AND") if conditions else "1=1"


def _tree(parts: Sequence[str], operator: str) -> str:
    if len(parts) == 1:
        return parts[0]
    half = len(parts) // 2
    return f"({_tree(parts[:half], operator)} {operator} {_tree(parts[half:], operator)})"


def changed_or_gone(
    sides: Sides, key: Sequence[Pair], before: Sequence[Column], after: Sequence[Column]
) -> str:
    """Rows of `before` without an equal one under their key: whether one is there, the cells of `before`, the
    cells of `after`. The key is unique on both sides, and never NULL."""
    cells = ", ".join([*_cells(sides, 0, before), *_cells(sides, 1, after)])
    there = f"a.{quoted(key[0][1].name)} IS NOT NULL"
    return (
        f"SELECT {there}, {cells} FROM {sides.before} b LEFT JOIN {sides.after} a ON {_match(sides, key)}"
        f" WHERE NOT ({there}) OR {_differs(sides)} ORDER BY {_order(sides, key, 0)}"
    )


def all_changes(sides: Sides, key: Sequence[Pair], before: Sequence[Column], after: Sequence[Column]) -> str:
    """The same and new rows, by one join: whether the row is on each side, the cells of both."""
    cells = ", ".join([*_cells(sides, 0, before), *_cells(sides, 1, after)])
    old, new = (f"{'ba'[n]}.{quoted(key[0][n].name)} IS NOT NULL" for n in (0, 1))
    return (
        f"SELECT {old}, {new}, {cells}"
        f" FROM {sides.before} b FULL JOIN {sides.after} a ON {_match(sides, key)}"
        f" WHERE NOT ({old} AND {new}) OR {_differs(sides)}"
        f" ORDER BY {_order(sides, key, 0)}, {_order(sides, key, 1)}"
    )


def new_rows(sides: Sides, key: Sequence[Pair], after: Sequence[Column], *, at_end: bool = False) -> str:
    """Rows whose key only `after` has; `at_end`: those alone whose key is above all of `before`."""
    missing = f"NOT EXISTS (SELECT 1 FROM {sides.before} b WHERE {_match(sides, key)})"
    condition = _above(sides, key) if at_end else missing
    cells = ", ".join(_cells(sides, 1, after))
    return f"SELECT {cells} FROM {sides.after} a WHERE {condition} ORDER BY {_order(sides, key, 1)}"


def rows_at_end(sides: Sides, key: Sequence[Pair]) -> str:
    """How many rows of `after` have a key above all of `before`; the key is one column, of integers."""
    return f"SELECT count(*) FROM {sides.after} a WHERE {_above(sides, key)}"


def _above(sides: Sides, key: Sequence[Pair]) -> str:
    old, new = (quoted(column.name) for column in key[0])
    return f"a.{new} > (SELECT max(b.{old}) FROM {sides.before} b)"


def _differs(sides: Sides) -> str:
    return f"NOT {all_of([sides.dialect.same_cell(*_both(pair), pair) for pair in sides.shared])}"


def _order(sides: Sides, key: Sequence[Pair], side: int) -> str:
    return ", ".join(sides.dialect.sorted_by(f"{'ba'[side]}.{quoted(pair[side].name)}") for pair in key)


def oftener(sides: Sides, skip: Callable[[str, str], str] | None = None) -> str:
    """Rows of shared cells with how much oftener they stand in `after`; negative: in `before`.

    `skip(inner, outer)`, given the aliases of a side and the other: a condition for rows that need no
    counting, because each has one partner there that is the same.
    """
    grouped = [sides.dialect.grouped(f"c{n}", pair) for n, pair in enumerate(sides.shared)]
    classes = [word for words in grouped for word in words[1:]]  # one more term: their number is limited
    groups = ", ".join([words[0] for words in grouped] + ([_tree(classes, "||")] if classes else []))
    cells = ", ".join(sides.dialect.shown(f"c{n}", pair[0]) for n, pair in enumerate(sides.shared))
    parts = " UNION ALL ".join(_counted(sides, side, skip) for side in (0, 1))
    counted = f"SELECT sum(n__), {cells} FROM ({parts}) GROUP BY {groups}"
    return f"{counted} HAVING sum(n__) <> 0 ORDER BY {groups}"


def _counted(sides: Sides, side: int, skip: Callable[[str, str], str] | None) -> str:
    mine, other = ("b", "a") if side == 0 else ("a", "b")
    here, there = (sides.before, sides.after) if side == 0 else (sides.after, sides.before)
    cells = ", ".join(
        f"{sides.dialect.common(f'{mine}.{quoted(pair[side].name)}', pair, side)} AS c{n}"
        for n, pair in enumerate(sides.shared)
    )
    where = ""
    if skip is not None:
        same = all_of([sides.dialect.same_cell(*_both(pair), pair) for pair in sides.shared])
        partner = f"SELECT 1 FROM {there} {other} WHERE {skip(mine, other)} AND {same}"
        where = f" WHERE NOT EXISTS ({partner})"
    return f"SELECT {cells}, {1 if side else -1} AS n__ FROM {here} {mine}{where}"


def row_of(sides: Sides, side: int, key: Sequence[Pair], columns: Sequence[Column]) -> str:
    """The one row with a key, whose cells are given as values."""
    alias = "ba"[side]
    match = " AND ".join(f"{alias}.{quoted(pair[side].name)} = ?" for pair in key)
    relation = sides.after if side else sides.before
    return f"SELECT {', '.join(_cells(sides, side, columns))} FROM {relation} {alias} WHERE {match}"


def doubled(relation: str, key: Sequence[str]) -> str:
    """One key that more than one row has; no row where it tells all rows apart that have it whole."""
    names = ", ".join(map(quoted, key))
    whole = f"NOT ({_has_hole(key)})"
    return f"SELECT {names} FROM {relation} WHERE {whole} GROUP BY {names} HAVING count(*) > 1 LIMIT 1"


def matched_twice(sides: Sides, key: Sequence[Pair], side: int) -> str:
    """One row of a side that several rows of the other have the key of; no row where there is none."""
    own = ("b", "a")[side]
    words = (sides.dialect.grouped(f"{own}.{quoted(pair[side].name)}", pair) for pair in key)
    groups = ", ".join(word for found in words for word in found)
    joined = f"{sides.before} b JOIN {sides.after} a ON {_match(sides, key)}"
    return f"SELECT 1 FROM {joined} GROUP BY {groups} HAVING count(*) > 1 LIMIT 1"


def keyless(relation: str, key: Sequence[str]) -> str:
    """How many rows lack a part of their key."""
    return f"SELECT count(*) FROM {relation} WHERE {_has_hole(key)}"


def split(
    sides: Sides, key: Sequence[Pair], columns: tuple[Sequence[str], Sequence[str]]
) -> tuple[Sides, Sides]:
    """The rows that have the whole key, and those that do not; `columns`: all that each side has."""
    made = []
    for condition in ("NOT ({})", "{}"):
        relations = [
            filtered(
                relation,
                list(map(quoted, columns[n])),
                condition.format(_has_hole([pair[n].name for pair in key])),
            )
            for n, relation in enumerate((sides.before, sides.after))
        ]
        made.append(replace(sides, before=relations[0], after=relations[1]))
    return made[0], made[1]


def filtered(relation: str, cells: Sequence[str], condition: str) -> str:
    """The rows that a condition is true of, as they stand in FROM."""
    return f"(SELECT {', '.join(cells)} FROM {relation} WHERE ({condition}\n))"


def _has_hole(key: Sequence[str]) -> str:
    return " OR ".join(f"{quoted(name)} IS NULL" for name in key)


def _both(pair: Pair) -> tuple[str, str]:
    return f"b.{quoted(pair[0].name)}", f"a.{quoted(pair[1].name)}"


def _match(sides: Sides, key: Sequence[Pair]) -> str:
    return all_of([sides.dialect.same_key(*_both(pair), pair) for pair in key])


def _cells(sides: Sides, side: int, columns: Sequence[Column]) -> list[str]:
    """Shared cells as both sides can have them, so that they compare; the others as they are."""
    alias = "ba"[side]
    pairs = {pair[side].name: pair for pair in sides.shared}
    found = []
    for column in columns:
        cell = f"{alias}.{quoted(column.name)}"
        if (pair := pairs.get(column.name)) is not None:
            cell = sides.dialect.common(cell, pair, side)
        found.append(sides.dialect.shown(cell, column))
    return found
