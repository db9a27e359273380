"""The packs of a folder in a store: which there are, what lies in them, and getting them whole."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import NamedTuple, TypeVar

from git_datamanager import encoded
from git_datamanager.content import pack, packlist
from git_datamanager.content.packlist import PackRef
from git_datamanager.errors import Corrupt, Forbidden, ObjectMissing
from git_datamanager.events import STOP
from git_datamanager.manager import DataManager
from git_datamanager.model.layout import (
    IDENTITY,
    TRASH,
    Encoding,
    encoded_key,
    pack_key,
    packs_list_key,
    packs_list_trash_key,
    staging_trash_key,
    trash_key,
)
from git_datamanager.model.oid import Oid
from git_datamanager.objects import ObjectStore
from git_datamanager.storage.base import Advance, Stat, no_advance

AT_ONCE = 4
"""Packs on their way at a time; each is parallel in itself."""
ASKING = 16
"""Questions to a store at a time."""

T = TypeVar("T")
K = TypeVar("K")


class Stored(NamedTuple):
    """A pack that a store has, or a zstd form of it; `key` may be that of a trash."""

    role: str
    oid: Oid
    size: int
    """Of the pack itself."""
    form: encoded.Form

    @property
    def is_plain(self) -> bool:
        return self.form.encoding == IDENTITY

    @property
    def is_trash(self) -> bool:
        return self.form.key.startswith(TRASH)


def read_list(store: ObjectStore, tree: Oid, *, trash: bool = False) -> list[PackRef]:
    """Which packs a store says hold the small members of a folder; none where it says nothing. Raises
    Corrupt for what is no such list."""
    for key in _list_keys(store.role, tree, trash=trash):
        try:
            with store.adapter.read_object(key, length=packlist.MAX_BYTES + 1) as body:
                return packlist.loads(body.read(packlist.MAX_BYTES + 1))
        except (ObjectMissing, Forbidden):
            continue
        except Corrupt as error:
            raise Corrupt(f"{store.role}: {key}: {error}") from error
    return []


def _list_keys(role: str, tree: Oid, *, trash: bool) -> list[str]:
    key = packs_list_key(tree)
    if not trash:
        return [key]
    return [key, packs_list_trash_key(tree) if role == "production" else staging_trash_key(key)]


def write_list(store: ObjectStore, tree: Oid, packs: Iterable[PackRef]) -> Stat | None:
    """Say which packs hold the small members; of none nothing is written."""
    data = packlist.dumps(packs)
    if not data:
        return None
    return store.adapter.write_object(
        packs_list_key(tree), BytesIO(data), len(data), sha256=hashlib.sha256(data).hexdigest()
    )


def find(store: ObjectStore, ref: PackRef, *, trash: bool = False) -> Stored | None:
    """The pack as a store has it: plain, as zstd, or in its trash; another size is another object."""
    oid = Oid(ref.hex)
    for key, encoding in _pack_keys(store.role, oid, trash=trash):
        with suppress(Forbidden):
            found = store.adapter.stat_object(key)
            if found is not None and (encoding == encoded.ZSTD or found.size == ref.size):
                form = encoded.Form(encoding, key, found.size, found.etag)
                return Stored(store.role, oid, ref.size, form)
    return None


def _pack_keys(role: str, oid: Oid, *, trash: bool) -> Iterator[tuple[str, Encoding]]:
    plain, packed = pack_key(oid), encoded_key(oid, encoded.ZSTD)
    yield plain, IDENTITY
    if role == "staging":
        yield packed, encoded.ZSTD
    if trash and role == "staging":
        yield staging_trash_key(plain), IDENTITY
        yield staging_trash_key(packed), encoded.ZSTD
    elif trash:
        yield trash_key(oid), IDENTITY


def remote_index(store: ObjectStore, found: Stored) -> pack.Index:
    """The index of a plain pack, read from its end; unverified. Raises Corrupt, ObjectMissing."""

    def read(offset: int, length: int) -> bytes:
        with store.adapter.read_object(
            found.form.key, start=offset, length=length, etag=found.form.etag
        ) as body:
            return body.read(length)

    return pack.read_index(found.size, read)


@contextmanager
def whole(
    manager: DataManager, found: Stored, *, advance: Advance = no_advance
) -> Iterator[tuple[Path, pack.Index]]:
    """A stored pack in a temporary file, its own SHA-256 verified; what it says of its members is not.

    Raises Corrupt, ObjectMissing, PreconditionFailed.
    """
    store = manager.store(found.role)
    path = manager.folders.packs.new_path()
    try:
        with path.open("w+b") as file:
            if found.is_plain:
                store.fetch(found.oid, found.size, file, key=found.form.key, advance=advance)
            else:
                encoded.fetch(store, found.form, found.oid, found.size, file, None, advance=advance)
            file.flush()
            yield path, index_of(path)
    finally:
        path.unlink(missing_ok=True)


def index_of(path: Path) -> pack.Index:
    """The index of a pack in a file."""
    with path.open("rb") as file:

        def read(offset: int, length: int) -> bytes:
            file.seek(offset)
            return file.read(length)

        return pack.read_index(path.stat().st_size, read)


def take_over(manager: DataManager, found: Stored, *, advance: Advance = no_advance) -> None:
    """Fetch a pack into this clone. Raises Corrupt, ObjectMissing, PreconditionFailed."""
    with whole(manager, found, advance=advance) as (path, index):
        manager.folders.packs.place(path, found.oid, index)
    if not found.is_trash:  # what lies there may be purged: nobody relies on it
        location = manager.remotes.remote(found.role).url
        manager.journal.saw(location, found.oid, found.size, found.form.etag, key=found.form.key)


def in_parallel(work: Mapping[K, "partial[T]"], width: int = ASKING) -> Iterator[tuple[K, Future[T]]]:
    """Do this at a time, a few ahead of whoever takes the results, which come in order and are done."""
    stop = STOP.get()

    def run(job: "partial[T]") -> T:
        STOP.set(stop)
        return job()

    with ThreadPoolExecutor(width) as pool:
        jobs, running = iter(work.items()), dict[K, Future[T]]()
        try:
            for key, job in jobs:
                running[key] = pool.submit(run, job)
                if len(running) > width:
                    yield _first(running)
            while running:
                yield _first(running)
        finally:
            for future in running.values():
                future.cancel()


def _first(running: "dict[K, Future[T]]") -> "tuple[K, Future[T]]":
    key = next(iter(running))
    future = running.pop(key)
    future.exception()  # waits
    return key, future


def covered(index: Iterable[bytes], wanted: set[bytes]) -> set[bytes]:
    """Those of a pack's members that are wanted."""
    return wanted.intersection(index)


def assigned(wanted: set[bytes], holders: Sequence[tuple[K, set[bytes]]]) -> Iterator[tuple[K, set[bytes]]]:
    """Which pack gives which members: each in one, from those that give most first. Leaves out the rest."""
    left = set(wanted)
    for key, gives in sorted(holders, key=lambda one: -len(one[1])):
        mine = gives & left
        if mine:
            left -= mine
            yield key, mine
