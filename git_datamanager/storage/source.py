"""The bytes of a write, counted and hashed on their way."""

import hashlib
from typing import BinaryIO

from git_datamanager.errors import Corrupt
from git_datamanager.fsio import BLOCK


class Measured:
    """Reads `size` bytes of a stream and nothing else of it; `finish` tells whether they were right."""

    def __init__(self, source: BinaryIO, size: int, sha256: str | None) -> None:
        if size < 0:
            raise ValueError(f"not a size: {size}")
        self.size = size
        self.sha256 = sha256
        """As promised; None: nothing was."""
        self._source = source
        self._left = size
        self._digest = hashlib.sha256()

    def read(self, most: int = BLOCK) -> bytes:
        """Up to `most` bytes, all of them while there are as many; empty at the end."""
        blocks = []
        wanted = min(most, self._left)
        while wanted:
            block = self._source.read(wanted)
            self._check(len(block))
            blocks.append(block)
            wanted -= len(block)
        data = blocks[0] if len(blocks) == 1 else b"".join(blocks)
        self._show(data)
        return data

    def fill(self, buffer: bytearray) -> None:
        """Read as many bytes as the buffer has, which may be used again and again."""
        readinto = getattr(self._source, "readinto", None)
        if readinto is None:
            buffer[:] = self.read(len(buffer))
            return
        view = memoryview(buffer)
        while view:
            # Hashed while it is still in the processor's cache.
            count = readinto(view[:BLOCK]) or 0
            self._check(count)
            self._show(view[:count])
            view = view[count:]

    def _check(self, count: int) -> None:
        if not count:
            raise Corrupt(f"the source ended {self._left} bytes before its size of {self.size}")
        self._left -= count

    def _show(self, data: bytes | memoryview) -> None:
        if self.sha256 is not None:
            self._digest.update(data)

    def finish(self) -> None:
        """Raise Corrupt where the source goes on, or the bytes have another hash than promised."""
        if self._left:
            raise Corrupt(f"only {self.size - self._left} of {self.size} bytes were read")
        if self._source.read(1):
            raise Corrupt(f"the source goes on after its size of {self.size} bytes")
        if self.sha256 is not None and self._digest.hexdigest() != self.sha256:
            raise Corrupt(
                f"the bytes have the hash sha256:{self._digest.hexdigest()}, "
                f"sha256:{self.sha256} was promised: nothing was stored"
            )
