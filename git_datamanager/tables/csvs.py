"""CSV and TSV as tables of DuckDB, every cell a text, and what type the cells look like."""

import csv
import re
import secrets
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from git_datamanager.errors import Corrupt
from git_datamanager.tables.engine import ROWS
from git_datamanager.tables.result import Row
from git_datamanager.tables.rowdiff import literal, quoted
from git_datamanager.tables.schema import NARROW, Column, Table, shared
from git_datamanager.tables.separated import (
    LINE,
    Csv,
    has_spaced_quotes,
    make_plain,
    plain_of,
    shape_of,
    sniffed,
    widened,
)
from git_datamanager.tables.words import said

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

TEXT = "VARCHAR"
_LOOKS = {
    "BIGINT": r"[+-]?[0-9]{1,18}",
    "DOUBLE": r"(?i)[+-]?([0-9]+\.?[0-9]*(e[+-]?[0-9]+)?|\.[0-9]+(e[+-]?[0-9]+)?|nan|inf(inity)?)",
    "BOOLEAN": r"(?i)true|false",
    "DATE": r"[0-9]{4}-[0-9]{2}-[0-9]{2}",
    "TIMESTAMP": r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?"
    r"(Z|[+-][0-9]{2}(:?[0-9]{2})?)?",
}
"""What all cells of a column look like that are not empty: the first that fits, in Python as in DuckDB."""


def load(
    database: "DuckDBPyConnection", table: str, path: Path, name: str = "", *, may_pack: bool = False
) -> Table:
    """Make a table of this name. `path` lies in a private folder, which may get another file for a moment;
    `name`: what the dataset is called; `may_pack`: very many columns may become one, `cells`.

    Raises Corrupt saying what cannot be read."""
    import duckdb

    try:
        reading = sniffed(path, name)
        shape = shape_of(path, reading)
        if not shape.names:
            database.execute(f"CREATE TABLE {table} (nothing INTEGER)")
            return Table(ROWS, ())
        names, is_packed = shape.names, may_pack and len(shape.names) > NARROW
        if is_packed or not _strictly(database, table, path, reading, names):
            names = _patiently(database, table, path, reading, names, is_packed=is_packed)
    except duckdb.OutOfMemoryException as error:
        raise Corrupt("the file takes more memory than a comparison has") from error
    except (csv.Error, ValueError, OSError, EOFError, zlib.error) as error:
        raise Corrupt(f"the file cannot be read as CSV ({said(error)})") from error
    types = [_guessed(cells) for cells in _columns(shape.sample, len(names))]
    return Table(ROWS, tuple(map(Column, names, types)))


def _strictly(
    database: "DuckDBPyConnection", table: str, path: Path, reading: Csv, names: Sequence[str]
) -> bool:
    """By DuckDB alone, where the file is as the standard has it; else nothing is done."""
    import duckdb

    if reading.starts_blank or not reading.encoding.startswith("utf-8") or has_spaced_quotes(path, reading):
        return False
    columns = ", ".join(f"{literal(name)}: '{TEXT}'" for name in names)
    try:
        # No text is NULL: an empty cell is an empty text.
        database.execute(
            f"CREATE TABLE {table} AS SELECT * FROM read_csv({literal(str(path))}, auto_detect = false,"
            f" columns = {{{columns}}}, header = true, delim = {literal(reading.delimiter)}, quote = '\"',"
            f" escape = '\"', nullstr = '{secrets.token_hex(8)}', compression = '{reading.compression}',"
            f" max_line_size = {LINE}, buffer_size = {2 * LINE})"
        )
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error:
        return False
    return True


def _patiently(
    database: "DuckDBPyConnection",
    table: str,
    path: Path,
    reading: Csv,
    names: Sequence[str],
    *,
    is_packed: bool,
) -> tuple[str, ...]:
    """By Python first, into a private file: any encoding, rows of any length, stray quotes. What a row lacks
    is NULL. `is_packed`: every row stays one list, `cells`. Returns the names of all columns."""
    import duckdb

    plain = plain_of(path)
    with plain.open("w", encoding="utf-8", errors="replace", newline="") as file:
        count = make_plain(path, reading, file)
    all_names = widened(names, count)
    columns = ", ".join(f"cells[{n}] AS {quoted(name)}" for n, name in enumerate(all_names, 1))
    try:
        database.execute(
            f"CREATE TABLE {table} AS SELECT {'cells' if is_packed else columns}"
            f" FROM (SELECT json::VARCHAR[] AS cells FROM read_json_objects({literal(str(plain))},"
            f" format = 'newline_delimited', maximum_object_size = {2 * LINE}))"
        )
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as error:
        raise ValueError(said(error)) from error
    finally:
        plain.unlink()
    return all_names


def _columns(rows: Sequence[Sequence[str]], count: int) -> list[list[str]]:
    return [[row[n] for row in rows if n < len(row) and row[n] != ""] for n in range(count)]


def _guessed(cells: Sequence[str]) -> str:
    """Of the first cells; empty where there are none."""
    if not cells:
        return ""
    looks = ((kind, re.compile(look)) for kind, look in _LOOKS.items())
    return next((kind for kind, look in looks if all(map(look.fullmatch, cells))), TEXT)


def settled(database: "DuckDBPyConnection", before: Table, after: Table) -> tuple[Table, Table]:
    """The tables `before` and `after` with the type of every column. A guess that only one side can make
    counts for both; where guesses differ all cells are looked at."""
    both = shared(before, after)
    differing = [pair for pair in both if pair[0].type and pair[1].type and pair[0].type != pair[1].type]
    is_wide = max(len(before.columns), len(after.columns)) > NARROW
    found = []

    def run(sql: str) -> Row:
        return database.execute(sql).fetchone() or ()

    for n, table in enumerate((before, after)):
        known = {pair[n].name: pair[1 - n].type for pair in both if not pair[n].type}
        names = [pair[n].name for pair in differing]
        known |= dict.fromkeys(names, TEXT) if is_wide else exactly(run, ("before", "after")[n], names)
        columns = (
            replace(column, type=known.get(column.name, column.type) or TEXT) for column in table.columns
        )
        found.append(replace(table, columns=tuple(columns)))
    return found[0], found[1]


def exactly(run: Callable[[str], Row], table: str, names: Sequence[str]) -> dict[str, str]:
    """The type that all cells of these columns look like, TEXT of those that have none; `run`: the first row
    of a statement."""
    if not names:
        return {}
    counts = ", ".join(
        f"count(*) FILTER ({quoted(name)} <> '' AND NOT regexp_full_match({quoted(name)}, {literal(look)}))"
        for name in names
        for look in _LOOKS.values()
    )
    filled = ", ".join(f"count(nullif({quoted(name)}, ''))" for name in names)
    found = run(f"SELECT {filled}, {counts} FROM {table}")
    with_cells = [name for name, cells in zip(names, found, strict=False) if cells]
    misfits = dict(zip(product(names, _LOOKS), found[len(names) :], strict=True))
    fits = {name: next((kind for kind in _LOOKS if not misfits[name, kind]), TEXT) for name in with_cells}
    return dict.fromkeys(names, TEXT) | fits
