"""The least a program has to do: loops without any tool around them.

python floors.py sha256 FILE | read-tree FOLDER | scan FOLDER
"""

import hashlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path


def sha256(path: str) -> str:
    """Read a file and hash it."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def scan(folder: str) -> Iterator[tuple[str, os.stat_result]]:
    """scandir and stat of everything below a folder."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from scan(entry.path)
            else:
                yield entry.path, entry.stat(follow_symlinks=False)


def read_tree(folder: str) -> int:
    """Read and hash every file, one after the other."""
    count = 0
    for path, _ in scan(folder):
        file = os.open(path, os.O_RDONLY)
        while block := os.read(file, 1 << 20):
            hashlib.sha256(block).hexdigest()
        os.close(file)
        count += 1
    return count


if __name__ == "__main__":
    what, path = sys.argv[1:]
    match what:
        case "sha256":
            print(sha256(path))
        case "read-tree":
            print(read_tree(path))
        case _:
            print(sum(1 for _ in scan(path)))
