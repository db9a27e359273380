"""What is still named, and by whom: the roots of gc and cleanup (docs/design/publish.md, "Roots").

Read from Git, never from a bucket. Whatever cannot be told raises, and nothing is deleted then.
"""

import os
import shlex
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from git_datamanager.errors import DataError, NotFound
from git_datamanager.events import note
from git_datamanager.manager import DataManager
from git_datamanager.model import compaction
from git_datamanager.model.manifest import Dataset, Kind, Manifest, State, Version
from git_datamanager.model.oid import Oid
from git_datamanager.ops.host import host_from_environment
from git_datamanager.ops.publishing.branch import Branch
from git_datamanager.ops.publishing.register import address, identity, plain, registered
from git_datamanager.storage.base import StorageAdapter
from git_datamanager.workspace import reflists
from git_datamanager.workspace.settings import without_secrets

_SHOWN = 10
"""Addresses in a message: a bucket may hold any number of them."""


@dataclass
class Roots:
    """What all the refs together name."""

    refs: dict[str, str] = field(default_factory=dict)
    """Of this repository: ref → commit."""
    tip: str = ""
    live: set[Oid] = field(default_factory=set)
    """What a default branch holds as published."""
    pending: set[Oid] = field(default_factory=set)
    """What any ref holds as pending."""
    named: set[Oid] = field(default_factory=set)
    """What any ref reaches: pending, published, and marked for deletion but not yet deleted."""
    settled: dict[Oid, str] = field(default_factory=dict)
    """The latest time at which a ref says that the content was published or deleted."""
    tombstones: set[str] = field(default_factory=set)
    """The ids that a default branch holds as deleted."""
    ids: set[str] = field(default_factory=set)
    """Every entry that a ref reaches."""
    beyond: dict[str, set[Oid]] = field(default_factory=dict)
    """Per commit that is not merged: what only it reaches."""
    labels: dict[Oid, str] = field(default_factory=dict)
    """Dataset and version of a content, as a default branch has it: for people."""
    held: list[str] = field(default_factory=list)
    """The labels of what the default branch holds as deleted and another ref still names."""
    entries: dict[str, Oid] = field(default_factory=dict)
    """By id, what any ref holds as pending."""
    folders: set[Oid] = field(default_factory=set)
    """Of what is named the listings of folders."""
    kin: set[Oid] = field(default_factory=set)
    """Versions, deleted ones too, of folders with a pending one: that need not send what they have."""
    tips: list[Manifest] = field(default_factory=list)
    """What the default branches hold."""

    @cached_property
    def compacted(self) -> dict[Oid, tuple[Dataset, Version]]:
        """The contents that need no plain bytes: the tips say so, and nobody is about to publish them. Of an
        entry that the tips have as published an old branch may still say `pending`: they decide."""
        settled = {v.id for tip in self.tips for _, v in tip.entries() if v.state is not State.PENDING}
        pending = {oid for entry, oid in self.entries.items() if entry not in settled}
        return {o: e for o, e in compaction.compacted(self.tips).items() if o not in pending}

    def take(self, manifest: Manifest) -> set[Oid]:
        """Count what a manifest names; returns what it reaches."""
        reached = set()
        for _, version in manifest.entries():
            self._settle(version)
            if version.state is State.DELETED:
                continue
            reached.add(version.oid)
            self.ids.add(version.id)
            if version.state is State.PENDING:
                self.pending.add(version.oid)
                self.entries[version.id] = version.oid
        self.named |= reached
        self._take_folders(manifest)
        return reached

    def _take_folders(self, manifest: Manifest) -> None:
        for dataset in manifest:
            if dataset.kind is Kind.TREE:
                self.folders |= {v.oid for v in dataset.versions if v.state is not State.DELETED}
                if any(v.state is State.PENDING for v in dataset.versions):
                    self.kin |= {v.oid for v in dataset.versions}

    def _settle(self, version: Version) -> None:
        time = version.deleted or version.published
        if time:
            self.settled[version.oid] = max(time, self.settled.get(version.oid, ""))

    def take_tip(self, manifest: Manifest) -> set[Oid]:
        """A default branch says also what is live and what is deleted."""
        self.tips.append(manifest)
        for dataset, version in manifest.entries():
            self.labels.setdefault(version.oid, f"{dataset.name} {version.name}")
            if version.state is State.PUBLISHED:
                self.live.add(version.oid)
            elif version.state is State.DELETED:
                self.tombstones.add(version.id)
        return self.take(manifest)


def collect(manager: DataManager, place: Branch, others: Sequence[str] = ()) -> Roots:
    """Read all roots: requests, branches and tags first, the default branches last. `others` are the
    addresses of further repositories that keep their bytes in the same stores.

    Raises DataError, ManifestError, Unreachable where anything cannot be told.
    """
    reflists.demand_whole(manager.git)
    roots = Roots(refs=reflists.local(manager.git, place.remote))
    reached = _Reached()
    for source in filter(None, (place.remote, *others)):
        is_own = source == place.remote
        found = _remote_refs(manager, source, is_own=is_own)
        if is_own:
            roots.refs |= found
        with reflists.fetched(manager.git, source, found) as refs:
            _take_refs(manager, roots, refs, reached)
    _take_refs(manager, roots, reflists.local(manager.git, place.remote), reached)
    for _, manifest in reflists.drafts(manager.git):
        roots.take(manifest)
    for source in others:
        _take_default(manager, roots, source)
    roots.tip = place.fetch()
    manifest = manager.manifests.at(roots.tip)
    tip = roots.take_tip(manifest)
    deleted = (
        f"{d.name} {v.name}" for d, v in manifest.entries() if v.oid in roots.named and v.oid not in tip
    )
    roots.held = list(deleted)
    roots.beyond = reached.beyond(tip, reflists.is_merged(manager.git, reached.commits, roots.tip))
    return roots


class _Reached:
    """What every commit reaches, as numbers: a thousand refs of ten thousand entries fit into memory."""

    def __init__(self) -> None:
        self._numbers: dict[Oid, int] = {}
        self._reached: dict[str, array[int]] = {}

    def take(self, commits: Iterable[str], oids: Iterable[Oid]) -> None:
        numbers = array("L", (self._numbers.setdefault(oid, len(self._numbers)) for oid in oids))
        self._reached.update(dict.fromkeys(commits, numbers))

    @property
    def commits(self) -> list[str]:
        return list(self._reached)

    def beyond(self, tip: set[Oid], merged: set[str]) -> dict[str, set[Oid]]:
        """Per commit that is not merged: what the tip does not reach."""
        known = list(self._numbers)
        found = {
            c: {known[n] for n in numbers} - tip for c, numbers in self._reached.items() if c not in merged
        }
        return {commit: oids for commit, oids in found.items() if oids}


def _remote_refs(manager: DataManager, remote: str, *, is_own: bool) -> dict[str, str]:
    refs = reflists.advertised(manager.git, remote).refs
    if not refs:
        raise NotFound(f"{without_secrets(remote)} lists no refs at all: nothing was done")
    if not any(map(reflists.is_request, refs)):
        return refs
    host = host_from_environment(os.environ) if is_own else None
    if host is None:
        note(
            manager.progress,
            f"{without_secrets(remote)}: nobody says which requests are open, so closed ones count too "
            "(GITHUB_TOKEN tells)",
        )
        return refs
    return reflists.open_only(refs, host.open_requests())


def _take_refs(manager: DataManager, roots: Roots, refs: dict[str, str], reached: _Reached) -> None:
    for holders, manifest in reflists.manifests(manager.git, refs):
        reached.take([refs[ref] for ref in holders], roots.take(manifest))


def _take_default(manager: DataManager, roots: Roots, source: str) -> None:
    """The default branch of another repository, after its other refs."""
    default = reflists.advertised(manager.git, source).default
    if default is None:
        shown = without_secrets(source)
        raise DataError(f"{shown} does not say which branch is its default: nothing was done")
    with reflists.fetched(manager.git, source, [default]) as refs:
        for _, manifest in reflists.manifests(manager.git, refs):
            roots.take_tip(manifest)


def demand_all(
    manager: DataManager, production: StorageAdapter, remote: str | None, others: Sequence[str]
) -> None:
    """Raise DataError where another repository is registered that `others` do not name: its address
    comes from the bucket, and is contacted only once a person has written it down."""
    start = manager.git.top or manager.git.git_dir
    known = {identity(address(manager.git, remote))} | {identity(plain(u, start)) for u in others}
    missing = [r.url for r in registered(production) if identity(r.url) not in known]
    if missing:
        words = shlex.join(word for url in missing[:_SHOWN] for word in ("--repository", url))
        raise DataError(
            f"{len(missing)} more of the repositories that use this store were not named, and nobody knows "
            f"what they need ({', '.join(missing[:_SHOWN])}): nothing was done",
            hints=[f"{words}   # reads their refs too, if you trust these addresses"],
        )
