"""`git data blame`: which version gave a row the cells it has. docs/design/tables.md, "Blame"."""

import csv
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from git_datamanager.errors import DataError, NotFound
from git_datamanager.manager import DataManager
from git_datamanager.model.manifest import Dataset, State, Version
from git_datamanager.model.names import pasteable
from git_datamanager.ops.inside.about import named
from git_datamanager.ops.inside.blame_files import Files, files_of
from git_datamanager.ops.inside.reading import MayFetch, never, not_here
from git_datamanager.tables.lookup import Tables, opened
from git_datamanager.tables.schema import Table, folded
from git_datamanager.tables.values import Cell, same


class CellBlame(NamedTuple):
    """A cell, and the version that gave it its value."""

    column: str
    value: Cell
    version: Version
    is_older: bool = False
    """That version has it, and an older one that could not be looked into may have had it before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blame:
    """A row of a dataset, cell by cell."""

    dataset: Dataset
    name: str
    """Of the dataset, or of the file in it."""
    table: str
    key: Mapping[str, str]
    cells: tuple[CellBlame, ...]
    removed: Version | None = None
    """The version that no longer has the row; its cells are those of the one before."""
    needed: tuple[Version, ...] = ()
    """Versions that are not in this clone and may say more."""
    note: str | None = None

    @property
    def last(self) -> Version:
        """The version that changed the row last, or took it away."""
        return self.removed or max((cell.version for cell in self.cells), key=lambda v: (v.number, v.id))


def read_key(text: str) -> list[str]:
    """The parts of `V[,V]` or `COL=V[,COL=V]`; one with a comma stands in double quotes. Raises DataError."""
    if text != text.encode("utf-8", "replace").decode():
        raise DataError(f"--key {text!r} is no UTF-8 text", hints=["--key COL=V   # with another column"])
    try:
        parts = next(csv.reader([text], strict=True, skipinitialspace=True), [])
    except csv.Error as error:
        raise DataError(
            f"--key {text!r} cannot be read ({error})", hints=["--key 'north,\"a, b\"'"]
        ) from error
    if not parts:
        raise DataError("--key needs values", hints=["--key 7   # or --key region=north,year=2030"])
    return parts


def command(name: str, table: str | None, key: str) -> str:
    """The same question as somebody can paste it, after `git data`."""
    asked = [f"--table={table}"] if table is not None else []
    return " ".join(["blame", pasteable(name), *map(shlex.quote, [*asked, f"--key={key}"])])


def blame(
    manager: DataManager,
    name: str,
    table: str | None,
    key: str,
    *,
    may_fetch: MayFetch = never,
) -> Blame:
    """Follow a row of NAME, NAME@vN, FOLDER/path or FOLDER@vN/path from there back through its parents.

    Stops where every cell is explained. Versions are fetched one by one as they are needed, after asking
    once; what is not fetched is named in the result. Raises NotHere where not even the first version is here,
    NotFound for a row that no version has, DataError for a key that several rows have.
    """
    parts, question = read_key(key), command(name, table, key)
    with ExitStack() as stack:
        files, dataset, start = files_of(manager, name, stack)
        chain = [start, *_parents(dataset, start)]
        with named(dataset.name):
            return _Walk(files, dataset, chain, may_fetch, question).blame(table, parts)


def _parents(dataset: Dataset, version: Version) -> Iterator[Version]:
    seen = {version.id}
    while version.parent is not None and version.parent not in seen:
        parent = dataset.by_id(version.parent)
        if parent is None:
            return
        yield parent
        seen.add(parent.id)
        version = parent


class _Row(NamedTuple):
    """What a version has for the key."""

    cells: Mapping[str, Cell] | None
    """By folded column; None where it has no such row."""
    names: tuple[str, ...] = ()


class _Walk:
    """One walk back through versions."""

    def __init__(
        self,
        files: Files,
        dataset: Dataset,
        chain: Sequence[Version],
        may_fetch: MayFetch,
        question: str,
    ) -> None:
        """`chain`: versions from the one asked for to the first; `question`: the command, to be repeated."""
        self._files = files
        self._dataset = dataset
        self._chain = chain
        self._may_fetch = may_fetch
        self._question = question
        self._may: bool | None = None
        self._note: str | None = None
        self._table = ""
        self._key: dict[str, str] = {}

    def blame(self, table: str | None, parts: Sequence[str]) -> Blame:
        first = self._chain[0]
        if not self._bring(0):
            raise not_here([(self._dataset, first)], self._question)
        with self._opened(first) as tables:
            if tables is None:
                raise NotFound(
                    f"{self._dataset.name} {first.name} has no file {self._files.name}",
                    hints=[f"git data diff {pasteable(self._dataset.name)}@{first.name}   # its files"],
                )
            chosen = _chosen(tables, table, self._files.name)
            self._table, self._key = chosen.name, _named(chosen, parts, self._dataset)
            row = self._row(tables, first)
        at, row = (0, row) if row.cells is not None else self._last_there()
        cells, needed = self._follow(row, at)
        return Blame(
            dataset=self._dataset,
            name=self._files.name,
            table=self._table,
            key=self._key,
            cells=cells,
            removed=self._chain[at - 1] if at else None,
            needed=needed,
            note=self._note,
        )

    def _last_there(self) -> tuple[int, _Row]:
        """The newest version that still has the row, by its place."""
        for at in range(1, len(self._chain)):
            row = self._older(at)
            if row is None:
                break
            if row.cells is not None:
                return at, row
        left = self._absent(0)
        unseen = f"; not looked into: {', '.join(v.name for v in left[:5])}" if left else ""
        words = ", ".join(f"{column} {value}" for column, value in self._key.items())
        raise NotFound(
            f"{self._files.name} has no row of {self._table} with {words}{unseen}",
            hints=[f"git data profile {pasteable(self._files.name)}   # its tables and columns"],
        )

    def _follow(self, row: _Row, at: int) -> tuple[tuple[CellBlame, ...], tuple[Version, ...]]:
        origin: dict[str, CellBlame] = {}
        left = dict(row.cells or {})
        newer, is_older = self._chain[at], False
        needed: tuple[Version, ...] = ()
        for place in range(at + 1, len(self._chain)):
            version = self._chain[place]
            if not self._files.is_same(version, newer):
                older = self._older(place)
                if older is None:
                    is_older, needed = True, () if self._note else self._absent(place)
                    break
                known = older.cells or {}
                done = [c for c in left if c not in known or not same(known[c], left[c])]
                origin |= {c: CellBlame(c, left.pop(c), newer) for c in done}
            newer = version
            if not left:
                break
        origin |= {c: CellBlame(c, value, newer, is_older) for c, value in left.items()}
        cells = [origin[folded(name)]._replace(column=name) for name in row.names]
        return tuple(cells), needed

    def _older(self, place: int) -> _Row | None:
        """The row in an older version; None where nobody can say, and `note` says why if not its bytes are
        missing."""
        version = self._chain[place]
        if not self._bring(place):
            return None
        try:
            with self._opened(version) as tables:
                return self._row(tables, version)
        except DataError as error:
            self._note = f"{version.name} does not say more: {error.message}"
            return None

    def _row(self, tables: Tables | None, version: Version) -> _Row:
        """Raises DataError where several rows have the key, or the table no such column."""
        table = tables.table(self._table) if tables is not None else None
        if tables is None or table is None:
            return _Row(None)
        rows = tables.find(table, self._key)
        if len(rows) > 1:
            raise DataError(
                f"several rows of {table.name} in {version.name} have this key",
                hints=["--key COL=V,COL=V   # more columns tell them apart"],
            )
        cells = dict(zip(map(folded, table.names), rows[0], strict=True)) if rows else None
        return _Row(cells, table.names)

    @contextmanager
    def _opened(self, version: Version) -> Iterator[Tables | None]:
        with self._files.opened(version) as path:
            if path is None:
                yield None
                return
            with opened(path, self._files.name) as tables:
                yield tables

    def _bring(self, place: int) -> bool:
        """Whether the bytes are here, or are now."""
        version = self._chain[place]
        if self._files.is_here(version):
            return True
        if version.state is State.DELETED:
            self._note = f"{version.name} was deleted: what was before is not known"
            return False
        if self._may is None:
            self._may = self._may_fetch([(self._dataset, v) for v in self._absent(place)])
        if self._may:
            self._files.fetch(version)
        return self._may

    def _absent(self, place: int) -> tuple[Version, ...]:
        rest = (v for v in self._chain[place:] if v.state is not State.DELETED)
        return tuple(v for v in rest if not self._files.is_here(v))


def _chosen(tables: Tables, name: str | None, dataset: str) -> Table:
    """The table asked for, or the only one. Raises NotFound, DataError."""
    names = ", ".join(t.name for t in tables.tables[:12])
    if name is None and len(tables.tables) == 1:
        return tables.tables[0]
    if name is None:
        raise DataError(f"{dataset} has {len(tables.tables)} tables", hints=[f"--table T   # one of {names}"])
    found = tables.table(name)
    if found is None:
        raise NotFound(f"{dataset} has no table {name}", hints=[f"--table T   # one of {names}"])
    return found


def _named(table: Table, parts: Sequence[str], dataset: Dataset) -> dict[str, str]:
    """Column → value. Raises DataError where values have no columns."""
    columns = {folded(name): name for name in table.names}
    named: dict[str, str] = {}
    bare: list[str] = []
    for part in parts:
        name, equals, value = part.partition("=")
        if equals and folded(name.strip()) in columns:
            named[columns[folded(name.strip())]] = value
        else:
            bare.append(part)
    key = dataset.options.get("key", ())
    if not key or any(folded(column) not in columns for column in key):  # it is that of other tables
        key = table.key
    free = [column for column in key if folded(column) not in map(folded, named)]
    if bare and len(free) != len(bare):
        said = f"its key is {', '.join(key)}" if key else "it declares no key"
        raise DataError(
            f"{table.name} cannot be asked for {', '.join(bare)}: {said}",
            hints=[f"--key COL=V   # its columns are {', '.join(table.names[:12])}"],
        )
    return named | dict(zip(free, bare, strict=False))
