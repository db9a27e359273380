"""The two stores: reachable, by whom, whose clock, who holds the leases, and what they refuse."""

import os
import shlex
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import chain

from git_datamanager import lease
from git_datamanager.errors import DataError, Denied, Forbidden, NoCredentials, Untrusted
from git_datamanager.manager import DataManager
from git_datamanager.model.layout import PROBE_PREFIX
from git_datamanager.ops.doctor import probe as doctor_probe
from git_datamanager.ops.doctor.check import Check, each, fail, failed, ok, skipped, warn
from git_datamanager.ops.rights.verify import Answer, Right, Verification, measure
from git_datamanager.storage.base import StorageAdapter
from git_datamanager.storage.wrappers import innermost
from git_datamanager.workspace.settings import ROLES, without_secrets

SKEW = 180
"""Seconds between the store's clock and ours; S3 refuses signatures that are 15 minutes off."""
_WEEK = 7 * 86400
_LEASES = {"production": ("lease", "lease-gc"), "staging": ("lease-gc",)}
_JOB = 6 * 3600
"""Seconds after which a deleting run ends itself."""
_TTL = {"lease": 60, "lease-gc": 7 * 86400}


def looks(manager: DataManager, *, refresh: bool) -> Iterator[Check]:
    """Both stores at once: one that is away takes its time to say so."""
    configured = [r for r in ROLES if manager.settings.get(f"data.remote.{r}.url")]
    with ThreadPoolExecutor(len(ROLES)) as pool:
        jobs = [pool.submit(_store, manager, role, refresh=refresh) for role in configured]
        yield from chain.from_iterable(job.result() for job in jobs)


def _store(manager: DataManager, role: str, *, refresh: bool) -> list[Check]:
    try:
        adapter = manager.store(role).adapter
        _knock(adapter)
        rights = Verification("developer", [], [], [])
        measure(rights, manager, role, read_only=True)
        facts, probed = doctor_probe.facts(manager, role, adapter, refresh=refresh)
    except Untrusted as error:
        return [skipped(role, "store", str(error))]
    except NoCredentials as error:
        return [fail(role, "credentials", str(error), *_sign_in(manager, role, error))]
    except Exception as error:  # noqa: BLE001 - a plugin's store may raise anything
        check = failed(role, "store", error)
        return [check if check.fix else check._replace(fix=("git data config   # is the address right?",))]
    looks = [
        ("rights", lambda: _rights(role, adapter, rights, facts)),
        ("clock", lambda: _clock(role, adapter)),
        ("versions", lambda: _versions(role, adapter)),
        ("unfinished uploads", lambda: _unfinished(role, adapter)),
        *((key, lambda key=key: _lease(role, adapter, key)) for key in _LEASES[role]),
    ]
    return [ok(role, "store", f"answers: {without_secrets(adapter.url)}"), *each(role, looks), *probed]


def _knock(adapter: StorageAdapter) -> None:
    """The first request, without tries: it tells whether anybody is there who knows us."""
    with suppress(Forbidden):
        innermost(adapter).stat_object(f"{PROBE_PREFIX}doctor")


def _sign_in(manager: DataManager, role: str, error: DataError) -> tuple[str, ...]:
    if manager.remotes.remote(role).url.startswith("r2:"):
        return ("export R2_ACCOUNT_ID=… R2_ACCESS_KEY_ID=… R2_SECRET_ACCESS_KEY=…",)
    profile = manager.settings.get(f"data.remote.{role}.profile")
    if profile is not None:
        return (f"aws sso login --profile {shlex.quote(profile)}   # or renew its keys",)
    return (error.hints[0], f"git config data.remote.{role}.profile PROFILE") if error.hints else ()


def _rights(
    role: str, adapter: StorageAdapter, live: Verification, facts: doctor_probe.Facts | None
) -> Check:
    """Reading and listing as measured now; writing and deleting by a probe object."""
    answers = {f.right: f.answer for f in live.findings}
    if facts is not None:
        answers |= {Right(name): Answer(answer) for name, answer in facts.rights.items()}
    said = ", ".join(f"{right} {answers.get(right, Answer.UNTRIED)}" for right in Right)
    if role == "staging" and answers.get(Right.WRITE) is Answer.REFUSED:
        return warn(
            role, "rights", f"{said}: nothing can be uploaded with these credentials; fine for a reader",
            "git data verify --role developer",
        )  # fmt: skip
    if role == "production" and answers.get(Right.READ) is Answer.REFUSED:
        return fail(
            role, "rights", f"{said}: nothing published can be pulled", "git data verify --role reader"
        )
    dangerous = {Right.WRITE, Right.DELETE}
    if (
        role == "production"
        and not adapter.url.startswith(("file:", "mem:"))
        and os.environ.get("CI") != "true"
        and any(answers.get(right) is Answer.ALLOWED for right in dangerous)
    ):
        return warn(
            role, "rights", f"{said}: these credentials can change production, which only CI should",
            "git data verify --policies aws --role developer   # or minio, r2",
        )  # fmt: skip
    return ok(role, "rights", said)


def _clock(role: str, adapter: StorageAdapter) -> Check:
    try:
        off = time.time() - adapter.clock()
    except Denied:
        return skipped(role, "clock", "these credentials may not ask")
    if abs(off) > SKEW:
        side = "ahead of" if off > 0 else "behind"
        return warn(
            role, "clock", f"this machine's clock is {abs(off):.0f} s {side} the store's: S3 refuses "
            "requests that are 15 minutes off; ages are told by the store's clock",
            "timedatectl set-ntp true",
        )  # fmt: skip
    return ok(role, "clock", f"{abs(off):.0f} s off")


def _versions(role: str, adapter: StorageAdapter) -> Check:
    """Deleting from a versioned bucket frees nothing, and erases nothing, before old versions expire."""
    from git_datamanager.storage import s3care

    bucket = s3care.bucket_of(adapter)
    if bucket is None:
        return skipped(role, "versions", "not a bucket")
    try:
        status = s3care.versioning(bucket)
    except Denied:
        return skipped(role, "versions", "these credentials may not ask whether the bucket keeps versions")
    if status is None:
        return ok(role, "versions", "this service keeps none: a delete is final")
    if status:
        return warn(
            role, "versions", f"versioning is {status.lower()}: deleted and replaced objects stay as old "
            "versions, paid for and readable, until a lifecycle rule ends them; an erasure needs that too",
            "git data verify --policies aws   # prints the rule",
        )  # fmt: skip
    return ok(role, "versions", "not kept: a delete is final")


def _unfinished(role: str, adapter: StorageAdapter) -> Check:
    from git_datamanager.storage import s3care

    name = "unfinished uploads"
    bucket = s3care.bucket_of(adapter)
    if bucket is None:
        return skipped(role, name, "not a bucket")
    try:
        found = s3care.unfinished(bucket)
    except Forbidden:
        return skipped(role, name, "these credentials may not list them")
    now = adapter.clock()
    old = [upload for upload in found if now - upload.begun > _WEEK]
    if old:
        return warn(
            role, name, f"{len(old)} older than 7 days, the first of {old[0].key}: their parts are paid for",
            "git data verify --policies aws   # prints the lifecycle rule that ends them",
        )  # fmt: skip
    return ok(role, name, f"{len(found)}, none older than 7 days")


def _lease(role: str, adapter: StorageAdapter, key: str) -> Check:
    try:
        standing = lease.look(adapter, key)
    except Denied:
        return skipped(role, key, "these credentials may not look")
    if standing is None:
        return ok(role, key, "nobody has it")
    record = standing.record
    if record is not None and record.released:
        return ok(role, key, f"free; {record.holder} had it last, since {_utc(standing.stat.modified)}")
    times = f"since {_utc(standing.stat.modified)}, until {_utc(standing.until(_TTL[key]))}"
    now = adapter.clock()
    if standing.is_held(now, _TTL[key]):
        if key == "lease-gc" and now - standing.stat.modified > _JOB:
            verb = "gc" if role == "production" else "cleanup"
            return warn(
                role, key,
                f"held by {standing.holder}, {times}: that run is over by now and did not give it back",
                f"git data {verb} --break-lease   # once no such run is left anywhere",
            )  # fmt: skip
        return ok(role, key, f"held by {standing.holder}, {times}")
    said = f"expired: {standing.holder} had it {times}, and did not give it back; the next run takes it over"
    return warn(role, key, said) if key == "lease-gc" else ok(role, key, said)


def _utc(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
