"""Repositories with our hooks in them; the program is the real one or a stub that takes notes."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from git_datamanager.workspace import hook_shims
from tests.world import Clone

SHELLS = [shell for shell in ("/bin/sh", "/usr/bin/dash", "/bin/bash") if Path(shell).exists()]


@dataclass
class Stub:
    """A program named git-data that writes down how it was called."""

    folder: Path
    log: Path

    @property
    def calls(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    @property
    def stdin(self) -> str:
        return self.log.with_suffix(".stdin").read_text()


def write_program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def path_without_tool(*folders: Path) -> str:
    """PATH where no git-data is, but for these folders."""
    plain = [p for p in os.environ["PATH"].split(os.pathsep) if not (Path(p) / "git-data").exists()]
    return os.pathsep.join([*map(str, folders), *plain])


@pytest.fixture
def stub(tmp_path: Path) -> Stub:
    folder = tmp_path / "a bin"
    log = tmp_path / "calls"
    write_program(
        folder / "git-data",
        f"#!/bin/sh\necho \"$*\" >> '{log}'\ncase $2 in pre-push|post-rewrite) cat > '{log}.stdin' ;; esac\n"
        'exit "${STUB_EXIT-0}"\n',
    )
    return Stub(folder, log)


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stub: Stub) -> Clone:
    """A repository with a blank in its path, .gitdata and a manifest in it, and the stub on PATH."""
    monkeypatch.setenv("PATH", path_without_tool(stub.folder))
    path = tmp_path / "a clone"
    subprocess.run(["git", "init", "-q", str(path)], check=True)
    clone = Clone(path)
    clone.write(".gitdata", "[data]\n")
    clone.write("manifest.json", "{}\n")
    clone.git("add", "-A")
    clone.commit("first")
    return clone


def shim_path(event: str) -> Path:
    return hook_shims.folder() / event


def run_shim(
    clone: Clone,
    event: str,
    *args: str,
    shell: str = "/bin/sh",
    stdin: str = "",
    env: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [shell, str(shim_path(event)), *args],
        cwd=clone.path, input=stdin, capture_output=True, text=True, check=False,
        env={**os.environ, **(env or {})},
    )  # fmt: skip
