"""What cannot be a dataset: unknown names, hostile paths, links, pipes, folders, tracked files."""

import os
import stat

import pytest

from tests.bad.scene import Scene, Still, refused, silent
from tests.world import Clone

UNKNOWN = (
    ["pull", "nope"], ["show", "nope"], ["log", "nope"], ["upload", "nope"], ["status", "nope"],
    ["fsck", "nope"],
    ["rollback", "nope", "--to", "v1"], ["delete", "nope", "--yes"], ["prune", "nope", "--keep", "1"],
    ["mv", "nope", "b"], ["rm", "--cached", "nope"],
)  # fmt: skip
UNKNOWN_VERSION = (
    ["pull", "a.csv@v9"], ["pull", "a.csv", "--version", "v9"], ["show", "a.csv@v9"],
    ["rollback", "a.csv", "--to", "v9"],
)  # fmt: skip


@pytest.fixture
def scene(tracked: Scene) -> Scene:
    return tracked


@pytest.fixture
def ana(scene: Scene) -> Clone:
    return scene.ana


@pytest.mark.parametrize("words", UNKNOWN, ids=" ".join)
def test_an_unknown_dataset_is_not_found(scene: Scene, ana: Clone, words: list[str]):
    still = Still(scene)
    refused(ana.data(*words, code=None), 3, "no dataset 'nope'", run="git data ls", unchanged=False)
    still.check()


@pytest.mark.parametrize("words", UNKNOWN_VERSION, ids=" ".join)
def test_an_unknown_version_is_not_found_and_the_known_ones_are_named(
    scene: Scene, ana: Clone, words: list[str]
):
    still = Still(scene)
    done = ana.data(*words, code=None)
    refused(done, 3, "no version 'v9'", "it has v1", run="git data log a.csv", unchanged=False)
    still.check()


def test_a_misspelt_name_gets_the_nearest_one_as_a_hint(ana: Clone):
    refused(ana.data("pull", "a.cvs", code=None), 3, "a.csv", run="a.csv", unchanged=False)


def test_an_unknown_revision_is_not_found(scene: Scene, ana: Clone):
    still = Still(scene)
    for revision in ("nope", "--help", "HEAD\nHEAD", "", "HEAD:manifest.json"):
        refused(ana.data("pull", "--rev", revision, code=None), 3, run=None, unchanged=False)
    still.check()


def test_adding_what_does_not_exist_is_not_found(scene: Scene, ana: Clone):
    still = Still(scene)
    refused(ana.data("add", "gone.csv", code=None), 3, "gone.csv", run="git data status")
    refused(ana.data("prepare", "a.csv", "gone.csv", code=None), 3, "gone.csv", run="git data status")
    still.check()


@pytest.mark.parametrize(
    "name",
    [
        "con.csv", "aux", "trailing.", "blank ", "a:b", "back\\slash", "line\nend.csv",
        "tab\t.csv",
        ".env", ".gitmodules", "sub/.gitignore", ".git-data-x", "\u202eevil.csv", "git~1", ".gitlab-ci.yml",
        "x" * 201,
    ],
)  # fmt: skip
def test_a_name_no_colleague_could_check_out_is_refused(scene: Scene, ana: Clone, name: str):
    ana.write(name, "data\n")
    still = Still(scene)
    done = refused(ana.data("add", name, code=None), 128, "cannot be a dataset name", run="git data")
    assert not {"\u202e", "\x1b"} & set(done.text)
    assert "\n" not in next(line for line in done.err.splitlines() if line.startswith("error:"))
    still.check()


def test_a_name_that_is_not_text_is_refused(scene: Scene, ana: Clone):
    path = os.fsencode(ana.path) + b"/caf\xe9.csv"
    with open(path, "wb") as file:
        file.write(b"data\n")
    still = Still(scene)
    name = os.fsdecode(b"caf\xe9.csv")
    for words in (["add", name], ["prepare", name, "a.csv"]):
        refused(ana.data(*words, code=None), 128, "cannot be a dataset name", run="git data")
    still.check()


def test_the_bytes_of_such_a_file_can_be_prepared_under_another_name(ana: Clone):
    with open(os.fsencode(ana.path) + b"/caf\xe9.csv", "wb") as file:
        file.write(b"data\n")
    ana.data("prepare", "cafe.csv", os.fsdecode(b"caf\xe9.csv"))
    assert ana.read("cafe.csv") == b"data\n"


@pytest.mark.parametrize("name", ["-rf.csv", "--force", "-", "--output=x"])
def test_names_that_look_like_options_are_names_after_two_dashes(scene: Scene, ana: Clone, name: str):
    ana.write(name, "data\n")
    ana.data("add", "--", name)
    assert ana.versions(name)[0]["size"] == 5
    assert name in ana.git("check-ignore", "--", name).out
    ana.commit()
    ana.data("upload", "--", name)
    ana.path.joinpath(name).unlink()
    ana.data("pull", "--", name)
    assert ana.read(name) == b"data\n"
    ana.data("log", "--", name)


def test_globs_and_magic_in_names_mean_themselves(scene: Scene, ana: Clone):
    ana.write("[ab].csv", "brackets\n")
    ana.write("b.csv", "another\n")
    ana.write("!x #y.csv", "odd\n")
    ana.data("add", "[ab].csv", "!x #y.csv")
    untracked = ana.git("status", "--porcelain", "-uall").out
    assert "b.csv" in untracked and "[ab]" not in untracked and "!x" not in untracked
    assert ana.git("ls-files").out.split() == [".gitattributes", ".gitdata", ".gitignore", "manifest.json"]


@pytest.mark.parametrize(
    "words", [["add", "../out.csv"], ["add", "/etc/passwd"], ["prepare", "../out.csv", "a.csv"]]
)
def test_a_path_outside_the_repository_is_refused(scene: Scene, ana: Clone, words: list[str]):
    (scene.root / "out.csv").write_text("mine\n")
    still = Still(scene)
    refused(ana.data(*words, code=None), 128, "outside the repository", run="git data prepare")
    still.check()


def test_an_empty_path_is_refused(scene: Scene, ana: Clone):
    still = Still(scene)
    refused(ana.data("add", "", code=None), 128, run=None)
    still.check()


def test_case_fold_twins_cannot_both_be_datasets(scene: Scene, ana: Clone):
    ana.write("A.csv", "twin\n")
    still = Still(scene)
    refused(ana.data("add", "A.csv", code=None), 128, "same file on some systems", run=None)
    still.check()


def test_a_file_git_tracks_is_refused_with_how_to_move_it_over(scene: Scene, ana: Clone):
    ana.write("model.db", "bytes\n")
    ana.git("add", "model.db")
    ana.commit("Add a model")
    still = Still(scene)
    refused(ana.data("add", "model.db", code=None), 5, "tracked by Git", run="git rm --cached model.db")
    still.check()
    ana.git("rm", "-q", "--cached", "model.db")
    ana.data("add", "model.db")


@pytest.mark.parametrize("name", ["manifest.json", ".gitdata", ".git/config"])
def test_files_of_git_and_of_the_tool_are_no_data(scene: Scene, ana: Clone, name: str):
    still = Still(scene)
    done = silent(ana.data("add", name, code=None))
    assert done.code in (5, 128)
    still.check()


def test_a_link_is_refused_and_its_target_left_alone(scene: Scene, ana: Clone):
    (scene.root / "secret").write_text("secret\n")
    (ana.path / "link.csv").symlink_to("../secret")
    (ana.path / "dangling.csv").symlink_to("nowhere")
    still = Still(scene)
    for name in ("link.csv", "dangling.csv"):
        refused(ana.data("add", name, code=None), 128, "symbolic link", run=None)
    still.check()


def test_a_pipe_a_device_and_a_socket_are_refused_at_once(scene: Scene, ana: Clone):
    os.mkfifo(ana.path / "pipe")
    still = Still(scene)
    refused(ana.data("add", "pipe", code=None), 128, "pipe, socket or device", run=None)
    refused(ana.data("prepare", "x.csv", "/dev/zero", code=None), 128, "pipe, socket or device", run=None)
    if os.geteuid() == 0:
        os.mknod(ana.path / "zero", 0o600 | stat.S_IFCHR, os.makedev(1, 5))
        refused(ana.data("add", "zero", code=None), 128, "pipe, socket or device", run=None)
    still.check()


def test_an_empty_file_is_a_version_like_any_other(scene: Scene, ana: Clone):
    ana.write("empty.csv", "")
    ana.data("add", "empty.csv")
    ana.commit()
    ana.data("upload")
    (ana.path / "empty.csv").unlink()
    ana.data("pull", "--from", "staging", "empty.csv")
    assert ana.read("empty.csv") == b""


def test_one_bad_path_among_good_ones_adds_none(scene: Scene, ana: Clone):
    ana.write("good.csv", "good\n")
    still = Still(scene)
    refused(ana.data("add", "good.csv", "gone.csv", code=None), 3, "gone.csv", run="git data status")
    still.check()


def test_a_link_to_a_folder_outside_is_outside(scene: Scene, ana: Clone):
    (scene.root / "elsewhere").mkdir()
    (scene.root / "elsewhere" / "a.csv").write_text("mine\n")
    (ana.path / "door").symlink_to("../elsewhere")
    still = Still(scene)
    refused(ana.data("add", "door/a.csv", code=None), 128, "outside the repository", run="git data prepare")
    still.check()


def sub(scene: Scene) -> Clone:
    """A dataset below a folder, whose working file is gone."""
    scene.add("deep/b.csv", "below\n")
    (scene.ana.path / "deep" / "b.csv").unlink()
    (scene.ana.path / "deep").rmdir()
    return scene.ana


@pytest.mark.parametrize("target", ["../elsewhere", ".git/hooks", "/tmp"])
def test_pull_never_writes_through_a_linked_folder(scene: Scene, target: str):
    ana = sub(scene)
    (scene.root / "elsewhere").mkdir()
    (ana.path / "deep").symlink_to(target)
    still = Still(scene)
    for force in ([], ["--force"]):
        refused(ana.data("pull", *force, "deep/b.csv", code=None), 4, "deep is a symbolic link", run=None)
    refused(ana.data("prepare", "deep/b.csv", "a.csv", code=None), 4, "deep is a symbolic link", run=None)
    still.check()


def test_a_linked_folder_stops_nothing_that_only_looks(scene: Scene):
    ana = sub(scene)
    (scene.root / "elsewhere").mkdir()
    (ana.path / "deep").symlink_to("../elsewhere")
    for words in (["status"], ["ls"], ["fsck"], ["log"]):
        silent(ana.data(*words))


def test_pull_replaces_a_leaf_link_only_by_force_and_never_its_target(scene: Scene, ana: Clone):
    target = scene.root / "target.csv"
    target.write_text("precious\n")
    (ana.path / "a.csv").unlink()
    (ana.path / "a.csv").symlink_to(target)
    still = Still(scene)
    refused(ana.data("pull", "a.csv", code=None), 5, "a.csv is a link", run="git data pull --force a.csv")
    still.check()
    ana.data("pull", "--force", "a.csv")
    assert target.read_text() == "precious\n"
    assert not (ana.path / "a.csv").is_symlink()
    assert ana.read("a.csv") == b"1\n"


def test_pull_breaks_a_hard_link_instead_of_writing_into_it(scene: Scene, ana: Clone):
    other = scene.root / "other.csv"
    os.link(ana.path / "a.csv", other)
    ana.write("new.csv", "2\n")
    ana.data("prepare", "a.csv", "new.csv")
    assert ana.read("a.csv") == b"2\n"
    assert other.read_text() == "1\n"


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_pull_leaves_a_folder_in_the_way_alone(scene: Scene, ana: Clone, force: list[str]):
    (ana.path / "a.csv").unlink()
    ana.write("a.csv/inside.txt", "mine\n")
    still = Still(scene)
    refused(ana.data("pull", *force, "a.csv", code=None), 4, "a.csv is a folder", run=None)
    still.check()


def test_pull_leaves_a_pipe_in_the_way_alone(scene: Scene, ana: Clone):
    (ana.path / "a.csv").unlink()
    os.mkfifo(ana.path / "a.csv")
    refused(ana.data("pull", "a.csv", code=None), 5, "special file", run="git data pull --force a.csv")
    assert stat.S_ISFIFO((ana.path / "a.csv").lstat().st_mode)
    silent(ana.data("status"))
    silent(ana.data("fsck"))


def test_pull_to_a_path_refuses_a_linked_folder_a_taken_name_and_a_missing_folder(scene: Scene, ana: Clone):
    (scene.root / "out").mkdir()
    (scene.root / "out" / "taken.csv").write_text("mine\n")
    still = Still(scene)
    out = str(scene.root / "out")
    refused(ana.data("pull", "a.csv", "-o", f"{out}/taken.csv", code=None), 5, "taken.csv", run="--force")
    refused(ana.data("pull", "a.csv", "-o", f"{out}/no/a.csv", code=None), 128, "no folder", run="mkdir -p")
    still.check()


def test_a_changed_working_file_is_never_overwritten_without_force(scene: Scene, ana: Clone):
    ana.write("a.csv", "unsaved work\n")
    still = Still(scene)
    refused(ana.data("pull", code=None), 5, "not added", run="git data pull --force a.csv")
    still.check()
    done = ana.data("pull", "--force")
    kept = [p for p in (ana.path / ".git/data/kept").rglob("*") if p.is_file()]
    assert [p.read_bytes() for p in kept] == [b"unsaved work\n"]
    assert kept[0].parent.name in done.text


def test_mv_refuses_to_overwrite(scene: Scene, ana: Clone):
    ana.write("b.csv", "mine\n")
    still = Still(scene)
    refused(ana.data("mv", "a.csv", "b.csv", code=None), 5, "b.csv", run=None)
    refused(ana.data("mv", "a.csv", "../b.csv", code=None), 128, "outside", run=None, unchanged=False)
    refused(
        ana.data("mv", "a.csv", ".git/b.csv", code=None), 128, "belongs to Git", run=None, unchanged=False
    )
    still.check()


def test_delete_and_prune_ask_and_without_a_terminal_change_nothing(scene: Scene, ana: Clone):
    still = Still(scene)
    refused(ana.data("delete", "a.csv", code=None), 128, "nobody is here", run="git data delete a.csv --yes")
    for keep in ("0", "-1"):
        refused(
            ana.data("prune", "a.csv", "--keep", keep, "--yes", code=None),
            128,
            "at least 1",
            run=None,
            unchanged=False,
        )
    still.check()
