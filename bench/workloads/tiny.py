"""100 000 tiny files: add, and status when nothing changed."""

from pathlib import Path

from copiers import SCRIPTS as PROGRAMS
from measuring import Contestant, Step
from scene import SCRIPTS, Scene, Table
from versioners import Dvc, Lfs, Ours

from workloads.taking_part import adders, contestant

FILES = 100_000
DATA = "tiny"


def run(scene: Scene) -> dict[str, Table]:
    source = scene.root / "source" / DATA
    count = scene.scaled(FILES, 500)
    figures = {"files": count, "bytes": make(source, count)}
    added = scene.meter.compare("100 000 tiny files: add", _add(scene, source))
    same = scene.meter.compare("… status, nothing changed", _status(scene, source))
    return {
        "tiny-add": Table("100 000 tiny files: add", added, figures),
        "tiny-status": Table("… status, nothing changed", same, figures),
    }


def make(folder: Path, count: int) -> int:
    """Files of some 60 bytes in folders of 500; their bytes."""
    total = 0
    for number in range(count):
        path = folder / f"part-{number // 500:04}" / f"row-{number:07}.csv"
        if number % 500 == 0:
            path.parent.mkdir(parents=True)
        data = f"id,value,square\n{number},{number / 7:.6f},{number * number}\n".encode()
        path.write_bytes(data)
        total += len(data)
    return total


def _add(scene: Scene, source: Path) -> list[Contestant]:
    """Without git-annex, which takes minutes."""
    floor = [SCRIPTS / "python", PROGRAMS / "floors.py", "read-tree", source]
    those = [one for one in adders(scene, source, slow=True) if one.name != "git-annex"]
    return [*those, Contestant("read + sha256", [Step(floor, scene.root)])]


def _status(scene: Scene, source: Path) -> list[Contestant]:
    tools = [Ours(scene, "status", DATA), Lfs(scene, "status", DATA), Dvc(scene, "status", DATA)]
    floor = [SCRIPTS / "python", PROGRAMS / "floors.py", "scan", source]
    return [
        *(contestant(tool, tool.status, lambda tool=tool: _added(tool, source)) for tool in tools),
        Contestant("scandir + stat", [Step(floor, scene.root)]),
    ]


def _added(tool: Ours | Lfs | Dvc, source: Path) -> None:
    """Added and committed; and looked at once, which is when a tool may note what it saw."""
    tool.found()
    tool.put(source)
    tool.take(tool.add())
    tool.record()
    tool.take(tool.status())
