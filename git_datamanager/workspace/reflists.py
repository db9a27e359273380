"""Refs of a repository and the manifests they hold: what a remote has, and what only this clone has.

Fetched refs live below `refs/git-data/roots/` for as long as they are read, and go again. Each reading has
a folder of its own there, so that two of them never take refs from each other, and numbers for names: a
remote may have refs that differ in nothing but case.
"""

import re
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from git_datamanager.errors import DataError, ManifestError, Unreachable
from git_datamanager.model import manifest as model
from git_datamanager.model.manifest import Manifest
from git_datamanager.workspace.git import Git, GitFailed, open_git
from git_datamanager.workspace.settings import without_secrets

_ROOTS = "refs/git-data/roots"
_REQUEST = re.compile(r"refs/(?:pull|pull-requests|merge-requests|changes)/")
_ENGLISH = {"LC_ALL": "C"}
_SAFE = {**_ENGLISH, "GIT_ALLOW_PROTOCOL": "file:https:http:ssh:git", "GIT_TERMINAL_PROMPT": "0"}
"""An address never runs a program of its own choice (`ext::`)."""
_AT_ONCE = 1000
"""Refs that are fetched together: git takes 45 s for ten thousand at once, and a quarter of that so."""
_CHUNK = 16
_DAY = 86400
_SUBMODULE = "160000"
"""The mode of a commit of another repository: never here, and no manifest."""


class Advertised(NamedTuple):
    """What a remote says it has."""

    refs: dict[str, str]
    """Ref → object id; tags are not peeled."""
    default: str | None
    """The ref of its default branch."""


def advertised(git: Git, remote: str) -> Advertised:
    """Raises Unreachable."""
    try:
        out = git.run("ls-remote", "--symref", "--", remote, env=_SAFE).stdout
    except GitFailed as error:
        shown = without_secrets(remote)
        raise Unreachable(f"{shown} does not say which refs it has: {error.stderr.strip()}") from error
    refs, default = dict[str, str](), None
    for line in _lines(out.decode(errors="surrogateescape")):
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
    """Fetch refs of a remote for the time of the block: ref → object here. Raises Unreachable, also where
    one of them did not arrive."""
    folder = f"{_ROOTS}/{int(time.time())}-{uuid.uuid4().hex}"
    _sweep(git)
    try:
        yield _fetch(git, remote, list(refs), folder)
    finally:
        _forget(git, [f"{folder}/"])


def _fetch(git: Git, remote: str, wanted: Sequence[str], folder: str) -> dict[str, str]:
    lines = [f"+{ref}:{folder}/{n}\n" for n, ref in enumerate(wanted)]
    try:
        for start in range(0, len(lines), _AT_ONCE):
            git.run(
                "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--stdin", "--", remote,
                stdin="".join(lines[start : start + _AT_ONCE]).encode(errors="surrogateescape"), env=_SAFE,
            )  # fmt: skip
        found = _listed(git, f"{folder}/")
    except GitFailed as error:
        raise Unreachable(
            f"{without_secrets(remote)} could not be fetched: {error.stderr.strip()}"
        ) from error
    if len(found) < len(wanted):
        raise Unreachable(f"not all refs of {without_secrets(remote)} arrived: nothing was done")
    return {ref: found[f"{folder}/{n}"] for n, ref in enumerate(wanted)}


def _listed(git: Git, *folders: str) -> dict[str, str]:
    """Ref → object."""
    out = git.output("for-each-ref", "--format=%(objectname) %(refname)", *folders)
    pairs = (line.split(" ", 1) for line in _lines(out))
    return {ref: oid for oid, ref in pairs}


def _lines(text: str) -> list[str]:
    """str.splitlines would also cut at signs that names of refs may hold."""
    return [line for line in text.split("\n") if line]


def _sweep(git: Git) -> None:
    """What killed readings left: older than any that still goes on."""
    kept = time.time() - _DAY
    begun = {ref: ref.removeprefix(f"{_ROOTS}/").partition("-")[0] for ref in _listed(git, f"{_ROOTS}/")}
    old = {ref.rpartition("/")[0] for ref, time in begun.items() if not time.isdigit() or int(time) < kept}
    _forget(git, [f"{folder}/" for folder in old])


def _forget(git: Git, folders: Sequence[str]) -> None:
    found = _listed(git, *folders) if folders else {}
    if found:
        lines = "".join(f"delete {ref}\n" for ref in found)
        git.run("update-ref", "--stdin", stdin=lines.encode(errors="surrogateescape"))


def local(git: Git, remote: str | None) -> dict[str, str]:
    """Refs that only this clone may have; what it remembers of `remote` is older than what that says."""
    skipped = (f"{_ROOTS}/", *([f"refs/remotes/{remote}/"] if remote else []))
    refs = {ref: oid for ref, oid in _listed(git).items() if not ref.startswith(skipped)}
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
    """Each manifest that some of these refs hold, once, with those refs. Raises ManifestError, and DataError
    where nobody can tell whether one holds a manifest."""
    holders, without = _holders(git, refs)
    _demand_none(git, without)
    blobs = list(holders)
    for start in range(0, len(blobs), _CHUNK):
        chunk = blobs[start : start + _CHUNK]
        for blob, data in zip(chunk, git.blobs(chunk), strict=True):
            if data is not None:
                yield holders[blob], _loads(data, holders[blob][0])


def readable(git: Git, refs: Mapping[str, str], say: Callable[[str], None]) -> Iterator[Manifest]:
    """Each manifest that some of these refs hold, once; `say` is told of those that cannot be read."""
    for blob, names in _holders(git, refs)[0].items():
        try:
            data = git.blob(blob)
            if data is not None:
                yield _loads(data, names[0])
        except ManifestError as error:
            say(str(error))


def _holders(git: Git, refs: Mapping[str, str]) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Manifest → refs, and of those without one that is here: object → a ref."""
    lines = _asked(git, [f"{oid}:{model.FILE_NAME}" for oid in refs.values()], "%(objectname)")
    holders, without = dict[str, list[str]](), dict[str, str]()
    for (ref, oid), line in zip(refs.items(), lines, strict=True):
        if line.endswith(" missing"):
            without[oid] = ref
        else:
            holders.setdefault(line, []).append(ref)
    return holders, without


def _demand_none(git: Git, without: Mapping[str, str]) -> None:
    """Raise DataError where one of these objects (with a ref of each) has a manifest that is not here: git
    says "missing" of what it has lost, and of what never was."""
    kinds = _asked(git, [f"{oid}^{{}}" for oid in without], "%(objecttype)")
    of_tree = [(oid, ref) for (oid, ref), kind in zip(without.items(), kinds, strict=True) if kind != "blob"]
    trees = _asked(git, [f"{oid}^{{tree}}" for oid, _ in of_tree], "%(objectname)")
    empty = git.output("hash-object", "-t", "tree", "--stdin", stdin=b"") if trees else ""
    for (_, ref), tree in zip(of_tree, trees, strict=True):
        if tree.endswith(" missing"):
            raise _damaged(ref)
    pairs = "".join(f"{empty} {tree}\n" for tree in dict.fromkeys(trees))
    try:
        held = (
            git.output("diff-tree", "--stdin", "--", model.FILE_NAME, stdin=pairs.encode()) if trees else ""
        )
    except GitFailed as error:
        raise _damaged(f"one of {', '.join(ref for _, ref in of_tree[:3])}") from error
    found = [line.split() for line in held.split("\n") if line.startswith(":")]
    if damaged := [words[3] for words in found if words[1] != _SUBMODULE]:
        raise _damaged(f"a ref (its manifest is {damaged[0]})")


def _asked(git: Git, names: Sequence[str], what: str) -> list[str]:
    given = "".join(f"{name}\n" for name in names).encode()
    return git.run("cat-file", f"--batch-check={what}", stdin=given).stdout.decode().splitlines()


def _damaged(what: str) -> DataError:
    return DataError(
        f"objects of {what} are missing in this clone, so it cannot tell what is still named: "
        "nothing was done",
        hints=["git fsck", "git clone, and run it in the new clone"],
    )


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
    found = zip(commits, _asked(git, [f"{c}^{{commit}}" for c in commits], "%(objectname)"), strict=True)
    here = {c: commit for c, commit in found if not commit.endswith(" missing")}
    given = "".join(f"{commit}\n" for commit in here.values()) + f"^{tip}\n"
    try:
        beyond = set(git.output("rev-list", "--stdin", stdin=given.encode()).split()) if here else set()
    except GitFailed:  # of one that is gone from the remote only the newest commits may be left here
        return {c for c in here if git.answer("merge-base", "--is-ancestor", c, tip) is not None}
    return {c for c, commit in here.items() if commit not in beyond}


def tags(git: Git, remote: str | None, say: Callable[[str], None]) -> Iterator[Manifest]:
    """The manifests of all tags that can be read, one after the other."""
    if remote is None:
        yield from readable(
            git, {r: o for r, o in local(git, None).items() if r.startswith("refs/tags/")}, say
        )
        return
    found = (r for r in advertised(git, remote).refs if r.startswith("refs/tags/"))
    with fetched(git, remote, found) as refs:
        yield from readable(git, refs, say)
