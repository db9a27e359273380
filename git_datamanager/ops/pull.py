"""`git data pull`: verified bytes at the working file's place, or the old file untouched."""

import os
import shlex
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

from git_datamanager import fsio
from git_datamanager.content import snapshot
from git_datamanager.errors import (
    Corrupt,
    DataError,
    Denied,
    DirtyFile,
    ObjectMissing,
    UnknownVersion,
    Unreachable,
    raise_failures,
)
from git_datamanager.events import Event, Kind, mover
from git_datamanager.manager import DataManager
from git_datamanager.model.manifest import Dataset, Manifest, State, Version
from git_datamanager.ops import local
from git_datamanager.ops.explain import explained
from git_datamanager.ops.parallel import Job, run_all
from git_datamanager.ops.select import Wanted, select, version_of
from git_datamanager.workspace.worktree import What

SOURCES = ("auto", "production", "staging")


class Outcome(StrEnum):
    PULLED = "pulled"
    CURRENT = "current"
    """The file has these bytes already."""
    PLANNED = "planned"


class Pulled(NamedTuple):
    """What became of one dataset."""

    name: str
    version: Version
    outcome: Outcome
    path: Path
    source: str | None
    """cache, production or staging."""
    kept: str | None = None
    """The id under which `--force` kept what it replaced."""


def pull(
    manager: DataManager,
    names: Sequence[str] = (),
    *,
    revision: str | None = None,
    output: str | os.PathLike[str] | None = None,
    source: str = "auto",
    force: bool = False,
    dry_run: bool = False,
) -> list[Pulled]:
    """Materialise the named versions (`NAME`, `NAME@v3`, a folder), or all that are listed.

    Every dataset on its own: with several failures all of them are raised together, after the others
    are done. Raises DirtyFile, ObjectMissing, Corrupt, Unreachable, Denied.
    """
    manifest = manager.manifests.at(revision) if revision is not None else manager.manifests.current()
    wanted = select(manager, manifest, names)
    many = len(wanted) > 1
    jobs = [
        Job(
            w.dataset.name,
            _size(w),
            _puller(manager, manifest, w, output, source, force=force, dry_run=dry_run, many=many),
        )
        for w in wanted
    ]
    with manager.journal.record("pull", None, {"names": [w.dataset.name for w in wanted]}) as details:
        results = run_all(jobs)
        details["outcomes"] = {p.name: f"{p.version.name} {p.outcome}" for p in results.done}
        raise_failures(results.failures)
    manager.cache.evict()
    return results.done


def _size(wanted: Wanted) -> int:
    latest = wanted.dataset.latest
    return latest.size if latest else 0


def _puller(
    manager: DataManager,
    manifest: Manifest,
    wanted: Wanted,
    output: str | os.PathLike[str] | None,
    source: str,
    *,
    force: bool,
    dry_run: bool,
    many: bool,
) -> Callable[[], Pulled]:
    def run() -> Pulled:
        dataset = wanted.dataset
        version = _version(dataset, wanted.version)
        reader = _Reader(manager, dataset, version, source)
        if output is not None:
            target = _target(dataset.name, Path(output), many=many)
            return _write_out(manager, reader, target, force=force, dry_run=dry_run)
        return _materialise(manager, manifest, reader, force=force, dry_run=dry_run)

    return lambda: explained(
        run,
        wanted.dataset.name,
        "the file was left as it is",
        f"git data pull {shlex.quote(wanted.dataset.name)}",
    )


def _version(dataset: Dataset, text: str | None) -> Version:
    version = version_of(dataset, text)
    if version.state is State.DELETED:
        raise UnknownVersion(
            f"{dataset.name} {version.name} was deleted on {version.deleted}",
            hints=[f"git data log {dataset.name}"],
        )
    return version


def _materialise(
    manager: DataManager, manifest: Manifest, reader: "_Reader", *, force: bool, dry_run: bool
) -> Pulled:
    name, version = reader.dataset.name, reader.version
    path = manager.work.path(name)
    seen = manager.work.look(name)
    if seen.what is What.FILE and seen.oid == version.oid and not seen.is_live:
        manager.work.vouch(name, version.oid)
        return Pulled(name, version, Outcome.CURRENT, path, None)
    if dry_run:
        return Pulled(name, version, Outcome.PLANNED, path, reader.first_source())
    known = local.known_contents(manager, manifest, name)
    known |= local.known_contents(manager, manager.manifests.current(), name)
    kept = manager.work.materialise(name, version.oid, reader.fill, known=known, force=force)
    manager.cache.keep(path, version.oid, version.size)
    manager.progress(Event(Kind.DONE, name))
    return Pulled(name, version, Outcome.PULLED, path, reader.used, kept)


def _target(name: str, output: Path, *, many: bool) -> Path:
    if output.is_dir():
        return output / PurePosixPath(name).name
    if many:
        raise DataError(f"{output} is not a folder: several datasets need one", hints=[f"mkdir {output}"])
    return output


def _write_out(
    manager: DataManager, reader: "_Reader", target: Path, *, force: bool, dry_run: bool
) -> Pulled:
    """Put the bytes at a path of the user's own; it does not become the working file."""
    name, version = reader.dataset.name, reader.version
    try:
        folder = fsio.Folder(target.absolute().parent, target.name)
    except FileNotFoundError as error:
        raise DataError(
            f"there is no folder {target.parent}: nothing was written", hints=[f"mkdir -p {target.parent}"]
        ) from error
    with folder:
        stood = folder.stat()
        if stood is not None and _has_bytes(target, version):
            return Pulled(name, version, Outcome.CURRENT, target, None)
        logs = snapshot.live_logs(target)
        if (stood is not None or logs) and not force:
            what = (
                "exists and holds something else"
                if stood is not None
                else f"has a log beside it, {logs[0].name}"
            )
            raise DirtyFile(
                f"{target} {what}: it was left as it is",
                hints=[f"git data pull {name} -o {target} --force   # keeps the file, prints its id"],
            )
        if dry_run:
            return Pulled(name, version, Outcome.PLANNED, target, reader.first_source())
        with folder.new_temp() as (file, temp):
            reader.fill(file)
            file.flush()
            folder.chmod(temp, fsio.default_mode())
            fsio.fsync_file(file.fileno())
            kept = manager.cache.keep_aside(folder) if stood is not None or logs else None
            folder.rename_into_place(temp)
    manager.progress(Event(Kind.DONE, name))
    return Pulled(name, version, Outcome.PULLED, target, reader.used, kept)


def _has_bytes(path: Path, version: Version) -> bool:
    if not path.is_file() or path.stat().st_size != version.size:
        return False
    with path.open("rb", buffering=0) as file:
        return snapshot.hash_file(file)[0] == version.oid.hex


class _Reader:
    """Finds the bytes of one version and writes them, verified; remembers where they came from."""

    def __init__(self, manager: DataManager, dataset: Dataset, version: Version, source: str) -> None:
        self.dataset = dataset
        self.version = version
        self.used: str | None = None
        self._manager = manager
        self._roles = _roles(version, source)
        self._takes_cache = source == "auto"

    def first_source(self) -> str:
        cached = self._takes_cache and self._manager.cache.has(self.version.oid)
        return "cache" if cached else self._roles[0]

    def fill(self, target: BinaryIO) -> None:
        """Write the verified bytes, from the nearest place that has them."""
        if self._takes_cache and self._from_cache(target):
            return
        self._manager.progress(Event(Kind.PLAN, self.dataset.name, self.version.size))
        first: DataError | None = None
        for role in self._roles:
            try:
                self._from_store(role, target)
            except (ObjectMissing, Denied, Unreachable, Corrupt) as error:
                first = _weightier(first, error)
            else:
                return
        raise self._explained(first) from first

    def _from_cache(self, target: BinaryIO) -> bool:
        oid = self.version.oid
        if not self._manager.cache.has(oid):
            return False
        try:
            local.copier(self._manager.cache.path(oid), oid, self.version.size)(target)
        except (Corrupt, FileNotFoundError):
            self._manager.cache.drop(oid)  # damaged: it heals by being fetched again
            _rewind(target)
            return False
        self.used = "cache"
        return True

    def _from_store(self, role: str, target: BinaryIO) -> None:
        store = self._manager.store(role)
        advance = mover(self._manager.progress, self.dataset.name)
        for last in (False, True):
            _rewind(target)
            try:
                store.fetch(self.version.oid, self.version.size, target, advance=advance)
                break
            except (Corrupt, Unreachable):
                advance(-target.tell())
                if last:  # once more past whatever damaged it on the way
                    raise
        self.used = role
        found = store.stat(self.version.oid, self.version.size)
        if found is not None:
            location = self._manager.remotes.remote(role).url
            self._manager.journal.saw(location, self.version.oid, self.version.size, found.etag)

    def _explained(self, error: DataError | None) -> DataError:
        """The store's own words, with what can be done about it."""
        if not isinstance(error, ObjectMissing | Corrupt):
            return error or DataError(f"{self.dataset.name}: no store to pull from")
        name, version = self.dataset.name, self.version
        if version.state is not State.PENDING:
            hints = ["git data fsck --remote   # which objects of the store are damaged"]
            return type(error)(f"{name} {version.name} is published, and yet {error}", hints=hints)
        older = [v for v in self.dataset.versions if v.state is State.PUBLISHED]
        hints = [f"git data upload {shlex.quote(name)}   # in the clone where it was added"]
        hints += [f"git data pull {shlex.quote(name)}@{older[0].name}"] if older else []
        if isinstance(error, Corrupt):
            return Corrupt(f"{name} {version.name}: {error}", hints=hints)
        return ObjectMissing(f"{name} {version.name} is not published yet, and {error}", hints=hints)


def _roles(version: Version, source: str) -> tuple[str, ...]:
    if source != "auto":
        return (source,)
    return ("staging", "production") if version.state is State.PENDING else ("production",)


def _weightier(first: DataError | None, error: DataError) -> DataError:
    """Of two stores' answers the one that says more than "not here"."""
    return (
        error
        if first is None or (isinstance(first, ObjectMissing) and not isinstance(error, ObjectMissing))
        else first
    )


def _rewind(target: BinaryIO) -> None:
    target.seek(0)
    target.truncate()
