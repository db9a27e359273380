"""Merging rows of one table of SQLite databases: docs/design/rowmerge.md.

Both leave no temporary table behind: an index or a trigger on a table of that name would stand on it.
"""

import sqlite3
from collections.abc import Callable

from git_datamanager.errors import DataError
from git_datamanager.tables.merging.clashes import clashes
from git_datamanager.tables.merging.merged import Clash, TableMerge
from git_datamanager.tables.merging.rowmerge import Take, Three, changed_rows, counted, gone_rows, new_rows
from git_datamanager.tables.rowdiff import quoted
from git_datamanager.tables.schema import folded

Note = Callable[[Clash], None]
"""Takes down what cannot be decided."""
_ROWIDS = ("rowid", "_rowid_", "oid")


class Keyed:
    """Cell by cell: rows that have one key."""

    def __init__(
        self, database: sqlite3.Connection, name: str, three: Three, take: Take | None, clash: Note
    ) -> None:
        self._database = database
        self._name = name
        self._three = three
        self._take = take
        self._clash = clash

    def run(self) -> TableMerge:
        for clash in clashes(self._name, self._three, self._database.execute):
            self._clash(clash)
        take = self._take or Take.OURS
        three = self._three
        changed = self._collect("changed", changed_rows(three, take))
        gone = self._collect("gone", gone_rows(three, take))
        new = self._collect("new", new_rows(three, take))
        keys = ", ".join(quoted(column.name) for column in three.key)
        for name in ("changed", "gone"):  # IN, and no join: it finds rows as their own column compares them
            self._database.execute(
                f"DELETE FROM {three.ours} WHERE ({keys}) IN (SELECT {keys} FROM temp.{name})"
            )
        cells = ", ".join(quoted(column.name) for column in three.columns)
        for name in (
            "changed",
            "new",
        ):  # OR ABORT: whatever the table itself says of a conflict, we want to know
            self._database.execute(
                f"INSERT OR ABORT INTO {three.ours} ({cells}) SELECT {cells} FROM temp.{name}"
            )
        for name in ("changed", "gone", "new"):
            self._database.execute(f"DROP TABLE temp.{name}")
        return TableMerge(name=self._name, added=new, removed=gone, changed=changed)

    def _collect(self, name: str, sql: str) -> int:
        self._database.execute(f"CREATE TEMP TABLE {name} AS {sql}")
        return int(self._database.execute(f"SELECT count(*) FROM temp.{name}").fetchone()[0])


class Counted:
    """Rows without a key: each stands as often as on the side that changed that."""

    def __init__(
        self, database: sqlite3.Connection, name: str, three: Three, take: Take | None, clash: Note
    ) -> None:
        self._database = database
        self._name = name
        self._three = three
        self._take = take
        self._clash = clash

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
        self._remove(
            [(row, -count) for row, count in more if count < 0]
        )  # it may be in the way of what comes
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
        self._clash(Clash(self._name, "count", cells.fetchone(), None, before, here, there))
        return {Take.BASE: before, Take.THEIRS: there}.get(self._take or Take.OURS, here)

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
