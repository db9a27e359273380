"""`git data verify --policies`: least-privilege policies for the configured stores. Sends nothing.

AWS and MinIO get IAM documents made from the table in `model/roles.py`. R2 has no policies: there it
is which tokens to make, what they allow beyond the need, and what a bucket lock can do about it.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from git_datamanager.errors import NotFound, SettingsError
from git_datamanager.manager import DataManager
from git_datamanager.model.roles import BY_NAME, ROLES, Role
from git_datamanager.ops.rights import iam as policies_iam
from git_datamanager.ops.rights import r2 as policies_r2
from git_datamanager.ops.rights.iam import Place, Project
from git_datamanager.storage.address import BUCKETS, Address
from git_datamanager.storage.locate import parse
from git_datamanager.workspace.settings import ROLES as STORES

SERVICES = ("aws", "r2", "minio")
_PARTITIONS = (("cn-", "aws-cn"), ("us-gov-", "aws-us-gov"))


class RolePolicy(NamedTuple):
    """What to set up for one role."""

    role: Role
    policy: dict[str, Any] | None
    """An IAM document; None for R2."""
    trust: dict[str, Any] | None = None
    """Who may take the role: the CI's OIDC tokens of one environment."""
    steps: tuple[str, ...] = ()
    """What a person does, R2: token by token."""


class Advice(NamedTuple):
    """One bucket's rules that no policy can hold."""

    bucket: str
    lifecycle: dict[str, Any] | None
    steps: tuple[str, ...]


class Policies(NamedTuple):
    """Everything for one service."""

    service: str
    roles: list[RolePolicy]
    buckets: list[Advice]
    notes: list[str]


def policies(manager: DataManager, service: str, role: str | None = None) -> Policies:
    """Policies for one role or all. Raises SettingsError where a store is no bucket."""
    return render(places(manager), project(_origin(manager)), service, _chosen(role))


def _chosen(role: str | None) -> Sequence[Role]:
    if role is None:
        return ROLES
    if role not in BY_NAME:
        raise NotFound(f"there is no role {role}; there are {', '.join(BY_NAME)}")
    return [BY_NAME[role]]


def places(manager: DataManager) -> list[Place]:
    """The configured buckets. Raises SettingsError for a folder, and where a store is missing."""
    return [_place(store, parse(manager.remotes.remote(store).url)) for store in STORES]


def _place(store: str, address: Address) -> Place:
    if address.scheme not in BUCKETS:
        raise SettingsError(
            f"the {store} store {address} is no bucket: folders have no policies, only the rights of files",
            hints=[f"git config data.remote.{store}.url s3://bucket/prefix   # then again"],
        )
    region = address.get("region") or ""
    partition = next((name for start, name in _PARTITIONS if region.startswith(start)), "aws")
    prefix = f"{address.prefix}/" if address.prefix else ""
    return Place(store, address.place, prefix, partition)


def _origin(manager: DataManager) -> str | None:
    remotes = (manager.git.answer("remote") or "").split()
    name = "origin" if "origin" in remotes else next(iter(remotes), None)
    return manager.git.answer("remote", "get-url", name) if name else None


def project(url: str | None) -> Project:
    """Host and path of a remote's URL, in any of Git's spellings; a placeholder where it names none."""
    text = url or ""
    found = re.fullmatch(r"(?:https?|ssh|git)://(?:[^@/]*@)?([^:/]+)(?::\d+)?/(.+?)(?:\.git)?/?", text)
    found = found or re.fullmatch(r"(?:[^@/:]+@)?([^:/]{2,}):(?!/)(.+?)(?:\.git)?/?", text)
    if found and re.fullmatch(r"[\w.-]+(/[\w.-]+)+", found[2]):
        return Project(found[1].lower(), found[2], is_known=True)
    return Project("github.com", "OWNER/REPO", is_known=False)


def render(where: Sequence[Place], repository: Project, service: str, roles: Sequence[Role]) -> Policies:
    """The whole answer; pure."""
    if service == "r2":
        return Policies(
            service,
            [RolePolicy(role, None, None, policies_r2.tokens(role, where)) for role in roles],
            [Advice(p.bucket, None, policies_r2.locks(p)) for p in where],
            policies_r2.notes(where),
        )
    is_aws = service == "aws"
    made = [
        RolePolicy(
            r,
            policies_iam.document(r, where),
            policies_iam.trust(r, repository) if is_aws and r.environment else None,
        )
        for r in roles
    ]
    rules = [
        Advice(bucket, policies_iam.lifecycle(among), policies_iam.lifecycle_steps(service, bucket, among))
        for bucket, among in _by_bucket(where)
    ]
    notes = policies_iam.notes(service, repository, has_trust=any(m.trust for m in made))
    return Policies(service, made, rules, notes)


def _by_bucket(where: Iterable[Place]) -> list[tuple[str, list[Place]]]:
    found: dict[str, list[Place]] = {}
    for place in where:
        found.setdefault(place.bucket, []).append(place)
    return list(found.items())
