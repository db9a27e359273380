"""What gc and cleanup share: one deleting run per store, moves into the trash, purges, doubt.

docs/design/publish.md, "Leases" and "Deleting from production". A late delete would hit the copy that
another run has just made and relies on: deletes are sent once, on the condition of an ETag, and an
unknown outcome ends the run and leaves the lease to expire.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from git_datamanager import lease
from git_datamanager.errors import (
    Conflict,
    Corrupt,
    DataError,
    Forbidden,
    Locked,
    ObjectMissing,
    OutcomeUnknown,
    PreconditionFailed,
    Unreachable,
)
from git_datamanager.events import Event, Kind, mover, note
from git_datamanager.manager import DataManager
from git_datamanager.model.layout import GC_LEASE, PROBE_PREFIX, TRASH, object_of, pack_of, tree_of
from git_datamanager.model.oid import Oid
from git_datamanager.objects import ObjectStore
from git_datamanager.ops.explain import explained
from git_datamanager.ops.publishing.promote import holder
from git_datamanager.storage.base import Stat, matching

DAY = 86400
LEASE_TIME = 7 * DAY
JOB = 6 * 3600
"""Seconds after which a run ends itself, by a clock that counts suspension."""
CHUNK = 100
MANY, SHARE = 50, 0.05
"""More objects, or more of the bytes, are not removed without a number to confirm it."""


@dataclass(frozen=True)
class Asked:
    """How a deleting run is asked for."""

    remote: str | None = None
    branch: str | None = None
    """The default branch, where the remote does not say it."""
    repositories: Sequence[str] = ()
    """Addresses of others that use the same store."""
    confirmed: int | None = None
    single_writer: bool = False
    wait: float = 0
    """How long to stand in line for another run, seconds."""


class Item(NamedTuple):
    """An object that a run is about to move or remove."""

    key: str
    oid: Oid
    size: int
    etag: str
    modified: float
    """By the store's clock."""

    @property
    def is_plain(self) -> bool:
        """Its bytes have the hash in its name; anything else is known by its ETag alone."""
        key = self.key.removeprefix(TRASH)
        return any(read(key) for read in (object_of, pack_of, tree_of)) or bool(object_of(self.key, TRASH))


class Trouble(NamedTuple):
    """An object that was left as it is, and why."""

    key: str
    error: DataError


@dataclass
class Removal:
    """What a run removes, or would."""

    moved: list[Item] = field(default_factory=list)
    """Into the trash."""
    deleted: list[Item] = field(default_factory=list)
    """For good: there is another copy, or the grace is over."""
    kept: list[Item] = field(default_factory=list)
    """Named again between two looks."""
    troubles: list[Trouble] = field(default_factory=list)


def boot_time() -> float:
    """Seconds by a clock that goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.time()


class Run:
    """A deleting run on one store, which holds `lease-gc`."""

    def __init__(self, store: ObjectStore, manager: DataManager, check: Callable[[], None]) -> None:
        self.store = store
        self.in_flight = False
        """A deletion was sent, and its outcome is not known."""
        self._manager = manager
        self._check = check
        self._begun = boot_time()

    def demand_time(self) -> None:
        """Raise Conflict once the run is too old to delete anything, or lost its lease."""
        self._check()
        if boot_time() - self._begun > JOB:
            raise Conflict(
                "this run is older than 6 hours and stopped before its next deletion",
                hints=["run the same command again: it goes on where this one stopped"],
            )

    def aside(self, item: Item, target: str, done: Removal) -> bool:
        """Verify an object, copy it into the trash, always anew, and check the copy and its date."""
        try:
            self._copy(item, target)
        except (ObjectMissing, Corrupt, PreconditionFailed) as error:
            done.troubles.append(Trouble(item.key, error))
            return False
        return True

    def _copy(self, item: Item, target: str) -> None:
        if not item.is_plain:
            self._copy_form(item, target)
            return
        advance = mover(self._manager.progress, item.oid.short)
        self._manager.progress(Event(Kind.PLAN, item.oid.short, item.size * 3))
        good = self.store.verify(item.oid, item.size, key=item.key, advance=advance)
        if good.etag != item.etag:
            raise PreconditionFailed(f"{item.key} was written anew meanwhile")
        begun = self.store.adapter.clock()
        self.store.copy_from(self.store, item.oid, item.size, good, key=target, advance=advance)
        copy = self.store.verify(item.oid, item.size, key=target, advance=advance)
        if copy.modified < int(begun):  # whole seconds are all that some clocks tell
            raise Corrupt(f"{target} is older than its copying: the copy was not made")

    def _copy_form(self, item: Item, target: str) -> None:
        """A form cannot be checked without its base: the copy is of the very object that was looked at."""
        store = self.store.adapter
        begun = store.clock()
        if store.copy_object(store, item.key, target, source_etag=item.etag) is None:
            with store.read_object(item.key, etag=item.etag) as body:
                store.write_object(target, body, item.size)
        copy = store.stat_object(target)
        if copy is None or copy.size != item.size or copy.modified < int(begun):
            raise Corrupt(f"{target}: the copy was not made")

    def delete(self, item: Item, done: Removal) -> bool:
        """Remove the very object that was looked at. Raises OutcomeUnknown, which ends the run."""
        self.demand_time()
        self.in_flight = True
        try:
            self.store.adapter.delete_object(item.key, expect=matching(item.etag))
        except OutcomeUnknown:
            raise
        except DataError as error:  # refused, so nothing was deleted
            self.in_flight = False
            if not isinstance(error, PreconditionFailed | Forbidden):
                raise
            done.troubles.append(Trouble(item.key, error))
            return False
        self.in_flight = False
        self._manager.progress(Event(Kind.DONE, item.oid.short))
        return True

    def sweep_probes(self) -> None:
        """What `verify` and `doctor` left where they may not delete."""
        now = self.store.adapter.clock()
        for stat in self.store.adapter.list_objects(PROBE_PREFIX):
            if stat.modified < now - DAY:
                self.demand_time()
                self.store.adapter.delete_object(stat.key, expect=matching(stat.etag))


@contextmanager
def deleting_run(
    manager: DataManager, store: ObjectStore, verb: str, *, wait: float, single_writer: bool
) -> Iterator[Run]:
    """Hold the store's `lease-gc`; it is given back only where the outcome of every delete is known."""
    if single_writer:
        yield Run(store, manager, lambda: None)
        return
    terms = lease.Terms(
        holder=holder(manager), ttl=LEASE_TIME, wait=wait, renews=False, verb=verb,
        say=lambda text: note(manager.progress, text),
    )  # fmt: skip
    try:
        mine = explained(
            lambda: lease.acquire(store.adapter, GC_LEASE, terms), "", "nothing was done",
            f"git data verify --role {verb}   # what these credentials may do",
        )  # fmt: skip
    except Locked as error:
        hints = [*error.hints, f"git data {verb} --break-lease   # once no such run is left anywhere"]
        raise Locked(error.message, hints=hints) from error
    run = Run(store, manager, mine.confirm)
    try:
        yield run
    except OutcomeUnknown as error:
        if not run.in_flight:
            raise
        raise OutcomeUnknown(
            f"{error}: whether it was deleted is unknown, so {GC_LEASE} is left to expire in 7 days",
            hints=[f"git data {verb} --break-lease   # once no such run is left anywhere"],
        ) from error
    finally:
        if not run.in_flight:
            with suppress(Unreachable):  # it expires
                mine.release()


def break_lease(manager: DataManager, store: ObjectStore) -> str | None:
    """Call the lease free, whoever holds it; returns the holder. For people who know that no run is left."""
    standing = lease.look(store.adapter, GC_LEASE)
    if standing is None or (standing.record is not None and standing.record.released):
        return None
    lease.free(store.adapter, GC_LEASE, standing, holder(manager))
    return standing.holder


def items(store: ObjectStore, prefix: str, read: Callable[[str], Oid | None]) -> list[Item]:
    """Everything below a prefix that bears the name of content."""
    found = ((stat, read(stat.key)) for stat in store.adapter.list_objects(prefix))
    return [_item(stat, oid) for stat, oid in found if oid is not None]


def _item(stat: Stat, oid: Oid) -> Item:
    return Item(stat.key, oid, stat.size, stat.etag, stat.modified)


def in_chunks(planned: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """One look at the roots for each."""
    yield from (planned[n : n + CHUNK] for n in range(0, len(planned), CHUNK))


def is_much(planned: Sequence[Item], all_bytes: int) -> bool:
    """So much that a person has to give the number."""
    return len(planned) > MANY or sum(i.size for i in planned) > SHARE * all_bytes


def demand_confirmation(planned: Sequence[Item], all_bytes: int, confirmed: int | None, command: str) -> None:
    """Raise Conflict where much is to go and nobody gave its number."""
    count, size = len(planned), sum(i.size for i in planned)
    if not is_much(planned, all_bytes) or (confirmed is not None and confirmed >= count):
        return
    share = round(100 * size / all_bytes) if all_bytes else 100
    objects = "object" if count == 1 else "objects"
    raise Conflict(
        f"{count} {objects}, {share} % of the bytes, would go: that is much, and nothing was done",
        hints=[f"{command} --confirm {count}   # if that is right"],
    )
