"""`git data gc`: what nothing names goes to the trash, and later for good; in doubt nothing happens."""

import json

import pytest

from git_datamanager.manager import DataManager
from git_datamanager.model.oid import Oid
from git_datamanager.ops.sweeping import gc
from tests.world import Clone
from tests.yard import DAY, Yard, deleted, emptied, named_after, published, yard

__all__ = ["deleted", "emptied", "published", "yard"]


def test_a_dry_run_changes_nothing_and_says_what_to_run(emptied: Yard) -> None:
    done = emptied.gc()
    assert f"{emptied.oids['gone.bin'].short}" in done.out
    assert "gone.bin v1  would move to the trash" in done.out
    assert "git data gc --apply   # 1 object;" in done.err
    assert emptied.object().exists()
    assert not emptied.trash().exists()
    assert not (emptied.world.folder("production") / "lease-gc").exists()


def test_what_nothing_names_moves_to_the_trash_and_the_rest_stays(emptied: Yard) -> None:
    bytes_before = emptied.object().read_bytes()
    emptied.gc("--apply")
    assert not emptied.object().exists()
    assert emptied.trash().read_bytes() == bytes_before
    assert emptied.object("stays.bin").exists()
    lease = json.loads((emptied.world.folder("production") / "lease-gc").read_bytes())
    assert lease["released"] is True
    records = [json.loads(p.read_bytes()) for p in (emptied.world.folder("production") / "audit").iterdir()]
    assert sorted(r["phase"] for r in records) == ["done", "intent"]
    assert all(r["moved"] == [str(emptied.oids["gone.bin"])] for r in records)


def test_it_is_purged_only_after_the_grace(emptied: Yard) -> None:
    emptied.gc("--apply")
    emptied.age(emptied.trash(), 13)
    emptied.gc("--apply", "--purge")
    assert emptied.trash().exists()
    emptied.age(emptied.trash(), 15)
    emptied.gc("--apply")
    assert emptied.trash().exists(), "without --purge the trash stays"
    emptied.gc("--apply", "--purge")
    assert not emptied.trash().exists()
    assert emptied.object("stays.bin").exists()


@pytest.mark.slow
def test_the_grace_is_a_setting_and_never_nothing(emptied: Yard) -> None:
    emptied.gc("--apply")
    emptied.age(emptied.trash(), 3)
    emptied.ana.git("config", "data.grace", "0")
    assert "data.grace is '0'" in emptied.gc("--apply", "--purge", code=128).err
    emptied.ana.git("config", "data.grace", "2")
    emptied.gc("--apply", "--purge")
    assert not emptied.trash().exists()


@pytest.mark.slow
@pytest.mark.parametrize("holder", ["branch", "tag", "annotated tag", "request", "local branch", "stash"])
def test_a_ref_that_still_names_it_keeps_it(yard: Yard, holder: str) -> None:
    git = yard.ana.git
    if holder == "branch":
        git("push", "-q", "origin", "HEAD:refs/heads/paper")
    elif holder == "tag":
        git("push", "-q", "origin", "HEAD:refs/tags/paper")
    elif holder == "annotated tag":
        git("tag", "-a", "-m", "as printed", "paper")
        git("push", "-q", "origin", "paper")
    elif holder == "request":
        git("push", "-q", "origin", "HEAD:refs/pull/7/head")
    elif holder == "local branch":
        git("branch", "-q", "mine")
    else:
        yard.ana.write("manifest.json", yard.ana.read("manifest.json") + b"\n")
        git("stash", "push", "-q", "manifest.json")
    yard.delete()
    assert "nothing to remove" in yard.gc("--apply").err
    assert yard.object().exists()


@pytest.mark.slow
def test_what_the_index_names_is_kept(yard: Yard) -> None:
    old = yard.ana.read("manifest.json")
    yard.delete()
    yard.ana.write("manifest.json", old)
    assert "nothing to remove" in yard.gc("--apply").err
    yard.ana.git("add", "-f", "manifest.json")
    yard.ana.git("show", "HEAD:manifest.json")
    assert "nothing to remove" in yard.gc("--apply").err


def test_an_entry_that_vanished_without_a_tombstone_is_kept(yard: Yard) -> None:
    """A force-push, or a hand that cut it out of the manifest."""
    manifest = yard.ana.manifest()
    del manifest["datasets"]["gone.bin"]
    yard.ana.write("manifest.json", json.dumps(manifest))
    yard.ana.git("add", "-f", "manifest.json")
    yard.ana.commit("cut it out", "--no-verify")
    yard.ana.git("push", "-q")
    assert "nothing to remove" in yard.gc("--apply").err
    assert yard.object().exists()


@pytest.mark.slow
def test_a_rollback_brings_it_back_from_the_trash(emptied: Yard) -> None:
    """A deleted version is asked for again while its bytes lie in the trash alone."""
    emptied.gc("--apply")
    emptied.ana.data("undelete", "gone.bin")
    emptied.ana.commit("bring it back")
    emptied.ana.git("push", "-q")
    emptied.publish()
    assert Oid.of(emptied.object().read_bytes()) == emptied.oids["gone.bin"]
    assert emptied.ana.states("gone.bin") == {"v2": "published", "v1": "deleted"}


@pytest.mark.slow
def test_a_tag_set_later_brings_it_back(yard: Yard) -> None:
    published = yard.ana.git("rev-parse", "HEAD").out.strip()
    yard.delete()
    yard.gc("--apply")
    yard.ana.git("push", "-q", "origin", f"{published}:refs/tags/paper")
    done = yard.world.publish(yard.ana)
    assert "its bytes are back from the trash" in done.err
    assert yard.object().exists()


@pytest.mark.slow
def test_a_purge_leaves_the_last_copy_of_what_is_named_again(yard: Yard) -> None:
    published = yard.ana.git("rev-parse", "HEAD").out.strip()
    yard.delete()
    yard.gc("--apply")
    yard.age(yard.trash(), 20)
    yard.ana.git("push", "-q", "origin", f"{published}:refs/heads/paper")
    done = yard.gc("--apply", "--purge")
    assert "named again, kept" in done.out
    assert yard.trash().exists()
    fresh = yard.world.clone("bob")
    fresh.git("switch", "-q", "paper")
    fresh.data("pull", "gone.bin")
    assert Oid.of(fresh.read("gone.bin")) == yard.oids["gone.bin"]


@pytest.mark.slow
def test_fsck_says_what_lies_in_the_trash_alone(emptied: Yard) -> None:
    git = emptied.ana.git
    published = git("log", "--format=%H", "--grep=delete", "--invert-grep", "-1").out.strip()
    emptied.gc("--apply")
    git("switch", "-q", "--detach", published)
    done = emptied.ana.data("fsck", "--remote", "--json")
    assert "in the trash: the next publish brings it back" in done.out
    emptied.trash().unlink()
    emptied.ana.data("fsck", "--remote", code=3)


def test_damaged_bytes_are_reported_and_never_replace_a_trash_copy(emptied: Yard) -> None:
    good = emptied.object().read_bytes()
    emptied.trash().parent.mkdir(parents=True)
    emptied.trash().write_bytes(good)
    emptied.object().chmod(0o644)
    emptied.object().write_bytes(b"x" * len(good))
    done = emptied.gc("--apply", code=6)
    assert "holds other bytes" in done.err
    assert emptied.object().exists()
    assert emptied.trash().read_bytes() == good


class TestDoubt:
    """Nothing is done, and the exit code is not 0."""

    def still(self, emptied: Yard) -> None:
        assert emptied.object().exists()
        assert not emptied.trash().exists()

    def test_a_shallow_clone(self, emptied: Yard) -> None:
        url = f"file://{emptied.world.origin}"
        emptied.ana.git("clone", "-q", "--depth", "1", url, str(emptied.world.root / "shallow"))
        shallow = Clone(emptied.world.root / "shallow", emptied.ana.env)
        shallow.data("trust", "--yes")
        done = shallow.data("gc", "--apply", code=128)
        assert "shallow" in done.err
        assert "git fetch --unshallow" in done.err
        self.still(emptied)

    def test_an_unreadable_manifest_at_any_root(self, emptied: Yard) -> None:
        git = emptied.ana.git
        git("switch", "-q", "-c", "broken")
        emptied.ana.write("manifest.json", '{"format": "git-data/manifest/9"}')
        git("add", "-f", "manifest.json")
        emptied.ana.commit("from the future", "--no-verify")
        git("push", "-q", "--no-verify", "origin", "broken")
        git("switch", "-q", "main")
        git("branch", "-q", "-D", "broken")
        done = emptied.gc("--apply", code=128)
        assert "refs/heads/broken" in done.err
        assert "nothing was done" in done.err
        self.still(emptied)

    def test_a_remote_that_does_not_answer(self, emptied: Yard) -> None:
        emptied.ana.git("remote", "set-url", "origin", str(emptied.world.root / "nowhere.git"))
        emptied.gc("--apply", code=7)
        self.still(emptied)

    @pytest.mark.slow
    def test_much_at_once(self, emptied: Yard) -> None:
        emptied.delete("stays.bin")
        done = emptied.gc("--apply", code=5)
        assert "2 objects, 100 % of the bytes" in done.err
        assert "git data gc --apply --confirm 2" in done.err
        self.still(emptied)
        assert "--confirm 2" in emptied.gc().err
        emptied.gc("--apply", "--confirm", "1", code=5)
        emptied.gc("--apply", "--confirm", "2")
        assert not emptied.object().exists()

    @pytest.mark.slow
    def test_many_refs_are_gone(self, emptied: Yard) -> None:
        refs = [f"refs/heads/b{n}" for n in range(30)]
        emptied.ana.git("push", "-q", "origin", *(f"HEAD:{ref}" for ref in refs))
        emptied.ana.write("more.bin", b"more")
        emptied.ana.data("add", "more.bin")
        emptied.ana.commit("more")
        emptied.ana.git("push", "-q")
        emptied.publish()
        emptied.delete("more.bin")
        emptied.gc("--apply", "--confirm", "9")
        emptied.ana.data("undelete", "more.bin")
        emptied.ana.commit("again")
        emptied.ana.git("push", "-q")
        emptied.publish()
        emptied.delete("more.bin")
        emptied.ana.git("push", "-q", "origin", *(f":{ref}" for ref in refs))
        done = emptied.gc("--apply", code=5)
        assert "an earlier run saw" in done.err
        emptied.gc("--apply", "--fewer-refs", "--confirm", "9")

    def test_another_repository_on_the_same_store(self, emptied: Yard) -> None:
        other = emptied.world.folder("production") / "repos" / ("ab" * 32 + ".json")
        other.write_text(
            json.dumps(
                {
                    "format": "git-data/repository/1",
                    "url": "https://example.org/other",
                    "registered": "2026-11-21T10:05:00Z",
                }
            )
        )
        done = emptied.gc("--apply", code=128)
        assert "--repository https://example.org/other" in done.err
        self.still(emptied)

    def test_an_address_from_a_bucket_is_quoted_where_it_can_be_pasted(self, emptied: Yard) -> None:
        folder = emptied.world.folder("production") / "repos"
        for n in range(30):
            document = {
                "format": "git-data/repository/1",
                "url": f"https://example.org/{n}$(touch owned); touch owned #",
                "registered": "2026-11-21T10:05:00Z",
            }
            (folder / (f"{n:02}" * 32 + ".json")).write_text(json.dumps(document))
        done = emptied.gc("--apply", code=128)
        assert "--repository 'https://example.org/0$(touch owned); touch owned #' --repository" in done.err
        assert len(done.err) < 3000
        self.still(emptied)

    @pytest.mark.parametrize("address", ["https://example.org:port/x", "https://[/x"])
    def test_no_address(self, emptied: Yard, address: str) -> None:
        done = emptied.gc("--apply", "--repository", address, code=128)
        assert "is no address of a repository" in done.err
        self.still(emptied)

    def test_another_run(self, emptied: Yard) -> None:
        folder = emptied.world.folder("production")
        (folder / "lease-gc").write_text(
            json.dumps(
                {
                    "format": "git-data/lease/1",
                    "holder": "bob on runner-7",
                    "nonce": "0" * 32,
                    "generation": 3,
                    "ttl": 7 * DAY,
                    "released": False,
                }
            )
        )
        done = emptied.gc("--apply", code=5)
        assert "bob on runner-7 holds the lease-gc" in done.err
        assert "git data gc --break-lease" in done.err
        self.still(emptied)
        assert "which of them" in emptied.gc("--break-lease", "--dry-run", code=129).err
        assert "bob on runner-7" in emptied.gc("--break-lease").out
        emptied.gc("--apply")
        assert not emptied.object().exists()


@pytest.mark.slow
def test_two_repositories_that_share_stores_keep_each_others_bytes(yard: Yard) -> None:
    """The second one's refs are read by its address, which a person gave."""
    git = yard.ana.git
    second = yard.world.root / "second.git"
    git("clone", "-q", "--bare", str(yard.world.origin), str(second))
    yard.delete()
    assert "nothing to remove" in yard.gc("--apply", "--repository", str(second)).err
    assert yard.object().exists()
    yard.gc("--apply")
    assert not yard.object().exists()


@pytest.mark.slow
def test_a_ref_that_went_unmerged_still_counts_for_a_while(yard: Yard) -> None:
    git = yard.ana.git
    git("push", "-q", "origin", "HEAD:refs/heads/paper")
    git("switch", "-q", "-c", "paper")
    yard.ana.write("x.txt", "x")
    git("add", "x.txt")
    yard.ana.commit("not merged")
    git("push", "-q", "-f", "origin", "paper")
    git("switch", "-q", "main")
    git("branch", "-q", "-D", "paper")
    yard.ana.write("more.bin", b"more")
    yard.ana.data("add", "more.bin")
    yard.ana.commit("more")
    git("push", "-q")
    yard.publish()
    yard.delete()
    yard.delete("more.bin")
    yard.gc("--apply")
    assert yard.object().exists()
    git("push", "-q", "origin", ":paper")
    assert "nothing to remove" in yard.gc("--apply").err
    for record in (yard.world.folder("production") / "audit").iterdir():
        yard.age(record, 91)
    yard.gc("--apply")
    assert not yard.object().exists()


def test_json_lists_what_it_did(emptied: Yard) -> None:
    planned = emptied.ana.json("gc", "--json")
    done = emptied.ana.json("gc", "--apply", "--json")
    assert (planned["dry_run"], done["dry_run"]) == (True, False)
    oid = emptied.oids["gone.bin"]
    expected = [
        {"key": f"objects/{oid.hex[:2]}/{oid.hex}", "oid": str(oid), "size": 3000, "label": "gone.bin v1"}
    ]
    assert planned["moved"] == done["moved"] == expected
    assert done["purged"] == done["kept"] == done["errors"] == []


@pytest.mark.slow
def test_what_is_named_while_it_is_copied_stays(emptied: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    git = emptied.ana.git
    published = git("log", "--format=%H", "--grep=delete", "--invert-grep", "-1").out.strip()
    named_after(monkeypatch, gc, lambda: git("push", "-q", "origin", f"{published}:refs/heads/paper"))
    report = gc.gc(DataManager.open(emptied.ana.path), apply=True)
    assert report.moved == []
    assert [i.oid for i in report.kept] == [emptied.oids["gone.bin"]]
    assert emptied.object().exists()


@pytest.mark.slow
def test_the_last_copy_of_what_is_named_right_before_a_purge_stays(
    emptied: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    git = emptied.ana.git
    published = git("log", "--format=%H", "--grep=delete", "--invert-grep", "-1").out.strip()
    emptied.gc("--apply")
    emptied.age(emptied.trash(), 20)
    named_after(monkeypatch, gc, lambda: git("push", "-q", "origin", f"{published}:refs/heads/paper"))
    report = gc.gc(DataManager.open(emptied.ana.path), purge=True, apply=True)
    assert report.purged == []
    assert emptied.trash().exists()


def test_nothing_of_its_refs_stays_behind(yard: Yard) -> None:
    yard.gc()
    assert "git-data/roots" not in yard.ana.git("for-each-ref").out
