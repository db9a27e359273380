"""A body whose length was announced: what it lacks is an error, never a silent end."""

import io
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, BinaryIO, Protocol

from git_datamanager.errors import Unreachable
from git_datamanager.fsio import BLOCK


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Body(io.RawIOBase):
    """Exactly `length` bytes of `stream`, its own errors told by `told`."""

    def __init__(
        self, stream: _Readable, length: int, told: Callable[[], AbstractContextManager[None]]
    ) -> None:
        super().__init__()
        self._stream = stream
        self._left = length
        self._told = told

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), self._left)
        if not wanted:
            return 0
        with self._told():
            data = self._stream.read(wanted)
        if not data:
            raise Unreachable(f"the body ended {self._left} bytes early")
        self._left -= len(data)
        buffer[: len(data)] = data
        return len(data)

    def buffered(self) -> BinaryIO:
        return io.BufferedReader(self, BLOCK)


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
