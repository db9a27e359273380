"""The sh hooks by themselves: guards, the missing program, what they hand on."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from git_datamanager.workspace import hook_shims
from tests.hooks.conftest import SHELLS, Stub, path_without_tool, run_shim, shim_path, write_program
from tests.world import Clone

EVENTS = hook_shims.EVENTS
AFTER = ("post-checkout", "post-merge", "post-rewrite")
ZERO = "0" * 40


def args_for(clone: Clone, event: str) -> tuple[list[str], str]:
    """Arguments and stdin that reach the program, once there is a change of the manifest."""
    old, new = clone.git("rev-parse", "HEAD~1", "HEAD").out.split()
    return {
        "pre-commit": ([], ""),
        "pre-push": (["origin", "url"], f"refs/heads/main {new} refs/heads/main {ZERO}\n"),
        "post-checkout": ([old, new, "1"], ""),
        "post-merge": (["0"], ""),
        "post-rewrite": (["amend"], f"{old} {new}\n"),
    }[event]


def change_manifest(clone: Clone) -> None:
    clone.write("manifest.json", '{"a": 1}\n')
    clone.git("commit", "-qam", "second")
    clone.git("update-ref", "ORIG_HEAD", "HEAD~1")
    clone.write("other", "x")
    clone.git("add", "other")


@pytest.mark.parametrize("event", EVENTS)
def test_a_shim_is_short_portable_and_marked(event: str) -> None:
    lines = shim_path(event).read_text().splitlines()
    assert len(lines) <= 15
    assert lines[0] == "#!/bin/sh"
    assert f"git-data hook ({event})" in lines[1]
    assert os.access(shim_path(event), os.X_OK)
    for shell in SHELLS:
        subprocess.run([shell, "-n", str(shim_path(event))], check=True)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("event", EVENTS)
def test_the_program_is_called_with_all_arguments(clone: Clone, stub: Stub, event: str, shell: str) -> None:
    change_manifest(clone)
    args, stdin = args_for(clone, event)
    done = run_shim(clone, event, *args, shell=shell, stdin=stdin)
    assert (done.returncode, done.stderr) == (0, "")
    assert stub.calls == [" ".join(["hook", event, *args])]
    if stdin:
        assert stub.stdin == stdin


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("env", [{"GIT_DATA_SKIP": "1"}, {"GIT_DATA_HOOKS": "0"}])
def test_it_can_be_switched_off(clone: Clone, stub: Stub, event: str, env: dict[str, str]) -> None:
    change_manifest(clone)
    args, stdin = args_for(clone, event)
    assert run_shim(clone, event, *args, stdin=stdin, env=env).returncode == 0
    assert stub.calls == []


@pytest.mark.parametrize("event", EVENTS)
def test_nothing_happens_where_git_data_was_never_set_up(clone: Clone, stub: Stub, event: str) -> None:
    clone.git("rm", "-q", ".gitdata")
    clone.git("commit", "-qm", "no .gitdata")
    change_manifest(clone)
    args, stdin = args_for(clone, event)
    done = run_shim(clone, event, *args, stdin=stdin)
    assert (done.returncode, done.stderr, stub.calls) == (0, "", [])


def test_leaving_for_a_commit_before_git_data_is_looked_at(clone: Clone, stub: Stub) -> None:
    old = clone.git("rev-parse", "HEAD").out.strip()
    clone.git("rm", "-q", ".gitdata", "manifest.json")
    clone.git("commit", "-qm", "gone")
    run_shim(clone, "post-checkout", old, "HEAD", "1")
    assert len(stub.calls) == 1


@pytest.mark.parametrize("event", ["post-checkout", "post-merge", "pre-push"])
def test_an_unchanged_manifest_ends_it_before_python(clone: Clone, stub: Stub, event: str) -> None:
    clone.git("remote", "add", "origin", "nowhere")
    clone.git("update-ref", "refs/remotes/origin/main", "HEAD")
    clone.write("code.py", "1")
    clone.git("add", "-A")
    clone.commit("code")
    clone.git("update-ref", "ORIG_HEAD", "HEAD~1")
    args, stdin = args_for(clone, event)
    done = run_shim(clone, event, *args, stdin=stdin)
    assert (done.returncode, done.stderr, stub.calls) == (0, "", [])


def test_nothing_staged_ends_the_commit_hook(clone: Clone, stub: Stub) -> None:
    clone.write("manifest.json", "{ }\n")
    assert run_shim(clone, "pre-commit").returncode == 0
    assert stub.calls == []


def test_the_first_commit_has_no_head(clone: Clone, stub: Stub) -> None:
    clone.git("update-ref", "-d", "HEAD")
    done = run_shim(clone, "pre-commit")
    assert (done.stderr, stub.calls) == ("", ["hook pre-commit"])


def test_a_file_checkout_is_none(clone: Clone, stub: Stub) -> None:
    change_manifest(clone)
    run_shim(clone, "post-checkout", "HEAD~1", "HEAD", "0")
    assert stub.calls == []


def test_a_clone_has_no_old_commit(clone: Clone, stub: Stub) -> None:
    run_shim(clone, "post-checkout", ZERO, clone.git("rev-parse", "HEAD").out.strip(), "1")
    assert len(stub.calls) == 1


def test_a_squash_leaves_head_where_it_is(clone: Clone, stub: Stub) -> None:
    clone.git("update-ref", "ORIG_HEAD", "HEAD")
    run_shim(clone, "post-merge", "1")
    assert stub.calls == ["hook post-merge 1"]


def test_a_version_that_came_and_went_in_the_range_is_seen(clone: Clone, stub: Stub) -> None:
    clone.git("update-ref", "refs/remotes/origin/main", "HEAD")
    change_manifest(clone)
    clone.write("manifest.json", "{}\n")
    clone.git("commit", "-qam", "back")
    tip = clone.git("rev-parse", "HEAD").out.strip()
    run_shim(clone, "pre-push", "origin", "url", stdin=f"refs/heads/main {tip} refs/heads/main {ZERO}\n")
    assert stub.calls == ["hook pre-push origin url"]


@pytest.mark.parametrize("null", [ZERO, "0" * 64])
def test_a_deleted_ref_pushes_nothing(clone: Clone, stub: Stub, null: str) -> None:
    done = run_shim(
        clone, "pre-push", "origin", "url", stdin=f"(delete) {null} refs/heads/old {'1' * len(null)}\n"
    )
    assert (done.returncode, done.stderr, stub.calls) == (0, "", [])


def test_a_push_of_nothing(clone: Clone, stub: Stub) -> None:
    assert run_shim(clone, "pre-push", "origin", "url").returncode == 0
    assert stub.calls == []


def test_several_refs_and_a_revision_with_blanks_are_handed_on_as_they_came(clone: Clone, stub: Stub) -> None:
    tip = clone.git("rev-parse", "HEAD").out.strip()
    lines = [
        f"(delete) {ZERO} refs/heads/old {tip}",
        f"HEAD^{{/first commit}} {tip} refs/heads/new {ZERO}",
        f"refs/tags/v1 {tip} refs/tags/v1 {ZERO}",
    ]
    stdin = "".join(line + "\n" for line in lines)
    assert run_shim(clone, "pre-push", "origin", "url", stdin=stdin).returncode == 0
    assert stub.stdin == stdin


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("event", EVENTS)
def test_the_exit_status_counts_before_and_never_after(
    clone: Clone, stub: Stub, event: str, shell: str
) -> None:
    change_manifest(clone)
    args, stdin = args_for(clone, event)
    done = run_shim(clone, event, *args, stdin=stdin, shell=shell, env={"STUB_EXIT": "6"})
    assert done.returncode == (0 if event in AFTER else 6)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("event", EVENTS)
def test_a_missing_program_is_told_and_stops_only_a_push_of_data(
    clone: Clone, event: str, shell: str
) -> None:
    change_manifest(clone)
    args, stdin = args_for(clone, event)
    done = run_shim(clone, event, *args, stdin=stdin, shell=shell, env={"PATH": path_without_tool()})
    assert done.returncode == (1 if event == "pre-push" else 0)
    assert "git-data is not to be found" in done.stderr
    assert "hint: uv tool install git-datamanager" in done.stderr


def test_a_missing_program_does_not_stop_a_push_without_data(clone: Clone) -> None:
    clone.git("update-ref", "refs/remotes/origin/main", "HEAD")
    clone.git("commit", "-q", "--allow-empty", "-m", "empty")
    tip = clone.git("rev-parse", "HEAD").out.strip()
    stdin = f"refs/heads/main {tip} refs/heads/main {ZERO}\n"
    done = run_shim(clone, "pre-push", "origin", "url", stdin=stdin, env={"PATH": path_without_tool()})
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("event", EVENTS)
def test_the_recorded_path_helps_where_path_does_not(
    clone: Clone, stub: Stub, tmp_path: Path, event: str
) -> None:
    change_manifest(clone)
    broken = tmp_path / "broken"
    write_program(broken / "git-data", "#!/nowhere/python\n")
    recorded = shutil.copytree(stub.folder, tmp_path / "it's here") / "git-data"
    shim = write_program(tmp_path / "shim", hook_shims.text(event, str(recorded)).decode())
    args, stdin = args_for(clone, event)
    for path in (path_without_tool(), path_without_tool(broken)):
        env = {**os.environ, "PATH": path}
        subprocess.run([shim, *args], cwd=clone.path, input=stdin, text=True, env=env, check=True)
    assert len(stub.calls) == 2
    if stdin:
        assert stub.stdin == stdin


def test_a_program_that_the_repository_ships_is_not_run(clone: Clone, stub: Stub) -> None:
    """S09: `.` or an empty entry in PATH."""
    change_manifest(clone)
    write_program(clone.path / "git-data", f"#!/bin/sh\necho tree >> '{stub.log}'\n")
    for path in (f".:{path_without_tool()}", f":{path_without_tool()}"):
        done = run_shim(clone, "pre-commit", env={"PATH": path})
        assert "not to be found" in done.stderr
    assert stub.calls == []


def test_sha256_repositories(tmp_path: Path, stub: Stub, clone: Clone) -> None:
    path = tmp_path / "sha256"
    subprocess.run(["git", "init", "-q", "--object-format=sha256", str(path)], check=True)
    other = Clone(path)
    other.write(".gitdata", "")
    other.write("manifest.json", "{}\n")
    other.git("add", "-A")
    other.commit()
    tip = other.git("rev-parse", "HEAD").out.strip()
    run_shim(other, "post-checkout", "0" * 64, tip, "1")
    run_shim(other, "pre-push", "o", "u", stdin=f"refs/heads/main {tip} refs/heads/main {'0' * 64}\n")
    assert [call.split()[1] for call in stub.calls] == ["post-checkout", "pre-push"]


def test_the_package_is_looked_in_before_the_folder_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "git_datamanager"
    (package / "workspace").mkdir(parents=True)
    monkeypatch.setattr(hook_shims, "__file__", str(package / "workspace" / "hook_shims.py"))
    assert hook_shims.folder() == tmp_path / "hooks"
    (package / "hooks").mkdir()
    (package / "hooks" / "pre-commit").touch()
    assert hook_shims.folder() == package / "hooks"
