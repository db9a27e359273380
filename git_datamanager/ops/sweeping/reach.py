"""What folders reach in a store: their packs, and members that are stored alone. For gc and cleanup.

No manifest names those. Whoever deletes asks here first; a listing that cannot be read ends the run.
"""

from collections.abc import Iterable, Sequence

from git_datamanager.content import pack
from git_datamanager.content.tree import Listing
from git_datamanager.errors import Corrupt, ObjectMissing
from git_datamanager.events import note
from git_datamanager.manager import DataManager
from git_datamanager.model.layout import TREES, tree_of
from git_datamanager.model.oid import Oid
from git_datamanager.objects import ObjectStore
from git_datamanager.ops.sweeping.roots import Roots
from git_datamanager.ops.trees import listing as treelisting
from git_datamanager.ops.trees import local as folder_local
from git_datamanager.ops.trees import packs as treepacks


class Reach:
    """What the folders of production reach. Each listing is read once for a run, and what it names stays
    reached to the end of it: memory grows with packs and big members, never with small ones."""

    def __init__(self, manager: DataManager, store: ObjectStore) -> None:
        self._manager = manager
        self._store = store
        self._done: set[Oid] = set()
        self._reached: set[Oid] = set()

    def of(self, roots: Roots, named: Iterable[Oid]) -> set[Oid]:
        """What the folders among these contents reach, and those that a pending version may share members
        with. Raises Corrupt, ObjectMissing where that cannot be told."""
        wanted = {*named, *roots.kin} - self._done
        there = self._listed() if wanted else set()
        for oid in wanted & (there | roots.folders | roots.kin):
            if self._take(oid, roots, is_needed=oid in there or oid in roots.live):
                self._done.add(oid)
        return self._reached | roots.kin

    def _listed(self) -> set[Oid]:
        """Every folder whose listing is in place: of a receipt or a ref that is gone nobody says the kind."""
        found = (tree_of(stat.key) for stat in self._store.adapter.list_objects(TREES))
        return {oid for oid in found if oid is not None}

    def _take(self, oid: Oid, roots: Roots, *, is_needed: bool) -> bool:
        """Whether it could be told what the folder reaches; one that is not published need not be here."""
        try:
            self._reached |= reached(self._manager, oid, (self._store.role,))
        except (ObjectMissing, Corrupt) as error:
            if isinstance(error, ObjectMissing) and not is_needed:
                return False
            name = roots.labels.get(oid, str(oid))
            raise type(error)(
                f"nobody can tell what the folder {name} needs ({error}): nothing was done",
                hints=["git data fsck --remote   # which objects of the store are damaged"],
            ) from error
        return True


def reached(manager: DataManager, oid: Oid, roles: Sequence[str]) -> set[Oid]:
    """The packs that a folder's list names, and its members that are stored alone; what lies in a trash
    counts. Raises ObjectMissing, Corrupt."""
    listing = folder_local.kept_listing(manager, oid)
    if listing is None:
        listing = treelisting.fetched(manager, oid, roles)
    found = {Oid(m.digest.hex()) for m in listing if m.size >= pack.SMALL}
    packs = [ref for role in roles for ref in treepacks.read_list(manager.store(role), oid, trash=True)]
    if not packs and _has_small(listing):
        raise ObjectMissing(f"the list of the packs of {oid.short} is nowhere")
    return found | {Oid(ref.hex) for ref in packs}


def _has_small(listing: Listing) -> bool:
    return any(0 < size < pack.SMALL for size in listing.sizes)


class Spread:
    """What packs and members in staging are, as parts of folders. Whoever uploads may write anything there:
    of what cannot be read it is told, and it reaches nothing."""

    def __init__(self, manager: DataManager) -> None:
        self._manager = manager
        self._known: dict[Oid, set[Oid]] = {}

    def over(self, roots: Roots, staged: Iterable[Oid]) -> None:
        """Let the roots say of the parts what they say of the folders, of which staging holds something:
        pending, live, settled when."""
        for oid in roots.folders.intersection(staged):
            for part in self._parts(oid, roots):
                for names in (roots.pending, roots.live, roots.named):
                    names.update({part} if oid in names else ())
                if oid in roots.settled:
                    roots.settled[part] = max(roots.settled[oid], roots.settled.get(part, ""))

    def _parts(self, oid: Oid, roots: Roots) -> set[Oid]:
        if oid not in self._known:
            self._known[oid] = set()
            try:
                self._known[oid] = reached(self._manager, oid, ("staging", "production"))
            except (ObjectMissing, Corrupt) as error:
                name = roots.labels.get(oid, oid.short)
                note(self._manager.progress, f"{name}: which parts of it are staged is unknown ({error})")
        return self._known[oid]
