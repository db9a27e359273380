"""One object by several ranged requests at a time, its blocks handed out in order."""

import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO, TypeVar

from git_datamanager.errors import Unreachable
from git_datamanager.fsio import BLOCK
from git_datamanager.storage.base import StorageAdapter
from git_datamanager.storage.patience import Patience, random_fraction
from git_datamanager.storage.traffic import MIB, TRAFFIC, Buffers
from git_datamanager.storage.wrappers import innermost

T = TypeVar("T", int, bytes)
PART = 16 * MIB
SMALLEST = 4 * MIB
LEAST = 32 * MIB
"""Up to here one request is quick enough."""
WIDTH = min(8, max(4, 2 * (os.cpu_count() or 1)))
PATIENCE = Patience(tries=4)

Stream = Generator[bytes | memoryview, None, None]
"""Blocks, each good until the next one is asked for. To be closed by whoever stops early."""


def pays(store: StorageAdapter, size: int) -> bool:
    """Whether several requests at a time are quicker: a distant store, and enough bytes."""
    return size > LEAST and bool(getattr(innermost(store), "is_distant", False))


def blocks(store: StorageAdapter, key: str, *, etag: str, start: int, size: int) -> Stream:
    """The bytes from `start` to `size` of the very object with this ETag, block by block.

    A range that breaks off is asked for again from where it broke. Raises PreconditionFailed once the
    object is another one, Unreachable where trying again does not help.
    """
    if not pays(store, size - start):
        yield from _Range(store, key, etag, start, size - start, threading.Event()).read()
        return
    stop = threading.Event()
    step = part_size(size - start, TRAFFIC.memory.total)
    todo = deque((at, min(step, size - at)) for at in range(start, size, step))
    running: deque[tuple[Future[None], bytearray]] = deque()
    with TRAFFIC.loan() as loan, ThreadPoolExecutor(WIDTH) as pool:
        buffers = Buffers(loan)
        try:
            while todo or running:
                while todo and len(running) < WIDTH and (buffer := buffers.now(todo[0][1])) is not None:
                    at, length = todo.popleft()
                    part = _Range(store, key, etag, at, length, stop)
                    running.append((pool.submit(part.fill, buffer), buffer))
                future, buffer = running[0]
                future.result()
                running.popleft()
                yield memoryview(buffer)
                buffers.give_back(buffer)
        finally:
            stop.set()
            for future, _ in running:
                future.cancel()


def part_size(size: int, memory: int) -> int:
    """Bytes to ask for at a time: what is on its way is lost when a download breaks off, and all of it has to
    fit into memory; many requests cost time."""
    fitting = max(MIB, memory // 4)
    return min(PART, fitting, max(SMALLEST, size // 64 // MIB * MIB))


class _Range:
    """One range, asked for again from where it broke off."""

    def __init__(
        self, store: StorageAdapter, key: str, etag: str, start: int, length: int, stop: threading.Event
    ) -> None:
        self._store = store
        self._key = key
        self._etag = etag
        self._start = start
        self._left = length
        self._stop = stop

    def fill(self, buffer: bytearray) -> None:
        for _ in self._steps(lambda body: self._into(body, buffer)):
            pass

    def read(self) -> Iterator[bytes]:
        return self._steps(lambda body: body.read(min(BLOCK, self._left)))

    def _into(self, body: BinaryIO, buffer: bytearray) -> int:
        done = len(buffer) - self._left
        with memoryview(buffer) as view, view[done : done + BLOCK] as piece:
            return int(body.readinto(piece))  # type: ignore[attr-defined] # every body has it

    def _steps(self, take: Callable[[BinaryIO], T]) -> Iterator[T]:
        attempt = 0
        while self._left:
            try:
                for block in self._opened(take):
                    attempt = 0
                    yield block
            except Unreachable as error:
                pause = PATIENCE.pause(attempt, error, random_fraction())
                if pause is None or self._stop.wait(pause):
                    raise
                attempt += 1

    def _opened(self, take: Callable[[BinaryIO], T]) -> Iterator[T]:
        with self._store.read_object(
            self._key, start=self._start, length=self._left, etag=self._etag
        ) as body:
            while self._left and not self._stop.is_set():
                block = take(body)
                count = block if isinstance(block, int) else len(block)
                if not count:
                    raise Unreachable(f"{self._store.url}: {self._key} ended {self._left} bytes early")
                self._start += count
                self._left -= count
                yield block
        if self._left:
            raise Unreachable(f"{self._store.url}: the transfer of {self._key} was stopped")
