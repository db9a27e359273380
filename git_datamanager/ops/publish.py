"""`git data publish`: what is merged goes live. Run by CI; docs/design/publish.md has the protocol.

Level-triggered: it takes every pending entry of the branch's tip, not what one event brought. Order:
verify staged bytes → copy inside the service → check → receipt (create-only) → finalize the manifest
→ (later, elsewhere) clean staging. Bytes are named by their content and receipts by their entry, so a
second run, a concurrent one or one that was killed at any point ends in the same state.
"""

import hashlib
import os
import random
import shlex
import time
from collections.abc import Sequence
from contextlib import suppress
from enum import StrEnum
from functools import partial
from pathlib import PurePosixPath
from typing import NamedTuple

from git_datamanager.errors import (
    Conflict,
    Corrupt,
    DataError,
    Denied,
    ObjectMissing,
    OutcomeUnknown,
    PreconditionFailed,
    Unreachable,
)
from git_datamanager.events import Event, Kind, note, warn
from git_datamanager.manager import DataManager
from git_datamanager.model import evolve
from git_datamanager.model.manifest import Dataset, DatasetState, Manifest, State, Version
from git_datamanager.model.records import MAX_RECEIPT, Receipt, read_receipt
from git_datamanager.objects import ObjectStore, Verified
from git_datamanager.ops.branch import BOT_BRANCH, Branch, Push, commit_manifest, find_branch, readable
from git_datamanager.ops.explain import explained
from git_datamanager.ops.parallel import Job, planned, run_all
from git_datamanager.ops.upload import Entry, pending_entries
from git_datamanager.storage.base import Advance, Presentation
from git_datamanager.workspace.history import introductions
from git_datamanager.workspace.journal import utc_now

ATTEMPTS = 10
FINALIZE = ("commit", "pull-request", "none")


class Result(StrEnum):
    PUBLISHED = "published"
    """Its bytes are in production, checked, with a receipt."""
    PLANNED = "planned"
    FAILED = "failed"


class EntryReport(NamedTuple):
    """What became of one pending entry."""

    name: str
    version: Version
    result: Result
    verified: str | None = None
    error: DataError | None = None


class Finalized(StrEnum):
    COMMIT = "commit"
    """The branch holds the finalized manifest."""
    PROPOSED = "pull-request"
    """The branch refuses direct pushes: the commit is on the bot's branch."""
    NONE = "none"
    NOTHING = "nothing"
    """The manifest says already what production holds."""


class Report(NamedTuple):
    """A run of publish."""

    branch: str
    remote: str | None
    tip: str
    entries: list[EntryReport]
    deleted: list[tuple[str, list[str]]]
    """Dataset and the versions that become tombstones."""
    finalized: Finalized
    commit: str | None

    @property
    def failures(self) -> list[tuple[str, DataError]]:
        return [(e.name, e.error) for e in self.entries if e.error is not None]


def publish(
    manager: DataManager,
    *,
    finalize: str = "commit",
    branch: str | None = None,
    remote: str | None = None,
    dry_run: bool = False,
    unsafe_single_writer: bool = False,
) -> Report:
    """Publish every pending entry of the tip, each on its own, and record it in the manifest.

    `unsafe_single_writer` makes do with a store that knows no conditional writes: the caller promises
    that no other run is at work.
    Failures of single entries are in the report; the others go live. Raises what stops the whole run:
    an unreadable manifest at the tip, an unreachable remote or store, one without conditional writes, a
    finalize that found no way.
    """
    place = find_branch(manager.git, manager.manifests, remote, branch)
    tip = place.fetch()
    manifest = manager.manifests.at(tip)
    entries = pending_entries(manifest)
    with manager.journal.record("publish", None, {"branch": place.name, "tip": tip}) as details:
        if dry_run:
            planned = [EntryReport(d.name, v, Result.PLANNED) for d, v in entries]
            return Report(place.name, place.remote, tip, planned, _deletions(manifest), Finalized.NONE, None)
        if entries:
            with suppress(Denied, Unreachable):  # which each entry says of itself
                manager.store("production").demand_conditions(single_writer=unsafe_single_writer)
        reports, confirmed = _publish_entries(manager, entries, tip) if entries else ([], {})
        details["entries"] = {r.version.id: r.result for r in reports}
        done, commit = _finalize(manager, place, tip, confirmed, finalize)
        details["commit"] = commit
    return Report(place.name, place.remote, tip, reports, _deletions(manifest), done, commit)


def _deletions(manifest: Manifest) -> list[tuple[str, list[str]]]:
    marked = [(d.name, [v.name for v in d.versions if v.state is State.DELETING]) for d in manifest]
    return [
        (name, versions)
        for name, versions in marked
        if versions or manifest.datasets[name].state is DatasetState.DELETING
    ]


def _publish_entries(
    manager: DataManager, entries: Sequence[Entry], tip: str
) -> tuple[list[EntryReport], dict[str, evolve.Publication]]:
    staging, production = manager.store("staging"), manager.store("production")
    origins = introductions(manager.git, [v.id for _, v in entries], tip)
    groups: dict[str, list[Entry]] = {}
    for dataset, version in entries:
        groups.setdefault(version.oid.hex, []).append((dataset, version))

    def one_content(group: Sequence[Entry]) -> list[tuple[EntryReport, Receipt | None]]:
        """Entries that share bytes go one after the other: the second finds the first one's copy."""
        return [_entry(manager, staging, production, d, v, origins.get(v.id)) for d, v in group]

    jobs = [Job(g[0][0].name, g[0][1].size, lambda g=g: one_content(g)) for g in groups.values()]  # type: ignore[misc]
    pairs = [pair for group in run_all(jobs).done for pair in group]
    confirmed = {
        report.version.id: evolve.Publication(receipt.published, origins.get(report.version.id))
        for report, receipt in pairs
        if receipt is not None
    }
    order = {v.id: n for n, (_, v) in enumerate(entries)}
    return sorted((r for r, _ in pairs), key=lambda r: order[r.version.id]), confirmed


def _entry(
    manager: DataManager,
    staging: ObjectStore,
    production: ObjectStore,
    dataset: Dataset,
    version: Version,
    origin: str | None,
) -> tuple[EntryReport, Receipt | None]:
    try:
        receipt = explained(
            lambda: _go_live(manager, staging, production, dataset, version, origin),
            dataset.name,
            "it stays pending",
            "git data publish   # again: what is published stays so, nothing is copied twice",
        )
    except DataError as error:
        return EntryReport(dataset.name, version, Result.FAILED, None, error), None
    manager.progress(Event(Kind.DONE, dataset.name))
    return EntryReport(dataset.name, version, Result.PUBLISHED, receipt.verified), receipt


def _go_live(
    manager: DataManager,
    staging: ObjectStore,
    production: ObjectStore,
    dataset: Dataset,
    version: Version,
    origin: str | None,
) -> Receipt:
    """One entry: its bytes in production, checked, with a receipt. Safe to repeat at any point."""
    standing = _receipt(production, version)
    if standing is not None and production.stat(version.oid, version.size) is not None:
        return standing
    one_pass = partial(planned, manager.progress, dataset.name, version.size)
    checked = _in_place(production, version, one_pass())
    if checked is None:
        staged = _verify_staged(staging, dataset, version, one_pass())
        production.copy_from(
            staging, version.oid, version.size, staged,
            presentation=Presentation(filename=PurePosixPath(dataset.name).name), advance=one_pass(),
        )  # fmt: skip
        checked = production.verify(version.oid, version.size, advance=one_pass())
    location = manager.remotes.remote("production").url
    manager.journal.saw(location, version.oid, version.size, checked.etag)
    return standing or _leave_receipt(manager, production, dataset, version, origin, checked)


def _in_place(production: ObjectStore, version: Version, advance: Advance) -> Verified | None:
    """A copy that is there and good: of a run that was killed, or of a rollback."""
    try:
        return production.verify(version.oid, version.size, advance=advance)
    except (ObjectMissing, Corrupt):
        return None  # wrong bytes are overwritten from verified staging, and checked again


def _verify_staged(staging: ObjectStore, dataset: Dataset, version: Version, advance: Advance) -> Verified:
    try:
        return staging.verify(version.oid, version.size, advance=advance)
    except (ObjectMissing, Corrupt) as error:
        is_gone = isinstance(error, ObjectMissing)
        said = f"its bytes ({version.oid.short}) are not in staging" if is_gone else str(error)
        raise type(error)(
            f"{dataset.name} {version.name}: {said}; it stays pending",
            hints=[f"git data upload {shlex.quote(dataset.name)}   # in the clone where it was added"],
        ) from error


def _receipt(production: ObjectStore, version: Version) -> Receipt | None:
    """The entry's receipt, if there is one. Raises Conflict where it speaks of other bytes."""
    data = production.read_receipt(version.id, MAX_RECEIPT)
    if data is None:
        return None
    if len(data) > MAX_RECEIPT:
        raise Corrupt(f"the receipt of {version.id} is larger than any receipt")
    found = read_receipt(data, what=f"the receipt of {version.id}")
    if not found.agrees(entry=version.id, oid=str(version.oid), size=version.size):
        raise Conflict(
            f"{version.name}: production has a receipt of its id {version.id} for other bytes "
            f"({found.dataset}): somebody copied an entry; it stays pending",
            hints=["git data add the file again: the new entry gets an id of its own"],
        )
    return found


def _leave_receipt(
    manager: DataManager,
    production: ObjectStore,
    dataset: Dataset,
    version: Version,
    origin: str | None,
    checked: Verified,
) -> Receipt:
    receipt = Receipt(
        id=version.id,
        dataset=dataset.name,
        oid=str(version.oid),
        size=version.size,
        published=utc_now(),
        verified=checked.level,
        commit=origin,
        actor=os.environ.get("GITHUB_ACTOR") or os.environ.get("GITLAB_USER_LOGIN") or _author(manager),
        run=_run_url(),
    )
    try:
        production.write_receipt(version.id, receipt.encode())
    except (PreconditionFailed, OutcomeUnknown):
        standing = _receipt(production, version)  # a concurrent run's, or our own after a lost answer
        if standing is None:
            raise
        return standing
    return receipt


def _author(manager: DataManager) -> str:
    try:
        return manager.git.author()
    except DataError:
        return "unknown"


def _run_url() -> str | None:
    server, repository, run = (
        os.environ.get(f"GITHUB_{name}") for name in ("SERVER_URL", "REPOSITORY", "RUN_ID")
    )
    if server and repository and run:
        return f"{server}/{repository}/actions/runs/{run}"
    return os.environ.get("CI_JOB_URL")


def _finalize(
    manager: DataManager,
    place: Branch,
    tip: str,
    confirmed: dict[str, evolve.Publication],
    mode: str,
) -> tuple[Finalized, str | None]:
    """Record in the manifest what this run has seen; recomputed from the tip before every push."""
    if mode == "none":
        return Finalized.NONE, None
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(random.uniform(0, min(0.2 * 2**attempt, 10)))  # noqa: S311 - jitter
            tip = place.fetch()
        before = manager.manifests.at(tip)
        after = evolve.finalize(before, confirmed, utc_now())
        if after == before:
            place.catch_up(tip)
            return Finalized.NOTHING, None
        commit = _commit(manager, tip, before, after)
        answer = place.propose(commit) if mode == "pull-request" else place.move(tip, commit)
        if answer.result is Push.DONE:
            return (Finalized.PROPOSED if mode == "pull-request" else Finalized.COMMIT), commit
        if answer.result is Push.REFUSED and mode == "commit":
            note(manager.progress, f"{place.name} refuses direct pushes: {answer.said.splitlines()[0]}")
            mode = "pull-request"
        elif answer.result is Push.REFUSED:
            raise Conflict(f"{BOT_BRANCH} could not be pushed: {answer.said}")
        else:
            warn(manager.progress, f"{place.name} moved on meanwhile, trying again")
    raise Conflict(
        f"{place.name} moved on {ATTEMPTS} times while the manifest was finalized: "
        "production has the bytes and their receipts, the manifest still says pending",
        hints=["git data publish   # again: nothing is copied twice"],
    )


def _commit(manager: DataManager, tip: str, before: Manifest, after: Manifest) -> str:
    changes = _changes(before, after)
    subject = changes[0] if len(changes) == 1 else f"{len(changes)} changes of data"
    body = "" if len(changes) == 1 else "\n\n" + "\n".join(f"- {change}" for change in changes)
    data = readable(after)
    trailer = f"Data-Audit: sha256:{hashlib.sha256(data).hexdigest()}"
    return commit_manifest(manager.git, tip, data, f"Finalize: {subject} [skip ci]{body}", [trailer])


def _changes(before: Manifest, after: Manifest) -> list[str]:
    """One line per entry that changed its state."""
    old = {v.id: v.state for _, v in before.entries()}
    lines = [
        f"{'publish' if v.state is State.PUBLISHED else 'delete'} {d.name} {v.name}"
        for d, v in after.entries()
        if v.state is not old[v.id]
    ]
    return lines or ["settle the manifest"]
