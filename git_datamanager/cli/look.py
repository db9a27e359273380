"""git data status."""

from collections.abc import Iterator
from typing import Any

import click

from git_datamanager.cli import clone, options, render
from git_datamanager.cli.app import HELP, manager
from git_datamanager.errors import EXIT_NEGATIVE
from git_datamanager.ops.status import Row, Stage, Status, Work

_LISTED = 20
"""So many changed files of a folder are shown."""

_STAGE_LETTERS = {
    Stage.NEW: "A",
    Stage.CHANGED: "M",
    Stage.RENAMED: "R",
    Stage.DELETING: "D",
    Stage.PENDING: "P",
    Stage.UPLOADED: "U",
    Stage.PUBLISHED: ".",
}
_WORK_LETTERS = {Work.CLEAN: ".", Work.MODIFIED: "M", Work.MISSING: "D", Work.STALE: "S", Work.BLOCKED: "T"}
_TO_BE_DELETED = ("To be deleted:", "git commit, then merge and publish")
_CHANGED = "Changed on disk, not added:"
_SECTIONS = (
    (
        "Data to be committed:",
        "git commit uploads it",
        (Stage.NEW, Stage.CHANGED, Stage.RENAMED),
        None,
    ),
    ("Committed, not in staging:", "git push, or git data upload", (Stage.PENDING,), None),
    ("In staging, waiting for merge and publish:", "", (Stage.UPLOADED,), None),
    (
        _CHANGED,
        "git data add <name>, or git data pull --force <name>",
        None,
        Work.MODIFIED,
    ),
    ("Another version is here:", "git data pull", None, Work.STALE),
    ("Missing here:", "git data pull", None, Work.MISSING),
    ("Something else is in the way:", "move it away, then git data pull", None, Work.BLOCKED),
)


@click.command(context_settings=HELP)
@options.names
@click.option("--remote", is_flag=True, help="Ask the stores too.")
@click.option("--rehash", is_flag=True, help="Hash every file, whatever its times say.")
@click.option("-s", "--short", is_flag=True, help="Two letters and a name for what is not quiet.")
@click.option(
    "--porcelain",
    is_flag=False,
    flag_value="v1",
    type=click.Choice(["v1"]),
    help="A stable format for scripts.",
)
@click.option("-z", "nul", is_flag=True, help="NUL instead of line ends, names unquoted.")
@click.option("--exit-code", is_flag=True, help="Exit with 1 when a file is modified, missing or stale.")
@options.json_output
@options.talk
def status(
    names: tuple[str, ...], remote: bool, rehash: bool, short: bool, porcelain: str | None, nul: bool,
    exit_code: bool, as_json: bool) -> int:  # fmt: skip
    """Show what changed, here and on its way. Offline unless asked with --remote.

    Of a folder the changed files are counted; with its name or -v they are listed, all of them in --json.

    Porcelain lines are `XY VERSION NAME`. X: A new dataset, M new version, R new name (not committed);
    P committed and not in staging, U in staging, . published; D to be deleted, as a whole or (where
    nothing else is to be said) some versions. Y: . clean, M modified, D missing, S another version,
    T something else in its place. `UU - manifest.json` comes first where the manifest is unmerged.
    """
    from git_datamanager.ops.status import status as verb

    with manager() as data:
        found = verb(data, names, remote=remote, rehash=rehash)
        if as_json:
            render.json("status", _status_json(found))
        elif porcelain or nul or (short and not render.settings.quiet):
            _print_short(found, full=bool(porcelain or nul), nul=nul)
        elif not render.settings.quiet:
            _print_long(found, by_file=bool(names or render.settings.verbose))
        clone.hint_hooks(data)
    for _, problem in found.failures:
        render.error(problem, as_json=False)
    if found.failures:
        return found.failures[0][1].exit_code
    return EXIT_NEGATIVE if exit_code and found.has_drift else 0


def _status_json(found: Status) -> dict[str, Any]:
    return {
        "branch": found.branch,
        "commit": found.commit,
        "manifest_staged": found.staged,
        "unmerged": found.unmerged,
        "datasets": [_row_json(row) for row in found.rows],
    }


def _row_json(row: Row) -> dict[str, Any]:
    version = row.version
    return {
        "name": row.name,
        "version": version.name if version else None,
        "id": version.id if version else None,
        "state": str(version.state) if version else None,
        "oid": str(version.oid) if version else None,
        "size": version.size if version else None,
        "stage": str(row.stage),
        "work": str(row.work),
        "holds": row.holds,
        "head": row.head,
        "stored": row.stored,
        "marked": list(row.marked),
        "files": _files_json(row),
    }


def _files_json(row: Row) -> dict[str, Any] | None:
    if row.files is None:
        return None
    return {
        "members": row.files.members,
        "partial": list(row.files.globs),
        "changes": row.files.changes._asdict() if row.files.changes is not None else None,
        "refused": list(row.files.refused),
    }


def _print_short(found: Status, *, full: bool, nul: bool) -> None:
    lines = [("UU", "-", "manifest.json")] if found.unmerged else []
    for row in found.rows:
        if not row.is_quiet:
            name = render.quoted(row.name, raw_names=nul)
            lines.append((_letters(row), row.version.name if row.version else "-", name))
    for letters, version, name in lines:
        line = f"{letters} {version} {name}" if full else f"{letters} {name}"
        if nul:
            render.raw(line + "\0")
        else:
            render.out(line)


def _letters(row: Row) -> str:
    """Marked versions are told where nothing else is."""
    stage = Stage.DELETING if row.marked and row.stage is Stage.PUBLISHED else row.stage
    return _STAGE_LETTERS[stage] + _WORK_LETTERS[row.work]


def _print_long(found: Status, *, by_file: bool) -> None:
    render.out(f"On branch {render.clean(found.branch)}" if found.branch else "HEAD is detached")
    quiet = not found.unmerged
    if found.unmerged:
        render.out("manifest.json is unmerged: git data resolve")
    for title, help_text, cells in _sections(found):
        quiet = False
        render.out(title.ljust(42) + (render.paint(f"({help_text})", "dim") if help_text else ""))
        render.table(cells)
        if title == _CHANGED:
            _print_files(found, by_file=by_file)
    if not found.staged and not found.unmerged:
        render.out("manifest.json differs from what is staged".ljust(42) + "(git add manifest.json)")
    if quiet and found.rows:
        render.out(f"{len(found.rows)} dataset{'s' if len(found.rows) > 1 else ''} published, all clean")
    if not found.rows:
        render.out("no datasets yet".ljust(42) + render.paint("(git data add <file>)", "dim"))


def _sections(found: Status) -> Iterator[tuple[str, str, list[list[str]]]]:
    """Title, what to run, and a line for each dataset; only those that have some."""
    every = [
        (
            title,
            text,
            [_cells(row, by_stage=bool(stages)) for row in found.rows if _belongs(row, stages, work)],
        )
        for title, text, stages, work in _SECTIONS
    ]
    deleting = [row for row in found.rows if row.marked or row.stage is Stage.DELETING]
    every.insert(1, (*_TO_BE_DELETED, [["  " + row.name, " ".join(row.marked)] for row in deleting]))
    missing = [_cells(row, by_stage=True) for row in found.rows if row.stored is False]
    every.append(("No store holds:", "", missing))
    return (section for section in every if section[2])


def _belongs(row: Row, stages: tuple[Stage, ...] | None, work: Work | None) -> bool:
    return row.stage in stages if stages else row.work is work


def _cells(row: Row, *, by_stage: bool) -> list[str]:
    version = row.version
    if version is None:
        return [f"  {row.work}:", row.name, "", "", ""]
    word = str(row.stage if by_stage else row.work)
    number = version.name
    if by_stage and row.stage is Stage.CHANGED and row.head:
        number = f"{row.head} → {version.name}"
    elif not by_stage:
        holds = row.holds or ("another version" if row.work is Work.STALE else "?")
        number = f"{version.name} → {holds}" if row.work in (Work.MODIFIED, Work.STALE) else number
    return [f"  {word}:", row.name, number, render.size(version.size), _of_files(row, counts=not by_stage)]


def _of_files(row: Row, *, counts: bool) -> str:
    """What is to be said of the files of a folder, in a few words."""
    if row.files is None:
        return ""
    words = _counts(row) if counts else [render.files(row.files.members)]
    if row.files.globs:
        words.append(f"partial ({' '.join(row.files.globs)})")
    return ", ".join(words)


def _counts(row: Row) -> list[str]:
    if row.files is None or row.work is not Work.MODIFIED:
        return []
    if row.files.refused:
        return [f"{len(row.files.refused)} cannot be added"]
    found = row.files.changes
    lists = [(found.modified, "changed"), (found.added, "new"), (found.deleted, "deleted")] if found else []
    return [f"{len(paths)} {word}" for paths, word in lists if paths]


def _print_files(found: Status, *, by_file: bool) -> None:
    """The changed files of folders; what cannot be added is always said."""
    for row in found.rows:
        if row.files is None or row.work is not Work.MODIFIED:
            continue
        lines = [("refused", text) for text in row.files.refused]
        if by_file and row.files.changes:
            found_words = zip(("new", "changed", "deleted"), row.files.changes, strict=True)
            lines += [(word, path) for word, paths in found_words for path in paths]
        for word, path in lines[:_LISTED]:
            render.out(f"    {word + ':':<9} {render.clean(f'{row.name}/{path}')}")
        if len(lines) > _LISTED:
            render.out(f"    and {len(lines) - _LISTED} more")
