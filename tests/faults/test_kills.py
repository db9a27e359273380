"""kill -9 of a verb right after its n-th request was applied and before the answer came; then again.

The command line runs as a process of its own; the fake ends it. What a run leaves half done is found and
finished by the next one.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping

import pytest

from git_datamanager.errors import Locked
from git_datamanager.model.layout import GC_LEASE, LEASE
from tests.faults.encoded import EVERY
from tests.faults.scene import KEYS, PRODUCTION, in_process
from tests.faults.sound import end_state
from tests.faults.sweep import Prepared, different
from tests.faults.verbs import attempt, give_back
from tests.world import Clone

Get = Callable[[str], Prepared]
ENV = {
    "GIT_DATA_TRUST": "1",
    "GIT_DATA_LEASE_TIME": "0",  # a killed run holds nobody up
    "AWS_ACCESS_KEY_ID": KEYS["access_key"],
    "AWS_SECRET_ACCESS_KEY": KEYS["secret_key"],
}
KILLED = -signal.SIGKILL


def command(world: Prepared) -> list[str]:
    return [sys.executable, "-P", "-m", "git_datamanager", *world.verb.words]


def run_until(world: Prepared, number: int, env: Mapping[str, str] = ENV) -> int:
    """Run the verb and kill it at that request, which is applied; its exit status."""
    scene, running = world.scene, list[subprocess.Popen[bytes]]()
    scene.restore(world.saved)
    scene.fake.before(number, lambda _: os.kill(running[0].pid, signal.SIGKILL))
    with subprocess.Popen(
        command(world),
        cwd=scene.path(world.verb.clones[0]),
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        running.append(process)
    return process.returncode


def go_on(world: Prepared) -> Iterable[str]:
    """The same verb, undisturbed. A deleting run that was killed keeps its lease until somebody breaks it."""
    verb, scene = world.verb, world.scene
    yield from (f"after the kill: {text}" for text in verb.sound(scene))
    scene.fake.forget()
    error = attempt(verb, scene)
    if isinstance(error, Locked) and verb.store:
        give_back(scene, verb.store)
        error = attempt(verb, scene)
    if error is not None:
        yield f"the next run ends with {error!r}"
    yield from verb.sound(scene)
    yield from verb.owes(scene)
    yield from different(world.ends, end_state(scene))


def swept(world: Prepared, numbers: Iterable[int]) -> int:
    """Kill at each of these requests; how many kills there were."""
    found, kills = [], 0
    for number in numbers:
        code = run_until(world, number)
        assert code in (0, KILLED), f"request {number}: exit {code}"
        kills += code == KILLED
        with in_process(world.scene.settings):
            found += [f"killed at request {number}: {text}" for text in go_on(world)]
    assert not found, "\n".join(found)
    return kills


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        *("publish", "publish forms", "compact"),
        *(
            pytest.param(name, marks=pytest.mark.nightly)
            for name in ("upload", "pull", "gc", "gc --purge", "cleanup")
        ),
    ],
)
def test_a_killed_verb_ends_right_when_run_again(prepared: Get, name: str) -> None:
    world = prepared(name)
    steps = max(1, len(world.asked) // 3)
    assert swept(world, range(steps, len(world.asked), steps)) >= 2


@pytest.mark.nightly
@pytest.mark.parametrize("shard", range(4))
@pytest.mark.parametrize("name", [name for name, verb in EVERY.items() if "parts" not in name])
def test_a_verb_killed_after_any_request_ends_right_when_run_again(
    prepared: Get, name: str, shard: int
) -> None:
    world = prepared(name)
    assert swept(world, range(1 + shard, len(world.asked) + 1, 4)) >= 1


@pytest.mark.slow
def test_a_killed_publish_is_waited_for_as_long_as_its_lease_lasts(prepared: Get) -> None:
    world = prepared("publish")
    receipt = next(r.number for r in world.asked if r.key.startswith("receipts/") and r.method == "PUT")
    assert run_until(world, receipt, ENV | {"GIT_DATA_LEASE_TIME": "1"}) == KILLED
    fake = world.scene.fake
    held = fake.held(PRODUCTION, LEASE)
    assert held is not None
    # By the store's clock it was taken just now, when the next run looks first.
    fake.before(lambda r: r.key == LEASE, lambda _: fake.advance(held.modified - fake.now()))
    began = len(fake.log)
    runner = Clone(world.scene.path("runner"))
    done = runner.data("publish", env=ENV)
    assert "waiting for the lease" in done.err
    looks = [r for r in fake.log[began:] if r.key == LEASE and r.method == "GET"]
    assert len(looks) >= 2
    assert not list(world.verb.owes(world.scene))


@pytest.mark.slow
def test_a_killed_gc_keeps_others_away_until_somebody_breaks_its_lease(prepared: Get) -> None:
    world = prepared("gc")
    copied = next(r.number for r in world.asked if r.key.startswith("trash/") and r.method == "PUT")
    assert run_until(world, copied) == KILLED
    runner = Clone(world.scene.path("runner"))
    words = world.verb.words
    refused = runner.data(*words, env=ENV, code=5)
    assert "holds the lease-gc" in refused.err
    assert "git data gc --break-lease" in refused.err
    assert list(world.verb.owes(world.scene)), "nothing was done meanwhile"
    runner.data("gc", "--break-lease", env=ENV)
    runner.data(*words, env=ENV)
    assert not list(world.verb.owes(world.scene))
    assert b'"released": true' in world.scene.fake.objects(PRODUCTION)[GC_LEASE]
