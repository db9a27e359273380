"""What `git data diff` found, as one JSON document: docs/reference/json.md."""

from collections.abc import Iterable, Sequence
from typing import Any

from git_datamanager.ops.inside.differences import DatasetDiff, FolderDiff, Point
from git_datamanager.tables.result import RowChange, SourceDiff, TableDiff
from git_datamanager.tables.schema import Change, Column, ColumnChange
from git_datamanager.tables.values import as_json

SCHEMA = "diff"


def document(diffs: Iterable[DatasetDiff]) -> dict[str, Any]:
    """All datasets that differ; the body of `git-data/diff/1`."""
    return {"datasets": [dataset(diff) for diff in diffs]}


def _sound(value: Any) -> Any:
    """Names come from databases that may hold any bytes: what is no UTF-8 becomes U+FFFD."""
    match value:
        case str():
            return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        case dict():
            return {_sound(name): _sound(inner) for name, inner in value.items()}
        case list():
            return [_sound(inner) for inner in value]
    return value


def dataset(diff: DatasetDiff) -> dict[str, Any]:
    """One dataset on both sides."""
    is_compared = diff.source is not None or diff.folder is not None
    plain = {
        "name": diff.name,
        "kind": str(diff.kind),
        "renamed_from": diff.renamed_from,
        "before": _point(diff.before),
        "after": _point(diff.after),
        "same_bytes": diff.is_same if is_compared else None,
        "same_data": diff.is_same_data if is_compared and diff.scope is None else None,
        "scope": diff.scope,
        "source": _source(diff.source) if diff.source is not None else None,
        "folder": _folder(diff.folder) if diff.folder is not None else None,
        "needs": [{"version": point.label, "size": point.size} for point in diff.absent],
        "problem": diff.problem,
    }
    return dict(_sound(plain))


def _point(point: Point | None) -> dict[str, Any] | None:
    if point is None:
        return None
    version = point.version
    return {
        "label": point.label,
        "version": version.name if version else None,
        "id": version.id if version else None,
        "state": str(version.state) if version else None,
        "oid": str(version.oid) if version else None,
        "size": point.size,
    }


def _source(source: SourceDiff) -> dict[str, Any]:
    return {
        "kind": source.kind,
        "same_bytes": source.is_same_bytes,
        "same_data": None if source.is_partial else source.is_same_data,
        "size_before": source.size_before,
        "size_after": source.size_after,
        "common": source.common,
        "added": source.added,
        "removed": source.removed,
        "changed": source.changed,
        "tables": [_table(table) for table in source.tables],
        "things": [
            {"change": t.change.value, "kind": t.kind, "name": t.name, "before": t.before, "after": t.after}
            for t in source.things
        ],
        "note": source.note,
    }


def _table(table: TableDiff) -> dict[str, Any]:
    return {
        "name": table.name,
        "change": table.change.value,
        "compared": table.is_compared,
        "key": list(table.key),
        "rows_before": table.rows_before,
        "rows_after": table.rows_after,
        "added": table.added,
        "removed": table.removed,
        "changed": table.changed,
        "unchanged": table.unchanged,
        "columns": [_column(change) for change in table.columns],
        "complete": table.is_complete,
        "rows": [_row(table, row) for row in table.samples],
        "note": table.note,
    }


def _column(change: ColumnChange) -> dict[str, Any]:
    return {
        "change": change.change.value,
        "name": change.name,
        "before": _declared(change.before),
        "after": _declared(change.after),
        "filled": change.filled,
    }


def _declared(column: Column | None) -> dict[str, Any] | None:
    if column is None:
        return None
    return {"type": column.type, "not_null": column.not_null, "default": column.default}


def _row(table: TableDiff, row: RowChange) -> dict[str, Any]:
    found: dict[str, Any] = {
        "change": row.change.value,
        "key": _cells(table.key_of(row)),
        "times": row.times,
        "before": _named(table.before_columns, row.before),
        "after": _named(table.after_columns, row.after),
        "cells": None,
    }
    if row.change is Change.CHANGED:
        cells = table.cells(row)
        found["cells"] = [
            {"column": c.column, "before": as_json(c.before), "after": as_json(c.after)} for c in cells
        ]
    return found


def _named(names: Sequence[str], cells: Sequence[Any] | None) -> dict[str, Any] | None:
    return None if cells is None else dict(zip(names, _cells(cells), strict=True))


def _cells(cells: Iterable[Any]) -> list[Any]:
    return [as_json(cell) for cell in cells]


def _folder(folder: FolderDiff) -> dict[str, Any]:
    return {
        "files": [
            {
                "path": member.path,
                "change": member.change.value,
                "moved_from": member.was,
                "size_before": member.before,
                "size_after": member.after,
                "source": _source(folder.tables[member.path]) if member.path in folder.tables else None,
            }
            for member in folder.members
        ],
        "unchanged": folder.unchanged,
        "note": folder.note,
    }
