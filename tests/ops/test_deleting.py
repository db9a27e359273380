"""The frame of gc and cleanup: who holds `lease-gc`, and that it comes back."""

from types import SimpleNamespace
from typing import Any

import pytest

from git_datamanager import lease
from git_datamanager.errors import OutcomeUnknown, Unreachable
from git_datamanager.events import silent
from git_datamanager.model.layout import GC_LEASE
from git_datamanager.objects import ObjectStore
from git_datamanager.ops.deleting import Run, deleting_run
from git_datamanager.storage.memory import MemoryStore
from git_datamanager.storage.wrappers import Wrapper

MANAGER: Any = SimpleNamespace(git=SimpleNamespace(author=lambda: "ana"), progress=silent)


def is_free(store: MemoryStore) -> bool:
    standing = lease.look(store, GC_LEASE)
    return standing is not None and standing.record is not None and standing.record.released


class Timeless(Wrapper):
    """Does not tell its time."""

    def clock(self) -> float:
        raise Unreachable("the store does not answer")


def test_the_lease_is_given_back_where_the_store_stops_answering() -> None:
    """It was kept for a week where the very first question after it got no answer."""
    store = MemoryStore()
    with (
        pytest.raises(Unreachable),
        deleting_run(
            MANAGER, ObjectStore(Timeless(store), "production"), "gc", wait=0, single_writer=False
        ) as run,
    ):
        run.sweep_probes()
    assert is_free(store)


@pytest.mark.parametrize("error", [ValueError("a bug"), KeyboardInterrupt()])
def test_the_lease_is_given_back_however_a_run_ends(error: BaseException) -> None:
    store = MemoryStore()
    with pytest.raises(type(error)), deleting_run(
        MANAGER, ObjectStore(store, "production"), "gc", wait=0, single_writer=False
    ):  # fmt: skip
        raise error
    assert is_free(store)


def in_flight(run: Run) -> None:
    run.in_flight = True


@pytest.mark.parametrize("error", [OutcomeUnknown("lost"), KeyboardInterrupt()])
def test_the_lease_is_kept_while_a_deletion_may_still_arrive(error: BaseException) -> None:
    store = MemoryStore()
    with pytest.raises(type(error)), deleting_run(
        MANAGER, ObjectStore(store, "production"), "gc", wait=0, single_writer=False
    ) as run:  # fmt: skip
        in_flight(run)
        raise error
    assert not is_free(store)
