"""Markdown for pages that others look at: summaries of jobs, comments on requests.

Names, notes and error texts are what a stranger wrote, and no sign of theirs may end a cell, open a tag,
mention a person or make a link.
"""

import html
import re
from collections.abc import Iterable, Sequence

from git_datamanager.cli import render

_ENDS_CODE = re.compile(r"[`|]")
_MARKUP = re.compile(r"([\\!\"#$%&'()*+,./:;<=>?\[\]^_`{|}~-])")


def code(text: str, *, limit: int = 200) -> str:
    """A code span, in a table or out of it: nothing is read in there, so only its end is guarded."""
    shown = _ENDS_CODE.sub(lambda m: f"\\u{ord(m[0]):04x}", render.clean(_cut(text, limit)))
    return f"`{shown}`" if shown.strip() else "–"


def plain(text: str, *, limit: int = 500) -> str:
    """Prose. After `@` and `#` comes a blank of no width, or the host would make a mention of it."""
    escaped = _MARKUP.sub(r"\\\1", render.clean(_cut(text, limit)))
    return re.sub(r"(@|\\#)", "\\1\u200b", escaped)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines; the cells are Markdown already."""
    lines = [_row(row) for row in rows]
    return [_row(head), _row(["---"] * len(head)), *lines] if lines else []


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def fenced(lines: Iterable[str]) -> list[str]:
    """Commands to copy: as they are, but for what would end the block or steer a terminal."""
    return ["```sh", *(render.clean(line).replace("```", "\\u0060``") for line in lines), "```"]


def details(summary: str, lines: Iterable[str]) -> list[str]:
    """Lines that open on a click. `summary` is HTML already (`html_code`), the lines are Markdown."""
    return ["<details>", f"<summary>{summary}</summary>", "", *lines, "", "</details>"]


def html_code(text: str, *, limit: int = 200) -> str:
    """A code span for places where Markdown is not read: no tag in it, no mention."""
    return f"<code>{html.escape(render.clean(_cut(text, limit)))}</code>"


def fitted(lines: Sequence[str], limit: int, *, tail: Sequence[str] = ()) -> str:
    """As many lines as fit into `limit` bytes, then what was left out, then `tail`."""
    text = "\n".join([*lines, *tail]) + "\n"
    if len(text.encode()) <= limit:
        return text
    ending = "\n".join(["", *tail, ""])
    room = limit - len(ending.encode()) - 100
    kept: list[str] = []
    for line in lines:
        room -= len(line.encode()) + 1
        if room < 0:
            break
        kept.append(line)
    if kept and kept[-1] == "<details>":  # without its summary it says nothing
        kept.pop()
    left = f"… and {len(lines) - len(kept)} more lines"
    return "\n".join([*kept, *_closing(kept), "", left, ending])


def _closing(lines: Sequence[str]) -> list[str]:
    """What ends the blocks that these lines leave open."""
    fence = ["```"] if sum(line.startswith("```") for line in lines) % 2 else []
    return [*fence, "", "</details>"] if lines.count("<details>") > lines.count("</details>") else fence
