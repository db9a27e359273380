"""One object of a store as a file that can be read anywhere, in bounded memory."""

import io
from collections import OrderedDict
from typing import BinaryIO

from git_datamanager.errors import Unreachable
from git_datamanager.storage.base import Stat, StorageAdapter

BLOCK = 4 << 20
KEPT = 4
"""Blocks in memory; a delta reads its base nearly in order, and its dictionaries close by."""


class Ranged(io.RawIOBase):
    """Reads by ranges under the ETag of one look: PreconditionFailed once the object is another one."""

    def __init__(self, adapter: StorageAdapter, found: Stat) -> None:
        super().__init__()
        self._adapter = adapter
        self._found = found
        self._at = 0
        self._blocks: OrderedDict[int, bytes] = OrderedDict()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._found.size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        """All `size` bytes, fewer only at the end."""
        left = max(0, self._found.size - self._at)
        wanted = left if size is None or size < 0 else min(size, left)
        pieces = []
        while wanted:
            block = self._block(self._at // BLOCK)
            piece = block[self._at % BLOCK :][:wanted]
            pieces.append(piece)
            wanted -= len(piece)
            self._at += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type] # typeshed has no public Buffer in 3.11
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def _block(self, number: int) -> bytes:
        if number in self._blocks:
            self._blocks.move_to_end(number)
            return self._blocks[number]
        start = number * BLOCK
        length = min(BLOCK, self._found.size - start)
        with self._adapter.read_object(
            self._found.key, start=start, length=length, etag=self._found.etag
        ) as body:
            block = _all_of(body, length)
        self._blocks[number] = block
        if len(self._blocks) > KEPT:
            self._blocks.popitem(last=False)
        return block


def _all_of(body: BinaryIO, length: int) -> bytes:
    """A body that is too short is told by the adapter itself; that it ends here is not expected."""
    pieces = []
    while length:
        piece = body.read(length)
        if not piece:
            raise Unreachable(f"a range ended {length} bytes early")
        pieces.append(piece)
        length -= len(piece)
    return b"".join(pieces)
