"""One question in SQL to a locked database, and its answer: docs/design/tables.md, "Questions".

What is no single SELECT is refused before anything is opened, and so is every function that makes rows of
something else than its arguments; the database it is put to could not obey either.
"""

import json
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from git_datamanager.errors import DataError
from git_datamanager.tables.asking import nested
from git_datamanager.tables.engine import NotInstalled
from git_datamanager.tables.result import Row
from git_datamanager.tables.rowdiff import quoted
from git_datamanager.tables.schema import Column, folded
from git_datamanager.tables.words import said

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from pyarrow import RecordBatchReader

_NODES = frozenset(("SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"))
_SOURCES = frozenset(
    ("range", "generate_series", "unnest", "repeat", "repeat_row", "json_each", "json_tree", "summary",
     "histogram", "histogram_values", "duckdb_tables", "duckdb_columns", "duckdb_functions", "duckdb_types")
)  # fmt: skip
"""Functions that may stand in FROM: what they give comes from their arguments, or from what is loaded."""
_CATALOGS = frozenset(("information_schema", "pg_catalog"))
_WORDS = {"multi": "PIVOT without the values it makes columns of (IN (…))"}
"""Kinds of statements that DuckDB calls by names that tell nothing."""
_ANSWER = '"git data answer"'
_PLAIN = frozenset(
    ("BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER",
     "UBIGINT", "UHUGEINT", "FLOAT", "DOUBLE", "VARCHAR", "BLOB")
)  # fmt: skip
"""Types whose values Python has as they are."""
_BATCH = 2048
_CANDIDATES = re.compile(r"Candidate (?:bindings|tables|functions): *([^\n]+)|Did you mean ([^\n]+)")

Path = tuple[str, ...]
"""A table as the question names it: `("prices",)`, `("energy", "Demand")`."""


class Question(NamedTuple):
    """A SELECT that may be asked."""

    sql: str
    mentions: tuple[Path, ...]
    """The tables it names, each once."""
    own: frozenset[str]
    """Folded names that it gives to parts of itself, by WITH."""


def read_question(sql: str) -> Question:
    """Raises DataError where it is not one statement that only reads, NotInstalled."""
    try:
        import duckdb
    except ImportError as error:
        raise not_installed("DuckDB", "answers questions in SQL") from error
    if not sql.isascii() and sql != sql.encode("utf-8", "replace").decode():
        raise DataError("this SQL is no UTF-8 text", hints=["git data sql - < query.sql   # saved as UTF-8"])
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise DataError(
            f"DuckDB does not understand this SQL: {said(error)}", hints=_advice(error)
        ) from error
    if len(statements) != 1:
        raise DataError(
            f"one SELECT can be asked, this is {len(statements) or 'no'} statements",
            hints=["write it as one: WITH a AS (SELECT …) SELECT … FROM a"],
        )
    if statements[0].type != duckdb.StatementType.SELECT:
        raise _refused(_WORDS.get(kind := statements[0].type.name.lower(), kind))
    text = _bare(sql)
    try:
        with duckdb.connect(":memory:", config={"enable_external_access": "false"}) as parser:
            asked = "SELECT json_serialize_sql(?, skip_null := true, skip_empty := true)"
            tree = json.loads(parser.execute(asked, [text]).fetchall()[0][0])
        found = _Found()
        found.look(tree)
    except (duckdb.Error, RecursionError) as error:
        raise DataError("this SQL cannot be looked through: it nests too deeply") from error
    if tree.get("error"):
        raise DataError(f"this SQL cannot be looked through: {tree.get('error_message', 'no SELECT')}")
    return Question(text, tuple(found.mentions), frozenset(found.own))


def _bare(sql: str) -> str:
    """One statement without the semicolons and comments beside it."""
    import duckdb

    data = sql.encode()
    places = [place for place, kind in duckdb.tokenize(sql) if kind != duckdb.token_type.comment]
    words = [place for place in places if data[place : place + 1] != b";"]
    ends = (place for place in places if place > words[-1])
    return data[words[0] : next(ends, len(data))].decode().strip()


def not_installed(library: str, does: str) -> NotInstalled:
    """What to do where a library of the extra `tabular` is not there."""
    return NotInstalled(
        f"{library} is not installed: it {does}", hints=["pip install 'git-datamanager[tabular]'"]
    )


def _refused(what: str) -> DataError:
    return DataError(
        f"only a SELECT can be asked, and this is {what}: nothing was done",
        hints=["git data sql -h   # -o FILE writes the answer to a file"],
    )


class _Found:
    """What a walk through the tree of a statement meets."""

    def __init__(self) -> None:
        self.mentions: dict[Path, None] = {}
        self.own: set[str] = set()

    def look(self, node: object) -> None:
        if isinstance(node, list):
            for item in node:
                self.look(item)
        elif isinstance(node, dict):
            self._look_at(node)
            for key, item in node.items():
                if key == "cte_map":
                    self.own |= {folded(entry["key"]) for entry in item.get("map", ())}
                self.look(item)

    def _look_at(self, node: Mapping[str, Any]) -> None:
        kind = node.get("type", "")
        if not isinstance(kind, str):
            return
        if kind.endswith("_NODE") and kind not in _NODES:
            raise _refused(kind.partition("_")[0].lower())
        if kind == "TABLE_FUNCTION":
            _check_function(str(node.get("function", {}).get("function_name", "")))
        if kind == "SHOW_REF" and "query" not in node:
            raise DataError(
                "SHOW lists what is loaded, and tables are loaded when they are named",
                hints=["git data profile NAME   # the tables and columns of a dataset"],
            )
        if kind == "BASE_TABLE":
            self._mention(tuple(node["qualified_name"]["path"]))

    def _mention(self, path: Path) -> None:
        if len(path) > 2 and path[0] not in _CATALOGS:
            dataset, table = ".".join(path[:-1]), path[-1]
            raise DataError(
                f"there is no {'.'.join(path)}: a name has two parts at most",
                hints=[f"write {quoted(dataset)}.{quoted(table)}"],
            )
        if path[0] not in _CATALOGS:
            self.mentions[path] = None


def _check_function(name: str) -> None:
    if folded(name) not in _SOURCES:
        raise DataError(
            f"{name}() cannot be used: a query sees datasets, and no file, address or setting",
            hints=["git data ls   # the datasets; name them as arguments, or in FROM"],
        )


def _advice(error: Exception) -> list[str]:
    """What DuckDB would have expected."""
    found = _CANDIDATES.search(str(error))
    return [f"there is {(found[1] or found[2]).strip()}"] if found else []


class Answer:
    """The rows that a question gave; they lie in the database that was asked."""

    def __init__(self, database: "DuckDBPyConnection") -> None:
        self._database = database
        described = database.execute(f"DESCRIBE {_ANSWER}").fetchall()
        self.columns = tuple(Column(row[0], row[1]) for row in described)
        """No two of them have one name."""
        self.count: int = database.execute(f"SELECT count(*) FROM {_ANSWER}").fetchall()[0][0]

    def rows(self, limit: int | None = None, *, nested: bool = False) -> Iterator[Row]:
        """In their order. What Python has no type for comes as text; lists, structs, maps and JSON as
        Python's own with `nested`."""
        loads = [nested and _is_nested(column.type) for column in self.columns]
        cells = ", ".join(map(_cell, self.columns, loads))
        database = self._database  # another cursor would not see what is temporary
        database.execute(f"SELECT {cells} FROM {_ANSWER} {self._limited(limit)}")
        while batch := database.fetchmany(_BATCH):
            for row in batch:
                yield tuple(map(_loaded, row, loads)) if any(loads) else row

    def arrow(self, batch: int, limit: int | None = None) -> "RecordBatchReader":
        """Batches of so many rows."""
        return self._database.sql(f"FROM {_ANSWER} {self._limited(limit)}").to_arrow_reader(batch)

    def _limited(self, limit: int | None) -> str:
        return "" if limit is None else f"LIMIT {limit}"


def _is_nested(declared: str) -> bool:
    return declared.endswith("]") or declared.startswith(("STRUCT(", "MAP(", "UNION(", "JSON", "VARIANT"))


def _cell(column: Column, loads: bool) -> str:  # noqa: FBT001 -- one of two lists
    name = quoted(column.name)
    if loads:
        return f"CAST(to_json({name}) AS VARCHAR)"
    if column.type == "FLOAT":  # 1.1, and not the double that is nearest to it
        return f"CAST(CAST({name} AS VARCHAR) AS DOUBLE)"
    return name if column.type in _PLAIN else f"CAST({name} AS VARCHAR)"


def _loaded(cell: Any, loads: bool) -> Any:  # noqa: FBT001
    return nested.loads(cell) if loads and cell is not None else cell


def _execute(database: "DuckDBPyConnection", sql: str, seconds: float | None) -> None:
    """Beside this thread, which DuckDB would not let hear of a Ctrl-C. Raises what DuckDB says."""
    failed: list[Exception] = []
    done = threading.Event()  # not join(): broken off by Ctrl-C it takes the thread to have ended

    def run() -> None:
        try:
            database.execute(sql)
        except Exception as error:  # noqa: BLE001 -- raised below, in the thread that asked
            failed.append(error)
        finally:
            done.set()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    is_in_time = False
    try:
        is_in_time = done.wait(seconds)
    finally:
        while not done.wait(0 if is_in_time else 0.05):
            database.interrupt()  # more than once: it may only be about to begin
    thread.join()
    if not is_in_time:
        raise DataError(
            f"the query was stopped after {seconds:g} s",
            hints=["git data sql --timeout SECONDS   # waits longer"],
        )
    if failed:
        raise failed[0]


@contextmanager
def answered(
    database: "DuckDBPyConnection", question: Question, seconds: float | None = None
) -> Iterator[Answer]:
    """Ask, and have the answer until the block ends. Raises DataError saying what DuckDB has against it, or
    that it took longer than `seconds`."""
    import duckdb

    try:
        asked = f"CREATE OR REPLACE TEMP TABLE {_ANSWER} AS (\n{question.sql}\n)"
        _execute(database, asked, seconds)
        yield Answer(database)
    except (duckdb.OutOfMemoryException, MemoryError) as error:
        raise _too_large(error) from error
    except OSError as error:  # as pyarrow hands on what DuckDB says while rows are written
        if not str(error).startswith("Out of Memory Error"):
            raise
        raise _too_large(error) from error
    except duckdb.Error as error:
        raise DataError(f"DuckDB cannot answer it: {said(error)}", hints=_advice(error)) from error


def _too_large(error: Exception) -> DataError:
    return DataError(
        f"the query needs more memory than there is ({said(error)})",
        hints=["git -c data.memory=2g data sql …   # a third of it is DuckDB's"],
    )


def schemas_of(paths: Sequence[Path]) -> list[str]:
    """The schemas that have to exist for these names, each once."""
    return list({folded(path[0]): path[0] for path in paths if len(path) == 2}.values())
