"""The SQL of a three-way merge of one table: as text, for either engine. Pure: docs/design/rowmerge.md.

Aliases: `b` base, `o` ours, `t` theirs. All three have the same columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from git_datamanager.tables.rowdiff import Dialect, all_of, quoted
from git_datamanager.tables.schema import Column


class Take(StrEnum):
    """Whose value stands where both sides changed one thing differently."""

    OURS = "ours"
    THEIRS = "theirs"
    BASE = "base"


@dataclass(frozen=True, slots=True)
class Three:
    """A table on three sides, as it stands in FROM; the key is unique on each, and never NULL."""

    base: str
    ours: str
    theirs: str
    columns: tuple[Column, ...]
    key: tuple[Column, ...]
    dialect: Dialect

    def same(self, one: str, other: str) -> str:
        """All cells of two rows are the same."""
        return all_of([self.same_cell(one, other, column) for column in self.columns])

    def same_cell(self, one: str, other: str, column: Column) -> str:
        name = quoted(column.name)
        return self.dialect.same_cell(f"{one}.{name}", f"{other}.{name}", (column, column))

    def match(self, one: str, other: str) -> str:
        """Two rows have one key."""
        return all_of(
            [
                self.dialect.same_key(
                    f"{one}.{quoted(column.name)}", f"{other}.{quoted(column.name)}", (column, column)
                )
                for column in self.key
            ]
        )

    def missing(self, alias: str) -> str:
        """A left join found no such row."""
        return f"{alias}.{quoted(self.key[0].name)} IS NULL"

    def clashing_cells(self) -> str:
        """Some cell differs on all three sides; of a row that both added, on both."""
        return any_of([self._clashes(column) for column in self.columns])

    def _clashes(self, column: Column) -> str:
        apart, ours, theirs = (f"NOT ({self.same_cell(a, b, column)})" for a, b in ("ot", "ob", "tb"))
        return f"({apart} AND ({self.missing('b')} OR ({ours} AND {theirs})))"

    def cells(self, alias: str) -> list[str]:
        return [self.dialect.shown(f"{alias}.{quoted(column.name)}", column) for column in self.columns]

    def row(self, alias: str) -> str:
        return ", ".join(f"{alias}.{quoted(column.name)}" for column in self.columns)

    def merged_row(self, take: Take) -> str:
        """What a row that all sides have becomes, or one that both have added."""
        return ", ".join(
            self._merged(column, take, f".{quoted(column.name)}") + f" AS {quoted(column.name)}"
            for column in self.columns
        )

    def restored_row(self) -> str:
        """A row of ours that becomes what it was in base."""
        return self.row("b")

    def _merged(self, column: Column, take: Take, suffix: str, mark: str = "") -> str:
        """One of the three aliases, with something around it, as the cell is decided."""
        ours, theirs, base = (f"{mark}{alias}{suffix}" for alias in "otb")
        chosen = {Take.OURS: ours, Take.THEIRS: theirs, Take.BASE: base}[take]
        is_old = f"NOT ({self.missing('b')})"
        return (
            f"CASE WHEN {self.same_cell('o', 't', column)} THEN {ours}"
            f" WHEN {is_old} AND {self.same_cell('t', 'b', column)} THEN {ours}"
            f" WHEN {is_old} AND {self.same_cell('o', 'b', column)} THEN {theirs}"
            f" ELSE {chosen} END"
        )


@dataclass(frozen=True, slots=True)
class Placed(Three):
    """The same, of rows that lie in files: not what they hold is asked for but where it stands. Every
    side has a column of this name, that of the number of the row."""

    place: str = "place"

    def row(self, alias: str) -> str:
        return f"'{alias}', {alias}.{quoted(self.place)}"

    def merged_row(self, take: Take) -> str:
        """The three places, and for each column the alias of the side whose cell it has."""
        sources = (self._merged(column, take, "'", "'") for column in self.columns)
        places = ", ".join(f"{alias}.{quoted(self.place)}" for alias in "otb")
        return f"{places}, concat({', '.join(sources)})"

    def restored_row(self) -> str:
        place = quoted(self.place)
        return f"o.{place}, NULL, b.{place}, '{'b' * len(self.columns)}'"


def any_of(conditions: Sequence[str]) -> str:
    """Their disjunction, as a balanced tree."""
    if len(conditions) < 2:
        return conditions[0] if conditions else "1=0"
    half = len(conditions) // 2
    return f"({any_of(conditions[:half])} OR {any_of(conditions[half:])})"


def changed_on_both(three: Three) -> str:
    """Rows with clashing cells: whether base has the row, then the cells of base, ours and theirs."""
    cells = ", ".join([*three.cells("b"), *three.cells("o"), *three.cells("t")])
    return (
        f"SELECT NOT ({three.missing('b')}), {cells} FROM {three.ours} o"
        f" JOIN {three.theirs} t ON {three.match('o', 't')}"
        f" LEFT JOIN {three.base} b ON {three.match('o', 'b')} WHERE {three.clashing_cells()}"
    )


def removed_and_changed(three: Three, *, gone: str, left: str) -> str:
    """Rows of base that one side (`gone`: its alias) removed and the other (`left`) changed: the cells of
    base, then of the side that has it."""
    relations = {"o": three.ours, "t": three.theirs}
    cells = ", ".join([*three.cells("b"), *three.cells(left)])
    return (
        f"SELECT {cells} FROM {three.base} b JOIN {relations[left]} {left} ON {three.match('b', left)}"
        f" LEFT JOIN {relations[gone]} {gone} ON {three.match('b', gone)}"
        f" WHERE {three.missing(gone)} AND NOT ({three.same(left, 'b')})"
    )


def changed_rows(three: Three, take: Take) -> str:
    """Rows of both sides that theirs changed, as they are to be."""
    new = three.missing("b")
    kept = f"NOT ({new})" if take is Take.BASE else "1"  # in base a row that both added is not
    sql = (
        f"SELECT {three.merged_row(take)} FROM {three.ours} o"
        f" JOIN {three.theirs} t ON {three.match('o', 't')}"
        f" LEFT JOIN {three.base} b ON {three.match('o', 'b')}"
        f" WHERE NOT ({three.same('o', 't')}) AND ({new} OR NOT ({three.same('t', 'b')})) AND {kept}"
    )
    if take is Take.BASE:  # what theirs removed and ours changed
        sql += (
            f" UNION ALL SELECT {three.restored_row()} FROM {three.base} b"
            f" JOIN {three.ours} o ON {three.match('b', 'o')} LEFT JOIN {three.theirs} t"
            f" ON {three.match('b', 't')} WHERE {three.missing('t')} AND NOT ({three.same('o', 'b')})"
        )
    return sql


def gone_rows(three: Three, take: Take) -> str:
    """Rows of ours that are to go: theirs removed them, and ours left them alone."""
    decided = "1" if take is Take.THEIRS else three.same("o", "b")
    sql = (
        f"SELECT {three.row('o')} FROM {three.ours} o JOIN {three.base} b ON {three.match('o', 'b')}"
        f" LEFT JOIN {three.theirs} t ON {three.match('b', 't')} WHERE {three.missing('t')} AND {decided}"
    )
    if take is Take.BASE:
        sql += (
            f" UNION ALL SELECT {three.row('o')} FROM {three.ours} o"
            f" JOIN {three.theirs} t ON {three.match('o', 't')}"
            f" LEFT JOIN {three.base} b ON {three.match('o', 'b')}"
            f" WHERE {three.missing('b')} AND NOT ({three.same('o', 't')})"
        )
    return sql


def new_rows(three: Three, take: Take) -> str:
    """Rows that ours does not have and is to have."""
    decided = {Take.OURS: "0", Take.THEIRS: f"NOT ({three.same('t', 'b')})", Take.BASE: "0"}[take]
    sql = (
        f"SELECT {three.row('t')} FROM {three.theirs} t"
        f" LEFT JOIN {three.ours} o ON {three.match('t', 'o')}"
        f" LEFT JOIN {three.base} b ON {three.match('t', 'b')}"
        f" WHERE {three.missing('o')} AND ({three.missing('b')} OR {decided})"
    )
    if take is Take.BASE:
        sql += (
            f" UNION ALL SELECT {three.row('b')} FROM {three.base} b"
            f" JOIN {three.theirs} t ON {three.match('b', 't')} LEFT JOIN {three.ours} o"
            f" ON {three.match('b', 'o')} WHERE {three.missing('o')} AND NOT ({three.same('t', 'b')})"
        )
    return sql


def counted(base: str, ours: str, theirs: str, columns: Sequence[Column], dialect: Dialect) -> str:
    """Rows that are matched by nothing but their cells, whose count theirs changed: how often they stand in
    base, ours and theirs, and the cells."""
    parts = [
        f"SELECT {', '.join(f'{quoted(c.name)} AS c{n}' for n, c in enumerate(columns))},"
        f" {int(side == 0)} AS nb, {int(side == 1)} AS no, {int(side == 2)} AS nt FROM {relation}"
        for side, relation in enumerate((base, ours, theirs))
    ]
    groups = [word for n, c in enumerate(columns) for word in dialect.grouped(f"c{n}", (c, c))]
    cells = ", ".join(f"c{n}" for n in range(len(columns)))
    return (
        f"SELECT sum(nb) AS nb, sum(no) AS no, sum(nt) AS nt, {cells} FROM ({' UNION ALL '.join(parts)})"
        f" GROUP BY {', '.join(groups)} HAVING sum(nt) <> sum(nb)"
    )
