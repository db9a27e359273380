"""The main job, end to end: add → commit → push → merge → publish → pull, on five real revisions.

Played on folder stores and on S3; every pull is compared byte for byte.
"""

import hashlib
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.s3server import KEYS, s3_bucket, s3_endpoint  # noqa: F401 - fixtures
from tests.world import Clone, World, make_database, new_world

NAME = "data/energy.sqlite"
REAL = REPOSITORY.parent / "shared" / "data" / "temoa"


@pytest.fixture(scope="session")
def revisions(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Five successive databases: the real ones, or generated where they are not at hand."""
    real = sorted(REAL.glob("us_national-*.sqlite"))
    if len(real) == 5:
        return real
    folder = tmp_path_factory.mktemp("revisions")
    paths = [folder / f"revision-{n}.sqlite" for n in range(1, 6)]
    for number, path in enumerate(paths):
        make_database(path, 2000 + 100 * number, seed=number)
    return paths


@pytest.fixture(params=["folders", pytest.param("s3", marks=pytest.mark.slow)])
def anywhere(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world whose stores are folders, or two prefixes of a bucket on an S3 server."""
    if request.param == "folders":
        return new_world(tmp_path / "world")
    endpoint = request.getfixturevalue("s3_endpoint")
    bucket = request.getfixturevalue("s3_bucket")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEYS["access_key"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEYS["secret_key"])
    address = f"s3://{bucket}/{{}}?endpoint={endpoint}&region=us-east-1"
    return new_world(
        tmp_path / "world", staging=address.format("staging"), production=address.format("production")
    )


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def propose(clone: Clone, branch: str, *commands: tuple[str, ...]) -> None:
    """A contributor's road: branch, commands, commit, push."""
    clone.git("switch", "-q", "-c", branch)
    for command in commands:
        clone.data(*command)
    clone.commit(branch)
    clone.git("push", "-q", "-u", "origin", branch)


def merge(clone: Clone, branch: str) -> None:
    """What the host does when the request is merged."""
    clone.git("switch", "-q", "main")
    clone.git("pull", "-q", "--no-rebase")
    clone.git("merge", "-q", "--no-ff", "-m", f"Merge {branch}", branch)
    clone.git("push", "-q", "origin", "main")


def follow(clone: Clone) -> None:
    clone.git("pull", "-q", "--no-rebase")
    clone.data("pull")


def test_the_whole_story(anywhere: World, revisions: list[Path]) -> None:
    ana = anywhere.found("ana")
    ben = anywhere.clone("ben")

    for number, revision in enumerate(revisions, 1):
        ana.write(NAME, revision.read_bytes())
        propose(ana, f"revision-{number}", ("add", NAME, "-m", f"revision {number}"))
        ben.git("fetch", "-q")
        merge(ana, f"revision-{number}")
        published = anywhere.publish(ana).text
        assert f"v{number}" in published
        follow(ben)
        assert digest(ben.path / NAME) == digest(revision)
        assert ben.data("status", "--porcelain").out == ""
    assert set(ben.states(NAME).values()) == {"published"}
    assert ben.git("status", "--porcelain").out == ""

    ben.data("pull", f"{NAME}@v1")
    assert digest(ben.path / NAME) == digest(revisions[0])
    assert "S v5" in ben.data("status", "--porcelain").out

    follow(ana)
    propose(ana, "rollback", ("rollback", NAME, "--to", "v2"))
    merge(ana, "rollback")
    anywhere.publish(ana)
    follow(ben)
    assert ben.versions(NAME)[0]["state"] == "published"
    assert ben.versions(NAME)[0]["rollback_of"] == ben.versions(NAME)[4]["id"]
    assert digest(ben.path / NAME) == digest(revisions[1])

    follow(ana)
    propose(ana, "prune", ("prune", NAME, "--keep", "2", "--yes"))
    merge(ana, "prune")
    anywhere.publish(ana)
    follow(ben)
    states = ben.states(NAME)
    assert [states[f"v{n}"] for n in range(1, 7)] == ["deleted"] * 4 + ["published"] * 2
    assert digest(ben.path / NAME) == digest(revisions[1]), "pruning v2 must not harm its rollback v6"
    ben.data("fsck", "--remote")
    (ben.path / NAME).unlink()
    ben.data("pull", "--from", "production")
    assert digest(ben.path / NAME) == digest(revisions[1])

    follow(ana)
    propose(ana, "delete", ("delete", NAME, "--yes", "-m", "superseded"))
    merge(ana, "delete")
    anywhere.publish(ana)
    ben.git("pull", "-q", "--no-rebase")
    assert set(ben.states(NAME).values()) == {"deleted"}
    assert ben.manifest()["datasets"][NAME]["state"] == "deleted"
    assert ben.data("ls").out == ""
    assert "superseded" in ben.read("manifest.json").decode()
    assert ben.data("pull", NAME, code=3).err.startswith("error: ")
    assert digest(ben.path / NAME) == digest(revisions[1]), "the working file stays"


def test_publishing_again_changes_nothing(anywhere: World, tmp_path: Path) -> None:
    ana = anywhere.found("ana")
    ana.write("prices.csv", "year,price\n2025,1\n")
    ana.data("add", "prices.csv")
    ana.commit("Add prices")
    ana.git("push", "-q")
    anywhere.publish(ana)
    tip = ana.git("ls-remote", "origin", "main").out
    assert "nothing is pending" in anywhere.publish(ana).text
    assert ana.git("ls-remote", "origin", "main").out == tip


@pytest.mark.slow
def test_two_requests_for_one_dataset_are_both_published(world: World) -> None:
    """R17: two updates of one dataset never share a version number."""
    ana = world.found("ana")
    ana.write("a.csv", "1\n")
    ana.data("add", "a.csv")
    ana.commit("one")
    ana.git("push", "-q")
    ben = world.clone("ben")
    ben.data("install")
    ana.write("a.csv", "2\n")
    propose(ana, "two", ("add", "a.csv"))
    ben.data("pull")
    ben.write("a.csv", "3\n")
    propose(ben, "three", ("add", "a.csv"))
    merge(ana, "two")
    ben.git("fetch", "-q")
    ben.git("switch", "-q", "three")
    ben.git("merge", "-q", "-m", "take main in", "origin/main")
    ben.git("push", "-q", "origin", "three")
    merge(ben, "three")
    world.publish(ana)
    ana.git("pull", "-q")
    assert ana.states("a.csv") == {"v1": "published", "v2": "published", "v3": "published"}
    for number, content in enumerate((b"1\n", b"2\n", b"3\n"), 1):
        ana.data("pull", f"a.csv@v{number}", "-o", f"out-{number}")
        assert content in [ana.read(f"out-{n}") for n in range(1, number + 1)]
