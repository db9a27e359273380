"""Repositories that can be brought back to a moment, and data put into them."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from measuring import command

LINKED = 1 << 20
"""From this size on files of an image are hard links: stores write new files, never into old ones."""


def repository(origin: Path, work: Path, env: Mapping[str, str]) -> None:
    """A bare origin and a clone of it with a first commit."""
    origin.parent.mkdir(parents=True, exist_ok=True)
    command("git", "init", "-q", "--bare", "-b", "main", origin, cwd=origin.parent, env=env)
    command("git", "clone", "-q", origin.as_uri(), work, cwd=origin.parent, env=env)
    command("git", "commit", "-q", "--allow-empty", "-m", "Begin", cwd=work, env=env)
    command("git", "push", "-q", "-u", "origin", "main", cwd=work, env=env)


def put(source: Path, target: Path) -> None:
    """A copy of a file or folder that shares nothing with it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copyfile(source, target)


def overwrite(path: Path, source: Path) -> None:
    """Write into the file itself, as a database does, so that it stays the same file."""
    with source.open("rb") as data, path.open("r+b") as file:
        shutil.copyfileobj(data, file, 1 << 20)
        file.truncate()


def remove(path: Path) -> None:
    """A file, link or folder, whether it is there or not, protected or not."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir():
        for folder, _, _ in os.walk(path):
            Path(folder).chmod(0o755)  # git-annex takes the right to remove from its own
        shutil.rmtree(path)


def size(path: Path) -> int:
    """Bytes of all files below."""
    return sum(one.stat().st_size for one in path.rglob("*") if one.is_file())


class Image:
    """What lies in a work tree under some names, `.git` above all, kept beside it to be brought back."""

    def __init__(self, work: Path, *names: str) -> None:
        self.work, self.names = work, (".git", *names)
        self.kept = work.with_name(work.name + ".image")
        remove(self.kept)
        self.kept.mkdir()
        for name in self.names:
            _copy(work / name, self.kept / name)

    def restore(self, *strangers: str) -> None:
        """Back to that moment; `strangers` came later and go."""
        for name in (*self.names, *strangers):
            remove(self.work / name)
        for name in self.names:
            _copy(self.kept / name, self.work / name)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, copy_function=_copy_file)
    elif source.exists():
        _copy_file(str(source), str(target))


def _copy_file(source: str, target: str) -> str:
    if Path(source).stat().st_size >= LINKED:
        os.link(source, target)
    else:
        shutil.copy2(source, target)
    return target
