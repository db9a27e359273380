"""The page of a preview: what a reviewer reads below the request. Signal first."""

from collections.abc import Iterator, Sequence

from git_datamanager.cli import markdown, preview_cells, render
from git_datamanager.errors import ObjectMissing
from git_datamanager.model.manifest import State
from git_datamanager.model.names import pasteable
from git_datamanager.model.proposal import Change, Finding, Level
from git_datamanager.ops.ci.preview import Preview, Verdict
from git_datamanager.ops.ci.preview_bytes import Look
from git_datamanager.ops.inside.check_asking import Outcome
from git_datamanager.pages.measure import size_change as delta

MARKER = "<!-- git-data:preview -->"
MAX_COMMENT = 65_000
"""Of 65 536 characters; counted in bytes, which are never fewer."""


def page(preview: Preview) -> list[str]:
    """Lines of Markdown: verdict, what is wrong, the table, storage, how to pull; samples last, for these may
    be cut off."""
    return [
        f"### {headline(preview)}",
        *_findings(preview, Level.ERROR),
        *_changes(preview),
        *_findings(preview, Level.NOTICE),
        *_storage(preview),
        *_how_to_pull(preview),
        *preview_cells.samples(preview.diffs, preview.limits.samples),
    ]


def comment(preview: Preview, *, report: str | None = None) -> str:
    """The page as the one comment that stays up to date. `report`: the address where the whole report is."""
    where = f" Every row that is known: [the report]({report})." if report and preview.diffs else ""
    footer = ["", f"Compared {preview.head[:12]} with {preview.base[:12]} of the base.{where}"]
    return markdown.fitted([MARKER, *page(preview)], MAX_COMMENT, tail=footer)


def headline(preview: Preview) -> str:
    """One line, without anything that a stranger wrote."""
    errors = sum(f.level is Level.ERROR for f in preview.findings)
    count = len(preview.proposal.changes)
    does = f"{count} change{'s' if count != 1 else ''} of data" if count else "no change of data"
    match preview.verdict:
        case Verdict.REFUSED:
            problems = f"{errors} problem{'s' if errors != 1 else ''}"
            return f"❌ git data: not to be merged like this ({problems}, {does})"
        case Verdict.UNKNOWN:
            return f"❓ git data: a store did not answer, run this again ({does})"
        case Verdict.UNCHECKED:
            return f"⚠️ git data: the manifest is fine, {_unknown(preview)} ({does})"
        case Verdict.OK:
            return f"✅ git data: ready to merge ({does})"


def _unknown(preview: Preview) -> str:
    """What nobody knows."""
    if preview.unasked:
        return "the bytes were not looked for"
    open_ = sum(result.outcome is Outcome.UNCHECKED for result in preview.checks)
    return f"{open_} check{'s' if open_ > 1 else ''} could not be asked"


def _findings(preview: Preview, level: Level) -> Iterator[str]:
    found = [f for f in preview.findings if f.level is level]
    if found:
        yield ""
    for finding in found:
        yield _bullet(finding)
        yield from (f"  - {markdown.code(hint)}" for hint in finding.hints)
    if level is Level.NOTICE and preview.unasked:
        yield ""
        yield f"Nobody looked for the bytes: {markdown.plain(preview.unasked)}"


def _bullet(finding: Finding) -> str:
    sign = "❌" if finding.level is Level.ERROR else "ℹ️"
    subject = f"{markdown.code(finding.subject)} " if finding.subject else ""
    return f"- {sign} {subject}{markdown.plain(finding.text)}"


def _changes(preview: Preview) -> Iterator[str]:
    changes = preview.proposal.changes
    columns = [["dataset", "version", "change", "size", "Δ"], *map(_row, changes)]
    if any(map(preview_cells.is_known, preview.diffs)):
        inside = preview_cells.by_entry(preview.diffs)
        facts = (preview_cells.facts(inside.get(change.version.id)) for change in changes)
        columns = _beside(columns, [["rows + − ~", "schema"], *facts])
    if preview.checks:
        said = ([preview_cells.checks(preview.checks, change.version.id)] for change in changes)
        columns = _beside(columns, [["checks"], *said])
    seen = ([_seen(preview.looks.get(change.version.id))] for change in changes)
    head, *rows = _beside(columns, [["bytes"], *seen])
    if rows:
        yield ""
        yield from markdown.table(head, rows)
    if preview.proposal.unchanged:
        yield ""
        plural = "s" if preview.proposal.unchanged > 1 else ""
        yield f"{preview.proposal.unchanged} dataset{plural} unchanged."


def _beside(rows: Sequence[list[str]], more: Sequence[list[str]]) -> list[list[str]]:
    return [row + others for row, others in zip(rows, more, strict=True)]


def _row(change: Change) -> list[str]:
    name = markdown.code(change.name)
    if change.moved_from:
        name = f"{markdown.code(change.moved_from)} → {name}"
    version = change.version
    return [name, version.name, words(change), render.size(version.size), delta(change.delta)]


def _seen(look: Look | None) -> str:
    if look is None:
        return "–"
    if look.where:
        return f"{look.where} ({look.checked})"
    return "**missing**" if isinstance(look.problem, ObjectMissing) else "**not good**"


def words(change: Change) -> str:
    """What a merge does to the version."""
    if change.after is None:
        return f"{change.before} → gone"
    if change.before is change.after:
        return "renamed"
    if change.before is None and change.after is State.PENDING:
        return "rollback, goes live" if change.version.rollback_of else "new, goes live"
    does = ", becomes a tombstone" if change.after is State.DELETING else ""
    return f"{change.before or 'new'} → {change.after}{does}"


def _storage(preview: Preview) -> Iterator[str]:
    deletions = preview.proposal.deletions
    text = f"Storage: {delta(preview.proposal.added)} in production"
    if deletions.versions:
        text += (
            f", and −{render.size(deletions.size)} once the grace period is over "
            f"({deletions.versions} published version{'s' if deletions.versions > 1 else ''} deleted; "
            f"{render.size(deletions.live)} live before)"
        )
    yield from ("", f"{text}.")


def _how_to_pull(preview: Preview) -> Iterator[str]:
    names = list(dict.fromkeys(d.name for d, _ in preview.proposal.new))
    if not names or preview.verdict is Verdict.REFUSED:
        return
    few = names if len(names) <= 3 and all(n.isascii() and n.isprintable() for n in names) else []
    pull = " ".join(["git data pull", *map(pasteable, few), "--rev", preview.request[:12]])
    yield ""
    yield from markdown.fenced([f"git fetch origin {preview.request}", pull])
