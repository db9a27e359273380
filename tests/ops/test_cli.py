"""The command line itself: what `-q` leaves, errors told once, completion, hooks that `add` installs."""

import shlex
from pathlib import Path

import pytest

from git_datamanager.cli import render
from git_datamanager.errors import DataError, Forbidden, SeveralFailed, Unreachable
from tests.world import Clone, World


def test_quiet_leaves_what_went_wrong(ana: Clone) -> None:
    ana.write("a.csv", "1\n")
    ana.data("add", "-q", "a.csv")
    ana.write("a.csv", "2\n")
    assert ana.data("status", "-q", "--exit-code", code=1).text == ""
    assert ana.data("status", "-q", "--porcelain").out == "AM v1 a.csv\n"
    for command in ("fsck", "trust", "install", "uninstall"):
        assert ana.data(command, "-q").text == ""
    assert "developer should not" in ana.data("verify", "-q").err
    assert ana.data("verify", "-q").out == ""
    assert "a.csv" in ana.data("ls", "-q").out


def test_quiet_fsck_names_what_is_bad(ana: Clone) -> None:
    ana.write("a.csv", "1\n")
    ana.data("add", "a.csv")
    cached = next((ana.path / ".git" / "data" / "cache").glob("??/*"))
    cached.chmod(0o644)
    cached.write_bytes(b"X\n")
    assert "wrong bytes" in ana.data("fsck", "-q", code=6).out


def test_trust_and_resolve_can_be_tried(world: World, ana: Clone) -> None:
    bob = world.clone("bob", trust=False)
    assert "would be asked for" in bob.data("trust", "-n").out
    assert "would be trusted" in bob.data("trust", "--yes", "--dry-run").out
    assert {s["trusted"] for s in bob.json("trust", "-n")["stores"]} == {False}
    assert "in order" in ana.data("resolve", "-n").out


def test_an_error_of_many_datasets_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    away = [(n, Unreachable(f"{n}: the store is away", hints=["wait"])) for n in ("a", "b", "c")]
    render.error(SeveralFailed([*away, ("d", DataError("d: is another matter"))]))
    assert capsys.readouterr().err.splitlines() == [
        "error: the store is away (3 datasets)",
        "hint: wait",
        "error: d: is another matter",
    ]


def test_an_error_without_a_hint_of_its_own_gets_one(capsys: pytest.CaptureFixture[str]) -> None:
    render.error(Unreachable("origin does not answer: fatal: no\n\nPlease make sure\nit exists"))
    render.error(Forbidden("access denied"))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "error: origin does not answer: fatal: no Please make sure it exists"
    assert [line.partition("   #")[0] for line in lines[1::2]] == [
        "hint: git data doctor",
        "hint: git data verify",
    ]


@pytest.mark.parametrize(
    "words",
    [("--confirm", "-3"), ("--wait", "-1"), ("--apply", "-n"), ("--repository", ""), ("something",)],
    ids=" ".join,
)
@pytest.mark.parametrize("verb", ["gc", "cleanup"])
def test_a_sweep_that_is_called_wrongly_does_nothing(ana: Clone, verb: str, words: tuple[str, ...]) -> None:
    done = ana.data(verb, *words, code=129)
    assert f"git data {verb} -h" in done.err


def test_json_errors_carry_the_name(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(render.settings, "wants_json", True)
    render.error(SeveralFailed([("a", DataError("x")), ("b", DataError("x"))]))
    assert '"name": "b"' in capsys.readouterr().out


def test_an_add_that_fails_installs_nothing(world: World, ana: Clone) -> None:
    bob = world.clone("bob")
    bob.data("add", "nowhere.csv", code=3)
    assert not (bob.path / ".git" / "hooks" / "pre-commit").exists()
    bob.write("a.csv", "1")
    assert "installed" in bob.data("add", "a.csv").err


# Completion

GIT_COMPLETION = Path("/usr/share/bash-completion/completions/git")


def completed(ana: Clone, line: str, *, by_git: bool = False) -> list[str]:
    """What bash offers at the end of the line; `by_git`: asked by git's own completion."""
    script = ana.data("completion", "bash").out
    function = "__git_wrap__git_main" if by_git else "_git_data" if line.startswith("git ") else None
    source = f". {GIT_COMPLETION}\n" if by_git else ""
    words = [w for part in line.split(" ") for w in part.replace("@", " @ ").split(" ") if w]
    words += [""] if line.endswith((" ", "@")) else []
    asked = f"""{source}{script}
COMP_LINE={shlex.quote(line)} COMP_POINT={len(line)} COMP_TYPE=9
COMP_WORDS=({" ".join(map(shlex.quote, words))}) COMP_CWORD={len(words) - 1}
{function or "$(complete -p git-data | sed 's/.*-F //; s/ .*//')"}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = ana.run("bash", "--norc", "-c", asked)
    return [line for line in done.out.splitlines() if line]


@pytest.fixture
def named(ana: Clone) -> Clone:
    for name in ("a b.csv", "c.csv"):
        ana.write(name, "1\n")
        ana.data("add", name)
    ana.commit("one")
    ana.write("c.csv", "2\n")
    ana.data("add", "c.csv")
    ana.write("temp erature.csv", "")
    return ana


@pytest.mark.slow
def test_bash_completes_files_names_and_versions(named: Clone) -> None:
    assert completed(named, "git data add tem") == ["temp erature.csv"]
    assert completed(named, "git-data add tem") == ["temp erature.csv"]
    assert completed(named, "git data pull a") == ["a b.csv"]
    assert completed(named, "git data pull c.csv@") == ["v2", "v1"]
    assert completed(named, "git data pull c.csv@v1") == ["v1"]
    assert completed(named, "git -C . data pull c.csv@v2 a", by_git=GIT_COMPLETION.exists()) == ["a b.csv"]
    assert completed(named, "git data undelete c.csv@") == []
    named.data("delete", "c.csv", "--yes")
    named.commit()
    named.git("push", "-q")
    named.data("publish")
    named.git("pull", "-q")
    assert completed(named, "git data undelete c") == ["c.csv"]
    assert completed(named, "git data undelete c.csv@") == ["v1"]
    assert "pull" in completed(named, "git data pu")
    assert "--porcelain" in completed(named, "git data status --po")


@pytest.mark.skipif(not GIT_COMPLETION.exists(), reason="git's own completion is not here")
def test_a_terminal_inserts_names_quoted(named: Clone) -> None:
    """A real bash at a terminal: what is inserted is what one would have to type."""
    pexpect = pytest.importorskip("pexpect")
    bash = pexpect.spawn("bash", ["--norc", "-i"], cwd=str(named.path), encoding="utf-8", timeout=30)
    bash.sendline(f"bind 'set enable-bracketed-paste off'; PS1='$ '; . {GIT_COMPLETION}; echo rea''dy")
    bash.expect("ready\r\n")
    bash.sendline('eval "$(git data completion bash)"; echo load""ed')
    bash.expect("loaded\r\n")
    for begun, inserted in (("add tem", r"add temp\ erature.csv "), ("pull a", r"pull a\ b.csv ")):
        bash.send(f"git data {begun}\t")
        bash.expect_exact(f"git data {inserted}")
        bash.send("\x15")
    bash.close()
