"""git data verify, fsck."""

from typing import Any

import click

from git_datamanager.cli import options, render
from git_datamanager.cli.app import HELP, manager
from git_datamanager.errors import Corrupt, Denied, NotFound, raise_failures
from git_datamanager.ops.fsck import Checked, Verdict
from git_datamanager.ops.rights.verify import NEEDS, Finding, Right, Verification


class _RoleName(click.Choice[str]):
    """The roles; whom a role is for is understood as its name."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return super().convert({"publisher": "publish", "cleaner": "cleanup"}.get(value, value), param, ctx)


@click.command(context_settings=HELP)
@click.option("--role", type=_RoleName(list(NEEDS)),
              help="Whose rights to measure (developer), or whose policy to print (all).")  # fmt: skip
@click.option("--read-only", is_flag=True, help="Send no request that could change anything.")
@click.option("--policies", "service", type=click.Choice(["aws", "r2", "minio"]),
              help="Print least-privilege policies for the configured buckets; sends nothing.")  # fmt: skip
@options.json_output
@options.talk
def verify(role: str | None, read_only: bool, service: str | None, as_json: bool) -> int:
    """Measure what the current credentials may do on both stores, or print the policies for it.

    Exit 4 when the role lacks a right it needs; a warning where it has one it should not have.
    """
    if service is not None:
        return _policies(service, role, as_json=as_json)
    return _verify(role or "developer", read_only=read_only, as_json=as_json)


def _policies(service: str, role: str | None, *, as_json: bool) -> int:
    from git_datamanager.cli.policies import print_policies
    from git_datamanager.ops.rights.policies import policies

    with manager() as data:
        made = policies(data, service, role)
    print_policies(made, as_json=as_json)
    return 0


def _verify(role: str, *, read_only: bool, as_json: bool) -> int:
    from git_datamanager.ops.rights.verify import verify as verb

    with manager() as data:
        result = verb(data, role=role, read_only=read_only)
    if as_json:
        render.json("verify", _json(result))
    else:
        _print(result)
    for store, problem in result.unreachable:
        render.error(problem)
        render.note(f"the {store} store could not be measured")
    if any(f.is_lacking for f in result.findings):
        return Denied.exit_code
    return result.unreachable[0][1].exit_code if result.unreachable else 0


def _json(result: Verification) -> dict[str, object]:
    return {
        "role": result.role,
        "stores": [
            {
                "store": f.store,
                "right": str(f.right),
                "answer": str(f.answer),
                "needed": f.needed,
                "unwanted": f.unwanted,
            }
            for f in result.findings
        ],
        "left": result.left,
        "unreachable": [{"store": store, "message": str(problem)} for store, problem in result.unreachable],
    }


def _print(result: Verification) -> None:
    by_store: dict[str, dict[Right, Finding]] = {}
    for finding in result.findings:
        by_store.setdefault(finding.store, {})[finding.right] = finding
    if not render.settings.quiet:
        _print_rights(by_store)
    for finding in result.findings:
        if finding.is_lacking:
            render.warn(f"{finding.store}: a {result.role} needs {finding.right}: {finding.said}")
        if finding.unwanted:
            render.warn(f"{finding.store}: a {result.role} should not be able to {finding.right}")
    for key in result.left:
        render.warn(f"left behind, deleting is refused: {key}")


def _print_rights(by_store: dict[str, dict[Right, Finding]]) -> None:
    rows = [[store, *(_cell(found[right]) for right in Right)] for store, found in by_store.items()]
    if rows:
        render.table(rows, head=["store", *(str(right) for right in Right)])


def _cell(finding: Finding) -> str:
    mark = " (needed)" if finding.is_lacking else " (unwanted)" if finding.unwanted else ""
    return str(finding.answer) + mark


@click.command(context_settings=HELP)
@options.names
@click.option("--remote", is_flag=True, help="Every referenced object in the stores too.")
@options.json_output
@options.talk
def fsck(names: tuple[str, ...], remote: bool, as_json: bool) -> int:
    """Hash everything again: the cache, working files, and with --remote the stores.

    Exit 6 when bytes are not what their name says, 3 when some are missing; 4 or 7 when a store
    could not be asked.
    """
    from git_datamanager.ops.fsck import fsck as verb

    with manager() as data:
        found = verb(data, names, remote=remote)
    if as_json:
        checked = [
            {"place": c.place, "name": c.name, "verdict": str(c.verdict), "said": c.said, "bad": c.is_bad}
            for c in found
        ]
        render.json("fsck", {"remote": remote, "checked": checked})
    else:
        _print_checked(found)
    verdicts = {c.verdict for c in found if c.is_bad}
    if verdicts & {Verdict.WRONG_BYTES, Verdict.WRONG_SIZE}:
        return Corrupt.exit_code
    if verdicts:
        return NotFound.exit_code
    raise_failures(list({str(c.error): (c.name, c.error) for c in found if c.error}.values())[:1])
    return 0


def _print_checked(found: list[Checked]) -> None:
    """With `-q` only what is bad."""
    told = set() if render.settings.quiet else {Verdict.MODIFIED, Verdict.UNKNOWN}
    for c in found:
        if c.is_bad or render.settings.verbose or c.verdict in told:
            render.out(f"{c.place}  {render.clean(c.name)}  {c.verdict}  {render.clean(c.said)}".rstrip())
    bad = sum(c.is_bad for c in found)
    unknown = sum(c.verdict is Verdict.UNKNOWN for c in found)
    more = f", {unknown} unknown" if unknown else ""
    render.result(f"{len(found) - unknown} copies checked, {bad} bad{more}")
