"""Files that are no tables, or bad ones, before every command that looks into data.

Each of them answers or refuses with an exit code of ours and a sentence; none ends in a traceback, writes to
what it reads, or leaves anything behind.
"""
# ruff: noqa: E501 -- a table has one line for each file

import json
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.bad.scene import Scene, Still, build, silent
from tests.conftest import GITCONFIG, sealed_environment
from tests.world import Done

pytest.importorskip("duckdb", reason="DuckDB is not installed (the extra tabular)")

Make = Callable[[Path, int], None]
"""Write one of the versions 1, 2, 3 of a file."""
HOSTILE = "<script>alert(1)</script>\x1b]0;owned\x07\u202e\"'\n|`"


def _text(body: Callable[[int], str | bytes]) -> Make:
    def make(path: Path, n: int) -> None:
        data = body(n)
        path.write_bytes(data.encode() if isinstance(data, str) else data)

    return make


def _database(path: Path, n: int, *script: str, encoding: str = "UTF-8") -> None:
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as made:
        made.execute(f"PRAGMA encoding = '{encoding}'")
        for statement in script or ("CREATE TABLE t (id INTEGER PRIMARY KEY, v)",):
            made.execute(statement)
        if not script:
            made.execute("BEGIN")
            made.executemany("INSERT INTO t VALUES (?, ?)", [(i, f"{i * n} ü") for i in range(500)])
            made.execute("COMMIT")


def _scrambled(path: Path, n: int) -> None:
    _database(path, n)
    data = bytearray(path.read_bytes())
    data[5000:9000] = random.Random(n).randbytes(4000)
    path.write_bytes(data)


def _cut(make: Make, share: float) -> Make:
    def cut(path: Path, n: int) -> None:
        make(path, n)
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * share)])

    return cut


def _parquet(path: Path, n: int) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    nan = float("nan")
    parquet.write_table(pa.table({"id": [nan, nan, 1.0 * n], "v": [1, 2, n]}), path)


def _named(path: Path, n: int) -> None:
    quoted = '"' + HOSTILE.replace('"', '""') + '"'
    _database(
        path, n, f"CREATE TABLE {quoted} (id INTEGER PRIMARY KEY, {quoted} DEFAULT {n})",
        'CREATE TABLE "select" ("from" PRIMARY KEY, "group")', "CREATE TABLE [table] ([order] INTEGER)",
        f'INSERT INTO "select" VALUES ({n}, {n})', f"INSERT INTO {quoted} (id) VALUES ({n})",  # noqa: S608
    )  # fmt: skip


KINDS: dict[str, Make] = {
    "scrambled.sqlite": _scrambled,
    "cut.sqlite": _cut(_database, 0.6),
    "encrypted.sqlite": _text(lambda n: random.Random(n).randbytes(8192)),
    "head.sqlite": _text(lambda n: b"SQLite format 3\0" + bytes([n])),
    "utf16.sqlite": lambda path, n: _database(path, n, encoding=("UTF-16le", "UTF-8", "UTF-16be")[n - 1]),
    "named.sqlite": _named,
    "cut.parquet": _cut(_parquet, 0.7),
    "fake.parquet": _text(lambda n: b"PAR1" + random.Random(n).randbytes(200) + b"PAR1"),
    "nan.parquet": _parquet,
    "ragged.csv": _text(lambda n: f"id,v\n1\n2,b,c,{n}\n\n3,\"x\ny\"\n4,a\"b\n{n + 4}"),
    "mixed.csv": _text(lambda n: "id,v\n1,ü\n".encode() + b"2,\xfc\xff\n3," + b"x" * n + b"\n"),
    "nulls.csv": _text(lambda n: b"id,v\n1,a\0b\n\0,\0\n" + b"3,%d\n" % n),
    "twice.csv": _text(lambda n: f"id,v\n1,a\n1,b\n2,{n}\n"),
    "named.csv": _text(lambda n: f'"id","{HOSTILE.replace(chr(34), chr(34) * 2)}"\n1,=cmd|{n}\n'),
    "wide.csv": _text(lambda n: ",".join(f"c{i}" for i in range(10_000)) + "\n" + ",".join([str(n)] * 10_000) + "\n"),
    "long.csv": _text(lambda n: "id,v\n1," + "x" * (17 << 20) + str(n) + "\n"),
    "empty.csv": _text(lambda n: "\n" * (n - 1)),
    "bad.csv.gz": _text(lambda n: b"\x1f\x8b\x08" + bytes([n]) * 50),
    "bad.jsonl": _text(lambda n: '{"id": 1}\n{"id": ' + str(n)),
    "odd.jsonl": _text(lambda n: f'[1, {n}]\n{{"id": 1, "id": 2}}\n{{"a": {n}, "A": 3}}\n"x"\n'),
    "deep.jsonl": _text(lambda n: '{"id": 1, "v": ' + "[" * 5000 + str(n) + "]" * 5000 + "}\n"),
    "nothing.parquet": _text(lambda n: "x" * (n - 1)),
}  # fmt: skip
OWN = (r"/\.git/data/(\w+/)?\w+\.db(-\w+)?$",)
"""What commands remember of versions that they have looked into."""
SAMPLE = ("scrambled.sqlite", "fake.parquet", "ragged.csv")

COMMANDS: dict[str, tuple[str, ...]] = {
    "diff": ("diff", "v1", "v2", "--", "{name}"),
    "diff by a key": ("diff", "v1", "v3", "--key", "id", "--rows", "all", "--json", "--", "{name}"),
    "diff as a page": ("diff", "v2", "v3", "--html", "{out}/page.html", "--", "{name}"),
    "profile": ("profile", "{name}"),
    "profile as JSON": ("profile", "{name}@v1", "--json"),
    "sql": ("sql", 'SELECT * FROM "{name}"', "{name}"),
    "blame": ("blame", "{name}", "--key", "id=1"),
    "check": ("check", "{name}"),
    "merge": ("resolve", "--merge-rows", "--dry-run", "--key", "id", "{name}"),
}


def _grown(root: Path, names: tuple[str, ...]) -> Scene:
    """Three versions of each file: of the base, and of two branches that were merged."""
    home = root / "home"
    home.mkdir(parents=True)
    (home / ".gitconfig").write_text(GITCONFIG)
    scene = build(root / "world", sealed_environment(home))

    def commit(number: int) -> None:
        for name in names:
            KINDS[name](scene.ana.path / name, number)
        scene.ana.data("add", *names)
        scene.ana.commit(f"number {number}")

    commit(1)
    scene.ana.git("checkout", "-q", "-b", "theirs")
    commit(2)
    scene.ana.git("checkout", "-q", "main")
    commit(3)
    scene.ana.git("merge", "-q", "--no-edit", "theirs", code=None)
    scene.ana.data("resolve", code=None)
    scene.ana.git("commit", "-q", "--allow-empty", "-m", "merged", code=None)
    return scene


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return _grown(tmp_path_factory.mktemp("sample"), SAMPLE)


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return _grown(tmp_path_factory.mktemp("every"), tuple(KINDS))


def run(scene: Scene, out: Path, name: str, args: tuple[str, ...]) -> Done:
    out.mkdir(exist_ok=True)
    still = Still(scene)
    done = silent(scene.ana.data(*(arg.format(name=name, out=out) for arg in args), code=None))
    still.check(but=OWN)
    assert done.code not in (7, 129, 130), done.text
    if done.code not in (0, 1):
        told = done.err + done.out
        assert name.split(".", maxsplit=1)[0] in told, f"the dataset is not named in\n{told}"
        assert done.code == 6 or "hint:" in told or '"hints"' in told, f"nothing says what to do in\n{told}"
    assert "\x1b]" not in done.out + done.err, "a name reached the terminal as it is"
    if "--json" in args and done.out:
        json.loads(done.out)
    return done


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", SAMPLE[:1])
def test_a_bad_file_before_a_command(sample: Scene, tmp_path: Path, name: str, command: str) -> None:
    run(sample, tmp_path / "out", name, COMMANDS[command])


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", KINDS)
def test_every_bad_file_before_every_command(every: Scene, tmp_path: Path, name: str, command: str) -> None:
    run(every, tmp_path / "out", name, COMMANDS[command])


@pytest.mark.slow
@pytest.mark.parametrize(
    "args", [("preview", "--base", "HEAD~1", "--head", "HEAD", "--out"), ("catalog", "--out")]
)
def test_one_bad_file_does_not_hide_the_others(every: Scene, tmp_path: Path, args: tuple[str, ...]) -> None:
    still = Still(every)
    done = silent(every.ana.data(*args, str(tmp_path / "out"), code=None))
    still.check(but=OWN)
    assert done.code in (0, 1), done.text
    pages = "".join(path.read_text() for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert "<script>alert(1)" not in pages
    assert all(name.split(".")[0] in pages for name in KINDS) or args[0] == "catalog"


@pytest.mark.slow
@pytest.mark.parametrize("args", [("diff", "HEAD~1"), ("log", "-p", "-3"), ("show",)])
def test_git_shows_bad_files(every: Scene, args: tuple[str, ...]) -> None:
    still = Still(every)
    silent(every.ana.git(*args, "--", "manifest.json"))
    still.check(but=OWN)


@pytest.mark.parametrize(
    "query",
    ["COPY (SELECT 1) TO 'x'", "ATTACH 'x' AS y", "INSTALL httpfs", "LOAD httpfs", "PRAGMA database_list",
     "SELECT * FROM read_text('/etc/passwd')", "SELECT * FROM '/etc/passwd'", "SELECT 1; DROP TABLE x",
     "SELECT getenv('HOME')", "EXPORT DATABASE 'x'", "SET threads = 1", "SELECT * FROM glob('*')", "", "SELECT \0"],
)  # fmt: skip
def test_a_question_that_reaches_out(sample: Scene, query: str) -> None:
    still = Still(sample)
    done = silent(sample.ana.data("sql", query.replace("\0", "\x01"), "ragged.csv", code=None))
    still.check(but=OWN)
    assert done.code in (3, 128, 129), done.text
    assert "root:" not in done.text
