"""Each version of a manifest as its change against its parent, for `git diff` and `git log -p`.

Git shows two such texts side by side, so the text of a version may not depend on what stands beside it. It
is remembered once it was made: Git asks again for every commit that it shows.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from git_datamanager.manager import DataManager
from git_datamanager.model.manifest import Dataset, Kind, Manifest, State, Version
from git_datamanager.ops import reading
from git_datamanager.ops.diff import Asked, compare
from git_datamanager.ops.diff_sides import Pair, Place
from git_datamanager.ops.diff_standing import is_absent, stand
from git_datamanager.ops.differences import DatasetDiff
from git_datamanager.workspace.sqlitecache import SqliteCache

FORMAT = 1
"""Of what is remembered: another one makes all texts anew."""
SAMPLES = 3
"""Rows of each kind in each table: a diff is read, not searched."""
EACH = 64 << 20
AT_ONCE = 128 << 20
"""Bytes compared for one version, and for one manifest: Git waits for it. The newest versions come first, and
those that were remembered count too, so that both sides of a diff stop at the same one."""
_ROOM = 8 << 20
"""Bytes of texts that are remembered."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS text (
    key BLOB PRIMARY KEY, lines TEXT NOT NULL, size INTEGER NOT NULL, used INTEGER NOT NULL
) WITHOUT ROWID
"""

Render = Callable[[DatasetDiff], Sequence[str]]


class Told(NamedTuple):
    """What is said of a version."""

    lines: tuple[str, ...]
    """Of its change; empty where nothing was compared."""
    is_large: bool = False
    """It takes too long to compare while Git waits."""


_LARGE = Told((), is_large=True)


def changes(manager: DataManager, manifest: Manifest, render: Render) -> dict[str, Told]:
    """By entry id: the change of each version against its parent, rendered. Fetches nothing, unless
    `data.diff.fetch` is `always`."""
    book = _Book(manager)
    may_fetch = reading.always if manager.settings.get("data.diff.fetch") == "always" else reading.never
    told, left = {}, AT_ONCE
    for dataset, version in sorted(_live(manifest), key=lambda entry: entry[1].created, reverse=True):
        pair = _pair(dataset, version)
        cost = sum(place.version.size for place in pair if place is not None and place.version is not None)
        key = _key(pair)
        left -= cost if cost <= EACH else 0
        lines = book.read(key)
        if lines is not None:
            told[version.id] = Told(lines)
        elif cost > EACH or (left < 0 and not _is_lacking(manager, pair)):
            told[version.id] = _LARGE
        else:
            told[version.id] = _made(manager, pair, render, may_fetch, book, key)
    return told


def _live(manifest: Manifest) -> Iterator[tuple[Dataset, Version]]:
    return ((d, v) for d, v in manifest.entries() if v.state is not State.DELETED)


def _pair(dataset: Dataset, version: Version) -> Pair:
    parent = dataset.by_id(version.parent) if version.parent else None
    is_gone = parent is None or parent.state is State.DELETED
    return Pair(None if is_gone else Place(dataset, parent), Place(dataset, version))


def _is_lacking(manager: DataManager, pair: Pair) -> bool:
    """It will not be compared, and saying what is lacking takes no time."""
    return any(is_absent(manager, stand(manager, place)) for place in pair if place is not None)


def _made(
    manager: DataManager, pair: Pair, render: Render, may_fetch: reading.MayFetch, book: "_Book", key: bytes
) -> Told:
    found = compare(manager, [pair], asked=Asked(rows=SAMPLES), may_fetch=may_fetch)
    if not found:
        return Told(("the same bytes as its parent",))
    lines = tuple(render(found[0]))
    if _is_final(found[0]):
        book.write(key, lines)
    return Told(lines)


def _is_final(diff: DatasetDiff) -> bool:
    """It would be said again in the same words: nothing was lacking, here or in this installation."""
    if diff.absent or diff.problem:
        return False
    if diff.folder is not None:
        return diff.folder.note is None and all(s.note is None for s in diff.folder.tables.values())
    return diff.source is not None and diff.source.note is None


def _key(pair: Pair) -> bytes:
    """All that the text of a version comes from."""
    dataset = next(place.dataset for place in pair if place is not None)
    oids = [str(place.version.oid) if place and place.version else None for place in pair]
    labels = [place.version.name if place and place.version else None for place in pair]
    options = [dataset.options.get("key"), dataset.options.get("max_diff_rows")]
    made_of = [FORMAT, SAMPLES, dataset.kind is Kind.TREE, dataset.name, oids, labels, options]
    return hashlib.sha256(json.dumps(made_of).encode()).digest()


class _Book:
    """`data/diffs/texts.db`: texts by what they come from, those used last."""

    def __init__(self, manager: DataManager) -> None:
        self._file = SqliteCache(manager.state_folder / "diffs" / "texts.db", _SCHEMA)

    def read(self, key: bytes) -> tuple[str, ...] | None:
        rows = self._file.run("SELECT lines FROM text WHERE key = ?", key)
        return tuple(json.loads(rows[0][0])) if rows else None

    def write(self, key: bytes, lines: Sequence[str]) -> None:
        text = json.dumps(lines)
        with self._file.writing() as database:
            if database is None:
                return
            database.execute(
                "INSERT OR REPLACE INTO text VALUES (?, ?, ?,"
                " (SELECT coalesce(max(used), 0) + 1 FROM text))", (key, text, len(text)),
            )  # fmt: skip
            database.execute(
                "DELETE FROM text WHERE key IN (SELECT key FROM (SELECT key,"
                " sum(size) OVER (ORDER BY used DESC) AS upto FROM text) WHERE upto > ?)", (_ROOM,),
            )  # fmt: skip
