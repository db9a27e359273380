"""`git data verify`: what the current credentials may do, against what a role needs.

Every right is measured by a request, never read from a policy, on keys that the role works with: a
narrow policy (`--policies`) allows no others. Production is asked to write by a conditional put that
cannot apply, and to delete a key that does not exist: nothing changes there.
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
from git_datamanager.model.layout import PROBE_PREFIX, object_key
from git_datamanager.model.manifest import State
from git_datamanager.model.oid import Oid
from git_datamanager.model.roles import BY_NAME, CONTENT, Verb
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
    """Not asked, because asking could change something (`--read-only`) or nothing is there to ask for."""


R, W, D, L = Right.READ, Right.WRITE, Right.DELETE, Right.LIST
NEEDS: dict[str, dict[str, frozenset[Right]]] = {
    "reader": {"staging": frozenset(), "production": frozenset({R})},
    "developer": {"staging": frozenset({R, W}), "production": frozenset({R})},
    "preview": {"staging": frozenset({R}), "production": frozenset({R})},
    "publish": {"staging": frozenset({R}), "production": frozenset({R, W, L})},
    "cleanup": {"staging": frozenset({R, W, D, L}), "production": frozenset({R})},
    "gc": {"staging": frozenset(), "production": frozenset({R, W, D, L})},
}
"""What each role needs; production writes are for publish and gc alone (model/roles.py has the keys)."""
DANGEROUS = {
    "reader": {"staging": {W, D}, "production": {W, D}},
    "developer": {"production": {W, D}},
    "preview": {"staging": {W, D}, "production": {W, D}},
    "publish": {"production": {D}},
    "cleanup": {"production": {W, D}},
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
            measure(result, manager, store, read_only=read_only)
        except DataError as error:
            result.unreachable.append((store, error))
    return result


def measure(result: Verification, manager: DataManager, store: str, *, read_only: bool) -> None:
    """Add the rights on one store. Raises what keeps it from being asked at all."""
    _measure(result, manager.store(store).adapter, _known(manager, store), read_only=read_only)


def _measure(result: Verification, adapter: StorageAdapter, known: "_Known", *, read_only: bool) -> None:
    role, store = result.role, known.store
    written, gone = _keys(role, store)
    answers = {R: _read_right(adapter, role, known), L: _ask(lambda: _list(adapter))}
    if read_only:
        answers |= {W: (Answer.UNTRIED, ""), D: (Answer.UNTRIED, "")}
    else:
        write = _write_in_vain if store == "production" else _write
        answers |= {
            W: _ask(lambda: write(adapter, written)),
            D: _ask(lambda: adapter.delete_object(gone)),
        }
    if answers[W][0] is Answer.ALLOWED and _is_left(adapter, written, store):
        result.left.append(f"{adapter.url} {written}")
    for right in Right:
        answer, said = answers[right]
        needed = right in NEEDS[role][store]
        unwanted = answer is Answer.ALLOWED and right in DANGEROUS[role].get(store, ())
        result.findings.append(Finding(store, right, answer, needed, unwanted, said))


class _Known(NamedTuple):
    """A store, and an object that should be there, where the manifest names one."""

    store: str
    key: str | None


def _known(manager: DataManager, store: str) -> _Known:
    state = State.PENDING if store == "staging" else State.PUBLISHED
    try:
        oids = (v.oid for _, v in manager.manifests.current().entries() if v.state is state)
        return _Known(store, next((object_key(oid) for oid in oids), None))
    except DataError:
        return _Known(store, None)


def _keys(role: str, store: str) -> tuple[str, str]:
    """Where to try writing, and where deleting: each under a prefix the role may write to."""
    name = f"{PROBE_PREFIX}{uuid.uuid4()}"
    if store == "production":
        return (f"audit/{name}" if role in ("publish", "gc") else name), name
    key = f"trash/{name}" if role == "cleanup" else name
    return key, key


def _read_right(adapter: StorageAdapter, role: str, known: _Known) -> tuple[Answer, str]:
    """By an object that is there. Without one by a key that is not; whoever may not list is refused
    that as well, so for a role that does not list the refusal says nothing."""
    answer, said = _ask(lambda: _read(adapter, known.key or object_key(Oid(uuid.uuid4().hex * 2))))
    lists = any(
        g.store == known.store and Verb.LIST in g.verbs and {*CONTENT, "*"} & set(g.keys)
        for g in BY_NAME[role].grants
    )
    if answer is Answer.REFUSED and known.key is None and not lists:
        return Answer.UNTRIED, "there is no object yet to try it on"
    return answer, said


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
    next(iter(adapter.list_objects("trash/")), None)


def _write(adapter: StorageAdapter, key: str) -> None:
    adapter.write_object(key, io.BytesIO(b"git data verify\n"), 16)


def _write_in_vain(adapter: StorageAdapter, key: str) -> None:
    """A put on the condition that an object which does not exist has a certain ETag."""
    try:
        adapter.write_object(key, io.BytesIO(b"git data verify\n"), 16, expect=matching("0" * 32))
    except (PreconditionFailed, NotFound):
        return


def _is_left(adapter: StorageAdapter, key: str, store: str) -> bool:
    """Whether a write stayed: deleting is refused, or a store took what no condition allowed."""
    try:
        return adapter.stat_object(key) is not None
    except Denied:
        return store == "staging"  # in production it was tried in vain
