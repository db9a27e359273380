"""git data status, ls, log, show."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from git_datamanager.cli import clone, options, render
from git_datamanager.cli.app import HELP, manager
from git_datamanager.errors import EXIT_NEGATIVE
from git_datamanager.ops.status import Row, Stage, Status, Work

if TYPE_CHECKING:
    from git_datamanager.ops.listing import Logged

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
        "Changed on disk, not added:",
        "git data add <name>, or git data pull --force <name>",
        None,
        Work.MODIFIED,
    ),
    ("Another version is here:", "git data pull", None, Work.STALE),
    ("Missing here:", "git data pull", None, Work.MISSING),
    ("A folder, link or special file is in the way:", "move it away, then git data pull", None, Work.BLOCKED),
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
            _print_long(found)
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


def _print_long(found: Status) -> None:
    render.out(f"On branch {render.clean(found.branch)}" if found.branch else "HEAD is detached")
    quiet = not found.unmerged
    if found.unmerged:
        render.out("manifest.json is unmerged: git data resolve")
    for title, help_text, cells in _sections(found):
        quiet = False
        render.out(title.ljust(42) + (render.paint(f"({help_text})", "dim") if help_text else ""))
        render.table(cells)
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
        return [f"  {row.work}:", row.name, "", ""]
    word = str(row.stage if by_stage else row.work)
    number = version.name
    if by_stage and row.stage is Stage.CHANGED and row.head:
        number = f"{row.head} → {version.name}"
    elif not by_stage:
        holds = row.holds or ("another version" if row.work is Work.STALE else "?")
        number = f"{version.name} → {holds}" if row.work in (Work.MODIFIED, Work.STALE) else number
    return [f"  {word}:", row.name, number, render.size(version.size)]


@click.command(context_settings=HELP)
@options.names
@click.option("--rev", "revision", metavar="COMMIT", help="As of that commit.")
@click.option("-a", "--all", "every", is_flag=True, help="Removed and deleted datasets too.")
@options.json_output
@options.talk
def ls(names: tuple[str, ...], revision: str | None, every: bool, as_json: bool) -> None:
    """List the datasets: name, latest version, state, age, size, digest."""
    from git_datamanager.ops.listing import ls as verb

    with manager() as data:
        datasets = verb(data, names, revision=revision, every=every)
    if as_json:
        documents = [
            options.version_json(d, d.latest)
            if d.latest
            else {"name": d.name, "version": None, "state": str(d.state or "deleted")}
            for d in datasets
        ]
        render.json("ls", {"datasets": documents})
        return
    rows = [
        [d.name, v.name, str(d.state or v.state), render.age(v.created), render.size(v.size), v.oid.short]
        if (v := d.latest)
        else [d.name, "-", str(d.state or "deleted"), "", "", ""]
        for d in datasets
    ]
    if rows:
        render.table(rows, head=["name", "version", "state", "age", "size", "sha256"])
    else:
        render.note("nothing to list: git data add <file>, or git data ls --all for what was removed")


@click.command(context_settings=HELP)
@options.names
@click.option("--rev", "revision", metavar="COMMIT", help="As of that commit.")
@options.json_output
@options.talk
def log(names: tuple[str, ...], revision: str | None, as_json: bool) -> None:
    """Show the versions of datasets: number, state, date, author, size, note, commit."""
    from git_datamanager.ops.listing import log as verb

    with manager() as data:
        entries = verb(data, names, revision=revision)
    if as_json:
        render.json("log", {"versions": [_logged_json(entry) for entry in entries]})
        return
    last = None
    for entry in entries:
        if entry.dataset.name != last:
            last = entry.dataset.name
            state = f"  ({entry.dataset.state})" if entry.dataset.state else ""
            render.out(render.paint(render.clean(last) + state, "changed"))
        _print_logged(entry)


def _logged_json(entry: "Logged") -> dict[str, Any]:
    return {**options.version_json(entry.dataset, entry.version), "commit": entry.commit}


def _print_logged(entry: "Logged") -> None:
    version = entry.version
    words = [
        version.name.ljust(5),
        str(version.state).ljust(9),
        version.created[:16].replace("T", " "),
        render.size(version.size).rjust(10),
        version.oid.short,
        (entry.commit or "uncommitted")[:11].ljust(11),
        render.clean(version.author),
    ]
    render.out("  " + "  ".join(words))
    if version.message:
        render.out("         " + render.clean(version.message))


@click.command(context_settings=HELP)
@click.argument("name", metavar="NAME[@vN]", shell_complete=options.complete_name)
@click.option("--rev", "revision", metavar="COMMIT", help="As of that commit.")
@options.json_output
@options.talk
def show(name: str, revision: str | None, as_json: bool) -> None:
    """Show one version in full: its entry in the manifest, its commit, where its bytes are."""
    from git_datamanager.model.layout import object_key
    from git_datamanager.ops.listing import show as verb

    with manager() as data:
        entry = verb(data, name, revision=revision)
        held = sorted(data.held_by(entry.version.oid))
        cached = data.cache.has(entry.version.oid)
    document = {
        **_logged_json(entry),
        "dataset_state": str(entry.dataset.state) if entry.dataset.state else None,
        "key": object_key(entry.version.oid),
        "seen_in": held,
        "cached": cached,
    }
    if as_json:
        render.json("show", document)
        return
    render.table(
        [[f"{key}:", _plain(value)] for key, value in document.items() if value not in (None, [], "")]
    )


def _plain(value: object) -> str:
    """A value of the document for people."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
