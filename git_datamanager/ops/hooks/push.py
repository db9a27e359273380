"""The pre-push hook: no commit leaves whose data nobody else could get.

Every entry that a manifest in the pushed range brings in is looked for in the stores; what is missing is
uploaded, or the push is refused. A two-point comparison would miss an entry that came and went inside
the range, so each commit is compared with its parents.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from git_datamanager.errors import DataError, ManifestError, SeveralFailed
from git_datamanager.manager import DataManager
from git_datamanager.model import manifest as model
from git_datamanager.model.manifest import DatasetState, Manifest, State
from git_datamanager.ops.hooks.commit import cannot_ask, names_of
from git_datamanager.ops.hooks.findings import Finding, refusal
from git_datamanager.ops.upload import Entry, absent, upload

_CHUNK = 50
_WITHOUT = "GIT_DATA_SKIP=1 git push   # pushes without this check"


class PushedRef(NamedTuple):
    """One line that Git gives to pre-push."""

    oid: str
    """What is pushed."""
    remote_oid: str
    """What the remote has under that name; zeros where nothing."""
    is_sure: bool = True
    """False for a branch that may not be pushed at all (the pre-commit framework does not say)."""


class Pushed(NamedTuple):
    uploaded: list[str]
    findings: list[Finding]


class _Needs(NamedTuple):
    """Entries by id. What another remote has already, or may not be pushed at all, is only `wished`."""

    required: dict[str, Entry]
    wished: dict[str, Entry]


def parse_refs(text: str) -> list[PushedRef]:
    """The stdin of pre-push; deletions push nothing. A local name may hold blanks."""
    fields = [line.rsplit(" ", 3) for line in text.splitlines()]
    return [PushedRef(f[1], f[3]) for f in fields if len(f) == 4 and f[1].strip("0")]


def check_push(manager: DataManager, remote: str, refs: Sequence[PushedRef]) -> Pushed:
    """Look for the data of what is pushed; upload it unless `data.upload` is manual."""
    needs, findings = _Needs({}, {}), []
    for ref in dict.fromkeys(refs):
        try:
            tip = _tip_manifest(manager, ref.oid)
        except ManifestError as error:
            findings.append(refusal(error)._replace(refuses=ref.is_sure))
            continue
        _collect(manager, remote, ref, tip, needs)
    uploaded: list[str] = []
    for entries, is_required in ((needs.required, True), (_without(needs), False)):
        done, found = _settle(manager, list(entries.values()), is_required=is_required)
        uploaded += done
        findings += found
    return Pushed(uploaded, findings)


def _without(needs: _Needs) -> dict[str, Entry]:
    return {key: entry for key, entry in needs.wished.items() if key not in needs.required}


def _tip_manifest(manager: DataManager, oid: str) -> Manifest:
    data = manager.git.blob(f"{oid}:{model.FILE_NAME}")
    return Manifest() if data is None else model.loads(data, what=f"the {model.FILE_NAME} of {oid[:12]}")


def _collect(manager: DataManager, remote: str, ref: PushedRef, tip: Manifest, needs: _Needs) -> None:
    """Add what the ref brings in, but for what its tip holds as deleted."""
    gone = {v.id for d, v in tip.entries() if v.state is State.DELETED or d.state is DatasetState.DELETED}
    published = {v.id for _, v in tip.entries() if v.state is State.PUBLISHED}
    commits = _range(manager, ref, f"--remotes={remote}")
    own = {commit for commit, _ in _range(manager, ref, "--remotes")} if commits else set()
    for commit, entries in _brought_in(manager, commits):
        target = needs.required if ref.is_sure and commit in own else needs.wished
        for entry in entries:
            key = entry[1].id
            elsewhere = commit not in own and key in published
            if key not in gone and not elsewhere:
                target[key] = entry


def _range(manager: DataManager, ref: PushedRef, exclude: str) -> list[tuple[str, list[str]]]:
    """The commits that change the manifest, with their parents. Raises GitFailed: what git cannot tell
    is no reason to let a push go."""
    known = [ref.remote_oid] if ref.remote_oid.strip("0") else []
    out = manager.git.output(
        "rev-list", "--ignore-missing", "--full-history", "--no-commit-header", "--format=%H %P",
        ref.oid, "--not", exclude, *known, "--", model.FILE_NAME,
    )  # fmt: skip
    words = [line.split() for line in out.splitlines()]
    return [(line[0], line[1:]) for line in words if line]


def _brought_in(
    manager: DataManager, commits: list[tuple[str, list[str]]]
) -> Iterator[tuple[str, list[Entry]]]:
    """Each commit with the entries that none of its parents has; read in pieces, memory is bounded."""
    for start in range(0, len(commits), _CHUNK):
        chunk = commits[start : start + _CHUNK]
        wanted = list(dict.fromkeys(c for commit, parents in chunk for c in (commit, *parents)))
        read = manager.git.blobs([f"{c}:{model.FILE_NAME}" for c in wanted])
        held = dict(zip(wanted, map(_entries, read), strict=True))
        for commit, parents in chunk:
            old = {key for parent in parents for key in held[parent]}
            yield commit, [entry for key, entry in held[commit].items() if key not in old]


@lru_cache(maxsize=_CHUNK)
def _entries(data: bytes | None) -> dict[str, Entry]:
    """By id; none of a manifest that cannot be read (the next commit then brings all in)."""
    try:
        manifest = model.loads(data) if data is not None else Manifest()
    except ManifestError:
        return {}
    return {v.id: (d, v) for d, v in manifest.entries() if v.state is not State.DELETED}


def _settle(
    manager: DataManager, entries: list[Entry], *, is_required: bool
) -> tuple[list[str], list[Finding]]:
    """Make sure of the bytes: ask, upload, or say what to do."""
    if not entries:
        return [], []
    try:
        missing = absent(manager, entries)
        if missing and manager.settings.choice("data.upload") == "manual":
            return [], [_not_there(missing, refuses=is_required)]
        upload(manager, missing)
    except DataError as error:
        return [], list(_explained(error, entries, refuses=is_required))
    return [_label(entry) for entry in missing], []


def _not_there(missing: Iterable[Entry], *, refuses: bool) -> Finding:
    names = [_label(entry) for entry in missing]
    verb = "is" if len(names) == 1 else "are"
    hints = ("git data upload", "git -c data.upload=push push   # uploads now, also what is no longer staged")
    return Finding(refuses, f"{names_of(names)} {verb} neither in staging nor in production", hints)


def _label(entry: Entry) -> str:
    return f"{entry[0].name} {entry[1].name}"


def _explained(error: DataError, entries: list[Entry], *, refuses: bool) -> Iterator[Finding]:
    causes = [e for _, e in error.failures] if isinstance(error, SeveralFailed) else [error]
    for cause in causes:
        text = str(cause)
        if cannot_ask(cause):
            text = f"nobody can say whether {names_of([_label(e) for e in entries])} can be had: {cause}"
        yield Finding(refuses, text, (*cause.hints, *([_WITHOUT] if refuses else [])), cause.exit_code)
