"""git data resolve --merge-rows."""

import shlex
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from git_datamanager.cli import render
from git_datamanager.cli.app import manager
from git_datamanager.errors import Conflict, DataError, raise_failures
from git_datamanager.model.names import pasteable
from git_datamanager.tables.merging.decisions import scope_text
from git_datamanager.tables.values import as_json as cell_json
from git_datamanager.tables.values import shown

if TYPE_CHECKING:
    from git_datamanager.manager import DataManager
    from git_datamanager.model.heads import Heads
    from git_datamanager.ops.inside.rowmerging import Done, Merged, Wanted
    from git_datamanager.tables.merging.merged import Clash

_LISTED = 20


class Wishes(NamedTuple):
    """The options, as they were given."""

    names: tuple[str, ...]
    takes: tuple[str, ...]
    files: tuple[str, ...]
    key: str | None
    is_dry: bool


def run(wishes: Wishes, *, as_json: bool) -> int:
    """Unite what is stacked. Exit code of a conflict where somebody must decide."""
    with manager() as data:
        wanted = _wanted(wishes)
        _settle(data, dry_run=wishes.is_dry)
        done, failures = _merge(data, wishes.names, wanted)
    if as_json:
        if done or not failures:
            render.json(
                "merge-rows", {"dry_run": wishes.is_dry, "datasets": [_document(one) for one in done]}
            )
    else:
        for one in done:
            _print(one, wishes)
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


def _wanted(wishes: Wishes) -> "Wanted":
    from git_datamanager.ops.inside.rowmerging import Wanted
    from git_datamanager.tables.merging import decisions

    try:
        scopes = decisions.scopes(wishes.takes)
    except ValueError as error:
        raise click.UsageError(f"--take: {error}") from error
    single = decisions.united(decisions.read(_bytes(name), name) for name in wishes.files)
    key = tuple(filter(None, map(str.strip, (wishes.key or "").split(","))))
    return Wanted(scopes, single, key, wishes.is_dry)


def _bytes(name: str) -> bytes:
    """Of a file of decisions, no more than it may have and one."""
    from git_datamanager.tables.merging.decisions import MAX_BYTES

    try:
        with click.open_file(name, "rb") as file:
            return bytes(file.read(MAX_BYTES + 1))
    except OSError as error:
        raise DataError(
            f"{name} cannot be read ({error.strerror}): nothing was merged",
            hints=["git data resolve --merge-rows --json > FILE   # writes what --decisions takes"],
        ) from error


def _merge(data: "DataManager", names: tuple[str, ...], wanted: "Wanted") -> "Done":
    from git_datamanager.ops.inside import reading
    from git_datamanager.ops.inside.rowmerging import merge_rows

    return merge_rows(data, names, wanted, reading.always)


def _between(found: "Heads") -> str:
    since = f" since {found.base.name}" if found.base else ""
    return f"{found.ours.name} (ours) and {found.theirs.name} (theirs){since}"


def _print(one: "Merged", wishes: Wishes) -> None:
    name = render.clean(one.name)
    if one.added is None or wishes.is_dry:
        _list(one)
    if one.added is None:
        _advise(one, wishes)
        return
    counts = [(t.added, t.removed, t.changed) for t in one.rows.tables]
    added, removed, changed = (sum(column) for column in zip(*counts, strict=True)) if counts else (0, 0, 0)
    would = "would become " if wishes.is_dry else ""
    render.result(
        f"{name}  {would}{one.added.version.name}  the rows of {_between(one.heads)}:"
        f" +{added} −{removed} ~{changed} on top of ours"
    )
    if not wishes.is_dry:
        render.hint("git commit   # uploads the bytes to staging")


def _list(one: "Merged") -> None:
    for clash in one.rows.clashes[:_LISTED]:
        word = f"take {clash.take}" if clash.take else "conflict"
        render.out(render.clean(f"{word}: {one.name}: {_told(clash)}"))
    if one.rows.clash_count > _LISTED:
        render.out(f"… and {one.rows.clash_count - _LISTED} more")


def _advise(one: "Merged", wishes: Wishes) -> None:
    """As one can paste it: with the key, and with what is decided already."""
    rows = one.rows
    found = f"{rows.clash_count} conflicts between {_between(one.heads)}"
    if rows.open_count < rows.clash_count:
        found += f", {rows.open_count} of them undecided"
    render.say(f"{render.clean(one.name)}: {found}: nothing was written")
    key = ["--key", wishes.key] if wishes.key else []
    given = [word for take in wishes.takes for word in ("--take", take)]
    given += [word for file in wishes.files for word in ("--decisions", file)]
    command = shlex.join(["git", "data", "resolve", "--merge-rows", *key, *given])
    name = pasteable(one.name)
    if not wishes.takes:
        render.hint(f"{command} --take ours {name}   # or theirs, or base: decides all")
    some = next((clash for clash in rows.clashes if clash.take is None), None)
    if some is not None:
        scope = shlex.quote(f"ours:{scope_text(some.table, some.column)}")
        render.hint(f"{command} --take {scope} {name}   # decides such ones")
    render.hint(
        f'{command} --json {name} > decisions.json   # write ours, theirs or base after each "take" …'
    )
    render.hint(f"{command} --decisions decisions.json {name}   # … and hand it back")


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
        "undecided": one.rows.open_count,
        "clashes": [
            {
                "table": c.table,
                "what": c.what,
                "key": [cell_json(cell) for cell in c.key],
                "column": c.column,
                "base": cell_json(c.base),
                "ours": cell_json(c.ours),
                "theirs": cell_json(c.theirs),
                "id": c.id,
                "take": c.take,
            }
            for c in one.rows.clashes
        ],
    }
