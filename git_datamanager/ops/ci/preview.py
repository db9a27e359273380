"""`git data preview`: what publish would do for a request, and why it should not be merged.

Rules are in model/proposal.py; here the two manifests are read, and the bytes are looked for. Stores and
limits come from the `.gitdata` of the base: the request's own is what a stranger wrote. What changes inside
datasets is found by preview_data.py.
"""

from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum
from typing import NamedTuple

from git_datamanager.errors import EXIT_NEGATIVE, DataError, ManifestError, Unreachable
from git_datamanager.manager import DataManager
from git_datamanager.model import manifest as model
from git_datamanager.model.manifest import Manifest
from git_datamanager.model.proposal import Deletions, Finding, Level, Proposal, propose
from git_datamanager.ops.ci import preview_checks
from git_datamanager.ops.ci.preview_bytes import Look, look_for
from git_datamanager.ops.ci.preview_checks import Asking
from git_datamanager.ops.ci.preview_data import Limits, changed_pairs, limits_of, look_inside
from git_datamanager.ops.inside.check_asking import CheckResult
from git_datamanager.ops.inside.differences import DatasetDiff
from git_datamanager.ops.inside.rulebook import rules_of
from git_datamanager.ops.publishing.branch import BOT_BRANCH
from git_datamanager.workspace.git import Git
from git_datamanager.workspace.history import revisions
from git_datamanager.workspace.settings import load

BYTES = ("auto", "require", "none")


class Verdict(StrEnum):
    OK = "ok"
    REFUSED = "refused"
    """It must not be merged as it is."""
    UNCHECKED = "unchecked"
    """Nothing is wrong with what was looked at, and that was not all: nobody looked for the bytes (no rights
    here, or not asked to), or rules of the base could not be asked."""
    UNKNOWN = "unknown"
    """A store did not answer."""


class Preview(NamedTuple):
    base: str
    head: str
    """What was looked at: the request's commit, or its merge with the base."""
    request: str
    """The request's own commit, which people can pull from."""
    proposal: Proposal
    findings: list[Finding]
    looks: dict[str, Look]
    """What was seen of the bytes, by entry id."""
    unasked: str | None
    """Why nobody looked for the bytes."""
    verdict: Verdict
    lines: dict[str, int]
    """Where the head's manifest has an entry."""
    diffs: list[DatasetDiff]
    """What changes inside datasets; of those that nobody could look into, their versions."""
    checks: list[CheckResult]
    """The rules of the base, asked of what is new."""
    limits: Limits

    @property
    def exit_code(self) -> int:
        codes = {Verdict.REFUSED: EXIT_NEGATIVE, Verdict.UNKNOWN: Unreachable.exit_code}
        return codes.get(self.verdict, 0)


def preview(
    manager: DataManager,
    base: str,
    head: str,
    *,
    request_branch: str | None = None,
    bytes_: str = "auto",
    verify: bool = False,
    approved_deletions: int = 0,
) -> Preview:
    """Compare two commits, and look for the bytes of what is new.

    `request_branch`: the branch of the request, where `head` does not say it; the bot's finalize branch
    may record what production has receipts for. `bytes_`: one of BYTES; with `require` it is refused where
    they cannot be looked for. `verify` reads them all. Raises NotFound for commits that are not here.
    """
    git = manager.git
    base_commit, head_commit = git.resolve(base), git.resolve(head)
    reviewed = replace(manager, settings=load(git, revision=base_commit))
    notes: list[Finding] = []
    ancestor = _newest_readable(git, _ancestor(git, base_commit, head_commit), notes)
    now = _newest_readable(git, base_commit, notes)
    is_finalize = (request_branch or head).removeprefix("origin/") == BOT_BRANCH
    unreadable = None
    try:
        proposed = _head_manifest(git, head_commit, now)
    except ManifestError as error:
        notes.append(Finding(Level.ERROR, model.FILE_NAME, str(error), error.hints))
        proposed, bytes_, unreadable = now, "none", "the manifest cannot be read"
    limits = limits_of(reviewed.settings)
    proposal = propose(ancestor, now, proposed, is_finalize=is_finalize)
    seen = look_for(reviewed, proposal, now, mode=bytes_, verify=verify, is_finalize=is_finalize)
    names = {name for change in proposal.changes for name in (change.name, change.moved_from) if name}
    inside = look_inside(
        reviewed, changed_pairs(now, proposed, names), seen.looks, limits,
        may_read=bytes_ != "none" and not seen.unasked and not seen.is_unknown,
        asking=Asking(rules_of(manager, base_commit), proposed),
    )  # fmt: skip
    findings = list(
        dict.fromkeys(
            [*notes, *proposal.findings, *_deleted(reviewed, proposal.deletions, approved_deletions),
             *seen.findings, *preview_checks.failures(inside.checks, has_cells=limits.samples > 0),
             *([] if seen.unasked else preview_checks.gaps(inside.checks))]
        )
    )  # fmt: skip
    return Preview(
        base_commit,
        head_commit,
        _own_commit(git, base_commit, head_commit),
        proposal,
        findings,
        seen.looks,
        seen.unasked and (unreadable or seen.unasked),
        _verdict(
            findings,
            is_unknown=seen.is_unknown,
            is_open=seen.unasked is not None or preview_checks.are_open(inside.checks),
        ),
        _lines(git.blob(f"{head_commit}:{model.FILE_NAME}") if proposed is not now else None),
        inside.diffs,
        inside.checks,
        limits,
    )


def _verdict(findings: list[Finding], *, is_unknown: bool, is_open: bool) -> Verdict:
    if any(f.level is Level.ERROR for f in findings):
        return Verdict.REFUSED
    if is_unknown:
        return Verdict.UNKNOWN
    return Verdict.UNCHECKED if is_open else Verdict.OK


def _ancestor(git: Git, base: str, head: str) -> str:
    """What the request was made from; the base itself where the histories have nothing in common."""
    found = git.answer("merge-base", base, head)
    if found is None and git.is_shallow():
        raise DataError(
            "this clone is shallow, and does not hold the commit that the request was made from: nothing "
            "was compared",
            hints=["git fetch --unshallow   # in CI: fetch-depth: 0 (GitHub), GIT_DEPTH: 0 (GitLab)"],
        )
    return found.splitlines()[0] if found else base


def _own_commit(git: Git, base: str, head: str) -> str:
    """Hosts check out a merge of the request into its base: its second parent is the request's."""
    words = git.output("rev-list", "--parents", "-n", "1", head).split()
    return words[2] if len(words) == 3 and words[1] == base else head


def _newest_readable(git: Git, commit: str, notes: list[Finding]) -> Manifest:
    """The manifest of a commit; where somebody merged one that cannot be read, the last good one: a
    request that repairs it must be able to pass."""
    for revision in revisions(git, commit):
        try:
            found = Manifest() if revision.manifest is None else model.loads(revision.manifest)
        except ManifestError as error:
            text = f"of the base cannot be read ({error}); compared with the last good one"
            notes.append(Finding(Level.NOTICE, model.FILE_NAME, text))
            continue
        return found
    return Manifest()


def _head_manifest(git: Git, commit: str, base: Manifest) -> Manifest:
    data = git.blob(f"{commit}:{model.FILE_NAME}")
    if data is None and base.datasets:
        raise ManifestError("is gone: every published version would vanish without a tombstone")
    return Manifest() if data is None else model.loads(data)


def _deleted(manager: DataManager, deletions: Deletions, approved: int) -> Iterator[Finding]:
    """Many at once are approved in so many words: a number that grows later needs a new approval."""
    versions = manager.settings.number("data.policy.deletedVersions")
    percent = manager.settings.number("data.policy.deletedShare")
    if deletions.versions > approved and deletions.is_mass(versions, percent):
        share = 100 * deletions.size // max(deletions.live, 1)
        yield Finding(
            Level.ERROR, "",
            f"{deletions.versions} published versions are deleted, with {share} % of the live bytes: "
            f"more than {versions} versions or {percent} % need an approval",
            (f"label the request: approve-deletions-{deletions.versions}",),
        )  # fmt: skip


def _lines(data: bytes | None) -> dict[str, int]:
    found: dict[str, int] = {}
    for number, line in enumerate((data or b"").splitlines(), 1):
        key, _, value = line.strip().partition(b": ")
        if key == b'"id"':
            found.setdefault(value.strip(b'",').decode(errors="replace"), number)
    return found
