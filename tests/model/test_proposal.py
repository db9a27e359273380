"""What a request may do to the manifest, and what not."""

from dataclasses import replace

import pytest

from git_datamanager.model import evolve
from git_datamanager.model.manifest import DatasetState, Manifest, State
from git_datamanager.model.merge import merge
from git_datamanager.model.proposal import Deletions, Level, Proposal, propose
from tests.model.test_evolve import LATER, NAME, add, committed, draft, history, oid, publish

OTHER = "b.csv"


def check(base: Manifest, head: Manifest, *, ancestor: Manifest | None = None, bot: bool = False) -> Proposal:
    return propose(ancestor if ancestor is not None else base, base, head, is_finalize=bot)


def errors(proposal: Proposal) -> list[str]:
    return [f"{f.subject}: {f.text}" for f in proposal.findings if f.level is Level.ERROR]


def notices(proposal: Proposal) -> list[str]:
    return [f"{f.subject}: {f.text}" for f in proposal.findings if f.level is Level.NOTICE]


def with_version(m: Manifest, which: int = 0, /, **fields: object) -> Manifest:
    """One version of the dataset altered by hand."""
    dataset = m.dataset(NAME)
    versions = [replace(v, **fields) if n == which else v for n, v in enumerate(dataset.versions)]
    return m.put(replace(dataset, versions=tuple(versions)))


def test_a_new_version_and_a_new_dataset() -> None:
    base = add(history("one", "two"), "x", 50, name=OTHER)
    base = publish(base)
    head = add(add(base, "three!", 7, committed=committed(base)), "other", 8, name="c.csv")
    found = check(base, head)
    assert found.findings == []
    assert [(c.name, c.version.name, c.before, c.after, c.delta) for c in found.changes] == [
        (NAME, "v3", None, State.PENDING, 3),
        ("c.csv", "v1", None, State.PENDING, 5),
    ]
    assert [v.name for _, v in found.new] == ["v3", "v1"]
    assert (found.unchanged, found.added) == (1, 11)


def test_nothing() -> None:
    base = history("one")
    found = check(base, base)
    assert (found.changes, found.findings, found.new, found.added) == ([], [], [], 0)
    assert not found.deletions.is_mass(0, 0)


def test_a_rollback_adds_no_bytes() -> None:
    base = history("one", "two")
    head = evolve.roll_back(base, NAME, "v1", draft(9), committed=committed(base))
    found = check(base, head)
    assert found.findings == []
    assert found.added == 0
    assert found.changes[0].version.rollback_of


def test_a_deletion_is_asked_for() -> None:
    base = history("one", "two")
    found = check(base, evolve.mark_dataset(base, NAME, LATER, None, committed=committed(base)))
    assert errors(found) == []
    assert found.deletions == Deletions(2, 6, 6)


@pytest.mark.parametrize("whole", [True, False])
def test_what_is_published_does_not_vanish(whole: bool) -> None:
    base = history("one", "two")
    dataset = base.dataset(NAME)
    head = base.drop(NAME) if whole else base.put(replace(dataset, versions=dataset.versions[:1]))
    found = check(base, head)
    assert f"{NAME} v1: is published and vanishes without a tombstone" in errors(found)
    assert found.deletions.versions == (2 if whole else 1)


def test_what_is_merged_and_pending_can_be_taken_back() -> None:
    base = add(history("one"), "two", 9, committed=committed(history("one")))
    found = check(base, history("one"))
    assert errors(found) == []
    assert "is taken back" in notices(found)[0]


def test_a_tombstone_does_not_vanish() -> None:
    base = history("one", "two", "three")
    base = publish(evolve.prune_versions(base, NAME, 1, LATER, None))
    dataset = base.dataset(NAME)
    head = base.put(replace(dataset, versions=dataset.versions[:1]))
    assert len(errors(check(base, head))) == 2


@pytest.mark.parametrize("state", [State.PUBLISHED, State.PENDING])
def test_a_reverted_deletion_is_refused(state: State) -> None:
    base = history("one", "two")
    deleted = publish(evolve.mark_dataset(base, NAME, LATER, None, committed=committed(base)))
    head = with_version(deleted, state=state, deleted=None, deleting=None)
    assert f"goes back from deleted to {state}" in errors(check(deleted, head))[0]


def test_a_reverted_publication_is_refused() -> None:
    base = history("one")
    assert "goes back" in errors(check(base, with_version(base, state=State.PENDING)))[0]


@pytest.mark.parametrize("bot", [True, False])
def test_publish_alone_marks_as_published(bot: bool) -> None:
    base = add(Manifest(), "one", 1)
    found = check(base, publish(base), bot=bot)
    assert (errors(found) == []) is bot
    assert [v.name for _, v in found.finalized] == ["v1"]


@pytest.mark.parametrize("bot", [True, False])
def test_a_new_entry_is_pending(bot: bool) -> None:
    """Not even the bot brings in what nobody merged."""
    found = check(Manifest(), history("one"), bot=bot)
    assert "only publish may do (the base has it as nothing)" in errors(found)[0]


@pytest.mark.parametrize("bot", [True, False])
def test_publish_alone_writes_tombstones(bot: bool) -> None:
    published = history("one")
    base = evolve.mark_dataset(published, NAME, LATER, None, committed=committed(published))
    assert (errors(check(base, publish(base), bot=bot)) == []) is bot
    assert errors(check(published, publish(base), ancestor=published, bot=bot))


def test_a_dataset_alone_marked_as_deleted() -> None:
    base = history("one")
    head = base.put(replace(base.dataset(NAME), state=DatasetState.DELETED))
    assert f"{NAME}: is marked as deleted, which only publish may do" in errors(check(base, head))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"oid": oid("other")}, "other bytes"),
        ({"size": 999}, "other bytes"),
        ({"created": LATER}, "another created"),
        ({"author": "Mallory <m@example.org>"}, "another author"),
        ({"number": 7}, "another number"),
        ({"published": LATER}, "another published"),
        ({"commit": "d" * 40}, "another commit"),
    ],
)
def test_a_version_never_changes(fields: dict[str, object], said: str) -> None:
    base = history("one", "two")
    assert said in errors(check(base, with_version(base, 1, **fields)))[0]


def test_a_pending_version_never_changes_either() -> None:
    base = add(Manifest(), "one", 1)
    assert "other bytes" in errors(check(base, with_version(base, oid=oid("two"))))[0]
    assert errors(check(base, with_version(base, number=2))) == []


def test_a_rename_takes_all_versions_along() -> None:
    base = history("one", "two")
    found = check(base, evolve.rename(base, NAME, OTHER))
    assert errors(found) == []
    assert {c.moved_from for c in found.changes} == {NAME}
    dataset = base.dataset(NAME)
    split = base.put(replace(dataset, versions=dataset.versions[:1]))
    split = split.put(replace(dataset, name=OTHER, versions=dataset.versions[1:]))
    assert "has the id of a version of a.csv" in errors(check(base, split))[0]


# A request that is behind its base


def test_what_the_base_has_gone_on_to_is_no_fault_of_the_request() -> None:
    ancestor = add(Manifest(), "one", 1)
    base = publish(ancestor)
    head = add(ancestor, "other", 2, name=OTHER)
    found = check(base, head, ancestor=ancestor)
    assert found.findings == []
    assert [c.name for c in found.changes] == [OTHER]


def test_a_request_may_hold_what_publish_recorded_meanwhile() -> None:
    """It was made before the publication, and has taken that commit along since."""
    ancestor = add(Manifest(), "one", 1)
    base = publish(ancestor)
    found = check(base, add(base, "two", 2, committed=committed(base)), ancestor=ancestor)
    assert found.findings == []
    assert found.finalized == []


def test_what_the_base_deleted_meanwhile() -> None:
    ancestor = history("one")
    base = publish(evolve.mark_dataset(ancestor, NAME, LATER, None, committed=committed(ancestor)))
    head = add(ancestor, "two", 9, committed=committed(ancestor))
    found = check(base, head, ancestor=ancestor)
    assert errors(found) == []
    assert "the base has gone on: rebase" in notices(found)[0]


def test_two_requests_with_one_number() -> None:
    ancestor = history("one")
    base = publish(add(ancestor, "mine", 8, committed=committed(ancestor)))
    head = add(ancestor, "yours", 9, committed=committed(ancestor))
    found = check(base, head, ancestor=ancestor)
    assert errors(found) == []
    assert f"{NAME} v2: will be v3: the base has another v2 already" in notices(found)
    assert f"{NAME} v2: was made from v1, and the base has gone on: rebase" in notices(found)


def test_the_merge_of_the_two_says_the_same_without_an_ancestor() -> None:
    ancestor = history("one")
    base = publish(add(ancestor, "mine", 8, committed=committed(ancestor)))
    head = add(ancestor, "yours", 9, committed=committed(ancestor))
    found = check(base, merge(ancestor, base, head).manifest)
    assert errors(found) == []
    assert [c.version.name for c in found.changes] == ["v3"]


@pytest.mark.parametrize(
    ("deleted", "mass"),
    [
        (Deletions(10, 25, 100), False),
        (Deletions(11, 0, 100), True),
        (Deletions(1, 26, 100), True),
        (Deletions(0, 0, 0), False),
    ],
)
def test_many_deletions(deleted: Deletions, mass: bool) -> None:
    assert deleted.is_mass(10, 25) is mass


def test_bytes_that_another_version_keeps_are_not_lost() -> None:
    base = history("one", "two")
    base = publish(evolve.roll_back(base, NAME, "v1", draft(9), committed=committed(base)))
    found = check(base, evolve.prune_versions(base, NAME, 1, LATER, None))
    assert found.deletions == Deletions(2, 3, 6)
