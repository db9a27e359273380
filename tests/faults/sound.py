"""What must hold after every run, however it ended, and where a run that was not disturbed ends.

The promises stand in docs/design/publish.md; what is read here is the origin, the buckets and the files of
a clone, never what a verb says of itself.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping

import pygit2

from git_datamanager.model.layout import (
    GC_LEASE,
    LEASE,
    TRASH,
    object_key,
    object_of,
    staging_trash_key,
    trash_key,
)
from git_datamanager.model.manifest import Manifest, State, Version, loads
from git_datamanager.model.oid import Oid
from tests.faults.scene import PRODUCTION, STAGING, Scene

HELD = (State.PUBLISHED, State.DELETING)
VOLATILE = re.compile(r'"(published|deleted|commit)": "[^"]*",?\s*')


def refs(scene: Scene) -> dict[str, Manifest]:
    """The manifests of all branches and tags of the origin."""
    repository = pygit2.Repository(str(scene.path("origin.git")))
    found = {}
    for name in repository.references:
        tree = repository.references[name].peel(pygit2.Commit).tree
        if "manifest.json" in tree:
            found[name] = loads(bytes(tree["manifest.json"].data))
    return found


def tip(scene: Scene) -> Manifest:
    return refs(scene)["refs/heads/main"]


def right(held: Mapping[str, bytes], oid: Oid, *keys: str) -> bool:
    """One of these keys holds the bytes of `oid`."""
    return any(key in held and hashlib.sha256(held[key]).hexdigest() == oid.hex for key in keys)


def problems(scene: Scene, *, staged: bool = True) -> Iterator[str]:
    """Each promise that does not hold. Without `staged` pending entries need not have been uploaded."""
    staging, production = scene.fake.objects(STAGING), scene.fake.objects(PRODUCTION)
    manifests = refs(scene)

    def live(oid: Oid) -> bool:
        return right(production, oid, object_key(oid), trash_key(oid))

    def anywhere(oid: Oid) -> bool:
        key = object_key(oid)
        return live(oid) or right(staging, oid, key, staging_trash_key(key))

    for ref, manifest in manifests.items():
        for dataset, version in manifest.entries():
            if version.state in HELD and not live(version.oid):
                yield f"I1: {ref} shows {dataset.name} {version.name} as {version.state} without bytes"
            if version.state is State.PENDING and staged and not anywhere(version.oid):
                yield f"I3: the bytes of the pending {dataset.name} {version.name} of {ref} are nowhere"
    yield from _receipts(production, manifests["refs/heads/main"], live)
    for bucket, held in ((STAGING, staging), (PRODUCTION, production)):
        for key, data in held.items():
            oid = object_of(key) or object_of(key, TRASH) or object_of(key, f"{TRASH}objects/")
            if oid is not None and hashlib.sha256(data).hexdigest() != oid.hex:
                yield f"I2: {bucket} holds other bytes under {key}"


def _receipts(production: Mapping[str, bytes], tip: Manifest, live: Callable[[Oid], bool]) -> Iterator[str]:
    dead = {v.id for _, v in tip.entries() if v.state is State.DELETED}
    receipts = {
        json.loads(data)["id"]: data for key, data in production.items() if key.startswith("receipts/")
    }
    for entry, data in receipts.items():
        if entry not in dead and not live(Oid.parse(json.loads(data)["oid"])):
            yield f"I2: the receipt {entry} stands for bytes that are not in production"
    for dataset, version in tip.entries():
        if version.state is State.PUBLISHED and version.id not in receipts:
            yield f"I2: {dataset.name} {version.name} is published without a receipt"


def pending(manifest: Manifest) -> list[Version]:
    return [v for _, v in manifest.entries() if v.state is State.PENDING]


def end_state(scene: Scene) -> dict[str, object]:
    """Without times, ids of audit records, leases and what a probe left."""
    state: dict[str, object] = {}
    for bucket in (STAGING, PRODUCTION):
        for key, data in scene.fake.objects(bucket).items():
            if key in (LEASE, GC_LEASE) or key.startswith(("audit/", "probe/")):
                continue
            state[f"{bucket} {key}"] = hashlib.sha256(data).hexdigest() if object_like(key) else "there"
    repository = pygit2.Repository(str(scene.path("origin.git")))
    tree = repository.references["refs/heads/main"].peel(pygit2.Commit).tree
    state["main"] = VOLATILE.sub("", bytes(tree["manifest.json"].data).decode())
    for path in sorted(scene.path("ben").glob("*")) if scene.path("ben").exists() else ():
        if path.is_file():
            state[f"ben {path.name}"] = hashlib.sha256(path.read_bytes()).hexdigest()
    return state


def object_like(key: str) -> bool:
    return key.startswith(("objects/", TRASH))
