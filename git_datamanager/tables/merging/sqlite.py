"""Merging the rows of SQLite databases: docs/design/rowmerge.md.

A copy of ours is changed in one transaction, with base and theirs attached read-only. No trigger fires.
"""

import errno
import os
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from git_datamanager import fsio
from git_datamanager.errors import Conflict, Corrupt, DataError
from git_datamanager.tables import sqlite
from git_datamanager.tables.compare import Wish, compare_tables
from git_datamanager.tables.engine import Side
from git_datamanager.tables.merging import things as merge_things
from git_datamanager.tables.merging import virtual as merge_virtual
from git_datamanager.tables.merging.decisions import Decisions, Judge
from git_datamanager.tables.merging.merged import RowMerge
from git_datamanager.tables.merging.recode import recoded
from git_datamanager.tables.merging.tables import Sides, Tables
from git_datamanager.tables.result import TableDiff
from git_datamanager.tables.rowdiff import quoted
from git_datamanager.tables.schema import Schema, folded

_Links = set[tuple[str, str, int]]
"""Foreign keys that some row breaks: the table, its parent, the number of the key."""


def merge(
    base: Path | None,
    ours: Path,
    theirs: Path,
    out: Path,
    keys: Mapping[str, tuple[str, ...]],
    decisions: Decisions,
) -> RowMerge:
    """Write to `out` (which must not exist) the rows of both sides. With clashes that nobody decided nothing
    is left there. Raises Corrupt, Conflict where the result would break a constraint or cannot stand in one
    database, DataError where tables cannot be merged or a decision fits no clash, OSError where there is no
    room."""
    with tempfile.TemporaryDirectory(prefix="git-data-tables-") as name:
        folder, encoding = Path(name), sqlite.encoding_of(ours)
        base = base and recoded(base, folder / "base.sqlite", encoding)
        theirs = recoded(theirs, folder / "theirs.sqlite", encoding)
        sides = list(_compared(base, ours, theirs, folder, keys))
        is_written = False
        try:
            with ours.open("rb") as source, out.open("xb") as target:
                fsio.copy_cheaply(source, target)
            with _explained(), closing(_connected(out, base, theirs)) as database:
                found = _Merge(database, sides, Wish(keys=keys), Judge(decisions)).run()
            is_written = found.is_written
        finally:
            if not is_written:
                out.unlink(missing_ok=True)
    return found


@contextmanager
def _explained() -> Iterator[None]:
    """What SQLite refuses, in our words."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise Conflict(
            f"the rows of both sides together break a constraint ({error}): nothing was merged"
        ) from error
    except (sqlite3.Error, UnicodeError) as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
        if code == sqlite3.SQLITE_FULL:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
        if code == sqlite3.SQLITE_ERROR:
            raise Conflict(
                f"what both sides have cannot stand in one database ({error}): nothing was merged"
            ) from error
        raise Corrupt(f"SQLite cannot merge the databases ({error})") from error


def _compared(
    base: Path | None, ours: Path, theirs: Path, folder: Path, keys: Mapping[str, tuple[str, ...]]
) -> Iterator[Sides]:
    """What each side changed. Raises DataError where a table cannot be compared."""
    wish, schemas, diffs = Wish(rows=0, keys=keys), list[Schema](), list[dict[str, TableDiff]]()
    for path in (ours, theirs):
        with sqlite.opened(base, path, folder) as engine:
            schemas.append(engine.schema(Side.AFTER))
            before = engine.schema(Side.BEFORE)
            tables, _ = compare_tables(engine, wish)
            diffs.append({folded(table.name): table for table in tables})
    named = [{folded(table.name): table for table in schema.tables} for schema in (before, *schemas)]
    for name in sorted(set().union(*named)):
        tables_of = [tables.get(name) for tables in named]
        found = Sides(tables_of[0], tables_of[1], tables_of[2], diffs[0].get(name), diffs[1].get(name))
        for diff in (found.here, found.there):
            if diff is not None and not diff.is_compared and not found.is_virtual:
                raise DataError(f"the table {diff.name} cannot be merged ({diff.note})")
        yield found


def _connected(out: Path, base: Path | None, theirs: Path) -> sqlite3.Connection:
    database = sqlite3.connect(out.absolute().as_uri(), uri=True, isolation_level=None)
    try:
        database.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
        for setting in (
            "temp_store = FILE",
            "trusted_schema = OFF",
            "cell_size_check = ON",
            "foreign_keys = OFF",
        ):
            database.execute(f"PRAGMA {setting}")
        for name, path in (("base", base), ("theirs", theirs)):
            where = f"{path.absolute().as_uri()}?mode=ro&immutable=1" if path is not None else ":memory:"
            database.execute(f"ATTACH ? AS {name}", (where,))
    except BaseException:
        database.close()
        raise
    database.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 2)
    return database


class _Merge:
    def __init__(self, database: sqlite3.Connection, sides: list[Sides], wish: Wish, judge: Judge) -> None:
        self._database = database
        self._sides = sides
        self._wish = wish
        self._judge = judge

    def run(self) -> RowMerge:
        broken = self._broken("main") | self._broken("theirs")
        self._database.execute("BEGIN IMMEDIATE")
        things = merge_things.Things(self._database, self._judge)
        things.clear()
        rows = Tables(self._database, self._wish, self._judge)
        virtual = merge_virtual.Virtual(self._database, self._judge)
        plain = [sides for sides in self._sides if not sides.is_virtual]
        tables = [made for sides in plain if (made := rows.merge(sides)) is not None]
        others = [sides for sides in self._sides if sides.is_virtual]
        tables += [made for sides in others if (made := virtual.merge(sides)) is not None]
        judge, is_written = self._judge, self._judge.settle()
        if is_written:
            things.put()
            virtual.refresh()
            if self._broken("main") - broken:
                raise sqlite3.IntegrityError("FOREIGN KEY constraint failed")
            self._database.execute("COMMIT")
        else:
            self._database.execute("ROLLBACK")
        return RowMerge(
            tables=tuple(tables),
            clashes=judge.listed,
            clash_count=judge.count,
            open_count=judge.open_count,
            is_written=is_written,
        )

    def _broken(self, schema: str) -> _Links:
        """Table by table: a key that refers to what cannot be referred to is checked by nobody."""
        found: _Links = set()
        listed = f"SELECT name FROM {schema}.sqlite_schema WHERE type = 'table'"
        for (name,) in self._database.execute(listed).fetchall():
            try:
                rows = self._database.execute(f"PRAGMA {schema}.foreign_key_check({quoted(name)})")
                found |= {(folded(name), folded(parent), number) for _, _, parent, number in rows}
            except sqlite3.OperationalError as error:
                if "foreign key mismatch" not in str(error):
                    raise
        return found
