"""Worlds for the tests of bad input: one is founded per process, every test gets a copy."""

from pathlib import Path

import pytest

from tests.bad.scene import Scene, build, copy
from tests.conftest import GITCONFIG, sealed_environment
from tests.s3server import s3_bucket, s3_endpoint  # noqa: F401 -- fixtures


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    root = tmp_path_factory.mktemp("founded")
    home = root / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(GITCONFIG)
    return build(root / "world", sealed_environment(home))


@pytest.fixture
def scene(founded: Scene, tmp_path: Path) -> Scene:
    """A founded world of one's own."""
    return copy(founded, tmp_path / "world")


@pytest.fixture(scope="session")
def grown(founded: Scene, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    root = tmp_path_factory.mktemp("grown")
    scene = copy(founded, root / "world")
    scene.ana.env |= sealed_environment(founded.root.parent / "home")
    scene.add("a.csv", "1\n")
    return scene


@pytest.fixture
def tracked(grown: Scene, tmp_path: Path) -> Scene:
    """With a dataset `a.csv` that holds "1\\n": v1, pending, in staging, pushed."""
    return copy(grown, tmp_path / "world")
