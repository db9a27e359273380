"""The verbs that a sweep disturbs while versions travel as deltas and compressed, and are compacted."""

import random
import shutil
from collections.abc import Iterator

from git_datamanager.model.chains import SMALLEST
from git_datamanager.model.layout import TRASH, object_key, trash_key
from git_datamanager.model.oid import Oid
from git_datamanager.ops import lifecycle
from git_datamanager.ops.pull import pull
from tests.faults.forms import rebuilt
from tests.faults.scene import DAY, PRODUCTION, STAGING, Scene
from tests.faults.sound import pending, problems, right, tip
from tests.faults.verbs import VERBS, Verb, run_gc, run_publish, run_purge, run_upload, unstaged

PAGE = 4096
PAGES = SMALLEST // PAGE + 10
HEAD = b"SQLite format 3\0" + PAGE.to_bytes(2, "big")


def database(name: str, version: int) -> bytes:
    """Looks like SQLite. Each version has other bytes in 12 pages: a delta with the base's bytes is small,
    one that is made of its cuts holds whole pages."""
    data = bytearray(HEAD + random.Random(name).randbytes(PAGES * PAGE - len(HEAD)))
    for number in range(2, version + 1):
        for page in range(number, PAGES, PAGES // 12):
            data[page * PAGE : page * PAGE + 8] = b"%08d" % number
    return bytes(data)


def text(name: str, version: int) -> bytes:
    """Compresses well."""
    line = f"{name} v{version} of a table that compresses\n".encode()
    return line * (SMALLEST // len(line) + 2)


OIDS = {(name, number): Oid.of(database(name, number)) for name in ("db", "fat") for number in range(1, 5)}


def change(scene: Scene, name: str, data: bytes) -> None:
    """A new version of ana's, committed here only."""
    scene.write("ana", name, data)
    scene.commit(name)


def live(scene: Scene, name: str, data: bytes) -> None:
    change(scene, name, data)
    scene.stage()
    scene.push()
    scene.publish()


def history(scene: Scene, count: int, name: str = "db") -> None:
    """Versions that are published, each but the first one as a delta."""
    for version in range(1, count + 1):
        live(scene, name, database(name, version))


def forget(scene: Scene, clone: str) -> None:
    """This clone has no bytes of older versions any more, and no cuts."""
    shutil.rmtree(scene.path(clone) / ".git" / "data" / "cache")


# Upload.


def before_delta(scene: Scene) -> None:
    """One by the base's bytes, one by the cuts that production keeps, one compressed."""
    live(scene, "fat", database("fat", 1))
    forget(scene, "ana")
    live(scene, "db", database("db", 1))
    change(scene, "db", database("db", 2))
    change(scene, "fat", database("fat", 2))
    change(scene, "text", text("text", 1))


def owed_by_upload(scene: Scene) -> Iterator[str]:
    staged, published = scene.fake.objects(STAGING), scene.fake.objects(PRODUCTION)
    for version in pending(scene.open("ana").manifests.current()):
        if rebuilt(version.oid, staged, published) is None:
            yield f"{version.name} was not uploaded"


# Publish.


def before_decoding(scene: Scene) -> None:
    """A delta that is good, a fat one, one onto a version that is pending itself, and one compressed."""
    before_delta(scene)
    scene.stage()
    change(scene, "db", database("db", 3))
    scene.stage()
    scene.push()


def owed_by_publish(scene: Scene) -> Iterator[str]:
    manifest, held = tip(scene), scene.fake.objects(PRODUCTION)
    yield from (f"{v.name} is still pending" for v in pending(manifest))
    for dataset, version in manifest.entries():
        is_there = right(held, version.oid, object_key(version.oid))
        if version.state == "published" and not version.compacted and not is_there:
            yield f"{dataset.name} {version.name} has no plain bytes"


# Pull.


def before_chain(scene: Scene) -> None:
    """ben has v1 and is to get v3, over two deltas."""
    history(scene, 1)
    scene.clone("ben")
    pull(scene.open("ben"), ["db"])
    live(scene, "db", database("db", 2))
    live(scene, "db", database("db", 3))
    scene.git("ben", "pull", "-q", "--ff-only")


def run_pull(scene: Scene) -> None:
    pull(scene.open("ben"), ["db"])


def owed_by_pull(scene: Scene) -> Iterator[str]:
    if (scene.path("ben") / "db").read_bytes() != database("db", 3):
        yield "db was not pulled"
    if found := [p.name for p in scene.path("ben").iterdir() if "tmp" in p.name]:
        yield f"{found} are left"


def sound_pull(scene: Scene) -> Iterator[str]:
    yield from problems(scene)
    if (scene.path("ben") / "db").read_bytes() not in (database("db", 1), database("db", 3)):
        yield "I2: db holds bytes that nobody published"


# Compaction.


def ask(scene: Scene, keep: int | None) -> None:
    lifecycle.compact(scene.open("ana"), "db", keep)
    scene.git("ana", "commit", "-qm", "Compact db")
    scene.push()


def before_compaction(scene: Scene) -> None:
    history(scene, 3)
    ask(scene, 1)


OLD = (OIDS["db", 1], OIDS["db", 2])


def owed_by_compaction(scene: Scene) -> Iterator[str]:
    for version in tip(scene).datasets["db"].versions:
        if (version.compacted is not None) != (version.oid in OLD):
            yield f"db {version.name} is {'' if version.compacted else 'not '}compacted"


def before_small(scene: Scene) -> None:
    """Two versions are compacted, and their plain bytes are there."""
    before_compaction(scene)
    scene.publish()


def before_small_purge(scene: Scene) -> None:
    """Their plain bytes lie in the trash, long enough."""
    before_small(scene)
    run_gc(scene)
    scene.fake.advance(15 * DAY)


def before_off(scene: Scene) -> None:
    """One has its plain bytes in the trash, of the other there are deltas only; both are to be had again."""
    before_small(scene)
    run_gc(scene)
    scene.fake.remove(PRODUCTION, trash_key(OLD[0]))
    ask(scene, None)


def owed_by_off(scene: Scene) -> Iterator[str]:
    yield from owed_by_publish(scene)
    yield from (f"{v.name} is compacted" for v in tip(scene).datasets["db"].versions if v.compacted)


def owed_by_small_gc(scene: Scene) -> Iterator[str]:
    held = scene.fake.objects(PRODUCTION)
    yield from (f"{oid.short} is still whole" for oid in OLD if object_key(oid) in held)


def owed_by_small_purge(scene: Scene) -> Iterator[str]:
    held = scene.fake.objects(PRODUCTION)
    yield from (f"{key} is still there" for key in held if key.startswith(TRASH) and Oid(key[-64:]) in OLD)


ENCODED = {
    "upload forms": Verb(("ana",), ("upload",), before_delta, run_upload, owed_by_upload, unstaged),
    "publish forms": Verb(
        ("runner", "origin.git"), ("publish",), before_decoding, run_publish, owed_by_publish
    ),
    "pull a chain": Verb(("ben",), ("pull", "db"), before_chain, run_pull, owed_by_pull, sound_pull),
    "compact": Verb(
        ("runner", "origin.git"), ("publish",), before_compaction, run_publish, owed_by_compaction
    ),
    "gc of compacted": Verb(
        ("runner",), ("gc", "--apply", "--confirm", "9"), before_small, run_gc, owed_by_small_gc,
        store="production",
    ),
    "gc --purge of compacted": Verb(
        ("runner",), ("gc", "--apply", "--purge", "--confirm", "9"), before_small_purge, run_purge,
        owed_by_small_purge, store="production",
    ),
    "compact --off": Verb(
        ("runner", "origin.git"), ("publish",), before_off, run_publish, owed_by_off
    ),
}  # fmt: skip
EVERY = VERBS | ENCODED
