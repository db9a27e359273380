"""How Git merges and shows manifest.json: drivers in the clone's own configuration.

The attributes that ask for them are tracked, the commands never are (reliability.md S14). Without this
configuration, or once git-data is gone, Git merges the file as text.
"""

from collections.abc import Sequence

from git_datamanager.workspace import hook_shims
from git_datamanager.workspace.git import Git

_MERGE = "merge.git-data.driver"
_OPENING = r'^    "(.*)": \{$'
"""The line of the canonical manifest that opens a dataset; its name heads the hunks of a diff."""


def _values() -> dict[str, str]:
    tool = hook_shims.tool() or ""
    recorded = hook_shims.quoted("" if "%" in tool else tool)  # Git would expand the %
    driver = (
        f'f() {{ for t in "$(command -v git-data)" {recorded}; do'
        ' case $t in /* | ?:/*) [ -x "$t" ] || continue ;; *) continue ;; esac;'
        ' "$t" merge-driver "$@"; c=$?; case $c in 0 | 1) return $c ;; esac; done;'
        ' git merge-file --marker-size="$4" -L ours -L base -L theirs "$2" "$1" "$3"; }; f %O %A %B %L %P'
    )
    return {
        "merge.git-data.name": "git data: unites the versions of both sides",
        _MERGE: driver,
        "diff.git-data.xfuncname": _OPENING,
    }


def is_configured(git: Git) -> bool:
    return git.answer("config", "--get", _MERGE) is not None


def configure_drivers(git: Git, *, scope: str = "local", dry_run: bool = False) -> Sequence[str]:
    """Let Git merge manifest.json by its entries; the keys that changed are returned."""
    changed = {k: v for k, v in _values().items() if git.answer("config", f"--{scope}", "--get", k) != v}
    for key, value in changed.items():
        if not dry_run:
            git.run("config", f"--{scope}", "--replace-all", key, value)
    return list(changed)


def remove_drivers(git: Git, *, scope: str = "local", dry_run: bool = False) -> Sequence[str]:
    """Undo `configure_drivers`; what somebody else wrote under these keys stays."""
    gone = [key for key in _values() if _is_ours(key, git.answer("config", f"--{scope}", "--get", key))]
    for key in gone:
        if not dry_run:
            git.run("config", f"--{scope}", "--unset-all", key, ok=(0, 5))
    return gone


def _is_ours(key: str, value: str | None) -> bool:
    """Also as a former release, or one installed elsewhere, wrote it."""
    if value is None:
        return False
    return value == _values()[key] or (key == _MERGE and '"$t" merge-driver "$@"' in value)
