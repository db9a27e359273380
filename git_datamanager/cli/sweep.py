"""git data gc, cleanup: removing shared bytes. Dry unless --apply."""

import shlex
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from git_datamanager.cli import job, markdown, options, render
from git_datamanager.cli.app import HELP, manager
from git_datamanager.manager import DataManager
from git_datamanager.ops.sweeping import cleanup as cleaning
from git_datamanager.ops.sweeping import deleting
from git_datamanager.ops.sweeping import gc as collecting
from git_datamanager.ops.sweeping.deleting import Asked, Item

F = TypeVar("F", bound=Callable[..., Any])
SHOWN = 200
_REST = {"waiting": "stays in the trash for now", "rest": "stays in staging"}


def _shared(command: F) -> F:
    """The options of both verbs; the last one here is the first in the help."""
    for option in (
        options.talk,
        options.json_output,
        click.option(
            "--unsafe-single-writer", "single_writer", is_flag=True,
            help="Do without conditional writes, where the store has none: never two runs at once.",
        ),
        click.option(
            "--break-lease", is_flag=True,
            help="Free the lease of a run that is dead, and do nothing else. Be sure that it is.",
        ),
        click.option(
            "--wait", type=click.FloatRange(min=0), default=0, metavar="SECONDS",
            help="How long to stand in line while another run is at work (default: not at all).",
        ),
        click.option("--branch", metavar="B", help="The default branch (default: the remote's own)."),
        click.option("--remote", metavar="R", help="The remote (default: origin)."),
        click.option(
            "--repository", "repositories", multiple=True, metavar="URL",
            help="Another repository that uses the same stores: its refs are read too.",
        ),
        click.option(
            "--confirm", type=click.IntRange(min=0), metavar="N",
            help="Yes, N objects: needed above 50 objects or 5 % of the bytes.",
        ),
        click.option("-n", "--dry-run", "_dry", is_flag=True, help="Only show it, which is the default."),
        click.option("--apply", is_flag=True, help="Do it; without this nothing is changed."),
    ):  # fmt: skip
        command = option(command)
    return command


@click.command(context_settings=HELP)
@click.option("--purge", is_flag=True, help="Also remove for good what lay in the trash for the grace.")
@click.option("--fewer-refs", is_flag=True, help="Go on though many refs are gone since the last run.")
@_shared
def gc(
    *, purge: bool, fewer_refs: bool, apply: bool, _dry: bool, break_lease: bool, as_json: bool, **more: Any
) -> int:
    """Move what nothing names from production into its trash, and later remove it.

    Named is what any branch, tag, open request, stash or index holds as pending, published or marked, and
    what has a receipt without a tombstone. The trash keeps it for the time of grace (data.grace, 14
    days), pull and publish find it there. In doubt nothing is done.
    """
    with job.hushed("gc"), manager() as data:
        if break_lease:
            return _break(data, "production", dry=_dry)
        asked = _asked(apply=apply, dry=_dry, **more)
        report = collecting.gc(data, asked, purge=purge, fewer_refs=fewer_refs, apply=apply and not _dry)
        groups = [
            ("moved", "moved to the trash", "would move to the trash", report.moved),
            ("purged", "removed for good", "would be removed for good", report.purged),
            ("kept", "named again, kept", "named again, would be kept", report.kept),
        ]
        told = _Told("gc", report, groups, {"waiting": _bytes(report.waiting)}, report.held)
        count = len(report.moved) + len(report.purged)
        again = _again("git data gc --apply", asked, purge=purge, fewer_refs=fewer_refs)
        told.show(f"{again} --confirm {count}" if report.is_much else again, count, as_json=as_json)
    return told.finish()


@click.command(context_settings=HELP)
@_shared
def cleanup(*, apply: bool, _dry: bool, break_lease: bool, as_json: bool, **more: Any) -> int:
    """Sweep staging: what was published goes after 7 days, what nobody names after 30.

    What any branch or open request holds as pending stays. Bytes that were never published are moved to
    staging's trash and removed after the time of grace. In doubt nothing is done.
    """
    with job.hushed("cleanup"), manager() as data:
        if break_lease:
            return _break(data, "staging", dry=_dry)
        asked = _asked(apply=apply, dry=_dry, **more)
        report = cleaning.cleanup(data, asked, apply=apply and not _dry)
        groups = [
            ("deleted", "published, removed from staging", "published, would go", report.deleted),
            ("moved", "moved to staging's trash", "would move to staging's trash", report.moved),
            ("purged", "removed for good", "would be removed for good", report.purged),
        ]
        told = _Told("cleanup", report, groups, {"rest": _bytes(report.kept)})
        unsaved = len(report.moved) + len(report.purged)
        again = _again("git data cleanup --apply", asked)
        again += f" --confirm {unsaved}" if report.is_much else ""
        told.show(again, unsaved + len(report.deleted), as_json=as_json)
    return told.finish()


def _asked(
    *,
    apply: bool,
    dry: bool,
    confirm: int | None,
    repositories: Sequence[str],
    remote: str | None,
    branch: str | None,
    wait: float,
    single_writer: bool,
) -> Asked:
    if apply and dry:
        raise click.UsageError("--apply and --dry-run together: which of them?")
    if not all(repositories):
        raise click.UsageError("--repository needs an address")
    return Asked(remote, branch, repositories, confirm, single_writer, wait)


def _again(command: str, asked: Asked, *, purge: bool = False, fewer_refs: bool = False) -> str:
    """The command that does what a dry run showed, with all that was said."""
    words = [f"--repository {shlex.quote(url)}" for url in asked.repositories]
    words += [f"--remote {shlex.quote(asked.remote)}"] if asked.remote else []
    words += [f"--branch {shlex.quote(asked.branch)}"] if asked.branch else []
    said = {"--purge": purge, "--fewer-refs": fewer_refs, "--unsafe-single-writer": asked.single_writer}
    return " ".join([command, *words, *(word for word, is_said in said.items() if is_said)])


def _break(data: DataManager, role: str, *, dry: bool) -> int:
    if dry:
        raise click.UsageError("--break-lease acts at once, and --dry-run does not: which of them?")
    holder = deleting.break_lease(data, data.store(role))
    render.result(f"freed the lease of {render.clean(holder)}" if holder else "nobody holds it")
    return 0


def _bytes(items: Sequence[Item]) -> dict[str, int]:
    return {"objects": len(items), "bytes": sum(i.size for i in items)}


def _counted(count: int) -> str:
    return f"{count} object{'' if count == 1 else 's'}"


class _Told:
    """What a run removed, for people, programs and CI jobs."""

    def __init__(
        self,
        command: str,
        report: collecting.Report | cleaning.Report,
        groups: Sequence[tuple[str, str, str, Sequence[Item]]],
        rest: dict[str, dict[str, int]],
        held: Sequence[str] = (),
    ) -> None:
        self._command = command
        self._applied = report.applied
        self._groups = [
            (name, done if report.applied else planned, items) for name, done, planned, items in groups
        ]
        self._troubles = report.troubles
        self._labels = report.labels
        self._rest = rest
        self._held = held

    def show(self, again: str, count: int, *, as_json: bool) -> None:
        if as_json:
            render.json(self._command, self._document())
        else:
            self._print(again, count)

    def finish(self) -> int:
        """Tell the CI job; the exit code."""
        job.tell(self._for_job())
        return self._troubles[0].error.exit_code if self._troubles else 0

    def _print(self, again: str, count: int) -> None:
        for _, text, items in self._groups:
            for item in items[:SHOWN]:
                label = render.clean(self._labels.get(item.oid, "?"))
                render.result(f"{item.oid.short}  {render.size(item.size)}  {label}  {text}")
            if len(items) > SHOWN:
                render.result(f"and {len(items) - SHOWN} more  {text}")
        for name, rest in self._rest.items():
            if rest["objects"]:
                render.note(f"{_REST[name]}: {_counted(rest['objects'])}, {render.size(rest['bytes'])}")
        if self._held:
            some = ", ".join(self._held[:5]) + (", …" if len(self._held) > 5 else "")
            render.note(f"deleted, and still named by another branch, tag or request: {some}")
        for trouble in self._troubles:
            render.error(trouble.error)
        if not count:
            render.note("nothing to remove")
        elif not self._applied:
            render.hint(f"{again}   # {_counted(count)}; this was a dry run")

    def _document(self) -> dict[str, Any]:
        return {
            "dry_run": not self._applied,
            **{
                name: [
                    {"key": i.key, "oid": str(i.oid), "size": i.size, "label": self._labels.get(i.oid)}
                    for i in items
                ]
                for name, _, items in self._groups
            },
            **({"held": list(self._held)} if self._command == "gc" else {}),
            "errors": [{"key": t.key, "message": t.error.message} for t in self._troubles],
            **self._rest,
        }

    def _for_job(self) -> job.JobReport:
        parts = [f"{len(items)} {text}" for _, text, items in self._groups if items]
        summary = ", ".join(parts) or "nothing to remove"
        lines = [f"### git data {self._command}", "", summary, ""]
        for _, text, items in self._groups:
            lines += [
                f"- {markdown.code(self._labels.get(i.oid, i.oid.short))} {render.size(i.size)} {text}"
                for i in items[:SHOWN]
            ]
        notes = [job.annotation("error", t.key, t.error.message, t.error.hints) for t in self._troubles]
        return job.JobReport(self._command, summary, lines, self._document(), annotations=notes)
