"""`git data verify`: what the current credentials may do, against what a role needs.

Every right is measured by a request, never read from a policy. Production is asked to write by a
conditional put that cannot apply, and to delete a key that does not exist: nothing changes there.
"""

import io
import uuid
from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from git_datamanager.errors import (
    DataError,
    Denied,
    NotFound,
    ObjectMissing,
    PreconditionFailed,
)
from git_datamanager.manager import DataManager
from git_datamanager.model.layout import PROBE_PREFIX
from git_datamanager.storage.base import StorageAdapter, matching
from git_datamanager.workspace.settings import ROLES as STORES


class Right(StrEnum):
    READ = "read"
    WRITE = "write"
    DELETE = "delete"
    LIST = "list"


class Answer(StrEnum):
    ALLOWED = "allowed"
    REFUSED = "refused"
    UNTRIED = "untried"
    """Not asked, because asking could change something (`--read-only`)."""


R, W, D, L = Right.READ, Right.WRITE, Right.DELETE, Right.LIST
NEEDS: dict[str, dict[str, frozenset[Right]]] = {
    "reader": {"staging": frozenset(), "production": frozenset({R})},
    "developer": {"staging": frozenset({R, W}), "production": frozenset({R})},
    "publish": {"staging": frozenset({R}), "production": frozenset({R, W, L})},
    "gc": {"staging": frozenset({R, W, D, L}), "production": frozenset({R, W, D, L})},
}
"""What each role needs (docs/spec/store-v1.md); production writes are for publish and gc alone."""
DANGEROUS = {
    "reader": {"staging": {W, D}, "production": {W, D}},
    "developer": {"production": {W, D}},
    "publish": {"production": {D}},
    "gc": dict[str, set[Right]](),
}
"""What a role should not be able to do."""


class Finding(NamedTuple):
    """One right on one store."""

    store: str
    right: Right
    answer: Answer
    needed: bool
    unwanted: bool
    """Allowed, though the role should not have it."""
    said: str = ""

    @property
    def is_lacking(self) -> bool:
        return self.needed and self.answer is Answer.REFUSED


class Verification(NamedTuple):
    """All rights, and what is left behind where deleting is refused."""

    role: str
    findings: list[Finding]
    left: list[str]
    unreachable: list[tuple[str, DataError]]


def verify(manager: DataManager, *, role: str = "developer", read_only: bool = False) -> Verification:
    """Measure rights on both stores. What a store answers becomes a finding, never an exception."""
    result = Verification(role, [], [], [])
    for store in STORES:
        try:
            adapter = manager.store(store).adapter
            _measure(result, adapter, store, read_only=read_only)
        except DataError as error:
            result.unreachable.append((store, error))
    return result


def _measure(result: Verification, adapter: StorageAdapter, store: str, *, read_only: bool) -> None:
    key = f"{PROBE_PREFIX}{uuid.uuid4()}"
    answers = {R: _ask(lambda: _read(adapter, key)), L: _ask(lambda: _list(adapter))}
    if read_only:
        answers |= {W: (Answer.UNTRIED, ""), D: (Answer.UNTRIED, "")}
    elif store == "production":
        answers |= {
            W: _ask(lambda: _write_in_vain(adapter, key)),
            D: _ask(lambda: adapter.delete_object(key)),
        }
    else:
        answers |= {W: _ask(lambda: _write(adapter, key)), D: _ask(lambda: adapter.delete_object(key))}
    wrote = answers[W][0] is Answer.ALLOWED and store != "production"  # there it was tried in vain
    if wrote and answers[D][0] is Answer.REFUSED and _is_there(adapter, key):
        result.left.append(f"{adapter.url} {key}")
    for right in Right:
        answer, said = answers[right]
        needed = right in NEEDS[result.role][store]
        unwanted = answer is Answer.ALLOWED and right in DANGEROUS[result.role].get(store, ())
        result.findings.append(Finding(store, right, answer, needed, unwanted, said))


def _ask(request: Callable[[], object]) -> tuple[Answer, str]:
    try:
        request()
    except Denied as error:
        return Answer.REFUSED, str(error)
    return Answer.ALLOWED, ""


def _read(adapter: StorageAdapter, key: str) -> None:
    try:
        with adapter.read_object(key) as body:
            body.read(1)
    except ObjectMissing:
        return  # somebody who may not read is told so, not that there is nothing


def _list(adapter: StorageAdapter) -> None:
    next(iter(adapter.list_objects(PROBE_PREFIX)), None)


def _write(adapter: StorageAdapter, key: str) -> None:
    adapter.write_object(key, io.BytesIO(b"git data verify\n"), 16)


def _write_in_vain(adapter: StorageAdapter, key: str) -> None:
    """A put on the condition that an object which does not exist has a certain ETag."""
    try:
        adapter.write_object(key, io.BytesIO(b"git data verify\n"), 16, expect=matching("0" * 32))
    except (PreconditionFailed, NotFound):
        return


def _is_there(adapter: StorageAdapter, key: str) -> bool:
    try:
        return adapter.stat_object(key) is not None
    except Denied:
        return True
