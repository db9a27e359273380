"""Copy files to or from a bucket with boto3 as its manual says; folders with 32 threads.

python boto3_copy.py up PATH BUCKET KEY | down BUCKET KEY PATH
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
from botocore.config import Config

THREADS = 32


def up(client: object, path: Path, bucket: str, key: str) -> None:
    if path.is_file():
        client.upload_file(str(path), bucket, key)
        return
    files = [one for one in path.rglob("*") if one.is_file()]
    with ThreadPoolExecutor(THREADS) as pool:
        list(
            pool.map(
                lambda one: client.put_object(
                    Bucket=bucket, Key=f"{key}/{one.relative_to(path).as_posix()}", Body=one.read_bytes()
                ),
                files,
            )
        )


def down(client: object, bucket: str, key: str, path: Path) -> None:
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key)
    keys = [one["Key"] for page in pages for one in page.get("Contents", ())]
    if keys == [key]:
        client.download_file(bucket, key, str(path))
        return

    def one(name: str) -> None:
        target = path / name.removeprefix(key + "/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(client.get_object(Bucket=bucket, Key=name)["Body"].read())

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(one, keys))


if __name__ == "__main__":
    s3 = boto3.client("s3", config=Config(max_pool_connections=THREADS, s3={"addressing_style": "path"}))
    way, *words = sys.argv[1:]
    if way == "up":
        up(s3, Path(words[0]), *words[1:])
    else:
        down(s3, words[0], words[1], Path(words[2]))
