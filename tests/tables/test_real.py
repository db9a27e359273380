"""Successive revisions of a database that people worked on, against what SQL's EXCEPT counts."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from git_datamanager.tables.compare import Wish
from git_datamanager.tables.logical import table_hashes
from git_datamanager.tables.profiling.profile import profile
from git_datamanager.tables.schema import Change
from git_datamanager.tables.source import compare
from tests.test_story import revisions  # noqa: F401 - a fixture

COUNTS = Wish(rows=0)


def tables_of(path: Path) -> dict[str, list[str]]:
    """The columns of each table, by a road that the package does not go."""
    with closing(sqlite3.connect(f"{path.as_uri()}?immutable=1", uri=True)) as opened:
        names = opened.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        )
        return {
            name: [row[1] for row in opened.execute(f'PRAGMA table_info("{name}")')]
            for (name,) in names.fetchall()
        }


def both_ways(before: Path, after: Path, table: str, columns: list[str]) -> tuple[int, int]:
    """Rows of shared columns that only `after`, and that only `before` has. A class is part of a value; equal
    rows are numbered, so that each counts."""
    cells = ", ".join(f'"{name}", typeof("{name}")' for name in columns)
    numbered = f"SELECT {cells}, row_number() OVER (PARTITION BY {cells}) FROM "  # noqa: S608 -- their names
    with closing(sqlite3.connect(":memory:", uri=True)) as opened:
        for name, path in (("b", before), ("a", after)):
            opened.execute(f"ATTACH ? AS {name}", (f"{path.as_uri()}?immutable=1",))
        (added, removed) = (
            opened.execute(
                f'SELECT count(*) FROM ({numbered} {x}."{table}" EXCEPT {numbered} {y}."{table}")'  # noqa: S608
            ).fetchone()[0]
            for x, y in ("ab", "ba")
        )
    return added, removed


@pytest.fixture
def steps(revisions: list[Path]) -> Iterator[tuple[Path, Path]]:  # noqa: F811
    return pairwise(revisions)


@pytest.mark.slow
def test_every_table_of_every_step(steps: Iterator[tuple[Path, Path]]) -> None:
    differing = 0
    for before, after in steps:
        found = {table.name: table for table in compare(before, after, "energy.sqlite", COUNTS).tables}
        old, new = tables_of(before), tables_of(after)
        assert found.keys() == old.keys() | new.keys()
        for name, table in found.items():
            if name not in old or name not in new:
                assert table.change is (Change.ADDED if name in new else Change.REMOVED)
                continue
            assert table.is_compared, table.note
            columns = [column for column in old[name] if column in new[name]]
            added, removed = both_ways(before, after, name, columns)
            assert table.added + table.changed == added, name
            assert table.removed + table.changed == removed, name
            differing += bool(added or removed)
    assert differing


def test_the_way_back_is_the_way_there(steps: Iterator[tuple[Path, Path]]) -> None:
    for before, after in steps:
        there, back = (compare(*pair, "energy.sqlite", COUNTS) for pair in ((before, after), (after, before)))
        assert (there.added, there.removed, there.changed) == (back.removed, back.added, back.changed)


def test_tables_without_a_difference_have_one_hash_and_others_two(steps: Iterator[tuple[Path, Path]]) -> None:
    before, after = next(steps)
    old, new = ({h.name: h.digest for h in table_hashes(path, "a.sqlite")} for path in (before, after))
    for table in compare(before, after, "energy.sqlite").tables:
        if table.name in old and table.name in new:
            assert (old[table.name] == new[table.name]) == (table.change is Change.SAME), table.name


def test_profiles_count_as_sql_counts(revisions: list[Path]) -> None:  # noqa: F811
    with closing(sqlite3.connect(f"{revisions[0].as_uri()}?immutable=1", uri=True)) as opened:
        for table in profile(revisions[0], "energy.sqlite").tables:
            for column in table.columns:
                cell = f'"{column.name}"'
                counted = opened.execute(
                    f'SELECT count(*), count(*) - count({cell}), count(DISTINCT {cell}) FROM "{table.name}"'  # noqa: S608
                ).fetchone()
                assert (table.rows, column.nulls, column.distinct) == counted, (table.name, column.name)
