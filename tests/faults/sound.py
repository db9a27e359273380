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
    CUTS,
    GC_LEASE,
    LEASE,
    TRASH,
    Encoding,
    encoded_key,
    encoding_of,
    object_key,
    object_of,
    trash_key,
)
from git_datamanager.model.manifest import Manifest, State, Version, loads
from git_datamanager.model.oid import Oid
from tests.faults.forms import digest, rebuilt, worthless
from tests.faults.scene import PRODUCTION, STAGING, Scene

HELD = (State.PUBLISHED, State.DELETING)
VOLATILE = re.compile(r'"(published|deleted|commit|compacted)": "[^"]*",?\s*')
FORM = re.compile(r'("(?:zstd|delta:[^"]+)": )\d+')
"""A delta that could not be made better stays as it was sent."""


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
    return any(key in held and digest(held[key]) == oid.hex for key in keys)


def problems(scene: Scene, *, staged: bool = True) -> Iterator[str]:
    """Each promise that does not hold. Without `staged` pending entries need not have been uploaded."""
    staging, production = scene.fake.objects(STAGING), scene.fake.objects(PRODUCTION)
    manifests = refs(scene)

    tip = manifests["refs/heads/main"]
    compacted = {v.oid for _, v in tip.entries() if v.compacted}

    def live(oid: Oid) -> bool:
        is_plain = right(production, oid, object_key(oid), trash_key(oid))
        return is_plain or (oid in compacted and rebuilt(oid, production) is not None)

    def anywhere(oid: Oid) -> bool:
        return rebuilt(oid, production, staging) is not None

    for ref, manifest in manifests.items():
        for dataset, version in manifest.entries():
            if version.state in HELD and not live(version.oid):
                yield f"I1: {ref} shows {dataset.name} {version.name} as {version.state} without bytes"
            if version.state is State.PENDING and staged and not anywhere(version.oid):
                yield f"I3: the bytes of the pending {dataset.name} {version.name} of {ref} are nowhere"
    yield from _receipts(production, tip, live)
    for bucket, held in ((STAGING, staging), (PRODUCTION, production)):
        for key, data in held.items():
            oid = object_of(key) or object_of(key, TRASH) or object_of(key, f"{TRASH}objects/")
            if oid is not None and digest(data) != oid.hex:
                yield f"I2: {bucket} holds other bytes under {key}"
    recorded = {encoded_key(v.oid, Encoding.parse(name)) for _, v in tip.entries() for name in v.encodings}
    forms = {key: data for key, data in production.items() if key in recorded}
    yield from (
        f"I2: {key} is recorded and rebuilds nothing" for key in worthless(forms, production, staging)
    )
    yield from (f"I2: {key} in staging rebuilds nothing" for key in worthless(staging, production))


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
    """Without times, ids of audit records, leases, what a probe left, and indexes: one that did not come
    through costs larger deltas later, no more."""
    state: dict[str, object] = {}
    for bucket in (STAGING, PRODUCTION):
        for key, data in scene.fake.objects(bucket).items():
            if key in (LEASE, GC_LEASE) or key.startswith(("audit/", "probe/", CUTS)):
                continue
            form = encoding_of(key) if bucket == STAGING else None
            if form is not None:  # in which form something is staged is nobody's business
                state[f"{bucket} {form[0]}"] = "there"
                continue
            state[f"{bucket} {key}"] = hashlib.sha256(data).hexdigest() if object_like(key) else "there"
    repository = pygit2.Repository(str(scene.path("origin.git")))
    tree = repository.references["refs/heads/main"].peel(pygit2.Commit).tree
    state["main"] = FORM.sub(r"\1", VOLATILE.sub("", bytes(tree["manifest.json"].data).decode()))
    for path in sorted(scene.path("ben").glob("*")) if scene.path("ben").exists() else ():
        if path.is_file():
            state[f"ben {path.name}"] = hashlib.sha256(path.read_bytes()).hexdigest()
    return state


def object_like(key: str) -> bool:
    return key.startswith(("objects/", TRASH))
