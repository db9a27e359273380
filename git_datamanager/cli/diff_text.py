"""What `git data diff` found, as lines of text: like git, one header per dataset. Needs no click.

Every name and cell goes through `clean`, every line has a bound on its width.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from git_datamanager.cli.safe import clean
from git_datamanager.model.names import pasteable
from git_datamanager.ops.inside.differences import DatasetDiff, FolderDiff, MemberChange
from git_datamanager.pages.measure import size
from git_datamanager.tables.result import CellChange, RowChange, SourceDiff, TableDiff
from git_datamanager.tables.schema import Change, Column, ColumnChange, ThingChange, either, folded
from git_datamanager.tables.values import Cell, shown

Ink = Callable[[str, str], str]
"""Colours a text by a slot: added, removed, changed, dim."""
_WIDEST = 60
"""Characters of a cell."""
_CELLS = 12
"""Cells of a line."""
_FILES = 50
"""Files of a folder, unless all are asked for."""
_ONE_TABLE = ("csv", "jsonl", "parquet")
"""Sources whose one table has no name of its own."""
_AMBIGUOUS = (", ", ": ", "→")


def plain(text: str, _slot: str) -> str:
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How it is told."""

    ink: Ink = plain
    has_rows: bool = True
    """False: counts alone."""
    is_whole: bool = False
    """Every file of a folder, however many."""
    for_more: str = ""
    """How to ask for the rows that are left out."""


PLAIN = Manner()


def lines(diff: DatasetDiff, manner: Manner = PLAIN) -> Iterator[str]:
    """One dataset: its header, and below it what changed."""
    ink = manner.ink
    yield header(diff, ink)
    if diff.absent:
        needs = ", ".join(f"{p.label} ({size(p.size)})" for p in diff.absent)
        yield ink(f"  needs {needs}: git -c data.diff.fetch=always data diff {clean(_again(diff))}", "dim")
    if diff.problem:
        yield f"  not compared: {clean(diff.problem)}"
    if diff.source is not None:
        yield from _source(diff.source, manner, "  ")
    if diff.folder is not None:
        yield from _folder(diff.folder, manner)


def _again(diff: DatasetDiff) -> str:
    """The same question for this dataset alone."""
    name = pasteable(diff.name)
    if diff.before is None or diff.before.version is None:
        return f"-- {name}"
    points = [point for point in (diff.before, diff.after) if point is not None and point.version is not None]
    return " ".join(f"{name}@{point.label}" for point in points)


def header(diff: DatasetDiff, ink: Ink = plain) -> str:
    """`energy.sqlite  v1 → v2  2.1 MiB → 2.2 MiB  rows +774 −0 ~12`."""
    was = f"{clean(diff.renamed_from)} → " if diff.renamed_from is not None else ""
    words = [ink(was + clean(diff.name), "changed"), _labels(diff), _sizes(diff), summary(diff)]
    return "  ".join(word for word in words if word)


def summary(diff: DatasetDiff) -> str:
    """The change in a few words; nothing where nobody compared it."""
    if diff.before and diff.after and not diff.differs:
        return "not a byte differs" if diff.is_same else f"bytes changed, {diff.scope or 'data'} same"
    if diff.folder is not None:
        return f"files {_tally(*(diff.folder.count(change) for change in _ORDER))}"
    if diff.source is not None:
        return _source_summary(diff.source)
    return "renamed" if diff.renamed_from is not None and not (diff.absent or diff.problem) else ""


def _source_summary(source: SourceDiff) -> str:
    if source.kind == "other":
        if source.common is None or not source.size_after:
            return ""
        return f"{source.common * 100 // source.size_after} % of its bytes were there before"
    has_counts = any(t.rows_before is not None or t.rows_after is not None for t in source.tables)
    return f"rows {_tally(source.added, source.removed, source.changed)}" if has_counts else ""


_ORDER = (Change.ADDED, Change.REMOVED, Change.CHANGED)


def _tally(added: int, removed: int, changed: int) -> str:
    return f"+{number(added)} −{number(removed)} ~{number(changed)}"


def number(count: int) -> str:
    """`10 000`."""
    return f"{count:,}".replace(",", " ")


def _labels(diff: DatasetDiff) -> str:
    if diff.before is None:
        return f"new: {diff.after.label}" if diff.after else ""
    if diff.after is None:
        return f"{diff.before.label} → gone"
    is_same = diff.before.version is not None and diff.before.version == diff.after.version
    return diff.after.label if is_same else f"{diff.before.label} → {diff.after.label}"


def _sizes(diff: DatasetDiff) -> str:
    sizes = [size(point.size) for point in (diff.before, diff.after) if point is not None]
    return " → ".join(dict.fromkeys(sizes))


# Files that are tables


def _source(source: SourceDiff, manner: Manner, indent: str) -> Iterator[str]:
    if source.note:
        yield f"{indent}note: {clean(source.note)}"
    has_names = source.kind not in _ONE_TABLE
    for table in source.tables:
        name = (table.name or "''") if has_names else ""  # SQLite takes an empty name for a table
        if table.change is not Change.SAME or not table.is_compared:
            yield from _table(replace(table, name=name), manner, indent)
    for thing in source.things:
        yield from _thing(thing, manner.ink, indent)


def _table(table: TableDiff, manner: Manner, indent: str) -> Iterator[str]:
    ink = manner.ink
    key = f"keyed by {', '.join(_name(name) for name in table.key[:_CELLS])}" if table.key else "whole rows"
    how = f"({key})" if table.is_compared and table.rows_before is not None is not table.rows_after else ""
    was = f"{_name(table.was)} → " if table.was is not None else ""
    title = ink(was + _name(table.name), "changed") if table.name else ""
    words = [title, how, _counts(table)]
    yield indent + "  ".join(word for word in words if word)
    if table.note:
        yield f"{indent}  note: {clean(table.note)}"
    for column in table.columns[: _CELLS * 4]:
        yield f"{indent}  {_column(column, ink)}"
    if len(table.columns) > _CELLS * 4:
        yield f"{indent}  … {number(len(table.columns) - _CELLS * 4)} more columns differ"
    if manner.has_rows:
        yield from (f"{indent}  {_row(table, row, ink)}" for row in table.samples)
        left = table.added + table.removed + table.changed - sum(row.times for row in table.samples)
        if left:
            yield ink(f"{indent}  … {number(left)} more row{'s' * (left != 1)}{manner.for_more}", "dim")


def _counts(table: TableDiff) -> str:
    if not table.is_compared:
        return "" if table.note else "not compared"
    if table.change is Change.ADDED and table.rows_after is not None:
        return f"new table, {_rows(table.rows_after)}"
    if table.change is Change.REMOVED and table.rows_before is not None:
        return f"table removed, it had {_rows(table.rows_before)}"
    if table.rows_before is None:
        return {Change.ADDED: "new table", Change.REMOVED: "table removed"}.get(table.change, "")
    tally = _tally(table.added, table.removed, table.changed)
    return f"{tally}, {number(table.unchanged or 0)} unchanged"


def _rows(count: int) -> str:
    return f"{number(count)} row{'s' * (count != 1)}"


def _column(change: ColumnChange, ink: Ink) -> str:
    filled = f", {number(change.filled)} filled" if change.filled is not None else ""
    was = f"{_name(change.before.name)} → " if change.before and change.before.name != change.name else ""
    text = f"{change.change.sign} column {was}{_name(change.name)}"
    if change.before is not None and change.after is not None:
        text += f": {_declared(change.before)} → {_declared(change.after)}"
    else:
        text += f" {_declared(either(change.before, change.after))}{filled}"
    return ink(text, change.change.value)


def _declared(column: Column) -> str:
    words = [column.type or "any", "NOT NULL" * column.not_null]
    words += [f"DEFAULT {column.default}"] if column.default is not None else []
    return clean(_cut(" ".join(word for word in words if word)))


def _thing(thing: ThingChange, ink: Ink, indent: str) -> Iterator[str]:
    text = f"{thing.change.sign} {thing.kind} {_name(thing.name)}"
    if thing.kind == "setting":
        text += f": {thing.before} → {thing.after}"
    yield indent + ink(clean(text), thing.change.value)
    if thing.kind != "setting" and thing.change is Change.CHANGED:
        for mark, sql in (("−", thing.before), ("+", thing.after)):
            yield f"{indent}  {mark} {clean(_cut(' '.join((sql or '').split()), 4 * _WIDEST))}"


def _row(table: TableDiff, row: RowChange, ink: Ink) -> str:
    key = ", ".join(cell(one) for one in table.key_of(row)[:_CELLS])
    if row.change is Change.CHANGED:
        return f"{row.change.sign} {key}: " + _bounded([_changed(one, ink) for one in table.cells(row)])
    names, cells = (
        (table.after_columns, row.after) if row.after is not None else (table.before_columns, row.before)
    )
    keys = set(map(folded, table.key))
    rest = [cell(one) for name, one in zip(names, cells or (), strict=True) if folded(name) not in keys]
    times = f"  (×{row.times})" if row.times != 1 else ""
    said = ": ".join(filter(None, (key, _bounded(rest))))
    return ink(f"{row.change.sign} {said}{times}", row.change.value)


def _changed(change: CellChange, ink: Ink) -> str:
    old, new = cell(change.before), cell(change.after)
    if old == new:  # alike to the eye: text and number, or cut before they differ
        old, new = (f"{one} ({_class(v)})" for one, v in ((old, change.before), (new, change.after)))
    return f"{_name(change.column)}: {ink(old, 'removed')} → {ink(new, 'added')}"


def _class(value: Cell) -> str:
    words = {str: "text", int: "integer", float: "real", bytes: "blob"}
    length = f", {len(value)} long" if isinstance(value, str | bytes) else ""
    return words.get(type(value), type(value).__name__) + length


def _bounded(cells: Sequence[str]) -> str:
    more = len(cells) - _CELLS
    return ", ".join(cells[:_CELLS]) + (f", … {number(more)} more" if more > 0 else "")


def cell(value: Cell) -> str:
    """One cell on one line; text that would be taken for something else stands in quotes."""
    text = clean(shown(value, _WIDEST))
    if not isinstance(value, str):
        return text
    is_odd = value == "" or value != value.strip() or value[:1] in "'\"" or value in ("NULL", "true", "false")
    is_odd = is_odd or value.startswith(("x'", "b'")) or any(part in value for part in _AMBIGUOUS)
    return f"'{text}'" if is_odd else text


def _name(name: str) -> str:
    return clean(_cut(name))


def _cut(text: str, limit: int = _WIDEST) -> str:
    return text if len(text) <= limit else text[:limit] + "…"


# Folders


def _folder(folder: FolderDiff, manner: Manner) -> Iterator[str]:
    ink = manner.ink
    if folder.note:
        yield f"  note: {clean(folder.note)}"
    listed: Iterable[MemberChange] = folder.members if manner.is_whole else folder.members[:_FILES]
    for member in listed:
        source = folder.tables.get(member.path)
        yield f"  {_member(member, source, ink)}"
        if source is not None:
            yield from _source(source, manner, "    ")
    if not manner.is_whole and len(folder.members) > _FILES:
        yield ink(f"  … {number(len(folder.members) - _FILES)} more files{manner.for_more}", "dim")
    if folder.unchanged:
        yield ink(f"  {number(folder.unchanged)} file{'s' * (folder.unchanged != 1)} unchanged", "dim")


def _member(member: MemberChange, source: SourceDiff | None, ink: Ink) -> str:
    was = f"{clean(member.was)} → " if member.was is not None else ""
    sizes = " → ".join(
        dict.fromkeys(size(count) for count in (member.before, member.after) if count is not None)
    )
    words = [ink(f"{member.change.sign} {was}{clean(member.path)}", member.change.value), sizes]
    if member.was is not None:
        words.append("moved")
    if source is not None:
        what = "the same in what was asked for" if source.is_partial else "data same"
        words.append(_source_summary(source) if source.differs else f"bytes changed, {what}")
    return "  ".join(word for word in words if word)
