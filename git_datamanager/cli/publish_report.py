"""What a run of publish says: lines, a JSON document, the report of the job."""

from collections.abc import Iterator
from typing import Any

from git_datamanager.cli import job, markdown, render
from git_datamanager.ops.publishing.branch import BOT_BRANCH
from git_datamanager.ops.publishing.finalize import Finalized
from git_datamanager.ops.publishing.publish import EntryReport, Report, Result


def document(report: Report, *, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "branch": report.branch,
        "tip": report.tip,
        "finalized": str(report.finalized),
        "commit": report.commit,
        "request": report.request,
        "trouble": str(report.trouble) if report.trouble else None,
        "versions": [
            {
                **_named(e),
                "oid": str(e.version.oid),
                "size": e.version.size,
                "outcome": str(e.result),
                "verified": e.verified,
                "error": str(e.error) if e.error else None,
            }
            for e in report.entries
        ],
        "deleted": [{"name": name, "versions": versions} for name, versions in report.deleted],
        "restored": [
            {"name": name, "error": str(error) if error else None} for name, error in report.restored
        ],
        "compacted": [
            {
                "name": c.name,
                "version": c.version.name,
                "size": c.size,
                "error": str(c.error) if c.error else None,
            }
            for c in report.compacted
        ],
    }


def _named(entry: EntryReport) -> dict[str, str]:
    return {"name": entry.name, "version": entry.version.name, "id": entry.version.id}


def show(report: Report) -> None:
    """Results and hints, for people."""
    for entry in report.entries:
        words = [
            render.clean(entry.name),
            entry.version.name,
            render.size(entry.version.size),
            str(entry.result),
        ]
        render.result("  ".join(words + ([render.clean(entry.verified)] if entry.verified else [])))
    for name, versions in report.deleted:
        render.result(f"{render.clean(name)}  {' '.join(versions)}  deleted")
    for name, error in report.restored:
        if error is None:
            render.result(f"{render.clean(name)}  restored from the trash")
    for one in report.compacted:
        if one.error is None:
            said = "stays whole" if one.size is None else f"a delta of {render.size(one.size)}"
            render.result(f"{render.clean(one.name)}  {one.version.name}  {said}")
    if not any((report.entries, report.deleted, report.restored, report.compacted)):
        render.note(f"nothing is pending on {report.branch}")
    if report.commit is not None:
        where = report.branch if report.finalized == "commit" else BOT_BRANCH
        render.result(f"manifest finalized in {report.commit[:12]} on {render.clean(where)}")
    if report.finalized is Finalized.COMMIT and report.remote:
        render.hint("git pull   # brings the finalized manifest into a clone")
    if report.finalized is Finalized.PROPOSED:
        render.hint(
            f"merge {report.request}"
            if report.request
            else f"open a pull request from {BOT_BRANCH} to {report.branch}"
        )


def for_job(report: Report, *, dry_run: bool) -> job.JobReport:
    live = [e for e in report.entries if e.result is Result.PUBLISHED]
    changed = [e.name for e in report.entries if e.error is None] + [name for name, _ in report.deleted]
    return job.JobReport(
        "publish",
        headline(report),
        [f"### {headline(report)}", *_page(report)],
        document(report, dry_run=dry_run),
        changed=list(dict.fromkeys(changed)),
        published=[_named(e) for e in live],
        annotations=[
            job.annotation("error", name, str(error).removeprefix(f"{name}: "), error.hints)
            for name, error in report.failures
        ],
    )


def headline(report: Report) -> str:
    """One line, without anything that a stranger wrote."""
    counts = {result: sum(e.result is result for e in report.entries) for result in Result}
    words = [f"{n} {result}" for result, n in counts.items() if n]
    words += [f"{len(report.deleted)} deleted"] if report.deleted else []
    words += [f"{len(report.restored)} restored"] if report.restored else []
    words += [f"{len(report.compacted)} compacted"] if report.compacted else []
    sign = "❌" if report.failures else "✅"
    return f"{sign} git data publish: {', '.join(words) or 'nothing to do'}"


def _page(report: Report) -> Iterator[str]:
    for name, error in report.failures:
        yield f"- ❌ {markdown.code(name) + ' ' if name else ''}{markdown.plain(str(error))}"
        yield from (f"  - {markdown.code(hint)}" for hint in error.hints)
    rows = [
        [markdown.code(e.name), e.version.name, render.size(e.version.size), str(e.result), _how(e)]
        for e in report.entries
    ]
    rows += [[markdown.code(name), " ".join(names), "", "deleted", "–"] for name, names in report.deleted]
    if rows:
        yield ""
        yield from markdown.table(["dataset", "version", "size", "outcome", "checked"], rows)
    yield ""
    yield _how_recorded(report)


def _how(entry: EntryReport) -> str:
    """A receipt that was there says it: of a bucket, where strangers may write."""
    return markdown.code(entry.verified or "")


def _how_recorded(report: Report) -> str:
    match report.finalized:
        case Finalized.COMMIT:
            return f"The manifest records it in {report.commit} on {markdown.code(report.branch)}."
        case Finalized.PROPOSED:
            where = markdown.code(report.request or BOT_BRANCH)
            return f"The branch refuses direct pushes: {where} waits to be merged."
        case Finalized.NONE:
            return "The manifest was left alone; the receipts in production are the record."
        case Finalized.NOTHING:
            return "The manifest says already what production holds."
