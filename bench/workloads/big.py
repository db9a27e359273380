"""One file of 2 GiB that nothing can compress: add, push, pull."""

import os
from pathlib import Path

from copiers import SCRIPTS as PROGRAMS
from copiers import fetchers, senders
from measuring import Contestant, Step, command
from repos import Image, remove
from scene import SCRIPTS, Scene, Table
from versioners import Dvc, Ours, Versioner

from workloads.taking_part import adders, contestant, sender

GIB = 1 << 30
DATA = "big.bin"


def noise(scene: Scene) -> Path:
    """The file."""
    path = scene.root / "source" / DATA
    path.parent.mkdir()
    with path.open("wb") as file:
        for _ in range(scene.scaled(2 * GIB >> 20)):
            file.write(os.urandom(1 << 20))
    return path


def add(scene: Scene) -> dict[str, Table]:
    source = noise(scene)
    floor = Contestant(
        "sha256 alone", [Step([SCRIPTS / "python", PROGRAMS / "floors.py", "sha256", source], scene.root)]
    )
    rows = scene.meter.compare("add 2 GiB", [*adders(scene, source, slow=False), floor])
    return {"add-2g": Table("add a file of 2 GiB", rows, {"bytes": source.stat().st_size})}


def push(scene: Scene) -> dict[str, Table]:
    source = noise(scene)
    ours, dvc = Ours(scene, "push", DATA), Dvc(scene, "push", DATA)
    parts = [sender(ours, source, counted=True), *senders(scene, source), sender(dvc, source, slow=True)]
    rows = scene.meter.compare("push 2 GiB to S3", parts)
    return {"push-2g": Table("push a file of 2 GiB to S3", rows, {"bytes": source.stat().st_size})}


def pull(scene: Scene) -> dict[str, Table]:
    source = noise(scene)
    key = scene.prefix("plain/" + DATA)
    command(
        scene.programs["boto3"], PROGRAMS / "boto3_copy.py", "up", source, scene.bucket.name, key,
        cwd=scene.root, env=scene.env,
    )  # fmt: skip
    ours, dvc = Ours(scene, "pull", DATA), Dvc(scene, "pull", DATA)
    parts = [
        fetcher(ours, source, counted=True),
        *fetchers(scene, key, many=False),
        fetcher(dvc, source, slow=True),
    ]
    if "s5cmd" in scene.programs:
        parts.append(_fetched_and_hashed(scene, parts))
    rows = scene.meter.compare("pull 2 GiB from S3", parts)
    return {
        "pull-2g": Table("pull a file of 2 GiB from S3, verified", rows, {"bytes": source.stat().st_size})
    }


def _fetched_and_hashed(scene: Scene, parts: list[Contestant]) -> Contestant:
    """What s5cmd has not done: `sha256sum` after it."""
    plain = next(one for one in parts if one.name == "s5cmd")
    target = plain.steps[0].argv[-1]
    return Contestant(
        "s5cmd, then sha256sum",
        [*plain.steps, Step(["sha256sum", target], scene.root)],
        reset=plain.reset,
        cleanup=plain.cleanup,
    )


def fetcher(tool: Versioner, source: Path, *, slow: bool = False, counted: bool = False) -> Contestant:
    """A clone that holds no data fetches it, always in the same place."""
    clone, images = tool.place / "reader", list[Image]()

    def prepare() -> None:
        tool.found()
        tool.put(source)
        tool.save()
        tool.clone("reader")
        images.append(tool.image(clone))

    def reset() -> None:
        remove(clone / tool.data)
        images[0].restore()

    return contestant(tool, lambda: tool.fetch(clone), prepare, reset, reset, slow=slow, counted=counted)
