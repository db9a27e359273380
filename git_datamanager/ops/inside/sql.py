"""`git data sql`: a question in SQL about any versions. docs/design/tables.md, "Questions"."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from git_datamanager.manager import DataManager
from git_datamanager.model.manifest import Dataset, Kind, Manifest
from git_datamanager.ops.inside.naming import Finder, Seen, aliases
from git_datamanager.ops.inside.reading import MayFetch, memory_for, never
from git_datamanager.ops.select import select, split_version, version_of
from git_datamanager.tables.asking.load import loaded
from git_datamanager.tables.asking.query import Answer, Question, answered, read_question
from git_datamanager.tables.schema import folded


class Asked(NamedTuple):
    """An answer, and what should be said beside it."""

    answer: Answer
    notes: tuple[str, ...]


@contextmanager
def sql(
    manager: DataManager,
    text: str,
    names: Sequence[str] = (),
    *,
    work: bool = False,
    may_fetch: MayFetch = never,
    seconds: float | None = None,
) -> Iterator[Asked]:
    """Ask about the datasets `names` say, `NAME` or `NAME@vN`; without any about all, each in its latest
    version, or one that the question names: `"energy@v3"`. Of a folder the question names files:
    `"folder/a.csv"`, `"folder@v3/a.csv"`. `work`: the working files in place of latest
    versions.

    Raises DataError where it is no single SELECT or fails, NotFound for what it names and nobody knows,
    NotHere.
    """
    question = read_question(text)
    seen = _visible(manager, question, names, work=work)
    seen += _members(question, seen)
    with ask(manager, question, seen, may_fetch, is_narrow=bool(names), seconds=seconds) as asked:
        yield asked


@contextmanager
def ask(
    manager: DataManager,
    question: Question,
    seen: Sequence[Seen],
    may_fetch: MayFetch,
    *,
    is_narrow: bool,
    seconds: float | None = None,
) -> Iterator[Asked]:
    """Put a question to what is visible; `is_narrow`: all of it may be fetched to look for a table."""
    with ExitStack() as stack:
        found = Finder(manager, seen, may_fetch, stack, is_narrow=is_narrow).wants(question)
        database, notes = stack.enter_context(loaded(found, memory_for(manager)))
        answer = stack.enter_context(answered(database, question, seconds))
        yield Asked(answer, notes)


def _visible(manager: DataManager, question: Question, names: Sequence[str], *, work: bool) -> list[Seen]:
    manifest = manager.manifests.current()
    if not names:
        plain = [_latest(d, work=work) for d in manifest.listed()]
        return [*plain, *_named_inside(manifest, question)]
    wanted = select(manager, manifest, names)
    counts: dict[str, int] = {}
    for dataset, _ in wanted:
        counts[dataset.name] = counts.get(dataset.name, 0) + 1
    seen = []
    for dataset, version in wanted:
        if version is None:
            seen.append(_latest(dataset, work=work))
        else:
            one = version_of(dataset, version)
            bare = ("",) if counts[dataset.name] == 1 else ()
            seen.append(Seen(dataset, one, aliases(dataset.name, f"@{version}", f"@{one.name}", *bare)))
    return seen


def _latest(dataset: Dataset, *, work: bool) -> Seen:
    return Seen(dataset, None if work else version_of(dataset, None), aliases(dataset.name, ""))


def _named_inside(manifest: Manifest, question: Question) -> Iterator[Seen]:
    """Versions that stand in the question itself: `"energy@v3".Demand`, `"folder@v3/a.csv"`."""
    words = [path[0] for path in question.mentions if folded(path[0]) not in question.own]
    heads = [word[:n] for word in words for n, sign in enumerate(word) if sign == "/"]
    for word in dict.fromkeys([*words, *heads]):
        name, version = split_version(word)
        if version is None:
            continue
        known = [d for d in manifest.listed() if folded(name) in aliases(d.name, "")]
        for dataset in known:
            one = version_of(dataset, version)
            yield Seen(dataset, one, aliases(dataset.name, f"@{version}", f"@{one.name}"))


def _members(question: Question, seen: Sequence[Seen]) -> list[Seen]:
    """Files of folders that are visible: `"folder/a.csv"`, `"folder/b.sqlite".Demand`."""
    folders = [s for s in seen if s.dataset.kind is Kind.TREE]
    found = []
    for path in question.mentions:
        word = folded(path[0])
        for folder in folders:
            heads = [alias for alias in folder.aliases if word.startswith(f"{alias}/")]
            if heads:
                member = path[0][len(max(heads, key=len)) + 1 :]
                found.append(folder._replace(aliases=frozenset((word,)), member=member))
    return found
