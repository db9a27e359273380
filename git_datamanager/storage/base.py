"""What the tool asks of a store: bytes under keys, and nothing more.

A store knows nothing of manifests and trusts nobody; bytes are verified one layer up, in
`objects.py`. Every implementation passes the contract suite in tests/storage/contract.py.
Specification: docs/spec/store-v1.md.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO, Literal, NamedTuple, Protocol, runtime_checkable

Advance = Callable[[int], None]
"""Told the number of bytes moved since the last call; negative when a part is sent again."""


def no_advance(_: int) -> None:
    """The Advance of somebody who does not watch."""


class Stat(NamedTuple):
    """What a store says of one object."""

    key: str
    size: int
    etag: str
    """Opaque; equal means unchanged since, never "these bytes"."""
    modified: float
    """Seconds since the epoch, by the store's clock."""
    sha256: str | None = None
    """Hex digest of the whole object, only where the store itself keeps one."""


@dataclass(frozen=True, slots=True)
class Expect:
    """The condition of a write or delete: none, absent, or the object with this ETag."""

    absent: bool = False
    etag: str | None = None


ANYTHING = Expect()
ABSENT = Expect(absent=True)


def matching(etag: str) -> Expect:
    """The object must still be the one with this ETag."""
    return Expect(etag=etag)


class Capabilities(NamedTuple):
    """What a store was seen to refuse (a negative probe), never what its vendor's name promises.

    The two facts that writes and checks rest on; `Examination` has the rest.
    """

    conditional_put: bool
    """A second create-only put of one key is refused and the first bytes stay."""
    checks_sha256: bool
    """A body that does not match the sha256 sent with it is refused."""


Versioning = Literal["off", "on", "unknown"]


class Examination(NamedTuple):
    """All that a store was seen to refuse and to take. False also where the rights did not suffice."""

    conditional_put: bool
    checks_sha256: bool
    conditional_overwrite: bool
    """A write by ETag is refused where the object is another one, and where there is none."""
    conditional_complete: bool
    """Putting the parts of an upload together is create-only where that was asked for."""
    source_condition: bool
    """A copy of a source with another ETag is refused."""
    part_source_condition: bool
    """The same for a copy in parts."""
    conditional_delete: bool
    lists_after_put: bool
    ranges: bool
    """A range is answered with just that range."""
    clock_skew: float
    """Seconds by which the store's clock is ahead of this machine's; both may be cut to whole ones."""
    versioning: Versioning
    """Whether deleted bytes stay as old versions; `unknown` where the store does not say."""


def sound(clock_skew: float) -> Examination:
    """A store that refuses by construction, and keeps no old versions."""
    return Examination(*(True,) * 9, clock_skew=clock_skew, versioning="off")


class Presentation(NamedTuple):
    """How a browser should see an object."""

    content_type: str = "application/octet-stream"
    filename: str | None = None


class Begun(NamedTuple):
    """An upload in parts that was begun and is not ended: what it takes to go on with it."""

    upload_id: str
    part_size: int
    nonce: str
    """The user metadata by which its object is known (docs/spec/store-v1.md)."""
    has_digests: bool
    """Its parts are sent with their SHA-256."""


class ResumeBook(Protocol):
    """Remembers uploads beyond the end of this process, and lets only one writer at a time go on with each.

    It is a record and no condition: what it says is checked against the store. It may forget, and must
    not raise. Safe to use from several threads and processes.
    """

    def take(self, location: str, key: str, size: int, sha256: str) -> Begun | None:
        """An upload of these bytes to this place that nobody is at work on; now the caller is."""

    def begin(self, location: str, key: str, size: int, sha256: str, begun: Begun) -> None:
        """Write down an upload before its first part is sent; the caller is at work on it."""

    def leave(self, begun: Begun) -> None:
        """It was broken off; somebody may go on with it."""

    def end(self, begun: Begun) -> None:
        """It is complete, or given up, or gone."""


@runtime_checkable
class Linking(Protocol):
    """A store that people can read without this tool."""

    def link(self, key: str, seconds: int) -> str:
        """An address under which anybody can read the object for so long: whoever has it needs no
        credentials. Nothing is asked, not even whether the object is there."""


class StorageAdapter(Protocol):
    """A place for objects. Raises only errors of `git_datamanager.errors`.

    `Unreachable` where trying again may help, `Forbidden` and `NoCredentials` for rights,
    `ObjectMissing` for an absent object, `PreconditionFailed` for a broken expectation,
    `OutcomeUnknown` where a conditional write or deletion may or may not have happened. An unconditional
    one does no harm when it is sent again, so a lost answer is plain `Unreachable` there.
    Keys are relative, printable ASCII without backslash, `/`-separated, at most 1024 long, without a dot
    in front and without empty, `.` and `..` parts (ValueError else). No key is a folder of another.
    Safe to use from several threads.
    """

    @property
    def url(self) -> str:
        """The address as a person would write it, without secrets."""

    def stat_object(self, key: str) -> Stat | None:
        """The object's facts, or None where it does not exist."""

    def read_object(
        self,
        key: str,
        *,
        start: int = 0,
        length: int | None = None,
        etag: str | None = None,
    ) -> AbstractContextManager[BinaryIO]:
        """Stream bytes from `start`, at most `length`; with `etag` only of that very object.

        Beyond the end there are no bytes, which is no error. Errors come on entering the context. A body
        shorter than the store announced raises Unreachable, not a silent end.
        """

    def write_object(
        self,
        key: str,
        source: BinaryIO,
        size: int,
        *,
        expect: Expect = ANYTHING,
        sha256: str | None = None,
        presentation: Presentation | None = None,
        advance: Advance = no_advance,
        book: ResumeBook | None = None,
    ) -> Stat:
        """Store exactly `size` bytes of `source`, durably and at once or not at all.

        With `sha256` (hex) the bytes are hashed on their way and nothing becomes visible where they
        differ (Corrupt). `source` too short or too long raises Corrupt. Returns the new object's facts.

        With a `book` and `sha256` a large write that breaks off may be gone on with by the next one;
        stores that know no such thing ignore it.
        """

    def copy_object(
        self,
        source: "StorageAdapter",
        source_key: str,
        key: str,
        *,
        source_etag: str,
        presentation: Presentation | None = None,
        advance: Advance = no_advance,
    ) -> Stat | None:
        """Copy inside the service, without the bytes passing through this process.

        Takes the source object with `source_etag` or raises PreconditionFailed. None where this
        store cannot copy from that one (another service): the caller streams then.
        """

    def list_objects(self, prefix: str) -> Iterator[Stat]:
        """Every object whose key starts with `prefix`, in the order of their keys.

        Names in the store that are no keys are left out.
        """

    def delete_object(self, key: str, *, expect: Expect = ANYTHING) -> None:
        """Remove it; an absent object is no error.

        A condition is checked just before, and again by stores that know conditions of deletions: where
        they do not, somebody may write in between. A conditional deletion is sent at most once per call,
        apart from requests the store refused: a late repetition would hit whatever bears the name by
        then, and equal bytes have equal ETags. Where its answer is lost, an object that is gone is
        deleted, and one that is still there raises OutcomeUnknown.
        """

    def clock(self) -> float:
        """The store's own time now, in seconds since the epoch; ages are told by it, never by ours.

        Whole seconds may do. It is the clock of `Stat.modified`.
        """

    def capabilities(self) -> Capabilities:
        """Probe once per instance, by requests that a sound store refuses: what every write may ask."""

    def examine(self) -> Examination:
        """Probe everything, anew each time: some forty requests, for whoever inspects a store.

        Raises Forbidden where nothing may be written below `probe/`.
        """
