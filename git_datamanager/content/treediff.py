"""What differs between two versions of a folder, member by member."""

from typing import NamedTuple

from git_datamanager.content.tree import Listing


class Changes(NamedTuple):
    """Paths, each list sorted by bytes."""

    added: list[str]
    modified: list[str]
    """Other bytes, or another exec bit."""
    deleted: list[str]

    def __bool__(self) -> bool:
        return bool(self.added or self.modified or self.deleted)


def changes(before: Listing, after: Listing) -> Changes:
    """What somebody did who had `before` and has `after`; one pass over both."""
    added: list[str] = []
    modified: list[str] = []
    deleted: list[str] = []
    n = m = 0
    while n < len(before) and m < len(after):
        one, other = before.paths[n], after.paths[m]
        if one < other:
            deleted.append(one)
            n += 1
        elif other < one:
            added.append(other)
            m += 1
        else:
            if not same(before, n, after, m):
                modified.append(one)
            n, m = n + 1, m + 1
    return Changes(added + after.paths[m:], modified, deleted + before.paths[n:])


def same(one: Listing, n: int, other: Listing, m: int) -> bool:
    """Two members have the same bytes and exec bit."""
    return one.digest(n) == other.digest(m) and one.executable[n] == other.executable[m]
