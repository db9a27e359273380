"""How Git merges and shows manifest.json: drivers in the clone's own configuration.

The attributes that ask for them are tracked, the commands never are (reliability.md S14). Without this
configuration, or once git-data is gone, Git merges the file as text.
"""

from collections.abc import Sequence

from git_datamanager.workspace import hook_shims
from git_datamanager.workspace.git import Git

_MERGE = "merge.git-data.driver"
_DIFF = "diff.git-data.xfuncname"
_TEXT = "diff.git-data.textconv"
_OPENING = r'^    "(.*)": \{$'
"""The line of the canonical manifest that opens a dataset; its name heads the hunks of a diff."""
_OPENINGS = _OPENING + "\n" + r"^dataset (.*)$"
"""And that of the text which is shown in its place."""
_FORMER = (_OPENING,)
"""What earlier releases wrote."""


def _values() -> dict[str, str]:
    tool = hook_shims.tool() or ""
    # Git ends the whole diff where a textconv fails, so a tool that is gone or fails shows the file as it is.
    text = (
        f'f() {{ for t in "$(command -v git-data)" {hook_shims.quoted(tool)}; do'
        ' case $t in /* | ?:/*) [ -x "$t" ] || continue ;; *) continue ;; esac;'
        ' "$t" textconv "$1" 2>/dev/null; case $? in 0) return 0 ;; 2) break ;; esac; done; cat "$1"; }; f'
    )
    recorded = hook_shims.quoted("" if "%" in tool else tool)  # Git would expand the %
    driver = (
        f'f() {{ for t in "$(command -v git-data)" {recorded}; do'
        ' case $t in /* | ?:/*) [ -x "$t" ] || continue ;; *) continue ;; esac;'
        ' "$t" merge-driver "$@"; c=$?; case $c in 0 | 1) return $c ;; esac; done;'
        ' git merge-file --marker-size="$4" -L ours -L base -L theirs "$2" "$1" "$3"; }; f %O %A %B %L %P'
    )
    # The driver first: a name without one makes every merge die ("lacks command line").
    return {
        _MERGE: driver,
        "merge.git-data.name": "git data: unites the versions of both sides",
        _DIFF: _OPENINGS,
        _TEXT: text,
    }


def is_configured(git: Git) -> bool:
    return git.answer("config", "--get", _MERGE) is not None


def configure_drivers(git: Git, *, scope: str = "local", dry_run: bool = False) -> Sequence[str]:
    """Let Git merge manifest.json by its entries, and show what changed in the data; the keys that changed
    are returned. A text that somebody else configured stays."""
    found = {key: git.answer("config", f"--{scope}", "--get", key) for key in _values()}
    changed = {k: v for k, v in _values().items() if found[k] != v}
    if not _is_ours(_TEXT, found[_TEXT]):
        del changed[_TEXT]
    for key, value in changed.items():
        if not dry_run:
            git.run("config", f"--{scope}", "--replace-all", key, value)
    return list(changed)


def remove_drivers(git: Git, *, scope: str = "local", dry_run: bool = False) -> Sequence[str]:
    """Undo `configure_drivers`; a driver that somebody else wrote under our name stays."""
    merge = git.answer("config", f"--{scope}", "--get", _MERGE)
    gone = []
    if merge is not None and '"$t" merge-driver "$@"' in merge:  # of any release, installed anywhere
        gone.append(_MERGE)
        if not dry_run:
            git.run("config", f"--{scope}", "--remove-section", "merge.git-data")
    for key in (_DIFF, _TEXT):
        value = git.answer("config", f"--{scope}", "--get", key)
        if value is not None and _is_ours(key, value):
            gone.append(key)
            if not dry_run:
                git.run("config", f"--{scope}", "--unset-all", key)
    return gone


def _is_ours(key: str, value: str | None) -> bool:
    """Nobody's, or written by a release of git data, installed anywhere."""
    if value is None:
        return True
    return value in (_OPENINGS, *_FORMER) if key == _DIFF else '"$t" textconv "$1"' in value
