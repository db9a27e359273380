"""Merging the rows of CSV, JSON lines and Parquet files by their key: docs/design/rowmerge.md.

DuckDB says which rows of ours change, go and come, by their numbers; the file is put together from the files
themselves, in the order of ours.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from git_datamanager.errors import Corrupt, DataError
from git_datamanager.tables import decimals, duck, kinds
from git_datamanager.tables.dialect import DuckDialect
from git_datamanager.tables.engine import ROWS
from git_datamanager.tables.merging import csvs as merge_csv
from git_datamanager.tables.merging import jsonlines as merge_jsonl
from git_datamanager.tables.merging import parquet as merge_parquet
from git_datamanager.tables.merging.clashes import Outcome, Torn, decided
from git_datamanager.tables.merging.decisions import Decisions, Judge
from git_datamanager.tables.merging.merged import RowMerge, TableMerge
from git_datamanager.tables.merging.recipe import Recipe, recipe
from git_datamanager.tables.merging.rowmerge import Placed, changed_rows, gone_rows, new_rows, torn_rows
from git_datamanager.tables.result import Row
from git_datamanager.tables.rowdiff import doubled, keyless, literal, quoted
from git_datamanager.tables.schema import NARROW, Column, Table, folded
from git_datamanager.tables.words import said

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_SIDES = ("base", "ours", "theirs")
_PLACE = "place of the row in git data"
"""The column of row numbers: nobody has one of that name."""
_BY_HAND = "the rows cannot be merged"
_WRITERS: dict[str, Callable[[Recipe, Mapping[str, Path], str, Path], None]] = {
    kinds.CSV: merge_csv.write,
    kinds.JSONL: merge_jsonl.write,
    kinds.PARQUET: merge_parquet.write,
}


def merge(
    kind: str,
    base: Path | None,
    ours: Path,
    theirs: Path,
    out: Path,
    key: Sequence[str],
    decisions: Decisions,
    name: str = "",
) -> RowMerge:
    """Write to `out` (which must not exist) the rows of both sides; `name`: what the dataset is called. With
    clashes that nobody decided nothing is written. Raises Corrupt, DataError where the key does not tell rows
    apart on every side, the columns do not fit, or a decision fits no clash."""
    files = {side: path for side, path in zip(_SIDES, (base, ours, theirs), strict=True) if path is not None}
    with tempfile.TemporaryDirectory(prefix="git-data-tables-") as folder:
        links = {side: Path(folder) / side for side in files}
        for side, path in files.items():
            links[side].symlink_to(path.absolute())
        with _explained(), duck.connected(list(links.values()), Path(folder), in_order=True) as database:
            tables = {side: _loaded(database, kind, side, link, name) for side, link in links.items()}
            three = _three(database, tables, key, kind)
            judge = Judge(decisions)
            outcomes = _decided(database, three, judge)
            made = _recipe(database, three, len(tables["ours"].columns), outcomes) if judge.settle() else None
    if made is not None:
        try:
            _WRITERS[kind](made, files, name, out)
        except BaseException:
            out.unlink(missing_ok=True)
            raise
    return RowMerge(
        tables=() if made is None else (_counts(made),),
        clashes=judge.listed,
        clash_count=judge.count,
        open_count=judge.open_count,
        is_written=made is not None,
    )


def _counts(made: Recipe) -> TableMerge:
    return TableMerge(name=ROWS, added=len(made.new), removed=len(made.gone), changed=len(made.mixed))


@contextmanager
def _explained() -> Iterator[None]:
    """DuckDB is not installed everywhere: whoever comes here knows whether it is."""
    import duckdb

    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise DataError("the rows take more memory than a merge has: nothing was merged") from error
    except (duckdb.Error, UnicodeError) as error:
        raise Corrupt(f"the rows cannot be merged ({said(error)})") from error


def _loaded(database: "DuckDBPyConnection", kind: str, side: str, link: Path, name: str) -> Table:
    """Make the table of one side, and beside it a view that has the numbers of the rows, `…_rows`."""
    table = duck.READERS[kind](database, side, link, name)
    if kind == kinds.PARQUET:
        if "file_row_number" in map(folded, table.names):
            raise DataError("a column is called file_row_number: these rows cannot be merged")
        if decimals.are_wide(database, link):
            raise DataError("its decimals have more digits than can be merged row by row")
        rows = f"SELECT *, file_row_number AS {quoted(_PLACE)} FROM"
        options = "file_row_number = true, hive_partitioning = false"
        rows += f" (SELECT * FROM read_parquet({literal(str(link))}, {options}))"
    else:
        rows = f"SELECT *, rowid AS {quoted(_PLACE)} FROM {side}"
    database.execute(f"CREATE VIEW {side}_rows AS {rows}")
    return table


def _three(
    database: "DuckDBPyConnection", tables: Mapping[str, Table], key: Sequence[str], kind: str
) -> Placed:
    for side, table in tables.items():
        _check_key(database, side, table, key)
    columns = _columns(tables, kind)
    if len(columns) > NARROW:
        raise DataError(f"tables of more than {NARROW} columns are not merged by rows")
    relations = {side: _widened(side, table, columns, kind) for side, table in tables.items()}
    relations.setdefault("base", f"(SELECT * FROM {relations['ours']} WHERE false)")
    by_name = {folded(column.name): column for column in columns}
    chosen = tuple(by_name[folded(name)] for name in dict.fromkeys(map(folded, key)))
    dialect = DuckDialect(is_text=kind == kinds.CSV)
    base, ours, theirs = (relations[side] for side in _SIDES)
    return Placed(base, ours, theirs, columns, chosen, dialect, _PLACE)


def _columns(tables: Mapping[str, Table], kind: str) -> tuple[Column, ...]:
    """Those of ours, then what theirs has made. Raises DataError where a side took one away, or turned it
    into another type: its cells are nowhere then."""
    found = {
        side: {folded(column.name): column for column in table.columns} for side, table in tables.items()
    }
    ours, theirs = found["ours"], found["theirs"]
    if kind != kinds.JSONL:  # there what no line has any more is absent from every row
        for name, column in found.get("base", {}).items():
            lost = [side for side in ("ours", "theirs") if name not in found[side]]
            if lost:
                raise DataError(f"the column {column.name} is not in {lost[0]} any more: {_BY_HAND}")
    if kind == kinds.PARQUET:
        for name in ours.keys() & theirs.keys():
            types = {columns[name].type for columns in found.values() if name in columns}
            if len(types) > 1:
                raise DataError(f"the column {ours[name].name} has several types: {_BY_HAND}")
    every = {**found.get("base", {}), **theirs, **ours}
    return (*tables["ours"].columns, *(column for name, column in every.items() if name not in ours))


def _check_key(database: "DuckDBPyConnection", side: str, table: Table, key: Sequence[str]) -> None:
    names = set(map(folded, table.names))
    if not key:
        raise DataError("rows are merged by a key, and there is none")
    if absent := [name for name in key if folded(name) not in names]:
        raise DataError(f"there is no column {absent[0]} in {side}; there is: {', '.join(table.names[:20])}")
    (holes,) = next(_rows(database, keyless(side, key)))
    if holes:
        raise DataError(f"{holes} rows of {side} lack a value for the key ({', '.join(key)})")
    if (row := next(_rows(database, doubled(side, key)), None)) is not None:
        cells = ", ".join(map(str, row))
        raise DataError(
            f"the key ({', '.join(key)}) does not tell the rows of {side} apart: several have {cells}"
        )


def _widened(side: str, table: Table, columns: Sequence[Column], kind: str) -> str:
    """A side as it stands in FROM, with all these columns."""
    names = set(map(folded, table.names))
    missing = [quoted(column.name) for column in columns if folded(column.name) not in names]
    if not missing:
        return f"{side}_rows"
    empty = "''" if kind == kinds.CSV else "NULL"
    return f"(SELECT *, {', '.join(f'{empty} AS {name}' for name in missing)} FROM {side}_rows)"


_Outcome = tuple[Outcome, Sequence[Any]]
"""What becomes of a row, and its places in base, ours and theirs: a number, or None."""


def _decided(database: "DuckDBPyConnection", three: Placed, judge: Judge) -> list[_Outcome]:
    """What becomes of torn rows, but for those that stay as they are in ours."""
    made, width = list[_Outcome](), len(three.columns)
    for sql in torn_rows(three):
        for row in _rows(database, sql):
            torn = Torn.of(row, width)
            outcome = decided(ROWS, three, torn, judge.decide)
            if outcome is not None and outcome.verb != "kept" and not judge.open_count:
                made.append((outcome, torn.places))
    return made


def _rows(database: "DuckDBPyConnection", sql: str) -> Iterator[Row]:
    cursor = database.cursor().execute(sql)
    while batch := cursor.fetchmany(2048):
        yield from batch


def _recipe(database: "DuckDBPyConnection", three: Placed, own: int, outcomes: Sequence[_Outcome]) -> Recipe:
    (count,) = next(_rows(database, "SELECT count(*) FROM ours"))
    by_verb: dict[str, list[_Outcome]] = {"changed": [], "gone": [], "new": []}
    for one in outcomes:
        by_verb[one[0].verb].append(one)
    changed = chain(
        ((row[0], row[1], row[2], row[3]) for row in _rows(database, changed_rows(three))),
        ((*places, outcome.sources) for outcome, places in by_verb["changed"]),
    )
    new = chain(
        _rows(database, new_rows(three)),
        ((o.sources[0], places["bot".index(o.sources[0])]) for o, places in by_verb["new"]),
    )
    return recipe(
        [column.name for column in three.columns],
        own,
        count,
        ((here, there, base, sources) for base, here, there, sources in changed),
        chain(
            (place for _, place in _rows(database, gone_rows(three))),
            (places[1] for _, places in by_verb["gone"]),
        ),
        sorted((side, place) for side, place in new),
    )
