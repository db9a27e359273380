"""`git data doctor`: every fault is found, named, and comes with a command that helps."""

import os
import shutil
import sqlite3
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import boto3
import pytest

from git_datamanager import lease
from git_datamanager.errors import Forbidden
from git_datamanager.model.records import LeaseRecord
from git_datamanager.ops.doctor import clone as doctor_clone
from git_datamanager.ops.doctor import probe as doctor_probe
from git_datamanager.ops.doctor import stores as doctor_stores
from git_datamanager.ops.doctor.check import Check, Result
from git_datamanager.ops.doctor.examine import Diagnosis, doctor
from git_datamanager.storage import s3care
from git_datamanager.storage.base import ABSENT
from git_datamanager.storage.local import LocalStore
from git_datamanager.workspace import settings
from tests.iamproxy import denied
from tests.s3server import KEYS
from tests.storage.faultproxy import FaultProxy, drop_header, error
from tests.world import Clone, World

DAY = 86400


@pytest.fixture
def ana(world: World) -> Clone:
    ana = world.found("ana")
    ana.write("a.csv", "1\n")
    ana.data("add", "a.csv")
    ana.commit("one")
    return ana


def look(clone: Clone, **options: Any) -> Diagnosis:
    return doctor(clone.path, **{"offline": True, **options})


def found(diagnosis: Diagnosis, name: str, topic: str | None = None) -> Check:
    checks = [c for c in diagnosis.checks if c.name == name and topic in (None, c.topic)]
    assert checks, [c.name for c in diagnosis.checks]
    return checks[0]


def unsound(diagnosis: Diagnosis) -> list[tuple[str, str]]:
    return [(c.name, str(c.result)) for c in diagnosis.checks if not c.is_sound]


def test_a_sound_clone(ana: Clone) -> None:
    ana.git("push", "-q")
    diagnosis = look(ana, offline=False)
    assert unsound(diagnosis) == []
    assert {c.topic for c in diagnosis.checks} == {"tool", "clone", "files", "staging", "production", "push"}
    for role in ("staging", "production"):
        for name in ("create-only put", "put by ETag", "list after put", "range"):
            assert found(diagnosis, name, role).result is Result.OK
    assert found(diagnosis, "git-data/finalize").result is Result.OK


def test_nothing_is_left_in_the_stores(world: World, ana: Clone) -> None:
    before = {p for p in (world.root / "store").rglob("*") if p.is_file()}
    look(ana, offline=False, refresh=True)
    after = {p for p in (world.root / "store").rglob("*") if p.is_file() and p.name != ".lock"}
    assert after <= before


def test_the_command(ana: Clone) -> None:
    done = ana.data("doctor")
    assert "staging" in done.out
    assert "ok      put by ETag" in done.out
    document = ana.json("doctor", "--offline")
    assert document["schema"] == "git-data/doctor/1"
    assert document["failed"] is False
    assert {c["result"] for c in document["checks"]} == {"ok", "skipped"}
    (ana.path / "manifest.json").write_text("{")
    broken = ana.data("doctor", "--offline", "-q", code=1)
    assert "fail    manifest" in broken.out
    assert "fix: git checkout HEAD -- manifest.json" in broken.out
    assert "ok  " not in broken.out


@pytest.mark.parametrize("columns", ["80", "140"])
def test_lines_fit_the_terminal(ana: Clone, columns: str) -> None:
    ana.git("config", "data.remote.staging.url", "s3://bucket")
    out = ana.data("doctor", code=1, env={"COLUMNS": columns}).out
    long = [line for line in out.splitlines() if len(line) > int(columns)]
    assert [line for line in long if "/" not in line and "fix: " not in line] == []
    assert any(int(columns) - 20 < len(line) <= int(columns) for line in out.splitlines())


# What can be wrong with a clone


def no_hooks(clone: Clone) -> None:
    for hook in (clone.path / ".git" / "hooks").glob("p*"):
        hook.unlink()


def foreign_hook(clone: Clone) -> None:
    hook = clone.path / ".git" / "hooks" / "pre-push"
    hook.write_text("#!/bin/sh\nexit 0\n")
    hook.chmod(0o755)


def old_file(path: Path, age: float = 2 * DAY) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"left over")
    os.utime(path, (time.time() - age,) * 2)


def damaged_journal(clone: Clone) -> None:
    for file in (clone.path / ".git" / "data").glob("journal.db*"):
        file.unlink()
    (clone.path / ".git" / "data" / "journal.db").write_bytes(b"SQLite format 3\0" + b"?" * 5000)


def not_ignored(clone: Clone) -> None:
    clone.write(".gitignore", "")


def only_copy(clone: Clone) -> None:
    clone.git("config", "data.cache", "none")
    clone.write("b.csv", "2\n")
    clone.data("add", "b.csv")


def shallow(clone: Clone) -> None:
    (clone.path / ".git" / "shallow").write_text(clone.git("rev-parse", "HEAD").out)


GONE_PID = 2**22 - 3
FAULTS: dict[str, tuple[Callable[[Clone], object], str, Result, str]] = {
    "no hooks": (no_hooks, "hooks", Result.WARN, "git data install"),
    "a hook of somebody else": (foreign_hook, "hooks", Result.WARN, "git data install --append"),
    "no driver": (
        lambda c: c.git("config", "--remove-section", "merge.git-data"),
        "merge driver", Result.WARN, "git data install",
    ),
    "no driver that shows the data": (
        lambda c: c.git("config", "--unset", "diff.git-data.textconv"),
        "diff driver", Result.WARN, "git data install",
    ),
    "a driver of an earlier release": (
        lambda c: c.git("config", "diff.git-data.xfuncname", r'^    "(.*)": \{$'),
        "diff driver", Result.WARN, "git data install",
    ),
    "no attribute": (
        lambda c: c.write(".gitattributes", ""), "merge driver", Result.WARN, "git data init",
    ),
    "attributes of an earlier release": (
        lambda c: c.write(".gitattributes", "manifest.json text eol=lf merge=git-data\n"),
        "diff driver", Result.WARN, "git data init",
    ),
    "a misspelt setting": (
        lambda c: c.git("config", "data.autopul", "always"),
        "unknown settings", Result.WARN, "git config --unset-all data.autopul",
    ),
    "a setting tracked files may not have": (
        lambda c: c.git("config", "-f", ".gitdata", "data.dotenv", ".env"),
        "unknown settings", Result.WARN, "git data config",
    ),
    "a setting of nonsense": (
        lambda c: c.git("config", "data.autoPull", "perhaps"),
        "settings", Result.FAIL, "git config data.autoPull cache",
    ),
    "a cache of nonsense": (
        lambda c: c.git("config", "data.cacheSize", "much"),
        "settings", Result.FAIL, "git config data.cacheSize 10g",
    ),
    "a grace of nonsense": (
        lambda c: c.git("config", "data.grace", "never"), "settings", Result.FAIL, "git config data.grace 14",
    ),
    "an unreadable .gitdata": (
        lambda c: c.write(".gitdata", "[data"), "settings", Result.FAIL, "git checkout HEAD -- .gitdata",
    ),
    "a manifest in conflict": (
        lambda c: c.write("manifest.json", "<<<<<<< HEAD\n"),
        "manifest", Result.FAIL, "git data resolve",
    ),
    "a damaged journal": (damaged_journal, "journal", Result.FAIL, "journal.damaged"),
    "a shallow clone": (shallow, "history", Result.WARN, "git fetch --unshallow"),
    "a partial clone": (
        lambda c: c.git("config", "remote.origin.promisor", "true"), "history", Result.WARN, "--refetch",
    ),
    "case Git is wrong about": (
        lambda c: c.git("config", "core.ignoreCase", "true"), "letters", Result.WARN, "core.ignoreCase false",
    ),
    "a cache bigger than the disk": (
        lambda c: c.git("config", "data.cacheSize", "9000t"), "disk", Result.WARN, "data.cacheSize ",
    ),
    "an old index.lock": (
        lambda c: old_file(c.path / ".git" / "index.lock"), "index lock", Result.WARN, "rm ",
    ),
    "temporary files of a killed run": (
        lambda c: old_file(c.path / ".git" / "data" / "cache" / "tmp" / f".git-data-tmp-{GONE_PID}-x"),
        "left-overs", Result.WARN, "git data doctor --fix",
    ),
    "a dataset Git does not ignore": (not_ignored, "ignored", Result.WARN, "git data doctor --fix"),
    "a dataset Git tracks": (
        lambda c: c.git("add", "-f", "a.csv"), "tracked", Result.WARN, "git rm --cached -r -- a.csv",
    ),
    "bytes in one file only": (only_copy, "only copies", Result.WARN, "git data upload b.csv"),
    "a crash": (
        lambda c: old_file(c.path / ".git" / "data" / "crash.log", age=DAY), "crash", Result.WARN, "cat ",
    ),
    "addresses nobody confirmed": (
        lambda c: (c.path / ".git" / "data" / "trust").unlink(), "trust", Result.WARN, "git data trust",
    ),
    "one store is missing": (
        lambda c: c.git("config", "-f", ".gitdata", "--unset", "data.remote.production.url"),
        "trust", Result.FAIL, "git config data.remote.production.url",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_the_clone(ana: Clone, fault: str) -> None:
    breaks, name, result, fix = FAULTS[fault]
    breaks(ana)
    check = found(look(ana), name)
    assert check.result is result, check
    assert any(fix in line for line in check.fix), check.fix


@pytest.mark.parametrize(
    "fault",
    [
        "no hooks",
        "no driver",
        "no driver that shows the data",
        "a driver of an earlier release",
        "temporary files of a killed run",
        "a dataset Git does not ignore",
    ],
)
def test_fix_puts_right_what_is_safe(ana: Clone, fault: str) -> None:
    breaks, name, _, _ = FAULTS[fault]
    breaks(ana)
    before = ana.git("status", "--porcelain").out
    diagnosis = look(ana, fix=True)
    assert found(diagnosis, name).result is Result.OK
    assert len(diagnosis.repaired) == 1
    again = look(ana, fix=True)
    assert again.repaired == []
    if name != "ignored":
        assert ana.git("status", "--porcelain").out == before


def test_folders_of_killed_comparisons_are_removed_and_nothing_else(
    ana: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temp"))
    old_file(tmp_path / "temp" / "git-data-tables-old" / "spilled" / "rows")
    old_file(tmp_path / "temp" / "git-data-tables-young" / "rows")
    old_file(tmp_path / "temp" / "git-data-tables-used" / "spilled" / "rows", age=60)
    old_file(tmp_path / "temp" / "git-data-tables-others" / "rows")
    old_file(tmp_path / "temp" / "git-data-tables-file")
    old_file(tmp_path / "elsewhere" / "rows")
    (tmp_path / "temp" / "git-data-tables-old" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "temp" / "git-data-tables-link").symlink_to(tmp_path / "elsewhere")
    long_ago = (time.time() - 2 * DAY,) * 2
    for name in ("old/link", "old/spilled", "old", "used/spilled", "used", "others", "link"):
        os.utime(tmp_path / "temp" / f"git-data-tables-{name}", long_ago, follow_symlinks=False)
    if os.getuid() == 0:
        os.chown(tmp_path / "temp" / "git-data-tables-others", 12345, -1)
    else:
        shutil.rmtree(tmp_path / "temp" / "git-data-tables-others")
    kept = {path.name for path in (tmp_path / "temp").iterdir()} - {"git-data-tables-old"}
    check = found(look(ana), "left-overs")
    assert check.result is Result.WARN
    assert check.said.endswith("temp/git-data-tables-old")
    assert found(look(ana, fix=True), "left-overs").result is Result.OK
    assert {path.name for path in (tmp_path / "temp").iterdir()} == kept
    assert (tmp_path / "elsewhere" / "rows").exists()


def test_a_driver_that_lacks_is_named_by_what_it_does(ana: Clone) -> None:
    ana.git("config", "--unset", "diff.git-data.textconv")
    checks = look(ana)
    assert found(checks, "merge driver").result is Result.OK
    assert "none of the data" in found(checks, "diff driver").said
    ana.git("config", "--remove-section", "merge.git-data")
    ana.git("config", "--remove-section", "diff.git-data")
    fixed = look(ana, fix=True)
    assert found(fixed, "merge driver").result is found(fixed, "diff driver").result is Result.OK


def test_fix_leaves_alone_what_is_not_ours_or_young(ana: Clone) -> None:
    young = ana.path / ".git" / "data" / f".git-data-tmp-{GONE_PID}-y"
    alive = ana.path / ".git" / "data" / f".git-data-tmp-{os.getpid()}-y"
    other = ana.path / ".git" / "data" / "somebody.tmp"
    old_file(young, age=60)
    old_file(alive)
    old_file(other)
    old_file(ana.path / ".git" / "index.lock")
    foreign_hook(ana)
    look(ana, fix=True)
    assert young.exists()
    assert alive.exists()
    assert other.exists()
    assert (ana.path / ".git" / "index.lock").exists()
    assert (ana.path / ".git" / "hooks" / "pre-push").read_text() == "#!/bin/sh\nexit 0\n"


def test_every_choice_is_looked_at() -> None:
    assert set(doctor_clone.CHOICES) == set(settings._CHOICES)
    plain = {k.name for k in settings.KEYS if k.default is not None and not k.name.startswith("data.remote.")}
    assert {*doctor_clone.CHOICES, *doctor_clone.SIZES, *doctor_clone.NUMBERS} == plain


def test_what_is_published_has_another_copy_though_the_journal_is_lost(world: World, ana: Clone) -> None:
    ana.git("config", "data.cache", "none")
    ana.write("b.csv", "2\n")
    ana.data("add", "b.csv")
    ana.commit()
    ana.git("push", "-q")
    world.publish(ana)
    ana.git("pull", "-q")
    for file in (ana.path / ".git" / "data").glob("journal.db*"):
        file.unlink()
    assert found(look(ana), "only copies").result is Result.OK


# The tool


def test_outside_of_a_repository(tmp_path: Path) -> None:
    diagnosis = doctor(tmp_path)
    assert found(diagnosis, "repository").result is Result.SKIPPED
    assert {c.topic for c in diagnosis.checks} == {"tool", "clone"}
    assert not diagnosis.is_failed


def test_before_init(tmp_path: Path) -> None:
    clone = Clone(tmp_path)
    clone.git("init", "-q", ".")
    check = found(doctor(tmp_path), "repository")
    assert (check.result, check.fix) == (Result.WARN, ("git data init",))
    assert clone.data("doctor").code == 0


def test_a_bare_repository(world: World, ana: Clone) -> None:
    ana.git("push", "-q")
    names = {c.name: c.result for c in doctor(world.origin, offline=True).checks}
    assert names["datasets"] is Result.SKIPPED
    assert "tracked" not in names


def test_another_program_of_the_name(ana: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "bin" / "git-data"
    other.parent.mkdir()
    other.write_text("#!/bin/sh\necho lake 1.17\n")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", f"{other.parent}{os.pathsep}{os.environ['PATH']}")
    assert found(look(ana), "git data").result is Result.FAIL
    other.write_text("#!/bin/sh\necho git-data version 0.0.9\n")
    check = found(look(ana), "git data")
    assert check.result is Result.WARN
    assert "0.0.9" in check.said
    git = shutil.which("git")
    assert git is not None
    other.unlink()
    (other.parent / "git").symlink_to(git)
    monkeypatch.setenv("PATH", str(other.parent))
    assert "not on PATH" in found(look(ana), "git data").said


def test_a_relative_path(ana: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    """S09: programs that a repository ships."""
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}{os.pathsep}.")
    assert found(look(ana), "PATH").result is Result.WARN


def test_an_old_git(ana: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    from git_datamanager.workspace.git import Git

    monkeypatch.setattr(Git, "version", (2, 30, 1))
    assert found(look(ana), "git").result is Result.FAIL


# Stores


def test_a_store_that_is_away(world: World, ana: Clone) -> None:
    (world.root / "store" / "staging").rename(world.root / "store" / "gone")
    diagnosis = look(ana, offline=False)
    check = found(diagnosis, "store", "staging")
    assert check.result is Result.FAIL
    assert "no folder" in check.said
    assert found(diagnosis, "store", "production").result is Result.OK
    assert diagnosis.is_failed


def test_untrusted_stores_are_sent_nothing(ana: Clone) -> None:
    (ana.path / ".git" / "data" / "trust").unlink()
    diagnosis = look(ana, offline=False)
    assert {c.result for c in diagnosis.checks if c.topic in ("staging", "production")} == {Result.SKIPPED}


def test_a_plugin_that_raises_anything(ana: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    def surprise(*_: object) -> None:
        raise KeyError("surprise")

    monkeypatch.setattr(LocalStore, "stat_object", surprise)
    assert "KeyError" in found(look(ana, offline=False), "store", "staging").said


def test_a_probe_is_believed_for_a_week(ana: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    real = doctor_probe.traits
    monkeypatch.setattr(doctor_probe, "traits", lambda a: made.append(a.url) or real(a))  # type: ignore[func-returns-value]
    look(ana, offline=False)
    assert len(made) == 2
    said = found(look(ana, offline=False), "range", "staging").said
    assert ", probed " in said
    assert len(made) == 2
    look(ana, offline=False, refresh=True)
    assert len(made) == 4
    now = time.time()
    monkeypatch.setattr(doctor_probe.time, "time", lambda: now + 8 * DAY)
    look(ana, offline=False)
    assert len(made) == 6
    monkeypatch.undo()
    monkeypatch.setattr(doctor_probe, "traits", lambda a: made.append(a.url) or real(a))  # type: ignore[func-returns-value]
    monkeypatch.setattr(doctor_probe, "__version__", "99")
    look(ana, offline=False)
    assert len(made) == 8
    for nonsense in (
        "",
        "[]",
        '{"format": 1, "stores": {"staging": {"url": 1}}}',
        '{"format": 9, "stores": {}}',
    ):
        (ana.path / ".git" / "data" / "doctor.json").write_text(nonsense)
        assert ", probed " not in found(look(ana, offline=False), "range", "staging").said


def test_rights_are_those_of_the_credentials_at_hand(ana: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "write allowed" in found(look(ana, offline=False), "rights", "staging").said

    def refuse(*_: object, **__: object) -> None:
        raise Forbidden("access denied")

    monkeypatch.setattr(LocalStore, "write_object", refuse)
    assert "write refused" in found(look(ana, offline=False), "rights", "staging").said


def leased(world: World, key: str, *, ttl: int, released: bool = False) -> None:
    record = LeaseRecord(
        holder="run 7 of lab/energy", nonce=uuid.uuid4().hex, generation=1, ttl=ttl, released=released
    )
    from git_datamanager import documents

    documents.write(LocalStore(world.folder("production")), key, record, ABSENT)


def test_who_holds_a_lease_is_shown(world: World, ana: Clone) -> None:
    assert "nobody" in found(look(ana, offline=False), "lease", "production").said
    leased(world, "lease", ttl=600)
    check = found(look(ana, offline=False), "lease", "production")
    assert check.result is Result.OK
    assert "held by run 7 of lab/energy, since 2" in check.said
    assert "until 2" in check.said
    leased(world, "lease-gc", ttl=0)
    check = found(look(ana, offline=False), "lease-gc", "production")
    assert check.result is Result.WARN
    assert "expired: run 7 of lab/energy" in check.said


def test_a_lease_that_a_dead_run_left(world: World, ana: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    leased(world, "lease-gc", ttl=7 * DAY)
    assert found(look(ana, offline=False), "lease-gc", "production").result is Result.OK
    real = LocalStore.clock
    monkeypatch.setattr(LocalStore, "clock", lambda store: real(store) + 7 * 3600)
    check = found(look(ana, offline=False), "lease-gc", "production")
    assert check.result is Result.WARN
    assert check.fix[0].startswith("git data gc --break-lease")


def test_a_released_lease_is_free(world: World, ana: Clone) -> None:
    leased(world, "lease", ttl=600, released=True)
    assert "free; run 7" in found(look(ana, offline=False), "lease", "production").said


def test_something_else_in_place_of_a_lease(world: World, ana: Clone) -> None:
    (world.folder("production") / "lease-gc").write_text("hello")
    assert "somebody unknown" in found(look(ana, offline=False), "lease-gc", "production").said
    assert lease.look(LocalStore(world.folder("production")), "lease-gc") is not None


def test_a_clock_that_is_off(ana: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LocalStore, "clock", lambda _: time.time() - DAY)
    check = found(look(ana, offline=False), "clock", "staging")
    assert check.result is Result.WARN
    assert "ahead of the store's" in check.said


# Buckets


@pytest.fixture
def bucket(
    ana: Clone, s3_endpoint: str, s3_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FaultProxy]:
    """Both stores of ana in one bucket, behind a proxy that fails on cue."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEYS["access_key"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEYS["secret_key"])
    with FaultProxy(s3_endpoint) as proxy:
        for role in ("staging", "production"):
            url = f"s3://{s3_bucket}/{role}?endpoint={proxy.url}"
            ana.git("config", f"data.remote.{role}.url", url)
        yield proxy


def owner(endpoint: str) -> Any:
    return boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id=KEYS["access_key"],
        aws_secret_access_key=KEYS["secret_key"],
    )  # fmt: skip


@pytest.mark.slow
def test_a_bucket(ana: Clone, bucket: FaultProxy) -> None:
    diagnosis = look(ana, offline=False)
    assert not diagnosis.is_failed, [c for c in diagnosis.checks if not c.is_sound]
    assert found(diagnosis, "versions", "staging").result is Result.OK
    assert "x-amz-checksum-sha256 is not sent" in found(diagnosis, "client settings", "staging").said
    check = found(diagnosis, "rights", "production")
    assert check.result is Result.WARN
    assert "only CI should" in check.said


@pytest.mark.slow
def test_a_bucket_that_ignores_conditions(ana: Clone, bucket: FaultProxy) -> None:
    bucket.on("PUT", drop_header("If-None-Match"), times=99)
    diagnosis = look(ana, offline=False)
    assert found(diagnosis, "create-only put", "staging").result is Result.FAIL
    assert "--unsafe-single-writer" in found(diagnosis, "create-only put", "staging").said


@pytest.mark.slow
def test_a_bucket_with_versions_and_unfinished_uploads(
    ana: Clone,
    bucket: FaultProxy,
    s3_endpoint: str,
    s3_bucket: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = owner(s3_endpoint)
    client.put_bucket_versioning(Bucket=s3_bucket, VersioningConfiguration={"Status": "Enabled"})
    client.create_multipart_upload(Bucket=s3_bucket, Key="staging/objects/aa/x")
    client.create_multipart_upload(Bucket=s3_bucket, Key="elsewhere/objects/aa/x")
    diagnosis = look(ana, offline=False)
    check = found(diagnosis, "versions", "staging")
    assert check.result is Result.WARN
    assert "erasure" in check.said
    check = found(diagnosis, "unfinished uploads", "staging")  # moto dates them 2010
    assert check.result is Result.WARN
    assert "1 older than 7 days, the first of objects/aa/x" in check.said
    assert found(diagnosis, "unfinished uploads", "production").result is Result.OK
    real = s3care.unfinished
    monkeypatch.setattr(s3care, "unfinished", lambda b: [u._replace(begun=time.time()) for u in real(b)])
    check = found(look(ana, offline=False), "unfinished uploads", "staging")
    assert check.said == "1, none older than 7 days"


@pytest.mark.slow
def test_credentials(ana: Clone, bucket: FaultProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket.on("HEAD", error(400, "ExpiredToken"), times=9)
    bucket.on("GET", error(400, "ExpiredToken"), times=99)
    check = found(look(ana, offline=False), "credentials", "staging")
    assert check.result is Result.FAIL
    assert "expired" in check.said
    bucket.faults.clear()
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "one half" in found(look(ana, offline=False), "credentials", "staging").said
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    check = found(look(ana, offline=False), "credentials", "production")
    assert "no credentials" in check.said
    assert "git config data.remote.production.profile PROFILE" in check.fix


@pytest.mark.slow
def test_a_reader_is_told_what_it_cannot_see(ana: Clone, bucket: FaultProxy) -> None:
    for method in ("PUT", "HEAD", "GET", "DELETE", "POST"):
        bucket.on(method, denied, times=999)
    diagnosis = look(ana, offline=False)
    assert found(diagnosis, "rights", "staging").result is Result.WARN
    for name in ("probe", "versions", "unfinished uploads", "lease-gc"):
        assert found(diagnosis, name, "staging").result is Result.SKIPPED
    assert not any(c.result is Result.FAIL for c in diagnosis.checks if c.topic == "staging")


def test_offline_sends_nothing_and_no_secret_is_shown(ana: Clone, bucket: FaultProxy) -> None:
    out = ana.data("doctor", "--offline").text + ana.data("doctor", "--offline", "--json").text
    assert bucket.seen == []
    assert KEYS["secret_key"] not in out
    assert "botocore" not in out


def test_nobody_listens(ana: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    for role in ("staging", "production"):
        ana.git("config", f"data.remote.{role}.url", f"s3://bucket/{role}?endpoint=http://127.0.0.1:9")
    diagnosis = look(ana, offline=False)
    assert {c.name: c.result for c in diagnosis.checks if c.topic == "staging"} == {"store": Result.FAIL}


# The push


def test_a_push_without_rights(ana: Clone) -> None:
    ana.git("push", "-q")
    with FaultProxy("http://127.0.0.1:9") as host:
        host.on("GET", error(403, "Forbidden"), times=99)
        ana.git("config", "remote.origin.pushurl", f"{host.url}/lab/energy.git")
        check = found(look(ana, offline=False), "main", "push")
    assert check.result is Result.WARN
    assert "cannot be pushed" in check.said
    ana.git("config", "remote.origin.pushurl", str(ana.path / "nowhere"))
    assert found(look(ana, offline=False), "main", "push").result is Result.SKIPPED


def test_a_remote_that_is_away_is_no_secret(ana: Clone) -> None:
    ana.git("config", "remote.origin.url", str(ana.path / "nowhere"))
    check = found(look(ana, offline=False), "finalize", "push")
    assert check.result is Result.WARN
    assert check.fix


def test_the_dry_push_changes_nothing_and_runs_no_hook(world: World, ana: Clone) -> None:
    ana.git("push", "-q")
    hook = ana.path / ".git" / "hooks" / "pre-push"
    hook.write_text("#!/bin/sh\ntouch ran\nexit 1\n")
    before = ana.git("ls-remote", "origin").out
    assert found(look(ana, offline=False), "main", "push").result is Result.OK
    assert ana.git("ls-remote", "origin").out == before
    assert not (ana.path / "ran").exists()


def test_the_journal_of_a_newer_tool(ana: Clone) -> None:
    """It is left alone and can be read; nothing is wrong with it."""
    with closing(sqlite3.connect(ana.path / ".git" / "data" / "journal.db")) as database:
        database.execute("PRAGMA user_version = 99")
    assert found(look(ana), "journal").result is Result.OK


def test_the_skew_is_that_of_signatures() -> None:
    assert doctor_stores.SKEW == 180
