"""Who may do what in the two stores: the least that each role needs (docs/design/threat-model.md).

One table, from which `git data verify --policies` makes policies. Nothing here knows a service.
"""

from enum import StrEnum
from typing import NamedTuple

from git_datamanager.model.layout import CONTENT_PREFIXES, PROBE_PREFIX


class Verb(StrEnum):
    """A right on keys. Statements of it are made in this order."""

    GET = "get"
    PUT = "put"
    PARTS = "parts"
    """Ask which parts of an unfinished upload have arrived: to go on with it."""
    ABORT = "abort"
    """Give up an unfinished upload of one's own: its id is known to nobody else."""
    DELETE = "delete"
    LIST = "list"
    """See which keys are there. S3 tells only whoever has it that a key is *not* there (404); everybody
    else is refused (403), as if the object were somebody else's."""


class Grant(NamedTuple):
    """Rights on keys of one store; a `*` at the end of a key stands for the rest of it."""

    store: str
    verbs: tuple[Verb, ...]
    keys: tuple[str, ...]


class Role(NamedTuple):
    """A set of rights, and who should have it."""

    name: str
    who: str
    grants: tuple[Grant, ...]
    environment: str | None = None
    """The protected environment of the CI whose jobs have it; None for people."""


def _below(*prefixes: str) -> tuple[str, ...]:
    return tuple(f"{prefix}*" for prefix in prefixes)


CONTENT = _below(*CONTENT_PREFIXES)
_PROBE = _below(PROBE_PREFIX)
_TRASH = _below("trash/")
_PUBLIC = (*CONTENT, *_below("trash/", "receipts/", "collections/", "masters/"))
_RECORDS = (*_below("receipts/", "audit/", "repos/"), "lease")

_READ_PRODUCTION = Grant("production", (Verb.GET,), _PUBLIC)
_SEE = (Verb.GET, Verb.LIST)
"""Get, and be told of what is missing: for whoever acts on absence."""

ROLES = (
    # No List: a reader who asks for a missing object is refused (403) instead of told (404).
    Role("reader", "consumers, people and machines", (_READ_PRODUCTION,)),
    # Sees its part of staging: an upload looks first whether the bytes are there. No Delete, and no Abort:
    # what a killed upload leaves goes by the bucket's lifecycle rule.
    Role(
        "developer",
        "authors",
        (
            Grant("staging", (Verb.GET, Verb.PUT, Verb.PARTS, Verb.LIST), (*CONTENT, *_PROBE)),
            Grant("staging", _SEE, _TRASH),
            _READ_PRODUCTION,
        ),
    ),
    # Sees what is missing, and says so in the request; changes nothing.
    Role(
        "preview",
        "CI, on a request from the repository itself",
        (Grant("staging", _SEE, CONTENT), Grant("production", _SEE, (*CONTENT, *_below("receipts/")))),
        environment="data-preview",
    ),
    # Sees what is missing: the receipt, the object, the lease decide by their absence. No Delete at all.
    Role(
        "publish",
        "CI, after a merge to the default branch",
        (
            Grant("staging", _SEE, (*CONTENT, *_TRASH)),
            Grant("production", (Verb.GET, Verb.PUT, Verb.LIST), (*CONTENT, *_RECORDS)),
            Grant("production", (Verb.PARTS, Verb.ABORT), CONTENT),
            Grant("production", _SEE, _TRASH),
        ),
        environment="data-production",
    ),
    Role(
        "cleanup",
        "CI, the sweep of staging",
        (
            Grant("staging", _SEE, ("*",)),
            Grant("staging", (Verb.PUT, Verb.PARTS, Verb.ABORT), _TRASH),
            Grant("staging", (Verb.PUT,), ("lease-gc",)),
            Grant("staging", (Verb.DELETE,), (*CONTENT, *_TRASH, *_PROBE)),
            # Told 403 for 404 it would take what production has lost for what it may not look at.
            Grant("production", _SEE, (*CONTENT, *_TRASH, *_below("repos/"))),
        ),
        environment="data-staging",
    ),
    # Never puts content: what it may delete it cannot forge.
    Role(
        "gc",
        "CI, deletion from production, behind required reviewers",
        (
            Grant("production", _SEE, ("*",)),
            Grant("production", (Verb.PUT, Verb.PARTS, Verb.ABORT), _TRASH),
            Grant("production", (Verb.PUT,), (*_below("audit/"), "lease-gc")),
            Grant("production", (Verb.DELETE,), (*CONTENT, *_TRASH, *_PROBE)),
        ),
        environment="data-gc",
    ),
)
BY_NAME = {role.name: role for role in ROLES}
