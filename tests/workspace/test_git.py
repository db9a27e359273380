"""Reading blobs, one stream for all, and none that is too big."""

import threading
import tracemalloc
import zlib
from http.server import BaseHTTPRequestHandler, HTTPServer
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


class Stranger(BaseHTTPRequestHandler):
    """Asks everybody for a password."""

    def do_GET(self) -> None:
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="here"')
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.mark.parametrize("words", [["ls-remote"], ["fetch"], ["push", "--porcelain"]])
def test_what_git_says_holds_no_token(git: Git, words: list[str]) -> None:
    """One that stands for the user is repeated where git would ask for the password."""
    with HTTPServer(("127.0.0.1", 0), Stranger) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://s3cret@127.0.0.1:{server.server_port}/x.git"
        with pytest.raises(GitFailed, match=r"http://\*\*\*@127.0.0.1") as raised:
            git.run(
                *words, address, "HEAD", env={"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "", "LC_ALL": "C"}
            )
        server.shutdown()
    assert "s3cret" not in str(raised.value) + raised.value.stderr


def test_an_author_in_another_encoding_is_text(clone: Clone, git: Git) -> None:
    """It goes into JSON documents, which are UTF-8."""
    with (clone.path / ".git" / "config").open("ab") as config:
        config.write(b"[user]\n\tname = J\xf6rg\n")
    git.author().encode()
    assert git.author().startswith("J\N{REPLACEMENT CHARACTER}rg <")
