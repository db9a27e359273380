"""A store in this process's memory: the reference implementation, and the store of fast tests."""

import hashlib
import io
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, ClassVar

from git_datamanager.errors import ObjectMissing, PreconditionFailed
from git_datamanager.storage.base import (
    ANYTHING,
    Advance,
    Capabilities,
    Examination,
    Expect,
    Presentation,
    ResumeBook,
    Stat,
    StorageAdapter,
    no_advance,
    sound,
)
from git_datamanager.storage.keys import check_key, check_prefix, check_range
from git_datamanager.storage.source import Measured
from git_datamanager.storage.wrappers import innermost


@dataclass(frozen=True, slots=True)
class _Held:
    stat: Stat
    data: bytes
    presentation: Presentation


class MemoryStore:
    """Objects in a dictionary under one lock."""

    _stores: ClassVar[dict[str, "MemoryStore"]] = {}
    _stores_lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, name: str = "unnamed", *, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        """Also the time of every object: a test may turn it."""
        self._name = name
        self._lock = threading.Lock()
        self._held: dict[str, _Held] = {}
        self._etags = itertools.count(1)

    @classmethod
    def named(cls, name: str) -> "MemoryStore":
        """The one store of this name in the process, made when first asked for."""
        with cls._stores_lock:
            return cls._stores.setdefault(name, cls(name))

    @property
    def url(self) -> str:
        return f"mem:{self._name}"

    def stat_object(self, key: str) -> Stat | None:
        check_key(key)
        held = self._held.get(key)
        return held.stat if held else None

    def presentation(self, key: str) -> Presentation:
        """How the object wants to be shown, as a bucket would tell a browser."""
        return self._existing(key).presentation

    @contextmanager
    def read_object(
        self, key: str, *, start: int = 0, length: int | None = None, etag: str | None = None
    ) -> Iterator[BinaryIO]:
        check_range(start, length)
        held = self._existing(key)
        if etag is not None and held.stat.etag != etag:
            raise PreconditionFailed(f"{self.url} holds another object under {key}")
        yield io.BytesIO(held.data[start : None if length is None else start + length])

    def write_object(
        self,
        key: str,
        source: BinaryIO,
        size: int,
        *,
        expect: Expect = ANYTHING,
        sha256: str | None = None,
        presentation: Presentation | None = None,
        advance: Advance = no_advance,
        book: ResumeBook | None = None,  # noqa: ARG002 -- written at once or not at all
    ) -> Stat:
        check_key(key)
        measured = Measured(source, size, sha256)
        data = measured.read(size)
        measured.finish()
        stat = self._put(key, data, expect, presentation)
        advance(size)
        return stat

    def copy_object(
        self,
        source: StorageAdapter,
        source_key: str,
        key: str,
        *,
        source_etag: str,
        presentation: Presentation | None = None,
        advance: Advance = no_advance,
    ) -> Stat | None:
        check_key(key)
        origin = innermost(source)
        if not isinstance(origin, MemoryStore):
            return None
        with origin.read_object(source_key, etag=source_etag) as stream:
            data = stream.read()
        stat = self._put(key, data, ANYTHING, presentation)
        advance(len(data))
        return stat

    def list_objects(self, prefix: str) -> Iterator[Stat]:
        check_prefix(prefix)
        with self._lock:
            found = [held.stat for key, held in self._held.items() if key.startswith(prefix)]
        yield from sorted(found)

    def delete_object(self, key: str, *, expect: Expect = ANYTHING) -> None:
        check_key(key)
        with self._lock:
            if key in self._held:
                self._check(key, expect)
                del self._held[key]

    def capabilities(self) -> Capabilities:
        return Capabilities(conditional_put=True, checks_sha256=True)

    def examine(self) -> Examination:
        return sound(self.clock() - time.time())

    def _put(self, key: str, data: bytes, expect: Expect, presentation: Presentation | None) -> Stat:
        digest = hashlib.sha256(data).hexdigest()
        with self._lock:
            self._check(key, expect)
            stat = Stat(key, len(data), f'"{next(self._etags)}"', self.clock(), digest)
            self._held[key] = _Held(stat, data, presentation or Presentation())
        return stat

    def _check(self, key: str, expect: Expect) -> None:
        held = self._held.get(key)
        if expect.absent and held:
            raise PreconditionFailed(f"{self.url} holds {key} already")
        if expect.etag is not None and (held is None or held.stat.etag != expect.etag):
            raise PreconditionFailed(f"{self.url} does not hold the expected object under {key}")

    def _existing(self, key: str) -> _Held:
        check_key(key)
        held = self._held.get(key)
        if held is None:
            raise ObjectMissing(f"{self.url} does not hold {key}")
        return held
