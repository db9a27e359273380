"""Merging what a SQLite database holds beside its tables: indexes, views, triggers, and its settings."""

import sqlite3
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from git_datamanager.tables.merging.decisions import Judge
from git_datamanager.tables.merging.merged import Clash, Take
from git_datamanager.tables.rowdiff import quoted
from git_datamanager.tables.schema import folded

_Key = tuple[str, str]
_KINDS = ("index", "view", "trigger")
"""In the order in which they are made: a trigger may stand on a view."""
_SIDES = {Take.BASE: "base", Take.OURS: "main", Take.THEIRS: "theirs"}
_SETTINGS = ("user_version", "application_id")


class _Thing(NamedTuple):
    name: str
    sql: str


class Things:
    """Three-way by their text. `clear` comes before the rows are merged, `put` after."""

    def __init__(self, database: sqlite3.Connection, judge: Judge) -> None:
        self._database = database
        self._judge = judge
        self._wanted = self._merged()
        self._chosen_settings = dict(self._settings())

    def clear(self) -> None:
        """Take off all views and triggers, so that none fires, and the indexes that are to go: they may
        forbid the rows that come."""
        for key, thing in sorted(self._standing("main").items()):  # triggers go before the views they are on
            if key[0] != "index" or _words(self._wanted.get(key)) != _words(thing):
                self._database.execute(f"DROP {key[0]} main.{quoted(thing.name)}")

    def put(self) -> None:
        standing = self._standing("main")
        for kind in _KINDS:
            for key in sorted(key for key in self._wanted if key[0] == kind and key not in standing):
                self._database.execute(self._wanted[key].sql)
        self._sequences()
        for name, value in self._chosen_settings.items():
            self._database.execute(f"PRAGMA main.{name} = {value}")

    def _standing(self, schema: str) -> dict[_Key, _Thing]:
        rows = self._database.execute(
            f"SELECT type, name, sql FROM {schema}.sqlite_schema"
            " WHERE type IN ('index', 'trigger', 'view') AND sql IS NOT NULL"
        )
        return {(kind, folded(name)): _Thing(name, sql) for kind, name, sql in rows}

    def _merged(self) -> dict[_Key, _Thing]:
        sides = {side: self._standing(schema) for side, schema in _SIDES.items()}
        wanted = dict(sides[Take.OURS])
        for key in sides[Take.BASE].keys() | sides[Take.THEIRS].keys():
            chosen = self._chosen(key, {side: things.get(key) for side, things in sides.items()})
            wanted.pop(key, None)
            if chosen is not None:
                wanted[key] = chosen
        return wanted

    def _chosen(self, key: _Key, found: Mapping[Take, _Thing | None]) -> _Thing | None:
        was, here, there = (_words(found[side]) for side in (Take.BASE, Take.OURS, Take.THEIRS))
        if there in (was, here):
            return found[Take.OURS]
        if here == was:
            return found[Take.THEIRS]
        old, mine, other = (
            thing and thing.sql for thing in (found[Take.BASE], found[Take.OURS], found[Take.THEIRS])
        )
        one = found[Take.OURS] or found[Take.THEIRS] or found[Take.BASE]
        take = self._judge.decide(Clash(one.name if one else key[1], key[0], (), None, old, mine, other))
        return found[take or Take.OURS]

    def _sequences(self) -> None:
        """What AUTOINCREMENT never gives twice: the highest number that either side gave."""
        named = "SELECT 1 FROM {}.sqlite_schema WHERE name = 'sqlite_sequence'"
        if not all(self._database.execute(named.format(name)).fetchone() for name in ("main", "theirs")):
            return
        self._database.execute(
            "UPDATE main.sqlite_sequence AS o SET seq = max(o.seq, t.seq) FROM theirs.sqlite_sequence t"
            " WHERE t.name = o.name COLLATE NOCASE"
        )
        self._database.execute(
            "INSERT INTO main.sqlite_sequence (name, seq) SELECT s.name, t.seq FROM theirs.sqlite_sequence t"
            " JOIN main.sqlite_schema s ON s.type = 'table' AND s.name = t.name COLLATE NOCASE"
            " WHERE s.sql LIKE '%AUTOINCREMENT%' AND NOT EXISTS"
            " (SELECT 1 FROM main.sqlite_sequence o WHERE o.name = t.name COLLATE NOCASE)"
        )

    def _settings(self) -> Iterator[tuple[str, int]]:
        for name in _SETTINGS:
            values = {
                side: int(self._database.execute(f"PRAGMA {schema}.{name}").fetchone()[0])
                for side, schema in _SIDES.items()
            }
            was, here, there = (values[side] for side in (Take.BASE, Take.OURS, Take.THEIRS))
            if there not in (was, here):
                chosen = there
                if here != was:
                    take = self._judge.decide(Clash(name, "setting", (), None, was, here, there))
                    chosen = values[take or Take.OURS]
                yield name, chosen


def _words(thing: _Thing | None) -> list[str] | None:
    return None if thing is None else thing.sql.split()
