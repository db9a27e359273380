"""Folders in stores: sent once, published only whole and verified, had back whatever is damaged."""

import hashlib
import json
import os
import random
import time
from pathlib import Path

import pytest

from git_datamanager.content import pack, packlist
from tests.workspace.folderworld import Files, read
from tests.world import Clone, World, movable_world

MIB = 1 << 20
DAY = 86400


def noise(size: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size)


FILES: Files = {
    **{f"part-{n % 3}/{n:03}.bin": noise(2000 + 37 * n, n) for n in range(60)},
    "big.bin": noise(MIB + 5, 99),
    "empty": b"",
}


class Shelf:
    """A world in which ana has published one version of a folder, `d`."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.ana = Clone(world.root / "ana")

    def build(self) -> "Shelf":
        self.ana = self.world.found("ana")
        self.write(FILES)
        self.add("first")
        self.push()
        self.publish()
        return self

    def copy(self, root: Path) -> "Shelf":
        shelf = Shelf(self.world.copy(root))
        for entry in shelf.folder("production", "repos").iterdir():
            entry.unlink()
        return shelf

    def write(self, files: Files, clone: Clone | None = None) -> None:
        for name, data in files.items():
            (clone or self.ana).write(f"d/{name}", data)

    def add(self, message: str = "change") -> None:
        self.ana.data("add", "d")
        self.ana.commit(message)

    def push(self) -> None:
        self.ana.git("push", "-q")

    def publish(self, code: int | None = 0) -> str:
        text = self.world.publish(self.ana, code=code).text
        self.ana.git("pull", "-q", "--rebase")
        return text

    def change(self, files: Files) -> None:
        """A new version that is merged, and not yet published."""
        self.write(files)
        self.add()
        self.push()

    def oid(self, version: str = "v1") -> str:
        (found,) = (v["oid"] for v in self.ana.versions("d") if v["version"] == version)
        return found.removeprefix("sha256:")

    def state(self, version: str) -> str:
        return self.ana.states("d")[version]

    def folder(self, role: str, below: str = "") -> Path:
        return self.world.folder(role) / below

    def objects(self, role: str, prefix: str) -> list[Path]:
        return sorted(p for p in self.folder(role, prefix).rglob("*") if p.is_file())

    def packs(self, role: str) -> list[Path]:
        return self.objects(role, "packs")

    def list_of(self, role: str, version: str) -> Path:
        oid = self.oid(version)
        return self.folder(role, f"trees/{oid[:2]}/{oid}.packs")

    def listing(self, role: str, version: str) -> Path:
        oid = self.oid(version)
        return self.folder(role, f"trees/{oid[:2]}/{oid}")

    def sizes(self, role: str) -> int:
        """Bytes below all content keys."""
        kinds = ("objects", "packs", "trees", "zstd", "delta")
        return sum(p.stat().st_size for kind in kinds for p in self.objects(role, kind))

    def pulled(self, name: str, *words: str) -> Files:
        clone = self.world.clone(name)
        clone.data("pull", *words)
        return read(clone.path / "d")


def damage(path: Path, at: int = 100) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 255
    rewrite(path, bytes(data))


def rewrite(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)


@pytest.fixture(scope="module")
def published(template_folder: Path) -> Shelf:
    return Shelf(movable_world(template_folder / "shelf")).build()


@pytest.fixture
def shelf(published: Shelf, tmp_path: Path) -> Shelf:
    return published.copy(tmp_path / "world")


class TestSending:
    def test_small_members_travel_in_one_pack_and_big_ones_alone(self, shelf: Shelf) -> None:
        assert len(shelf.packs("staging")) == 1
        assert [p.stat().st_size for p in shelf.objects("staging", "objects")] == [MIB + 5]
        assert shelf.list_of("staging", "v1").exists()

    def test_one_changed_file_costs_little_more_than_itself(self, shelf: Shelf) -> None:
        before = shelf.sizes("staging")
        new = noise(10_000, 7)
        shelf.change({"part-1/001.bin": new})
        assert shelf.sizes("staging") - before < 1.2 * len(new)

    @pytest.mark.slow
    def test_what_is_there_is_not_sent_again(self, shelf: Shelf) -> None:
        shelf.change({"part-1/001.bin": noise(10_000, 7)})
        stamps = {p: p.stat().st_mtime_ns for p in shelf.objects("staging", "")}
        (row,) = shelf.ana.json("upload")["versions"]
        assert row["outcome"] == "present"
        assert {p: p.stat().st_mtime_ns for p in shelf.objects("staging", "")} == stamps

    @pytest.mark.slow
    @pytest.mark.parametrize("what", ["pack", "list", "listing"])
    def test_what_is_gone_or_was_replaced_is_sent_again(self, shelf: Shelf, what: str) -> None:
        shelf.change({"part-1/001.bin": noise(10_000, 7)})
        if what == "pack":
            min(shelf.packs("staging"), key=lambda p: p.stat().st_size).unlink()
        elif what == "list":
            shelf.list_of("staging", "v2").unlink()
        else:
            damage(*shelf.objects("staging", "delta"), at=120)
        (row,) = shelf.ana.json("upload")["versions"]
        assert row["outcome"] == "uploaded"
        shelf.publish()
        assert shelf.state("v2") == "published"

    @pytest.mark.slow
    def test_a_version_on_top_of_one_that_is_pending(self, shelf: Shelf) -> None:
        shelf.change({"part-1/001.bin": noise(10_000, 7)})
        before = shelf.sizes("staging")
        shelf.change({"part-2/002.bin": noise(5_000, 8)})
        assert shelf.sizes("staging") - before < 1.3 * 5_000
        shelf.publish()
        assert shelf.ana.states("d") == {"v3": "published", "v2": "published", "v1": "published"}
        assert len(shelf.packs("production")) == 3

    @pytest.mark.slow
    def test_without_a_cache_the_folder_itself_is_packed(self, shelf: Shelf) -> None:
        shelf.ana.git("config", "data.cache", "none")
        shelf.change({f"new/{n}": noise(3000, 1000 + n) for n in range(20)})
        shelf.publish()
        assert shelf.state("v2") == "published"
        assert shelf.pulled("ben") == read(shelf.ana.path / "d")

    @pytest.mark.slow
    def test_a_damaged_pack_of_this_clone_is_made_again(self, shelf: Shelf) -> None:
        shelf.ana.git("config", "data.upload", "manual")
        shelf.write({"part-1/001.bin": noise(10_000, 7)})
        shelf.add()
        packs = (shelf.ana.path / ".git/data/cache/packs").glob("[0-9a-f][0-9a-f]/*")
        damage(min(packs, key=lambda p: p.stat().st_size))
        shelf.ana.data("upload")
        shelf.push()
        shelf.publish()
        assert shelf.pulled("ben") == read(shelf.ana.path / "d")

    @pytest.mark.slow
    def test_a_folder_that_changed_since_cannot_give_what_was_added(self, shelf: Shelf) -> None:
        shelf.ana.git("config", "data.upload", "manual")
        shelf.ana.git("config", "data.cache", "none")
        shelf.write({"part-1/001.bin": noise(10_000, 7)})
        shelf.add()
        shelf.write({"part-1/001.bin": noise(10_000, 8)})
        done = shelf.ana.data("upload", code=None)
        assert done.code not in (0, 70)
        assert "git data add d" in done.text
        assert not shelf.list_of("staging", "v2").exists()

    @pytest.mark.slow
    def test_a_pack_of_dead_members_is_not_named_any_more(self, shelf: Shelf) -> None:
        """What is left of it is packed anew, as its members are here."""
        shelf.change({name: noise(2500, 500 + n) for n, name in enumerate(FILES) if n < 40})
        shelf.publish()
        named = packlist.loads(shelf.list_of("production", "v2").read_bytes())
        old = packlist.loads(shelf.list_of("production", "v1").read_bytes())
        assert not set(named) & set(old)
        assert shelf.pulled("ben") == read(shelf.ana.path / "d")

    @pytest.mark.slow
    def test_what_compresses_is_sent_compressed_and_published_plain(self, shelf: Shelf) -> None:
        text = {f"text/{n}.csv": b"".join(b"%d,%d\n" % (k, n) for k in range(9000)) for n in range(20)}
        before = shelf.sizes("staging")
        shelf.change(text)
        assert shelf.sizes("staging") - before < sum(map(len, text.values())) / 2
        ben = shelf.world.clone("ben")
        ben.data("pull")
        assert read(ben.path / "d") == read(shelf.ana.path / "d"), "before it is published"
        shelf.publish()
        assert len(shelf.packs("production")) == 2
        assert shelf.pulled("cem") == read(shelf.ana.path / "d")

    @pytest.mark.slow
    def test_another_clone_checks_what_is_staged(self, shelf: Shelf) -> None:
        shelf.change({"part-1/001.bin": noise(10_000, 7)})
        ben = shelf.world.clone("ben")
        (row,) = ben.json("upload")["versions"]
        assert row["outcome"] == "present"


class TestPublishing:
    @pytest.mark.slow
    def test_production_has_all_of_it_and_says_where(self, shelf: Shelf) -> None:
        assert shelf.state("v1") == "published"
        assert hashlib.sha256(shelf.listing("production", "v1").read_bytes()).hexdigest() == shelf.oid()
        assert shelf.list_of("production", "v1").read_bytes() == shelf.list_of("staging", "v1").read_bytes()
        assert shelf.pulled("ben") == FILES

    def test_only_the_new_pack_is_copied_and_the_delta_is_kept(self, shelf: Shelf) -> None:
        shelf.change({"part-1/001.bin": noise(10_000, 7)})
        old = {p: p.stat().st_mtime_ns for p in shelf.packs("production")}
        shelf.publish()
        assert {p: p.stat().st_mtime_ns for p in shelf.packs("production") if p in old} == old
        (size,) = (p.stat().st_size for p in shelf.objects("production", "delta"))
        assert shelf.ana.versions("d")[0]["encodings"] == {f"delta:sha256:{shelf.oid('v1')}": size}

    @pytest.mark.slow
    @pytest.mark.parametrize("harm", ["damaged", "gone", "its index lies", "another list", "no list"])
    def test_what_is_not_whole_stays_pending_and_says_why(self, shelf: Shelf, harm: str) -> None:
        shelf.change({"part-1/001.bin": noise(10_000, 7), "part-1/004.bin": noise(5000, 8)})
        new = min(shelf.packs("staging"), key=lambda p: p.stat().st_size)
        if harm == "damaged":
            damage(new)
        elif harm == "gone":
            new.unlink()
        elif harm == "its index lies":
            self.lie(shelf, new)
        elif harm == "another list":
            rewrite(shelf.list_of("staging", "v2"), packlist.dumps([packlist.PackRef("ab" * 32, 200)]))
        else:
            shelf.list_of("staging", "v2").unlink()
        text = shelf.publish(code=None)
        assert "it stays pending" in text
        assert "part-1/001.bin" in text
        assert "git data upload d" in text
        assert shelf.state("v2") == "pending"
        assert not shelf.listing("production", "v2").exists()
        shelf.ana.data("upload")
        shelf.publish()
        assert shelf.state("v2") == "published"
        assert shelf.pulled("ben") == read(shelf.ana.path / "d")

    def lie(self, shelf: Shelf, path: Path) -> None:
        """A pack with its own right name that holds other bytes under a member's digest."""
        data = path.read_bytes()
        index = pack.read_index(len(data), lambda start, length: data[start : start + length])
        body = bytearray(data[: index.area])
        body[5] ^= 1
        other = bytes(body) + index.tail()
        digest = hashlib.sha256(other).hexdigest()
        place = shelf.folder("staging", f"packs/{digest[:2]}/{digest}")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(other)
        rewrite(shelf.list_of("staging", "v2"), packlist.dumps([packlist.PackRef(digest, len(other))]))

    @pytest.mark.slow
    def test_a_list_that_names_too_much_is_made_anew(self, shelf: Shelf) -> None:
        shelf.change({"part-1/001.bin": noise(10_000, 7)})
        good = shelf.list_of("staging", "v2").read_bytes()
        more = [*packlist.loads(good), packlist.PackRef("ab" * 32, 200)]
        rewrite(shelf.list_of("staging", "v2"), packlist.dumps(more))
        shelf.publish()
        assert shelf.list_of("production", "v2").read_bytes() == good

    @pytest.mark.slow
    @pytest.mark.parametrize("line", [
        b'{"path": "../out", "size": 1, "oid": "sha256:%s"}\n' % (b"a" * 64),
        b'{"path": ".git/hooks/x", "size": 1, "oid": "sha256:%s"}\n' % (b"a" * 64),
        b'{"path": "CON", "size": 1, "oid": "sha256:%s"}\n' % (b"a" * 64),
        b"not a listing\n",
    ])  # fmt: skip
    def test_a_listing_with_bad_paths_is_never_published(self, shelf: Shelf, line: bytes) -> None:
        digest = hashlib.sha256(line).hexdigest()
        shelf.change({"part-1/001.bin": noise(10_000, 7)})
        place = shelf.folder("staging", f"trees/{digest[:2]}/{digest}")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(line)
        manifest = shelf.ana.manifest()
        manifest["datasets"]["d"]["versions"][0] |= {"oid": f"sha256:{digest}", "size": 1}
        shelf.ana.write("manifest.json", json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
        shelf.ana.git("add", "-f", "manifest.json")
        shelf.ana.commit("lie", "--no-verify")
        shelf.ana.git("push", "-q", "--no-verify")
        assert "it stays pending" in shelf.publish(code=None)
        assert not shelf.folder("production", f"trees/{digest[:2]}").exists()

    @pytest.mark.slow
    def test_publishing_again_changes_nothing(self, shelf: Shelf) -> None:
        shelf.change({"part-1/001.bin": noise(10_000, 7)})
        shelf.publish()
        before = shelf.ana.manifest()
        stamps = {p: p.stat().st_mtime_ns for p in shelf.packs("production")}
        shelf.publish()
        assert shelf.ana.manifest() == before
        assert {p: p.stat().st_mtime_ns for p in shelf.packs("production")} == stamps

    @pytest.mark.slow
    def test_an_older_version_again_needs_nothing_sent(self, shelf: Shelf) -> None:
        shelf.change({"part-1/001.bin": noise(10_000, 7)})
        shelf.publish()
        before = shelf.sizes("staging")
        shelf.ana.data("rollback", "d", "--to", "v1")
        shelf.ana.commit("back")
        shelf.push()
        shelf.publish()
        assert shelf.state("v3") == "published"
        assert shelf.sizes("staging") == before
        assert shelf.pulled("ben") == FILES


@pytest.mark.slow
class TestPulling:
    def test_a_damaged_pack_is_told_of_and_nothing_is_written(self, shelf: Shelf) -> None:
        damage(*shelf.packs("production"))
        ben = shelf.world.clone("ben")
        done = ben.data("pull", code=None)
        assert done.code not in (0, 70)
        assert "part-0/000.bin" in done.text
        assert "git data fsck --remote" in done.text
        assert not (ben.path / "d").exists()

    def test_what_is_only_in_the_trash_is_found(self, shelf: Shelf) -> None:
        for path in [*shelf.packs("production"), *shelf.objects("production", "objects")]:
            place = shelf.folder("production", f"trash/{path.name[:2]}/{path.name}")
            place.parent.mkdir(parents=True, exist_ok=True)
            path.rename(place)
        assert shelf.pulled("ben") == FILES

    def test_members_of_middle_size_come_some_at_a_time(self, shelf: Shelf) -> None:
        files = {f"scans/{n}.tif": noise(MIB + n % 5, 40 + n % 5) for n in range(9)}
        shelf.change(files)
        assert {k: v for k, v in shelf.pulled("ben").items() if k in files} == files
        shelf.publish()
        damage(shelf.objects("production", "objects")[0])
        cem = shelf.world.clone("cem")
        done = cem.data("pull", code=None)
        assert done.code not in (0, 70)
        assert not (cem.path / "d").exists()
        assert list((cem.path / ".git/data/cache/tmp").glob("*")) == []

    def test_a_few_members_come_without_the_rest(self, shelf: Shelf) -> None:
        shelf.change({f"many/{n:03}": noise(20_000, 3000 + n) for n in range(200)})
        shelf.publish()
        ben = shelf.world.clone("ben")
        ben.data("pull", "d", "--", "many/007")
        assert read(ben.path / "d") == {"many/007": noise(20_000, 3007)}
        assert list((ben.path / ".git/data/cache/packs").glob("[0-9a-f][0-9a-f]/*")) == []


@pytest.mark.slow
class TestChecking:
    @pytest.mark.parametrize("harm", ["pack", "index", "member", "listing", "list", "pack is gone"])
    def test_fsck_finds_what_is_damaged_in_production(self, shelf: Shelf, harm: str) -> None:
        assert "wrong" not in shelf.ana.data("fsck", "--remote").text
        (member,) = shelf.objects("production", "objects")
        (packed,) = shelf.packs("production")
        for path in shelf.objects("production", "zstd"):
            path.unlink()
        if harm == "pack is gone":
            packed.unlink()
        elif harm == "list":
            shelf.list_of("production", "v1").unlink()
        else:
            listing = shelf.listing("production", "v1")
            places = {"pack": packed, "index": packed, "member": member, "listing": listing}
            damage(places[harm], at=places[harm].stat().st_size - 20 if harm == "index" else 100)
        done = shelf.ana.data("fsck", "--remote", code=None)
        assert done.code not in (0, 70)
        assert "d v1" in done.text

    def test_fsck_drops_a_damaged_pack_of_this_clone(self, shelf: Shelf) -> None:
        (packed,) = (shelf.ana.path / ".git/data/cache/packs").glob("[0-9a-f][0-9a-f]/*")
        damage(packed)
        assert "dropped from the cache" in shelf.ana.data("fsck", code=None).text
        assert not packed.exists()
        assert "modified" not in shelf.ana.data("fsck").text

    @pytest.mark.parametrize("harm", ["nothing", "pack", "size", "list", "listing", "big member", "bytes"])
    def test_a_request_is_checked_for_its_bytes(self, shelf: Shelf, harm: str) -> None:
        shelf.ana.git("switch", "-q", "-c", "topic")
        shelf.write({"part-1/001.bin": noise(10_000, 7), "big2.bin": noise(MIB, 5)})
        shelf.add()
        shelf.ana.git("push", "-q", "-u", "origin", "topic")
        new = min(shelf.packs("staging"), key=lambda p: p.stat().st_size)
        if harm == "pack":
            new.unlink()
        elif harm == "size":
            rewrite(new, new.read_bytes()[:-1])
        elif harm == "list":
            shelf.list_of("staging", "v2").unlink()
        elif harm == "listing":
            damage(*shelf.objects("staging", "delta"), at=120)
        elif harm == "big member":
            next(p for p in shelf.objects("staging", "objects") if p.stat().st_size == MIB).unlink()
        elif harm == "bytes":
            damage(new)
        words = ["--verify"] if harm == "bytes" else []
        shelf.ana.run("rm", "-rf", ".git/data/cache")
        base = ("--base", "origin/main", "--head", "topic")
        done = shelf.ana.data("preview", *base, *words, code=None)
        if harm == "nothing":
            assert done.code == 0, done.text
        else:
            assert done.code == 1, done.text
            said = {
                "pack": "its pack",
                "size": "its pack",
                "list": "the list of its packs is missing",
                "listing": "",
                "big member": "big2.bin",
                "bytes": "its pack",
            }
            assert "d v2" in done.text
            assert said[harm] in done.text


@pytest.mark.slow
class TestDeleting:
    def delete(self, shelf: Shelf) -> None:
        shelf.ana.data("delete", "d", "--yes")
        shelf.ana.commit("delete")
        shelf.push()
        shelf.publish()

    def gc(self, shelf: Shelf, *words: str, code: int = 0) -> str:
        return shelf.ana.data("gc", "--apply", "--confirm", "99", *words, code=code).text

    def age(self, shelf: Shelf, role: str, prefix: str, days: float) -> None:
        for path in shelf.objects(role, prefix):
            os.utime(path, (time.time() - days * DAY,) * 2)

    def test_nothing_that_a_folder_needs_is_removed(self, shelf: Shelf) -> None:
        shelf.change({"part-1/001.bin": noise(10_000, 7)})
        shelf.publish()
        before = [p for kind in ("objects", "packs", "trees") for p in shelf.objects("production", kind)]
        assert "nothing to remove" in self.gc(shelf, "--purge")
        assert [p for k in ("objects", "packs", "trees") for p in shelf.objects("production", k)] == before

    def test_a_deleted_folder_goes_and_can_be_brought_back(self, shelf: Shelf) -> None:
        self.delete(shelf)
        self.gc(shelf)
        assert [p for k in ("objects", "packs", "trees") for p in shelf.objects("production", k)] == []
        assert len(shelf.objects("production", "trash")) == 4, "listing, list, pack, big member"
        shelf.ana.run("rm", "-rf", "d", ".git/data/cache")
        shelf.ana.data("undelete", "d")
        shelf.ana.commit("bring it back")
        shelf.push()
        shelf.publish()
        assert shelf.state("v2") == "published"
        assert shelf.pulled("ben") == FILES

    def test_after_the_grace_it_is_gone(self, shelf: Shelf) -> None:
        self.delete(shelf)
        self.gc(shelf)
        self.age(shelf, "production", "trash", 15)
        self.gc(shelf, "--purge")
        assert shelf.objects("production", "trash") == []

    def test_what_a_pending_version_shares_with_a_deleted_one_stays(self, shelf: Shelf) -> None:
        """It was not sent again, and production's gc cannot see staging."""
        shelf.change({"part-1/001.bin": noise(10_000, 7)})
        manifest = shelf.ana.manifest()
        manifest["datasets"]["d"]["versions"][1] |= {"state": "deleting", "deleting": "2026-01-01T00:00:00Z"}
        shelf.ana.write("manifest.json", json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
        shelf.ana.git("add", "-f", "manifest.json")
        shelf.ana.commit("prune", "--no-verify")
        shelf.ana.git("push", "-q", "--no-verify")
        small = min(shelf.packs("staging"), key=lambda p: p.stat().st_size)
        small.rename(shelf.world.root / "away")
        assert "it stays pending" in shelf.publish(code=None)
        assert shelf.ana.states("d") == {"v2": "pending", "v1": "deleted"}
        self.gc(shelf)
        assert len(shelf.packs("production")) == 1
        (shelf.world.root / "away").rename(small)
        shelf.publish()
        assert shelf.state("v2") == "published"
        assert shelf.pulled("ben") == read(shelf.ana.path / "d")
        self.gc(shelf)
        assert shelf.pulled("cem") == read(shelf.ana.path / "d")

    @pytest.mark.parametrize("harm", ["gone", "damaged", "no list"])
    def test_a_listing_that_cannot_be_read_ends_the_run(self, shelf: Shelf, harm: str) -> None:
        shelf.ana.write("other.bin", b"other")
        shelf.ana.data("add", "other.bin")
        shelf.ana.commit("other")
        shelf.push()
        shelf.publish()
        shelf.ana.data("delete", "other.bin", "--yes")
        shelf.ana.commit("delete")
        shelf.push()
        shelf.publish()
        if harm == "gone":
            shelf.listing("production", "v1").unlink()
        elif harm == "damaged":
            damage(shelf.listing("production", "v1"))
        else:
            shelf.list_of("production", "v1").unlink()
        shelf.ana.run("rm", "-rf", ".git/data/cache", str(shelf.folder("production", "zstd")))
        before = shelf.objects("production", "objects")
        done = shelf.ana.data("gc", "--apply", "--confirm", "9", code=None)
        assert done.code not in (0, 70)
        assert "nothing was done" in done.text
        assert shelf.objects("production", "objects") == before

    def test_staging_is_swept_of_what_was_published(self, shelf: Shelf) -> None:
        self.rewrite_times(shelf, 8)
        for kind in ("objects", "packs", "trees", "zstd"):
            self.age(shelf, "staging", kind, 8)
        shelf.ana.data("cleanup", "--apply", "--confirm", "99")
        kinds = ("objects", "packs", "trees", "zstd", "trash")
        assert [p for kind in kinds for p in shelf.objects("staging", kind)] == []
        assert shelf.pulled("ben") == FILES

    def test_what_a_pending_version_needs_of_staging_stays(self, shelf: Shelf) -> None:
        shelf.change({"part-1/001.bin": noise(10_000, 7), "big2.bin": noise(MIB, 5)})
        small = min(shelf.packs("staging"), key=lambda p: p.stat().st_size)
        self.rewrite_times(shelf, 99)
        for kind in ("objects", "packs", "trees", "zstd", "delta"):
            self.age(shelf, "staging", kind, 99)
        shelf.ana.data("cleanup", "--apply", "--confirm", "99")
        assert small.exists()
        shelf.publish()
        assert shelf.pulled("ben") == read(shelf.ana.path / "d")

    def rewrite_times(self, shelf: Shelf, days: float) -> None:
        then = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - days * DAY))
        manifest = shelf.ana.manifest()
        for version in manifest["datasets"]["d"]["versions"]:
            if "published" in version:
                version["published"] = then
        shelf.ana.write("manifest.json", json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
        shelf.ana.git("add", "-f", "manifest.json")
        shelf.ana.commit("time goes by", "--no-verify")
        shelf.ana.git("push", "-q", "--no-verify")
