"""Answers written as CSV, JSON, JSON lines and Parquet; memory does not grow with the number of rows."""

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, BinaryIO

from git_datamanager.tables.asking.query import Answer, not_installed
from git_datamanager.tables.values import as_json

if TYPE_CHECKING:
    from pyarrow import RecordBatch

_LONGEST = 1 << 62
"""Nothing is clipped in a file."""
_BATCH = 1 << 14
_GROUP = 1 << 20
"""Rows of a row group of Parquet: groups end where they are full, so fewer of them move less."""
_GROUP_BYTES = 64 << 20


def as_csv(answer: Answer, file: BinaryIO, limit: int | None = None) -> None:
    """RFC 4180; NULL is nothing at all, an empty text is a pair of quotes."""
    file.write((",".join(_field(c.name) for c in answer.columns) + "\r\n").encode())
    for row in answer.rows(limit):
        file.write((",".join(map(_field, row)) + "\r\n").encode("utf-8", "replace"))


def _field(cell: object) -> str:
    match cell:
        case None:
            return ""
        case bool():
            return "true" if cell else "false"
        case bytes():
            return cell.hex()
        case str():
            plain = cell and not any(mark in cell for mark in ',"\r\n')
            return cell if plain else '"' + cell.replace('"', '""') + '"'
        case _:
            return str(cell)


def as_json_document(answer: Answer, file: BinaryIO, limit: int | None = None) -> None:
    """One document, `git-data/sql/1`: columns with their types, rows as lists."""
    columns = [{"name": c.name, "type": c.type} for c in answer.columns]
    head = json.dumps(
        {"schema": "git-data/sql/1", "columns": columns, "count": answer.count}, ensure_ascii=False
    )
    file.write(f'{head[:-1]}, "rows": ['.encode())
    for number, row in enumerate(answer.rows(limit, nested=True)):
        file.write((",\n" if number else "\n").encode() + _dumped([_plain(cell) for cell in row]))
    file.write(b"\n]}\n")


def as_json_lines(answer: Answer, file: BinaryIO, limit: int | None = None) -> None:
    """An object for each row."""
    names = [c.name for c in answer.columns]
    for row in answer.rows(limit, nested=True):
        file.write(_dumped(dict(zip(names, map(_plain, row), strict=True))) + b"\n")


def _plain(cell: object) -> object:
    return cell if isinstance(cell, list | dict) else as_json(cell, _LONGEST)


def _dumped(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")


def as_parquet(answer: Answer, file: BinaryIO, limit: int | None = None) -> None:
    """With chunks that end where the content says so: a change leaves the bytes of all others as they are."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise not_installed("pyarrow", "writes Parquet") from error
    reader = answer.arrow(_BATCH, limit)
    with pq.ParquetWriter(
        file, reader.schema, compression="zstd", use_content_defined_chunking=True
    ) as writer:
        for group in _groups(iter(reader)):
            writer.write_table(pa.Table.from_batches(group, reader.schema), row_group_size=2 * _GROUP)


def _groups(batches: "Iterator[RecordBatch]") -> "Iterator[list[RecordBatch]]":
    group: list[RecordBatch] = []
    rows = size = 0
    for batch in batches:
        group.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if rows >= _GROUP or size >= _GROUP_BYTES:
            yield group
            group, rows, size = [], 0, 0
    if group:
        yield group


WRITERS: dict[str, Callable[[Answer, BinaryIO, int | None], None]] = {
    "csv": as_csv, "json": as_json_document, "jsonl": as_json_lines, "parquet": as_parquet,
}  # fmt: skip
"""Form → what writes it: `(answer, file, limit)`."""
