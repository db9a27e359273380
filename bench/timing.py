"""Timing whole processes in turn: medians, ratios pair by pair, peak memory."""

import os
import platform
import resource
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Side:
    """One contestant: a command, and how to bring its world back to the start before each run."""

    name: str
    command: Sequence[str]
    cwd: Path
    reset: Callable[[], object] = lambda: None
    env: dict[str, str] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    peak: int = 0

    def run(self) -> None:
        """One run, counted; peak memory is that of the largest process it waited for."""
        self.reset()
        os.sync()
        began = time.perf_counter()
        process = subprocess.Popen(
            self.command,
            cwd=self.cwd,
            env={**os.environ, **self.env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        said = process.stderr.read() if process.stderr else b""
        _, status, usage = os.wait4(process.pid, 0)
        self.seconds.append(time.perf_counter() - began)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise SystemExit(f"{self.name} failed: {said.decode(errors='replace')[-2000:]}")
        self.peak = max(self.peak, usage.ru_maxrss * 1024)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def compare(sides: Sequence[Side], runs: int, *, warmup: int = 1) -> list[dict[str, object]]:
    """Run all sides in turn; every ratio is against the last side, pair by pair."""
    for number in range(runs + warmup):
        for side in sides:
            side.run()
            if number < warmup:
                side.seconds.clear()
    floor = sides[-1]
    return [
        {
            "name": side.name,
            "median_s": round(side.median, 4),
            "min_s": round(min(side.seconds), 4),
            "max_s": round(max(side.seconds), 4),
            "ratio": round(
                statistics.median(a / b for a, b in zip(side.seconds, floor.seconds, strict=True)), 3
            ),
            "peak_mib": round(side.peak / 2**20, 1),
        }
        for side in sides
    ]


def machine() -> dict[str, object]:
    """What the figures were measured on."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processors": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "python": platform.python_version(),
        "open_files": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
    }
