"""Making a form of a version that a store holds, and proving it as it is stored."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from git_datamanager import encoded
from git_datamanager.content import compress, delta
from git_datamanager.content.snapshot import hash_file
from git_datamanager.errors import Corrupt, ObjectMissing, PreconditionFailed
from git_datamanager.manager import DataManager
from git_datamanager.model.layout import Encoding
from git_datamanager.model.manifest import Dataset, Version
from git_datamanager.objects import ObjectStore
from git_datamanager.ops.bases import Bases


class Redelta:
    """Deltas within one dataset of one store; what this clone has does not count."""

    def __init__(
        self, manager: DataManager, dataset: Dataset, store: ObjectStore, check: Callable[[], None]
    ) -> None:
        self._manager = manager
        self._store = store
        self._check = check
        self.bases = Bases(manager, dataset, (store.role,), has_local=False)

    def make(self, version: Version, base: Version | None, limit: int) -> encoded.Form | None:
        """A delta in its place, without a base the bytes compressed, rebuilt from there; None where it would
        be larger than `limit` bytes.

        One that stands there and rebuilds the version is left: something may rest on it. Both versions are
        read by ranges. Raises Corrupt where what is stored does not rebuild the version.
        """
        encoding = Encoding("delta", base.oid) if base else encoded.ZSTD
        standing = self.standing(version, encoding)
        if standing is not None:
            return standing
        with self._manager.cache.new_file() as path:
            if self._write(path, version, base, limit) is None:
                return None
            with path.open("rb") as file:
                digest = hash_file(file)[0]
            self._check()
            sent = encoded.put(self._store, version.oid, encoding, path, digest)
        form = encoded.Form(encoding, sent.key, sent.size, sent.etag)
        self.bases.check(self._store, form, version.oid, version.size)
        return form

    def standing(self, version: Version, encoding: Encoding) -> encoded.Form | None:
        """The stored form, if it rebuilds the version."""
        form = encoded.form(self._store, version.oid, encoding)
        try:
            if form is not None:
                self.bases.check(self._store, form, version.oid, version.size)
        except (ObjectMissing, Corrupt, PreconditionFailed):
            return None
        return form

    def _write(self, path: Path, version: Version, base: Version | None, limit: int) -> int | None:
        with ExitStack() as stack:
            target = stack.enter_context(self.bases.opened(version.oid))
            out = stack.enter_context(path.open("w+b"))
            if base is None:
                return compress.compress(target, out, limit=limit)
            file = stack.enter_context(self.bases.opened(base.oid))
            onto = delta.Base(base.oid.hex, base.size, file, None)
            return delta.make(target, version.size, version.oid.hex, onto, out, limit=limit)
