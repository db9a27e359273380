"""JSON lines as tables of DuckDB: every key of any line is a column, its values stay JSON."""

from pathlib import Path
from typing import TYPE_CHECKING

from git_datamanager.errors import Corrupt
from git_datamanager.tables.engine import ROWS
from git_datamanager.tables.rowdiff import literal, quoted
from git_datamanager.tables.schema import NARROW, Column, Table, distinct_names, folded
from git_datamanager.tables.words import said

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

LONGEST = 32 << 20
"""Bytes of a line that is still read; DuckDB keeps a few of them in memory."""
_WHOLE = "json"
"""The column of lines that are no object of distinct keys: they stand in it as they are."""
_IS_WHOLE = "len(json_keys(json)) = 0 OR len(list_distinct(json_keys(json))) < len(json_keys(json))"


def load(
    database: "DuckDBPyConnection",
    table: str,
    path: Path,
    name: str = "",  # noqa: ARG001 -- as every reader
    *,
    may_pack: bool = False,
) -> Table:
    """Make a table of this name; `may_pack`: very many columns may become one, `cells`.

    Raises Corrupt saying what cannot be read."""
    import duckdb

    with path.open("rb") as file:
        compression = "gzip" if file.read(2) == b"\x1f\x8b" else "none"
    lines = (
        f"(SELECT json, {_IS_WHOLE} AS is_whole FROM read_json_objects({literal(str(path))},"
        f" format = 'newline_delimited', maximum_object_size = {LONGEST}, compression = '{compression}'))"
    )
    try:
        return _loaded(database, table, lines, may_pack=may_pack)
    except duckdb.Error as error:
        raise Corrupt(f"the file cannot be read as JSON lines ({said(error)})") from error


def _loaded(database: "DuckDBPyConnection", table: str, lines: str, *, may_pack: bool) -> Table:
    listed = f"SELECT DISTINCT unnest(CASE WHEN is_whole THEN [NULL] ELSE json_keys(json) END) FROM {lines}"
    found = {key for (key,) in database.execute(listed).fetchall()}
    if not found:
        database.execute(f"CREATE TABLE {table} (nothing INTEGER)")
        return Table(ROWS, ())
    keys = sorted(found - {None}, key=lambda key: (folded(key), key != folded(key), key))
    names = distinct_names([*keys, *([_WHOLE] if None in found else [])])
    pointers = ", ".join(map(literal, map(_pointer, keys)))
    cells = [f"cells[{n}] AS {quoted(name)}" for n, name in enumerate(names[: len(keys)], 1)]
    cells += [f"whole AS {quoted(name)}" for name in names[len(keys) :]]
    if may_pack and len(names) > NARROW:
        whole = ", [whole]" if None in found else ""
        nothing = f"list_resize([]::JSON[], {len(keys)})"
        cells = [f"list_concat(coalesce(cells, {nothing}){whole})::VARCHAR[] AS cells"]
    database.execute(
        f"CREATE TABLE {table} AS SELECT {', '.join(cells)}"
        f" FROM (SELECT CASE WHEN is_whole THEN json END AS whole,"
        f" CASE WHEN NOT is_whole THEN json_extract(json, [{pointers}]::VARCHAR[]) END AS cells FROM {lines})"
    )
    return Table(ROWS, tuple(Column(name, "JSON") for name in names))


def _pointer(key: str) -> str:
    """As RFC 6901 writes it."""
    return "/" + key.replace("~", "~0").replace("/", "~1")
