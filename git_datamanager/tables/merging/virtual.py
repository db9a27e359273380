"""Merging the virtual tables of SQLite databases: full text and R-trees, by their row numbers.

What such a table shows is merged, never the tables in which it keeps that. An index of rows that another
table holds (`content=`) is made anew from the merge of that.
"""

import re
import sqlite3

from git_datamanager.errors import DataError
from git_datamanager.tables.dialect import SqliteDialect
from git_datamanager.tables.merging.decisions import Judge
from git_datamanager.tables.merging.keyed import Keyed
from git_datamanager.tables.merging.merged import Clash, TableMerge, Take
from git_datamanager.tables.merging.rowmerge import Three
from git_datamanager.tables.merging.tables import Sides
from git_datamanager.tables.rowdiff import quoted
from git_datamanager.tables.schema import Column, Table, same_text

_TEXT = frozenset(("fts3", "fts4", "fts5"))
_TREES = frozenset(("rtree", "rtree_i32"))
_MODULES = _TEXT | _TREES
_SCHEMAS = ("base", "main", "theirs")
_HIDDEN = 6
"""The column of PRAGMA table_xinfo that is not 0 for what cannot be written."""
_MODULE = re.compile(r"\bUSING\s+[\"'`\[]?(\w+)", re.IGNORECASE)
_CONTENT = re.compile(r"[(,]\s*content\s*=\s*([^,)]*)", re.IGNORECASE)
_ODD = re.compile(r"[(,]\s*languageid\s*=", re.IGNORECASE)


class Virtual:
    """`merge` every one, then `refresh`."""

    def __init__(self, database: sqlite3.Connection, judge: Judge) -> None:
        self._database = database
        self._judge = judge

    def merge(self, sides: Sides) -> TableMerge | None:
        """None where nothing comes from theirs. Raises DataError for one that keeps what nobody can ask."""
        base, ours, theirs = (
            self._declared(schema, table) for schema, table in zip(_SCHEMAS, sides[:3], strict=True)
        )
        for text in (base, ours, theirs):
            self._check(sides.name, text)
        if ours and theirs and same_text(ours, theirs):
            if _CONTENT.search(ours):
                return None
            return self._rows(sides, is_in_base=bool(base and same_text(base, ours)))
        if self._is_same(sides, "theirs", base, theirs):
            return None
        take = Take.THEIRS
        if not self._is_same(sides, "main", base, ours):
            clash = Clash(sides.name, "virtual table", (), None, base, ours, theirs)
            take = self._judge.decide(clash) or Take.OURS
        return None if take is Take.OURS else self._replaced(sides, take)

    def refresh(self) -> None:
        """Make the indexes of rows that other tables hold anew, once those are merged."""
        listed = (
            "SELECT name, sql FROM main.sqlite_schema WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL%'"
        )
        for name, sql in self._database.execute(listed).fetchall():
            if _CONTENT.search(sql):
                word = quoted(name)
                self._database.execute(f"INSERT INTO main.{word} ({word}) VALUES ('rebuild')")

    def _declared(self, schema: str, table: Table | None) -> str | None:
        if table is None:
            return None
        sql = f"SELECT sql FROM {schema}.sqlite_schema WHERE type = 'table' AND name = ?"
        return str(self._database.execute(sql, (table.name,)).fetchone()[0])

    def _check(self, name: str, text: str | None) -> None:
        if text is None:
            return
        module = _MODULE.search(text)
        word = module.group(1).lower() if module else "unknown"
        if word not in _MODULES or _ODD.search(text):
            raise DataError(
                f"{name} is a virtual table ({word}) whose rows cannot be merged",
                hints=["take it off on both branches (DROP TABLE), merge, and make it anew"],
            )
        content = _CONTENT.search(text)
        if content is not None and not content.group(1).strip(" \t\r\n'\"`[]"):
            raise DataError(
                f"the virtual table {name} does not keep its texts (content=''): they cannot be merged",
                hints=["take it off on both branches (DROP TABLE), merge, and make it anew"],
            )

    def _is_same(self, sides: Sides, schema: str, base: str | None, text: str | None) -> bool:
        """This side left the table as it was."""
        if base is None or text is None:
            return base is text
        table = sides.theirs if schema == "theirs" else sides.ours
        if not same_text(base, text) or table is None or sides.base is None:
            return False
        if _CONTENT.search(text):
            return True
        cells = ", ".join(quoted(column.name) for column in self._columns("base", sides.base, base))
        one, other = f"base.{quoted(sides.base.name)}", f"{schema}.{quoted(table.name)}"
        differing = (
            f"SELECT {cells} FROM {a} EXCEPT SELECT {cells} FROM {b}" for a, b in ((one, other), (other, one))
        )
        return all(self._database.execute(sql).fetchone() is None for sql in differing)

    def _columns(self, schema: str, table: Table, text: str) -> tuple[Column, ...]:
        """Those that can be written, the row number first: of a tree its first column is that."""
        rows = self._database.execute(f"PRAGMA {schema}.table_xinfo({quoted(table.name)})").fetchall()
        columns = tuple(Column(row[1]) for row in rows if row[_HIDDEN] == 0)
        module = _MODULE.search(text)
        is_tree = module is not None and module.group(1).lower() in _TREES
        return columns if is_tree else (Column("rowid"), *columns)

    def _rows(self, sides: Sides, *, is_in_base: bool) -> TableMerge | None:
        assert sides.ours is not None and sides.theirs is not None  # noqa: S101 -- as its caller saw
        text = self._declared("main", sides.ours) or ""
        columns, ours = self._columns("main", sides.ours, text), f"main.{quoted(sides.ours.name)}"
        cells = ", ".join(quoted(column.name) for column in columns)
        base = f"(SELECT {cells} FROM {ours} WHERE 0)"
        if is_in_base and sides.base is not None:
            base = f"base.{quoted(sides.base.name)}"
        theirs = f"theirs.{quoted(sides.theirs.name)}"
        three = Three(base, ours, theirs, columns, columns[:1], SqliteDialect())
        made = Keyed(self._database, sides.name, three, self._judge).run()
        return made if made.added or made.removed or made.changed else None

    def _replaced(self, sides: Sides, take: Take) -> TableMerge:
        schema, table = ("theirs", sides.theirs) if take is Take.THEIRS else ("base", sides.base)
        if sides.ours is not None:
            self._database.execute(f"DROP TABLE main.{quoted(sides.ours.name)}")
        if table is not None:
            text = self._declared(schema, table) or ""
            self._database.execute(text)
            if not _CONTENT.search(text):
                name = quoted(table.name)
                cells = ", ".join(quoted(column.name) for column in self._columns(schema, table, text))
                self._database.execute(
                    f"INSERT INTO main.{name} ({cells}) SELECT {cells} FROM {schema}.{name}"
                )
        return TableMerge(name=sides.name, is_whole=True)
