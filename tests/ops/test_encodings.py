"""Versions that travel as deltas or compressed: sent small, rebuilt and checked, never relied upon."""

import hashlib
import os
import random
from pathlib import Path

import pytest

from tests.s3server import KEYS
from tests.world import Clone, World, new_world

MIB = 1 << 20


@pytest.fixture
def s3_world(s3_endpoint: str, s3_bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world whose stores are two prefixes of a bucket."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEYS["access_key"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEYS["secret_key"])
    address = f"s3://{s3_bucket}/{{}}?endpoint={s3_endpoint}&region=us-east-1"
    return new_world(
        tmp_path / "world", staging=address.format("staging"), production=address.format("production")
    )


def noise(size: int, seed: int = 1) -> bytes:
    """Bytes that nothing compresses."""
    return random.Random(seed).randbytes(size)


def changed(data: bytes, seed: int = 2) -> bytes:
    """The same with a few bytes replaced and some inserted."""
    new = random.Random(seed).randbytes(500)
    third = len(data) // 3
    return data[:third] + new + data[third : 2 * third] + new[:100] + data[2 * third + 100 :]


def merged(clone: Clone, name: str, data: bytes) -> None:
    clone.write(name, data)
    clone.data("add", name)
    clone.commit(f"Add {name}")
    clone.git("push", "-q")


def published(world: World, clone: Clone, name: str, data: bytes) -> None:
    merged(clone, name, data)
    world.publish(clone)
    clone.git("pull", "-q", "--rebase")


def objects(world: World, role: str, prefix: str) -> list[Path]:
    below = world.root / "store" / role / prefix
    return sorted(p for p in below.rglob("*") if p.is_file())


def sizes(world: World, role: str, prefix: str) -> list[int]:
    return sorted(p.stat().st_size for p in objects(world, role, prefix))


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.chmod(0o644)
    path.write_bytes(data)


class TestSending:
    def test_a_small_change_is_sent_as_a_delta(self, world: World, ana: Clone) -> None:
        old = noise(3 * MIB)
        published(world, ana, "a.bin", old)
        merged(ana, "a.bin", changed(old))
        assert [size < 20_000 for size in sizes(world, "staging", "delta")] == [True]
        assert sizes(world, "staging", "objects") == [len(old)]

    def test_a_delta_also_from_a_version_that_is_pending_itself(self, world: World, ana: Clone) -> None:
        merged(ana, "a.bin", noise(2 * MIB))
        merged(ana, "a.bin", changed(noise(2 * MIB)))
        assert len(sizes(world, "staging", "delta")) == 1
        world.publish(ana)
        ana.git("pull", "-q", "--rebase")
        assert ana.states("a.bin") == {"v1": "published", "v2": "published"}

    def test_what_compresses_is_sent_compressed(self, world: World, ana: Clone) -> None:
        text = b"".join(b"%d,%d\n" % (n, n * n) for n in range(150_000))
        merged(ana, "a.csv", text)
        assert len(sizes(world, "staging", "zstd")) == 1
        assert sizes(world, "staging", "zstd")[0] < len(text) / 2
        assert sizes(world, "staging", "objects") == []

    def test_noise_and_small_files_are_sent_as_they_are(self, world: World, ana: Clone) -> None:
        merged(ana, "a.bin", noise(2 * MIB))
        merged(ana, "b.txt", b"text " * 10_000)
        assert sizes(world, "staging", "objects") == [50_000, 2 * MIB]
        assert sizes(world, "staging", "zstd") == sizes(world, "staging", "delta") == []

    @pytest.mark.parametrize("way", ["clone", "dataset"])
    def test_identity_sends_plain_bytes(self, world: World, ana: Clone, way: str) -> None:
        text = b"text " * MIB
        ana.write("a.txt", text)
        ana.data("add", "a.txt")
        if way == "clone":
            ana.git("config", "data.encoding", "identity")
        else:
            manifest = (ana.path / "manifest.json").read_text()
            asked = manifest.replace(
                '"kind": "file",', '"kind": "file",\n      "options": {"encoding": "identity"},'
            )
            ana.write("manifest.json", asked)
            ana.git("add", "manifest.json")
        ana.commit("Add")
        assert sizes(world, "staging", "objects") == [len(text)]

    def test_zstd_makes_no_delta(self, world: World, ana: Clone) -> None:
        ana.git("config", "data.encoding", "zstd")
        text = b"".join(b"%d,%d\n" % (n, n * n) for n in range(150_000))
        published(world, ana, "a.csv", text)
        merged(ana, "a.csv", text + b"end\n")
        assert sizes(world, "staging", "delta") == []
        assert len(sizes(world, "staging", "zstd")) == 2

    def test_a_second_upload_finds_what_was_sent(self, world: World, ana: Clone) -> None:
        old = noise(2 * MIB)
        published(world, ana, "a.bin", old)
        merged(ana, "a.bin", changed(old))
        before = [p.stat().st_mtime_ns for p in objects(world, "staging", "delta")]
        (row,) = ana.json("upload")["versions"]
        assert row["outcome"] == "present"
        assert [p.stat().st_mtime_ns for p in objects(world, "staging", "delta")] == before

    def test_a_form_that_went_or_changed_is_sent_again(self, world: World, ana: Clone) -> None:
        old = noise(2 * MIB)
        published(world, ana, "a.bin", old)
        merged(ana, "a.bin", changed(old))
        damage(objects(world, "staging", "delta")[0])
        (row,) = ana.json("upload")["versions"]
        assert (row["outcome"], row["encoding"].startswith("delta:")) == ("uploaded", True)
        world.publish(ana)

    def test_another_clone_checks_a_form_before_it_counts(self, world: World, ana: Clone) -> None:
        old = noise(2 * MIB)
        published(world, ana, "a.bin", old)
        merged(ana, "a.bin", changed(old))
        ben = world.clone("ben")
        ben.data("pull", "a.bin@v1")
        ben.data("pull", "a.bin")
        assert ben.read("a.bin") == changed(old)
        (row,) = ben.json("upload")["versions"]
        assert row["outcome"] == "present"

    def test_a_dry_run_tells_bytes_requests_and_after_a_first_time_seconds(
        self, world: World, ana: Clone
    ) -> None:
        ana.git("config", "data.upload", "manual")
        ana.write("a.bin", noise(2 * MIB))
        ana.data("add", "a.bin")
        planned = ana.json("upload", "--dry-run")["plan"]
        assert planned == {"size": 2 * MIB, "requests": 2, "seconds": None, "dollars": None}
        ana.data("upload")
        ana.write("b.bin", noise(MIB, 3))
        ana.data("add", "b.bin")
        assert ana.json("upload", "--dry-run")["plan"]["seconds"] > 0
        assert "plan: 1.0 MiB at most in 2 requests, about " in ana.data("upload", "--dry-run").out
        assert ana.json("pull")["plan"] is None

    def test_the_text_says_what_was_saved(self, world: World, ana: Clone) -> None:
        ana.git("config", "data.upload", "manual")
        ana.write("a.txt", b"text " * MIB)
        ana.data("add", "a.txt")
        said = ana.data("upload").out
        assert "of zstd" in said

    def test_a_big_database_leaves_its_cuts(self, world: World, ana: Clone) -> None:
        page = 4096
        head = b"SQLite format 3\0" + page.to_bytes(2, "big")
        data = head + noise(9 * MIB - len(head))
        merged(ana, "a.sqlite", data)
        assert len(objects(world, "staging", "cuts")) == 1
        world.publish(ana)
        assert len(objects(world, "production", "cuts")) == 1

    def test_a_store_that_takes_no_cuts_takes_the_version(self, world: World, ana: Clone) -> None:
        ana.git("config", "data.upload", "manual")
        ana.write("a.sqlite", b"SQLite format 3\0" + (4096).to_bytes(2, "big") + noise(9 * MIB - 18))
        ana.data("add", "a.sqlite")
        staging = world.folder("staging")
        staging.mkdir(parents=True, exist_ok=True)
        (staging / "cuts").write_text("in the way")
        done = ana.data("upload")
        assert "a.sqlite: its block index was not sent" in done.err
        assert len(objects(world, "staging", "objects")) == 1
        ana.commit("v1")

    def test_without_the_base_its_cuts_make_the_delta(self, world: World, ana: Clone) -> None:
        page = 4096
        head = b"SQLite format 3\0" + page.to_bytes(2, "big")
        data = bytearray(head + noise(9 * MIB - len(head)))
        ana.git("config", "data.cache", "none")
        published(world, ana, "a.sqlite", bytes(data))
        data[5 * MIB : 5 * MIB + 10] = b"0123456789"
        merged(ana, "a.sqlite", bytes(data))
        (size,) = sizes(world, "staging", "delta")
        assert size < 6 * page
        world.publish(ana)
        ben = world.clone("ben")
        ben.data("pull")
        assert ben.read("a.sqlite") == data


@pytest.mark.slow
class TestPublishing:
    def test_a_delta_made_without_its_base_is_made_better(self, world: World, ana: Clone) -> None:
        page = 4096
        head = b"SQLite format 3\0" + page.to_bytes(2, "big")
        data = bytearray(head + noise(9 * MIB - len(head)))
        ana.git("config", "data.cache", "none")
        published(world, ana, "a.sqlite", bytes(data))
        for place in range(page, len(data), 4 * page):
            data[place : place + 8] = b"changed!"
        published(world, ana, "a.sqlite", bytes(data))
        (sent,), (kept,) = sizes(world, "staging", "delta"), sizes(world, "production", "delta")
        assert kept < sent / 20
        ben = world.clone("ben")
        ben.git("config", "data.cache", "none")
        ben.data("pull", "a.sqlite@v1")
        ben.data("pull", "a.sqlite")
        assert ben.read("a.sqlite") == data

    def test_production_has_the_plain_bytes_and_the_form_beside(self, world: World, ana: Clone) -> None:
        old, new = noise(2 * MIB), changed(noise(2 * MIB))
        published(world, ana, "a.bin", old)
        published(world, ana, "a.bin", new)
        digest = hashlib.sha256(new).hexdigest()
        assert (world.root / "store/production/objects" / digest[:2] / digest).read_bytes() == new
        newest, first = ana.versions("a.bin")
        assert newest["encodings"] == {f"delta:{first['oid']}": sizes(world, "production", "delta")[0]}
        assert newest["state"] == "published"

    @pytest.mark.parametrize("what", ["delta", "zstd"])
    def test_a_damaged_form_is_refused_and_says_what_to_do(self, world: World, ana: Clone, what: str) -> None:
        old = noise(2 * MIB) if what == "delta" else b"text " * MIB
        published(world, ana, "a.bin", old)
        if what == "zstd":
            ana.git("config", "data.encoding", "zstd")
        merged(ana, "a.bin", changed(old))
        damage(
            objects(world, "staging", what)[-1]
            if what == "delta"
            else max(objects(world, "staging", what), key=lambda p: p.stat().st_mtime_ns)
        )
        done = world.publish(ana, code=6)
        assert "it stays pending" in done.text
        assert "GIT_DATA_ENCODING=identity git data upload a.bin" in done.text
        ana.git("pull", "-q", "--rebase")
        assert ana.states("a.bin") == {"v2": "pending", "v1": "published"}
        ana.data("upload", env={"GIT_DATA_ENCODING": "identity"})
        world.publish(ana)
        ana.git("pull", "-q", "--rebase")
        assert ana.states("a.bin") == {"v2": "published", "v1": "published"}

    def test_publishing_again_changes_nothing(self, world: World, ana: Clone) -> None:
        published(world, ana, "a.bin", noise(2 * MIB))
        published(world, ana, "a.bin", changed(noise(2 * MIB)))
        before = ana.manifest()
        world.publish(ana)
        ana.git("pull", "-q", "--rebase")
        assert ana.manifest() == before


@pytest.mark.slow
class TestPulling:
    def history(self, world: World, ana: Clone) -> list[bytes]:
        versions = [noise(2 * MIB)]
        for seed in range(2, 5):
            versions.append(changed(versions[-1], seed))
        for data in versions:
            published(world, ana, "a.bin", data)
        return versions

    def test_the_next_version_comes_as_a_delta(self, world: World, ana: Clone) -> None:
        versions = self.history(world, ana)
        ben = world.clone("ben")
        ben.data("pull", "a.bin@v3")
        (row,) = ben.json("pull", "a.bin")["datasets"]
        assert row["fetched"] < 20_000
        assert ben.read("a.bin") == versions[3]

    @pytest.mark.nightly
    def test_two_versions_on_over_a_chain(self, world: World, ana: Clone) -> None:
        versions = self.history(world, ana)
        ben = world.clone("ben")
        ben.data("pull", "a.bin@v1")
        planned = ben.json("pull", "a.bin", "--dry-run")["datasets"][0]
        (row,) = ben.json("pull", "a.bin")["datasets"]
        assert row["fetched"] == planned["fetched"] < 40_000
        assert ben.read("a.bin") == versions[3]

    @pytest.mark.nightly
    def test_nothing_here_fetches_the_plain_bytes(self, world: World, ana: Clone) -> None:
        versions = self.history(world, ana)
        ben = world.clone("ben")
        (row,) = ben.json("pull")["datasets"]
        assert row["fetched"] == len(versions[3])

    @pytest.mark.parametrize("harm", ["damaged", "gone"])
    def test_a_bad_delta_falls_back_to_the_plain_bytes(self, world: World, ana: Clone, harm: str) -> None:
        versions = self.history(world, ana)
        ben = world.clone("ben")
        ben.data("pull", "a.bin@v3")
        for path in objects(world, "production", "delta"):
            damage(path) if harm == "damaged" else path.unlink()
        done = ben.data("pull", "a.bin")
        assert "fetching the plain bytes" in done.err
        assert ben.read("a.bin") == versions[3]

    @pytest.mark.nightly
    def test_a_base_that_was_changed_falls_back_too(self, world: World, ana: Clone) -> None:
        versions = self.history(world, ana)
        ben = world.clone("ben")
        ben.git("config", "data.cache", "copy")
        ben.data("pull", "a.bin@v3")
        oid = hashlib.sha256(versions[2]).hexdigest()
        damage(ben.path / ".git" / "data" / "cache" / oid[:2] / oid)
        ben.data("pull", "a.bin")
        assert ben.read("a.bin") == versions[3]

    def test_a_pending_version_comes_from_the_form_that_is_staged(self, world: World, ana: Clone) -> None:
        old = noise(2 * MIB)
        published(world, ana, "a.bin", old)
        merged(ana, "a.bin", changed(old))
        ben = world.clone("ben")
        ben.data("pull", "a.bin")
        assert ben.read("a.bin") == changed(old)


@pytest.mark.slow
class TestCompacting:
    """Old versions as deltas, checked before their plain bytes go; everything stays readable."""

    def versions(self, world: World, ana: Clone, count: int = 5) -> list[bytes]:
        made = [noise(2 * MIB)]
        for seed in range(2, count + 1):
            made.append(changed(made[-1], seed))
        for data in made:
            published(world, ana, "a.bin", data)
        return made

    def ask(self, world: World, ana: Clone, *options: str) -> None:
        ana.data("compact", "a.bin", *options)
        ana.commit("Compact")
        ana.git("push", "-q")
        world.publish(ana)
        ana.git("pull", "-q", "--rebase")

    def compacted(self, ana: Clone) -> dict[str, bool]:
        return {v["version"]: "compacted" in v for v in ana.versions("a.bin")}

    def gc(self, ana: Clone, *options: str, code: int = 0) -> str:
        ana.git("config", "data.grace", "1")
        return ana.data("gc", "--apply", "--confirm", "99", *options, code=code).text

    def age_trash(self, world: World) -> None:
        for path in objects(world, "production", "trash"):
            os.utime(path, (1, 1))

    def all_readable(self, world: World, versions: list[bytes], name: str = "ben") -> None:
        ben = world.clone(name)
        for number, data in enumerate(versions, 1):
            ben.data("pull", f"a.bin@v{number}")
            assert ben.read("a.bin") == data

    def test_a_chain_takes_the_place_of_the_plain_bytes(self, world: World, ana: Clone) -> None:
        versions = self.versions(world, ana)
        self.ask(world, ana, "--keep", "2")
        assert self.compacted(ana) == {"v5": False, "v4": False, "v3": False, "v2": True, "v1": True}
        assert len(sizes(world, "production", "objects")) == 5
        self.gc(ana)
        assert len(sizes(world, "production", "objects")) == 3
        assert len(sizes(world, "production", "trash")) == 2
        self.all_readable(world, versions)
        self.age_trash(world)
        self.gc(ana, "--purge")
        assert sizes(world, "production", "trash") == []
        self.all_readable(world, versions, "cem")
        assert "wrong" not in ana.data("fsck", "--remote").text

    @pytest.mark.nightly
    def test_publish_leaves_it_in_the_trash(self, world: World, ana: Clone) -> None:
        self.versions(world, ana, 3)
        self.ask(world, ana)
        self.gc(ana)
        world.publish(ana)
        assert len(sizes(world, "production", "objects")) == 1

    @pytest.mark.nightly
    def test_a_new_version_compacts_the_one_before(self, world: World, ana: Clone) -> None:
        versions = self.versions(world, ana, 3)
        self.ask(world, ana)
        versions.append(changed(versions[-1], 9))
        published(world, ana, "a.bin", versions[-1])
        assert self.compacted(ana) == {"v4": False, "v3": False, "v2": True, "v1": True}
        self.gc(ana)
        self.all_readable(world, versions)

    @pytest.mark.nightly
    def test_off_brings_the_plain_bytes_back(self, world: World, ana: Clone) -> None:
        versions = self.versions(world, ana, 3)
        self.ask(world, ana)
        self.gc(ana)
        self.age_trash(world)
        self.gc(ana, "--purge")
        self.ask(world, ana, "--off")
        assert not any(self.compacted(ana).values())
        assert len(sizes(world, "production", "objects")) == 3
        self.all_readable(world, versions)

    def test_a_broken_chain_keeps_the_plain_bytes(self, world: World, ana: Clone) -> None:
        self.versions(world, ana, 3)
        self.ask(world, ana)
        for path in objects(world, "production", "delta"):
            damage(path)
        assert "its plain bytes stay" in self.gc(ana, code=6)
        assert len(sizes(world, "production", "objects")) == 3

    def test_a_chain_that_broke_in_the_trash_is_not_purged_and_restored(
        self, world: World, ana: Clone
    ) -> None:
        versions = self.versions(world, ana, 3)
        self.ask(world, ana)
        self.gc(ana)
        for path in objects(world, "production", "delta"):
            path.unlink()
        self.age_trash(world)
        self.gc(ana, "--purge", code=6)
        assert len(sizes(world, "production", "trash")) == 2
        world.publish(ana)
        assert len(sizes(world, "production", "objects")) == 3
        self.all_readable(world, versions)

    @pytest.mark.nightly
    def test_a_deleted_base_stays_as_long_as_it_is_needed(self, world: World, ana: Clone) -> None:
        versions = self.versions(world, ana, 3)
        self.ask(world, ana)
        self.gc(ana)
        ana.data("rollback", "a.bin", "--to", "v1")
        ana.commit("Back")
        ana.git("push", "-q")
        world.publish(ana)
        ana.git("pull", "-q", "--rebase")
        assert ana.states("a.bin")["v4"] == "published"
        self.gc(ana)
        self.all_readable(world, [*versions, versions[0]])

    @pytest.mark.nightly
    def test_an_old_clone_finds_the_forms_by_itself(self, world: World, ana: Clone) -> None:
        versions = self.versions(world, ana, 3)
        ana.git("tag", "before")
        ana.git("push", "-q", "--tags")
        self.ask(world, ana)
        self.gc(ana)
        self.age_trash(world)
        self.gc(ana, "--purge")
        ben = world.clone("ben")
        ben.data("pull", "--rev", "before", "a.bin@v1")
        assert ben.read("a.bin") == versions[0]


@pytest.mark.slow
def test_the_same_way_through_a_bucket(s3_world: World) -> None:
    """Deltas up, rebuilt by a job without the base, compacted, and pulled by somebody who has the base."""
    ana = s3_world.found("ana")
    versions = [noise(17 * MIB)]
    versions += [changed(versions[0]), changed(changed(versions[0]), 3)]
    for data in versions:
        published(s3_world, ana, "a.bin", data)
    assert list(ana.versions("a.bin")[0]["encodings"]) == [f"delta:{ana.versions('a.bin')[1]['oid']}"]
    ben = s3_world.clone("ben")
    ben.data("pull", "a.bin@v1")
    (row,) = ben.json("pull", "a.bin")["datasets"]
    assert row["fetched"] < 100_000
    assert ben.read("a.bin") == versions[2]
    ana.data("compact", "a.bin")
    ana.commit("Compact")
    ana.git("push", "-q")
    s3_world.publish(ana)
    ana.git("pull", "-q", "--rebase")
    ana.data("gc", "--apply", "--confirm", "9")
    cem = s3_world.clone("cem")
    cem.data("pull", "a.bin@v1")
    assert cem.read("a.bin") == versions[0]
