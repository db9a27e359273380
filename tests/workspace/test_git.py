"""Reading blobs, one stream for all, and none that is too big."""

import tracemalloc
import zlib
from pathlib import Path

import pytest

from git_datamanager.errors import ManifestError
from git_datamanager.workspace import git as module
from git_datamanager.workspace.git import Git, GitFailed, open_git
from git_datamanager.workspace.manifests import INDEX, Manifests
from tests.world import Clone


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    clone = Clone(tmp_path / "clone")
    clone.path.mkdir()
    clone.git("init", "-q")
    clone.write("a", "a\n")
    clone.write("empty", "")
    clone.git("add", ".")
    clone.commit()
    return clone


@pytest.fixture
def git(clone: Clone) -> Git:
    return open_git(clone.path)


def test_blobs_come_in_the_order_asked_for(git: Git) -> None:
    specs = ["HEAD:a", "HEAD:none", ":empty", "HEAD^{tree}", "HEAD", "HEAD:a"]
    assert git.blobs(specs) == [b"a\n", None, b"", None, None, b"a\n"]
    assert git.blobs([]) == []
    many = git.blobs(["HEAD:a", "HEAD:none"] * 3000)  # more than pipes hold
    assert many == [b"a\n", None] * 3000


def test_a_blob_that_is_too_big_is_not_read(git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BLOB", 1)
    with pytest.raises(ManifestError, match=r"HEAD:a .*2 bytes"):
        git.blobs([":empty", "HEAD:a"])


def test_a_git_that_breaks_off_is_heard(clone: Clone, git: Git) -> None:
    oid = clone.git("rev-parse", "HEAD:a").out.strip()
    file = clone.path / ".git" / "objects" / oid[:2] / oid[2:]
    file.chmod(0o644)
    file.write_bytes(zlib.compress(b"blob 900\0short"))
    with pytest.raises(GitFailed, match="cat-file"):
        git.blobs(["HEAD:a"])


def test_a_blob_of_gigabytes_takes_no_memory(clone: Clone, git: Git) -> None:
    with (clone.path / "manifest.json").open("wb") as file:
        file.truncate(64 << 20)
    clone.git("-c", "core.bigFileThreshold=1m", "add", "-f", "manifest.json")
    tracemalloc.start()
    with pytest.raises(ManifestError, match="nothing was changed") as raised:
        Manifests(git, clone.path / ".git" / "data").several([INDEX])
    assert raised.value.hints
    with pytest.raises(ManifestError, match="bytes"):
        Manifests(git, clone.path / ".git" / "data").current()
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()
