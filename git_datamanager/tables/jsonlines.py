"""JSON lines as tables of DuckDB: every key of any line is a column, its values stay JSON."""

import secrets
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
_LONG = r"-?[0-9.]{17,}(?:[eE][+-]?[0-9]+)?|-?[0-9.]+[eE]-[0-9]{3,}"
"""Numbers of which a double may lose digits, which is what DuckDB makes of a fraction."""
_HAS_LONG = r"[0-9.]{17}|[0-9][eE]-[0-9]{3}"
_TOKENS = rf"""("(?:[^"\\]|\\.)*")|({_LONG})|(-?[0-9.]+[eE][+-]?[0-9]+)"""
"""Texts, such numbers, and numbers whose exponent may look like one."""


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
        asked = f"SELECT count(*) FROM {lines} WHERE regexp_matches(json, {literal(_HAS_LONG)})"
        mark = secrets.token_hex(8) if database.execute(asked).fetchall() != [(0,)] else None
        marked = lines if mark is None else _marked(lines, mark)
        return _loaded(database, table, marked, mark, may_pack=may_pack)
    except duckdb.Error as error:
        raise Corrupt(f"the file cannot be read as JSON lines ({said(error)})") from error


def _marked(lines: str, mark: str) -> str:
    """The lines with all long numbers as texts that begin with the mark: so they stay as they are written."""
    begin, end = f"<{mark}>", f"</{mark}>"
    tokens = rf"regexp_replace(json, {literal(_TOKENS)}, '\1\3{begin}\2{end}', 'g')"
    bare = f"replace({tokens}, {literal(begin + end)}, '')"
    texts = f"""replace(replace({bare}, '{begin}', '"{mark}'), '{end}', '"')"""
    long = f"NOT is_whole AND regexp_matches(json, {literal(_HAS_LONG)})"
    return f"(SELECT CASE WHEN {long} THEN {texts}::JSON ELSE json END AS json, is_whole FROM {lines})"


def _unmarked(cell: str, mark: str | None, kind: str) -> str:
    """`kind`: what the cell is made to be, VARCHAR (and JSON again) or a list of them."""
    if mark is None:
        return cell
    text = f"CAST({cell} AS {kind})"
    number = f"""regexp_replace({{}}, '"{mark}([^"]*)"', '\\1', 'g')"""
    if kind == "VARCHAR":
        return f"{number.format(text)}::JSON"
    return f"list_transform({text}, lambda c: {number.format('c')})"


def _loaded(
    database: "DuckDBPyConnection", table: str, lines: str, mark: str | None, *, may_pack: bool
) -> Table:
    listed = f"SELECT DISTINCT unnest(CASE WHEN is_whole THEN [NULL] ELSE json_keys(json) END) FROM {lines}"
    found = {key for (key,) in database.execute(listed).fetchall()}
    if not found:
        database.execute(f"CREATE TABLE {table} (nothing INTEGER)")
        return Table(ROWS, ())
    keys = sorted(found - {None}, key=lambda key: (folded(key), key != folded(key), key))
    names = distinct_names([*keys, *([_WHOLE] if None in found else [])])
    pointers = ", ".join(map(literal, map(_pointer, keys)))
    cells = [
        f"{_unmarked(f'cells[{n}]', mark, 'VARCHAR')} AS {quoted(name)}"
        for n, name in enumerate(names[: len(keys)], 1)
    ]
    cells += [f"whole AS {quoted(name)}" for name in names[len(keys) :]]
    if may_pack and len(names) > NARROW:
        whole = ", [whole]" if None in found else ""
        nothing = f"list_resize([]::JSON[], {len(keys)})"
        everything = f"list_concat(coalesce(cells, {nothing}){whole})::VARCHAR[]"
        cells = [f"{_unmarked(everything, mark, 'VARCHAR[]')} AS cells"]
    database.execute(
        f"CREATE TABLE {table} AS SELECT {', '.join(cells)}"
        f" FROM (SELECT CASE WHEN is_whole THEN json END AS whole,"
        f" CASE WHEN NOT is_whole THEN json_extract(json, [{pointers}]::VARCHAR[]) END AS cells FROM {lines})"
    )
    return Table(ROWS, tuple(Column(name, "JSON") for name in names))


def _pointer(key: str) -> str:
    """As RFC 6901 writes it."""
    return "/" + key.replace("~", "~0").replace("/", "~1")
