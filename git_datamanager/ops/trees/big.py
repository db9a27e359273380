"""Members of a folder that are stored alone, and what is told where one cannot be had."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import partial
from pathlib import Path
from typing import BinaryIO

from git_datamanager.content.tree import Member
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
from git_datamanager.model.layout import object_key
from git_datamanager.model.manifest import Dataset, State, Version
from git_datamanager.model.names import pasteable
from git_datamanager.model.oid import Oid
from git_datamanager.ops import local
from git_datamanager.ops.fetch import places
from git_datamanager.ops.trees import packs as treepacks
from git_datamanager.storage.base import Advance
from git_datamanager.workspace.place import Fill

AHEAD = 16 << 20
"""Bytes of a member up to which it is fetched before it is its turn; larger ones come in parts at a time."""
TROUBLES = (Corrupt, ObjectMissing, PreconditionFailed, Denied, Unreachable)
"""After these another store, or another pack, may have it."""


class Troubles:
    """What stores said while the members of one version were looked for."""

    def __init__(self, dataset: Dataset, version: Version) -> None:
        self._dataset = dataset
        self._version = version
        self._trouble: DataError | None = None

    def note(self, error: DataError) -> None:
        """Keep the answer that says more than "not here"; who may not list is refused what is not there."""
        if self._trouble is None or isinstance(self._trouble, ObjectMissing | Forbidden):
            self._trouble = error

    def nowhere(self, member: Member, count: int) -> DataError:
        """The stores' own words, with what can be done about it."""
        trouble = self._trouble
        if trouble is not None and not isinstance(trouble, ObjectMissing | Corrupt | PreconditionFailed):
            return trouble
        name, version = self._dataset.name, self._version
        more = f" and {count - 1} more" if count > 1 else ""
        said = f": {trouble}" if isinstance(trouble, Corrupt) else ""
        text = f"{name} {version.name}: no store has the bytes of its member {member.path}{more}{said}"
        if version.state is State.PENDING:
            hint = f"git data upload {pasteable(name)}   # in the clone where it was added"
        else:
            hint = "git data fsck --remote   # which objects of the store are damaged"
        return (Corrupt if said else ObjectMissing)(text, hints=[hint])


class BigMembers:
    """Gives the members of one version that lie under `objects/`."""

    def __init__(
        self, manager: DataManager, roles: Sequence[str], advance: Advance, troubles: Troubles
    ) -> None:
        self._manager = manager
        self._roles = roles
        self._advance = advance
        self._troubles = troubles

    def give(self, members: Collection[Member]) -> Iterator[tuple[bytes, Fill]]:
        """Those of middle size are fetched a few ahead of whoever takes them: each is one request."""
        for member in members:
            if member.size > AHEAD:
                yield member.digest, partial(self._fill, member)
        jobs = {m: partial(self._fetched, m) for m in members if m.size <= AHEAD}
        for member, future in treepacks.in_parallel(jobs, treepacks.AT_ONCE):
            with future.result() as path:
                yield member.digest, self._copier(member, path)

    def _fetched(self, member: Member) -> AbstractContextManager[Path]:
        """A file with the bytes of a member; it goes when the context ends."""
        oid, cache = Oid(member.digest.hex()), self._manager.cache
        if cache.has(oid):
            return nullcontext(cache.path(oid))
        with ExitStack() as stack:
            path = stack.enter_context(cache.new_file())
            with path.open("w+b") as file:
                self._fill(member, file)
            return _Kept(path, stack.pop_all())

    def _copier(self, member: Member, path: Path) -> Fill:
        def fill(target: BinaryIO) -> None:
            try:
                local.copier(path, Oid(member.digest.hex()), member.size)(target)
            except (Corrupt, FileNotFoundError):
                self._fill(member, target)

        return fill

    def _fill(self, member: Member, target: BinaryIO) -> None:
        """Write a big member, verified."""
        oid, cache = Oid(member.digest.hex()), self._manager.cache
        if cache.has(oid):
            try:
                local.copier(cache.path(oid), oid, member.size)(target)
            except (Corrupt, FileNotFoundError):
                cache.drop(oid)  # damaged: it heals by being fetched again
            else:
                return
        for role in self._roles:
            for key in places(role, oid):
                try:
                    _rewind(target)
                    self._manager.store(role).fetch(oid, member.size, target, key=key, advance=self._advance)
                except TROUBLES as error:
                    self._troubles.note(error)
                else:
                    self._keep_in_mind(role, key, oid, member.size)
                    return
        raise self._troubles.nowhere(member, 1)

    def _keep_in_mind(self, role: str, key: str, oid: Oid, size: int) -> None:
        found = self._manager.store(role).stat(oid, size) if key == object_key(oid) else None
        if found is not None:
            self._manager.journal.saw(self._manager.remotes.remote(role).url, oid, size, found.etag)


class _Kept(AbstractContextManager[Path]):
    """A temporary file that was made in another thread."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        self._path = path
        self._stack = stack

    def __enter__(self) -> Path:
        return self._path

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def _rewind(target: BinaryIO) -> None:
    target.seek(0)
    target.truncate()
