"""What a command leaves in a job: nothing that a name could turn into a command, a mention or a tag."""

import json
import re
import tempfile
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from git_datamanager.cli import job, markdown
from git_datamanager.cli.job import JobReport, annotation
from git_datamanager.errors import DataError
from tests.ci.runner import outputs
from tests.ci.scene import HOSTILE_NAME

HOSTILE = [
    HOSTILE_NAME,
    "a|b`c`|| ``` \\",
    "<script>alert(1)</script>",
    "[x](javascript:alert(1)) ![y](http://evil.example/?q) https://evil.example www.evil.example",
    "@everyone #1 owner/repo#2 a@example.org",
    "\u202eexe.csv\u2066 \x1b[31m \x1b]8;;http://evil\x07 \u200b",
    "line\nbreak\r::error::x\n::set-output name=a::b",
    "end-0000\nchanged<<x",
    "$x^2$ ~~a~~ __b__ *c* :smile: - [ ] \n# head",
]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    found = {name: tmp_path / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    for name, path in found.items():
        path.touch()
        monkeypatch.setenv(name, str(path))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("RUNNER_TEMP", str(tmp_path))
    return found


def report(**fields: object) -> JobReport:
    return JobReport(
        **({"command": "publish", "summary": "done", "page": ["### done"], "document": {}} | fields)
    )


def rendered(text: str) -> str:
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_in_a_table_stays_in_its_cell(name: str) -> None:
    lines = markdown.table(["dataset", "version"], [[markdown.code(name), "v1"], ["`next`", "v2"]])
    html = rendered("\n".join(lines))
    assert html.count("<tr>") == 3
    assert html.count("<td>") == 4
    assert html.count("<code>") == 2
    outside = re.sub(r"<code>.*?</code>", "", html)
    assert set(re.findall(r"<(\w+)", outside)) == {"table", "thead", "tbody", "tr", "th", "td"}
    assert "@" not in outside


@pytest.mark.parametrize("name", HOSTILE)
def test_prose_makes_no_markup_and_mentions_nobody(name: str) -> None:
    html = rendered("- ❌ " + markdown.plain(f"{name}: not here"))
    assert set(re.findall(r"<(\w+)", html)) == {"ul", "li"}
    assert not re.search(r"[@#]\w", re.sub(r"&#?\w+;", "", html))
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069]", html)


@pytest.mark.parametrize("name", HOSTILE)
def test_commands_stay_in_their_block(name: str) -> None:
    html = rendered("\n".join([*markdown.fenced([f"git data pull {name}"]), "", "after"]))
    assert html.count("<pre>") == 1
    assert html.rstrip().endswith("<p>after</p>")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_no_command_and_no_output(
    name: str, files: dict[str, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    found = report(
        summary=name, changed=[name], published=[{"name": name}],
        annotations=[annotation("error", name, f"100 % of {name}", ["git data upload"], 7)],
    )  # fmt: skip
    job.tell(found)
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("::error file=manifest.json,line=7::")
    assert "%0Ahint: git data upload" in line
    assert "100 %25 of" in line
    said = outputs(files["GITHUB_OUTPUT"].read_text())
    assert set(said) == {"changed", "published", "report-path", "summary"}
    assert json.loads(said["changed"]) == [name]
    assert "\n" not in said["summary"]


def test_marks_in_outputs_cannot_be_foreseen(files: dict[str, Path]) -> None:
    job.tell(report())
    job.tell(report())
    marks = re.findall(r"<<(\S+)", files["GITHUB_OUTPUT"].read_text())
    assert len(set(marks)) == len(marks) == 8
    assert all(len(mark) > 30 for mark in marks)


def test_ten_annotations_of_a_kind(files: dict[str, Path], capfd: pytest.CaptureFixture[str]) -> None:
    many = [annotation("error", f"{n}.csv", "gone") for n in range(25)] + [annotation("notice", "a", "b")]
    job.tell(report(annotations=many))
    lines = capfd.readouterr().err.splitlines()
    assert sum(line.startswith("::error ") for line in lines) == 10
    assert "and 16 more" in lines[9]
    assert sum(line.startswith("::notice ") for line in lines) == 1


def test_a_summary_of_many_datasets_is_cut_before_the_host_drops_it(files: dict[str, Path]) -> None:
    rows = [[markdown.code(f"name-{n}-" + "x" * 200), "v1"] for n in range(20_000)]
    big = report(page=["### done", *markdown.table(["dataset", "version"], rows)])
    job.tell(big)
    job.tell(big)
    data = files["GITHUB_STEP_SUMMARY"].read_bytes()
    assert len(data) <= 1 << 20
    assert len(data) > 900_000
    assert re.search(r"… and \d+ more lines", data.decode())


def test_what_is_cut_closes_its_block() -> None:
    text = markdown.fitted(markdown.fenced(["x" * 100] * 100), 2000, tail=["the end"])
    assert len(text.encode()) <= 2000
    assert rendered(text).rstrip().endswith("<p>the end</p>")


def test_an_error_that_ends_the_command_is_told(
    files: dict[str, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(DataError), job.hushed("publish"):
        print("::error::a name")
        raise DataError("the tip is broken: `x`", hints=["git data resolve"])
    lines = capfd.readouterr().err.splitlines()
    token = lines[0].removeprefix("::stop-commands::")
    assert lines[1:] == [
        f"::{token}::",
        "::error file=manifest.json::the tip is broken: `x`%0Ahint: git data resolve",
    ]
    assert "failed" in files["GITHUB_STEP_SUMMARY"].read_text()
    document = json.loads(Path(outputs(files["GITHUB_OUTPUT"].read_text())["report-path"]).read_text())
    assert document["errors"][0]["exit_code"] == 128


def test_outside_of_a_job_nothing_happens(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with job.hushed("publish"):
        job.tell(report(annotations=[annotation("error", "a", "b")]))
    assert capfd.readouterr() == ("", "")


def test_without_a_folder_of_the_job_nobody_knows_the_reports_name_beforehand(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link that somebody laid in a shared temporary folder is not followed."""
    monkeypatch.delenv("RUNNER_TEMP")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    theirs = tmp_path / "theirs"
    (tmp_path / "git-data").mkdir()
    (tmp_path / "git-data" / "publish.json").symlink_to(theirs)
    job.tell(report())
    assert not theirs.exists()
    path = Path(outputs(files["GITHUB_OUTPUT"].read_text())["report-path"])
    assert path.is_file()
    assert path.parent.stat().st_mode & 0o077 == 0
