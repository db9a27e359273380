"""The seal: every test runs in a world of its own.

HOME, XDG, Git's configuration, dates, author and editor are fixed; credentials and settings of the
person who runs the suite are gone; sockets reach 127.0.0.1 and nothing else. The seal has its own
test (test_seal.py).
"""

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.nightly import BY_NIGHT
from tests.world import Clone, World, movable_world

# A busy machine is no failure: nothing is timed in tests.
settings.register_profile(
    "project", deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("project")

REPOSITORY = Path(__file__).resolve().parent.parent
REMOVED = ("AWS_", "R2_", "GIT_", "S3_", "BOTO_", "XDG_", "PRE_COMMIT", "PAGER", "CLICOLOR")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.nodeid.startswith(BY_NIGHT):
            item.add_marker(pytest.mark.nightly)


def pytest_xdist_auto_num_workers() -> int:
    """`-n auto`: one process more than there are cores, for they wait a third of their time."""
    return (os.cpu_count() or 1) + 1


def sealed_environment(home: Path) -> dict[str, str]:
    """The environment of a fresh machine whose home is `home`."""
    keep = {k: v for k, v in os.environ.items() if not k.startswith(REMOVED)}
    for name in ("NO_COLOR", "FORCE_COLOR", "CI", "COLUMNS", "PYTHONPATH"):
        keep.pop(name, None)
    return keep | {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_EDITOR": "true",
        "GIT_PAGER": "cat",
        "GIT_CEILING_DIRECTORIES": str(home.parent),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(home / ".aws" / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(home / ".aws" / "credentials"),
        "LC_ALL": "C.UTF-8",
        "TERM": "dumb",
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), keep.get("PATH", os.defpath)]),
    }


GITCONFIG = """\
[user]
	name = A U Thor
	email = author@example.org
[init]
	defaultBranch = main
[protocol "file"]
	allow = always
[core]
	autocrlf = false
[advice]
	detachedHead = false
"""


def seal(home: Path, patch: pytest.MonkeyPatch) -> Path:
    """Make `home` an empty home, and the environment point to nothing else."""
    home.mkdir()
    (home / ".gitconfig").write_text(GITCONFIG)
    sealed = sealed_environment(home)
    for name in set(os.environ) - set(sealed):
        if not name.startswith("PYTEST_"):
            patch.delenv(name)
    for name, value in sealed.items():
        patch.setenv(name, value)
    return home


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The seal of one test."""
    return seal(tmp_path / "home", monkeypatch)


@pytest.fixture(scope="module")
def template_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A sealed place to build, once for a module, what its tests copy."""
    folder = tmp_path_factory.mktemp("template")
    with pytest.MonkeyPatch.context() as patch:
        seal(folder / "home", patch)
        yield folder


@pytest.fixture(autouse=True, scope="session")
def no_network() -> Iterator[None]:
    """Connecting anywhere but to this machine fails the test."""
    real = socket.socket.connect

    def connect(self: socket.socket, address: object) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            host = address[0] if isinstance(address, tuple) else ""
            if host not in ("127.0.0.1", "::1", "localhost"):
                raise AssertionError(f"a test connects to {address!r}")
        real(self, address)

    patch = pytest.MonkeyPatch()
    patch.setattr(socket.socket, "connect", connect)
    yield
    patch.undo()


@pytest.fixture(scope="session")
def founded_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world whose clone ana has been set up; built once, copied by every test."""
    folder = tmp_path_factory.mktemp("founded")
    with pytest.MonkeyPatch.context() as patch:
        seal(folder / "home", patch)
        world = movable_world(folder / "world")
        world.found("ana")
    return world


@pytest.fixture(scope="module")
def template(request: pytest.FixtureRequest, founded_world: World) -> World:
    """What the tests of a module start from, never to be changed: a world that was set up, and what the
    module's `make_template(world, ana)` makes of it, once."""
    make = getattr(request.module, "make_template", None)
    if make is None:
        return founded_world
    world = founded_world.copy(request.getfixturevalue("template_folder") / "world")
    make(world, world.found("ana"))
    return world


@pytest.fixture
def still(template: World) -> Clone:
    """The clone ana, for those who change nothing."""
    return template.found("ana")


@pytest.fixture
def world(template: World, tmp_path: Path) -> World:
    """Folder stores, a bare origin, and the clone ana that `found` returns."""
    return template.copy(tmp_path / "world")


@pytest.fixture
def ana(world: World) -> Clone:
    return world.found("ana")
