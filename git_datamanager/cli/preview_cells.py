"""What changes inside datasets, in the Markdown of a preview: counts for all, a few cells to look at."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from git_datamanager.cli import markdown
from git_datamanager.ops.inside.check_asking import CheckResult, Outcome
from git_datamanager.ops.inside.differences import DatasetDiff
from git_datamanager.pages import measure, words
from git_datamanager.pages.cells import plain_change
from git_datamanager.tables.result import SourceDiff, TableDiff
from git_datamanager.tables.schema import Change
from git_datamanager.tables.values import Cell, shown

_WIDTH = 60
"""Characters of a cell."""


def by_entry(diffs: Sequence[DatasetDiff]) -> dict[str, DatasetDiff]:
    """By the id of the version that is new."""
    return {d.after.version.id: d for d in diffs if d.after is not None and d.after.version is not None}


def is_known(diff: DatasetDiff) -> bool:
    """Somebody looked inside, or tried to."""
    return bool(diff.source or diff.folder or diff.problem or diff.absent)


def facts(diff: DatasetDiff | None) -> list[str]:
    """The cells `rows + − ~` and `schema` of a dataset's row."""
    if diff is None:
        return ["", ""]
    tally = words.row_counts(diff)
    outcome = words.outcome(diff)
    if diff.problem is not None or diff.absent or tally is None or not any(tally):
        return [markdown.plain(outcome, limit=160) or "–", markdown.plain(words.schema(diff))]
    added, removed, changed = tally
    number = measure.number
    return [f"+{number(added)} −{number(removed)} ~{number(changed)}", markdown.plain(words.schema(diff))]


def checks(results: Sequence[CheckResult], entry: str) -> str:
    """How the checks of a version went: `❌ 1 failed, 3 ok`."""
    mine = [result for result in results if result.version is not None and result.version.id == entry]
    failed = sum(result.refuses for result in mine)
    counts = {
        "❌ {} failed": failed,
        "⚠️ {} warned": sum(result.outcome is Outcome.FAILED for result in mine) - failed,
        "❓ {} not asked": sum(result.outcome is Outcome.UNCHECKED for result in mine),
        "{} skipped": sum(result.outcome is Outcome.SKIPPED for result in mine),
        "{} ok": sum(result.outcome is Outcome.PASSED for result in mine),
    }
    return ", ".join(text.format(count) for text, count in counts.items() if count) or "–"


def samples(diffs: Sequence[DatasetDiff], count: int) -> Iterator[str]:
    """Up to `count` changed cells of each dataset, folded away."""
    for diff in diffs if count else ():
        found = list(islice(_cells(diff), count))
        if not found:
            continue
        tally = words.row_counts(diff) or (0, 0, 0)
        summary = (
            f"{markdown.html_code(diff.name)} {markdown.html_code(words.versions(diff))}: {_rows(*tally)}"
        )
        rows = [[markdown.code(text) if text else "" for text in sample] for sample in found]
        yield ""
        yield from markdown.details(
            summary, markdown.table(["table", "row", "column", "before", "after"], rows)
        )


def _rows(added: int, removed: int, changed: int) -> str:
    number = measure.number
    return f"{measure.counted(added, 'row')} added, {number(removed)} removed, {number(changed)} changed"


class _Sample(NamedTuple):
    """Texts; empty where there is nothing to say."""

    table: str
    row: str
    column: str
    before: str
    after: str


def _cells(diff: DatasetDiff) -> Iterator[_Sample]:
    """Changed cells of every table, then its rows that came or went; one of each table first."""
    tables = [
        (f"{prefix}{table.name}", table)
        for prefix, source in _sources(diff)
        for table in source.tables
        if table.samples
    ]
    streams = [_of_table(name, table) for name, table in tables]
    while streams:
        left = []
        for stream in streams:
            sample = next(stream, None)
            if sample is not None:
                yield sample
                left.append(stream)
        streams = left


def _sources(diff: DatasetDiff) -> list[tuple[str, SourceDiff]]:
    if diff.folder is not None:
        return [(f"{path}: ", source) for path, source in sorted(diff.folder.tables.items())]
    return [("", diff.source)] if diff.source is not None else []


def _of_table(name: str, table: TableDiff) -> Iterator[_Sample]:
    for row in table.samples:
        for cell in table.cells(row):
            before, after = plain_change(cell.before, cell.after, _WIDTH)
            yield _Sample(name, _line(table.key_of(row)), cell.column, before, after)
    if table.before_columns and table.after_columns:  # of a table that one side alone has none is news
        for row in table.samples:
            if row.change is not Change.CHANGED:
                yield _Sample(name, "", "", _line(row.before or ()), _line(row.after or ()))


def _line(cells: Sequence[Cell]) -> str:
    return ", ".join(shown(cell, _WIDTH) for cell in cells[:8])
