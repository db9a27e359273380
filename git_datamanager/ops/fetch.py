"""Where the bytes of a version can be had, and writing them verified: cache, production, staging.

The fewest bytes first (docs/design/encodings.md): a chain of deltas from what this clone has, else the
plain object; where that is nowhere, any form a store lists.
"""

from collections.abc import Callable, Sequence
from typing import BinaryIO, TypeVar

from git_datamanager.errors import (
    Corrupt,
    DataError,
    Denied,
    Forbidden,
    ObjectMissing,
    Unreachable,
)
from git_datamanager.events import Event, Kind, Tally, mover, note
from git_datamanager.manager import DataManager
from git_datamanager.model.chains import SMALLEST, Forms, Route, cheapest
from git_datamanager.model.layout import IDENTITY, TRASH, object_key, staging_trash_key, trash_key
from git_datamanager.model.manifest import Dataset, State, Version
from git_datamanager.model.names import pasteable
from git_datamanager.model.oid import Oid
from git_datamanager.objects import ObjectStore
from git_datamanager.ops import local
from git_datamanager.ops.bases import Bases
from git_datamanager.workspace.partials import SMALL

T = TypeVar("T")
SOURCES = ("auto", "production", "staging")


class Reader:
    """Finds the bytes of one version and writes them, verified; remembers where they came from."""

    def __init__(self, manager: DataManager, dataset: Dataset, version: Version, source: str) -> None:
        self.dataset = dataset
        self.version = version
        self.used: str | None = None
        self.fetched = 0
        """Bytes of the objects that made the version, whatever a first try cost."""
        self._manager = manager
        self._roles = roles(version, source)
        self._takes_cache = source == "auto"
        self._bases = Bases(manager, dataset, self._roles)

    def first_source(self) -> str:
        cached = self._takes_cache and self._manager.cache.has(self.version.oid)
        return "cache" if cached else self._roles[0]

    def cost(self) -> int:
        """How many bytes would be fetched, as far as the manifest tells."""
        if self._takes_cache and self._manager.cache.has(self.version.oid):
            return 0
        route = self._route()
        return route.cost if route else self.version.size

    def fill(self, target: BinaryIO) -> None:
        """Write the verified bytes, from the nearest place that has them."""
        if self._takes_cache and self._from_cache(target):
            return
        if self._by_route(target):
            return
        self._manager.progress(Event(Kind.PLAN, self.dataset.name, self.version.size))
        first: DataError | None = None
        for attempt in (self._from_store, self._from_forms):
            for role in self._roles:
                try:
                    attempt(role, target)
                except (ObjectMissing, Denied, Unreachable, Corrupt) as error:
                    first = _weightier(first, error)
                else:
                    return
        raise self._explained(first) from first

    def _route(self) -> Route | None:
        """The cheapest way over encoded forms, where there is one that beats the plain bytes."""
        if not self.version.encodings or "production" not in self._roles:
            return None
        stored = published_forms(self.dataset)
        bases = {base for forms in stored.values() for base in forms.bases} - {self.version.oid}
        route = cheapest(self.version.oid, stored, {o for o in bases if self._bases.is_local(o)})
        is_plain = route is not None and len(route.steps) == 1 and route.steps[0].encoding == IDENTITY
        return None if is_plain else route

    def _by_route(self, target: BinaryIO) -> bool:
        """Whether the bytes came over encoded forms; what goes wrong with those is told, and no more."""
        route = self._route()
        if route is None:
            return False
        self._manager.progress(Event(Kind.PLAN, self.dataset.name, route.cost))
        advance = Tally(mover(self._manager.progress, self.dataset.name))
        error = self._followed(route, target, advance)
        if isinstance(error, Unreachable):  # once more past what cut it on the way: the plain bytes are more
            error = self._followed(route, target, advance)
        if error is not None:
            note(self._manager.progress, f"{self.dataset.name}: {error}; fetching the plain bytes")
            return False
        self.used, self.fetched = "production", route.cost
        return True

    def _followed(self, route: Route, target: BinaryIO, advance: Tally) -> Exception | None:
        """What went wrong on the way; the target is empty then."""
        try:
            self._bases.follow(self._manager.store("production"), route, target, advance)
        except (DataError, FileNotFoundError) as error:
            advance.take_back()
            _rewind(target)
            return error
        return None

    def _from_forms(self, role: str, target: BinaryIO) -> None:
        """What no manifest tells: whatever form the store lists, in its trash too."""
        version, store = self.version, self._manager.store(role)
        if version.size < SMALLEST:
            raise ObjectMissing(f"{role} holds no form of {version.oid}: it is too small for one")
        advance = mover(self._manager.progress, self.dataset.name)
        form = first_found(
            ("", TRASH) if role == "staging" else ("",),
            lambda prefix: self._bases.from_forms(
                store, version.oid, version.size, target, below=prefix, advance=advance
            ),
        )
        self.used, self.fetched = role, form.size

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
        self.used, self.fetched = role, self.version.size
        if used != object_key(self.version.oid):
            return  # what lies in a trash may be purged: nobody relies on it
        found = store.stat(self.version.oid, self.version.size)
        if found is not None:
            location = self._manager.remotes.remote(role).url
            self._manager.journal.saw(location, self.version.oid, self.version.size, found.etag)

    def _from_key(self, store: ObjectStore, key: str, target: BinaryIO) -> str:
        """A large object goes on where an earlier run broke off; a small one is simply fetched again."""
        version, fill = self.version, self._manager.partials.fill
        advance = Tally(mover(self._manager.progress, self.dataset.name))
        for last in (version.size > SMALL, True):
            try:
                fill(store, version.oid, version.size, target, key=key, advance=advance)
                break
            except (Corrupt, Unreachable):
                advance.take_back()
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


def published_forms(dataset: Dataset) -> dict[Oid, Forms]:
    """What production keeps of each published version, as the manifest tells it."""
    live = [v for v in dataset.versions if v.state is State.PUBLISHED]
    return {v.oid: Forms(None if v.compacted else v.size, v.encodings) for v in live}


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
