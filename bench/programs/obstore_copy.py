"""Copy files to or from a bucket with obstore as its manual says; folders with 32 requests at a time.

python obstore_copy.py up PATH BUCKET KEY | down BUCKET KEY PATH
"""

import asyncio
import os
import sys
from pathlib import Path

import obstore
from obstore.store import S3Store

AT_A_TIME = 32


async def up(store: S3Store, path: Path, key: str) -> None:
    if path.is_file():
        await obstore.put_async(store, key, path)
        return
    gate = asyncio.Semaphore(AT_A_TIME)

    async def one(file: Path) -> None:
        async with gate:
            await obstore.put_async(store, f"{key}/{file.relative_to(path).as_posix()}", file.read_bytes())

    await asyncio.gather(*(one(file) for file in path.rglob("*") if file.is_file()))


async def fetch(store: S3Store, key: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    found = await obstore.get_async(store, key)
    with path.open("wb") as file:
        async for block in found.stream():
            file.write(block)


async def down(store: S3Store, key: str, path: Path) -> None:
    below = [one["path"] for batch in obstore.list(store, key + "/") for one in batch]
    if not below:
        await fetch(store, key, path)
        return
    gate = asyncio.Semaphore(AT_A_TIME)

    async def one(name: str) -> None:
        async with gate:
            await fetch(store, name, path / name.removeprefix(key + "/"))

    await asyncio.gather(*(one(name) for name in below))


def open_store(bucket: str) -> S3Store:
    """Where AWS_ENDPOINT_URL says, plain HTTP where it says so."""
    endpoint = os.environ["AWS_ENDPOINT_URL"]
    return S3Store(bucket, endpoint=endpoint, client_options={"allow_http": endpoint.startswith("http:")})


if __name__ == "__main__":
    way, *words = sys.argv[1:]
    if way == "up":
        asyncio.run(up(open_store(words[1]), Path(words[0]), words[2]))
    else:
        asyncio.run(down(open_store(words[0]), words[1], Path(words[2])))
