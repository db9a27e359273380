"""Where the branch takes no pushes, one pull request records what is published."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.ci.fakehost import FakeHost, environment, fake_host
from tests.ci.scene import protect
from tests.world import Clone, Done, World

BOT = "git-data/finalize"


@pytest.fixture
def host() -> Iterator[FakeHost]:
    with fake_host() as running:
        yield running


def make_template(world: World, ana: Clone) -> None:
    """One entry is merged, and the branch is protected from now on."""
    ana.write("a.csv", "1\n")
    ana.data("add", "a.csv")
    ana.commit("add")
    ana.git("push", "-q")
    protect(world)


def publish(clone: Clone, host: FakeHost, *words: str, code: int = 0) -> Done:
    return clone.data("publish", *words, env=environment(host, "github"), code=code)


@contextmanager
def unprotected(world: World) -> Iterator[None]:
    """What a host's own buttons may do."""
    hook = world.origin / "hooks" / "update"
    hook.rename(world.root / "hook")
    yield
    (world.root / "hook").rename(hook)


def git(world: World, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=world.origin, capture_output=True, check=True, text=True)
    return done.stdout.strip()


def test_one_request_is_opened_and_only_refreshed(world: World, ana: Clone, host: FakeHost) -> None:
    done = publish(ana, host)
    assert host.requests[0]["html_url"] in done.text
    first = git(world, "rev-parse", BOT)
    publish(ana, host)
    assert len(host.requests) == 1
    assert git(world, "rev-parse", BOT) == first, "the same manifest on the same tip is not pushed again"
    (request,) = host.requests
    assert request["base"]["ref"] == "main"
    assert "publish a.csv v1" in request["title"]
    assert "skip ci" not in git(world, "log", "-1", "--format=%B", BOT), "its checks have to run"


def test_once_it_is_merged_nothing_is_left_to_do(world: World, ana: Clone, host: FakeHost) -> None:
    publish(ana, host)
    with unprotected(world):
        ana.git("fetch", "-q", "origin", BOT)
        ana.git("push", "-q", "--no-verify", "origin", "FETCH_HEAD:refs/heads/main")
    host.requests[0]["state"] = "closed"
    assert "nothing is pending" in publish(ana, host).text
    manifest = json.loads(git(world, "show", "main:manifest.json"))
    assert manifest["datasets"]["a.csv"]["versions"][0]["state"] == "published"
    assert len(host.requests) == 1


@pytest.mark.slow
def test_it_is_made_anew_from_every_tip(world: World, ana: Clone, host: FakeHost) -> None:
    publish(ana, host)
    with unprotected(world):
        ana.write("b.csv", "2\n")
        ana.data("add", "b.csv")
        ana.commit("more")
        ana.git("push", "-q")
    publish(ana, host)
    assert git(world, "rev-parse", f"{BOT}^") == git(world, "rev-parse", "main")
    datasets = json.loads(git(world, "show", f"{BOT}:manifest.json"))["datasets"]
    assert {d["versions"][0]["state"] for d in datasets.values()} == {"published"}
    assert "2 changes of data" in host.requests[0]["title"]


@pytest.mark.slow
def test_a_commit_that_somebody_slipped_in_does_not_stay(world: World, ana: Clone, host: FakeHost) -> None:
    """A reviewer trusts the bot's branch: it holds the manifest's change and nothing else."""
    publish(ana, host)
    ana.git("fetch", "-q", "origin", BOT)
    ana.git("switch", "-q", "--detach", "FETCH_HEAD")
    ana.write(".github/workflows/x.yml", "on: push\n")
    ana.git("add", "-f", ".github")
    ana.git("commit", "-q", "--no-verify", "--amend", "--no-edit")
    ana.git("push", "-q", "-f", "--no-verify", "origin", f"HEAD:refs/heads/{BOT}")
    ana.git("switch", "-q", "main")
    publish(ana, host)
    assert git(world, "diff", "--name-only", "main", BOT) == "manifest.json"


@pytest.mark.slow
def test_a_host_that_opens_nothing_leaves_the_branch_and_says_so(
    world: World, ana: Clone, host: FakeHost
) -> None:
    host.may_open = False
    done = publish(ana, host, code=4)
    assert "error: " in done.err
    manifest = json.loads(git(world, "show", f"{BOT}:manifest.json"))
    assert manifest["datasets"]["a.csv"]["versions"][0]["state"] == "published"
    host.may_open = True
    publish(ana, host)
    assert len(host.requests) == 1


@pytest.mark.slow
def test_hostile_names_are_no_markup_in_the_request(world: World, ana: Clone, host: FakeHost) -> None:
    name = "x img src=x onerror=alert(1) @all #1 `id`.csv"
    with unprotected(world):
        ana.write(name, "3\n")
        ana.data("add", name)
        ana.commit("hostile")
        ana.git("push", "-q")
    publish(ana, host)
    line = next(line for line in host.requests[0]["body"].splitlines() if "img" in line)
    assert line.startswith("- `") and line.endswith("`") and line.count("`") == 2


def test_asked_for_it_is_used_on_an_open_branch_too(world: World, ana: Clone, host: FakeHost) -> None:
    (world.origin / "hooks" / "update").unlink()
    before = git(world, "rev-parse", "main")
    publish(ana, host, "--finalize", "pull-request")
    assert git(world, "rev-parse", "main") == before
    assert len(host.requests) == 1


def test_without_a_host_the_branch_waits(world: World, ana: Clone) -> None:
    assert BOT in ana.data("publish").text


def test_a_commit_in_place_starts_no_workflows(world: World, ana: Clone) -> None:
    (world.origin / "hooks" / "update").unlink()
    ana.data("publish")
    assert "[skip ci]" in git(world, "log", "-1", "--format=%s", "main")
