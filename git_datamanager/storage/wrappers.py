"""What can be put around any store: trying again, refusing to write."""

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import BinaryIO, TypeVar

from git_datamanager.errors import Forbidden, Unreachable
from git_datamanager.events import Tally
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
)
from git_datamanager.storage.patience import Fraction, Patience, again, random_fraction

T = TypeVar("T")


class Wrapper:
    """Passes everything on to `inner`."""

    def __init__(self, inner: StorageAdapter) -> None:
        self.inner = inner

    @property
    def url(self) -> str:
        return self.inner.url

    def stat_object(self, key: str) -> Stat | None:
        return self.inner.stat_object(key)

    def read_object(
        self, key: str, *, start: int = 0, length: int | None = None, etag: str | None = None
    ) -> AbstractContextManager[BinaryIO]:
        return self.inner.read_object(key, start=start, length=length, etag=etag)

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
        book: ResumeBook | None = None,
    ) -> Stat:
        return self.inner.write_object(
            key, source, size,
            expect=expect, sha256=sha256, presentation=presentation, advance=advance, book=book,
        )  # fmt: skip

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
        return self.inner.copy_object(
            source, source_key, key, source_etag=source_etag, presentation=presentation, advance=advance
        )

    def list_objects(self, prefix: str) -> Iterator[Stat]:
        return self.inner.list_objects(prefix)

    def delete_object(self, key: str, *, expect: Expect = ANYTHING) -> None:
        self.inner.delete_object(key, expect=expect)

    def clock(self) -> float:
        return self.inner.clock()

    def capabilities(self) -> Capabilities:
        return self.inner.capabilities()

    def examine(self) -> Examination:
        return self.inner.examine()


def innermost(store: StorageAdapter) -> StorageAdapter:
    """The store itself, under whatever it is wrapped in: a copy inside the service needs to know it."""
    while isinstance(store, Wrapper):
        store = store.inner
    return store


class ReadOnly(Wrapper):
    """Refuses every write before a request is sent."""

    def write_object(self, *_: object, **__: object) -> Stat:
        raise self._refused()

    def copy_object(self, *_: object, **__: object) -> Stat | None:
        raise self._refused()

    def delete_object(self, *_: object, **__: object) -> None:
        raise self._refused()

    def capabilities(self) -> Capabilities:
        """Nothing is proven: the probe would have to write."""
        return Capabilities(conditional_put=False, checks_sha256=False)

    def examine(self) -> Examination:
        raise self._refused()

    def _refused(self) -> Forbidden:
        return Forbidden(f"{self.url} is open for reading only: nothing was written")


class Retrying(Wrapper):
    """Tries again what failed as Unreachable (patience.py); never a write whose outcome is unknown."""

    def __init__(
        self,
        inner: StorageAdapter,
        *,
        tries: int = 4,
        base: float = 0.5,
        longest: float = 20.0,
        sleep: Callable[[float], None] = time.sleep,
        fraction: Fraction = random_fraction,
    ) -> None:
        super().__init__(inner)
        self._patience = Patience(tries, base, longest)
        self._sleep = sleep
        self._fraction = fraction

    def stat_object(self, key: str) -> Stat | None:
        return self._again(lambda: self.inner.stat_object(key))

    @contextmanager
    def read_object(
        self, key: str, *, start: int = 0, length: int | None = None, etag: str | None = None
    ) -> Iterator[BinaryIO]:
        """Only opening is tried again: bytes that were handed out cannot be taken back."""
        with ExitStack() as stack:
            yield self._again(
                lambda: stack.enter_context(
                    self.inner.read_object(key, start=start, length=length, etag=etag)
                )
            )

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
        book: ResumeBook | None = None,
    ) -> Stat:
        """Tried again only where `source` can be rewound to where it was."""
        again = source.seekable()
        begin = source.tell() if again else 0
        meter = Tally(advance)

        def write() -> Stat:
            return self.inner.write_object(
                key, source, size,
                expect=expect, sha256=sha256, presentation=presentation, advance=meter, book=book,
            )  # fmt: skip

        def rewind() -> None:
            source.seek(begin)
            meter.take_back()

        return self._again(write, rewind) if again else write()

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
        meter = Tally(advance)

        def copy() -> Stat | None:
            return self.inner.copy_object(
                innermost(source),
                source_key,
                key,
                source_etag=source_etag,
                presentation=presentation,
                advance=meter,
            )

        return self._again(copy, meter.take_back)

    def list_objects(self, prefix: str) -> Iterator[Stat]:
        """After a failure the listing starts anew behind the last key that was handed out."""
        last = ""
        for attempt in itertools.count():
            try:
                for stat in self.inner.list_objects(prefix):
                    if stat.key > last:
                        yield stat
                        last = stat.key
                return
            except Unreachable as error:
                pause = self._patience.pause(attempt, error, self._fraction())
                if pause is None:
                    raise
            self._sleep(pause)

    def delete_object(self, key: str, *, expect: Expect = ANYTHING) -> None:
        self._again(lambda: self.inner.delete_object(key, expect=expect))

    def clock(self) -> float:
        return self._again(self.inner.clock)

    def capabilities(self) -> Capabilities:
        return self._again(self.inner.capabilities)

    def examine(self) -> Examination:
        return self._again(self.inner.examine)

    def _again(self, act: Callable[[], T], before_next: Callable[[], None] = lambda: None) -> T:
        return again(act, self._patience, before_next=before_next, sleep=self._sleep, fraction=self._fraction)
