"""R2 has no policies: which tokens to make, what they allow beyond the need, what a lock can do. Pure."""

import shlex
from collections.abc import Sequence

from git_datamanager.model.layout import CONTENT_PREFIXES
from git_datamanager.model.roles import Role, Verb
from git_datamanager.ops.rights.iam import Place

_WRITES = frozenset((Verb.PUT, Verb.DELETE, Verb.ABORT))
_TOO_MUCH = {
    "reader": "it also lists production, and reads its audit/, repos/ and leases",
    "developer": "it also deletes and overwrites everything in staging",
    "preview": "it also lists both buckets, and reads audit/, repos/ and leases",
    "publish": "it also deletes everything in production: here the bucket lock below is all that stands",
    "cleanup": "it also overwrites staged bytes, which publish refuses: their hash is another one",
    "gc": "it also writes content: keep its environment behind required reviewers",
}
"""What R2's two permissions give beyond the need."""


def tokens(role: Role, where: Sequence[Place]) -> tuple[str, ...]:
    """Which tokens to make. One token has one permission for all its buckets, so two may be needed."""
    needs: dict[str, bool] = {}
    for grant in role.grants:
        needs[grant.store] = needs.get(grant.store, False) or bool(_WRITES & set(grant.verbs))
    buckets = {place.store: place.bucket for place in where}
    steps = [
        f"token git-data-{role.name}-{store}: {'Object Read & Write' if writes else 'Object Read only'}, "
        f"apply to specific buckets only: {buckets[store]}"
        for store, writes in needs.items()
    ]
    return (*steps, f"beyond the need: {_TOO_MUCH[role.name]}")


def locks(place: Place) -> tuple[str, ...]:
    """Bucket-lock rules for production; in staging a lock would stop the sweep."""
    commands = []
    for prefix, days in _lockable(place):
        name = f"git-data-{prefix.rstrip('/').rpartition('/')[2]}"
        length = "--retention-indefinite" if days is None else f"--retention-days {days}"
        commands.append(
            f"npx wrangler r2 bucket lock add {shlex.quote(place.bucket)} --name {name} "
            f"--prefix {shlex.quote(prefix)} {length}"
        )
    return tuple(commands)


def notes(where: Sequence[Place]) -> list[str]:
    """What no token and no lock can do."""
    told = [
        "R2 has no bucket policies: a token reads, or reads and writes, a whole bucket. Write includes "
        "delete, and read includes list.",
        "A lock on content holds for 14 days after an object was written; it also keeps publish from "
        "replacing a damaged object during that time, and gc is refused when it comes to anything younger: "
        "run it again later, it goes on. A lock can be removed by whoever may change the bucket's "
        "configuration: no object token may.",
        "Temporary credentials (POST /accounts/ACCOUNT_ID/r2/temp-access-credentials) can be narrowed to "
        "prefixes: give publish content, receipts/, audit/, repos/ and lease, for the time of one job. That "
        "they refuse what lies outside has to be tried: git data verify --role ROLE.",
        "R2_ACCESS_KEY_ID is one pair for both stores. Two tokens for one role need a profile per store "
        "(data.remote.staging.profile), and then copies pass through the job; one token for both buckets "
        "copies inside R2, and gives the higher of the two permissions on both.",
        "R2 keeps no versions: a delete is final. It ends unfinished uploads after 7 days by itself.",
    ]
    if len({place.bucket for place in where}) < len(where):
        told.insert(
            0,
            "Staging and production share the bucket "
            f"{where[0].bucket}: whoever may stage can write production. Use two buckets.",
        )
    return told


def _lockable(place: Place) -> list[tuple[str, int | None]]:
    """Prefixes that a lock may cover, and for how many days (None: for good). Not `lease`, which is
    renewed, nor `trash/`, which is written anew and purged."""
    if place.store != "production":
        return []
    forever: list[tuple[str, int | None]] = [(f"{place.prefix}{p}", None) for p in ("receipts/", "audit/")]
    return forever + [(f"{place.prefix}{p}", 14) for p in CONTENT_PREFIXES]
