"""The table of the benchmarks: each workload side by side with the peers found on this machine.

    python bench/table.py [--only NAME]… [--scale 0.02] [--programs FOLDER]… [--out FILE]

Run it with the Python that has git-datamanager installed. Without --endpoint it starts a small S3
server (PyPI: localbucket) on this machine.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import programs_here
from measuring import Meter
from repos import remove
from scene import Scene, Table, environment
from servers import Bucket, given, loopback
from timing import machine
from workloads import big, database, history, many, million, tables, tiny

RESULT = Path(__file__).parent / "results" / "table.json"
WORKLOADS: dict[str, Callable[[Scene], dict[str, Table]]] = {
    "add-2g": big.add,
    "push-2g": big.push,
    "pull-2g": big.pull,
    "sqlite-version": database.run,
    "history": history.run,
    "many-10k": many.run,
    "many-100k": tiny.run,
    "million": million.run,
    "rows": tables.run,
}
ON_REQUEST = frozenset(["million"])
"""Minutes, and a million files: only where it is named."""


def main() -> None:
    options = _options()
    programs = programs_here.find(options.programs)
    chosen = options.only or [name for name in WORKLOADS if name not in ON_REQUEST]
    tables: dict[str, Table] = {}
    with ExitStack() as stack:
        top = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="git-data-bench-", dir=options.work))
        )
        env = environment(top / "home")
        os.environ.update({name: value for name, value in env.items() if name.startswith("AWS_")})
        bucket = stack.enter_context(_bucket(options, programs, top / "server"))
        meter = Meter(bucket, env, options.rounds, say=lambda text: print(text, flush=True))
        for name in chosen:
            began = time.monotonic()
            scene = Scene(top / f"{name}-{os.getpid()}", meter, programs, options.scale)
            scene.root.mkdir()
            try:
                tables |= WORKLOADS[name](scene)
            finally:
                remove(scene.root)
                bucket.empty(scene.root.name)
            print(f"  ({name}: {time.monotonic() - began:.0f} s)", flush=True)
            _save(_found(options, programs, tables), options.out, merged=options.merge)


def _found(
    options: argparse.Namespace, programs: programs_here.Programs, tables: dict[str, Table]
) -> dict[str, Any]:
    run = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "scale": options.scale,
        "rounds": options.rounds,
    }
    return {
        "schema": "git-data/bench/1",
        "machine": machine(),
        "server": options.endpoint or "localbucket on this machine",
        "versions": programs.versions(),
        **run,
        "tables": {name: {**table.as_json(), "run": run} for name, table in tables.items()},
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", action="append", choices=WORKLOADS, metavar="NAME", help=", ".join(WORKLOADS)
    )
    parser.add_argument("--scale", type=float, default=1.0, help="all sizes × this; 0.02 is a trial")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--endpoint", help="an S3 that runs; credentials from AWS_… (with --bucket)")
    parser.add_argument("--bucket", help="an empty bucket of it")
    parser.add_argument("--programs", type=Path, action="append", default=[], metavar="FOLDER",
                        help="look for peers there too")  # fmt: skip
    parser.add_argument(
        "--work", type=Path, help="folder to work in (default: the system's for temporary files)"
    )
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--merge", action="store_true", help="keep the other tables of --out")
    options = parser.parse_args()
    if bool(options.endpoint) != bool(options.bucket):
        parser.error("--endpoint and --bucket go together")
    return options


def _bucket(
    options: argparse.Namespace, programs: programs_here.Programs, folder: Path
) -> AbstractContextManager[Bucket]:
    if options.endpoint:
        return given(options.endpoint, options.bucket)
    if "localbucket" not in programs:
        raise SystemExit("no S3 server: pip install localbucket, or name one with --endpoint and --bucket")
    return loopback(programs["localbucket"], folder)


def _save(found: dict[str, Any], path: Path, *, merged: bool) -> None:
    if merged and path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))
        found["tables"] = {**before["tables"], **found["tables"]}
        found["versions"] = {
            name: before["versions"].get(name, said) if said == "not here" else said
            for name, said in found["versions"].items()
        }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
