"""The one door where bytes are verified."""

import io
from typing import Any

import pytest

from git_datamanager.errors import Corrupt, PreconditionFailed
from git_datamanager.model.layout import object_key
from git_datamanager.model.oid import Oid
from git_datamanager.objects import ObjectStore
from git_datamanager.storage.base import Capabilities
from git_datamanager.storage.memory import MemoryStore
from git_datamanager.storage.wrappers import Wrapper

DATA = b"the same bytes"
OID = Oid.of(DATA)


class Busy(Wrapper):
    """Somebody replaces the object between the look at it and its reading."""

    def __init__(self, times: int, data: bytes = DATA) -> None:
        super().__init__(MemoryStore())
        self.left = times
        self.data = data
        self.put(DATA)

    def capabilities(self) -> Capabilities:
        return Capabilities(conditional_put=True, checks_sha256=False)

    def put(self, data: bytes) -> None:
        self.inner.write_object(object_key(OID), io.BytesIO(data), len(data))

    def read_object(self, key: str, **more: Any) -> Any:
        if self.left:
            self.left -= 1
            self.put(self.data)
            raise PreconditionFailed("another object by now")
        return super().read_object(key, **more)


def test_an_object_that_is_written_anew_with_the_same_bytes_is_looked_at_again() -> None:
    """Two runs of publish copy the same bytes; on some stores they then have another ETag."""
    assert ObjectStore(Busy(1), "production").verify(OID, len(DATA)).key == object_key(OID)


def test_other_bytes_of_the_same_size_are_found() -> None:
    with pytest.raises(Corrupt):
        ObjectStore(Busy(1, b"x" * len(DATA)), "production").verify(OID, len(DATA))


def test_one_that_never_rests_is_no_answer() -> None:
    with pytest.raises(PreconditionFailed):
        ObjectStore(Busy(2), "production").verify(OID, len(DATA))
