"""All Git of the project.

Configuration, index, refs, push and hooks always go through the git command, which alone honours
`git -c`, GIT_CONFIG_COUNT, includeIf, SHA-256 and reftable repositories. Reading goes through
`cat-file --batch`; history walks use pygit2 where it can open the repository (`history.py`).
"""

import os
import re
import shlex
import subprocess
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from git_datamanager.errors import DataError, Locked, ManifestError, NotFound, SettingsError
from git_datamanager.model import strictjson

MAX_BLOB = strictjson.MAX_BYTES
"""What is read of Git's objects is read whole: never more than the biggest manifest."""
_USER = re.compile(rb"(//)(?!git@)[^/?#@\s'\"]*@")
"""The user part of an address: a token, often, and git's password prompt repeats it."""


class GitFailed(DataError):
    """A git command that had to work did not; holds what git said."""

    def __init__(self, args: Sequence[str], code: int, stderr: str) -> None:
        said = stderr.strip() or f"exit status {code}"
        super().__init__(f"git {args[0]} failed: {said}")
        self.code = code
        self.stderr = stderr


class NotARepository(DataError):
    """There is no Git repository here."""


class ConfigEntry(NamedTuple):
    scope: str
    key: str
    value: str


@dataclass(frozen=True)
class Git:
    """One repository, seen from one work tree (or from none, where it is bare)."""

    top: Path | None
    git_dir: Path
    common_dir: Path
    prefix: str = ""
    """From the top to the folder the user stands in, with a slash at the end."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Put over the process environment for every command."""

    @property
    def work_tree(self) -> Path:
        """The top of the work tree. Raises DataError in a bare repository."""
        if self.top is None:
            raise DataError(
                "this repository is bare: there are no working files here, and nothing was changed",
                hints=["git clone it, or name a commit with --rev where the command takes one"],
            )
        return self.top

    @property
    def main_top(self) -> Path:
        """Where relative `file:` stores count from, the same in all linked work trees."""
        if self.top is not None and self.git_dir == self.common_dir:
            return self.top
        return self.common_dir.parent if self.common_dir.name == ".git" else self.common_dir

    def run(
        self,
        *args: str,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
        ok: Iterable[int] = (0,),
    ) -> subprocess.CompletedProcess[bytes]:
        """Run git at the top; GitFailed unless its exit status is one of `ok`. What it says on stderr comes
        without the user part of addresses."""
        done = subprocess.run(
            ["git", *args],
            cwd=self.top or self.git_dir,
            env={**self._environment(), **(env or {})},
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            check=False,
        )
        done.stderr = _USER.sub(rb"\1***@", done.stderr)
        if done.returncode not in ok:
            raise GitFailed(args, done.returncode, done.stderr.decode(errors="replace"))
        return done

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "GIT_LITERAL_PATHSPECS": "1", **self.env}

    def output(self, *args: str, stdin: bytes | None = None, env: Mapping[str, str] | None = None) -> str:
        """What git prints, without the last line end."""
        return self.run(*args, stdin=stdin, env=env).stdout.decode(errors="surrogateescape").rstrip("\n")

    def answer(self, *args: str) -> str | None:
        """What git prints, or None where it says no."""
        done = self.run(*args, ok=range(256))
        return done.stdout.decode(errors="surrogateescape").rstrip("\n") if done.returncode == 0 else None

    # Reading

    def blobs(self, specs: Sequence[str]) -> list[bytes | None]:
        """The contents of `HEAD:path`, `:path` or object ids; None for what does not exist.

        Raises ManifestError for what is bigger than any manifest, before it is read.
        """
        if any("\n" in spec for spec in specs):
            raise NotFound("a line end is no part of a revision")
        if not specs:
            return []
        given = "".join(spec + "\n" for spec in specs).encode(errors="surrogateescape")
        with subprocess.Popen(
            ["git", "cat-file", "--batch"],
            cwd=self.top or self.git_dir,
            env=self._environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                with _fed(process, given) as answers:
                    return [_answer(answers, spec) for spec in specs]
            except EOFError:
                pass
        # It broke off; why stands on its standard error: have it say it again.
        self.run("cat-file", "--batch", stdin=given)
        raise GitFailed(["cat-file"], process.returncode, "an object is damaged: git fsck names it")

    def blob(self, spec: str) -> bytes | None:
        return self.blobs([spec])[0]

    def resolve(self, revision: str) -> str:
        """The full commit id. Raises NotFound."""
        found = self.answer("rev-parse", "--verify", "--quiet", "--end-of-options", revision + "^{commit}")
        if not found:
            raise NotFound(
                f"there is no commit {revision!r} in this repository: nothing was done", hints=["git fetch"]
            )
        return found

    def head(self) -> str | None:
        """The commit of HEAD, None on an unborn branch."""
        return self.answer("rev-parse", "--verify", "--quiet", "HEAD^{commit}")

    def branch(self) -> str | None:
        """The checked-out branch, None where HEAD is detached."""
        return self.answer("symbolic-ref", "--quiet", "--short", "HEAD")

    def where(self) -> tuple[str | None, str | None]:
        """The checked-out branch and the commit of HEAD, in one question to git."""
        found = self.answer("rev-parse", "HEAD", "--symbolic-full-name", "HEAD")
        if found is None:
            return self.branch(), None
        commit, _, name = found.partition("\n")
        return name.removeprefix("refs/heads/") if name != "HEAD" else None, commit

    def coming(self) -> list[str]:
        """What the next commit brings along besides HEAD: the other sides of a merge (an octopus has
        several), the commit of a stopped cherry-pick. The latter may not exist."""
        merging = self.git_dir / "MERGE_HEAD"  # a file with any ref storage, unlike CHERRY_PICK_HEAD
        return [*(merging.read_text().split() if merging.is_file() else ()), "CHERRY_PICK_HEAD"]

    def tracked(self, names: Sequence[str]) -> set[str]:
        """Which of these files or folders hold something that is in the index."""
        out = self.output("ls-files", "-z", "--", *names) if names else ""
        files = out.split("\0")
        return {n for n in names if any(f == n or f.startswith(n + "/") for f in files)}

    def ignored(self, names: Sequence[str]) -> set[str]:
        """Which of these paths an ignore file covers."""
        if not names:
            return set()
        given = "\0".join(names).encode(errors="surrogateescape")
        plain = {"GIT_LITERAL_PATHSPECS": "0"}  # its arguments are paths already, and it says so
        done = self.run("check-ignore", "-z", "--no-index", "--stdin", stdin=given, env=plain, ok=(0, 1))
        return set(done.stdout.decode(errors="surrogateescape").split("\0")) - {""}

    def path(self, name: str) -> Path:
        """Where Git itself keeps `name` (hooks, for one) in this work tree."""
        return Path(
            os.path.normpath((self.top or self.git_dir) / self.output("rev-parse", "--git-path", name))
        )

    def is_shallow(self) -> bool:
        return (self.common_dir / "shallow").exists()

    @cached_property
    def version(self) -> tuple[int, ...]:
        words = self.output("version").split()
        digits = words[2].split(".") if len(words) > 2 else []
        return tuple(int(d) for d in digits if d.isdigit())

    def author(self) -> str:
        """`Name <mail>` of whoever is at work. Raises SettingsError where Git does not know."""
        done = self.run("var", "GIT_AUTHOR_IDENT", ok=range(256))
        if done.returncode != 0:
            raise SettingsError(
                "Git does not know who you are, and a version names its author: nothing was changed",
                hints=['git config user.name "Your Name"', "git config user.email you@example.org"],
            )
        ident = done.stdout.decode(errors="replace")  # in documents that are UTF-8
        return ident.rpartition("> ")[0] + ">"

    # Configuration

    @cached_property
    def config(self) -> tuple[ConfigEntry, ...]:
        """All of git's configuration in its order, the last entry of a key wins."""
        out = self.output("config", "--list", "-z", "--show-scope")
        parts = out.split("\0")
        return tuple(_config_entry(scope, item) for scope, item in zip(parts[::2], parts[1::2], strict=False))

    def set_config(self, key: str, value: str) -> None:
        """Write to this clone's own configuration."""
        self.run("config", "--local", key, value)

    # Writing

    def stage(self, names: Sequence[str]) -> None:
        """Add files to the index, ignored ones too."""
        try:
            self.run("add", "-f", "--", *names)
        except GitFailed as error:
            if "index.lock" not in error.stderr:
                raise
            lock = shlex.quote(str(self.git_dir / "index.lock"))
            raise Locked(
                f"another git holds the index: {', '.join(names)} are written, but not staged",
                hints=[
                    f"git add -f {shlex.join(names)}   # once it is done",
                    f"rm {lock}   # if no git is running: it was killed",
                ],
            ) from error


def open_git(path: str | os.PathLike[str] = ".", *, env: Mapping[str, str] | None = None) -> Git:
    """Find the repository around `path`. Raises NotARepository."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "--is-inside-work-tree", "--absolute-git-dir", "--git-common-dir",
             "--show-prefix", "--show-toplevel"],
            cwd=path, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL,
            capture_output=True, check=False,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise DataError(
            f"git was not found on PATH, or there is no folder {os.fspath(path)!r}",
            hints=["install Git 2.34 or newer"],
        ) from error
    lines = done.stdout.decode(errors="surrogateescape").split("\n")
    if len(lines) < 4:
        said = done.stderr.decode(errors="replace").strip().removeprefix("fatal: ")
        said = said or "not a git repository"
        raise NotARepository(f"{said}: nothing was done", hints=["git init && git data init"])
    inside, git_dir, common, prefix = lines[:4]
    top = Path(lines[4]) if inside == "true" and len(lines) > 5 else None
    here = dict(env or {})
    if "GIT_DIR" in os.environ and top is not None:
        # As given it may be relative, and commands run at the top.
        here |= {"GIT_DIR": git_dir, "GIT_WORK_TREE": str(top)}
    return Git(
        top=top,
        git_dir=Path(git_dir),
        common_dir=Path(os.path.realpath(Path(path) / common)),
        prefix=prefix,
        env=here,
    )


def _config_entry(scope: str, item: str) -> ConfigEntry:
    key, _, value = item.partition("\n")
    return ConfigEntry(scope, key, value)


@contextmanager
def _fed(process: "subprocess.Popen[bytes]", given: bytes) -> Iterator[BinaryIO]:
    """The output of a process that is told `given` meanwhile; it ends with the block."""
    stdin, stdout = process.stdin, process.stdout
    assert stdin is not None and stdout is not None  # noqa: S101 - both are pipes

    def feed() -> None:
        with suppress(BrokenPipeError), stdin:
            stdin.write(given)

    feeder = threading.Thread(target=feed, daemon=True)
    feeder.start()
    try:
        yield cast("BinaryIO", stdout)
    except BaseException:
        process.kill()
        raise
    finally:
        feeder.join()


def _answer(answers: BinaryIO, spec: str) -> bytes | None:
    """The next answer of `cat-file --batch`. Raises EOFError where it is not whole."""
    line = answers.readline()
    if not line:
        raise EOFError
    header = line.rstrip(b"\n").rsplit(b" ", 2)
    if len(header) != 3 or not header[2].isdigit():
        return None
    size = int(header[2])
    if size > MAX_BLOB:
        raise ManifestError(f"{spec} has {size:,} bytes, more than {MAX_BLOB >> 20} MiB: it was not read")
    data = answers.read(size + 1)
    if data[size:] != b"\n":  # a damaged object is shorter than it says
        raise EOFError
    return data[:size] if header[1] == b"blob" else None
