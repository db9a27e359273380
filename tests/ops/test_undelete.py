"""`git data undelete`: deleted versions come back as new ones, while their bytes can be had."""

import pytest

from tests.world import Clone
from tests.yard import Yard, deleted, emptied, published, yard

__all__ = ["deleted", "emptied", "published", "yard"]


def forget_locally(clone: Clone) -> None:
    """No copy of the bytes is left in the clone."""
    (clone.path / "gone.bin").unlink(missing_ok=True)
    for path in (clone.path / ".git/data/cache").glob("??/*"):
        path.unlink()


def test_a_dataset_comes_back_as_a_new_version(emptied: Yard) -> None:
    before = emptied.ana.versions("gone.bin")
    done = emptied.ana.data("undelete", "gone.bin")
    assert "gone.bin  v2" in done.out
    new, old = emptied.ana.versions("gone.bin")
    assert old == before[0], "no tombstone is turned back"
    assert (new["state"], new["oid"], new["rollback_of"]) == ("pending", old["oid"], old["id"])
    assert new["message"] == "Undelete v1"
    assert "gone.bin" in emptied.ana.data("ls").out


@pytest.mark.slow
def test_bytes_that_lie_in_the_trash_alone_are_staged_again(emptied: Yard) -> None:
    """A purge may have looked at the refs already: nobody leans on the trash."""
    emptied.gc("--apply")
    staged = emptied.world.object("staging", emptied.oids["gone.bin"].hex)
    staged.unlink()
    forget_locally(emptied.ana)
    emptied.ana.data("undelete", "gone.bin")
    emptied.ana.commit("bring it back")
    assert staged.exists()
    emptied.trash().unlink()  # purged meanwhile
    emptied.ana.git("push", "-q")
    emptied.publish()
    assert emptied.object().exists()
    emptied.ana.data("pull", "gone.bin")


def test_what_is_purged_is_refused(emptied: Yard) -> None:
    emptied.object().unlink()
    emptied.world.object("staging", emptied.oids["gone.bin"].hex).unlink()
    forget_locally(emptied.ana)
    before = emptied.ana.read("manifest.json")
    done = emptied.ana.data("undelete", "gone.bin", code=3)
    assert "are gone from the stores" in done.err
    assert emptied.ana.read("manifest.json") == before


@pytest.mark.slow
def test_what_is_purged_comes_back_from_a_clone_that_has_it(emptied: Yard) -> None:
    emptied.object().unlink()
    emptied.world.object("staging", emptied.oids["gone.bin"].hex).unlink()
    emptied.ana.data("undelete", "gone.bin")
    emptied.ana.commit("bring it back")
    assert emptied.world.object("staging", emptied.oids["gone.bin"].hex).exists()


@pytest.mark.slow
def test_one_version_of_a_dataset_that_lives(yard: Yard) -> None:
    yard.ana.write("gone.bin", b"second")
    yard.ana.data("add", "gone.bin")
    yard.ana.commit("second")
    yard.ana.git("push", "-q")
    yard.publish()
    yard.ana.data("prune", "gone.bin", "--keep", "1", "--yes")
    yard.ana.commit("prune")
    yard.ana.git("push", "-q")
    yard.publish()
    done = yard.ana.data("undelete", "gone.bin", code=3)
    assert "git data undelete gone.bin@v1" in done.err
    done = yard.ana.data("rollback", "gone.bin", "--to", "v1", code=3)
    assert "git data undelete gone.bin@v1" in done.err
    yard.ana.data("undelete", "gone.bin@v1", "-m", "asked for by Bob")
    assert yard.ana.states("gone.bin") == {"v3": "pending", "v2": "published", "v1": "deleted"}
    assert yard.ana.versions("gone.bin")[0]["message"] == "asked for by Bob"


@pytest.mark.slow
def test_all_versions_that_went_together_come_back_in_their_order(yard: Yard) -> None:
    for data in (b"second", b"third"):
        yard.ana.write("gone.bin", data)
        yard.ana.data("add", "gone.bin")
        yard.ana.commit("more")
    yard.ana.git("push", "-q")
    yard.publish()
    oids = [v["oid"] for v in yard.ana.versions("gone.bin")]
    yard.delete()
    yard.ana.data("undelete", "gone.bin")
    versions = yard.ana.versions("gone.bin")
    assert [v["oid"] for v in versions] == oids + oids
    assert [v["state"] for v in versions] == ["pending"] * 3 + ["deleted"] * 3


def test_what_is_not_deleted_says_so(yard: Yard) -> None:
    assert "nothing of gone.bin was deleted" in yard.ana.data("undelete", "gone.bin", code=3).err
    done = yard.ana.data("undelete", "gone.bin@v1", code=3)
    assert "git data rollback gone.bin --to v1" in done.err
    yard.ana.data("undelete", "nothing.bin", code=3)


def test_a_dry_run_changes_nothing(emptied: Yard) -> None:
    before = emptied.ana.read("manifest.json")
    assert "gone.bin  v2" in emptied.ana.data("undelete", "gone.bin", "--dry-run").out
    assert emptied.ana.read("manifest.json") == before
