"""Two versions of a table with 1 % of its rows changed, compared by their key: SQLite, CSV, Parquet."""

import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from measuring import OURS, Contestant, Step
from scene import Scene, Table

ROWS = 1_000_000
SMALL = 100_000
"""Rows for those that would take minutes otherwise."""
PROGRAMS = Path(__file__).parents[1] / "programs"
_COLUMNS = "id, region, year, value, code, flag"
_BEFORE = (
    "SELECT range AS id, 'region_' || (range % 50) AS region, 2000 + range % 51 AS year,"
    " round(hash(range) % 1000000 / 1000.0, 3) AS value, md5(range::VARCHAR) AS code, range % 2 AS flag"
    " FROM range({rows})"
)
_AFTER = (
    "SELECT * REPLACE (CASE WHEN id % 100 = 7 THEN value + 1 ELSE value END AS value) FROM before"
    " WHERE id % 1000 <> 3"
    " UNION ALL SELECT {rows} + range, 'new', 2060, 1.5, 'x', 1 FROM range({rows} // 1000)"
)
KINDS = ("parquet", "csv", "sqlite")


def run(scene: Scene) -> dict[str, Table]:
    found = {}
    for label, number in (("million", ROWS), ("small", SMALL)):
        rows = scene.scaled(number, least=1000)
        folder = scene.root / label
        folder.mkdir()
        size = _make(folder, rows)
        count = f"{rows:,}".replace(",", " ")
        title = f"rows that changed: two tables of {count} rows, 1 % changed"
        contestants = [_ours(folder, kind) for kind in KINDS]
        contestants += [_peer(scene, "sqldiff", folder, "sqlite", [])]
        if label == "small":
            contestants += [
                _peer(scene, "daff", folder, "csv", ["diff", "--id", "id"]),
                Contestant("dump as SQL, difflib", [_step(folder, "dumpdiff.py", "sqlite")], rounds=1),
            ]
        name = f"rows-{label}"
        found[name] = Table(title, scene.meter.compare(title, contestants), {"bytes": size, "rows": rows})
    return found


def _make(folder: Path, rows: int) -> int:
    """Both versions in every format; the bytes of the newer CSV."""
    import duckdb

    with duckdb.connect() as made:
        made.execute(f"CREATE TABLE before AS {_BEFORE.format(rows=rows)}")
        made.execute(f"CREATE TABLE after AS {_AFTER.format(rows=rows)}")
        for side in ("before", "after"):
            for kind in ("csv", "parquet"):
                made.execute(f"COPY {side} TO '{folder / side}.{kind}'")
            answer = made.execute(f"FROM {side} SELECT {_COLUMNS}")
            with closing(sqlite3.connect(folder / f"{side}.sqlite")) as database:
                database.execute(
                    "CREATE TABLE t"
                    " (id INTEGER PRIMARY KEY, region TEXT, year INTEGER, value REAL, code TEXT,"
                    " flag INTEGER)"
                )
                while batch := answer.fetchmany(100_000):
                    database.executemany("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?)", batch)
                database.commit()
    return (folder / "after.csv").stat().st_size


def _sides(kind: str) -> list[str]:
    return [f"before.{kind}", f"after.{kind}"]


def _step(folder: Path, program: str, kind: str) -> Step:
    return Step([sys.executable, PROGRAMS / program, *_sides(kind)], folder)


def _ours(folder: Path, kind: str) -> Contestant:
    shown = {"sqlite": "SQLite", "csv": "CSV", "parquet": "Parquet"}[kind]
    return Contestant(f"{OURS} diff, {shown}", [_step(folder, "tablediff.py", kind)])


def _peer(scene: Scene, name: str, folder: Path, kind: str, words: Sequence[str]) -> Contestant:
    """One that takes two files; its answer is SQL, or a table of its own."""
    steps = [Step([scene.programs[name], *words, *_sides(kind)], folder)] if name in scene.programs else []
    shown = {"sqlite": "SQLite", "csv": "CSV"}[kind]
    return Contestant(f"{name}, {shown}", steps, rounds=1 if name == "daff" else None)
