"""The way of the ancestor without sqldiff: both databases as SQL text, and difflib.

python dumpdiff.py BEFORE AFTER
"""

import difflib
import sqlite3
import sys
from contextlib import closing


def dumped(path: str) -> list[str]:
    with closing(sqlite3.connect(path)) as database:
        return list(database.iterdump())


def main() -> None:
    before, after = map(dumped, sys.argv[1:])
    sys.stdout.writelines(line + "\n" for line in difflib.unified_diff(before, after, lineterm=""))


if __name__ == "__main__":
    main()
