"""Files with the bytes of versions, to be looked into and never written to: docs/design/tables.md."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from git_datamanager.content import snapshot
from git_datamanager.errors import DataError, NotFound
from git_datamanager.manager import DataManager
from git_datamanager.model.manifest import Dataset, Version
from git_datamanager.model.names import pasteable
from git_datamanager.tables.engine import MEMORY
from git_datamanager.tables.words import FOLDER

_SHARE = 3
Entry = tuple[Dataset, Version]
MayFetch = Callable[[Sequence[Entry]], bool]
"""Asked once for all that is not here; True: fetch it."""


class NotHere(DataError):
    """Bytes that a question needs, and that this clone does not have."""


def memory_for(manager: DataManager) -> int:
    """Bytes that DuckDB may hold: a third of `data.memory`, at least what it has without a word."""
    return max(MEMORY, manager.settings.size("data.memory") // _SHARE)


def never(_wanted: Sequence[Entry]) -> bool:
    return False


def always(_wanted: Sequence[Entry]) -> bool:
    return True


def is_here(manager: DataManager, dataset: Dataset, version: Version) -> bool:
    """This clone has the bytes, in its cache or as the clean working file."""
    return manager.cache.has(version.oid) or _clean_file(manager, dataset, version) is not None


def _clean_file(manager: DataManager, dataset: Dataset, version: Version) -> Path | None:
    """The working file, if it has these bytes; one of another size is not hashed to find that out."""
    if manager.git.top is None:
        return None
    path = manager.work.path(dataset.name)
    if not path.is_file() or path.stat().st_size != version.size:
        return None
    return manager.work.own_bytes(dataset.name, version.oid)


def bring(manager: DataManager, entries: Sequence[Entry], may_fetch: MayFetch) -> None:
    """Fetch into the cache what is not here, after asking. Raises NotHere, and what the stores say."""
    absent = [(d, v) for d, v in entries if not is_here(manager, d, v)]
    if not absent:
        return
    if not may_fetch(absent):
        raise not_here(absent)
    from git_datamanager.ops.fetch import Reader

    for dataset, version in absent:
        with manager.cache.new_file() as path:
            with path.open("w+b") as file:
                Reader(manager, dataset, version, "auto").fill(file)
            manager.cache.adopt(path, version.oid)


def fetching(command: str) -> str:
    """How to let one command fetch; `command`: its name and arguments as somebody can paste them."""
    return f"git -c data.diff.fetch=always data {command}   # fetches what it needs"


def not_here(absent: Sequence[Entry], command: str | None = None) -> NotHere:
    """What would have to be fetched, and how; `command`: what asked for it, where that is known."""
    named = ", ".join(f"{d.name} {v.name}" for d, v in absent[:5])
    more = f" and {len(absent) - 5} more" if len(absent) > 5 else ""
    size = sum(v.size for _, v in absent)
    always = "git config data.diff.fetch always   # then run the same command again"
    return NotHere(
        f"{named}{more} {'is' if len(absent) == 1 else 'are'} not in this clone ({size} bytes)",
        hints=[always if command is None else fetching(command)],
    )


@contextmanager
def version_file(
    manager: DataManager, dataset: Dataset, version: Version, *, is_hashed: bool = False
) -> Iterator[Path]:
    """A file that holds the bytes of a version that is here. Raises NotHere, Conflict where the working
    file changes meanwhile. `is_hashed`: the cache's are hashed first, damaged ones dropped, as whoever reads
    all of them anyway should ask."""
    if _is_cached(manager, version, is_hashed=is_hashed):
        yield manager.cache.path(version.oid)
        return
    path = _clean_file(manager, dataset, version)
    if path is None:
        raise not_here([(dataset, version)])
    with snapshot.reading(path):
        yield path


def _is_cached(manager: DataManager, version: Version, *, is_hashed: bool) -> bool:
    path = manager.cache.path(version.oid)
    if not path.is_file():
        return False
    is_right = path.stat().st_size == version.size
    if is_right and is_hashed:
        with manager.cache.open(version.oid) as file:
            is_right = snapshot.hash_file(file)[0] == version.oid.hex
    if not is_right:
        manager.cache.drop(version.oid)  # damaged: it heals by being fetched again
    return is_right


@contextmanager
def work_file(manager: DataManager, dataset: Dataset) -> Iterator[Path]:
    """The working file as it is now; of a database in use a consistent copy. Raises NotFound where there is
    none, Conflict where it changes meanwhile."""
    path = manager.work.path(dataset.name)
    if not path.is_file():
        raise NotFound(
            f"{dataset.name} is not in the work tree", hints=[f"git data pull {pasteable(dataset.name)}"]
        )
    with steady(path) as file:
        yield file


@contextmanager
def steady(path: Path) -> Iterator[Path]:
    """A file that stands in the work tree; of a database in use a consistent copy. Raises Conflict where it
    changes meanwhile."""
    if snapshot.is_sqlite(path) and snapshot.live_logs(path):
        with tempfile.TemporaryDirectory(prefix=FOLDER) as folder:
            copy = Path(folder) / "captured.sqlite"
            snapshot.capture(path, copy)
            yield copy
        return
    with snapshot.reading(path):
        yield path
