"""Transfers of large files that are cut off: gone on with by the next run, nothing half-done ever seen.

The command line runs as a process of its own against the strict fake of S3, which counts what it serves.
"""

import os
import random
import re
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from git_datamanager.model.layout import delta_prefix, object_key
from git_datamanager.model.oid import Oid
from tests.bad.running import start
from tests.bad.scene import TEMP, refused, silent
from tests.conftest import seal
from tests.storage.fakes3 import KEYS, FakeS3, Held, Part, Request, _md5
from tests.world import Clone, Done, World, new_world

pytestmark = pytest.mark.slow

MIB = 1 << 20
SIZE = 41 * MIB
PART = 16 * MIB
KILLED = -signal.SIGKILL


def version(number: int) -> bytes:
    data = bytearray(random.Random(7).randbytes(MIB) * 41)
    for n in range(41):  # no block is like another one
        data[n * MIB : n * MIB + 4] = n.to_bytes(4, "big")
        for place in range(0, MIB, 8192):
            data[n * MIB + place : n * MIB + place + 2] = n.to_bytes(2, "little")
    data[2 * MIB : 2 * MIB + 6] = b"is v%02d" % number
    return bytes(data)


@dataclass
class Far:
    """ana has published v1 and v2 of big.bin, v2 as a delta, too."""

    fake: FakeS3
    world: World

    def clone(self, name: str, *words: str) -> Clone:
        """A fresh one, with v1 where `words` ask for it."""
        clone = self.world.clone(name)
        clone.env |= ENV
        clone.git("config", "data.cache", "none")
        if words:
            clone.data("pull", *words)
        return clone

    def drop_deltas(self) -> None:
        """The plain bytes of v2 have to come then."""
        for key in list(self.fake.objects("production")):
            if key.startswith(delta_prefix(V2)):
                self.fake.remove("production", key)

    def served(self, key: str) -> int:
        return sum(r.sent for r in self.fake.log if r.method == "GET" and r.key == key)


ENV = {
    "GIT_DATA_TRUST": "1",
    "AWS_ACCESS_KEY_ID": KEYS["access_key"],
    "AWS_SECRET_ACCESS_KEY": KEYS["secret_key"],
}
V1, V2, V3 = (Oid.of(version(n)) for n in (1, 2, 3))


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Far]:
    root = tmp_path_factory.mktemp("far")
    with FakeS3("aws") as fake, pytest.MonkeyPatch.context() as patch:
        seal(root / "home", patch)
        for name, value in ENV.items():
            patch.setenv(name, value)
        place = f"s3://{{}}?endpoint={fake.url}&region=us-east-1"
        for name in ("staging", "production"):
            fake.create_bucket(name)
        world = new_world(
            root / "world", staging=place.format("staging"), production=place.format("production")
        )
        ana = world.found("ana", "--no-hooks")
        for number in (1, 2):
            ana.write("big.bin", version(number))
            ana.data("add", "big.bin")
            ana.commit(f"v{number}")
            ana.data("upload")
            ana.git("push", "-q")
            world.publish(ana)
            ana.git("pull", "-q", "--ff-only")
        yield Far(fake, world)


@pytest.fixture
def far(founded: Far, tmp_path: Path) -> Iterator[Far]:
    """The same stores for every test; what one does to them is put right."""
    fake = founded.fake
    buckets = {name: dict(fake.bucket(name).versions) for name in ("staging", "production")}
    kept = {name: {key: list(held) for key, held in found.items()} for name, found in buckets.items()}
    fake.forget()
    yield founded
    fake.forget()
    for name, versions in kept.items():
        fake.bucket(name).versions = versions
        fake.bucket(name).uploads = {}


def is_range(key: str, number: int = 0) -> Callable[[Request], bool]:
    """The n-th request for bytes of this object, from 0."""
    seen: list[int] = []

    def fits(request: Request) -> bool:
        if request.method != "GET" or request.key != key:
            return False
        seen.append(request.number)
        return len(seen) > number

    return fits


def until(what: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not what():
        assert time.monotonic() < end
        time.sleep(0.01)


def clean(clone: Clone) -> None:
    """No temporary file lies in the work tree."""
    assert not [p for p in clone.path.rglob("*") if TEMP in p.name and ".git" not in p.parts]


class TestUpload:
    def sent(self, fake: FakeS3) -> list[int]:
        found = (r for r in fake.log if r.method == "PUT" and "partNumber" in r.query and r.status == 200)
        return sorted(int(r.query["partNumber"]) for r in found)

    def test_a_killed_one_sends_what_is_missing_or_damaged_and_no_more(
        self, far: Far, tmp_path: Path
    ) -> None:
        fake, ana = far.fake, far.clone("ulla")
        ana.git("config", "data.encoding", "identity")
        ana.git("config", "data.upload", "manual")
        ana.write("big.bin", version(3))
        ana.data("add", "big.bin")
        ana.commit("v3")
        fake.forget()
        running = []

        def kill(_: Request) -> None:
            until(lambda: {1, 2} <= fake.uploads("staging")[0].parts.keys())
            running[0].process.kill()

        fake.before(lambda r: r.method == "PUT" and r.query.get("partNumber") == "3", kill)
        running.append(start(ana, "upload"))
        assert running[0].end().code == KILLED
        [begun] = fake.uploads("staging")
        until(lambda: 3 in begun.parts)
        del begun.parts[3]  # it never arrived
        wrong = b"x" * PART
        begun.parts[1] = Part(wrong, f'"{_md5(wrong)}"', 0.0, None)
        fake.forget()
        silent(ana.data("upload"))
        assert self.sent(fake) == [1, 3]
        assert fake.objects("staging")[object_key(V3)] == version(3)
        assert fake.uploads("staging") == []
        assert ana.json("upload")["versions"][0]["outcome"] == "present"


class TestPull:
    def test_a_killed_one_goes_on_where_it_was(self, far: Far) -> None:
        fake, ben = far.fake, far.clone("kim")
        key = object_key(V2)
        running = []

        def kill(_: Request) -> None:
            partial = ben.path / ".git" / "data" / "partial"
            until(lambda: any(p.stat().st_size >= 8 * MIB for p in partial.glob("*")))
            running[0].process.kill()

        fake.before(is_range(key, 8), kill)
        running.append(start(ben, "pull"))
        assert running[0].end().code == KILLED
        assert not (ben.path / "big.bin").exists()
        fake.forget()
        silent(ben.data("pull"))
        assert ben.read("big.bin") == version(2)
        assert 0 < far.served(key) <= SIZE - 8 * MIB
        assert not list((ben.path / ".git" / "data" / "partial").glob("*"))
        clean(ben)

    def test_a_killed_one_leaves_the_old_file(self, far: Far) -> None:
        fake, ben = far.fake, far.clone("lea", "big.bin@v1")
        far.drop_deltas()
        fake.forget()
        running = []
        fake.before(is_range(object_key(V2), 3), lambda _: running[0].process.kill())
        running.append(start(ben, "pull"))
        assert running[0].end().code == KILLED
        assert ben.read("big.bin") == version(1)
        silent(ben.data("pull"))
        assert ben.read("big.bin") == version(2)

    @pytest.mark.parametrize("how", ["same bytes", "other bytes", "gone"])
    def test_an_object_that_is_replaced_between_ranges(self, far: Far, how: str) -> None:
        """Ranges of two objects are never put together: it begins anew, and the hash decides."""
        fake, ben = far.fake, far.clone(f"mia-{how[:4]}", "big.bin@v1")
        key = object_key(V2)
        far.drop_deltas()
        fake.forget()

        def swap(_: Request) -> None:
            if how == "gone":
                fake.remove("production", key)
            else:
                fake.put("production", key, version(2 if how == "same bytes" else 3))

        fake.before(is_range(key, 2), swap)
        done = ben.data("pull", code=None)
        if how == "same bytes":
            silent(done)
            assert (done.code, ben.read("big.bin")) == (0, version(2))
        else:
            refused(done, 6 if how == "other bytes" else 3, "big.bin", run="git data")
            assert ben.read("big.bin") == version(1)
        clean(ben)

    def test_bytes_that_rot_between_ranges_are_found_out(self, far: Far) -> None:
        """Same ETag, other bytes: nothing but the hash can tell."""
        fake, ben = far.fake, far.clone("nele", "big.bin@v1")
        key = object_key(V2)
        held = fake.held("production", key)
        assert isinstance(held, Held)
        assert held.data is not None
        far.drop_deltas()
        rotten = bytearray(held.data)
        rotten[-5] ^= 1
        fake.bucket("production").versions[key][-1] = replace(held, data=bytes(rotten))
        refused(ben.data("pull", code=None), 6, "big.bin", run="git data fsck --remote")
        assert ben.read("big.bin") == version(1)
        clean(ben)


def narrow(clone: Clone, *words: str, limit: int) -> Done:
    """Run where no file grows beyond `limit` bytes: writes fail as on a full disk."""

    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = subprocess.run(
        ["git-data", *words],
        cwd=clone.path,
        env={**os.environ, **clone.env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        preexec_fn=limited,
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


class TestFullDisk:
    @pytest.mark.parametrize("way", ["plain", "delta"])
    def test_the_old_file_stays_and_the_next_run_goes_on(self, far: Far, way: str) -> None:
        fake, ben = far.fake, far.clone(f"ole-{way}", "big.bin@v1")
        key = object_key(V2)
        if way == "plain":
            far.drop_deltas()
        fake.forget()
        done = silent(narrow(ben, "pull", limit=24 * MIB))
        assert done.code == 128
        assert re.search("too large|no space", done.err, re.IGNORECASE), done.err
        assert "(big.bin)" in done.err
        assert "what was there was left as it is" in done.err
        assert ben.read("big.bin") == version(1)
        clean(ben)
        fake.forget()
        silent(ben.data("pull"))
        assert ben.read("big.bin") == version(2)
        if way == "plain":
            assert far.served(key) <= SIZE - 16 * MIB
        else:
            assert far.served(key) == 0
