"""Deltas: how small and how fast, on data that is made here. Prints a table and saves it as JSON.

Every encoding and decoding is a process of its own, so that peak memory is its own.
"""

import argparse
import hashlib
import itertools
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import histories
from timing import machine

from git_datamanager.content import compress, cuts, delta

MIB = 1 << 20
RESULTS = Path(__file__).parent / "results"


def digest(path: Path) -> str:
    """SHA-256 in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def peak() -> int:
    """Resident memory of this process at its largest, in MiB (ru_maxrss would tell the parent's too)."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    return int(found[1]) // 1024 if found else 0


def encode(old: Path, new: Path, out: Path, *, only_cuts: bool) -> dict[str, object]:
    """One delta in this process."""
    ids = digest(old), digest(new)
    sizes = old.stat().st_size, new.stat().st_size
    index = None
    with old.open("rb") as base, new.open("rb") as target, out.open("wb") as file:
        if only_cuts:
            index = cuts.loads(cuts.dumps(cuts.cut(base, sizes[0], cuts.rule_for(base, sizes[0]))), sizes[0])
        began = time.perf_counter()
        known = delta.Base(ids[0], sizes[0], None if only_cuts else base, index)
        size = delta.make(target, sizes[1], ids[1], known, file)
        seconds = time.perf_counter() - began
    return {
        "target": sizes[1],
        "size": size,
        "seconds": seconds,
        "peak_mib": peak(),
    }


def decode(old: Path, new: Path, out: Path) -> dict[str, object]:
    """The target made again in this process, not written anywhere: the codec, not the disk."""
    ids, size = (digest(old), digest(new)), new.stat().st_size
    seconds = []
    for check in (None, hashlib.sha256()):
        began = time.perf_counter()
        with out.open("rb") as file, old.open("rb") as base:
            for piece in delta.rebuilt(file, base, oid=ids[1], base_oid=ids[0], size=size):
                if check:
                    check.update(piece)
        seconds.append(time.perf_counter() - began)
        assert check is None or check.hexdigest() == ids[1]
    return {"seconds": seconds[0], "peak_mib": peak()}


def apart(*words: object) -> dict[str, float]:
    """What a process of its own says."""
    done = subprocess.run(
        [sys.executable, __file__, "--one", *map(str, words)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    said: dict[str, float] = json.loads(done.stdout)
    return said


def pair(name: str, old: Path, new: Path, *, runs: int, only_cuts: bool = False) -> dict[str, object]:
    """Sizes and medians of a pair of files; both are in the page cache after the first digest."""
    out = new.with_suffix(".delta")
    made = [apart("cuts" if only_cuts else "encode", old, new, out) for _ in range(runs)]
    read = [apart("decode", old, new, out) for _ in range(runs)]
    mib = made[0]["target"] / MIB
    row = {
        "name": name + (", cuts only" if only_cuts else ""),
        "mib": round(mib, 1),
        "delta": made[0]["size"],
        "percent": round(100 * made[0]["size"] / made[0]["target"], 4),
        "encode_mib_s": round(mib / statistics.median(one["seconds"] for one in made)),
        "decode_mib_s": round(mib / statistics.median(one["seconds"] for one in read)),
        "encode_peak_mib": max(one["peak_mib"] for one in made),
        "decode_peak_mib": max(one["peak_mib"] for one in read),
    }
    print(
        "{name:34} {mib:8} MiB {delta:>11} B {percent:8} %  encode {encode_mib_s:5} MiB/s"
        "  decode {decode_mib_s:5} MiB/s  peaks {encode_peak_mib}, {decode_peak_mib} MiB".format(**row),
        flush=True,
    )
    return row


def history(name: str, versions: list[Path]) -> dict[str, object]:
    """All steps of a history: bytes of whole files, of zstd files and of deltas."""
    out = versions[0].with_name("step.delta")
    whole = packed = deltas = only = 0
    ratios = []
    for old, new in itertools.pairwise(versions):
        size = new.stat().st_size
        step = encode(old, new, out, only_cuts=False)["size"]
        decode(old, new, out)
        whole, deltas = whole + size, deltas + int(str(step))
        only += int(str(encode(old, new, out, only_cuts=True)["size"]))
        with new.open("rb") as source, out.open("wb") as target:
            packed += compress.compress(source, target) or 0
        ratios.append(size / int(str(step)))
        if len(versions) < 10:
            print(f"  {new.name}: {size} -> {step} B, {ratios[-1]:.1f}x")
    row = {
        "name": name,
        "steps": len(ratios),
        "ratio": round(whole / deltas, 1),
        "median_step": round(statistics.median(ratios), 1),
        "ratio_cuts_only": round(whole / only, 1),
        "ratio_zstd": round(whole / packed, 1),
    }
    print(
        "{name:34} {steps} steps: whole/delta {ratio}x, median step {median_step}x,"
        " cuts only {ratio_cuts_only}x, zstd {ratio_zstd}x".format(**row),
        flush=True,
    )
    return row


def databases(folder: Path, rows: int, name: str, runs: int) -> list[dict[str, object]]:
    """A database before and after 1 % of updates and 1 % of new rows."""
    old, new = folder / "database.old", folder / "database.new"
    histories.big_database(old, rows)
    shutil.copy(old, new)
    histories.edit_database(new, updated=0.01, appended=0.01)
    return [pair(name, old, new, runs=runs), pair(name, old, new, runs=runs, only_cuts=True)]


def texts(folder: Path, size: int, runs: int) -> list[dict[str, object]]:
    """A CSV before and after 1 % of its lines changed and others came in."""
    old, new = folder / "text.old", folder / "text.new"
    histories.table_text(old, size)
    histories.edit_text(old, new, changed=0.01, inserted=20_000)
    return [pair("CSV", old, new, runs=runs), pair("CSV", old, new, runs=runs, only_cuts=True)]


def noises(folder: Path, size: int, runs: int) -> list[dict[str, object]]:
    """Incompressible bytes and 1 MiB more in the middle."""
    old, new = folder / "noise.old", folder / "noise.new"
    histories.noise(old, new, size, MIB)
    return [pair("noise", old, new, runs=runs), pair("noise", old, new, runs=runs, only_cuts=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("--scale", type=float, default=1.0, help="1: 256 MiB files and 1 GiB of database")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", choices=("databases", "history", "csv", "noise"))
    parser.add_argument(
        "--versions", nargs="+", type=Path, help="measure the steps between these files instead"
    )
    options = parser.parse_args()
    if options.one:
        kind, *paths = options.one
        old, new, out = map(Path, paths)
        said = decode(old, new, out) if kind == "decode" else encode(old, new, out, only_cuts=kind == "cuts")
        print(json.dumps(said))
        return
    if options.versions:
        with tempfile.TemporaryDirectory() as name:
            copies = [Path(shutil.copy(path, name)) for path in options.versions]
            history("given versions", copies)
        return
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.only in (None, "history"):
            rows.append(history("energy model", list(histories.energy_history(folder))))
        if options.only in (None, "databases"):
            rows += databases(folder, int(480_000 * options.scale), "480 000 rows", options.runs)
            rows += databases(folder, int(4_400_000 * options.scale), "4.4 million rows", options.runs)
        if options.only in (None, "csv"):
            rows += texts(folder, int(256 * MIB * options.scale), options.runs)
        if options.only in (None, "noise"):
            rows += noises(folder, int(256 * MIB * options.scale), options.runs)
    if options.only is None:
        RESULTS.mkdir(exist_ok=True)
        found = {"machine": machine(), "scale": options.scale, "rows": rows}
        (RESULTS / "delta.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
