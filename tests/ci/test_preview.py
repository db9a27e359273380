"""`git data preview` in a clone: the bytes, the base's settings, and what cannot be asked."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.ci.fakehost import PROJECT, TOKEN, fake_host
from tests.world import Clone, World


def make_template(world: World, ana: Clone) -> None:
    """One dataset, published; in the clone ana a branch with its next version, not pushed."""
    ana.write("prices.csv", "one")
    ana.data("add", "prices.csv")
    ana.commit("one")
    ana.git("push", "-q")
    world.publish(ana)
    ana.git("pull", "-q")
    ana.git("switch", "-q", "-c", "next")
    ana.write("prices.csv", "three")
    ana.data("add", "prices.csv")
    ana.commit("two")


def preview(clone: Clone, *args: str, code: int = 0, env: dict[str, str] | None = None) -> dict:
    done = clone.data("preview", "--base", "origin/main", "--json", *args, code=code, env=env)
    return json.loads(done.out)


def errors(document: dict) -> list[str]:
    return [f["text"] for f in document["findings"] if f["level"] == "error"]


def staged(world: World, ana: Clone) -> Path:
    return world.object("staging", ana.versions("prices.csv")[0]["oid"].removeprefix("sha256:"))


def rewrite(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)


def test_a_good_request(world: World, ana: Clone, tmp_path: Path) -> None:
    found = preview(ana, "--out", str(tmp_path / "out"))
    (change,) = found["changes"]
    assert (change["version"], change["after"], change["delta"], change["bytes"]) == (
        "v2",
        "pending",
        2,
        "staging",
    )
    assert found["verdict"] == "ok"
    assert json.loads((tmp_path / "out" / "preview.json").read_text()) == found
    assert (
        "| `prices.csv` | v2 | new, goes live | 5 B | +2 B | – | \\+1\u00a0column\\, −1\u00a0column "
        "| staging (size) |" in (tmp_path / "out" / "preview.md").read_text()
    )


def trash(world: World, ana: Clone) -> None:
    path = staged(world, ana)
    target = world.folder("staging") / "trash" / "objects" / path.parent.name / path.name
    target.parent.mkdir(parents=True)
    path.rename(target)


@pytest.mark.parametrize(
    ("spoil", "verify", "said"),
    [
        (lambda w, a: staged(w, a).unlink(), False, "its bytes are not in staging"),
        (trash, False, "its bytes are not in staging"),
        (lambda w, a: rewrite(staged(w, a), b"four"), False, "holds 4 bytes of it, the manifest says 5"),
        (lambda w, a: rewrite(staged(w, a), b"THREE"), True, "other bytes"),
    ],
)
def test_staged_bytes_that_are_missing_or_wrong(
    world: World, ana: Clone, spoil: Callable[[World, Clone], None], verify: bool, said: str
) -> None:
    spoil(world, ana)
    found = preview(ana, *(["--verify"] if verify else []), code=1)
    assert said in errors(found)[0]
    assert found["findings"][0]["line"] == next(
        n for n, line in enumerate(ana.read("manifest.json").decode().splitlines(), 1)
        if ana.versions("prices.csv")[0]["id"] in line
    )  # fmt: skip


def test_all_bytes_are_read_on_request(ana: Clone) -> None:
    assert preview(ana, "--verify")["changes"][0]["checked"] == "sha256-streamed"


@pytest.mark.slow
def test_a_rollback_needs_no_staged_bytes_while_its_target_is_live(world: World, ana: Clone) -> None:
    ana.git("switch", "-q", "main")
    ana.git("merge", "-q", "next")
    ana.git("push", "-q")
    world.publish(ana)
    ana.git("pull", "-q")
    ana.git("switch", "-q", "-c", "back")
    ana.data("rollback", "prices.csv", "--to", "v1")
    ana.commit("back")
    for path in (world.folder("staging") / "objects").rglob("*"):
        if path.is_file():
            path.unlink()
    assert preview(ana)["changes"][0]["bytes"] == "production"


def test_production_counts_only_for_what_the_base_has_live(world: World, ana: Clone) -> None:
    """Bytes that lie there without anything live may go while the request waits."""
    path = staged(world, ana)
    target = world.object("production", path.name)
    target.parent.mkdir(parents=True, exist_ok=True)
    path.rename(target)
    assert "not in staging" in errors(preview(ana, code=1))[0]


@pytest.mark.slow
def test_what_was_missing_before_is_no_fault_of_this_request(world: World, ana: Clone) -> None:
    ana.git("push", "-q", "origin", "next:main")
    ana.git("fetch", "-q")
    staged(world, ana).unlink()
    ana.write("other.csv", "x")
    ana.data("add", "other.csv")
    ana.commit("other")
    found = preview(ana)
    assert errors(found) == []
    assert "prices.csv v2" in [f["subject"] for f in found["findings"]]


@pytest.mark.slow
def test_a_copied_id_that_has_a_receipt(world: World, ana: Clone) -> None:
    """The dataset is taken out of the base by hand; its id comes back with other bytes."""
    manifest = ana.manifest()
    old = manifest["datasets"]["prices.csv"]["versions"][1]["id"]
    ana.git("switch", "-q", "main")
    ana.write("manifest.json", '{"format": "git-data/manifest/1", "datasets": {}}')
    ana.commit("lose", "-a", "--no-verify")
    ana.git("push", "-q", "--no-verify")
    ana.write("new.csv", "new")
    ana.data("add", "new.csv")
    fresh = ana.versions("new.csv")[0]["id"]
    ana.write("manifest.json", ana.read("manifest.json").decode().replace(fresh, old))
    ana.commit("copy", "-a")
    assert "receipt of its id for other bytes" in errors(preview(ana, code=1))[0]


def test_without_rights_the_manifest_is_checked(ana: Clone) -> None:
    (ana.path / ".git" / "data" / "trust").unlink()
    found = preview(ana)
    assert found["verdict"] == "unchecked"
    assert "trust" in found["bytes_not_asked"] or "tracked" in found["bytes_not_asked"]
    assert "could not be looked for" in errors(preview(ana, "--bytes", "require", code=1))[0]
    assert preview(ana, "--bytes", "none")["verdict"] == "unchecked"


def test_one_object_that_nobody_may_read_blinds_it_not(world: World, ana: Clone) -> None:
    """Under a key that only its author has, for one: the others were not looked at any more."""
    ana.write("more.csv", "more")
    ana.data("add", "more.csv")
    ana.commit("more")
    more = world.object("staging", ana.versions("more.csv")[0]["oid"].removeprefix("sha256:"))
    staged(world, ana).unlink()
    more.unlink()
    more.symlink_to("/etc/passwd")
    found = preview(ana, code=1)
    assert found["verdict"] == "refused"
    assert [text for text in errors(found) if "not in staging" in text] == ["its bytes are not in staging"]
    assert len(errors(found)) == 2


def test_a_store_that_is_away_is_no_verdict(world: World, ana: Clone) -> None:
    world.folder("staging").rename(world.root / "away")
    assert preview(ana, code=7)["verdict"] == "unknown"


def test_stores_and_limits_are_those_of_the_base(world: World, ana: Clone) -> None:
    ana.git("config", "-f", ".gitdata", "data.policy.deletedShare", "100")
    ana.git("config", "-f", ".gitdata", "data.remote.staging.url", "file:../elsewhere")
    ana.data("delete", "prices.csv", "--yes")
    ana.git("add", ".gitdata")
    ana.commit("delete", "--no-verify")
    found = preview(ana, code=1)
    assert "1 published versions are deleted, with 100 % of the live bytes" in errors(found)[0]
    assert preview(ana, "--approve-deletions", "1")["deletions"]["versions"] == 1
    assert preview(ana, "--labels", '["approve-deletions-1"]')["verdict"] == "ok"


@pytest.mark.parametrize("data", ["{", '{"format": "git-data/manifest/9", "datasets": {}}', "<<<<<<< a\n{}"])
def test_a_manifest_that_cannot_be_read(ana: Clone, data: str) -> None:
    ana.write("manifest.json", data)
    ana.commit("break", "-a", "--no-verify")
    found = preview(ana, code=1)
    assert len(errors(found)) == 1
    assert found["changes"] == []


def test_a_manifest_that_is_gone(ana: Clone) -> None:
    ana.git("rm", "-q", "--cached", "manifest.json")
    ana.commit("gone", "--no-verify")
    assert "is gone" in errors(preview(ana, code=1))[0]


@pytest.mark.slow
def test_a_request_that_repairs_the_base_can_pass(ana: Clone) -> None:
    ana.git("switch", "-q", "main")
    good = ana.read("manifest.json")
    ana.write("manifest.json", "{")
    ana.commit("break", "-a", "--no-verify")
    ana.git("push", "-q", "--no-verify")
    ana.write("manifest.json", good)
    ana.commit("repair", "-a", "--no-verify")
    found = preview(ana)
    assert found["verdict"] == "ok"
    assert "cannot be read" in found["findings"][0]["text"]


@pytest.mark.slow
def test_a_shallow_clone_says_what_to_do(world: World, ana: Clone) -> None:
    ana.git("push", "-q", "origin", "next")
    ana.git("switch", "-q", "main")
    ana.git("commit", "-q", "--allow-empty", "-m", "on")
    ana.git("push", "-q")
    shallow = Clone(world.root / "shallow")
    ana.git("clone", "-q", "--depth", "1", "--no-single-branch", f"file://{world.origin}", str(shallow.path))
    done = shallow.data("preview", "--base", "origin/main", "--head", "origin/next", code=128)
    assert "fetch-depth: 0" in done.err


def test_a_commit_that_is_not_there(ana: Clone) -> None:
    assert ana.data("preview", "--base", "nowhere", code=3).err
    assert ana.data("preview", "--base", "--all", code=3).err


def test_a_comment_that_cannot_be_written_is_no_failure(ana: Clone) -> None:
    with fake_host() as host:
        env = {"GITHUB_API_URL": host.url, "GITHUB_REPOSITORY": PROJECT, "GITHUB_TOKEN": TOKEN}
        preview(ana, "--comment", "1", env=env)
        assert "ready to merge" in host.comments[0]["body"]
        assert len(host.comments[0]["body"]) < 65_536
        host.faults = [("PATCH", 403)]
        done = ana.data("preview", "--base", "origin/main", "--comment", "1", env=env)
        assert "may not write comments" in done.err
    done = ana.data("preview", "--base", "origin/main", "--comment", "1")
    assert "no token" in done.err


def table(rows: int) -> str:
    """A CSV that compresses well, and is long enough for that to be tried."""
    return "day,price\n" + "".join(f"{n},{n * n % 977}\n" for n in range(rows))


@pytest.fixture
def encoded(world: World, ana: Clone) -> Path:
    """prices.csv in a next version that staging has compressed and nothing else; its form there."""
    ana.write("prices.csv", table(150_000))
    ana.data("add", "prices.csv")
    ana.commit("three")
    digest = ana.versions("prices.csv")[0]["oid"].removeprefix("sha256:")
    assert not world.object("staging", digest).exists()
    return world.folder("staging") / "zstd" / digest[:2] / digest


def test_bytes_that_are_staged_compressed(ana: Clone, encoded: Path) -> None:
    assert encoded.exists()
    (change,) = [c for c in preview(ana)["changes"] if c["version"] == "v3"]
    assert (change["bytes"], change["checked"]) == ("staging", "zstd")
    (change,) = [c for c in preview(ana, "--verify")["changes"] if c["version"] == "v3"]
    assert change["checked"] == "sha256-streamed"


def test_compressed_bytes_that_are_wrong_or_gone(ana: Clone, encoded: Path) -> None:
    data = encoded.read_bytes()
    rewrite(encoded, data[:-9] + b"x" * 9)
    assert errors(preview(ana, "--verify", code=1))
    encoded.unlink()
    assert "its bytes are not in staging" in errors(preview(ana, code=1))


@pytest.mark.slow
def test_a_delta_counts_where_what_it_builds_on_is_to_be_had(world: World, ana: Clone, encoded: Path) -> None:
    ana.git("push", "-q", "origin", "next:main")
    world.publish(ana)
    ana.git("pull", "-q", "--no-rebase", "origin", "main")
    ana.git("fetch", "-q")
    ana.git("switch", "-q", "-c", "more")
    ana.write("prices.csv", table(150_050))
    ana.data("add", "prices.csv")
    ana.commit("four")
    newest, base = (v["oid"].removeprefix("sha256:") for v in ana.versions("prices.csv")[:2])
    assert any(newest in str(path) for path in world.folder("staging").glob("delta/**/*"))
    (change,) = preview(ana)["changes"]
    assert (change["bytes"], change["checked"]) == ("staging", "delta")
    for store in ("staging", "production"):
        world.object(store, base).unlink(missing_ok=True)
    encoded.unlink(missing_ok=True)
    for path in world.folder("production").glob(f"zstd/*/{base}"):
        path.unlink()
    assert "its bytes are not in staging" in errors(preview(ana, code=1))
