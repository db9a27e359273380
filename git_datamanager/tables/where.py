"""A condition of the reader's own on rows: checked to be one before anything is read by it.

It is an expression of SQL and nothing more. That it can do no harm is the engines' part: they are opened so
that they can read the two sources and nothing else (docs/design/tables.md, "Sources").
"""

import re

from git_datamanager.errors import DataError
from git_datamanager.tables.engine import Engine, Unreadable

_CHANCE = re.compile(
    r"\b(random|randomblob|setseed|uuid|uuidv4|uuidv7|gen_random_uuid|nextval)\"?\s*\(", re.I
)
"""Functions of either engine whose answer does not come from the row."""
_ASIDE = re.compile(r"""("(?:[^"]|"")*")|'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/""", re.DOTALL)
"""A name in quotes, which counts; texts and comments, which do not."""


class Misfit(DataError):
    """A condition that fits no table of a source."""

    def __init__(self, where: str, words: str) -> None:
        """`where`: the tables in words; `words`: what the engine says of the condition."""
        super().__init__(
            f"--where is no condition on the rows of {where}: {words}",
            hints=["it is an expression of SQL, such as: year > 2030 AND region = 'east'"],
        )
        self.words = words


def problem(engine: Engine, scope: str, condition: str) -> str | None:
    """What the engine says of it where it is no condition on the rows of this scope.

    Text that compiles both bare and in brackets is one whole expression: whatever closes a bracket that it
    has not opened, opens one, or goes on after the condition, fails in one of the two.
    """
    if not condition.isascii() and condition != condition.encode("utf-8", "replace").decode():
        return "it is no text"
    if chance := _CHANCE.search(_ASIDE.sub(r"\1", condition)):
        return f"{chance[1]} is another thing each time it is asked"
    for text in (condition, f"({condition}\n)"):
        try:
            for _ in engine.rows(f"EXPLAIN SELECT 1 FROM {scope} WHERE {text}"):
                pass
        except Unreadable as error:
            return error.words
    return None
