"""Which paths may be members of a folder: docs/spec/tree-v1.md. The rules of names, fast enough for a
million of them."""

import re
from collections.abc import Sequence

from git_datamanager.errors import Corrupt, NameRefused
from git_datamanager.model.names import check_name, fold

# Nothing in such a part can be refused; all others are looked at closely. Not plain: a dot or tilde in
# the wrong place, and what may begin like a device of Windows.
_DEVICE = r"[cCpPaAnNlL][oOrRuUpP][nNxXlLmMtT]"
_PART = rf"(?!{_DEVICE})[A-Za-z0-9_=+-][A-Za-z0-9_=+. -]*+(?<![. ])"
_UNUSUAL = re.compile(rf"^(?!{_PART}(?:/{_PART})*+$).*+$", re.MULTILINE | re.ASCII)
_LONG = 150
"""A path of at most so many characters has no part that is too long."""
_ROWS = 1 << 14


def check_members(paths: Sequence[str], folders: Sequence[str]) -> None:
    """Raise Corrupt for a path no system should see, or for two that are one file somewhere.

    `folders` are those the members lie in, at every depth. No path may hold a line feed.
    """
    for start in range(0, len(paths), _ROWS):
        for path in _UNUSUAL.findall("\n".join(paths[start : start + _ROWS])):
            _check(path)
    for path in paths:
        if len(path) > _LONG:
            _check(path)
    _check_twins(paths, folders)


def _check(path: str) -> None:
    if refused := refusal(path):
        raise Corrupt(refused)


def refusal(path: str) -> str | None:
    """Why a path cannot be a member's; None where it can."""
    try:
        check_name(f"_/{path}")  # what is reserved at the top of a repository is free inside of a folder
    except NameRefused as error:
        reason = error.message.rpartition(" cannot be a dataset name: ")[2]
        return f"{path[:120]!a} cannot be a member's name: {reason}"
    return None


def _check_twins(paths: Sequence[str], folders: Sequence[str]) -> None:
    every = [*folders, *paths]
    keys = fold("\n".join(every)).split("\n")
    if not every or len(set(keys)) == len(every):
        return
    seen: dict[str, str] = {}
    for name, key in zip(every, keys, strict=True):
        if key in seen:
            raise Corrupt(f"{seen[key][:120]!a} and {name[:120]!a} are the same file on some systems")
        seen[key] = name
