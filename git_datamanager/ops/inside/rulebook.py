"""The rules of a repository: sections `check` of `.gitdata`, and `checks/*.sql`. docs/design/checks.md."""

import fnmatch
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from git_datamanager.manager import DataManager
from git_datamanager.tables.rules import Rule, Severity, read_rule
from git_datamanager.workspace.git import Git
from git_datamanager.workspace.settings import tracked_entries

FOLDER = "checks"
_LONGEST = 64 << 10
_SECTIONS = {"check": Severity.ERROR, "check-warning": Severity.WARNING}
_HEADER = re.compile(r"--\s*(dataset|severity|title)\s*:\s*(.*?)\s*")


def rules_of(manager: DataManager, revision: str | None = None) -> list[Rule]:
    """All rules of the work tree, or of a commit. What cannot be understood is a rule that says so."""
    found = [*_written(tracked_entries(manager.git, revision))]
    files = _files(manager.git) if revision is None else _blobs(manager.git, revision)
    return [*found, *(sql_rule(name, data) for name, data in files)]


def of_dataset(rules: Sequence[Rule], name: str) -> list[Rule]:
    """Those for a dataset of this name."""
    return [r for r in rules if r.dataset == name or fnmatch.fnmatchcase(name, r.dataset)]


def _written(entries: Sequence[tuple[str, str]]) -> Iterator[Rule]:
    for key, value in entries:
        section, _, rest = key.partition(".")
        dataset, _, kind = rest.rpartition(".")
        if section not in _SECTIONS:
            continue
        rule = read_rule(dataset or "*", kind, value, _SECTIONS[section])
        problem = rule.problem if dataset else f'it is about no dataset: write [{section} "NAME"]'
        yield replace(rule, problem=problem)


def _files(git: Git) -> Iterator[tuple[str, bytes]]:
    """Of the work tree; a folder or a file that is a link may be anywhere, and is not read."""
    folder = git.top / FOLDER if git.top else None
    if folder is None or folder.is_symlink() or not folder.is_dir():
        return
    for path in sorted(folder.glob("*.sql")):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                yield f"{FOLDER}/{path.name}", file.read(_LONGEST + 1)


def _blobs(git: Git, revision: str) -> Iterator[tuple[str, bytes]]:
    commit = git.resolve(revision)
    out = git.output("ls-tree", "-z", f"{commit}:{FOLDER}") if _has_folder(git, commit) else ""
    for line in filter(None, out.split("\0")):
        header, _, name = line.partition("\t")
        mode, kind, oid = header.split(" ")
        if kind == "blob" and mode.startswith("100") and name.endswith(".sql"):
            yield f"{FOLDER}/{name}", (git.blob(oid) or b"")[: _LONGEST + 1]


def _has_folder(git: Git, commit: str) -> bool:
    return git.answer("cat-file", "-t", f"{commit}:{FOLDER}") == "tree"


def sql_rule(name: str, data: bytes) -> Rule:
    """The rule that a file of SQL is."""
    text = data.decode("utf-8", "replace")
    header = dict(_headers(text))
    title = header.get("title") or PurePosixPath(name).stem
    severity = Severity.WARNING if header.get("severity") == "warning" else Severity.ERROR
    problem = None
    if len(data) > _LONGEST:
        problem = f"{name} is larger than {_LONGEST >> 10} KiB"
    elif not header.get("dataset"):
        problem = f"{name} says of no dataset that it is about it: begin it with `-- dataset: NAME`"
    elif header.get("severity", "error") not in ("error", "warning"):
        problem = f"{name}: severity is error or warning, not {header['severity'][:40]!r}"
    # Braces are its own: only in what we write ourselves is a name filled in.
    sql = text.replace("{", "{{").replace("}", "}}")
    dataset = header.get("dataset") or "*"
    return Rule(dataset=dataset, text=title, sql=sql, severity=severity, origin=name, problem=problem)


def _headers(text: str) -> Iterator[tuple[str, str]]:
    """Of the comments before the first line of SQL."""
    for line in text.lstrip("\ufeff").splitlines():
        if line.strip() and not line.lstrip().startswith("--"):
            return
        match = _HEADER.fullmatch(line.strip())
        if match:
            yield match[1], match[2]
