"""Which members of a folder are asked for: the globs of a partial pull."""

import re
from collections.abc import Sequence

from git_datamanager.content.tree import Listing
from git_datamanager.errors import NotFound

_WORDS = re.compile(r"\*\*/|\*\*|\*|\?|[^*?]+")
_MEANS = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def picked(listing: Listing, globs: Sequence[str]) -> Listing:
    """The members that one of the globs names; all of them without any.

    `*` and `?` stay within a part of the path, `**` does not; a glob that names a folder takes what is
    below. Raises NotFound where one names nothing: it may be misspelt.
    """
    if not globs:
        return listing
    found = [_matches(listing, glob) for glob in globs]
    return listing.picked(sorted({n for some in found for n in some}))


def _matches(listing: Listing, glob: str) -> set[int]:
    words = _WORDS.findall(glob.removeprefix("./").rstrip("/"))
    pattern = re.compile("".join(_MEANS.get(w, re.escape(w)) for w in words) + "(?:/.*)?", re.DOTALL)
    found = {n for n, path in enumerate(listing.paths) if pattern.fullmatch(path)}
    if not found:
        raise NotFound(f"no member of the folder matches {glob[:120]!a}: nothing was changed")
    return found
