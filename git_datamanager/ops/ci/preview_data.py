"""What a request changes inside datasets: its new versions against those they replace on the base.

A preview helps to decide, and must not become the reason that nothing can be merged: what is too big, takes
too long, cannot be read or cannot be had is shown by its manifest entries, with the reason.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from git_datamanager.errors import DataError
from git_datamanager.manager import DataManager
from git_datamanager.model.manifest import Kind, Manifest
from git_datamanager.ops.ci.preview_bytes import Look
from git_datamanager.ops.ci.preview_checks import Asking, checked, unasked
from git_datamanager.ops.inside import reading
from git_datamanager.ops.inside.check_asking import CheckResult
from git_datamanager.ops.inside.diff import Asked, compare
from git_datamanager.ops.inside.diff_sides import Pair, between
from git_datamanager.ops.inside.differences import DatasetDiff
from git_datamanager.tables.deadline import OutOfTime, limited
from git_datamanager.tables.result import SourceDiff
from git_datamanager.workspace.settings import Settings

_UNREADABLE = "it cannot be read as a table, or only on one side"
NOTHING = Asking()
REPORT_ROWS = 50
"""Rows of each kind and table that a report has."""


class Limits(NamedTuple):
    """How far a preview looks inside."""

    samples: int
    """Cells of a dataset in a comment; 0: no cell leaves the stores."""
    size: int
    """Bytes of both versions of a file together; above it nothing is fetched or opened."""
    seconds: int
    """For all datasets together; what is being compared then is broken off."""


class Inside(NamedTuple):
    """What was found inside datasets."""

    diffs: list[DatasetDiff]
    """One for each pair; of those that nobody could look into, their versions and why."""
    checks: list[CheckResult]


def limits_of(settings: Settings) -> Limits:
    """Raises SettingsError."""
    return Limits(
        settings.number("data.preview.samples"),
        settings.size("data.preview.maxSize"),
        settings.number("data.preview.seconds"),
    )


def changed_pairs(base: Manifest, head: Manifest, names: set[str]) -> list[Pair]:
    """The datasets of these names whose latest version is not the same on both sides."""
    return [pair for pair in between(base, head) if not names.isdisjoint(pair.names) and _differs(pair)]


def look_inside(
    manager: DataManager,
    pairs: Sequence[Pair],
    looks: Mapping[str, Look],
    limits: Limits,
    *,
    may_read: bool,
    asking: Asking = NOTHING,
) -> Inside:
    """Compare each pair, and ask the rules of what is new. Without `may_read`, and where `problem` says why,
    only what the manifests say.

    `looks`: what was seen of the bytes of new versions, by entry id. Bytes are fetched into the cache.
    """
    asked = Asked(rows=REPORT_ROWS if limits.samples else 0)
    end = time.monotonic() + limits.seconds
    found: list[DatasetDiff] = []
    checks: list[CheckResult] = []
    for pair in pairs:
        if not may_read or pair.after is None:
            found += _outlines(manager, pair)
            checks += unasked(pair, asking, "nobody looked for the bytes")
            continue
        why = _reason(pair, looks, limits, is_late=time.monotonic() >= end)
        if why is not None:
            found += _outlines(manager, pair, why)
            checks += unasked(pair, asking, why)
            continue
        try:
            with limited(end - time.monotonic()):
                found += compare(manager, [pair], asked=asked, may_fetch=reading.always)
        except OutOfTime:
            found += _outlines(manager, pair, _late(limits))
        except DataError as error:
            found += _outlines(manager, pair, str(error))
        checks += checked(manager, pair, asking, size=limits.size, until=end)
    return Inside(found if limits.samples else list(map(_hushed, found)), checks)


def _hushed(diff: DatasetDiff) -> DatasetDiff:
    """Without the words of an engine, which may quote the cell that it could not read."""
    if diff.source is not None:
        return replace(diff, source=_hushed_source(diff.source))
    if diff.folder is None:
        return diff
    tables = {path: _hushed_source(source) for path, source in diff.folder.tables.items()}
    return replace(diff, folder=replace(diff.folder, tables=tables))


def _hushed_source(source: SourceDiff) -> SourceDiff:
    tables = tuple(t if t.is_compared else replace(t, note=_UNREADABLE) for t in source.tables)
    note = _UNREADABLE if source.note is not None and not source.is_compared else source.note
    return replace(source, tables=tables, note=note)


def _outlines(manager: DataManager, pair: Pair, why: str | None = None) -> list[DatasetDiff]:
    """What the manifests say; `why` it is not more."""
    found = compare(manager, [pair], asked=Asked(is_names_only=True))
    return found if why is None else [replace(outline, problem=why) for outline in found]


def _late(limits: Limits) -> str:
    return f"time: all comparisons together have {limits.seconds} seconds (data.preview.seconds)"


def _differs(pair: Pair) -> bool:
    before, after = pair
    if before is None or after is None or before.version is None or after.version is None:
        return True
    return before.version.oid != after.version.oid or before.dataset.name != after.dataset.name


def _reason(pair: Pair, looks: Mapping[str, Look], limits: Limits, *, is_late: bool) -> str | None:
    """Why nobody looks inside."""
    versions = [place.version for place in pair if place is not None and place.version is not None]
    look = looks.get(versions[-1].id)
    if look is not None and look.where is None:
        return str(look.problem) if look.problem is not None else "its bytes were not found"
    kind = pair.after.dataset.kind if pair.after is not None else Kind.FILE
    if kind is Kind.FILE and sum(version.size for version in versions) > limits.size:
        return f"both versions together are more than {limits.size} bytes (data.preview.maxSize)"
    if is_late:
        return _late(limits)
    return None
