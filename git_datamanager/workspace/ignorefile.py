"""The marked block in the tracked `.gitignore`: one line per dataset, so that clones get them too."""

from collections.abc import Callable

from git_datamanager.content.snapshot import COMPANIONS
from git_datamanager.fsio import TEMP_PREFIX

FILE_NAME = ".gitignore"
BEGIN = "# git data: begin (written by git data; your own lines go outside)"
END = "# git data: end"
_ALWAYS = f"{TEMP_PREFIX}*"


def pattern(name: str) -> str:
    """The line that ignores exactly this path (gitignore(5): what is special is escaped)."""
    escaped = "".join("\\" + c if c in "\\*?[" else c for c in name)
    return f"/{escaped}"


def add(text: str, name: str, *, is_database: bool = False, is_folder: bool = False) -> str:
    """With the lines of this dataset in the block. That of a folder ends with a slash: a file of its name
    would be somebody else's."""
    wanted = [pattern(name) + ("/" if is_folder else "")]
    if is_database:
        wanted += [pattern(name + suffix) for suffix in COMPANIONS]
    return _with_lines(text, lambda lines: {*lines, *wanted})


def remove(text: str, name: str) -> str:
    """Without the lines of this dataset."""
    gone = {pattern(name), pattern(name) + "/", *(pattern(name + suffix) for suffix in COMPANIONS)}
    return _with_lines(text, lambda lines: lines - gone)


def empty_block(text: str) -> str:
    """With a block, if there is none."""
    return _with_lines(text, lambda lines: lines)


def _with_lines(text: str, change: Callable[[set[str]], set[str]]) -> str:
    before, lines, after = _split(text)
    wanted = sorted({_ALWAYS, *change(lines)}, key=str.encode)
    block = "".join(line + "\n" for line in (BEGIN, *wanted, END))
    return before + block + after


def _split(text: str) -> tuple[str, set[str], str]:
    """The text before the first block, the lines of all blocks, the text after and between them.

    A union merge may leave several blocks: what the user wrote between them stays in its order, for a
    `!keep` counts only after what it excepts. Where a marker is missing, lines of our form are ours.
    """
    before: list[str] = []
    after: list[str] = []
    inside: set[str] = set()
    block: list[str] | None = None
    outside = before
    for line in text.splitlines(keepends=True):
        plain = line.rstrip("\r\n")
        if plain == BEGIN:
            after += _not_ours(block or [], inside)
            block, outside = [], after
        elif plain == END:
            inside.update(part.rstrip("\r\n") for part in block or [])
            block = None
        else:
            (outside if block is None else block).append(line)
    after += _not_ours(block or [], inside)
    if before and not before[-1].endswith("\n"):
        before.append("\n")
    return "".join(before), inside - {""}, "".join(after)


def _not_ours(block: list[str], inside: set[str]) -> list[str]:
    """Of a block without an end: our lines go inside, the others are returned."""
    ours = [line for line in block if line.startswith(("/", _ALWAYS))]
    inside.update(line.rstrip("\r\n") for line in ours)
    return [line for line in block if line not in ours]
