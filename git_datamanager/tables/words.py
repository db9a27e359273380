"""What engines say when they cannot do something, as people should read it."""

import re

FOLDER = "git-data-tables-"
"""What the name of a private folder begins with: files in it are ours, and mean nothing to anybody."""
_OURS = re.compile(rf"[^\s\"']*/{FOLDER}[^/\s\"']*/")
_ADVICE = re.compile(r"\s*(Try |Did you mean|You might |Possible |Candidate |LINE \d+:|\n\n).*", re.DOTALL)


def said(error: Exception) -> str:
    """The fact alone, on one line: no advice for whoever writes SQL, no path of a private file."""
    text = _ADVICE.sub("", _OURS.sub("", str(error)))
    return " ".join(text.split())[:500]
