"""Folders as stores: what they show, what they never follow, what they say when they cannot."""

import errno
import io
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from git_datamanager import fsio
from git_datamanager.errors import (
    Corrupt,
    DataError,
    Forbidden,
    Locked,
    ObjectMissing,
    PreconditionFailed,
    Unreachable,
)
from git_datamanager.storage import local, localfile
from git_datamanager.storage.base import ABSENT, matching
from git_datamanager.storage.local import LocalStore, create
from tests.storage.contract import DATA, KEY, StoreContract, get, put


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(root: Path) -> LocalStore:
    return create(root)


class TestLocalStore(StoreContract):
    pass


class TestWithoutHardLinks(StoreContract):
    """File systems such as exFAT: the name is taken under the lock instead."""

    @pytest.fixture(autouse=True)
    def no_links(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(os, "link", refuse)


def test_objects_are_plain_read_only_files(store: LocalStore, root: Path) -> None:
    put(store)
    file = root / KEY
    assert file.read_bytes() == DATA
    assert stat.S_IMODE(file.stat().st_mode) & 0o333 == 0


def test_nothing_is_left_beside_the_objects(store: LocalStore, root: Path) -> None:
    put(store, expect=ABSENT)
    with pytest.raises(PreconditionFailed):
        put(store, expect=ABSENT)
    with pytest.raises(Corrupt):
        store.write_object("b", io.BytesIO(b""), 1)
    assert [name for name in os.listdir(root) if name != ".lock"] == ["objects"]
    assert os.listdir((root / KEY).parent) == [Path(KEY).name]


def test_own_files_are_never_listed(store: LocalStore, root: Path) -> None:
    (root / f"{fsio.TEMP_PREFIX}1-a").write_bytes(b"left by a crash")
    put(store)
    store.delete_object("nothing")
    assert [s.key for s in store.list_objects("")] == [KEY]


def test_a_missing_folder_is_unreachable_and_not_made(root: Path) -> None:
    store = LocalStore(root)
    acts = [
        lambda: store.stat_object(KEY),
        lambda: put(store),
        lambda: get(store),
        lambda: list(store.list_objects("")),
        lambda: store.delete_object(KEY),
    ]
    for act in acts:
        with pytest.raises(Unreachable, match="does not exist"):
            act()
    assert not root.exists()


def test_a_linked_folder_is_not_followed(store: LocalStore, root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    (root / "objects").symlink_to(outside)
    for act in (
        lambda: put(store, "objects/new"),
        lambda: put(store, "objects/new", expect=ABSENT),
        lambda: get(store, "objects/secret"),
        lambda: store.stat_object("objects/secret"),
        lambda: store.delete_object("objects/secret"),
    ):
        with pytest.raises(Forbidden):
            act()
    assert list(store.list_objects("")) == []
    assert os.listdir(outside) == ["secret"]


def test_a_linked_object_is_not_followed(store: LocalStore, root: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (root / "a").symlink_to(tmp_path / "secret")
    with pytest.raises(Forbidden, match="symbolic link"):
        get(store, "a")
    with pytest.raises(Forbidden, match="symbolic link"):
        store.stat_object("a")
    with pytest.raises(PreconditionFailed):
        put(store, "a", expect=ABSENT)
    assert (tmp_path / "secret").read_bytes() == b"secret"


def test_a_pipe_does_not_block(store: LocalStore, root: Path) -> None:
    os.mkfifo(root / "a")
    with pytest.raises(Forbidden):
        get(store, "a")


def test_a_folder_is_no_object(store: LocalStore) -> None:
    put(store)
    assert store.stat_object("objects") is None
    with pytest.raises(ObjectMissing):
        get(store, "objects")


def test_a_full_disk(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(fsio, "fsync_file", full)
    with pytest.raises(DataError, match="no space left") as caught:
        put(store)
    assert type(caught.value) is DataError
    assert list(store.list_objects("")) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_permission_by_mode(store: LocalStore, root: Path) -> None:
    root.chmod(0o500)
    try:
        with pytest.raises(Forbidden):
            put(store)
    finally:
        root.chmod(0o700)


def test_no_permission(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(Forbidden, match="Permission denied"):
        put(store, expect=ABSENT)


def test_a_broken_disk(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fsio, "fsync_file", broken)
    with pytest.raises(Unreachable, match="Input/output error"):
        put(store)


def test_a_held_lock(store: LocalStore, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from filelock import FileLock

    put(store)
    monkeypatch.setattr(local, "LOCK_TIMEOUT", 0.05)
    with FileLock(root / ".lock"), pytest.raises(Locked):
        put(store)


def test_bytes_changed_in_place_change_the_etag(store: LocalStore, root: Path) -> None:
    before = put(store)
    (root / KEY).chmod(0o600)
    (root / KEY).write_bytes(DATA[::-1])
    found = store.stat_object(KEY)
    assert found is not None
    assert found.etag != before.etag


def test_a_reused_inode_is_another_object(store: LocalStore) -> None:
    seen = set()
    for _ in range(50):
        seen.add(put(store).etag)
        store.delete_object(KEY)
    assert len(seen) == 50


def test_a_source_that_changes_during_the_copy(
    store: LocalStore, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    etag = put(store, "from").etag

    def change(*_: object) -> bool:
        (root / "from").chmod(0o600)
        (root / "from").write_bytes(DATA[::-1])
        return True

    monkeypatch.setattr(fsio, "reflink", change)
    target = create(tmp_path / "target")
    with pytest.raises(PreconditionFailed):
        target.copy_object(store, "from", KEY, source_etag=etag)
    assert target.stat_object(KEY) is None


def test_a_copy_where_blocks_cannot_be_shared(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fsio, "reflink", lambda *_: False)
    target = create(tmp_path / "target")
    assert target.copy_object(store, "from", KEY, source_etag=put(store, "from").etag) is not None
    assert get(target) == DATA


def test_a_file_that_shrinks_while_it_is_read(store: LocalStore, root: Path) -> None:
    put(store, data=bytes(5 << 20))
    (root / KEY).chmod(0o600)
    with pytest.raises(Unreachable, match="early"), store.read_object(KEY) as stream:
        stream.read(1)
        os.truncate(root / KEY, 3 << 20)
        stream.read()


def test_an_update_in_an_old_store(store: LocalStore) -> None:
    first = put(store, "deep/er/key", b"1")
    put(store, "deep/er/key", b"2", matching(first.etag))
    assert get(store, "deep/er/key") == b"2"


class Broken(io.RawIOBase):
    """A disk that gives a little and fails."""

    def __init__(self, number: int = errno.EIO) -> None:
        self.number = number
        self.blocks = [b"x" * 100]

    def readable(self) -> bool:
        return True

    def read(self, _: int = -1) -> bytes:
        if self.blocks:
            return self.blocks.pop()
        raise OSError(self.number, os.strerror(self.number))


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES, errno.ESTALE])
def test_a_source_that_fails_is_not_the_stores_fault(store: LocalStore, number: int) -> None:
    with pytest.raises(OSError, match=os.strerror(number)) as caught:
        store.write_object(KEY, Broken(number), 200)  # type: ignore[arg-type]
    assert caught.value.errno == number
    assert list(store.list_objects("")) == []


def test_a_copy_names_the_store_that_failed(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fsio, "reflink", lambda *_: False)
    etag = put(store).etag
    monkeypatch.setattr(localfile.Source, "read", lambda self, _: _fail(self))
    with pytest.raises(Unreachable, match=str(tmp_path / "store")):
        create(tmp_path / "target").copy_object(store, KEY, KEY, source_etag=etag)


def _fail(source: localfile.Source) -> bytes:
    source.failure = OSError(errno.EIO, "Input/output error")
    raise source.failure


def test_what_a_killed_write_left_is_swept_after_a_day(root: Path, store: LocalStore) -> None:
    dead = 2**22 + 1  # beyond any process id
    old, young = (root / f"{fsio.TEMP_PREFIX}{dead}-{name}" for name in ("old", "young"))
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    put(store)
    assert (old.exists(), young.exists()) == (False, True)
    os.utime(young, (0, 0))
    put(store)
    assert young.exists(), "once for each opened store"


def test_the_module_is_light() -> None:
    heavy = {"filelock", "asyncio", "boto3", "botocore", "urllib3", "pydantic", "click"}
    code = f"import git_datamanager.storage.local, sys; print({heavy!r} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"


def test_the_clock_is_that_of_the_file_system(
    store: LocalStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine whose own clock is a year late sees ages as everybody else does."""
    monkeypatch.setattr("time.time", lambda: 0.0)
    monkeypatch.setattr(localfile, "time", lambda: 0.0)
    written = put(store)
    assert store.clock() > 1.7e9
    assert abs(store.clock() - written.modified) < 1
    assert [path.name for path in root.iterdir() if path.name.startswith(fsio.TEMP_PREFIX)] == []


def test_the_clock_of_a_folder_nobody_may_write(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fsio, "new_temp", _refuse(errno.EROFS))
    monkeypatch.setattr(localfile, "time", lambda: 1234.0)
    assert store.clock() == 1234.0


def test_the_clock_of_no_folder(root: Path) -> None:
    with pytest.raises(Unreachable):
        LocalStore(root).clock()


def _refuse(number: int) -> Callable[..., object]:
    def refuse(*_: object, **__: object) -> object:
        raise OSError(number, os.strerror(number))

    return refuse
