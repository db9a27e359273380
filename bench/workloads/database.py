"""A new version of a SQLite database of 1 GiB: 1 % of its rows updated at random, 1 % appended.

The author edits the file in place. Readers hold the version before.
"""

from collections.abc import Callable
from pathlib import Path

import histories
from backups import NOTE, Backup, backups
from copiers import copiers
from measuring import Contestant, Step, command
from repos import Image, overwrite, put, remove
from scene import Scene, Table
from versioners import Dvc, Lfs, Ours, Versioner

from workloads.taking_part import contestant

ROWS = 4_400_000
"""1 GiB."""
DATA = "flow.sqlite"


def run(scene: Scene) -> dict[str, Table]:
    folder = scene.root / "source"
    folder.mkdir()
    old, new = folder / "v1.sqlite", folder / "v2.sqlite"
    histories.big_database(old, scene.scaled(ROWS))
    put(old, new)
    histories.edit_database(new, updated=0.01, appended=0.01)
    figures = {"bytes": new.stat().st_size}
    tools = _tools(scene)
    up = [_author(tool, old, new) for tool in tools]
    up += [_plain_sender(scene, new)]
    up += [_backup(one, old, new, down=False) for one in backups(scene, "up")]
    sent = scene.meter.compare("new version of a 1 GiB SQLite: add + push", up)
    down = [_reader(tool, old) for tool in tools]
    down += [_plain_fetcher(scene, new)]
    down += [_backup(one, old, new, down=True) for one in backups(scene, "down")]
    got = scene.meter.compare("… pull by a clone that holds the version before", down)
    return {
        "sqlite-up": Table("new version of a 1 GiB SQLite: add + push", sent, figures),
        "sqlite-down": Table("… pull, the version before at hand", got, figures),
    }


def _tools(scene: Scene) -> list[Versioner]:
    """Ours twice: with the bytes of the version before in its cache, and as it comes."""
    return [
        Ours(scene, "copy", DATA, cache="copy"),
        Ours(scene, "plain", DATA),
        Lfs(scene, "plain", DATA),
        Dvc(scene, "plain", DATA),
    ]


def _author(tool: Versioner, old: Path, new: Path) -> Contestant:
    images: list[Image] = []

    def prepare() -> None:
        tool.found()
        tool.put(old)
        tool.save()
        tool.take(tool.fetch(tool.clone("reader")))
        images.append(tool.image(tool.work))

    def reset() -> None:
        images[0].restore()
        overwrite(tool.work / DATA, new)
        if tool.to_bucket:
            tool.forget()

    return contestant(tool, tool.change, prepare, reset, slow=True, counted=True)


def _reader(tool: Versioner, old: Path) -> Contestant:
    """The reader got the version before while it was the newest; the author has just sent the new one."""
    clone, images = tool.place / "reader", list[Image]()

    def prepare() -> None:
        tool.record()
        tool.settle()
        tool.refresh(clone)
        images.append(tool.image(clone))

    def reset() -> None:
        images[0].restore()
        remove(clone / DATA)
        put(old, clone / DATA)
        if isinstance(tool, Ours):  # it knew the file before the copy changed its times
            command("git", "data", "status", cwd=clone, env=tool.scene.env)

    return contestant(tool, lambda: tool.fetch(clone), prepare, reset, slow=True, counted=True)


def _s5cmd(scene: Scene, new: Path, way: Callable[..., list[Step]]) -> Contestant:
    tool = copiers(scene)[0]
    return Contestant(
        "s5cmd, the whole file",
        way(tool) if tool.is_here else [],
        prepare=lambda: command(*tool.up(new, scene.prefix("plain")), cwd=scene.root, env=scene.env),
        is_counted=True,
    )


def _plain_sender(scene: Scene, new: Path) -> Contestant:
    return _s5cmd(scene, new, lambda tool: [Step(tool.up(new, scene.prefix("plain")), scene.root)])


def _plain_fetcher(scene: Scene, new: Path) -> Contestant:
    target = scene.root / "plain"
    return _s5cmd(
        scene, new, lambda tool: [Step(tool.down(scene.prefix("plain"), target, many=False), scene.root)]
    )


def _backup(tool: Backup, old: Path, new: Path, *, down: bool) -> Contestant:
    """One round: the repository cannot go back."""
    data = tool.folder / DATA

    def prepare() -> None:
        tool.found()
        put(old, data)
        tool.run(tool.save)
        overwrite(data, new)
        if down:
            tool.run(tool.save)
            remove(data)

    return Contestant(
        tool.name,
        [tool.step(tool.load if down else tool.save)] if tool.is_here else [],
        prepare=prepare,
        rounds=1,
        arrived=None if down else tool.stored,
        note=NOTE,
    )
