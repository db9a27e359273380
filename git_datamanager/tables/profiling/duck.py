"""The aggregates of a profile, for DuckDB: docs/design/tables.md, "Profile"."""

import re
from collections.abc import Sequence
from dataclasses import replace

from git_datamanager.tables.csvs import exactly
from git_datamanager.tables.engine import Engine
from git_datamanager.tables.profiling.profiled import ColumnProfile, Frequent
from git_datamanager.tables.rowdiff import quoted
from git_datamanager.tables.schema import Column
from git_datamanager.tables.values import SHOWN

_TOP = 5
_TEXT = "VARCHAR"
_INTEGER = re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT|U?INTEGER")
_NUMBER = re.compile(rf"{_INTEGER.pattern}|FLOAT|DOUBLE|DECIMAL\(.*\)")
_SIMPLE = re.compile(rf"{_NUMBER.pattern}|[A-Z_ ]+")
"""Types whose values have an order that people know; the others are ordered, and told apart, as text."""


class DuckMeasure:
    """A Measure by the SQL of DuckDB."""

    exact = 1_000_000

    def __init__(self, engine: Engine, *, is_text: bool) -> None:
        """`is_text`: all cells are texts, of which some look like numbers or times."""
        self._engine = engine
        self._is_text = is_text

    def columns(
        self,
        relation: str,
        columns: Sequence[Column],
        rows: int,
        exact: int,
        key: Sequence[str] = (),  # noqa: ARG002 -- no file declares a key
    ) -> list[ColumnProfile]:
        """One scan for the aggregates, one for the values of each column. Beyond `exact` rows distinct values
        are estimated (HyperLogLog)."""
        return [self._column(relation, self._certain(relation, column), rows, exact) for column in columns]

    def _certain(self, relation: str, column: Column) -> Column:
        """With the type that all its cells look like, not the first alone."""
        if not self._is_text or column.type == _TEXT:
            return column
        found = exactly(lambda sql: next(self._engine.rows(sql)), relation, [column.name])
        return replace(column, type=found[column.name])

    def _column(self, relation: str, column: Column, rows: int, exact: int) -> ColumnProfile:
        cell, value, told = quoted(column.name), self._value(column), self._told(column)
        is_number = bool(_NUMBER.fullmatch(column.type))
        distinct = f"count(DISTINCT {told})" if rows <= exact else f"approx_count_distinct({told})"
        words = [
            f"count(*) - count({cell})",
            f"count(*) FILTER ({cell} = '')" if self._is_text or column.type == _TEXT else "0",
            _clipped(f"min({value})", column),
            _clipped(f"max({value})", column),
            f"avg(CAST({value} AS DOUBLE)) FILTER (isfinite(CAST({value} AS DOUBLE)))"
            if is_number
            else "NULL",
            distinct,
        ]
        (found,) = self._engine.rows(f"SELECT {', '.join(words)} FROM {relation}")
        nulls, empty, minimum, maximum, mean, number = found
        skipped = empty if self._is_text else 0
        return ColumnProfile(
            name=column.name,
            type=column.type,
            nulls=nulls,
            empty=empty,
            minimum=minimum,
            maximum=maximum,
            mean=mean,
            distinct=number,
            is_distinct_exact=rows <= exact,
            top=() if rows <= exact and number == rows - nulls - skipped else self._top(relation, column),
        )

    def _top(self, relation: str, column: Column) -> tuple[Frequent, ...]:
        cell = self._told(column)
        shown = _clipped("c", Column(column.name, _TEXT) if self._is_text else column)
        counted = f"SELECT {cell} AS c, count(*) AS n FROM {relation} WHERE {cell} IS NOT NULL GROUP BY 1"
        rows = self._engine.rows(
            f"SELECT {shown}, n FROM ({counted}) WHERE n > 1 ORDER BY n DESC, c LIMIT {_TOP}"
        )
        return tuple(Frequent(value, n) for value, n in rows)

    def _told(self, column: Column) -> str:
        """What tells values apart: of texts their writing, 1.0 is not 1.00, and an empty one is no value."""
        return f"nullif({quoted(column.name)}, '')" if self._is_text else self._value(column)

    def _value(self, column: Column) -> str:
        """What is compared for the extremes."""
        if self._is_text and column.type != _TEXT:
            return f"TRY_CAST({quoted(column.name)} AS {column.type or _TEXT})"
        cell = self._told(column) if self._is_text else quoted(column.name)
        return cell if _SIMPLE.fullmatch(column.type) else f"CAST({cell} AS VARCHAR)"


def _clipped(cell: str, column: Column) -> str:
    """Not more of a text or blob than is shown; as Python can have it."""
    if column.type in ("BOOLEAN", "FLOAT", "DOUBLE") or _INTEGER.fullmatch(column.type):
        return cell
    if column.type == "BLOB":
        return f"array_slice({cell}, 1, {SHOWN})"
    return f"left(CAST({cell} AS VARCHAR), {SHOWN})"
