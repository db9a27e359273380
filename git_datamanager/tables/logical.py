"""The logical hash of tables: what they hold, whatever the bytes: docs/design/tables.md, "Logical hash"."""

import hashlib
import math
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from git_datamanager.tables import kinds, source
from git_datamanager.tables.engine import Engine, Side, Unreadable
from git_datamanager.tables.result import Row
from git_datamanager.tables.rowdiff import quoted
from git_datamanager.tables.schema import Column, Table
from git_datamanager.tables.values import Cell

_MAGIC = b"git-data/table/1\n"
_SIZE = 32
_ALL = 1 << 8 * _SIZE
_NAN = bytes.fromhex("7ff8000000000000")


@dataclass(frozen=True, slots=True, kw_only=True)
class TableHash:
    """What one table holds."""

    name: str
    rows: int | None
    digest: str | None
    """Hexadecimal; None where the rows cannot be read, and `note` says why."""
    note: str | None = None


def table_hashes(path: Path, name: str) -> tuple[TableHash, ...]:
    """Of every table of a file that is called `name`; none for a file without tables. Reads all rows; memory
    does not grow with them. Raises Corrupt, NotInstalled."""
    kind = kinds.kind_of(path, name)
    if kind == kinds.OTHER:
        return ()
    with source.opened(kind, None, path, name) as engine:
        return tuple(_of(engine, table, kind) for table in engine.schema(Side.AFTER).tables)


def _of(engine: Engine, table: Table, kind: str) -> TableHash:
    if table.closed is not None:
        return TableHash(name=table.name, rows=None, digest=None, note=table.closed)
    names = [column.name.encode("utf-8", "surrogateescape") for column in table.columns]
    places = sorted(range(len(names)), key=names.__getitem__)
    columns = [table.columns[n] for n in places]
    classes = [None if engine.dialect.is_plain(column) else b"o" for column in columns]
    total = count = 0
    try:
        for row in _rows(engine, table, columns, places):
            total += int.from_bytes(hashlib.sha256(encoded(row, classes)).digest(), "big")
            count += 1
    except Unreadable as error:
        return TableHash(name=table.name, rows=None, digest=None, note=str(error))
    types = [column.type if kind in (kinds.SQLITE, kinds.PARQUET) else "" for column in columns]
    head = [part for column, kind_ in zip(columns, types, strict=True) for part in (column.name, kind_)]
    digest = hashlib.sha256(_MAGIC + encoded(head) + b"%d\n" % count + (total % _ALL).to_bytes(_SIZE, "big"))
    return TableHash(name=table.name, rows=count, digest=digest.hexdigest())


def _rows(engine: Engine, table: Table, columns: Sequence[Column], places: Sequence[int]) -> Iterator[Row]:
    """In no order."""
    if (packed := engine.packed(Side.AFTER, table)) is not None:
        for (cells,) in engine.rows(f"SELECT cells FROM {packed}"):
            yield tuple(cells[n] if n < len(cells) else None for n in places)
        return
    relation = engine.relation(Side.AFTER, table)
    cells = ", ".join(engine.dialect.shown(quoted(column.name), column) for column in columns)
    yield from engine.rows(f"SELECT {cells} FROM {relation}") if columns else ()


def encoded(row: Iterable[Cell], classes: Sequence[bytes | None] | None = None) -> bytes:
    """The cells of a row; `classes`: of columns whose cells the engine gives as text."""
    cells = list(row)
    found = zip(cells, classes or [None] * len(cells), strict=True)
    return b"".join(_encoded(cell, given) for cell, given in found)


def _encoded(cell: Cell, given: bytes | None) -> bytes:
    match cell:
        case None:
            return b"n"
        case bool():
            return _sized(b"o", b"true" if cell else b"false")
        case int():
            return b"i%d;" % cell
        case float():
            return b"r" + (_NAN if math.isnan(cell) else struct.pack(">d", cell + 0.0))
        case bytes():
            return _sized(b"b", cell)
        case _:
            return _sized(given or b"t", str(cell).encode("utf-8", "surrogateescape"))


def _sized(word: bytes, data: bytes) -> bytes:
    return b"%s%d:%s" % (word, len(data), data)
