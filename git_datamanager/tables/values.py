"""Cells: what they hold, how they are shown, and how JSON has them. Pure: docs/design/tables.md, "Result"."""

import math
from typing import Any

Cell = Any
"""None, bool, int, float, str, bytes; whatever else an engine has (dates, decimals, lists) as it gives it."""
SHOWN = 200
"""Characters, or bytes, of a cell that are shown."""
_EXACT = 1 << 53
"""Beyond it readers of JSON round integers."""


def same(one: Cell, other: Cell) -> bool:
    """Equal, and of one class: 1 is not 1.0, NaN is NaN."""
    if type(one) is not type(other):
        return False
    return bool(one == other) or (isinstance(one, float) and math.isnan(one) and math.isnan(other))


def shown(cell: Cell, limit: int = SHOWN) -> str:
    """One line for people; what was cut says how long it is."""
    match cell:
        case None:
            return "NULL"
        case bytes():
            head = cell[: limit // 2].hex()
            return f"x'{head}'" if len(cell) <= limit // 2 else f"x'{head}…' ({len(cell)} bytes)"
        case str():
            return cell if len(cell) <= limit else f"{cell[:limit]}… ({len(cell)} characters)"
        case float():
            return repr(cell)
        case bool():
            return "true" if cell else "false"
        case _:
            return shown(str(cell), limit)


def as_json(cell: Cell, limit: int = SHOWN) -> object:
    """A value that JSON can hold without loss or lie."""
    match cell:
        case None | bool():
            return cell
        case int():
            return cell if abs(cell) <= _EXACT else {"integer": str(cell)}
        case float():
            return cell if math.isfinite(cell) else {"real": repr(cell)}
        case str():
            return _text_as_json(cell, limit)
        case bytes():
            return {"blob": cell[:limit].hex(), "size": len(cell)}
        case _:
            return {"value": shown(str(cell), limit), "type": type(cell).__name__}


def _text_as_json(text: str, limit: int) -> object:
    data = text.encode("utf-8", "surrogateescape")
    sound = data.decode("utf-8", "replace")
    if sound != text:  # two such texts may look alike
        return {"text": sound[:limit], "hex": data[:limit].hex(), "size": len(data)}
    return text if len(text) <= limit else {"text": text[:limit], "size": len(text)}
