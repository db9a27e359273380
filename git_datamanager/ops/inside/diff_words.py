"""What a word on the command line of `git data diff` may be: a version, a commit, a dataset, a folder."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from git_datamanager.errors import DataError, NotFound, UnknownDataset
from git_datamanager.manager import DataManager
from git_datamanager.model.manifest import Dataset, Version
from git_datamanager.model.names import pasteable
from git_datamanager.model.ulid import is_ulid
from git_datamanager.ops.select import known_name, split_version, version_of

_VERSION = re.compile(r"v[1-9][0-9]{0,8}", re.ASCII)
_RANGE = re.compile(r"(?!\.\.\Z)(.*?)(\.{2,3})(.*)", re.DOTALL)
"""`..` alone is a folder, as it is to git."""


class Place(NamedTuple):
    """A dataset on one side."""

    dataset: Dataset
    version: Version | None
    """None: the working file as it is now."""


class Words:
    """Tells what words are in one clone."""

    def __init__(self, manager: DataManager) -> None:
        self._manager = manager
        self.manifest = manager.manifests.current()

    def leading(self, words: Sequence[str]) -> int:
        """How many of the first words are sides. Raises NotFound where the next one is no name either."""
        count = 0
        for word in words[:2]:
            is_name, is_side = self.is_name(word), self.is_side(word)
            if is_name and is_side:
                raise DataError(
                    f"{word!r} is both a revision and a dataset",
                    hints=[
                        f"git data diff {pasteable(word)} --   # the revision",
                        f"git data diff -- {pasteable(word)}   # the dataset",
                    ],
                )
            if not is_side:
                break
            count += 1
            if _RANGE.fullmatch(word) and self.pinned(word) is None:
                break
        for word in words[count:]:
            if not self.is_name(word):
                raise self.neither(word)
        return count

    def neither(self, word: str) -> DataError:
        """What is wrong with a word that is nothing, or one too many."""
        if self.is_side(word):
            return DataError(
                f"{word[:120]!r} is one side too many: two can be compared",
                hints=["git data diff A B -- NAME"],
            )
        close: Sequence[str] = ()
        try:
            self.manifest.dataset(split_version(word)[0])
        except UnknownDataset as error:
            close = [hint for hint in error.hints if "git data log" in hint]
        return NotFound(
            f"{word[:120]!r} is neither a revision here nor a dataset: nothing was compared",
            hints=[*close, "git data ls   # the datasets", "git data diff REVISION -- NAME"],
        )

    def is_name(self, word: str) -> bool:
        """A dataset, here or in HEAD, or a folder that holds some."""
        if known_name(self._manager, self.manifest, word) in self.manifest.datasets:
            return True
        if self.below(word) is not None:
            return True
        head = self._manager.manifests.committed()
        return known_name(self._manager, head, word) in head.datasets

    def below(self, word: str) -> str | None:
        """The beginning that names in a folder have; None where the word is none in the work tree."""
        git = self._manager.git
        if git.top is None or "\0" in word:
            return None
        folder, top = Path(os.path.realpath(word)), Path(os.path.realpath(git.top))
        if folder == top:
            return ""
        if not folder.is_relative_to(top):
            return None
        start = folder.relative_to(top).as_posix() + "/"
        return start if any(d.name.startswith(start) for d in self.manifest) else None

    def is_side(self, word: str) -> bool:
        """Something that can be compared: a version, a commit, or a range of either."""
        if is_version(word) or self.pinned(word) is not None or self.is_revision(word):
            return True
        parts = _RANGE.fullmatch(word)
        if self.pinned_range(word) is not None:
            return True
        return parts is not None and all(
            not part or is_version(part) or self.is_revision(part) for part in (parts[1], parts[3])
        )

    def is_revision(self, word: str) -> bool:
        """A commit, as git names it."""
        answer = self._manager.git.answer
        spec = word + "^{commit}"
        return "\0" not in word and bool(answer("rev-parse", "--verify", "-q", "--end-of-options", spec))

    def pinned(self, word: str) -> Place | None:
        """`NAME@v1`. Raises UnknownVersion."""
        name, version = split_version(word)
        if version is None or known_name(self._manager, self.manifest, word) in self.manifest.datasets:
            return None
        dataset = self.manifest.datasets.get(known_name(self._manager, self.manifest, name))
        return Place(dataset, version_of(dataset, version)) if dataset is not None else None

    def pinned_range(self, word: str) -> list[Place] | None:
        """`NAME@v1..v2`; without the second the latest version."""
        start, dots, end = word.rpartition("..")
        before = self.pinned(start) if dots else None
        if before is None or not (end == "" or is_version(end)):
            return None
        return [before, Place(before.dataset, version_of(before.dataset, end or None))]


def is_version(word: str) -> bool:
    return bool(_VERSION.fullmatch(word)) or is_ulid(word)


def split(sides: Sequence[str]) -> tuple[list[str], bool]:
    """`A..B` and `A...B` as two sides, an empty one is HEAD; whether they meet at their merge base."""
    parts = _RANGE.fullmatch(sides[0]) if len(sides) == 1 else None
    if parts is None:
        return list(sides), False
    return [parts[1] or "HEAD", parts[3] or "HEAD"], parts[2] == "..."
