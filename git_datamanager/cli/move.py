"""git data upload, pull."""

from pathlib import Path
from typing import Any

import click

from git_datamanager.cli import clone, options, render
from git_datamanager.cli.app import HELP, manager
from git_datamanager.model import plan
from git_datamanager.model.layout import IDENTITY
from git_datamanager.ops.fetch import SOURCES
from git_datamanager.ops.planning import Estimate, estimate
from git_datamanager.ops.pull import Outcome, Pulled


@click.command(context_settings=HELP)
@options.names
@options.dry_run
@options.json_output
@options.talk
def upload(names: tuple[str, ...], dry_run: bool, as_json: bool) -> None:
    """Bring every pending version of the staged manifest to staging, verified.

    What the commit hook does; bytes that are there already are checked, not sent again.
    """
    from git_datamanager.ops.select import select
    from git_datamanager.ops.upload import pending_entries
    from git_datamanager.ops.upload import upload as verb

    with manager() as data:
        manifest = data.manifests.staged()
        wanted = {w.dataset.name for w in select(data, manifest, names)} if names else None
        entries = [(d, v) for d, v in pending_entries(manifest) if wanted is None or d.name in wanted]
        results = verb(data, entries, dry_run=dry_run)
        planned = [plan.upload(r.name, r.version.name, r.version.size) for r in results if r.is_planned]
        estimated = estimate(data, "upload", "staging", planned) if dry_run else None
    if as_json:
        render.json(
            "upload",
            {
                "dry_run": dry_run,
                "plan": _plain(estimated),
                "versions": [
                    {
                        "name": r.name,
                        "version": r.version.name,
                        "id": r.version.id,
                        "oid": str(r.version.oid),
                        "size": r.version.size,
                        "outcome": str(r.outcome),
                        "encoding": str(r.encoding),
                        "sent": r.sent,
                    }
                    for r in results
                ],
            },
        )
        return
    for result in results:
        version = result.version
        words = [render.clean(result.name), version.name, render.size(version.size), str(result.outcome)]
        if result.encoding != IDENTITY:
            words.append(f"as {render.size(result.sent)} of {result.encoding.kind}")
        render.result("  ".join(words))
    if not results:
        render.note("nothing is pending")
    if estimated and planned:
        _show_plan(estimated)


def _plain(estimated: Estimate | None) -> dict[str, Any] | None:
    return estimated._asdict() if estimated else None


def _show_plan(estimated: Estimate) -> None:
    words = [f"{render.size(estimated.size)} at most in {estimated.requests} requests"]
    if estimated.seconds is not None:
        words.append(f"about {max(1, round(estimated.seconds))} s at the rate of the last time")
    if estimated.dollars is not None:
        words.append(f"about ${estimated.dollars:.4f} by list prices")
    render.result(f"plan: {', '.join(words)}")


_HERE = (None, "cache")


class _WithGlobs(click.Command):
    """`pull FOLDER -- GLOB…`: what follows the dashes is --only, once a name came before them."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        at = args.index("--") if "--" in args else len(args)
        globs = args[at + 1 :]
        if not globs:
            return super().parse_args(ctx, args)
        rest = super().parse_args(ctx, [*args[:at], *(word for g in globs for word in ("--only", g))])
        if ctx.params["names"]:
            return rest
        ctx.params.clear()  # no name came before: they are names, as everywhere
        return super().parse_args(ctx, args)


@click.command(cls=_WithGlobs, context_settings=HELP)
@click.argument(
    "names", nargs=-1, metavar="[NAME[@vN]]... [-- GLOB...]", shell_complete=options.complete_name
)
@click.option(
    "--only", multiple=True, metavar="GLOB", help="Only these files of a folder (may be said several times)."
)
@click.option("--version", "version", metavar="vN", help="The same as NAME@vN, for one dataset.")
@click.option("--rev", "revision", metavar="COMMIT", help="The versions of that commit.")
@click.option(
    "-o", "--output", type=click.Path(), metavar="PATH", help="Write there; the working file stays."
)
@click.option(
    "--from", "source", type=click.Choice(SOURCES), default="auto", help="Where to take bytes from."
)
@click.option("-f", "--force", is_flag=True, help="Replace changed files; they are kept, their id printed.")
@options.dry_run
@options.json_output
@options.talk
def pull(
    names: tuple[str, ...], only: tuple[str, ...], version: str | None, revision: str | None,
    output: str | None, source: str, force: bool, dry_run: bool, as_json: bool) -> None:  # fmt: skip
    """Bring verified versions into the work tree: all datasets, or those named.

    A file appears whole and checked, or the old one stays. Files with changes that nobody added are
    never overwritten without --force.

    GLOB picks files of one folder: * and ? stay within a part of the path, ** does not, and the name of a
    folder takes all below it. What was picked before stays; naming the folder without a GLOB brings all of
    it, and a pull without names keeps a part up to date.
    """
    from git_datamanager.ops.pull import pull as verb

    if version is not None:
        if len(names) != 1:
            raise click.UsageError("--version goes with exactly one NAME")
        names = (f"{names[0]}@{version}",)
    with manager() as data:
        pulled = verb(
            data, names, revision=revision, output=output, only=only, source=source, force=force,
            dry_run=dry_run,
        )  # fmt: skip
        clone.hint_hooks(data)
        top = data.git.top
        steps = [plan.download(p.name, p.version.name, p.fetched) for p in pulled if p.source not in _HERE]
        role = "staging" if source == "staging" else "production"
        estimated = estimate(data, "pull", role, steps) if dry_run else None
    if as_json:
        render.json(
            "pull",
            {
                "dry_run": dry_run,
                "plan": _plain(estimated),
                "datasets": [_pulled_json(p, top) for p in pulled],
            },
        )
    else:
        _print_pulled(pulled)
        if estimated and steps:
            _show_plan(estimated)


def _pulled_json(pulled: Pulled, top: Path | None) -> dict[str, Any]:
    inside = top is not None and pulled.path.is_relative_to(top)
    return {
        "name": pulled.name,
        "version": pulled.version.name,
        "id": pulled.version.id,
        "oid": str(pulled.version.oid),
        "size": pulled.version.size,
        "outcome": str(pulled.outcome),
        "source": pulled.source,
        "fetched": pulled.fetched,
        "path": str(pulled.path.relative_to(top) if inside and top else pulled.path),
        "kept": pulled.kept,
        "files": pulled.files,
        "partial": list(pulled.globs),
    }


def _print_pulled(pulled: list[Pulled]) -> None:
    for p in pulled:
        words = [render.clean(p.name), p.version.name, render.size(p.version.size)]
        if p.files:
            words.append(render.files(p.files))
        if p.globs:
            words.append(f"partial ({render.clean(' '.join(p.globs))})")
        if p.outcome is Outcome.CURRENT:
            words.append("up to date")
        elif p.outcome is Outcome.PLANNED:
            words.append(f"would be pulled from {p.source}{_less(p)}")
        else:
            words.append(f"from {p.source}{_less(p)}, sha256 verified")
        render.result("  ".join(words))
    if not pulled:
        render.note("no datasets to pull")


def _less(pulled: Pulled) -> str:
    """What encodings saved."""
    if pulled.source == "cache" or pulled.fetched >= pulled.version.size:
        return ""
    return f" ({render.size(pulled.fetched)} fetched)"
