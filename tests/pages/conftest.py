"""A browser for the tests that look at pages as people do."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, started once for a module; its tests are skipped where there is none."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next(filter(None, map(shutil.which, NAMES)), None)
    with api.sync_playwright() as player:
        try:
            found = player.chromium.launch(executable_path=path, args=["--no-sandbox"])
        except api.Error as error:
            if path is not None:
                raise
            pytest.skip(f"no Chromium here (apt-get install chromium): {str(error).splitlines()[0]}")
        yield found
        found.close()
