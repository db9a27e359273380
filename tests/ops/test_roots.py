"""What gc takes for needed where several repositories keep their bytes in one store."""

import os
import shutil

import pytest

from git_datamanager.model.oid import Oid
from tests.world import Clone
from tests.yard import Yard, published, yard

__all__ = ["published", "yard"]


@pytest.mark.slow
def test_what_another_repository_deleted_goes(yard: Yard) -> None:
    """Its default branch says so; a receipt alone would keep the bytes."""
    second, bob = yard.world.root / "second.git", Clone(yard.world.root / "bob", yard.ana.env)
    shutil.copytree(yard.world.origin, second)
    yard.world.clone("bob")
    bob.git("remote", "set-url", "origin", str(second))
    data = os.urandom(1000)
    bob.write("theirs.bin", data)
    bob.data("add", "theirs.bin")
    bob.commit("add")
    bob.git("push", "-q")
    bob.data("publish")
    oid = Oid.of(data)
    theirs = yard.world.object("production", oid.hex)
    words = ("--apply", "--repository", str(second))
    assert "nothing to remove" in yard.gc(*words).err
    bob.git("pull", "-q")
    bob.data("delete", "theirs.bin", "--yes")
    bob.commit("delete")
    bob.git("push", "-q")
    bob.data("publish")
    assert theirs.exists()
    yard.gc("--apply", code=128)
    assert theirs.exists(), "nobody asked the second one"
    yard.gc(*words)
    assert not theirs.exists()
