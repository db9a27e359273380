"""Two developers, a host, CI and gc in random order, with crashes: what is live can be had, at every step.

hypothesis makes up the histories; everything is real but time, which passes by making all objects older, and
the size from which versions travel as deltas and are compacted, which is small here.
"""

import contextlib
import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from git_datamanager import encoded
from git_datamanager.encoded import ZSTD
from git_datamanager.errors import DataError
from git_datamanager.manager import DataManager
from git_datamanager.model import compaction
from git_datamanager.model import manifest as model
from git_datamanager.model.layout import object_key, trash_key
from git_datamanager.model.manifest import Manifest, State
from git_datamanager.model.oid import Oid
from git_datamanager.objects import ObjectStore
from git_datamanager.ops import add, encode, fetch, lifecycle, presence, pull, upload
from git_datamanager.ops.hooks import push as check_push
from git_datamanager.ops.publishing import beside, promote, publish, redelta
from git_datamanager.ops.sweeping import cleanup, gc, undelete
from git_datamanager.ops.sweeping.deleting import Asked
from git_datamanager.storage.wrappers import Wrapper
from tests.conftest import seal
from tests.faults.forms import rebuilt
from tests.world import Clone, World, movable_world

DAY = 86400
QUIET = {"GIT_DATA_SKIP": "1"}
NAMES = st.sampled_from(["a.bin", "b.bin", "c/d.bin"])
BIG = 20_000
"""Bytes; from here up versions have encodings."""


def big(number: int) -> bytes:
    """Noise, alike but for a few bytes."""
    noise = random.Random(0).randbytes(BIG + 100)
    return noise[:9000] + b"%09d" % number + noise[9009:]


CONTENTS = st.sampled_from(
    [b"one", b"two", b"three", b"four" * 300, b"text " * BIG, *(big(number) for number in range(5))]
)
FIRST = {"a.bin": b"one", "b.bin": b"one"}
VERBS = ["rollback", "delete", "delete", "prune", "undelete", "undelete"]
ENDS = st.sampled_from(["push", "push", "propose", "stay"])
DEVELOPERS = st.sampled_from(["ana", "bob"])


class Crash(BaseException):
    """The process is gone; nothing is tidied up."""


class Crashing(Wrapper):
    """Dies at the n-th write, copy or deletion: before it, or right after."""

    def __init__(self, inner: Any, left: int, *, after: bool) -> None:
        super().__init__(inner)
        self.left = left
        self.after = after

    def _count(self, act: Any) -> Any:
        self.left -= 1
        if self.left == 0 and not self.after:
            raise Crash
        result = act()
        if self.left == 0:
            raise Crash
        return result

    def write_object(self, *args: Any, **more: Any) -> Any:
        return self._count(lambda: super(Crashing, self).write_object(*args, **more))

    def copy_object(self, *args: Any, **more: Any) -> Any:
        return self._count(lambda: super(Crashing, self).copy_object(*args, **more))

    def delete_object(self, *args: Any, **more: Any) -> Any:
        return self._count(lambda: super(Crashing, self).delete_object(*args, **more))


CRASHES = st.one_of(st.none(), st.tuples(st.integers(1, 8), st.booleans()))


@pytest.fixture(scope="module")
def founded(template_folder: Path) -> World:
    """Stores, an origin, and the clones of two developers, a host and CI."""
    world = movable_world(template_folder / "lives")
    world.found("ana", "--no-hooks")
    for name in ("bob", "host", "ci"):
        world.clone(name).git("config", "data.hooks", "none")
    for name in ("ana", "bob", "ci"):
        Clone(world.root / name).git("config", "data.leaseTime", "0")
        Clone(world.root / name).data("install")
        shutil.rmtree(world.root / name / ".git" / "hooks")
    ana = Clone(world.root / "ana")
    for name, data in FIRST.items():
        ana.write(name, data)
        ana.data("add", name)
    ana.data("upload")
    ana.commit("the first")
    ana.git("push", "-q")
    Clone(world.root / "ci").data("publish")
    shutil.rmtree(world.folder("production") / "repos")  # the copy has another address
    return world


class Lives(RuleBasedStateMachine):
    template: World
    longest = 1
    """Months in a history: they take long."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="lives-"))
        self.stack = contextlib.ExitStack()
        patch = self.stack.enter_context(pytest.MonkeyPatch.context())
        seal(self.folder / "home", patch)
        patch.setattr(cleanup, "SETTLED", 0)
        for module in (beside, compaction, encode, fetch, presence, promote):
            patch.setattr(module, "SMALLEST", BIG)
        patch.setattr(encode, "INDEXED", BIG)
        self.world = self.template.copy(self.folder / "world")
        self.truth = {Oid.of(data): data for data in FIRST.values()}
        self.requests: list[str] = []
        self.count = self.months = 0

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            self._end()
        finally:
            self.stack.close()
            shutil.rmtree(self.folder)

    def _end(self) -> None:
        """Whatever happened, two runs without faults bring everything to where it belongs."""
        for _ in range(2):
            report = publish.publish(self.manager("ci"))
        assert report.failures == []
        for _, version in self.tip().entries():
            assert version.state in (State.PUBLISHED, State.DELETED)
            if version.state is State.PUBLISHED:
                plain = self.bytes_at("production", object_key(version.oid))
                found = rebuilt(version.oid, self.held("production")) if version.compacted else plain
                assert found == self.truth[version.oid]

    # Looking

    def git(self, who: str, *words: str) -> bool:
        done = subprocess.run(
            ["git", *words],
            cwd=self.world.root / who,
            env={**os.environ, **QUIET},
            capture_output=True,
            check=False,
        )
        return done.returncode == 0

    def manager(self, who: str, crash: tuple[int, bool] | None = None) -> DataManager:
        manager = DataManager.open(self.world.root / who)
        for role in ("staging", "production") if crash else ():
            inner = manager.store(role).adapter
            store = ObjectStore(Crashing(inner, crash[0], after=crash[1]), role)  # type: ignore[index]
            manager.remotes._open[role] = store
        return manager

    def manifest_of(self, ref: str) -> Manifest:
        done = subprocess.run(
            ["git", "show", f"{ref}:manifest.json"], cwd=self.world.origin, capture_output=True, check=True
        )
        return model.loads(done.stdout)

    def tip(self) -> Manifest:
        return self.manifest_of("main")

    def bytes_at(self, role: str, key: str) -> bytes | None:
        path = self.world.folder(role) / key
        return path.read_bytes() if path.is_file() else None

    def held(self, role: str) -> dict[str, bytes]:
        root = self.world.folder(role)
        found = (path for path in root.rglob("*") if path.is_file() and not path.name.startswith("."))
        return {path.relative_to(root).as_posix(): path.read_bytes() for path in found}

    @invariant()
    def what_is_live_can_be_had(self) -> None:
        held = self.held("production")
        for _, version in self.tip().entries():
            if version.state is State.PUBLISHED:
                places = {held.get(key(version.oid)) for key in (object_key, trash_key)}
                places |= {rebuilt(version.oid, held)} if version.compacted else set()
                assert self.truth[version.oid] in places, f"{version.oid} is live and gone"

    @invariant()
    def what_is_pending_or_proposed_has_its_bytes_somewhere(self) -> None:
        held = {role: self.held(role) for role in ("production", "staging")}
        for ref in ("main", *self.requests):
            for _, version in self.manifest_of(ref).entries():
                if version.state is State.PENDING:
                    found = rebuilt(version.oid, held["production"], held["staging"])
                    assert found == self.truth[version.oid], f"{version.oid} is pending and gone"

    @invariant()
    def production_holds_no_other_bytes(self) -> None:
        for path in (self.world.folder("production") / "objects").glob("*/*"):
            assert Oid.of(path.read_bytes()).hex == path.name

    # Developers

    @contextlib.contextmanager
    def refused_or_done(self) -> Iterator[None]:
        """A sentence with a reason is an answer; a crash leaves whatever it leaves."""
        with contextlib.suppress(DataError, Crash):
            yield

    @rule(who=DEVELOPERS, name=NAMES, content=CONTENTS)
    def add(self, who: str, name: str, content: bytes) -> None:
        self.truth[Oid.of(content)] = content
        path = self.world.root / who / name
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_bytes(content)
        with self.refused_or_done():
            add.add(self.manager(who), [path])

    @rule(who=DEVELOPERS, name=NAMES, content=CONTENTS, ends=ENDS)
    def ship(self, who: str, name: str, content: bytes, ends: str) -> None:
        """A whole change, from the file to the branch."""
        self.catch_up(who)
        self.add(who, name, content)
        self.commit(who, uploads=True, crash=None)
        self.send(who, ends)

    @rule(who=DEVELOPERS, verb=st.sampled_from(VERBS), which=st.integers(0, 20), ends=ENDS)
    def change(self, who: str, verb: str, which: int, ends: str) -> None:
        """Another life for one of the entries that there are."""
        self.catch_up(who)
        manager = self.manager(who)
        entries = list(manager.manifests.current().entries())
        if not entries:
            return
        dataset, version = entries[which % len(entries)]
        with self.refused_or_done():
            if verb == "rollback":
                lifecycle.rollback(manager, dataset.name, version.name)
            elif verb == "delete":
                lifecycle.delete(manager, dataset.name)
            elif verb == "prune":
                lifecycle.prune(manager, dataset.name, 1)
            else:
                undelete.undelete(manager, f"{dataset.name}@{version.name}" if which % 2 else dataset.name)
        self.commit(who, uploads=True, crash=None)
        self.send(who, ends)

    @rule(who=DEVELOPERS, name=NAMES, keep=st.sampled_from([1, 1, 2, None]))
    def compact(self, who: str, name: str, keep: int | None) -> None:
        """Plain bytes for the newest versions only, or for all of them again."""
        self.catch_up(who)
        with self.refused_or_done():
            lifecycle.compact(self.manager(who), name, keep)
        self.git(who, "commit", "-q", "-m", "compact")
        self.push(who)

    @precondition(lambda self: self.months < self.longest)
    @rule(who=DEVELOPERS, name=NAMES, first=st.integers(0, 4), crash=CRASHES)
    def grow_old(self, who: str, name: str, first: int, crash: tuple[int, bool] | None) -> None:
        """What a month brings: versions, publish that compacts the older ones, gc that removes their plain
        bytes; each once more where the first try ends early."""
        self.months += 1
        for number in range(first, first + 3):
            self.ship(who, name, big(number % 5), "push")
            self.publish(None, "commit")
        self.compact(who, name, 1)
        for each in (crash, None):
            self.publish(each, "commit")
        for each in (crash, None):
            self.gc(each, purge=False)
        self.time_passes(31)
        self.gc(crash, purge=True)

    def send(self, who: str, ends: str) -> None:
        if ends == "push":
            self.push(who)
        elif ends == "propose":
            self.propose(who)

    @rule(who=DEVELOPERS, uploads=st.booleans(), crash=CRASHES)
    def commit(self, who: str, uploads: bool, crash: tuple[int, bool] | None) -> None:
        if uploads:
            with self.refused_or_done():
                manager = self.manager(who, crash)
                upload.upload(manager, upload.pending_entries(manager.manifests.staged()))
        self.git(who, "commit", "-q", "-m", "change")

    def may_push(self, who: str) -> bool:
        manager = self.manager(who)
        ref = check_push.PushedRef(manager.git.resolve("HEAD"), "0" * 40)
        return not any(f.refuses for f in check_push.check_push(manager, "origin", [ref]).findings)

    def catch_up(self, who: str) -> None:
        if not self.git(who, "pull", "-q", "--no-rebase", "--no-edit"):
            self.git(who, "merge", "--abort")
            self.git(who, "reset", "-q", "--hard", "@{upstream}")

    @rule(who=DEVELOPERS)
    def push(self, who: str) -> None:
        self.catch_up(who)
        with self.refused_or_done():
            if self.may_push(who):
                self.git(who, "push", "-q", "origin", "main")

    @rule(who=DEVELOPERS)
    def propose(self, who: str) -> None:
        """Their commits become a request; the branch goes back to the tip."""
        with self.refused_or_done():
            if self.may_push(who):
                self.count += 1
                if self.git(who, "push", "-q", "origin", f"HEAD:refs/heads/request-{self.count}"):
                    self.requests.append(f"request-{self.count}")
        self.git(who, "fetch", "-q")
        self.git(who, "reset", "-q", "--hard", "origin/main")

    @rule(who=DEVELOPERS, crash=CRASHES)
    def pull(self, who: str, crash: tuple[int, bool] | None) -> None:
        self.catch_up(who)
        with self.refused_or_done():
            for pulled in pull.pull(self.manager(who, crash)):
                assert pulled.path.read_bytes() == self.truth[pulled.version.oid]

    # The host

    @precondition(lambda self: self.requests)
    @rule(which=st.integers(0, 5), keep=st.booleans())
    def merge(self, which: int, keep: bool) -> None:
        """By a host without our merge driver: what does not merge as text stays open."""
        name = self.requests[which % len(self.requests)]
        self.git("host", "fetch", "-q")
        self.git("host", "switch", "-q", "-C", "main", "origin/main")
        if not self.git("host", "merge", "-q", "--no-edit", f"origin/{name}"):
            self.git("host", "merge", "--abort")
            return
        try:
            model.loads((self.world.root / "host" / "manifest.json").read_bytes())
        except DataError:
            self.git("host", "reset", "-q", "--hard", "origin/main")  # the check of the request is red
            return
        assert self.git("host", "push", "-q", "origin", "main")
        if not keep:
            self.close(which)

    @precondition(lambda self: self.requests)
    @rule(which=st.integers(0, 5))
    def close(self, which: int) -> None:
        name = self.requests.pop(which % len(self.requests))
        assert self.git("host", "push", "-q", "origin", f":refs/heads/{name}")

    # CI

    @rule(crash=CRASHES, mode=st.sampled_from(["commit", "commit", "none"]))
    def publish(self, crash: tuple[int, bool] | None, mode: str) -> None:
        with self.refused_or_done():
            publish.publish(self.manager("ci", crash), finalize=mode)

    @rule(crash=CRASHES, purge=st.booleans())
    def gc(self, crash: tuple[int, bool] | None, purge: bool) -> None:
        self.git("ci", "fetch", "-q", "--prune")
        asked = Asked(confirmed=10**6)
        with self.refused_or_done():
            gc.gc(self.manager("ci", crash), asked, purge=purge, fewer_refs=True, apply=True)

    @rule(crash=CRASHES)
    def cleanup(self, crash: tuple[int, bool] | None) -> None:
        self.git("ci", "fetch", "-q", "--prune")
        with self.refused_or_done():
            cleanup.cleanup(self.manager("ci", crash), Asked(confirmed=10**6), apply=True)

    @rule(days=st.sampled_from([1, 8, 15, 31]))
    def time_passes(self, days: int) -> None:
        then = days * DAY
        for role in ("staging", "production"):
            for path in self.world.folder(role).rglob("*"):
                if path.is_file():
                    age = path.stat().st_mtime - then
                    os.utime(path, (age, age))


def live(examples: int, steps: int) -> None:
    run = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
        report_multiple_bugs=False,
        phases=[Phase.generate],  # a step is slow: a long example now beats a short one in ten minutes
    )
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(Lives, settings=run)


@pytest.mark.slow
def test_whatever_happens_what_is_live_can_be_had(founded: World) -> None:
    Lives.template = founded
    live(examples=5, steps=25)


@pytest.mark.nightly
def test_a_gc_that_looks_at_no_branch_is_found_out(founded: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """These histories can fail."""
    Lives.template = founded
    monkeypatch.setattr(gc.Roots, "take", lambda _self, _manifest: set())
    monkeypatch.setattr(gc.gcrecords, "vanished", lambda _store, _roots: set())
    monkeypatch.setattr(gc._Gc, "_aged", lambda _self, trash: (list(trash), []))
    with pytest.raises(AssertionError):
        live(examples=40, steps=25)


@pytest.mark.nightly
def test_a_gc_that_believes_in_deltas_is_found_out(founded: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deltas that were never made, and nobody who rebuilds anything before plain bytes go."""
    Lives.template = founded
    monkeypatch.setattr(redelta.Redelta, "make", lambda *_: encoded.Form(ZSTD, "zstd/none", 1, ""))
    monkeypatch.setattr(gc.compacting, "rebuilds", lambda *_: True)
    with pytest.raises(AssertionError):
        live(examples=30, steps=10)


@pytest.mark.nightly
def test_whatever_happens_for_long(founded: World, monkeypatch: pytest.MonkeyPatch) -> None:
    Lives.template = founded
    monkeypatch.setattr(Lives, "longest", 5)
    live(examples=150, steps=50)
