"""Where the bytes of a version can be had, and writing them verified: cache, production, staging."""

from collections.abc import Callable, Sequence
from typing import BinaryIO, TypeVar

from git_datamanager.errors import Corrupt, DataError, Denied, Forbidden, ObjectMissing, Unreachable
from git_datamanager.events import Event, Kind, mover
from git_datamanager.manager import DataManager
from git_datamanager.model.layout import object_key, staging_trash_key, trash_key
from git_datamanager.model.manifest import Dataset, State, Version
from git_datamanager.model.names import pasteable
from git_datamanager.model.oid import Oid
from git_datamanager.objects import ObjectStore
from git_datamanager.ops import local

T = TypeVar("T")
SOURCES = ("auto", "production", "staging")


class Reader:
    """Finds the bytes of one version and writes them, verified; remembers where they came from."""

    def __init__(self, manager: DataManager, dataset: Dataset, version: Version, source: str) -> None:
        self.dataset = dataset
        self.version = version
        self.used: str | None = None
        self._manager = manager
        self._roles = roles(version, source)
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
        used = first_found(places(role, self.version.oid), lambda key: self._from_key(store, key, target))
        self.used = role
        if used != object_key(self.version.oid):
            return  # what lies in a trash may be purged: nobody relies on it
        found = store.stat(self.version.oid, self.version.size)
        if found is not None:
            location = self._manager.remotes.remote(role).url
            self._manager.journal.saw(location, self.version.oid, self.version.size, found.etag)

    def _from_key(self, store: ObjectStore, key: str, target: BinaryIO) -> str:
        advance = mover(self._manager.progress, self.dataset.name)
        for last in (False, True):
            _rewind(target)
            try:
                store.fetch(self.version.oid, self.version.size, target, key=key, advance=advance)
                break
            except (Corrupt, Unreachable):
                advance(-target.tell())
                if last:  # once more past whatever damaged it on the way
                    raise
        return key

    def _explained(self, error: DataError | None) -> DataError:
        """The store's own words, with what can be done about it."""
        if not isinstance(error, ObjectMissing | Corrupt):
            return error or DataError(f"{self.dataset.name}: no store to pull from")
        name, version = self.dataset.name, self.version
        if version.state is not State.PENDING:
            hints = ["git data fsck --remote   # which objects of the store are damaged"]
            return type(error)(f"{name} {version.name} is published, and yet {error}", hints=hints)
        older = [v for v in self.dataset.versions if v.state is State.PUBLISHED]
        hints = [f"git data upload {pasteable(name)}   # in the clone where it was added"]
        hints += [f"git data pull {pasteable(name)}@{older[0].name}"] if older else []
        if isinstance(error, Corrupt):
            return Corrupt(f"{name} {version.name}: {error}", hints=hints)
        return ObjectMissing(f"{name} {version.name} is not published yet, and {error}", hints=hints)


def places(role: str, oid: Oid) -> list[str]:
    """Where a store may hold the bytes, in the order of looking. Between the look at `objects/` and that
    at the trash somebody may have moved them back."""
    key = object_key(oid)
    return [key, trash_key(oid), key] if role == "production" else [key, staging_trash_key(key)]


def first_found(keys: Sequence[str], read: Callable[[str], T]) -> T:
    """What `read` makes of the first key that exists. Where none does, raises what the first one said.

    A reader who may not list is told "forbidden" of what does not exist, so that is no end either.
    """
    first: DataError | None = None
    for key in keys:
        try:
            return read(key)
        except (ObjectMissing, Forbidden) as error:
            first = first or error
    assert first is not None  # noqa: S101 - there are keys
    raise first


def roles(version: Version, source: str) -> tuple[str, ...]:
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
