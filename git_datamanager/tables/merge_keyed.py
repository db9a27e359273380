"""Merging rows of one table of SQLite databases that have a key: docs/design/rowmerge.md."""

import sqlite3
from collections.abc import Callable

from git_datamanager.tables.clashes import clashes
from git_datamanager.tables.merged import Clash, TableMerge
from git_datamanager.tables.rowdiff import quoted
from git_datamanager.tables.rowmerge import Take, Three, changed_rows, gone_rows, new_rows

Note = Callable[[Clash], None]
"""Takes down what cannot be decided."""


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
        match = " AND ".join(f"o.{quoted(c.name)} = x.{quoted(c.name)}" for c in three.key)
        for name in ("changed", "gone"):
            self._database.execute(
                f"DELETE FROM {three.ours} AS o WHERE EXISTS (SELECT 1 FROM temp.{name} x WHERE {match})"
            )
        cells = ", ".join(quoted(column.name) for column in three.columns)
        for name in ("changed", "new"):
            self._database.execute(f"INSERT INTO {three.ours} ({cells}) SELECT {cells} FROM temp.{name}")
        return TableMerge(name=self._name, added=new, removed=gone, changed=changed)

    def _collect(self, name: str, sql: str) -> int:
        self._database.execute(f"DROP TABLE IF EXISTS temp.{name}")
        self._database.execute(f"CREATE TEMP TABLE {name} AS {sql}")
        keys = ", ".join(quoted(column.name) for column in self._three.key)
        self._database.execute(f"CREATE INDEX temp.{name}_key ON {name} ({keys})")
        return int(self._database.execute(f"SELECT count(*) FROM temp.{name}").fetchone()[0])
