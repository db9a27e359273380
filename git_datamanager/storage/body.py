"""A body whose length was announced: what it lacks is an error, never a silent end."""

import io
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, BinaryIO, Protocol, cast

from git_datamanager.errors import Unreachable
from git_datamanager.fsio import BLOCK

PIECE = 256 << 10
"""Bytes that a client makes anew for every read: of this size the same memory serves again."""


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Body(io.BufferedIOBase):
    """Exactly `length` bytes of `stream`, its own errors told by `told`; `pace` is shown how many came.

    Blocks are handed on as they come, without a buffer of our own between: a copy of each byte saved.
    """

    def __init__(
        self,
        stream: _Readable,
        length: int,
        told: Callable[[], AbstractContextManager[None]],
        pace: Callable[[int], None] = lambda _: None,
    ) -> None:
        super().__init__()
        self._stream = stream
        self._left = length
        self._told = told
        self._pace = pace

    def readable(self) -> bool:
        return True

    def read1(self, size: int = -1) -> bytes:
        """At least one byte while there are any."""
        wanted = self._left if size < 0 else min(size, self._left)
        if not wanted:
            return b""
        with self._told():
            data = self._stream.read(min(wanted, BLOCK))
        if not data:
            raise Unreachable(f"the body ended {self._left} bytes early")
        self._left -= len(data)
        self._pace(len(data))
        return data

    def read(self, size: int | None = -1) -> bytes:
        """All `size` bytes while there are as many."""
        wanted = self._left if size is None or size < 0 else min(size, self._left)
        blocks = []
        while wanted:
            blocks.append(self.read1(wanted))
            wanted -= len(blocks[-1])
        return blocks[0] if len(blocks) == 1 else b"".join(blocks)

    def readinto(self, buffer: Any) -> int:
        """As many bytes as fit, in pieces that stay in the processor's cache."""
        view, done = memoryview(buffer).cast("B"), 0
        while done < len(view) and (data := self.read1(min(PIECE, len(view) - done))):
            view[done : done + len(data)] = data
            done += len(data)
        return done

    def as_file(self) -> BinaryIO:
        return cast("BinaryIO", self)


class Window(Body):
    """The part of a file of `size` bytes from `start`, at most `length`; none beyond its end."""

    def __init__(
        self,
        file: BinaryIO,
        start: int,
        size: int,
        length: int | None,
        told: Callable[[], AbstractContextManager[None]],
    ) -> None:
        left = max(0, size - start)
        super().__init__(file, left if length is None else min(left, length), told)
        file.seek(start)
