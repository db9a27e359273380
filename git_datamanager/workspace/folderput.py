"""Replacing a working folder by another version of it, at once or not at all.

Built beside it under a temporary name, flushed, switched in if the folder is still what was looked at;
then the old one is taken apart. Before the switch every byte of it is somewhere else too: under a
second name in the new folder, in a pack, in the cache, or kept aside.
"""

from collections.abc import Sequence
from typing import NamedTuple

from git_datamanager.content import tree
from git_datamanager.content.tree import Listing
from git_datamanager.content.treediff import same
from git_datamanager.errors import DirtyFile, NotFound
from git_datamanager.model.members import check_members
from git_datamanager.model.names import pasteable
from git_datamanager.model.oid import Oid
from git_datamanager.workspace import folderleft
from git_datamanager.workspace.folderbuild import Built, Provide, Standing, traces
from git_datamanager.workspace.folderhandle import Handle, opened
from git_datamanager.workspace.folderleft import Aside
from git_datamanager.workspace.folderreplace import Replacement
from git_datamanager.workspace.folders import Folders
from git_datamanager.workspace.folderscan import Look, raise_refused, scan_calm, shown
from git_datamanager.workspace.folderstate import recorded

_NAMED = 3


class Version(NamedTuple):
    """What is to stand there."""

    oid: Oid
    """Of the whole version."""
    members: Listing
    """Those to write: all, or the ones that `globs` ask for."""
    globs: tuple[str, ...] = ()


def materialise(
    folders: Folders,
    name: str,
    version: Version,
    provide: Provide,
    *,
    known: Sequence[Listing],
    held: bool = False,
    force: bool = False,
) -> str | None:
    """Make the folder `name` hold exactly these members.

    `known` are listings whose files may be replaced; `held` says that a store is known to hold all their
    members. Returns the id under which files with other bytes were kept (`force`), else None. Raises
    DirtyFile, Forbidden, ObjectMissing, Corrupt; the old folder stands as it was then.
    """
    members = tree.checked(version.members, check_members)
    outer, _, leaf = name.rpartition("/")
    with opened(folders.top, outer or ".", create=True) as parent:
        _tidy(folders, parent)
        standing, dirty = check(folders, name, members, known, force=force)
        if standing is not None and standing.listing == members:
            _note(folders, name, version, standing.look)
            return None
        aside = _aside(folders, name)
        work = Replacement(folders, name, parent, leaf, standing, dirty, aside, held=held)
        return work.run(members, provide, lambda built: _record(folders, name, version, built))


def check(
    folders: Folders, name: str, members: Listing, known: Sequence[Listing], *, force: bool
) -> tuple[Standing | None, list[int]]:
    """What stands there, and the positions of files that nobody knows; raises DirtyFile, Forbidden where
    `materialise` would."""
    standing = _standing(folders, name)
    dirty = _dirty(standing, [*known, members]) if standing else []
    if standing and dirty and not force:
        raise _refusal(name, [standing.listing.paths[n] for n in dirty])
    return standing, dirty


def _tidy(folders: Folders, parent: Handle) -> None:
    def is_kept(digest: bytes) -> bool:
        return not folders.packs.settle([digest]) or folders.cache.has(Oid(digest.hex()))

    folderleft.sweep(parent, is_kept, lambda leaf: _aside(folders, leaf))


def _aside(folders: Folders, name: str) -> Aside:
    return Aside(folders.cache.kept_root, name, folders.announce)


def _standing(folders: Folders, name: str) -> Standing | None:
    seen = folders.look(name, calm=True)
    if seen is None:
        return None
    raise_refused(name, seen.look, what="it was left as it is")
    if seen.listing is None:
        raise DirtyFile(f"{name} changes while it is read: it was left as it is", hints=["git data status"])
    return Standing(seen.look, seen.listing)


def _dirty(standing: Standing, known: Sequence[Listing]) -> list[int]:
    """Positions of files that no known listing has under this path."""
    there = standing.listing
    dirty = []
    for n, path in enumerate(there.paths):
        at = ((listing, listing.position(path)) for listing in known)
        if not any(m is not None and same(there, n, listing, m) for listing, m in at):
            dirty.append(n)
    return dirty


def _refusal(name: str, paths: Sequence[str]) -> DirtyFile:
    some = ", ".join(shown(path) for path in paths[:_NAMED])
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    files = f"{len(paths)} {'files' if len(paths) > 1 else 'file'}"
    hint = pasteable(name)
    return DirtyFile(
        f"{name} has {files} with changes that were not added ({some}{more}): it was left as it is",
        hints=[f"git data add {hint}", f"git data pull --force {hint}   # keeps your files, prints their id"],
    )


def _record(folders: Folders, name: str, version: Version, built: Built) -> None:
    """Note what stands there now, if it is what was written."""
    try:
        look = scan_calm(folders.top, name)
    except NotFound:
        return
    members = version.members
    if look.refused or look.paths != members.paths or traces(look) != built.traces:
        folders.states.forget(name)  # somebody was quick: it is hashed when it is looked at
        return
    _note(folders, name, version, look)


def _note(folders: Folders, name: str, version: Version, look: Look) -> None:
    members = version.members
    own = Oid(tree.digest_of(members).hex())
    record = recorded(
        look,
        members.digests,
        version.oid,
        kept=bytes([1]) * len(members),
        vouched=version.oid,
        picked=own if own != version.oid else None,
        globs=version.globs,
    )
    folders.states.put(name, record)
