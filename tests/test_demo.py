"""`git data demo`, played for real: what it shows, what it leaves, whom it does not touch."""

import json
import os
import subprocess
import sysconfig
from pathlib import Path

import pytest

from git_datamanager.errors import DataError
from git_datamanager.ops import demo

GIT_DATA = Path(sysconfig.get_path("scripts")) / "git-data"


def run(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Started by its full path, its environment not activated: `git data` is not on PATH."""
    scripts = str(GIT_DATA.parent)
    path = os.pathsep.join(p for p in os.environ["PATH"].split(os.pathsep) if p != scripts)
    return subprocess.run(
        [GIT_DATA, "demo", *args],
        env={**os.environ, "PATH": path, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_it_plays_the_whole_story_whatever_the_users_settings_are(tmp_path: Path, home: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    config = home / ".gitconfig"
    config.write_text("[core]\n\thooksPath = /nowhere\n[commit]\n\tgpgSign = true\n[data]\n\tupload = no\n")
    done = run(
        TMPDIR=str(scratch),
        GIT_DIR="/nowhere",
        GIT_INDEX_FILE="/nowhere/index",
        GIT_DATA_SKIP="1",
        GIT_DATA_REMOTE_STAGING_URL="s3://nobody/nothing",
        AWS_PROFILE="missing",
        R2_STAGING_BUCKET="nothing",
        CI="true",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    for words in (
        "$ git data init",
        "$ git data add energy.sqlite -m",
        "git data: uploaded energy.sqlite v1 to staging",
        "~ 2: megawatt: 0.7 → 2.7",
        "ana/energy.sqlite is byte for byte v1",
        "$ git data publish",
        "ben $ git data pull",
        "ben/energy.sqlite is byte for byte v2",
        "1 dataset published, all clean",
        "energy.sqlite  v6 = v2",
        "energy.sqlite  v4 v3 v2 v1  marked for deletion",
        "ben/v5.sqlite is byte for byte v5",
        "energy.sqlite  (deleted)",
        "  git data add <file>",
    ):
        assert words in done.stdout
    assert "\x1b" not in done.stdout
    assert list(scratch.iterdir()) == []
    assert sorted(p.name for p in home.iterdir()) == [".gitconfig"]


@pytest.mark.nightly
def test_keep_leaves_the_clones_and_json_lists_the_steps(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    done = run("--json", "--keep", str(kept))
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads(done.stdout)
    commands = [step for step in document["steps"] if step["kind"] == "command"]
    assert document["schema"] == "git-data/demo/1"
    assert {step["exit_code"] for step in commands} == {0}
    assert "git data prune energy.sqlite --keep 2 --yes -m superseded" in [c["command"] for c in commands]
    assert (kept / "ana" / "manifest.json").is_file()
    assert (kept / "ana.data" / "production" / "objects").is_dir()

    again = run("--keep", str(kept))
    assert again.returncode == 128
    assert "is not an empty folder" in again.stderr


def test_a_failing_step_ends_it_with_its_output(tmp_path: Path) -> None:
    fake = tmp_path / "bin"
    scratch = tmp_path / "scratch"
    fake.mkdir()
    scratch.mkdir()
    (fake / "git").write_text("#!/bin/sh\necho no luck today\nexit 3\n")
    (fake / "git").chmod(0o755)
    done = run(PATH=f"{fake}:/usr/bin:/bin", TMPDIR=str(scratch))
    assert done.returncode == 128
    assert "no luck today" in done.stdout
    assert "exit status 3" in done.stderr
    assert list(scratch.iterdir()) == []
    quiet = run("-q", PATH=f"{fake}:/usr/bin:/bin", TMPDIR=str(scratch))
    assert quiet.stdout == ""
    assert "no luck today" in quiet.stderr


def test_a_folder_that_is_not_empty_or_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for place in (tmp_path, tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(DataError):
            next(demo.play(place))
    assert (tmp_path / "file").read_text() == "mine"


def test_without_scripts_the_interpreter_serves_as_git_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "scripts_folder", lambda: None)
    stage = tmp_path / "stage"
    stage.mkdir()
    environment = demo._Stage(stage).env
    done = subprocess.run(
        ["git", "data", "--version"], env=environment, capture_output=True, text=True, check=True
    )
    assert environment["PATH"].startswith(str(stage / "bin"))
    assert done.stdout.startswith("git-data version ")
