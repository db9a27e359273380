"""Whether bytes that are not here may be fetched: `data.diff.fetch`, and the user where it says so."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from git_datamanager.cli import render

if TYPE_CHECKING:
    from git_datamanager.manager import DataManager
    from git_datamanager.ops.inside.reading import Entry, MayFetch


def may_fetch(data: "DataManager") -> "MayFetch":
    """The answer for all that one command needs. Raises SettingsError."""
    from git_datamanager.ops.inside import reading

    choice = data.settings.choice("data.diff.fetch")
    return {"never": reading.never, "always": reading.always, "ask": _ask}[choice]


def _ask(wanted: "Sequence[Entry]") -> bool:
    """Once for all; nobody there to answer: no."""
    total = render.size(sum(version.size for _, version in wanted))
    named = ", ".join(f"{d.name} {v.name}" for d, v in wanted[:5]) + (", …" if len(wanted) > 5 else "")
    verb = "is" if len(wanted) == 1 else "are"
    return bool(render.confirm(f"{render.clean(named)} {verb} not here: fetch {total} at most?"))
