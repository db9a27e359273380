"""Folders: read once, hashed only where something changed, never a version of a changing folder."""

import os
from pathlib import Path
from typing import Any

import pytest

from git_datamanager.content import pack, tree
from git_datamanager.content.treediff import changes
from git_datamanager.errors import Conflict, NameRefused, NotFound
from git_datamanager.model.members import check_members
from git_datamanager.model.oid import Oid
from git_datamanager.workspace import folderread
from git_datamanager.workspace.folders import Folders
from tests.workspace.folderworld import folders_in, listing, sha, version, write

FILES = {"a": b"1", "b/c": b"22", "b/d": b"", "big": b"x" * pack.SMALL, "b/e": b"1"}


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    made = folders_in(tmp_path)
    write(tmp_path / "top" / "d", FILES, executable=["b/c"])
    return made


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of members that are read."""
    seen: list[str] = []
    original = folderread._open

    def note(task: Any) -> int:
        seen.append(Path(task.path).name)
        return original(task)

    monkeypatch.setattr(folderread, "_open", note)
    return seen


def test_a_folder_becomes_its_listing(folders: Folders, opened: list[str]) -> None:
    found = folders.capture("d")
    expected = version(FILES, executable=["b/c"])
    assert found.listing == expected.members
    assert found.oid == expected.oid
    assert found.size == sum(map(len, FILES.values()))
    assert sorted(opened) == ["a", "big", "c", "e"], "each once, the empty one not at all"
    assert folders.packs.missing([sha(b"1"), sha(b"22")]) == set()
    assert folders.cache.has(Oid.of(FILES["big"]))
    (made,) = folders.packs
    assert folders.packs.read_index(made.oid).digests == [sha(b"1"), sha(b"22")], "equal members once"


def test_what_did_not_change_is_not_read_again(folders: Folders, opened: list[str]) -> None:
    first = folders.capture("d")
    folders.vouch("d", first.oid)
    opened.clear()
    seen = folders.look("d")
    assert seen is not None
    assert (seen.oid, seen.listing) == (first.oid, first.listing)
    write(folders.path("d"), {"b/c": b"23"}, executable=["b/c"])
    seen = folders.look("d")
    assert seen is not None
    assert seen.listing is not None
    assert changes(first.listing, seen.listing) == ([], ["b/c"], [])
    assert opened == ["c"]
    opened.clear()
    second = folders.capture("d")
    assert opened == ["c"], "what was only looked at is not kept yet"
    assert folders.packs.missing([sha(b"23")]) == set()
    assert second.oid == seen.oid
    assert folders.capture("d").oid == second.oid
    assert opened == ["c"]
    folders.look("d", rehash=True)
    assert sorted(opened) == ["a", "big", "c", "c", "e"]


def test_additions_deletions_and_modes_are_seen(folders: Folders) -> None:
    first = folders.capture("d")
    (folders.path("d") / "a").unlink()
    (folders.path("d") / "b" / "c").chmod(0o644)
    write(folders.path("d"), {"new/one": b"1"})
    seen = folders.look("d")
    assert seen is not None
    assert seen.listing is not None
    assert changes(first.listing, seen.listing) == (["new/one"], ["b/c"], ["a"])
    assert bool(changes(first.listing, first.listing)) is False


def test_a_damaged_record_costs_a_hash_and_no_more(folders: Folders, opened: list[str]) -> None:
    first = folders.capture("d")
    folders.states.path("d").write_bytes(b"")
    opened.clear()
    seen = folders.look("d")
    assert seen is not None
    assert seen.oid == first.oid
    assert sorted(opened) == ["a", "big", "c", "e"]


@pytest.mark.parametrize("member", ["a", "big"])
@pytest.mark.parametrize("change", ["write", "replace", "delete", "link", "grow"])
def test_a_file_that_changes_while_it_is_read_makes_no_version(
    folders: Folders, monkeypatch: pytest.MonkeyPatch, member: str, change: str
) -> None:
    original, path = folderread._open, folders.path("d") / member

    def meddle(task: Any) -> int:
        fd = original(task) if change in ("write", "grow") else -1
        if Path(task.path) == path:
            if change == "write":
                with path.open("r+b") as file:
                    file.write(b"?")
            elif change == "grow":
                with path.open("ab") as file:
                    file.write(b"?")
            else:
                path.rename(path.with_name("old"))
                if change == "replace":
                    path.write_bytes(FILES[member])
                elif change == "link":
                    path.symlink_to("old")
        return fd if fd >= 0 else original(task)

    monkeypatch.setattr(folderread, "_open", meddle)
    with pytest.raises(Conflict, match=f"{member} changed while it was read: nothing was added"):
        folders.capture("d")
    assert folders.states.get("d") is None
    monkeypatch.undo()
    assert folders.look("d") is not None


def test_many_files_are_read_by_several_threads_in_order(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {f"many/{n:03}": os.urandom(20_000) for n in range(40)}
    write(folders.path("d"), files)
    monkeypatch.setattr(folderread, "_FILES", 3)
    found = folders.capture("d")
    assert found.listing == listing(FILES | files, executable=["b/c"])
    assert list(dict(folders.packs.read(found.listing.digest(n) for n in range(len(found.listing))))) != []
    (made,) = folders.packs
    digests = folders.packs.read_index(made.oid).digests
    assert digests[2:] == [sha(data) for data in files.values()], "the layout follows from the listing"


def test_without_a_cache_nothing_is_packed(tmp_path: Path) -> None:
    folders = folders_in(tmp_path, mode="none")
    write(tmp_path / "top" / "d", FILES)
    assert folders.capture("d").oid == version(FILES).oid
    assert list(folders.packs) == []
    assert list(folders.cache) == []


def test_a_folder_without_files_is_a_version_too(tmp_path: Path) -> None:
    folders = folders_in(tmp_path)
    (tmp_path / "top" / "d" / "e").mkdir(parents=True)
    found = folders.capture("d")
    assert (found.size, found.oid) == (0, Oid(tree.EMPTY.hex()))
    seen = folders.look("d")
    assert seen is not None
    assert seen.oid == found.oid


def test_what_is_not_there(folders: Folders) -> None:
    assert folders.look("e") is None
    with pytest.raises(NotFound):
        folders.capture("e")
    with pytest.raises(NameRefused):
        folders.look("../d")


def test_a_link_makes_the_content_unknown(folders: Folders) -> None:
    folders.capture("d")
    (folders.path("d") / "l").symlink_to("a")
    seen = folders.look("d")
    assert seen is not None
    assert (seen.oid, seen.listing) == (None, None)
    assert seen.look.refused[0].path == "l"


def test_the_listing_is_kept_as_an_object(folders: Folders) -> None:
    found = folders.capture("d")
    folders.keep_listing(found.listing, found.oid)
    folders.keep_listing(found.listing, found.oid)
    data = folders.cache.path(found.oid).read_bytes()
    assert Oid.of(data) == found.oid
    assert tree.loads(data, check=check_members) == found.listing
