"""`git data publish`: idempotent, each entry on its own, never by force."""

import json
import subprocess
import threading
from pathlib import Path

import pytest

from git_datamanager.model.ulid import new_ulid
from tests.world import Clone, World

UPDATE_HOOK = """#!/bin/sh
# a protected branch: nobody pushes to it directly
[ "$1" = refs/heads/main ] && [ -e "$GIT_DIR/protected" ] && { echo "GH006: Protected branch" >&2; exit 1; }
exit 0
"""


@pytest.fixture
def ana(world: World) -> Clone:
    return world.found("ana")


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
