"""Stores and settings that come with a clone: nothing leaves for them before somebody said yes."""

import socket
from collections.abc import Iterator

import pytest

from tests.bad.scene import Scene, Still, refused, silent

pytestmark = pytest.mark.slow

STORE_VERBS = (["pull"], ["upload"], ["publish"], ["status", "--remote"], ["fsck", "--remote"], ["verify"])


class Listener:
    """A port that must not be connected to."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.setblocking(False)
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"

    @property
    def was_asked(self) -> bool:
        try:
            self._server.accept()[0].close()
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        self._server.close()


@pytest.fixture
def thief() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.close()


@pytest.mark.parametrize("words", STORE_VERBS, ids=" ".join)
def test_an_untrusted_store_gets_no_request(tracked: Scene, words: list[str]):
    ben = tracked.clone("ben", trust=False)
    still = Still(tracked)
    refused(
        ben.data(*words, code=None), 4, "named only by tracked files", run="git data trust", unchanged=False
    )
    still.check()


def test_untrusted_folders_are_not_read_either(tracked: Scene):
    ben = tracked.clone("ben", trust=False)
    refused(ben.data("pull", code=None), 4, "no request was sent", run="git data trust")
    assert not (ben.path / "a.csv").exists()
    ben.data("trust", "--yes")
    ben.data("pull")
    assert ben.read("a.csv") == b"1\n"


def test_offline_verbs_need_no_trust(tracked: Scene):
    ben = tracked.clone("ben", trust=False)
    for words in (["status"], ["ls"], ["log"], ["show", "a.csv"], ["config"], ["fsck"]):
        silent(ben.data(*words, code=0))
    ben.write("b.csv", "2\n")
    ben.data("add", "b.csv")


def test_an_endpoint_changed_in_a_commit_is_asked_about_again(tracked: Scene, thief: Listener):
    ben = tracked.clone("ben")
    url = f"s3://bucket/staging?endpoint={thief.url}&region=us-east-1"
    tracked.ana.git("config", "-f", ".gitdata", "data.remote.staging.url", url)
    tracked.ana.commit("Move the store", "-a")
    tracked.ana.git("push", "-q")
    ben.git("pull", "-q")
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "CANARY"}
    for words in STORE_VERBS[:3]:
        refused(ben.data(*words, code=None, env=keys), 4, "no request was sent", run="git data trust")
    assert not thief.was_asked


def test_an_endpoint_added_beside_a_trusted_bucket_is_asked_about(tracked: Scene, thief: Listener):
    ben = tracked.clone("ben")
    ben.git("config", "-f", ".gitdata", "data.remote.staging.url", "s3://bucket/staging?region=us-east-1")
    ben.data("trust", "--yes")
    ben.git("config", "-f", ".gitdata", "data.remote.staging.endpoint", thief.url)
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "CANARY"}
    refused(ben.data("pull", code=None, env=keys), 4, "no request was sent", run="git data trust")
    assert not thief.was_asked


def test_trust_without_anybody_to_answer_trusts_nothing(tracked: Scene):
    ben = tracked.clone("ben", trust=False)
    done = ben.data("trust", code=4)
    assert "hint: git data trust --yes" in done.err
    refused(ben.data("pull", code=None), 4, run="git data trust")


@pytest.mark.parametrize(
    "url",
    [
        "s3://bucket/x?endpoint=https://user:CANARY@evil.example&region=us-east-1",
        "s3://user:CANARY@bucket/x",
        "s3://bucket/x?secret_access_key=CANARY",
        "s3://bucket/x?endpoint=http://169.254.169.254&region=x",
        "s3://bucket/x?endpoint=https://evil.example%0d%0aHost:+x&region=x",
        "s3://bucket/x?endpoint=http://evil.example&region=x",
        "s3://buc\nket/x",
        "file:/tmp/a\nb",
        "ftp://bucket",
        "file://host/folder",
        "",
    ],
)
def test_a_bad_address_is_refused_before_anything_is_sent(tracked: Scene, url: str):
    tracked.ana.git("config", "data.remote.staging.url", url)
    still = Still(tracked)
    for words in (["upload"], ["trust", "--yes"], ["init", "--staging", url], ["verify"]):
        done = silent(tracked.ana.data(*words, code=None))
        assert done.code in (128, 129) or words == ["trust", "--yes"], done.text
        assert "CANARY" not in done.text
    still.check()


def test_userinfo_in_a_tracked_address_is_not_printed(tracked: Scene):
    tracked.ana.git(
        "config", "-f", ".gitdata", "data.remote.staging.url", "s3://u:CANARY@bucket/x?access_key=CANARY"
    )
    for words in (
        ["config"],
        ["status"],
        ["trust"],
        ["upload"],
        ["pull"],
        ["config", "--json"],
        ["status", "--remote"],
    ):
        done = silent(tracked.ana.data(*words, code=None))
        assert "CANARY" not in done.text, words


def test_stores_that_overlap_are_refused(tracked: Scene):
    tracked.ana.git("config", "data.remote.production.url", f"file:{tracked.staging}/inside")
    still = Still(tracked)
    refused(tracked.ana.data("publish", code=None), 128, "overlap", run=None, unchanged=False)
    still.check()


def test_a_tracked_env_file_is_ignored_with_a_warning(tracked: Scene):
    tracked.ana.write(".env", "AWS_SECRET_ACCESS_KEY=CANARY\nR2_STAGING_BUCKET=evil\nR2_ACCOUNT_ID=evil\n")
    tracked.ana.git("add", "-f", ".env")
    tracked.ana.git("config", "data.dotenv", ".env")
    done = silent(tracked.ana.data("status"))
    assert ".env is tracked by Git" in done.err
    shown = tracked.ana.data("config")
    assert "evil" not in shown.text
    assert "CANARY" not in shown.text


def test_an_env_file_nobody_asked_for_is_not_read(tracked: Scene):
    tracked.ana.write(".env", "R2_STAGING_BUCKET=evil\nR2_ACCOUNT_ID=evil\n")
    assert "evil" not in tracked.ana.data("config").text


def test_an_env_file_that_is_missing_or_elsewhere_is_said(tracked: Scene):
    tracked.ana.git("config", "data.dotenv", ".env")
    refused(
        tracked.ana.data("status", code=None),
        128,
        "not there",
        run="git config --unset data.dotenv",
        unchanged=False,
    )
    tracked.ana.git("config", "data.dotenv", "../.env")
    refused(tracked.ana.data("status", code=None), 128, "data.dotenv", run=None, unchanged=False)


@pytest.mark.parametrize(
    "key", ["data.remote.staging.profile", "data.dotenv", "data.hooks", "data.autoPull", "data.cache"]
)
def test_a_tracked_file_may_not_set_what_is_mine(tracked: Scene, key: str):
    tracked.ana.git("config", "-f", ".gitdata", key, "evil")
    done = silent(tracked.ana.data("status"))
    assert f".gitdata sets {key.lower()}" in done.err.lower()
    assert "evil" not in tracked.ana.data("config").out


def test_a_gitdata_that_cannot_be_read_says_so(tracked: Scene):
    still_manifest = tracked.ana.read("manifest.json")
    tracked.ana.write(".gitdata", "[data\nbroken")
    refused(
        tracked.ana.data("status", code=None),
        128,
        ".gitdata",
        run="git checkout HEAD -- .gitdata",
        unchanged=False,
    )
    (tracked.ana.path / ".gitdata").unlink()
    (tracked.ana.path / ".gitdata").symlink_to("/etc/passwd")
    refused(tracked.ana.data("status", code=None), 128, "symbolic link", run=None)
    assert tracked.ana.read("manifest.json") == still_manifest


def test_gitdata_includes_nothing(tracked: Scene):
    tracked.ana.write("more", '[data "remote.staging"]\n\turl = file:/evil\n')
    with (tracked.ana.path / ".gitdata").open("a") as file:
        file.write("[include]\n\tpath = more\n")
    assert "evil" not in tracked.ana.data("config").text


@pytest.mark.parametrize(
    "value",
    [("data.upload", "later"), ("data.cache", "lots"), ("data.cacheSize", "big"), ("data.autoPull", "")],
)
def test_a_setting_with_an_impossible_value_is_named(tracked: Scene, value: tuple[str, str]):
    tracked.ana.git("config", *value)
    for words in (["pull"], ["status"], ["upload"]):
        done = silent(tracked.ana.data(*words, code=None))
        assert done.code in (0, 128), done.text
        if done.code:
            assert value[0] in done.err


def test_nothing_of_the_work_tree_runs(tracked: Scene):
    """S10: modules of our own and of foreign names beside the manifest are data."""
    for name in ("json.py", "boto3.py", "sitecustomize.py", "click.py", "git_datamanager/__init__.py"):
        tracked.ana.write(name, "open('OWNED', 'w')\n")
    for name in ("git", "sh", "python"):
        tracked.ana.write(name, "#!/bin/sh\ntouch OWNED\n").chmod(0o755)
    for words in (["status"], ["pull"], ["ls"]):
        tracked.ana.data(*words)
    assert not (tracked.ana.path / "OWNED").exists()


def canaries() -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": "CANARYID",
        "AWS_SECRET_ACCESS_KEY": "CANARYSECRET",
        "AWS_SESSION_TOKEN": "CANARYTOKEN",
        "R2_SECRET_ACCESS_KEY": "CANARYR2",
    }


@pytest.mark.nightly
@pytest.mark.parametrize("trace", ["", "2"])
def test_secrets_appear_nowhere(tracked: Scene, thief: Listener, trace: str):
    """S24: not in output, logs, journal, crash report or any file, whatever goes wrong."""
    ana = tracked.ana
    env = canaries() | ({"GIT_DATA_TRACE": trace} if trace else {})
    dead = f"s3://bucket/staging?endpoint={thief.url}&region=us-east-1"
    thief.close()
    tracked.add("b.csv", "2\n", upload=False, push=False)
    said = ""
    for words in (
        ["config"],
        ["config", "--json"],
        ["status"],
        ["add", "b.csv"],
        ["ls", "--json"],
        ["nonsense"],
    ):
        said += ana.data(*words, code=None, env=env).text
    env |= {"GIT_DATA_REMOTE_STAGING_URL": dead}
    for words in (["upload"], ["upload", "--json"]):
        said += ana.data(*words, code=None, env=env).text
    ana.write("manifest.json", "{")
    said += ana.data("status", code=None, env=env).text
    assert "CANARY" not in said
    for path in tracked.root.rglob("*"):
        if path.is_file():
            assert b"CANARY" not in path.read_bytes(), path


def test_hooks_count_an_untrusted_store_as_out_of_reach(tracked: Scene):
    """The commit goes through with a warning, the push does not: the bytes are nowhere yet."""
    ben = tracked.clone("ben", trust=False)
    ben.data("install")
    ben.write("b.csv", "2\n")
    ben.data("add", "b.csv")
    done = silent(ben.git("commit", "-q", "-m", "Add b"))
    assert "git data trust" in done.err
    pushed = silent(ben.git("push", "-q", code=1))
    assert "git data trust" in pushed.err
    ben.data("trust", "--yes")
    ben.git("push", "-q")
    assert tracked.object("staging", ben.versions("b.csv")[0]["oid"]).read_bytes() == b"2\n"


def test_secrets_are_in_no_file_and_no_output_of_the_offline_verbs(tracked: Scene):
    said = ""
    for words in (["config"], ["status", "--json"], ["add", "a.csv"], ["pull"], ["nonsense"], ["show", "x"]):
        said += tracked.ana.data(*words, code=None, env=canaries()).text
    assert "CANARY" not in said
    for path in tracked.ana.path.rglob("*"):
        assert not path.is_file() or b"CANARY" not in path.read_bytes(), path
