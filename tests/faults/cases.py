"""Who may do what at once: the world of one content, the entries that name it, and everybody around.

Deletions of different contents do not depend on each other, so one is enough. An entry is unseen, on an open
branch, pending on the tip, live, or deleted. A tick is five days: a job sees one at most, `lease-gc` is free
after two, the grace is over after three.
"""

import io
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from git_datamanager.errors import DataError
from git_datamanager.model.layout import object_key, receipt_key, staging_trash_key, trash_key
from git_datamanager.model.manifest import Dataset, Kind, Manifest, State, Version
from git_datamanager.model.merge import merge
from git_datamanager.model.oid import Oid
from git_datamanager.model.records import Receipt
from git_datamanager.ops.fetch import Reader
from git_datamanager.ops.publishing.publish import publish
from git_datamanager.ops.sweeping.cleanup import cleanup
from git_datamanager.ops.sweeping.deleting import Asked
from git_datamanager.ops.sweeping.gc import gc
from git_datamanager.ops.upload import upload
from tests.faults.memory import BOT, DAY, MAIN, Mischief, World
from tests.faults.turns import Actor, Budget, Event, Process

GOOD, BAD = b"the content that all the entries name", b"the content that nobody has reviewed!"
OID = Oid.of(GOOD)
OBJECT, TRASHED, ASIDE = object_key(OID), trash_key(OID), staging_trash_key(object_key(OID))
TICK = 5 * DAY
LONG_AGO = 100 * DAY
ALL = Asked(confirmed=1000)


class Stage(StrEnum):
    """How far an entry has come."""

    UNSEEN = "unseen"
    OPEN = "open"
    PENDING = "pending"
    LIVE = "published"
    DEAD = "deleted"


@dataclass(frozen=True)
class Case:
    """A world to begin with, and how often each thing may happen in it."""

    entries: Sequence[tuple[str, Stage]]
    """For each: `add` (its author has the bytes) or `roll` (a version of the first one's dataset, whose
    author has not), and where it begins."""
    there: str = ""
    """Which of staging, aside, objects, trash hold the bytes."""
    adds: Mapping[int, int] = field(default_factory=dict)
    publish: int = 0
    gc: int = 0
    cleanup: int = 0
    reads: int = 0
    ticks: int = 0
    undo: int = 0
    delete: int = 0
    tamper: int = 0
    reject: int = 0
    lies: int = 0
    lost: int = 0
    foreign: int = 0
    refuses: bool = False
    receipts: Sequence[int] = ()
    """Entries that were published once, were withdrawn, and whose bytes went."""


def _id(entry: int) -> str:
    return f"01HZ000000000000000000000{entry}"


class Stories:
    """One world of a case while a history is played in it."""

    def __init__(self, case: Case, dice: random.Random | None = None) -> None:
        self.case = case
        self.world = World(refuses=case.refuses, rejections=case.reject)
        self.lost = False
        """The only copy that an entry leant on was tampered with."""
        self.actors: list[Actor] = []
        self._receipts: dict[str, bytes] = {}
        self._steady: dict[Process, int] = {}
        """Readers whose entry was live all the time."""
        self._begin()
        throws = dice or random.Random(0)
        likely = throws.choice((0.1, 0.5, 1.0)) if dice else 1.0
        self.world.mischief = Mischief(case.lies, case.lost, lambda: throws.random() < likely)
        self.actors = list(self._actors(dice))
        if dice:
            happens = dice.choice((0.3, 0.7, 1.0))
            self.actors = [a for a in self.actors if isinstance(a, Process) or dice.random() < happens]

    # How it begins.

    def _begin(self) -> None:
        world, now = self.world, self.world.now
        world.now = now - LONG_AGO
        manifest = Manifest()
        for entry, (_, stage) in enumerate(self.case.entries):
            if stage is not Stage.UNSEEN:
                manifest = self._with(manifest, entry, State(stage))
            if stage in (Stage.LIVE, Stage.DEAD):
                world.production.put(receipt_key(_id(entry)), self._receipt(entry, OID))
        world.refs[MAIN] = world.commit(manifest, None)
        places = {
            "staging": (world.staging, OBJECT),
            "aside": (world.staging, ASIDE),
            "objects": (world.production, OBJECT),
            "trash": (world.production, TRASHED),
        }
        for entry in self.case.receipts:
            world.production.put(receipt_key(_id(entry)), self._receipt(entry, OID))
        for name in self.case.there.split():
            store, key = places[name]
            store.put(key, GOOD)
        world.now = now

    def _receipt(self, entry: int, oid: Oid) -> bytes:
        return Receipt(
            id=_id(entry),
            dataset=self._dataset(entry),
            oid=str(oid),
            size=len(GOOD),
            published=self.world.utc_now(),
            verified="sha256-streamed",
            actor="A U Thor",
        ).encode()

    def _dataset(self, entry: int) -> str:
        return f"d{0 if self.case.entries[entry][0] == 'roll' else entry}"

    def _version(self, entry: int, state: State) -> Version:
        now = self.world.utc_now()
        return Version(
            number=entry + 1,
            id=_id(entry),
            state=state,
            oid=OID,
            size=len(GOOD),
            created=now,
            author="A U Thor",
            published=now if state is State.PUBLISHED else None,
            deleting=now if state is State.DELETED else None,
            deleted=now if state is State.DELETED else None,
        )

    def _with(self, manifest: Manifest, entry: int, state: State | None) -> Manifest:
        """The entry in this state; None takes it out."""
        name = self._dataset(entry)
        dataset = manifest.datasets.get(name) or Dataset(name=name, kind=Kind.FILE)
        others = [v for v in dataset.versions if v.id != _id(entry)]
        added = [] if state is None else [self._version(entry, state)]
        versions = tuple(sorted([*others, *added], key=lambda v: v.number, reverse=True))
        return manifest.put(replace(dataset, versions=versions)) if versions else manifest.drop(name)

    # Where everything is.

    def stage(self, entry: int) -> Stage:
        for _, version in self.world.tip.entries():
            if version.id == _id(entry):
                return Stage(version.state)
        return Stage.OPEN if self._ref(entry) in self.world.refs else Stage.UNSEEN

    def _ref(self, entry: int) -> str:
        return f"refs/heads/request-{entry}"

    def _any(self, *stages: Stage) -> bool:
        return any(self.stage(entry) in stages for entry in range(len(self.case.entries)))

    # Who is there.

    def _actors(self, dice: random.Random | None) -> Iterator[Actor]:
        case, world = self.case, self.world
        yield from (self._reader(0) for _ in range(case.reads))
        for entry, times in case.adds.items():
            yield from (self._author(entry) for _ in range(times))
        undo, gone, foreign = Budget(case.undo), Budget(case.delete), Budget(case.foreign)
        for entry in range(len(case.entries)):
            yield from self._events(entry, undo, gone, foreign)
        for number in range(case.publish):
            yield Process(f"publish {number}", lambda p: publish(world.manager(p), wait=0))
        for number in range(case.gc):
            yield Process(f"gc {number}", lambda p: gc(world.manager(p), ALL, purge=True, apply=True))
        for number in range(case.cleanup):
            yield Process(f"cleanup {number}", lambda p: cleanup(world.manager(p), ALL, apply=True))
        yield Event("tamper", self._tamper, lambda: self._staged() == GOOD, Budget(case.tamper))
        yield Event("late deletion", self._arrive, lambda: bool(world.late), Budget(case.lost))
        yield Event("merge the request", self._merge_request, lambda: BOT in world.refs, Budget(9))
        yield Event("tick", self._tick, budget=Budget(case.ticks))
        if dice is not None and dice.random() < 0.5:
            yield Event("crash", self._crash, lambda: bool(self._active()))

    def _events(self, entry: int, undo: Budget, gone: Budget, foreign: Budget) -> Iterator[Actor]:
        def at(*stages: Stage) -> Callable[[], bool]:
            return lambda: self.stage(entry) in stages

        def to(state: State | None) -> Callable[[], None]:
            return lambda: self.world.change(lambda tip: self._with(tip, entry, state))

        def close() -> None:
            del self.world.refs[self._ref(entry)]

        def merged() -> None:
            to(State.PENDING)()
            close()

        yield Event(f"merge {entry}", merged, at(Stage.OPEN), Budget(9))
        yield Event(f"close {entry}", close, at(Stage.OPEN), undo)
        yield Event(f"withdraw {entry}", to(None), at(Stage.PENDING, Stage.LIVE), undo)
        yield Event(f"revert finalize {entry}", to(State.PENDING), at(Stage.LIVE), undo)
        yield Event(f"delete {entry}", to(State.DELETED), at(Stage.LIVE), gone)
        key = receipt_key(_id(entry))
        yield Event(
            f"foreign receipt {entry}",
            lambda: self.world.production.put(key, self._receipt(entry, Oid.of(BAD))),
            lambda: key not in self.world.production.all(),
            foreign,
        )

    def _author(self, entry: int) -> Process:
        has_bytes = self.case.entries[entry][0] == "add"

        def run(process: Process) -> None:
            manager = self.world.manager(process, {OID: GOOD} if has_bytes else {})
            start = self.world.refs[MAIN]
            manifest = self._with(self.world.tip, entry, State.PENDING)
            upload(manager, [(d, v) for d, v in manifest.entries() if v.id == _id(entry)])
            process.step("push")
            if self.stage(entry) is Stage.UNSEEN:
                self.world.refs[self._ref(entry)] = self.world.commit(manifest, start)

        def may() -> bool:
            return self.stage(entry) is Stage.UNSEEN and not any(
                p.name == f"author {entry}" for p in self._active()
            )

        return Process(f"author {entry}", run, may)

    def _reader(self, entry: int) -> Process:
        def run(process: Process) -> None:
            manager = self.world.manager(process)
            found = next((d, v) for d, v in self.world.tip.entries() if v.id == _id(entry))
            self._steady[process] = entry
            Reader(manager, *found, "production").fill(io.BytesIO())

        return Process(f"reader {entry}", run, lambda: self.stage(entry) is Stage.LIVE)

    def _active(self) -> list[Process]:
        return [a for a in self.actors if isinstance(a, Process) and a.is_active]

    # What happens.

    def _staged(self) -> bytes | None:
        return self.world.staging.all().get(OBJECT)

    def _tamper(self) -> None:
        self.lost |= self.world.production.all().get(OBJECT) != GOOD
        self.world.staging.put(OBJECT, BAD)

    def _arrive(self) -> None:
        store, key = self.world.late.pop(0)
        store.delete_object(key)

    def _merge_request(self) -> None:
        world = self.world
        proposed = world.refs.pop(BOT)
        parent = world.parents[proposed]
        assert parent is not None
        base, theirs = world.manifests[parent], world.manifests[proposed]
        world.change(lambda tip: merge(base, tip, theirs).manifest)

    def _tick(self) -> None:
        """Jobs end after a few hours: nobody sees a second one."""
        self.world.now += TICK
        self.world.late.clear()
        for process in self._active():
            process.age += 1
            if process.age > 1:
                process.kill()

    def _crash(self) -> None:
        self._active()[0].kill()

    # What must hold.

    def check(self) -> str | None:
        """The promise that is broken now."""
        production, staging = self.world.production.all(), self.world.staging.all()
        kept = GOOD in (production.get(OBJECT), production.get(TRASHED))
        if not kept and self._any(Stage.LIVE):
            return "I1: a live entry without bytes"
        somewhere = kept or GOOD in (staging.get(OBJECT), staging.get(ASIDE))
        if not somewhere and not self.lost and self._any(Stage.OPEN, Stage.PENDING):
            return "I3: an entry without bytes"
        if production.get(OBJECT, GOOD) != GOOD:
            return "I2: unverified bytes in production"
        return self._check_receipts(production, kept=kept) or self._check_readers()

    def _check_receipts(self, production: Mapping[str, bytes], *, kept: bool) -> str | None:
        receipts = {key: data for key, data in production.items() if key.startswith("receipts/")}
        before, self._receipts = self._receipts, receipts
        if any(receipts.get(key) != data for key, data in before.items()):
            return "I2: a receipt has changed"
        new = [data for key, data in receipts.items() if key not in before]
        if not kept and any(OID.hex.encode() in data for data in new) and before:
            return "I2: a receipt for bytes that are not there"
        return None

    def _check_readers(self) -> str | None:
        for process, entry in list(self._steady.items()):
            if self.stage(entry) is not Stage.LIVE:
                del self._steady[process]
            elif process.error is not None:
                return f"I1: a reader was told {process.error!r}"
        return None

    def check_end(self) -> str | None:
        """Two undisturbed runs bring every entry to the end."""
        world = self.world
        world.rejections, world.late = 0, []
        for _ in range(2):
            try:
                publish(world.manager(None), wait=0)
            except DataError as error:
                return f"I4: publish ends with {error!r}"
            if found := self.check():
                return f"{found}, after an undisturbed run"
        return self._check_converged()

    def _check_converged(self) -> str | None:
        production, staging = self.world.production.all(), self.world.staging.all()
        objects = production.get(OBJECT)
        if self._any(Stage.LIVE) and objects != GOOD:
            return "I4: a live entry was not restored"
        held = (objects, production.get(TRASHED), staging.get(OBJECT), staging.get(ASIDE))
        waiting = [e for e in range(len(self.case.entries)) if self.stage(e) is Stage.PENDING]
        proposed = self.world.manifests[self.world.refs[BOT]] if BOT in self.world.refs else Manifest()
        asked = {v.id for _, v in proposed.entries() if v.state is State.PUBLISHED}
        for entry in waiting:
            is_ours = OID.hex.encode() in production.get(receipt_key(_id(entry)), OID.hex.encode())
            if is_ours and GOOD in held and _id(entry) not in asked:
                return f"I4: entry {entry} stays pending"
        return None


UNSEEN, LIVE, DEAD = Stage.UNSEEN, Stage.LIVE, Stage.DEAD
CASES = {
    "publish x3, two datasets": Case(
        [("add", UNSEEN), ("add", UNSEEN)], adds={0: 1, 1: 1}, publish=3, undo=1, tamper=1, reject=1, lies=1
    ),
    "publish x2, cleanup x2, add again": Case(
        [("add", UNSEEN), ("add", UNSEEN)], adds={0: 2, 1: 1}, publish=2, cleanup=2, ticks=4, undo=1
    ),
    "foreign receipt, gc": Case(
        [("add", UNSEEN)], adds={0: 2}, publish=2, gc=1, ticks=1, undo=1, foreign=1
    ),
    "rollback, gc x3": Case(
        [("add", DEAD), ("roll", UNSEEN)], "objects", {1: 1}, publish=2, gc=3, ticks=5, lies=1
    ),
    "two re-adds, gc x3": Case(
        [("add", DEAD), ("roll", UNSEEN), ("add", UNSEEN)], "objects", {1: 1, 2: 1}, publish=2, gc=3, ticks=4
    ),
    "trash of a former life": Case(
        [("add", DEAD), ("roll", UNSEEN)], "objects trash", {1: 1}, publish=2, gc=3, ticks=4, delete=1, lost=1
    ),
    "delete, rollback": Case(
        [("add", LIVE), ("roll", UNSEEN)], "objects", {1: 1}, publish=2, gc=2, ticks=5, delete=1, undo=1
    ),
    "delete, re-add, cleanup": Case(
        [("add", LIVE), ("add", UNSEEN)], "staging objects", {1: 1}, publish=1, gc=2, cleanup=2, ticks=4,
        delete=1,
    ),
    "withdrawn, merged again": Case(
        [("add", UNSEEN)], adds={0: 2}, publish=2, gc=2, cleanup=1, ticks=3, undo=1
    ),
    "withdrawn, cleanup": Case(
        [("add", UNSEEN)], "staging aside", {0: 1}, publish=1, cleanup=3, ticks=4, undo=1, tamper=1, lies=1
    ),
    "readers": Case([("add", LIVE)], "trash", publish=1, gc=2, ticks=1, reads=1, undo=1),
    "every push refused": Case(
        [("add", UNSEEN)], adds={0: 2}, publish=2, gc=2, cleanup=1, ticks=3, undo=1, refuses=True
    ),
    # The twelve above are those of the abstract search that the protocol was found with; these came later.
    "rollback while it is deleted": Case(
        [("add", LIVE), ("roll", UNSEEN)], "objects", {1: 1}, publish=1, gc=2, delete=1, lies=1
    ),
    "rollback over a former life": Case(
        [("add", LIVE), ("roll", UNSEEN)], "objects trash", {1: 1}, publish=1, gc=2, delete=1, lost=1
    ),
    "one reader": Case([("add", LIVE)], "trash", publish=1, gc=1, reads=1),
    "tampered": Case([("add", Stage.PENDING)], "staging", publish=1, tamper=1, lies=1),
    "withdrawn twice": Case([("add", UNSEEN)], "staging aside", {0: 1}, cleanup=1),
    "purged, merged again": Case([("add", UNSEEN)], adds={0: 1}, publish=2, gc=1, receipts=(0,)),
}  # fmt: skip
