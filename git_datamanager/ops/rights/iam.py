"""IAM documents for AWS and MinIO, made from the table of roles, and the words around them. Pure."""

import shlex
from collections.abc import Sequence
from typing import Any, NamedTuple

from git_datamanager.model.roles import Grant, Role, Verb

AUDIENCE = "sts.amazonaws.com"
_GITHUB = "token.actions.githubusercontent.com"
_ACTIONS = {
    Verb.GET: "s3:GetObject",
    Verb.PUT: "s3:PutObject",
    Verb.PARTS: "s3:ListMultipartUploadParts",
    Verb.ABORT: "s3:AbortMultipartUpload",
    Verb.DELETE: "s3:DeleteObject",
}


class Place(NamedTuple):
    """Where a store is, as a policy names it."""

    store: str
    bucket: str
    prefix: str = ""
    """With a slash at the end, or empty."""
    partition: str = "aws"


class Project(NamedTuple):
    """The repository at its host."""

    host: str
    path: str
    """owner/name."""
    is_known: bool
    """False: OWNER/REPO stands for what the clone's remote does not tell."""


def document(role: Role, where: Sequence[Place]) -> dict[str, Any]:
    """The IAM policy of a role. What no statement allows is refused; there is no Deny to maintain."""
    by_store = {place.store: place for place in where}
    statements = [
        statement for grant in role.grants for statement in _statements(grant, by_store[grant.store])
    ]
    for number, statement in enumerate(statements, 1):
        statement["Sid"] = f"{statement['Sid']}{number}"
    return {"Version": "2012-10-17", "Statement": statements}


def _statements(grant: Grant, place: Place) -> list[dict[str, Any]]:
    bucket = f"arn:{place.partition}:s3:::{place.bucket}"
    keys = [place.prefix + key for key in grant.keys]
    store = place.store.capitalize()
    found: list[dict[str, Any]] = []
    if actions := [_ACTIONS[verb] for verb in grant.verbs if verb is not Verb.LIST]:
        found.append(
            {
                "Sid": f"{store}Objects",
                "Effect": "Allow",
                "Action": actions,
                "Resource": [f"{bucket}/{key}" for key in keys],
            }
        )
    if Verb.LIST in grant.verbs:
        # The condition also decides who is told 404: S3 takes a missing key for the prefix there.
        found.append(
            {
                "Sid": f"{store}Keys",
                "Effect": "Allow",
                "Action": ["s3:ListBucket"],
                "Resource": [bucket],
                "Condition": {"StringLike": {"s3:prefix": keys}},
            }
        )
    return found


def trust(role: Role, repository: Project) -> dict[str, Any]:
    """Who may assume the role: jobs of this repository in the role's protected environment, compared
    letter by letter. No wildcard: `repo:OWNER/*` or `StringLike` would let in what merely looks alike."""
    issuer = _GITHUB if repository.host == "github.com" else f"{repository.host}/_services/token"
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Federated": f"arn:aws:iam::ACCOUNT_ID:oidc-provider/{issuer}"},
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": {
                    "StringEquals": {
                        f"{issuer}:aud": AUDIENCE,
                        f"{issuer}:sub": f"repo:{repository.path}:environment:{role.environment}",
                    }
                },
            }
        ],
    }


def lifecycle(where: Sequence[Place]) -> dict[str, Any]:
    """Rules of one bucket. None by age on objects: a rule knows no refs, and takes pending bytes while
    publish stands still."""
    rules: list[dict[str, Any]] = []
    for place in where:
        rules.append(
            {
                "ID": f"git-data-{place.store}-unfinished-uploads",
                "Status": "Enabled",
                "Filter": {"Prefix": place.prefix},
                "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
            }
        )
        rules.append(
            {
                "ID": f"git-data-{place.store}-old-versions",
                "Status": "Enabled",
                "Filter": {"Prefix": place.prefix},
                "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
                "Expiration": {"ExpiredObjectDeleteMarker": True},
            }
        )
    return {"Rules": rules}


def lifecycle_steps(service: str, bucket: str, where: Sequence[Place]) -> tuple[str, ...]:
    if service == "minio":
        return tuple(
            "mc ilm rule add --noncurrent-expire-days 30 --expire-delete-marker "
            f"--prefix {shlex.quote(place.prefix)} ALIAS/{bucket}"
            for place in where
        )
    return (
        f"aws s3api get-bucket-lifecycle-configuration --bucket {bucket}   # the next one replaces all rules",
        f"aws s3api put-bucket-lifecycle-configuration --bucket {bucket} "
        "--lifecycle-configuration file://lifecycle.json",
    )


def notes(service: str, repository: Project, *, has_trust: bool) -> list[str]:
    told = [
        "s3:ListBucket, narrowed by s3:prefix, is also what makes the store say 404 instead of 403 for "
        "a missing key. Roles that act on absence have it; a reader has not, and hears 403 of what is not "
        "there.",
        "Nobody may change policies, lifecycle rules or versioning, nor delete old versions of objects.",
    ]
    if service == "minio":
        return [
            *told,
            "mc admin policy create ALIAS git-data-ROLE policy.json, then attach it to a user of its own.",
            "MinIO ends unfinished uploads after 24 h by itself.",
        ]
    told.append(
        "A bucket encrypted with a KMS key of yours also needs kms:Decrypt to read and kms:GenerateDataKey "
        "to write."
    )
    return told + (_trust_notes(repository) if has_trust else [])


def _trust_notes(repository: Project) -> list[str]:
    notes = ["ACCOUNT_ID is your AWS account. Restrict each environment to the default branch."]
    if not repository.is_known:
        notes.append("OWNER/REPO: this clone's remote names no host; put in your repository.")
    elif repository.host != "github.com" and "gitlab" in repository.host:
        notes.append(
            f"For GitLab the provider is {repository.host} and sub is "
            f"project_path:{repository.path}:ref_type:branch:ref:BRANCH (of the preview: ref:*, compared by "
            "StringLike, as its jobs run on the branches of requests): edit the trust policies."
        )
    notes.append("sub is compared letter by letter, upper and lower case too: write it as the host shows it.")
    notes.append(
        "Repositories made or renamed since summer 2026 have numbers in it (repo:OWNER@1/REPO@2:…): "
        "gh api repos/OWNER/REPO --jq '\"repo:\\(.owner.login)@\\(.owner.id)/\\(.name)@\\(.id)\"'"
    )
    return notes
