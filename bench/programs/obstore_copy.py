"""Copy files to or from a bucket with obstore as its manual says; folders with 32 requests at a time.

    python obstore_copy.py up PATH BUCKET KEY | down BUCKET KEY PATH

Threads, not asyncio: after many `put_async` obstore 0.12 aborts at exit now and then.
"""

import os
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import obstore
from obstore.store import S3Store

AT_A_TIME = 32


def all_of(work: Callable[[Any], object], items: Iterable[Any]) -> None:
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        list(pool.map(work, items))


def up(store: S3Store, path: Path, key: str) -> None:
    if path.is_file():
        obstore.put(store, key, path)
        return
    files = (one for one in path.rglob("*") if one.is_file())
    all_of(
        lambda one: obstore.put(store, f"{key}/{one.relative_to(path).as_posix()}", one.read_bytes()), files
    )


def fetch(store: S3Store, key: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for block in obstore.get(store, key).stream():
            file.write(block)


def down(store: S3Store, key: str, path: Path) -> None:
    below = [one["path"] for batch in obstore.list(store, key + "/") for one in batch]
    if below:
        all_of(lambda name: fetch(store, name, path / name.removeprefix(key + "/")), below)
    else:
        fetch(store, key, path)


def open_store(bucket: str) -> S3Store:
    """Where AWS_ENDPOINT_URL says, plain HTTP where it says so."""
    endpoint = os.environ["AWS_ENDPOINT_URL"]
    return S3Store(bucket, endpoint=endpoint, client_options={"allow_http": endpoint.startswith("http:")})


if __name__ == "__main__":
    way, *words = sys.argv[1:]
    if way == "up":
        up(open_store(words[1]), Path(words[0]), words[2])
    else:
        down(open_store(words[0]), words[1], Path(words[2]))
