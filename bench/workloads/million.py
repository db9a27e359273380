"""A folder of up to 1 000 000 files: time and memory must grow like the number of files, not faster.

The listing in memory alone (write, read), and the commands: add, status, upload, and the plan of a pull.
"""

import json
from collections.abc import Sequence
from typing import Any

from copiers import SCRIPTS as PROGRAMS
from measuring import Failed, Row, Step
from repos import remove
from scene import SCRIPTS, Scene, Table
from versioners import Ours

from workloads.tiny import make

COUNTS = (10_000, 100_000, 300_000, 1_000_000)
DATA = "tiny"
Curve = dict[str, dict[str, Any]]


def run(scene: Scene) -> dict[str, Table]:
    scene.meter.say("\nlisting and commands by number of files")
    curves: dict[str, Curve] = {}
    row = Row("git data")
    for count in (scene.scaled(number, 100) for number in COUNTS):
        curve = _listing(scene, count)
        try:
            curve |= _commands(scene, count)
        except Failed as error:
            row.failed = str(error)
        curves[str(count)] = curve
        for what, taken in curve.items():
            peak = taken["peak"] / 2**20
            scene.meter.say(f"  {count:>8} {what:16} {taken['seconds']:8.3f} s {peak:7.0f} MiB")
    if row.failed:
        scene.meter.say(f"  {row.failed}")
    return {"million": Table("folders of up to 1 000 000 files", [row], {"curves": curves})}


def _listing(scene: Scene, count: int) -> Curve:
    """Each in a process of its own, with what the members themselves take as `members`."""
    curve = {}
    for what, name in {"base": "members", "dumps": "listing written", "loads": "listing read"}.items():
        program = [SCRIPTS / "python", PROGRAMS / "listing.py", what, str(count)]
        said = scene.meter.run([Step(program, scene.root)], {})[0]["said"]
        curve[name] = json.loads(said)
    return curve


def _commands(scene: Scene, count: int) -> Curve:
    tool = Ours(scene, f"million-{count}", DATA)
    tool.found()
    make(tool.work / DATA, count)
    curve = {
        "add": _taken(tool, tool.add()),
        "status": _taken(tool, tool.status()),
    }
    tool.record()
    curve["upload"] = _taken(tool, tool.send())
    clone = tool.clone("reader")
    curve["pull -n (plan)"] = _taken(tool, [Step(["git", "data", "pull", "-n"], clone)])
    remove(tool.place)
    tool.scene.bucket.empty(tool.prefix)
    return curve


def _taken(tool: Ours, steps: Sequence[Step]) -> dict[str, Any]:
    scene = tool.scene
    taken = scene.meter.run(steps, {**scene.bucket.env(), **tool.env(scene.bucket)})
    return {"seconds": round(taken[0]["seconds"], 3), "peak": taken[0]["peak"]}
