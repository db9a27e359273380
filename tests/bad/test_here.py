"""Where commands are run: no repository, no init, bare, detached, sub-folders, linked work trees."""

import subprocess
from pathlib import Path

import pytest

from tests.bad.scene import Scene, Still, refused, silent
from tests.world import Clone

LOOKS = (["status"], ["ls"], ["log"], ["show", "x"], ["config"])
ACTS = (
    ["add", "x"], ["prepare", "x", "y"], ["upload"], ["pull"], ["publish"], ["rollback", "x", "--to", "v1"],
    ["delete", "x", "--yes"], ["prune", "x", "--keep", "1"], ["mv", "x", "y"], ["rm", "--cached", "x"],
    ["verify"], ["fsck"], ["trust", "--yes"],
)  # fmt: skip


@pytest.mark.parametrize("words", [*LOOKS[:2], *ACTS[:5]], ids=" ".join)
def test_outside_a_repository_every_command_says_so_and_how_to_begin(tmp_path: Path, words: list[str]):
    plain = tmp_path / "plain"
    plain.mkdir()
    refused(Clone(plain).data(*words, code=None), 128, "not a git repository", run="git init")
    assert not list(plain.iterdir())


@pytest.mark.parametrize("words", [*LOOKS, *ACTS], ids=" ".join)
def test_without_init_every_command_names_init(tmp_path: Path, words: list[str]):
    clone = Clone(tmp_path / "bare-bones")
    subprocess.run(["git", "init", "-q", str(clone.path)], check=True)
    before = sorted(p.name for p in clone.path.rglob("*"))
    refused(clone.data(*words, code=None), 128, "not set up", run="git data init")
    assert sorted(p.name for p in clone.path.rglob("*")) == before


def test_init_outside_a_repository_creates_nothing(tmp_path: Path):
    plain = tmp_path / "plain"
    plain.mkdir()
    refused(Clone(plain).data("init", code=None), 128, "not a git repository", run="git init")
    assert not list(plain.iterdir())
    assert not (tmp_path / "plain.data").exists()


def test_init_leaves_a_manifest_of_another_kind_alone(tmp_path: Path):
    clone = Clone(tmp_path / "web")
    subprocess.run(["git", "init", "-q", str(clone.path)], check=True)
    clone.write("manifest.json", '{"name": "A web app", "icons": []}\n')
    refused(clone.data("init", code=None), 128, "manifest.json", run="git mv manifest.json")
    assert clone.read("manifest.json") == b'{"name": "A web app", "icons": []}\n'
    assert [p.name for p in clone.path.iterdir() if p.name != ".git"] == ["manifest.json"]
    assert not (tmp_path / "web.data").exists()


def test_init_twice_changes_nothing(scene: Scene):
    still = Still(scene)
    scene.ana.data("init", "--no-hooks")
    still.check()


def test_errors_are_json_where_json_was_asked_for(tmp_path: Path):
    plain = tmp_path / "plain"
    plain.mkdir()
    done = silent(Clone(plain).data("status", "--json", code=128))
    assert done.json()["exit_code"] == 128
    assert done.json()["errors"][0]["hints"]


def test_a_bare_repository_lists_its_datasets_and_has_no_working_files(scene: Scene):
    scene.add("data/a.csv", "1\n")
    bare = Clone(scene.root / "origin.git")
    env = {"GIT_DATA_TRUST": "1"}
    assert [d["name"] for d in bare.json("ls", env=env)["datasets"]] == ["data/a.csv"]
    for words in (["add", "x"], ["pull"], ["status"], ["delete", "data/a.csv", "--yes"]):
        refused(bare.data(*words, code=None, env=env), 128, "bare", run="git clone")


def test_a_bare_repository_can_fetch_a_version_to_a_path(scene: Scene):
    scene.add("data/a.csv", "1\n")
    (scene.root / "out").mkdir()
    env = {"GIT_DATA_REMOTE_STAGING_URL": f"file:{scene.staging}", "GIT_DATA_TRUST": "1"}
    bare = Clone(scene.root / "origin.git", env)
    bare.data("pull", "data/a.csv", "-o", str(scene.root / "out" / "a.csv"))
    assert (scene.root / "out" / "a.csv").read_bytes() == b"1\n"


def test_with_a_detached_head_add_pull_and_status_work(scene: Scene):
    scene.add("a.csv", "1\n")
    scene.ana.git("checkout", "-q", "--detach")
    scene.ana.write("a.csv", "2\n")
    scene.ana.data("add", "a.csv")
    assert scene.ana.states("a.csv") == {"v1": "pending", "v2": "pending"}
    assert "detached" in scene.ana.data("status").out
    scene.ana.data("pull", "a.csv@v1")
    assert scene.ana.read("a.csv") == b"1\n"


def test_publish_without_remote_on_a_detached_head_asks_for_the_branch(scene: Scene):
    scene.add("a.csv", "1\n")
    scene.ana.git("remote", "remove", "origin")
    scene.ana.git("checkout", "-q", "--detach")
    still = Still(scene)
    refused(scene.ana.data("publish", code=None), 128, "detached", run="--branch main")
    still.check()


def test_without_an_author_nothing_is_added(scene: Scene, home: Path):
    (home / ".gitconfig").write_text("[user]\n\tuseConfigOnly = true\n")
    scene.ana.write("a.csv", "1\n")
    still = Still(scene)
    refused(scene.ana.data("add", "a.csv", code=None), 128, "who you are", run="git config user.name")
    still.check()
    scene.ana.data("status")


def test_sub_folders_give_the_same_answers(scene: Scene):
    scene.add("data/deep/a.csv", "1\n")
    (scene.ana.path / "data" / "deep").mkdir(exist_ok=True)
    for words in (["ls"], ["log"], ["status", "--porcelain"], ["ls", "--json"], ["fsck"]):
        top = scene.ana.data(*words)
        for folder in ("data", "data/deep"):
            assert scene.ana.data(*words, cwd=folder).out == top.out
    full = scene.ana.data("show", "data/deep/a.csv").out
    assert scene.ana.data("show", "a.csv", cwd="data/deep").out == full
    assert scene.ana.data("show", "data/deep/a.csv", cwd="data").out == full
    assert scene.ana.data("show", "../data/deep/a.csv", cwd="data").out == full


def test_add_and_pull_in_a_sub_folder_mean_the_files_there(scene: Scene):
    scene.ana.write("data/a.csv", "below\n")
    scene.ana.write("a.csv", "above\n")
    scene.ana.data("add", "a.csv", cwd="data")
    assert list(scene.ana.manifest()["datasets"]) == ["data/a.csv"]
    scene.ana.write("data/a.csv", "changed\n")
    scene.ana.data("pull", "--force", "a.csv", cwd="data")
    assert scene.ana.read("data/a.csv") == b"below\n"
    assert scene.ana.read("a.csv") == b"above\n"


def test_a_linked_work_tree_shares_stores_cache_and_trust(scene: Scene):
    scene.add("a.csv", "1\n")
    scene.ana.git("worktree", "add", "-q", "-b", "side", str(scene.root / "side"))
    side = Clone(scene.root / "side")
    side.data("pull")
    assert side.read("a.csv") == b"1\n"
    side.write("a.csv", "2\n")
    side.data("add", "a.csv")
    side.data("upload")
    assert scene.object("staging", side.versions("a.csv")[0]["oid"]).read_bytes() == b"2\n"
    assert scene.ana.read("a.csv") == b"1\n"
    assert len(scene.ana.versions("a.csv")) == 1


def test_a_missing_start_folder_is_a_usage_error(scene: Scene):
    silent(scene.ana.run("git-data", "-C", "nowhere", "status", code=129))


def test_ignore_and_attribute_files_in_any_encoding_survive(tmp_path: Path):
    clone = Clone(tmp_path / "old")
    subprocess.run(["git", "init", "-q", str(clone.path)], check=True)
    clone.write(".gitignore", b"caf\xe9\r\n*.o\n")
    clone.write(".gitattributes", b"caf\xe9 -text\n")
    clone.data("init", "--no-hooks")
    clone.write("a.csv", "1\n")
    clone.data("add", "a.csv")
    clone.data("mv", "a.csv", "b.csv")
    assert clone.read(".gitignore").startswith(b"caf\xe9\r\n*.o\n")
    assert clone.read(".gitattributes").startswith(b"caf\xe9 -text\n")


def test_a_locked_index_leaves_a_way_on(scene: Scene):
    scene.ana.write("a.csv", "1\n")
    lock = scene.ana.path / ".git" / "index.lock"
    lock.touch()
    refused(
        scene.ana.data("add", "a.csv", code=None), 5, "not staged", run="git add -f manifest.json .gitignore"
    )
    lock.unlink()
    scene.ana.data("add", "a.csv")
    staged = scene.ana.git("diff", "--cached", "--name-only").out.split()
    assert staged == [".gitignore", "manifest.json"]
    assert scene.ana.states("a.csv") == {"v1": "pending"}


def test_on_a_read_only_disk_looking_works_and_changing_is_refused(scene: Scene):
    scene.add("a.csv", "1\n")
    ana = scene.ana.path
    mount = ["mount", "--bind", "-o", "ro", str(ana), str(ana)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this machine mounts nothing")
    try:
        still = Still(scene)
        for words in (["status"], ["ls"], ["log"], ["show", "a.csv"], ["pull", "-n"]):
            silent(scene.ana.data(*words))
        for words in (["add", "a.csv"], ["rollback", "a.csv", "--to", "v1"], ["delete", "a.csv", "--yes"]):
            refused(scene.ana.data(*words, code=None), 4, "Read-only file system", run="ls -ld . .git")
        out = scene.root / "out"
        out.mkdir()
        scene.ana.data("pull", "a.csv", "-o", str(out))
        assert (out / "a.csv").read_bytes() == b"1\n"
        (out / "a.csv").unlink()
        out.rmdir()
        still.check()
    finally:
        subprocess.run(["umount", str(ana)], check=True)
