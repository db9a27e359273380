"""What compacted versions rest on, and which forms nothing needs: for gc. docs/design/encodings.md."""

from collections.abc import Collection, Mapping

from git_datamanager.model import compaction
from git_datamanager.model.layout import CUTS, OBJECTS, Encoding, content_of, encoding_of, object_of
from git_datamanager.model.manifest import Manifest, State
from git_datamanager.model.oid import Oid
from git_datamanager.objects import ObjectStore
from git_datamanager.ops.sweeping.deleting import Item, items


def bases(store: ObjectStore, tips: Collection[Manifest], named: Collection[Oid]) -> set[Oid]:
    """The contents that others are rebuilt from: by the record of a tip, and for what is named without a
    record and has no plain bytes (a tag names it, the tip deleted it) by every delta that is stored."""
    recorded = _recorded(tips)
    plain = {item.oid for item in items(store, OBJECTS, object_of)}
    stored = _stored(store)
    found, todo = set[Oid](), [o for o in named if o in recorded or o not in plain]
    while todo:
        oid = todo.pop()
        for base in recorded[oid] if oid in recorded else stored.get(oid, set[Oid]()):
            if base not in found:
                found.add(base)
                todo += [base] if base in recorded or base not in plain else []
    return found


def _recorded(tips: Collection[Manifest]) -> dict[Oid, set[Oid]]:
    """Of compacted contents what their deltas build on."""
    found = dict[Oid, set[Oid]]()
    for tip in tips:
        for _, version in tip.entries():
            if version.compacted and version.state is not State.DELETED:
                onto = (Encoding.parse(name).base for name in version.encodings)
                found.setdefault(version.oid, set()).update(base for base in onto if base)
    return found


def _stored(store: ObjectStore) -> Mapping[Oid, set[Oid]]:
    found = dict[Oid, set[Oid]]()
    for stat in store.adapter.list_objects("delta/"):
        form = encoding_of(stat.key)
        if form is not None and form[1].base is not None:
            found.setdefault(form[0], set()).add(form[1].base)
    return found


def idle(store: ObjectStore, tips: Collection[Manifest], named: Collection[Oid], before: float) -> list[Item]:
    """Forms and indexes that go without trash: of contents that nothing names, and those that no tip records
    beside plain bytes or another form; none that is younger than `before`."""
    recorded = {(v.oid, name) for tip in tips for _, v in tip.entries() for name in v.encodings}
    plain = {item.oid for item in items(store, OBJECTS, object_of)}
    small = compaction.compacted(tips)
    found = [i for prefix in ("zstd/", "delta/", CUTS) for i in items(store, prefix, content_of)]

    def is_idle(item: Item) -> bool:
        form = encoding_of(item.key)
        is_recorded = form is None or (form[0], str(form[1])) in recorded
        has_more = item.oid in plain or item.oid in small
        return item.oid not in named or (has_more and not is_recorded)

    return [item for item in found if item.modified < before and is_idle(item)]
