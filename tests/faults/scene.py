"""A world on the strict fake S3 that can be put back to where it was, as often as a sweep needs it.

Real Git repositories, two buckets, and the verbs through the library: `DataManager.open` and the function
of the verb. One request at a time and no pauses, so that the n-th request is the same one in every run.
"""

import functools
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import botocore.endpoint
import pytest

from git_datamanager import lease
from git_datamanager.manager import DataManager
from git_datamanager.model.chains import SMALLEST
from git_datamanager.model.layout import object_key, trash_key
from git_datamanager.model.oid import Oid
from git_datamanager.ops import add, encode, lifecycle, parallel, setup
from git_datamanager.ops.publishing.publish import publish
from git_datamanager.ops.upload import pending_entries, upload
from git_datamanager.storage import locate, ranged, s3copy, s3multipart, settle
from git_datamanager.storage.address import Address
from git_datamanager.storage.s3 import Login, S3Store
from git_datamanager.storage.s3request import SIZES, Sizes
from git_datamanager.storage.wrappers import Retrying
from tests.storage.fakes3 import KEYS, Bucket, FakeS3, Request

STAGING, PRODUCTION = "the-staging", "the-production"
HOUR, DAY = 3600.0, 86400.0
PATIENT, HASTY = 30.0, 0.4
"""Seconds a client waits for an answer: usually, and where a request is made to time out."""

QUICK_GIT = """
[gc]
	auto = 0
[maintenance]
	auto = false
[core]
	fsync = none
	hooksPath = /dev/null
"""


@dataclass
class Settings:
    """What the stores of a scene are opened with."""

    sizes: Sizes = SIZES
    read_timeout: float = PATIENT


_session = functools.cache(Login.session)
_connect = Login.connect


@functools.cache
def _client(login: Login, retries: bool, session: Any) -> Any:
    return _connect(login, retries, session)


def _factory(settings: Settings) -> locate.Factory:
    def open_bucket(address: Address, access: locate.Access, _base: Path) -> Retrying:
        login = Login(
            address.get("endpoint"),
            access_key=KEYS["access_key"],
            secret_key=KEYS["secret_key"],
            read_timeout=settings.read_timeout,
        )
        store = S3Store(address.place, address.prefix, login, url=str(address), sizes=settings.sizes)
        return Retrying(store, base=0.0)

    return open_bucket


@contextmanager
def in_process(settings: Settings) -> Iterator[None]:
    """Verbs of this process ask the fake without pauses, one request after the other."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Login, "session", _session)
        patch.setattr(Login, "connect", _client)  # making a client takes longer than a run
        patch.setitem(locate._FACTORIES, "s3", _factory(settings))
        patch.setattr(botocore.endpoint, "time", SimpleNamespace(sleep=lambda _: None))
        patch.setitem(settle.settle.__kwdefaults__, "pauses", (0.0, 0.0))
        patch.setattr(lease, "POLL", 0.01)
        patch.setattr(parallel, "WORKERS", 1)
        patch.setattr(encode, "INDEXED", SMALLEST)  # cuts and ranges of files that are quickly made
        patch.setattr(ranged, "BLOCK", SMALLEST // 2)
        for module in (s3copy, s3multipart):
            patch.setattr(module, "WIDTH", 1)
        patch.setenv("GIT_DATA_TRUST", "1")
        patch.setenv("AWS_ACCESS_KEY_ID", KEYS["access_key"])
        patch.setenv("AWS_SECRET_ACCESS_KEY", KEYS["secret_key"])
        yield


def content(name: str, size: int = 3000) -> bytes:
    """Bytes of their own for every name."""
    line = f"{name} is made of this line\n".encode()
    return (line * (size // len(line) + 1))[:size]


def _mirror(source: Path, target: Path, names: Sequence[str]) -> None:
    """Make these folders equal again; what was not touched since it was copied stays."""
    for name in names:
        wanted = {p.relative_to(source): p for p in (source / name).rglob("*")}
        for path in sorted((target / name).rglob("*"), reverse=True):
            if path.relative_to(target) not in wanted:
                path.rmdir() if path.is_dir() else path.unlink()
        for short, path in sorted(wanted.items()):
            _bring_back(path, target / short)


def _bring_back(source: Path, target: Path) -> None:
    if source.is_dir():
        target.mkdir(exist_ok=True)
        return
    before, now = source.stat(), target.stat() if target.exists() else None
    if now is None or (before.st_mtime_ns, before.st_size) != (now.st_mtime_ns, now.st_size):
        target.unlink(missing_ok=True)
        shutil.copy2(source, target)


@dataclass
class Saved:
    """A state of the buckets and of the clones."""

    buckets: dict[str, dict[str, list[Any]]]
    files: Path
    offset: float


@dataclass
class Scene:
    """An origin, its clones below one folder, and two buckets."""

    fake: FakeS3
    root: Path
    settings: Settings = field(default_factory=Settings)

    # The clones.

    def path(self, clone: str) -> Path:
        return self.root / clone

    def git(self, clone: str, *args: str) -> str:
        done = subprocess.run(["git", *args], cwd=self.path(clone), check=True, capture_output=True)
        return done.stdout.decode().strip()

    def open(self, clone: str) -> DataManager:
        return DataManager.open(self.path(clone))

    def clone(self, name: str) -> None:
        subprocess.run(
            ["git", "clone", "-q", "--template=", str(self.path("origin.git")), str(self.path(name))],
            check=True,
            capture_output=True,
        )

    def write(self, clone: str, name: str, data: bytes) -> None:
        (self.path(clone) / name).write_bytes(data)

    def add(self, *names: str, version: int = 1, size: int = 3000) -> None:
        """New versions of ana's, committed here only."""
        for name in names:
            self.write("ana", name, content(f"{name} v{version}", size))
        self.commit(*names)

    def commit(self, *names: str) -> None:
        """What ana's files hold by now as new versions, committed here only."""
        add.add(self.open("ana"), [self.path("ana") / name for name in names])
        self.git("ana", "commit", "-qm", f"Add {', '.join(names)}")

    def stage(self) -> None:
        manager = self.open("ana")
        upload(manager, pending_entries(manager.manifests.current()))

    def push(self) -> None:
        self.git("ana", "push", "-q", "origin", "HEAD")

    def publish(self) -> None:
        assert not publish(self.open("runner"), wait=0).failures
        self.git("ana", "pull", "-q", "--ff-only")

    def published(self, *names: str, version: int = 1, size: int = 3000) -> None:
        self.add(*names, version=version, size=size)
        self.stage()
        self.push()
        self.publish()

    def delete(self, name: str) -> None:
        lifecycle.delete(self.open("ana"), name)
        self.git("ana", "commit", "-qm", f"Delete {name}")
        self.push()
        self.publish()

    # The buckets.

    def move(self, bucket: str, key: str, target: str) -> None:
        data = self.fake.objects(bucket)[key]
        self.fake.put(bucket, target, data)
        self.fake.remove(bucket, key)

    def trash(self, name: str, version: int = 1, size: int = 3000) -> None:
        """As a gc leaves it: the bytes lie in production's trash alone."""
        oid = Oid.of(content(f"{name} v{version}", size))
        self.move(PRODUCTION, object_key(oid), trash_key(oid))

    def requests(self) -> Sequence[Request]:
        return self.fake.requests()

    # Back to where it was.

    def save(self, folder: Path, *clones: str) -> Saved:
        """Remember the buckets and these clones."""
        for clone in clones:
            shutil.copytree(self.path(clone), folder / clone, symlinks=True)
        buckets = {name: dict(self.fake.bucket(name).versions) for name in (STAGING, PRODUCTION)}
        return Saved(buckets, folder, self.fake.offset)

    def restore(self, saved: Saved) -> None:
        _mirror(saved.files, self.root, [source.name for source in saved.files.iterdir()])
        with self.fake.lock:
            for name, versions in saved.buckets.items():
                bucket: Bucket = self.fake.bucket(name)
                bucket.versions = dict(versions)
                bucket.uploads = {}
        self.fake.offset = saved.offset
        self.fake.forget()


def build(root: Path, fake: FakeS3, settings: Settings) -> Scene:
    """Found a repository and publish into it: what every verb finds.

    `stays` is live; `lost` is live, its bytes lie in the trash alone; `tagged` was deleted, and a tag
    still reaches it; `gone` was deleted, and nothing reaches it.
    """
    root.mkdir()
    for name in (STAGING, PRODUCTION):
        fake.create_bucket(name)
    scene = Scene(fake, root, settings)
    subprocess.run(
        ["git", "init", "-q", "--bare", "-b", "main", "--template=", str(scene.path("origin.git"))],
        check=True,
    )
    scene.clone("ana")
    scene.git("ana", "switch", "-q", "-c", "main")
    place = f"s3://{{}}?endpoint={fake.url}"
    setup.init(str(scene.path("ana")), staging=place.format(STAGING), production=place.format(PRODUCTION))
    scene.git("ana", "commit", "-qm", "Set up git data")
    scene.push()
    scene.clone("runner")
    scene.published("stays", "lost", "gone", "tagged", size=3000)
    scene.delete("gone")
    scene.git("ana", "tag", "release")
    scene.git("ana", "push", "-q", "origin", "release")
    scene.delete("tagged")
    scene.trash("lost")
    return scene
