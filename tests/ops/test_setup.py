"""`git data init`: what it creates and trusts is what somebody here asked for."""

from pathlib import Path

import pytest

from git_datamanager.storage.local import LocalStore
from tests.world import Clone, World


@pytest.fixture
def bare(tmp_path: Path) -> Clone:
    clone = Clone(tmp_path / "new")
    clone.path.mkdir()
    clone.git("init", "-q")
    return clone


def test_no_folder_is_created_that_only_a_tracked_file_names(bare: Clone, tmp_path: Path) -> None:
    planted = tmp_path / "planted"
    bare.write(".gitdata", f'[data "remote.staging"]\n\turl = file:{planted}\n')
    bare.git("add", ".gitdata")
    bare.commit("theirs")
    done = bare.json("init")
    assert not planted.exists()
    assert done["created"] == [str(tmp_path / "new.data" / "production")]
    bare.write("a.csv", "1")
    bare.data("add", "a.csv")
    assert "named only by tracked files" in bare.data("upload", code=4).err
    bare.data("init", "--staging", f"file:{planted}")
    assert planted.is_dir()


def test_what_was_named_here_is_trusted_with_a_state_folder_elsewhere(bare: Clone, tmp_path: Path) -> None:
    bare.env["GIT_DATA_DIR"] = str(tmp_path / "state")
    bare.data("init", "--staging", "../s", "--production", "../p")
    bare.write("a.csv", "1")
    bare.data("add", "a.csv")
    bare.data("upload")
    assert [o.key for o in LocalStore(tmp_path / "s").list_objects("")]
    assert (tmp_path / "state" / "trust").exists()


def test_a_new_folder_store_is_marked_and_lists_nothing(bare: Clone, tmp_path: Path) -> None:
    bare.data("init", "--staging", "../s", "--production", "../p")
    assert (tmp_path / "s" / ".git-data-store").read_text() == "git-data/store/1\n"
    assert list(LocalStore(tmp_path / "s").list_objects("")) == []
    bare.data("fsck", "--remote")


def test_what_stands_is_not_marked(world: World) -> None:
    ana = world.found()
    marker = world.folder("staging") / ".git-data-store"
    marker.unlink()
    ana.data("init")
    assert not marker.exists()


def test_an_endpoint_that_only_a_tracked_file_adds_is_not_trusted_with_the_bucket(bare: Clone) -> None:
    bare.write(".gitdata", '[data "remote.staging"]\n\tendpoint = http://127.0.0.1:1\n')
    bare.data("init", "--staging", "s3://bucket/staging", "--production", "s3://bucket/production")
    bare.write("a.csv", "1")
    bare.data("add", "a.csv")
    assert "git data trust" in bare.data("upload", code=4).err
