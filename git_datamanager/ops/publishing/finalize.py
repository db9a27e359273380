"""Recording in the manifest what production holds: a commit on the tip, pushed without force."""

import hashlib
import os
import random
import time
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from typing import NamedTuple

from git_datamanager.errors import Conflict, DataError, ManifestError
from git_datamanager.events import note, warn
from git_datamanager.manager import DataManager
from git_datamanager.model import evolve
from git_datamanager.model.compaction import Kept
from git_datamanager.model.manifest import FILE_NAME, Manifest, Version
from git_datamanager.ops.host import host_from_environment
from git_datamanager.ops.publishing.branch import BOT_BRANCH, Branch, Push, commit_manifest, readable
from git_datamanager.workspace.journal import utc_now

ATTEMPTS = 10
MODES = ("commit", "pull-request", "none")


class Finalized(StrEnum):
    COMMIT = "commit"
    """The branch holds the finalized manifest."""
    PROPOSED = "pull-request"
    """The branch refuses direct pushes: the commit is on the bot's branch."""
    NONE = "none"
    NOTHING = "nothing"
    """The manifest says already what production holds."""


class Outcome(NamedTuple):
    """How the manifest learned of it."""

    how: Finalized
    commit: str | None = None
    request: str | None = None
    """The URL of the pull request that was opened or refreshed."""
    trouble: DataError | None = None
    """Why no request could be opened: the commit is on the bot's branch all the same."""


def finalize(
    manager: DataManager,
    place: Branch,
    tip: str,
    confirmed: Mapping[str, evolve.Publication],
    mode: str,
    kept: Kept = evolve.AS_BEFORE,
) -> Outcome:
    """Record what this run has seen; recomputed from the tip before every push.

    Raises Conflict where the branch moves on every time, Unreachable where the remote does not answer.
    """
    if mode == "none":
        return Outcome(Finalized.NONE)
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(random.uniform(0, min(0.2 * 2**attempt, 10)))  # noqa: S311 - jitter
            tip = place.fetch()
        before = manager.manifests.at(tip)
        after = evolve.finalize(before, confirmed, utc_now(), kept)
        if after == before:
            place.catch_up(tip)
            return Outcome(Finalized.NOTHING)
        if mode == "pull-request":
            return _propose(manager, place, tip, before, after)
        commit = _commit(manager, tip, before, after, " [skip ci]")
        answer = place.move(tip, commit)
        if answer.result is Push.DONE:
            return Outcome(Finalized.COMMIT, commit)
        if answer.result is Push.REFUSED:
            note(manager.progress, f"{place.name} refuses direct pushes: {answer.said.splitlines()[0]}")
            return _propose(manager, place, tip, before, after)
        warn(manager.progress, f"{place.name} moved on meanwhile, trying again")
    raise Conflict(
        f"{place.name} moved on {ATTEMPTS} times while the manifest was finalized: "
        "production has the bytes and their receipts, the manifest still says pending",
        hints=["git data publish   # again: nothing is copied twice"],
    )


def _propose(manager: DataManager, place: Branch, tip: str, before: Manifest, after: Manifest) -> Outcome:
    """Put it on the bot's branch, and open or refresh the one request from there."""
    commit = place.proposed()
    if commit is None or not _is_same(manager, commit, tip, after):
        commit = _commit(manager, tip, before, after)  # its checks have to run
        answer = place.propose(commit)
        if answer.result is not Push.DONE:
            raise Conflict(f"{BOT_BRANCH} could not be pushed: {answer.said}")
    changes = _changes(before, after)
    try:
        host = host_from_environment(os.environ)
        body = _request_body(changes)
        request = host.propose(BOT_BRANCH, place.name, _subject(changes), body) if host else None
    except DataError as error:
        return Outcome(Finalized.PROPOSED, commit, None, error)
    return Outcome(Finalized.PROPOSED, commit, request)


def _is_same(manager: DataManager, standing: str, tip: str, after: Manifest) -> bool:
    """An earlier run proposed this manifest, and nothing else, on this very tip."""
    git = manager.git
    if git.answer("log", "-1", "--format=%P", standing) != tip:
        return False
    if git.output("diff-tree", "-r", "--name-only", tip, standing) != FILE_NAME:
        return False
    try:
        return _timeless(manager.manifests.at(standing)) == _timeless(after)
    except ManifestError:
        return False


def _timeless(manifest: Manifest) -> Manifest:
    """Without the times of publishing, compacting and deleting, in which two runs differ."""
    return manifest.with_datasets(
        replace(d, versions=tuple(_without_times(v) for v in d.versions)) for d in manifest
    )


def _without_times(version: Version) -> Version:
    return replace(version, published=None, compacted=version.compacted and "then", deleted=None)


def _request_body(changes: list[str]) -> str:
    lines = "\n".join(f"- {_plain(change)}" for change in changes[:200])
    more = f"\n- and {len(changes) - 200} more" if len(changes) > 200 else ""
    return (
        "The bytes are in production, checked, with a receipt each. "
        f"Merging this records it in `manifest.json`; it is made anew from every tip.\n\n{lines}{more}\n"
    )


def _plain(text: str) -> str:
    """A name as code: nothing in it is markup, a mention or a link."""
    return "`" + "".join(c if c.isprintable() and c != "`" else "�" for c in text) + "`"


def _commit(manager: DataManager, tip: str, before: Manifest, after: Manifest, mark: str = "") -> str:
    changes = _changes(before, after)
    body = "" if len(changes) == 1 else "\n\n" + "\n".join(f"- {change}" for change in changes)
    data = readable(after)
    trailer = f"Data-Audit: sha256:{hashlib.sha256(data).hexdigest()}"
    return commit_manifest(manager.git, tip, data, f"{_subject(changes)}{mark}{body}", [trailer])


def _subject(changes: list[str]) -> str:
    return f"Finalize: {changes[0] if len(changes) == 1 else f'{len(changes)} changes of data'}"


def _changes(before: Manifest, after: Manifest) -> list[str]:
    """One line per entry that changed its state."""
    old = {v.id: v for _, v in before.entries()}
    lines = [f"{what} {d.name} {v.name}" for d, v in after.entries() if (what := _change(old[v.id], v))]
    return lines or ["settle the manifest"]


def _change(old: Version, new: Version) -> str | None:
    if new.state is not old.state:
        return "publish" if new.state.is_live else "delete"
    if (new.compacted is None) != (old.compacted is None):
        return "compact" if new.compacted else "keep whole"
    return None
