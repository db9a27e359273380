"""Each version of a manifest as its change against its parent, for `git diff` and `git log -p`.

Git shows two such texts side by side, so the text of a version may not depend on what stands beside it. It
is remembered once it was made: Git asks again for every commit that it shows.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from git_datamanager import __version__
from git_datamanager.manager import DataManager
from git_datamanager.model.manifest import Dataset, Kind, Manifest, State, Version
from git_datamanager.workspace.sqlitecache import SqliteCache

if TYPE_CHECKING:  # nothing of it is needed where all was remembered
    from git_datamanager.ops.inside.differences import DatasetDiff

FORMAT = 1
"""Of what is remembered: another one makes all texts anew, as another release does."""
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

Render = Callable[["DatasetDiff"], Sequence[str]]


class Step(NamedTuple):
    """A version and the one it came from; None where there is none, or its bytes are gone."""

    dataset: Dataset
    parent: Version | None
    version: Version

    def cost(self, manager: DataManager) -> int:
        """Bytes that are read: of a folder those of its listings."""
        versions = [version for version in (self.parent, self.version) if version is not None]
        if self.dataset.kind is Kind.FILE:
            return sum(version.size for version in versions)
        paths = (manager.cache.path(version.oid) for version in versions)
        return sum(path.stat().st_size for path in paths if path.is_file())


class Told(NamedTuple):
    """What is said of a version."""

    lines: tuple[str, ...]
    """Of its change; empty where nothing was compared."""
    is_large: bool = False
    """It takes too long to compare while Git waits."""


def changes(manager: DataManager, manifest: Manifest, render: Render) -> dict[str, Told]:
    """By entry id: the change of each version against its parent, rendered. Fetches nothing, unless
    `data.diff.fetch` is `always`."""
    book = _Book(manager)
    told, left = {}, AT_ONCE
    for step in sorted(_steps(manifest), key=lambda step: step.version.created, reverse=True):
        cost = step.cost(manager)
        left -= cost if cost <= EACH else 0
        lines = book.read(_key(step))
        if lines is not None:
            told[step.version.id] = Told(lines)
        elif cost > EACH or (left < 0 and not _is_lacking(manager, step)):
            told[step.version.id] = Told((), is_large=True)
        else:
            told[step.version.id] = _made(manager, step, render, book)
    return told


def _steps(manifest: Manifest) -> Iterator[Step]:
    for dataset, version in manifest.entries():
        if version.state is not State.DELETED:
            parent = dataset.by_id(version.parent) if version.parent else None
            is_gone = parent is None or parent.state is State.DELETED
            yield Step(dataset, None if is_gone else parent, version)


def _is_lacking(manager: DataManager, step: Step) -> bool:
    """Nothing is compared then, and saying so takes no time."""
    from git_datamanager.ops.inside.diff_standing import is_absent, stand
    from git_datamanager.ops.inside.diff_words import Place

    versions = (version for version in (step.parent, step.version) if version is not None)
    return any(is_absent(manager, stand(manager, Place(step.dataset, version))) for version in versions)


def _made(manager: DataManager, step: Step, render: Render, book: "_Book") -> Told:
    from git_datamanager.ops.inside import reading
    from git_datamanager.ops.inside.diff import Asked, compare
    from git_datamanager.ops.inside.diff_sides import Pair
    from git_datamanager.ops.inside.diff_words import Place

    after = Place(step.dataset, step.version)
    before = Place(step.dataset, step.parent) if step.parent is not None else None
    is_fetched = manager.settings.get("data.diff.fetch") == "always"
    found = compare(
        manager, [Pair(before, after)], asked=Asked(rows=SAMPLES, is_outside_only=True),
        may_fetch=reading.always if is_fetched else reading.never,
    )  # fmt: skip
    if not found:
        return Told(("the same bytes as its parent",))
    lines = tuple(render(found[0]))
    if _is_final(found[0]):
        book.write(_key(step), lines)
    return Told(lines)


def _is_final(diff: "DatasetDiff") -> bool:
    """It would be said again in the same words: nothing was lacking, here or in this installation."""
    if diff.absent or diff.problem:
        return False
    if diff.folder is not None:
        return diff.folder.note is None and all(s.note is None for s in diff.folder.tables.values())
    return diff.source is not None and diff.source.note is None


def _key(step: Step) -> bytes:
    """All that the text of a version comes from."""
    dataset = step.dataset
    oids = [str(version.oid) if version else None for version in (step.parent, step.version)]
    labels = [version.name if version else None for version in (step.parent, step.version)]
    options = [dataset.options.get("key"), dataset.options.get("max_diff_rows")]
    made_of = [__version__, FORMAT, SAMPLES, dataset.kind is Kind.TREE, dataset.name, oids, labels, options]
    return hashlib.sha256(json.dumps(made_of).encode()).digest()


def memo(manager: DataManager) -> Path:
    """The file that remembers; it may be deleted at any time."""
    return manager.state_folder / "diffs" / "texts.db"


class _Book:
    """Texts by what they come from, those used last."""

    def __init__(self, manager: DataManager) -> None:
        self._file = SqliteCache(memo(manager), _SCHEMA)

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
