"""Leases: one object per store that says who works there (docs/spec/lease-v1.md).

That of publish saves work and excludes nobody; that of gc keeps a second deleting run away. Both prove, by
requests that harm nothing, that the store keeps conditions at all.
"""

import contextlib
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from git_datamanager import documents
from git_datamanager.errors import (
    Conflict,
    Corrupt,
    DataError,
    Locked,
    NotFound,
    OutcomeUnknown,
    PreconditionFailed,
)
from git_datamanager.model.records import LeaseRecord, read
from git_datamanager.storage.base import ABSENT, Expect, Stat, StorageAdapter, matching

POLL = 2.0
"""Seconds between two looks at a lease that somebody else holds."""
_NOBODY = matching("0" * 32)
"""An ETag that no object has."""


class Standing(NamedTuple):
    """A lease as it lies in the store."""

    record: LeaseRecord | None
    """None where it is something else."""
    stat: Stat

    def until(self, default_ttl: int) -> float:
        """When it ends unless it is renewed, by the store's clock."""
        return self.stat.modified + (default_ttl if self.record is None else self.record.ttl)

    def is_held(self, now: float, default_ttl: int) -> bool:
        released = self.record is not None and self.record.released
        return not released and now < self.until(default_ttl)

    @property
    def holder(self) -> str:
        return self.record.holder if self.record else "somebody unknown"


def look(store: StorageAdapter, key: str) -> Standing | None:
    """The lease under this key, whoever holds it."""
    raw = documents.fetch_raw(store, key, LeaseRecord.limit)
    if raw is None:
        return None
    try:
        return Standing(read(LeaseRecord, raw.data, what=key), raw.stat)
    except Corrupt:
        return Standing(None, raw.stat)


class Lease:
    """A lease that this process holds, or held."""

    def __init__(self, store: StorageAdapter, key: str, record: LeaseRecord, etag: str) -> None:
        self.key = key
        self.record = record
        self._store = store
        self._etag = etag
        self._lost = threading.Event()
        self._turn = threading.Lock()

    def check(self) -> None:
        """Raise Conflict once somebody else has taken it."""
        if self._lost.is_set():
            raise Conflict(
                f"{self._store.url}: another run took the {self.key} over, or somebody freed it: "
                "this one stopped"
            )

    def confirm(self) -> None:
        """Look whether it is still ours, which nothing else tells a holder that never renews it. Raises
        Conflict where somebody freed it or took it over."""
        standing = _at_rest(self._store, self.key)
        record = standing.record if standing else None
        if record is None or record.released or record.nonce != self.record.nonce:
            self._lost.set()
        self.check()

    def renew(self) -> None:
        """Write it again, which starts its TTL anew."""
        self._put(self.record)

    def release(self) -> None:
        """Say that it is free. What is no longer ours is not touched."""
        if not self._lost.is_set():
            self._put(self.record.model_copy(update={"released": True}))

    def _put(self, record: LeaseRecord) -> None:
        with self._turn:
            try:
                self._etag = documents.write(self._store, self.key, record, matching(self._etag)).etag
            except (PreconditionFailed, NotFound):
                self._lost.set()


class Terms(NamedTuple):
    """How a lease is taken."""

    holder: str
    ttl: int
    """Seconds."""
    wait: float
    """How long to stand in line for it, seconds."""
    renews: bool
    verb: str = "publish"
    """The command that takes it, for hints."""
    sleep: Callable[[float], None] = time.sleep
    say: Callable[[str], None] = lambda _: None
    """Told once whom it waits for."""


@contextmanager
def held(store: StorageAdapter, key: str, terms: Terms) -> Iterator[Lease]:
    """Hold the lease for as long as the block runs, and release it however that ends.

    Raises Locked where somebody else keeps it, NoConditions where the store ignores conditions.
    """
    lease = acquire(store, key, terms)
    with _renewed(lease, terms) if terms.renews and terms.ttl else contextlib.nullcontext():
        try:
            yield lease
        finally:
            with contextlib.suppress(DataError):  # then it ends by itself
                lease.release()


class NoConditions(DataError):
    """The store ignores the conditions of writes."""


def acquire(store: StorageAdapter, key: str, terms: Terms) -> Lease:
    """Take the lease, and prove meanwhile that the store keeps conditions (rule 3 of the spec)."""
    deadline = time.monotonic() + terms.wait
    told = False
    while True:
        record = LeaseRecord(holder=terms.holder[:1000], nonce=uuid.uuid4().hex, generation=1, ttl=terms.ttl)
        written = _attempt(store, key, record, ABSENT)
        if written is not None:
            return _proven(store, key, record, written, terms)
        standing = _at_rest(store, key)
        if standing is not None and not standing.is_held(store.clock(), terms.ttl):
            generation = standing.record.generation + 1 if standing.record else 1
            record = record.model_copy(update={"generation": generation})
            _refuses(store, key, record, _NOBODY, terms)
            if (taken := _attempt(store, key, record, matching(standing.stat.etag))) is not None:
                return Lease(store, key, record, taken.etag)
        if time.monotonic() >= deadline:
            raise _taken(store, key, standing, terms)
        if standing is not None and not told:
            terms.say(f"waiting for the {key} of {store.url}: {standing.holder} is at work")
            told = True
        terms.sleep(min(POLL, max(deadline - time.monotonic(), 0)))


def _at_rest(store: StorageAdapter, key: str) -> Standing | None:
    """None where somebody is at it in this very instant."""
    try:
        return look(store, key)
    except PreconditionFailed:
        return None


def free(store: StorageAdapter, key: str, standing: Standing, by: str) -> None:
    """Release a lease that is somebody else's. Raises PreconditionFailed where it changed meanwhile."""
    generation = standing.record.generation + 1 if standing.record else 1
    record = LeaseRecord(
        holder=by[:1000], nonce=uuid.uuid4().hex, generation=generation, ttl=0, released=True
    )
    documents.write(store, key, record, matching(standing.stat.etag))


def _attempt(store: StorageAdapter, key: str, record: LeaseRecord, expect: Expect) -> Stat | None:
    """Write it; None where the condition is not met. A lost answer is read back."""
    try:
        return documents.write(store, key, record, expect)
    except (PreconditionFailed, NotFound):
        return None
    except OutcomeUnknown:
        standing = look(store, key)
        if standing is None or standing.record is None or standing.record.nonce != record.nonce:
            raise
        return standing.stat


def _proven(store: StorageAdapter, key: str, record: LeaseRecord, written: Stat, terms: Terms) -> Lease:
    """Created: a second creation and a wrong ETag must be refused. The bytes are the same: no harm done.
    Where that is not seen the lease is given back: nobody works under it."""
    lease = Lease(store, key, record, written.etag)
    try:
        for expect in (ABSENT, _NOBODY):
            _refuses(store, key, record, expect, terms)
    except BaseException:  # Ctrl-C too
        with contextlib.suppress(DataError):  # then it ends by itself
            lease.release()
        raise
    return lease


def _refuses(store: StorageAdapter, key: str, record: LeaseRecord, expect: Expect, terms: Terms) -> None:
    try:
        documents.write(store, key, record, expect)
    except (PreconditionFailed, NotFound):
        return
    raise NoConditions(
        f"{store.url} takes writes whose condition is not met: two runs could not tell who was first",
        hints=[f"git data {terms.verb} --unsafe-single-writer   # if never two of them run at once"],
    )


def _taken(store: StorageAdapter, key: str, standing: Standing | None, terms: Terms) -> Locked:
    holder, until = "somebody", ""
    if standing is not None:
        ends = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(standing.until(terms.ttl)))
        holder, until = standing.holder, f" until {ends}, unless it is renewed"
    return Locked(
        f"{store.url}: {holder} holds the {key}{until}: nothing was done",
        hints=["git data doctor   # shows who holds it"],
    )


@contextmanager
def _renewed(lease: Lease, terms: Terms) -> Iterator[None]:
    """Renew it from a thread, three times within its TTL."""
    done = threading.Event()

    def beat() -> None:
        while not done.wait(terms.ttl / 3):
            with contextlib.suppress(DataError):  # another beat comes before it ends
                lease.renew()

    thread = threading.Thread(target=beat, name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
