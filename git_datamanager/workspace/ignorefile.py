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


def add(text: str, name: str, *, is_database: bool = False) -> str:
    """With the lines of this dataset in the block."""
    wanted = [pattern(name)]
    if is_database:
        wanted += [pattern(name + suffix) for suffix in COMPANIONS]
    return _with_lines(text, lambda lines: {*lines, *wanted})


def remove(text: str, name: str) -> str:
    """Without the lines of this dataset."""
    gone = {pattern(name), *(pattern(name + suffix) for suffix in COMPANIONS)}
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
    """The text before the block, the block's lines, the text after. A union merge may leave several
    markers behind: everything from the first to the last is the block."""
    lines = text.splitlines(keepends=True)
    plain = [line.rstrip("\r\n") for line in lines]
    if BEGIN not in plain or END not in plain:
        before = text if not text or text.endswith("\n") else text + "\n"
        return before, set(), ""
    first = plain.index(BEGIN)
    last = len(plain) - 1 - plain[::-1].index(END)
    inside = {line for line in plain[first + 1 : last] if line and line not in (BEGIN, END)}
    return "".join(lines[:first]), inside, "".join(lines[last + 1 :])
