"""The report of a preview: the page with every row that is known, and where a job keeps it."""

import re
from collections.abc import Mapping

from git_datamanager.cli import preview_page
from git_datamanager.model.proposal import Finding, Level
from git_datamanager.ops.ci.preview import Preview, Verdict
from git_datamanager.pages.diff_page import Remark, diff_page

_URL = re.compile(r"https?://[\w.:/~%+-]+", re.ASCII)
_TONES = {Verdict.OK: "good", Verdict.REFUSED: "bad"}


def report(preview: Preview) -> str:
    """A self-contained HTML document."""
    _sign, _, words = preview_page.headline(preview).partition(" ")
    verdict = Remark(words, _TONES.get(preview.verdict, ""))
    findings = map(_remark, preview.findings)
    asked = f"Nobody looked for the bytes: {preview.unasked}" if preview.unasked else None
    remarks = [verdict, *findings, *([Remark(asked)] if asked else [])]
    return diff_page(preview.diffs, f"Data changes of {preview.request[:12]}", remarks=remarks)


def _remark(finding: Finding) -> Remark:
    subject = f"{finding.subject}: " if finding.subject else ""
    is_error = finding.level is Level.ERROR
    tone, label = ("bad", "Problem") if is_error else ("", "Note")
    return Remark(f"{subject}{finding.text}", tone, finding.hints, label)


def place(env: Mapping[str, str]) -> str | None:
    """The address where people find what this job keeps; None outside of CI."""
    if run := env.get("GITHUB_RUN_ID"):
        project = f"{env.get('GITHUB_SERVER_URL')}/{env.get('GITHUB_REPOSITORY')}"
        url, anchor = f"{project}/actions/runs/{run}", "#artifacts"
    else:
        url, anchor = f"{env.get('CI_JOB_URL')}/artifacts/browse", ""
    return url + anchor if _URL.fullmatch(url) else None
