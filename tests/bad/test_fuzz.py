"""Any list of words: an exit code of the documented set, no traceback, nothing lost."""

import random

import pytest

from tests.bad.scene import EXIT_CODES, Scene, Still

COMMANDS = (
    "init", "trust", "config", "install", "uninstall", "add", "prepare", "status", "ls", "log", "show",
    "upload", "pull", "publish", "rollback", "delete", "prune", "mv", "rm", "verify", "fsck", "resolve",
    "completion",
)  # fmt: skip
WORDS = (
    "", " ", "a.csv", "a.csv@v1", "a.csv@v9", "a.csv@v0", "@", "@v1", "a.csv@", "v1", "--", "-", "-h",
    "--json", "-n", "--dry-run", "-q", "-v", "-vv", "--force", "--yes", "--to", "--keep", "0", "-1", "1",
    "99999999999999999999", "--rev", "HEAD", "HEAD~99", "../x", "/etc/passwd", ".", "..", "./a.csv", ".git",
    ".git/config", "manifest.json", "\u202e", "caf\u00e9.csv", "x" * 300, "a\nb", "*", "--remote", "--cached",
    "--version", "-o", "/nonexistent/x", "--from", "production", "staging", "nowhere", "--finalize", "none",
    "--branch", "main", "--role", "reader", "bash", "-m", "note", "--porcelain", "-z", "-s", "--exit-code",
    "--no-such-option", "=", "--to=v1", "--staging", "file:", "s3://", "mem:x", "\udcff.csv", "--all",
    "--rehash",
)  # fmt: skip


def line(chooser: random.Random) -> list[str]:
    words = [chooser.choice(COMMANDS)] if chooser.random() < 0.97 else []
    return words + [chooser.choice(WORDS) for _ in range(chooser.randrange(5))]


def play(scene: Scene, seed: int, count: int, capsys: pytest.CaptureFixture[str], monkeypatch) -> set[int]:
    """In one process, as the console script does it; worlds are only looked at, so they stay equal."""
    from git_datamanager.cli.app import run

    chooser = random.Random(seed)
    monkeypatch.chdir(scene.ana.path)
    monkeypatch.setattr("sys.stdin", open("/dev/null"))  # noqa: SIM115 -- until the process ends
    seen = set()
    for _ in range(count):
        words = line(chooser)
        code = run(words)
        said = capsys.readouterr()
        text = said.out + said.err
        assert code in EXIT_CODES, words
        assert "Traceback" not in text, words
        assert "fault of its own" not in text, (words, text)
        assert code == 0 or text, (words, code)
        seen.add(code)
    return seen


def test_words_at_random_end_with_a_documented_exit_code(tracked: Scene, capsys, monkeypatch):
    published = tracked.object("staging", tracked.ana.versions("a.csv")[0]["oid"]).read_bytes()
    seen = play(tracked, 1, 60, capsys, monkeypatch)
    assert {0, 129} <= seen
    assert tracked.object("staging", tracked.ana.versions("a.csv")[0]["oid"]).read_bytes() == published


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(2, 10))
def test_many_words_at_random_end_with_a_documented_exit_code(tracked: Scene, capsys, monkeypatch, seed: int):
    play(tracked, seed, 250, capsys, monkeypatch)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_refuses_unknown_options(tmp_path, capsys, monkeypatch, command: str):
    from git_datamanager.cli.app import run

    monkeypatch.chdir(tmp_path)
    assert run([command, "-h"]) == 0
    assert "Usage" in capsys.readouterr().out
    assert run([command, "--no-such-option"]) == 129
    assert "hint: " in capsys.readouterr().err


def test_errors_are_one_json_document_for_every_command_that_reports(tracked: Scene, capsys, monkeypatch):
    import json

    from git_datamanager.cli.app import run

    monkeypatch.chdir(tracked.ana.path)
    for words in (
        ["status", "nope"], ["ls", "nope"], ["log", "nope"], ["show", "nope"], ["pull", "nope"],
        ["upload", "nope"],
        ["add", "nope"], ["prepare", "x", "nope"], ["rollback", "nope", "--to", "v1"],
        ["delete", "nope", "--yes"],
        ["prune", "nope", "--keep", "1"], ["mv", "nope", "x"], ["rm", "--cached", "nope"], ["fsck", "nope"],
        ["publish", "--remote", "nope"],
    ):  # fmt: skip
        assert run([*words, "--json"]) == 3, words
        document = json.loads(capsys.readouterr().out)
        assert document["exit_code"] == 3, words
        assert document["errors"][0]["message"], words


def test_a_dry_run_changes_nothing(tracked: Scene, capsys, monkeypatch):
    from git_datamanager.cli.app import run

    tracked.ana.write("b.csv", "2\n")
    still = Still(tracked)
    monkeypatch.chdir(tracked.ana.path)
    for words in (
        ["add", "b.csv"], ["prepare", "c.csv", "b.csv"], ["upload"], ["pull", "--force"], ["publish"],
        ["delete", "a.csv"], ["prune", "a.csv", "--keep", "1"], ["mv", "a.csv", "z.csv"],
        ["rm", "--cached", "a.csv"],
    ):  # fmt: skip
        assert run([*words, "-n"]) == 0, words
        capsys.readouterr()
        still.check()
