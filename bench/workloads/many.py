"""10 000 files of 4 to 64 KiB, 340 MB: add, push, clone + pull, and one of them changed."""

import random
from pathlib import Path

from copiers import SCRIPTS as PROGRAMS
from copiers import copiers, fetchers, senders
from measuring import Contestant, Step, command
from repos import Image, put, remove
from scene import SCRIPTS, Scene, Table
from versioners import Dvc, Lfs, Ours, Versioner

from workloads.taking_part import adders, contestant, sender

FILES = 10_000
DATA = "samples"
CHANGED = "part-00/sample-00.bin"


def run(scene: Scene) -> dict[str, Table]:
    source = scene.root / "source" / DATA
    figures = {"bytes": make(source, scene.scaled(FILES, 100)), "changed": (source / CHANGED).stat().st_size}
    tables = {}
    for name, (title, work) in {
        "many-add": ("10 000 files: add", _add),
        "many-push": ("… push to S3", _push),
        "many-pull": ("… clone + pull from S3", _pull),
        "many-change": ("… one file changed: add + push", _change),
    }.items():
        tables[name] = Table(title, scene.meter.compare(title, work(scene, source)), figures)
        scene.bucket.empty(scene.prefix(""))
    return tables


def make(folder: Path, count: int) -> int:
    """Files in folders of 100; their bytes."""
    source, total = random.Random(7), 0
    for number in range(count):
        path = folder / f"part-{number // 100:02}" / f"sample-{number % 100:02}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        data = source.randbytes(source.randrange(4 << 10, 64 << 10))
        path.write_bytes(data)
        total += len(data)
    return total


def _add(scene: Scene, source: Path) -> list[Contestant]:
    argv = [SCRIPTS / "python", PROGRAMS / "floors.py", "read-tree", source]
    return [*adders(scene, source, slow=True), Contestant("read + sha256", [Step(argv, scene.root)])]


def _push(scene: Scene, source: Path) -> list[Contestant]:
    return [
        sender(Ours(scene, "push", DATA), source, counted=True),
        *senders(scene, source),
        sender(Dvc(scene, "push", DATA), source, slow=True, counted=True),
    ]


def _pull(scene: Scene, source: Path) -> list[Contestant]:
    key = scene.prefix("plain")
    command(
        scene.programs["boto3"], PROGRAMS / "boto3_copy.py", "up", source, scene.bucket.name, key,
        cwd=scene.root, env=scene.env,
    )  # fmt: skip
    ours, dvc = Ours(scene, "pull", DATA), Dvc(scene, "pull", DATA)
    return [
        _cloner(ours, source, counted=True),
        *fetchers(scene, key, many=True),
        _cloner(dvc, source, slow=True, counted=True),
    ]


def _cloner(tool: Versioner, source: Path, *, slow: bool = False, counted: bool = False) -> Contestant:
    """`git clone` and then the data."""
    clone = tool.place / "reader"

    def prepare() -> None:
        tool.found()
        tool.put(source)
        tool.save()

    return contestant(
        tool,
        lambda: [tool.clone_step("reader"), *tool.fetch(clone)],
        prepare,
        cleanup=lambda: remove(clone),
        slow=slow,
        counted=counted,
    )


def _change(scene: Scene, source: Path) -> list[Contestant]:
    tools = [Ours(scene, "change", DATA), Lfs(scene, "change", DATA), Dvc(scene, "change", DATA)]
    return [*(_changer(tool, source) for tool in tools), _syncer(scene, source)]


def _edit(folder: Path, seed: int) -> None:
    """Other bytes in one file, as many as before."""
    path = folder / CHANGED
    path.write_bytes(random.Random(seed).randbytes(path.stat().st_size))


def _changer(tool: Versioner, source: Path) -> Contestant:
    images: list[Image] = []
    seeds = iter(range(100, 1000))

    def prepare() -> None:
        tool.found()
        tool.put(source)
        tool.save()
        images.append(tool.image(tool.work))

    def reset() -> None:
        images[0].restore()
        if isinstance(tool, Ours):
            tool.forget()
        _edit(tool.work / DATA, next(seeds))

    return contestant(tool, tool.change, prepare, reset, slow=True, counted=True)


def _syncer(scene: Scene, source: Path) -> Contestant:
    """s5cmd looks at times and sizes on both sides."""
    tool, folder = copiers(scene)[0], scene.root / "synced"
    there = f"s3://{tool.address(scene.prefix('synced'))}/"
    program = scene.programs["s5cmd"] if tool.is_here else "s5cmd"
    seeds = iter(range(100, 1000))

    def prepare() -> None:
        put(source, folder)
        command(program, "cp", f"{folder}/", there, cwd=scene.root, env=scene.env)

    return Contestant(
        "s5cmd sync",
        [Step([program, "sync", f"{folder}/", there], scene.root)] if tool.is_here else [],
        prepare=prepare,
        reset=lambda: _edit(folder, next(seeds)),
        is_counted=True,
    )
