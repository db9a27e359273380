"""How `git data verify --policies` looks: text to read, or one JSON document."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from git_datamanager.cli import render

if TYPE_CHECKING:
    from git_datamanager.ops.rights.policies import Advice, Policies, RolePolicy


def print_policies(made: "Policies", *, as_json: bool) -> None:
    """Documents as they are pasted; everything around them is a comment."""
    if as_json:
        render.json("policies", _json(made))
        return
    for item in made.roles:
        _print_role(item, made.service)
    for bucket in made.buckets:
        _print_bucket(bucket)
    _comments(made.notes)


def _json(made: "Policies") -> dict[str, Any]:
    return {
        "service": made.service,
        "roles": [
            {
                "role": item.role.name,
                "who": item.role.who,
                "environment": item.role.environment,
                "policy": item.policy,
                "trust": item.trust,
                "steps": list(item.steps),
            }
            for item in made.roles
        ],
        "buckets": [
            {"bucket": b.bucket, "lifecycle": b.lifecycle, "steps": list(b.steps)} for b in made.buckets
        ],
        "notes": made.notes,
    }


def _print_role(item: "RolePolicy", service: str) -> None:
    _comments([f"Role {item.role.name}: {item.role.who}"])
    if item.policy is not None:
        _document(item.policy)
    if item.trust is not None:
        _comments([f"Trust policy of {item.role.name} ({service}), for its jobs in {item.role.environment}"])
        _document(item.trust)
    _comments(item.steps)
    render.out()


def _print_bucket(bucket: "Advice") -> None:
    if bucket.lifecycle is not None:
        _comments([f"Lifecycle rules of {bucket.bucket}"])
        _document(bucket.lifecycle)
    elif bucket.steps:
        _comments([f"Locks of {bucket.bucket}"])
    for step in bucket.steps:
        render.out(render.clean(step))
    if bucket.steps:
        render.out()


def _document(document: dict[str, Any]) -> None:
    render.out(json.dumps(document, indent=2))


def _comments(lines: Sequence[str]) -> None:
    for line in lines:
        render.out(f"# {render.clean(line)}")
