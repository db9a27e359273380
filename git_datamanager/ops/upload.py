"""`git data upload`: every pending version's bytes are in staging afterwards, verified."""

import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from functools import partial
from io import BytesIO
from pathlib import PurePosixPath
from typing import NamedTuple

from git_datamanager import encoded
from git_datamanager.content.snapshot import hash_file
from git_datamanager.errors import (
    Conflict,
    Corrupt,
    DataError,
    Denied,
    DirtyFile,
    ObjectMissing,
    PreconditionFailed,
    SettingsError,
    Unreachable,
    raise_failures,
)
from git_datamanager.events import Event, Kind, mover, note
from git_datamanager.manager import DataManager
from git_datamanager.model import manifest as model
from git_datamanager.model.layout import IDENTITY, Encoding, cuts_key
from git_datamanager.model.manifest import Dataset, Manifest, State, Version
from git_datamanager.model.oid import Oid
from git_datamanager.objects import ObjectStore, Opener
from git_datamanager.ops import encode, local, presence
from git_datamanager.ops.explain import explained
from git_datamanager.ops.fetch import Reader
from git_datamanager.ops.parallel import Job, planned, run_all
from git_datamanager.ops.trees import plan as treeplan
from git_datamanager.ops.trees import send as treesend
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
    encoding: Encoding = IDENTITY
    """The form in which it was sent."""
    sent: int = 0
    """Bytes of that form."""

    @property
    def is_planned(self) -> bool:
        return self.outcome is Outcome.PLANNED


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
        files = [(d, v) for d, v in entries if d.kind is model.Kind.FILE]
        jobs = [
            Job(twins[0][0].name, twins[0][1].size, _uploader(manager, staging, twins, dry_run=dry_run))
            for twins in _by_content(files)
        ]
        jobs += _folder_jobs(
            manager, [(d, v) for d, v in entries if d.kind is model.Kind.TREE], dry_run=dry_run
        )
        results = run_all(jobs, manager.progress)
        done = [uploaded for some in results.done for uploaded in some]
        details["outcomes"] = {f"{u.name} {u.version.name}": u.outcome for u in done}
        details["bytes"] = sum(u.sent for u in done)
        raise_failures(results.failures)
    manager.cache.evict()
    manager.packs.evict()
    return done


def absent(manager: DataManager, entries: Sequence[Entry]) -> list[Entry]:
    """Those whose bytes neither staging nor production holds, verified now or before; sends nothing."""
    firsts = (twins[0] for twins in _by_content(entries))
    return [
        (d, v)
        for d, v in firsts
        if not presence.is_staged(manager, d, v) and not presence.in_production(manager, d, v)
    ]


def _by_content(entries: Iterable[Entry]) -> list[list[Entry]]:
    """Entries that share their bytes, which are sent once, from whichever working file still has them."""
    groups: dict[Oid, list[Entry]] = {}
    for dataset, version in entries:
        groups.setdefault(version.oid, []).append((dataset, version))
    return list(groups.values())


def _uploader(
    manager: DataManager, staging: ObjectStore, twins: Sequence[Entry], *, dry_run: bool
) -> Callable[[], list[Uploaded]]:
    return _told(twins[0][0].name, lambda: [_one(manager, staging, twins, dry_run=dry_run)])


def _folder_jobs(
    manager: DataManager, entries: Sequence[Entry], *, dry_run: bool
) -> list[Job[list[Uploaded]]]:
    """One job per folder: its versions share members, so each finds what the one before has sent."""
    groups: dict[str, list[Entry]] = {}
    for dataset, version in sorted(entries, key=lambda entry: entry[1].number):
        groups.setdefault(dataset.name, []).append((dataset, version))

    def job(name: str, group: Sequence[Entry]) -> Job[list[Uploaded]]:
        work = partial(_folder_versions, manager, group, dry_run=dry_run)
        return Job(name, sum(v.size for _, v in group), _told(name, work))

    return [job(name, group) for name, group in groups.items()]


def _folder_versions(manager: DataManager, group: Sequence[Entry], *, dry_run: bool) -> list[Uploaded]:
    done = [_folder(manager, dataset, version, dry_run=dry_run) for dataset, version in group]
    manager.progress(Event(Kind.DONE, group[0][0].name))
    return done


def _folder(manager: DataManager, dataset: Dataset, version: Version, *, dry_run: bool) -> Uploaded:
    if _is_live(dataset, version) and presence.in_production(manager, dataset, version):
        return Uploaded(dataset.name, version, Outcome.PUBLISHED)
    plan = treeplan.plan(manager, dataset, version)
    if plan.is_done or dry_run:
        return Uploaded(dataset.name, version, Outcome.PRESENT if plan.is_done else Outcome.PLANNED)
    sent = treesend.send(manager, dataset, version, plan)
    return Uploaded(dataset.name, version, Outcome.UPLOADED, sent=sent)


def _told(name: str, work: Callable[[], list[Uploaded]]) -> Callable[[], list[Uploaded]]:
    return lambda: explained(
        work,
        name,
        "nothing of it was uploaded",
        f"git data upload {shlex.quote(name)}   # again: what is there is not sent twice",
    )


def _one(manager: DataManager, staging: ObjectStore, twins: Sequence[Entry], *, dry_run: bool) -> Uploaded:
    dataset, version = twins[0]
    outcome = _present(manager, twins)
    if outcome is not None:
        done = Uploaded(dataset.name, version, outcome)
    elif dry_run:
        done = Uploaded(dataset.name, version, Outcome.PLANNED)
    else:
        done = _send(manager, staging, twins)
    manager.progress(Event(Kind.DONE, dataset.name))
    return done


def _present(manager: DataManager, twins: Sequence[Entry]) -> Outcome | None:
    """Where the right bytes lie already."""
    dataset, version = twins[0]
    if presence.is_staged(manager, dataset, version):
        return Outcome.PRESENT
    if any(_is_live(d, version) for d, _ in twins) and presence.in_production(manager, dataset, version):
        return Outcome.PUBLISHED
    return None


def _is_live(dataset: Dataset, version: Version) -> bool:
    return any(v.oid == version.oid and v.state is State.PUBLISHED for v in dataset.versions)


class _Source(NamedTuple):
    """A place of this clone that should have the bytes."""

    open: Opener
    discard: Callable[[], object]
    """Called once its bytes were seen to be others."""


def _sources(manager: DataManager, twins: Sequence[Entry]) -> Iterator[_Source]:
    """The cache first, then the working files, then production: what lies there unnamed, or in the trash
    alone, may be purged, so it is staged again. Each is looked for when the one before it failed."""
    oid = twins[0][1].oid
    if manager.cache.has(oid):
        yield _Source(lambda: manager.cache.open(oid), lambda: manager.cache.drop(oid))
    for dataset, _ in twins:
        opener = local.source(manager, dataset.name, oid)
        if opener is not None:
            yield _Source(opener, lambda: None)
    if _from_production(manager, *twins[0]):
        yield _Source(lambda: manager.cache.open(oid), lambda: manager.cache.drop(oid))


def _from_production(manager: DataManager, dataset: Dataset, version: Version) -> bool:
    """Fetch the bytes of an older version into the cache. False where production has none to give."""
    try:
        with manager.cache.new_file() as path:
            with path.open("w+b") as file:
                Reader(manager, dataset, version, "production").fill(file)
            manager.cache.adopt(path, version.oid)
    except (ObjectMissing, Denied, Unreachable, Corrupt, SettingsError):
        return False
    return True


def _send(manager: DataManager, staging: ObjectStore, twins: Sequence[Entry]) -> Uploaded:
    """Send the bytes from the first source that has them. What the store says against them is no
    reason to doubt a source, let alone to drop it: it may be the only copy."""
    dataset, version = twins[0]
    advance, trouble = mover(manager.progress, dataset.name), None
    for source in _sources(manager, twins):
        try:
            return _send_from(manager, staging, dataset, version, source)
        except PreconditionFailed:
            raise
        except (Corrupt, Conflict):
            if _is_intact(source, version.oid, lambda _: advance(0)):
                raise
            source.discard()
        except FileNotFoundError:
            continue  # it went since the look
        except OSError as error:  # of the source: a store speaks in our own words
            trouble = error
    raise _unreadable(dataset, trouble) if trouble else _nowhere(manager, twins)


def _send_from(
    manager: DataManager, staging: ObjectStore, dataset: Dataset, version: Version, source: _Source
) -> Uploaded:
    """Send the smallest form that this source gives, and what later deltas need."""
    advance = mover(manager.progress, dataset.name)
    location = manager.remotes.remote("staging").url
    encoder = encode.Encoder(manager, dataset, version, source.open)
    with encoder.smallest(planned(manager.progress, dataset.name, version.size)) as made:
        size = made.size if made else version.size
        manager.progress(Event(Kind.PLAN, dataset.name, size))
        if made is None:
            shown = Presentation(filename=PurePosixPath(dataset.name).name)
            etag = staging.put(version.oid, size, source.open, presentation=shown, advance=advance)
            manager.journal.saw(location, version.oid, version.size, etag)
        else:
            sent = encoded.put(staging, version.oid, made.encoding, made.path, made.sha256, advance=advance)
            manager.journal.saw(location, version.oid, version.size, sent.etag, key=sent.key)
    _send_cuts(manager, staging, dataset, version, encoder.leave_cuts())
    return Uploaded(dataset.name, version, Outcome.UPLOADED, made.encoding if made else IDENTITY, size)


def _send_cuts(
    manager: DataManager, staging: ObjectStore, dataset: Dataset, version: Version, index: bytes | None
) -> None:
    """They only make later versions smaller: the bytes are staged, whatever becomes of these."""
    if index is None:
        return
    try:
        staging.adapter.write_object(cuts_key(version.oid), BytesIO(index), len(index))
    except DataError as error:
        note(manager.progress, f"{dataset.name}: its block index was not sent, so a new version may be "
                               f"sent whole ({error})")  # fmt: skip


def _is_intact(source: _Source, oid: Oid, advance: Callable[[int], None]) -> bool:
    """Hash the source itself."""
    try:
        with source.open() as file:
            return hash_file(file, advance)[0] == oid.hex
    except (Conflict, OSError):  # it changes, or is gone
        return False


def _unreadable(dataset: Dataset, trouble: OSError) -> DataError:
    return DataError(
        f"{dataset.name} cannot be read here: {trouble.strerror or trouble}: nothing was uploaded"
    )


def _nowhere(manager: DataManager, twins: Sequence[Entry]) -> DataError:
    for dataset, version in twins:
        if manager.git.top is not None and manager.work.path(dataset.name).exists():
            return _changed(dataset, version)
    dataset, version = twins[0]
    return ObjectMissing(
        f"the bytes of {dataset.name} {version.name} ({version.oid.short}) are neither in this clone "
        "nor in staging",
        hints=[f"git data upload {shlex.quote(dataset.name)}   # in the clone where it was added"],
    )


def _changed(dataset: Dataset, version: Version) -> DirtyFile:
    return DirtyFile(
        f"{dataset.name} is no longer what was added as {version.name} ({version.oid.short}): "
        "nothing was uploaded",
        hints=[f"git data add {shlex.quote(dataset.name)}"],
    )
