"""Folder stores that are missing, not writable, full; objects in them that are gone, cut or others."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bad.scene import Scene, Still, refused, silent
from tests.world import Clone, Done

pytestmark = pytest.mark.slow

PASTE = "git config data.remote.staging.url "


@pytest.fixture
def scene(tracked: Scene) -> Scene:
    return tracked


def forget_bytes(clone: Clone, name: str = "a.csv") -> None:
    """Neither the working file nor the cache has the bytes any more."""
    (clone.path / name).unlink(missing_ok=True)
    for path in (clone.path / ".git/data/cache").glob("??/*"):
        path.unlink()


# Missing


@pytest.mark.parametrize(
    "words",
    [["upload"], ["pull"], ["publish"], ["status", "--remote"], ["fsck", "--remote"], ["verify"]],
    ids=" ".join,
)
def test_a_missing_store_folder_is_unreachable_and_never_created(scene: Scene, words: list[str]):
    forget_bytes(scene.ana)
    scene.staging.rename(scene.root / "moved")
    still = Still(scene)
    refused(scene.ana.data(*words, code=None), 7, str(scene.staging), run=PASTE, unchanged=False)
    still.check(but=[r"^ana\.data/production/lease$"])
    assert not scene.staging.exists()


def test_the_line_to_paste_works(scene: Scene):
    forget_bytes(scene.ana)
    scene.staging.rename(scene.root / "moved")
    err = scene.ana.data("pull", code=7).err
    line = (
        next(text for text in err.splitlines() if PASTE in text).removeprefix("hint: ").split("#")[0].strip()
    )
    key, value = line.split()[2:4]
    assert value.startswith("file:")
    scene.ana.git("config", key, f"file:{scene.root / 'moved'}")
    scene.ana.data("pull")
    assert scene.ana.read("a.csv") == b"1\n"


def test_a_missing_production_folder_names_production(scene: Scene):
    scene.production.rename(scene.root / "moved")
    still = Still(scene)
    refused(scene.ana.data("publish", code=None), 7, run="git config data.remote.production.url ")
    still.check()


def test_adding_needs_no_store(scene: Scene):
    scene.staging.rename(scene.root / "moved")
    scene.ana.write("b.csv", "2\n")
    scene.ana.data("add", "b.csv")
    assert scene.ana.states("b.csv") == {"v1": "pending"}
    scene.ana.data("status")


def test_a_file_in_the_place_of_the_store_is_no_store(scene: Scene):
    scene.staging.rename(scene.root / "moved")
    scene.staging.write_text("not a folder\n")
    forget_bytes(scene.ana)
    still = Still(scene)
    refused(scene.ana.data("pull", code=None), 7, run=PASTE, unchanged=False)
    still.check()


# Not writable

NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]


@pytest.fixture
def read_only() -> Iterator[object]:
    """Mounts folders read-only: for root, whom no mode bit stops."""
    mounted: list[Path] = []

    def mount(folder: Path) -> None:
        done = subprocess.run(
            ["mount", "--bind", "-o", "ro", str(folder), str(folder)], capture_output=True, check=False
        )
        if done.returncode:
            pytest.skip(f"this machine mounts nothing: {done.stderr.decode().strip()}")
        mounted.append(folder)

    yield mount
    for folder in mounted:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_store_on_a_read_only_mount_refuses_uploads_and_still_serves(scene: Scene, read_only):
    scene.add("b.csv", "2\n", upload=False, push=False)
    read_only(scene.staging)
    still = Still(scene)
    refused(scene.ana.data("upload", code=None), 4, str(scene.staging), run="git data upload")
    still.check()
    forget_bytes(scene.ana)
    scene.ana.data("pull", "a.csv")
    assert scene.ana.read("a.csv") == b"1\n"


def test_publish_into_a_read_only_store_leaves_all_pending(scene: Scene, read_only):
    read_only(scene.production)
    still = Still(scene)
    refused(scene.ana.data("publish", code=None), 4, str(scene.production), run="git data publish")
    still.check()
    assert scene.ana.states("a.csv") == {"v1": "pending"}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_somebody_without_rights_on_the_store_is_refused(scene: Scene, home: Path):
    forget_bytes(scene.ana)
    scene.staging.chmod(0o700)
    for folder in [*scene.root.parents, home]:
        if folder.is_relative_to("/tmp") and folder != Path("/tmp"):
            folder.chmod(folder.stat().st_mode | 0o055)
    subprocess.run(["chown", "-R", "65534:65534", str(scene.ana.path)], check=True)
    still = Still(scene)
    done = scene.ana.run(*NOBODY, sys.executable, "-P", "-m", "git_datamanager", "pull", code=None)
    if "No module named" in done.err or "can't open file" in done.err:
        pytest.skip("the interpreter of this machine is not readable for others")
    refused(done, 4, "no permission", run=None, unchanged=False)
    still.check()


# Full


def small(clone: Clone, *words: str, limit: int) -> Done:
    """Run where no file grows beyond `limit` bytes: writes fail as on a full disk (EFBIG)."""

    def narrow() -> None:
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = subprocess.run(
        ["git-data", *words],
        cwd=clone.path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        preexec_fn=narrow,
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture
def tmpfs() -> Iterator[object]:
    """Mounts a file system of a few MiB over a folder."""
    mounted: list[Path] = []

    def mount(folder: Path, size: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        words = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        done = subprocess.run(words, capture_output=True, check=False)
        if done.returncode:
            pytest.skip(f"this machine mounts nothing: {done.stderr.decode().strip()}")
        mounted.append(folder)

    yield mount
    for folder in mounted:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_staging_store_keeps_nothing_half(scene: Scene, tmpfs):
    tmpfs(scene.staging, "512k")
    oid = scene.add("big.bin", os.urandom(1 << 20), upload=False, push=False)
    still = Still(scene)
    refused(scene.ana.data("upload", "big.bin", code=None), 128, "no space left", run="git data upload")
    still.check()
    assert not scene.object("staging", oid).exists()
    subprocess.run(["mount", "-o", "remount,size=8m", str(scene.staging)], check=True)
    scene.ana.data("upload", "big.bin")
    assert scene.object("staging", oid).stat().st_size == 1 << 20


def test_a_full_production_store_leaves_the_version_pending_and_the_next_run_ends_it(scene: Scene, tmpfs):
    tmpfs(scene.production, "512k")
    big = scene.add("big.bin", os.urandom(1 << 20))
    done = scene.ana.data("publish", code=None)
    refused(done, 128, "no space left", run="git data publish")
    scene.ana.git("pull", "-q")
    assert scene.ana.states("big.bin") == {"v1": "pending"}
    assert scene.ana.states("a.csv") == {"v1": "published"}
    assert not scene.object("production", big).exists()
    subprocess.run(["mount", "-o", "remount,size=8m", str(scene.production)], check=True)
    scene.publish()
    assert scene.ana.states("big.bin") == {"v1": "published"}


def test_a_full_work_tree_keeps_the_old_file(scene: Scene, tmpfs):
    scene.add("sub/big.bin", b"old\n")
    scene.add("sub/big.bin", os.urandom(1 << 20))
    scene.ana.data("pull", "sub/big.bin@v1")
    (scene.ana.path / "sub/big.bin").unlink()
    tmpfs(scene.ana.path / "sub", "512k")
    scene.ana.write("sub/big.bin", "old\n")
    still = Still(scene)
    refused(scene.ana.data("pull", "sub/big.bin", code=None), 128, "no space left", run="git data pull")
    still.check()
    assert scene.ana.read("sub/big.bin") == b"old\n"


def test_a_full_disk_for_the_manifest_leaves_the_old_one(scene: Scene):
    rows = "".join(f"{n}\n" for n in range(40))
    for name in [f"n{n}.csv" for n in range(12)]:
        scene.ana.write(name, rows + name)
    scene.ana.data("add", *[f"n{n}.csv" for n in range(12)])
    scene.ana.commit()
    scene.ana.write("one.csv", "1\n")
    size = (scene.ana.path / "manifest.json").stat().st_size
    assert size > 2600
    still = Still(scene)
    refused(small(scene.ana, "add", "one.csv", limit=2048), 128, "File too large", run="df -h")
    still.check()
    scene.ana.data("add", "one.csv")


def test_a_cache_on_a_full_disk_stops_add_and_loses_nothing(scene: Scene, tmpfs):
    scene.ana.write("big.bin", os.urandom(1 << 20))
    tmpfs(scene.ana.path / ".git/data/cache", "500k")
    still = Still(scene)
    refused(scene.ana.data("add", "big.bin", code=None), 128, "No space left", run="df -h")
    still.check()


@pytest.mark.parametrize("limit", [0, 1000, 1_048_575])
def test_what_the_cache_has_is_whole_wherever_the_disk_is_full(scene: Scene, limit: int):
    """The write that meets the end takes what fits and reports no error (write(2))."""
    scene.ana.write("big.bin", os.urandom(1 << 20))
    still = Still(scene)
    refused(small(scene.ana, "add", "big.bin", limit=limit), 128, "File too large", run="df -h")
    still.check()
    scene.ana.data("add", "big.bin")
    cached = scene.ana.path / ".git/data/cache"
    assert 1 << 20 in [path.stat().st_size for path in cached.glob("??/*")]


# Damaged objects


def cut(path: Path) -> None:
    path.chmod(0o644)
    os.truncate(path, path.stat().st_size // 2)


def flip(path: Path) -> None:
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def grow(path: Path) -> None:
    path.chmod(0o644)
    with path.open("ab") as file:
        file.write(b"x")


def lose(path: Path) -> None:
    path.unlink()


DAMAGE = {lose: 3, cut: 6, grow: 6, flip: 6}
damage = pytest.mark.parametrize("hurt", DAMAGE, ids=lambda hurt: hurt.__name__)


@damage
def test_pull_of_a_bad_staged_object_keeps_the_old_file(scene: Scene, hurt):
    old = scene.ana.versions("a.csv")[0]["oid"]
    new = scene.add("a.csv", "2\n" * 1000)
    forget_bytes(scene.ana)
    scene.ana.data("pull", "a.csv@v1")
    hurt(scene.object("staging", new))
    assert old != new
    still = Still(scene)
    refused(scene.ana.data("pull", code=None), DAMAGE[hurt], run="git data upload a.csv")
    still.check()
    assert scene.ana.read("a.csv") == b"1\n"


@damage
def test_pull_of_a_bad_published_object_keeps_the_old_file(scene: Scene, hurt):
    scene.publish()
    new = scene.add("a.csv", "2\n" * 1000)
    scene.publish()
    forget_bytes(scene.ana)
    scene.ana.data("pull", "a.csv@v1")
    hurt(scene.object("production", new))
    scene.object("staging", new).unlink()
    still = Still(scene)
    refused(scene.ana.data("pull", code=None), DAMAGE[hurt], "production", run="git data fsck --remote")
    still.check()
    assert scene.ana.read("a.csv") == b"1\n"


@damage
def test_one_bad_object_stops_no_other_dataset(scene: Scene, hurt):
    bad = scene.add("bad.csv", "bad\n" * 1000)
    scene.add("good.csv", "good\n")
    for name in ("bad.csv", "good.csv"):
        forget_bytes(scene.ana, name)
    hurt(scene.object("staging", bad))
    assert silent(scene.ana.data("pull", code=None)).code == DAMAGE[hurt]
    assert scene.ana.read("good.csv") == b"good\n"
    assert not (scene.ana.path / "bad.csv").exists()


@damage
def test_publish_of_a_bad_staged_object_leaves_it_pending_and_the_others_go_live(scene: Scene, hurt):
    bad = scene.add("bad.csv", "bad\n" * 1000)
    scene.add("good.csv", "good\n")
    hurt(scene.object("staging", bad))
    done = scene.ana.data("publish", code=None)
    refused(done, DAMAGE[hurt], "bad.csv v1", "stays pending", run="git data upload bad.csv")
    scene.ana.git("pull", "-q")
    states = [scene.ana.states(name)["v1"] for name in ("a.csv", "bad.csv", "good.csv")]
    assert states == ["published", "pending", "published"]
    assert not scene.object("production", bad).exists()


@damage
def test_upload_again_heals_a_bad_staged_object(scene: Scene, hurt):
    oid = scene.ana.versions("a.csv")[0]["oid"]
    hurt(scene.object("staging", oid))
    scene.ana.data("upload")
    assert scene.object("staging", oid).read_bytes() == b"1\n"


@damage
def test_a_bad_object_in_production_is_overwritten_from_verified_staging(scene: Scene, hurt):
    oid = scene.ana.versions("a.csv")[0]["oid"]
    target = scene.object("production", oid)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(b"1\n")
    hurt(target)
    scene.publish()
    assert target.read_bytes() == b"1\n"


def test_upload_of_bytes_that_are_nowhere_says_where_to_go(scene: Scene):
    scene.add("b.csv", "2\n", upload=False, push=False)
    forget_bytes(scene.ana, "b.csv")
    still = Still(scene)
    refused(scene.ana.data("upload", code=None), 3, "b.csv v1", run="git data upload b.csv", unchanged=False)
    still.check()


def test_upload_of_a_file_that_is_no_longer_what_was_added(scene: Scene):
    oid = scene.add("b.csv", "2\n", upload=False, push=False)
    forget_bytes(scene.ana, "none")
    scene.ana.write("b.csv", "3\n")
    still = Still(scene)
    refused(scene.ana.data("upload", code=None), 5, "b.csv", run="git data add b.csv")
    still.check()
    assert not scene.object("staging", oid).exists()


def test_a_damaged_cache_heals_from_the_store(scene: Scene):
    flip(next((scene.ana.path / ".git/data/cache").glob("??/*")))
    (scene.ana.path / "a.csv").unlink()
    scene.ana.data("pull")
    assert scene.ana.read("a.csv") == b"1\n"


def test_fsck_tells_wrong_missing_and_unreachable_apart(scene: Scene):
    oid = scene.ana.versions("a.csv")[0]["oid"]
    assert scene.ana.data("fsck", "--remote").code == 0
    flip(scene.object("staging", oid))
    assert "wrong bytes" in scene.ana.data("fsck", "--remote", code=6).out
    cut(scene.object("staging", oid))
    assert "wrong size" in scene.ana.data("fsck", "--remote", code=6).out
    lose(scene.object("staging", oid))
    assert "missing" in scene.ana.data("fsck", "--remote", code=3).out
    scene.staging.rename(scene.root / "moved")
    done = scene.ana.data("fsck", "--remote", code=7)
    assert "0 bad, 1 unknown" in done.out
    assert "  missing" not in done.out
