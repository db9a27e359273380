"""Write the page and the chart of the benchmarks from a result of table.py.

    python bench/report.py [--json bench/results/table.json] [--readme]

Fills docs/reference/benchmarks.md between its two markers and writes docs/reference/benchmarks.svg.
With --readme it prints the table of the README instead and writes nothing.
"""

import argparse
import json
from pathlib import Path

from chart import Bar, Group, draw
from results_read import FLOORS, Entry, Result, amount, moved, ratio, seconds, worked
from targets import TARGETS, Found, Target

BENCH = Path(__file__).parent
PAGE = BENCH.parent / "docs" / "reference" / "benchmarks.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
HEAD = ("workload", "peers measured", "ours", "ratio", "target", "met?")
CAPTION = "Seconds (bytes, where it says so) of each, as a multiple of git data's. Logarithmic."


def table(result: Result) -> str:
    """The targets, one per line."""
    rows = [HEAD, ("---",) * len(HEAD), *(_line(result, target) for target in TARGETS)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows)


def _line(result: Result, target: Target) -> tuple[str, ...]:
    found = target.find(result, target.table) if not target.table or result.has(target.table) else None
    if found is None:
        return (target.workload, "", _why_not(result, target.table), "", target.text, "–")
    met = "yes" if target.is_met(found) else "**no**"
    return (target.workload, found.peers, found.ours, _value(target, found), target.text, met)


def _why_not(result: Result, table: str) -> str:
    if not table or not result.has(table):
        return "not measured"
    return "the peer is not here" if result.ours(table) else "not here yet"


def _value(target: Target, found: Found) -> str:
    match target.unit:
        case "s" | "MB":
            return ""
        case "%":
            return f"{100 * found.value:.2f} %"
        case unit:
            return f"{found.value:.2f} {unit}" if found.value < 100 else f"{found.value:.0f} {unit}"


def where(result: Result) -> str:
    """Machine, versions and date, in a sentence or two."""
    machine, versions = result.document["machine"], result.document["versions"]
    named = ", ".join(f"{name} {said}" for name, said in versions.items() if said != "not here")
    trials = [one["title"] for one in result.document["tables"].values() if one["run"]["scale"] != 1]
    trial = (
        f" **Trials at smaller sizes, which say nothing of the targets: {'; '.join(trials)}.**"
        if trials
        else ""
    )
    return (
        f"{result.document['date'][:10]}, {machine['system']}, {machine['processors']} cores,"
        f" {machine['memory_gib']} GiB, Python {machine['python']}; S3: {result.document['server']};"
        f" up to {result.document['rounds']} rounds, medians. {named}.{trial}"
    )


def page(result: Result) -> str:
    """What stands between the markers."""
    parts = [where(result), "![Ratios to git data](benchmarks.svg)", table(result), "### Every row"]
    parts += [_details(result, name) for name in result.document["tables"] if name != "million"]
    if result.has("million"):
        parts += ["### A million files", _curve(result)]
    return "\n\n".join(parts)


def _details(result: Result, name: str) -> str:
    head = ("", "median", "range", "rounds", "peak", "sent", "received", "note")
    rows = [head, ("---",) * len(head), *(_detail(row) for row in result.rows(name))]
    lines = "\n".join("| " + " | ".join(cells) + " |" for cells in rows)
    return f"**{result.title(name)}** (`{name}`)\n\n{lines}"


def _detail(row: Entry) -> tuple[str, ...]:
    if not worked(row):
        return (row["name"], "", "", "", "", "", "", str(row.get("failed", "")).replace("|", "\\|"))
    arrived = [f"{amount(row['moved'])} arrived"] if "moved" in row else []
    return (
        row["name"],
        seconds(row["median"]),
        f"{min(row['seconds']):.3f}–{max(row['seconds']):.3f}",
        str(len(row["seconds"])),
        amount(row["peak"]),
        amount(row["sent"]) if "sent" in row else "",
        amount(row["received"]) if "received" in row else "",
        ", ".join([*arrived, *([row["note"]] if "note" in row else [])]),
    )


def _curve(result: Result) -> str:
    curves = result.figures("million")["curves"]
    names = list(dict.fromkeys(name for curve in curves.values() for name in curve))
    rows = [("files", *names), ("---",) * (len(names) + 1)]
    for count, curve in curves.items():
        cells = [curve.get(name) for name in names]
        told = (f"{seconds(one['seconds'])}, {amount(one['peak'])}" if one else "–" for one in cells)
        rows.append((f"{int(count):,}".replace(",", " "), *told))
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows)


def chart(result: Result) -> str:
    """Times of all tables; bytes where they are the point."""
    groups = [group for name in result.document["tables"] if (group := _times(result, name))]
    ways = (("sqlite-up", "sent"), ("sqlite-down", "received"), ("many-change", "sent"))
    groups += [group for name, way in ways if result.has(name) and (group := _bytes(result, name, way))]
    return draw(groups, CAPTION)


def _times(result: Result, name: str) -> Group | None:
    mine = max(result.ours(name), key=lambda row: row["median"], default=None)
    others = [row for row in result.peers(name) if worked(row)]
    if mine is None or not others or name == "history":
        return None
    bars = [
        Bar(row["name"], value, f"{value:.2g} × · {seconds(row['median'])}", row["name"] in FLOORS)
        for row in others
        for value in [ratio(row, mine)]
    ]
    return Group(result.title(name), seconds(mine["median"]), bars)


def _bytes(result: Result, name: str, way: str) -> Group | None:
    mine = max((size for row in result.ours(name) if (size := moved(row, way))), default=None)
    others = [(row["name"], moved(row, way)) for row in result.peers(name)]
    if mine is None:
        return None
    bars = [Bar(who, size / mine, f"{size / mine:.3g} × · {amount(size)}") for who, size in others if size]
    return Group(f"{result.title(name)}: bytes {way}", amount(mine), bars) if bars else None


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, default=BENCH / "results" / "table.json")
    parser.add_argument("--readme", action="store_true", help="print the table of the README")
    parser.add_argument("--page", type=Path, default=PAGE, help="the page to fill; the chart goes beside it")
    options = parser.parse_args()
    result = Result(json.loads(options.json.read_text(encoding="utf-8")))
    if options.readme:
        print(table(result))
        print(f"\n{where(result)}")
        return
    before, _, rest = options.page.read_text(encoding="utf-8").partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise SystemExit(f"{options.page} has no {BEGIN} … {END}")
    text = f"{before}{BEGIN}\n{page(result)}\n{END}{after}"
    options.page.write_text(text, encoding="utf-8")
    options.page.with_suffix(".svg").write_text(chart(result), encoding="utf-8")


if __name__ == "__main__":
    main()
