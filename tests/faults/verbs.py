"""The verbs that a sweep disturbs: the world each begins in, how it is run, what it owes in the end."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from git_datamanager.errors import DataError, raise_failures
from git_datamanager.model.layout import object_key, staging_trash_key
from git_datamanager.model.oid import Oid
from git_datamanager.ops.publishing.publish import publish
from git_datamanager.ops.pull import pull
from git_datamanager.ops.sweeping.cleanup import cleanup
from git_datamanager.ops.sweeping.deleting import Asked, Trouble, break_lease
from git_datamanager.ops.sweeping.gc import gc
from git_datamanager.ops.upload import pending_entries, upload
from git_datamanager.storage.s3request import MIB, SIZES, Sizes
from tests.faults.scene import DAY, PRODUCTION, STAGING, Scene, content
from tests.faults.sound import pending, problems, refs, right, tip

ALL = Asked(confirmed=1000)


@dataclass(frozen=True)
class Verb:
    """One verb in one world."""

    clones: Sequence[str]
    """What a run may change, the origin included."""
    words: Sequence[str]
    """The command line; the first clone is where it runs."""
    prepare: Callable[[Scene], None]
    run: Callable[[Scene], None]
    """Raises DataError for whatever a run does not report as done."""
    owes: Callable[[Scene], Iterator[str]]
    """What is missing though a run said that it is done."""
    sound: Callable[[Scene], Iterator[str]] = problems
    store: str = ""
    """The role whose lease-gc it takes."""
    sizes: Sizes = SIZES


# Publish.


def before_publish(scene: Scene) -> None:
    """One to publish, and one to be brought back from the trash."""
    scene.add("new")
    scene.stage()
    scene.push()


def before_first_publish(scene: Scene) -> None:
    """Two, without lease and register: as in a bucket that nobody published to."""
    scene.add("twin")
    before_publish(scene)
    for key in list(scene.fake.objects(PRODUCTION)):
        if key == "lease" or key.startswith("repos/"):
            scene.fake.remove(PRODUCTION, key)


def before_long_publish(scene: Scene) -> None:
    scene.add("new", size=20_000)
    scene.stage()
    scene.push()


def run_publish(scene: Scene) -> None:
    raise_failures(publish(scene.open("runner"), wait=0).failures)


def owed_by_publish(scene: Scene) -> Iterator[str]:
    yield from (f"{v.name} is still pending" for v in pending(tip(scene)))


# Upload.


def before_upload(scene: Scene) -> None:
    scene.add("new")
    scene.add("twin")


def before_long_upload(scene: Scene) -> None:
    scene.add("new", size=20_000)


def run_upload(scene: Scene) -> None:
    manager = scene.open("ana")
    upload(manager, pending_entries(manager.manifests.current()))


def owed_by_upload(scene: Scene) -> Iterator[str]:
    manifest, staged = scene.open("ana").manifests.current(), scene.fake.objects(STAGING)
    for version in pending(manifest):
        if not right(staged, version.oid, object_key(version.oid)):
            yield f"{version.name} was not uploaded"


# Pull.


def before_pull(scene: Scene) -> None:
    """ben has v1 of one dataset and is to get v2; another lies in the trash alone."""
    scene.clone("ben")
    pull(scene.open("ben"), ["stays"])
    scene.published("stays", version=2)
    scene.trash("lost")  # publish had brought it back
    scene.git("ben", "pull", "-q", "--ff-only")


def run_pull(scene: Scene) -> None:
    pull(scene.open("ben"))


WANTED = {"stays": content("stays v2"), "lost": content("lost v1")}
BEFORE = {"stays": content("stays v1"), "lost": None}


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def owed_by_pull(scene: Scene) -> Iterator[str]:
    for name, data in WANTED.items():
        if _read(scene.path("ben") / name) != data:
            yield f"{name} was not pulled"
    if found := [p.name for p in scene.path("ben").iterdir() if "tmp" in p.name]:
        yield f"{found} are left"


def sound_pull(scene: Scene) -> Iterator[str]:
    yield from problems(scene)
    for name, data in WANTED.items():
        if _read(scene.path("ben") / name) not in (data, BEFORE[name]):
            yield f"I2: {name} holds bytes that nobody published"


# Deleting.


def nothing_to_prepare(scene: Scene) -> None:
    """`gone` was deleted: its bytes are under objects/, and nothing reaches them."""


def before_purge(scene: Scene) -> None:
    scene.trash("gone")
    scene.fake.advance(15 * DAY)


def run_gc(scene: Scene) -> None:
    _settled(gc(scene.open("runner"), ALL, apply=True).troubles)


def run_purge(scene: Scene) -> None:
    _settled(gc(scene.open("runner"), ALL, purge=True, apply=True).troubles)


def _settled(troubles: Sequence[Trouble]) -> None:
    raise_failures([(t.key, t.error) for t in troubles])


GONE = Oid.of(content("gone v1"))


def sound_gc(scene: Scene) -> Iterator[str]:
    """Bytes that are not purged are somewhere, at every moment."""
    yield from problems(scene)
    held = scene.fake.objects(PRODUCTION)
    if not any(GONE.hex in key and hashlib.sha256(held[key]).hexdigest() == GONE.hex for key in held):
        yield "I6: what was moved is nowhere"


def owed_by_gc(scene: Scene) -> Iterator[str]:
    held = scene.fake.objects(PRODUCTION)
    if object_key(GONE) in held:
        yield "what nothing names is still under objects/"


def owed_by_purge(scene: Scene) -> Iterator[str]:
    if any(GONE.hex in key for key in scene.fake.objects(PRODUCTION)):
        yield "what was to be purged is still there"


def before_cleanup(scene: Scene) -> None:
    """Published long ago, withdrawn long ago, in the trash for long, and pending."""
    for key, name in ((False, "withdrawn"), (True, "purged")):
        oid = Oid.of(content(name))
        target = staging_trash_key(object_key(oid)) if key else object_key(oid)
        scene.fake.put(STAGING, target, content(name))
    scene.add("new")
    scene.stage()
    scene.push()
    scene.fake.advance(40 * DAY)


def run_cleanup(scene: Scene) -> None:
    _settled(cleanup(scene.open("runner"), ALL, apply=True).troubles)


def owed_by_cleanup(scene: Scene) -> Iterator[str]:
    left = set(scene.fake.objects(STAGING))
    needed = {object_key(v.oid) for m in refs(scene).values() for v in pending(m)}
    aside = {key for key in left if key.startswith("trash/")}
    if extra := {key for key in left if key.startswith("objects/")} - needed:
        yield f"{extra} were not swept"
    if staging_trash_key(object_key(Oid.of(content("purged")))) in aside:
        yield "what was to be purged is still there"


def sound_cleanup(scene: Scene) -> Iterator[str]:
    yield from problems(scene)
    oid = Oid.of(content("withdrawn"))
    if not right(scene.fake.objects(STAGING), oid, object_key(oid), staging_trash_key(object_key(oid))):
        yield "I3: the one copy of withdrawn bytes is gone"


IN_PARTS = Sizes(single=6_000, part=6_000, copy=6_000, copy_part=6_000)
"""With a fake that takes parts of this size; those of S3 begin at 5 MiB."""
assert IN_PARTS.part < MIB


def unstaged(scene: Scene) -> Iterator[str]:
    return problems(scene, staged=False)


VERBS = {
    "publish": Verb(
        ("runner", "origin.git"), ("publish",), before_publish, run_publish, owed_by_publish
    ),
    "first publish": Verb(
        ("runner", "origin.git"), ("publish",), before_first_publish, run_publish, owed_by_publish
    ),
    "publish in parts": Verb(
        ("runner", "origin.git"), ("publish",), before_long_publish, run_publish, owed_by_publish,
        sizes=IN_PARTS,
    ),
    "upload": Verb(("ana",), ("upload",), before_upload, run_upload, owed_by_upload, unstaged),
    "upload in parts": Verb(
        ("ana",), ("upload",), before_long_upload, run_upload, owed_by_upload, unstaged, sizes=IN_PARTS
    ),
    "pull": Verb(("ben",), ("pull",), before_pull, run_pull, owed_by_pull, sound_pull),
    "gc": Verb(
        ("runner",), ("gc", "--apply", "--confirm", "9"), nothing_to_prepare, run_gc, owed_by_gc, sound_gc,
        "production",
    ),
    "gc --purge": Verb(
        ("runner",), ("gc", "--apply", "--purge", "--confirm", "9"), before_purge, run_purge, owed_by_purge,
        store="production",
    ),
    "cleanup": Verb(
        ("runner",), ("cleanup", "--apply", "--confirm", "9"), before_cleanup, run_cleanup, owed_by_cleanup,
        sound_cleanup, "staging",
    ),
}  # fmt: skip


def give_back(scene: Scene, role: str) -> None:
    """What a person does who knows that no deleting run is left."""
    manager = scene.open("runner")
    assert break_lease(manager, manager.store(role)) is not None


def attempt(verb: Verb, scene: Scene) -> DataError | None:
    """Run it; what it reported. Nothing but our own errors may come out of it."""
    try:
        verb.run(scene)
    except DataError as error:
        return error
    return None
