"""`git data doctor`: look at everything that `git data` rests on, and say how to put it right.

Nothing here raises for what it finds: a store that is away, a damaged journal, a setting of nonsense
become findings. Without a repository, or before `git data init`, there is less to look at.
"""

import os
from collections.abc import Iterator
from typing import NamedTuple

from git_datamanager.errors import DataError
from git_datamanager.manager import DataManager
from git_datamanager.ops.doctor import clone as doctor_clone
from git_datamanager.ops.doctor import files as doctor_files
from git_datamanager.ops.doctor import tool as doctor_tool
from git_datamanager.ops.doctor.check import Check, Result, failed, ok, skipped, warn
from git_datamanager.workspace import settings
from git_datamanager.workspace.git import Git, open_git


class Diagnosis(NamedTuple):
    """Everything that was looked at, and what was put right meanwhile."""

    checks: list[Check]
    repaired: list[str]

    @property
    def is_failed(self) -> bool:
        return any(check.result is Result.FAIL for check in self.checks)


def doctor(
    path: str | os.PathLike[str] = ".",
    *,
    fix: bool = False,
    offline: bool = False,
    refresh: bool = False,
) -> Diagnosis:
    """Look at tool, clone, files, stores and the push. `fix` repairs what is safe, and looks again.

    `refresh` probes the stores anew instead of believing a probe of the last 7 days.
    """
    checks = list(doctor_tool.looks())
    repaired: list[str] = []
    manager = _opened(path, checks)
    if manager is None:
        return Diagnosis(checks, repaired)
    local = list(_local(manager))
    if fix:
        repaired = [said for check in local for said in _repair(check)]
        local = list(_local(manager)) if repaired else local
    checks += local
    checks += _away(manager) if offline else _online(manager, refresh=refresh)
    return Diagnosis(checks, repaired)


def _opened(path: str | os.PathLike[str], checks: list[Check]) -> DataManager | None:
    """The parts of the clone, as far as there is one; what is missing is a finding."""
    git: Git | None = None
    try:
        git = open_git(path)
        known = settings.load(git)
    except DataError as error:
        if git is not None:
            checks.append(failed("clone", "settings", error))
        else:
            checks.append(skipped("clone", "repository", str(error).removesuffix(": nothing was done")))
        return None
    if not settings.is_initialised(git) and not known.get("data.remote.staging.url"):
        checks.append(warn("clone", "repository", "git data is not set up in it", "git data init"))
        return None
    where = str(git.top or git.git_dir)
    checks.append(ok("clone", "repository", where if git.top else f"{where} (bare: no working files)"))
    return DataManager(git, known)  # it asks nobody about trust: that is a finding


def _local(manager: DataManager) -> Iterator[Check]:
    yield from doctor_clone.looks(manager)
    yield from doctor_files.looks(manager)


def _online(manager: DataManager, *, refresh: bool) -> Iterator[Check]:
    from git_datamanager.ops.doctor import push as doctor_push
    from git_datamanager.ops.doctor import stores as doctor_stores

    yield from doctor_stores.looks(manager, refresh=refresh)
    yield from doctor_push.looks(manager)


def _away(manager: DataManager) -> Iterator[Check]:
    for role in settings.ROLES:
        if manager.settings.get(f"data.remote.{role}.url"):
            yield skipped(role, "store", "offline: no request was sent")
    yield skipped("push", "finalize", "offline")


def _repair(check: Check) -> Iterator[str]:
    if check.repair is None or check.is_sound:
        return
    try:
        yield check.repair()
    except (DataError, OSError) as error:
        yield f"{check.name} could not be put right: {error}"
