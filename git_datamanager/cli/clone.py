"""What `init`, `add` and `prepare` see to in a clone: that its hooks are there."""

import os
from typing import TYPE_CHECKING

from git_datamanager.cli import render

if TYPE_CHECKING:
    from git_datamanager.manager import DataManager
    from git_datamanager.workspace.git import Git


def ensure_hooks(manager: "DataManager", *, dry_run: bool) -> None:
    """Put missing hooks in place and say so; not in CI, and not where somebody said no."""
    mode = manager.settings.choice("data.hooks")
    if dry_run or mode == "none" or os.environ.get("CI") == "true":
        return
    from git_datamanager.workspace import hooks_install

    if hooks_install.needs_install(manager.git):
        render.note(_install(manager.git, mode))


def hint_hooks(manager: "DataManager") -> None:
    """In a clone that nobody has set up yet; costs no question to git."""
    keys = {entry.key for entry in manager.git.config}
    wanted = manager.settings.choice("data.hooks") != "none" and os.environ.get("CI") != "true"
    if wanted and "merge.git-data.driver" not in keys:
        render.hint("git data install   # the hooks and the merge driver, once per clone")


def install_for_init(*, no_hooks: bool) -> str:
    """Install hooks and merge driver, or note that this clone wants none; one line for the user."""
    from git_datamanager.workspace.git import open_git
    from git_datamanager.workspace.settings import load

    git = open_git()
    if no_hooks:
        git.set_config("data.hooks", "none")
        from git_datamanager.workspace.drivers import configure_drivers

        configure_drivers(git)
        return "no hooks: run git data upload before you push"
    mode = load(git).choice("data.hooks")
    return _install(git, mode) if mode != "none" else "no hooks (data.hooks=none)"


def _install(git: "Git", mode: str) -> str:
    from git_datamanager.workspace.drivers import configure_drivers
    from git_datamanager.workspace.hooks_install import Deed, install

    configure_drivers(git)
    steps = install(git, mode)
    left = [step for step in steps if step.deed is Deed.LEFT]
    done = len(steps) - len(left)
    how = "config" if any(step.deed is Deed.CONFIGURED for step in steps) else "files"
    text = f"installed {done} hooks ({how})"
    if left:
        events = ", ".join(step.event for step in left)
        text += f"; others' hooks were left alone: {events} (git data install shows the lines to add)"
    return text
