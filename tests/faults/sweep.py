"""One disturbed run after the other, each from the same state; afterwards one that is not disturbed."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from git_datamanager.errors import Locked, OutcomeUnknown
from git_datamanager.model.layout import GC_LEASE
from git_datamanager.storage.s3request import SIZES
from tests.faults.scene import HASTY, HOUR, PATIENT, Saved, Scene, Settings, build, in_process
from tests.faults.sound import end_state
from tests.faults.verbs import Verb, attempt, give_back
from tests.storage.fakes3 import FAULTS, FakeS3, Kind, Request

Point = tuple[int, Kind]
"""The number of a request, and what is done to it."""


@dataclass
class Prepared:
    """A verb's world, and what its undisturbed run asked of the stores and left there."""

    verb: Verb
    scene: Scene
    saved: Saved
    asked: list[Request]
    ends: dict[str, object]

    def fits(self, number: int, kind: Kind) -> bool:
        """Whether there is anything to damage: a body of the request or of the answer."""
        request = self.asked[number - 1]
        return kind not in ("flip", "truncate") or bool(request.body) or request.sent > 0

    def points(self) -> Iterator[Point]:
        """Every request of a run with every fault that fits it."""
        for number in range(1, len(self.asked) + 1):
            yield from ((number, kind) for kind in FAULTS if self.fits(number, kind))


def prepare(stack: ExitStack, folder: Path, verb: Verb) -> Prepared:
    limits = {"min_part": verb.sizes.part, "copy_limit": verb.sizes.copy} if verb.sizes != SIZES else {}
    fake = stack.enter_context(FakeS3("aws", **limits))
    fake.hold = HASTY * 2
    settings = Settings(verb.sizes)
    with in_process(settings):
        scene = build(folder / "world", fake, settings)
        verb.prepare(scene)
        saved = scene.save(folder / "saved", *verb.clones)
        scene.restore(saved)
        verb.run(scene)
        asked = list(scene.requests())
        assert not list(verb.sound(scene))
        assert not list(verb.owes(scene))
        return Prepared(verb, scene, saved, asked, end_state(scene))


def disturb(world: Prepared, number: int, kind: Kind) -> list[str]:
    """Run with one fault, and again without; every promise that was broken."""
    verb, scene = world.verb, world.scene
    with in_process(scene.settings):
        scene.restore(world.saved)
        fault = scene.fake.fault(number, kind)
        scene.settings.read_timeout = HASTY if kind == "timeout" else PATIENT
        error = attempt(verb, scene)
        scene.settings.read_timeout = PATIENT
        found = [] if fault.fired else ["the fault did not fire"]
        found += [f"after the fault: {text}" for text in verb.sound(scene)]
        asked = world.asked[number - 1]
        is_listing = kind == "flip" and not asked.key  # nothing but the transport guards a listing
        if error is None and not is_listing:
            found += [f"reported as done: {text}" for text in verb.owes(scene)]
        is_refused = error is not None and number == len(world.asked)
        is_misread = kind == "flip" and asked.key == GC_LEASE  # it looks like somebody else's by now
        is_kept = isinstance(error, OutcomeUnknown) or is_refused or is_misread
        found += [f"after the next run: {text}" for text in go_on(world, may_be_held=is_kept)]
        where = f"request {number} ({asked.method} {asked.key[:24]}) {kind}, then {error!r}"
        return [f"{where}: {text}" for text in found]


def go_on(world: Prepared, *, may_be_held: bool) -> Iterator[str]:
    """An hour later the same verb runs undisturbed. Its lease-gc may still be held where the outcome of a
    deletion was unknown, or where the store refused to take it back."""
    verb, scene = world.verb, world.scene
    scene.fake.forget()
    scene.fake.advance(HOUR)
    error = attempt(verb, scene)
    if isinstance(error, Locked) and verb.store:
        if not may_be_held:
            yield "lease-gc is held, though the outcome of every deletion was known"
        give_back(scene, verb.store)
        error = attempt(verb, scene)
    if error is not None:
        yield f"it ends with {error!r}"
    yield from verb.sound(scene)
    yield from verb.owes(scene)
    yield from different(world.ends, end_state(scene))


def different(wanted: dict[str, object], found: dict[str, object]) -> Iterator[str]:
    for key in sorted(wanted.keys() | found.keys()):
        if wanted.get(key) != found.get(key):
            yield f"{key} is {found.get(key)!r:.300}, after an undisturbed run it is {wanted.get(key)!r:.300}"
