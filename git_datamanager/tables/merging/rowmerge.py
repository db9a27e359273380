"""The SQL of a three-way merge of one table: as text, for either engine. Pure: docs/design/rowmerge.md.

Aliases: `b` base, `o` ours, `t` theirs. All three have the same columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from git_datamanager.tables.rowdiff import Dialect, all_of, quoted
from git_datamanager.tables.schema import Column

CLASH = "x"
"""The letter of a cell that each side has otherwise."""
CLASH_MARKS = 3
"""What `torn_rows` says of a row before its places and its cells."""


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

    def places(self) -> tuple[str, ...]:
        """Where the row stands in base, ours and theirs, where that can be said."""
        return ()

    def merged_row(self) -> str:
        """What a row becomes that all sides have, and in which nothing clashes."""
        return ", ".join(
            f"CASE WHEN {self.same_cell('o', 'b', column)} THEN t.{quoted(column.name)}"
            f" ELSE o.{quoted(column.name)} END AS {quoted(column.name)}"
            for column in self.columns
        )

    def sources(self) -> str:
        """For each column the alias of the side whose cell the row gets, CLASH where nobody can say."""
        return _joined([self._source(column) for column in self.columns])

    def _source(self, column: Column) -> str:
        is_old = f"NOT ({self.missing('b')})"
        return (
            f"CASE WHEN {self.same_cell('o', 't', column)} THEN 'o'"
            f" WHEN {is_old} AND {self.same_cell('t', 'b', column)} THEN 'o'"
            f" WHEN {is_old} AND {self.same_cell('o', 'b', column)} THEN 't' ELSE '{CLASH}' END"
        )


@dataclass(frozen=True, slots=True)
class Placed(Three):
    """The same, of rows that lie in files: not what they hold is asked for but where it stands. Every
    side has a column of this name, that of the number of the row."""

    place: str = "place"

    def row(self, alias: str) -> str:
        return f"'{alias}', {alias}.{quoted(self.place)}"

    def places(self) -> tuple[str, ...]:
        return tuple(f"{alias}.{quoted(self.place)}" for alias in "bot")

    def merged_row(self) -> str:
        """The three places, and for each column the alias of the side whose cell it has."""
        return f"{', '.join(self.places())}, {self.sources()}"


def any_of(conditions: Sequence[str]) -> str:
    """Their disjunction, as a balanced tree."""
    if len(conditions) < 2:
        return conditions[0] if conditions else "1=0"
    half = len(conditions) // 2
    return f"({any_of(conditions[:half])} OR {any_of(conditions[half:])})"


def _joined(texts: Sequence[str]) -> str:
    """One text, as a balanced tree: engines bound how deep an expression is."""
    if len(texts) < 2:
        return texts[0] if texts else "''"
    half = len(texts) // 2
    return f"({_joined(texts[:half])} || {_joined(texts[half:])})"


def torn_rows(three: Three) -> tuple[str, ...]:
    """Rows with clashing cells, then those of base that one side removed and the other changed: the alias of
    that which removed it, whether base has it, sources, places, and the cells of base, ours and theirs."""
    cells = ", ".join([*three.places(), *three.cells("b"), *three.cells("o"), *three.cells("t")])
    both = (
        f"SELECT '', NOT ({three.missing('b')}), {three.sources()}, {cells} FROM {three.ours} o"
        f" JOIN {three.theirs} t ON {three.match('o', 't')}"
        f" LEFT JOIN {three.base} b ON {three.match('o', 'b')} WHERE {three.clashing_cells()}"
    )
    relations = {"o": three.ours, "t": three.theirs}
    one = (
        f"SELECT '{gone}', 1 = 1, '', {cells} FROM {three.base} b"
        f" JOIN {relations[left]} {left} ON {three.match('b', left)}"
        f" LEFT JOIN {relations[gone]} {gone} ON {three.match('b', gone)}"
        f" WHERE {three.missing(gone)} AND NOT ({three.same(left, 'b')})"
        for gone, left in (("t", "o"), ("o", "t"))
    )
    return (both, *one)


def changed_rows(three: Three) -> str:
    """Rows of all sides that theirs changed, as they are to be; those with clashes are torn."""
    return (
        f"SELECT {three.merged_row()} FROM {three.ours} o"
        f" JOIN {three.theirs} t ON {three.match('o', 't')}"
        f" JOIN {three.base} b ON {three.match('o', 'b')}"
        f" WHERE NOT ({three.same('o', 't')}) AND NOT ({three.same('t', 'b')})"
        f" AND NOT ({three.clashing_cells()})"
    )


def gone_rows(three: Three) -> str:
    """Rows of ours that are to go: theirs removed them, and ours left them alone."""
    return (
        f"SELECT {three.row('o')} FROM {three.ours} o JOIN {three.base} b ON {three.match('o', 'b')}"
        f" LEFT JOIN {three.theirs} t ON {three.match('b', 't')}"
        f" WHERE {three.missing('t')} AND {three.same('o', 'b')}"
    )


def new_rows(three: Three) -> str:
    """Rows that theirs alone has added."""
    return (
        f"SELECT {three.row('t')} FROM {three.theirs} t"
        f" LEFT JOIN {three.ours} o ON {three.match('t', 'o')}"
        f" LEFT JOIN {three.base} b ON {three.match('t', 'b')}"
        f" WHERE {three.missing('o')} AND {three.missing('b')}"
    )


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
