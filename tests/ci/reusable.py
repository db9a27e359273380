"""The reusable workflows of this repository are the shipped templates with another head.

    python -m tests.ci.reusable    # writes .github/workflows after a change of the templates

They are self-contained: a path like ./.github/actions in a reusable workflow means the caller's checkout.
"""

from git_datamanager.ops.ci.setup import rendered
from tests.conftest import REPOSITORY

FOLDER = REPOSITORY / ".github" / "workflows"
NOTICE = """\
# To be called from a workflow of another repository; made from git_datamanager/templates by
# `python -m tests.ci.reusable`. `git data ci setup github` writes the same jobs into a repository.
"""
VERSION = """\
      version:
        description: The release of git-datamanager to install
        type: string
        default: "@VERSION@"
"""
SECRETS = """\
    secrets:
      GIT_DATA_TOKEN:
        description: A token for Git and the API, where the job's own may not push
      GIT_DATA_DEPLOY_KEY:
        description: An SSH key that may push to the protected branch
"""
FINALIZE = """\
      finalize:
        description: How the manifest learns of it (commit, pull-request, none)
        type: string
        default: commit
"""
CLEANUP = "".join(
    f"""\
      {name}:
        description: {text}
        type: {kind}
        default: {default}
"""
    for name, kind, default, text in (
        ("apply", "boolean", "false", "Remove it (else only list it)"),
        ("gc", "boolean", "false", "Production too"),
        ("purge", "boolean", "false", "Empty the trash of what is older than the grace period"),
        ("confirm", "string", '""', "So many objects may go at once"),
    )
)


def output(job: str, name: str, text: str) -> str:
    return (
        f"      {name}:\n        description: {text}\n        value: ${{{{ jobs.{job}.outputs.{name} }}}}\n"
    )


HEADS = {
    "publish": f"""\
on:
  workflow_call:
    inputs:
{FINALIZE}{VERSION}{SECRETS}    outputs:
{output("publish", "changed", "Names of datasets, a JSON list")}\
{output("publish", "published", "Versions that went live, a JSON list")}\
{output("publish", "summary", "One line")}""",
    "preview": f"""\
on:
  workflow_call:
    inputs:
{VERSION}    outputs:
{output("preview", "changed", "Names of datasets, a JSON list")}{output("preview", "summary", "One line")}""",
    "cleanup": f"on:\n  workflow_call:\n    inputs:\n{CLEANUP}{VERSION}",
}


def reusable(name: str) -> str:
    """The text of one reusable workflow."""
    text = rendered(f"github/{name}.yml", store=None, branch="main", version="@VERSION@")
    title = next(line for line in text.splitlines() if line.startswith("name:"))
    body = text[text.index("\npermissions:") :].rpartition("# As it was")[0]
    body = body.replace('"@VERSION@"', "${{ inputs.version }}")
    from git_datamanager import __version__

    return f"{NOTICE}{title}\n\n{HEADS[name]}{body}".replace("@VERSION@", __version__)


if __name__ == "__main__":
    for workflow in HEADS:
        (FOLDER / f"{workflow}.yml").write_text(reusable(workflow), encoding="utf-8")
