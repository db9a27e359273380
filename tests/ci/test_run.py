"""The steps of the shipped actions and workflows, executed as a runner executes them."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from git_datamanager.ops.ci.setup import rendered
from tests.ci import scene
from tests.ci.fakehost import FakeHost, fake_host
from tests.ci.runner import Runner
from tests.conftest import REPOSITORY
from tests.world import Clone, World

ACTIONS = REPOSITORY / ".github" / "actions"


@pytest.fixture
def host() -> Iterator[FakeHost]:
    with fake_host() as found:
        yield found


def workflow(folder: Path, name: str, store: str = "r2") -> Path:
    path = folder / f"{name}.yml"
    path.write_text(rendered(f"github/{name}.yml", store=store, branch="main"), encoding="utf-8")
    return path


def nothing_ran(world: World) -> None:
    """No name was taken for a command."""
    assert list(world.root.rglob("pwned*")) == []


def published(world: World, name: str) -> str:
    """The state of the newest version in the default branch's manifest."""
    text = subprocess.run(
        ["git", "show", "main:manifest.json"], cwd=world.origin, check=True, capture_output=True
    ).stdout
    return str(json.loads(text)["datasets"][name]["versions"][0]["state"])


def test_a_request_from_preview_to_finalize_on_a_protected_branch(
    world: World, ana: Clone, host: FakeHost, tmp_path: Path
) -> None:
    """Hostile names all the way: previewed, merged, published, recorded by a pull request, that one
    previewed and merged too."""
    name, branch = scene.HOSTILE_NAME, scene.HOSTILE_BRANCH
    scene.propose(ana, branch, name, "first")
    scene.protect(world)
    job = scene.runner(world, world.root / "one", host, **scene.pull_request(world, branch))
    scene.check_out_merge(job, branch)
    (preview,) = job.job(workflow(tmp_path, "preview"), "preview")
    assert preview.code == 0, preview.out
    assert json.loads(job.context["steps"]["preview"]["outputs"]["changed"]) == [name]
    assert "ready to merge" in host.comments[0]["body"]

    (world.origin / "hooks" / "update").unlink()
    scene.merge(world, branch)
    scene.protect(world)
    job = scene.runner(world, world.root / "two", host)
    (publish,) = job.job(workflow(tmp_path, "publish"), "publish")
    assert publish.code == 0, publish.out
    (live,) = json.loads(job.context["steps"]["publish"]["outputs"]["published"])
    assert live["name"] == name
    assert [r["head"]["ref"] for r in host.requests] == ["git-data/finalize"]
    assert published(world, name) == "pending"

    bot = "git-data/finalize"
    job = scene.runner(world, world.root / "three", host, **scene.pull_request(world, bot))
    scene.check_out_merge(job, bot)
    (preview,) = job.job(workflow(tmp_path, "preview"), "preview")
    assert preview.code == 0, preview.out
    (world.origin / "hooks" / "update").unlink()
    scene.merge(world, bot)
    assert published(world, name) == "published"
    nothing_ran(world)


@pytest.mark.slow
def test_the_publish_action_reports_what_failed_and_publishes_the_rest(
    world: World, ana: Clone, host: FakeHost
) -> None:
    for name in ("good.csv", "bad.csv"):
        ana.write(name, name)
        ana.data("add", name)
    ana.commit("two")
    ana.git("push", "-q")
    bad = ana.versions("bad.csv")[0]["oid"].removeprefix("sha256:")
    world.object("staging", bad).unlink()
    job = scene.runner(world, world.root / "job", host)
    (publish,) = job.action(ACTIONS / "publish" / "action.yml")
    assert publish.code == 3, publish.out
    assert published(world, "good.csv") == "published"
    assert "::error file=manifest.json" in publish.out
    outputs = job.context["steps"]["run"]["outputs"]
    assert [v["name"] for v in json.loads(outputs["published"])] == ["good.csv"]
    assert json.loads(Path(outputs["report-path"]).read_text())["schema"] == "git-data/publish/1"
    assert "`bad.csv`" in job.summary()


@pytest.mark.slow
def test_a_fork_is_checked_without_secrets_and_by_the_stores_of_the_base(
    world: World, ana: Clone, host: FakeHost, tmp_path: Path
) -> None:
    """The request brings its own .gitdata and bytes: nobody asks there."""
    evil = world.root / "store" / "evil"
    evil.mkdir()
    ana.git("switch", "-q", "-c", "evil")
    ana.git("config", "-f", ".gitdata", "data.remote.staging.url", f"file:{evil}")
    ana.git("add", ".gitdata")
    ana.write("x.csv", "x")
    ana.data("add", "x.csv")
    ana.data("trust", "--yes")
    ana.commit("x")
    ana.git("push", "-q", "origin", "evil")
    assert list(evil.rglob("*")), "the bytes lie in the store that the request names"
    job = scene.runner(world, world.root / "job", host, **scene.pull_request(world, "evil", fork=True))
    scene.check_out_merge(job, "evil")
    (preview,) = job.job(workflow(tmp_path, "preview"), "preview")
    assert preview.code == 1, preview.out
    assert "not in staging" in preview.out
    assert "aws-actions/configure-aws-credentials" not in job.used


@pytest.mark.slow
def test_a_fork_may_not_finalize(world: World, ana: Clone, host: FakeHost, tmp_path: Path) -> None:
    """Its branch has the bot's name, its manifest says published."""
    ana.write("x.csv", "x")
    ana.data("add", "x.csv")
    ana.commit("x")
    ana.git("push", "-q")
    ana.git("switch", "-q", "-c", "git-data/finalize")
    text = (ana.path / "manifest.json").read_text()
    forged = text.replace('"pending"', '"published"').replace(
        '"message"', '"published": "2026-01-01T00:00:00Z",\n          "message"'
    )
    (ana.path / "manifest.json").write_text(forged)
    ana.commit("forge", "-a", "--no-verify")
    ana.git("push", "-q", "--no-verify", "origin", "HEAD")
    for number, fork in enumerate((True, False)):
        event = scene.pull_request(world, "git-data/finalize", fork=fork)
        job = scene.runner(world, world.root / f"job{number}", host, **event)
        scene.check_out_merge(job, "git-data/finalize")
        (preview,) = job.job(workflow(tmp_path, "preview"), "preview")
        assert preview.code == 1, preview.out
        assert ("only publish may do" if fork else "no receipt") in preview.out


@pytest.mark.slow
def test_a_mass_deletion_waits_for_its_label(
    world: World, ana: Clone, host: FakeHost, tmp_path: Path
) -> None:
    for n in range(3):
        ana.write(f"{n}.csv", str(n) * 100)
        ana.data("add", f"{n}.csv")
    ana.commit("three")
    ana.git("push", "-q")
    world.publish(ana)
    ana.git("pull", "-q")
    ana.git("switch", "-q", "-c", "purge")
    ana.data("delete", "0.csv", "--yes")
    ana.data("delete", "1.csv", "--yes")
    ana.commit("delete")
    ana.git("push", "-q", "origin", "purge")
    for number, (labels, code) in enumerate(
        [((), 1), (("approve-deletions-1", "x`$(id)"), 1), (("bug", "approve-deletions-2"), 0)]
    ):
        event = scene.pull_request(world, "purge", labels=labels)
        job = scene.runner(world, world.root / f"job{number}", host, **event)
        scene.check_out_merge(job, "purge")
        (preview,) = job.job(workflow(tmp_path, "preview"), "preview")
        assert preview.code == code, preview.out
    assert len(host.comments) == 1


@pytest.mark.slow
@pytest.mark.parametrize("apply", ["false", "true"])
def test_the_cleanup_action_sweeps_staging_and_production(
    world: World, ana: Clone, host: FakeHost, apply: str
) -> None:
    ana.write("x.csv", "x")
    ana.data("add", "x.csv")
    ana.commit("x")
    ana.git("push", "-q")
    world.publish(ana)
    for gc in ("false", "true"):
        job = scene.runner(world, world.root / f"gc-{gc}", host)
        inputs = {"apply": apply, "gc": gc, "purge": apply, "confirm": "3" if gc == "true" else ""}
        (ran,) = job.action(ACTIONS / "cleanup" / "action.yml", inputs)
        assert ran.code == 0, ran.out
    clone = world.clone("later")
    clone.data("pull")
    assert clone.read("x.csv") == b"x"


@pytest.mark.slow
def test_the_cleanup_workflow_asks_for_a_person_before_production(
    world: World, ana: Clone, host: FakeHost, tmp_path: Path
) -> None:
    path = workflow(tmp_path, "cleanup")
    job = scene.runner(world, world.root / "scheduled", host, event_name="schedule")
    (ran,) = job.job(path, "cleanup")
    assert ran.code == 0, ran.out
    assert job.job(path, "gc") == []
    job = scene.runner(world, world.root / "by-hand", host, event_name="workflow_dispatch")
    job.context["inputs"] = {"apply": False, "gc": True, "purge": True, "confirm": ""}
    (ran,) = job.job(path, "gc")
    assert ran.code == 0, ran.out


@pytest.mark.slow
@pytest.mark.parametrize("hostile", ["$(touch pwned)", "x; touch pwned", '"; touch pwned; "'])
def test_hostile_inputs_stay_words(world: World, ana: Clone, host: FakeHost, hostile: str) -> None:
    """They are refused by the tool, not run by the shell."""
    job = scene.runner(world, world.root / "job", host)
    for action, inputs in (
        ("publish", {"finalize": hostile}),
        ("publish", {"branch": hostile}),
        ("preview", {"base": hostile}),
        ("preview", {"labels": hostile, "base": "HEAD"}),
        ("preview", {"request-branch": hostile, "comment": hostile, "base": "HEAD"}),
        ("cleanup", {"gc": "true", "confirm": hostile}),
    ):
        (ran,) = job.action(ACTIONS / action / "action.yml", inputs)
        assert ran.code != 0, (action, inputs, ran.out)
        assert "Traceback" not in ran.out
    nothing_ran(world)


@pytest.mark.slow
def test_publish_on_a_bucket(
    tmp_path: Path, host: FakeHost, s3_endpoint: str, s3_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.s3server import KEYS
    from tests.world import new_world

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEYS["access_key"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEYS["secret_key"])
    query = f"?endpoint={s3_endpoint}&region=us-east-1"
    bucket = f"s3://{s3_bucket}"
    world = new_world(
        tmp_path / "world", staging=f"{bucket}/staging{query}", production=f"{bucket}/production{query}"
    )
    ana = world.found("ana")
    name, branch = scene.HOSTILE_NAME, scene.HOSTILE_BRANCH
    scene.propose(ana, branch, name, "first")
    job = scene.runner(world, world.root / "one", host, **scene.pull_request(world, branch))
    scene.check_out_merge(job, branch)
    (preview,) = job.job(workflow(tmp_path, "preview", "aws"), "preview")
    assert preview.code == 0, preview.out
    scene.merge(world, branch)
    job = scene.runner(world, world.root / "two", host)
    (publish,) = job.job(workflow(tmp_path, "publish", "aws"), "publish")
    assert publish.code == 0, publish.out
    assert published(world, name) == "published"
    nothing_ran(world)


# GitLab


class GitLabJob:
    """The lines of a job, in one shell, with the variables that GitLab sets."""

    def __init__(self, runner: Runner, tmp_path: Path, host: FakeHost) -> None:
        path = tmp_path / "gitlab.yml"
        path.write_text(rendered("gitlab/git-data.gitlab-ci.yml", store="aws", branch="main"))
        self.jobs = yaml.safe_load(path.read_text())
        self.runner = runner
        host.login = {"id": "project-bot"}
        self.env = {
            "GITHUB_ACTIONS": "",
            "CI_API_V4_URL": host.url,
            "CI_PROJECT_ID": "lab/data",
            "CI_PROJECT_URL": str(runner.clone.path.parent / "origin"),
            "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "lab/data",
            "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
            "CI_MERGE_REQUEST_IID": "1",
            "GITLAB_TOKEN": "a-secret-token",
        }

    def run(self, name: str, **env: str) -> None:
        base, job = self.jobs[".git-data"], self.jobs[name]
        lines = [line for line in base["before_script"] if "pip install" not in line] + job["script"]
        given = {**base["variables"], **job.get("variables", {}), **self.env, **env}
        ran = self.runner.run({"name": name, "run": "\n".join(lines), "env": given})
        assert ran.code == 0, ran.out


@pytest.mark.slow
def test_the_gitlab_jobs(world: World, ana: Clone, host: FakeHost, tmp_path: Path) -> None:
    name, branch = scene.HOSTILE_NAME, scene.HOSTILE_BRANCH
    scene.propose(ana, branch, name, "first")
    job = GitLabJob(scene.runner(world, world.root / "one"), tmp_path, host)
    job.runner.clone.git("checkout", "-q", "--detach", f"origin/{branch}")
    head = job.runner.clone.git("rev-parse", "HEAD").out.strip()
    job.run("data-preview", CI_COMMIT_SHA=head, CI_MERGE_REQUEST_SOURCE_BRANCH_NAME=branch,
            CI_MERGE_REQUEST_LABELS="bug,$(touch pwned)")  # fmt: skip
    assert "ready to merge" in host.comments[0]["body"]
    assert (job.runner.clone.path / "git-data-preview" / "preview.md").exists()
    scene.merge(world, branch)
    scene.protect(world)
    job = GitLabJob(scene.runner(world, world.root / "two"), tmp_path, host)
    job.run("data-publish")
    assert [r["source_branch"] for r in host.requests] == ["git-data/finalize"]
    assert "a-secret-token" not in (job.runner.clone.path / ".git" / "config").read_text()
    job.run("data-cleanup")
    job.run("data-gc", APPLY="true", PURGE="true", CONFIRM="2")
    nothing_ran(world)
