"""Merging the tables of SQLite databases, one by one: which declaration counts, then row by row."""

import sqlite3
from typing import NamedTuple

from git_datamanager.tables import sqlite
from git_datamanager.tables.compare import Wish
from git_datamanager.tables.dialect import SqliteDialect
from git_datamanager.tables.merging.decisions import Judge
from git_datamanager.tables.merging.keyed import Counted, Keyed
from git_datamanager.tables.merging.merged import Clash, TableMerge, Take
from git_datamanager.tables.merging.rowmerge import Three
from git_datamanager.tables.result import TableDiff
from git_datamanager.tables.rowdiff import quoted
from git_datamanager.tables.schema import Change, Column, Table, either, folded, same_text

_HIDDEN = 6
"""The column of PRAGMA table_xinfo that is not 0 for what cannot be written."""
_COPY = "temp.copied"


class Sides(NamedTuple):
    """One table on the three sides, and what each side did to it."""

    base: Table | None
    ours: Table | None
    theirs: Table | None
    here: TableDiff | None
    """Base to ours; None where neither has it."""
    there: TableDiff | None

    @property
    def is_virtual(self) -> bool:
        return any(table is not None and table.closed for table in (self.base, self.ours, self.theirs))

    @property
    def name(self) -> str:
        return either(self.base, either(self.theirs, self.ours)).name


class Tables:
    def __init__(self, database: sqlite3.Connection, wish: Wish, judge: Judge) -> None:
        self._database = database
        self._wish = wish
        self._judge = judge

    def merge(self, sides: Sides) -> TableMerge | None:  # noqa: PLR0911 -- one for each case
        """Merge one table into ours; None where theirs changes nothing."""
        if not _is_changed(sides.base, sides.theirs, sides.there):
            return None
        if sides.ours is not None and sides.theirs is not None:
            if _is_alike(sides.ours, sides.theirs):
                return self._rows(sides, sides.ours)
            if not _is_changed(sides.base, sides.ours, sides.here):
                return self._whole(sides, Take.THEIRS)
            return self._declared_apart(sides, sides.ours, sides.theirs)
        if not _is_changed(sides.base, sides.ours, sides.here):
            return self._whole(sides, Take.THEIRS)
        if sides.ours is None and sides.theirs is None:
            return None
        return self._clashing(sides)

    def _clashing(self, sides: Sides) -> TableMerge | None:
        states = (_state(sides.base, None), _state(sides.ours, sides.here), _state(sides.theirs, sides.there))
        take = self._judge.decide(Clash(sides.name, "table", (), None, *states))
        return self._whole(sides, take or Take.OURS)

    def _declared_apart(self, sides: Sides, ours: Table, theirs: Table) -> TableMerge | None:
        """Both changed the table, one of them its declaration: the rows of the other go into that, if it
        has a place for all of their cells."""
        base = sides.base
        if base is not None and _is_alike(base, ours) and _holds(theirs, base):
            self._rebuild("theirs", theirs, "main", ours)
            return self._rows(sides, theirs)
        if base is not None and _is_alike(base, theirs) and _holds(ours, base):
            return self._rows(sides, ours)
        return self._clashing(sides)

    def _whole(self, sides: Sides, take: Take) -> TableMerge | None:
        """The table as one side has it."""
        if take is Take.OURS:
            return None
        schema, table = ("theirs", sides.theirs) if take is Take.THEIRS else ("base", sides.base)
        if table is None:
            if sides.ours is not None:
                self._database.execute(f"DROP TABLE main.{quoted(sides.ours.name)}")
        else:
            self._rebuild(schema, table, schema, table, dropped=sides.ours)
        there = sides.there
        is_theirs = there is not None and take is Take.THEIRS
        return TableMerge(
            name=sides.name,
            added=there.added if there and is_theirs else 0,
            removed=there.removed if there and is_theirs else 0,
            changed=there.changed if there and is_theirs else 0,
            is_whole=True,
        )

    def _rebuild(
        self, schema: str, declared: Table, source: str, rows: Table, *, dropped: Table | None = None
    ) -> None:
        """Put a table into ours that is declared as `schema` has it, with the rows of one of `source`. A copy
        is made, and nothing renamed: that would ask of all views and triggers whether they still fit."""
        writable = {folded(column.name) for column in self._writable(schema, declared)}
        cells = ", ".join(quoted(name) for name in rows.names if folded(name) in writable)
        relation = f"{source}.{quoted(rows.name)}"
        old = rows if source == "main" else dropped
        if source == "main":
            self._database.execute(f"CREATE TEMP TABLE copied AS SELECT * FROM {relation}")
            relation = _COPY
        if old is not None:
            self._database.execute(f"DROP TABLE main.{quoted(old.name)}")
        self._database.execute(declared.definition)
        self._database.execute(
            f"INSERT OR ABORT INTO main.{quoted(declared.name)} ({cells}) SELECT {cells} FROM {relation}"
        )
        self._database.execute(f"DROP TABLE IF EXISTS {_COPY}")

    def _writable(self, schema: str, table: Table) -> list[Column]:
        rows = self._database.execute(f"PRAGMA {schema}.table_xinfo({quoted(table.name)})").fetchall()
        names = {row[1] for row in rows if row[_HIDDEN] == 0}
        return [column for column in table.columns if column.name in names]

    def _rows(self, sides: Sides, declared: Table) -> TableMerge:
        """`declared`: the table that stands in ours now."""
        ours = f"main.{quoted(declared.name)}"
        columns = tuple(self._writable("main", declared))
        theirs = self._widened("theirs", sides.theirs, declared, columns)
        base = self._widened("base", sides.base, declared, columns)
        key = self._key(sides, declared, columns)
        three = Three(base, ours, theirs, columns, key, SqliteDialect())
        if key:
            return Keyed(self._database, declared.name, three, self._judge).run()
        return Counted(self._database, declared.name, three, self._judge).run()

    def _widened(self, schema: str, table: Table | None, declared: Table, columns: tuple[Column, ...]) -> str:
        """A side as it stands in FROM, with all these columns: those it lacks hold what a new one would."""
        if table is None:
            return f"(SELECT * FROM main.{quoted(declared.name)} WHERE 0)"
        relation, names = f"{schema}.{quoted(table.name)}", set(map(folded, table.names))
        missing = [column for column in columns if folded(column.name) not in names]
        if not missing:
            return relation
        cells = [
            f"{self._default(column)} AS {quoted(column.name)}" if column in missing else quoted(column.name)
            for column in columns
        ]
        return f"(SELECT {', '.join(cells)} FROM {relation})"

    def _default(self, column: Column) -> str:
        """What a column holds in rows that nobody gave a value, as a literal: of its own class."""
        if column.default is None:
            return "NULL"
        name = quoted(column.name)
        self._database.execute(
            f"CREATE TEMP TABLE filled ({name} {quoted(column.type)} DEFAULT ({column.default}))"
        )
        self._database.execute("INSERT INTO temp.filled DEFAULT VALUES")
        (text,) = self._database.execute(f"SELECT quote({name}) FROM temp.filled").fetchone()
        self._database.execute("DROP TABLE temp.filled")
        return str(text)

    def _key(self, sides: Sides, declared: Table, columns: tuple[Column, ...]) -> tuple[Column, ...]:
        """The key that tells rows apart on all sides; none where a row lacks it."""
        diffs = [diff for diff in (sides.here, sides.there) if diff is not None]
        if sides.base is None:
            names = self._wish.key_of(declared)
            is_known = sqlite.SqliteEngine(self._database).is_unique(declared, names)
        else:
            names = diffs[0].key
            is_known = not any(diff.note for diff in diffs) and len({diff.key for diff in diffs}) == 1
        if not is_known:  # what was wished for is no key; what is declared always is one
            names = declared.key if declared.is_key_whole else ()
        by_name = {folded(column.name): column for column in columns}
        found = tuple(by_name[folded(name)] for name in names if folded(name) in by_name)
        return found if len(found) == len(names) else ()


def _is_alike(one: Table, other: Table) -> bool:
    """Declared in the same words."""
    return same_text(one.definition, other.definition)


def _is_changed(base: Table | None, table: Table | None, diff: TableDiff | None) -> bool:
    if base is None or table is None:
        return base is not table
    return diff is None or diff.change is not Change.SAME or not _is_alike(base, table)


def _holds(wide: Table, narrow: Table) -> bool:
    """All columns of one are those of the other, declared for the same values and by the same key."""
    types = {folded(column.name): folded(column.type) for column in wide.columns}
    return tuple(map(folded, wide.key)) == tuple(map(folded, narrow.key)) and all(
        types.get(folded(column.name)) == folded(column.type) for column in narrow.columns
    )


def _state(table: Table | None, diff: TableDiff | None) -> str | None:
    if table is None:
        return None
    rows = f", {diff.rows_after} rows" if diff and diff.rows_after is not None else ""
    return f"{len(table.columns)} columns{rows}"
