"""The bytes that blame looks into, version by version: of a dataset, or of one file in a folder."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from git_datamanager.errors import DataError
from git_datamanager.manager import DataManager
from git_datamanager.model.manifest import Dataset, Kind, Version
from git_datamanager.model.oid import Oid
from git_datamanager.ops.inside import reading
from git_datamanager.ops.inside.members import inside, member_file, version_listing
from git_datamanager.ops.select import select, version_of


class Files(Protocol):
    """One file in the versions of a dataset."""

    @property
    def name(self) -> str:
        """As somebody may ask for it again."""
        ...

    def is_here(self, version: Version) -> bool:
        """It can be opened without a store."""
        ...

    def fetch(self, version: Version) -> None:
        """Make it so. Raises what the stores say."""
        ...

    def is_same(self, one: Version, other: Version) -> bool:
        """Both have the same bytes, as far as is known without a store."""
        ...

    @contextmanager
    def opened(self, version: Version) -> Iterator[Path | None]:
        """A file with its bytes; None where that version has no such file. Raises NotHere, Conflict."""
        ...


class WholeFile:
    """A dataset that is a file."""

    def __init__(self, manager: DataManager, dataset: Dataset) -> None:
        self._manager = manager
        self._dataset = dataset
        self.name = dataset.name

    def is_here(self, version: Version) -> bool:
        return reading.is_here(self._manager, self._dataset, version)

    def fetch(self, version: Version) -> None:
        reading.bring(self._manager, [(self._dataset, version)], reading.always)

    def is_same(self, one: Version, other: Version) -> bool:
        return one.oid == other.oid

    @contextmanager
    def opened(self, version: Version) -> Iterator[Path | None]:
        with reading.version_file(self._manager, self._dataset, version) as path:
            yield path


class FileInside:
    """A file of a folder, by its path there. What was taken out of a version stays until the stack ends."""

    def __init__(self, manager: DataManager, dataset: Dataset, path: str, stack: ExitStack) -> None:
        self._manager = manager
        self._dataset = dataset
        self._path = path
        self._stack = stack
        self._taken: dict[bytes, Path] = {}
        self._digests: dict[Oid, bytes | None] = {}
        self.name = f"{dataset.name}/{path}"

    def is_here(self, version: Version) -> bool:
        try:
            self._take(version, reading.never)
        except reading.NotHere:
            return False
        return True

    def fetch(self, version: Version) -> None:
        self._take(version, reading.always)

    def is_same(self, one: Version, other: Version) -> bool:
        if one.oid == other.oid:
            return True
        try:
            return self._digest(one, reading.never) == self._digest(other, reading.never)
        except reading.NotHere:
            return False

    @contextmanager
    def opened(self, version: Version) -> Iterator[Path | None]:
        yield self._take(version, reading.never)

    def _digest(self, version: Version, may_fetch: reading.MayFetch) -> bytes | None:
        if version.oid not in self._digests:  # a listing may be long, and is asked for several times
            listing = version_listing(self._manager, self._dataset, version, may_fetch)
            position = listing.position(self._path)
            self._digests[version.oid] = None if position is None else listing.digest(position)
        return self._digests[version.oid]

    def _take(self, version: Version, may_fetch: reading.MayFetch) -> Path | None:
        digest = self._digest(version, may_fetch)
        if digest is not None and digest not in self._taken:
            file = member_file(self._manager, self._dataset, version, self._path, may_fetch)
            self._taken[digest] = self._stack.enter_context(file)
        return None if digest is None else self._taken[digest]


def files_of(manager: DataManager, name: str, stack: ExitStack) -> tuple[Files, Dataset, Version]:
    """What NAME, NAME@vN, FOLDER/path or FOLDER@vN/path means, and the version that is named. Raises
    UnknownDataset, UnknownVersion, DataError for a folder as a whole."""
    manifest = manager.manifests.current()
    one = inside(manager, manifest, name)
    if one is not None:
        version = version_of(one.dataset, one.version)
        return FileInside(manager, one.dataset, one.path, stack), one.dataset, version
    wanted = select(manager, manifest, [name])
    if len(wanted) != 1 or wanted[0].dataset.kind is not Kind.FILE:
        raise DataError(
            f"{name} is no file: blame follows a row of one",
            hints=["git data ls", "git data blame FOLDER/path --key V   # of a file in a folder"],
        )
    dataset = wanted[0].dataset
    return WholeFile(manager, dataset), dataset, version_of(dataset, wanted[0].version)
