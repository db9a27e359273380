"""Data sets that change as real ones do, made anew from a seed: the same bytes on every machine.

(SQLite writes its own version number into a database: bytes 96 to 99 differ between versions.)
"""

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

_REGIONS = [f"R{number:02}" for number in range(1, 10)]
_PERIODS = list(range(2020, 2055, 5))
_SEASONS = ["winter", "spring", "summer", "autumn"]
_HOURS = [f"H{number:02}" for number in range(1, 25)]
_NOTES = ["", "NREL ATB 2024", "EIA AEO, table 8.2", "EPA 9-region database", "assumed", "expert judgement"]

Row = tuple[str | int | float, ...]
Tables = dict[str, list[Row]]


def big_database(path: Path, rows: int, seed: int = 1) -> None:
    """One table of `rows` rows of about 280 bytes each, half of that incompressible, in order of its key."""
    source = random.Random(seed)
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = OFF")
        db.execute(
            "CREATE TABLE flow (id INTEGER PRIMARY KEY, region TEXT, technology TEXT, period INTEGER,"
            " value REAL, share REAL, note TEXT, trace BLOB)"
        )
        _append(db, source, rows)


def _append(db: sqlite3.Connection, source: random.Random, count: int) -> None:
    made = (
        (
            source.choice(_REGIONS),
            f"T_{source.randrange(400):03}_EXISTING",
            source.choice(_PERIODS),
            source.random() * 1000,
            round(source.random(), 3),
            source.choice(_NOTES) + " " + source.choice(_SEASONS) * 6,
            source.randbytes(130),
        )
        for _ in range(count)
    )
    with db:
        db.executemany(
            "INSERT INTO flow (region, technology, period, value, share, note, trace)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            made,
        )


def edit_database(path: Path, *, updated: float, appended: float, seed: int = 2) -> None:
    """Change values of that share of the rows, at random places, and append that share of new ones."""
    source = random.Random(seed)
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = OFF")
        (rows,) = db.execute("SELECT count(*) FROM flow").fetchone()
        chosen = [(source.random() * 1000, source.randrange(1, rows + 1)) for _ in range(int(rows * updated))]
        with db:
            db.executemany("UPDATE flow SET value = ? WHERE id = ?", chosen)
        _append(db, source, int(rows * appended))


def table_text(path: Path, size: int, seed: int = 3) -> None:
    """A CSV of about `size` bytes."""
    source = random.Random(seed)
    with path.open("w", encoding="ascii", newline="\n") as file:
        file.write("hour,region,technology,period,value,share\n")
        hour = 0
        while file.tell() < size:
            file.write("".join(_line(source, hour + number) for number in range(10_000)))
            hour += 10_000


def _line(source: random.Random, hour: int) -> str:
    region, period = source.choice(_REGIONS), source.choice(_PERIODS)
    technology, value, share = source.randrange(400), source.random() * 1000, source.random()
    return f"{hour},{region},T_{technology:03},{period},{value:.4f},{share:.3f}\n"


def edit_text(path: Path, target: Path, *, changed: float, inserted: int, seed: int = 4) -> None:
    """Change that share of the lines, at random places, and insert new ones after the middle."""
    source = random.Random(seed)
    middle, position = path.stat().st_size // 2, 0
    with path.open(encoding="ascii") as lines, target.open("w", encoding="ascii", newline="\n") as file:
        for line in lines:
            before, position = position, position + len(line)
            if source.random() < changed:
                file.write(line.rpartition(",")[0] + f",{source.random():.3f}\n")
            else:
                file.write(line)
            if before < middle <= position:
                file.writelines(_line(source, 90_000_000 + number) for number in range(inserted))


def noise(path: Path, target: Path, size: int, insertion: int, seed: int = 5) -> None:
    """Incompressible bytes, and the same with others inserted at an odd place."""
    source = random.Random(seed)
    place = size // 3 + 12_345
    with path.open("wb") as old, target.open("wb") as new:
        for start in range(0, size, 1 << 20):
            block = source.randbytes(min(1 << 20, size - start))
            old.write(block)
            cut = place - start
            if 0 <= cut < len(block):
                new.write(block[:cut] + source.randbytes(insertion) + block[cut:])
            else:
                new.write(block)


def energy_history(folder: Path, steps: int = 46, seed: int = 6) -> Iterator[Path]:
    """Versions of an energy model's database of some 40 tables and 2 MB, rebuilt from its SQL each time.

    Most steps edit a few cells; some add rows, few replace a table.
    """
    source = random.Random(seed)
    tables = _model(source)
    for step in range(steps):
        if step:
            _change(tables, source)
        path = folder / f"energy-{step:02}.sqlite"
        _rebuild(tables, path)
        yield path


def _model(source: random.Random) -> Tables:
    technologies = [
        f"{sector}_{fuel}_{number:02}"
        for sector in ("ELC", "IND", "RES", "COM", "TRN")
        for fuel in ("NGA", "COAL", "SOL", "WND", "H2")
        for number in range(1, 6)
    ]
    tables: Tables = {
        "Technology": [(name, name[:3], source.choice(_NOTES)) for name in technologies],
        "CapacityFactor": [
            (region, season, hour, technology, round(source.random(), 4))
            for technology in technologies[10:20]
            for region in _REGIONS[:8]
            for season in _SEASONS
            for hour in _HOURS
        ],
        "DemandDistribution": [
            (region, season, hour, f"D_{number}", round(source.random() / 96, 6))
            for number in range(6)
            for region in _REGIONS
            for season in _SEASONS
            for hour in _HOURS
        ],
    }
    for number, name in enumerate(("CostInvest", "CostFixed", "CostVariable", "Efficiency", "MaxCapacity")):
        tables[name] = [
            (region, technology, period, round(source.random() * 10**number, 3), source.choice(_NOTES))
            for technology in technologies[::2]
            for region in _REGIONS[:5]
            for period in _PERIODS[: 2 + number % 3]
        ]
    for number in range(32):
        tables[f"Parameter{number:02}"] = [
            (source.choice(_REGIONS), row, source.choice(technologies), round(source.random(), 3))
            for row in range(source.randrange(2, 60))
        ]
    return tables


def _change(tables: Tables, source: random.Random) -> None:
    kind = source.random()
    names = sorted(tables)
    large = [name for name in names if len(tables[name]) > 500]
    rows = tables[source.choice(large if source.random() < 0.7 else names)]
    if kind < 0.7:  # a few cells
        for _ in range(source.randrange(1, 9)):
            _edit(rows, source.randrange(len(rows)), source)
    elif kind < 0.9:  # new rows, at one place of a table
        _insert(rows, source.randrange(20, 400), source)
    else:  # a new data source: rows in many tables, and columns computed anew
        for name in large:
            _insert(tables[name], source.randrange(50, 500), source)
        for place in range(len(rows)):
            _edit(rows, place, source)


def _insert(rows: list[Row], count: int, source: random.Random) -> None:
    place = source.randrange(len(rows))
    for number in range(count):
        _edit(rows, place, source)
        rows.insert(place, (f"N{source.randrange(10**6)}-{number}", *rows[place][1:]))


def _edit(rows: list[Row], place: int, source: random.Random) -> None:
    row = rows[place]
    column = max(index for index, value in enumerate(row) if index == 0 or isinstance(value, float))
    value = round(source.random(), 4) if column else f"{row[0]}x"
    rows[place] = (*row[:column], value, *row[column + 1 :])


def _rebuild(tables: Tables, path: Path) -> None:
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = OFF")
        for name, rows in sorted(tables.items()):
            columns = [f"c{number}" for number in range(len(rows[0]))]
            db.execute(f"CREATE TABLE {name} ({', '.join(columns)})")
            db.execute(f"CREATE INDEX {name}_by_key ON {name} ({', '.join(columns[:4])})")
            with db:
                places = ", ".join("?" * len(columns))
                db.executemany(f"INSERT INTO {name} VALUES ({places})", rows)  # noqa: S608 - our own names
