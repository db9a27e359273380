"""What a person must click, or paste, before CI may publish: environments, roles or keys, branch rules."""

import re
from typing import NamedTuple

from git_datamanager import __version__
from git_datamanager.workspace.git import Git

_ADDRESS = re.compile(r"(?:\w+://)?(?:[^@/]*@)?([\w.-]+)(?::\d+)?[/:](.+?)(?:\.git)?/?")
# environment → role of AWS, and who may deploy there
_ENVIRONMENTS = {
    "data-preview": ("PREVIEW", ""),
    "data-production": ("PUBLISH", "deployment branches: only {branch}"),
    "data-staging": ("CLEANUP", "deployment branches: only {branch}"),
    "data-gc": ("GC", "deployment branches: only {branch}; required reviewers"),
}
_RIGHTS = (
    "git data verify --policies {store}   # the roles preview, publish, cleanup, gc and their environments"
)


class Step(NamedTuple):
    """One thing to do, with what to open or paste for it."""

    text: str
    lines: tuple[str, ...] = ()


class Project(NamedTuple):
    """The repository on its host, as far as the remote says."""

    server: str
    path: str
    branch: str

    @classmethod
    def of(cls, git: Git, branch: str) -> "Project":
        url = git.answer("remote", "get-url", "origin") or ""
        match = _ADDRESS.fullmatch(url)
        known = match is not None and "." in match[1] and match[1] not in (".", "..")
        server, path = (match[1], match[2]) if match and known else ("HOST", "OWNER/REPO")
        return cls(server, path, branch)

    @property
    def url(self) -> str:
        return f"https://{self.server}/{self.path}"


def steps(host: str, store: str, project: Project) -> list[Step]:
    """In the order to do them."""
    return _github(store, project) if host == "github" else _gitlab(store, project)


def _github(store: str, project: Project) -> list[Step]:
    environments = [
        f"{name}  {rule.format(branch=project.branch)}".rstrip() for name, (_, rule) in _ENVIRONMENTS.items()
    ]
    return [
        _hashes(".github"),
        Step(f"create four environments: {project.url}/settings/environments", tuple(environments)),
        *(_github_aws(project) if store == "aws" else _github_r2()),
        Step(
            f"let jobs open the pull request that records a publication: {project.url}/settings/actions",
            ("Workflow permissions > Allow GitHub Actions to create and approve pull requests",),
        ),
        Step(
            f"protect {project.branch}: {project.url}/settings/rules",
            (
                "require a pull request, and the status check: preview",
                "so that publish may push its commit: a deploy key with write access in the bypass list, and",
                "gh secret set GIT_DATA_DEPLOY_KEY --env data-production < key",
                "without one, publish opens a pull request from git-data/finalize",
            ),
        ),
        _commit(".github/workflows"),
    ]


def _hashes(folder: str) -> Step:
    """Whoever registered the name of a package would else run in a job with keys."""
    lock = f"{folder}/git-data-requirements.txt"
    make = (
        f"echo 'git-datamanager[tabular]=={__version__}' | uv pip compile --universal --generate-hashes "
        f"--python-version 3.13 - > {lock}"
    )
    return Step(
        "write down the hashes of what the jobs install: they install nothing else "
        "(git-datamanager @ https://…/a.whl in place of a version that no index has)",
        (make, f"git add {lock}"),
    )


def _github_aws(project: Project) -> list[Step]:
    trust = f"repo:{project.path}:environment:ENVIRONMENT"
    provider = (
        "aws iam create-open-id-connect-provider --url https://token.actions.githubusercontent.com "
        "--client-id-list sts.amazonaws.com"
    )
    roles = [
        f"gh variable set GIT_DATA_{role}_ROLE --env {name} "
        f"--body arn:aws:iam::ACCOUNT:role/git-data-{role.lower()}"
        for name, (role, _) in _ENVIRONMENTS.items()
    ]
    return [
        Step("let AWS know GitHub's identities", (provider,)),
        Step(
            f"create one role per environment, trusted only for the subject {trust}; "
            "maximum session duration 6 hours",
            (_RIGHTS.format(store="aws"),),
        ),
        Step(
            "name the roles and the region",
            (*roles, "gh variable set GIT_DATA_AWS_REGION --body eu-central-1"),
        ),
    ]


def _github_r2() -> list[Step]:
    keys = [
        f"gh secret set {name} --env {environment}"
        for environment in _ENVIRONMENTS
        for name in ("R2_ACCESS_KEY_ID", "R2_SECRET_ACCESS_KEY")
    ]
    return [
        _r2_tokens(),
        Step("store them", ("gh variable set R2_ACCOUNT_ID --body ACCOUNT", *keys)),
    ]


def _r2_tokens() -> Step:
    return Step(
        "create one R2 token per environment: https://dash.cloudflare.com/?to=/:account/r2/api-tokens",
        (
            _RIGHTS.format(store="r2"),
            "each job has one key for both stores: a token of both buckets, reading only for data-preview",
        ),
    )


def _gitlab(store: str, project: Project) -> list[Step]:
    variables = (
        ("AWS_ROLE_ARN, per environment", "AWS_DEFAULT_REGION")
        if store == "aws"
        else (
            "R2_ACCOUNT_ID",
            "R2_ACCESS_KEY_ID and R2_SECRET_ACCESS_KEY, masked, per environment",
            "protected, all but those of data-preview",
        )
    )
    credentials = (
        Step(
            f"create one role per environment, trusted for {project.server}, the audience https://gitlab.com "
            f"and the subject project_path:{project.path}:ref_type:branch:ref:{project.branch}",
            (
                f"that of data-preview by StringLike for project_path:{project.path}:ref_type:branch:ref:*, "
                "since its jobs run on the branches of requests",
                _RIGHTS.format(store="aws"),
            ),
        )
        if store == "aws"
        else _r2_tokens()
    )
    return [
        _hashes(".gitlab"),
        Step("include the file in .gitlab-ci.yml", ("include: [{local: .gitlab/git-data.gitlab-ci.yml}]",)),
        Step(
            f"create four environments: {project.url}/-/environments, and protect them: "
            f"{project.url}/-/settings/ci_cd#js-protected-environments-settings",
            tuple(_ENVIRONMENTS),
        ),
        credentials,
        Step(f"add the variables: {project.url}/-/settings/ci_cd#js-cicd-variables-settings", variables),
        Step(
            f"add a project access token (role Developer, scopes api and write_repository) as GITLAB_TOKEN: "
            f"{project.url}/-/settings/access_tokens",
            (
                "masked and protected, so that no merge request can read it",
                "allowed to push to the branch, or else publish opens a merge request",
                "for comments of the preview, another one (role Reporter, scope api) as GIT_DATA_HOST_TOKEN",
            ),
        ),
        Step(
            "let waiting jobs keep their order",
            (
                'curl --request PUT --header "PRIVATE-TOKEN: $TOKEN" --data process_mode=oldest_first '
                f'"https://{project.server}/api/v4/projects/ID/resource_groups/data-publish"',
            ),
        ),
        Step(
            f"add two schedules: {project.url}/-/pipeline_schedules",
            ("daily with GIT_DATA_JOB=publish", "weekly with GIT_DATA_JOB=cleanup"),
        ),
        _commit(".gitlab .gitlab-ci.yml"),
    ]


def _commit(paths: str) -> Step:
    return Step("commit the files", (f"git add {paths}", 'git commit -m "Publish data from CI"'))
