"""Tables of very many columns in DuckDB: docs/design/tables.md, "Memory and time".

DuckDB takes some 130 KB for every column of a result, whatever it holds. So rows of more than NARROW columns
are one list of texts each, `cells`; they are compared list by list.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from git_datamanager.tables.comparison import Comparison
from git_datamanager.tables.engine import Engine
from git_datamanager.tables.result import Row, RowChange, TableDiff
from git_datamanager.tables.rowdiff import quoted
from git_datamanager.tables.schema import Column, Table, distinct_names, folded, shared

_WORD = re.compile(r'"(?:[^"]|"")*"|\w+')
_SHARED, _ALL = "shared cells", ("cells before", "cells after")


def relation_of(cells: Iterable[str], table: str) -> str:
    """The lists of a table that has columns of its own, as they stand in FROM; `cells`: each as a text."""
    return f"(SELECT [{', '.join(cells)}] AS cells FROM {table})"


def scope(packed: str, table: Table, condition: str) -> tuple[str, Sequence[str]]:
    """The rows as a condition sees them, with those columns alone that it may mean; and what to SELECT from
    that for the lists."""
    words = {
        folded(word[1:-1].replace('""', '"') if word[0] == '"' else word) for word in _WORD.findall(condition)
    }
    cells = [
        f", TRY_CAST(cells[{n + 1}] AS {column.type or 'VARCHAR'}) AS {quoted(column.name)}"
        for n, column in enumerate(table.columns)
        if folded(column.name) in words
    ]
    raw = quoted(distinct_names([*table.names, "cells"])[-1])
    return f"(SELECT cells AS {raw}{''.join(cells)} FROM {packed})", (f"{raw} AS cells",)


def first_rows(engine: Engine, relation: str, limit: int | None) -> list[Row]:
    """Of one side alone. Raises Unreadable."""
    end = "" if limit is None else f" LIMIT {limit}"
    return [tuple(cells) for (cells,) in engine.rows(f"SELECT cells FROM {relation} ORDER BY cells{end}")]


class WideComparison:
    """A table before and after, of which one side at least is wide."""

    def __init__(
        self,
        engine: Engine,
        tables: tuple[Table, Table],
        relations: tuple[str, str],
        key: Sequence[str],
        limit: int | None,
    ) -> None:
        """As Comparison has it; `relations`: of lists."""
        self._engine = engine
        self._tables = tables
        self._relations = relations
        self._key = key
        self._limit = limit
        places = [{column.name: n for n, column in enumerate(table.columns)} for table in tables]
        self._places = [[places[side][pair[side].name] for pair in shared(*tables)] for side in (0, 1)]

    def diff(self, outline: TableDiff) -> TableDiff:
        """Fill in what `outline` says of the columns already; nobody counts what a column of one side holds.
        Raises Unreadable."""
        packed = (self._packed(0), self._packed(1))
        tables, relations = (packed[0][0], packed[1][0]), (packed[0][1], packed[1][1])
        found = Comparison(self._engine, tables, relations, [self._key], self._limit).diff(
            replace(outline, columns=())
        )
        is_keyed = bool(found.key)
        return replace(
            found,
            columns=outline.columns,
            before_columns=self._names(0, is_keyed=is_keyed),
            after_columns=self._names(1, is_keyed=is_keyed),
            samples=tuple(
                RowChange(
                    self._unpacked(row.before, 0, is_keyed=is_keyed),
                    self._unpacked(row.after, 1, is_keyed=is_keyed),
                    row.times,
                )
                for row in found.samples
            ),
        )

    def _packed(self, side: int) -> tuple[Table, str]:
        """A narrow table: the cells of the key, the shared cells, all cells; and where its rows are."""
        names = {folded(name): n for n, name in enumerate(self._tables[side].names)}
        keys = [
            self._tables[side].columns[names[folded(name)]] for name in self._key if folded(name) in names
        ]
        cells = [f"cells[{names[folded(column.name)] + 1}] AS {quoted(column.name)}" for column in keys]
        places = ", ".join(str(n + 1) for n in self._places[side])
        cells += [f"list_select(cells, [{places}]) AS {quoted(_SHARED)}", f"cells AS {quoted(_ALL[side])}"]
        columns = [*(Column(column.name) for column in keys), Column(_SHARED), Column(_ALL[side])]
        return Table(
            self._tables[side].name, tuple(columns)
        ), f"(SELECT {', '.join(cells)} FROM {self._relations[side]})"

    def _names(self, side: int, *, is_keyed: bool) -> tuple[str, ...]:
        names = self._tables[side].names
        return names if is_keyed else tuple(names[n] for n in self._places[side])

    def _unpacked(self, row: Row | None, side: int, *, is_keyed: bool) -> Row | None:
        if row is None:
            return None
        if not is_keyed:
            return tuple(row[-1])
        width = len(self._tables[side].names)
        if row[-1] is not None:
            return (*row[-1], *[None] * (width - len(row[-1])))
        cells = dict(zip(self._places[side], row[-2], strict=True))  # a row that has no key
        return tuple(cells.get(n) for n in range(width))
