"""Folders on the way up while one request fails: a listing never stands without all that it names."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from git_datamanager.content import pack, packlist, tree
from git_datamanager.model.layout import (
    encoding_of,
    object_key,
    pack_key,
    pack_of,
    packs_list_key,
    tree_key,
    tree_of,
)
from git_datamanager.model.manifest import State
from git_datamanager.model.members import check_members
from git_datamanager.model.oid import Oid
from git_datamanager.ops.trees import form as treeform
from git_datamanager.ops.trees import packs as treepacks
from tests.conftest import seal
from tests.faults.scene import PRODUCTION, QUICK_GIT, STAGING, Scene, content
from tests.faults.sound import pending, tip
from tests.faults.sweep import Prepared, disturb, prepare
from tests.faults.verbs import Verb, owed_by_publish, run_publish, run_upload

Bucket = Mapping[str, bytes]


def fill(scene: Scene, version: int) -> None:
    folder = scene.path("ana") / "d"
    folder.mkdir(exist_ok=True)
    for n in range(8):
        (folder / f"{n}.txt").write_bytes(content(f"file {n} v{version if n < 2 else 1}", 1000 + n))
    (folder / "big").write_bytes(content(f"big v{version}", pack.SMALL))
    scene.commit("d")


def before_upload(scene: Scene) -> None:
    """The second version of a folder whose first one is published."""
    fill(scene, 1)
    scene.stage()
    scene.push()
    scene.publish()
    fill(scene, 2)


def before_publish(scene: Scene) -> None:
    before_upload(scene)
    scene.stage()
    scene.push()


def lacking(oid: Oid, *buckets: Bucket) -> Iterator[str]:
    """What is not there of a folder whose listing is: in the bucket itself, or in production."""
    held = {key: data for bucket in reversed(buckets) for key, data in bucket.items()}
    data = held[tree_key(oid)]
    if Oid.of(data) != oid:
        yield f"the listing {oid.short} has other bytes"
        return
    named = packlist.loads(held.get(packs_list_key(oid), b""))
    there = set[bytes]()
    for ref in named:
        found = held.get(pack_key(Oid(ref.hex)), b"")
        if hashlib.sha256(found).hexdigest() != ref.hex:
            yield f"the pack {ref.hex[:12]} is missing, or is another one"
        else:
            there |= members_of(found)
    for member in tree.loads(data, check=check_members):
        plain = held.get(object_key(Oid(member.digest.hex())), b"")
        if member.digest not in there and hashlib.sha256(plain).digest() != member.digest:
            yield f"{member.path} of {oid.short} is nowhere"


def members_of(data: bytes) -> set[bytes]:
    index = pack.read_index(len(data), lambda start, length: data[start : start + length])
    return {e.digest for e in index if hashlib.sha256(data[e.offset :][: e.length]).digest() == e.digest}


def sound(scene: Scene) -> Iterator[str]:
    production = scene.fake.objects(PRODUCTION)
    for key, data in production.items():
        oid = pack_of(key) or tree_of(key)
        if oid is not None and Oid.of(data) != oid:
            yield f"{key} holds other bytes"
        if tree_of(key):
            yield from lacking(tree_of(key) or Oid.of(data), production)
    staged = scene.fake.objects(STAGING)
    for oid in {form[0] for form in map(encoding_of, staged) if form}:
        for ref in packlist.loads(staged[packs_list_key(oid)]) if packs_list_key(oid) in staged else ():
            if pack_key(Oid(ref.hex)) not in {**staged, **production}:
                yield f"a listing is staged, its pack {ref.hex[:12]} is not"
        if object_key(oid) not in staged and packs_list_key(oid) not in staged:
            yield f"the listing {oid.short} is staged without the list of its packs"
    for dataset, version in tip(scene).entries():
        is_folder = dataset.kind.value == "tree" and version.state is State.PUBLISHED
        if is_folder and tree_key(version.oid) not in production:
            yield f"{dataset.name} {version.name} is published without a listing"


def owed_by_upload(scene: Scene) -> Iterator[str]:
    manifest, staged = scene.open("ana").manifests.current(), scene.fake.objects(STAGING)
    for version in pending(manifest):
        forms = [key for key in staged if f"/{version.oid.hex}" in key and not key.endswith(".packs")]
        if not forms:
            yield f"{version.name} was not uploaded"


VERBS = {
    "upload": Verb(("ana",), ("upload",), before_upload, run_upload, owed_by_upload, sound),
    "publish": Verb(
        ("runner", "origin.git"), ("publish",), before_publish, run_publish, owed_by_publish, sound
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Prepared]]:
    made: dict[str, Prepared] = {}
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        patch.setattr(treeform, "SMALL", 100)
        patch.setattr(treepacks, "AT_ONCE", 1)  # the n-th request is the same one in every run
        assert treepacks.in_parallel.__defaults__ == (treepacks.ASKING,)
        patch.setattr(treepacks.in_parallel, "__defaults__", (1,))

        def get(name: str) -> Prepared:
            if name not in made:
                folder = tmp_path_factory.mktemp("folders")
                with pytest.MonkeyPatch.context() as inner:
                    home: Path = seal(folder / "home", inner)
                    with (home / ".gitconfig").open("a") as file:
                        file.write(QUICK_GIT)
                    made[name] = prepare(stack, folder, VERBS[name])
            return made[name]

        yield get


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n == "upload" else pytest.mark.nightly) for n in VERBS]
)
def test_whichever_request_fails_the_next_run_ends_right(
    worlds: Callable[[str], Prepared], name: str
) -> None:
    world = worlds(name)
    points = [(n, k) for n, k in world.points() if k in ("reset", "lost", "500", "403", "flip", "truncate")]
    points = [point for place, point in enumerate(points) if place % 4 == 0]
    found = [text for number, kind in points for text in disturb(world, number, kind)]
    assert found == []


@pytest.mark.nightly
@pytest.mark.parametrize("name", VERBS)
def test_every_request_with_every_fault(worlds: Callable[[str], Prepared], name: str) -> None:
    world = worlds(name)
    assert [text for number, kind in world.points() for text in disturb(world, number, kind)] == []
