"""Whether these credentials can finalize: a push that is not sent.

A dry push goes as far as the host's list of refs, for which it asks for the right to write. Rules of
branches and hooks of the server are asked only by a real push.
"""

import os

from git_datamanager.errors import DataError, Unreachable
from git_datamanager.manager import DataManager
from git_datamanager.ops.doctor.check import Check, each, ok, skipped, warn
from git_datamanager.ops.publishing.branch import BOT_BRANCH, find_branch

_TOPIC = "push"
_NO_RIGHTS = ("403", "denied", "forbidden", "not allowed", "read only", "read-only", "permission")
_QUIET = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "true",
    "SSH_ASKPASS_REQUIRE": "never",
    "GIT_DATA_SKIP": "1",
    "LC_ALL": "C",
    "GIT_HTTP_LOW_SPEED_LIMIT": "1",
    "GIT_HTTP_LOW_SPEED_TIME": "20",
}


def looks(manager: DataManager) -> list[Check]:
    return list(each(_TOPIC, [("finalize", lambda: _finalize(manager))]))


def _finalize(manager: DataManager) -> list[Check]:
    git = manager.git
    try:
        branch = find_branch(git, manager.manifests, None, None)
    except Unreachable as error:
        return [warn(_TOPIC, "finalize", str(error).splitlines()[0], "git ls-remote origin   # to see why")]
    except DataError as error:
        return [skipped(_TOPIC, "finalize", f"unknown: {str(error).splitlines()[0]}")]
    if branch.remote is None:
        return [ok(_TOPIC, "finalize", f"no remote: publish moves the local branch {branch.name}")]
    tip = git.answer(
        "rev-parse", "--verify", "--quiet", f"refs/remotes/{branch.remote}/{branch.name}^{{commit}}"
    )
    if tip is None:
        return [skipped(_TOPIC, "finalize", f"{branch.remote}/{branch.name} was never fetched")]
    return [_dry_push(manager, branch.remote, tip, name) for name in (branch.name, BOT_BRANCH)]


def _dry_push(manager: DataManager, remote: str, tip: str, name: str) -> Check:
    env = dict(_QUIET)
    if "GIT_SSH_COMMAND" not in os.environ and manager.git.answer("config", "core.sshCommand") is None:
        env["GIT_SSH_COMMAND"] = "ssh -o BatchMode=yes -o ConnectTimeout=10"
    force = "+" if name == BOT_BRANCH else ""
    done = manager.git.run(
        "push", "--dry-run", "--no-verify", "--porcelain", remote, f"{force}{tip}:refs/heads/{name}",
        env=env, ok=range(256),
    )  # fmt: skip
    said = done.stderr.decode(errors="replace").strip()
    if done.returncode == 0:
        return ok(
            _TOPIC, name,
            f"{remote} lets these credentials push there; whether a rule of the branch refuses is seen only "
            "by a real push",
        )  # fmt: skip
    last = next((line for line in said.splitlines() if line.strip()), "git says nothing")
    if any(word in said.lower() for word in _NO_RIGHTS):
        return warn(
            _TOPIC, name,
            f"cannot be pushed with these credentials ({last}): fine for an author, publish needs it",
            f"git push --dry-run {remote} HEAD:refs/heads/{name}   # to see why",
        )  # fmt: skip
    return skipped(_TOPIC, name, f"unknown: {last}")
