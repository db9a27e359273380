"""What CI meets: expired keys, a branch that moves, is rewound or gone, clocks, buckets with versions."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from git_datamanager.errors import Conflict, NotFound
from git_datamanager.manager import DataManager
from git_datamanager.model.oid import Oid
from git_datamanager.ops.publishing.branch import RemoteBranch
from git_datamanager.ops.publishing.publish import publish
from tests.storage.fakes3 import FakeS3
from tests.world import Clone, World, new_world

pytestmark = pytest.mark.slow
DATA = os.urandom(5000)
DAY = 86400


class Lab:
    """One entry is merged and staged in buckets; `run` publishes as the key of CI."""

    def __init__(self, server: FakeS3, root: Path, *, versioning: bool = False) -> None:
        self.server = server
        for name in ("staging", "production"):
            server.create_bucket(name, versioning=versioning and name == "production")
        for key in ("author", "robot"):
            server.grant(key)
        urls = [f"s3://{name}/data?endpoint={server.url}" for name in ("staging", "production")]
        self.world = new_world(root, staging=urls[0], production=urls[1])
        self.ana = self.world.found("ana")
        self.ana.env = {"AWS_ACCESS_KEY_ID": "author", "AWS_SECRET_ACCESS_KEY": "secret"}
        self.ana.write("a.bin", DATA)
        self.ana.data("add", "a.bin")
        self.ana.commit("add")
        self.ana.git("push", "-q")

    def run(self, *words: str, code: int = 0) -> str:
        robot = Clone(self.ana.path, {"AWS_ACCESS_KEY_ID": "robot", "AWS_SECRET_ACCESS_KEY": "secret"})
        return self.world.publish(robot, *words, code=code).text

    @property
    def state(self) -> str:
        self.ana.git("pull", "-q")
        return self.ana.versions("a.bin")[0]["state"]

    def keys(self, bucket: str, below: str) -> list[str]:
        return [key for key in self.server.objects(bucket) if key.startswith(f"data/{below}")]


@pytest.fixture
def server() -> Iterator[FakeS3]:
    with FakeS3() as running:
        yield running


@pytest.fixture
def lab(server: FakeS3, tmp_path: Path) -> Lab:
    return Lab(server, tmp_path / "lab")


def test_keys_that_expired(lab: Lab) -> None:
    lab.server.expire("robot")
    text = lab.run(code=4)
    assert "expired" in text
    assert lab.state == "pending"
    assert lab.keys("production", "") == []
    lab.server.grant("robot")
    lab.run()
    assert lab.state == "published"


def test_keys_that_may_only_read(lab: Lab) -> None:
    lab.server.grant("robot", lambda action, *_: action in ("s3:GetObject", "s3:ListBucket"))
    lab.run(code=4)
    assert lab.state == "pending"
    assert lab.keys("staging", "objects/") != []
    lab.server.grant("robot")
    lab.run()
    assert lab.state == "published"


@pytest.mark.parametrize("days", [1, -1])
def test_a_clock_a_day_off(lab: Lab, days: int) -> None:
    """Ages come from the store: the lease of a run that died is free after its time there."""
    lab.server.advance(days * DAY)
    lab.run()
    assert lab.state == "published"
    lab.ana.data("pull")


def test_a_store_that_minds_the_clock(lab: Lab) -> None:
    lab.server.checks_time = True
    lab.server.advance(DAY)
    text = lab.run(code=4)
    assert "clock" in text
    assert lab.state == "pending"


def test_a_bucket_that_keeps_versions(server: FakeS3, tmp_path: Path) -> None:
    lab = Lab(server, tmp_path / "lab", versioning=True)
    lab.run()
    lab.ana.git("pull", "-q")
    lab.ana.data("delete", "a.bin", "--yes")
    lab.ana.commit("delete")
    lab.ana.git("push", "-q")
    lab.run()
    lab.ana.git("pull", "-q")
    lab.ana.data("gc", "--apply", "--confirm", "1")
    assert lab.keys("production", "objects/") == []
    assert len(lab.keys("production", "trash/")) == 1
    server.advance(15 * DAY)
    lab.ana.data("gc", "--apply", "--purge", "--confirm", "1")
    assert lab.keys("production", "trash/") == []
    key = f"data/objects/{Oid.of(DATA).hex[:2]}/{Oid.of(DATA).hex}"
    assert len(server.versions("production", key)) >= 2, "old versions are the bucket's own business"


# The branch


@pytest.fixture
def ana(world: World) -> Clone:
    clone = world.found("ana")
    clone.write("a.bin", DATA)
    clone.data("add", "a.bin")
    clone.commit("add")
    clone.git("push", "-q")
    return clone


def meanwhile(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Right before each push of publish."""
    real = RemoteBranch._push

    def push(self: RemoteBranch, *words: str) -> object:
        act()
        return real(self, *words)

    monkeypatch.setattr(RemoteBranch, "_push", push)
    monkeypatch.setattr(time, "sleep", lambda _: None)


def origin(world: World, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=world.origin, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_branch_that_is_deleted_meanwhile_is_not_made_anew(
    world: World, ana: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile(monkeypatch, lambda: origin(world, "update-ref", "-d", "refs/heads/main"))
    with pytest.raises(NotFound, match="no branch main"):
        publish(DataManager.open(ana.path))
    assert origin(world, "for-each-ref") == ""


def test_a_branch_that_is_rewound_meanwhile_stays_so(
    world: World, ana: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody took the entry back by force: it is not pushed again, and no version goes live."""
    before = origin(world, "rev-parse", "main^")
    meanwhile(monkeypatch, lambda: origin(world, "update-ref", "refs/heads/main", before))
    publish(DataManager.open(ana.path))
    assert origin(world, "rev-parse", "main") == before


def test_a_branch_that_moves_on_every_time(world: World, ana: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[int] = []

    def outrun() -> None:
        tries.append(1)
        tree = origin(world, "rev-parse", "main^{tree}")
        commit = origin(
            world,
            "-c",
            "user.name=B",
            "-c",
            "user.email=b@x",
            "commit-tree",
            tree,
            "-p",
            "main",
            "-m",
            "faster",
        )
        origin(world, "update-ref", "refs/heads/main", commit)

    meanwhile(monkeypatch, outrun)
    with pytest.raises(Conflict, match="moved on 10 times") as caught:
        publish(DataManager.open(ana.path))
    assert len(tries) == 10
    assert "git data publish" in caught.value.hints[0]
    assert world.object("production", Oid.of(DATA).hex).read_bytes() == DATA
    monkeypatch.undo()
    world.publish(ana)
    ana.git("pull", "-q")
    assert ana.states("a.bin") == {"v1": "published"}
    assert origin(world, "log", "--oneline", "--grep=faster").count("\n") == 9, "nobody's commit is lost"
