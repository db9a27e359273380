"""The cache: bytes a clone keeps, never the last copy lost."""

from pathlib import Path

import pytest

from git_datamanager import fsio
from git_datamanager.model.oid import Oid
from git_datamanager.workspace import cache as module
from git_datamanager.workspace.cache import Cache


def new_cache(tmp_path: Path, *, mode: str = "auto", limit: int = 1 << 30, held: bool = False) -> Cache:
    return Cache(tmp_path / "data" / "cache", mode, lambda: limit, lambda _: held)


def ingest(cache: Cache, path: Path) -> Oid:
    with path.open("rb", buffering=0) as file:
        return cache.ingest(file, path.stat().st_size, lambda _: None)[0]


def test_small_files_are_copied_read_only(tmp_path: Path) -> None:
    cache = new_cache(tmp_path)
    path = tmp_path / "a"
    path.write_bytes(b"1\n")
    oid = ingest(cache, path)
    assert oid == Oid.of(b"1\n")
    assert cache.path(oid).read_bytes() == b"1\n"
    assert cache.path(oid).stat().st_mode & 0o222 == 0


def test_big_files_are_not_copied_where_no_reflink_is_to_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SMALL", 10)
    monkeypatch.setattr(fsio, "reflink", lambda *_: False)
    path = tmp_path / "a"
    path.write_bytes(b"x" * 11)
    cache = new_cache(tmp_path)
    oid = ingest(cache, path)
    assert oid == Oid.of(b"x" * 11)
    assert not cache.has(oid)
    assert not cache.keep(path, oid, 11)
    copying = new_cache(tmp_path, mode="copy")
    assert copying.has(ingest(copying, path))
    assert list((cache.root / "tmp").iterdir()) == [], "nothing temporary stays"


def test_without_a_cache_nothing_is_kept_that_a_store_holds(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"1\n")
    cache = new_cache(tmp_path, mode="none", held=True)
    oid = ingest(cache, path)
    with fsio.Folder(tmp_path, "a") as folder:
        assert cache.take(folder, "a", oid)
    assert not cache.has(oid)
    unheld = new_cache(tmp_path, mode="none", held=False)
    with fsio.Folder(tmp_path, "a") as folder:
        assert unheld.take(folder, "a", oid)
    assert unheld.has(oid), "the only copy is kept all the same"


def test_eviction_spares_what_no_store_is_known_to_hold(tmp_path: Path) -> None:
    path = tmp_path / "a"
    held = set[Oid]()
    cache = Cache(tmp_path / "data" / "cache", "auto", lambda: 4, lambda oid: oid in held)
    oids = []
    for content in (b"11\n", b"22\n", b"33\n"):
        path.write_bytes(content)
        oids.append(ingest(cache, path))
    assert cache.evict() == []
    held |= set(oids[:2])
    assert {c.oid for c in cache.evict()} == set(oids[:2])
    assert cache.has(oids[2])


def test_what_is_kept_aside_takes_the_logs_along(tmp_path: Path) -> None:
    for name in ("a.db", "a.db-wal"):
        (tmp_path / name).write_text(name)
    cache = new_cache(tmp_path)
    with fsio.Folder(tmp_path, "a.db") as folder:
        entry = cache.keep_aside(folder, lambda _: None)
    kept = cache.kept(entry)
    assert sorted(p.name for p in kept.iterdir()) == ["a.db", "a.db-wal"]
    assert (tmp_path / "a.db").exists(), "it stands in its place until something is renamed over it"
    assert not (tmp_path / "a.db-wal").exists()
