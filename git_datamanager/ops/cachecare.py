"""`git data cache`: what this clone keeps besides the working files, and making room."""

import time
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from git_datamanager.manager import DataManager
from git_datamanager.model.manifest import Manifest, State
from git_datamanager.model.oid import Oid
from git_datamanager.ops.inside import diff_history, profiles, rowcounts
from git_datamanager.workspace.partials import is_at_work

_DAY = 86400


class Kind(StrEnum):
    OBJECT = "object"
    """A version, or a big file of a folder."""
    PACK = "pack"
    """Small files of folders."""
    CUTS = "cuts"
    """The block index of a big file, for making deltas."""
    PARTIAL = "partial"
    """The beginning of a download that broke off."""
    MEMO = "memo"
    """What was said of versions, so that it need not be found out again: diffs, profiles."""
    KEPT = "kept"
    """What `--force` replaced, under an id; only people remove it."""


class Entry(NamedTuple):
    """One thing that takes room."""

    kind: Kind
    id: str
    """Digest or id."""
    path: Path
    size: int
    used: float
    """When it was last used, seconds since the epoch."""
    is_held: bool
    """A store was seen to hold the bytes, or they can be made again."""
    labels: tuple[str, ...]
    """The versions that have these bytes."""
    is_current: bool
    """The newest version of a dataset needs it."""


def entries(manager: DataManager) -> list[Entry]:
    """Everything, the least recently used first."""
    manifest = manager.manifests.current()
    return sorted(_all(manager, manifest), key=lambda entry: entry.used)


def prune(
    manager: DataManager, *, older: float | None = None, everything: bool = False, dry_run: bool = False
) -> list[Entry]:
    """Remove what can be had again: versions that are not the newest, indexes, memos, downloads that broke
    off; with `everything` the newest versions, too; with `older` only what was not used for so many days.

    Bytes that no store is known to hold stay, and so does what `--force` replaced.
    """
    limit = time.time() - (older or 0) * _DAY
    gone = [
        e for e in entries(manager)
        if e.kind is not Kind.KEPT and e.is_held and e.used <= limit and (everything or not e.is_current)
    ]  # fmt: skip
    if not dry_run:
        with manager.journal.record("cache prune", None, {"all": everything, "older": older}) as details:
            for entry in gone:
                _remove(manager, entry)
            details["bytes"] = sum(entry.size for entry in gone)
    return gone


def _remove(manager: DataManager, entry: Entry) -> None:
    match entry.kind:
        case Kind.PACK:
            manager.packs.drop(Oid(entry.id))
        case Kind.OBJECT:
            manager.cache.drop(Oid(entry.id))
        case Kind.MEMO:
            entry.path.unlink(missing_ok=True)
            entry.path.with_name(f"{entry.path.name}-journal").unlink(missing_ok=True)
        case _:
            entry.path.unlink(missing_ok=True)


def _all(manager: DataManager, manifest: Manifest) -> Iterator[Entry]:
    labels = dict[Oid, list[str]]()
    for dataset, version in manifest.entries():
        if version.state is not State.DELETED:
            labels.setdefault(version.oid, []).append(f"{dataset.name} {version.name}")
    current = {d.latest.oid for d in manifest.listed() if d.latest is not None}
    held = manager.journal.all_holders()
    for cached in manager.cache:
        names = tuple(labels.get(cached.oid, ()))
        yield Entry(Kind.OBJECT, cached.oid.hex, cached.path, cached.size, cached.used,
                    str(cached.oid) in held, names, cached.oid in current)  # fmt: skip
    for pack in manager.packs:
        yield Entry(Kind.PACK, pack.oid.hex, pack.path, pack.size, pack.used,
                    str(pack.oid) in held, (), is_current=False)  # fmt: skip
    for path in _files(manager.cuts.root / "cuts"):
        yield _file(Kind.CUTS, path, is_held=True)
    for path in _files(manager.state_folder / "partial"):
        if not is_at_work(path):
            yield _file(Kind.PARTIAL, path, is_held=True)
    for path in (diff_history.memo(manager), profiles.memo(manager), rowcounts.memo(manager)):
        if path.is_file():
            name = path.relative_to(manager.state_folder).as_posix()
            yield _file(Kind.MEMO, path, is_held=True)._replace(id=name)
    for path in _files(manager.state_folder / "kept"):
        yield _file(Kind.KEPT, path, is_held=False)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _file(kind: Kind, path: Path, *, is_held: bool) -> Entry:
    found = path.stat()
    name = path.parent.name if kind is Kind.KEPT else path.name
    return Entry(kind, name, path, found.st_size, found.st_mtime, is_held, (), is_current=False)
