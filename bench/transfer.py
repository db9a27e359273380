"""Transfers to and from a bucket on this machine, beside s5cmd.

    python bench/transfer.py [--size 2048] [--small 2000] [--runs 3] [--rclone] [--folder DIR] [--out FILE]

The bucket is `localbucket` (pip install localbucket), a server on 127.0.0.1 that can do some 2 GB/s; s5cmd
and rclone are found on PATH. Every run is a whole process, all contestants in turn. Our downloads are
verified, those of the others are not. Sizes in MiB.
"""

import argparse
import hashlib
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from main_job import TOOL, big_file, repository, sh
from timing import Side, compare, machine

KEYS = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_REGION": "us-east-1"}
ENGINE = """
import sys, time
from git_datamanager.model.oid import Oid
from git_datamanager.objects import ObjectStore
from git_datamanager.storage.locate import Access, open_store, parse
from pathlib import Path
verb, url, path, oid, size = sys.argv[1:]
store = ObjectStore(open_store(parse(url), Access(), base=Path('.')), 'staging')
store.stat(Oid(oid), 0)  # the client is imported and connected
began = time.perf_counter()
if verb == 'put':
    store.put(Oid(oid), int(size), lambda: open(path, 'rb', buffering=0))
else:
    with open(path, 'wb', buffering=0) as target:
        store.fetch(Oid(oid), int(size), target)
with open('inside', 'a') as file:
    print(time.perf_counter() - began, file=file)
"""
INSIDE = "ObjectStore"
"""Sides whose name begins so tell besides how long the call itself took, without the start of Python."""


@contextmanager
def server(root: Path) -> Iterator[str]:
    """A bucket named `bench`; its address."""
    (root / "bench").mkdir(parents=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        ["localbucket", "--port", str(port), str(root)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def emptied(folder: Path) -> Callable[[], None]:
    def reset() -> None:
        shutil.rmtree(folder)
        folder.mkdir()

    return reset


def s5(endpoint: str, *words: str) -> list[str]:
    return ["s5cmd", "--endpoint-url", endpoint, *words]


def rclone(endpoint: str, *words: str) -> list[str]:
    remote = f":s3,provider=Other,env_auth=true,endpoint='{endpoint}':bench"
    return ["rclone", *[remote + w.removeprefix("bench:") if w.startswith("bench:") else w for w in words]]


def url_of(endpoint: str) -> str:
    return f"s3://bench/ours?endpoint={endpoint}&insecure=1"


def clone(folder: Path, endpoint: str, files: Callable[[Path], list[str]]) -> Path:
    """A repository whose data is added and not uploaded."""
    repo = repository(folder)
    sh(TOOL, "init", cwd=repo)
    sh("git", "config", "data.remote.staging.url", url_of(endpoint), cwd=repo)
    sh("git", "config", "data.upload", "manual", cwd=repo)
    sh("git", "commit", "-q", "-m", "Set up git data", cwd=repo)
    sh(TOOL, "add", *files(repo), cwd=repo)
    return repo


def uploading(repo: Path, bucket: Path) -> Callable[[], None]:
    """Back to the moment before `git data upload`: an empty bucket, a journal that knows of none."""
    empty = emptied(bucket)

    def reset() -> None:
        empty()
        for path in (repo / ".git" / "data").glob("journal.db*"):
            path.unlink()

    return reset


def pushes(root: Path, endpoint: str, big: Path, oid: str, *, peers: bool) -> list[Side]:
    bucket, size = root / "server" / "bench", str(big.stat().st_size)

    def linked(repo: Path) -> list[str]:
        os.link(big, repo / "big.bin")
        return ["big.bin"]

    repo = clone(root / "clone", endpoint, linked)
    sides = [
        Side("git data upload", [TOOL, "upload"], repo, uploading(repo, bucket), KEYS),
        Side("ObjectStore.put", [sys.executable, "-c", ENGINE, "put", url_of(endpoint), str(big), oid, size],
             root, emptied(bucket), KEYS),
    ]  # fmt: skip
    if peers and shutil.which("rclone"):
        sides.append(Side("rclone copyto", rclone(endpoint, "copyto", str(big), "bench:/x"), root,
                          emptied(bucket), KEYS))  # fmt: skip
    return [
        *sides,
        Side("s5cmd cp", s5(endpoint, "cp", str(big), "s3://bench/x"), root, emptied(bucket), KEYS),
    ]


def pulls(root: Path, endpoint: str, big: Path, oid: str, *, peers: bool) -> list[Side]:
    """Of the object that the last push has left."""
    out, size = root / "out", str(big.stat().st_size)
    held = root / "server" / "bench" / "ours" / "objects" / oid[:2]
    held.mkdir(parents=True)
    shutil.move(root / "server" / "bench" / "x", held / oid)
    key = f"ours/objects/{oid[:2]}/{oid}"

    def reset() -> None:
        out.unlink(missing_ok=True)

    sides = [
        Side("ObjectStore.fetch (verified)",
             [sys.executable, "-c", ENGINE, "get", url_of(endpoint), str(out), oid, size], root, reset, KEYS),
    ]  # fmt: skip
    if peers and shutil.which("rclone"):
        sides.append(
            Side("rclone copyto", rclone(endpoint, "copyto", f"bench:/{key}", str(out)), root, reset, KEYS)
        )
    return [*sides, Side("s5cmd cp", s5(endpoint, "cp", f"s3://bench/{key}", str(out)), root, reset, KEYS)]


def many(root: Path, endpoint: str, count: int) -> list[Side]:
    """Small files, 32 KiB each."""
    bucket = root / "server" / "bench"

    def files(repo: Path) -> list[str]:
        names = [f"data/{n:05}.bin" for n in range(count)]
        (repo / "data").mkdir()
        for name in names:
            (repo / name).write_bytes(os.urandom(32 << 10))
        return names

    repo = clone(root / "small", endpoint, files)
    return [
        Side(f"git data upload, {count} files", [TOOL, "upload"], repo, uploading(repo, bucket), KEYS),
        Side(
            "s5cmd cp", s5(endpoint, "cp", f"{repo / 'data'}/", "s3://bench/y/"), root, emptied(bucket), KEYS
        ),
    ]


def with_inside(rows: list[dict[str, object]], root: Path, runs: int) -> list[dict[str, object]]:
    """Their rows with the median of the calls themselves, and its ratio to the last side."""
    told = root / "inside"
    seconds = [float(line) for line in told.read_text().split()[-runs:]]
    told.unlink()
    for row in rows:
        if str(row["name"]).startswith(INSIDE):
            median = statistics.median(seconds)
            row["inside_s"] = round(median, 3)
            row["inside_ratio"] = round(median / float(str(rows[-1]["median_s"])), 3)
    return rows


def shown(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    for row in rows:
        inside = f"  inside {row['inside_s']} s x{row['inside_ratio']}" if "inside_s" in row else ""
        figures = f"{row['median_s']:>8} s  x{row['ratio']:<6} {row['peak_mib']:>7} MiB{inside}"
        print(f"  {row['name']:34} {figures}", flush=True)
    return rows


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--size", type=int, default=2048)
    words.add_argument("--small", type=int, default=2000, help="how many small files; 0: none")
    words.add_argument("--runs", type=int, default=3)
    words.add_argument("--rclone", action="store_true", help="rclone too")
    words.add_argument("--folder", type=Path, help="where the bucket and the files lie for a while")
    words.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "transfer.json")
    asked = words.parse_args()
    results: dict[str, object] = {"machine": machine(), "mebibytes": asked.size, "load": os.getloadavg()}
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder, server(Path(folder) / "server") as endpoint:
        root = Path(folder)
        big = big_file(root / "in.bin", asked.size)
        with big.open("rb") as file:
            oid = hashlib.file_digest(file, "sha256").hexdigest()
        for name, sides in (("push", pushes), ("pull", pulls)):
            print(name, flush=True)
            warmup = int(name == "pull")
            rows = compare(sides(root, endpoint, big, oid, peers=asked.rclone), asked.runs, warmup=warmup)
            results[name] = shown(with_inside(rows, root, asked.runs))
        if asked.small:
            emptied(root / "server" / "bench")()
            print("small", flush=True)
            results["small"] = shown(compare(many(root, endpoint, asked.small), asked.runs, warmup=0))
    asked.out.parent.mkdir(exist_ok=True)
    asked.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
