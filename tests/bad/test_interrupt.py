"""Ctrl-C in every long verb: exit 130, a message, nothing half-written, nobody left behind, and again.

The verbs are held at an event, not by a clock: a pipe stands where bytes would be read or written,
or strace holds the system call that matters and the signal is sent when it is reached.
"""

import json
import os
import signal
import time
from collections.abc import Callable
from fnmatch import fnmatch

import pexpect
import pytest

from tests.bad.running import Running, needs_strace, start, strace, temps
from tests.bad.scene import Scene, Still, copy
from tests.storage.fakes3 import KEYS, FakeS3, Request
from tests.world import Clone, Done

pytestmark = pytest.mark.slow

BIG = 4 << 20


def until(running: Running, condition: Callable[[], bool]) -> None:
    """Wait for the moment; a command that ends before it makes the test fail."""
    limit = time.monotonic() + 30
    while not condition():
        assert running.process.poll() is None, running.end().text
        assert time.monotonic() < limit
        time.sleep(0.005)


def stopped(done: Done) -> None:
    assert "Traceback" not in done.text, done.text
    assert done.code == 130, done.text
    assert "interrupted" in done.err
    assert "run the same command again" in done.err


@pytest.fixture
def big(scene: Scene) -> Scene:
    scene.ana.write("big.bin", os.urandom(BIG))
    return scene


def size_of_temp(scene: Scene) -> int:
    return max((p.stat().st_size for p in temps(scene) if p.exists()), default=0)


def interrupt_while_writing(scene: Scene, clone: Clone, *words: str) -> Done:
    """Each write of a block is slowed down, so that the temporary file is seen growing."""
    needs_strace()
    calls = "write,copy_file_range,sendfile"
    slow = ("strace", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", f"trace={calls}",
            "-e", f"inject={calls}:delay_enter=60000")  # fmt: skip
    running = start(clone, *words, prefix=slow)
    until(running, lambda: 0 < size_of_temp(scene) < BIG)
    done = running.interrupt()
    assert running.orphans == []
    return done


def test_ctrl_c_in_add_leaves_nothing(big: Scene):
    still = Still(big)
    stopped(interrupt_while_writing(big, big.ana, "add", "big.bin"))
    still.check()
    big.ana.data("add", "big.bin")
    assert big.ana.states("big.bin") == {"v1": "pending"}


def test_ctrl_c_in_upload_leaves_nothing_in_staging(big: Scene):
    oid = big.add("big.bin", os.urandom(BIG), upload=False, push=False)
    still = Still(big)
    stopped(interrupt_while_writing(big, big.ana, "upload"))
    still.check()
    big.ana.data("upload")
    assert big.object("staging", oid).stat().st_size == BIG


def test_ctrl_c_in_pull_keeps_the_old_file(big: Scene):
    big.add("big.bin", b"old\n")
    big.add("big.bin", os.urandom(BIG))
    ben = big.clone("ben")
    ben.data("pull", "big.bin@v1")
    still = Still(big)
    stopped(interrupt_while_writing(big, ben, "pull"))
    still.check()
    assert ben.read("big.bin") == b"old\n"
    ben.data("pull")
    assert (ben.path / "big.bin").stat().st_size == BIG


@pytest.mark.nightly
def test_ctrl_c_in_a_parallel_pull_stops_all_of_it(big: Scene):
    for n in range(5):
        big.add(f"d{n}.bin", os.urandom(BIG), push=n == 4)
    ben = big.clone("ben")
    still = Still(big)
    stopped(interrupt_while_writing(big, ben, "pull"))
    still.check(but=[r"^ben/d\d.bin$"])
    for path in ben.path.glob("d*.bin"):
        assert path.stat().st_size == BIG
    ben.data("pull")
    assert len(list(ben.path.glob("d*.bin"))) == 5


@pytest.mark.nightly
def test_ctrl_c_in_publish_leaves_it_pending_or_live_and_the_next_run_ends_it(big: Scene):
    oid = big.add("big.bin", os.urandom(BIG))
    still = Still(big)
    stopped(interrupt_while_writing(big, big.ana, "publish"))
    still.check()
    assert not big.object("production", oid).exists()
    big.publish()
    assert big.ana.states("big.bin") == {"v1": "published"}


def test_ctrl_c_while_a_connection_hangs(scene: Scene):
    """A store that takes the connection and never answers."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        url = f"s3://bucket/staging?endpoint=http://127.0.0.1:{port}&region=us-east-1"
        scene.add("a.csv", "1\n", upload=False, push=False)
        scene.ana.env |= {
            "GIT_DATA_REMOTE_STAGING_URL": url,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
        }
        still = Still(scene)
        running = start(scene.ana, "upload")
        connection, _ = server.accept()
        connection.recv(1)
        done = running.interrupt()
        connection.close()
    stopped(done)
    assert running.orphans == []
    still.check()


@pytest.mark.parametrize(
    ("words", "moment"),
    [(["publish"], "production/receipts/*"), (["gc", "--apply"], "production/objects/*")],
    ids=["publish", "gc"],
)
def test_one_keystroke_is_one_interrupt_and_the_lease_is_given_back(
    scene: Scene, words: list[str], moment: str
):
    """git passes the terminal's SIGINT on: the second one comes while the command puts things in order."""
    held: list[int] = []

    def interrupt(_request: Request) -> None:
        """Wherever the command is a moment later, a second one meets it there."""
        for _ in range(10):
            os.kill(held[0], signal.SIGINT)
            time.sleep(0.001)

    with FakeS3("aws") as store:
        store.create_bucket("lab")
        where = "s3://lab/{}?endpoint=" + store.url + "&region=us-east-1"
        scene.ana.env |= {
            "GIT_DATA_REMOTE_STAGING_URL": where.format("staging"),
            "GIT_DATA_REMOTE_PRODUCTION_URL": where.format("production"),
            "AWS_ACCESS_KEY_ID": KEYS["access_key"],
            "AWS_SECRET_ACCESS_KEY": KEYS["secret_key"],
        }
        scene.add("a.csv", "1\n")
        key = "production/lease" if words == ["publish"] else "production/lease-gc"
        fault = store.before(lambda r: bool(held) and fits(r, moment), interrupt)
        running = start(scene.ana, *words)
        held.append(running.process.pid)
        done = running.end()
        assert fault.fired
        assert "Traceback" not in done.text, done.text
        assert "interrupted" in done.err
        assert json.loads(store.objects("lab")[key])["released"]


def fits(request: Request, moment: str) -> bool:
    """A request for such a key, or a list of them."""
    folder = request.query.get("prefix", "")
    return fnmatch(request.key, moment) or (bool(folder) and fnmatch(f"{folder}x", moment))


def test_ctrl_c_is_noted_in_the_journal_as_cancelled(big: Scene):
    import sqlite3
    from contextlib import closing

    stopped(interrupt_while_writing(big, big.ana, "add", "big.bin"))
    with closing(sqlite3.connect(big.ana.path / ".git/data/journal.db")) as journal:
        assert journal.execute("SELECT verb, outcome FROM operations").fetchall() == [("add", "cancelled")]


@pytest.mark.nightly
@pytest.mark.parametrize(
    "words", [["add", "new.csv"], ["upload"], ["pull"], ["publish"], ["status"]], ids=" ".join
)
def test_ctrl_c_at_any_moment_is_no_traceback(tracked: Scene, tmp_path, words: list[str]):
    """SIGINT at the n-th open of a file, from our first line (before it, Python speaks) to the last."""
    needs_strace()
    tracked.ana.write("new.csv", "new\n")
    met = 0
    for number in range(90, 2000, 24):
        inject = f"inject=openat:signal=SIGINT:when={number}"
        scene = copy(tracked, tmp_path / str(number))
        done = strace(scene.ana, *words, options=["-o", "/dev/null", "-e", inject])
        assert "Traceback" not in done.stderr, (number, done.stderr)
        assert done.returncode in (0, 130, -2), (number, done.stderr)
        met += done.returncode != 0
        scene.ana.data(*words)
        if done.returncode == 0:
            break
    assert met >= 2


def test_ctrl_c_at_a_question_is_told_from_ctrl_c_at_work(tracked: Scene):
    """On a terminal; nothing was answered, so nothing was changed."""
    still = Still(tracked)
    env = {k: v for k, v in os.environ.items() if k != "GIT_TERMINAL_PROMPT"}
    asked = pexpect.spawn("git-data", ["delete", "a.csv"], cwd=str(tracked.ana.path), env=env, timeout=30)  # type: ignore[arg-type]
    asked.expect("to go on")
    asked.sendintr()
    asked.expect("nothing was changed")
    asked.expect(pexpect.EOF)
    asked.close()
    assert asked.exitstatus == 130
    still.check()
