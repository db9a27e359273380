"""Rules that data must keep, read from one line, and the SQL that finds what breaks them. Pure:
docs/design/checks.md.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from git_datamanager.tables.rowdiff import literal, quoted

PARENT = "parent"
"""The schema of the version before."""
_NAME = r"(?:\s*'(?:[^']|'')*'\s*|[^'(),]+)"
_LIST = rf"{_NAME}(?:,{_NAME})*"
_PLACE = rf"(?P<table>{_NAME})?\((?P<columns>{_LIST})\)"
_OTHER = rf"(?P<other>{_NAME})?\((?P<targets>{_LIST})\)"
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", re.ASCII | re.IGNORECASE)


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


class NoRule(ValueError):
    """A line that is no rule; says what one looks like."""


class Place(NamedTuple):
    """Columns of a table; no table: the only one there is."""

    table: str | None
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What one check asks for."""

    dataset: str
    """A name, or a pattern of names."""
    text: str
    """How people recognise it: `unique Demand(region, year)`, or the title of a file."""
    sql: str = ""
    """A SELECT of the rows that break it, of the dataset `{dataset}` in one version."""
    counts: bool = False
    """The one row of `sql` says what is wrong with the whole table: its cells are no sample."""
    severity: Severity = Severity.ERROR
    origin: str = ".gitdata"
    problem: str | None = None
    """Why it is no rule; it fails wherever it is asked for."""


_FORMS = {
    "unique": (_PLACE, "TABLE(COL, …)"),
    "notnull": (_PLACE, "TABLE(COL, …)"),
    "range": (rf"{_PLACE}\s*(?P<low>\S*?)\.\.(?P<high>\S*)", "TABLE(COL) MIN..MAX"),
    "accepted": (rf"{_PLACE}(?P<values>{_LIST})", "TABLE(COL) VALUE, …"),
    "foreign": (rf"{_PLACE}\s*->\s*{_OTHER}", "TABLE(COL, …) -> TABLE(COL, …)"),
    "rows": (rf"(?:(?P<table>{_NAME})\s)?\s*(?P<low>[0-9]*)\.\.(?P<high>[0-9]*)", "TABLE MIN..MAX"),
    "drift": (rf"(?:(?P<table>{_NAME})\s)?\s*(?P<percent>[0-9]+(?:\.[0-9]+)?)\s*%", "TABLE PERCENT%"),
}
_SHOWN = {"notnull": "notNull"}


def read_rule(
    dataset: str, kind: str, value: str, severity: Severity = Severity.ERROR, origin: str = ".gitdata"
) -> Rule:
    """A rule of `.gitdata`; one that cannot be understood says so in `problem`."""
    text = f"{_SHOWN.get(kind, kind)} {value}"
    try:
        sql = failing(kind, value)
    except NoRule as error:
        return Rule(dataset=dataset, text=text, severity=severity, origin=origin, problem=str(error))
    counts = kind in ("rows", "drift")
    return Rule(dataset=dataset, text=text, sql=sql, counts=counts, severity=severity, origin=origin)


def failing(kind: str, value: str) -> str:
    """A SELECT of what breaks the rule; a table without a name stands as `{dataset}`. Raises NoRule."""
    if kind not in _FORMS:
        known = ", ".join(_SHOWN.get(name, name) for name in _FORMS)
        raise NoRule(f"there is no rule {kind!r}; there are {known}")
    pattern, form = _FORMS[kind]
    match = re.fullmatch(pattern, value.strip())
    if match is None:
        raise NoRule(f"{_SHOWN.get(kind, kind)} is written {form}")
    found = {key: text or "" for key, text in match.groupdict().items()}
    place = Place(_bare(found["table"]) or None, _items(found.get("columns", "")))
    return _SQL[kind](place, found)


def _bare(name: str) -> str:
    """Without its quotes and the blanks around it."""
    name = name.strip()
    return name[1:-1].replace("''", "'") if name.startswith("'") else name


def _items(text: str) -> tuple[str, ...]:
    found = tuple(map(_bare, re.findall(_NAME, text)))
    if not all(found) and text:
        raise NoRule("a name is missing before a comma, or after one")
    return found


def _table(table: str | None, schema: str = "{dataset}") -> str:
    """As it stands in FROM; braces in names are doubled, for `{dataset}` is filled in later."""
    return f"{schema}.{_name(table)}" if table else schema


def _name(name: str) -> str:
    return quoted(name).replace("{", "{{").replace("}", "}}")


def _text(value: str) -> str:
    return literal(value).replace("{", "{{").replace("}", "}}")


def _rows(place: Place, condition: str) -> str:
    """All cells of the rows, those that the rule is about first."""
    first = ", ".join(map(_name, place.columns))
    return f"SELECT {first}, * EXCLUDE ({first}) FROM {_table(place.table)} t WHERE {condition}"


def _one(place: Place) -> str:
    if len(place.columns) != 1:
        raise NoRule("the rule is about one column")
    return _name(place.columns[0])


def _unique(place: Place, _: dict[str, str]) -> str:
    cells = ", ".join(map(_name, place.columns))
    known = " AND ".join(f"{_name(c)} IS NOT NULL" for c in place.columns)
    return (
        f"SELECT {cells}, count(*) AS times FROM {_table(place.table)} WHERE {known}"
        f" GROUP BY {cells} HAVING count(*) > 1 ORDER BY times DESC, {cells}"
    )


def _not_null(place: Place, _: dict[str, str]) -> str:
    return _rows(place, " OR ".join(f"{_name(c)} IS NULL" for c in place.columns))


def _range(place: Place, found: dict[str, str]) -> str:
    cell, low, high = _one(place), found["low"], found["high"]
    given = [bound for bound in (low, high) if bound]
    if not given:
        raise NoRule("a range has a smallest value, a largest one, or both: 0..100, 0.., ..100")
    if all(_NUMBER.fullmatch(bound) for bound in given):
        value = f"TRY_CAST({cell} AS DOUBLE)"
        broken = [f"{value} IS NULL", f"isnan({value})"]
        bounds = [f"{value} < {low}" if low else "", f"{value} > {high}" if high else ""]
    else:
        value = f"CAST({cell} AS VARCHAR)"
        broken = []
        bounds = [f"{value} < {_text(low)}" if low else "", f"{value} > {_text(high)}" if high else ""]
    wrong = " OR ".join([*broken, *filter(None, bounds)])
    return _rows(place, f"{cell} IS NOT NULL AND ({wrong})")


def _accepted(place: Place, found: dict[str, str]) -> str:
    cell, values = _one(place), _items(found["values"])
    wrong = f"CAST({cell} AS VARCHAR) NOT IN ({', '.join(map(_text, values))})"
    numbers = [value for value in values if _NUMBER.fullmatch(value)]
    if numbers:
        wrong += f" AND coalesce(TRY_CAST({cell} AS DOUBLE) NOT IN ({', '.join(numbers)}), true)"
    return _rows(place, f"{cell} IS NOT NULL AND {wrong}")


def _foreign(place: Place, found: dict[str, str]) -> str:
    other = Place(_bare(found["other"]) or None, _items(found["targets"]))
    if len(other.columns) != len(place.columns):
        raise NoRule("both sides have the same number of columns")
    pairs = zip(map(_name, place.columns), map(_name, other.columns), strict=True)
    same = " AND ".join(f"{_comparable(f't.{a}')} = {_comparable(f'o.{b}')}" for a, b in pairs)
    known = " AND ".join(f"{_name(c)} IS NOT NULL" for c in place.columns)
    return _rows(place, f"{known} AND NOT EXISTS (SELECT 1 FROM {_table(other.table)} o WHERE {same})")


def _comparable(cell: str) -> str:
    """Columns of any two types can be compared by it, and 1.0 is 1."""
    return f"regexp_replace(CAST({cell} AS VARCHAR), '[.]0$', '')"


def _count(place: Place, found: dict[str, str]) -> str:
    wrong = [f"rows < {found['low']}"] if found["low"] else []
    wrong += [f"rows > {found['high']}"] if found["high"] else []
    if not wrong:
        raise NoRule("a range has a smallest value, a largest one, or both: 1..100, 1.., ..100")
    counted = f"SELECT count(*) AS rows FROM {_table(place.table)}"
    return f"SELECT * FROM ({counted}) WHERE {' OR '.join(wrong)}"


def _drift(place: Place, found: dict[str, str]) -> str:
    was, now = (f"SELECT count(*) FROM {_table(place.table, *s)}" for s in ([PARENT], []))
    return (
        f"SELECT was, rows FROM (SELECT ({was}) AS was, ({now}) AS rows)"
        f" WHERE abs(rows - was) * 100 > was * {found['percent']}"
    )


_SQL = {
    "unique": _unique, "notnull": _not_null, "range": _range, "accepted": _accepted, "foreign": _foreign,
    "rows": _count, "drift": _drift,
}  # fmt: skip
