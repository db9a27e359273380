"""A world with data in production, for tests of what is deleted there.

Built once a module, copied by each test. Import the fixtures by name.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from git_datamanager.model.layout import trash_key
from git_datamanager.model.oid import Oid
from git_datamanager.ops.sweeping.roots import Roots
from tests.world import Clone, Done, World, movable_world

DAY = 86400
DATA = {"gone.bin": os.urandom(3000), "stays.bin": os.urandom(200_000)}


class Yard:
    """A world with two published datasets."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.ana = Clone(world.root / "ana", {})
        self.oids = {name: Oid.of(data) for name, data in DATA.items()}

    def build(self) -> "Yard":
        self.ana = self.world.found("ana")
        for name, data in DATA.items():
            self.ana.write(name, data)
            self.ana.data("add", name)
        self.ana.commit("add")
        self.ana.git("push", "-q")
        self.publish()
        return self

    def copy(self, root: Path) -> "Yard":
        """The same elsewhere; it is registered anew, under its new address."""
        yard = Yard(self.world.copy(root))
        for entry in (yard.world.folder("production") / "repos").iterdir():
            entry.unlink()
        return yard

    def publish(self) -> None:
        self.world.publish(self.ana)
        self.ana.git("pull", "-q")

    def delete(self, name: str = "gone.bin") -> None:
        self.ana.data("delete", name, "--yes")
        self.ana.commit("delete")
        self.ana.git("push", "-q")
        self.publish()

    def object(self, name: str = "gone.bin") -> Path:
        return self.world.object("production", self.oids[name].hex)

    def trash(self, name: str = "gone.bin") -> Path:
        return self.world.folder("production") / trash_key(self.oids[name])

    def gc(self, *words: str, code: int | None = 0) -> Done:
        return self.ana.data("gc", *words, code=code)

    def age(self, path: Path, days: float) -> None:
        then = time.time() - days * DAY
        os.utime(path, (then, then))


@pytest.fixture(scope="module")
def published(template_folder: Path) -> Yard:
    return Yard(movable_world(template_folder / "published")).build()


@pytest.fixture(scope="module")
def deleted(published: Yard, template_folder: Path) -> Yard:
    yard = published.copy(template_folder / "deleted")
    yard.delete()
    return yard


@pytest.fixture
def yard(published: Yard, tmp_path: Path) -> Yard:
    """Both are live."""
    return published.copy(tmp_path / "world")


@pytest.fixture
def emptied(deleted: Yard, tmp_path: Path) -> Yard:
    """One of them was deleted."""
    return deleted.copy(tmp_path / "world")


def named_after(monkeypatch: pytest.MonkeyPatch, module: ModuleType, act: Callable[[], object]) -> None:
    """Somebody pushes once the plan is made: after the first look at the refs, before the next one."""
    looks: list[int] = []
    collect = module.collect

    def look(*words: Any) -> Roots:
        looks.append(1)
        if len(looks) == 2:
            act()
        return collect(*words)

    monkeypatch.setattr(module, "collect", look)
