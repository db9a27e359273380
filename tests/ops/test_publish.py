"""`git data publish`: idempotent, each entry on its own, never by force."""

import dataclasses
import json
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from git_datamanager import lease
from git_datamanager.errors import DataError, Locked
from git_datamanager.events import Event, Kind
from git_datamanager.manager import DataManager
from git_datamanager.model import evolve
from git_datamanager.model.layout import LEASE
from git_datamanager.model.ulid import new_ulid
from git_datamanager.objects import ObjectStore
from git_datamanager.ops.publishing.branch import RemoteBranch
from git_datamanager.ops.publishing.publish import Report, publish
from git_datamanager.storage.base import ANYTHING, Stat
from git_datamanager.storage.wrappers import Wrapper
from tests.world import Clone, World

UPDATE_HOOK = """#!/bin/sh
# a protected branch: nobody pushes to it directly
[ "$1" = refs/heads/main ] && [ -e "$GIT_DIR/protected" ] && { echo "GH006: Protected branch" >&2; exit 1; }
exit 0
"""


def merged(clone: Clone, **files: str) -> None:
    """Files added, committed and on main."""
    for name, content in files.items():
        clone.write(name.replace("_", "."), content)
        clone.data("add", name.replace("_", "."))
    clone.commit("Add " + ", ".join(files))
    clone.git("push", "-q")


def oid_of(clone: Clone, name: str, version: int = 0) -> str:
    return clone.versions(name)[version]["oid"].removeprefix("sha256:")


def damage(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)


def tip(world: World, branch: str = "main") -> dict:
    out = subprocess.run(
        ["git", "show", f"{branch}:manifest.json"], cwd=world.origin, capture_output=True, check=True
    ).stdout
    return json.loads(out)


def states(world: World, name: str) -> list[str]:
    return [v["state"] for v in tip(world)["datasets"][name]["versions"]]


def test_the_manifest_names_time_and_commit_of_the_merge(world: World, ana: Clone) -> None:
    """R5, R27: commit and times are the entry's own, commit ids are full."""
    ana.git("switch", "-q", "-c", "request")
    merged_commit = ""
    ana.write("a.csv", "1\n")
    ana.data("add", "a.csv")
    ana.commit("on the branch")
    ana.git("switch", "-q", "main")
    ana.git("merge", "-q", "--no-ff", "-m", "Merge the request", "request")
    merged_commit = ana.git("rev-parse", "HEAD").out.strip()
    ana.write("README.md", "unrelated\n")
    ana.git("add", "README.md")
    ana.commit("unrelated")
    ana.git("push", "-q", "origin", "main")
    world.publish(ana)
    version = tip(world)["datasets"]["a.csv"]["versions"][0]
    assert version["commit"] == merged_commit
    assert version["published"] >= version["created"]


def test_a_receipt_says_what_was_checked(world: World, ana: Clone) -> None:
    merged(ana, a_csv="1\n")
    world.publish(ana)
    version = tip(world)["datasets"]["a.csv"]["versions"][0]
    folder = world.folder("production") / "receipts"
    receipt = json.loads((folder / f"{version['id']}.json").read_text())
    assert receipt["oid"] == version["oid"]
    assert receipt["dataset"] == "a.csv"
    assert receipt["verified"].startswith("sha256-")
    assert receipt["commit"] == version["commit"]


def test_one_entry_without_bytes_blocks_no_other(world: World, ana: Clone) -> None:
    """R3: the others go live and the exit status is that of the first."""
    merged(ana, a_csv="1\n", b_csv="2\n", c_csv="3\n")
    world.object("staging", oid_of(ana, "a.csv")).unlink()
    done = world.publish(ana, code=3)
    assert "a.csv v1" in done.err
    assert "stays pending" in done.err
    assert [states(world, f"{n}.csv") for n in "abc"] == [["pending"], ["published"], ["published"]]
    ana.data("upload")
    world.publish(ana)
    assert states(world, "a.csv") == ["published"]


@pytest.mark.parametrize("wrong", [b"X\n", b"longer than it was\n", b""])
def test_staged_bytes_that_were_not_reviewed_are_never_published(
    world: World, ana: Clone, wrong: bytes
) -> None:
    """R10: wrong bytes, of the right size too."""
    merged(ana, a_csv="1\n")
    damage(world.object("staging", oid_of(ana, "a.csv")), wrong)
    done = world.publish(ana, code=6)
    assert "a.csv v1" in done.err
    assert states(world, "a.csv") == ["pending"]
    assert not world.object("production", oid_of(ana, "a.csv")).exists()


def test_wrong_bytes_in_production_are_replaced_from_staging(world: World, ana: Clone) -> None:
    merged(ana, a_csv="1\n")
    target = world.object("production", oid_of(ana, "a.csv"))
    target.parent.mkdir(parents=True)
    target.write_bytes(b"X\n")
    world.publish(ana)
    assert target.read_bytes() == b"1\n"


@pytest.mark.slow
def test_a_run_after_a_killed_one_takes_over_the_copy(world: World, ana: Clone) -> None:
    """The copy is there, its receipt is not: checked, not copied again."""
    merged(ana, a_csv="1\n")
    target = world.object("production", oid_of(ana, "a.csv"))
    target.parent.mkdir(parents=True)
    target.write_bytes(b"1\n")
    world.object("staging", oid_of(ana, "a.csv")).unlink()
    world.publish(ana)
    assert states(world, "a.csv") == ["published"]


def test_equal_bytes_under_two_datasets_both_go_live(world: World, ana: Clone) -> None:
    """R6."""
    merged(ana, a_csv="1\n", b_csv="1\n")
    world.publish(ana)
    assert states(world, "a.csv") == states(world, "b.csv") == ["published"]


@pytest.mark.slow
def test_additions_a_deletion_and_a_rollback_in_one_run(world: World, ana: Clone) -> None:
    """R4."""
    merged(ana, a_csv="1\n", b_csv="2\n")
    world.publish(ana)
    ana.git("pull", "-q")
    merged(ana, a_csv="11\n")
    world.publish(ana)
    ana.git("pull", "-q")
    ana.data("rollback", "a.csv", "--to", "v1")
    ana.data("delete", "b.csv", "--yes")
    ana.write("c.csv", "3\n")
    ana.write("d.csv", "4\n")
    ana.data("add", "c.csv", "d.csv")
    ana.commit("all at once")
    ana.git("push", "-q")
    world.publish(ana)
    assert states(world, "a.csv") == ["published"] * 3
    assert states(world, "b.csv") == ["deleted"]
    assert states(world, "c.csv") == states(world, "d.csv") == ["published"]


def test_a_receipt_for_other_bytes_is_refused(world: World, ana: Clone) -> None:
    """Somebody copied an entry's id: the second one never goes live."""
    merged(ana, a_csv="1\n")
    version = ana.versions("a.csv")[0]
    receipts = world.folder("production") / "receipts"
    receipts.mkdir()
    other = {
        "format": "git-data/receipt/1", "id": version["id"], "dataset": "b.csv", "oid": "sha256:" + "0" * 64,
        "size": 2, "published": "2026-01-01T00:00:00Z", "verified": "sha256-streamed", "actor": "x",
    }  # fmt: skip
    (receipts / f"{version['id']}.json").write_text(json.dumps(other))
    done = world.publish(ana, code=5)
    assert version["id"] in done.err
    assert states(world, "a.csv") == ["pending"]


def test_what_a_forged_receipt_says_is_text(world: World, ana: Clone, tmp_path: Path) -> None:
    """On a terminal and on the page of the job."""
    merged(ana, a_csv="1\n")
    version = ana.versions("a.csv")[0]
    oid = version["oid"].removeprefix("sha256:")
    copy = world.object("production", oid)
    copy.parent.mkdir(parents=True)
    copy.write_bytes(world.object("staging", oid).read_bytes())
    (world.folder("production") / "receipts").mkdir()
    receipt = {
        "format": "git-data/receipt/1", "id": version["id"], "dataset": "a.csv", "oid": version["oid"],
        "size": 2, "published": "2026-01-01T00:00:00Z", "actor": "x",
        "verified": "ok | <img src=x>\x1b[31m\n::error::x",
    }  # fmt: skip
    receipt_of(world, version).write_text(json.dumps(receipt))
    page = tmp_path / "page"
    ana.env |= {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(page)}
    done = world.publish(ana)
    assert "\x1b" not in done.out
    assert "\n::error" not in done.out
    assert "`ok \\u007c <img src=x>\\u001b[31m\\n::error::x` |" in page.read_text()


def test_a_name_in_another_encoding_is_no_obstacle(world: World, ana: Clone) -> None:
    merged(ana, a_csv="1\n")
    world.clone("runner", trust=False)
    with (world.root / "runner" / ".git" / "config").open("ab") as config:
        config.write(b"[user]\n\tname = J\xf6rg\n")
    world.publish(ana)
    assert json.loads(receipt_of(world, ana.versions("a.csv")[0]).read_bytes())["actor"].startswith(
        "J\ufffdrg"
    )


@pytest.mark.slow
def test_a_protected_branch_gets_a_proposal(world: World, ana: Clone) -> None:
    """R13: the finalize commit lies on the bot's branch; merging it finishes the job."""
    merged(ana, a_csv="1\n")
    hook = world.origin / "hooks" / "update"
    hook.write_text(UPDATE_HOOK)
    hook.chmod(0o755)
    (world.origin / "protected").touch()
    before = ana.git("ls-remote", "origin", "main").out
    done = world.publish(ana)
    assert "git-data/finalize" in done.text
    assert ana.git("ls-remote", "origin", "main").out == before
    assert states(world, "a.csv") == ["pending"]
    assert tip(world, "git-data/finalize")["datasets"]["a.csv"]["versions"][0]["state"] == "published"
    world.publish(ana)  # refreshes the proposal
    (world.origin / "protected").unlink()
    ana.git("fetch", "-q")
    ana.git("merge", "-q", "origin/git-data/finalize")
    ana.git("push", "-q")
    assert "nothing is pending" in world.publish(ana).text


@pytest.mark.slow
def test_a_branch_that_refuses_everything_is_an_error(world: World, ana: Clone) -> None:
    """R1: no success is claimed; staging still holds the bytes and the next run ends right."""
    merged(ana, a_csv="1\n")
    hook = world.origin / "hooks" / "update"
    hook.write_text("#!/bin/sh\necho no >&2\nexit 1\n")
    hook.chmod(0o755)
    done = world.publish(ana, code=5)
    assert "error: " in done.err
    assert world.object("staging", oid_of(ana, "a.csv")).exists()
    hook.unlink()
    world.publish(ana)
    assert states(world, "a.csv") == ["published"]


@pytest.mark.slow
def test_commits_that_land_meanwhile_are_kept(world: World, ana: Clone) -> None:
    """R2: the finalize is recomputed on top of whatever came first, three times in a row."""
    merged(ana, a_csv="1\n")
    racer = world.clone("racer")
    # The first three pushes of publish find that somebody was faster.
    hook = world.origin / "hooks" / "pre-receive"
    hook.write_text(
        "#!/bin/sh\n"
        'n=$(cat "$GIT_DIR/count" 2>/dev/null || echo 0)\n'
        '[ "$n" -ge 3 ] && exit 0\n'
        'echo $((n + 1)) > "$GIT_DIR/count"\n'
        f"cd {racer.path} && unset GIT_DIR GIT_QUARANTINE_PATH GIT_OBJECT_DIRECTORY\n"
        "git pull -q && echo $n > note-$n && git add note-$n && git commit -q -m note-$n\n"
        f"git push -q --no-verify {world.origin} main 2>/dev/null\n"
        "exit 0\n"
    )
    hook.chmod(0o755)
    world.publish(ana)
    files = ana.run("git", "-C", str(world.origin), "ls-tree", "--name-only", "main").out.split()
    assert {"note-0"} <= set(files)
    assert states(world, "a.csv") == ["published"]


def test_two_runs_at_once_end_in_one_state(world: World, ana: Clone) -> None:
    merged(ana, **{f"f{n}_csv": f"{n}\n" for n in range(6)})
    runners = [world.clone(f"runner-{n}") for n in range(2)]
    done: list[int] = []

    def run(runner: Clone) -> None:
        done.append(runner.data("publish", code=None).code)

    threads = [threading.Thread(target=run, args=(runner,)) for runner in runners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == [0, 0]
    assert all(states(world, f"f{n}.csv") == ["published"] for n in range(6))


@pytest.mark.slow
def test_a_shallow_clone_is_deepened(world: World, ana: Clone) -> None:
    for number in range(3):
        merged(ana, **{f"f{number}_csv": f"{number}\n"})
    commits = ana.git("log", "--format=%H", "--reverse", "-3").out.split()
    runner = Clone(world.root / "shallow")
    subprocess.run(
        ["git", "clone", "-q", "--depth=1", f"file://{world.origin}", str(runner.path)],
        check=True,
        capture_output=True,
    )
    runner.data("publish", env={"GIT_DATA_TRUST": "1"})
    found = [tip(world)["datasets"][f"f{n}.csv"]["versions"][0]["commit"] for n in range(3)]
    assert found == commits


@pytest.mark.slow
def test_the_work_tree_of_the_runner_is_left_alone(world: World, ana: Clone) -> None:
    merged(ana, a_csv="1\n")
    ana.write("README.md", "mine\n")
    ana.git("switch", "-q", "-c", "elsewhere")
    before = (ana.read("manifest.json"), ana.git("status", "--porcelain").out)
    ana.data("publish")
    assert (ana.read("manifest.json"), ana.git("status", "--porcelain").out) == before
    assert states(world, "a.csv") == ["published"]


def test_without_a_remote_the_branch_and_the_work_tree_follow(world: World) -> None:
    alone = Clone(world.root / "alone")
    alone.path.mkdir()
    alone.git("init", "-q", "-b", "main")
    alone.data("init")
    alone.commit("Set up git data")
    alone.write("a.csv", "1\n")
    alone.data("add", "a.csv")
    alone.commit("one")
    alone.write("b.csv", "2\n")
    alone.data("add", "b.csv")
    alone.data("publish")
    assert alone.states("a.csv") == {"v1": "published"}
    assert alone.states("b.csv") == {"v1": "pending"}, "what is staged beyond the tip is carried over"
    alone.commit("two")
    alone.data("publish")
    assert alone.states("b.csv") == {"v1": "published"}
    assert alone.git("status", "--porcelain").out == ""


@pytest.mark.slow
def test_receipts_alone_with_finalize_none(world: World, ana: Clone) -> None:
    merged(ana, a_csv="1\n")
    world.publish(ana, "--finalize", "none")
    assert states(world, "a.csv") == ["pending"]
    assert world.object("production", oid_of(ana, "a.csv")).read_bytes() == b"1\n"
    world.publish(ana)
    assert states(world, "a.csv") == ["published"]


def test_a_dry_run_changes_nothing(world: World, ana: Clone) -> None:
    merged(ana, a_csv="1\n")
    done = world.publish(ana, "--dry-run")
    assert "a.csv" in done.out
    assert states(world, "a.csv") == ["pending"]
    assert not world.object("production", oid_of(ana, "a.csv")).exists()


@pytest.mark.slow
def test_numbers_that_collide_on_the_branch_are_settled(world: World, ana: Clone) -> None:
    """Merged by a host that knows no drivers: both entries say v1, in the order of their ids."""
    merged(ana, a_csv="1\n")
    manifest = ana.manifest()
    first = manifest["datasets"]["a.csv"]["versions"][0]
    ana.write("b.csv", "2\n")
    ana.data("add", "b.csv")
    second = ana.versions("b.csv")[0]
    twin = {**second, "id": new_ulid()}
    manifest["datasets"]["a.csv"]["versions"] = [twin, first]
    ana.write("manifest.json", json.dumps(manifest, indent=2))
    ana.git("add", "manifest.json")
    ana.data("upload")
    ana.git("commit", "-q", "-m", "collision")
    ana.git("push", "-q")
    world.publish(ana)
    versions = tip(world)["datasets"]["a.csv"]["versions"]
    assert [(v["version"], v["id"]) for v in versions] == [("v2", twin["id"]), ("v1", first["id"])]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--remote", "nowhere"), 3, "no remote 'nowhere'"),
        (("--branch", "nowhere"), 3, "no branch nowhere"),
    ],
)
def test_unknown_remote_or_branch(
    world: World, ana: Clone, arguments: tuple[str, ...], code: int, said: str
) -> None:
    assert said in ana.data("publish", *arguments, code=code).err


def test_an_unreadable_manifest_at_the_tip_stops_the_run(world: World, ana: Clone) -> None:
    merged(ana, a_csv="1\n")
    ana.write("manifest.json", "{")
    ana.git("add", "manifest.json")
    ana.git("commit", "-q", "--no-verify", "-m", "broken")
    ana.git("push", "-q", "--no-verify")
    assert "manifest.json" in world.publish(ana, code=128).err


BAD_TIME = "2026-02-30T00:00:00Z"


def receipt_of(world: World, version: dict) -> Path:
    return world.folder("production") / "receipts" / f"{version['id']}.json"


@pytest.mark.slow
def test_a_receipt_of_a_day_that_never_was_does_not_reach_the_manifest(world: World, ana: Clone) -> None:
    """It was copied into the manifest, which nobody could read then."""
    merged(ana, a_csv="1\n")
    world.publish(ana, "--finalize", "none")
    receipt = receipt_of(world, ana.versions("a.csv")[0])
    damage(
        receipt,
        receipt.read_bytes().replace(b'"published": "2', b'"published": "2026-02-30T00:00:00Z", "x": "'),
    )
    assert "published" in world.publish(ana, code=6).err
    assert states(world, "a.csv") == ["pending"]


real = lease.Lease.check


def manager_of(clone: Clone, store: Wrapper | None = None, events: list[Event] | None = None) -> DataManager:
    """The library, with `store` put around production."""
    manager = DataManager.open(clone.path, progress=(events if events is not None else []).append)
    if store is not None:
        store.inner = manager.store("production").adapter
        manager.remotes._open["production"] = ObjectStore(store, "production")
    return manager


def test_a_manifest_nobody_could_read_is_never_pushed(
    world: World, ana: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    merged(ana, a_csv="1\n")
    finalize = evolve.finalize

    def broken(before: Any, confirmed: dict, *rest: Any) -> Any:
        bad = {k: dataclasses.replace(p, time=BAD_TIME) for k, p in confirmed.items()}
        return finalize(before, bad, *rest)

    monkeypatch.setattr(evolve, "finalize", broken)
    with pytest.raises(DataError, match="was not pushed"):
        publish(manager_of(ana))
    assert states(world, "a.csv") == ["pending"]


class Careless(Wrapper):
    """A store that takes every write."""

    def __init__(self) -> None:
        super().__init__(None)  # type: ignore[arg-type]

    def write_object(self, *args: Any, **more: Any) -> Stat:
        return super().write_object(*args, **more | {"expect": ANYTHING})


def failures(report: Report) -> list[str]:
    return [str(error) for _, error in report.failures]


def test_a_store_without_conditional_writes_is_refused(world: World, ana: Clone) -> None:
    """Unless somebody promises that nobody else writes."""
    merged(ana, a_csv="1\n")
    with pytest.raises(DataError, match="condition is not met") as caught:
        publish(manager_of(ana, Careless()))
    assert caught.value.exit_code == 128
    assert "git data publish --unsafe-single-writer" in caught.value.hints[0]
    assert not world.object("production", oid_of(ana, "a.csv")).exists()
    assert states(world, "a.csv") == ["pending"]
    publish(manager_of(ana, Careless()), unsafe_single_writer=True)
    assert states(world, "a.csv") == ["published"]


def test_the_flag_is_on_the_command_line(world: World, ana: Clone) -> None:
    merged(ana, a_csv="1\n")
    world.publish(ana, "--unsafe-single-writer")
    assert states(world, "a.csv") == ["published"]
    assert not (world.folder("production") / "lease").exists()


def test_the_lease_is_free_afterwards_and_names_who_had_it(world: World, ana: Clone) -> None:
    merged(ana, a_csv="1\n")
    world.publish(ana)
    lease = json.loads((world.folder("production") / "lease").read_bytes())
    assert lease["released"] is True
    assert lease["generation"] == 1
    assert "process" in lease["holder"]


def test_a_lease_that_somebody_holds_is_waited_for_and_named(world: World, ana: Clone) -> None:
    merged(ana, a_csv="1\n")
    store = manager_of(ana).store("production").adapter
    terms = lease.Terms(holder="bob on runner-7", ttl=60, wait=0, renews=False)
    with lease.held(store, LEASE, terms):
        with pytest.raises(Locked, match="bob on runner-7 holds the lease") as caught:
            publish(manager_of(ana), wait=0)
        assert caught.value.exit_code == 5
        assert "git data doctor" in caught.value.hints[0]
        assert states(world, "a.csv") == ["pending"]
    publish(manager_of(ana), wait=0)
    assert states(world, "a.csv") == ["published"]


def test_a_run_that_lost_its_lease_writes_nothing_more(world: World, ana: Clone) -> None:
    merged(ana, a_csv="1\n")

    class Thief(Wrapper):
        """The lease is taken over, and its holder notices, before the first copy."""

        def copy_object(self, *args: Any, **more: Any) -> Stat | None:
            raise AssertionError("nothing may be copied without the lease")

    manager = manager_of(ana, Thief(None))  # type: ignore[arg-type]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lease.Lease, "check", lambda self: (self._lost.set(), real(self)))
        report = publish(manager)
    assert "took the lease over" in failures(report)[0]
    assert states(world, "a.csv") == ["pending"]


def test_every_pass_over_the_bytes_is_shown(world: World, ana: Clone) -> None:
    """Staged bytes read, copied, read again; stopping works in each."""
    merged(ana, a_csv="1\n")
    events: list[Event] = []
    publish(manager_of(ana, events=events))
    for kind in (Kind.PLAN, Kind.ADVANCE):
        assert [e.size for e in events if e.kind is kind] == [2, 2, 2]


def test_a_push_that_gets_nowhere_says_so_at_once(world: World, ana: Clone) -> None:
    """Ten tries with pauses, and then a sentence about a branch that moved on."""
    merged(ana, a_csv="1\n")
    ana.git("remote", "set-url", "--push", "origin", str(world.root / "nowhere.git"))
    done = ana.data("publish", code=7)
    assert "nowhere.git" in done.err
    assert "trying again" not in done.err


def test_a_push_that_was_done_without_an_answer_is_done(
    world: World, ana: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    merged(ana, a_csv="1\n")
    push = RemoteBranch._push
    said = "fatal: the remote end hung up unexpectedly"
    monkeypatch.setattr(RemoteBranch, "_push", lambda *args: str(push(*args)) and said)
    publish(manager_of(ana))
    assert states(world, "a.csv") == ["published"]


def test_a_host_without_a_verdict_that_denies_gets_a_proposal(world: World, ana: Clone) -> None:
    """HTTP 403 and ssh hosts end the connection before any ref is judged."""
    merged(ana, a_csv="1\n")
    deny = world.root / "deny"
    deny.write_text(
        "#!/bin/sh\n"
        "[ -e $0.once ] || { touch $0.once; echo 'remote: Permission to x denied to bot' >&2; exit 1; }\n"
        'exec git-receive-pack "$@"\n'
    )
    deny.chmod(0o755)
    ana.git("config", "remote.origin.receivepack", str(deny))
    assert "git-data/finalize" in ana.data("publish").text
    assert tip(world, "git-data/finalize")["datasets"]["a.csv"]["versions"][0]["state"] == "published"


def test_names_in_hints_can_be_pasted(world: World, ana: Clone) -> None:
    ana.write("a file.csv", "1\n")
    ana.data("add", "a file.csv")
    ana.commit("add")
    ana.git("push", "-q")
    world.object("staging", oid_of(ana, "a file.csv")).unlink()
    assert "git data upload 'a file.csv'" in world.publish(ana, code=3).err
