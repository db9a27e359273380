"""git data publish."""

from pathlib import Path

import click

from git_datamanager.cli import catalog as catalog_command
from git_datamanager.cli import job, options, publish_report, render
from git_datamanager.cli.app import HELP, manager
from git_datamanager.ops.inside.catalog import catalog as listing
from git_datamanager.ops.publishing import finalize as finalizing
from git_datamanager.ops.publishing import publish as publishing


@click.command(context_settings=HELP)
@click.option(
    "--finalize", type=click.Choice(finalizing.MODES), default="commit", show_default=True,
    help="How the manifest learns of it: a commit, a commit on a bot branch, not at all.",
)  # fmt: skip
@click.option("--branch", metavar="B", help="The branch that was merged into (default: the remote's own).")
@click.option("--remote", metavar="R", help="The remote (default: origin).")
@click.option(
    "--unsafe-single-writer", "single_writer", is_flag=True,
    help="Do without conditional writes, where the store has none: never two runs at once.",
)  # fmt: skip
@click.option(
    "--catalog", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
    help="Write the page of available datasets there afterwards.",
)  # fmt: skip
@options.dry_run
@options.json_output
@options.talk
def publish(
    finalize: str, branch: str | None, remote: str | None, single_writer: bool, catalog: Path | None,
    dry_run: bool, as_json: bool) -> int:  # fmt: skip
    """Publish what is merged: the verb of CI.

    Takes every pending version of the branch's tip: verifies the staged bytes, copies them inside the
    storage service to production, checks them, leaves a receipt, and records all that in the
    manifest. Each version on its own; running it again, late or twice changes nothing.
    """
    with job.hushed("publish"):
        with manager() as data:
            report = publishing.publish(
                data, finalize=finalize, branch=branch, remote=remote, dry_run=dry_run,
                unsafe_single_writer=single_writer,
            )  # fmt: skip
            if catalog is not None and not dry_run:
                catalog_command.write(catalog, listing(data, revision=report.commit or report.tip))
        if as_json:
            render.json("publish", publish_report.document(report, dry_run=dry_run))
        else:
            publish_report.show(report)
        for _, error in report.failures:
            render.error(error) if not as_json else render.warn(str(error))
    job.tell(publish_report.for_job(report, dry_run=dry_run))
    return report.failures[0][1].exit_code if report.failures else 0
