"""Where Git looks for hooks in a clone, and what it finds there."""

import os
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from git_datamanager.workspace import hook_recipes, hook_shims
from git_datamanager.workspace.git import Git
from git_datamanager.workspace.hook_shims import EVENTS, Hook

CONFIG_HOOKS = (2, 54)
"""Git runs hooks from its configuration since this version (git-hook(1))."""


class Condition(StrEnum):
    INSTALLED = "installed"
    OUTDATED = "outdated"
    """Written by another release, or not executable."""
    EDITED = "edited"
    """Ours, with changes of somebody's own."""
    MISSING = "missing"
    FOREIGN = "foreign"
    """Somebody else's hook stands there and does not call us."""


class HookState(NamedTuple):
    """One event as it is."""

    event: str
    condition: Condition
    via: str | None = None
    """config, file, block (in a hook of somebody else), legacy, or the hook manager that calls us."""
    path: Path | None = None
    manager: str | None = None
    """Whose hook a foreign one is: husky, lefthook, pre-commit, git-lfs, tracked."""


class Place(NamedTuple):
    """The hooks folder that Git uses."""

    folder: Path
    manager: str | None
    """Set where the folder is not ours to write to: husky, tracked (in the work tree), nobody."""


def state(git: Git) -> list[HookState]:
    """Every event, as Git would find it now."""
    by_config = configured(git) if git.version >= CONFIG_HOOKS else {}
    place = find_place(git)
    return [
        HookState(event, Condition.INSTALLED, "config") if event in by_config else state_in(git, place, event)
        for event in EVENTS
    ]


def find_place(git: Git) -> Place:
    """Git's own answer, whatever links lead there; a folder inside the work tree is its repository's."""
    folder = git.path("hooks")
    if folder.exists() and not folder.is_dir():
        return Place(folder, "nobody")  # core.hooksPath = /dev/null
    real = Path(os.path.realpath(folder))
    inner = [Path(os.path.realpath(d)) for d in (git.git_dir, git.common_dir)]
    if (
        git.top is not None
        and real.is_relative_to(os.path.realpath(git.top))
        and not any(real.is_relative_to(d) for d in inner)
    ):
        return Place(folder, "husky" if ".husky" in real.parts else "tracked")
    return Place(folder, None)


def state_in(git: Git, place: Place, event: str) -> HookState:
    """What a hooks folder holds for an event."""
    path = place.folder / event
    hook = Hook(path, None, exists=True) if place.manager == "nobody" else hook_shims.read(path)
    if place.manager is None and not hook.exists:
        return HookState(event, Condition.MISSING, path=path)
    if hook.is_ours:
        return HookState(event, _own_condition(hook), "file", path, place.manager)
    legacy = hook_shims.read(path.with_name(event + ".legacy"))
    if hook.manager == "pre-commit" and legacy.is_ours:
        return HookState(event, _own_condition(legacy), "legacy", path, hook.manager)
    if hook.has_block:
        complete = hook_shims.read(shim_home(git) / event).is_current
        condition = Condition.INSTALLED if complete else Condition.OUTDATED
        return HookState(event, condition, "block", path, hook.manager)
    manager = place.manager or hook.manager
    if git.top is not None and hook_recipes.follows(git.top, manager, event, path):
        return HookState(event, Condition.INSTALLED, manager or "hook", path, manager)
    return HookState(event, Condition.FOREIGN, None, path, manager)


def _own_condition(hook: Hook) -> Condition:
    if not hook.is_pristine:
        return Condition.EDITED
    return Condition.INSTALLED if hook.is_current and os.access(hook.path, os.X_OK) else Condition.OUTDATED


def shim_home(git: Git, scope: str = "local") -> Path:
    """Shims that configuration and blocks call; those of a clone move with it."""
    if scope == "local":
        return git.common_dir / "data" / "hooks"
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "git-data" / "hooks"


def configured(git: Git, scope: str | None = None) -> dict[str, str]:
    """Event → the command under our key, in one scope or as Git sees it."""
    scopes = [f"--{scope}"] if scope else []
    out = git.answer("config", *scopes, "-z", "--get-regexp", r"^hook\.git-data-.*\.command$") or ""
    items = (item.partition("\n") for item in out.split("\0") if item)
    found = {key.removeprefix("hook.git-data-").removesuffix(".command"): value for key, _, value in items}
    return {event: found[event] for event in EVENTS if event in found}
