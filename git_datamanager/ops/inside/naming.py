"""Which table of which dataset a question means by a name. docs/design/tables.md, "Questions"."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from git_datamanager.errors import DataError, NotFound
from git_datamanager.manager import DataManager
from git_datamanager.model.manifest import Dataset, Kind, Version
from git_datamanager.ops.inside.members import member_file
from git_datamanager.ops.inside.reading import MayFetch, bring, is_here, version_file, work_file
from git_datamanager.tables.asking.load import Source, Want, is_database, tables_of
from git_datamanager.tables.asking.query import Question
from git_datamanager.tables.rowdiff import quoted
from git_datamanager.tables.schema import folded

WORK = "work tree"
_OWN = frozenset(("memory", "system", "temp"))
"""Names that DuckDB itself gives to what it holds."""


class Seen(NamedTuple):
    """A dataset as a question may name it."""

    dataset: Dataset
    version: Version | None
    """None: the working file as it is."""
    aliases: frozenset[str]
    """Folded: `energy`, `energy.sqlite`, `data/energy.sqlite`; of a version also `energy@v3`."""
    member: str | None = None
    """The one file of a folder that is meant."""

    @property
    def name(self) -> str:
        return self.dataset.name if self.member is None else f"{self.dataset.name}/{self.member}"

    @property
    def key(self) -> tuple[str, str | None]:
        """Which bytes it stands for."""
        return self.name, self.version.id if self.version else None

    @property
    def label(self) -> str:
        return f"{self.name} {self.version.name if self.version else WORK}"


def aliases(name: str, *suffixes: str) -> frozenset[str]:
    """What a dataset is called in a question; with `@v3` for each of `suffixes`, "" for none."""
    leaf = PurePosixPath(name).name
    words = {name, leaf, leaf.partition(".")[0] or leaf, PurePosixPath(leaf).stem}
    return frozenset(folded(word + suffix) for word in words for suffix in suffixes)


class Finder:
    """Finds the tables that a question names, and opens no other files."""

    def __init__(
        self,
        manager: DataManager,
        seen: Sequence[Seen],
        may_fetch: MayFetch,
        stack: ExitStack,
        *,
        is_narrow: bool,
        home: Seen | None = None,
    ) -> None:
        """`is_narrow`: all that is visible may be fetched to look for a table; `home`: where a name is looked
        for first."""
        self._home = home
        self._manager = manager
        self._seen = list({(s.key, s.aliases): s for s in seen}.values())
        self._may_fetch = may_fetch
        self._stack = stack
        self._is_narrow = is_narrow
        self._sources: dict[tuple[str, str | None], Source] = {}

    def wants(self, question: Question) -> list[Want]:
        """Raises NotFound, DataError where a name fits several tables."""
        self._bring([s for path in question.mentions for s in self._called(path)[:2]])
        wants: dict[tuple[str, ...], Want] = {}
        for path in question.mentions:
            is_own = len(path) == 1 and folded(path[0]) in question.own
            want = self._find(path, is_own=is_own)
            if want is not None:
                wants[tuple(map(folded, path))] = want
        return list(wants.values())

    def _called(self, path: tuple[str, ...]) -> list[Seen]:
        """The datasets that the first part of a name, or all of it, may mean."""
        words = {folded(path[0]), folded(".".join(path))}
        return [s for s in self._seen if words & s.aliases]

    def _find(self, path: tuple[str, ...], *, is_own: bool) -> Want | None:
        if len(path) == 2 and folded(path[0]) == "main":
            path = path[1:]
        at_home = self._at_home(path)
        if at_home is not None:
            return at_home
        found = self._called(path)
        if len(found) > 1:
            return None if is_own else _several(path, [s.label for s in found])
        if found:
            return self._in_dataset(found[0], path)
        holders = self._holders(path[0]) if len(path) == 1 else []
        if len(holders) == 1:
            source, table = holders[0]
            return Want(source, table, path)
        if is_own:
            return None
        if holders:
            return _several(path, [f"{table} of {source.label}" for source, table in holders])
        raise self._unknown(path)

    def _at_home(self, path: tuple[str, ...]) -> Want | None:
        if self._home is None or len(path) != 1 or not is_database(self._source(self._home)):
            return None
        source = self._source(self._home)
        match = [t for t in tables_of(source) if folded(t) == folded(path[0])]
        return Want(source, match[0], path) if match else None

    def _in_dataset(self, seen: Seen, path: tuple[str, ...]) -> Want:
        source = self._source(seen)
        tables = tables_of(source)
        is_whole = folded(".".join(path)) in seen.aliases
        if is_whole and len(tables) == 1:
            return _want(source, tables[0], path)
        match = [t for t in tables if len(path) == 2 and folded(t) == folded(path[1])]
        if match:
            return _want(source, match[0], path)
        first = path[0] if not is_whole or seen.member else PurePosixPath(seen.dataset.name).stem
        names = ", ".join(f"{quoted(first)}.{quoted(t)}" for t in tables[:8])
        raise NotFound(
            f"{seen.label} has {len(tables)} tables, none of them called {'.'.join(path)}",
            hints=[f"it has {names}{', …' if len(tables) > 8 else ''}"] if tables else [],
        )

    def _holders(self, table: str) -> list[tuple[Source, str]]:
        """Databases with a table of this name; those that are here, where nobody named datasets."""
        if self._is_narrow:
            self._bring(self._seen)
        found = []
        for seen in self._seen:
            if seen.dataset.kind is Kind.FILE and self._is_here(seen):
                source = self._source(seen)
                if is_database(source):
                    found += [(source, t) for t in tables_of(source) if folded(t) == folded(table)]
        return list(dict.fromkeys(found))

    def _is_here(self, seen: Seen) -> bool:
        if seen.member is not None:
            return True
        if seen.version is None:
            return self._manager.work.path(seen.dataset.name).is_file()
        return is_here(self._manager, seen.dataset, seen.version)

    def _bring(self, wanted: Iterable[Seen]) -> None:
        files = [s for s in wanted if s.dataset.kind is Kind.FILE]
        entries = {s.version.id: (s.dataset, s.version) for s in files if s.version}
        bring(self._manager, list(entries.values()), self._may_fetch)

    def _source(self, seen: Seen) -> Source:
        if _is_folder(seen):
            raise DataError(
                f"{seen.dataset.name} is a folder: only files can be asked",
                hints=[f'FROM "{seen.dataset.name}/…"   # one of its files, by its path in the folder'],
            )
        if seen.key not in self._sources:
            path = self._stack.enter_context(self._file(seen))
            self._sources[seen.key] = Source(path, seen.name, seen.label)
        return self._sources[seen.key]

    def _file(self, seen: Seen) -> AbstractContextManager[Path]:
        if seen.member is not None:
            return member_file(self._manager, seen.dataset, seen.version, seen.member, self._may_fetch)
        if seen.version is not None:
            return version_file(self._manager, seen.dataset, seen.version)
        return work_file(self._manager, seen.dataset)

    def _unknown(self, path: tuple[str, ...]) -> NotFound:
        absent = [s.label for s in self._seen if not _is_folder(s) and not self._is_here(s)]
        known = sorted({min(s.aliases, key=len) for s in self._seen})
        hints = [f"datasets here: {', '.join(known[:8])}{', …' if len(known) > 8 else ''}"] if known else []
        if absent:
            hints.append(f"not looked into, for they are not in this clone: {', '.join(absent[:5])}")
        return NotFound(f"there is no table {'.'.join(path)}", hints=hints)


def _is_folder(seen: Seen) -> bool:
    return seen.dataset.kind is Kind.TREE and seen.member is None


def _want(source: Source, table: str, path: tuple[str, ...]) -> Want:
    if len(path) == 2 and folded(path[0]) in _OWN:
        raise DataError(
            f"{path[0]} is a name that DuckDB has for itself",
            hints=[f"write {quoted(source.name)}.{quoted(table)}"],
        )
    return Want(source, table, path)


def _several(path: tuple[str, ...], labels: Sequence[str]) -> Want:
    raise DataError(
        f"{'.'.join(path)} may be several tables: {', '.join(labels[:5])}",
        hints=['write the whole name of the dataset: "data/energy.sqlite".Demand'],
    )
