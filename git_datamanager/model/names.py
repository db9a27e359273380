"""Which dataset names are safe on every system: reliability.md S01-S08.

A name is the path of a file or folder in the repository, `/`-separated. The rules are the same
everywhere, so that a name accepted on Linux cannot hurt a colleague on Windows or macOS.
"""

import re
import unicodedata
from collections.abc import Iterable

from git_datamanager.errors import NameRefused

MAX_NAME = 1024
MAX_COMPONENT = 200  # leaves room for what is put beside a file: "-journal", temporary names

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_DRIVE = re.compile(r"[A-Za-z]:", re.ASCII)
_SHORT_GIT = re.compile(r"git~[0-9]+", re.ASCII)
_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", "conin$", "conout$"]
    + [f"{port}{digit}" for port in ("com", "lpt") for digit in "0123456789\u00b9\u00b2\u00b3"]
)
# Git itself, and this tool, read their instructions from these.
_ANYWHERE = frozenset([".git", ".gitmodules", ".gitattributes", ".gitignore", ".env"])
_AT_THE_TOP = frozenset([".gitdata", "manifest.json", ".github", ".gitlab-ci.yml", ".pre-commit-config.yaml"])


def fold(name: str) -> str:
    """The form in which two names are the same file on some system: case and Unicode form ignored."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def check_name(name: str) -> str:
    """Return the name, or raise NameRefused with the reason."""
    reason = _refusal(name)
    if reason:
        raise NameRefused(f"{name[:120]!r} cannot be a dataset name: {reason}")
    return name


def _refusal(name: str) -> str | None:
    if not name:
        return "it is empty"
    if _CONTROL.search(name):
        return "it holds a control character"
    if len(name.encode()) > MAX_NAME:
        return f"it is longer than {MAX_NAME} bytes"
    if "\\" in name:
        return "it holds a backslash; folders are separated by /"
    if name.startswith("/") or _DRIVE.match(name):
        return "it is an absolute path; name a file inside the repository"
    parts = name.split("/")
    return next((r for n, part in enumerate(parts) if (r := _component_refusal(part, top=n == 0))), None)


def _component_refusal(part: str, *, top: bool) -> str | None:
    if part == "":
        return "it holds an empty folder name (two slashes, or one at the end)"
    if part in (".", ".."):
        return f"it holds the component {part!r}"
    if len(part.encode()) > MAX_COMPONENT:
        return f"a component is longer than {MAX_COMPONENT} bytes"
    if ":" in part:
        return "it holds a colon (a drive or stream on Windows)"
    if part[-1] in ". ":
        return "a component ends with a dot or a space (Windows drops them)"
    return _reserved(_disguised(part), top=top)


def _disguised(part: str) -> str:
    """The name some file system takes this for: HFS+ ignores format characters, most ignore case."""
    visible = "".join(c for c in part if unicodedata.category(c) != "Cf")
    return fold(unicodedata.normalize("NFKC", visible)).rstrip(". ")


def _reserved(plain: str, *, top: bool) -> str | None:
    if plain in _ANYWHERE or _SHORT_GIT.fullmatch(plain) or (top and plain in _AT_THE_TOP):
        return f"{plain} belongs to Git or to this tool"
    if plain.split(".", maxsplit=1)[0].rstrip() in _DEVICES:
        return f"{plain} is a device name on Windows"
    if plain.startswith(".git-data-"):
        return "names that start with .git-data- are temporary files of this tool"
    return None


def check_together(names: Iterable[str]) -> None:
    """Refuse names that are one file somewhere (case, Unicode form), or of which one lies in another."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(fold(name), name)
        if other != name:
            raise NameRefused(f"{name!r} and {other!r} are the same file where case does not count")
    for folded, name in seen.items():
        parent = folded
        while "/" in parent:
            parent = parent.rpartition("/")[0]
            if parent in seen:
                raise NameRefused(f"{name!r} lies inside the dataset {seen[parent]!r}")
