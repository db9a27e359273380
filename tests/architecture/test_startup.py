"""What each way in imports: start-up cost pinned by names, never by a clock."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.world import Clone, World, make_database

HEAVY = {
    "boto3", "botocore", "pydantic", "pygit2", "duckdb", "filelock", "rich", "asyncio",
    "backports.zstd", "compression.zstd", "pyfastcdc",
}  # fmt: skip
SCRIPT = """
import json, sys
sys.argv = ["git-data", *json.loads(sys.argv[1])]
from git_datamanager.__main__ import main
try:
    main()
finally:
    sys.stderr.write("\\nMODULES " + json.dumps(sorted(sys.modules)))
"""


def modules_of(arguments: list[str], folder: Path) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(arguments)],
        cwd=folder,
        env=dict(os.environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return set(json.loads(done.stderr.rpartition("MODULES ")[2]))


@pytest.fixture
def clone(world: World) -> Clone:
    ana = world.found("ana")
    make_database(ana.path / "energy.sqlite", 10)
    ana.data("add", "energy.sqlite")
    ana.commit("one")
    return ana


def test_version_needs_no_click(tmp_path: Path) -> None:
    assert not modules_of(["--version"], tmp_path) & {*HEAVY, "click"}


def test_help_imports_click_and_little_else(tmp_path: Path) -> None:
    loaded = modules_of(["--help"], tmp_path)
    assert "click" in loaded
    assert not loaded & {*HEAVY, "sqlite3"}


def test_status_stays_light(clone: Clone) -> None:
    loaded = modules_of(["status"], clone.path)
    assert "git_datamanager.ops.status" in loaded
    assert not loaded & {*HEAVY, "hashlib", "secrets"}


def test_status_of_an_unchanged_folder_stays_light(clone: Clone) -> None:
    for name in ("a", "b/c"):
        clone.write(f"images/{name}", name)
    clone.data("add", "images")
    loaded = modules_of(["status"], clone.path)
    assert "git_datamanager.workspace.folders" in loaded
    assert not loaded & {*HEAVY, "hashlib", "secrets", "concurrent.futures"}


@pytest.mark.parametrize("event", ["post-checkout", "post-merge", "post-rewrite"])
def test_hooks_that_follow_stay_light(clone: Clone, event: str) -> None:
    head = clone.git("rev-parse", "HEAD").out.strip()
    arguments = {"post-checkout": [head, head, "1"], "post-merge": ["0"], "post-rewrite": ["amend"]}[event]
    loaded = modules_of(["hook", event, *arguments], clone.path)
    assert "git_datamanager.hook" in loaded
    assert not loaded & {*HEAVY, "click"}


def test_pre_commit_without_data_stays_light(clone: Clone) -> None:
    clone.write("README.md", "hello\n")
    clone.git("add", "README.md")
    loaded = modules_of(["hook", "pre-commit"], clone.path)
    assert "git_datamanager.hook" in loaded
    assert not loaded & {*HEAVY, "click"}


def test_what_git_diff_shows_stays_light(clone: Clone) -> None:
    """Git waits for it twice for every manifest that it shows, the second time for what is remembered."""
    for _ in range(2):
        loaded = modules_of(["textconv", "manifest.json"], clone.path)
        assert "git_datamanager.ops.inside.diff_history" in loaded
        assert not loaded & {*HEAVY, "click"}
    assert not loaded & {"git_datamanager.ops.inside.diff", "git_datamanager.storage", "concurrent.futures"}
