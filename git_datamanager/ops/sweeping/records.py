"""What earlier runs of gc left on record, and what follows from it for this one."""

from collections.abc import Sequence

from git_datamanager import documents
from git_datamanager.errors import Conflict
from git_datamanager.manager import DataManager
from git_datamanager.model.layout import RECEIPTS, receipt_of
from git_datamanager.model.oid import Oid
from git_datamanager.model.records import GcRecord, Receipt
from git_datamanager.objects import ObjectStore
from git_datamanager.ops.sweeping.deleting import DAY
from git_datamanager.ops.sweeping.roots import Roots
from git_datamanager.workspace import reflists

REMEMBERED = 90 * DAY
"""For how long a ref that is gone and was never merged still counts."""
SHRINK, FEW = 0.8, 10


def vanished(store: ObjectStore, roots: Roots) -> set[Oid]:
    """The contents of entries that have a receipt and that no manifest knows: not deleted, but lost from
    view, by a force-push for one."""
    known = roots.ids | roots.tombstones
    entries = (receipt_of(s.key) for s in store.adapter.list_objects(RECEIPTS))
    found = set()
    for entry in entries:
        if entry is not None and entry not in known:
            receipt = documents.fetch(store.adapter, f"{RECEIPTS}{entry}.json", Receipt)
            if receipt is not None:
                found.add(Oid.parse(receipt.oid))
    return found


def demand_refs(roots: Roots, records: Sequence[GcRecord], *, fewer: bool) -> None:
    """Raise Conflict where many refs that an earlier run saw are gone."""
    before = records[-1].refs if records else 0
    now = len(roots.refs)
    if fewer or now >= SHRINK * before or before - now <= FEW:
        return
    raise Conflict(
        f"there are {now} refs, an earlier run saw {before}: maybe the list is cut, so nothing was done",
        hints=["git data gc --fewer-refs   # if they were deleted on purpose"],
    )


def remembered(manager: DataManager, roots: Roots, records: Sequence[GcRecord]) -> set[Oid]:
    """What refs name that are gone and were not merged."""
    beyond = {commit: oids for record in records for commit, oids in record.beyond.items()}
    there = set(roots.refs.values())
    gone = [commit for commit in beyond if commit not in there]
    merged = reflists.is_merged(manager.git, gone, roots.tip)
    return {Oid.parse(oid) for commit in gone if commit not in merged for oid in beyond[commit]}
