"""The listing of a folder: from this clone, else from a store, plain or as one of its forms.

Whatever it comes from, it counts once its SHA-256 is the oid. What was fetched stays in the cache: it is
what the next version's listing is a delta from.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import BinaryIO, NamedTuple

from git_datamanager import encoded
from git_datamanager.content import delta, tree, zstd
from git_datamanager.content.snapshot import hash_file
from git_datamanager.content.tree import Listing
from git_datamanager.errors import (
    Corrupt,
    DataError,
    Denied,
    Forbidden,
    ObjectMissing,
    PreconditionFailed,
    Unreachable,
)
from git_datamanager.manager import DataManager
from git_datamanager.model.chains import DEEPEST
from git_datamanager.model.layout import (
    IDENTITY,
    TRASH,
    Encoding,
    encoded_key,
    staging_trash_key,
    trash_key,
    tree_key,
)
from git_datamanager.model.manifest import Dataset, State, Version
from git_datamanager.model.members import check_members
from git_datamanager.model.names import pasteable
from git_datamanager.model.oid import Oid
from git_datamanager.objects import ObjectStore
from git_datamanager.ops.trees.local import kept_listing

HEADER = 96
"""Bytes in which a delta, and a zstd frame in fewer, says how much it holds."""


class Found(NamedTuple):
    """Where a listing was had from."""

    role: str
    form: encoded.Form
    is_trash: bool = False


def listing_of(manager: DataManager, dataset: Dataset, version: Version, roles: Sequence[str]) -> Listing:
    """The members of a version. Raises ObjectMissing where no store of `roles` has its listing, Corrupt
    where what they have is no valid one, Denied, Unreachable."""
    made = kept_listing(manager, version.oid)
    if made is None:
        try:
            made = fetched(manager, version.oid, roles, version.encodings)
        except (ObjectMissing, Corrupt) as error:
            raise _explained(dataset, version, error) from error
    if made.size != version.size:
        raise Corrupt(
            f"{dataset.name} {version.name}: its listing names {made.size} bytes, the manifest says "
            f"{version.size}"
        )
    return made


def _explained(dataset: Dataset, version: Version, error: DataError) -> DataError:
    if version.state is State.PENDING:
        hint = f"git data upload {pasteable(dataset.name)}   # in the clone where it was added"
    else:
        hint = "git data fsck --remote   # which objects of the store are damaged"
    return type(error)(f"{dataset.name} {version.name}: {error}", hints=[hint])


def _loaded(file: BinaryIO, oid: Oid) -> Listing:
    """The oid first: nothing is told of the content of bytes that nobody asked for."""
    if hash_file(file)[0] != oid.hex:
        raise Corrupt(f"these are not the bytes of {oid}")
    file.seek(0)
    return tree.load(file, check=check_members)


def fetched(manager: DataManager, oid: Oid, roles: Sequence[str], forms: Iterable[str] = ()) -> Listing:
    """The listing from a store; it stays in the cache. `forms`: encodings that production is said to have."""
    with manager.cache.new_file() as path:
        with path.open("w+b") as file:
            found = write(manager, oid, roles, file, forms=tuple(forms))
            file.seek(0)
            made = _loaded(file, oid)
        manager.cache.adopt(path, oid)
    if not found.is_trash:
        location = manager.remotes.remote(found.role).url
        key = found.form.key
        manager.journal.saw(location, oid, made.size, found.form.etag, key=key)
    return made


def write(
    manager: DataManager,
    oid: Oid,
    roles: Sequence[str],
    target: BinaryIO,
    *,
    forms: Sequence[str] = (),
    depth: int = DEEPEST,
) -> Found:
    """Write the verified bytes of a listing; says where they were. Raises what tells most."""
    first: DataError | None = None
    for role, one, is_trash in _sources(manager, oid, roles, forms):
        try:
            _rewind(target)
            read_form(manager, manager.store(role), one, oid, target, roles, depth=depth)
        except (ObjectMissing, Corrupt, PreconditionFailed, Denied, Unreachable) as error:
            if first is None or isinstance(first, ObjectMissing):
                first = error
        else:
            return Found(role, one, is_trash)
    raise first or ObjectMissing(f"no store holds the listing {oid.short}")


def _sources(
    manager: DataManager, oid: Oid, roles: Sequence[str], forms: Sequence[str]
) -> Iterator[tuple[str, encoded.Form, bool]]:
    """The cheap ones first: a delta from a listing that is here, the plain one, any form, the trash."""
    for name in forms if "production" in roles else ():
        encoding = Encoding.parse(name)
        if encoding.base is None or manager.cache.has(encoding.base):
            yield from _form(manager, "production", encoded_key(oid, encoding), encoding)
    for role in roles:
        yield from _form(manager, role, tree_key(oid), IDENTITY)
        with suppress(Forbidden):
            yield from ((role, one, False) for one in encoded.forms(manager.store(role), oid))
    for role in roles:
        aside = trash_key(oid) if role == "production" else staging_trash_key(tree_key(oid))
        yield from _form(manager, role, aside, IDENTITY, is_trash=True)
        if role == "staging":
            with suppress(Forbidden):
                found = encoded.forms(manager.store(role), oid, below=TRASH)
                yield from ((role, one, True) for one in found)


def _form(
    manager: DataManager, role: str, key: str, encoding: Encoding, *, is_trash: bool = False
) -> Iterator[tuple[str, encoded.Form, bool]]:
    with suppress(Forbidden):  # a reader who may not list is told so of what does not exist
        found = manager.store(role).adapter.stat_object(key)
        if found is not None:
            yield role, encoded.Form(encoding, key, found.size, found.etag), is_trash


def read_form(
    manager: DataManager,
    store: ObjectStore,
    one: encoded.Form,
    oid: Oid,
    target: BinaryIO,
    roles: Sequence[str],
    *,
    depth: int = DEEPEST,
) -> None:
    """Write what one form of a listing gives, verified. Raises Corrupt, ObjectMissing."""
    size = plain_size(store, one)
    if size > tree.MAX_BYTES:
        raise Corrupt(f"{store.role}: {one.key} says it holds a listing of {size} bytes")
    if one.encoding == IDENTITY:
        store.fetch(oid, size, target, key=one.key)
        return
    with ExitStack() as stack:
        base = None
        if one.encoding.base is not None:
            base = stack.enter_context(_base(manager, one.encoding.base, roles, depth))
        encoded.fetch(store, one, oid, size, target, base)
    target.flush()


def plain_size(store: ObjectStore, one: encoded.Form) -> int:
    """How many bytes a form says it holds: the manifest has the size of the members, not of their listing."""
    if one.encoding == IDENTITY:
        return one.size
    with store.adapter.read_object(one.key, length=HEADER, etag=one.etag) as body:
        if one.encoding.base is not None:
            return delta.read_header(body).size
        return zstd.content_size(body.read(HEADER))


@contextmanager
def _base(manager: DataManager, oid: Oid, roles: Sequence[str], depth: int) -> Iterator[BinaryIO]:
    """The listing that a delta builds on."""
    if manager.cache.has(oid):
        with manager.cache.open(oid) as file:
            yield file
        return
    if depth == 0:
        raise ObjectMissing(f"{oid.short}, which a listing builds on, lies behind too many deltas")
    with manager.cache.new_file() as path, path.open("w+b") as file:
        write(manager, oid, roles, file, depth=depth - 1)
        file.flush()
        yield file


def _rewind(target: BinaryIO) -> None:
    target.seek(0)
    target.truncate()
