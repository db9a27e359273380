"""CSV and JSON lines with types, to be asked in SQL: docs/design/tables.md, "Questions".

They are read as the comparison reads them, every cell a text; a column gets a type where all of its cells are
of it and none would be written otherwise: 007 stays a text.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from git_datamanager.tables import duck, kinds
from git_datamanager.tables.rowdiff import quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_TEXTS = "git_data_texts"
PLAIN = f"{_TEXTS}.plain"
"""A file beside the link, which reading CSV may need for a moment."""
_SAMPLE = 1000
_IS_DOUBLE = (
    "TRY_CAST({c} AS DOUBLE) IS NOT NULL AND (regexp_full_match({c}, '(?i)[+-]?(nan|inf(inity)?)')"
    " OR (isfinite(TRY_CAST({c} AS DOUBLE)) AND regexp_full_match({c},"
    " '(?i)-?(0|[1-9][0-9]{{0,14}})?([.][0-9]*)?(e[+-]?[0-9]+)?')))"
)
"""No number loses digits before its point: longer ones may be names of things, +49 is a telephone's."""
_FITS = {
    "BIGINT": "CAST(TRY_CAST({c} AS BIGINT) AS VARCHAR) = {c}",
    "DOUBLE": _IS_DOUBLE,
    "BOOLEAN": "lower({c}) IN ('true', 'false')",
    "DATE": "CAST(TRY_CAST({c} AS DATE) AS VARCHAR) = {c}",
    "TIMESTAMP": "TRY_CAST({c} AS TIMESTAMP) IS NOT NULL AND regexp_full_match({c},"
    " '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[T ][0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}}([.][0-9]{{1,6}})?)?')",
}
"""Type → what a text has to be like to be written as it; tried in this order."""
_NUMBERS = {"BIGINT": "TRY_CAST({c} AS BIGINT) IS NOT NULL", "DOUBLE": _IS_DOUBLE}
"""Of JSON, what all values must be like besides."""
_JSON = {
    frozenset(("BIGINT",)): "BIGINT",
    frozenset(("UBIGINT",)): "BIGINT",
    frozenset(("BIGINT", "UBIGINT")): "BIGINT",
    frozenset(("DOUBLE",)): "DOUBLE",
    frozenset(("BIGINT", "DOUBLE")): "DOUBLE",
    frozenset(("DOUBLE", "UBIGINT")): "DOUBLE",
    frozenset(("BIGINT", "DOUBLE", "UBIGINT")): "DOUBLE",
    frozenset(("VARCHAR",)): "VARCHAR",
    frozenset(("BOOLEAN",)): "BOOLEAN",
}


def load(database: "DuckDBPyConnection", kind: str, link: Path, target: str, name: str) -> None:
    """Make the table `target` (quoted) of a file; an empty cell of CSV and null of JSON are NULL.

    Raises Corrupt where it cannot be read.
    """
    names = [column.name for column in duck.READERS[kind](database, _TEXTS, link, name).columns]
    cells = _typed(database, names) if kind == kinds.CSV else _parsed(database, names)
    database.execute(f"CREATE TABLE {target} AS SELECT {', '.join(cells)} FROM {_TEXTS}")
    database.execute(f"DROP TABLE {_TEXTS}")


def _typed(database: "DuckDBPyConnection", names: Sequence[str]) -> list[str]:
    """The columns of a table of texts, cast to the first type that all cells fit."""
    left = {name: list(_FITS) for name in names}
    if not names:
        return ["*"]
    for source in (f"(FROM {_TEXTS} LIMIT {_SAMPLE})", _TEXTS):
        while misfits := _misfits(database, source, left):
            for name in misfits:
                left[name].pop(0)
    return [
        f"TRY_CAST(nullif({c}, '') AS {left[name][0]}) AS {c}" if left[name] else f"nullif({c}, '') AS {c}"
        for name in names
        for c in (quoted(name),)
    ]


def _misfits(database: "DuckDBPyConnection", source: str, left: dict[str, list[str]]) -> list[str]:
    """Columns with a cell that does not fit the first type left to them, or with no cell at all."""
    asked = {name: fits[0] for name, fits in left.items() if fits}
    if not asked:
        return []
    conditions = ", ".join(
        f"coalesce(bool_and(({fits}) IS TRUE) FILTER ({name} <> ''), false)"
        for name, fits in ((quoted(n), _FITS[kind].format(c=quoted(n))) for n, kind in asked.items())
    )
    row = database.execute(f"SELECT {conditions} FROM {source}").fetchall()[0]
    return [name for name, fits in zip(asked, row, strict=True) if not fits]


def _parsed(database: "DuckDBPyConnection", names: Sequence[str]) -> list[str]:
    """The columns of a table of JSON, as the one plain type that all values have; else they stay JSON."""
    if not names:
        return ["*"]
    kinds_of = ", ".join(f"list(DISTINCT json_type({quoted(n)}))" for n in names)
    (row,) = database.execute(f"SELECT {kinds_of} FROM {_TEXTS}").fetchall()
    cells = []
    for name, found in zip(names, row, strict=True):
        c = quoted(name)
        kind = _JSON.get(frozenset(found or ()) - {"NULL", None})
        value = f"json_extract_string({c}, '$')"
        if kind in _NUMBERS and not _all_fit(database, value, _NUMBERS[kind]):
            kind = None
        cells.append(f"CAST({value} AS {kind}) AS {c}" if kind else f"nullif({c}, 'null'::JSON) AS {c}")
    return cells


def _all_fit(database: "DuckDBPyConnection", value: str, condition: str) -> bool:
    fits = f"bool_and({condition.format(c=value)}) FILTER ({value} IS NOT NULL)"
    asked = f"SELECT {fits} FROM {_TEXTS}"
    return bool(database.execute(asked).fetchall()[0][0])
