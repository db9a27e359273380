"""The working folders of datasets of kind `tree`: looking, reading, and replacing one at once.

The rule of every replacement is that of files (worktree.py): only what is absent, or whose bytes are a
known version, goes, and its bytes stay in this clone. Everything else stays, or with `force` is kept
aside under an id.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from git_datamanager.content import tree
from git_datamanager.content.tree import Listing
from git_datamanager.errors import DataError, NotFound
from git_datamanager.model.members import check_members
from git_datamanager.model.names import check_name
from git_datamanager.model.oid import Oid
from git_datamanager.workspace.cache import Cache
from git_datamanager.workspace.folderpacks import Packs
from git_datamanager.workspace.folderscan import Look, raise_refused, scan, scan_calm
from git_datamanager.workspace.folderstate import FolderStates, Recorded, recorded

Advance = Callable[[int], None]


class Seen(NamedTuple):
    """A look at a folder."""

    look: Look
    oid: Oid | None
    """Of the version it holds (of a partial pull: of which it holds what was asked for). Of other content
    the oid it would have; None where it cannot be said (`look.refused`, files that change)."""
    listing: Listing | None
    """The members it has; None as `oid`."""
    globs: tuple[str, ...] = ()
    """What a partial pull was asked for; empty where all of the version is meant to be here."""


class Captured(NamedTuple):
    """A folder that was read to become a version."""

    look: Look
    listing: Listing
    oid: Oid
    size: int


class Folders:
    """The folders below one top. `announce` is told what is kept aside, before it moves."""

    def __init__(
        self,
        top: Path,
        states: FolderStates,
        packs: Packs,
        cache: Cache,
        announce: Callable[[str], None],
    ) -> None:
        self.top = top
        self.states = states
        self.packs = packs
        self.cache = cache
        self.announce = announce

    def path(self, name: str) -> Path:
        return self.top.joinpath(*check_name(name).split("/"))

    def look(self, name: str, *, rehash: bool = False, calm: bool = False) -> Seen | None:
        """What the folder holds; None where there is none. Hashed is what stat says has changed. With
        `calm` the instant is waited out in which a change would go unseen.

        Raises Forbidden where something else stands there, or the way there is not ours.
        """
        check_name(name)
        try:
            look = (scan_calm if calm else scan)(self.top, name)
        except NotFound:
            return None
        known = self.states.get(name)
        if known is not None and not rehash and known.holds(look):
            return Seen(look, known.oid, known.listing, known.globs)
        if look.refused:
            return Seen(look, None, None, known.globs if known else ())
        return self._read(name, look, None if rehash else known, known)

    def _read(self, name: str, look: Look, known: Recorded | None, before: Recorded | None) -> Seen:
        """Hash what changed and record it; None for what it holds where that cannot be said."""
        try:
            digest_of = known.digests_for(look, kept=False) if known else [None] * len(look)
            found = _digests(self.path(name), look, digest_of)
            listing = _listing(look, found)
            own = Oid(tree.digest_of(listing).hex())
        except (DataError, UnicodeEncodeError):
            return Seen(look, None, None, before.globs if before else ())
        oid = before.vouched if before and before.vouched and own == before.picked else own
        kept = before.digests_for(look, kept=True) if before else [None] * len(look)
        self._put(name, look, found, oid, before, bytes([digest is not None for digest in kept]))
        return Seen(look, oid, listing, before.globs if before else ())

    def _put(
        self, name: str, look: Look, found: bytes, oid: Oid, before: Recorded | None, kept: bytes
    ) -> None:
        vouched, picked = (before.vouched, before.picked) if before else (None, None)
        globs = before.globs if before else ()
        self.states.put(
            name, recorded(look, found, oid, kept=kept, vouched=vouched, picked=picked, globs=globs)
        )

    def capture(self, name: str, *, advance: Advance = lambda _: None) -> Captured:
        """Read the folder to make it a version; its bytes go into packs and the cache on the way.

        All or nothing: raises DataError for what cannot be a member, naming it, Conflict where a file
        changes while it is read, Forbidden, NotFound. Whoever enters the version then calls `vouch`.
        """
        check_name(name)
        look = scan_calm(self.top, name)
        raise_refused(name, look)
        _check_names(name, look)
        known = self.states.get(name)
        digest_of = known.digests_for(look, kept=True) if known else [None] * len(look)
        keep = (self.packs, self.cache)
        found = _digests(self.path(name), look, digest_of, keep, advance)
        listing = _listing(look, found)
        oid = Oid(tree.digest_of(listing).hex())
        self._put(name, look, found, oid, known, bytes([1]) * len(look))
        return Captured(look, listing, oid, listing.size)

    def vouch(self, name: str, oid: Oid) -> None:
        """Git data stands for these bytes: it made them a version."""
        self.states.vouch(name, oid)

    def keep_listing(self, listing: Listing, oid: Oid) -> None:
        """Keep the listing itself in the cache, under its oid."""
        if self.cache.has(oid):
            return
        with self.cache.new_file() as path:
            with path.open("xb") as file:
                file.writelines(tree.blocks(listing))
            self.cache.adopt(path, oid)


def _digests(
    folder: Path,
    look: Look,
    known: Sequence[bytes | None],
    keep: tuple[Packs, Cache] | None = None,
    advance: Advance = lambda _: None,
) -> bytes:
    from git_datamanager.workspace.folderread import digests  # an unchanged folder needs no hashlib

    return digests(folder, look, known, keep=keep, advance=advance)


def _listing(look: Look, found: bytes) -> Listing:
    return Listing(look.paths, look.facts[::4], found, bytes(look.executable))


def _check_names(name: str, look: Look) -> None:
    """Refuse paths that cannot be a member's, before anything is read."""
    for path in look.paths:
        if not path.isascii():
            try:
                path.encode()
            except UnicodeEncodeError as error:
                raise DataError(
                    f"{name}/{os.fsencode(path)!r}: the name of this file is no UTF-8: nothing was added"
                ) from error
    try:
        tree.check_paths(look.paths, check_members)
    except DataError as error:
        raise DataError(f"{name}: {error}: nothing was added") from error
