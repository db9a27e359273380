"""The picture of the guide "Review a data change", taken of what it describes:

    python -m tests.pages.picture [FOLDER]

A world of two stores and a clone, a published model, a branch that changes it, and the report of its preview
in Chromium, light and dark.
"""

import os
import shutil
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, seal
from tests.world import Clone, new_world

IMAGES = REPOSITORY / "docs" / "guides" / "images"
_WIDE, _HIGH = 1120, 1000


def report(root: Path) -> Path:
    """The HTML of a preview, made by the real commands below `root`."""
    world = new_world(root / "world")
    ana = world.found("ana")
    _first_release(ana)
    ana.data("add", "energy/model.sqlite", "prices.csv", "weather.csv", "-m", "first release")
    ana.commit("First release")
    ana.git("push", "-q")
    world.publish(ana)
    ana.git("pull", "-q")
    ana.git("switch", "-q", "-c", "costs-2026")
    _second_release(ana)
    ana.data("add", "energy/model.sqlite", "prices.csv", "weather.csv", "-m", "costs of 2026")
    ana.commit("Costs of 2026")
    ana.data("preview", "--base", "origin/main", "--out", str(root / "report"))
    return root / "report" / "preview.html"


def _first_release(ana: Clone) -> None:
    path = ana.path / "energy" / "model.sqlite"
    path.parent.mkdir()
    regions = ("DE", "DK", "ES", "FR", "NL", "PL", "SE")
    names = ("wind onshore", "wind offshore", "solar rooftop", "solar park", "heat pump", "gas turbine")
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(
            "CREATE TABLE technology (id INTEGER PRIMARY KEY, name TEXT, region TEXT, capacity_mw REAL,"
            " cost INTEGER)"
        )
        database.executemany(
            "INSERT INTO technology (name, region, capacity_mw, cost) VALUES (?, ?, ?, ?)",
            ((names[n % 6], regions[n % 7], n * 37 % 900 / 10, 600 + n * 53 % 2400) for n in range(1204)),
        )
        database.execute("CREATE TABLE region (code TEXT PRIMARY KEY, name TEXT)")
        database.executemany("INSERT INTO region VALUES (?, ?)", ((code, code.title()) for code in regions))
        database.execute("CREATE VIEW cheap AS SELECT * FROM technology WHERE cost < 700")
    days = [f"2026-{month:02d}-{day:02d}" for month in range(1, 11) for day in range(1, 29)]
    ana.write("prices.csv", "date,price\n" + "".join(f"{d},{n % 61 + 20}.5\n" for n, d in enumerate(days)))
    ana.write("weather.csv", "hour,wind\n" + "".join(f"{n},{n * 7 % 23}\n" for n in range(500)))


def _second_release(ana: Clone) -> None:
    with closing(sqlite3.connect(ana.path / "energy" / "model.sqlite")) as database, database:
        database.execute("ALTER TABLE technology ADD COLUMN lifetime INTEGER")
        database.execute("UPDATE technology SET cost = cost - 45 WHERE id IN (17, 113)")
        database.execute("UPDATE technology SET region = 'DK', capacity_mw = 8.5 WHERE id = 45")
        database.execute("DELETE FROM technology WHERE id = 1200")
        database.execute(
            "INSERT INTO technology (name, region, capacity_mw, cost, lifetime) VALUES"
            " ('electrolyser', 'NL', 20.0, 950, 25), ('heat storage', 'SE', 4.5, 410, 30)"
        )
        database.execute("DROP VIEW cheap")
        database.execute("CREATE VIEW cheap AS SELECT * FROM technology WHERE cost < 650")
        database.execute("CREATE INDEX by_region ON technology (region)")
    prices = ana.read("prices.csv").decode()
    ana.write("prices.csv", prices.replace("2026-01-04,23.5", "2026-01-04,24.1") + "2026-10-29,31.5\n")
    ana.write("weather.csv", ana.read("weather.csv").replace(b"\n", b"\r\n"))


def take(page: Path, folder: Path) -> None:
    """preview-light.png and preview-dark.png in the folder."""
    from playwright.sync_api import sync_playwright

    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as player:
        program = shutil.which("chromium")
        browser = player.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for scheme in ("light", "dark"):
            window = browser.new_page(viewport={"width": _WIDE, "height": _HIGH}, color_scheme=scheme)
            window.goto(page.as_uri())
            window.screenshot(path=str(folder / f"preview-{scheme}.png"))
        browser.close()


def main() -> None:
    folder = Path(sys.argv[1]).absolute() if len(sys.argv) > 1 else IMAGES
    path = os.environ["PATH"]
    with tempfile.TemporaryDirectory() as root, pytest.MonkeyPatch.context() as patch:
        seal(Path(root) / "home", patch)
        patch.setenv("PATH", path)
        take(report(Path(root)), folder)


if __name__ == "__main__":
    main()
