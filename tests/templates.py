"""Worlds that a module of tests builds once and that each of its tests copies.

A module that wants one has a function `make_template(world, ana)`; where a conftest imports these fixtures,
they have what it made. Other modules get a world that was only set up.
"""

from pathlib import Path

import pytest

from tests.world import Clone, World


@pytest.fixture(scope="module")
def template(request: pytest.FixtureRequest, founded_world: World) -> World:
    """Never to be changed: `world` is a copy."""
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
    return template.copy(tmp_path / "world")


@pytest.fixture
def ana(world: World) -> Clone:
    return world.found("ana")
