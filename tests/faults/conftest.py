"""Fixtures of the sweeps: prepared worlds, each built once in a test process."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import seal
from tests.faults.encoded import EVERY
from tests.faults.scene import QUICK_GIT
from tests.faults.sweep import Prepared, prepare


@pytest.fixture(autouse=True)
def quick_git(home: Path) -> None:
    """No fsync and no housekeeping: power cuts are not what is tested here."""
    with (home / ".gitconfig").open("a") as file:
        file.write(QUICK_GIT)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Prepared]]:
    """The world in which a verb begins, with what its undisturbed run does."""
    made: dict[str, Prepared] = {}
    with ExitStack() as stack:

        def get(name: str) -> Prepared:
            if name not in made:
                folder = tmp_path_factory.mktemp("faults")
                with pytest.MonkeyPatch.context() as patch:
                    home = seal(folder / "home", patch)
                    with (home / ".gitconfig").open("a") as file:
                        file.write(QUICK_GIT)
                    made[name] = prepare(stack, folder, EVERY[name])
            return made[name]

        yield get
