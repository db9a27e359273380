"""What every workload has to reach, as figures of a result."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from results_read import Entry, Result, amount, moved, ratio, seconds, times


class Found(NamedTuple):
    """What was measured for a target."""

    value: float
    """In the unit of the target's limit."""
    ours: str
    peers: str


Find = Callable[[Result, str], Found | None]


class Target(NamedTuple):
    """One line of the table."""

    workload: str
    table: str
    text: str
    """What is asked for, as people read it."""
    limit: float
    at_most: bool
    """Whether the value must not be above the limit; else not below it."""
    unit: str
    find: Find

    def is_met(self, found: Found) -> bool:
        return found.value <= self.limit if self.at_most else found.value >= self.limit


def _slowest(rows: Sequence[Entry]) -> Entry | None:
    return max(rows, key=lambda row: row["median"], default=None)


def _against(name: str) -> Find:
    """Our time over that of one peer or floor."""

    def find(result: Result, table: str) -> Found | None:
        mine, other = _slowest(result.ours(table)), result.named(table, name)
        if mine is None or other is None:
            return None
        return Found(ratio(mine, other), seconds(mine["median"]), times(result.peers(table)))

    return find


def _row(name: str) -> Find:
    """The seconds of one row of ours."""

    def find(result: Result, table: str) -> Found | None:
        mine = result.named(table, name)
        if mine is None:
            return None
        return Found(float(mine["median"]), seconds(mine["median"]), times(result.peers(table)))

    return find


def _faster_than(*names: str) -> Find:
    """How many times faster we are than the fastest of these; of all tools, where none is named."""

    def find(result: Result, table: str) -> Found | None:
        mine = _slowest(result.ours(table))
        others = [
            row
            for row in result.peers(table)
            if "median" in row and "failed" not in row and (not names or row["name"] in names)
        ]
        if mine is None or not others:
            return None
        value = min(ratio(other, mine) for other in others)
        return Found(value, seconds(mine["median"]), times(result.peers(table)))

    return find


def _time(result: Result, table: str) -> Found | None:
    mine = _slowest(result.ours(table))
    return mine and Found(mine["median"], seconds(mine["median"]), times(result.peers(table)))


def _bytes(way: str, of: str) -> Find:
    """Our bytes over those of the data, the worst of our settings."""

    def find(result: Result, table: str) -> Found | None:
        mine = [size for row in result.ours(table) if (size := moved(row, way)) is not None]
        if not mine:
            return None
        others = [(row["name"], moved(row, way)) for row in result.peers(table)]
        told = ", ".join(f"{name} {amount(size)}" for name, size in others if size is not None)
        return Found(max(mine) / result.figures(table)[of], amount(max(mine)), told)

    return find


def _history(figure: str) -> Find:
    """How many times fewer bytes than whole files, `average` or `median`."""

    def find(result: Result, table: str) -> Found | None:
        figures = result.figures(table)
        if "ours" not in figures:
            return None
        peers = [f"{name} {figures[name][figure]} ×" for name in ("restic", "borg") if name in figures]
        return Found(figures["ours"][figure], f"{figures['ours'][figure]} ×", ", ".join(peers))

    return find


def _compacted(result: Result, table: str) -> Found | None:
    figures = result.figures(table)
    compacted = figures.get("compaction", {}).get("compacted")
    if compacted is None:
        return None
    peers = [f"{row['name']} {amount(row['moved'])}" for row in result.peers(table) if "moved" in row]
    told = ", ".join([f"whole versions {amount(figures['bytes'])}", *peers])
    return Found(figures["bytes"] / compacted, amount(compacted), told)


def _peak(result: Result, _table: str) -> Found | None:
    """The highest of all transfers; a diff has a limit of its own, and the curve is of more files."""
    tables = [name for name in result.document["tables"] if not name.startswith(("rows-", "million"))]
    mine = [(row["peak"], name) for name in tables for row in result.ours(name)]
    if not mine:
        return None
    peaks: dict[str, int] = {}
    for name in tables:
        for row in result.peers(name):
            peaks[row["name"]] = max(peaks.get(row["name"], 0), row.get("peak", 0))
    highest = sorted(peaks, key=lambda name: -peaks[name])[:3]
    told = ", ".join(f"{name} {amount(peaks[name])}" for name in highest)
    return Found(max(mine)[0] / 1e6, f"{amount(max(mine)[0])} ({max(mine)[1]})", told)


def _at_most(table: str, workload: str, text: str, limit: float, unit: str, find: Find) -> Target:
    return Target(workload, table, text, limit, at_most=True, unit=unit, find=find)


def _at_least(table: str, workload: str, text: str, limit: float, unit: str, find: Find) -> Target:
    return Target(workload, table, text, limit, at_most=False, unit=unit, find=find)


_SQLITE = "1 GiB SQLite, 1 % of rows changed, 1 % new"
_MANY = "10 000 files, 340 MB"
_TINY = "100 000 tiny files"
_ROWS = "rows that changed: 1 000 000 rows, 1 % changed"
_TOOLS = "faster than git-lfs, DVC"
_both, _s5cmd = _faster_than("git-lfs", "dvc"), _faster_than("s5cmd")
_sent, _got, _one = _bytes("sent", "bytes"), _bytes("received", "bytes"), _bytes("sent", "changed")
TARGETS = (
    _at_most("add-2g", "add 2 GiB", "≤ 1.3 × sha256 alone", 1.3, "×", _against("sha256 alone")),
    _at_most("push-2g", "push 2 GiB to S3", "≤ 1.15 × s5cmd", 1.15, "×", _against("s5cmd")),
    _at_most("pull-2g", "pull 2 GiB from S3, verified", "≤ 1.5 × s5cmd", 1.5, "×", _against("s5cmd")),
    _at_most("sqlite-up", f"{_SQLITE}: bytes up", "≤ 1.6 % of it", 0.016, "%", _sent),
    _at_least("sqlite-up", "… add + push", "faster than all", 1.0, "× as fast", _faster_than()),
    _at_most("sqlite-down", "… bytes down", "≤ 1.6 % of it", 0.016, "%", _got),
    _at_least("sqlite-down", "… pull", "faster than all", 1.0, "× as fast", _faster_than()),
    _at_least(
        "history", "46 versions of 2 MB: bytes sent", "≥ 28 × fewer", 28, "× fewer", _history("average")
    ),
    _at_least("history", "… in the middle step", "≥ 130 × fewer", 130, "× fewer", _history("median")),
    _at_least("history", "… kept, compacted", "≤ 1/12 of whole", 12, "× fewer", _compacted),
    _at_most("many-add", f"{_MANY}: add", "≤ 1.2 s", 1.2, "s", _time),
    _at_least("many-add", "… add", f"≥ 5 × {_TOOLS}", 5, "× as fast", _both),
    _at_least("many-push", "… push to S3", "≥ 4 × faster than s5cmd", 4, "× as fast", _s5cmd),
    _at_least("many-pull", "… clone + pull", "≥ 4 × faster than s5cmd", 4, "× as fast", _s5cmd),
    _at_most("many-change", "… one changed: add + push", "≤ 0.5 s", 0.5, "s", _time),
    _at_most("many-change", "… one changed: bytes up", "≤ 2 × that file", 2, "×", _one),
    _at_least("tiny-add", f"{_TINY}: add", f"≥ 10 × {_TOOLS}", 10, "× as fast", _both),
    _at_most("tiny-status", "… status", "≤ 2 × scandir + stat", 2, "×", _against("scandir + stat")),
    _at_most("rows-million", f"{_ROWS}: Parquet", "≤ 2 s", 2, "s", _row("git data diff, Parquet")),
    _at_most("rows-million", "… CSV", "≤ 2 s", 2, "s", _row("git data diff, CSV")),
    _at_most("rows-million", "… SQLite", "≤ 3 s", 3, "s", _row("git data diff, SQLite")),
    _at_most("", "peak memory, any of these", "≤ 300 MB", 300, "MB", _peak),
)
