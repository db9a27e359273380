"""The aggregates of a profile, for SQLite: docs/design/tables.md, "Profile"."""

import math
from collections.abc import Sequence

from git_datamanager.tables.engine import Engine
from git_datamanager.tables.profiling.profiled import ColumnProfile, Frequent
from git_datamanager.tables.rowdiff import quoted
from git_datamanager.tables.schema import Column
from git_datamanager.tables.values import SHOWN, Cell

_CLASSES = ("integer", "real", "text", "blob")
_TOP = 5
_GOLDEN, _RING = 2654435761, 1 << 32
"""Multiples of the golden ratio, modulo a power of two: no period of the rows falls into step with them."""


class SqliteMeasure:
    """A Measure by the SQL of SQLite."""

    exact = 200_000

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def columns(
        self, relation: str, columns: Sequence[Column], rows: int, exact: int, key: Sequence[str] = ()
    ) -> list[ColumnProfile]:
        """One scan for the aggregates, then one for the values of each column. Beyond `exact` rows an even
        share is looked at for values: distinct ones are estimated from those that stand in it once (estimator
        Duj1 of Haas and Stokes, JASA 1998). Those of `key` are what they are."""
        words = [word for n, column in enumerate(columns) for word in _aggregates(quoted(column.name), n)]
        outer = [word for n in range(len(columns)) for word in _clipped_aggregates(n)]
        (found,) = self._engine.rows(
            f"SELECT {', '.join(outer)} FROM (SELECT {', '.join(words)} FROM {relation})"
        )
        step = 1 if rows <= exact else math.ceil(rows / exact)
        width = len(outer) // max(1, len(columns))
        parts = (found[n * width : (n + 1) * width] for n in range(len(columns)))
        return [
            self._column(relation, column, part, step, rows if [column.name] == [*key] else None)
            for column, part in zip(columns, parts, strict=True)
        ]

    def _column(
        self, relation: str, column: Column, found: Sequence[Cell], step: int, unique: int | None
    ) -> ColumnProfile:
        """`unique`: the rows of a table that this column alone tells apart."""
        nulls, empty, minimum, maximum, mean, *counts = found
        classes = sorted(((n or 0, name) for n, name in zip(counts, _CLASSES, strict=True)), reverse=True)
        present = sum(n for n, _ in classes)
        values = self._values(relation, quoted(column.name), step)
        is_exact = step == 1 or unique is not None
        if unique is not None:
            distinct, has_top = present, False
        else:
            asked = f"SELECT count(*), total(n = 1), total(n) FROM ({values})"
            distinct, once, seen = next(self._engine.rows(asked))
            has_top = once < distinct
            if not is_exact and seen:
                distinct = round(seen * distinct / (seen - once + once * seen / present))
        shown = f"SELECT {_clipped('c')}, n FROM ({values}) WHERE n > 1 ORDER BY n DESC, c LIMIT {_TOP}"
        return ColumnProfile(
            name=column.name,
            type=column.type,
            classes=tuple((name, n) for n, name in classes if n),
            nulls=nulls or 0,
            empty=empty or 0,
            minimum=minimum,
            maximum=maximum,
            mean=mean,
            distinct=distinct,
            is_distinct_exact=is_exact,
            top=tuple(Frequent(value, n * step) for value, n in self._engine.rows(shown)) if has_top else (),
            is_top_exact=is_exact,
        )

    @staticmethod
    def _values(relation: str, cell: str, step: int) -> str:
        """The values of a column that are not NULL, `c`, and how often each is there, `n`."""
        rows = f"SELECT {cell} AS c FROM {relation}"
        if step > 1:
            numbered = f"SELECT {cell} AS c, row_number() OVER () AS number FROM {relation}"
            rows = f"SELECT c FROM ({numbered}) WHERE (number * {_GOLDEN} & {_RING - 1}) * {step} < {_RING}"
        groups = "+c COLLATE BINARY, typeof(c)"
        return f"SELECT c, count(*) AS n FROM ({rows}) WHERE c IS NOT NULL GROUP BY {groups}"


def _aggregates(cell: str, n: int) -> list[str]:
    classes = [f"sum(typeof({cell}) = '{name}') AS {name}{n}" for name in _CLASSES]
    return [
        f"sum({cell} IS NULL) AS nulls{n}",
        f"sum({cell} = '' AND typeof({cell}) = 'text') AS empty{n}",
        f"min(+{cell} COLLATE BINARY) AS least{n}",
        f"max(+{cell} COLLATE BINARY) AS most{n}",
        f"avg(CASE WHEN typeof({cell}) IN ('integer', 'real') THEN {cell} END) AS mean{n}",
        *classes,
    ]


def _clipped_aggregates(n: int) -> list[str]:
    classes = [f"{name}{n}" for name in _CLASSES]
    return [f"nulls{n}", f"empty{n}", _clipped(f"least{n}"), _clipped(f"most{n}"), f"mean{n}", *classes]


def _clipped(cell: str) -> str:
    """Not more of a text or blob than is shown."""
    is_long = f"typeof({cell}) IN ('text', 'blob') AND length(CAST({cell} AS BLOB)) > {SHOWN}"
    return f"CASE WHEN {is_long} THEN substr({cell}, 1, {SHOWN}) ELSE {cell} END"
