"""Two versions of a folder: which files differ, and what changed in those that are tables."""

import tempfile
from array import array
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from git_datamanager.content import treediff
from git_datamanager.content.tree import EMPTY, Listing, Member
from git_datamanager.errors import Corrupt, DataError
from git_datamanager.events import mover
from git_datamanager.manager import DataManager
from git_datamanager.ops.inside.diff_standing import Standing
from git_datamanager.ops.inside.differences import FolderDiff, MemberChange
from git_datamanager.ops.inside.reading import memory_for, steady
from git_datamanager.ops.trees.local import here, kept_listing, kept_members, part_of
from git_datamanager.ops.trees.local import provider as beside_or
from git_datamanager.tables import kinds
from git_datamanager.tables.compare import Wish
from git_datamanager.tables.result import SourceDiff
from git_datamanager.tables.schema import Change
from git_datamanager.tables.source import compare
from git_datamanager.tables.where import Misfit
from git_datamanager.tables.words import FOLDER
from git_datamanager.workspace.folderbuild import Provide

MOST_BYTES = 256 << 20
"""Of the members that are compared as tables, both sides together, unless all are."""


def compare_folders(
    manager: DataManager,
    before: Standing | None,
    after: Standing | None,
    wish: Wish,
    *,
    most: int | None,
    fetches: bool,
) -> FolderDiff:
    """What differs between two folders whose listings are here. `most`: so many members are compared as
    tables, None: all, however large. `fetches`: members may come from the stores.

    Raises Corrupt for a damaged listing, Misfit for a condition that fits no member; of a member that cannot
    be had, or that it does not fit, `note` tells.
    """
    old, new = _listing(manager, before, after), _listing(manager, after, before)
    members = member_changes(old, new)
    unchanged = len(new) - sum(one.change is not Change.REMOVED for one in members)
    found = [one.path for one in members if _is_table(old, new, one)]
    chosen = found if most is None else _chosen(old, new, found[:most])
    notes = []
    if len(chosen) < len(found) and most != 0:
        notes.append(f"{len(found) - len(chosen)} changed tables were not compared: --rows all compares them")
    tables: dict[str, SourceDiff] = {}
    misfits: dict[str, Misfit] = {}
    if chosen and before is not None and after is not None:
        with tempfile.TemporaryDirectory(prefix=FOLDER) as folder, ExitStack() as stack:
            files = [
                _Files(manager, side, listing, Path(folder), stack, fetches=fetches).of(chosen)
                for side, listing in ((before, old), (after, new))
            ]
            tables, misfits = _tables(files[0], files[1], chosen, wish, memory_for(manager))
        if absent := len(chosen) - len(tables) - len(misfits):
            notes.append(f"the bytes of {absent} changed tables are not in this clone")
        notes += _unasked(misfits, tables)
        if wish.tables:  # nothing is said of files that have no such table
            tables = {path: source for path, source in tables.items() if source.tables or source.note}
    return FolderDiff(
        members=tuple(members), unchanged=unchanged, tables=tables, note="; ".join(notes) or None
    )


def member_changes(before: Listing, after: Listing) -> list[MemberChange]:
    """File by file, sorted by path. A file that left one path and came to another was moved."""
    found = treediff.changes(before, after)
    gone, came = _members(before, found.deleted), _members(after, found.added)
    origins = {m.digest: m for m in reversed(gone) if m.digest != EMPTY}
    made = []
    for member in came:
        was = origins.pop(member.digest, None)
        change = Change.ADDED if was is None else Change.CHANGED
        made.append(
            MemberChange(member.path, change, was and was.size, member.size, was.path if was else None)
        )
    moved = {one.was for one in made}
    made += [MemberChange(m.path, Change.REMOVED, m.size, None) for m in gone if m.path not in moved]
    pairs = zip(_members(before, found.modified), _members(after, found.modified), strict=True)
    made += [MemberChange(new.path, Change.CHANGED, old.size, new.size) for old, new in pairs]
    return sorted(made, key=lambda one: one.path)


def _members(listing: Listing, paths: Sequence[str]) -> list[Member]:
    positions = (listing.position(path) for path in paths)
    return [listing[n] for n in positions if n is not None]


def _listing(manager: DataManager, side: Standing | None, other: Standing | None) -> Listing:
    """The members of a side; of a version only what a partial pull, the other side, was asked for."""
    if side is None:
        return Listing([], array("q"), b"", b"")
    if side.version is None:
        assert side.listing is not None  # noqa: S101 -- a folder that stands has one
        return side.listing
    kept = kept_listing(manager, side.version.oid)
    if kept is None:
        raise Corrupt(f"{side.dataset.name} {side.version.name}: its listing is not here any more")
    return part_of(kept, other.globs) if other is not None and other.version is None else kept


def _is_table(before: Listing, after: Listing, one: MemberChange) -> bool:
    """A member that both sides have under its path, with other bytes, and that is worth opening."""
    if one.change is not Change.CHANGED or one.was is not None or not kinds.could_be(one.path):
        return False
    at = before.position(one.path), after.position(one.path)
    return at[0] is not None and at[1] is not None and before.digest(at[0]) != after.digest(at[1])


def _chosen(before: Listing, after: Listing, paths: Sequence[str]) -> list[str]:
    """The first of them, as far as the bytes reach."""
    left, chosen = MOST_BYTES, list[str]()
    for path in paths:
        left -= sum(m.size for listing in (before, after) for m in _members(listing, [path]))
        if left < 0:
            break
        chosen.append(path)
    return chosen


class _Files:
    """Members of one side as files."""

    def __init__(
        self, manager: DataManager, side: Standing, listing: Listing, folder: Path, stack: ExitStack,
        *, fetches: bool) -> None:  # fmt: skip
        self._manager = manager
        self._side = side
        self._listing = listing
        self._folder = folder
        self._stack = stack
        self._fetches = fetches

    def of(self, paths: Sequence[str]) -> Mapping[str, Path]:
        """By path in the folder; without those that cannot be had here."""
        if self._side.version is None:
            top = self._manager.folders.path(self._side.dataset.name)
            return {path: self._read(top.joinpath(*path.split("/"))) for path in paths}
        members = _members(self._listing, paths)
        found = self._written(members)
        return {m.path: found[m.digest] for m in members if m.digest in found}

    def _read(self, path: Path) -> Path:
        """A file of the working folder, which must not change until the comparison is over; a database that
        was opened since the folder was looked at, with its log."""
        return self._stack.enter_context(steady(path))

    def _written(self, members: Sequence[Member]) -> dict[bytes, Path]:
        written = {}
        wanted = {m.digest: m for m in members if m.size}
        if len(wanted) < len({m.digest for m in members}):
            written[EMPTY] = self._folder / "empty"
            written[EMPTY].touch()
        for digest, content in self._provide()(list(wanted.values())):
            path = self._folder / digest.hex()
            with path.open("w+b") as file:
                if isinstance(content, bytes):
                    file.write(content)
                else:
                    content(file)
            written[digest] = path
        return written

    def _provide(self) -> Provide:
        manager, dataset, version = self._manager, self._side.dataset, self._side.version
        assert version is not None  # noqa: S101 -- asked of versions alone
        if self._fetches:
            from git_datamanager.ops.fetch import roles
            from git_datamanager.ops.trees.store import provider

            advance = mover(manager.progress, dataset.name)
            others: Provide = provider(
                manager, dataset, version, self._listing, roles(version, "auto"), advance
            )
        else:
            others = kept_members(manager)
        return beside_or(self._beside(), others)

    def _beside(self) -> dict[bytes, Path]:
        name = self._side.dataset.name
        try:
            seen = self._manager.folders.look(name) if self._manager.git.top else None
        except DataError:
            return {}
        return here(self._manager.folders.path(name), seen, self._listing) if seen else {}


def _tables(
    before: Mapping[str, Path], after: Mapping[str, Path], paths: Sequence[str], wish: Wish, memory: int
) -> tuple[dict[str, SourceDiff], dict[str, Misfit]]:
    """By path what changed in those that are here, and those whose rows the condition does not fit."""
    tables, misfits = dict[str, SourceDiff](), dict[str, Misfit]()
    for path in paths:
        if path not in before or path not in after:
            continue
        try:
            tables[path] = compare(before[path], after[path], path, wish, memory)
        except Misfit as error:
            misfits[path] = error
    return tables, misfits


def _unasked(misfits: Mapping[str, Misfit], tables: Mapping[str, SourceDiff]) -> list[str]:
    """What is said of members that a condition does not fit. Raises Misfit where it fits no other."""
    if misfits and not any(source.tables for source in tables.values()):
        raise next(iter(misfits.values()))
    return [f"--where does not fit {path}: {error.words}" for path, error in misfits.items()]
