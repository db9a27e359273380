"""The manifest's past: which commits of a branch changed it.

pygit2 walks in process; where it cannot open the repository (SHA-256, reftable) the git command does.
"""

import re
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

from git_datamanager.model.manifest import FILE_NAME
from git_datamanager.workspace.git import Git

_BATCH = 64
_ID = re.compile(rb'"([0-7][0-9A-HJKMNP-TV-Z]{25})"')


class Revision(NamedTuple):
    """A commit and the manifest it holds (None: it holds none)."""

    commit: str
    manifest: bytes | None


def revisions(git: Git, tip: str) -> Iterator[Revision]:
    """Along the first parents of `tip`, newest first: the commits whose manifest differs from their
    first parent's."""
    walked = _by_library(git, tip)
    return walked if walked is not None else _by_command(git, tip)


def introductions(git: Git, entries: Collection[str], tip: str) -> dict[str, str]:
    """Per entry id the commit of the branch that brought it in: its merge, never a later rewrite.

    In a shallow clone the boundary may stand for what lies beyond it; callers deepen first.
    """
    sought, found = set(entries), dict[str, str]()
    for revision in revisions(git, tip):
        if not sought:
            break
        held = sought & _ids(revision.manifest or b"")
        found |= dict.fromkeys(held, revision.commit)
        # An id that was there later and is not here came in with the commit noted last.
        sought -= {e for e in sought - held if e in found}
    return found


def _ids(manifest: bytes) -> set[str]:
    """Whatever looks like an entry's id, found in one pass: there may be many thousands."""
    return {match.decode() for match in _ID.findall(manifest)}


def _by_library(git: Git, tip: str) -> Iterator[Revision] | None:
    import pygit2

    try:
        repository = pygit2.Repository(str(git.git_dir))
        repository[tip]
    except (pygit2.GitError, KeyError, ValueError):
        return None
    return _walk(repository, tip)


def _walk(repository: Any, tip: str) -> Iterator[Revision]:
    commit = repository[tip]
    while commit is not None:
        parent = _first_parent(repository, commit)
        blob = _manifest(commit)
        if _id(blob) != _id(_manifest(parent)):
            yield Revision(str(commit.id), bytes(blob.data) if blob else None)
        commit = parent


def _first_parent(repository: Any, commit: Any) -> Any:
    """None at the root, and at the boundary of a shallow clone."""
    ids = commit.parent_ids
    return repository.get(ids[0]) if ids else None


def _manifest(commit: Any) -> Any:
    return commit.tree[FILE_NAME] if commit is not None and FILE_NAME in commit.tree else None


def _id(blob: Any) -> Any:
    return blob.id if blob is not None else None


def _by_command(git: Git, tip: str) -> Iterator[Revision]:
    commits = git.output("rev-list", "--first-parent", tip, "--", FILE_NAME).split()
    for start in range(0, len(commits), _BATCH):
        batch = commits[start : start + _BATCH]
        blobs = git.blobs([f"{commit}:{FILE_NAME}" for commit in batch])
        yield from (Revision(c, b) for c, b in zip(batch, blobs, strict=True))
