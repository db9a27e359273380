"""`git data upload`: every pending version's bytes are in staging afterwards, verified."""

import shlex
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from pathlib import PurePosixPath
from typing import NamedTuple

from git_datamanager.errors import (
    Conflict,
    Corrupt,
    DataError,
    Denied,
    DirtyFile,
    NotFound,
    ObjectMissing,
    PreconditionFailed,
    SettingsError,
    Unreachable,
    raise_failures,
)
from git_datamanager.events import Event, Kind, mover
from git_datamanager.manager import DataManager
from git_datamanager.model.manifest import Dataset, Manifest, State, Version
from git_datamanager.model.oid import Oid
from git_datamanager.objects import ObjectStore
from git_datamanager.ops import local
from git_datamanager.ops.explain import explained
from git_datamanager.ops.parallel import Job, run_all
from git_datamanager.storage.base import Presentation

Entry = tuple[Dataset, Version]


class Outcome(StrEnum):
    UPLOADED = "uploaded"
    PRESENT = "present"
    """Staging held the bytes already, and they are the right ones."""
    PUBLISHED = "published"
    """Production holds them: nothing needs to be staged (a rollback, for one)."""
    PLANNED = "planned"
    """A dry run: they would be uploaded."""


class Uploaded(NamedTuple):
    """What became of one version."""

    name: str
    version: Version
    outcome: Outcome


def pending_entries(manifest: Manifest) -> list[Entry]:
    """Every version whose bytes publish will look for."""
    return [(d, v) for d, v in manifest.entries() if v.state is State.PENDING]


def upload(manager: DataManager, entries: Sequence[Entry], *, dry_run: bool = False) -> list[Uploaded]:
    """Bring the bytes of pending entries to staging; what is there is checked, not sent again.

    Raises ObjectMissing where bytes are nowhere, DirtyFile where the working file has others by now,
    and what the store answers; with several failures all of them together, after the rest is done.
    """
    if not entries:
        return []
    staging = manager.store("staging")
    with manager.journal.record("upload", None, {"names": sorted({d.name for d, _ in entries})}) as details:
        jobs = [
            Job(d.name, v.size, _uploader(manager, staging, d, v, dry_run=dry_run))
            for d, v in _distinct(entries)
        ]
        results = run_all(jobs)
        details["outcomes"] = {f"{u.name} {u.version.name}": u.outcome for u in results.done}
        raise_failures(results.failures)
    manager.cache.evict()
    return results.done


def absent(manager: DataManager, entries: Sequence[Entry]) -> list[Entry]:
    """Those whose bytes neither staging nor production holds; asks the stores, sends nothing."""
    staging = manager.store("staging")
    return [
        (d, v)
        for d, v in _distinct(entries)
        if staging.stat(v.oid, v.size) is None and not _in_production(manager, v.oid, v.size)
    ]


def _distinct(entries: Iterable[Entry]) -> list[Entry]:
    """One entry per content."""
    return list({v.oid: (d, v) for d, v in entries}.values())


def _uploader(
    manager: DataManager, staging: ObjectStore, dataset: Dataset, version: Version, *, dry_run: bool
) -> Callable[[], Uploaded]:
    return lambda: explained(
        lambda: _one(manager, staging, dataset, version, dry_run=dry_run),
        dataset.name,
        "nothing of it was uploaded",
        f"git data upload {shlex.quote(dataset.name)}   # again: what is there is not sent twice",
    )


def _one(
    manager: DataManager, staging: ObjectStore, dataset: Dataset, version: Version, *, dry_run: bool
) -> Uploaded:
    outcome = _present(manager, staging, dataset, version)
    if outcome is None and dry_run:
        outcome = Outcome.PLANNED
    if outcome is None:
        _send(manager, staging, dataset, version)
        outcome = Outcome.UPLOADED
    manager.progress(Event(Kind.DONE, dataset.name))
    return Uploaded(dataset.name, version, outcome)


def _present(
    manager: DataManager, staging: ObjectStore, dataset: Dataset, version: Version
) -> Outcome | None:
    """Where the right bytes lie already. What was verified once is known by its ETag."""
    oid, size = version.oid, version.size
    location = manager.remotes.remote("staging").url
    found = staging.stat(oid, size)
    if found is not None:
        if manager.journal.holders(oid).get(location) == found.etag:
            return Outcome.PRESENT
        try:
            checked = staging.verify(oid, size)
        except Corrupt:
            return None  # put() replaces it, on the condition that it is still this one
        manager.journal.saw(location, oid, size, checked.etag)
        return Outcome.PRESENT
    manager.journal.lost(location, oid)
    published = any(v.oid == oid and v.state is State.PUBLISHED for v in dataset.versions)
    if published and _in_production(manager, oid, size):
        return Outcome.PUBLISHED
    return None


def _in_production(manager: DataManager, oid: Oid, size: int) -> bool:
    """True only where production says so; who may not ask stages the bytes."""
    try:
        found = manager.store("production").stat(oid, size)
    except (Denied, Unreachable, SettingsError, NotFound):
        return False
    if found is not None:
        manager.journal.saw(manager.remotes.remote("production").url, oid, size, found.etag)
    return found is not None


def _send(manager: DataManager, staging: ObjectStore, dataset: Dataset, version: Version) -> None:
    open_source = local.source(manager, dataset.name, version.oid)
    if open_source is None:
        raise _nowhere(manager, dataset, version)
    manager.progress(Event(Kind.PLAN, dataset.name, version.size))
    try:
        stored = staging.put(
            version.oid,
            version.size,
            open_source,
            presentation=Presentation(filename=PurePosixPath(dataset.name).name),
            advance=mover(manager.progress, dataset.name),
        )
    except PreconditionFailed:
        raise
    except (Corrupt, Conflict) as error:
        if manager.cache.has(version.oid):
            # A damaged copy: the working file may still be good, and if not says so itself.
            manager.cache.drop(version.oid)
            return _send(manager, staging, dataset, version)
        raise _changed(dataset, version) from error
    manager.journal.saw(manager.remotes.remote("staging").url, version.oid, version.size, stored.etag)
    return None


def _nowhere(manager: DataManager, dataset: Dataset, version: Version) -> DataError:
    if manager.git.top is not None and manager.work.path(dataset.name).exists():
        return _changed(dataset, version)
    return ObjectMissing(
        f"the bytes of {dataset.name} {version.name} ({version.oid.short}) are neither in this clone "
        "nor in staging",
        hints=[f"git data upload {dataset.name}   # in the clone where it was added"],
    )


def _changed(dataset: Dataset, version: Version) -> DirtyFile:
    return DirtyFile(
        f"{dataset.name} is no longer what was added as {version.name} ({version.oid.short}): "
        "nothing was uploaded",
        hints=[f"git data add {dataset.name}"],
    )
