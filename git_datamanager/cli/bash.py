"""Completion in bash, for `git-data` and, through git's own completion, for `git data`.

click's script takes the words as bash splits them (`a.csv@v1` is three) and inserts them as they are.
Ours hands the whole line over, strips what bash has before the last break, and lets bash quote.
"""

import os
import re
from typing import Any

from click.shell_completion import BashComplete, CompletionItem, add_completion_class, split_arg_string

_SOURCE = """\
_git_data_complete() {
    local line strip=
    COMPREPLY=()
    while IFS= read -r line; do
        case $line in
            strip,*) strip=${line#*,} ;;
            dir,*) mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -d -- "${line#*,}") ;;
            file,*) mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- "${line#*,}") ;;
            plain,*) COMPREPLY+=("${line#*,}") ;;
        esac
    done < <(GIT_DATA_LINE="${COMP_LINE:0:COMP_POINT}" GIT_DATA_WORDS="$1" \\
        GIT_DATA_BREAKS="$COMP_WORDBREAKS" %(complete_var)s=bash_complete git-data 2>/dev/null)
    COMPREPLY=("${COMPREPLY[@]#"$strip"}")
    compopt -o filenames +o nospace 2>/dev/null
    return 0
}
%(complete_func)s() { _git_data_complete 1; }
complete -o nosort -F %(complete_func)s %(prog_name)s
# git's own completion calls this for `git data …`.
_git_data() { _git_data_complete $((${__git_cmd_idx:-1} + 1)); }
"""


class Bash(BashComplete):
    """Answers of one line each: how to take what follows the comma."""

    source_template = _SOURCE

    def get_completion_args(self) -> tuple[list[str], str]:
        """What stands before the cursor, and the word begun there."""
        line = os.environ.get("GIT_DATA_LINE")
        if line is None:
            return super().get_completion_args()
        words = split_arg_string(line)
        begun = words.pop() if words and not re.search(r"(?<!\\)\s$", line) else ""
        return words[int(os.environ.get("GIT_DATA_WORDS", "1")) :], begun

    def complete(self) -> str:
        _, begun = self.get_completion_args()
        return f"strip,{_before_break(begun)}\n{super().complete()}"

    def format_completion(self, item: CompletionItem[Any]) -> str:
        return f"{item.type},{item.value}"


def _before_break(begun: str) -> str:
    """What bash keeps of the word: it replaces what follows the last break, but for quoted words."""
    line = os.environ.get("GIT_DATA_LINE", "")
    if begun and not line.endswith(begun):
        return ""  # quoted
    breaks = [c for c in os.environ.get("GIT_DATA_BREAKS", "") if c in "@:="]
    return begun[: max((begun.rfind(c) for c in breaks), default=-1) + 1]


def register() -> None:
    """Use it where click looks for bash."""
    add_completion_class(Bash)
