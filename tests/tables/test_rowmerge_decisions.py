"""Conflicts of rows decided one by one and by group: against a merge of dicts, and what a decision may be."""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from git_datamanager.errors import DataError
from git_datamanager.tables.merging import decisions
from git_datamanager.tables.merging import sqlite as merge_sqlite
from git_datamanager.tables.merging.decisions import Decisions
from git_datamanager.tables.merging.merged import LISTED, Clash, RowMerge, Take
from tests.tables.making import Statements, database

Row = tuple[str, str]
Rows = Mapping[int, Row]
Place = tuple[int, str | None]
"""Of a conflict: the key of its row, and the column where a cell clashes."""
KINDS = ("sqlite", "csv", "jsonl", "parquet")
NAMES = ("a", "b")


# A merge of dicts, decided conflict by conflict


def conflicts(base: Rows, ours: Rows, theirs: Rows) -> Iterator[Place]:
    for key in base.keys() | ours.keys() | theirs.keys():
        b, o, t = base.get(key), ours.get(key), theirs.get(key)
        if o is not None and t is not None:
            for n, name in enumerate(NAMES):
                if len({o[n], t[n], b[n] if b else None}) == 3 or (b is None and o[n] != t[n]):
                    yield key, name
        elif b is not None and (o or t) not in (None, b):
            yield key, None


def united(base: Rows, ours: Rows, theirs: Rows, takes: Mapping[Place, Take]) -> dict[int, Row]:
    """Raises ValueError where base is to give some cells of a row that it does not have."""
    made: dict[int, Row] = {}
    for key in base.keys() | ours.keys() | theirs.keys():
        sides = {Take.BASE: base.get(key), Take.OURS: ours.get(key), Take.THEIRS: theirs.get(key)}
        b, o, t = sides.values()
        decided = {takes[key, name] for name in NAMES if (key, name) in takes}
        if (key, None) in takes:
            row = sides[takes[key, None]]
        elif b is None and Take.BASE in decided:
            if len(decided) > 1:
                raise ValueError(key)
            row = None
        elif o is not None and t is not None:
            cells = []
            for n, name in enumerate(NAMES):
                side = sides[takes[key, name]] if (key, name) in takes else t if b and o[n] == b[n] else o
                cells.append(side[n] if side else "")
            row = (cells[0], cells[1])
        elif b is None:
            row = o or t
        else:
            row = None  # one side removed it, and the other at least did not change it
        if row is not None:
            made[key] = row
    return made


# The same by the engines


def written(path: Path, kind: str, side: Rows) -> None:
    lines = [(key, *row) for key, row in sorted(side.items())]
    if kind == "sqlite":
        create = "CREATE TABLE t (id INTEGER PRIMARY KEY, a, b)"
        database(path, create, ("INSERT INTO t VALUES (?, ?, ?)", lines))
    elif kind == "csv":
        path.write_text("id,a,b\n" + "".join(f"{k},{a},{b}\n" for k, a, b in lines))
    elif kind == "jsonl":
        path.write_text("".join(json.dumps({"id": k, "a": a, "b": b}) + "\n" for k, a, b in lines))
    else:
        import pyarrow as pa
        from pyarrow import parquet

        schema = pa.schema([("id", pa.int64()), ("a", pa.string()), ("b", pa.string())])
        columns = [pa.array(list(column), field.type) for column, field in
                   zip(zip(*lines, strict=True) if lines else ([], [], []), schema, strict=True)]  # fmt: skip
        parquet.write_table(pa.table(columns, schema=schema), path)


def read(path: Path, kind: str) -> dict[int, Row]:
    if kind == "sqlite":
        with closing(sqlite3.connect(path)) as opened:
            found = opened.execute("SELECT * FROM t").fetchall()
    elif kind == "csv":
        found = [line.split(",") for line in path.read_text().splitlines()[1:]]
    elif kind == "jsonl":
        found = [tuple(json.loads(line).values()) for line in path.read_text().splitlines()]
    else:
        from pyarrow import parquet

        found = [tuple(row.values()) for row in parquet.read_table(path).to_pylist()]
    return {int(key): (a, b) for key, a, b in found}


def run(folder: Path, kind: str, decided: Decisions) -> RowMerge:
    """Merge what stands in the folder into `out`."""
    paths, out = [folder / side for side in ("base", "ours", "theirs")], folder / "out"
    out.unlink(missing_ok=True)
    if kind == "sqlite":
        found = merge_sqlite.merge(*paths, out, {}, decided)
    else:
        from git_datamanager.tables.merging import duck as merge_duck

        found = merge_duck.merge(kind, *paths, out, ["id"], decided)
    assert out.exists() == found.is_written
    return found


def place(clash: Clash) -> Place:
    return int(clash.key[0]), clash.column


cells = st.sampled_from("xyz")
sides = st.dictionaries(st.integers(0, 7), st.tuples(cells, cells), min_size=1, max_size=8)


@pytest.mark.parametrize(
    "kind", [KINDS[0], *(pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS[1:])]
)
@settings(max_examples=40, deadline=None)
@given(base=sides, ours=sides, theirs=sides, data=st.data())
def test_each_conflict_is_decided_for_itself(
    tmp_path_factory: pytest.TempPathFactory,
    kind: str,
    base: Rows,
    ours: Rows,
    theirs: Rows,
    data: st.DataObject,
) -> None:
    if kind != "sqlite":
        pytest.importorskip("duckdb", reason="DuckDB is not installed (the extra tabular)")
    folder = tmp_path_factory.mktemp("merge")
    for name, side in (("base", base), ("ours", ours), ("theirs", theirs)):
        written(folder / name, kind, side)
    found = run(folder, kind, Decisions())
    assert sorted(map(str, map(place, found.clashes))) == sorted(map(str, conflicts(base, ours, theirs)))
    wished = st.sampled_from([None, *Take, *Take])
    takes = {clash.id: take for clash in found.clashes if (take := data.draw(wished)) is not None}
    by_place = {place(clash): takes[clash.id] for clash in found.clashes if clash.id in takes}
    if len(takes) < found.clash_count:
        left = [clash for clash in found.clashes if clash.id not in takes]
        rest = data.draw(wished)
        if rest is None:
            try:
                again = run(folder, kind, Decisions(single=takes))
            except DataError:
                return  # as below
            assert (again.is_written, again.open_count) == (False, len(left))
            assert again.clashes[: len(left)] == tuple(left)
            return
        by_place |= {place(clash): rest for clash in left}
        decided = Decisions({(): rest}, takes)
    else:
        decided = Decisions(single=takes)
    try:
        wanted = united(base, ours, theirs, by_place)
    except ValueError:
        with pytest.raises(DataError, match="both sides added the row"):
            run(folder, kind, decided)
        return
    assert run(folder, kind, decided).is_written
    assert read(folder / "out", kind) == wanted


# What decides what


def merged(
    folder: Path, base: Statements, ours: Statements, theirs: Statements, decided: Decisions
) -> RowMerge:
    for name, script in (("base", base), ("ours", ours), ("theirs", theirs)):
        database(folder / name, *script)
    return run(folder, "sqlite", decided)


def by(*texts: str, single: Mapping[str, Take] | None = None, versions: str = "") -> Decisions:
    return Decisions(decisions.scopes(texts), single or {}, versions)


BASE = (
    'CREATE TABLE "a.b:c" (id INTEGER PRIMARY KEY, "x""y", z)',
    "INSERT INTO \"a.b:c\" VALUES (1, 'b', 'b')",
)
SIDES = [(*BASE, f'UPDATE "a.b:c" SET "x""y" = \'{word}\', z = \'{word}\'') for word in ("o", "t")]  # noqa: S608


@pytest.mark.parametrize(
    ("texts", "wanted"),
    [
        (["ours", 'theirs:"a.b:c"', 'base:"A.B:C".z'], {1: ("t", "b")}),
        (['theirs:"a.b:c"."x""y"', "base"], {1: ("t", "b")}),
        (['base:"a.b:c".z', 'theirs:"a.b:c"', "ours"], {1: ("t", "b")}),
    ],
)
def test_the_narrowest_scope_counts_whatever_the_names(
    tmp_path: Path, texts: Sequence[str], wanted: Mapping[int, Row]
) -> None:
    assert merged(tmp_path, BASE, *SIDES, by(*texts)).is_written
    with closing(sqlite3.connect(tmp_path / "out")) as opened:
        assert {row[0]: row[1:] for row in opened.execute('SELECT * FROM "a.b:c"')} == wanted


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        ("ours", ()),
        ("ours:T", ("t",)),
        ("ours:t.Col", ("t", "col")),
        ("ours:a:b.c d", ("a:b", "c d")),
        ('ours:"a.b"."c"', ("a.b", "c")),
        ('ours:"say ""x"""', ('say "x"',)),
        ('ours:""', ("",)),
        ('ours:a"b', ('a"b',)),
    ],
)
def test_scopes_as_they_are_written(text: str, scope: tuple[str, ...]) -> None:
    assert decisions.scopes([text]) == {scope: Take.OURS}


@pytest.mark.parametrize(
    "text", ["", "mine", "ours:", "ours:a.", "ours:.a", "ours:a.b.c", 'ours:"a', 'ours:"a"b', "OURS"]
)
def test_what_is_no_scope(text: str) -> None:
    with pytest.raises(ValueError, match="ours"):
        decisions.scopes([text])


@given(st.text(min_size=0, max_size=6), st.text(max_size=6) | st.none())
def test_a_scope_that_is_printed_can_be_read(table: str, column: str | None) -> None:
    text = decisions.scope_text(table, column)
    (scope,) = decisions.scopes([f"base:{text}"])
    assert scope == tuple(decisions.folded(name) for name in (table, column) if name is not None)


def test_two_decisions_of_one_place() -> None:
    with pytest.raises(ValueError, match="decides once more"):
        decisions.scopes(["ours:t", "theirs:T"])
    assert decisions.scopes(["ours:t", "ours:T"]) == {("t",): Take.OURS}
    files = [{"a.csv": {"1": Take.OURS}}, {"a.csv": {"1": Take.BASE}}]
    with pytest.raises(DataError, match="in two ways"):
        decisions.united(files)


def test_whole_tables_views_and_settings_each_for_themselves(tmp_path: Path) -> None:
    base = ("CREATE TABLE t (id INTEGER PRIMARY KEY, a)", "CREATE TABLE u (a)", "CREATE VIEW v AS SELECT 1")
    ours, theirs = (
        (
            f"CREATE TABLE t (id INTEGER PRIMARY KEY, a CHECK (a <> {n}))",
            base[1],
            *["INSERT INTO u VALUES (1)"] * n,
            f"CREATE VIEW v AS SELECT {n}",
            f"PRAGMA user_version = {n}",
        )
        for n in (2, 3)
    )
    found = merged(tmp_path, base, ours, theirs, Decisions())
    assert {clash.what for clash in found.clashes} == {"table", "count", "view", "setting"}
    single = {
        clash.id: Take.THEIRS if clash.what in ("table", "setting") else Take.BASE for clash in found.clashes
    }
    assert merged(tmp_path, base, ours, theirs, Decisions(single=single)).is_written
    with closing(sqlite3.connect(tmp_path / "out")) as opened:
        texts = dict(opened.execute("SELECT name, sql FROM sqlite_schema"))
        assert (texts["t"], texts["v"]) == (theirs[0], base[2])
        assert opened.execute("SELECT count(*) FROM u").fetchone() == (0,)
        assert opened.execute("PRAGMA user_version").fetchone() == (3,)
    named = by("theirs:t", "base:u", "base:v", "theirs:user_version")
    assert merged(tmp_path, base, ours, theirs, named).is_written


def test_a_table_is_decided_for_these_versions_only(tmp_path: Path) -> None:
    """Of a table that clashes as a whole nothing is shown but how large it is."""
    scripts = [(f"CREATE TABLE t (id INTEGER PRIMARY KEY, a CHECK (a <> {n}))",) for n in range(3)]
    (clash,) = merged(tmp_path, *scripts, by(versions="1 2 3")).clashes
    single = {clash.id: Take.OURS}
    assert merged(tmp_path, *scripts, by(single=single, versions="1 2 3")).is_written
    with pytest.raises(DataError, match=f"the conflict {clash.id} of the decisions fits no conflict"):
        merged(tmp_path, *scripts, by(single=single, versions="1 2 4"))


def test_a_decision_is_of_whole_values(tmp_path: Path) -> None:
    """In the list they are cut."""
    base = ("CREATE TABLE t (id INTEGER PRIMARY KEY, a)", "INSERT INTO t VALUES (1, 'b')")
    sides = {word: (*base, f"UPDATE t SET a = '{'x' * 300}{word}'") for word in "opt"}  # noqa: S608
    (clash,) = merged(tmp_path, base, sides["o"], sides["t"], Decisions()).clashes
    single = {clash.id: Take.THEIRS}
    for stale in ((sides["p"], sides["t"]), (sides["t"], sides["o"]), (sides["o"], sides["o"])):
        with pytest.raises(DataError, match="fits no conflict of these versions"):
            merged(tmp_path, base, *stale, Decisions({(): Take.OURS}, single))
        assert not (tmp_path / "out").exists()
    assert merged(tmp_path, base, sides["o"], sides["t"], Decisions(single=single)).is_written


def test_a_scope_without_a_conflict_is_refused_one_that_is_overruled_is_not(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r'"a\.b:c"\.w of the decisions fits no conflict'):
        merged(tmp_path, BASE, *SIDES, by("ours", 'base:"a.b:c".w'))
    assert not (tmp_path / "out").exists()
    whole = by("ours", 'base:"a.b:c".z', 'theirs:"a.b:c"."x""y"', 'base:"a.b:c"')
    assert merged(tmp_path, BASE, *SIDES, whole).is_written


def test_more_conflicts_than_are_listed_are_decided_list_by_list(tmp_path: Path) -> None:
    base = ("CREATE TABLE t (id INTEGER PRIMARY KEY, a)",
            ("INSERT INTO t VALUES (?, 'b')", [(n,) for n in range(LISTED + 2)]))  # fmt: skip
    both = [(*base, f"UPDATE t SET a = '{word}'") for word in "ot"]  # noqa: S608
    first = merged(tmp_path, base, *both, Decisions())
    single = {clash.id: Take.THEIRS for clash in first.clashes}
    second = run(tmp_path, "sqlite", Decisions(single=single))
    assert (first.open_count, second.open_count, second.clash_count) == (LISTED + 2, 2, LISTED + 2)
    single |= {clash.id: Take.BASE for clash in second.clashes[:2]}
    assert run(tmp_path, "sqlite", Decisions(single=single)).is_written


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "is no list of conflicts"),
        ('{"schema": "git-data/resolve/1"}', "its schema is not git-data/merge-rows/1"),
        ('{"schema": "git-data/merge-rows/1", "datasets": [1]}', "datasets is not a list of objects"),
        ('{"schema": "git-data/merge-rows/1", "datasets": [{"name": "a"}]}', "clashes is not a list"),
        ('{"take": 1, "take": 2}', "a key stands twice"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_list_of_conflicts(text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        decisions.read(text.encode(), "d.json")


@pytest.mark.parametrize("take", ['"mine"', "1", "[]", '{"a": 1}', "true"])
def test_a_side_that_does_not_exist(take: str) -> None:
    clash = f'{{"id": "1", "take": {take}}}'
    document = f'{{"schema": "git-data/merge-rows/1", "datasets": [{{"name": "a", "clashes": [{clash}]}}]}}'
    with pytest.raises(DataError, match="decides the conflict 1 by"):
        decisions.read(document.encode(), "d.json")
