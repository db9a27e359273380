"""The bytes that a delta builds on, from wherever they can be had: unverified, the result is hashed."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import BinaryIO

from git_datamanager import encoded
from git_datamanager.errors import Corrupt, DataError, Denied, Forbidden, ObjectMissing, PreconditionFailed
from git_datamanager.manager import DataManager
from git_datamanager.model.chains import DEEPEST, Route
from git_datamanager.model.manifest import Dataset
from git_datamanager.model.oid import Oid
from git_datamanager.objects import ObjectStore
from git_datamanager.ops import local
from git_datamanager.storage.base import Advance, no_advance


class Bases:
    """Opens the versions of a dataset: this clone's own bytes, then the plain objects of the stores, read
    by ranges, then what their encoded forms give, in a temporary file."""

    def __init__(
        self, manager: DataManager, dataset: Dataset, roles: Sequence[str], *, has_local: bool = True
    ) -> None:
        """Without `has_local` what this clone has does not count: only what is stored proves a store."""
        self._manager = manager
        self._dataset = dataset
        self._roles = roles
        self._has_local = has_local
        self._sizes = {v.oid: v.size for v in dataset.versions}

    def is_local(self, oid: Oid) -> bool:
        return local.source(self._manager, self._dataset.name, oid) is not None

    @contextmanager
    def opened(self, oid: Oid, depth: int = DEEPEST) -> Iterator[BinaryIO]:
        """A file to read anywhere. Raises ObjectMissing where the bytes are nowhere."""
        own = local.source(self._manager, self._dataset.name, oid) if self._has_local else None
        if own is not None:
            with own() as file:
                yield file
            return
        size = self._sizes.get(oid)
        if size is None:
            raise ObjectMissing(
                f"{oid.short}, which a delta builds on, is no version of {self._dataset.name}"
            )
        store = self._holder(oid, size)
        if store is not None:
            with encoded.opened(store, oid, size) as file:
                yield file
            return
        with self._manager.cache.new_file() as path, path.open("w+b") as file:
            self._rebuild(oid, size, file, depth)
            file.seek(0)
            yield file

    def _holder(self, oid: Oid, size: int) -> ObjectStore | None:
        for role in self._roles:
            store = self._manager.store(role)
            try:
                if store.stat(oid, size) is not None:
                    return store
            except Denied:
                continue
        return None

    def _rebuild(self, oid: Oid, size: int, target: BinaryIO, depth: int) -> None:
        first: DataError | None = None
        for role in self._roles if depth else ():
            try:
                self.from_forms(self._manager.store(role), oid, size, target, depth=depth - 1)
            except (ObjectMissing, Corrupt, Forbidden) as error:
                first = first or error
            else:
                return
        raise first or ObjectMissing(f"the bytes of {oid.short}, which a delta builds on, are nowhere")

    def follow(self, store: ObjectStore, route: Route, target: BinaryIO, advance: Advance) -> None:
        """Fetch along a route; what a later step builds on lies in temporary files meanwhile."""
        with ExitStack() as stack:
            made = dict[Oid, BinaryIO]()
            for n, step in enumerate(route.steps):
                is_last = n == len(route.steps) - 1
                file = target if is_last else self._temporary(stack)
                one = encoded.form(store, step.oid, step.encoding)
                if one is None:
                    raise ObjectMissing(
                        f"{store.role} does not hold the {step.encoding.kind} of {step.oid.short}"
                    )
                base = step.encoding.base
                opened = made.get(base) if base else None
                if base and opened is None:
                    opened = stack.enter_context(self.opened(base))
                encoded.fetch(store, one, step.oid, self._sizes[step.oid], file, opened, advance=advance)
                made[step.oid] = file

    def _temporary(self, stack: ExitStack) -> BinaryIO:
        path = stack.enter_context(self._manager.cache.new_file())
        return stack.enter_context(path.open("w+b"))

    def from_forms(
        self,
        store: ObjectStore,
        oid: Oid,
        size: int,
        target: BinaryIO,
        *,
        below: str = "",
        depth: int = DEEPEST,
        advance: Advance = no_advance,
    ) -> encoded.Form:
        """Write the verified bytes that the first good form of a store gives; says which it was.

        Raises ObjectMissing where there is none at all, Corrupt where none is good.
        """
        first: DataError | None = None
        for one in encoded.forms(store, oid, below=below):
            try:
                self.from_form(store, one, oid, size, target, depth=depth, advance=advance)
            except PreconditionFailed:
                first = first or ObjectMissing(f"{store.role}: {one.key} was replaced while it was read")
            except (ObjectMissing, Corrupt) as error:
                first = first or error
            else:
                return one
        raise first or ObjectMissing(f"{store.role} ({store.url}) holds no form of {oid}")

    def check(self, store: ObjectStore, one: encoded.Form, oid: Oid, size: int) -> None:
        """Rebuild the bytes and keep nothing. Raises Corrupt, ObjectMissing."""
        with ExitStack() as stack:
            base = stack.enter_context(self.opened(one.encoding.base)) if one.encoding.base else None
            encoded.check(store, one, oid, size, base)

    def from_form(
        self,
        store: ObjectStore,
        one: encoded.Form,
        oid: Oid,
        size: int,
        target: BinaryIO,
        *,
        depth: int = DEEPEST,
        advance: Advance = no_advance,
    ) -> None:
        """Write the verified bytes of one form, from the beginning of `target`."""
        target.seek(0)
        target.truncate()
        if one.encoding.base is None:
            encoded.fetch(store, one, oid, size, target, None, advance=advance)
            return
        with self.opened(one.encoding.base, depth) as base:
            encoded.fetch(store, one, oid, size, target, base, advance=advance)
        target.flush()
