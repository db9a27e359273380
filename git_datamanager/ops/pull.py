"""`git data pull`: verified bytes in the place of a working file or folder, or the old one untouched."""

import os
import shlex
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from git_datamanager import fsio
from git_datamanager.content import snapshot
from git_datamanager.errors import DataError, DirtyFile, UnknownVersion, Untrusted, raise_failures
from git_datamanager.events import Event, Kind, note
from git_datamanager.manager import DataManager
from git_datamanager.model.manifest import Dataset, Manifest, State, Version
from git_datamanager.model.manifest import Kind as DatasetKind
from git_datamanager.model.names import pasteable
from git_datamanager.ops import local
from git_datamanager.ops.explain import explained
from git_datamanager.ops.fetch import Reader, roles
from git_datamanager.ops.parallel import Job, run_all
from git_datamanager.ops.select import Wanted, select, version_of
from git_datamanager.workspace import place
from git_datamanager.workspace.worktree import What


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
    fetched: int = 0
    """Bytes that came, or would come, from a store."""
    files: int | None = None
    """Of a folder: how many of its files were written, or would be."""
    globs: tuple[str, ...] = ()
    """Of a folder that is only partly here: what was asked for."""


def pull(
    manager: DataManager,
    names: Sequence[str] = (),
    *,
    revision: str | None = None,
    output: str | os.PathLike[str] | None = None,
    only: Sequence[str] = (),
    source: str = "auto",
    force: bool = False,
    dry_run: bool = False,
) -> list[Pulled]:
    """Materialise the named versions (`NAME`, `NAME@v3`, a folder), or all that are listed.

    `only`: globs of the members that are wanted of one dataset that is a folder; without names a folder
    that was pulled in part stays so.

    Every dataset on its own: with several failures all of them are raised together, after the others
    are done. Raises DirtyFile, ObjectMissing, Corrupt, Unreachable, Denied.
    """
    manifest = manager.manifests.at(revision) if revision is not None else manager.manifests.current()
    wanted = select(manager, manifest, names)
    _check_globs(wanted, only)
    targets = _targets(wanted, Path(output)) if output is not None else {}
    how = _How(source, tuple(only), keeps_parts=not names, force=force, dry_run=dry_run)
    jobs = [
        Job(w.dataset.name, _size(w), _puller(manager, manifest, w, targets.get(n), how))
        for n, w in enumerate(wanted)
    ]
    _open_stores(manager, wanted, source)
    with manager.journal.record("pull", None, {"names": [w.dataset.name for w in wanted]}) as details:
        results = run_all(jobs, manager.progress)
        details["outcomes"] = {p.name: f"{p.version.name} {p.outcome}" for p in results.done}
        details["bytes"] = sum(p.fetched for p in results.done if p.outcome is Outcome.PULLED)
        raise_failures(results.failures)
    manager.cache.evict()
    if any(w.dataset.kind is DatasetKind.TREE for w in wanted):
        manager.packs.evict()
    return results.done


class _How(NamedTuple):
    """What was said about all of them."""

    source: str
    globs: tuple[str, ...]
    keeps_parts: bool
    force: bool
    dry_run: bool


def _check_globs(wanted: Sequence[Wanted], only: Sequence[str]) -> None:
    if only and [w.dataset.kind for w in wanted] != [DatasetKind.TREE]:
        raise DataError(
            "a pattern picks files of exactly one dataset that is a folder: nothing was pulled",
            hints=["git data pull FOLDER -- 'PATTERN' …"],
        )


def _open_stores(manager: DataManager, wanted: Sequence[Wanted], source: str) -> None:
    """Ask what must be asked (is this address trusted?) once, before anything runs in parallel."""
    for item in wanted:
        try:
            version = _version(item.dataset, item.version)
            if not _is_at_hand(manager, item.dataset, version, source):
                manager.store(roles(version, source)[0])
        except Untrusted:
            raise
        except DataError:
            continue  # told where the dataset itself is pulled


def _is_at_hand(manager: DataManager, dataset: Dataset, version: Version, source: str) -> bool:
    if dataset.kind is DatasetKind.TREE:
        from git_datamanager.ops.folders.pull import is_at_hand

        return is_at_hand(manager, dataset, version)
    if source == "auto" and manager.cache.has(version.oid):
        return True
    return manager.git.top is not None and (
        manager.work.look(dataset.name, stat_only=True).oid == version.oid
    )


def _size(wanted: Wanted) -> int:
    latest = wanted.dataset.latest
    return latest.size if latest else 0


def _puller(
    manager: DataManager, manifest: Manifest, wanted: Wanted, target: "_Target | None", how: _How
) -> Callable[[], Pulled]:
    is_folder = wanted.dataset.kind is DatasetKind.TREE

    def run() -> Pulled:
        version = _version(wanted.dataset, wanted.version)
        if is_folder:
            return _pull_folder(manager, manifest, wanted.dataset, version, target, how)
        reader = Reader(manager, wanted.dataset, version, how.source)
        if target is not None:
            return _write_out(manager, reader, target, force=how.force, dry_run=how.dry_run)
        return _materialise(manager, manifest, reader, force=how.force, dry_run=how.dry_run)

    return lambda: explained(
        run,
        wanted.dataset.name,
        "it was left as it is" if is_folder else "the file was left as it is",
        f"git data {'status' if is_folder else 'pull'} {pasteable(wanted.dataset.name)}",
    )


def _pull_folder(
    manager: DataManager,
    manifest: Manifest,
    dataset: Dataset,
    version: Version,
    target: "_Target | None",
    how: _How,
) -> Pulled:
    from git_datamanager.ops.folders import pull as folder_pull

    asked = folder_pull.Asked(
        dataset, version, how.source, how.globs, how.keeps_parts, force=how.force, dry_run=how.dry_run
    )
    if target is None:
        path, done = manager.work.path(dataset.name), folder_pull.pull(manager, manifest, asked)
    else:
        path, done = target.path, folder_pull.write_out(manager, asked, target.folder, target.name)
    outcome = Outcome.PLANNED if how.dry_run else Outcome.PULLED
    return Pulled(
        dataset.name, version, Outcome.CURRENT if done.is_current else outcome, path,
        None if done.is_current else done.source, done.kept, done.fetched, done.files, done.globs,
    )  # fmt: skip


def _version(dataset: Dataset, text: str | None) -> Version:
    version = version_of(dataset, text)
    if version.state is State.DELETED:
        raise UnknownVersion(
            f"{dataset.name} {version.name} was deleted on {version.deleted}",
            hints=[f"git data log {pasteable(dataset.name)}"],
        )
    return version


def _materialise(
    manager: DataManager, manifest: Manifest, reader: Reader, *, force: bool, dry_run: bool
) -> Pulled:
    name, version = reader.dataset.name, reader.version
    path = manager.work.path(name)
    seen = manager.work.look(name)
    if seen.what is What.FILE and seen.oid == version.oid and not seen.is_live:
        manager.work.states.vouch(name, version.oid)
        return Pulled(name, version, Outcome.CURRENT, path, None)
    known = local.known_contents(manager, manifest, name)
    known |= local.known_contents(manager, manager.manifests.current(), name)
    if dry_run:
        manager.work.check(name, known, force=force)
        return Pulled(name, version, Outcome.PLANNED, path, reader.first_source(), fetched=reader.cost())
    kept = manager.work.materialise(name, version.oid, reader.fill, known=known, force=force, is_held=True)
    manager.cache.keep(path, version.oid, version.size)
    manager.progress(Event(Kind.DONE, name))
    return Pulled(name, version, Outcome.PULLED, path, reader.used, kept, reader.fetched)


class _Target(NamedTuple):
    """A path of the user's own: a folder that is there, and a path below it."""

    folder: Path
    name: str

    @property
    def path(self) -> Path:
        return self.folder / self.name


def _targets(wanted: Sequence[Wanted], output: Path) -> dict[int, _Target]:
    """Where `-o` puts each: one dataset under its own file name, several with their folders."""
    if not output.is_dir():
        if len(wanted) > 1:
            raise DataError(
                f"{output} is not a folder, and several datasets need one: nothing was written",
                hints=[f"mkdir -p {shlex.quote(str(output))}"],
            )
        return {0: _Target(output.absolute().parent, output.name)}
    if len(wanted) == 1:
        return {0: _Target(output.absolute(), PurePosixPath(wanted[0].dataset.name).name)}
    names = [w.dataset.name for w in wanted]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(
            f"two versions of {twice} would both be written to {output / twice}: nothing was written",
            hints=[f"git data pull {pasteable(twice)}@vN -o FILE   # one at a time"],
        )
    return {n: _Target(output.absolute(), name) for n, name in enumerate(names)}


def _write_out(
    manager: DataManager, reader: Reader, target: _Target, *, force: bool, dry_run: bool
) -> Pulled:
    """Put the bytes at a path of the user's own; it does not become the working file."""
    name, version, path = reader.dataset.name, reader.version, target.path
    before = place.look(path)
    logs = snapshot.live_logs(path)
    if not logs and _has_bytes(path, version):
        return Pulled(name, version, Outcome.CURRENT, path, None)
    if (os.path.lexists(path) or logs) and not force:
        what = f"has a log beside it, {logs[0].name}" if logs else "exists and holds something else"
        shown = shlex.quote(str(path))
        raise DirtyFile(
            f"{path} {what}: it was left as it is",
            hints=[f"git data pull {pasteable(name)} -o {shown} --force   # keeps the file, prints its id"],
        )
    if dry_run:
        return Pulled(name, version, Outcome.PLANNED, path, reader.first_source(), fetched=reader.cost())
    with _open_target(target) as folder:
        occupied = folder.stat() is not None or bool(logs)
        try:
            kept, _ = place.put(
                folder, path, before, reader.fill, mode=fsio.default_mode(),
                preserve=lambda: _keep_aside(manager, folder) if occupied else None,
            )  # fmt: skip
        except DirtyFile:
            if snapshot.live_logs(path) or not _has_bytes(path, version):
                raise
            return Pulled(name, version, Outcome.CURRENT, path, None)  # another command was quicker
    manager.progress(Event(Kind.DONE, name))
    return Pulled(name, version, Outcome.PULLED, path, reader.used, kept, reader.fetched)


def _keep_aside(manager: DataManager, folder: fsio.Folder) -> str:
    return manager.cache.keep_aside(folder, lambda text: note(manager.progress, text))


def _open_target(target: _Target) -> fsio.Folder:
    try:
        return fsio.Folder(target.folder, target.name, create="/" in target.name)
    except FileNotFoundError as error:
        raise DataError(
            f"there is no folder {target.folder}: nothing was written",
            hints=[f"mkdir -p {shlex.quote(str(target.folder))}"],
        ) from error


def _has_bytes(path: Path, version: Version) -> bool:
    if not path.is_file() or path.stat().st_size != version.size:
        return False
    with path.open("rb", buffering=0) as file:
        return snapshot.hash_file(file)[0] == version.oid.hex
