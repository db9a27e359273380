"""Merging the rows of SQLite databases: docs/design/rowmerge.md.

A copy of ours is changed in one transaction, with base and theirs attached read-only. No trigger fires.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from git_datamanager import fsio
from git_datamanager.errors import Conflict, Corrupt, DataError
from git_datamanager.tables import sqlite
from git_datamanager.tables.compare import Wish, compare_tables
from git_datamanager.tables.dialect import SqliteDialect
from git_datamanager.tables.engine import Side
from git_datamanager.tables.merge_keyed import Keyed
from git_datamanager.tables.merged import LISTED, Clash, RowMerge, TableMerge
from git_datamanager.tables.result import TableDiff
from git_datamanager.tables.rowdiff import quoted
from git_datamanager.tables.rowmerge import Take, Three, counted
from git_datamanager.tables.schema import Change, Column, Schema, Table, folded

_DROPPED = ("index", "trigger", "view")
_HIDDEN = 6
"""The column of PRAGMA table_xinfo that is not 0 for what cannot be written."""


class _Sides(NamedTuple):
    """One table on the three sides, and what each side did to it."""

    base: Table | None
    ours: Table | None
    theirs: Table | None
    here: TableDiff | None
    """Base to ours; None where neither has it."""
    there: TableDiff | None


def merge(
    base: Path | None,
    ours: Path,
    theirs: Path,
    out: Path,
    keys: Mapping[str, tuple[str, ...]],
    take: Take | None,
) -> RowMerge:
    """Write to `out` (which must not exist) the rows of both sides. With clashes and without `take` nothing
    is left there. Raises Corrupt, Conflict where the result would break a constraint, DataError where tables
    cannot be merged."""
    encodings = {sqlite.encoding_of(path) for path in (base, ours, theirs) if path is not None}
    if len(encodings) > 1:
        raise DataError(f"the databases have several text encodings ({', '.join(sorted(encodings))})")
    sides = list(_compared(base, ours, theirs, out.parent, keys))
    with ours.open("rb") as source, out.open("xb") as target:
        fsio.copy_cheaply(source, target)
    try:
        with closing(_connected(out, base, theirs)) as database:
            found = _Merge(database, sides, keys, take).run()
    except sqlite3.IntegrityError as error:
        out.unlink()
        raise Conflict(
            f"the rows of both sides together break a constraint ({error}): nothing was merged"
        ) from error
    except sqlite3.Error as error:
        out.unlink()
        raise Corrupt(f"SQLite cannot merge the databases ({error})") from error
    if not found.is_written:
        out.unlink()
    return found


def _compared(
    base: Path | None, ours: Path, theirs: Path, folder: Path, keys: Mapping[str, tuple[str, ...]]
) -> Iterator[_Sides]:
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
        found = _Sides(tables_of[0], tables_of[1], tables_of[2], diffs[0].get(name), diffs[1].get(name))
        for diff in (found.here, found.there):
            if diff is not None and not diff.is_compared:
                raise DataError(f"the table {diff.name} cannot be merged ({diff.note})")
        yield found


def _connected(out: Path, base: Path | None, theirs: Path) -> sqlite3.Connection:
    database = sqlite3.connect(out.absolute().as_uri(), uri=True, isolation_level=None)
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
    database.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 2)
    return database


class _Merge:
    def __init__(
        self,
        database: sqlite3.Connection,
        sides: Sequence[_Sides],
        keys: Mapping[str, tuple[str, ...]],
        take: Take | None,
    ) -> None:
        self._database = database
        self._sides = sides
        self._wish = Wish(keys=keys)
        self._take = take
        self._clashes: list[Clash] = []
        self._count = 0
        self._things = {name: _things(database, name) for name in ("base", "main", "theirs")}

    def run(self) -> RowMerge:
        had_orphans = self._orphans("main") or self._orphans("theirs")
        self._database.execute("BEGIN IMMEDIATE")
        wanted = self._merged_things()
        for kind, name in self._things["main"]:
            if kind != "index":
                self._database.execute(f"DROP {kind} main.{quoted(name)}")
        tables = [made for sides in self._sides if (made := self._table(sides)) is not None]
        if self._count and self._take is None:
            self._database.execute("ROLLBACK")
        else:
            self._put_things(wanted)
            self._settings()
            if not had_orphans and self._orphans("main"):
                raise sqlite3.IntegrityError("FOREIGN KEY constraint failed")
            self._database.execute("COMMIT")
        is_written = self._take is not None or not self._count
        return RowMerge(
            tables=tuple(tables), clashes=tuple(self._clashes), clash_count=self._count, is_written=is_written
        )

    def _orphans(self, schema: str) -> bool:
        return self._database.execute(f"PRAGMA {schema}.foreign_key_check").fetchone() is not None

    def _clash(self, clash: Clash) -> None:
        self._count += 1
        if len(self._clashes) < LISTED:
            self._clashes.append(clash)

    # Tables

    def _table(self, sides: _Sides) -> TableMerge | None:
        """Merge one table into ours; None where theirs changes nothing."""
        if sides.there is None or sides.there.change is Change.SAME:
            return None
        shapes = {_shape(table) for table in (sides.base, sides.ours, sides.theirs) if table is not None}
        if sides.ours is not None and sides.theirs is not None and len(shapes) == 1:
            return self._rows(sides)
        if sides.here is None or sides.here.change is Change.SAME:
            return self._whole(sides)
        if sides.ours is None and sides.theirs is None:
            return None
        name = (sides.ours or sides.theirs or sides.there).name
        states = (_state(sides.base, None), _state(sides.ours, sides.here), _state(sides.theirs, sides.there))
        self._clash(Clash(name, "table", (), None, *states))
        return self._whole(sides) if self._take is Take.THEIRS else None

    def _whole(self, sides: _Sides) -> TableMerge:
        """The table as theirs has it."""
        if sides.ours is not None:
            self._database.execute(f"DROP TABLE main.{quoted(sides.ours.name)}")
        one = sides.theirs or sides.ours
        assert one is not None and sides.there is not None  # noqa: S101 -- one of both had it
        if sides.theirs is not None:
            name = quoted(sides.theirs.name)
            (sql,) = self._database.execute(
                "SELECT sql FROM theirs.sqlite_schema WHERE type = 'table' AND name = ?", (sides.theirs.name,)
            ).fetchone()
            self._database.execute(sql)
            cells = ", ".join(quoted(column.name) for column in self._writable("theirs", sides.theirs))
            self._database.execute(f"INSERT INTO main.{name} ({cells}) SELECT {cells} FROM theirs.{name}")
        there = sides.there
        return TableMerge(
            name=one.name, added=there.added, removed=there.removed, changed=there.changed, is_whole=True
        )

    def _writable(self, schema: str, table: Table) -> list[Column]:
        rows = self._database.execute(f"PRAGMA {schema}.table_xinfo({quoted(table.name)})").fetchall()
        names = {row[1] for row in rows if row[_HIDDEN] == 0}
        return [column for column in table.columns if column.name in names]

    def _rows(self, sides: _Sides) -> TableMerge:
        assert sides.ours is not None and sides.theirs is not None  # noqa: S101 -- as its caller saw
        ours, theirs = f"main.{quoted(sides.ours.name)}", f"theirs.{quoted(sides.theirs.name)}"
        base = f"base.{quoted(sides.base.name)}" if sides.base else f"(SELECT * FROM {ours} WHERE 0)"
        columns = tuple(self._writable("main", sides.ours))
        key = self._key(sides)
        if key:
            three = Three(base, ours, theirs, columns, key, SqliteDialect())
            return Keyed(self._database, sides.ours.name, three, self._take, self._clash).run()
        return self._counted(sides.ours.name, base, ours, theirs, columns)

    def _key(self, sides: _Sides) -> tuple[Column, ...]:
        """The key that tells rows apart on all sides; none where a row lacks it."""
        assert sides.ours is not None and sides.here is not None and sides.there is not None  # noqa: S101
        if any(diff.note for diff in (sides.here, sides.there)):
            return ()
        if sides.base is not None and sides.here.key != sides.there.key:
            return ()
        names = sides.there.key if sides.base is not None else self._wish.key_of(sides.ours)
        if sides.base is None and not sqlite.SqliteEngine(self._database).is_unique(sides.ours, names):
            return ()
        by_name = {folded(column.name): column for column in sides.ours.columns}
        return tuple(by_name[folded(name)] for name in names)

    def _counted(
        self, name: str, base: str, ours: str, theirs: str, columns: tuple[Column, ...]
    ) -> TableMerge:
        """Rows without a key: each stands as often as on the side that changed that."""
        sql = counted(base, ours, theirs, columns, SqliteDialect())
        added = removed = 0
        for before, here, there, *cells in self._database.execute(sql).fetchall():
            wanted = there
            if here not in (before, there):
                self._clash(Clash(name, "count", tuple(cells), None, before, here, there))
                wanted = {Take.OURS: here, Take.BASE: before}.get(self._take or Take.OURS, there)
            added += max(0, wanted - here)
            removed += max(0, here - wanted)
            self._set_count(ours, columns, cells, wanted - here)
        return TableMerge(name=name, added=added, removed=removed)

    def _set_count(self, ours: str, columns: Sequence[Column], cells: Sequence[object], more: int) -> None:
        names = ", ".join(quoted(column.name) for column in columns)
        if more > 0:
            marks = ", ".join("?" * len(columns))
            rows = [tuple(cells)] * more
            self._database.executemany(f"INSERT INTO {ours} ({names}) VALUES ({marks})", rows)
        elif more < 0:
            match = " AND ".join(
                f"(+{quoted(c.name)} IS ? COLLATE BINARY AND typeof({quoted(c.name)}) = typeof(?))"
                for c in columns
            )
            values = [value for cell in cells for value in (cell, cell)]
            self._database.execute(
                f"DELETE FROM {ours} WHERE rowid IN (SELECT rowid FROM {ours} WHERE {match} LIMIT ?)",
                (*values, -more),
            )

    # What stands beside tables

    def _merged_things(self) -> dict[tuple[str, str], str]:
        """Indexes, triggers and views as they are to be."""
        base, ours, theirs = (self._things[name] for name in ("base", "main", "theirs"))
        wanted = dict(ours)
        for key in base.keys() | theirs.keys():
            was, here, there = (_words(side.get(key)) for side in (base, ours, theirs))
            if there in (was, here):
                continue
            chosen = Take.THEIRS
            if here != was:
                self._clash(Clash(key[1], key[0], (), None, base.get(key), ours.get(key), theirs.get(key)))
                chosen = self._take or Take.OURS
            text = {Take.OURS: ours, Take.THEIRS: theirs, Take.BASE: base}[chosen].get(key)
            wanted.pop(key, None)
            if text is not None:
                wanted[key] = text
        return wanted

    def _put_things(self, wanted: Mapping[tuple[str, str], str]) -> None:
        standing = _things(self._database, "main")
        for kind, name in standing.keys() - wanted.keys():
            self._database.execute(f"DROP {kind} main.{quoted(name)}")
        for kind in _DROPPED:
            for key in sorted(key for key in wanted if key[0] == kind):
                if _words(standing.get(key)) != _words(wanted[key]):
                    if key in standing:
                        self._database.execute(f"DROP {kind} main.{quoted(key[1])}")
                    self._database.execute(wanted[key])

    def _settings(self) -> None:
        for name in ("user_version", "application_id"):
            was, here, there = (
                self._database.execute(f"PRAGMA {schema}.{name}").fetchone()[0]
                for schema in ("base", "main", "theirs")
            )
            if there != was and here == was:
                self._database.execute(f"PRAGMA main.{name} = {int(there)}")


def _things(database: sqlite3.Connection, schema: str) -> dict[tuple[str, str], str]:
    rows = database.execute(
        f"SELECT type, name, sql FROM {schema}.sqlite_schema"
        " WHERE type IN ('index', 'trigger', 'view') AND sql IS NOT NULL"
    )
    return {(kind, name): sql for kind, name, sql in rows}


def _words(text: str | None) -> list[str] | None:
    return None if text is None else text.split()


def _shape(table: Table) -> tuple[object, ...]:
    """What must be alike for rows to go from one table into the other."""
    columns = tuple(
        replace(column, name=folded(column.name), type=folded(column.type)) for column in table.columns
    )
    return columns, tuple(map(folded, table.key))


def _state(table: Table | None, diff: TableDiff | None) -> str | None:
    if table is None:
        return None
    return f"{len(table.columns)} columns" + (
        f", {diff.rows_after} rows" if diff and diff.rows_after is not None else ""
    )
