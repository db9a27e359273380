"""Lists, structs, maps and JSON of an answer, as Python's own: what JSON cannot say is said as in cells."""

import json
import re
from itertools import accumulate
from typing import Any

from git_datamanager.tables.values import as_json

_DEEPEST = 200
"""Lists in lists that Python reads and writes as JSON, wherever it stands itself."""
_DIGITS = 4000
_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[{}\]]')


def loads(text: str) -> Any:
    """What JSON has no word for is written as in cells; what Python cannot nest so deeply stays text."""
    if max(text.count("["), text.count("{")) > _DEEPEST and _depth(text) > _DEEPEST:
        return text
    return json.loads(
        text, parse_constant=lambda word: as_json(float(word)), parse_float=_real, parse_int=_whole
    )


def _real(digits: str) -> object:
    return as_json(float(digits))


def _whole(digits: str) -> object:
    """Python reads so many digits and no more."""
    return int(digits) if len(digits) <= _DIGITS else {"integer": digits}


def _depth(text: str) -> int:
    signs = (match[0] for match in _BRACKETS.finditer(text))
    steps = ((sign in "[{") - (sign in "]}") for sign in signs if len(sign) == 1)
    return max(accumulate(steps), default=0)
