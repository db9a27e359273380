"""Files that change, grow, shrink or vanish while they are read; and two commands at once."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.bad.running import TOOL, needs_strace, start
from tests.bad.scene import Scene, Still, refused
from tests.world import Done

pytestmark = pytest.mark.slow

SIZE = 4 << 20
BLOCK = 1 << 20
"""What is read at a time."""


def while_reading(
    scene: Scene, name: str, act: Callable[[Path], None], *words: str, slow_read: int = 5, past: int = BLOCK
) -> Done:
    """Run a command of which one read of the file (the fifth: after two looks at its first bytes and two
    blocks) takes a while, and act in that moment: the file offset in /proc is `past` so many bytes then.
    """
    needs_strace()
    path = scene.ana.path / name
    slow = ("strace", "-f", "-qq", "-o", "/dev/null", "-P", str(path), "-e", "trace=read",
            "-e", f"inject=read:delay_enter=1500000:when={slow_read}")  # fmt: skip
    running = start(scene.ana, *words, prefix=slow)
    until = time.monotonic() + 30
    while _offset(path, running.process.pid) < past:
        assert running.process.poll() is None, running.end().text
        assert time.monotonic() < until
    act(path)
    return running.end()


def _offset(path: Path, top: int) -> int:
    """How far `top`, or a process below it, has read this file."""
    for pid in _family(top):
        with suppress(OSError):  # it ended since
            for link in Path(f"/proc/{pid}/fd").glob("*"):
                if link.readlink() == path:
                    info = (link.parent.parent / "fdinfo" / link.name).read_text()
                    return int(info.splitlines()[0].split()[1])
    return 0


def _family(top: int) -> Iterator[int]:
    """A process and all below it: to look through everybody's takes longer than the reader waits."""
    yield top
    for children in Path(f"/proc/{top}/task").glob("*/children"):
        with suppress(OSError):
            for child in children.read_text().split():
                yield from _family(int(child))


def overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"!")


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def shrink(path: Path) -> None:
    os.truncate(path, 10)


def replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(b"other")
    other.replace(path)


def become_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/hostname")


@pytest.mark.parametrize(
    "act", [overwrite, append, shrink, replace, become_link], ids=lambda act: act.__name__
)
def test_a_file_that_changes_while_it_is_added_is_refused(scene: Scene, act):
    scene.ana.write("big.bin", os.urandom(SIZE))
    still = Still(scene)
    done = while_reading(scene, "big.bin", act, "add", "big.bin")
    refused(done, 5, "changed while it was read", run="wait until it is written")
    still.check(but=["^ana/big.bin$"])
    assert "big.bin" not in scene.ana.manifest()["datasets"]


def test_a_file_that_vanishes_while_it_is_added_is_refused(scene: Scene):
    scene.ana.write("big.bin", os.urandom(SIZE))
    still = Still(scene)
    done = while_reading(scene, "big.bin", Path.unlink, "add", "big.bin")
    refused(done, 5, "vanished while it was read", run="wait until it is written")
    still.check(but=["^ana/big.bin$"])


def test_a_file_that_changes_while_it_is_uploaded_is_not_uploaded(scene: Scene):
    oid = scene.add("big.bin", os.urandom(SIZE), upload=False, push=False)
    for path in (scene.ana.path / ".git/data/cache").glob("??/*"):
        path.unlink()
    done = while_reading(scene, "big.bin", overwrite, "upload", slow_read=3, past=1)
    refused(done, 5, "big.bin", run="git data add big.bin")
    assert not scene.object("staging", oid).exists()


@contextmanager
def writer(path: Path) -> Iterator[None]:
    """Somebody who writes without pause."""
    stop = threading.Event()

    def write() -> None:
        with path.open("r+b", buffering=0) as file:
            while not stop.is_set():
                file.seek(0)
                file.write(os.urandom(16))

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_a_file_under_a_busy_writer_is_refused(scene: Scene):
    path = scene.ana.write("busy.bin", b"")
    os.truncate(path, 32 << 20)
    still = Still(scene)
    with writer(path):
        done = scene.ana.data("add", "busy.bin", code=None)
    refused(done, 5, "changed while it was read", run="wait until")
    still.check(but=["^ana/busy.bin$"])


def together(scene: Scene, *commands: list[str]) -> list[Done]:
    """Start commands at the same moment."""
    running = [
        subprocess.Popen(
            [*TOOL, *words],
            cwd=scene.ana.path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for words in commands
    ]
    done = []
    for process in running:
        out, err = process.communicate(timeout=60)
        done.append(Done(process.returncode, out.decode(), err.decode()))
    return done


def rounds_of_two_adds(scene: Scene, rounds: int) -> None:
    for number in range(rounds):
        pair = [f"a{number}.csv", f"b{number}.csv"]
        for name in pair:
            scene.ana.write(name, f"{name}\n")
        for done in together(scene, *(["add", name] for name in pair)):
            assert done.code == 0, done.text
        assert set(pair) <= set(scene.ana.manifest()["datasets"])
        staged = scene.ana.git("show", ":manifest.json").out
        assert all(f'"{name}"' in staged for name in pair)
        ignored = scene.ana.read(".gitignore").decode()
        assert all(f"/{name}\n" in ignored for name in pair)


def test_two_adds_at_once_leave_two_entries(scene: Scene):
    rounds_of_two_adds(scene, 2)


@pytest.mark.nightly
def test_two_adds_at_once_leave_two_entries_twenty_times(scene: Scene):
    rounds_of_two_adds(scene, 20)


def test_two_adds_of_one_dataset_leave_one_pending_version(scene: Scene):
    scene.ana.write("a.csv", "1\n")
    for done in together(scene, ["add", "a.csv"], ["add", "a.csv"]):
        assert done.code == 0, done.text
    assert scene.ana.states("a.csv") == {"v1": "pending"}


def test_two_uploads_two_pulls_and_two_publishes_at_once_are_as_good_as_one(tracked: Scene):
    oid = tracked.add("b.bin", os.urandom(1 << 20), upload=False)
    for words in (["upload"], ["publish"], ["pull"]):
        if words == ["pull"]:
            (tracked.ana.path / "b.bin").unlink()
        for done in together(tracked, words, words):
            assert done.code == 0, done.text
    assert tracked.object("production", oid).stat().st_size == 1 << 20
    tracked.ana.git("pull", "-q")
    assert tracked.ana.states("b.bin") == {"v1": "published"}
    assert (
        len(list(tracked.production.glob("receipts/*"))) + len(list(tracked.production.glob("receipts/*/*")))
        >= 2
    )


def test_a_lock_that_is_held_for_ever_is_named(scene: Scene):
    """Held by a process that is stopped; the wait is the tool's own business, not the test's."""
    scene.ana.write("a.csv", "1\n")
    holder = (
        "import fcntl, sys, time\n"
        "file = open(sys.argv[1], 'w'); fcntl.flock(file, fcntl.LOCK_EX)\n"
        "print('held', flush=True); time.sleep(60)"
    )
    lock = scene.ana.path / ".git/data/lock"
    lock.parent.mkdir(exist_ok=True)
    process = subprocess.Popen([sys.executable, "-c", holder, str(lock)], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        code = (
            "import git_datamanager.workspace.manifests as manifests\n"
            "from git_datamanager.cli.app import run\n"
            "manifests._LOCK_SECONDS = 0.2\n"
            "raise SystemExit(run(['add', 'a.csv']))"
        )
        still = Still(scene)
        done = scene.ana.run(sys.executable, "-P", "-c", code, code=None)
        refused(done, 5, "another git data", run="ps -e")
        still.check()
    finally:
        process.kill()
        process.communicate()
