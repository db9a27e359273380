"""The same facts in the same words on every page and in every comment: sizes, counts, what became of data."""

from collections.abc import Iterator, Sequence

from git_datamanager.model.manifest import Kind
from git_datamanager.ops.inside.differences import DatasetDiff, FolderDiff
from git_datamanager.pages.measure import counted, number, size
from git_datamanager.tables.result import SourceDiff
from git_datamanager.tables.schema import Change

SAME_DATA = "bytes changed, data same"


def versions(diff: DatasetDiff) -> str:
    """v2 → v3."""
    if diff.before is None or diff.after is None or is_one_version(diff):
        one = diff.after or diff.before
        return one.label if one is not None else "–"
    return f"{diff.before.label} → {diff.after.label}"


def is_one_version(diff: DatasetDiff) -> bool:
    """Both sides are the same version, or versions of the same bytes: the dataset has only another name."""
    versions = [point.version if point is not None else None for point in (diff.before, diff.after)]
    return versions[0] is not None and versions[1] is not None and versions[0].oid == versions[1].oid


def grown(diff: DatasetDiff) -> int:
    """By how many bytes."""
    return (diff.after.size if diff.after else 0) - (diff.before.size if diff.before else 0)


def sources(diff: DatasetDiff) -> list[SourceDiff]:
    """What was compared inside: the file, or the members of a folder."""
    if diff.source is not None:
        return [diff.source]
    return list(diff.folder.tables.values()) if diff.folder is not None else []


def row_counts(diff: DatasetDiff) -> tuple[int, int, int] | None:
    """Rows added, removed, changed; None where no rows were compared."""
    compared = [s for s in sources(diff) if s.tables or s.is_compared]
    if not compared:
        return None
    return (
        sum(s.added for s in compared),
        sum(s.removed for s in compared),
        sum(s.changed for s in compared),
    )


def schema(diff: DatasetDiff) -> str:
    """`+1 table, ~2 columns, −1 index`; empty where nothing is declared otherwise."""
    return ", ".join(_schema(sources(diff)))


def _schema(found: Sequence[SourceDiff]) -> Iterator[str]:
    # A source that only one side has is new as a whole.
    both = [s for s in found if s.size_before is not None and s.size_after is not None]
    tables: list[tuple[str, Change]] = [
        ("table", t.change) for s in both for t in s.tables if t.change in (Change.ADDED, Change.REMOVED)
    ]
    tables += [("table", Change.CHANGED) for s in both for t in s.tables if t.was is not None]
    columns = [("column", c.change) for s in both for t in s.tables for c in t.columns]
    things = [(t.kind, t.change) for s in both for t in s.things]
    tally: dict[tuple[str, Change], int] = {}
    for item in (*tables, *columns, *things):
        tally[item] = tally.get(item, 0) + 1
    for (word, change), count in tally.items():
        plural = f"{word}es" if word.endswith("x") else f"{word}s"
        yield f"{change.sign}{counted(count, word, plural)}".replace(" ", "\u00a0")


def outcome(diff: DatasetDiff) -> str:
    """What became of the dataset, in one line; empty where the rows say it."""
    if is_one_version(diff):
        return "not a byte differs"
    if diff.before and diff.after and not diff.differs:
        return "not a byte differs" if diff.is_same else f"bytes changed, {diff.scope or 'data'} same"
    if diff.before is None or diff.after is None:
        return ", ".join(filter(None, ("new" if diff.before is None else "removed", _not_compared(diff))))
    if diff.folder is not None:
        return folder(diff.folder)
    return shared_bytes(diff.source) if diff.source is not None else _not_compared(diff)


def _not_compared(diff: DatasetDiff) -> str:
    if diff.problem is not None:
        return f"not compared: {diff.problem}"
    if diff.absent:
        points = ", ".join(f"{point.label} ({size(point.size)})" for point in diff.absent)
        return f"not compared: {points} not here"
    return "" if sources(diff) or diff.folder is not None else "not compared"


def folder(diff: FolderDiff) -> str:
    """files: 3 added, 1 removed, 2 changed, 1 moved."""
    moved = sum(member.was is not None for member in diff.members)
    counts = {str(c): diff.count(c) for c in (Change.ADDED, Change.REMOVED, Change.CHANGED)}
    counts |= {"changed": counts["changed"] - moved, "moved": moved}
    words = [f"{number(count)} {word}" for word, count in counts.items() if count]
    return f"files: {', '.join(words)}" if words else ""


def shared_bytes(source: SourceDiff) -> str:
    """How alike two files are that are no tables."""
    if source.common is None or not source.size_after:
        return ""
    return f"{size(source.common)} of {size(source.size_after)} stand in both"


def kind(diff: DatasetDiff) -> str:
    """`sqlite`, `folder`, `file`."""
    if diff.kind is Kind.TREE:
        return "folder"
    return diff.source.kind if diff.source is not None and diff.source.kind != "other" else "file"
