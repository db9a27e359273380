"""git data preview: what a request would do."""

import json
import os
from pathlib import Path
from typing import Any

import click

from git_datamanager.cli import diff_json, job, markdown, options, preview_page, preview_report, render
from git_datamanager.cli.app import HELP, manager
from git_datamanager.errors import DataError, Denied
from git_datamanager.model.proposal import Change, Finding, Level
from git_datamanager.ops.ci import preview as previewing
from git_datamanager.ops.ci.preview import Preview
from git_datamanager.ops.host import host_from_environment
from git_datamanager.ops.inside.check_asking import CheckResult, Outcome
from git_datamanager.pages.measure import size_change

_APPROVAL = "approve-deletions-"
_MAX_PAGE = 1 << 20


def _approved(_ctx: click.Context, _param: click.Parameter, labels: str | None) -> int:
    """The highest number that a label of the request approves."""
    try:
        names = json.loads(labels) if labels else []
    except ValueError:
        names = None
    if not isinstance(names, list):
        raise click.BadParameter("not a JSON list of labels")
    words = [n.removeprefix(_APPROVAL) for n in names if isinstance(n, str) and n.startswith(_APPROVAL)]
    return max((int(w) for w in words if w.isascii() and w.isdigit() and len(w) < 10), default=0)


@click.command(context_settings=HELP)
@click.option("--base", required=True, metavar="REV", help="What the request is to be merged into.")
@click.option("--head", default="HEAD", show_default=True, metavar="REV", help="The request, or its merge.")
@click.option("--request-branch", metavar="B", help="The request's branch, where --head does not say it.")
@click.option(
    "--bytes", "bytes_", type=click.Choice(previewing.BYTES), default="auto", show_default=True,
    help="Look for staged bytes: where the credentials allow it, or else refuse, or not at all.",
)  # fmt: skip
@click.option("--verify", is_flag=True, help="Read and hash all of the new bytes.")
@click.option("--approve-deletions", type=click.IntRange(min=0), default=0, metavar="N",
              help="So many published versions may be deleted at once.")  # fmt: skip
@click.option(
    "--labels", "approved_by_label", callback=_approved, metavar="JSON",
    help="The request's labels, a JSON list; `approve-deletions-N` approves.",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
    help="Write preview.md, preview.html and preview.json there.",
)  # fmt: skip
@click.option("--comment", type=click.IntRange(min=1), metavar="N", help="Keep one comment on request N.")
@options.json_output
@options.talk
def preview(
    base: str, head: str, request_branch: str | None, bytes_: str, verify: bool, approve_deletions: int,
    approved_by_label: int, out: Path | None, comment: int | None, as_json: bool) -> int:  # fmt: skip
    """Show what publish would do for a request, and check that it may be merged.

    Compares the manifests of two commits, looks for the bytes of new versions, and compares them row by
    row with those they replace. Exit code 1: the request must not be merged as it is. Stores and limits
    come from the `.gitdata` of the base.
    """
    with job.hushed("preview"):
        with manager() as data:
            seen = previewing.preview(
                data, base, head, request_branch=request_branch, bytes_=bytes_, verify=verify,
                approved_deletions=max(approve_deletions, approved_by_label),
            )  # fmt: skip
        document = _document(seen)
        if as_json:
            render.json("preview", document)
        else:
            _print(seen)
        if out is not None:
            _write(out, seen, document)
    job.tell(_report(seen, document))
    if comment is not None:
        _comment(comment, seen, has_report=out is not None)
    return seen.exit_code


def _document(seen: Preview) -> dict[str, Any]:
    deletions = seen.proposal.deletions
    return {
        "base": seen.base,
        "head": seen.head,
        "request": seen.request,
        "verdict": str(seen.verdict),
        "changes": [_change(seen, change) for change in seen.proposal.changes],
        "unchanged": seen.proposal.unchanged,
        "findings": [_finding(seen, finding) for finding in seen.findings],
        "bytes_not_asked": seen.unasked,
        "added_bytes": seen.proposal.added,
        "deletions": {"versions": deletions.versions, "size": deletions.size, "live": deletions.live},
        "checks": [_check(result) for result in seen.checks],
        "datasets": diff_json.document(seen.diffs)["datasets"],
    }


def _change(seen: Preview, change: Change) -> dict[str, Any]:
    look = seen.looks.get(change.version.id)
    return {
        "name": change.name,
        "version": change.version.name,
        "id": change.version.id,
        "before": change.before and str(change.before),
        "after": change.after and str(change.after),
        "oid": str(change.version.oid),
        "size": change.version.size,
        "delta": change.delta,
        "moved_from": change.moved_from,
        "bytes": look and look.where,
        "checked": look and look.checked,
    }


def _check(result: CheckResult) -> dict[str, Any]:
    return {
        "dataset": result.dataset,
        "version": result.version and result.version.name,
        "rule": result.rule.text,
        "severity": str(result.rule.severity),
        "origin": result.rule.origin,
        "outcome": str(result.outcome),
        "message": None if result.outcome is Outcome.FAILED else result.message or None,
        "count": result.count,
    }


def _finding(seen: Preview, finding: Finding) -> dict[str, Any]:
    return {
        "level": str(finding.level),
        "subject": finding.subject,
        "text": finding.text,
        "hints": list(finding.hints),
        "id": finding.entry,
        "line": seen.lines.get(finding.entry or ""),
    }


def _print(seen: Preview) -> None:
    for change in seen.proposal.changes:
        look = seen.looks.get(change.version.id)
        words = [
            f"{change.moved_from} → {change.name}" if change.moved_from else change.name,
            change.version.name, preview_page.words(change), render.size(change.version.size),
            size_change(change.delta), look.where or "" if look else "",
        ]  # fmt: skip
        render.result(render.clean("  ".join(word for word in words if word)))
    for finding in seen.findings:
        named = not finding.subject or finding.text.startswith((f"{finding.subject}:", f"{finding.subject} "))
        subject = "" if named else f"{finding.subject}: "
        slot = "error" if finding.level is Level.ERROR else "changed"
        label = render.paint(f"{finding.level}:", slot, stream="stderr")
        render.say(f"{label} {render.clean(subject + finding.text)}")
        for hint in finding.hints:
            render.hint(hint)
    if seen.unasked:
        render.warn(f"nobody looked for the bytes: {seen.unasked}")
    render.result(preview_page.headline(seen))


def _write(folder: Path, seen: Preview, document: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    page = markdown.fitted(preview_page.page(seen), _MAX_PAGE)
    (folder / "preview.md").write_text(page, encoding="utf-8")
    report = preview_report.report(seen)
    (folder / "preview.html").write_text(report, encoding="utf-8", newline="\n")
    (folder / "preview.json").write_text(render.document("preview", document) + "\n", encoding="utf-8")


def _report(seen: Preview, document: dict[str, Any]) -> job.JobReport:
    return job.JobReport(
        "preview",
        preview_page.headline(seen),
        preview_page.page(seen),
        document,
        changed=list(dict.fromkeys(c.name for c in seen.proposal.changes)),
        annotations=[
            job.annotation(str(f.level), f.subject, f.text, f.hints, seen.lines.get(f.entry or ""))
            for f in seen.findings
        ],
    )


def _comment(number: int, seen: Preview, *, has_report: bool) -> None:
    """A comment is a courtesy: the summary of the job has the same page, and a fork's token may not write.
    A request that does nothing to data gets none, unless it had one."""
    try:
        host = host_from_environment(os.environ)
        if host is None:
            render.warn("there is no token for the host of this repository: no comment was written")
            return
        text = preview_page.comment(seen, report=preview_report.place(os.environ) if has_report else None)
        is_news = bool(seen.proposal.changes or seen.findings)
        url = host.comment(number, preview_page.MARKER, text, create=is_news)
        render.note(f"commented: {url}" if url else "nothing to comment on")
    except Denied:
        render.warn("the token may not write comments: the page is in the summary of this job")
    except DataError as error:
        render.warn(f"no comment was written: {error}")
