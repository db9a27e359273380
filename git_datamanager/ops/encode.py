"""Making the form of a version that has the fewest bytes: docs/design/encodings.md, "Choosing"."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from git_datamanager import fsio
from git_datamanager.content import compress, cuts, delta
from git_datamanager.errors import Corrupt, DataError, ObjectMissing, Unreachable
from git_datamanager.manager import DataManager
from git_datamanager.model.chains import SMALLEST
from git_datamanager.model.layout import Encoding, cuts_key
from git_datamanager.model.manifest import Dataset, Version
from git_datamanager.model.oid import Oid
from git_datamanager.objects import Opener
from git_datamanager.ops import local
from git_datamanager.storage.base import Advance

SAVING = 0.9
"""A form is sent where it is at most this share of the plain bytes."""
INDEXED = 8 << 20
"""Bytes; from here up a file leaves its cuts."""
_CUTS_LIMIT = 256 << 20
_PARQUET = b"PAR1"


class Made(NamedTuple):
    """A form in a temporary file."""

    encoding: Encoding
    path: Path
    size: int
    sha256: str


def wish(manager: DataManager, dataset: Dataset) -> str:
    """`auto`, `identity` or `zstd`: what the dataset asks for, unless this clone says another."""
    found = manager.settings.setting("data.encoding")
    if found is not None and found.origin != "default" and not found.is_tracked:
        return manager.settings.choice("data.encoding")
    return str(dataset.options.get("encoding") or manager.settings.choice("data.encoding"))


@dataclass
class Encoder:
    """Makes forms of one version, from bytes that `source` opens."""

    manager: DataManager
    dataset: Dataset
    version: Version
    source: Opener
    _index: bytes | None = None

    @contextmanager
    def smallest(self, advance: Advance) -> Iterator[Made | None]:
        """The form that saves enough; None where the plain bytes are best.

        Raises Corrupt where the source does not have the version's bytes, and what opening it raises.
        """
        size = self.version.size
        asked = wish(self.manager, self.dataset) if size >= SMALLEST else "identity"
        if asked == "identity":
            yield None
            return
        with ExitStack() as kept:
            with ExitStack() as stack:  # what was read is seen to be unchanged before anything is sent
                made = self._make(asked, stack, kept, advance)
            yield made

    def _make(self, asked: str, stack: ExitStack, kept: ExitStack, advance: Advance) -> Made | None:
        file = stack.enter_context(self.source())
        share = compress.estimate(file, self.version.size)
        base = _base(self.manager, self.dataset, self.version, stack) if asked == "auto" else None
        if base is None and share > SAVING:
            return None
        path = kept.enter_context(self.manager.cache.new_file())
        with ThreadPoolExecutor(1) as beside:
            looking = beside.submit(self._inspect)
            made = self._delta(file, base, share, path, advance) if base else None
            if made is None and share <= SAVING:
                made = self._zstd(file, path, advance)
            self._index = looking.result()
        return made

    def leave_cuts(self) -> bytes | None:
        """Keep the block index of a big file where a delta is to be expected; its bytes are returned."""
        if self._index is None:
            with self.source() as file:
                rule = self._rule(file)
                if rule is None:
                    return None
                self._index = cuts.dumps(cuts.cut(file, self.version.size, rule))
        self.manager.cuts.put(self.version.oid, self._index)
        return self._index

    def _rule(self, file: BinaryIO) -> cuts.Rule | None:
        """How to index the file; None where no later version will ask for it."""
        size = self.version.size
        if size < INDEXED or wish(self.manager, self.dataset) != "auto" or not _is_indexed(file, size):
            return None
        rule = cuts.rule_for(file, size)
        file.seek(0)
        return rule

    def _inspect(self) -> bytes | None:
        """Beside the work: is it made of the right bytes? The index falls off in the same pass."""
        with self.source() as file:
            rule = self._rule(file)
            cutter = cuts.Cutter(rule) if rule else None
            digest = hashlib.sha256()
            file.seek(0)
            while block := file.read(fsio.BLOCK):
                digest.update(block)
                if cutter:
                    cutter.feed(block)
        if digest.hexdigest() != self.version.oid.hex:
            raise Corrupt(f"the source does not hold {self.version.oid}: nothing was made of it")
        return cuts.dumps(cutter.finish()) if cutter else None

    def _delta(
        self, file: BinaryIO, base: delta.Base, share: float, path: Path, advance: Advance
    ) -> Made | None:
        size, limit = self.version.size, int(self.version.size * min(SAVING, share))
        file.seek(0)
        with path.open("w+b") as out:
            try:
                made = delta.make(file, size, self.version.oid.hex, base, out, limit=limit, advance=advance)
            except Corrupt:  # the base ends too early, or the file does: that is found out beside
                return None
            return _made(Encoding("delta", Oid(base.oid)), path, out) if made is not None else None

    def _zstd(self, file: BinaryIO, path: Path, advance: Advance) -> Made | None:
        limit = int(self.version.size * SAVING)
        file.seek(0)
        with path.open("w+b") as out:
            made = compress.compress(file, out, limit=limit, advance=advance)
            return _made(Encoding("zstd"), path, out) if made is not None else None


def _made(encoding: Encoding, path: Path, out: BinaryIO) -> Made:
    out.flush()
    out.seek(0)
    digest, size = hashlib.sha256(), 0
    while block := out.read(fsio.BLOCK):
        digest.update(block)
        size += len(block)
    return Made(encoding, path, size, digest.hexdigest())


def _is_indexed(file: BinaryIO, size: int) -> bool:
    """SQLite and Parquet change in places; of the rest, what does not compress is as good as new."""
    from git_datamanager.content.snapshot import MAGIC

    start = file.read(len(MAGIC))
    return start == MAGIC or start.startswith(_PARQUET) or compress.estimate(file, size) <= SAVING


def _base(manager: DataManager, dataset: Dataset, version: Version, stack: ExitStack) -> delta.Base | None:
    """The nearest older version whose bytes are here; else the nearest one with cuts."""
    below = dataset.older(version)
    for one in below:
        opener = local.source(manager, dataset.name, one.oid)
        if opener is not None:
            found = manager.cuts.get(one.oid, one.size)
            return delta.Base(one.oid.hex, one.size, stack.enter_context(opener()), found)
    for one in below[:2]:
        index = manager.cuts.get(one.oid, one.size) or _stored_cuts(manager, one)
        if index is not None:
            return delta.Base(one.oid.hex, one.size, None, index)
    return None


def _stored_cuts(manager: DataManager, version: Version) -> "cuts.Cuts | None":
    """From the store that has them: an index that is wrong makes a delta that no one accepts."""
    if version.size < INDEXED:
        return None
    for role in ("production", "production", "staging", "staging"):
        try:
            with manager.store(role).adapter.read_object(cuts_key(version.oid), length=_CUTS_LIMIT) as body:
                data = body.read()
            found = cuts.loads(data, version.size)
        except (ObjectMissing, Corrupt, Unreachable):  # once more past what cut or damaged it on the way
            continue
        except DataError:  # denied: the version goes without
            return None
        manager.cuts.put(version.oid, data)
        return found
    return None
