"""Write and read the listing of a folder of N members that are nowhere; prints seconds as JSON.

    python listing.py dumps|loads|base N

`base` only makes the members: what it takes in memory is what the others hold besides.
"""

import hashlib
import json
import resource
import sys
import time
from array import array

from git_datamanager.content import tree
from git_datamanager.model.members import check_members


def columns(count: int) -> tree.Listing:
    """Members in 1000 folders, each with a size and a digest of its own."""
    paths = sorted(f"part-{number % 1000:03}/sample-{number:07}.csv" for number in range(count))
    digests = b"".join(hashlib.sha256(path.encode()).digest() for path in paths)
    return tree.Listing(paths, array("q", range(1, count + 1)), digests, bytes(count))


def main() -> None:
    what, count = sys.argv[1], int(sys.argv[2])
    made = columns(count)
    began = time.perf_counter()
    data = tree.dumps(made) if what != "base" else b""
    seconds = time.perf_counter() - began
    if what == "loads":
        began = time.perf_counter()
        read = tree.loads(data, check=check_members)
        seconds = time.perf_counter() - began
        assert len(read) == count
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "peak": peak, "bytes": len(data)}))


if __name__ == "__main__":
    main()
