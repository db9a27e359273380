"""`git data demo`: the whole story in a scratch folder, with real commands in real processes.

A bare origin, two clones, two folders as stores, a generated database in five versions. Each thing
that happens is yielded as a value: a chapter begins, a command has run, the bytes were compared.
"""

import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from git_datamanager.errors import Corrupt, DataError

NAME = "energy.sqlite"
_ROWS = 4000
_FOREIGN = ("GIT_", "AWS_", "R2_", "S3_", "BOTO", "XDG_", "PRE_COMMIT")
_FOREIGN_NAMES = frozenset(["CI", "EMAIL", "PAGER", "EDITOR", "VISUAL", "NO_COLOR", "FORCE_COLOR"])
_CONFIG = """\
[init]
	defaultBranch = main
[core]
	autocrlf = false
	editor = true
	pager = cat
[advice]
	detachedHead = false
[pull]
	ff = only
"""


class Chapter(NamedTuple):
    """What follows, in one sentence."""

    title: str
    text: str


class Command(NamedTuple):
    """A finished command: who ran it, its exit status, all it printed."""

    who: str
    words: str
    code: int
    output: str


class Fact(NamedTuple):
    """Something the demo did or measured itself."""

    text: str


Scene = Chapter | Command | Fact


def play(folder: Path, *, color: bool = False) -> Iterator[Scene]:
    """Play the story in `folder`, which must be empty or not there yet.

    Raises DataError when a command fails (it was yielded before), Corrupt when bytes differ. With
    `color` the commands colour what they print.
    """
    if shutil.which("git") is None:
        raise DataError("git is not on PATH: the demo runs it")
    _make(folder)
    stage = _Stage(folder.resolve(), color=color)
    for chapter in (_found, _first, _branch, _publish, _colleague, _more, _rollback, _prune, _delete):
        yield from chapter(stage)


def _make(folder: Path) -> None:
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise DataError(f"{folder} is not an empty folder: nothing was changed")
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder} cannot be made: {error.strerror or error}") from error


def scripts_folder() -> Path | None:
    """Where the `git-data` of this interpreter lies; None where it was installed without one."""
    places = (sysconfig.get_path("scripts"), str(Path(sys.executable).parent), _user_scripts())
    names = ("git-data", "git-data.exe")
    found = (Path(place) for place in places if place and any((Path(place) / n).is_file() for n in names))
    return next(found, None)


def _user_scripts() -> str:
    return sysconfig.get_path("scripts", sysconfig.get_preferred_scheme("user"))


@dataclass
class _Stage:
    """The folder, and what the audience knows about each version."""

    root: Path
    color: bool = False
    digests: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.home = self.root / "home"
        self.home.mkdir()
        (self.home / ".gitconfig").write_text(_CONFIG)
        self.env = self._environment(os.environ)

    def _environment(self, around: Mapping[str, str]) -> dict[str, str]:
        """Nothing of the user's own settings and credentials; `git data` found first on PATH."""
        kept = {k: v for k, v in around.items() if not k.startswith(_FOREIGN) and k not in _FOREIGN_NAMES}
        scripts = scripts_folder() or self._shim()
        return kept | {
            "PATH": os.pathsep.join([str(scripts), around.get("PATH", os.defpath)]),
            "HOME": str(self.home),
            "GIT_CONFIG_GLOBAL": str(self.home / ".gitconfig"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CEILING_DIRECTORIES": str(self.root),
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_MERGE_AUTOEDIT": "no",
            "LC_ALL": "C.UTF-8",
            **({"FORCE_COLOR": "1"} if self.color else {"NO_COLOR": "1"}),
        }

    def _shim(self) -> Path:
        """A `git-data` that runs this interpreter, for installations without scripts."""
        folder = self.root / "bin"
        folder.mkdir()
        shim = folder / "git-data"
        shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m git_datamanager "$@"\n')
        shim.chmod(0o755)
        return folder

    def run(self, who: str, *words: str) -> Iterator[Scene]:
        """Run a command in somebody's clone; stop the story when it fails."""
        done = subprocess.run(
            words,
            cwd=self.root / who,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        text = " ".join(_quoted(word) for word in words)
        yield Command(who, text, done.returncode, done.stdout.decode(errors="replace"))
        if done.returncode != 0:
            raise DataError(f"the demo stopped: {text!r} ended with exit status {done.returncode}")

    def clone(self, who: str, name: str) -> Iterator[Scene]:
        """A clone with an author of its own."""
        yield from self.run("", "git", "clone", "-q", "origin.git", who)
        for key, value in (("name", name), ("email", f"{who}@example.org")):
            subprocess.run(
                ["git", "config", f"user.{key}", value], cwd=self.root / who, env=self.env, check=True
            )

    def write(self, version: str, number: int) -> Fact:
        """Make the database what it is in this revision, in ana's clone."""
        path = self.root / "ana" / NAME
        _revise(path, number)
        self.digests[version] = _digest(path)
        size = path.stat().st_size // 1024
        return Fact(f"{NAME} written, {size} KiB, sha256 {self.digests[version][:12]}…")

    def compare(self, who: str, version: str) -> Fact:
        """The working file against the bytes this version was added with. Raises Corrupt."""
        return self.compare_file(Path(who) / NAME, version)

    def compare_file(self, name: Path, version: str) -> Fact:
        found = _digest(self.root / name)
        if found != self.digests[version]:
            raise Corrupt(f"{name} is not {version}: sha256 {found}, not {self.digests[version]}")
        return Fact(f"{name.as_posix()} is byte for byte {version}: sha256 {found[:12]}…")


def _quoted(word: str) -> str:
    return f'"{word}"' if " " in word else word


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _revise(path: Path, number: int) -> None:
    """Revision 1 makes the table, each further one changes some rows and appends a few."""
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(
            "CREATE TABLE IF NOT EXISTS capacity"
            " (id INTEGER PRIMARY KEY, technology TEXT NOT NULL, region TEXT NOT NULL, megawatt REAL)"
        )
        database.execute("UPDATE capacity SET megawatt = megawatt + ? WHERE id % 97 = ?", (number, number))
        first = database.execute("SELECT coalesce(max(id), 0) FROM capacity").fetchone()[0]
        database.executemany(
            "INSERT INTO capacity (technology, region, megawatt) VALUES (?, ?, ?)",
            (
                (f"technology-{row % 40}", f"region-{row % 50}", row * 7 % 1000 / 10)
                for row in range(first, first + (_ROWS if number == 1 else 100))
            ),
        )


def _found(stage: _Stage) -> Iterator[Scene]:
    yield Chapter("A repository", "Two folders beside the clone are the stores: no account, no server.")
    yield from stage.run("", "git", "init", "-q", "--bare", "-b", "main", "origin.git")
    yield from stage.clone("ana", "Ana")
    yield from stage.run("ana", "git", "data", "init")
    yield from stage.run("ana", "git", "commit", "-q", "-m", "Set up git data")
    yield from stage.run("ana", "git", "push", "-q", "-u", "origin", "main")


def _first(stage: _Stage) -> Iterator[Scene]:
    yield Chapter("The first version", "add hashes the file; the commit hook brings its bytes to staging.")
    yield stage.write("v1", 1)
    yield from stage.run("ana", "git", "data", "add", NAME, "-m", "First release")
    yield from stage.run("ana", "git", "commit", "-q", "-m", "Add the capacities")
    yield from stage.run("ana", "git", "push", "-q")
    yield from stage.run("ana", "git", "data", "status")


def _branch(stage: _Stage) -> Iterator[Scene]:
    yield Chapter("A branch, a review, a merge", "The data file follows the branch; a review sees its rows.")
    yield from stage.run("ana", "git", "switch", "-q", "-c", "update")
    yield stage.write("v2", 2)
    yield from stage.run("ana", "git", "data", "status")
    yield from stage.run("ana", "git", "data", "add", NAME, "-m", "Capacities of 2026")
    yield from stage.run("ana", "git", "commit", "-q", "-m", "Update the capacities")
    yield from stage.run("ana", "git", "push", "-q", "-u", "origin", "update")
    yield from stage.run("ana", "git", "switch", "-q", "main")
    yield stage.compare("ana", "v1")
    yield from stage.run("ana", "git", "data", "diff", "main", "update", "--rows", "2")
    yield from stage.run("ana", "git", "merge", "-q", "--no-ff", "-m", "Merge branch 'update'", "update")
    yield stage.compare("ana", "v2")
    yield from stage.run("ana", "git", "push", "-q")


def _publish(stage: _Stage) -> Iterator[Scene]:
    yield Chapter("Publish", "After the merge CI copies what is pending from staging to production.")
    yield from _go_live(stage)
    digest = stage.digests["v2"]
    yield stage.compare_file(Path("ana.data") / "production" / "objects" / digest[:2] / digest, "v2")


def _go_live(stage: _Stage) -> Iterator[Scene]:
    yield from stage.run("ana", "git", "data", "publish")
    yield from stage.run("ana", "git", "pull", "-q")


def _colleague(stage: _Stage) -> Iterator[Scene]:
    yield Chapter("A colleague", "Ben clones, confirms once where the data comes from, and pulls it.")
    yield from stage.clone("ben", "Ben")
    yield from stage.run("ben", "git", "data", "trust", "--yes")
    yield from stage.run("ben", "git", "data", "pull")
    yield stage.compare("ben", "v2")
    yield from stage.run("ben", "git", "data", "status")


def _more(stage: _Stage) -> Iterator[Scene]:
    yield Chapter("Three more versions", "Each is added, committed and pushed; one publish takes them all.")
    for number in (3, 4, 5):
        yield stage.write(f"v{number}", number)
        yield from stage.run("ana", "git", "data", "add", NAME, "-m", f"Correction {number - 2}")
        yield from stage.run("ana", "git", "commit", "-q", "-m", f"Correct the capacities ({number - 2})")
    yield from stage.run("ana", "git", "push", "-q")
    yield from _go_live(stage)
    yield from _follow(stage, "v5")


def _follow(stage: _Stage, version: str) -> Iterator[Scene]:
    """Ben catches up."""
    yield from stage.run("ben", "git", "pull", "-q")
    yield from stage.run("ben", "git", "data", "pull")
    yield stage.compare("ben", version)


def _rollback(stage: _Stage) -> Iterator[Scene]:
    yield Chapter("Back to version 2", "A rollback is a new version with old bytes: nothing is copied.")
    yield from stage.run("ana", "git", "data", "rollback", NAME, "--to", "v2")
    stage.digests["v6"] = stage.digests["v2"]
    yield from stage.run("ana", "git", "data", "pull", NAME)
    yield stage.compare("ana", "v6")
    yield from stage.run("ana", "git", "commit", "-q", "-m", "Go back to the capacities of v2")
    yield from stage.run("ana", "git", "push", "-q")
    yield from _go_live(stage)
    yield from _follow(stage, "v6")


def _prune(stage: _Stage) -> Iterator[Scene]:
    yield Chapter("Prune", "Old versions become tombstones; v6 keeps the bytes that it shares with v2.")
    yield from stage.run("ana", "git", "data", "prune", NAME, "--keep", "2", "--yes", "-m", "superseded")
    yield from stage.run("ana", "git", "commit", "-q", "-m", "Keep two versions")
    yield from stage.run("ana", "git", "push", "-q")
    yield from _go_live(stage)
    yield from stage.run("ana", "git", "data", "log", NAME)
    yield from stage.run("ben", "git", "pull", "-q")
    for version in ("v6", "v5"):
        place = f"{version}.sqlite"
        yield from stage.run("ben", "git", "data", "pull", f"{NAME}@{version}", "-o", place)
        yield stage.compare_file(Path("ben") / place, version)


def _delete(stage: _Stage) -> Iterator[Scene]:
    yield Chapter("Delete", "The dataset leaves the listings; its history, with all digests, stays.")
    yield from stage.run("ana", "git", "data", "delete", NAME, "--yes", "-m", "the project has ended")
    yield from stage.run("ana", "git", "commit", "-q", "-m", "Delete the capacities")
    yield from stage.run("ana", "git", "push", "-q")
    yield from _go_live(stage)
    yield from stage.run("ana", "git", "data", "ls")
    yield from stage.run("ana", "git", "data", "log", NAME)
    yield stage.compare("ana", "v6")
