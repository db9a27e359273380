"""The packs of a clone: every member once, nothing believed that was not hashed, the last copy never lost."""

from pathlib import Path

import pytest

from git_datamanager.content import pack
from git_datamanager.model.oid import Oid
from git_datamanager.workspace.folderpacks import Packs
from tests.workspace.folderworld import sha

DATA = [b"one", b"two", b"three"]
DIGESTS = [sha(d) for d in DATA]


def new_packs(root: Path, *, mode: str = "auto", limit: int = 1 << 40, held: bool = False) -> Packs:
    return Packs(root, mode, lambda: limit, lambda _: held)


def keep(packs: Packs, *contents: bytes) -> list[Oid]:
    with packs.packing() as packing:
        packing.add([(sha(data), data) for data in contents])
    return packing.made


def test_members_come_back_verified(tmp_path: Path) -> None:
    packs = new_packs(tmp_path)
    (made,) = keep(packs, *DATA)
    assert dict(packs.read(DIGESTS)) == dict(zip(DIGESTS, DATA, strict=True))
    assert list(packs.read([sha(b"other")])) == []
    assert packs.path(made).stat().st_mode & 0o222 == 0
    assert Oid.of(packs.path(made).read_bytes()) == made
    assert {oid: set(found) for oid, found in packs.holders(DIGESTS[:2]).items()} == {made: set(DIGESTS[:2])}


def test_a_member_is_packed_once(tmp_path: Path) -> None:
    packs = new_packs(tmp_path)
    keep(packs, b"one", b"one", b"")
    assert keep(packs, b"one") == []
    (second,) = keep(packs, b"one", b"two")
    assert packs.read_index(second).digests == [sha(b"two")]
    assert packs.missing([*DIGESTS, sha(b"")]) == {DIGESTS[2], sha(b"")}


def test_a_full_pack_is_followed_by_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack, "MAX_PACK", pack.pack_size(6, 2))
    packs = new_packs(tmp_path)
    made = keep(packs, *DATA)
    assert len(made) == 2
    assert len(dict(packs.read(DIGESTS))) == 3


@pytest.mark.parametrize("harm", ["gone", "noise", "empty"])
def test_a_lost_index_is_made_anew(tmp_path: Path, harm: str) -> None:
    packs = new_packs(tmp_path)
    keep(packs, *DATA)
    file = packs.root / "index.db"
    if harm == "gone":
        file.unlink()
    else:
        file.write_bytes(b"noise" * 4000 if harm == "noise" else b"")
    again = new_packs(tmp_path)
    assert again.missing(DIGESTS) == set()
    assert len(dict(again.read(DIGESTS))) == 3


def test_a_pack_that_vanished_is_forgotten(tmp_path: Path) -> None:
    packs = new_packs(tmp_path)
    (made,) = keep(packs, *DATA)
    packs.path(made).unlink()
    assert list(packs.read(DIGESTS)) == []
    assert new_packs(tmp_path).missing(DIGESTS) == set(DIGESTS)


@pytest.mark.parametrize("at", [0, -1, -60])
def test_a_damaged_pack_is_dropped_when_it_is_used(tmp_path: Path, at: int) -> None:
    packs = new_packs(tmp_path)
    (made,) = keep(packs, *DATA)
    path = packs.path(made)
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)
    assert DIGESTS[0] not in dict(packs.read(DIGESTS))
    assert not path.exists()
    assert packs.missing(DIGESTS) == set(DIGESTS)
    assert keep(packs, *DATA) == [made], "and it is made anew"


def test_before_working_files_go_a_pack_is_read_once_more(tmp_path: Path) -> None:
    packs = new_packs(tmp_path)
    (made,) = keep(packs, *DATA)
    (other,) = keep(packs, b"four")
    path = packs.path(made)
    path.chmod(0o600)
    path.write_bytes(bytes(path.stat().st_size))
    assert packs.settle([*DIGESTS, sha(b"four"), sha(b"five")]) == {*DIGESTS, sha(b"five")}
    assert not packs.index.is_durable(made)
    assert packs.index.is_durable(other)
    assert packs.settle([sha(b"four")]) == set()


def test_an_index_that_lies_is_found_out_before_working_files_go(tmp_path: Path) -> None:
    packs = new_packs(tmp_path)
    (made,) = keep(packs, b"one")
    packs.index.add(made, packs.path(made).stat().st_size, pack.Index([sha(b"two")], [0], [3]))
    assert packs.settle([sha(b"two")]) == {sha(b"two")}


def test_what_is_not_finished_leaves_nothing(tmp_path: Path) -> None:
    packs = new_packs(tmp_path)
    with pytest.raises(KeyboardInterrupt), packs.packing() as packing:
        packing.add([(sha(b"one"), b"one")])
        raise KeyboardInterrupt
    assert list(packs) == []
    assert list((packs.root / "tmp").iterdir()) == []


def test_the_last_copy_is_never_evicted(tmp_path: Path) -> None:
    keep(new_packs(tmp_path), *DATA)
    assert new_packs(tmp_path, limit=0).evict() == []
    assert new_packs(tmp_path, held=True).evict() == [], "there is room"
    (gone,) = new_packs(tmp_path, limit=0, held=True).evict()
    assert not gone.path.exists()
    assert new_packs(tmp_path).missing(DIGESTS) == set(DIGESTS)


def test_two_commands_may_pack_at_once(tmp_path: Path) -> None:
    one, other = new_packs(tmp_path), new_packs(tmp_path)
    assert one.missing(DIGESTS) == other.missing(DIGESTS) == set(DIGESTS)
    assert keep(one, *DATA) == keep(new_packs(tmp_path / "elsewhere"), *DATA)
    assert keep(other, *DATA) == []
    assert len(list(one)) == 1
