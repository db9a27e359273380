"""`git data diff`: what changed inside datasets, row by row: docs/design/tables.md."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from git_datamanager.errors import DataError, NotFound
from git_datamanager.manager import DataManager
from git_datamanager.model.manifest import Dataset, Kind
from git_datamanager.model.names import pasteable
from git_datamanager.model.oid import Oid
from git_datamanager.ops.inside import reading
from git_datamanager.ops.inside.diff_sides import Pair, pairs_of
from git_datamanager.ops.inside.diff_standing import Standing, is_absent, stand
from git_datamanager.ops.inside.differences import DatasetDiff
from git_datamanager.ops.inside.reading import MayFetch
from git_datamanager.tables.compare import SAMPLES, Wish
from git_datamanager.tables.result import TableDiff
from git_datamanager.tables.schema import either, folded
from git_datamanager.tables.source import compare as compare_files
from git_datamanager.tables.where import Misfit


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a reader asks for."""

    rows: int | None = SAMPLES
    """Rows shown of each kind in each table; None for all."""
    is_capped: bool = True
    """A dataset's option `max_diff_rows` lowers `rows`."""
    tables: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    """Columns, in place of the dataset's option `key`."""
    where: str | None = None
    """A condition of the engine's SQL that rows have to meet."""
    is_schema_only: bool = False
    is_outside_only: bool = False
    """Of a folder which files differ, and nothing that is in them."""
    is_names_only: bool = False
    """Nothing is opened: which datasets differ, and in which versions."""

    @property
    def most_members(self) -> int | None:
        """So many members of a folder are compared as tables; None: all."""
        return 0 if self.is_outside_only else None if self.rows is None else MOST_MEMBERS

    @property
    def scope(self) -> str | None:
        """What alone is compared, in words."""
        if self.is_schema_only:
            return "schema"
        return "rows asked for" if self.tables or self.where is not None else None

    def wish(self, dataset: Dataset) -> Wish:
        """What the comparison of one dataset shows."""
        most = dataset.options.get("max_diff_rows") if self.is_capped else None
        rows = self.rows if most is None else most if self.rows is None else min(self.rows, most)
        key = self.key or tuple(dataset.options.get("key", ()))
        return Wish(
            rows=rows,
            tables=self.tables,
            keys={"": key} if key else {},
            is_schema_only=self.is_schema_only,
            where=self.where,
        )


EVERYTHING = Asked()
MOST_MEMBERS = 20


def diff(
    manager: DataManager,
    words: Sequence[str] = (),
    names: Sequence[str] | None = None,
    *,
    asked: Asked = EVERYTHING,
    may_fetch: MayFetch = reading.never,
    is_staged: bool = False,
) -> list[DatasetDiff]:
    """The datasets that differ, by name. `words`, `names`, `is_staged`: the arguments before and after `--`,
    and `--cached` (`pairs_of`).

    Raises NotFound and DataError for arguments that mean nothing. What keeps one dataset from being compared
    stands in its `absent` and `problem`.
    """
    pairs = pairs_of(manager, words, names, is_staged=is_staged)
    question = " --cached" * is_staged + _question(words, names)
    return compare(manager, pairs, asked=asked, may_fetch=may_fetch, question=question)


def _question(words: Sequence[str], names: Sequence[str] | None) -> str:
    """The arguments as somebody can paste them."""
    after = [] if names is None else ["--", *map(pasteable, names)]
    return "".join(f" {word}" for word in (*map(pasteable, words), *after))


def compare(
    manager: DataManager,
    pairs: Sequence[Pair],
    *,
    asked: Asked = EVERYTHING,
    may_fetch: MayFetch = reading.never,
    question: str = "",
) -> list[DatasetDiff]:
    """The same for pairs of versions; `may_fetch` is asked once, for all that is not here; `question`: the
    arguments of the command that mean them, each after a blank."""
    standing = [[place and stand(manager, place) for place in pair] for pair in pairs]
    differing = [(before, after) for before, after in standing if _differ(before, after)]
    if asked.is_names_only:
        return [_outline(before, after) for before, after in differing]
    wanted = [s for pair in differing if _is_comparable(*pair) for s in pair if s is not None]
    fetched = _fetched(manager, wanted, may_fetch)
    found = [_Comparison(manager, asked, fetched).of(*pair) for pair in differing]
    return _fitting(found, asked, f"git data diff --schema{question}")


def _fitting(found: list[DatasetDiff], asked: Asked, schemas: str) -> list[DatasetDiff]:
    """Without the datasets that have no such table; a condition that fits one need not fit the others. Raises
    NotFound where none has the table, or the key."""
    compared = [one for one in found if one.source is not None or one.folder is not None]
    if asked.tables:
        without = [one for one in compared if not _tables(one)]
        if compared and len(without) == len(compared):
            raise NotFound(
                f"no dataset that differs has a table {' or '.join(map(repr, asked.tables))}",
                hints=[f"{schemas}   # the tables that differ"],
            )
        found = [one for one in found if one not in without]
    if any(table.is_compared for one in compared for table in _tables(one)):
        found = [_unasked(one) if isinstance(one.failure, Misfit) else one for one in found]
    tables = [table for one in compared for table in _tables(one) if table.rows_before is not None]
    wanted = [folded(name) for name in asked.key]
    if asked.key and tables and not any([*map(folded, t.key)] == wanted or t.note for t in tables):
        raise NotFound(
            f"no table that was compared has the columns {', '.join(asked.key)} on both sides",
            hints=[f"{schemas}   # the columns that differ"],
        )
    return found


def _unasked(diff: DatasetDiff) -> DatasetDiff:
    """That the condition does not fit here is no error."""
    assert isinstance(diff.failure, Misfit)  # noqa: S101 -- asked of those alone
    return replace(diff, problem=f"--where does not fit it: {diff.failure.words}", failure=None)


def _tables(diff: DatasetDiff) -> list[TableDiff]:
    sources = [diff.source, *(diff.folder.tables.values() if diff.folder is not None else ())]
    return [table for source in sources if source is not None for table in source.tables]


def _differ(before: Standing | None, after: Standing | None) -> bool:
    if before is None or after is None:
        return True
    is_same = before.oid is not None and before.oid == after.oid
    return not is_same or before.dataset.name != after.dataset.name


def _outline(before: Standing | None, after: Standing | None) -> DatasetDiff:
    """What can be said without a byte of theirs."""
    one = either(before, after)
    was = before.dataset.name if before is not None else one.dataset.name
    return DatasetDiff(
        name=one.dataset.name,
        kind=one.dataset.kind,
        before=before.point if before else None,
        after=after.point if after else None,
        renamed_from=was if was != one.dataset.name else None,
        problem=_problem(before, after),
    )


def _problem(before: Standing | None, after: Standing | None) -> str | None:
    if before is not None and after is not None and before.dataset.kind is not after.dataset.kind:
        words = {Kind.FILE: "a file", Kind.TREE: "a folder"}
        return f"it was {words[before.dataset.kind]} and is {words[after.dataset.kind]}"
    return next((side.problem for side in (before, after) if side is not None and side.problem), None)


def _is_comparable(before: Standing | None, after: Standing | None) -> bool:
    is_same = before is not None and after is not None and before.oid == after.oid is not None
    return not is_same and _problem(before, after) is None


class _Fetched:
    """What became of the bytes that were not here."""

    def __init__(self, *, is_allowed: bool) -> None:
        self.is_allowed = is_allowed
        self.troubles: dict[Oid, DataError] = {}


def _fetched(manager: DataManager, wanted: Sequence[Standing], may_fetch: MayFetch) -> _Fetched:
    absent = {s.oid: (s.dataset, s.version) for s in wanted if is_absent(manager, s)}
    entries = [(dataset, version) for dataset, version in absent.values() if version is not None]
    done = _Fetched(is_allowed=may_fetch(entries) if entries else may_fetch is reading.always)
    for dataset, version in entries if done.is_allowed else ():
        try:
            if dataset.kind is Kind.TREE:
                from git_datamanager.ops.fetch import roles
                from git_datamanager.ops.trees.listing import listing_of

                listing_of(manager, dataset, version, roles(version, "auto"))
            else:
                reading.bring(manager, [(dataset, version)], reading.always)
        except DataError as error:  # one store, one version: the others are still compared
            done.troubles[version.oid] = error
    return done


class _Comparison:
    """Compares datasets whose bytes are here."""

    def __init__(self, manager: DataManager, asked: Asked, fetched: _Fetched) -> None:
        self._manager = manager
        self._asked = asked
        self._fetched = fetched

    def of(self, before: Standing | None, after: Standing | None) -> DatasetDiff:
        outline = _outline(before, after)
        if not _is_comparable(before, after):
            return outline
        sides = [side for side in (before, after) if side is not None]
        absent = tuple(side.point for side in sides if is_absent(self._manager, side))
        if absent:
            said = (self._fetched.troubles.get(p.version.oid) for p in absent if p.version is not None)
            failure = next(filter(None, said), None)
            problem = str(failure) if failure is not None else None
            return replace(outline, absent=absent, problem=problem, failure=failure)
        try:
            return self._inside(outline, before, after)
        except reading.NotHere as error:  # damaged in the cache: dropped by now
            return replace(outline, absent=tuple(p.point for p in sides if p.version), problem=str(error))
        except DataError as error:
            return replace(outline, problem=str(error), failure=error)

    def _inside(self, outline: DatasetDiff, before: Standing | None, after: Standing | None) -> DatasetDiff:
        one = either(before, after)
        wish = self._asked.wish(one.dataset)
        if outline.kind is Kind.TREE:
            from git_datamanager.ops.inside.diff_folders import compare_folders

            folder = compare_folders(
                self._manager, before, after, wish,
                most=self._asked.most_members, fetches=self._fetched.is_allowed,
            )  # fmt: skip
            return replace(outline, folder=folder, scope=self._asked.scope)
        with ExitStack() as stack:
            paths = [
                stack.enter_context(_opened(self._manager, side)) if side is not None else None
                for side in (before, after)
            ]
            found = compare_files(paths[0], paths[1], outline.name, wish, reading.memory_for(self._manager))
            return replace(outline, source=found, scope=self._asked.scope)


@contextmanager
def _opened(manager: DataManager, side: Standing) -> Iterator[Path]:
    if side.version is None:
        with reading.work_file(manager, side.dataset) as path:
            yield path
        return
    with reading.version_file(manager, side.dataset, side.version, is_hashed=True) as path:
        yield path
