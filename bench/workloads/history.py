"""A database of some 2 MB through 46 versions, as in a real project: bytes per version, then compaction."""

import itertools
import json
import statistics
from pathlib import Path
from typing import Any

import histories
from backups import NOTE, Backup, backups
from measuring import Failed, Row
from repos import put
from scene import Scene, Table
from versioners import Ours

DATA = "model.sqlite"
STEPS = 46


def run(scene: Scene) -> dict[str, Table]:
    folder = scene.root / "source"
    folder.mkdir()
    versions = list(histories.energy_history(folder, steps=scene.scaled(STEPS, 5)))
    whole = [path.stat().st_size for path in versions]
    scene.meter.say(f"\nhistory of {len(versions)} versions: bytes that are sent and kept")
    rows: list[Row] = []
    figures: dict[str, Any] = {"bytes": sum(whole), "versions": len(versions)}
    ours = Row("git data")
    rows.append(ours)
    try:
        sizes, taken = _ours(scene, versions, ours)
        figures |= {"ours": _against(whole, sizes), **taken}
    except Failed as error:
        ours.failed = str(error)
        scene.meter.say(f"  git data: {error}")
    rows += [_backup(tool, versions, whole, figures) for tool in backups(scene, "history")]
    for key, value in figures.items():
        scene.meter.say(f"  {key}: {value}")
    return {"history": Table(f"{len(versions)} versions of a 2 MB database", rows, figures)}


def _against(whole: list[int], sizes: list[int]) -> dict[str, Any]:
    """How many times fewer bytes than whole files: over all steps, and for the middle one."""
    steps = list(zip(whole[1:], sizes[1:], strict=True))
    return {
        "average": round(sum(w for w, _ in steps) / max(1, sum(s for _, s in steps)), 2),
        "median": round(statistics.median(w / max(1, s) for w, s in steps), 2),
        "step_bytes": sizes,
    }


def _ours(scene: Scene, versions: list[Path], row: Row) -> tuple[list[int], dict[str, Any]]:
    """Objects that came to staging with each version; then the store whole and compacted."""
    tool = Ours(scene, "history", DATA)
    tool.found()
    sizes, staged = [], 0
    for path in versions:
        put(path, tool.work / DATA)
        taken = scene.meter.run([*tool.add(), *tool.send()], {**scene.bucket.env(), **tool.env(scene.bucket)})
        row.seconds.append(round(sum(step["seconds"] for step in taken), 4))
        row.peak = max(row.peak, *(step["peak"] for step in taken))
        now = _bytes(scene, f"{tool.prefix}/staging")
        sizes.append(now - staged)
        staged = now
        tool.git("add", "-u")
        tool.git("commit", "-q", "-m", "Change")
    tool.git("push", "-q", "origin", "main")
    row.sent = sum(sizes)
    tool.settle()
    return sizes, {"compaction": _compacted(scene, tool)}


def _compacted(scene: Scene, tool: Ours) -> dict[str, Any]:
    """Bytes of production before and after, without its trash; every old version is pulled again."""
    production = f"{tool.prefix}/production"
    before = _bytes(scene, production)
    try:
        tool.git("data", "compact", DATA, "--keep", "1")
        tool.git("add", "-u")
        tool.git("commit", "-q", "--allow-empty", "-m", "Compact")
        tool.git("push", "-q", "origin", "main")
        tool.settle()
        tool.as_ci("gc", "-q", "--apply", "--confirm", "100000", "--unsafe-single-writer")
        tool.git("data", "pull", "-q", "--version", "v1", "-o", str(tool.place / "v1.sqlite"), DATA)
    except Failed as error:
        return {"plain": before, "failed": str(error)}
    return {"plain": before, "compacted": _recorded(tool), "within the grace": _bytes(scene, production)}


def _recorded(tool: Ours) -> int:
    """Bytes of what the manifest says production keeps: plain ones, and forms. Other forms go after the
    grace of 14 days, which a benchmark cannot wait for."""
    versions = json.loads((tool.work / "manifest.json").read_text())["datasets"][DATA]["versions"]
    plain = sum(v["size"] for v in versions if "compacted" not in v)
    return plain + sum(size for v in versions for size in v.get("encodings", {}).values())


def _bytes(scene: Scene, prefix: str) -> int:
    """Bytes of versions in a store: what lies in its trash, leases and receipts left out."""
    kinds = ("objects", "zstd", "delta", "cuts")
    sizes = scene.bucket.sizes(prefix)
    return sum(value for key, value in sizes.items() if key.removeprefix(prefix + "/").split("/")[0] in kinds)


def _backup(tool: Backup, versions: list[Path], whole: list[int], figures: dict[str, Any]) -> Row:
    """The same versions, one after the other; the repository grows by so much."""
    row = Row(tool.name, note=NOTE)
    if not tool.is_here:
        row.failed = "not here"
        return row
    tool.found()
    grown = [tool.stored()]
    for path in versions:
        put(path, tool.folder / DATA)
        taken = tool.scene.meter.run([tool.step(tool.save)], {})
        row.seconds.append(round(taken[0]["seconds"], 4))
        row.peak = max(row.peak, taken[0]["peak"])
        grown.append(tool.stored())
    row.moved = grown[-1]
    figures[tool.name] = _against(whole, [after - before for before, after in itertools.pairwise(grown)])
    return row
