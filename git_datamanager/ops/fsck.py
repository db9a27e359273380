"""`git data fsck`: are the bytes what their names say? Cache, working files, and stores on request."""

from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import partial
from typing import NamedTuple

from git_datamanager.content import pack, snapshot
from git_datamanager.errors import Corrupt, DataError, Denied, ObjectMissing
from git_datamanager.events import Event, Kind, mover
from git_datamanager.manager import DataManager
from git_datamanager.model import manifest as model
from git_datamanager.model.layout import trash_key
from git_datamanager.model.manifest import Dataset, State, Version
from git_datamanager.objects import ObjectStore
from git_datamanager.ops.parallel import Job, planned, run_all
from git_datamanager.ops.publishing import compacting
from git_datamanager.ops.select import select
from git_datamanager.ops.trees import check as treecheck
from git_datamanager.workspace.worktree import What


class Verdict(StrEnum):
    OK = "ok"
    MISSING = "missing"
    WRONG_SIZE = "wrong size"
    WRONG_BYTES = "wrong bytes"
    UNKNOWN = "unknown"
    """The store could not be asked: neither good nor bad."""
    MODIFIED = "modified"
    """A working file with bytes that were not added: no damage."""


class Checked(NamedTuple):
    """One look at one copy."""

    place: str
    """cache, work, staging or production."""
    name: str
    """Dataset and version, or the digest of a cached file."""
    verdict: Verdict
    said: str = ""
    error: DataError | None = None
    """Why it is unknown."""

    @property
    def is_bad(self) -> bool:
        return self.verdict in (Verdict.MISSING, Verdict.WRONG_SIZE, Verdict.WRONG_BYTES)


def fsck(manager: DataManager, names: Sequence[str] = (), *, remote: bool = False) -> list[Checked]:
    """Hash everything again. A damaged cache file is dropped: it is fetched again when needed."""
    manifest = manager.manifests.current()
    datasets = [w.dataset for w in select(manager, manifest, names)] if names else list(manifest)
    with manager.journal.record("fsck", None, {"remote": remote}) as details:
        found = [] if names else [*_cache(manager), *_packs(manager)]
        if manager.git.top is not None:
            found += [_work(manager, d) for d in datasets if d.is_listed]
        if remote:
            found += _stores(manager, datasets)
        details["bad"] = [f"{c.place} {c.name}" for c in found if c.is_bad]
        details["unknown"] = [c.name for c in found if c.verdict is Verdict.UNKNOWN]
    return found


def _cache(manager: DataManager) -> list[Checked]:
    checked = []
    for cached in manager.cache:
        manager.progress(Event(Kind.PLAN, cached.oid.short, cached.size))
        with cached.path.open("rb", buffering=0) as file:
            digest = snapshot.hash_file(file, mover(manager.progress, cached.oid.short))[0]
        good = digest == cached.oid.hex
        if not good:
            manager.cache.drop(cached.oid)
        said = "" if good else "dropped from the cache"
        checked.append(Checked("cache", cached.oid.short, Verdict.OK if good else Verdict.WRONG_BYTES, said))
    return checked


def _packs(manager: DataManager) -> list[Checked]:
    """Small members of folders that this clone keeps."""
    checked = []
    for found in manager.packs:
        manager.progress(Event(Kind.PLAN, found.oid.short, found.size))
        try:
            with found.path.open("rb") as file:
                pack.verify(file, bytes.fromhex(found.oid.hex), manager.packs.read_index(found.oid))
        except Corrupt:
            manager.packs.drop(found.oid)
            checked.append(Checked("cache", found.oid.short, Verdict.WRONG_BYTES, "dropped from the cache"))
        else:
            checked.append(Checked("cache", found.oid.short, Verdict.OK))
        mover(manager.progress, found.oid.short)(found.size)
    return checked


def _work(manager: DataManager, dataset: Dataset) -> Checked:
    if dataset.kind is model.Kind.TREE:
        folder = manager.folders.look(dataset.name, rehash=True)
        is_here, oid = folder is not None, folder.oid if folder else None
    else:
        seen = manager.work.look(dataset.name, rehash=True)
        is_here, oid = seen.what is not What.ABSENT, seen.oid
    if not is_here:
        return Checked("work", dataset.name, Verdict.OK, "not here")
    version = next((v for v in dataset.versions if v.oid == oid), None)
    if version is None:
        return Checked("work", dataset.name, Verdict.MODIFIED, "not a version of this dataset")
    return Checked("work", f"{dataset.name} {version.name}", Verdict.OK)


def _stores(manager: DataManager, datasets: Sequence[Dataset]) -> list[Checked]:
    wanted = {
        (_place(v), v.oid): (d, v) for d in datasets for v in d.versions if v.state is not State.DELETED
    }
    folders = treecheck.Checker(manager, verify=True)
    jobs = [
        Job(
            d.name,
            v.size,
            partial(_folder, manager, folders, d, v) if d.kind is model.Kind.TREE else _stored(manager, d, v),
        )
        for d, v in wanted.values()
    ]
    results = run_all(jobs, manager.progress)
    unknown = [Checked("store", name, Verdict.UNKNOWN, str(error), error) for name, error in results.failures]
    return results.done + unknown


def _place(version: Version) -> str:
    return "staging" if version.state is State.PENDING else "production"


def _folder(manager: DataManager, folders: treecheck.Checker, dataset: Dataset, version: Version) -> Checked:
    """The listing, packs and members of a version, each read whole."""
    place, name = _place(version), f"{dataset.name} {version.name}"
    roles = ("staging", "production") if version.state is State.PENDING else ("production",)
    try:
        folders.check(version, roles, planned(manager.progress, dataset.name, version.size))
    except ObjectMissing as error:
        return Checked(place, name, Verdict.MISSING, str(error))
    except Corrupt as error:
        return Checked(place, name, Verdict.WRONG_BYTES, str(error))
    return Checked(place, name, Verdict.OK)


def _stored(manager: DataManager, dataset: Dataset, version: Version) -> Callable[[], Checked]:
    name = f"{dataset.name} {version.name}"

    def check() -> Checked:
        manager.progress(Event(Kind.PLAN, dataset.name, version.size))
        places = ("staging", "production") if version.state is State.PENDING else ("production",)
        first: Checked | None = None
        for place in places:
            try:
                store = manager.store(place)
                store.verify(version.oid, version.size, advance=mover(manager.progress, dataset.name))
            except ObjectMissing as error:
                if place == "production" and version.compacted:
                    return _chain(manager, store, dataset, version)
                if place == "production" and _in_trash(store, version):
                    return Checked(place, name, Verdict.OK, "in the trash: the next publish brings it back")
                first = first or Checked(place, name, Verdict.MISSING, str(error))
            except Corrupt as error:
                return Checked(place, name, _wrong(manager, place, version), str(error))
            else:
                return Checked(place, name, Verdict.OK)
        return first or Checked(places[0], name, Verdict.MISSING)

    return check


def _chain(manager: DataManager, store: ObjectStore, dataset: Dataset, version: Version) -> Checked:
    """A compacted version is rebuilt from its deltas, and hashed."""
    name = f"{dataset.name} {version.name}"
    if compacting.rebuilds(manager, store, dataset, version):
        return Checked("production", name, Verdict.OK, "compacted: rebuilt from its deltas")
    if _in_trash(store, version):
        return Checked("production", name, Verdict.WRONG_BYTES, "its deltas are damaged; the trash has it")
    return Checked("production", name, Verdict.WRONG_BYTES, "compacted, and its deltas do not rebuild it")


def _in_trash(store: ObjectStore, version: Version) -> bool:
    try:
        store.verify(version.oid, version.size, key=trash_key(version.oid))
    except (ObjectMissing, Corrupt, Denied):
        return False
    return True


def _wrong(manager: DataManager, place: str, version: Version) -> Verdict:
    try:
        same_size = manager.store(place).stat(version.oid, version.size) is not None
    except DataError:
        return Verdict.WRONG_BYTES
    return Verdict.WRONG_BYTES if same_size else Verdict.WRONG_SIZE
