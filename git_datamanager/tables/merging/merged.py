"""What a merge of rows did, and what it could not decide. Pure: docs/design/rowmerge.md."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from git_datamanager.tables.values import Cell

LISTED = 1000
"""Clashes that are kept to be shown; all are counted."""


class Take(StrEnum):
    """Whose value stands where both sides changed one thing differently."""

    OURS = "ours"
    THEIRS = "theirs"
    BASE = "base"


class Clash(NamedTuple):
    """What both sides changed differently."""

    table: str
    what: str
    """`cell`, `row` (removed on one side), `count` (of a row without a key), `table`, or the kind of a thing:
    index, trigger, view."""
    key: tuple[Cell, ...]
    """Of the row; of a row without one its cells."""
    column: str | None
    base: Cell
    ours: Cell
    theirs: Cell
    take: Take | None = None
    """How it is decided."""
    id: str = ""
    """By which a decision finds it again: decisions.py."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableMerge:
    """What theirs brought into one table of ours."""

    name: str
    added: int = 0
    removed: int = 0
    changed: int = 0
    is_whole: bool = False
    """It was taken as it is on the other side, or dropped as there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowMerge:
    tables: tuple[TableMerge, ...]
    clashes: tuple[Clash, ...]
    """At most LISTED, those that nobody has decided first."""
    clash_count: int
    open_count: int
    """Clashes that nobody has decided."""
    is_written: bool
    """The result is there; else somebody must decide."""
