"""IAM in front of a server that has none: requests are judged by policies as S3 judges them.

The evaluator knows what the policies of this project use: Allow, `*` in actions and resources, StringLike
on s3:prefix, and S3's rule for a missing key (404 only for whoever may list it, else 403).
"""

import fnmatch
import re
from collections.abc import Mapping
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.storage.faultproxy import Act, FaultProxy

_REFUSAL = b"<Error><Code>AccessDenied</Code><Message>by policy</Message></Error>"


def denied(handler: Any) -> None:
    """S3's answer, which tells the time like all of them."""
    headers = {"Content-Type": "application/xml", "Date": formatdate(usegmt=True)}
    handler.answer(403, headers, _REFUSAL)


def like(pattern: str, text: str) -> bool:
    """IAM's wildcards: `*` and `?`, nothing else."""
    return (
        re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), text, re.DOTALL) is not None
    )


def allows(policy: Mapping[str, Any], action: str, resource: str, context: Mapping[str, str] = {}) -> bool:
    """Whether some statement allows it; what the evaluator does not know fails the test."""
    return any(_grants(statement, action, resource, context) for statement in policy["Statement"])


def _grants(statement: Mapping[str, Any], action: str, resource: str, context: Mapping[str, str]) -> bool:
    assert set(statement) <= {"Sid", "Effect", "Action", "Resource", "Condition"}
    assert statement["Effect"] == "Allow"
    conditions = statement.get("Condition", {})
    assert set(conditions) <= {"StringLike"}
    return (
        any(fnmatch.fnmatchcase(action, pattern) for pattern in statement["Action"])
        and any(like(pattern, resource) for pattern in statement["Resource"])
        and all(
            key in context and any(like(pattern, context[key]) for pattern in patterns)
            for key, patterns in conditions.get("StringLike", {}).items()
        )
    )


def may_list(policy: Mapping[str, Any], bucket: str, prefix: str) -> bool:
    return allows(policy, "s3:ListBucket", f"arn:aws:s3:::{bucket}", {"s3:prefix": prefix})


class IamProxy(FaultProxy):
    """Judges by the access key in the signature; unknown keys pass (the owner of the buckets)."""

    def __init__(self, upstream: str, policies: Mapping[str, Mapping[str, Any]]) -> None:
        super().__init__(upstream)
        self.policies = policies
        self.refused: list[tuple[str, str, str]] = []

    def fault(self, method: str, target: str, headers: dict[str, str]) -> Act | None:
        found = re.search(r"Credential=([^/]+)/", headers.get("Authorization", ""))
        who = found[1] if found else ""
        policy = self.policies.get(who)
        if policy is None:
            return super().fault(method, target, headers)
        if not self._permits(policy, method, target, headers):
            self.refused.append((who, method, target))
            return denied
        bucket, key = _split(target)
        if method in ("GET", "HEAD") and key and not may_list(policy, bucket, key):
            return _hide_absence
        return super().fault(method, target, headers)

    def _permits(
        self, policy: Mapping[str, Any], method: str, target: str, headers: Mapping[str, str]
    ) -> bool:
        bucket, key = _split(target)
        query = parse_qs(urlsplit(target).query, keep_blank_values=True)
        arn = f"arn:aws:s3:::{bucket}"
        if not key:
            if "list-type" in query:
                return may_list(policy, bucket, query.get("prefix", [""])[0])
            return allows(policy, _bucket_action(query), arn)
        source = next((v for k, v in headers.items() if k.lower() == "x-amz-copy-source"), None)
        if source is not None:
            origin = unquote(source).lstrip("/").partition("?")[0]
            if not allows(policy, "s3:GetObject", f"arn:aws:s3:::{origin}"):
                return False
        return allows(policy, _object_action(method, query), f"{arn}/{key}")


def _split(target: str) -> tuple[str, str]:
    bucket, _, key = unquote(urlsplit(target).path).lstrip("/").partition("/")
    return bucket, key


def _bucket_action(query: Mapping[str, Any]) -> str:
    named = {"versioning": "s3:GetBucketVersioning", "uploads": "s3:ListBucketMultipartUploads"}
    return next((action for word, action in named.items() if word in query), "s3:ListBucket")


def _object_action(method: str, query: Mapping[str, Any]) -> str:
    if method == "DELETE":
        return "s3:AbortMultipartUpload" if "uploadId" in query else "s3:DeleteObject"
    if method in ("GET", "HEAD"):
        return "s3:ListMultipartUploadParts" if "uploadId" in query else "s3:GetObject"
    return "s3:PutObject"


def _hide_absence(handler: Any) -> None:
    status, headers, body = handler.ask()
    if status == 404:
        denied(handler)
    else:
        handler.answer(status, headers, body)
