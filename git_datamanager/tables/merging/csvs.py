"""Writing merged rows as CSV: what did not change stays as it stands in ours, byte for byte."""

import csv
import gzip
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple, TextIO, cast

from git_datamanager.errors import Corrupt
from git_datamanager.tables import separated
from git_datamanager.tables.merging.recipe import BASE, OURS, THEIRS, Mixed, Recipe
from git_datamanager.tables.schema import distinct_names, folded

_BYTES = "surrogateescape"
_LATIN_1 = "git-data-latin-1"
"""As separated.py reads what is no UTF-8."""
_END = "\r\n"
_BIG = b"\xfe\xff"


class _Record(NamedTuple):
    cells: list[str]
    text: str
    """As it stands in the file, with its end and the blank lines above it."""


def write(recipe: Recipe, files: Mapping[str, Path], name: str, out: Path) -> None:
    """Raises Corrupt where a file cannot be read twice in the same way."""
    limit = csv.field_size_limit(separated.LINE)
    try:
        ours = _Source.of(files["ours"], name)
        sides = {
            letter: _Picked.of(_Source.of(files[side], name), recipe.wanted(letter))
            for letter, side in ((THEIRS, "theirs"), (BASE, "base"))
            if side in files
        }
        with ours.created(out) as target:
            _Writer(recipe, ours, sides, target).run()
    except (csv.Error, UnicodeError, EOFError) as error:
        raise Corrupt(f"the file cannot be read as CSV ({error})") from error
    finally:
        csv.field_size_limit(limit)


@dataclass(frozen=True, slots=True)
class _Source:
    path: Path
    reading: separated.Csv
    codec: str
    """One that keeps the mark at the beginning as a character."""

    @classmethod
    def of(cls, path: Path, name: str) -> "_Source":
        reading = separated.sniffed(path, name)
        with _unpacked(path, reading) as file:
            head = file.read(4)
        codec = "utf-8"
        if reading.encoding in ("utf-16", "utf-32"):
            is_big = head.startswith((_BIG, b"\0\0" + _BIG))
            codec = f"{reading.encoding}-{'be' if is_big else 'le'}"
        return cls(path, reading, codec)

    def records(self) -> Iterator[_Record]:
        """That of the names first; a last one without cells holds the blank lines at the end, if any."""
        with _unpacked(self.path, self.reading) as file:
            text = io.TextIOWrapper(file, encoding=self.codec, errors=self._errors, newline="")
            seen: list[str] = []

            def lines() -> Iterator[str]:
                for line in text:
                    seen.append(line)
                    yield line if len(seen) > 1 else line.removeprefix("\ufeff")

            for cells in csv.reader(lines(), delimiter=self.reading.delimiter):
                if cells:
                    yield _Record(cells, "".join(seen))
                    seen.clear()
            if seen:
                yield _Record([], "".join(seen))

    @property
    def _errors(self) -> str:
        return _BYTES if self.codec == "utf-8" else "strict"

    @contextmanager
    def created(self, out: Path) -> Iterator[TextIO]:
        """A file of the same encoding and compression."""
        with ExitStack() as stack:
            file: IO[bytes] = stack.enter_context(out.open("xb"))
            if self.reading.compression == "gzip":
                packed = gzip.GzipFile("", "wb", fileobj=file, mtime=0)
                file = cast("IO[bytes]", stack.enter_context(packed))
            text = io.TextIOWrapper(file, encoding=self.codec, errors=self._errors, newline="")
            yield text
            text.flush()
            text.detach()

    def text(self, cell: str) -> str:
        """A cell as this file can hold it: what is no UTF-8 stays so in UTF-8 alone."""
        return cell if self.codec == "utf-8" else cell.encode("utf-8", _BYTES).decode("utf-8", _LATIN_1)


@contextmanager
def _unpacked(path: Path, reading: separated.Csv) -> Iterator[IO[bytes]]:
    with path.open("rb") as file:
        if reading.compression == "gzip":
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield cast("IO[bytes]", unpacked)
        else:
            yield file


@dataclass(frozen=True, slots=True)
class _Picked:
    """Some rows of another side, and where its columns stand."""

    rows: Mapping[int, list[str]]
    places: Mapping[str, int]

    @classmethod
    def of(cls, source: _Source, wanted: set[int]) -> "_Picked":
        records = source.records()
        names = distinct_names(next(records, _Record([], "")).cells)
        rows = {number: record.cells for number, record in enumerate(records) if number in wanted}
        return cls(rows, {folded(name): n for n, name in enumerate(names)})

    def cell(self, number: int, column: str) -> str | None:
        """None where the row ends before that column."""
        row, place = self.rows[number], self.places.get(folded(column))
        if place is None:
            return ""
        return row[place] if place < len(row) else None


@dataclass(slots=True)
class _Writer:
    recipe: Recipe
    ours: _Source
    sides: Mapping[str, _Picked]
    target: TextIO
    _end: str = "\n"
    _is_quoting: bool = False
    _is_open: bool = False

    def run(self) -> None:
        records = self.ours.records()
        header = next(records, _Record([], ""))
        self._end = next((end for end in ("\r\n", "\n", "\r") if header.text.endswith(end)), "\n")
        self._put(self._wider(header, self.recipe.columns[self.recipe.own :]))
        count = 0
        for number, record in enumerate(records):
            if not record.cells:
                self.target.write(record.text)
                continue
            count = number + 1
            if number == 0:
                self._is_quoting = self._line(record.cells, is_quoting=True) == record.text.strip(_END)
            if number not in self.recipe.gone:
                self._put(self._record(number, record))
        if count != self.recipe.count:
            raise csv.Error(f"{count} rows, and {self.recipe.count} at the first reading")
        for side, number in self.recipe.new:
            self._put(self._line(self._cells(side, number)) + self._end)

    def _put(self, text: str) -> None:
        """A last line that has no end gets one where others follow."""
        if self._is_open:
            self.target.write(self._end)
        self._is_open = bool(text) and not text.endswith(("\n", "\r"))
        self.target.write(text)

    def _record(self, number: int, record: _Record) -> str:
        mixed = self.recipe.mixed.get(number)
        if mixed is None:
            return self._wider(record, [""] * (len(self.recipe.columns) - self.recipe.own))
        text = record.text.strip(_END)
        above, _, end = record.text.partition(text)
        return above + self._line(self._mixed(mixed, record.cells)) + end

    def _wider(self, record: _Record, more: Sequence[str]) -> str:
        """The record with cells at its end; as it stands where there are none."""
        if not more:
            return record.text
        text = record.text.rstrip(_END)
        cells = [*[""] * (self.recipe.own - len(record.cells)), *more]
        line = self._line(cells) if any(cells) or self._is_quoting else self._mark() * (len(cells) - 1)
        return text + self._mark() + line + record.text[len(text) :]

    def _mark(self) -> str:
        return self.ours.reading.delimiter

    def _mixed(self, mixed: Mixed, own: Sequence[str]) -> list[str]:
        found: list[str | None] = []
        for n, (source, column) in enumerate(zip(mixed.sources, self.recipe.columns, strict=True)):
            if source == OURS:
                found.append(own[n] if n < len(own) else None)
            else:
                number = mixed.theirs if source == THEIRS else mixed.base
                found.append(None if number is None else self.sides[source].cell(number, column))
        return self._plain(found)

    def _cells(self, side: str, number: int) -> list[str]:
        return self._plain([self.sides[side].cell(number, column) for column in self.recipe.columns])

    def _plain(self, cells: list[str | None]) -> list[str]:
        """A row may end before its last columns."""
        while cells and cells[-1] is None:
            cells.pop()
        return [self.ours.text(cell or "") for cell in cells]

    def _line(self, cells: Sequence[str], *, is_quoting: bool = False) -> str:
        line, quoting = io.StringIO(), is_quoting or self._is_quoting
        writer = csv.writer(
            line,
            delimiter=self.ours.reading.delimiter,
            lineterminator=_END,  # of whose signs none stands bare in a cell
            quoting=csv.QUOTE_ALL if quoting else csv.QUOTE_MINIMAL,
        )
        writer.writerow(cells)
        return line.getvalue().removesuffix(_END)
