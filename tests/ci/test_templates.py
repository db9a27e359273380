"""The shipped CI files: valid, pinned, without findings, and what `git data ci setup` makes of them."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from git_datamanager.ops.ci.setup import rendered
from tests.ci.reusable import FOLDER, HEADS, reusable
from tests.conftest import REPOSITORY
from tests.world import Clone, World

ACTIONS = sorted((REPOSITORY / ".github" / "actions").glob("*/action.yml"))
WORKFLOWS = sorted(FOLDER.glob("*.yml"))
GITHUB = ("preview", "publish", "cleanup")
HOSTILE = 'x$(touch${IFS}pwned)`id`"+!'


def steps_of(document: dict) -> list[dict]:
    jobs = document.get("jobs", {}).values()
    found = [step for job in jobs for step in job.get("steps", [])]
    return found + document.get("runs", {}).get("steps", [])


def written(folder: Path) -> list[Path]:
    """Every template for every store, as `ci setup` writes it."""
    paths = []
    for store in ("aws", "r2"):
        for name in GITHUB:
            path = folder / store / ".github" / "workflows" / f"git-data-{name}.yml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(rendered(f"github/{name}.yml", store=store, branch=HOSTILE), encoding="utf-8")
            paths.append(path)
    return paths


@pytest.mark.parametrize("name", HEADS)
def test_the_reusable_workflows_are_the_templates(name: str) -> None:
    text = (FOLDER / f"{name}.yml").read_text(encoding="utf-8")
    assert text == reusable(name), "run: python -m tests.ci.reusable"


def test_no_expression_reaches_a_shell_and_every_action_is_pinned(tmp_path: Path) -> None:
    files = [*ACTIONS, *WORKFLOWS, *written(tmp_path)]
    assert len(files) == 12
    for path in files:
        text = path.read_text(encoding="utf-8")
        steps = steps_of(yaml.safe_load(text))
        assert steps
        for step in steps:
            assert "${{" not in step.get("run", ""), path
        for action in re.findall(r"uses: (\S+)", text):
            assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", action), action
            assert re.search(rf"{re.escape(action)} # v\d+\.\d+\.\d+", text), "no version beside the commit"


def test_jobs_have_least_rights_and_lose_no_run(tmp_path: Path) -> None:
    for path in [*WORKFLOWS, *written(tmp_path)]:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert document["permissions"] == {}
        for name, job in document["jobs"].items():
            assert job["environment"].startswith("data-")
            assert job["timeout-minutes"] < 360
            writes = {k for k, v in job["permissions"].items() if v == "write"} - {"id-token"}
            wanted = {"publish": {"contents", "pull-requests"}, "preview": {"pull-requests"}}
            assert writes == wanted.get(name, set())
            checkout = job["steps"][0]["with"]
            assert checkout["fetch-depth"] == 0
            assert checkout["persist-credentials"] is (name != "preview")
            if name != "preview":
                group = {"group": "data-publish", "cancel-in-progress": False, "queue": "max"}
                assert job["concurrency"] == group


def test_one_store_leaves_the_other_out(tmp_path: Path) -> None:
    for path in written(tmp_path):
        text = path.read_text(encoding="utf-8")
        is_aws = "aws" in path.parts
        assert ("configure-aws-credentials" in text) is is_aws
        assert ("id-token" in text) is is_aws
        assert ("R2_SECRET_ACCESS_KEY" in text) is not is_aws
        assert not re.search(r"#(aws|r2)\b|@[A-Z]+@", text)


def test_no_privileged_job_uses_a_cache(tmp_path: Path) -> None:
    for path in [*ACTIONS, *WORKFLOWS, *written(tmp_path)]:
        text = path.read_text(encoding="utf-8")
        assert "cache" not in text.replace("pypi-cache", "").lower()


def test_a_hostile_branch_name_stays_one_name() -> None:
    text = rendered("github/publish.yml", store="aws", branch=HOSTILE)
    trigger = yaml.safe_load(text)[True]["push"]["branches"]  # YAML takes `on` for a boolean
    assert trigger == [HOSTILE.replace("+", "\\+").replace("!", "\\!")]


SCHEMAS = ("vendor.github-workflows", "vendor.github-actions", "vendor.gitlab-ci")


def check(*command: str | Path) -> None:
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_the_files_are_valid(tmp_path: Path) -> None:
    gitlab = []
    for store in ("aws", "r2"):
        gitlab.append(tmp_path / f"{store}.gitlab-ci.yml")
        gitlab[-1].write_text(rendered("gitlab/git-data.gitlab-ci.yml", store=store, branch="main"))
    for schema, files in zip(SCHEMAS, ([*WORKFLOWS, *written(tmp_path)], ACTIONS, gitlab), strict=True):
        check("check-jsonschema", "--builtin-schema", schema, *files)


@pytest.mark.slow
def test_zizmor_finds_nothing(tmp_path: Path) -> None:
    check("zizmor", "--offline", "--no-config", *ACTIONS, *WORKFLOWS, *written(tmp_path))


# git data ci setup


@pytest.fixture
def clone(world: World) -> Clone:
    clone = world.found("ana")
    clone.git("remote", "set-url", "origin", "git@github.com:lab/energy.git")
    return clone


def test_setup_writes_the_files_and_says_what_is_left(clone: Clone) -> None:
    done = clone.data("ci", "setup", "github", "--store", "aws")
    names = sorted(p.name for p in (clone.path / ".github" / "workflows").iterdir())
    assert names == ["git-data-cleanup.yml", "git-data-preview.yml", "git-data-publish.yml"]
    assert "https://github.com/lab/energy/settings/environments" in done.out
    assert "repo:lab/energy:environment:ENVIRONMENT" in done.out
    again = clone.json("ci", "setup", "github", "--store", "aws")
    assert {file["outcome"] for file in again["files"]} == {"unchanged"}


def test_a_dry_run_writes_nothing(clone: Clone) -> None:
    done = clone.json("ci", "setup", "gitlab", "--store", "r2", "--dry-run")
    assert [file["outcome"] for file in done["files"]] == ["planned"]
    assert not (clone.path / ".gitlab").exists()


def test_an_edited_file_is_left_alone(clone: Clone) -> None:
    clone.data("ci", "setup", "github", "--store", "r2")
    path = clone.path / ".github" / "workflows" / "git-data-publish.yml"
    path.write_text(path.read_text().replace("17 4", "18 5"))
    done = clone.data("ci", "setup", "github", "--store", "r2", code=1)
    assert "was edited" in done.err
    assert "18 5" in path.read_text()
    clone.data("ci", "setup", "github", "--store", "r2", "--force")
    assert "17 4" in path.read_text()


def test_a_file_of_another_kind_that_nobody_edited_is_brought_up_to_date(clone: Clone) -> None:
    clone.data("ci", "setup", "github", "--store", "r2")
    clone.data("ci", "setup", "github", "--store", "aws")
    assert "configure-aws" in (clone.path / ".github/workflows/git-data-publish.yml").read_text()


@pytest.mark.parametrize(
    ("url", "store"),
    [
        ("r2://lab/production", "r2"),
        ("s3://lab/p?endpoint=https://abc.r2.cloudflarestorage.com", "r2"),
        ("s3://lab/p", "aws"),
    ],
)
def test_the_configured_store_tells(clone: Clone, url: str, store: str) -> None:
    env = {"GIT_DATA_REMOTE_PRODUCTION_URL": url, "R2_ACCOUNT_ID": "abc"}
    done = json.loads(clone.data("ci", "setup", "github", "--json", env=env).out)
    assert done["store"] == store


def test_a_folder_store_is_no_store_for_ci(clone: Clone) -> None:
    done = clone.data("ci", "setup", "github", code=128)
    assert "no CI job" in done.err
    assert not (clone.path / ".github").exists()


def test_a_link_in_the_tree_leads_nowhere(clone: Clone, tmp_path: Path) -> None:
    (clone.path / ".github").symlink_to(tmp_path)
    done = clone.data("ci", "setup", "github", "--store", "aws", code=128)
    assert "symbolic link" in done.err
    assert not (tmp_path / "workflows").exists()
