"""Which dataset names are safe on every system (the security cases S01-S08 of tests/model/test_names.py).

A name is the path of a file or folder in the repository, `/`-separated. The rules are the same
everywhere, so that a name accepted on Linux cannot hurt a colleague on Windows or macOS.
"""

import re
import shlex
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from git_datamanager.errors import NameRefused

MAX_NAME = 1024
MAX_COMPONENT = 200  # leaves room for what is put beside a file: "-journal", temporary names

_REFUSED = tuple(
    (re.compile(pattern, re.ASCII), reason)
    for pattern, reason in (
        (r"\A\Z", "it is empty"),
        (r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]", "it holds a control character"),
        (r"[\u202a-\u202e\u2066-\u2069]", "it holds a character that reverses the direction of text"),
        (r"\\", "it holds a backslash; folders are separated by /"),
        (r"\A(/|[A-Za-z]:)", "it is an absolute path; name a file inside the repository"),
        (r":", "it holds a colon (a drive or stream on Windows)"),
    )
)
# What NTFS calls a reserved name in its short form: git~1, gitmod~1, or a hash as in gi7eba~1.
_SHORT = re.compile(r"(git[a-z]{0,3}|gi[0-9a-f]{4}|env|manife|pre-co)~[0-9]+(\..*)?", re.ASCII)
# HFS+ compares names without these (git: next_hfs_char in utf8.c).
_IGNORED = re.compile(r"[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")
_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", "conin$", "conout$"]
    + [f"{port}{digit}" for port in ("com", "lpt") for digit in "0123456789"]
)
# Git itself, CI, and this tool read their instructions from these.
_ANYWHERE = frozenset([".git", ".gitmodules", ".gitattributes", ".gitignore", ".env"])
_AT_THE_TOP = frozenset(
    [
        ".gitdata",
        "manifest.json",
        ".github",
        ".gitea",
        ".forgejo",
        ".gitlab",
        ".gitlab-ci.yml",
        ".pre-commit-config.yaml",
    ]
)


def fold(name: str) -> str:
    """The form in which two names are the same file on some system: case and Unicode form ignored.

    Canonical caseless matching of the Unicode standard (D145), without what HFS+ ignores.
    """
    if name.isascii():
        return name.lower()
    decomposed = unicodedata.normalize("NFD", _IGNORED.sub("", name))
    return unicodedata.normalize("NFD", decomposed.casefold())


def check_name(name: str) -> str:
    """Return the name, or raise NameRefused with the reason."""
    reason = _refusal(name)
    if reason:
        raise NameRefused(f"{name[:120]!r} cannot be a dataset name: {reason}")
    return name


def _refusal(name: str) -> str | None:
    if reason := next((reason for pattern, reason in _REFUSED if pattern.search(name)), None):
        return reason
    if len(name.encode()) > MAX_NAME:
        return f"it is longer than {MAX_NAME} bytes"
    parts = name.split("/")
    return next((r for n, part in enumerate(parts) if (r := _component_refusal(part, top=n == 0))), None)


def _component_refusal(part: str, *, top: bool) -> str | None:
    if part == "":
        return "it holds an empty folder name (two slashes, or one at the end)"
    if part in (".", ".."):
        return f"it holds the component {part!r}"
    if len(part.encode()) > MAX_COMPONENT:
        return f"a component is longer than {MAX_COMPONENT} bytes"
    if part[-1] in ". ":
        return "a component ends with a dot or a space (Windows drops them)"
    return _reserved(_disguised(part), top=top)


def _disguised(part: str) -> str:
    """The name some file system takes this for: HFS+ ignores format characters, most ignore case."""
    if part.isascii():
        return part.lower()
    visible = "".join(c for c in part if unicodedata.category(c) != "Cf")
    return fold(unicodedata.normalize("NFKC", visible)).rstrip(". ")


def belongs_to_git(name: str) -> bool:
    """Git or this tool reads it as instructions or secrets: no name of data under any other path."""
    parts = name.split("/")
    return any(_is_anothers(_disguised(part), top=n == 0) for n, part in enumerate(parts))


def _is_anothers(plain: str, *, top: bool) -> bool:
    return plain in _ANYWHERE or bool(_SHORT.fullmatch(plain)) or (top and plain in _AT_THE_TOP)


def _reserved(plain: str, *, top: bool) -> str | None:
    if not plain:
        return "a component has no visible character"
    if _is_anothers(plain, top=top):
        return f"{plain!r} belongs to Git or to this tool"
    device = plain.partition(".")[0].rstrip()
    if device in _DEVICES:
        return f"{device!r} is a device on Windows"
    if plain.startswith(".git-data-"):
        return "names that start with .git-data- are temporary files of this tool"
    return None


def overlapping(names: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Positions of two names that cannot stand side by side: one file somewhere, or one in the other."""
    # "/" becomes the lowest character, so that all of a folder follows its name at once.
    keys = sorted((fold(name).replace("/", "\0"), position) for position, name in enumerate(names))
    outer, outer_position = "", -1
    for key, position in keys:
        if outer_position >= 0 and (key == outer or key.startswith(outer + "\0")):
            yield outer_position, position
        else:
            outer, outer_position = key, position


def pasteable(name: str) -> str:
    """The name as one word of a shell command, in a hint: quoted, and never taken for an option."""
    return shlex.quote(f"./{name}" if name.startswith("-") else name)


def check_together(names: Iterable[str]) -> None:
    """Refuse names that are one file somewhere (case, Unicode form), or of which one lies in another."""
    every = list(names)
    for first, second in overlapping(every):
        one, other = every[first], every[second]
        if fold(one) == fold(other):
            raise NameRefused(f"{one[:120]!r} and {other[:120]!r} are the same file on some systems")
        raise NameRefused(f"{other[:120]!r} lies inside the dataset {one[:120]!r}")
