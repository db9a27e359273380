"""The stores of a clone: refused in words, asked about once, opened once."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from git_datamanager.errors import DataError, SettingsError, Untrusted
from git_datamanager.manager import DataManager
from git_datamanager.objects import ObjectStore
from git_datamanager.workspace.remotes import Remote, remote
from git_datamanager.workspace.settings import Setting, Settings
from tests.world import Clone, World


@pytest.mark.parametrize("item", ["region", "endpoint"])
def test_an_address_that_is_none_is_a_wrong_setting(item: str) -> None:
    values = {"url": "s3://[bad", item: "eu-west-1"}
    settings = Settings({f"data.remote.staging.{k}": Setting(v, ".gitdata") for k, v in values.items()})
    with pytest.raises(SettingsError, match="not an address"):
        remote(settings, "staging")


def test_a_command_says_so(world: World) -> None:
    ana = world.found()
    ana.write(".gitdata", '[data "remote.staging"]\n\turl = s3://[bad\n\tregion = x\n')
    done = ana.data("status", code=128)
    assert "not an address" in done.err
    assert "fault of its own" not in done.err


class Asked:
    """Answers slowly, so that the others come meanwhile."""

    def __init__(self, answer: bool) -> None:
        self.answer = answer
        self.places: list[str] = []

    def __call__(self, place: Remote) -> bool:
        self.places.append(place.role)
        time.sleep(0.05)
        return self.answer


@pytest.fixture
def ben(world: World) -> Clone:
    return world.clone("ben", trust=False)


def open_by_five(manager: DataManager) -> list[ObjectStore | DataError]:
    barrier = threading.Barrier(5)

    def job(_: int) -> ObjectStore | DataError:
        barrier.wait()
        try:
            return manager.store("staging")
        except DataError as error:
            return error

    with ThreadPoolExecutor(5) as pool:
        return list(pool.map(job, range(5)))


def test_parallel_jobs_ask_once_and_open_once(ben: Clone) -> None:
    asked = Asked(answer=True)
    stores = open_by_five(DataManager.open(ben.path, confirm=asked))
    assert asked.places == ["staging"]
    assert isinstance(stores[0], ObjectStore)
    assert len({id(store) for store in stores}) == 1


def test_a_no_is_not_asked_again(ben: Clone) -> None:
    asked = Asked(answer=False)
    stores = open_by_five(DataManager.open(ben.path, confirm=asked))
    assert asked.places == ["staging"]
    assert all(isinstance(store, Untrusted) for store in stores)


@pytest.mark.parametrize("part", ["journal", "cache", "remotes", "manifests", "work"])
def test_parts_are_made_once(world: World, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    manager = DataManager.open(world.found().path)
    kind = type(getattr(manager, part))
    fresh = DataManager.open(world.found().path)
    begin = kind.__init__

    def slow(self: object, *args: object, **more: object) -> None:
        time.sleep(0.02)
        begin(self, *args, **more)

    monkeypatch.setattr(kind, "__init__", slow)
    barrier = threading.Barrier(4)

    def job(_: int) -> object:
        barrier.wait()
        return getattr(fresh, part)

    with ThreadPoolExecutor(4) as pool:
        assert len({id(made) for made in pool.map(job, range(4))}) == 1


def test_a_state_folder_elsewhere_holds_the_trust(ben: Clone, tmp_path: Path) -> None:
    ben.env["GIT_DATA_DIR"] = str(tmp_path / "state")
    ben.data("trust", "--yes")
    assert (tmp_path / "state" / "trust").is_file()
