"""Refs of remotes and of this clone: none is missed, and nothing of another reading is taken away."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from git_datamanager.errors import DataError, Unreachable
from git_datamanager.model.manifest import FILE_NAME, Manifest, dumps
from git_datamanager.workspace import reflists
from git_datamanager.workspace.git import Git, open_git

EMPTY = dumps(Manifest()).decode()


@dataclass(frozen=True)
class Here:
    """A clone and its bare origin."""

    git: Git
    path: Path

    def __call__(self, *args: str) -> str:
        return self.git.output(*args)

    def commit(self, branch: str, manifest: str | None = EMPTY) -> str:
        self("switch", "-q", "-c", branch)
        if manifest is not None:
            (self.path / FILE_NAME).write_text(manifest)
            self("add", FILE_NAME)
        self("commit", "-q", "--allow-empty", "-m", branch)
        return self("rev-parse", "HEAD")

    def lose(self, revision: str) -> None:
        """As a disk does."""
        oid = self("rev-parse", revision)
        (self.path / ".git" / "objects" / oid[:2] / oid[2:]).unlink()


@pytest.fixture
def here(tmp_path: Path, home: Path) -> Here:
    origin, clone = tmp_path / "origin.git", tmp_path / "clone"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(origin)], check=True)
    subprocess.run(["git", "clone", "-q", str(origin), str(clone)], check=True, capture_output=True)
    made = Here(open_git(clone), clone)
    made.commit("main")
    made("push", "-q", "origin", "main")
    return made


def readable(here: Here, refs: Sequence[str]) -> list[list[str]]:
    found = {ref: here("rev-parse", ref) for ref in refs}
    return [holders for holders, _ in reflists.manifests(here.git, found)]


STRANGE = [
    "refs/heads/x\u2028y",
    "refs/heads/x\x85y",
    "refs/heads/-x",
    "refs/heads/ü'\"$(id)",
    "refs/pull/7/head",
]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems know no such file names")
def test_names_that_only_git_takes_are_not_missed(here: Here) -> None:
    """A branch whose name holds a line separator was taken for another branch, and what it names went."""
    here("push", "-q", "origin", *(f"HEAD:{ref}" for ref in ["refs/heads/x", *STRANGE]))
    advertised = reflists.advertised(here.git, "origin")
    assert {*STRANGE, "refs/heads/x", "refs/heads/main"} == set(advertised.refs)
    assert advertised.default == "refs/heads/main"
    with reflists.fetched(here.git, "origin", advertised.refs) as refs:
        assert refs == advertised.refs
    for ref in STRANGE:
        here("update-ref", ref, "HEAD")
    assert set(STRANGE) <= set(reflists.local(here.git, "origin"))


def test_names_that_differ_in_case_alone_are_both_read(here: Here) -> None:
    origin = here("remote", "get-url", "origin")
    first, second = here.commit("one"), here.commit("two")
    with (Path(origin) / "packed-refs").open("a") as packed:  # as a remote on another system has them
        here("push", "-q", "origin", "one", "two")
        packed.write(f"{first} refs/heads/Paper\n{second} refs/heads/paper\n")
    with reflists.fetched(here.git, "origin", ["refs/heads/Paper", "refs/heads/paper"]) as refs:
        assert refs == {"refs/heads/Paper": first, "refs/heads/paper": second}
        names = here("for-each-ref", "--format=%(refname)", "refs/git-data/").split()
    assert len({name.lower() for name in names}) == 2


def test_two_readings_do_not_disturb_each_other(here: Here) -> None:
    """Each began by removing what the other had just fetched: its roots were empty, and all was free."""
    with reflists.fetched(here.git, "origin", ["refs/heads/main"]):
        names = here("for-each-ref", "--format=%(refname)", "refs/git-data/").split()
        with reflists.fetched(here.git, "origin", ["refs/heads/main"]):
            pass
        assert here("for-each-ref", "--format=%(refname)", "refs/git-data/").split() == names
    assert not here("for-each-ref", "refs/git-data/")


def test_what_a_killed_reading_left_goes_after_a_day(here: Here) -> None:
    for name in ("1-dead/0", "heads/main"):
        here("update-ref", f"refs/git-data/roots/{name}", "HEAD")
    with reflists.fetched(here.git, "origin", []):
        assert not here("for-each-ref", "refs/git-data/")


def test_refs_that_did_not_arrive_are_no_empty_list(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reflists, "_listed", lambda *_: {})
    with pytest.raises(Unreachable, match="not all refs of origin arrived"), reflists.fetched(
        here.git, "origin", ["refs/heads/main"]
    ):  # fmt: skip
        raise AssertionError


@pytest.mark.parametrize("read", ["advertised", "fetched"])
def test_an_address_is_never_an_option(here: Here, tmp_path: Path, read: str) -> None:
    """`--upload-pack=…` would run a program of its own choice."""
    address = f"--upload-pack=touch {tmp_path / 'owned'};false"
    with pytest.raises(Unreachable):
        if read == "advertised":
            reflists.advertised(here.git, address)
        else:
            with reflists.fetched(here.git, address, ["refs/heads/main"]):
                pass
    assert not (tmp_path / "owned").exists()


def test_a_program_as_address_is_not_run(here: Here, tmp_path: Path) -> None:
    with pytest.raises(Unreachable):
        reflists.advertised(here.git, f"ext::touch {tmp_path / 'owned'}")
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("user", ["ana:s3cret", "s3cret"])
def test_what_is_said_of_an_address_holds_no_token(here: Here, user: str) -> None:
    address = f"http://{user}@127.0.0.1:1/x.git"
    with pytest.raises(Unreachable, match="does not say which refs") as listing:
        reflists.advertised(here.git, address)
    with pytest.raises(Unreachable, match="could not be fetched") as fetching:
        reflists.fetched(here.git, address, ["refs/heads/main"]).__enter__()
    assert "s3cret" not in str(listing.value) + str(fetching.value)


def test_refs_without_a_manifest_name_nothing(here: Here) -> None:
    """Blobs, trees, and commits that never had one."""
    here("switch", "-q", "--orphan", "bare")
    here("commit", "-q", "--allow-empty", "-m", "nothing")
    blob = here.git.run("hash-object", "-w", "--stdin", stdin=b"x").stdout.decode().strip()
    here("tag", "blob", blob)
    here("tag", "-a", "-m", "x", "note", blob)
    here("tag", "tree", "HEAD^{tree}")
    here("tag", "-a", "-m", "x", "marked", "main")
    here("tag", "-a", "-m", "x", "twice", "marked")
    assert readable(here, ["bare", "blob", "note", "tree", "marked", "twice"]) == [["marked", "twice"]]


def test_a_submodule_in_its_place_is_none(here: Here) -> None:
    here("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},{FILE_NAME}")
    here("commit", "-q", "-m", "odd")
    assert readable(here, ["HEAD"]) == []


@pytest.mark.parametrize("lost", ["side", "side^{tree}", f"side:{FILE_NAME}"])
def test_what_a_damaged_clone_has_lost_is_doubt(here: Here, lost: str) -> None:
    """Git says "missing" of a manifest that never was, and of one whose commit, tree or bytes are lost."""
    side = here.commit("side", EMPTY + "\n")
    here.lose(lost)
    with pytest.raises(DataError, match="are missing in this clone"):
        list(
            reflists.manifests(
                here.git, {"refs/heads/side": side, "refs/heads/main": here("rev-parse", "main")}
            )
        )


def test_of_tags_those_that_can_be_read_count(here: Here) -> None:
    """One at a time: all of them together need not fit into memory."""
    said: list[str] = []
    refs = {
        "good": here("rev-parse", "main"),
        "twin": here("rev-parse", "main"),
        "bad": here.commit("x", "{}"),
    }
    found = reflists.readable(here.git, refs, said.append)
    assert next(found) == Manifest()
    assert not said
    assert list(found) == []
    assert "manifest.json of bad" in said[0]


def test_what_is_merged(here: Here) -> None:
    main, side = here("rev-parse", "main"), here.commit("side")
    here("tag", "-a", "-m", "x", "marked", "main")
    marked, blob = here("rev-parse", "marked"), here("rev-parse", f"main:{FILE_NAME}")
    here("switch", "-q", "main")
    tip = here.commit("next")
    asked = [main, side, marked, blob, "1" * 40]
    assert reflists.is_merged(here.git, asked, tip) == {main, marked}
    assert reflists.is_merged(here.git, asked, side) == {main, side, marked}
    assert reflists.is_merged(here.git, ["1" * 40], tip) == set()


def test_of_a_branch_that_is_gone_only_the_newest_may_be_left(here: Here) -> None:
    main = here("rev-parse", "main")
    here.commit("side", EMPTY + "\n")
    end = here.commit("end", EMPTY + "\n\n")
    here.lose("side")
    assert reflists.is_merged(here.git, [main, end], main) == {main}


def test_ten_thousand_refs_take_no_process_each(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    log = here.path / "trace"
    monkeypatch.setenv("GIT_TRACE2_EVENT", str(log))
    refs = {f"refs/heads/b{n}": here("rev-parse", "HEAD") for n in range(2)}
    few = _processes(here, refs, log)
    many = _processes(here, {f"refs/heads/b{n}": oid for n, oid in enumerate([*refs.values()] * 5000)}, log)
    assert many == few


def _processes(here: Here, refs: dict[str, str], log: Path) -> int:
    log.unlink(missing_ok=True)
    list(reflists.manifests(here.git, refs))
    reflists.is_merged(here.git, list(refs.values()), "main")
    return log.read_text().count('"event":"start"')
