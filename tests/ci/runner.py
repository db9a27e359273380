"""Runs the `run:` steps of an action or workflow in a shell, as a runner would.

Steps that use another action are skipped (their `if:` is evaluated all the same), and the installing step is
skipped too, for the tool that is being tested is on PATH. `${{ }}` is resolved in `env:`, `if:` and
`working-directory:`; in `run:` there must be none.
"""

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tests.ci.expressions import evaluate, substitute
from tests.world import Clone


class Ran(NamedTuple):
    """What one step did."""

    name: str
    code: int
    out: str


@dataclass
class Runner:
    """One job in one clone."""

    clone: Clone
    folder: Path
    context: dict[str, Any] = field(default_factory=dict)
    ran: list[Ran] = field(default_factory=list)
    used: list[str] = field(default_factory=list)
    """Actions whose step would have run."""
    python: Path | None = None
    """A folder with a `python` that installing steps call; without one they are skipped."""

    def __post_init__(self) -> None:
        self.folder.mkdir()
        temp = self.folder / "temp"
        temp.mkdir()
        self.context.setdefault("runner", {})["temp"] = str(temp)
        self.context.setdefault("steps", {})

    def action(self, path: Path, inputs: Mapping[str, str] | None = None) -> list[Ran]:
        """A composite action, its inputs with their defaults."""
        action = yaml.safe_load(path.read_text(encoding="utf-8"))
        given = dict(inputs or {})
        assert set(given) <= set(action["inputs"]), "an unknown input"
        known = {k: substitute(str(v.get("default", "")), self.context) for k, v in action["inputs"].items()}
        self.context["inputs"] = known | given
        return self.steps(action["runs"]["steps"])

    def job(self, path: Path, name: str) -> list[Ran]:
        """One job of a workflow; nothing where its condition says no."""
        job = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"][name]
        if "if" in job and not evaluate(str(job["if"]), self.context):
            return []
        return self.steps(job["steps"])

    def steps(self, steps: list[dict[str, Any]]) -> list[Ran]:
        before, failed = len(self.ran), False
        for step in steps:
            wanted = evaluate(str(step["if"]), self.context) if "if" in step else True
            if failed and "always()" not in str(step.get("if", "")):
                continue
            if not wanted:
                continue
            if "uses" in step:
                assert re.search(r"@[0-9a-f]{40}$", step["uses"]), step["uses"]
                self.used.append(step["uses"].partition("@")[0])
            elif self.python is not None or not step["name"].startswith("Install"):
                failed = self.run(step).code != 0 or failed
        return self.ran[before:]

    def run(self, step: dict[str, Any]) -> Ran:
        assert "${{" not in step["run"]
        files = {
            name: self.folder / f"{len(self.ran)}-{name}" for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")
        }
        for file in files.values():
            file.touch()
        own = {key: substitute(str(value), self.context) for key, value in step.get("env", {}).items()}
        where = substitute(str(step.get("working-directory", ".")), self.context)
        environment = {
            **os.environ,
            **self.clone.env,
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "RUNNER_TEMP": self.context["runner"]["temp"],
            **{name: str(file) for name, file in files.items()},
            **self.context.get("environment", {}),
            **own,
        }
        if self.python is not None:
            environment["PATH"] = f"{self.python}{os.pathsep}{environment['PATH']}"
        script = self.folder / f"{len(self.ran)}.sh"
        script.write_text(step["run"], encoding="utf-8")
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
            cwd=self.clone.path / where,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=300,
        )
        text = (done.stdout + done.stderr).decode(errors="replace")
        ran = Ran(step["name"], done.returncode, text)
        self.ran.append(ran)
        if "id" in step:
            self.context["steps"][step["id"]] = {"outputs": outputs(files["GITHUB_OUTPUT"].read_text())}
        return ran

    def summary(self) -> str:
        return "".join(p.read_text() for p in sorted(self.folder.glob("*-GITHUB_STEP_SUMMARY")))


def outputs(text: str) -> dict[str, str]:
    """What a GITHUB_OUTPUT file says, read as the runner reads it."""
    found: dict[str, str] = {}
    lines = iter(text.splitlines())
    for line in lines:
        key, _, mark = line.partition("<<")
        assert mark, f"not an output: {line}"
        value = []
        for inner in lines:
            if inner == mark:
                break
            value.append(inner)
        found[key] = "\n".join(value)
    return found
