"""Refs of a repository and the manifests they hold: what a remote has, and what only this clone has.

Fetched refs live below `refs/git-data/roots/` for as long as they are read, and go again.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from git_datamanager.errors import DataError, ManifestError, Unreachable
from git_datamanager.model import manifest as model
from git_datamanager.model.manifest import Manifest
from git_datamanager.workspace.git import Git, GitFailed, open_git

_ROOTS = "refs/git-data/roots"
_REQUEST = re.compile(r"refs/(?:pull|pull-requests|merge-requests|changes)/")
_ENGLISH = {"LC_ALL": "C"}
_SAFE = {**_ENGLISH, "GIT_ALLOW_PROTOCOL": "file:https:http:ssh:git", "GIT_TERMINAL_PROMPT": "0"}
"""An address never runs a program of its own choice (`ext::`)."""
_CHUNK = 16


class Advertised(NamedTuple):
    """What a remote says it has."""

    refs: dict[str, str]
    """Ref → object id; tags are not peeled."""
    default: str | None
    """The ref of its default branch."""


def advertised(git: Git, remote: str) -> Advertised:
    """Raises Unreachable."""
    try:
        out = git.run("ls-remote", "--symref", remote, env=_SAFE).stdout.decode(errors="surrogateescape")
    except GitFailed as error:
        raise Unreachable(f"{remote} does not say which refs it has: {error.stderr.strip()}") from error
    refs, default = dict[str, str](), None
    for line in out.splitlines():
        value, _, name = line.partition("\t")
        if value.startswith("ref: ") and name == "HEAD":
            default = value.removeprefix("ref: ")
        elif name.startswith("refs/") and not name.endswith("^{}"):
            refs[name] = value
    return Advertised(refs, default)


def is_request(ref: str) -> bool:
    """The ref of a pull or merge request."""
    return _REQUEST.match(ref) is not None


def open_only(refs: Mapping[str, str], heads: Iterable[str]) -> dict[str, str]:
    """Without the requests that are closed: hosts keep their refs for ever. `heads` are the head commits
    of the open ones. Raises Unreachable where one of them is not to be had."""
    wanted = set(heads)
    missing = wanted - set(refs.values())
    if missing:
        raise Unreachable(f"no ref holds the head {min(missing)[:12]} of an open request: nothing was done")
    kept = {_folder(ref) for ref, oid in refs.items() if is_request(ref) and oid in wanted}
    return {ref: oid for ref, oid in refs.items() if not is_request(ref) or _folder(ref) in kept}


def _folder(ref: str) -> str:
    return ref.rpartition("/")[0]


@contextmanager
def fetched(git: Git, remote: str, refs: Iterable[str]) -> Iterator[dict[str, str]]:
    """Fetch refs of a remote for the time of the block: ref → commit here. Raises Unreachable."""
    lines = [f"+{ref}:{_ROOTS}/{ref.removeprefix('refs/')}" for ref in refs]
    _forget(git)
    try:
        if lines:
            git.run(
                "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--stdin", remote,
                stdin="".join(f"{line}\n" for line in lines).encode(errors="surrogateescape"), env=_SAFE,
            )  # fmt: skip
        listed = git.output("for-each-ref", "--format=%(objectname) %(refname)", f"{_ROOTS}/")
        found = (line.split(" ", 1) for line in listed.splitlines())
        yield {"refs/" + ref.removeprefix(f"{_ROOTS}/"): oid for oid, ref in found}
    except GitFailed as error:
        raise Unreachable(f"{remote} could not be fetched: {error.stderr.strip()}") from error
    finally:
        _forget(git)


def _forget(git: Git) -> None:
    names = git.output("for-each-ref", "--format=delete %(refname)", f"{_ROOTS}/")
    if names:
        git.run("update-ref", "--stdin", stdin=(names + "\n").encode(errors="surrogateescape"))


def local(git: Git, remote: str | None) -> dict[str, str]:
    """Refs that only this clone may have; what it remembers of `remote` is older than what that says."""
    out = git.output("for-each-ref", "--format=%(objectname) %(refname)")
    pairs = (line.split(" ", 1) for line in out.splitlines())
    skipped = (f"{_ROOTS}/", *([f"refs/remotes/{remote}/"] if remote else []))
    refs = {ref: oid for oid, ref in pairs if not ref.startswith(skipped)}
    stashes = git.answer("log", "-g", "--format=%H", "refs/stash", "--") or ""
    return refs | {f"stash@{{{n}}}": oid for n, oid in enumerate(stashes.split())}


def drafts(git: Git) -> Iterator[tuple[str, Manifest]]:
    """The manifests in the indexes and work trees of this clone. Raises ManifestError."""
    out = git.output("worktree", "list", "--porcelain", "-z") if git.version >= (2, 36) else ""
    tops = [Path(line.removeprefix("worktree ")) for line in out.split("\0") if line.startswith("worktree ")]
    for top in tops or [git.top or git.git_dir]:
        if not top.is_dir() or (other := open_git(top)).top is None:
            continue
        yield from _read(f"the index of {top}", other.blob(f":{model.FILE_NAME}"))
        file = top / model.FILE_NAME
        yield from _read(f"the work tree {top}", file.read_bytes() if file.is_file() else None)


def _read(where: str, data: bytes | None) -> Iterator[tuple[str, Manifest]]:
    if data is not None:
        yield where, _loads(data, where)


def manifests(git: Git, refs: Mapping[str, str]) -> Iterator[tuple[list[str], Manifest]]:
    """Each manifest that some of these refs hold, once, with those refs. Raises ManifestError."""
    names, oids = list(refs), list(refs.values())
    asked = "".join(f"{oid}:{model.FILE_NAME}\n" for oid in oids).encode()
    lines = git.run("cat-file", "--batch-check=%(objectname)", stdin=asked).stdout.decode().splitlines()
    holders: dict[str, list[str]] = {}
    for ref, line in zip(names, lines, strict=True):
        if not line.endswith(" missing"):
            holders.setdefault(line, []).append(ref)
    blobs = list(holders)
    for start in range(0, len(blobs), _CHUNK):
        chunk = blobs[start : start + _CHUNK]
        for blob, data in zip(chunk, git.blobs(chunk), strict=True):
            if data is not None:
                yield holders[blob], _loads(data, holders[blob][0])


def _loads(data: bytes, where: str) -> Manifest:
    try:
        return model.loads(data, what=f"the {model.FILE_NAME} of {where}")
    except ManifestError as error:
        raise ManifestError(f"{error}: what it names is unknown, so nothing was done") from error


def demand_whole(git: Git) -> None:
    """Raise DataError where this clone cannot tell what is named: shallow, or without all objects."""
    if git.is_shallow():
        raise DataError(
            "this clone is shallow, so it cannot tell what is still named: nothing was done",
            hints=["git fetch --unshallow"],
        )
    if any(e.key.endswith((".promisor", ".partialclonefilter")) for e in git.config):
        raise DataError(
            "this is a partial clone, so it cannot tell what is still named: nothing was done",
            hints=["git clone without --filter, and run it there"],
        )


def is_merged(git: Git, commits: Sequence[str], tip: str) -> set[str]:
    """Those of the commits that `tip` contains; one that is not here is not."""
    return {c for c in commits if git.answer("merge-base", "--is-ancestor", c, tip) is not None}
