from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_datamanager.errors import (
    Conflict,
    DataError,
    ManifestError,
    NameRefused,
    NotFound,
    UnknownDataset,
    UnknownVersion,
)
from git_datamanager.model import evolve
from git_datamanager.model.evolve import Draft, Publication
from git_datamanager.model.manifest import (
    MAX_NUMBER,
    Dataset,
    DatasetState,
    Kind,
    Manifest,
    State,
    dumps,
    loads,
)
from git_datamanager.model.oid import Oid
from git_datamanager.model.ulid import encode_ulid
from tests.model.strategies import AUTHOR, PUBLISHER, World, grown, ids_of, manifests

TIME = "2026-11-21T10:00:00Z"
LATER = "2026-11-22T10:00:00Z"
COMMIT = "c" * 40
NAME = "a.csv"


def ulid(n: int) -> str:
    return encode_ulid(1_790_000_000_000 + n, n)


def draft(n: int) -> Draft:
    return Draft(ulid(n), TIME, "A U Thor <a@example.org>", f"change {n}")


def oid(content: str) -> Oid:
    return Oid.of(content.encode())


def add(m: Manifest, content: str, n: int, *, committed: Iterable[str] = (), name: str = NAME) -> Manifest:
    return evolve.add_version(m, name, oid(content), len(content), draft(n), committed=frozenset(committed))


def committed(m: Manifest) -> frozenset[str]:
    return evolve.committed_ids([m])


def publish(m: Manifest, *entries: str) -> Manifest:
    """Everything pending, or these entries, becomes published."""
    ids = entries or [v.id for _, v in m.entries()]
    return evolve.finalize(m, {entry: Publication(TIME, COMMIT) for entry in ids}, LATER)


def history(*contents: str) -> Manifest:
    """One dataset with published versions."""
    m = Manifest()
    for n, content in enumerate(contents, 1):
        m = publish(add(m, content, n, committed=committed(m)))
    return m


def states(m: Manifest, name: str = NAME) -> list[str]:
    return [f"{v.name} {v.state}" for v in m.dataset(name).versions]


# add


def test_the_first_version() -> None:
    m = add(Manifest(), "one", 1)
    dataset = m.dataset(NAME)
    assert (dataset.kind, dataset.state) == (Kind.FILE, None)
    (v,) = dataset.versions
    assert (v.number, v.id, v.state, v.oid, v.size) == (1, ulid(1), State.PENDING, oid("one"), 3)
    assert (v.created, v.author, v.message) == (TIME, "A U Thor <a@example.org>", "change 1")
    assert (v.parent, v.rollback_of, v.published) == (None, None, None)


def test_a_draft_that_head_lacks_is_replaced() -> None:
    m = add(add(Manifest(), "one", 1), "two", 2)
    assert states(m) == ["v1 pending"]
    assert m.dataset(NAME).versions[0].id == ulid(2)


def test_what_head_holds_stays_and_the_next_is_stacked() -> None:
    first = add(Manifest(), "one", 1)
    m = add(first, "two", 2, committed=committed(first))
    assert states(m) == ["v2 pending", "v1 pending"]
    assert m.dataset(NAME).versions[0].parent == ulid(1)
    again = add(m, "three", 3, committed=committed(first))
    assert [v.id for v in again.dataset(NAME).versions] == [ulid(3), ulid(1)]


def test_the_same_content_changes_nothing() -> None:
    m = history("one", "two")
    assert add(m, "two", 9) == m


def test_back_to_the_published_content_drops_the_draft() -> None:
    m = history("one", "two")
    assert add(add(m, "three", 9), "two", 10) == m


def test_older_content_is_a_new_version() -> None:
    m = add(history("one", "two"), "one", 9)
    assert states(m)[0] == "v3 pending"
    assert m.dataset(NAME).versions[0].rollback_of is None


def test_tombstones_count() -> None:
    m = history("one", "two")
    m = publish(evolve.mark_dataset(m, NAME, TIME, None, committed=committed(m)))
    assert states(m) == ["v2 deleted", "v1 deleted"]
    again = add(m, "two", 9)
    assert states(again) == ["v3 pending", "v2 deleted", "v1 deleted"]
    assert again.dataset(NAME).state is None
    assert again.dataset(NAME).versions[0].parent is None
    assert again.dataset(NAME).is_listed


def test_a_name_that_is_refused() -> None:
    with pytest.raises(NameRefused):
        add(Manifest(), "x", 1, name="../x")
    with pytest.raises(NameRefused, match="inside"):
        add(history("x"), "x", 5, name="a.csv/inner")


def test_a_file_does_not_become_a_folder() -> None:
    m = history("one")
    with pytest.raises(Conflict, match="is a file in the manifest"):
        evolve.add_version(m, NAME, oid("x"), 1, draft(5), committed=(), kind=Kind.TREE)
    tree = evolve.add_version(Manifest(), "d", oid("x"), 1, draft(5), committed=(), kind=Kind.TREE)
    assert tree.dataset("d").kind is Kind.TREE
    with pytest.raises(Conflict, match="is a folder in the manifest"):
        add(tree, "x", 6, name="d")


def test_numbers_end() -> None:
    m = history("one")
    last = replace(m.dataset(NAME).versions[0], number=MAX_NUMBER)
    with pytest.raises(ManifestError, match="used up"):
        add(m.put(replace(m.dataset(NAME), versions=(last,))), "two", 5)


def test_options_stay() -> None:
    m = history("one")
    m = m.put(replace(m.dataset(NAME), options={"title": "T"}, extra={"later": 1}))
    dataset = add(m, "two", 5).dataset(NAME)
    assert (dataset.options, dataset.extra) == ({"title": "T"}, {"later": 1})


# roll back


def test_roll_back_is_a_new_version_with_old_bytes() -> None:
    m = history("one", "two")
    m = evolve.roll_back(m, NAME, "v1", draft(9), committed=committed(m))
    v3 = m.dataset(NAME).versions[0]
    assert (v3.name, v3.state, v3.oid, v3.size) == ("v3", State.PENDING, oid("one"), 3)
    assert (v3.rollback_of, v3.parent) == (ulid(1), ulid(2))


def test_roll_back_of_a_folder_keeps_its_kind() -> None:
    m = evolve.add_version(Manifest(), "d", oid("x"), 1, draft(1), committed=(), kind=Kind.TREE)
    m = evolve.add_version(m, "d", oid("y"), 1, draft(2), committed=committed(m), kind=Kind.TREE)
    m = evolve.roll_back(m, "d", "v1", draft(3), committed=committed(m))
    assert [v.name for v in m.dataset("d").versions] == ["v3", "v2", "v1"]


def test_roll_back_to_the_bytes_that_are_live() -> None:
    m = history("one", "two", "one")
    for target in ("v1", "v3"):
        with pytest.raises(Conflict, match="nothing to roll back"):
            evolve.roll_back(m, NAME, target, draft(9), committed=committed(m))


def test_roll_back_over_a_draft_drops_it() -> None:
    m = history("one", "two")
    assert evolve.roll_back(add(m, "draft", 9), NAME, "v2", draft(10), committed=committed(m)) == m
    older = evolve.roll_back(add(m, "draft", 9), NAME, "v1", draft(10), committed=committed(m))
    assert [v.id for v in older.dataset(NAME).versions] == [ulid(10), ulid(2), ulid(1)]


def test_roll_back_to_a_draft_would_replace_it() -> None:
    m = history("one")
    with pytest.raises(Conflict, match="not committed yet") as caught:
        evolve.roll_back(add(m, "$(rm -rf ~)", 9), NAME, "v2", draft(10), committed=committed(m))
    assert caught.value.hints == ("git commit",)


def test_roll_back_to_what_is_gone_or_unknown() -> None:
    m = history("one", "two", "three")
    m = evolve.prune_versions(m, NAME, 1, TIME, None)
    asked = evolve.roll_back(m, NAME, "v1", draft(9), committed=committed(m))
    assert asked.dataset(NAME).versions[0].oid == oid("one")  # marked only: the bytes are there
    m = publish(m)
    with pytest.raises(UnknownVersion, match=f"v1 was deleted on {LATER}"):
        evolve.roll_back(m, NAME, "v1", draft(9), committed=committed(m))
    with pytest.raises(UnknownVersion, match="no version 'v7'"):
        evolve.roll_back(m, NAME, "v7", draft(9), committed=committed(m))
    with pytest.raises(UnknownDataset):
        evolve.roll_back(m, "other", "v1", draft(9), committed=committed(m))


def test_roll_back_brings_a_removed_dataset_back() -> None:
    m = history("one")
    removed = evolve.remove(m, NAME, committed=committed(m))
    dataset = evolve.roll_back(removed, NAME, "v1", draft(9), committed=committed(m)).dataset(NAME)
    assert dataset.state is None
    assert dataset.versions[0].rollback_of == ulid(1)


# delete, prune, remove, rename


def test_delete_marks_what_is_live() -> None:
    m = history("one")
    m = add(m, "two", 2, committed=committed(m))
    deleting = evolve.mark_dataset(m, NAME, TIME, "licence", committed=committed(m))
    assert states(deleting) == ["v2 deleting", "v1 deleting"]
    dataset = deleting.dataset(NAME)
    assert dataset.state is DatasetState.DELETING
    assert {(v.deleting, v.reason) for v in dataset.versions} == {(TIME, "licence")}
    assert (dataset.latest, dataset.is_listed) == (None, False)
    with pytest.raises(NotFound, match="marked as deleting already"):
        evolve.mark_dataset(deleting, NAME, LATER, None, committed=committed(deleting))


def test_delete_of_drafts_alone_drops_them() -> None:
    assert evolve.mark_dataset(add(Manifest(), "x", 1), NAME, TIME, None, committed=()) == Manifest()
    m = history("one")
    dropped = evolve.mark_dataset(add(m, "two", 5), NAME, TIME, None, committed=committed(m))
    assert states(dropped) == ["v1 deleting"]


def test_delete_keeps_the_first_mark() -> None:
    m = evolve.prune_versions(history("one", "two"), NAME, 1, TIME, "first")
    m = evolve.mark_dataset(m, NAME, LATER, "second", committed=committed(m))
    assert [v.reason for v in m.dataset(NAME).versions] == ["second", "first"]


def test_prune_keeps_the_newest() -> None:
    m = history("one", "two", "three")
    m = add(m, "four", 4, committed=committed(m))
    pruned = evolve.prune_versions(m, NAME, 2, TIME, "space")
    assert states(pruned) == ["v4 pending", "v3 published", "v2 published", "v1 deleting"]
    assert (pruned.dataset(NAME).versions[-1].deleting, pruned.dataset(NAME).versions[-1].reason) == (
        TIME,
        "space",
    )
    assert evolve.prune_versions(pruned, NAME, 2, LATER, None) == pruned
    assert evolve.prune_versions(m, NAME, 9, TIME, None) == m


@pytest.mark.parametrize("keep", [0, -1])
def test_prune_keeps_at_least_one(keep: int) -> None:
    with pytest.raises(DataError, match=f"--keep {keep} would delete every version"):
        evolve.prune_versions(history("one"), NAME, keep, TIME, None)


def test_prune_of_an_empty_history() -> None:
    m = Manifest().put(Dataset(name=NAME, kind=Kind.FILE))
    assert evolve.prune_versions(m, NAME, 1, TIME, None) == m
    with pytest.raises(UnknownDataset):
        evolve.prune_versions(m, "other", 1, TIME, None)


def test_remove_hides_and_adding_again_brings_back() -> None:
    m = history("one", "two")
    removed = evolve.remove(m, NAME, committed=committed(m))
    assert removed.listed() == []
    assert states(removed) == states(m)
    assert add(removed, "two", 9) == m
    assert states(add(removed, "three", 9))[0] == "v3 pending"
    with pytest.raises(NotFound, match="marked as removed already"):
        evolve.remove(removed, NAME, committed=committed(m))
    deleting = evolve.mark_dataset(removed, NAME, TIME, None, committed=committed(m))
    assert deleting.dataset(NAME).state is DatasetState.DELETING
    assert publish(removed).dataset(NAME).state is DatasetState.REMOVED


def test_remove_of_drafts_alone_drops_them() -> None:
    assert evolve.remove(add(Manifest(), "x", 1), NAME, committed=()) == Manifest()


def test_rename() -> None:
    m = history("one", "two")
    moved = evolve.rename(m, NAME, "b/a.csv")
    assert list(moved.datasets) == ["b/a.csv"]
    assert moved.dataset("b/a.csv").versions == m.dataset(NAME).versions
    assert list(evolve.rename(m, NAME, "A.CSV").datasets) == ["A.CSV"]
    assert list(evolve.rename(m, NAME, NAME + "/inside").datasets) == [NAME + "/inside"]


def test_rename_to_what_is_taken() -> None:
    m = add(history("one"), "x", 5, name="b.csv")
    with pytest.raises(Conflict, match=r"'b\.csv' already$"):
        evolve.rename(m, NAME, "b.csv")
    gone = evolve.mark_dataset(m, "b.csv", TIME, None, committed=committed(m))
    with pytest.raises(Conflict, match=r"'b\.csv' already, deleting"):
        evolve.rename(gone, NAME, "b.csv")
    with pytest.raises(NameRefused, match="same file"):
        evolve.rename(m, NAME, "B.csv")
    with pytest.raises(NameRefused, match="inside"):
        evolve.rename(m, NAME, "b.csv/x")
    with pytest.raises(NameRefused, match="belongs"):
        evolve.rename(m, NAME, ".git/x")
    with pytest.raises(UnknownDataset):
        evolve.rename(m, "other", "c.csv")


# finalize and settle


def test_finalize_touches_what_it_was_given() -> None:
    m = add(Manifest(), "x", 1)
    m = add(m, "y", 2, name="b.csv")
    seen = {ulid(1): Publication(TIME, COMMIT), ulid(99): Publication(TIME, None)}
    after = evolve.finalize(m, seen, LATER)
    a, b = after.dataset(NAME).versions[0], after.dataset("b.csv").versions[0]
    assert (a.state, a.published, a.commit) == (State.PUBLISHED, TIME, COMMIT)
    assert b == m.dataset("b.csv").versions[0]
    assert evolve.finalize(after, seen, "2027-01-01T00:00:00Z") == after


def test_finalize_turns_marks_into_tombstones() -> None:
    m = history("one", "two")
    m = evolve.mark_dataset(m, NAME, TIME, "why", committed=committed(m))
    after = evolve.finalize(m, {}, LATER)
    assert after.dataset(NAME).state is DatasetState.DELETED
    for before, v in zip(m.dataset(NAME).versions, after.dataset(NAME).versions, strict=True):
        assert v == replace(before, state=State.DELETED, deleted=LATER)


def collide(*entries: tuple[int, int, State], parents: dict[int, int] | None = None) -> Manifest:
    """A dataset with entries (number, id, state)."""
    template = history("one").dataset(NAME).versions[0]
    made = [
        replace(
            template,
            number=number,
            id=ulid(n),
            state=state,
            deleted=TIME if state is State.DELETED else None,
            parent=ulid(parents[n]) if parents and n in parents else None,
        )
        for number, n, state in entries
    ]
    ordered = sorted(made, key=lambda v: (v.number, v.id), reverse=True)
    return Manifest().put(Dataset(name=NAME, kind=Kind.FILE, versions=tuple(ordered)))


def numbers(m: Manifest) -> dict[int, int]:
    known = {ulid(n): n for n in range(100)}
    return {known[v.id]: v.number for v in m.dataset(NAME).versions}


P, L, D = State.PENDING, State.PUBLISHED, State.DELETED


@pytest.mark.parametrize(
    ("entries", "parents", "expected"),
    [
        ([(1, 1, L), (2, 2, P)], None, {1: 1, 2: 2}),
        ([(1, 1, L), (2, 2, P), (2, 3, P)], None, {1: 1, 2: 2, 3: 3}),
        ([(1, 1, L), (2, 3, P), (2, 2, L)], None, {1: 1, 2: 2, 3: 3}),
        ([(1, 1, L), (2, 2, P), (2, 3, L)], None, {1: 1, 3: 2, 2: 3}),
        ([(1, 1, L), (2, 2, D), (2, 3, P)], None, {1: 1, 2: 2, 3: 3}),
        ([(1, 1, L), (2, 2, P), (3, 4, P), (2, 3, P)], None, {1: 1, 2: 2, 3: 3, 4: 4}),
        # 3 was made from 5 on a machine whose clock was late: still it comes after it
        ([(1, 1, L), (2, 5, P), (3, 3, P), (2, 4, P)], {3: 5}, {1: 1, 4: 2, 5: 3, 3: 4}),
        ([(2, 5, P), (3, 3, P), (4, 2, P), (2, 4, P)], {3: 5, 2: 3}, {4: 1, 5: 2, 3: 3, 2: 4}),
        # parents that are no pending entries, and a circle that somebody wrote by hand
        ([(1, 1, L), (2, 3, P), (2, 2, P)], {2: 1, 3: 90}, {1: 1, 2: 2, 3: 3}),
        ([(1, 1, P), (1, 2, P)], {1: 2, 2: 1}, {1: 1, 2: 2}),
        # 2 failed to publish and 3 overtook it: it does not jump over its own successor
        ([(1, 1, L), (2, 2, P), (3, 3, L), (3, 4, P)], None, {1: 1, 2: 2, 3: 3, 4: 4}),
        ([(1, 1, L), (2, 2, P), (3, 3, L), (2, 4, P)], None, {1: 1, 3: 3, 2: 4, 4: 5}),
        # published twice: nothing settles that, and the others go on
        ([(2, 1, L), (2, 2, L), (2, 3, P)], None, {1: 2, 2: 2, 3: 3}),
        ([(MAX_NUMBER, 1, L), (MAX_NUMBER, 2, P)], None, {1: MAX_NUMBER, 2: MAX_NUMBER}),
    ],
)
def test_settle(
    entries: list[tuple[int, int, State]], parents: dict[int, int] | None, expected: dict[int, int]
) -> None:
    settled = evolve.settle_numbers(collide(*entries, parents=parents))
    assert numbers(settled) == expected
    order = [(v.number, v.id) for v in settled.dataset(NAME).versions]
    assert order == sorted(order, reverse=True)
    assert evolve.settle_numbers(settled) == settled


def test_finalize_settles_first() -> None:
    m = collide((1, 1, L), (2, 3, P), (2, 2, P))
    assert states(publish(m, ulid(3))) == ["v3 published", "v2 pending", "v1 published"]


def test_one_dataset_that_cannot_be_settled_does_not_stop_the_others() -> None:
    m = collide((2, 1, L), (2, 2, L))
    m = add(m, "x", 50, name="b.csv")
    assert publish(m).dataset("b.csv").versions[0].state is State.PUBLISHED


@given(manifests())
def test_settling_any_manifest(m: Manifest) -> None:
    settled = evolve.settle_numbers(m)
    assert evolve.settle_numbers(settled) == settled
    before = {v.id: v for _, v in m.entries()}
    after = {v.id: v for _, v in settled.entries()}
    assert before.keys() == after.keys()
    for entry, v in after.items():
        assert replace(v, number=before[entry].number) == before[entry]
        is_draft = v.state is State.DELETING and v.published is None
        if v.state is not State.PENDING and not is_draft:
            assert v == before[entry]
    for dataset in settled:
        taken = [v.number for v in dataset.versions if v.state is State.PENDING]
        assert len(set(taken)) == len(taken)


# Any history


RANK = {state: rank for rank, state in enumerate(State)}


@given(st.data())
def test_histories_keep_their_rules(data: st.DataObject) -> None:
    world = World()
    m = Manifest()
    for _ in range(6):
        before, m = m, grown(data.draw, world, m, PUBLISHER, 2)
        assert loads(dumps(m)) == m
        old = {v.id: v for _, v in before.entries()}
        new = {v.id: v for _, v in m.entries()}
        assert old.keys() <= new.keys()  # everything here counts as committed
        for entry, v in old.items():
            assert RANK[new[entry].state] >= RANK[v.state]
            assert (new[entry].oid, new[entry].number) == (v.oid, v.number)
        for dataset in m:
            taken = [v.number for v in dataset.versions]
            assert taken == sorted(set(taken), reverse=True)


@given(st.data())
def test_verbs_leave_their_argument_alone(data: st.DataObject) -> None:
    world = World()
    m = grown(data.draw, world, Manifest(), PUBLISHER, 4)
    before = dumps(m)
    grown(data.draw, world, m, AUTHOR, 3)
    assert dumps(m) == before
    assert ids_of([m, m]) == {v.id for _, v in m.entries()}
