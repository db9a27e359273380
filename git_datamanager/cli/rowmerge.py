"""git data resolve --merge-rows."""

from typing import TYPE_CHECKING, Any

from git_datamanager.cli import render
from git_datamanager.cli.app import manager
from git_datamanager.errors import Conflict, DataError, raise_failures
from git_datamanager.model.names import pasteable
from git_datamanager.tables.values import as_json as cell_json
from git_datamanager.tables.values import shown

if TYPE_CHECKING:
    from git_datamanager.manager import DataManager
    from git_datamanager.model.heads import Heads
    from git_datamanager.ops.inside.rowmerging import Done, Merged
    from git_datamanager.tables.merging.merged import Clash

_LISTED = 20


def run(
    names: tuple[str, ...], take: str | None, key: tuple[str, ...], *, dry_run: bool, as_json: bool
) -> int:
    """Unite what is stacked. Exit code of a conflict where somebody must decide."""
    with manager() as data:
        _settle(data, dry_run=dry_run)
        done, failures = _merge(data, names, take, key, dry_run=dry_run)
    if as_json:
        if done or not failures:
            render.json("merge-rows", {"dry_run": dry_run, "datasets": [_document(one) for one in done]})
    else:
        for one in done:
            _print(one, dry_run=dry_run)
        if not done and not failures:
            render.result("no dataset has two newest versions: there are no rows to merge")
    try:
        raise_failures(failures)
    except DataError as error:
        if not done:
            raise
        render.error(error, as_json=False)  # standard output says what was merged
        return error.exit_code
    return Conflict.exit_code if any(one.added is None for one in done) else 0


def _settle(data: "DataManager", *, dry_run: bool) -> None:
    """The manifest first: without it nobody knows which versions there are."""
    from git_datamanager.ops import mergefile
    from git_datamanager.ops.hooks import unmerged

    merged, conflicted = unmerged.merged_sides(data)
    if merged is None or not conflicted:
        return
    if dry_run:
        raise Conflict(
            "the manifest itself is in conflict: nobody can say yet which rows there are",
            hints=["git data resolve   # without --dry-run: lists what clashes, or settles it"],
        )
    if mergefile.resolve(data).clashes:
        raise Conflict(
            "the manifest itself has conflicts: no rows were merged",
            hints=["git data resolve   # lists them; --ours or --theirs decides them"],
        )
    unmerged.mark_resolved(data)


def _merge(
    data: "DataManager", names: tuple[str, ...], take: str | None, key: tuple[str, ...], *, dry_run: bool
) -> "Done":
    from git_datamanager.ops.inside import reading
    from git_datamanager.ops.inside.rowmerging import Wanted, merge_rows
    from git_datamanager.tables.merging.rowmerge import Take

    return merge_rows(data, names, Wanted(Take(take) if take else None, key, dry_run), reading.always)


def _between(found: "Heads") -> str:
    since = f" since {found.base.name}" if found.base else ""
    return f"{found.ours.name} (ours) and {found.theirs.name} (theirs){since}"


def _print(one: "Merged", *, dry_run: bool) -> None:
    name = render.clean(one.name)
    if one.added is not None:
        counts = [(t.added, t.removed, t.changed) for t in one.rows.tables]
        added, removed, changed = (
            (sum(column) for column in zip(*counts, strict=True)) if counts else (0, 0, 0)
        )
        would = "would become " if dry_run else ""
        render.result(
            f"{name}  {would}{one.added.version.name}  the rows of {_between(one.heads)}:"
            f" +{added} −{removed} ~{changed} on top of ours"
        )
        if not dry_run:
            render.hint("git commit   # uploads the bytes to staging")
        return
    for clash in one.rows.clashes[:_LISTED]:
        render.out(render.clean(f"conflict: {one.name}: {_told(clash)}"))
    if one.rows.clash_count > _LISTED:
        render.out(f"… and {one.rows.clash_count - _LISTED} more")
    render.say(f"{name}: {one.rows.clash_count} conflicts between {_between(one.heads)}: nothing was written")
    render.hint(
        f"git data resolve --merge-rows --take ours {pasteable(one.name)}   # or theirs, or base: decides all"
    )


def _told(clash: "Clash") -> str:
    where = f"{clash.table} [{', '.join(map(shown, clash.key))}]" if clash.key else clash.table
    values = f"{shown(clash.base)} in base, {shown(clash.ours)} here, {shown(clash.theirs)} there"
    if clash.what == "cell":
        return f"{where}: {clash.column}: {values}"
    if clash.what == "row":
        return f"{where}: the row was {clash.ours} here and {clash.theirs} there"
    if clash.what == "count":
        return f"{where}: how often the row stands: {values}"
    return f"{clash.what} {where}: {values}"


def _document(one: "Merged") -> dict[str, Any]:
    return {
        "name": one.name,
        "base": one.heads.base and one.heads.base.name,
        "ours": one.heads.ours.name,
        "theirs": one.heads.theirs.name,
        "version": one.added.version.name if one.added else None,
        "tables": [
            {
                "name": t.name,
                "added": t.added,
                "removed": t.removed,
                "changed": t.changed,
                "whole": t.is_whole,
            }
            for t in one.rows.tables
        ],
        "conflicts": one.rows.clash_count,
        "clashes": [
            {
                "table": c.table,
                "what": c.what,
                "key": [cell_json(cell) for cell in c.key],
                "column": c.column,
                "base": cell_json(c.base),
                "ours": cell_json(c.ours),
                "theirs": cell_json(c.theirs),
            }
            for c in one.rows.clashes
        ],
    }
