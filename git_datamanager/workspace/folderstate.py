"""What the folders of a work tree were when they were last looked at: `data/folders/`, beside state.db.

One file per folder, written whole: a folder that nobody touched is recognised by comparing two blocks
of bytes. A cache: damaged or missing, the members are hashed anew.
"""

import contextlib
import json
import os
import sys
import zlib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from git_datamanager import fsio
from git_datamanager.content.tree import DIGEST, Listing
from git_datamanager.model.oid import Oid
from git_datamanager.workspace.folderscan import FACTS, Look

_MAGIC = b"git-data/folder/1\n"
_NEVER = -1
"""In place of the inode of a file too young to be believed: no file has it."""
_NUMBER = 8


@dataclass(frozen=True)
class Recorded:
    """A folder as it was: which members, with which bytes, and how stat saw them."""

    oid: Oid
    """Of the version it holds, as far as `globs` say."""
    vouched: Oid | None
    """What git data put there or made a version; never a local change."""
    picked: Oid | None
    """Of a partial pull of `vouched`: the oid of the listing of only the members asked for."""
    globs: tuple[str, ...]
    """What a partial pull was asked for; empty for all."""
    blob: bytes
    """The members' paths, joined by NUL."""
    facts: "array[int]"
    digests: bytes
    executable: bytes
    kept: bytes
    """Per member 1 where `add` or a pull made sure of its bytes, 0 where it was only looked at."""

    def holds(self, look: Look) -> bool:
        """Nothing was touched since, by stat alone."""
        return not look.refused and self.facts == look.facts and self.blob == joined(look.paths)

    @cached_property
    def listing(self) -> Listing:
        """The members that were recorded. Their paths are those of files that stood here."""
        paths = self.blob.decode(errors="surrogateescape").split("\0") if self.blob else []
        return Listing(paths, self.facts[::FACTS], self.digests, self.executable)

    def digests_for(self, look: Look, *, kept: bool) -> list[bytes | None]:
        """For each file of a look its digest, where its facts are those recorded; with `kept` only where
        its bytes were made sure of."""
        listing, facts, n, count = self.listing, self.facts, 0, len(self.listing.paths)
        found: list[bytes | None] = []
        for position, path in enumerate(look.paths):
            while n < count and listing.paths[n] < path:
                n += 1
            at = position * FACTS
            same = n < count and listing.paths[n] == path
            same = same and facts[n * FACTS : n * FACTS + FACTS] == look.facts[at : at + FACTS]
            found.append(listing.digest(n) if same and (self.kept[n] or not kept) else None)
        return found


def joined(paths: Sequence[str]) -> bytes:
    """Paths as one block; what is no UTF-8 keeps its bytes."""
    return "\0".join(paths).encode(errors="surrogateescape")


def recorded(
    look: Look,
    digests: bytes,
    oid: Oid,
    *,
    kept: bytes,
    vouched: Oid | None = None,
    picked: Oid | None = None,
    globs: Sequence[str] = (),
) -> Recorded:
    """The record of a look whose files have these digests. Files too young to be believed are marked."""
    facts = array("q", look.facts)
    for n in look.unsafe():
        facts[n * FACTS + FACTS - 1] = _NEVER
    blob, modes = joined(look.paths), bytes(look.executable)
    return Recorded(oid, vouched, picked, tuple(globs), blob, facts, digests, modes, kept)


class FolderStates:
    """The records of one work tree; where they cannot be written everything is hashed anew."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def path(self, name: str) -> Path:
        # Not a cryptographic hash: those cost `status` an import. The record itself says whose it is.
        return self._root / f"{zlib.crc32(name.encode()):08x}"

    def get(self, name: str) -> Recorded | None:
        try:
            data = self.path(name).read_bytes()
        except OSError:
            return None
        with contextlib.suppress(ValueError, KeyError, TypeError):
            return _parsed(data, name)
        return None

    def put(self, name: str, record: Recorded) -> None:
        if os.environ.get("GIT_OPTIONAL_LOCKS") == "0":
            return
        with contextlib.suppress(OSError):  # a read-only file system, a full one
            self._root.mkdir(parents=True, exist_ok=True)
            fsio.sweep(self._root)
            with fsio.new_temp(self._root) as (file, temp):
                for block in _encoded(name, record):
                    file.write(block)
                file.flush()
                temp.replace(self.path(name))

    def vouch(self, name: str, oid: Oid) -> None:
        """Keep what was recorded, and note that git data stands for these bytes."""
        record = self.get(name)
        if record is not None and record.vouched != oid:
            self.put(name, replace(record, vouched=oid, picked=None, globs=()))

    def forget(self, name: str) -> None:
        with contextlib.suppress(OSError):
            self.path(name).unlink(missing_ok=True)


def _encoded(name: str, record: Recorded) -> list[bytes]:
    body = [record.blob, record.facts.tobytes(), record.digests, record.executable, record.kept]
    check = 0
    for block in body:
        check = zlib.crc32(block, check)
    header = {
        "name": name,
        "oid": str(record.oid),
        "vouched": str(record.vouched) if record.vouched else None,
        "picked": str(record.picked) if record.picked else None,
        "globs": record.globs,
        "members": len(record.executable),
        "paths": len(record.blob),
        "order": sys.byteorder,
        "check": check,
    }
    return [_MAGIC, json.dumps(header).encode() + b"\n", *body]


def _parsed(data: bytes, name: str) -> Recorded | None:
    """None or ValueError, KeyError, TypeError where it is damaged, or of another machine."""
    if not data.startswith(_MAGIC):
        return None
    end = data.index(b"\n", len(_MAGIC))
    header: dict[str, Any] = json.loads(data[len(_MAGIC) : end])
    count, size, body = header["members"], header["paths"], memoryview(data)[end + 1 :]
    if (header["name"], header["order"]) != (name, sys.byteorder) or zlib.crc32(body) != header["check"]:
        return None
    ends = [size, size + count * FACTS * _NUMBER]
    ends += [ends[1] + count * DIGEST + column * count for column in range(3)]
    if len(body) != ends[-1]:
        return None
    facts = array("q")
    facts.frombytes(body[ends[0] : ends[1]])
    return Recorded(
        Oid.parse(header["oid"]),
        Oid.parse(header["vouched"]) if header["vouched"] else None,
        Oid.parse(header["picked"]) if header["picked"] else None,
        tuple(header["globs"]),
        bytes(body[: ends[0]]),
        facts,
        bytes(body[ends[1] : ends[2]]),
        bytes(body[ends[2] : ends[3]]),
        bytes(body[ends[3] :]),
    )
