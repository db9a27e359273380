"""Is a folder whole in a store? Its listing, its packs, its members; for fsck and the check of a request."""

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial

from git_datamanager.content import pack, tree
from git_datamanager.content.packlist import PackRef
from git_datamanager.content.tree import EMPTY, Listing, Member
from git_datamanager.errors import Corrupt, Forbidden, ObjectMissing
from git_datamanager.manager import DataManager
from git_datamanager.model.manifest import Version
from git_datamanager.model.members import check_members
from git_datamanager.model.oid import Oid
from git_datamanager.ops.trees import listing as treelisting
from git_datamanager.ops.trees import packs as treepacks
from git_datamanager.ops.trees.packs import Stored
from git_datamanager.storage.base import Advance, no_advance


class Checker:
    """Checks versions of folders; a pack or member that several share is read once."""

    def __init__(self, manager: DataManager, *, verify: bool) -> None:
        """Without `verify` only listings are read, and the ends of packs: all else goes by size."""
        self._manager = manager
        self._verify = verify
        self._good: set[tuple[str, str]] = set()

    def check(self, version: Version, roles: Sequence[str], advance: Advance = no_advance) -> None:
        """Raise ObjectMissing or Corrupt naming the first that is missing or wrong in all these stores."""
        listing = self._listing(version, roles)
        if listing.size != version.size:
            raise Corrupt(f"its listing names {listing.size} bytes, the manifest says {version.size}")
        small = {m.digest: m.path for m in listing if m.digest != EMPTY and m.size < pack.SMALL}
        covered = self._covered(version.oid, roles, advance) if small else set()
        missing = small.keys() - covered if covered is not None else ()
        if missing:
            first = min(small[digest] for digest in missing)
            raise ObjectMissing(f"no pack holds its member {first}, nor {len(missing) - 1} others")
        big = {m.digest: m for m in listing if m.size >= pack.SMALL}
        jobs = {member: partial(self._member, member, roles, advance) for member in big.values()}
        for _, future in treepacks.in_parallel(jobs, treepacks.AT_ONCE):
            future.result()

    def _listing(self, version: Version, roles: Sequence[str]) -> Listing:
        """As it is stored: what this clone has proves nothing."""
        with self._manager.cache.new_file() as path, path.open("w+b") as file:
            found = treelisting.write(self._manager, version.oid, roles, file)
            if found.is_trash:
                raise ObjectMissing("its listing lies in the trash")
            file.seek(0)
            return tree.load(file, check=check_members)

    def _covered(self, oid: Oid, roles: Sequence[str], advance: Advance) -> set[bytes] | None:
        """What its packs hold; None where one is compressed, and was not read."""
        refs = next(filter(None, (treepacks.read_list(self._manager.store(r), oid) for r in roles)), None)
        if refs is None:
            raise ObjectMissing("the list of its packs is missing")
        jobs = {ref: partial(self._pack, ref, roles, advance) for ref in refs}
        covered, is_known = set[bytes](), True
        for _, future in treepacks.in_parallel(jobs, treepacks.AT_ONCE):
            digests = future.result()
            covered.update(digests or ())
            is_known &= digests is not None
        return covered if is_known else None

    def _pack(self, ref: PackRef, roles: Sequence[str], advance: Advance) -> list[bytes] | None:
        trouble: Corrupt | None = None
        for role in roles:
            try:
                found = treepacks.find(self._manager.store(role), ref)
                if found is not None:
                    return self._members(found, advance)
            except Corrupt as error:
                trouble = trouble or Corrupt(f"its pack {ref.hex[:12]} in {role}: {error}")
        raise trouble or ObjectMissing(f"its pack {ref.hex[:12]} is missing")

    def _members(self, found: Stored, advance: Advance) -> list[bytes] | None:
        store, mark = self._manager.store(found.role), (found.form.key, found.form.etag)
        if not found.is_plain:
            if not self._verify:
                return None
            with ExitStack() as stack:
                path, index = stack.enter_context(treepacks.whole(self._manager, found, advance=advance))
                pack.verify(stack.enter_context(path.open("rb")), bytes.fromhex(found.oid.hex), index)
                return index.digests
        index = treepacks.remote_index(store, found)
        if self._verify and mark not in self._good:
            with store.adapter.read_object(found.form.key, etag=found.form.etag) as body:
                pack.verify(body, bytes.fromhex(found.oid.hex), index)
            advance(found.size)
            self._good.add(mark)
        return index.digests

    def _member(self, member: Member, roles: Sequence[str], advance: Advance) -> None:
        oid, trouble = Oid(member.digest.hex()), None
        for role in roles:
            store = self._manager.store(role)
            try:
                found = store.look(oid, member.size)
                if self._verify and (found.key, found.etag) not in self._good:
                    store.verify(oid, member.size, advance=advance)
                    self._good.add((found.key, found.etag))
            except (ObjectMissing, Corrupt, Forbidden) as error:
                trouble = trouble if isinstance(trouble, Corrupt) else error
            else:
                return
        kind = Corrupt if isinstance(trouble, Corrupt) else ObjectMissing
        raise kind(f"its member {member.path}: {trouble}")
