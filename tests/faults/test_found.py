"""What the sweeps and the search of histories found, each in its shortest form."""

from collections.abc import Iterator

import pytest

from git_datamanager import lease
from git_datamanager.errors import DataError, Forbidden, OutcomeUnknown, Unreachable
from git_datamanager.model.layout import GC_LEASE
from git_datamanager.ops.sweeping.cleanup import cleanup
from git_datamanager.ops.sweeping.gc import gc
from tests.faults.cases import ALL, ASIDE, GOOD, OBJECT, TRASHED, Case, Stage, Stories
from tests.faults.memory import Door, World, in_memory


def world_of(case: Case) -> Iterator[World]:
    world = Stories(case).world
    with in_memory(lambda: world):
        yield world


@pytest.fixture
def deleted() -> Iterator[World]:
    """Nothing names the bytes any more; an old copy of them lies in the trash from an earlier time."""
    yield from world_of(Case([("add", Stage.DEAD)], "objects trash"))


@pytest.fixture
def withdrawn() -> Iterator[World]:
    """The same in staging."""
    yield from world_of(Case([("add", Stage.UNSEEN)], "staging aside"))


def test_gc_does_not_purge_what_it_has_just_moved(deleted: World) -> None:
    """The grace begins with the move, whatever lay in the trash before."""
    report = gc(deleted.manager(None), ALL, purge=True, apply=True)
    assert [i.key for i in report.moved] == [OBJECT]
    assert deleted.production.all()[TRASHED] == GOOD


def test_cleanup_does_not_purge_what_it_has_just_moved(withdrawn: World) -> None:
    report = cleanup(withdrawn.manager(None), ALL, apply=True)
    assert [i.key for i in report.moved] == [OBJECT]
    assert withdrawn.staging.all()[ASIDE] == GOOD


@pytest.mark.parametrize(
    ("error", "released"),
    [(Unreachable("busy"), True), (OutcomeUnknown("lost"), False)],
    ids=["not sent", "lost"],
)
def test_only_an_unknown_deletion_keeps_the_lease(
    deleted: World, monkeypatch: pytest.MonkeyPatch, error: DataError, released: bool
) -> None:
    """Another one kept every other run away for a week."""

    def delete(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(Door, "delete_object", delete)
    with pytest.raises(type(error)):
        gc(deleted.manager(None), ALL, apply=True)
    standing = lease.look(deleted.production, GC_LEASE)
    assert standing is not None
    assert standing.record is not None
    assert standing.record.released is released


def test_a_refused_deletion_is_that_objects_trouble(deleted: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock of the bucket, for one: the run goes on, and gives its lease back."""

    def delete(*_: object, **__: object) -> None:
        raise Forbidden("no")

    monkeypatch.setattr(Door, "delete_object", delete)
    report = gc(deleted.manager(None), ALL, apply=True)
    assert report.moved == []
    assert [(t.key, str(t.error)) for t in report.troubles] == [(OBJECT, "no")]
    standing = lease.look(deleted.production, GC_LEASE)
    assert standing is not None
    assert standing.record is not None
    assert standing.record.released
