"""`git data ci setup`: writes the CI's files into a repository, and says what only a person can click."""

import hashlib
import json
import re
from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from git_datamanager import __version__, fsio
from git_datamanager.errors import DataError, SettingsError
from git_datamanager.manager import DataManager
from git_datamanager.ops.ci import steps as ci_steps
from git_datamanager.workspace.git import Git

HOSTS = ("github", "gitlab")
STORES = ("aws", "r2")
_FILES = {
    "github": {
        f".github/workflows/git-data-{name}.yml": f"github/{name}.yml"
        for name in ("preview", "publish", "cleanup")
    },
    "gitlab": {".gitlab/git-data.gitlab-ci.yml": "gitlab/git-data.gitlab-ci.yml"},
}
_FOR_ONE_STORE = re.compile(r"^(.*?) *#(aws|r2)$")
_SEAL = "# As it was written: sha256 "


class Outcome(StrEnum):
    WRITTEN = "written"
    UNCHANGED = "unchanged"
    PLANNED = "planned"
    CHANGED = "changed"
    """Somebody edited it: it was left as it is."""


class WrittenFile(NamedTuple):
    path: str
    outcome: Outcome


class Setup(NamedTuple):
    host: str
    store: str
    files: list[WrittenFile]
    steps: list[ci_steps.Step]
    """What is left for a person."""


def setup(
    manager: DataManager, host: str, *, store: str | None = None, force: bool = False, dry_run: bool = False
) -> Setup:
    """Write the files of one host. An edited one is left alone without `force`.

    `store` is one of STORES; without it the configured production store tells. Raises SettingsError
    where it does not, DataError where a folder on the way is a link.
    """
    chosen = store or _store_of(manager)
    branch = _default_branch(manager.git)
    files = []
    for path, template in _FILES[host].items():
        text = rendered(template, store=chosen, branch=branch)
        files.append(_placed(manager.git.work_tree, path, text, force=force, dry_run=dry_run))
    steps = ci_steps.steps(host, chosen, ci_steps.Project.of(manager.git, branch))
    return Setup(host, chosen, files, steps)


def rendered(template: str, *, store: str | None, branch: str, version: str = __version__) -> str:
    """A template of the package for one kind of store (None: for all), pinned to a version, sealed."""
    text = resources.files("git_datamanager").joinpath("templates", template).read_text(encoding="utf-8")
    lines = [line for raw in text.splitlines() if (line := _for_store(raw, store)) is not None]
    text = "\n".join(lines) + "\n"
    # A filter of branches is a pattern; a JSON string is one of YAML too.
    pattern = re.sub(r"([*?+!\[\]\\])", r"\\\1", branch)
    text = text.replace('"@BRANCH@"', json.dumps(pattern)).replace("@VERSION@", version)
    return text + _SEAL + _digest(text) + "\n"


def _for_store(line: str, store: str | None) -> str | None:
    match = _FOR_ONE_STORE.match(line)
    if match is None:
        return line
    return match[1] if store in (None, match[2]) else None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _is_ours(text: str) -> bool:
    """It is as some version of this tool wrote it."""
    body, found, seal = text.rpartition(_SEAL)
    return bool(found) and seal.strip() == _digest(body)


def _placed(top: Path, path: str, text: str, *, force: bool, dry_run: bool) -> WrittenFile:
    target = top / path
    _refuse_links(top, target)
    standing = target.read_text(encoding="utf-8", errors="replace") if target.exists() else None
    if standing == text:
        return WrittenFile(path, Outcome.UNCHANGED)
    if standing is not None and not _is_ours(standing) and not force:
        return WrittenFile(path, Outcome.CHANGED)
    if dry_run:
        return WrittenFile(path, Outcome.PLANNED)
    target.parent.mkdir(parents=True, exist_ok=True)
    fsio.write_durably(target, text.encode())
    return WrittenFile(path, Outcome.WRITTEN)


def _refuse_links(top: Path, target: Path) -> None:
    """A tracked link would have us write wherever it leads."""
    for place in (target, *target.parents):
        if place == top:
            return
        if place.is_symlink():
            raise DataError(f"{place.relative_to(top)} is a symbolic link: nothing was written")


def _store_of(manager: DataManager) -> str:
    url = manager.remotes.remote("production").url
    hints = [f"git data ci setup github --store {store}" for store in STORES]
    if url.startswith("r2:") or "r2.cloudflarestorage.com" in url:
        return "r2"
    if url.startswith("s3:"):
        return "aws"
    raise SettingsError(
        "the production store is a folder, which no CI job of a host can reach: nothing was written",
        hints=["git config -f .gitdata data.remote.production.url s3://bucket/prefix", *hints],
    )


def _default_branch(git: Git) -> str:
    known = git.answer("symbolic-ref", "--quiet", "refs/remotes/origin/HEAD")
    return known.removeprefix("refs/remotes/origin/") if known else git.branch() or "main"
