"""Which key tells the rows of both sides apart, if any: docs/design/tables.md, "What is compared"."""

from collections.abc import Sequence
from typing import NamedTuple

from git_datamanager.tables.engine import Engine
from git_datamanager.tables.rowdiff import Pair, Sides, doubled, keyless, matched_twice
from git_datamanager.tables.schema import Table, folded

_WHOLE = "rows are compared as a whole"
_WORDS = ("before", "after")


class Match(NamedTuple):
    """How rows are matched."""

    key: tuple[Pair, ...] = ()
    """None: as a whole."""
    note: str | None = None
    """Why not as one would expect."""
    holes: tuple[int, int] = (0, 0)
    """Rows of each side that lack a part of their key."""


def match(engine: Engine, tables: tuple[Table, Table], sides: Sides, keys: Sequence[Sequence[str]]) -> Match:
    """By the first of these keys that tells rows apart on both sides. Raises Unreadable."""
    tried = []
    for names in keys:
        tried.append(_match(engine, tables, sides, names))
        if tried[-1].key:
            return tried[-1]
    return tried[0] if tried else Match()


def _match(engine: Engine, tables: tuple[Table, Table], sides: Sides, names: Sequence[str]) -> Match:
    if not names:
        return Match()
    by_name = {folded(pair[0].name): pair for pair in sides.shared}
    absent = [name for name in names if folded(name) not in by_name]
    if absent:
        return Match(note=f"the key column {absent[0]} is not on both sides: {_WHOLE}")
    key = tuple(by_name[folded(name)] for name in dict.fromkeys(names))
    holes = [0, 0]
    for n, relation in enumerate((sides.before, sides.after)):
        own = [pair[n].name for pair in key]
        if engine.is_unique(tables[n], own):
            continue
        holes[n] = int(next(engine.rows(keyless(relation, own)))[0])
        if next(engine.rows(doubled(relation, own)), None) is not None:
            text = f"several rows have one key ({', '.join(own)}) on the {_WORDS[n]} side"
            return Match(note=f"{text}: {_WHOLE}")
    if not engine.is_one_to_one(*tables, key):
        for n in (0, 1):
            if next(engine.rows(matched_twice(sides, key, n)), None) is not None:
                text = f"one key ({', '.join(names)}) of the {_WORDS[n]} side is that of several other rows"
                return Match(note=f"{text}: {_WHOLE}")
    return Match(key, _hole_note(names, holes), (holes[0], holes[1]))


def _hole_note(names: Sequence[str], holes: Sequence[int]) -> str | None:
    if not any(holes):
        return None
    text = f"rows without a value for the key ({', '.join(names)})"
    return f"{text}: {holes[0]} before, {holes[1]} after; those are compared as a whole"
