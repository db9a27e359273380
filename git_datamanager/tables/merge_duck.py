"""Merging the rows of CSV, JSON lines and Parquet files by their key: docs/design/rowmerge.md.

DuckDB says which rows of ours change, go and come; the file is written anew in the order of ours.
"""

import csv
import gzip
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from git_datamanager.errors import Corrupt, DataError
from git_datamanager.tables import duck, kinds, separated
from git_datamanager.tables.clashes import clashes
from git_datamanager.tables.dialect import DuckDialect
from git_datamanager.tables.engine import ROWS
from git_datamanager.tables.merged import LISTED, Clash, RowMerge, TableMerge
from git_datamanager.tables.result import Row
from git_datamanager.tables.rowdiff import doubled, keyless, literal, quoted
from git_datamanager.tables.rowmerge import Take, Three, changed_rows, gone_rows, new_rows
from git_datamanager.tables.schema import Column, Table, folded
from git_datamanager.tables.words import said

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_SIDES = ("base", "ours", "theirs")
_WRITTEN = 64 << 10
"""Rows that go into one row group at a time."""


def merge(
    kind: str, base: Path | None, ours: Path, theirs: Path, out: Path, key: Sequence[str], take: Take | None
) -> RowMerge:
    """Write to `out` (which must not exist) the rows of both sides. With clashes and without `take` nothing
    is written. Raises Corrupt, DataError where the key does not tell rows apart on every side, or the columns
    differ."""
    paths = (base, ours, theirs)
    with tempfile.TemporaryDirectory(prefix="git-data-tables-") as name:
        links = {}
        for side, path in zip(_SIDES, paths, strict=True):
            if path is not None:
                links[side] = Path(name) / side
                links[side].symlink_to(path.absolute())
        with duck.connected(list(links.values()), Path(name)) as database:
            tables = {side: duck.READERS[kind](database, side, link) for side, link in links.items()}
            three = _three(database, tables, key)
            found = list(clashes(ROWS, three, lambda sql: _rows(database, sql)))
            if found and take is None:
                return _merged((), found, is_written=False)
            counts = _collect(database, three, take or Take.OURS)
            _WRITERS[kind](database, three, ours, links["ours"], out)
    return _merged(
        (TableMerge(name=ROWS, added=counts["added"], removed=counts["removed"], changed=counts["changed"]),),
        found,
        is_written=True,
    )


def _merged(tables: tuple[TableMerge, ...], found: list[Clash], *, is_written: bool) -> RowMerge:
    return RowMerge(
        tables=tables, clashes=tuple(found[:LISTED]), clash_count=len(found), is_written=is_written
    )


def _three(database: "DuckDBPyConnection", tables: dict[str, Table], key: Sequence[str]) -> Three:
    ours = tables["ours"]
    if "base" not in tables:
        database.execute("CREATE VIEW base AS SELECT * FROM ours WHERE false")
    for side, table in tables.items():
        if sorted(map(folded, table.names)) != sorted(map(folded, ours.names)):
            raise DataError(f"the columns of {side} and ours differ: their rows cannot be merged")
        absent = [name for name in key if folded(name) not in set(map(folded, table.names))]
        if absent or not key:
            raise DataError(
                "rows are merged by a key, and there is none"
                if not key
                else f"there is no column {absent[0]}"
            )
        (holes,) = next(_rows(database, keyless(side, key)))
        if holes or next(_rows(database, doubled(side, key)), None) is not None:
            raise DataError(f"the key ({', '.join(key)}) does not tell the rows of {side} apart")
    by_name = {folded(column.name): column for column in ours.columns}
    columns = tuple(by_name[folded(name)] for name in key)
    return Three("base", "ours", "theirs", ours.columns, columns, DuckDialect())


def _rows(database: "DuckDBPyConnection", sql: str) -> Iterator[Row]:
    import duckdb

    try:
        cursor = database.cursor().execute(sql)
        while batch := cursor.fetchmany(2048):
            yield from batch
    except duckdb.Error as error:
        raise Corrupt(f"the rows cannot be merged ({said(error)})") from error


def _collect(database: "DuckDBPyConnection", three: Three, take: Take) -> dict[str, int]:
    """Tables of the rows that change, go and come; how many each."""
    counts = {}
    for word, name, sql in (
        ("changed", "changed__", changed_rows(three, take)),
        ("removed", "gone__", gone_rows(three, take)),
        ("added", "new__", new_rows(three, take)),
    ):
        database.execute(f"CREATE TABLE {name} AS {sql}")
        counts[word] = int(next(_rows(database, f"SELECT count(*) FROM {name}"))[0])
    return counts


class _Changes:
    """The rows that change, go and come, by their key; as many as theirs changed are kept in memory."""

    def __init__(self, database: "DuckDBPyConnection", three: Three) -> None:
        names = [folded(column.name) for column in three.columns]
        self.places = [names.index(folded(column.name)) for column in three.key]
        cells, order = (", ".join(quoted(c.name) for c in columns) for columns in (three.columns, three.key))
        changed, gone, self.new = (
            list(_rows(database, f"SELECT {cells} FROM {name} ORDER BY {order}"))
            for name in ("changed__", "gone__", "new__")
        )
        self.changed = {self._key(row): row for row in changed}
        self.gone = {self._key(row) for row in gone}

    def _key(self, row: Row) -> Row:
        return tuple(row[n] for n in self.places)


def _write_csv(database: "DuckDBPyConnection", three: Three, ours: Path, _link: Path, out: Path) -> None:
    reading, changes = separated.sniffed(ours), _Changes(database, three)
    with _opened(ours, "rt", reading) as source, _opened(out, "xt", reading) as target:
        first = source.readline()
        end = "\r\n" if first.endswith("\r\n") else "\n"
        writer = csv.writer(target, delimiter=reading.delimiter, lineterminator=end)
        target.write(first)
        for row in csv.reader(source, delimiter=reading.delimiter):
            key = tuple(row[n] for n in changes.places) if len(row) > max(changes.places) else ()
            if key not in changes.gone:
                writer.writerow(changes.changed.get(key, tuple(row)))
        writer.writerows(changes.new)


def _opened(path: Path, mode: str, reading: separated.Csv) -> IO[str]:
    if reading.compression == "gzip":
        return cast("IO[str]", gzip.open(path, mode, encoding=reading.encoding, newline=""))
    return path.open(mode, encoding=reading.encoding, newline="")


def _write_jsonl(database: "DuckDBPyConnection", three: Three, ours: Path, _link: Path, out: Path) -> None:
    reading, changes = separated.sniffed(ours), _Changes(database, three)
    names = [column.name for column in three.key]
    with _opened(ours, "rt", reading) as source, _opened(out, "xt", reading) as target:
        for line in filter(str.strip, source):
            value = json.loads(line)
            key = tuple(_as_json(value.get(name)) for name in names)
            if key not in changes.gone:
                changed = changes.changed.get(key)
                target.write((_line(three.columns, changed) if changed else line.rstrip("\r\n")) + "\n")
        target.writelines(_line(three.columns, row) + "\n" for row in changes.new)


def _as_json(value: object) -> str:
    """As DuckDB writes it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _line(columns: Sequence[Column], row: Row) -> str:
    """The values are JSON already; what a line does not have is NULL."""
    cells = zip(columns, row, strict=True)
    there = (f"{json.dumps(c.name, ensure_ascii=False)}: {text}" for c, text in cells if text is not None)
    return "{" + ", ".join(there) + "}"


def _write_parquet(database: "DuckDBPyConnection", three: Three, _ours: Path, link: Path, out: Path) -> None:
    """With content-defined chunks, so that the next version is a small delta."""
    from pyarrow import parquet

    cells, taken = (", ".join(f"{alias}.{quoted(c.name)}" for c in three.columns) for alias in "ox")
    match = " AND ".join(f"x.{quoted(c.name)} = o.{quoted(c.name)}" for c in three.key)
    standing = f"read_parquet({literal(str(link))}, file_row_number = true)"
    sql = (
        f"SELECT {cells}, o.file_row_number AS n__ FROM {standing} o"
        f" WHERE NOT EXISTS (SELECT 1 FROM gone__ x WHERE {match})"
        f" AND NOT EXISTS (SELECT 1 FROM changed__ x WHERE {match})"
        f" UNION ALL SELECT {taken}, o.file_row_number FROM changed__ x JOIN {standing} o ON {match}"
        f" UNION ALL SELECT {taken}, 9223372036854775807 FROM new__ x"
    )
    names, order = (", ".join(quoted(c.name) for c in columns) for columns in (three.columns, three.key))
    batches = database.sql(f"SELECT {names} FROM ({sql}) ORDER BY n__, {order}").to_arrow_reader(_WRITTEN)
    with parquet.ParquetWriter(out, batches.schema, use_content_defined_chunking=True) as writer:
        for batch in batches:
            writer.write_batch(batch)


_WRITERS: dict[str, Callable[["DuckDBPyConnection", Three, Path, Path, Path], None]] = {
    kinds.CSV: _write_csv,
    kinds.JSONL: _write_jsonl,
    kinds.PARQUET: _write_parquet,
}
