"""The result of a run, read: rows, medians, ratios of rounds that were run side by side."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

OURS = "git data"
FLOORS = frozenset(["sha256 alone", "read + sha256", "scandir + stat"])
"""No tools: the least that has to be done."""

Entry = dict[str, Any]


@dataclass(frozen=True)
class Result:
    """The JSON of `table.py`."""

    document: Entry

    def has(self, table: str) -> bool:
        return table in self.document["tables"]

    def title(self, table: str) -> str:
        return str(self.document["tables"][table]["title"])

    def figures(self, table: str) -> Entry:
        figures: Entry = self.document["tables"][table]["figures"]
        return figures

    def rows(self, table: str) -> list[Entry]:
        rows: list[Entry] = self.document["tables"][table]["rows"]
        return rows

    def ours(self, table: str) -> list[Entry]:
        """Our rows that worked: one for each setting."""
        return [row for row in self.rows(table) if row["name"].startswith(OURS) and worked(row)]

    def peers(self, table: str) -> list[Entry]:
        """All others, those that failed and those that are not here too."""
        return [row for row in self.rows(table) if not row["name"].startswith(OURS)]

    def named(self, table: str, name: str) -> Entry | None:
        """A row that worked."""
        return next((row for row in self.rows(table) if row["name"] == name and worked(row)), None)


def worked(row: Entry) -> bool:
    return "failed" not in row and bool(row.get("seconds"))


def ratio(one: Entry, other: Entry) -> float:
    """Seconds of one over seconds of the other: round by round, of medians where one ran less often."""
    if len(one["seconds"]) != len(other["seconds"]):
        return float(one["median"] / other["median"])
    return statistics.median(a / b for a, b in zip(one["seconds"], other["seconds"], strict=True))


def moved(row: Entry, way: str) -> int | None:
    """Bytes that went `sent` or `received`; what arrived in a folder, for tools without a bucket."""
    value: int | None = row.get(way, row.get("moved"))
    return value


def seconds(value: float) -> str:
    return f"{value:.3f} s" if value < 0.1 else f"{value:.2f} s" if value < 10 else f"{value:.1f} s"


def amount(value: float) -> str:
    """Bytes for people, in decimal units."""
    if value < 1e6:
        return f"{value / 1e3:.1f} kB"
    return f"{value / 1e6:.{1 if value < 100e6 else 0}f} MB"


def times(rows: Sequence[Entry]) -> str:
    """Names and medians."""
    return ", ".join(
        f"{row['name']} {seconds(row['median']) if worked(row) else _excuse(row)}" for row in rows
    )


def _excuse(row: Entry) -> str:
    return "not here" if row.get("failed") == "not here" else "failed"
