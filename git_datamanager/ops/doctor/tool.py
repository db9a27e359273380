"""The tool itself: which `git data` runs, with which Git. Needs no repository."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from git_datamanager import __version__
from git_datamanager.ops.doctor.check import Check, each, fail, ok, warn

OLDEST_GIT = (2, 34)
_TOPIC = "tool"


def looks() -> Iterator[Check]:
    yield from each(_TOPIC, [("git data", _tool), ("git", _git), ("PATH", _path)])


def _tool() -> Check:
    """Git and the hooks run the first `git-data` on PATH: it should be this one."""
    here = f"{__version__}, Python {platform.python_version()}"
    found = shutil.which("git-data")
    if found is None:
        folder = Path(sys.argv[0]).resolve().parent
        return warn(
            _TOPIC, "git data", f"{here}: git-data is not on PATH, so `git data` is no command",
            f'export PATH="{folder}:$PATH"',
        )  # fmt: skip
    if Path(found).resolve().parent == Path(sys.executable).absolute().parent.resolve():
        return ok(_TOPIC, "git data", f"{here} ({found})")
    return _another(found, here)


def _another(found: str, here: str) -> Check:
    try:
        done = subprocess.run([found, "--version"], capture_output=True, text=True, check=False, timeout=10)
        said = done.stdout.strip()
    except (OSError, subprocess.TimeoutExpired) as error:
        return fail(_TOPIC, "git data", f"{found} on PATH does not run ({error})", f"ls -l {found}")
    if not said.startswith("git-data version "):
        return fail(
            _TOPIC, "git data", f"{found} comes first on PATH and is another program of the same name",
            "type -a git-data   # move this one in front",
        )  # fmt: skip
    version = said.removeprefix("git-data version ")
    if version == __version__:
        return ok(_TOPIC, "git data", f"{here} ({found})")
    return warn(
        _TOPIC, "git data", f"this is {here}, hooks and `git data` run {version} ({found})",
        "type -a git-data   # update or remove the other",
    )  # fmt: skip


def _git() -> Check:
    from git_datamanager.workspace.git import Git

    here = Path.cwd()
    version = Git(top=None, git_dir=here, common_dir=here).version
    text = ".".join(map(str, version))
    if version < OLDEST_GIT:
        return fail(_TOPIC, "git", f"{text} is older than 2.34, the oldest that is tried")
    return ok(_TOPIC, "git", text)


def _path() -> Check:
    """A relative entry runs what a repository ships: its own `git-data` or `python3`."""
    loose = [part for part in os.environ.get("PATH", "").split(os.pathsep) if not Path(part).is_absolute()]
    if loose:
        shown = ", ".join(repr(part) for part in loose)
        return warn(
            _TOPIC, "PATH", f"{shown} in PATH: programs of the folder you stand in would run",
            'echo "$PATH"   # take relative and empty entries out where it is set',
        )  # fmt: skip
    return ok(_TOPIC, "PATH", "every entry is an absolute folder")
