"""The branch that publish works for: its tip, and moving it by one commit without a work tree."""

import re
import shlex
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Protocol

from git_datamanager.errors import DataError, ManifestError, NotFound, Unreachable
from git_datamanager.model import manifest as model
from git_datamanager.model.manifest import Manifest, State
from git_datamanager.model.merge import merge
from git_datamanager.workspace.git import Git, GitFailed
from git_datamanager.workspace.manifests import INDEX, Manifests

BOT_BRANCH = "git-data/finalize"
_ENGLISH = {"LC_ALL": "C"}
"""What git says is read here, so it must not be translated."""
_PUSHING = {"GIT_DATA_SKIP": "1", **_ENGLISH}
_NO_RIGHTS = re.compile(
    r"\b403\b|forbidden|permission.*denied|permission for|denied to|not allowed|not granted|read[ -]only",
    re.I,
)
"""In the words of hosts that end the connection instead of giving a verdict on the ref."""
_FINAL = (State.PUBLISHED, State.DELETED)


class Push(StrEnum):
    """What became of a push."""

    DONE = "done"
    OUTRUN = "outrun"
    """Somebody else's commit came first: recompute and try again."""
    REFUSED = "refused"
    """A rule of the branch (protection, a hook) or no rights: trying again changes nothing."""


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
        """Advance the tip from `old` to its child `new`, never by force. Raises Unreachable."""

    def propose(self, new: str) -> Answer:
        """Put the commit on the bot's branch, for a pull request. Raises Unreachable."""

    def proposed(self) -> str | None:
        """The commit that the bot's branch holds now, readable here; None where it holds none."""

    def catch_up(self, tip: str) -> None:
        """Let a work tree follow that a killed run left behind the tip."""


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
                "fetch", "--quiet", "--no-tags", *deepen, self._remote, f"+refs/heads/{self.name}:{tracking}",
                env=_ENGLISH,
            )  # fmt: skip
        except GitFailed as error:
            if "couldn't find remote ref" in error.stderr:
                raise NotFound(
                    f"{self.remote} has no branch {self.name}: nothing was done",
                    hints=[f"git ls-remote --heads {shlex.quote(self._remote)}   # for --branch"],
                ) from error
            raise Unreachable(f"{self.remote} could not be fetched: {error.stderr.strip()}") from error
        return self._git.resolve(tracking)

    def move(self, old: str, new: str) -> Answer:
        # `new` is a child of `old`, so nothing is ever overwritten. The lease only keeps a branch that was
        # deleted or rewound meanwhile from being made anew.
        ref = f"refs/heads/{self.name}"
        answer = self._push(f"{new}:{ref}", f"--force-with-lease={ref}:{old}")
        if isinstance(answer, Answer):
            return answer
        tip = self.fetch()
        if self._git.answer("merge-base", "--is-ancestor", new, tip) is not None:
            return Answer(Push.DONE)
        return self._without_verdict(answer) if tip == old else Answer(Push.OUTRUN, answer)

    def propose(self, new: str) -> Answer:
        answer = self._push(f"+{new}:refs/heads/{BOT_BRANCH}")
        if isinstance(answer, Answer):
            return answer
        found = self._git.answer("ls-remote", self._remote, f"refs/heads/{BOT_BRANCH}")
        return Answer(Push.DONE) if found and found.startswith(new) else self._without_verdict(answer)

    def proposed(self) -> str | None:
        tracking = f"refs/remotes/{self._remote}/{BOT_BRANCH}"
        fetched = self._git.answer(
            "fetch", "--quiet", "--no-tags", self._remote, f"+refs/heads/{BOT_BRANCH}:{tracking}"
        )
        return self._git.resolve(tracking) if fetched is not None else None

    def catch_up(self, tip: str) -> None:
        """Clones are left alone: they pull."""

    def _push(self, refspec: str, *options: str) -> Answer | str:
        """The verdict; without one git's words, and whether it happened is to be seen at the remote."""
        words = ("push", "--porcelain", *options, self._remote, refspec)
        done = self._git.run(*words, env=_PUSHING, ok=range(256))
        said = done.stderr.decode(errors="replace").strip()
        if done.returncode == 0:
            return Answer(Push.DONE)
        lines = done.stdout.decode(errors="replace").splitlines()
        verdicts = [line.split("\t")[-1] for line in lines if line.startswith("!")]
        result = _read_verdict(verdicts[0]) if verdicts else None
        said = "\n".join(part for part in (*verdicts[:1], said) if part)
        return said if result is None else Answer(result, said)

    def _without_verdict(self, said: str) -> Answer:
        if _NO_RIGHTS.search(said):
            return Answer(Push.REFUSED, said)
        raise Unreachable(
            f"the push to {self.remote} did not get through: {said or 'git says nothing'}; "
            "the manifest still says pending",
            hints=[
                f"git push --dry-run {shlex.quote(self._remote)}   # to see why",
                "git data publish   # then again: nothing is copied twice",
            ],
        )


def _read_verdict(text: str) -> Push | None:
    races = ("fetch first", "non-fast-forward", "stale info", "cannot lock ref", "failed to update ref")
    if any(race in text for race in races):
        return Push.OUTRUN
    return Push.REFUSED if "rejected]" in text else None


class LocalBranch:
    """A branch of a repository without remotes; index and work tree follow where it is checked out."""

    def __init__(self, git: Git, manifests: Manifests, name: str | None) -> None:
        current = git.branch()
        if name is None and current is None:
            raise DataError(
                "HEAD is detached: name the branch; nothing was published",
                hints=["--branch main   # names it"],
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
        """Nobody else changes index and work tree between the look at them and what is written."""
        base, after = self._manifests.several([f"{c}:{model.FILE_NAME}" for c in (old, new)])
        with self._manifests.lock() if self._is_checked_out else nullcontext():
            united = _Trees(None, None)
            if self._is_checked_out and after is not None:
                united = self._trees().united(base or Manifest(), after)
            done = self._git.run(
                "update-ref", f"refs/heads/{self.name}", new, old, env=_ENGLISH, ok=range(256)
            )
            if done.returncode != 0:
                return Answer(Push.OUTRUN, done.stderr.decode(errors="replace").strip())
            self._write(united)
        return Answer(Push.DONE)

    def catch_up(self, tip: str) -> None:
        if not self._is_checked_out:
            return
        after = self._manifests.at(tip)
        with self._manifests.lock():
            try:
                trees = self._trees()
            except ManifestError:  # being edited: whoever does so hears of it from the next command
                return
            if any(_lags(manifest, after) for manifest in trees if manifest is not None):
                base = self._manifests.several([f"{tip}^:{model.FILE_NAME}"])[0]
                self._write(trees.united(base or Manifest(), after))

    def _trees(self) -> "_Trees":
        return _Trees(self._manifests.several([INDEX])[0], self._manifests.current())

    def _write(self, trees: "_Trees") -> None:
        """The index first: what is committed next is right also where the rest is not reached."""
        if trees.staged is not None:
            blob = write_blob(self._git, model.dumps(trees.staged))
            self._git.run("update-index", "--cacheinfo", f"100644,{blob},{model.FILE_NAME}")
        if trees.written is not None:
            self._manifests.write(trees.written)
            self._git.run("update-index", "-q", "--refresh", ok=(0, 1))  # with a path it would stage it

    def proposed(self) -> str | None:
        return self._git.answer("rev-parse", "--verify", "--quiet", f"refs/heads/{BOT_BRANCH}^{{commit}}")

    def propose(self, new: str) -> Answer:
        self._git.run("update-ref", f"refs/heads/{BOT_BRANCH}", new)
        return Answer(Push.DONE)


class _Trees(NamedTuple):
    """The manifests of the index (None where it holds none, or three that wait to be merged) and of the
    work tree."""

    staged: Manifest | None
    written: Manifest | None

    def united(self, base: Manifest, after: Manifest) -> "_Trees":
        """What they hold beyond `base` is carried over to `after`."""
        return _Trees(*(None if m is None else merge(base, m, after).manifest for m in self))


def _lags(manifest: Manifest, tip: Manifest) -> bool:
    """An entry is still as it was before publish: what nobody ever undoes by hand."""
    final = {v.id: v.state for _, v in tip.entries() if v.state in _FINAL}
    ranks = list(State)
    return any(ranks.index(v.state) < ranks.index(final.get(v.id, v.state)) for _, v in manifest.entries())


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
    raise NotFound(f"{remote} does not say which branch is its default", hints=["--branch main   # names it"])


def write_blob(git: Git, data: bytes) -> str:
    return git.run("hash-object", "-w", "--stdin", stdin=data).stdout.decode().strip()


def readable(manifest: Manifest) -> bytes:
    """Its canonical bytes. What nobody could read any more is never pushed."""
    data = model.dumps(manifest)
    try:
        model.loads(data)
    except ManifestError as error:
        raise DataError(f"the finalized manifest would not be valid ({error}): it was not pushed") from error
    return data


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
