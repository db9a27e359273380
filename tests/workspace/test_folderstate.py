"""What is known of a folder without reading it: a cache, believed only where it must be right."""

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_datamanager.model.oid import Oid
from git_datamanager.workspace import folderstate
from git_datamanager.workspace.folderscan import scan, scan_calm
from git_datamanager.workspace.folderstate import FolderStates, recorded
from tests.workspace.folderworld import sha, write

ONE, TWO, THREE = Oid.of(b"1"), Oid.of(b"2"), Oid.of(b"3")


@pytest.fixture
def top(tmp_path: Path) -> Path:
    write(tmp_path / "d", {"a": b"1", "b/é": b"22"}, executable=["a"])
    return tmp_path


def test_what_is_put_is_got(top: Path) -> None:
    states = FolderStates(top / "states")
    look = scan_calm(top, "d")
    digests = sha(b"1") + sha(b"22")
    record = recorded(look, digests, ONE, kept=b"\1\0", vouched=TWO, picked=THREE, globs=("b/*",))
    states.put("d", record)
    found = states.get("d")
    assert found == record
    assert found is not None
    assert found.holds(scan(top, "d"))
    assert [m.path for m in found.listing] == ["a", "b/é"]
    assert [(m.size, m.digest, m.is_executable) for m in found.listing][1] == (2, sha(b"22"), False)
    assert found.digests_for(look, kept=False) == [sha(b"1"), sha(b"22")]
    assert found.digests_for(look, kept=True) == [sha(b"1"), None]
    assert states.get("e") is None
    assert (states._root / "98dd4acc").exists(), "the CRC-32 of the name"
    states.vouch("d", THREE)
    again = states.get("d")
    assert again is not None
    assert (again.vouched, again.oid) == (THREE, ONE)
    states.forget("d")
    assert states.get("d") is None


@pytest.mark.parametrize("change", ["write", "touch", "chmod", "add", "delete", "rename", "replace"])
def test_any_change_is_seen(top: Path, change: str) -> None:
    look = scan_calm(top, "d")
    record = recorded(look, bytes(64), ONE, kept=b"\1\1")
    path = top / "d" / "a"
    stat = path.stat()
    if change == "write":
        path.write_bytes(b"2")
        os.utime(path, ns=(stat.st_mtime_ns, stat.st_mtime_ns))
    elif change == "touch":
        os.utime(path)
    elif change == "chmod":
        path.chmod(0o600)
    elif change == "add":
        (top / "d" / "c").write_bytes(b"")
    elif change == "delete":
        path.unlink()
    elif change == "rename":
        path.rename(top / "d" / "0")
    else:
        (top / "n").write_bytes(b"1")
        (top / "n").replace(path)
    now = scan(top, "d")
    assert not record.holds(now)
    assert record.digests_for(now, kept=False).count(None) == (0 if change == "delete" else 1)


def test_a_file_of_the_very_instant_is_never_believed(top: Path) -> None:
    future = time.time_ns() + 10**12
    os.utime(top / "d" / "a", ns=(future, future))
    look = scan(top, "d")
    record = recorded(look, bytes(64), ONE, kept=b"\1\1")
    assert not record.holds(look)
    assert record.digests_for(look, kept=False)[0] is None
    assert record.listing.sizes[0] == 1


@given(draw=st.data())
def test_a_damaged_record_is_none(draw: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    top = tmp_path_factory.mktemp("d")
    write(top / "d", {"a": b"1"})
    states = FolderStates(top / "states")
    states.put("d", recorded(scan(top, "d"), bytes(32), ONE, kept=b"\1"))
    path = states.path("d")
    data = path.read_bytes()
    body = data.index(b"\n", len(folderstate._MAGIC)) + 1
    at = draw.draw(st.integers(0, 10**6)) % (len(data) - body) + body
    path.write_bytes(data[:at] + bytes([data[at] ^ draw.draw(st.integers(1, 255))]) + data[at + 1 :])
    assert states.get("d") is None
    path.write_bytes(data[: draw.draw(st.integers(0, 10**6)) % len(data)])
    assert states.get("d") is None
    path.write_bytes(draw.draw(st.binary(max_size=200)))
    assert states.get("d") is None


def test_damaged_headers_are_none(top: Path) -> None:
    states = FolderStates(top / "states")
    states.put("d", recorded(scan(top, "d"), bytes(64), ONE, kept=b"\1\1"))
    data = states.path("d").read_bytes()
    for old, new in [
        (b'"name": "d"', b'"name": "e"'), (b'"members": 2', b'"members": 1'), (b'"oid"', b'"oit"'),
        (b'"paths": ', b'"paths": 1'), (b'"members": 2', b'"members": "2"'), (b"sha256:", b"sha1:"),
    ]:  # fmt: skip
        assert old in data
        states.path("d").write_bytes(data.replace(old, new, 1))
        assert states.get("d") is None, old


def test_nothing_is_written_where_git_asks_for_no_locks(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_OPTIONAL_LOCKS", "0")
    states = FolderStates(top / "states")
    states.put("d", recorded(scan(top, "d"), bytes(64), ONE, kept=b"\1\1"))
    assert not (top / "states").exists()


def test_a_place_that_cannot_be_written_costs_a_hash(top: Path) -> None:
    (top / "states").write_bytes(b"a file")
    states = FolderStates(top / "states")
    states.put("d", recorded(scan(top, "d"), bytes(64), ONE, kept=b"\1\1"))
    assert states.get("d") is None
    states.forget("d")
