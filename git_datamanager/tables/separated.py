"""What a file of separated values looks like, and how any such file becomes plain: docs/design/tables.md.

Nothing is guessed by an engine: delimiter, encoding and names of the columns are found here, by Python's csv.
"""

import codecs
import csv
import gzip
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, TextIO

from git_datamanager.tables.deadline import check
from git_datamanager.tables.schema import distinct_names

LINE = 16 << 20
"""Bytes of a line, and characters of a cell, that are still read."""
_HEAD = 1 << 16
_BLOCK = 4 << 20
_SAMPLE = 20_000
"""Cells of the sample that types are guessed from."""
_DELIMITERS = ",;\t|"
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
_OTHERS = "git-data-latin-1"


class TooLong(ValueError):
    """A line, or a cell, that nobody should hold in memory."""


def _as_latin_1(error: UnicodeError) -> tuple[str, int]:
    """What bytes are that are no UTF-8 among others that are: the file may be put together of two."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    rotten = error.object[error.start : error.end]
    return (rotten.decode("latin-1") if error.encoding == "utf-8" else "\ufffd"), error.end


codecs.register_error(_OTHERS, _as_latin_1)


@dataclass(frozen=True, slots=True)
class Csv:
    """The dialect of a file."""

    delimiter: str
    compression: str
    """none, or gzip."""
    encoding: str
    """As Python calls it."""
    starts_blank: bool = False
    """A blank line stands before the first."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What the first lines of a file say."""

    names: tuple[str, ...]
    """Of its columns, no two of them equal; none where the file is empty."""
    sample: tuple[tuple[str, ...], ...]
    """Its first rows."""


def sniffed(path: Path, name: str = "") -> Csv:
    """By the first bytes of a file; `name`: what it is called. Raises OSError, EOFError."""
    with path.open("rb") as file:
        compression = "gzip" if file.read(2) == b"\x1f\x8b" else "none"
    with _bytes_of(path, compression) as packed:
        head = packed.read(_HEAD)
    encoding = next((found for mark, found in _MARKS if head.startswith(mark)), "utf-8")
    text = head.decode(encoding, "replace")
    delimiter = "\t" if name.lower().removesuffix(".gz").endswith(".tsv") else _delimiter(text)
    return Csv(delimiter, compression, encoding, text[:1] in ("\r", "\n"))


def shape_of(path: Path, reading: Csv) -> Shape:
    """Raises TooLong, csv.Error, UnicodeError, OSError, EOFError."""
    with _texts(path, reading) as lines:
        rows = _rows(lines, reading.delimiter)
        header = next(rows, [])
        sample = islice(rows, _SAMPLE // max(20, len(header)))
        return Shape(distinct_names(header), tuple(map(tuple, sample)))


def _delimiter(head: str) -> str:
    """The one that stands most often in the first line that says something, outside quotes."""
    line = "".join(head.lstrip("\r\n").split('"')[::2]).splitlines()[:1]
    return max(_DELIMITERS, key=lambda mark: ("".join(line).count(mark), mark == ","))


def has_spaced_quotes(path: Path, reading: Csv) -> bool:
    """A blank stands between a quote and the delimiter or line end that its cell begins or ends with: to
    DuckDB it is nothing, to everybody else a part of the cell. Of a file that is not as the standard has it
    True may be wrong. Raises OSError, EOFError, zlib.error."""
    begins = re.compile(rb"[\n\r" + re.escape(reading.delimiter.encode()) + rb'] +(?=")|" ')
    rest, quotes = b"\n", 0
    with _bytes_of(path, reading.compression) as file:
        while len(rest) <= LINE and (block := file.read(_BLOCK)):
            whole = rest + block
            if reading.encoding == "utf-8-sig" and rest == b"\n":
                whole = whole.replace(codecs.BOM_UTF8, b"", 1)
            end = len(whole.rstrip(b' "')) - 1
            if _is_spaced(whole[: end + 1], begins, quotes):
                return True
            quotes += whole.count(b'"', 0, end)
            rest = whole[max(0, end) :]
    return len(rest) > LINE or _is_spaced(rest, begins, quotes)


def _is_spaced(data: bytes, begins: re.Pattern[bytes], quotes: int) -> bool:
    """`quotes`: how many stood before; behind an odd number of them everything is text."""
    if b'" ' not in data and b' "' not in data:
        return False
    start = 0
    for match in begins.finditer(data):
        is_first = match[0] != b'" '
        last = match.end() if is_first else match.start() + 1
        quotes, start = quotes + data.count(b'"', start, last), last
        if quotes % 2 == 0:
            return True
    return False


def plain_of(path: Path) -> Path:
    """Where the plain form of a file stands for a moment."""
    return path.with_name(f"{path.name}.plain")


def make_plain(path: Path, reading: Csv, target: TextIO) -> int:
    """Write all rows but the first as JSON arrays, one a line. Returns the length of the longest.

    Memory grows with the longest row alone. Raises as `shape_of`."""
    widest = 0
    for row in _below_the_names(path, reading):
        check()
        widest = max(widest, len(row))
        target.write(json.dumps(row, ensure_ascii=False) + "\n")
    return widest


def _below_the_names(path: Path, reading: Csv) -> Iterator[list[str]]:
    with _texts(path, reading) as lines:
        yield from islice(_rows(lines, reading.delimiter), 1, None)


def _rows(lines: Iterable[str], delimiter: str) -> Iterator[list[str]]:
    """Blank lines are no rows. What csv holds of one cell at most is a setting of the whole process."""
    limit = csv.field_size_limit(LINE)
    try:
        for row in csv.reader(lines, delimiter=delimiter):
            if row:
                yield row
    except csv.Error as error:
        raise (
            TooLong(f"a cell is longer than {LINE >> 20} MiB") if "limit" in str(error) else error
        ) from error
    finally:
        csv.field_size_limit(limit)


@contextmanager
def _texts(path: Path, reading: Csv) -> Iterator[Iterator[str]]:
    """Lines with their ends, none of them longer than LINE."""
    with _bytes_of(path, reading.compression) as file:
        text = io.TextIOWrapper(file, encoding=reading.encoding, errors=_OTHERS, newline="")
        yield _lines(text)


def _lines(text: TextIO) -> Iterator[str]:
    while line := text.readline(LINE + 1):
        if len(line) > LINE:
            raise TooLong(f"a line is longer than {LINE >> 20} MiB")
        yield line


@contextmanager
def _bytes_of(path: Path, compression: str) -> Iterator[IO[bytes]]:
    with path.open("rb") as file:
        if compression == "none":
            yield file
            return
        with gzip.GzipFile(fileobj=file) as unpacked:
            yield unpacked  # type: ignore[misc]


def widened(names: Sequence[str], count: int) -> tuple[str, ...]:
    """Names for so many columns: those beyond the given ones have none of their own."""
    return distinct_names([*names, *[""] * (count - len(names))])
