"""Commands that are caught in the act: stopped at an event, interrupted, killed."""

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.bad.scene import TEMP, Scene
from tests.world import Clone, Done

TOOL = [sys.executable, "-P", "-m", "git_datamanager"]


@dataclass
class Running:
    """A command in a session of its own."""

    process: subprocess.Popen[bytes]

    def interrupt(self) -> Done:
        """Ctrl-C: the terminal sends SIGINT to the whole foreground group."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.end()

    def kill(self) -> Done:
        os.killpg(self.process.pid, signal.SIGKILL)
        return self.end()

    def end(self) -> Done:
        out, err = self.process.communicate(timeout=60)
        return Done(self.process.returncode, out.decode(), err.decode(errors="replace"))

    @property
    def orphans(self) -> list[str]:
        """Processes of its session that are left."""
        done = subprocess.run(
            ["ps", "-o", "args=", "-s", str(self.process.pid)], capture_output=True, text=True, check=False
        )
        return done.stdout.splitlines()


def start(clone: Clone, *words: str, prefix: tuple[str, ...] = ()) -> Running:
    return Running(
        subprocess.Popen(
            [*prefix, *TOOL, *words],
            cwd=clone.path,
            env={**os.environ, **clone.env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    )


def needs_strace() -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    probe = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip("strace may not trace here")


def strace(clone: Clone, *words: str, options: list[str]) -> subprocess.CompletedProcess[str]:
    """Run under strace, child processes (git) included."""
    return subprocess.run(
        ["strace", "-f", "--seccomp-bpf", "-qq", *options, *TOOL, *words],
        cwd=clone.path,
        env={**os.environ, **clone.env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def temps(scene: Scene) -> list[Path]:
    return list(scene.root.rglob(f"{TEMP}*"))
