"""A repository and two stores in memory, under the real code of the verbs.

Git is replaced at its own doors: what a remote advertises and gives, a branch that is fetched and moved, a
commit that is made. Everything above them (publish, gc, cleanup, upload, leases, receipts, roots) is the code
that ships. Stores are the memory store, with the ETags of S3: equal bytes have equal ones.
"""

import hashlib
import io
import itertools
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO

import pytest

from git_datamanager.errors import ObjectMissing, OutcomeUnknown, PreconditionFailed, Unreachable
from git_datamanager.events import silent
from git_datamanager.model import manifest as model
from git_datamanager.model.manifest import Manifest
from git_datamanager.model.oid import Oid
from git_datamanager.objects import ObjectStore
from git_datamanager.ops import parallel
from git_datamanager.ops.publishing import finalize, promote, publish
from git_datamanager.ops.publishing.branch import BOT_BRANCH, Answer, Push
from git_datamanager.ops.sweeping import cleanup, deleting, gc
from git_datamanager.storage.base import Expect, Stat, StorageAdapter
from git_datamanager.storage.memory import MemoryStore
from git_datamanager.storage.wrappers import Wrapper
from git_datamanager.workspace import reflists
from git_datamanager.workspace.partials import Partials
from tests.faults.turns import Process

DAY = 86400.0
MAIN = "refs/heads/main"
BOT = f"refs/heads/{BOT_BRANCH}"
_SETTINGS = {"data.leaseTime": 0, "data.grace": 14}
"""A lease of no length keeps nobody away: every run is one that may have lost it."""


class Etagged(MemoryStore):
    """Names an object by its bytes, as S3 does: what was deleted and written again looks the same."""

    def _put(self, key: str, data: bytes, *more: Any) -> Stat:
        super()._put(key, data, *more)
        return self._shown(key)

    def _shown(self, key: str) -> Stat:
        held = self._held[key]
        digest = hashlib.md5(held.data).hexdigest()  # noqa: S324 - as S3 does
        self._held[key] = replace(held, stat=held.stat._replace(etag=f'"{digest}"', sha256=None))
        return self._held[key].stat

    def put(self, key: str, data: bytes) -> None:
        """Without a request."""
        self.write_object(key, io.BytesIO(data), len(data))

    def all(self) -> dict[str, bytes]:
        return {key: held.data for key, held in self._held.items()}

    def drop(self, key: str) -> None:
        self._held.pop(key, None)


@dataclass
class Mischief:
    """How often a store may still lie or lose an answer, and when it does."""

    lies: int = 0
    lost: int = 0
    dice: Callable[[], bool] = lambda: False

    def lie(self) -> bool:
        self.lies -= (now := self.lies > 0 and self.dice())
        return now

    def lose(self) -> bool:
        self.lost -= (now := self.lost > 0 and self.dice())
        return now


class Door(Wrapper):
    """A store as one process sees it: every request waits for its turn."""

    def __init__(self, inner: StorageAdapter, world: "World", process: Process | None) -> None:
        super().__init__(inner)
        self._world = world
        self._process = process

    def _turn(self, label: str) -> None:
        if self._process is not None:
            self._process.step(label)

    def stat_object(self, key: str) -> Stat | None:
        self._turn(f"HEAD {key}")
        return super().stat_object(key)

    def read_object(self, key: str, **more: Any) -> AbstractContextManager[BinaryIO]:
        self._turn(f"GET {key}")
        return super().read_object(key, **more)

    def write_object(self, key: str, *more: Any, **named: Any) -> Stat:
        self._turn(f"PUT {key}")
        return super().write_object(key, *more, **named)

    def copy_object(self, source: StorageAdapter, source_key: str, key: str, **more: Any) -> Stat | None:
        """The source is looked at, then copied on the condition of its ETag: two requests."""
        origin = source.inner if isinstance(source, Door) else source
        self._turn(f"HEAD {source_key}")
        found = origin.stat_object(source_key)
        if found is None:
            raise ObjectMissing(f"{source_key} is gone")
        if found.etag != more["source_etag"]:
            raise PreconditionFailed(f"{source_key} is another one")
        self._turn(f"COPY {source_key} to {key}")
        if self._process is not None and self._world.mischief.lie():
            return found._replace(key=key)
        return super().copy_object(source, source_key, key, **more)

    def list_objects(self, prefix: str) -> Iterator[Stat]:
        self._turn(f"LIST {prefix}")
        yield from list(super().list_objects(prefix))

    def delete_object(self, key: str, *, expect: Expect = Expect()) -> None:  # noqa: B008 - frozen
        """Looked at, then deleted: the second request may be late, or its answer lost."""
        self._turn(f"HEAD {key}")
        found = self.inner.stat_object(key)
        if found is None:
            return
        if expect.etag is not None and found.etag != expect.etag:
            raise PreconditionFailed(f"{key} is another one")
        self._turn(f"DELETE {key}")
        if self._process is not None and self._world.mischief.lose():
            self._world.late.append((self.inner, key))
            raise OutcomeUnknown(f"the answer about {key} was lost")
        self.inner.delete_object(key)


class Git:
    """What of Git is left when its doors are replaced: names, and the ancestry of commits."""

    def __init__(self, world: "World", process: Process | None) -> None:
        self.world = world
        self.process = process
        self.top: Path | None = None
        self.git_dir = Path("/nowhere")
        self.version = (2, 50)

    def turn(self, label: str) -> None:
        if self.process is not None:
            self.process.step(label)

    def author(self) -> str:
        return "A U Thor"

    def output(self, *args: str) -> str:
        return "https://git.example.org/data" if args[0] == "remote" else model.FILE_NAME

    def answer(self, *args: str) -> str | None:
        """The parents of a commit: all that finalize asks for."""
        return self.world.parents[args[-1].removesuffix("^@")]


class Branch:
    """The default branch of the origin."""

    name = "main"
    remote: str | None = "origin"

    def __init__(self, git: Git) -> None:
        self._git = git
        self._world = git.world

    def fetch(self) -> str:
        self._git.turn("fetch")
        return self._world.refs[MAIN]

    def move(self, old: str, new: str) -> Answer:
        self._git.turn("push")
        world = self._world
        if world.refuses:
            return Answer(Push.REFUSED, "GH006: protected branch")
        if world.refs[MAIN] != old or world.refuse_once():
            return Answer(Push.OUTRUN, "fetch first")
        world.refs[MAIN] = new
        return Answer(Push.DONE)

    def propose(self, new: str) -> Answer:
        self._git.turn("push the request")
        self._world.refs[BOT] = new
        return Answer(Push.DONE)

    def proposed(self) -> str | None:
        self._git.turn("fetch the request")
        return self._world.refs.get(BOT)

    def catch_up(self, tip: str) -> None:
        """No work tree."""


@dataclass
class World:
    """The origin, the stores and the clock; what is broken in them."""

    manifests: dict[str, Manifest] = field(default_factory=dict)
    """By commit."""
    parents: dict[str, str | None] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    refuses: bool = False
    """Every push to the default branch."""
    rejections: int = 0
    """Pushes that somebody else outruns."""
    mischief: Mischief = field(default_factory=Mischief)
    late: list[tuple[StorageAdapter, str]] = field(default_factory=list)
    """Deletions under way whose sender gave up."""

    def __post_init__(self) -> None:
        self._numbers = itertools.count(1)
        self.now = time.time()
        self.staging = Etagged("staging", clock=lambda: self.now)
        self.production = Etagged("production", clock=lambda: self.now)

    def refuse_once(self) -> bool:
        self.rejections -= (now := self.rejections > 0 and self.mischief.dice())
        return now

    def commit(self, manifest: Manifest, parent: str | None) -> str:
        name = f"{next(self._numbers):040x}"
        self.manifests[name], self.parents[name] = manifest, parent
        return name

    def change(self, change: Callable[[Manifest], Manifest]) -> None:
        """A merge into the default branch."""
        self.refs[MAIN] = self.commit(change(self.tip), self.refs[MAIN])

    @property
    def tip(self) -> Manifest:
        return self.manifests[self.refs[MAIN]]

    def contains(self, commit: str, tip: str) -> bool:
        here: str | None = tip
        while here is not None and here != commit:
            here = self.parents[here]
        return here is not None

    def utc_now(self) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.now))

    def manager(self, process: Process | None, local: Mapping[Oid, bytes] = {}) -> Any:
        """As much of a DataManager as the verbs use. `local` are the bytes that this clone has."""
        stores = {
            role: ObjectStore(Door(inner, self, process), role)
            for role, inner in (("staging", self.staging), ("production", self.production))
        }
        return SimpleNamespace(
            git=Git(self, process),
            settings=SimpleNamespace(number=lambda name, _=0: _SETTINGS[name]),
            progress=silent,
            manifests=SimpleNamespace(at=self.manifests.__getitem__),
            journal=_Journal(),
            cache=_Cache(dict(local)),
            packs=SimpleNamespace(evict=list),
            partials=Partials(Path("nowhere")),
            store=stores.__getitem__,
            remotes=SimpleNamespace(remote=lambda role: SimpleNamespace(url=role)),
        )


class _Journal:
    """Remembers nothing: every run is a first one."""

    @contextmanager
    def record(self, *_: object) -> Iterator[dict[str, Any]]:
        yield {}

    def holders(self, _: Oid) -> dict[str, str]:
        return {}

    def seen(self, *_: object) -> None:
        return None

    def saw(self, *_: object, **__: object) -> None: ...
    def lost(self, *_: object) -> None: ...


class _Cache:
    def __init__(self, held: dict[Oid, bytes]) -> None:
        self._held = held

    def has(self, oid: Oid) -> bool:
        return oid in self._held

    def open(self, oid: Oid) -> AbstractContextManager[BinaryIO]:
        return io.BytesIO(self._held[oid])

    def drop(self, oid: Oid) -> None:
        del self._held[oid]

    @contextmanager
    def new_file(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder) / "new"

    def adopt(self, path: Path, oid: Oid) -> None:
        self._held[oid] = path.read_bytes()

    def evict(self) -> None: ...


# Git's doors.


def _advertised(git: Git, _: str) -> reflists.Advertised:
    git.turn("ls-remote")
    return reflists.Advertised(dict(git.world.refs), MAIN)


@contextmanager
def _fetched(git: Git, _: str, refs: Iterable[str]) -> Iterator[dict[str, str]]:
    wanted = list(refs)
    if wanted:
        git.turn("fetch all")
    if gone := [ref for ref in wanted if ref not in git.world.refs]:
        raise Unreachable(f"couldn't find remote ref {gone[0]}")
    yield {ref: git.world.refs[ref] for ref in wanted}


def _manifests(git: Git, refs: Mapping[str, str]) -> Iterator[tuple[list[str], Manifest]]:
    for ref, commit in refs.items():
        yield [ref], git.world.manifests[commit]


def _readable(git: Git, refs: Mapping[str, str], _: object) -> Iterator[Manifest]:
    yield from (manifest for _, manifest in _manifests(git, refs))


def _readable(git: Git, refs: Mapping[str, str], _: object) -> Iterator[Manifest]:
    yield from (manifest for _, manifest in _manifests(git, refs))


def _is_merged(git: Git, commits: Sequence[str], tip: str) -> set[str]:
    return {commit for commit in commits if git.world.contains(commit, tip)}


def _commit_manifest(git: Git, parent: str, data: bytes, *_: object) -> str:
    return git.world.commit(model.loads(data), parent)


@contextmanager
def in_memory(clock: Callable[[], World]) -> Iterator[pytest.MonkeyPatch]:
    """The verbs work on worlds of this module; `clock` is the one at work."""
    with pytest.MonkeyPatch.context() as patch:
        for verb in (publish, gc, cleanup):
            patch.setattr(verb, "find_branch", lambda git, *_: Branch(git))
        patch.setattr(publish, "introductions", lambda *_: {})
        patch.setattr(finalize, "commit_manifest", _commit_manifest)
        patch.setattr(finalize, "time", SimpleNamespace(sleep=lambda _: None))
        for module in (finalize, promote, gc):
            patch.setattr(module, "utc_now", lambda: clock().utc_now())
        patch.setattr(deleting, "boot_time", lambda: 0.0)  # the scheduler ends jobs that are too old
        patch.setattr(parallel, "WORKERS", 1)
        patch.setattr(cleanup, "UNNAMED", cleanup.SETTLED * 2)
        patch.setattr(reflists, "advertised", _advertised)
        patch.setattr(reflists, "fetched", _fetched)
        patch.setattr(reflists, "manifests", _manifests)
        patch.setattr(reflists, "readable", _readable, raising=False)
        patch.setattr(reflists, "readable", _readable)
        patch.setattr(reflists, "is_merged", _is_merged)
        patch.setattr(reflists, "local", lambda *_: {})
        patch.setattr(reflists, "drafts", lambda *_: iter(()))
        patch.setattr(reflists, "demand_whole", lambda *_: None)
        yield patch
