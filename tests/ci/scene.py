"""What a host does around a job: a protected branch, a merge of a request, a runner's clone."""

import subprocess
from pathlib import Path
from typing import Any

from tests.ci.fakehost import PROJECT, TOKEN, FakeHost
from tests.ci.runner import Runner
from tests.world import Clone, World

HOSTILE_BRANCH = "x$(touch${IFS}pwned)`touch${IFS}pwned`;\"'&|<b>"
HOSTILE_NAME = "data/`id`$(touch pwned) '\"|<img src=x onerror=alert(1)> @all #1 ##[error]oh %0A ${{ x }}.csv"

# In the words of GitHub.
_GUARD = """\
#!/bin/sh
case "$1" in refs/heads/main)
  echo "error: GH006: Protected branch update failed for refs/heads/main." >&2
  echo "error: Changes must be made through a pull request." >&2
  exit 1;;
esac
"""


def protect(world: World) -> None:
    """From now on the branch takes no pushes."""
    hook = world.origin / "hooks" / "update"
    hook.write_text(_GUARD)
    hook.chmod(0o755)


def merge(world: World, branch: str) -> None:
    """What the host's button does, behind the protection."""
    for command in (
        ["fetch", "-q", "origin", f"+refs/heads/{branch}:refs/heads/merging"],
        ["push", "-q", "origin", "refs/heads/merging:refs/heads/main"],
    ):
        scratch = world.root / "button.git"
        if not scratch.exists():
            subprocess.run(["git", "clone", "-q", "--bare", str(world.origin), str(scratch)], check=True)
        subprocess.run(["git", *command], cwd=scratch, check=True, capture_output=True)


def runner(world: World, folder: Path, host: FakeHost | None = None, **github: Any) -> Runner:
    """A fresh clone of the default branch, and what GitHub says about the run."""
    clone = world.clone(folder.name, trust=False)
    context = {
        "github": {"token": TOKEN, "repository": PROJECT, "event_name": "push", "event": {}, **github},
        "environment": {"GITHUB_REPOSITORY": PROJECT, "GITHUB_SERVER_URL": "https://host.example"},
        "secrets": {},
        "vars": {},
        "inputs": {},
    }
    if host is not None:
        context["environment"]["GITHUB_API_URL"] = host.url
    return Runner(clone, folder.with_name(f"{folder.name}-runner"), context)


def pull_request(
    world: World, branch: str, *, fork: bool = False, labels: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The event of a request, as far as our files read it."""
    source = "stranger/data" if fork else PROJECT
    request = {
        "number": 1,
        "labels": [{"name": name} for name in labels],
        "head": {"repo": {"full_name": source}},
    }
    return {"event_name": "pull_request", "head_ref": branch, "event": {"pull_request": request}}


def check_out_merge(job: Runner, branch: str) -> None:
    """refs/pull/N/merge: the request merged into the base."""
    job.clone.git("fetch", "-q", "origin", f"+refs/heads/{branch}:refs/remotes/origin/request")
    job.clone.git("checkout", "-q", "--detach", "origin/main")
    job.clone.git("merge", "-q", "--no-ff", "-m", "Merge", "refs/remotes/origin/request")


def propose(clone: Clone, branch: str, name: str, data: str) -> None:
    """A branch with a new version of one dataset, pushed."""
    clone.git("switch", "-q", "-c", branch)
    clone.write(name, data)
    clone.data("add", name)
    clone.commit("change")
    clone.git("push", "-q", "origin", branch)
    clone.git("switch", "-q", "main")
