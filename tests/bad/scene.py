"""What the tests of bad input share: a world that is quickly there, and what every refusal owes.

A refusal says what happened, what was not changed and what to run; it has its exit code, no
traceback, and leaves every byte of the user's where it was.
"""

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.world import Clone, Done, World

EXIT_CODES = frozenset((0, 1, 3, 4, 5, 6, 7, 128, 129, 130))
TEMP = ".git-data-tmp-"
UNCHANGED = re.compile(
    r"nothing (\w+ )*(was|is|were)|(was|were) (left|not)|left as it is|stays? |no request"
    r"|not (read|written|changed|sent|staged)"
)


@dataclass
class Scene:
    """A founded world: `ana` has run init (two folder stores beside her clone), committed, pushed."""

    root: Path
    ana: Clone

    @property
    def world(self) -> World:
        return World(self.root, f"file:{self.staging}", f"file:{self.production}")

    @property
    def staging(self) -> Path:
        return self.root / "ana.data" / "staging"

    @property
    def production(self) -> Path:
        return self.root / "ana.data" / "production"

    def clone(self, name: str, *, trust: bool = True) -> Clone:
        return self.world.clone(name, trust=trust)

    def object(self, store: str, oid: str) -> Path:
        """The file of an object in a folder store, by its oid or hex digest."""
        digest = oid.removeprefix("sha256:")
        folder = self.staging if store == "staging" else self.production
        return folder / "objects" / digest[:2] / digest

    def add(self, name: str, data: bytes | str, *, upload: bool = True, push: bool = True) -> str:
        """A committed pending version of ana's; returns its oid."""
        self.ana.write(name, data)
        self.ana.data("add", name)
        oid = self.ana.versions(name)[0]["oid"]
        self.ana.commit(f"Add {name}")
        if upload:
            self.ana.data("upload")
        if push:
            self.ana.git("push", "-q")
        return str(oid)

    def publish(self, *, code: int | None = 0) -> Done:
        """What CI does; ana's clone follows."""
        done = self.ana.data("publish", code=code)
        self.ana.git("pull", "-q")
        return done


def build(root: Path, env: dict[str, str]) -> Scene:
    """Found a world below `root`."""
    (root / "ana").mkdir(parents=True)
    ana = Clone(root / "ana", env)
    ana.run("git", "init", "-q", "--bare", "-b", "main", "origin.git", cwd="..")
    ana.run("git", "clone", "-q", "origin.git", "ana", cwd="..")
    ana.data("init", "--no-hooks")
    ana.commit("Set up git data")
    ana.git("push", "-q", "-u", "origin", "main")
    return Scene(root, Clone(ana.path))


def copy(template: Scene, root: Path) -> Scene:
    """The same world elsewhere: its stores are relative, the address of its origin is rewritten."""
    shutil.copytree(template.root, root, symlinks=True)
    config = root / "ana" / ".git" / "config"
    config.write_text(config.read_text().replace(str(template.root), str(root)))
    return Scene(root, Clone(root / "ana"))


def digests(root: Path) -> Iterator[tuple[str, str]]:
    """Every file below a folder with what it holds; links with where they point."""
    for folder, folders, files in os.walk(root):
        for name in sorted(files) + [f for f in folders if Path(folder, f).is_symlink()]:
            path = Path(folder, name)
            if path.is_symlink():
                yield str(path.relative_to(root)), f"-> {path.readlink()}"
            elif path.is_file():
                yield str(path.relative_to(root)), hashlib.sha256(path.read_bytes()).hexdigest()


_OWN = re.compile(
    r"(^|/)(\.git|origin\.git)/(objects/|index$|logs/|FETCH_HEAD$|ORIG_HEAD$|data/(journal|state)\.db|data/lock$)"
    r"|\.lock$"
)
"""What may change although nothing of the user's did; the index is compared by what it lists."""
_MAY_APPEAR = re.compile(r"/\.git/data/(cache|kept|tmp)/")


class Still:
    """Everything of the user's in a world: working files, manifest, index, refs, cache, stores."""

    def __init__(self, scene: Scene) -> None:
        self._root = scene.root
        self._files = self._look()
        self._git = self._refs()

    def _look(self) -> dict[str, str]:
        return {name: what for name, what in digests(self._root) if not _OWN.search(name)}

    def _refs(self) -> dict[str, str]:
        found = {}
        for git in sorted(self._root.glob("*/.git")):
            for args in (("ls-files", "-s"), ("for-each-ref",), ("rev-parse", "HEAD")):
                done = subprocess.run(
                    ["git", *args], cwd=git.parent, capture_output=True, text=True, check=False
                )
                found[f"{git.parent.name} {args[0]}"] = done.stdout
        return found

    def check(self, *, but: Sequence[str] = ()) -> None:
        """Nothing is lost or changed, nothing half-written lies about. `but` are patterns of names."""
        now = self._look()
        free = [re.compile(pattern) for pattern in but]
        for name, what in self._files.items():
            if not any(pattern.search(name) for pattern in free):
                assert name in now, f"{name} is gone"
                assert now[name] == what, f"{name} has other bytes"
        new = [n for n in now.keys() - self._files.keys() if not _MAY_APPEAR.search(n)]
        unexpected = [n for n in new if not any(pattern.search(n) for pattern in free)]
        assert not unexpected, f"unexpected files: {unexpected}"
        assert not [n for n in now if TEMP in n], "temporary files are left"
        if not but:
            assert self._refs() == self._git


def silent(done: Done) -> Done:
    """No traceback, no fault of its own, an exit code of the list."""
    assert "Traceback" not in done.text, done.text
    assert "fault of its own" not in done.text, done.text
    assert done.code in EXIT_CODES, done.code
    return done


def refused(done: Done, code: int, *says: str, run: str | None, unchanged: bool = True) -> Done:
    """The command failed as a refusal should: `says` are facts, `run` the command to go on with."""
    silent(done)
    assert done.code == code, f"exit {done.code}, not {code}\n{done.text}"
    lines = done.err.splitlines()
    assert any(line.startswith("error: ") for line in lines), done.text
    for text in says:
        assert text in done.err, f"{text!r} is not said in\n{done.err}"
    if unchanged:
        assert UNCHANGED.search(done.err), f"it does not say what was not changed:\n{done.err}"
    if run is not None:
        hints = "\n".join(line for line in lines if line.startswith("hint: "))
        assert hints and run in hints, f"no hint {run!r} in\n{done.err}"
    return done
