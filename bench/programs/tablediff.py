"""Compare two files row by row, as `git data diff` does once it has them: counts, and 20 rows of each kind.

python tablediff.py BEFORE AFTER
"""

import sys
from pathlib import Path

from git_datamanager.tables.compare import Wish
from git_datamanager.tables.source import compare


def main() -> None:
    before, after = map(Path, sys.argv[1:])
    found = compare(before, after, after.name, Wish(keys={"": ("id",)}))
    print(found.added, found.removed, found.changed)


if __name__ == "__main__":
    main()
