"""Three-way merge: laws for any branches, and the stories that people live through."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import event, given, settings

from git_datamanager.model import evolve
from git_datamanager.model.evolve import Draft, Publication, settle_numbers
from git_datamanager.model.manifest import Dataset, DatasetState, Kind, Manifest, State, Version, dumps, loads
from git_datamanager.model.merge import Clash, Merged, merge
from git_datamanager.model.oid import Oid
from git_datamanager.model.ulid import encode_ulid
from tests.model.strategies import branches, manifests

TIME = "2026-11-21T10:00:00Z"
LATER = "2026-11-22T10:00:00Z"


def ulid(n: int) -> str:
    return encode_ulid(1_790_000_000_000 + n, n)


def add(m: Manifest, name: str, content: str, n: int, kind: Kind = Kind.FILE) -> Manifest:
    """A committed new version."""
    return evolve.add_version(
        m,
        name,
        Oid.of(content.encode()),
        len(content),
        Draft(ulid(n), TIME, "A"),
        committed=ids(m),
        kind=kind,
    )


def publish(m: Manifest, time: str = TIME, commit: str = "c" * 40) -> Manifest:
    return evolve.finalize(m, {v.id: Publication(time, commit) for _, v in m.entries()}, time)


def delete(m: Manifest, name: str, time: str = TIME, reason: str | None = None) -> Manifest:
    return evolve.mark_dataset(m, name, time, reason, committed=ids(m))


def remove(m: Manifest, name: str) -> Manifest:
    return evolve.remove(m, name, committed=ids(m))


def ids(m: Manifest) -> frozenset[str]:
    return evolve.committed_ids([m])


def option(m: Manifest, name: str, **options: Any) -> Manifest:
    return m.put(replace(m.dataset(name), options=options))


def edit(m: Manifest, name: str, **changes: Any) -> Manifest:
    """Change the newest entry of a dataset."""
    dataset = m.dataset(name)
    return m.put(replace(dataset, versions=(replace(dataset.versions[0], **changes), *dataset.versions[1:])))


def shape(m: Manifest) -> dict[str, list[str]]:
    return {d.name: [f"{v.name} {v.state}" for v in d.versions] for d in m}


def clean(base: Manifest, ours: Manifest, theirs: Manifest) -> Manifest:
    """The merged value of a merge without clashes, the same from both sides."""
    merged, clashes = merge(base, ours, theirs)
    assert clashes == ()
    assert merge(base, theirs, ours) == Merged(merged, ())
    assert loads(dumps(merged)) == merged
    return merged


def clashing(base: Manifest, ours: Manifest, theirs: Manifest) -> tuple[Manifest, list[str]]:
    merged, clashes = merge(base, ours, theirs)
    assert merge(base, theirs, ours).clashes != ()
    assert loads(dumps(merged)) == merged
    return merged, [str(clash) for clash in clashes]


BASE = publish(add(add(Manifest(), "a.csv", "one", 1), "b.csv", "two", 2))


# Laws


Three = tuple[Manifest, Manifest, Manifest]


@given(branches())
def test_what_one_side_did_alone_is_the_result(three: Three) -> None:
    base, author, main = three
    for side in (author, main):
        assert merge(base, base, side) == Merged(side, ())
        assert merge(base, side, base) == Merged(side, ())
        assert merge(base, side, side) == Merged(side, ())


@settings(max_examples=30)
@given(manifests(), manifests())
def test_the_same_for_manifests_that_have_nothing_in_common(base: Manifest, side: Manifest) -> None:
    assert merge(base, base, side) == Merged(settle_numbers(side), ())
    assert merge(base, side, base) == Merged(settle_numbers(side), ())
    assert merge(Manifest(), side, side) == Merged(settle_numbers(side), ())


@given(branches())
def test_branches(three: Three) -> None:
    base, author, main = three
    merged, clashes = merge(base, author, main)
    event("clash" if clashes else "clean")
    assert loads(dumps(merged)) == merged
    other = merge(base, main, author)
    assert bool(other.clashes) == bool(clashes)
    if not clashes:
        assert other.manifest == merged
        assert ids(merged) == ids(author) | ids(main)
    entries = {v.id: v for _, v in merged.entries()}
    assert ids(author) <= entries.keys()
    for dataset in merged:
        numbers = [v.number for v in dataset.versions]
        assert len(set(numbers)) == len(numbers)
    for _, published in main.entries():
        now = entries.get(published.id)
        if published.state is not State.PENDING and now is not None:
            is_draft = published.state is State.DELETING and published.published is None
            assert is_draft or now.number == published.number
            assert now.state is not State.PENDING
            assert now.oid == published.oid


@settings(max_examples=30)
@given(manifests(), manifests(), manifests())
def test_any_three_manifests(base: Manifest, ours: Manifest, theirs: Manifest) -> None:
    merged, _ = merge(base, ours, theirs)
    assert loads(dumps(merged)) == merged


@given(branches())
def test_merging_again_changes_nothing(three: Three) -> None:
    base, author, main = three
    merged, clashes = merge(base, author, main)
    if not clashes:
        assert merge(main, merged, main) == Merged(merged, ())
        assert merge(author, author, merged) == Merged(merged, ())


# Stories without a clash


def test_two_branches_add_two_datasets() -> None:
    merged = clean(BASE, add(BASE, "c.csv", "x", 3), add(BASE, "d.csv", "y", 4))
    assert list(merged.datasets) == ["a.csv", "b.csv", "c.csv", "d.csv"]


def test_two_new_versions_of_one_dataset_never_share_a_number() -> None:
    merged = clean(BASE, add(BASE, "a.csv", "x", 4), add(BASE, "a.csv", "y", 3))
    assert [(v.name, v.id) for v in merged.dataset("a.csv").versions[:2]] == [
        ("v3", ulid(4)),
        ("v2", ulid(3)),
    ]


def test_two_branches_add_the_same_dataset() -> None:
    merged = clean(BASE, add(BASE, "c.csv", "x", 3), add(BASE, "c.csv", "y", 4))
    assert shape(merged)["c.csv"] == ["v2 pending", "v1 pending"]


def test_finalize_against_a_new_version() -> None:
    pending = add(BASE, "a.csv", "x", 3)
    merged = clean(pending, publish(pending), add(pending, "a.csv", "y", 4))
    assert shape(merged)["a.csv"] == ["v3 pending", "v2 published", "v1 published"]


def test_the_published_one_keeps_its_number() -> None:
    """Ours is older by its id, theirs was published first."""
    merged = clean(BASE, add(BASE, "a.csv", "x", 3), publish(add(BASE, "a.csv", "y", 4)))
    assert [(v.name, v.id) for v in merged.dataset("a.csv").versions[:2]] == [
        ("v3", ulid(3)),
        ("v2", ulid(4)),
    ]


def test_what_goes_before_it_was_published_leaves_its_number_to_others() -> None:
    doomed = delete(add(Manifest(), "a.csv", "one", 1), "a.csv")
    live = publish(add(Manifest(), "a.csv", "two", 2))
    for sides in ((doomed, live), (live, doomed)):
        merged, clashes = merge(Manifest(), *sides)
        assert shape(merged) == {"a.csv": ["v2 deleting", "v1 published"]}
        assert [clash.what for clash in clashes] == ["state"]
    both = clean(Manifest(), doomed, delete(add(Manifest(), "a.csv", "two", 2), "a.csv"))
    assert shape(both) == {"a.csv": ["v2 deleting", "v1 deleting"]}
    beside, _ = merge(Manifest(), doomed, add(Manifest(), "a.csv", "two", 2))
    assert shape(beside) == {"a.csv": ["v2 pending", "v1 deleting"]}


def test_the_number_that_publish_settled_wins() -> None:
    """Both sides hold the entry; main has renumbered it while publishing, the branch while merging."""
    pending = add(BASE, "a.csv", "x", 3)
    main = publish(edit(pending, "a.csv", number=4))
    merged = clean(pending, main, edit(pending, "a.csv", number=3))
    assert merged.dataset("a.csv").versions[0].name == "v4"
    both = clean(pending, edit(pending, "a.csv", number=5), edit(pending, "a.csv", number=3))
    assert both.dataset("a.csv").versions[0].name == "v5"


def test_prune_against_finalize() -> None:
    base = add(publish(add(BASE, "a.csv", "x", 3)), "a.csv", "y", 4)
    ours = evolve.prune_versions(base, "a.csv", 1, TIME, "space")
    merged = clean(base, ours, publish(base))
    assert shape(merged)["a.csv"] == ["v3 published", "v2 published", "v1 deleting"]


def test_deletion_against_finalize_of_the_same_entry() -> None:
    base = add(BASE, "a.csv", "x", 3)
    v2 = clean(base, delete(base, "a.csv", LATER, "why"), publish(base)).dataset("a.csv").versions[0]
    assert (v2.state, v2.published, v2.commit) == (State.DELETING, TIME, "c" * 40)
    assert (v2.deleting, v2.reason) == (LATER, "why")


def test_the_same_deletion_asked_for_twice() -> None:
    merged = clean(BASE, delete(BASE, "a.csv", LATER, "second"), delete(BASE, "a.csv", TIME, "first"))
    v1 = merged.dataset("a.csv").versions[0]
    assert (v1.deleting, v1.reason) == (TIME, "first")


def test_the_same_entry_finalized_twice() -> None:
    base = add(BASE, "a.csv", "x", 3)
    merged = clean(base, publish(base, LATER, "d" * 40), publish(base, TIME, "e" * 40))
    v2 = merged.dataset("a.csv").versions[0]
    assert (v2.published, v2.commit) == (TIME, "e" * 40)


def test_rename_against_a_new_version() -> None:
    merged = clean(BASE, evolve.rename(BASE, "a.csv", "c.csv"), add(BASE, "a.csv", "x", 3))
    assert shape(merged) == {"b.csv": ["v1 published"], "c.csv": ["v2 pending", "v1 published"]}


def test_rename_against_deletion() -> None:
    merged = clean(BASE, evolve.rename(BASE, "a.csv", "c.csv"), delete(BASE, "a.csv"))
    assert merged.dataset("c.csv").state is DatasetState.DELETING
    assert "a.csv" not in merged.datasets


def test_rename_and_a_new_dataset_under_the_old_name() -> None:
    ours = add(evolve.rename(BASE, "a.csv", "c.csv"), "a.csv", "other", 3)
    merged = clean(BASE, ours, add(BASE, "a.csv", "x", 4))
    assert [v.id for v in merged.dataset("c.csv").versions] == [ulid(4), ulid(1)]
    assert [v.id for v in merged.dataset("a.csv").versions] == [ulid(3)]


def test_two_datasets_change_names() -> None:
    ours = evolve.rename(evolve.rename(evolve.rename(BASE, "a.csv", "t"), "b.csv", "a.csv"), "t", "b.csv")
    merged = clean(BASE, ours, add(BASE, "a.csv", "x", 3))
    assert [v.id for v in merged.dataset("b.csv").versions] == [ulid(3), ulid(1)]
    assert [v.id for v in merged.dataset("a.csv").versions] == [ulid(2)]


def test_both_rename_alike() -> None:
    renamed = evolve.rename(BASE, "a.csv", "c.csv")
    assert clean(BASE, renamed, renamed) == renamed


def test_options_of_different_kinds() -> None:
    base = option(BASE, "a.csv", title="T", tags=["x"])
    merged = clean(
        base,
        option(base, "a.csv", title="New", tags=["x"], key=["id"]),
        option(base, "a.csv", title="T", encoding="zstd"),
    )
    assert merged.dataset("a.csv").options == {"title": "New", "key": ["id"], "encoding": "zstd"}


def test_unknown_keys_merge_like_options() -> None:
    base = Manifest(BASE.datasets, {"x": 1, "y": 1})
    merged = clean(base, Manifest(base.datasets, {"x": 2, "y": 1}), Manifest(base.datasets, {"x": 1, "z": 3}))
    assert merged.extra == {"x": 2, "z": 3}


def test_encodings_come_together() -> None:
    pending = add(BASE, "a.csv", "x", 3)
    base_oid = BASE.dataset("a.csv").versions[0].oid
    merged = clean(
        pending,
        edit(pending, "a.csv", encodings={"zstd": 5}),
        edit(pending, "a.csv", encodings={f"delta:{base_oid}": 3}),
    )
    assert merged.dataset("a.csv").versions[0].encodings == {"zstd": 5, f"delta:{base_oid}": 3}


def test_a_draft_withdrawn_here_and_published_there() -> None:
    pending = add(BASE, "a.csv", "x", 3)
    ours = add(BASE, "a.csv", "y", 4)  # as after `git revert` and another add
    merged = clean(pending, ours, publish(pending))
    assert shape(merged)["a.csv"] == ["v3 pending", "v2 published", "v1 published"]
    withdrawn = clean(pending, ours, pending)
    assert [v.id for v in withdrawn.dataset("a.csv").versions] == [ulid(4), ulid(1)]


def test_a_dataset_dropped_here_and_untouched_there() -> None:
    assert clean(BASE, BASE.drop("a.csv"), add(BASE, "b.csv", "x", 3)).datasets.keys() == {"b.csv"}


@pytest.mark.parametrize("again", ["one", "new"])
def test_deletion_finalized_while_the_dataset_is_added_again(again: str) -> None:
    deleting = delete(BASE, "a.csv")
    merged = clean(deleting, add(deleting, "a.csv", again, 3), publish(deleting))
    assert merged.dataset("a.csv").state is None
    assert shape(merged)["a.csv"] == ["v2 pending", "v1 deleted"]


def test_deletion_finalized_while_something_else_changes() -> None:
    deleting = delete(BASE, "a.csv")
    merged = clean(deleting, option(deleting, "a.csv", title="T"), publish(deleting))
    assert merged.dataset("a.csv").state is DatasetState.DELETED
    assert merged.dataset("a.csv").options == {"title": "T"}


def test_a_number_settled_on_one_side() -> None:
    pending = add(BASE, "a.csv", "x", 3)
    merged = clean(pending, edit(pending, "a.csv", message="M"), edit(pending, "a.csv", number=3))
    assert (merged.dataset("a.csv").versions[0].name, merged.dataset("a.csv").versions[0].message) == (
        "v3",
        "M",
    )


def test_removed_here_deleted_there() -> None:
    merged = clean(BASE, remove(BASE, "a.csv"), delete(BASE, "a.csv"))
    assert merged.dataset("a.csv").state is DatasetState.DELETING


def test_a_request_for_deletion_is_reverted() -> None:
    deleting = delete(BASE, "a.csv")
    assert clean(deleting, BASE, add(deleting, "b.csv", "x", 3)).dataset("a.csv") == BASE.dataset("a.csv")
    # Publish was faster: the tombstone stays.
    merged, clashes = merge(deleting, BASE, publish(deleting))
    assert merged.dataset("a.csv").versions[0].state is State.DELETED
    assert merged.dataset("a.csv").versions[0].deleted == TIME
    assert clashes == ()


def test_an_empty_dataset_stays() -> None:
    base = BASE.put(Dataset(name="e.csv", kind=Kind.FILE))
    assert clean(base, base, add(base, "a.csv", "x", 3)).dataset("e.csv").versions == ()


def test_cherry_picked_entries_are_one() -> None:
    ours = add(BASE, "c.csv", "x", 3)
    assert clean(BASE, ours, add(ours, "c.csv", "y", 4)).datasets["c.csv"].versions[1].id == ulid(3)
    assert clean(BASE, ours, publish(ours)) == publish(ours)
    hidden = remove(ours, "c.csv")
    assert clean(BASE, ours, hidden).dataset("c.csv").state is DatasetState.REMOVED


# Stories that a person must decide


def test_both_rename_differently() -> None:
    ours = add(evolve.rename(BASE, "a.csv", "here.csv"), "here.csv", "x", 3)
    merged, clashes = clashing(BASE, ours, evolve.rename(BASE, "a.csv", "there.csv"))
    assert shape(merged) == {"b.csv": ["v1 published"], "here.csv": ["v2 pending", "v1 published"]}
    assert clashes == ["here.csv: name: 'here.csv' here, 'there.csv' there"]


def test_a_rename_meets_a_new_dataset_of_that_name() -> None:
    ours, theirs = evolve.rename(BASE, "a.csv", "c.csv"), add(BASE, "c.csv", "x", 3)
    merged, clashes = clashing(BASE, ours, theirs)
    assert list(merged.datasets) == ["b.csv", "c.csv"]
    assert merged.dataset("c.csv").versions[0].id == ulid(1)
    assert clashes == [f"c.csv: dataset: 'c.csv' here, 'a new file with the versions {ulid(3)}' there"]
    merged, clashes = clashing(BASE, theirs, ours)
    assert list(merged.datasets) == ["a.csv", "b.csv", "c.csv"]
    assert clashes == ["a.csv: name: 'a.csv' here, 'c.csv' there"]


def test_two_renames_meet() -> None:
    ours, theirs = evolve.rename(BASE, "a.csv", "c.csv"), evolve.rename(BASE, "b.csv", "C.csv")
    merged, clashes = clashing(BASE, ours, theirs)
    assert list(merged.datasets) == ["b.csv", "c.csv"]
    assert clashes == ["b.csv: name: 'b.csv' here, 'C.csv' there"]


def test_one_renaming_undone_uncovers_another_obstacle() -> None:
    """Theirs moved a away and put a new dataset there; ours has a new dataset where a went."""
    theirs = add(evolve.rename(BASE, "a.csv", "c.csv"), "a.csv", "new", 3)
    merged, clashes = clashing(BASE, add(BASE, "C.csv", "x", 4), theirs)
    assert {d.name: d.versions[0].id for d in merged} == {
        "C.csv": ulid(4),
        "a.csv": ulid(1),
        "b.csv": ulid(2),
    }
    assert clashes == [
        "a.csv: name: 'a.csv' here, 'c.csv' there",
        f"a.csv: dataset: 'a.csv' here, 'a new file with the versions {ulid(3)}' there",
    ]


@pytest.mark.parametrize(("here", "there"), [("d", "d/x.csv"), ("d/x.csv", "D"), ("x.csv", "X.csv")])
def test_new_datasets_that_cannot_stand_together(here: str, there: str) -> None:
    merged, clashes = clashing(BASE, add(BASE, here, "x", 3), add(BASE, there, "y", 4))
    assert list(merged.datasets) == ["a.csv", "b.csv", here]
    assert len(clashes) == 1
    assert clashes[0].startswith(f"{there}: dataset: '{here}' here, 'a new file")


def test_several_datasets_inside_one() -> None:
    theirs = add(add(add(BASE, "d/x.csv", "x", 3), "d/y.csv", "y", 4), "e.csv", "z", 5)
    merged, clashes = clashing(BASE, add(BASE, "d", "t", 6, Kind.TREE), theirs)
    assert list(merged.datasets) == ["a.csv", "b.csv", "d", "e.csv"]
    assert len(clashes) == 2


def test_a_file_here_and_a_folder_there() -> None:
    merged, clashes = clashing(BASE, add(BASE, "d", "x", 3), add(BASE, "d", "y", 4, Kind.TREE))
    assert merged.dataset("d").kind is Kind.FILE
    assert clashes == [f"d: dataset: 'd' here, 'a new tree with the versions {ulid(4)}' there"]


def test_one_option_edited_differently() -> None:
    base = option(BASE, "a.csv", title="T")
    merged, clashes = clashing(base, option(base, "a.csv", title="X"), option(base, "a.csv", title="Y"))
    assert merged.dataset("a.csv").options == {"title": "X"}
    assert clashes == ["a.csv: option title: 'X' here, 'Y' there"]
    merged, clashes = clashing(base, option(base, "a.csv"), option(base, "a.csv", title="Y"))
    assert merged.dataset("a.csv").options == {}
    assert clashes == ["a.csv: option title: nothing here, 'Y' there"]


def test_a_message_edited_differently() -> None:
    base = add(BASE, "a.csv", "x", 3)
    merged, clashes = clashing(base, edit(base, "a.csv", message="X"), edit(base, "a.csv", message="Y"))
    assert merged.dataset("a.csv").versions[0].message == "X"
    assert clashes == [f"a.csv: v2 ({ulid(3)}): message: 'X' here, 'Y' there"]


def test_keys_of_the_manifest_itself() -> None:
    ours, theirs = (Manifest(BASE.datasets, {"x": value}) for value in (1, 2))
    merged, clashes = merge(BASE, ours, theirs)
    assert merged == ours
    assert clashes == (Clash("manifest.json", "x", 1, 2),)


@pytest.mark.parametrize("hide", [delete, remove])
def test_hidden_here_and_extended_there(hide: Any) -> None:
    hidden, extended = hide(BASE, "a.csv"), add(BASE, "a.csv", "x", 3)
    merged, clashes = clashing(BASE, hidden, extended)
    dataset = merged.dataset("a.csv")
    assert dataset.state is hidden.dataset("a.csv").state
    assert dataset.versions[0].state is State.PENDING
    assert clashes == [f"a.csv: state: '{dataset.state}' here, 'new versions' there"]
    merged, clashes = clashing(BASE, extended, hidden)
    assert merged.dataset("a.csv").state is None
    assert clashes == [f"a.csv: state: 'new versions' here, '{dataset.state}' there"]


def test_brought_back_here_and_deleted_there() -> None:
    base = remove(BASE, "a.csv")
    merged, clashes = clashing(base, add(base, "a.csv", "one", 3), delete(base, "a.csv"))
    assert merged.dataset("a.csv").state is None
    assert clashes == ["a.csv: state: 'new versions' here, 'deleting' there"]


def test_dropped_here_and_changed_there() -> None:
    changed = add(BASE, "a.csv", "x", 3)
    for ours, theirs in ((BASE.drop("a.csv"), changed), (changed, BASE.drop("a.csv"))):
        merged, clashes = clashing(BASE, ours, theirs)
        assert merged == changed
        assert len(clashes) == 1
        assert clashes[0].startswith("a.csv: dataset: ")
        assert "'dropped'" in clashes[0]


def test_one_number_published_twice() -> None:
    """Two branches that both publish: both entries stand, and the clash is told once only."""
    ours, theirs = publish(add(BASE, "a.csv", "x", 3)), publish(add(BASE, "a.csv", "y", 4))
    merged, clashes = clashing(BASE, ours, theirs)
    assert [v.name for v in merged.dataset("a.csv").versions] == ["v2", "v2", "v1"]
    assert clashes == [f"a.csv: published number v2: '{ulid(3)}' here, '{ulid(4)}' there"]
    assert merge(ours, merged, add(ours, "b.csv", "z", 5)).clashes == ()


def test_one_entry_published_under_two_numbers() -> None:
    pending = add(BASE, "a.csv", "x", 3)
    ours, theirs = (publish(edit(pending, "a.csv", number=n)) for n in (3, 4))
    merged, clashes = clashing(pending, ours, theirs)
    assert merged.dataset("a.csv").versions[0].name == "v3"
    assert clashes == [f"a.csv: number of {ulid(3)}: 'v3' here, 'v4' there"]


def test_an_entry_put_by_hand_into_two_datasets() -> None:
    def move(m: Manifest, to: str) -> Manifest:
        (entry,) = m.dataset("a.csv").versions
        target = m.dataset(to)
        m = m.put(replace(m.dataset("a.csv"), versions=()))
        return m.put(replace(target, versions=(replace(entry, number=9), *target.versions)))

    base = add(BASE, "c.csv", "x", 3)
    merged, clashes = clashing(base, move(base, "b.csv"), move(base, "c.csv"))
    assert {d.name: [v.id for v in d.versions] for d in merged} == {
        "a.csv": [],
        "b.csv": [ulid(1), ulid(2)],
        "c.csv": [ulid(3)],
    }
    assert clashes == [f"b.csv: entry {ulid(1)}: 'b.csv' here, 'c.csv' there"]


def test_two_datasets_put_into_one_by_hand() -> None:
    both = (*BASE.dataset("b.csv").versions, *(replace(v, number=2) for v in BASE.dataset("a.csv").versions))
    ours = BASE.drop("a.csv").put(replace(BASE.dataset("b.csv"), versions=tuple(reversed(both))))
    assert clean(BASE, ours, BASE) == ours


def test_clashes_do_not_print_what_terminals_obey() -> None:
    clash = Clash("a", "message", "\x1b[2J", DatasetState.REMOVED)
    assert str(clash) == "a: message: '\\x1b[2J' here, 'removed' there"


def test_version_type_is_kept() -> None:
    merged = clean(BASE, BASE, add(BASE, "a.csv", "x", 3))
    assert all(isinstance(v, Version) for _, v in merged.entries())
