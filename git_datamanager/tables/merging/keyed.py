"""Merging rows of one table of SQLite databases: docs/design/rowmerge.md.

Both leave no temporary table behind: an index or a trigger on a table of that name would stand on it.
"""

import sqlite3

from git_datamanager.errors import DataError
from git_datamanager.tables.merging.clashes import Torn, decided
from git_datamanager.tables.merging.decisions import Judge
from git_datamanager.tables.merging.merged import Clash, TableMerge, Take
from git_datamanager.tables.merging.rowmerge import (
    Three,
    changed_rows,
    counted,
    gone_rows,
    new_rows,
    torn_rows,
)
from git_datamanager.tables.rowdiff import quoted
from git_datamanager.tables.schema import folded

_ROWIDS = ("rowid", "_rowid_", "oid")


class _Rows:
    """The rows of one table on three sides."""

    def __init__(self, database: sqlite3.Connection, name: str, three: Three, judge: Judge) -> None:
        self._database = database
        self._name = name
        self._three = three
        self._judge = judge


class Keyed(_Rows):
    """Cell by cell: rows that have one key."""

    def run(self) -> TableMerge:
        three = self._three
        self._decide()
        changed = self._collect("changed", changed_rows(three))
        gone = self._collect("gone", gone_rows(three))
        new = self._collect("new", new_rows(three))
        keys = ", ".join(quoted(column.name) for column in three.key)
        # IN, and no join: it finds rows as their own column compares them.
        for name in ("changed", "gone"):
            self._database.execute(
                f"DELETE FROM {three.ours} WHERE ({keys}) IN (SELECT {keys} FROM temp.{name})"
            )
        cells = ", ".join(quoted(column.name) for column in three.columns)
        # OR ABORT: whatever the table itself says of a conflict, we want to know.
        for name in ("changed", "new"):
            self._database.execute(
                f"INSERT OR ABORT INTO {three.ours} ({cells}) SELECT {cells} FROM temp.{name}"
            )
        for name in ("changed", "gone", "new", "torn", "decided"):
            self._database.execute(f"DROP TABLE temp.{name}")
        return TableMerge(name=self._name, added=new, removed=gone, changed=changed)

    def _decide(self) -> None:
        """Keep the torn rows as they are on all sides, and beside them what becomes of each: cells never pass
        through Python, and columns without a type change none."""
        width = len(self._three.columns)
        cells = ", ".join(f"{alias}{n}" for alias in "bot" for n in range(width))
        self._database.execute(
            f"CREATE TEMP TABLE torn (place INTEGER PRIMARY KEY, gone, is_old, sources, {cells})"
        )
        self._database.execute("CREATE TEMP TABLE decided (place INTEGER PRIMARY KEY, verb, sources)")
        for sql in torn_rows(self._three):
            self._database.execute(f"INSERT INTO temp.torn (gone, is_old, sources, {cells}) {sql}")
        for place, *row in self._database.execute("SELECT * FROM temp.torn ORDER BY place"):
            torn = Torn.of(tuple(row), width)
            if (outcome := decided(self._name, self._three, torn, self._judge.decide)) is not None:
                self._database.execute("INSERT INTO temp.decided VALUES (?, ?, ?)", (place, *outcome))

    def _collect(self, name: str, sql: str) -> int:
        self._database.execute(f"CREATE TEMP TABLE {name} AS {sql}")
        cells = ", ".join(
            f"CASE substr(d.sources, {n + 1}, 1) WHEN 't' THEN t{n} WHEN 'b' THEN b{n} ELSE o{n} END"
            for n in range(len(self._three.columns))
        )
        self._database.execute(
            f"INSERT INTO temp.{name} SELECT {cells} FROM temp.decided d JOIN temp.torn USING (place)"
            " WHERE verb = ? ORDER BY place",
            (name,),
        )
        return int(self._database.execute(f"SELECT count(*) FROM temp.{name}").fetchone()[0])


class Counted(_Rows):
    """Rows without a key: each stands as often as on the side that changed that."""

    def run(self) -> TableMerge:
        three = self._three
        self._database.execute(
            "CREATE TEMP TABLE counted AS "
            + counted(three.base, three.ours, three.theirs, three.columns, three.dialect)
        )
        listed = self._database.execute(
            "SELECT rowid, nb, no, nt FROM temp.counted ORDER BY rowid"
        ).fetchall()
        more = [(row, self._wanted(row, *counts) - counts[1]) for row, *counts in listed]
        # What goes may be in the way of what comes.
        self._remove([(row, -count) for row, count in more if count < 0])
        for row, count in more:
            if count > 0:
                self._add(row, count)
        self._database.execute("DROP TABLE temp.counted")
        return TableMerge(
            name=self._name,
            added=sum(count for _, count in more if count > 0),
            removed=-sum(count for _, count in more if count < 0),
        )

    def _wanted(self, row: int, before: int, here: int, there: int) -> int:
        if here in (before, there):
            return there
        cells = self._database.execute(f"SELECT {self._cells()} FROM temp.counted WHERE rowid = ?", (row,))
        take = self._judge.decide(Clash(self._name, "count", cells.fetchone(), None, before, here, there))
        return {Take.BASE: before, Take.THEIRS: there}.get(take or Take.OURS, here)

    def _cells(self) -> str:
        return ", ".join(f"c{n}" for n in range(len(self._three.columns)))

    def _add(self, row: int, count: int) -> None:
        names = ", ".join(quoted(column.name) for column in self._three.columns)
        self._database.executemany(
            f"INSERT OR ABORT INTO {self._three.ours} ({names})"
            f" SELECT {self._cells()} FROM temp.counted WHERE rowid = ?",
            [(row,)] * count,
        )

    def _remove(self, counts: list[tuple[int, int]]) -> None:
        """Of rows that are the same those with the lowest numbers go; one sort finds all of them."""
        if not counts:
            return
        three, rowid = self._three, self._rowid()
        self._database.execute("CREATE TEMP TABLE fewer (place INTEGER PRIMARY KEY, need INTEGER)")
        self._database.executemany("INSERT INTO temp.fewer VALUES (?, ?)", counts)
        groups = ", ".join(
            word for n, c in enumerate(three.columns) for word in three.dialect.grouped(f"c{n}", (c, c))
        )
        own = ", ".join(quoted(column.name) for column in three.columns)
        rows = (
            f"SELECT NULL AS place, x.need AS need, {self._cells()} FROM temp.counted c"
            f" JOIN temp.fewer x ON x.place = c.rowid UNION ALL SELECT {rowid}, 0, {own} FROM {three.ours}"
        )
        found = (
            f"SELECT place, max(need) OVER (PARTITION BY {groups}) AS need,"
            f" row_number() OVER (PARTITION BY {groups} ORDER BY place IS NULL, place) AS n FROM ({rows})"
        )
        self._database.execute(
            f"DELETE FROM {three.ours} WHERE {rowid} IN"
            f" (SELECT place FROM ({found}) WHERE place IS NOT NULL AND n <= need)"
        )
        self._database.execute("DROP TABLE temp.fewer")

    def _rowid(self) -> str:
        schema, _, table = self._three.ours.partition(".")
        rows = self._database.execute(f"PRAGMA {schema}.table_xinfo({table})").fetchall()
        taken = {folded(row[1]) for row in rows}
        if (free := next((name for name in _ROWIDS if name not in taken), None)) is None:
            raise DataError(
                f"the table {self._name} has no key, and columns in the place of its row numbers:"
                " its rows cannot be merged"
            )
        return free
