"""The two dialects of SQL, where they differ: docs/design/tables.md. Pure."""

from git_datamanager.tables.rowdiff import Pair
from git_datamanager.tables.schema import Column


def affinity(declared: str) -> str:
    """How a column of SQLite of this type stores what it is given (sqlite.org/datatype3.html, 3.1); empty: as
    is."""
    word = declared.upper()
    for found, parts in (
        ("INTEGER", ("INT",)),
        ("TEXT", ("CHAR", "CLOB", "TEXT")),
        ("", ("BLOB",)),
        ("REAL", ("REAL", "FLOA", "DOUB")),
    ):
        if any(part in word for part in parts):
            return found
    return "" if word in ("", "ANY") else "NUMERIC"  # of a STRICT table ANY is as it is: ask more, never less


class SqliteDialect:
    """Cells are the same where class and value are: no affinity, no collation of the column counts."""

    def __init__(self, *, is_typed: bool = True) -> None:
        """`is_typed`: the tables are stored as their columns declare."""
        self._is_typed = is_typed

    def same_cell(self, before: str, after: str, pair: Pair) -> str:
        if self._is_plain(pair):
            return f"{before} IS {after} COLLATE BINARY"
        # +x has no affinity of its own, so nothing is converted; but then 1 IS 1.0.
        return f"(+{before} IS +{after} COLLATE BINARY AND typeof({before}) = typeof({after}))"

    def same_key(self, before: str, after: str, pair: Pair) -> str:
        """RTRIM matches by bytes: where SQLite makes an index of its own for it, it looks first into a Bloom
        filter that (in 3.38 to 3.40) knows texts by their length, and misses rows."""
        return f"{before} = {after}{' COLLATE BINARY' if any(column.is_trimmed for column in pair) else ''}"

    def common(self, cell: str, pair: Pair, side: int) -> str:  # noqa: ARG002
        """Where columns of two affinities are united, that of one would convert the cells of the other."""
        return cell if self._is_plain(pair) else f"+{cell}"

    def shown(self, cell: str, column: Column) -> str:  # noqa: ARG002
        return cell

    def is_plain(self, column: Column) -> bool:  # noqa: ARG002 -- SQLite has no class that Python has not
        return True

    def sorted_by(self, cell: str) -> str:
        return f"+{cell}"

    def grouped(self, cell: str, pair: Pair) -> tuple[str, ...]:
        words = (f"+{cell} COLLATE BINARY",)
        return words if self._is_plain(pair) else (*words, f"typeof({cell})")

    def _is_plain(self, pair: Pair) -> bool:
        """Both store what they are given in the same one way."""
        return self._is_typed and affinity(pair[0].type) == affinity(pair[1].type) != ""


_PLAIN = frozenset(
    ("BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER",
     "UBIGINT", "UHUGEINT", "FLOAT", "DOUBLE", "VARCHAR", "BLOB", "JSON")
)  # fmt: skip
"""Types whose values Python has as they are; the others come as DuckDB's text of them."""
_LAX = ("INTERVAL", "WITH TIME ZONE")
"""Types for which DuckDB holds values to be equal that are not the same: 30 days and a month."""


class DuckDialect:
    """Columns of one type are compared as such, others as text."""

    def __init__(self, *, is_text: bool = False) -> None:
        """`is_text`: every cell is a text, whatever type it looks like."""
        self._is_text = is_text

    def same_cell(self, before: str, after: str, pair: Pair) -> str:
        return f"{self.common(before, pair, 0)} IS NOT DISTINCT FROM {self.common(after, pair, 1)}"

    def same_key(self, before: str, after: str, pair: Pair) -> str:
        return f"{self.common(before, pair, 0)} = {self.common(after, pair, 1)}"

    def sorted_by(self, cell: str) -> str:
        return cell

    def grouped(self, cell: str, pair: Pair) -> tuple[str, ...]:  # noqa: ARG002 -- as every dialect
        return (cell,)

    def common(self, cell: str, pair: Pair, side: int) -> str:  # noqa: ARG002
        is_one = pair[0].type == pair[1].type and not any(word in pair[0].type for word in _LAX)
        return cell if self._is_text or is_one else f"CAST({cell} AS VARCHAR)"

    def shown(self, cell: str, column: Column) -> str:
        return cell if self.is_plain(column) else f"CAST({cell} AS VARCHAR)"

    def is_plain(self, column: Column) -> bool:
        return self._is_text or column.type in _PLAIN
