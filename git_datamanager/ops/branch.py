"""The branch that publish works for: its tip, and moving it by one commit without a work tree."""

import tempfile
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Protocol

from git_datamanager.errors import DataError, NotFound, Unreachable
from git_datamanager.model import manifest as model
from git_datamanager.model.manifest import Manifest
from git_datamanager.model.merge import merge
from git_datamanager.workspace.git import Git, GitFailed
from git_datamanager.workspace.manifests import INDEX, Manifests

BOT_BRANCH = "git-data/finalize"
_SKIP_OUR_HOOKS = {"GIT_DATA_SKIP": "1"}


class Push(StrEnum):
    """The answer to a push; `unknown` is settled by looking at the tip again."""

    DONE = "done"
    OUTRUN = "outrun"
    """Somebody else's commit came first: recompute and try again."""
    REFUSED = "refused"
    """A rule of the branch (protection, a hook): trying again changes nothing."""
    UNKNOWN = "unknown"


class Answer(NamedTuple):
    result: Push
    said: str = ""


class Branch(Protocol):
    """Where the reviewed manifest lives."""

    name: str
    remote: str | None

    def fetch(self) -> str:
        """The commit at the tip now."""

    def move(self, old: str, new: str) -> Answer:
        """Advance the tip from `old` to its child `new`, never by force."""

    def propose(self, new: str) -> Answer:
        """Put the commit on the bot's branch, for a pull request."""


class RemoteBranch:
    """A branch of a remote; the local branches, index and work tree are left alone."""

    def __init__(self, git: Git, remote: str, name: str | None) -> None:
        self._git = git
        self.remote: str | None = remote
        self._remote = remote
        self.name = name or _default_branch(git, remote)

    def fetch(self) -> str:
        tracking = f"refs/remotes/{self._remote}/{self.name}"
        deepen = ["--unshallow"] if self._git.is_shallow() else []
        try:
            self._git.run(
                "fetch", "--quiet", "--no-tags", *deepen, self._remote, f"+refs/heads/{self.name}:{tracking}"
            )
        except GitFailed as error:
            if "couldn't find remote ref" in error.stderr:
                raise NotFound(
                    f"{self.remote} has no branch {self.name}", hints=["git data publish --branch NAME"]
                ) from error
            raise Unreachable(f"{self.remote} could not be fetched: {error.stderr.strip()}") from error
        return self._git.resolve(tracking)

    def move(self, old: str, new: str) -> Answer:  # noqa: ARG002 - the remote knows its own tip
        return self._push(f"{new}:refs/heads/{self.name}")

    def propose(self, new: str) -> Answer:
        return self._push(f"+{new}:refs/heads/{BOT_BRANCH}")

    def _push(self, refspec: str) -> Answer:
        done = self._git.run("push", "--porcelain", self._remote, refspec, env=_SKIP_OUR_HOOKS, ok=range(256))
        said = done.stderr.decode(errors="replace").strip()
        if done.returncode == 0:
            return Answer(Push.DONE)
        lines = done.stdout.decode(errors="replace").splitlines()
        verdicts = [line.split("\t")[-1] for line in lines if line.startswith("!")]
        if not verdicts:
            return Answer(Push.UNKNOWN, said)
        return Answer(_read_verdict(verdicts[0]), "\n".join(part for part in (verdicts[0], said) if part))


def _read_verdict(text: str) -> Push:
    races = ("fetch first", "non-fast-forward", "stale info", "cannot lock ref", "failed to update ref")
    if any(race in text for race in races):
        return Push.OUTRUN
    return Push.REFUSED if "rejected]" in text else Push.UNKNOWN


class LocalBranch:
    """A branch of a repository without remotes; index and work tree follow where it is checked out."""

    def __init__(self, git: Git, manifests: Manifests, name: str | None) -> None:
        current = git.branch()
        if name is None and current is None:
            raise DataError(
                "HEAD is detached: name the branch; nothing was published",
                hints=["git data publish --branch main"],
            )
        self.name = name or current or ""
        self.remote: str | None = None
        self._git = git
        self._manifests = manifests
        self._is_checked_out = self.name == current and git.top is not None

    def fetch(self) -> str:
        try:
            return self._git.resolve(f"refs/heads/{self.name}")
        except NotFound as error:
            raise NotFound(
                f"the branch {self.name} has no commit: nothing was published",
                hints=["git commit", "git data publish --branch NAME"],
            ) from error

    def move(self, old: str, new: str) -> Answer:
        base, after = self._manifests.several([f"{c}:{model.FILE_NAME}" for c in (old, new)])
        done = self._git.run("update-ref", f"refs/heads/{self.name}", new, old, ok=range(256))
        if done.returncode != 0:
            return Answer(Push.OUTRUN, done.stderr.decode(errors="replace").strip())
        if self._is_checked_out and after is not None:
            self._follow(base or Manifest(), after)
        return Answer(Push.DONE)

    def _follow(self, base: Manifest, after: Manifest) -> None:
        """What is staged or written beyond the old tip is carried over to the new one."""
        staged = self._manifests.several([INDEX])[0] or base
        united = merge(base, staged, after).manifest
        blob = write_blob(self._git, model.dumps(united))
        self._git.run("update-index", "--cacheinfo", f"100644,{blob},{model.FILE_NAME}")
        self._manifests.write(merge(base, self._manifests.current(), after).manifest)
        self._git.run("update-index", "-q", "--refresh", "--", model.FILE_NAME, ok=(0, 1))

    def propose(self, new: str) -> Answer:
        self._git.run("update-ref", f"refs/heads/{BOT_BRANCH}", new)
        return Answer(Push.DONE)


def find_branch(git: Git, manifests: Manifests, remote: str | None, name: str | None) -> Branch:
    """The branch to publish: of the named remote, of `origin`, of the only remote; else a local one."""
    remotes = git.output("remote").split()
    if remote is not None and remote not in remotes:
        raise NotFound(f"there is no remote {remote!r}; there are: {', '.join(remotes) or 'none'}")
    chosen = remote or ("origin" if "origin" in remotes else next(iter(remotes), None))
    return RemoteBranch(git, chosen, name) if chosen else LocalBranch(git, manifests, name)


def _default_branch(git: Git, remote: str) -> str:
    known = git.answer("symbolic-ref", "--quiet", f"refs/remotes/{remote}/HEAD")
    if known:
        return known.removeprefix(f"refs/remotes/{remote}/")
    try:
        answer = git.output("ls-remote", "--symref", remote, "HEAD")
    except GitFailed as error:
        raise Unreachable(f"{remote} cannot be asked for its branches: {error.stderr.strip()}") from error
    for line in answer.splitlines():
        if line.startswith("ref: refs/heads/"):
            return line.removeprefix("ref: refs/heads/").split("\t")[0]
    raise NotFound(
        f"{remote} does not say which branch is its default", hints=["git data publish --branch main"]
    )


def write_blob(git: Git, data: bytes) -> str:
    return git.run("hash-object", "-w", "--stdin", stdin=data).stdout.decode().strip()


def commit_manifest(git: Git, parent: str, data: bytes, message: str, trailers: Sequence[str]) -> str:
    """A commit on top of `parent` that changes the manifest alone; the index is a temporary one."""
    blob = write_blob(git, data)
    with tempfile.TemporaryDirectory(prefix="git-data-") as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        git.run("read-tree", parent, env=index)
        git.run("update-index", "--add", "--cacheinfo", f"100644,{blob},{model.FILE_NAME}", env=index)
        tree = git.output("write-tree", env=index)
    text = message + "\n\n" + "\n".join(trailers) + "\n"
    return git.output("commit-tree", tree, "-p", parent, stdin=text.encode(), env=_identity(git))


def _identity(git: Git) -> dict[str, str]:
    """Whoever Git says; a CI runner that has no name commits as the tool."""
    if git.answer("var", "GIT_COMMITTER_IDENT"):
        return {}
    name, mail = "git data", "git-data@users.noreply.invalid"
    return {
        "GIT_AUTHOR_NAME": name,
        "GIT_AUTHOR_EMAIL": mail,
        "GIT_COMMITTER_NAME": name,
        "GIT_COMMITTER_EMAIL": mail,
    }
