"""A world for stories: a bare origin, clones, two stores, and the real command line.

Commands run as a user runs them: `git data …` in a subprocess, with the environment of the seal.
"""

import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests import forkserver

_SECONDS = 300


class CommandFailed(AssertionError):
    """A command that had to work did not."""


@dataclass(frozen=True)
class Done:
    """A finished command."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err

    def json(self) -> dict[str, Any]:
        return json.loads(self.out)


@dataclass
class Clone:
    """A work tree in which commands run."""

    path: Path
    env: dict[str, str] = field(default_factory=dict)

    def run(
        self, *args: str, code: int | None = 0, env: Mapping[str, str] | None = None, cwd: str = ""
    ) -> Done:
        """Run a program; its exit status must be `code` (None: any)."""
        changed = {**self.env, **(env or {})}
        ended = _ended(args, self.path / cwd, changed)
        out, err = ended.out.decode(errors="replace"), ended.err.decode(errors="replace")
        if code is not None and ended.code != code:
            raise CommandFailed(f"{' '.join(args)}: exit {ended.code}, not {code}\n{out}\n{err}")
        return Done(ended.code, out, err)

    def git(
        self, *args: str, code: int | None = 0, env: Mapping[str, str] | None = None, cwd: str = ""
    ) -> Done:
        return self.run("git", *args, code=code, env=env, cwd=cwd)

    def data(
        self, *args: str, code: int | None = 0, env: Mapping[str, str] | None = None, cwd: str = ""
    ) -> Done:
        """`git data …`."""
        return self.git("data", *args, code=code, env=env, cwd=cwd)

    def json(self, *args: str, code: int | None = 0, env: Mapping[str, str] | None = None) -> dict[str, Any]:
        return self.data(*args, "--json", code=code, env=env).json()

    def commit(self, message: str = "change", *args: str) -> Done:
        return self.git("commit", "-q", "-m", message, *args)

    def write(self, name: str, data: bytes | str) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    def read(self, name: str) -> bytes:
        return (self.path / name).read_bytes()

    def manifest(self) -> dict[str, Any]:
        return json.loads(self.read("manifest.json"))

    def versions(self, name: str) -> list[dict[str, Any]]:
        return self.manifest()["datasets"][name]["versions"]

    def states(self, name: str) -> dict[str, str]:
        """Version → state."""
        return {v["version"]: v["state"] for v in self.versions(name)}


def _ended(args: Sequence[str], folder: Path, changed: Mapping[str, str]) -> forkserver.Ended:
    env = {**os.environ, **changed}
    if forkserver.usable(args, changed):
        return forkserver.run(args, folder, env, seconds=_SECONDS)
    done = subprocess.run(
        args,
        cwd=folder,
        env=env | forkserver.below_git(args, changed),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=_SECONDS,
    )
    return forkserver.Ended(done.returncode, done.stdout, done.stderr)


@dataclass
class World:
    """Everything below one folder."""

    root: Path
    staging: str
    production: str

    @property
    def origin(self) -> Path:
        return self.root / "origin.git"

    def clone(self, name: str, *, trust: bool = True) -> Clone:
        subprocess.run(
            ["git", "clone", "-q", str(self.origin), str(self.root / name)], check=True, capture_output=True
        )
        clone = Clone(self.root / name)
        clone.git("remote", "set-url", "origin", "../origin.git")  # a copy of the world finds its own
        if trust and (clone.path / ".gitdata").exists():
            clone.data("trust", "--yes")
        return clone

    def found(self, name: str = "ana", *init: str) -> Clone:
        """The first clone: `git data init`, committed and pushed; in a copied world it is there."""
        if (self.root / name).is_dir():
            return Clone(self.root / name)
        clone = self.clone(name)
        clone.data("init", "--staging", self.staging, "--production", self.production, *init)
        clone.commit("Set up git data")
        clone.git("push", "-q", "-u", "origin", "main")
        return clone

    def publish(self, clone: Clone, *args: str, code: int | None = 0) -> Done:
        """What CI does after a merge: a fresh clone, trusted because it runs reviewed commits."""
        runner = self.root / "runner"
        if not runner.exists():
            self.clone("runner", trust=False)
        return Clone(runner, clone.env).data(
            "publish", *args, code=code, env={"GIT_DATA_TRUST": "1", "CI": "true"}
        )

    def object(self, store: str, hex_digest: str) -> Path:
        """The file of an object in a folder store."""
        return self.folder(store) / "objects" / hex_digest[:2] / hex_digest

    def folder(self, store: str) -> Path:
        """The folder of a folder store."""
        url = {"staging": self.staging, "production": self.production}[store]
        return (self.root / "any-clone" / url.removeprefix("file:")).resolve()

    def copy(self, root: Path) -> "World":
        """The same world elsewhere; for worlds with relative stores."""
        shutil.copytree(self.root, root, symlinks=True)
        return World(root, self.staging, self.production)


def movable_world(root: Path) -> World:
    """Folder stores named relative to the clones, so that the whole world can be copied."""
    return new_world(root, staging="file:../store/staging", production="file:../store/production")


def new_world(root: Path, *, staging: str | None = None, production: str | None = None) -> World:
    """A bare origin; folder stores unless addresses are given."""
    root.mkdir(parents=True, exist_ok=True)
    world = World(
        root,
        staging or f"file:{root / 'store' / 'staging'}",
        production or f"file:{root / 'store' / 'production'}",
    )
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(world.origin)], check=True)
    return world


def make_database(path: Path, rows: int, *, seed: int = 0, page: int = 4096) -> None:
    """A small table of energy technologies; equal arguments make equal rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(f"PRAGMA page_size = {page}")
        database.execute("CREATE TABLE technology (id INTEGER PRIMARY KEY, name TEXT, capacity REAL)")
        database.executemany(
            "INSERT INTO technology (name, capacity) VALUES (?, ?)",
            ((f"tech-{n}", (n * 7 + seed) % 1000 / 10) for n in range(rows)),
        )
