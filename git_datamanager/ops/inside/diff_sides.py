"""Which versions the arguments of `git data diff` mean: pairs of places to compare.

As git tells revisions from paths: what stands before `--` are sides, what stands after it are names; without
`--` the first words that are sides are sides, and a word that could be either has to be told apart.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from git_datamanager.errors import DataError, NotFound
from git_datamanager.manager import DataManager
from git_datamanager.model.manifest import FILE_NAME, Manifest
from git_datamanager.model.matching import match
from git_datamanager.model.names import pasteable
from git_datamanager.ops.inside.diff_words import Place, Words, is_version, split
from git_datamanager.ops.select import known_name, version_of


class Pair(NamedTuple):
    """A dataset on both sides; a side that does not have it is None."""

    before: Place | None
    after: Place | None

    @property
    def names(self) -> list[str]:
        return [place.dataset.name for place in self if place is not None]


def between(before: Manifest, after: Manifest, *, is_work: bool = False) -> list[Pair]:
    """Every dataset that one of two manifests lists, at its latest version; renamed ones stay one. With
    `is_work` the `after` side is the working files."""
    pairs = []
    for sides in match(before, after, after):
        old, new = (d if d is not None and d.is_listed else None for d in (sides.base, sides.ours))
        if old is not None or new is not None:
            was = Place(old, old.latest) if old is not None else None
            now = Place(new, None if is_work else new.latest) if new is not None else None
            pairs.append(Pair(was, now))
    return pairs


def pairs_of(
    manager: DataManager,
    words: Sequence[str],
    names: Sequence[str] | None = None,
    *,
    is_staged: bool = False,
) -> list[Pair]:
    """What to compare. `words`: the arguments before `--`; `names`: those after it, None where there is none.
    `is_staged`: the index, against HEAD or the commit that is named.

    Raises NotFound for a word that is nothing, DataError for one that could be two things, and what the
    manifests say.
    """
    return _Arguments(manager).pairs(list(words), names, is_staged=is_staged)


class _Arguments:
    """Reads the words of one command line."""

    def __init__(self, manager: DataManager) -> None:
        self._manager = manager
        self._words = Words(manager)
        self._manifest = self._words.manifest

    def pairs(self, words: list[str], names: Sequence[str] | None, *, is_staged: bool) -> list[Pair]:
        if names is None:
            count = self._words.leading(words)
            sides, names = words[:count], words[count:]
        else:
            sides = words
        if is_staged:
            return self._wanted(self._staged(sides), names)
        if len(sides) == 1 and (both := self._words.pinned_range(sides[0])) is not None:
            return self._pinned_pair(both, names)
        if pinned := [self._words.pinned(word) for word in sides]:
            if None not in pinned:
                return self._pinned_pair([place for place in pinned if place is not None], names)
            if any(pinned):
                raise DataError(
                    f"{sides[0]} and {sides[1]} are a version and something else: they cannot be compared",
                    hints=["git data diff NAME@v1 NAME@v2", "git data diff COMMIT1 COMMIT2 -- NAME"],
                )
        sides, is_symmetric = split(sides)
        if sides and all(map(is_version, sides)) and self._means_versions(sides, names):
            return self._versions(sides, names)
        return self._wanted(self._revisions(sides, is_symmetric=is_symmetric), names)

    # NAME@v1 [NAME@v2]

    def _pinned_pair(self, places: Sequence[Place], names: Sequence[str]) -> list[Pair]:
        if names or len(places) > 2:
            raise DataError(
                "two versions can be compared at once, and nothing besides them",
                hints=["git data diff NAME@v1 NAME@v2"],
            )
        after = places[1] if len(places) == 2 else Place(places[0].dataset, None)
        return [Pair(places[0], after)]

    # v1 v2 -- NAME

    def _means_versions(self, words: Sequence[str], names: Sequence[str]) -> bool:
        """Versions are told from tags of the same name: by the names beside them, or not at all."""
        tags = [word for word in words if self._words.is_revision(word)]
        if not names and len(tags) == len(words):
            return False
        if not names:
            lacking = next(word for word in words if word not in tags)
            raise DataError(
                f"{lacking} of which dataset?", hints=[f"git data diff {' '.join(words)} -- NAME"]
            )
        if tags:
            name = pasteable(names[0])
            raise DataError(
                f"{tags[0]} is a version and also a revision of this repository",
                hints=[
                    f"git data diff {' '.join(f'{name}@{word}' for word in words)}   # the versions",
                    f"git data diff {' '.join(f'refs/tags/{word}' for word in words)} -- {name}   # the tags",
                ],
            )
        return True

    def _versions(self, words: Sequence[str], names: Sequence[str]) -> list[Pair]:
        if len(words) > 2:
            raise self._words.neither(words[2])
        current = self._wanted(between(self._manifest, self._manifest), names)
        datasets = [pair.after.dataset for pair in current if pair.after is not None]
        found = []
        for dataset in datasets:
            places = [Place(dataset, version_of(dataset, word)) for word in words]
            found.append(Pair(places[0], places[1] if len(places) == 2 else Place(dataset, None)))
        return found

    # --cached [A] [-- NAME…]

    def _staged(self, sides: Sequence[str]) -> list[Pair]:
        if len(sides) > 1 or any(not self._words.is_revision(word) for word in sides):
            raise DataError(
                f"{' '.join(sides)[:120]!r} is no commit: --cached compares the index with one",
                hints=["git data diff --cached -- NAME   # with HEAD"],
            )
        manifests = self._manager.manifests
        before = self._at(self._commit(sides[0])) if sides else manifests.committed()
        return between(before, manifests.staged())

    # [A [B]] [-- NAME…]

    def _revisions(self, sides: Sequence[str], *, is_symmetric: bool) -> list[Pair]:
        if len(sides) > 2:
            raise self._words.neither(sides[2])
        commits = [self._commit(word) for word in sides]
        if len(commits) == 2:
            if is_symmetric:
                commits[0] = self._merge_base(*sides, *commits)
            return between(*(self._at(commit) for commit in commits))
        before = self._at(commits[0]) if commits else self._manifest
        has_files = self._manager.git.work_tree.is_dir()  # a bare repository has none, and says so
        return between(before, self._manifest, is_work=has_files)

    def _commit(self, word: str) -> str:
        if not self._words.is_revision(word):
            raise self._words.neither(word)
        return self._manager.git.resolve(word)

    def _at(self, commit: str) -> Manifest:
        """A commit without a manifest has no datasets."""
        return self._manager.manifests.several([f"{commit}:{FILE_NAME}"])[0] or Manifest()

    def _merge_base(self, one: str, other: str, first: str, second: str) -> str:
        found = self._manager.git.answer("merge-base", first, second)
        if not found:
            raise NotFound(
                f"{one} and {other} have no commit in common",
                hints=[
                    "git fetch --unshallow   # where the clone is shallow",
                    f"git data diff {pasteable(one)} {pasteable(other)}",
                ],
            )
        return found

    def _wanted(self, pairs: list[Pair], names: Sequence[str]) -> list[Pair]:
        """Those that names, or folders, mean on either side."""
        if not names:
            return pairs
        tests = [self._test(pairs, name) for name in names]
        return [pair for pair in pairs if any(test(name) for test in tests for name in pair.names)]

    def _test(self, pairs: list[Pair], text: str) -> Callable[[str], bool]:
        known = {name for pair in pairs for name in pair.names}
        every = Manifest({p.dataset.name: p.dataset for pair in pairs for p in pair if p is not None})
        full = known_name(self._manager, every, text)
        if full in known:
            return lambda name: name == full
        start = self._words.below(text)
        if start is None and any(name.startswith(full.rstrip("/") + "/") for name in known):
            start = full.rstrip("/") + "/"
        if start is None:
            every.dataset(full)  # raises, and names what comes close
        return lambda name: name.startswith(start or "")
