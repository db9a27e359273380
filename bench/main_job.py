"""The main job against its floor and its peers.

    python bench/main_job.py [--size 2048] [--runs 3] [--dvc PATH] [--out bench/results/main_job.json]

Run it with the Python that has git-datamanager installed. Sizes in MiB.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from timing import Side, compare, machine

HASH = "import hashlib,sys; print(hashlib.file_digest(open(sys.argv[1],'rb'),'sha256').hexdigest())"
COPY = """
import hashlib, os, sys
digest = hashlib.sha256()
with open(sys.argv[1], 'rb') as source, open(sys.argv[2], 'wb') as target:
    while block := source.read(1 << 20):
        digest.update(block)
        target.write(block)
    target.flush()
    os.fsync(target.fileno())
print(digest.hexdigest())
"""
SCRIPTS = Path(sys.executable).parent
TOOL = str(SCRIPTS / "git-data")


def sh(*command: str, cwd: Path) -> None:
    subprocess.run(command, cwd=cwd, check=True, capture_output=True)


def repository(folder: Path) -> Path:
    folder.mkdir(parents=True)
    sh("git", "init", "-q", "-b", "main", cwd=folder)
    sh("git", "config", "user.name", "Bench", cwd=folder)
    sh("git", "config", "user.email", "bench@example.org", cwd=folder)
    return folder


def big_file(path: Path, mebibytes: int) -> Path:
    with path.open("wb") as file:
        for _ in range(mebibytes):
            file.write(os.urandom(1 << 20))
    return path


def data_repository(folder: Path, source: Path) -> Path:
    repo = repository(folder)
    sh(TOOL, "init", cwd=repo)
    sh("git", "commit", "-q", "-m", "Set up git data", cwd=repo)
    os.link(source, repo / "big.bin")
    return repo


def unadd(repo: Path) -> Callable[[], None]:
    """Back to the moment before `git data add`, cache and stat cache included."""

    def reset() -> None:
        sh("git", "reset", "-q", "--hard", cwd=repo)
        shutil.rmtree(repo / ".git" / "data", ignore_errors=True)

    return reset


def lfs_side(root: Path, source: Path) -> list[Side]:
    if subprocess.run(["git", "lfs", "version"], capture_output=True, check=False).returncode != 0:
        print("git-lfs is not installed: left out", file=sys.stderr)
        return []
    repo = repository(root / "lfs")
    sh("git", "lfs", "install", "--local", cwd=repo)
    sh("git", "lfs", "track", "*.bin", cwd=repo)
    sh("git", "add", ".gitattributes", cwd=repo)
    os.link(source, repo / "big.bin")

    def reset() -> None:
        sh("git", "rm", "-q", "--cached", "--ignore-unmatch", "big.bin", cwd=repo)
        shutil.rmtree(repo / ".git" / "lfs", ignore_errors=True)

    return [Side("git add with git-lfs", ["git", "add", "big.bin"], repo, reset)]


def dvc_side(root: Path, source: Path, program: str | None) -> list[Side]:
    if program is None:
        print("DVC is not installed: left out (--dvc PATH)", file=sys.stderr)
        return []
    repo = repository(root / "dvc")
    sh(program, "init", "-q", cwd=repo)

    def reset() -> None:
        shutil.rmtree(repo / ".dvc" / "cache", ignore_errors=True)
        shutil.rmtree(repo / ".dvc" / "tmp", ignore_errors=True)
        for name in ("big.bin", "big.bin.dvc"):
            (repo / name).unlink(missing_ok=True)
        shutil.copyfile(source, repo / "big.bin")

    env = {"DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(root / "dvc-site")}
    return [Side("dvc add", [program, "add", "-q", "big.bin"], repo, reset, env)]


def add_table(root: Path, source: Path, runs: int, dvc: str | None) -> list[dict[str, object]]:
    repo = data_repository(root / "add", source)
    sides = [
        Side("git data add", [TOOL, "add", "-q", "big.bin"], repo, unadd(repo)),
        *lfs_side(root, source),
        *dvc_side(root, source, dvc),
        Side("sha256 alone (hashlib.file_digest)", [sys.executable, "-c", HASH, "big.bin"], repo),
    ]
    return compare(sides, runs)


def start_table(root: Path, source: Path, runs: int) -> dict[str, list[dict[str, object]]]:
    repo = data_repository(root / "start", source)
    sh(TOOL, "add", "-q", "big.bin", cwd=repo)
    sh("git", "commit", "-q", "-n", "-m", "big", cwd=repo)
    sh("git", "update-ref", "ORIG_HEAD", "HEAD", cwd=repo)
    sh("git", "update-ref", "refs/remotes/origin/main", "HEAD", cwd=repo)
    click = Side('python -c "import click"', [sys.executable, "-c", "import click"], repo)
    tables = {}
    for name, command in {"git data status": ["status"], "git data --version": ["--version"]}.items():
        click.seconds.clear()
        tables[name] = compare([Side(name, [TOOL, *command], repo), click], runs)
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=repo, capture_output=True, text=True, check=True
    ).stdout.strip()
    hooks = {
        "post-checkout": f".git/hooks/post-checkout {head} {head} 1",
        "post-merge": ".git/hooks/post-merge 0",
        "pre-push": f"echo refs/heads/main {head} refs/heads/main {head} | .git/hooks/pre-push origin .",
    }
    for name, line in hooks.items():
        floor = Side("git --version", ["git", "--version"], repo)
        tables[f"{name} hook, manifest unchanged"] = compare(
            [Side(name, ["sh", "-c", line], repo), floor], runs
        )
    return tables


def pull_table(root: Path, source: Path, runs: int) -> list[dict[str, object]]:
    repo = data_repository(root / "pull", source)
    sh(TOOL, "add", "-q", "big.bin", cwd=repo)
    sh("git", "commit", "-q", "-m", "big", cwd=repo)
    sh(TOOL, "publish", "-q", cwd=repo)
    store = next((root / "pull.data" / "production" / "objects").rglob("?" * 64))

    def absent() -> None:
        (repo / "big.bin").unlink(missing_ok=True)
        shutil.rmtree(repo / ".git" / "data" / "cache", ignore_errors=True)

    copy = root / "copy.bin"
    return compare(
        [
            Side("git data pull", [TOOL, "pull", "-q"], repo, absent),
            Side(
                "copy + sha256 in one pass",
                [sys.executable, "-c", COPY, str(store), str(copy)],
                root,
                lambda: copy.unlink(missing_ok=True),
            ),
        ],
        runs,
    )


def show(title: str, rows: list[dict[str, object]]) -> None:
    print(f"\n{title}")
    for row in rows:
        print(
            f"  {row['name']:38} {row['median_s']:>9} s  ({row['min_s']}–{row['max_s']})"
            f"  × {row['ratio']:<8} {row['peak_mib']:>7} MiB"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=2048, help="MiB of the big file")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--starts", type=int, default=15, help="runs of the short commands")
    parser.add_argument("--dvc", default=shutil.which("dvc"), help="path of the dvc program")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    os.environ["PATH"] = os.pathsep.join([str(SCRIPTS), os.environ["PATH"]])
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory(prefix="git-data-bench-") as folder:
        root = Path(folder)
        source = big_file(root / "source.bin", options.size)
        tables = {f"add of {options.size} MiB": add_table(root, source, options.runs, options.dvc)}
        tables |= start_table(root, source, options.starts)
        tables[f"pull of {options.size} MiB from a folder"] = pull_table(root, source, options.runs)
    print(json.dumps(machine()))
    for title, rows in tables.items():
        show(title, rows)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps({"machine": machine(), "tables": tables}, indent=2) + "\n")


if __name__ == "__main__":
    main()
