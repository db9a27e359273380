"""The ways in which tools of this kind lost or blocked data, one test each, named by what is kept.

More of them stand in tests/ops/test_publish.py: a push that was refused, an unrelated commit meanwhile, an
entry without bytes, several changes at once, equal bytes twice, wrong bytes of the right size.
"""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from git_datamanager.errors import DataError
from git_datamanager.model.layout import receipt_key
from git_datamanager.model.manifest import State
from git_datamanager.ops.fetch import Reader
from git_datamanager.ops.publishing.publish import Report, publish
from git_datamanager.ops.sweeping.cleanup import cleanup
from git_datamanager.ops.sweeping.gc import gc
from tests.faults.cases import ALL, ASIDE, GOOD, OBJECT, Case, Stage, Stories
from tests.faults.memory import BOT, DAY, Door, in_memory
from tests.faults.sweep import Prepared
from tests.faults.turns import Event, Process

PENDING = Case([("add", Stage.PENDING)], "staging")
REQUEST = Case([("add", Stage.UNSEEN)], adds={0: 1}, undo=1)


@contextmanager
def world(case: Case) -> Iterator[Stories]:
    stories = Stories(case)
    with in_memory(lambda: stories.world):
        yield stories


def run_publish(stories: Stories) -> Report:
    return publish(stories.world.manager(None), wait=0)


def happen(stories: Stories, *names: str) -> None:
    """These actors move, each to its end."""
    for name in names:
        actor = next(a for a in stories.actors if a.name == name and a.can_move())
        while actor.can_move():
            actor.move()
            if isinstance(actor, Event):
                break
        assert not isinstance(actor, Process) or actor.error is None


def pulled(stories: Stories, entry: int) -> bytes:
    """What a reader of the tip gets."""
    dataset, version = list(stories.world.tip.entries())[entry]
    target = io.BytesIO()
    Reader(stories.world.manager(None), dataset, version, "production").fill(target)
    return target.getvalue()


def test_publish_deletes_nothing_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Staged bytes were deleted before the manifest was pushed, and the push then failed."""

    def delete(*_: object, **__: object) -> None:
        raise AssertionError("publish deletes")

    monkeypatch.setattr(Door, "delete_object", delete)
    with world(PENDING) as stories:
        assert not run_publish(stories).failures
        assert stories.stage(0) is Stage.LIVE
        assert stories.world.staging.all()[OBJECT] == GOOD


@pytest.mark.parametrize("refused", [True, False], ids=["protected", "outrun"])
def test_a_push_that_fails_is_not_called_done(refused: bool) -> None:
    """Its result was not looked at."""
    with world(PENDING) as stories:
        stories.world.refuses = refused
        stories.world.rejections = 0 if refused else 1000
        if refused:
            assert run_publish(stories).request is None
            assert stories.world.manifests[stories.world.refs[BOT]] != stories.world.tip
        else:
            with pytest.raises(DataError, match="still says pending"):
                run_publish(stories)
        assert stories.stage(0) is Stage.PENDING
        stories.world.refuses, stories.world.rejections = False, 0
        assert not run_publish(stories).failures
        assert stories.stage(0) is Stage.LIVE


def test_one_run_takes_every_pending_entry() -> None:
    """One run took one, and the other merges waited for the next event."""
    entries = [("add", Stage.PENDING)] * 5
    with world(Case(entries, "staging")) as stories:
        assert len(run_publish(stories).entries) == 5
        assert {stories.stage(n) for n in range(5)} == {Stage.LIVE}


def test_a_copy_that_was_not_made_is_noticed() -> None:
    """The copy was believed, and the manifest named bytes that were not there."""
    with world(Case([("add", Stage.PENDING)], "staging", publish=1, lies=1)) as stories:
        happen(stories, "publish 0")
        assert stories.stage(0) is Stage.PENDING
        assert not [key for key in stories.world.production.all() if key.startswith("receipts/")]
        assert not run_publish(stories).failures
        assert stories.stage(0) is Stage.LIVE


@pytest.mark.parametrize("there", [b"", b"half", GOOD[::-1]], ids=["nothing", "half", "other bytes"])
def test_what_lies_under_the_name_is_no_proof(there: bytes) -> None:
    """Whatever stood at the target counted as published."""
    with world(PENDING) as stories:
        stories.world.production.put(OBJECT, there)
        assert not run_publish(stories).failures
        assert pulled(stories, 0) == GOOD


def test_a_request_finds_its_bytes_after_forty_days() -> None:
    """Cleaning by age took the bytes of open requests."""
    with world(REQUEST) as stories:
        happen(stories, "author 0")
        for _ in range(4):
            stories.world.now += 10 * DAY
            cleanup(stories.world.manager(None), ALL, apply=True)
        happen(stories, "merge 0")
        assert not run_publish(stories).failures
        assert stories.stage(0) is Stage.LIVE


def test_a_withdrawn_request_leaves_nothing_behind_in_the_end() -> None:
    """In two steps: its bytes are put aside first, for somebody may just have named them again."""
    with world(REQUEST) as stories:
        happen(stories, "author 0", "close 0")
        stories.world.now += 40 * DAY
        cleanup(stories.world.manager(None), ALL, apply=True)
        assert {k for k in stories.world.staging.all() if "/" in k} == {ASIDE}
        stories.world.now += 15 * DAY
        cleanup(stories.world.manager(None), ALL, apply=True)
        assert not {k for k in stories.world.staging.all() if "/" in k}


def deleted_beside(kind: str) -> Case:
    """Two live entries with the same bytes, of which the first is deleted."""
    return Case([("add", Stage.LIVE), (kind, Stage.LIVE)], "objects", delete=1)


@pytest.mark.parametrize("kind", ["roll", "add"], ids=["a rollback", "another dataset"])
def test_deleting_one_entry_keeps_the_bytes_of_its_twin(kind: str) -> None:
    """After a rollback to v1 the pruning of v1 took the bytes of the live version."""
    with world(deleted_beside(kind)) as stories:
        happen(stories, "delete 0")
        for _ in range(2):
            stories.world.now += 20 * DAY
            report = gc(stories.world.manager(None), ALL, purge=True, apply=True)
            assert not report.moved
        live = next(n for n, (_, v) in enumerate(stories.world.tip.entries()) if v.state is State.PUBLISHED)
        assert pulled(stories, live) == GOOD


def test_the_latest_version_follows_from_the_entries() -> None:
    """A field of its own lay behind its history."""
    with world(Case([("add", Stage.LIVE), ("roll", Stage.PENDING)], "objects", delete=1)) as stories:

        def latest() -> str:
            found = stories.world.tip.datasets["d0"].latest
            return found.name if found else ""

        assert latest() == "v2"
        assert not run_publish(stories).failures
        assert latest() == "v2"
        stories.world.change(lambda tip: stories._with(tip, 1, State.DELETED))
        assert latest() == "v1"


def test_an_entry_lent_from_another_dataset_is_refused() -> None:
    """A manifest could name somebody else's object and have it overwritten."""
    with world(PENDING) as stories:
        [(_, version)] = stories.world.tip.entries()
        other = stories._receipt(0, type(version.oid).of(b"of somebody else"))
        stories.world.production.put(receipt_key(version.id), other)
        [(_, error)] = run_publish(stories).failures
        assert "somebody copied an entry" in str(error)
        assert stories.world.production.all()[receipt_key(version.id)] == other


@pytest.mark.slow
def test_an_object_above_the_limit_of_one_copy_is_published(prepared: Callable[[str], Prepared]) -> None:
    """One CopyObject fails above 5 GB; here the limit is lower, and the fake refuses as S3 does."""
    asked = prepared("publish in parts").asked
    copies = [r for r in asked if "x-amz-copy-source" in r.headers and r.key.startswith("objects/")]
    of_parts = [r for r in copies if "partNumber" in r.query]
    assert len(of_parts) == 4  # of 20 kB, 6 kB at a time; the other copy is the small one from the trash
    assert len(copies) == 5
