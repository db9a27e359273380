"""What a request would do to the manifest, and what it must not: two manifests compared by entry.

Facts of the format are the rules: an entry never changes but for its state and what comes with it,
states only go forward, and `published` and `deleted` are written by publish alone.
"""

from collections.abc import Collection, Iterator
from enum import StrEnum
from typing import NamedTuple

from git_datamanager.model.manifest import Dataset, DatasetState, Manifest, State, Version
from git_datamanager.model.merge import merge
from git_datamanager.model.oid import Oid

_RANK = {state: rank for rank, state in enumerate(State)}
_FACTS = ("created", "author", "parent", "rollback_of")
"""Of every entry: nobody changes them afterwards."""
_SETTLED = ("number", "published", "commit", "deleted")
"""Of an entry that left `pending`, as long as its state stays; besides these, but for publish itself:"""
_STORED = ("encodings", "compacted")
"""How production keeps it: written by publish alone."""


class Level(StrEnum):
    ERROR = "error"
    """The request must not be merged as it is."""
    NOTICE = "notice"


class Finding(NamedTuple):
    """One thing to tell; `entry` is the id of the version it is about."""

    level: Level
    subject: str
    """`prices.sqlite v4`, a name, or nothing."""
    text: str
    hints: tuple[str, ...] = ()
    entry: str | None = None


class Change(NamedTuple):
    """An entry that the request adds, moves on, or takes away."""

    name: str
    version: Version
    before: State | None
    after: State | None
    """None: it is gone."""
    delta: int
    """How much bigger the dataset's newest version, or how much less there is to keep."""
    moved_from: str | None = None


class Proposal(NamedTuple):
    """What the request does."""

    changes: list[Change]
    findings: list[Finding]
    new: list[tuple[Dataset, Version]]
    """Pending entries that the base does not have: their bytes must be there."""
    waiting: list[tuple[Dataset, Version]]
    """Pending entries that both have."""
    finalized: list[tuple[Dataset, Version]]
    """Entries that become published by this request."""
    unchanged: int
    """Datasets that it leaves alone."""
    deletions: "Deletions"
    added: int
    """Bytes that live versions need in addition."""


class Deletions(NamedTuple):
    """Versions that the request deletes, and what share of all live bytes only they keep."""

    versions: int
    size: int
    live: int

    def is_mass(self, versions: int, percent: int) -> bool:
        """More than so many versions, or more than such a part of the live bytes."""
        return self.versions > versions or self.size * 100 > self.live * percent


class _Sides(NamedTuple):
    ancestor: Manifest
    base: Manifest
    head: Manifest
    is_finalize: bool


def propose(ancestor: Manifest, base: Manifest, head: Manifest, *, is_finalize: bool = False) -> Proposal:
    """Compare `head` with what it was made from, and with the base as it is now.

    `is_finalize`: the bot's request, which alone may record what publish has done; whoever calls looks
    at the receipts of `finalized`.
    """
    sides = _Sides(ancestor, base, head, is_finalize)
    old, now, new = (_by_id(m) for m in (ancestor, base, head))
    changes = [
        *(change for key, (d, v) in new.items() if (change := _change(d, v, old.get(key), head))),
        *(Change(d.name, v, v.state, None, -v.size) for key, (d, v) in old.items() if key not in new),
    ]
    findings = [
        *_vanished(old, now, new),
        *(f for key, pair in new.items() for f in _entry(pair, old.get(key), now.get(key), sides)),
        *_split(old, new),
        *_datasets(sides),
        *_behind(sides),
        *_numbers(sides),
    ]
    touched = {c.name for c in changes} | {c.moved_from for c in changes}
    fresh = [(d, v) for key, (d, v) in new.items() if v.state is State.PENDING and key not in now]
    return Proposal(
        sorted(changes, key=lambda c: (c.name, -c.version.number, c.version.id)),
        findings,
        fresh,
        [(d, v) for key, (d, v) in new.items() if v.state is State.PENDING and key in now],
        [
            (d, v)
            for key, (d, v) in new.items()
            if v.state is State.PUBLISHED and _was(now, key) is not v.state
        ],
        sum(d.name not in touched for d in head),
        _deletions(ancestor, head),
        _live_bytes(head, without=_live(ancestor)),
    )


_Entries = dict[str, tuple[Dataset, Version]]


def _by_id(manifest: Manifest) -> _Entries:
    return {v.id: (d, v) for d, v in manifest.entries()}


def _was(entries: _Entries, key: str) -> State | None:
    return entries[key][1].state if key in entries else None


def _change(
    dataset: Dataset, version: Version, old: tuple[Dataset, Version] | None, head: Manifest
) -> Change | None:
    if old is None:
        parent = dataset.by_id(version.parent or "")
        return Change(
            dataset.name, version, None, version.state, version.size - (parent.size if parent else 0)
        )
    moved = old[0].name if old[0].name != dataset.name and old[0].name not in head.datasets else None
    if version.state is old[1].state and moved is None:
        return None
    gone = old[1].state.is_live and not version.state.is_live
    return Change(dataset.name, version, old[1].state, version.state, -version.size if gone else 0, moved)


def _error(name: str, version: Version, text: str, *hints: str) -> Finding:
    return Finding(Level.ERROR, f"{name} {version.name}", text, hints, version.id)


def _vanished(old: _Entries, now: _Entries, new: _Entries) -> Iterator[Finding]:
    for key, (dataset, version) in {**now, **old}.items():
        if key in new or (key in now and key not in old):
            continue  # still there, or newer than what this request was made from
        if version.state is State.PENDING and _was(now, key) in (None, State.PENDING):
            text = "is taken back: it was merged, but not published yet"
            yield Finding(Level.NOTICE, f"{dataset.name} {version.name}", text, (), key)
        elif key in now:
            yield _error(
                dataset.name, version, f"is {now[key][1].state} and vanishes without a tombstone",
                "git data prune, git data delete   # ask for a deletion instead",
            )  # fmt: skip


def _entry(
    pair: tuple[Dataset, Version],
    old: tuple[Dataset, Version] | None,
    now: tuple[Dataset, Version] | None,
    sides: _Sides,
) -> Iterator[Finding]:
    dataset, version = pair
    known = old or now
    if known is not None:
        yield from _altered(dataset, version, known[0], known[1], is_finalize=sides.is_finalize)
    was = old[1].state if old else None
    current = now[1].state if now else None
    if was is not None and _RANK[version.state] < _RANK[was]:
        yield _error(
            dataset.name, version, f"goes back from {was} to {version.state}: states only go forward",
            *(["git data rollback   # a new version with the old bytes"] if not was.is_live else []),
        )  # fmt: skip
    elif version.state in (State.PUBLISHED, State.DELETED) and version.state is not was:
        yield from _only_publish(dataset.name, version, current, is_finalize=sides.is_finalize)


def _only_publish(
    name: str, version: Version, current: State | None, *, is_finalize: bool
) -> Iterator[Finding]:
    """The step to a final state: taken by the base already, or by the finalize request."""
    if current is not None and _RANK[current] >= _RANK[version.state]:
        return
    wanted = State.PENDING if version.state is State.PUBLISHED else State.DELETING
    if is_finalize and current is wanted:
        return
    yield _error(
        name, version, f"is marked as {version.state}, which only publish may do (the base has it as "
        f"{current or 'nothing'})",
    )  # fmt: skip


def _altered(
    dataset: Dataset, version: Version, was_in: Dataset, was: Version, *, is_finalize: bool
) -> Iterator[Finding]:
    """What an entry is, its id says for ever."""
    if (version.oid, version.size, dataset.kind) != (was.oid, was.size, was_in.kind):
        text = "has other bytes than before under the same id: a version never changes"
        yield _error(dataset.name, version, text, "git data add   # makes a new version")
        return
    fixed = _SETTLED if is_finalize else (*_SETTLED, *_STORED)
    settled = fixed if was.state is not State.PENDING and was.state is version.state else ()
    altered = [f for f in (*_FACTS, *settled) if getattr(version, f) != getattr(was, f)]
    if altered:
        yield _error(dataset.name, version, f"has another {' and '.join(altered)} than before")


def _split(old: _Entries, new: _Entries) -> Iterator[Finding]:
    """A dataset is renamed as a whole: a single entry under another name is a copied id."""
    stayed = {old[key][0].name for key, (d, _) in new.items() if key in old and old[key][0].name == d.name}
    for key, (dataset, version) in new.items():
        was_in = old[key][0].name if key in old else dataset.name
        if was_in != dataset.name and was_in in stayed:
            text = f"has the id of a version of {was_in}, which is still there"
            yield _error(dataset.name, version, text, "git data add   # gives a version an id of its own")


def _datasets(sides: _Sides) -> Iterator[Finding]:
    for dataset in sides.head:
        known = sides.base.datasets.get(dataset.name) or sides.ancestor.datasets.get(dataset.name)
        was = known.state if known else None
        if dataset.state is DatasetState.DELETED is not was and not (
            sides.is_finalize and was is DatasetState.DELETING
        ):
            yield Finding(Level.ERROR, dataset.name, "is marked as deleted, which only publish may do")


def _behind(sides: _Sides) -> Iterator[Finding]:
    """New versions made from something else than what is the newest in the base now."""
    now = _by_id(sides.base)
    for dataset in sides.head:
        fresh = {v.id: v for v in dataset.versions if v.id not in now and v.state is State.PENDING}
        if not fresh:
            continue
        same = next((now[v.id][0] for v in dataset.versions if v.id in now), None)
        known = same or sides.base.datasets.get(dataset.name)
        newest = known.latest.id if known and known.latest else None
        first = next((v for v in reversed(fresh.values()) if v.parent not in fresh), None)
        if first is not None and first.parent != newest:
            seen = dataset.by_id(first.parent or "")
            text = f"was made from {seen.name if seen else 'no version'}, and the base has gone on: rebase"
            hints = ("git fetch && git rebase origin/HEAD",)
            yield Finding(Level.NOTICE, f"{dataset.name} {first.name}", text, hints, first.id)


def _numbers(sides: _Sides) -> Iterator[Finding]:
    """What united histories need: publish settles it, unless both sides changed one thing differently."""
    merged = merge(sides.ancestor, sides.base, sides.head)
    for clash in merged.clashes:
        text = f"both sides changed it differently ({clash.what})"
        yield Finding(Level.NOTICE, clash.dataset, text, ("git merge origin/HEAD   # then git data resolve",))
    for dataset in sides.head:
        settled = merged.manifest.datasets.get(dataset.name)
        for version in dataset.versions:
            final = settled.by_id(version.id) if settled else None
            if final is not None and final.number != version.number and version.state is State.PENDING:
                text = f"will be {final.name}: the base has another {version.name} already"
                yield Finding(Level.NOTICE, f"{dataset.name} {version.name}", text, (), version.id)


def _live(manifest: Manifest) -> dict[Oid, int]:
    return {v.oid: v.size for _, v in manifest.entries() if v.state.is_live}


def _live_bytes(manifest: Manifest, *, without: Collection[Oid]) -> int:
    return sum(size for oid, size in _live(manifest).items() if oid not in without)


def _deletions(ancestor: Manifest, head: Manifest) -> Deletions:
    """What is live before and not after, vanished entries included."""
    before, after = _by_id(ancestor), _by_id(head)
    gone = [
        key for key, (_, v) in before.items()
        if v.state is State.PUBLISHED and (key not in after or not after[key][1].state.is_live)
    ]  # fmt: skip
    size = _live_bytes(ancestor, without=_live(head)) if gone else 0
    return Deletions(len(gone), size, sum(_live(ancestor).values()))
