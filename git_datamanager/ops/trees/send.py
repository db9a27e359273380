"""Sending a pending folder into staging: members, packs, the list of packs, the listing, in this order.

Whoever sees the listing there finds all that it names. What an earlier run sent is not sent again.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO

from git_datamanager import encoded
from git_datamanager.content import compress
from git_datamanager.content.packlist import PackRef
from git_datamanager.content.snapshot import hash_file
from git_datamanager.content.tree import Member
from git_datamanager.encoded import ZSTD
from git_datamanager.errors import Conflict, Corrupt, DataError, DirtyFile, ObjectMissing
from git_datamanager.events import Event, Kind, mover
from git_datamanager.manager import DataManager
from git_datamanager.model.chains import SMALLEST
from git_datamanager.model.layout import IDENTITY, encoded_key, pack_key, tree_key
from git_datamanager.model.manifest import Dataset, Version
from git_datamanager.model.names import pasteable
from git_datamanager.model.oid import Oid
from git_datamanager.ops import encode
from git_datamanager.ops.trees import form as treeform
from git_datamanager.ops.trees import packs as treepacks
from git_datamanager.ops.trees import plan as treeplan
from git_datamanager.ops.trees import store as treestore
from git_datamanager.ops.trees.plan import Plan
from git_datamanager.storage.base import Stat
from git_datamanager.workspace.folderrepack import written


def send(manager: DataManager, dataset: Dataset, version: Version, plan: Plan) -> int:
    """Bring what is missing to staging; returns the bytes sent.

    Raises DirtyFile where the folder has other files by now and nobody
    else has the bytes, ObjectMissing, and what the store says."""
    work = _Sender(manager, dataset, version, plan)
    try:
        return work.run()
    except _Damaged:
        return work.run()


class _Damaged(Corrupt):
    """A pack of this clone is not what it was: it was dropped, and its members are packed again."""


class _Sender:
    def __init__(self, manager: DataManager, dataset: Dataset, version: Version, plan: Plan) -> None:
        self._manager = manager
        self._dataset = dataset
        self._version = version
        self._plan = plan
        self._packs = manager.folders.packs
        self._staging = manager.store("staging")
        self._location = manager.remotes.remote("staging").url
        self._advance = mover(manager.progress, dataset.name)
        self._sent = 0
        self._positions = {plan.listing.digest(n): n for n in range(len(plan.listing))}

    def run(self) -> int:
        refs = self._packed()
        self._planned(sum(ref.size for ref in refs) + sum(m.size for m in self._plan.big))
        self._each({m: partial(self._send_member, m) for m in self._plan.big})
        self._each({ref: partial(self._send_pack, ref) for ref in refs})
        if refs or not self._plan.has_list:
            stat = treepacks.write_list(self._staging, self._version.oid, [*self._plan.kept, *refs])
            self._sent += stat.size if stat else 0
        self._send_listing()
        if not self._packs.keeps:
            for ref in refs:
                self._packs.drop(Oid(ref.hex))
        return self._sent

    def _planned(self, size: int) -> None:
        self._manager.progress(Event(Kind.PLAN, self._dataset.name, size))

    def _each(self, jobs: "dict[treepacks.K, partial[int]]") -> None:
        for _, future in treepacks.in_parallel(jobs, treepacks.AT_ONCE):
            self._sent += future.result()

    def _packed(self) -> list[PackRef]:
        """Local packs that hold all that no store has; those that hold little of it give it to new ones."""
        made, loose = list[Oid](), set(self._plan.small)
        for oid, members in self._packs.holders(self._plan.small).items():
            with suppress(Corrupt, FileNotFoundError):
                index = self._packs.read_index(oid)
                alive = set(members).intersection(index.digests)
                if sum(e.length for e in index if e.digest in alive) >= index.area * treeplan.LIVE:
                    made.append(oid)
                    loose -= alive
        made += self._repacked(loose)
        return [PackRef(oid.hex, self._packs.path(oid).stat().st_size) for oid in made]

    def _repacked(self, loose: set[bytes]) -> list[Oid]:
        if not loose:
            return []
        left = set(loose)

        def found() -> Iterator[tuple[bytes, bytes]]:
            for source in (self._packs.read, self._from_folder, self._from_stores):
                for digest, data in source(set(left)):
                    left.discard(digest)
                    yield digest, data

        return list(written(self._packs, found()))

    def _from_folder(self, wanted: set[bytes]) -> Iterator[tuple[bytes, bytes]]:
        for digest in sorted(wanted, key=self._positions.__getitem__):
            member = self._plan.listing[self._positions[digest]]
            with suppress(OSError):
                path = self._place(member)
                data = path.read_bytes() if path and path.stat().st_size == member.size else b""
                if hashlib.sha256(data).digest() == digest:
                    yield digest, data

    def _from_stores(self, wanted: set[bytes]) -> Iterator[tuple[bytes, bytes]]:
        """Members of an older version that is brought back: production has them, maybe in its trash."""
        if not wanted:
            return
        members = [self._plan.listing[self._positions[digest]] for digest in wanted]
        provide = treestore.provider(
            self._manager, self._dataset, self._version, self._plan.listing,
            ("production", "staging"), lambda _: None,
        )  # fmt: skip
        try:
            for digest, content in provide(members):
                if isinstance(content, bytes):
                    yield digest, content
        except (ObjectMissing, Corrupt) as error:
            raise self._nowhere(error) from error

    def _nowhere(self, error: DataError) -> DataError:
        name, version = self._dataset.name, self._version
        if self._manager.git.top is not None and self._manager.folders.path(name).exists():
            return DirtyFile(
                f"{name} no longer has all that was added as {version.name} ({version.oid.short}), and "
                f"{error}: it is not uploaded",
                hints=[f"git data add {pasteable(name)}"],
            )
        return error

    def _send_pack(self, ref: PackRef) -> int:
        oid, store = Oid(ref.hex), self._staging
        path = self._packs.path(oid)
        if (seen := self._manager.journal.seen(self._location, oid)) and seen[0]:
            found = store.adapter.stat_object(seen[0])
            if found is not None and found.etag == seen[1]:
                self._advance.present(ref.size)
                return 0
        try:
            stat = self._send_packed(oid, path) or self._send_plain(oid, path, ref.size)
        except (Corrupt, FileNotFoundError) as error:
            if _is_whole(path, oid):
                raise
            self._packs.drop(oid)
            raise _Damaged(f"the local pack {oid.short} was damaged, and is dropped") from error
        self._manager.journal.saw(self._location, oid, ref.size, stat.etag, key=stat.key)
        return stat.size

    def _send_plain(self, oid: Oid, path: Path, size: int) -> Stat:
        with path.open("rb", buffering=0) as file:
            return self._staging.adapter.write_object(
                pack_key(oid), file, size, sha256=oid.hex, advance=self._advance, book=self._staging.book
            )

    def _send_packed(self, oid: Oid, path: Path) -> Stat | None:
        """As zstd, where samples say that it pays."""
        size = path.stat().st_size
        if size < SMALLEST or encode.wish(self._manager, self._dataset) == "identity":
            return None
        with path.open("rb") as file, self._manager.cache.new_file() as temp:
            if compress.estimate(file, size) > encode.SAVING:
                return None
            file.seek(0)
            if hash_file(file)[0] != oid.hex:
                raise Corrupt(f"the local pack {oid.short} is damaged")
            file.seek(0)
            with temp.open("w+b") as out:
                if compress.compress(file, out, limit=int(size * encode.SAVING)) is None:
                    return None
            return encoded.put(self._staging, oid, ZSTD, temp, _digest(temp), advance=self._advance)

    def _send_member(self, member: Member) -> int:
        oid = Oid(member.digest.hex())
        cache, place = self._manager.cache, self._place(member)
        trouble: DataError | None = None
        for source in (cache.path(oid), place):
            if source is None or not source.is_file():
                continue
            try:
                etag = self._staging.put(oid, member.size, partial(_reading, source), advance=self._advance)
            except (Corrupt, Conflict) as error:
                if _digest(source) == oid.hex:
                    raise
                trouble = error
                if source == cache.path(oid):
                    cache.drop(oid)
                continue
            self._manager.journal.saw(self._location, oid, member.size, etag)
            return member.size
        return self._send_fetched(member, oid, trouble)

    def _send_fetched(self, member: Member, oid: Oid, trouble: DataError | None) -> int:
        """From the stores, where a member of an older version lies, maybe in a trash; verified, whatever a
        store says it has."""
        roles = ("production", "staging")
        provide = treestore.provider(
            self._manager, self._dataset, self._version, self._plan.listing, roles, lambda _: None
        )
        with self._manager.cache.new_file() as path:
            for _, content in provide([member]):
                try:
                    with path.open("w+b") as file:
                        if not isinstance(content, bytes):
                            content(file)
                except (ObjectMissing, Corrupt) as error:
                    raise self._nowhere(trouble or error) from error
            etag = self._staging.put(oid, member.size, partial(_reading, path), advance=self._advance)
        self._manager.journal.saw(self._location, oid, member.size, etag)
        return member.size

    def _place(self, member: Member) -> Path | None:
        if self._manager.git.top is None:
            return None
        return self._manager.folders.path(self._dataset.name) / member.path

    def _send_listing(self) -> None:
        oid = self._version.oid
        with treeform.smallest(self._manager, self._dataset, self._version, self._plan.listing) as made:
            key = tree_key(oid) if made.encoding == IDENTITY else encoded_key(oid, made.encoding)
            with made.path.open("rb", buffering=0) as file:
                stat = self._staging.adapter.write_object(key, file, made.size, sha256=made.sha256)
        self._sent += stat.size
        self._manager.journal.saw(self._location, oid, self._version.size, stat.etag, key=stat.key)


@contextmanager
def _reading(path: Path) -> Iterator[BinaryIO]:
    with path.open("rb", buffering=0) as file:
        yield file


def _digest(path: Path) -> str:
    with path.open("rb", buffering=0) as file:
        return hash_file(file)[0]


def _is_whole(path: Path, oid: Oid) -> bool:
    try:
        return _digest(path) == oid.hex
    except FileNotFoundError:
        return False
