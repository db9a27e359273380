"""Bytes that this clone has already, and which of them may be replaced."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO

from git_datamanager import fsio
from git_datamanager.content import snapshot
from git_datamanager.errors import Corrupt
from git_datamanager.manager import DataManager
from git_datamanager.model.manifest import Kind, Manifest
from git_datamanager.model.oid import Oid


def known_contents(manager: DataManager, manifest: Manifest, name: str) -> set[Oid]:
    """The contents of a working file that are no local change: any version of the dataset, and what
    git data itself put there and a store is known to hold (docs/adr/0006)."""
    dataset = manifest.datasets.get(name)
    known = {v.oid for v in dataset.versions} if dataset else set()
    is_folder = dataset is not None and dataset.kind is Kind.TREE
    recorded = (manager.folders if is_folder else manager.work).states.get(name)
    vouched = recorded.vouched if recorded else None
    # A draft that never got into a store, and that no manifest names any more, is somebody's work.
    return known | {vouched} if vouched and manager.journal.holders(vouched) else known


def source(
    manager: DataManager, name: str, oid: Oid
) -> Callable[[], AbstractContextManager[BinaryIO]] | None:
    """Where the bytes can be read here: the cache, or the clean working file. None if nowhere.

    They are not verified: whoever takes them hashes them.
    """
    if manager.cache.has(oid):
        return lambda: manager.cache.open(oid)
    path = manager.work.own_bytes(name, oid) if manager.git.top else None
    if path is None:
        return None

    @contextmanager
    def open_file() -> Iterator[BinaryIO]:
        with snapshot.reading(path) as file:
            yield file

    return open_file


def copier(path: Path, oid: Oid, size: int) -> Callable[[BinaryIO], None]:
    """Writes the file's bytes where they are wanted. Raises Corrupt where they are others."""

    def fill(target: BinaryIO) -> None:
        with path.open("rb", buffering=0) as file:
            if size and fsio.reflink(file.fileno(), target.fileno()):
                target.seek(0)
                digest = snapshot.hash_file(target)[0]
            else:
                hashed = hashlib.sha256()
                fsio.copy_stream(file, target, hashed.update)
                digest = hashed.hexdigest()
        if digest != oid.hex:
            raise Corrupt(f"{path} does not hold the bytes of {oid}: nothing was replaced")

    return fill
