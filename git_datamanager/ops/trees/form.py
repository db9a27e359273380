"""The form of a listing that has the fewest bytes: of 10 000 members one line changed, and that is sent."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from git_datamanager.content import delta, tree, zstd
from git_datamanager.content.snapshot import hash_file
from git_datamanager.content.tree import Listing
from git_datamanager.encoded import ZSTD
from git_datamanager.manager import DataManager
from git_datamanager.model.layout import IDENTITY, Encoding
from git_datamanager.model.manifest import Dataset, Version
from git_datamanager.ops import encode
from git_datamanager.ops.encode import Made

SMALL = 4 << 10
"""Bytes; below it a listing is sent as it is."""
_IN_MEMORY = 64 << 20
"""A listing up to here is compressed, in memory; its delta needs none."""
_LEVEL = 3


@contextmanager
def smallest(manager: DataManager, dataset: Dataset, version: Version, listing: Listing) -> Iterator[Made]:
    """A delta from the listing of the version before, where this clone has that; else as zstd; else plain."""
    with dumped(manager, listing) as path, manager.cache.new_file() as out:
        encoding = _form(manager, dataset, version, path, path.stat().st_size, out)
        chosen = out if encoding else path
        with chosen.open("rb") as file:
            digest, length = hash_file(file)
        yield Made(encoding or IDENTITY, chosen, length, digest)


@contextmanager
def dumped(manager: DataManager, listing: Listing) -> Iterator[Path]:
    """The listing in a temporary file."""
    with manager.cache.new_file() as path:
        with path.open("xb") as file:
            file.writelines(tree.blocks(listing))
        yield path


def _form(
    manager: DataManager, dataset: Dataset, version: Version, path: Path, size: int, out: Path
) -> Encoding | None:
    asked, limit = encode.wish(manager, dataset), int(size * encode.SAVING)
    if asked == "identity" or size < SMALL:
        return None
    if asked == "auto":
        made = _delta(manager, dataset, version, path, size, out, limit)
        if made is not None:
            return made
    if size > _IN_MEMORY:
        return None
    packed = zstd.packed(path.read_bytes(), level=_LEVEL)
    out.write_bytes(packed)
    return ZSTD if len(packed) <= limit else None


def _delta(
    manager: DataManager,
    dataset: Dataset,
    version: Version,
    path: Path,
    size: int,
    out: Path,
    limit: int,
) -> Encoding | None:
    cache = manager.cache
    base = next((v.oid for v in dataset.older(version) if cache.has(v.oid)), None)
    if base is None:
        return None
    with path.open("rb") as file, cache.open(base) as old, out.open("w+b") as target:
        digest, base_size = hash_file(old)
        if digest != base.hex:  # damaged: it is dropped when somebody wants it
            return None
        onto = delta.Base(base.hex, base_size, old, None)
        made = delta.make(file, size, version.oid.hex, onto, target, limit=limit)
    return Encoding("delta", base) if made is not None else None
