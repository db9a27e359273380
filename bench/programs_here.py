"""The peers found on this machine, and their versions."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from git_datamanager import __version__

_NAMES = {
    "git": ["--version"],
    "git-lfs": ["version"],
    "dvc": ["--version"],
    "git-annex": ["version", "--raw"],
    "s5cmd": ["version"],
    "rclone": ["version"],
    "aws": ["--version"],
    "restic": ["version"],
    "borg": ["--version"],
    "localbucket": ["--version"],
    "sqldiff": ["--help"],
    "daff": ["version"],
}
_LIBRARIES = ("boto3", "obstore")


@dataclass(frozen=True)
class Programs:
    """Where each program is; for a library, the Python that has it. What is missing is not a key."""

    paths: dict[str, str]

    def __getitem__(self, name: str) -> str:
        return self.paths[name]

    def __contains__(self, name: str) -> bool:
        return name in self.paths

    def versions(self) -> dict[str, str]:
        """What each says of itself; "not here" for the others."""
        asked = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))"
        questions = _NAMES | {name: ["-c", asked, name] for name in _LIBRARIES}
        said = {name: self._said(name, words) for name, words in questions.items()}
        return {"git-datamanager": __version__, **said}

    def _said(self, name: str, words: Sequence[str]) -> str:
        if name not in self:
            return "not here"
        done = subprocess.run([self[name], *words], capture_output=True, text=True, check=False)
        found = re.search(r"\d+\.\d[\w.]*", done.stdout or done.stderr)
        return found[0] if found else "?"


def find(folders: Sequence[Path]) -> Programs:
    """Look in these folders, beside this Python, and on PATH, in this order."""
    places = [*map(str, folders), str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    found = {name: shutil.which(name, path=os.pathsep.join(places)) for name in _NAMES}
    pythons = [*(str(folder / "python") for folder in folders), sys.executable]
    found |= {name: next((one for one in pythons if _has(one, name)), None) for name in _LIBRARIES}
    return Programs({name: path for name, path in found.items() if path is not None})


def _has(python: str, library: str) -> bool:
    if not Path(python).exists():
        return False
    look = "import importlib.util, sys; sys.exit(importlib.util.find_spec(sys.argv[1]) is None)"
    return subprocess.run([python, "-c", look, library], check=False).returncode == 0
