"""kill -9 and power cuts of one process at every place where something becomes visible; then run again.

strace kills at the n-th call of a kind, in the tool or in a git it started. Whatever the moment: no
byte of the user's is lost, no store or cache has a wrong object, and the same command run again ends
where an undisturbed run ends.
"""

import hashlib
import json
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.bad.running import needs_strace, start, strace, temps
from tests.bad.scene import TEMP, Scene, copy, silent
from tests.world import Clone

pytestmark = pytest.mark.slow

CALLS = (
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "fsync",
    "fdatasync",
    "unlink",
    "mkdir",
    "chmod",
)
VOLATILE = re.compile(r'"(id|created|published|commit|deleting|parent)": "[^"]*",?\s*')


def before_add(scene: Scene) -> tuple[Clone, list[str]]:
    scene.ana.write("new.csv", "new\n" * 1000)
    return scene.ana, ["add", "new.csv"]


def before_second_add(scene: Scene) -> tuple[Clone, list[str]]:
    scene.add("new.csv", "old\n", upload=False, push=False)
    scene.ana.write("new.csv", "new\n" * 1000)
    return scene.ana, ["add", "new.csv"]


def before_upload(scene: Scene) -> tuple[Clone, list[str]]:
    scene.add("one.csv", "one\n" * 1000, upload=False, push=False)
    scene.add("two.csv", "two\n" * 1000, upload=False, push=False)
    return scene.ana, ["upload"]


def before_publish(scene: Scene) -> tuple[Clone, list[str]]:
    scene.add("one.csv", "one\n" * 1000, push=False)
    scene.add("two.csv", "one\n" * 1000, push=False)
    scene.add("three.csv", "three\n" * 1000)
    return scene.ana, ["publish"]


def before_pull(scene: Scene) -> tuple[Clone, list[str]]:
    scene.add("one.csv", "old\n", push=False)
    scene.add("one.csv", "one\n" * 1000, push=False)
    scene.add("sub/two.csv", "two\n" * 1000)
    ben = scene.clone("ben")
    ben.data("pull", "one.csv@v1")
    return ben, ["pull"]


def before_forced_pull(scene: Scene) -> tuple[Clone, list[str]]:
    ben, words = before_pull(scene)
    ben.write("one.csv", "unsaved work\n")
    return ben, [*words, "--force"]


VERBS: dict[str, Callable[[Scene], tuple[Clone, list[str]]]] = {
    "add": before_add,
    "second add": before_second_add,
    "upload": before_upload,
    "publish": before_publish,
    "pull": before_pull,
    "forced pull": before_forced_pull,
}


def files(folder: Path) -> dict[str, str]:
    """Name → sha256, without Git's and the tool's own books, temporary files and locks."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and ".git" not in path.relative_to(folder).parts
        and TEMP not in path.name
        and path.name != ".lock"
        and not {"receipts", "repos"}.intersection(path.parts)
        and path.name != "lease"
        and path.name != "manifest.json"
    }


def plain(manifest: str) -> str:
    return VOLATILE.sub("", manifest)


def end_state(scene: Scene) -> dict[str, object]:
    """Where a run ends, without ids and times."""
    state: dict[str, object] = {"stores": files(scene.root / "ana.data")}
    state["receipts"] = len(list(scene.production.glob("receipts/*")))
    for name in ("ana", "ben"):
        clone = Clone(scene.root / name)
        if clone.path.exists():
            state[name] = files(clone.path)
            state[f"{name} manifest"] = plain(clone.read("manifest.json").decode())
            state[f"{name} index"] = plain(clone.git("show", ":manifest.json").out)
    state["origin"] = plain(Clone(scene.root / "origin.git").git("show", "main:manifest.json", code=None).out)
    return state


def sound(scene: Scene, owned: dict[str, str], clone: Clone) -> None:
    """What must hold the moment after a kill."""
    kept = set(files(clone.path / ".git/data/kept").values())
    for name, digest in owned.items():
        path = clone.path / name
        held = hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None
        if name.endswith(".csv") and held != digest:
            known = {v["oid"].removeprefix("sha256:") for v in clone.versions(name)}
            assert held in known, f"{name} holds bytes nobody wrote"
            assert digest in known | kept, f"what {name} held is gone"
    for root in (scene.staging, scene.production, clone.path / ".git/data/cache"):
        for path in root.rglob("*"):
            if path.is_file() and re.fullmatch("[0-9a-f]{64}", path.name):
                assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name, f"{path} is not whole"
    json.loads(clone.read("manifest.json"))
    with closing(sqlite3.connect(clone.path / ".git/data/journal.db")) as journal:
        assert journal.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def here(template: Scene, root: Path, clone: Clone) -> tuple[Scene, Clone]:
    """A copy of a prepared world, its clones pointing to their own origin."""
    scene = copy(template, root)
    for config in root.glob("*/.git/config"):
        config.write_text(config.read_text().replace(str(template.root), str(root)))
    return scene, Clone(root / clone.path.name, clone.env)


def unlock(clone: Clone) -> None:
    """What git asks for after its own process was killed."""
    for lock in [*clone.path.glob(".git/*.lock"), *clone.path.glob(".git/refs/**/*.lock")]:
        lock.unlink()


def again(scene: Scene, clone: Clone, words: list[str], wanted: dict[str, object]) -> None:
    unlock(clone)
    for lock in (scene.root / "origin.git").rglob("*.lock"):
        lock.unlink()
    silent(clone.data(*words))
    assert end_state(scene) == wanted
    assert not [p for p in temps(scene) if p.is_relative_to(clone.path) and ".git" not in p.parts]
    silent(clone.data("fsck", *(["--remote"] if words[0] != "add" else [])))


def sweep(template: Scene, tmp_path: Path, verb: str, points: list[tuple[str, int]] | None) -> int:
    """Kill at the given points, or at every one; how many kills there were."""
    needs_strace()
    clone, words = VERBS[verb](template)
    calm, same = here(template, tmp_path / "calm", clone)
    same.data(*words)
    wanted = end_state(calm)
    owned = files(clone.path)
    kills = 0
    for call in CALLS if points is None else sorted({c for c, _ in points}):
        numbers = range(1, 200) if points is None else [n for c, n in points if c == call]
        for number in numbers:
            root = tmp_path / f"{call}-{number}"
            scene, mine = here(template, root, clone)
            done = strace(
                mine, *words, options=["-o", "/dev/null", "-e", f"inject={call}:signal=SIGKILL:when={number}"]
            )
            assert "Traceback" not in done.stderr, done.stderr
            if done.returncode == 0 and points is None:
                break
            kills += 1
            sound(scene, owned, mine)
            again(scene, mine, words, wanted)
    return kills


@pytest.mark.parametrize("verb", ["add", "upload", "pull"])
def test_killed_at_its_first_rename_a_verb_ends_right_when_run_again(
    tracked: Scene, tmp_path: Path, verb: str
):
    assert sweep(tracked, tmp_path / "runs", verb, [("rename", 1)]) == 1


@pytest.mark.nightly
@pytest.mark.parametrize("verb", VERBS)
def test_killed_anywhere_a_verb_ends_right_when_run_again(tracked: Scene, tmp_path: Path, verb: str):
    kills = sweep(tracked, tmp_path / "runs", verb, None)
    assert kills >= 8, "too few places were met: the sweep sweeps nothing"


@pytest.mark.nightly
@pytest.mark.parametrize("verb", VERBS)
def test_killed_at_any_time_a_verb_ends_right_when_run_again(tracked: Scene, tmp_path: Path, verb: str):
    """The clock as a second opinion: delays spread over the whole run."""
    import time

    clone, words = VERBS[verb](tracked)
    calm, same = here(tracked, tmp_path / "calm", clone)
    began = time.monotonic()
    same.data(*words)
    span = time.monotonic() - began
    wanted, owned = end_state(calm), files(clone.path)
    for number in range(16):
        scene, mine = here(tracked, tmp_path / f"at-{number}", clone)
        running = start(mine, *words)
        time.sleep(span * (number + 1) / 17)
        running.kill()
        if (mine.path / ".git/data/journal.db").exists():
            sound(scene, owned, mine)
        again(scene, mine, words, wanted)
