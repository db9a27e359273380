"""`git data install` and `uninstall`: the hooks of a clone, beside everybody else's.

A hook that is not ours is never changed unless asked to (`append`), and is never an error. Nothing is
written into the work tree: a folder of tracked hooks belongs to its repository.
"""

import os
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from git_datamanager import fsio
from git_datamanager.errors import SettingsError
from git_datamanager.workspace import drivers, hook_recipes, hook_shims
from git_datamanager.workspace.git import Git
from git_datamanager.workspace.hook_shims import EVENTS, Hook
from git_datamanager.workspace.hook_state import (
    CONFIG_HOOKS,
    Condition,
    HookState,
    Place,
    configured,
    find_place,
    shim_home,
    state,
    state_in,
)


class Deed(StrEnum):
    WRITTEN = "written"
    UPGRADED = "upgraded"
    CURRENT = "current"
    """It was right already."""
    CONFIGURED = "configured"
    APPENDED = "appended"
    REMOVED = "removed"
    LEFT = "left"
    """Not ours to change; `advice` are the exact lines to add by hand."""


class Step(NamedTuple):
    """What was done (in a dry run: would be) for one event."""

    event: str
    deed: Deed
    path: Path | None = None
    advice: str = ""


def needs_install(git: Git) -> bool:
    """There is a hook or driver that `install` would put in place."""
    lacking = (Condition.MISSING, Condition.OUTDATED)
    return not drivers.is_configured(git) or any(s.condition in lacking for s in state(git))


def install(
    git: Git,
    mode: str = "auto",
    *,
    scope: str = "local",
    append: bool = False,
    force: bool = False,
    dry_run: bool = False,
) -> list[Step]:
    """Put the hooks in place; running it again changes nothing.

    `mode` as `data.hooks`, `scope` local or global; `append` adds a marked block to an sh hook of
    somebody else, `force` replaces a hook of ours that was edited. Raises SettingsError where Git is
    too old for what was asked.
    """
    if mode == "none":
        return []
    tool = hook_shims.tool()
    if _by_config(git, mode, scope):
        steps = [_configure(git, event, scope, tool, dry_run=dry_run) for event in EVENTS]
        if scope == "local":
            _remove_files(git, dry_run=dry_run)
        return steps
    writer = _Writer(git, tool, append=append, force=force, dry_run=dry_run)
    place = find_place(git)
    return [writer.write(place, event) for event in EVENTS]


def _by_config(git: Git, mode: str, scope: str) -> bool:
    is_able = git.version >= CONFIG_HOOKS
    if mode == "files" and scope == "global":
        raise SettingsError(
            "hook files belong to one clone: nothing was installed", hints=["git data install --hooks=files"]
        )
    if not is_able and (mode == "config" or scope == "global"):
        version = ".".join(map(str, git.version[:3]))
        raise SettingsError(
            f"hooks in Git's configuration need Git 2.54, this is {version}: nothing was installed",
            hints=["git data install --hooks=files   # in each clone"],
        )
    return is_able and mode != "files"


def uninstall(git: Git, *, scope: str = "local", dry_run: bool = False) -> list[Step]:
    """Take away what `install` wrote, precisely; a hook of ours that was edited is left, and named."""
    steps = []
    for event in configured(git, scope):
        steps.append(Step(event, Deed.REMOVED))
        if not dry_run:
            for key in ("command", "event"):
                git.run("config", f"--{scope}", "--unset-all", f"hook.git-data-{event}.{key}", ok=(0, 5))
            (shim_home(git, scope) / event).unlink(missing_ok=True)
    if scope == "local":
        steps += _remove_files(git, dry_run=dry_run)
    return steps


# Configuration


def _command(git: Git, event: str, scope: str) -> str:
    """One line for sh that does nothing once the shim is gone."""
    if scope == "global":
        shim = hook_shims.quoted((shim_home(git, scope) / event).as_posix())
    else:
        shim = f'"$(git rev-parse --git-common-dir)/data/hooks/{event}"'
    return f'f() {{ h={shim}; [ ! -f "$h" ] || sh "$h" "$@"; }}; f'


def _configure(git: Git, event: str, scope: str, tool: str | None, *, dry_run: bool) -> Step:
    command = _command(git, event, scope)
    shim = shim_home(git, scope) / event
    wanted = hook_shims.text(event, tool)
    if configured(git, scope).get(event) == command and hook_shims.read(shim).data == wanted:
        return Step(event, Deed.CURRENT, shim)
    if not dry_run:
        _write(shim, wanted)
        for key, value in (("command", command), ("event", event)):
            git.run("config", f"--{scope}", "--replace-all", f"hook.git-data-{event}.{key}", value)
    return Step(event, Deed.CONFIGURED, shim)


# Files


class _Writer:
    """Puts the shim of an event into a hooks folder, or says why not."""

    def __init__(self, git: Git, tool: str | None, *, append: bool, force: bool, dry_run: bool) -> None:
        self._git = git
        self._tool = tool
        self._append = append
        self._force = force
        self._dry_run = dry_run

    def write(self, place: Place, event: str) -> Step:
        found = state_in(self._git, place, event)
        path = place.folder / event
        if found.condition is Condition.MISSING:
            return self._put(path, event, Deed.WRITTEN)
        if place.manager is not None:
            done = found.condition is Condition.INSTALLED
            return Step(event, Deed.CURRENT, path) if done else self._leave(path, found.manager, event)
        if found.via in ("file", "legacy"):
            own = path if found.via == "file" else path.with_name(event + ".legacy")
            return self._refresh(own, found, event)
        if found.via == "block":
            return self._put(shim_home(self._git) / event, event, Deed.UPGRADED)
        if found.condition is Condition.INSTALLED:
            return Step(event, Deed.CURRENT, path)
        return self._chain(path, found.manager, event)

    def _refresh(self, path: Path, found: HookState, event: str) -> Step:
        if found.condition is Condition.EDITED and not self._force:
            return Step(event, Deed.LEFT, path, f"git data install --force   # replaces {path}\n")
        return self._put(path, event, Deed.UPGRADED)

    def _chain(self, path: Path, manager: str | None, event: str) -> Step:
        """Beside somebody else's hook, where that was asked for and can be done."""
        legacy = path.with_name(event + ".legacy")
        if not self._append:
            return self._leave(path, manager, event)
        if manager == "pre-commit" and not os.path.lexists(legacy):
            return self._put(legacy, event, Deed.APPENDED)  # the framework runs it before its own
        data = hook_shims.read(path).data
        changed = hook_shims.with_block(data, event) if data is not None else None
        if changed is None:
            return self._leave(path, manager, event)
        self._put(shim_home(self._git) / event, event, Deed.WRITTEN)
        if not self._dry_run:
            fsio.write_durably(path, changed)
        return Step(event, Deed.APPENDED, path)

    def _leave(self, path: Path, manager: str | None, event: str) -> Step:
        if manager == "nobody":
            return Step(event, Deed.LEFT, path, "git config --unset core.hooksPath   # it turns hooks off\n")
        if manager in (None, "git-lfs"):
            self._put(shim_home(self._git) / event, event, Deed.WRITTEN)  # what the lines call
        return Step(event, Deed.LEFT, path, hook_recipes.recipe(manager, event))

    def _put(self, path: Path, event: str, deed: Deed) -> Step:
        wanted = hook_shims.text(event, self._tool)
        if hook_shims.read(path).data == wanted and os.access(path, os.X_OK):
            return Step(event, Deed.CURRENT, path)
        if not self._dry_run:
            _write(path, wanted)
        return Step(event, deed, path)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fsio.write_durably(path, data, mode=0o777)
    path.chmod(path.stat().st_mode | 0o555)


def _remove_files(git: Git, *, dry_run: bool) -> list[Step]:
    place = find_place(git)
    steps = []
    for event in EVENTS if place.manager is None else ():
        path = place.folder / event
        for hook in (hook_shims.read(path), hook_shims.read(path.with_name(event + ".legacy"))):
            step = _remove(hook, event, dry_run=dry_run)
            steps += [step] if step else []
    for event in EVENTS:
        if not dry_run and event not in configured(git, "local"):
            (shim_home(git) / event).unlink(missing_ok=True)
    return steps


def _remove(hook: Hook, event: str, *, dry_run: bool) -> Step | None:
    if hook.has_block and hook.data is not None:
        if not dry_run:
            fsio.write_durably(hook.path, hook_shims.without_block(hook.data))
        return Step(event, Deed.REMOVED, hook.path)
    if not hook.is_ours:
        return None
    if not hook.is_pristine:
        return Step(
            event, Deed.LEFT, hook.path, f"rm {hook_shims.quoted(str(hook.path))}   # it was edited\n"
        )
    if not dry_run:
        hook.path.unlink()
    return Step(event, Deed.REMOVED, hook.path)
