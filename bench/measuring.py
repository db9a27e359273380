"""Running contestants side by side: interleaved rounds of whole processes, bytes in a round of their own."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from servers import Bucket, counting

LAUNCH = Path(__file__).parent / "programs" / "launch.py"
OURS = "git data"
"""What the name of a row of ours begins with."""


class Failed(Exception):
    """A command did not work; its last words."""


class Step(NamedTuple):
    """One command, and where it runs."""

    argv: Sequence[str | Path]
    cwd: Path


def nothing() -> None:
    """No preparation."""


@dataclass
class Contestant:
    """One way to do the work of a table."""

    name: str
    steps: Sequence[Step]
    """Timed, one after the other; none for a peer that is not on this machine."""
    prepare: Callable[[], object] = nothing
    """Once, before the first round."""
    reset: Callable[[], object] = nothing
    """Before every round."""
    cleanup: Callable[[], object] = nothing
    """After every round, so that what one has written takes no memory from the others."""
    env: Callable[[Bucket], Mapping[str, str]] = lambda _bucket: {}
    """What tells its commands where the bucket is, beyond what `Bucket.env` says."""
    rounds: int | None = None
    """Fewer rounds than the table has, for those that are very slow."""
    is_counted: bool = False
    """Whether its bytes are counted, in one more round through a proxy."""
    arrived: Callable[[], int] | None = None
    """Bytes at the place to which they go, where that is not the bucket: what it grows by has moved."""
    note: str = ""


@dataclass
class Row:
    """What was measured of one contestant. Bytes; seconds of each round."""

    name: str
    seconds: list[float] = field(default_factory=list)
    step_seconds: list[list[float]] = field(default_factory=list)
    peak: int = 0
    sent: int | None = None
    received: int | None = None
    moved: int | None = None
    failed: str | None = None
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        known = {key: value for key, value in vars(self).items() if value not in (None, "", [])}
        median = {"median": statistics.median(self.seconds)} if self.seconds else {}
        return known | median


@dataclass
class Meter:
    """Where contestants run: the environment of all of them, the bucket, the number of rounds."""

    bucket: Bucket
    env: dict[str, str]
    rounds: int
    say: Callable[[str], None] = print

    def run(self, steps: Iterable[Step], more: Mapping[str, str]) -> list[dict[str, Any]]:
        """Run commands, one after the other, and say what each took. Raises Failed."""
        env = {**self.env, **more}
        commands = [
            {"argv": [str(word) for word in step.argv], "cwd": str(step.cwd), "env": env} for step in steps
        ]
        done = subprocess.run(
            [sys.executable, "-I", "-S", LAUNCH, json.dumps(commands)],
            env=env,
            capture_output=True,
            check=False,
        )
        if done.returncode != 0:
            raise Failed(done.stderr.decode(errors="replace").strip()[-300:])
        taken: list[dict[str, Any]] = json.loads(done.stdout)
        if taken[-1]["code"] != 0:
            words = " ".join(commands[len(taken) - 1]["argv"][:4])
            raise Failed(f"{words}: exit {taken[-1]['code']}: {_last_words(taken[-1]['said'])}")
        return taken

    def compare(self, title: str, contestants: Sequence[Contestant]) -> list[Row]:
        """Run them in turn (A B C A B C …), then once more those whose bytes are counted."""
        self.say(f"\n{title}")
        rows = {one.name: Row(one.name, note=one.note) for one in contestants}
        for one in contestants:
            if not one.steps:
                rows[one.name].failed = "not here"
            else:
                self._guarded(rows[one.name], one.prepare)
        for number in range(self.rounds):
            for one in contestants:
                row = rows[one.name]
                if row.failed is None and number < (one.rounds or self.rounds):
                    self._guarded(row, lambda one=one, row=row: self._timed(one, row))
        for one in contestants:
            if one.is_counted and rows[one.name].failed is None:
                self._guarded(rows[one.name], lambda one=one: self._counted(one, rows[one.name]))
            self.say(shown(rows[one.name]))
        return list(rows.values())

    def _timed(self, one: Contestant, row: Row) -> None:
        one.reset()
        before = one.arrived() if one.arrived else 0
        os.sync()
        taken = self.run(one.steps, {**self.bucket.env(), **one.env(self.bucket)})
        row.step_seconds.append([round(step["seconds"], 4) for step in taken])
        row.seconds.append(round(sum(step["seconds"] for step in taken), 4))
        row.peak = max(row.peak, *(step["peak"] for step in taken))
        if one.arrived:
            row.moved = one.arrived() - before
        one.cleanup()

    def _counted(self, one: Contestant, row: Row) -> None:
        one.reset()
        with counting(self.bucket) as (there, count):
            if there is None:
                return
            self.run(one.steps, {**there.env(), **one.env(there)})
            row.sent, row.received = count()
        one.cleanup()

    @staticmethod
    def _guarded(row: Row, work: Callable[[], object]) -> None:
        """A contestant that fails is out, and the table says why."""
        try:
            work()
        except Failed as error:
            row.failed = str(error)


def command(*argv: str | Path, cwd: Path, env: Mapping[str, str]) -> str:
    """Run something that is not timed; its output. Raises Failed."""
    done = subprocess.run(
        argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        words = " ".join(str(word) for word in argv[:4])
        raise Failed(f"{words}: exit {done.returncode}: {_last_words(done.stderr or done.stdout)}")
    return done.stdout


def _last_words(said: str) -> str:
    """The line that says what went wrong, as far as that can be told."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return next((line for line in lines if line.lower().startswith(("error", "fatal"))), *lines[-1:] or [""])[
        :300
    ]


def shown(row: Row) -> str:
    """A row for people."""
    if row.failed is not None:
        return f"  {row.name:34} {row.failed}"
    if not row.seconds:
        return f"  {row.name:34} sent {row.sent} B, moved {row.moved} B"
    middle, low, high = statistics.median(row.seconds), min(row.seconds), max(row.seconds)
    moved = [
        f"{label} {value / 1e6:.3f} MB"
        for label, value in (("sent", row.sent), ("received", row.received), ("moved", row.moved))
        if value is not None
    ]
    times = f"{middle:8.3f} s  ({low:.3f}–{high:.3f}, {len(row.seconds)})"
    return f"  {row.name:34} {times}  {row.peak / 2**20:6.0f} MiB  {', '.join(moved)}"
