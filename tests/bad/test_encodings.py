"""Deltas, compressed forms and block indexes that are not what they should be: damaged, lying, bombs, gone.

Whoever reads one falls back or says what to do; the file that was there stays until the right bytes are.
"""

import contextlib
import random
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from git_datamanager.content import cuts, delta, groups, varint, zstd
from git_datamanager.content.cuts import Rule
from git_datamanager.errors import Corrupt, DataError, DirtyFile, ObjectMissing
from git_datamanager.events import Event, Kind
from git_datamanager.manager import DataManager
from git_datamanager.model.chains import SMALLEST
from git_datamanager.model.layout import Encoding, cuts_key, encoded_key, object_key
from git_datamanager.model.oid import Oid
from git_datamanager.objects import ObjectStore
from git_datamanager.ops import add, encode, lifecycle, pull, upload
from git_datamanager.ops.publishing import publish
from git_datamanager.ops.sweeping import gc
from git_datamanager.ops.sweeping.deleting import Asked
from git_datamanager.storage.wrappers import Wrapper
from tests.world import Clone, World, movable_world

SIZE = SMALLEST + 5000
BOUND = 96 << 20
"""Bytes of memory that reading a form may take at most, the library's own included."""


def version(number: int) -> bytes:
    """Noise; each version has a few other bytes than the one before."""
    data = bytearray(random.Random(1).randbytes(SIZE))
    for n in range(2, number + 1):
        data[n * 10_000 : n * 10_000 + 50] = b"%050d" % n
    return bytes(data)


OIDS = {number: Oid.of(version(number)) for number in range(1, 6)}


@dataclass
class Shop:
    """ana adds and uploads, ci publishes, ben has v1 and pulls; in this process, each time anew."""

    world: World
    notes: list[str] = field(default_factory=list)

    def open(self, who: str, progress: Callable[[Event], None] | None = None) -> DataManager:
        def hear(event: Event) -> None:
            if event.kind in (Kind.NOTE, Kind.WARNING):
                self.notes.append(event.text)

        return DataManager.open(self.world.root / who, progress=progress or hear)

    def clone(self, who: str) -> Clone:
        return Clone(self.world.root / who)

    def path(self, role: str, key: str) -> Path:
        return self.world.folder(role) / key

    def put(self, role: str, key: str, data: bytes) -> None:
        path = self.path(role, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_bytes(data)

    def commit(self, data: bytes, message: str = "change") -> None:
        self.clone("ana").write("a.bin", data)
        add.add(self.open("ana"), [self.world.root / "ana" / "a.bin"])
        self.clone("ana").commit(message)

    def upload(self) -> list[upload.Uploaded]:
        manager = self.open("ana")
        return upload.upload(manager, upload.pending_entries(manager.manifests.current()))

    def push(self) -> None:
        self.clone("ana").git("push", "-q")

    def publish(self) -> publish.Report:
        report = publish.publish(self.open("ci"), wait=0)
        self.clone("ana").git("pull", "-q", "--ff-only")
        return report

    def live(self, data: bytes) -> None:
        self.commit(data)
        self.upload()
        self.push()
        assert not self.publish().failures

    def pull(self, what: str = "a.bin", who: str = "ben") -> pull.Pulled:
        self.clone(who).git("pull", "-q", "--ff-only")
        (done,) = pull.pull(self.open(who), [what])
        return done

    def states(self) -> dict[str, str]:
        entries = self.open("ana").manifests.current().datasets["a.bin"].versions
        return {v.name: str(v.state) for v in entries}

    def delta(self, role: str, target: int, base: int) -> Path:
        return self.path(role, delta_key(target, base))


def delta_key(target: int, base: int) -> str:
    return encoded_key(OIDS[target], Encoding("delta", OIDS[base]))


@pytest.fixture(scope="module")
def founded(template_folder: Path) -> Shop:
    """v1 and v2 are published, v2 as a delta, too; v3 is pending, and a delta of it staged."""
    patch = pytest.MonkeyPatch()
    patch.setenv("GIT_DATA_TRUST", "1")
    world = movable_world(template_folder / "shop")
    world.found("ana", "--no-hooks")
    for name in ("ben", "ci"):
        world.clone(name).git("config", "data.hooks", "none")
    shop = Shop(world)
    for name in ("ana", "ben", "ci"):
        shop.clone(name).data("install")
        shutil.rmtree(world.root / name / ".git" / "hooks", ignore_errors=True)
    shop.live(version(1))
    shop.pull()
    shop.live(version(2))
    shop.commit(version(3))
    shop.upload()
    shop.push()
    shutil.rmtree(world.folder("production") / "repos")  # the copy has another address
    patch.undo()
    return shop


@pytest.fixture
def shop(founded: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setenv("GIT_DATA_TRUST", "1")
    shop = Shop(founded.world.copy(tmp_path / "shop"))
    assert shop.delta("production", 2, 1).exists()
    assert shop.delta("staging", 3, 2).exists()
    assert not shop.path("staging", object_key(OIDS[3])).exists()
    return shop


def damaged(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 255]) + data[middle + 1 :]


# Deltas that should not be.


def frame(data: bytes, level: int = 3) -> bytes:
    packed, out = zstd.packed(data, level=level, checksum=False), bytearray()
    varint.append(out, len(packed))
    return bytes(out) + packed


def header(target: int, base: int, **changes: Any) -> bytes:
    facts = {"base_oid": OIDS[base].hex, "base_size": SIZE, "oid": OIDS[target].hex, "size": SIZE}
    return delta.Header(Rule("content", 16384), **{**facts, **changes}).dumps()


def group(plan: bytes, literals: bytes = b"\0") -> bytes:
    return bytes([groups.GROUP]) + plan + literals


def copies(times: int) -> bytes:
    """A plan that takes the whole base again and again, without a dictionary."""
    plan = bytearray([0])
    for _ in range(times):
        varint.append(plan, 2 * SIZE)
        varint.append_signed(plan, -SIZE if len(plan) > 5 else 0)
    return bytes(plan)


def endless(target: int, base: int) -> bytes:
    """Some kilobytes that make many gigabytes."""
    return header(target, base) + group(frame(copies(20_000)))


def swollen_plan(target: int, base: int) -> bytes:
    """A plan of a gigabyte: frames of zeros after each other would not do, so one."""
    return header(target, base) + group(frame(bytes(256 << 20), level=1))


def swollen_literals(target: int, base: int) -> bytes:
    plan = bytearray([0])
    varint.append(plan, 2 * SIZE + 1)
    return header(target, base) + group(frame(bytes(plan)), frame(bytes(256 << 20), level=1))


def endless_length(target: int, base: int) -> bytes:
    """A frame that says it has 2^60 bytes."""
    out = bytearray(header(target, base) + bytes([groups.GROUP]))
    varint.append(out, 1 << 60)
    return bytes(out) + b"x" * 1000


def huge(target: int, base: int) -> bytes:
    """It says that it makes 4 EiB."""
    return header(target, base, size=varint.MAX, base_size=varint.MAX) + group(frame(copies(9)))


def other_bytes(target: int, base: int) -> bytes:
    """A good delta in itself, under the right key, of the right size; what it makes is another file."""
    out = BytesIO()
    onto = delta.Base(OIDS[base].hex, SIZE, BytesIO(version(base)), None)
    delta.make(BytesIO(version(5)), SIZE, OIDS[target].hex, onto, out)
    return out.getvalue()


def of_another(target: int, base: int) -> bytes:
    """A delta that says itself that it is one of another version."""
    out = BytesIO()
    onto = delta.Base(OIDS[base].hex, SIZE, BytesIO(version(base)), None)
    delta.make(BytesIO(version(5)), SIZE, OIDS[5].hex, onto, out)
    return out.getvalue()


def flipped(target: int, base: int) -> bytes:
    out = BytesIO()
    onto = delta.Base(OIDS[base].hex, SIZE, BytesIO(version(base)), None)
    delta.make(BytesIO(version(target)), SIZE, OIDS[target].hex, onto, out)
    return damaged(out.getvalue())


def empty(_target: int, _base: int) -> bytes:
    return b""


def garbage(_target: int, _base: int) -> bytes:
    return b"garbage" * 99


QUICK = [endless, other_bytes]
SLOW = [swollen_plan, swollen_literals, endless_length, huge, of_another, flipped, empty, garbage]
named = pytest.mark.parametrize(
    "made",
    [pytest.param(make, id=make.__name__) for make in QUICK]
    + [pytest.param(make, id=make.__name__, marks=pytest.mark.slow) for make in SLOW],
)


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    """Memory of this process does not grow by more than BOUND meanwhile, not even for a moment."""

    def look(name: str) -> int:
        found = re.search(rf"^{name}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
        assert found is not None
        return int(found[1]) << 10

    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = look("VmRSS")
    yield
    assert look("VmHWM") - before < BOUND


class TestDeltas:
    @named
    def test_pull_falls_back_to_the_plain_bytes(self, shop: Shop, made: Callable[[int, int], bytes]) -> None:
        shop.put("production", delta_key(2, 1), made(2, 1))
        with bounded():
            done = shop.pull("a.bin@v2")
        assert done.path.read_bytes() == version(2)
        assert any("fetching the plain bytes" in note for note in shop.notes)

    @named
    def test_publish_refuses_and_says_what_to_do(self, shop: Shop, made: Callable[[int, int], bytes]) -> None:
        shop.put("staging", delta_key(3, 2), made(3, 2))
        with bounded():
            ((_, error),) = shop.publish().failures
        assert isinstance(error, Corrupt)
        assert "it stays pending" in str(error)
        assert error.hints == (
            "GIT_DATA_ENCODING=identity git data upload a.bin   # in the clone where it was added",
        )
        assert shop.states() == {"v3": "pending", "v2": "published", "v1": "published"}
        assert not shop.path("production", object_key(OIDS[3])).exists()
        assert not shop.delta("production", 3, 2).exists()

    @named
    def test_pull_of_what_is_pending_leaves_the_old_file(
        self, shop: Shop, made: Callable[[int, int], bytes]
    ) -> None:
        shop.put("staging", delta_key(3, 2), made(3, 2))
        with bounded(), pytest.raises(DataError, match="v3"):
            shop.pull("a.bin")
        assert (shop.world.root / "ben" / "a.bin").read_bytes() == version(1)
        assert sorted(p.name for p in (shop.world.root / "ben").iterdir() if p.name[0] != ".") == [
            "a.bin",
            "manifest.json",
        ]

    def test_plain_bytes_heal_what_a_bad_delta_holds_up(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shop.put("staging", delta_key(3, 2), flipped(3, 2))
        assert shop.publish().failures
        monkeypatch.setenv("GIT_DATA_ENCODING", "identity")
        (sent,) = shop.upload()
        assert (sent.outcome, str(sent.encoding)) == ("uploaded", "identity")
        assert not shop.publish().failures
        assert shop.states()["v3"] == "published"
        assert not shop.delta("production", 3, 2).exists()

    @pytest.mark.slow
    def test_a_delta_that_does_not_fit_is_sent_anew_by_the_next_upload(self, shop: Shop) -> None:
        shop.put("staging", delta_key(3, 2), flipped(3, 2))
        (sent,) = shop.upload()
        assert (sent.outcome, sent.encoding.kind) == ("uploaded", "delta")
        assert not shop.publish().failures

    def test_the_command_line_tells_it_without_a_traceback(self, shop: Shop) -> None:
        shop.put("staging", delta_key(3, 2), endless(3, 2))
        done = shop.clone("ci").data("publish", code=6)
        assert "it stays pending" in done.err
        assert "GIT_DATA_ENCODING=identity git data upload a.bin" in done.err
        assert "Traceback" not in done.text


@pytest.mark.slow
class TestBases:
    """A delta whose base is gone, or has other bytes by now."""

    def harm(self, shop: Shop, role: str, number: int, how: str) -> None:
        key = object_key(OIDS[number])
        if how == "gone":
            shop.path(role, key).unlink()
        elif how == "other":
            shop.put(role, key, version(4))
        else:
            shop.put(role, key, version(number)[:-1000])

    @pytest.mark.parametrize("how", ["gone", "other", "short"])
    def test_publish_says_so_and_plain_bytes_heal(
        self, shop: Shop, how: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Both copies of the base are no good: in production, and what was staged."""
        for role in ("production", "staging"):
            for kind in ("objects", "delta"):
                shutil.rmtree(shop.world.folder(role) / kind / OIDS[2].hex[:2], ignore_errors=True)
        if how != "gone":
            self.harm(shop, "production", 2, how)
        before = shop.states()
        ((name, error),) = shop.publish().failures
        assert (name, type(error)) == ("a.bin", Corrupt if how == "other" else ObjectMissing)
        assert "git data upload a.bin" in error.hints[0]
        assert shop.states() == before
        monkeypatch.setenv("GIT_DATA_ENCODING", "identity")
        shop.upload()
        assert not shop.publish().failures
        assert shop.states()["v3"] == "published"

    @pytest.mark.parametrize("how", ["other", "short"])
    def test_pull_falls_back_where_its_own_copy_is_damaged(self, shop: Shop, how: str) -> None:
        manager = shop.open("ben")
        path = manager.cache.path(OIDS[1])
        (shop.world.root / "ben" / "a.bin").unlink()
        path.unlink()
        path.write_bytes(version(4) if how == "other" else version(1)[:1000])
        assert shop.pull("a.bin@v2").path.read_bytes() == version(2)
        assert any("fetching the plain bytes" in note for note in shop.notes)

    @pytest.mark.parametrize("how", ["other", "short"])
    def test_upload_with_a_damaged_copy_of_the_base_ends_well(
        self, shop: Shop, how: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One that is too short makes no delta; one with other bytes makes one that publish refuses."""
        path = shop.open("ana").cache.path(OIDS[3])
        path.unlink()
        path.write_bytes(bytes(20) + version(4)[20:] if how == "other" else version(3)[:-1000])
        shop.commit(version(4))
        sent = next(u for u in shop.upload() if u.version.oid == OIDS[4])
        shop.push()
        failures = shop.publish().failures
        if how == "short":
            assert (str(sent.encoding), failures) == ("identity", [])
            return
        assert failures
        monkeypatch.setenv("GIT_DATA_ENCODING", "identity")
        shop.upload()
        assert not shop.publish().failures

    def test_what_is_nowhere_any_more_is_told(self, shop: Shop) -> None:
        """Compacted, its plain bytes purged, and its base is gone: exit 3, with what shows more."""
        for key in (object_key(OIDS[2]), delta_key(2, 1)):
            shop.path("production", key).unlink()
        shutil.rmtree(shop.open("ana").cache.root)
        shutil.rmtree(shop.world.folder("staging"))
        shop.clone("ben").git("pull", "-q", "--ff-only")
        done = shop.clone("ben").data("pull", "a.bin@v2", code=3)
        assert "hint: git data fsck --remote" in done.err
        assert (shop.world.root / "ben" / "a.bin").read_bytes() == version(1)


@pytest.mark.slow
class TestReplaced:
    """A staged form is replaced between the look and the reading."""

    def swapping(self, shop: Shop, manager: DataManager, data: bytes) -> DataManager:
        store, key = manager.store("staging"), delta_key(3, 2)

        class Swapped(Wrapper):
            left = 1

            def read_object(self, found: str, **more: Any) -> Any:
                if found == key and self.left:
                    self.left = 0
                    shop.put("staging", key, data)
                return super().read_object(found, **more)

        manager.remotes._open["staging"] = ObjectStore(Swapped(store.adapter), "staging")
        return manager

    def test_publish_leaves_it_pending_and_the_next_run_goes_on(self, shop: Shop) -> None:
        good = shop.delta("staging", 3, 2).read_bytes()
        manager = self.swapping(shop, shop.open("ci"), good + b"")
        failures = publish.publish(manager, wait=0).failures
        assert all("it stays pending" in str(error) for _, error in failures)
        assert not publish.publish(shop.open("ci"), wait=0).failures
        assert shop.path("production", object_key(OIDS[3])).read_bytes() == version(3)

    def test_publish_takes_nothing_from_a_liar(self, shop: Shop) -> None:
        manager = self.swapping(shop, shop.open("ci"), other_bytes(3, 2))
        ((_, error),) = publish.publish(manager, wait=0).failures
        assert "it stays pending" in str(error)
        assert not shop.path("production", object_key(OIDS[3])).exists()

    def test_what_is_swapped_after_it_was_decoded_is_not_taken_over(self, shop: Shop) -> None:
        manager = shop.open("ci")
        store = manager.store("production")

        class Late(Wrapper):
            def copy_object(self, source: Any, source_key: str, key: str, **more: Any) -> Any:
                if source_key == delta_key(3, 2):
                    shop.put("staging", source_key, other_bytes(3, 2))
                return super().copy_object(source, source_key, key, **more)

        manager.remotes._open["production"] = ObjectStore(Late(store.adapter), "production")
        publish.publish(manager, wait=0)
        assert not shop.publish().failures
        assert shop.path("production", object_key(OIDS[3])).read_bytes() == version(3)
        assert not shop.delta("production", 3, 2).exists()

    def test_pull_tells_it_and_leaves_the_old_file(self, shop: Shop) -> None:
        shop.clone("ben").git("pull", "-q", "--ff-only")
        manager = self.swapping(shop, shop.open("ben"), other_bytes(3, 2))
        with pytest.raises(DataError, match="v3"):
            pull.pull(manager, ["a.bin"])
        assert (shop.world.root / "ben" / "a.bin").read_bytes() == version(1)


# Compressed forms.

TEXT = b"".join(b"%d,%d\n" % (n, n * n) for n in range(90_000))
TEXT_OID = Oid.of(TEXT)
ZSTD_KEY = encoded_key(TEXT_OID, Encoding("zstd"))


def by_the_tool(*options: str) -> bytes:
    if shutil.which("zstd") is None:
        pytest.skip("zstd is not installed")
    return subprocess.run(["zstd", "-q", "-c", *options], input=TEXT, capture_output=True, check=True).stdout


def with_dictionary() -> bytes:
    """As `zstd -D` makes it: the frame names the dictionary that it needs."""
    library = zstd.module()
    trained = library.train_dict([TEXT[n : n + 3000] for n in range(0, 600_000, 3000)], 8192)
    return bytes(library.compress(TEXT, zstd_dict=trained))


def bomb() -> bytes:
    """A frame of 512 MiB of zeros, then many more of 16 MiB."""
    compressor = zstd.module().ZstdCompressor(level=1)
    zeros = bytes(16 << 20)
    frame = b"".join(compressor.compress(zeros) for _ in range(32)) + compressor.flush()
    return bytes(frame) + zstd.packed(zeros, level=1) * 1024


def wide() -> bytes:
    """A window of a gigabyte is more than a reader has to lend."""
    library = zstd.module()
    parameter = library.CompressionParameter
    options = {parameter.window_log: 30, parameter.compression_level: 1}
    compressor = library.ZstdCompressor(options=options)
    return bytes(compressor.compress(TEXT) + compressor.flush())


class TestCompressed:
    @pytest.fixture
    def shop(self, shop: Shop) -> Shop:
        """A text is pending, its compressed form staged."""
        shop.clone("ana").write("a.csv", TEXT)
        add.add(shop.open("ana"), [shop.world.root / "ana" / "a.csv"])
        shop.clone("ana").commit("text")
        shop.upload()
        shop.push()
        assert shop.path("staging", ZSTD_KEY).exists()
        return shop

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "options", [(), ("-19", "--long=27"), ("-1", "--no-check"), ("--format=zstd", "-5")]
    )
    def test_frames_of_another_tool_are_accepted(self, shop: Shop, options: tuple[str, ...]) -> None:
        shop.put("staging", ZSTD_KEY, by_the_tool(*options))
        assert not shop.publish().failures
        assert shop.path("production", object_key(TEXT_OID)).read_bytes() == TEXT

    @pytest.mark.slow
    def test_several_frames_after_each_other_are_one_file(self, shop: Shop) -> None:
        shop.put("staging", ZSTD_KEY, zstd.packed(TEXT[:1000], level=3) + zstd.packed(TEXT[1000:], level=3))
        assert not shop.publish().failures

    @pytest.mark.parametrize(
        "made", [with_dictionary, bomb, wide, lambda: zstd.packed(TEXT[:-1], level=3), lambda: b"no frame"],
        ids=["dictionary", "bomb", "wide", "short", "garbage"],
    )  # fmt: skip
    def test_anything_else_is_refused(self, shop: Shop, made: Callable[[], bytes]) -> None:
        data = made()
        shop.put("staging", ZSTD_KEY, data)
        with bounded():
            failures = dict(shop.publish().failures)
        assert isinstance(failures["a.csv"], Corrupt)
        assert "it stays pending" in str(failures["a.csv"])
        assert "a.bin" not in failures, "one bad entry blocks no other"
        assert not shop.path("production", object_key(TEXT_OID)).exists()

    @pytest.mark.slow
    @pytest.mark.parametrize("made", [with_dictionary, bomb], ids=["dictionary", "bomb"])
    def test_in_production_it_is_not_needed(self, shop: Shop, made: Callable[[], bytes]) -> None:
        shop.publish()
        shop.put("production", ZSTD_KEY, made())
        with bounded():
            assert shop.pull("a.csv").path.read_bytes() == TEXT


@pytest.mark.slow
class TestCuts:
    """ana has no bytes of v3 any more; what is known of it are cuts in a store."""

    @pytest.fixture
    def shop(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
        monkeypatch.setattr(encode, "INDEXED", SMALLEST)
        shop.publish()
        shutil.rmtree(shop.world.root / "ana" / ".git" / "data" / "cache")
        shop.commit(version(4))
        shop.open("ana").cuts.path(OIDS[3]).unlink(missing_ok=True)
        return shop

    def index(self, data: bytes) -> bytes:
        return cuts.dumps(cuts.cut(BytesIO(data), len(data), cuts.rule_for(BytesIO(data), len(data))))

    def test_a_good_one_makes_a_delta(self, shop: Shop) -> None:
        shop.put("production", cuts_key(OIDS[3]), self.index(version(3)))
        (sent,) = shop.upload()
        assert str(sent.encoding) == f"delta:{OIDS[3]}"

    @pytest.mark.parametrize("how", ["garbage", "flipped", "of another size", "empty"])
    def test_without_a_good_one_the_plain_bytes_are_sent(self, shop: Shop, how: str) -> None:
        good = self.index(version(3))
        data = {
            "garbage": b"garbage" * 99,
            "flipped": damaged(good),
            "of another size": self.index(version(3)[:-1]),
            "empty": b"",
        }[how]
        shop.put("production", cuts_key(OIDS[3]), data)
        (sent,) = shop.upload()
        assert str(sent.encoding) == "identity"
        shop.push()
        assert not shop.publish().failures

    def test_one_that_lies_makes_a_delta_that_publish_refuses(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lie = bytearray(version(4))  # as if v3 had all that v4 has
        lie[:20] = bytes(20)
        shop.put("production", cuts_key(OIDS[3]), self.index(bytes(lie)))
        (sent,) = shop.upload()
        assert sent.encoding.kind == "delta"
        shop.push()
        ((_, error),) = shop.publish().failures
        assert "GIT_DATA_ENCODING=identity git data upload a.bin" in error.hints[0]
        monkeypatch.setenv("GIT_DATA_ENCODING", "identity")
        shop.upload()
        assert not shop.publish().failures
        assert shop.path("production", object_key(OIDS[4])).read_bytes() == version(4)


@pytest.mark.slow
class TestCompaction:
    """v1 and v2 are to do without plain bytes: v1 builds on v2, v2 on v3."""

    @pytest.fixture
    def shop(self, shop: Shop) -> Shop:
        assert not shop.publish().failures
        self.ask(shop, 1)
        return shop

    def ask(self, shop: Shop, keep: int | None) -> None:
        lifecycle.compact(shop.open("ana"), "a.bin", keep)
        shop.clone("ana").commit("compact")
        shop.push()

    def gc(self, shop: Shop, *, purge: bool = False) -> gc.Report:
        shop.clone("ci").git("pull", "-q")
        return gc.gc(shop.open("ci"), Asked(confirmed=99), purge=purge, fewer_refs=True, apply=True)

    def held(self, shop: Shop, number: int) -> bytes | None:
        path = shop.path("production", object_key(OIDS[number]))
        return path.read_bytes() if path.exists() else None

    def compacted(self, shop: Shop) -> set[str]:
        shop.clone("ana").git("pull", "-q")
        found = shop.open("ana").manifests.current().datasets["a.bin"].versions
        return {v.name for v in found if v.compacted}

    def test_a_base_that_went_leaves_the_plain_bytes(self, shop: Shop) -> None:
        """v3, on which v2 is to build; v1 builds on v2, which is good."""
        shutil.rmtree(shop.world.folder("production") / "delta" / OIDS[3].hex[:2])
        shop.path("production", object_key(OIDS[3])).unlink()
        failures = shop.publish().failures
        assert [type(error) for _, error in failures] == [ObjectMissing]
        assert "its plain bytes stay" in str(failures[0][1])
        assert self.compacted(shop) == {"v1"}
        self.gc(shop)
        assert self.held(shop, 2) == version(2)

    def test_a_version_with_other_bytes_is_not_compacted(self, shop: Shop) -> None:
        """A delta of them would rebuild them well; the hash is what counts."""
        shop.put("production", object_key(OIDS[2]), version(5))
        failures = shop.publish().failures
        assert failures
        assert all("its plain bytes stay" in str(error) for _, error in failures)
        assert "v2" not in self.compacted(shop)

    @named
    def test_gc_moves_nothing_that_its_delta_does_not_rebuild(
        self, shop: Shop, made: Callable[[int, int], bytes]
    ) -> None:
        assert not shop.publish().failures
        assert self.compacted(shop) == {"v1", "v2"}
        shop.put("production", delta_key(2, 3), made(2, 3))
        with bounded():
            report = self.gc(shop)
        assert "v2 is compacted, and its deltas do not rebuild it" in str(report.troubles[-1].error)
        assert self.held(shop, 2) == version(2)
        (v1,) = [i for i in report.moved if i.oid == OIDS[1]] or [None]
        assert v1 is not None, "it builds on v2, whose plain bytes are there"

    def test_a_base_that_went_afterwards_is_told_and_brings_plain_bytes_back(self, shop: Shop) -> None:
        """Its chain is broken, its plain bytes are in the trash: pull takes them, publish restores them."""
        shop.publish()
        self.gc(shop)
        assert self.held(shop, 1) is None
        for key in (delta_key(1, 2), delta_key(2, 3)):
            shop.path("production", key).unlink()
        (shop.world.root / "ben" / "a.bin").unlink()
        shutil.rmtree(shop.open("ben").cache.root)
        assert shop.pull("a.bin@v1").path.read_bytes() == version(1)
        assert not shop.publish().failures
        assert (self.held(shop, 1), self.held(shop, 2)) == (version(1), version(2))
        assert self.compacted(shop) == set()

    def test_off_needs_a_chain_that_is_whole_and_says_so(self, shop: Shop) -> None:
        shop.publish()
        self.gc(shop)
        shutil.rmtree(shop.world.folder("production") / "trash")
        shop.put("production", delta_key(2, 3), flipped(2, 3))
        shop.clone("ana").git("pull", "-q")
        self.ask(shop, None)
        failures = shop.publish().failures
        assert {name for name, _ in failures} == {"a.bin"}
        assert all(isinstance(error, DataError) and error.hints for _, error in failures)
        assert self.held(shop, 2) is None
        assert "v2" in self.compacted(shop), "a record goes only once its bytes are there"


@pytest.mark.slow
@pytest.mark.parametrize("what", ["grows", "shrinks", "changes"])
def test_a_file_that_changes_while_a_delta_is_made_of_it(shop: Shop, what: str) -> None:
    shop.clone("ana").git("config", "data.cache", "none")
    shop.clone("ana").write("b.csv", TEXT)
    path = shop.world.root / "ana" / "b.csv"
    add.add(shop.open("ana"), [path])
    done: list[str] = []

    def meddle(event: Event) -> None:
        if event.kind is Kind.ADVANCE and event.name == "b.csv" and not done:
            done.append(what)
            with path.open("r+b") as file:
                if what == "grows":
                    file.seek(0, 2)
                    file.write(b"more")
                elif what == "shrinks":
                    file.truncate(1000)
                else:
                    file.write(b"other")

    manager = shop.open("ana", meddle)
    staged = manager.manifests.staged()
    with pytest.raises(DataError) as caught:
        upload.upload(manager, upload.pending_entries(staged))
    assert done
    assert isinstance(caught.value, DirtyFile), caught.value
    assert "git data add" in caught.value.hints[0]
    form = shop.path("staging", ZSTD_KEY)
    assert not form.exists() or zstd.module().decompress(form.read_bytes()) == TEXT
    assert not shop.path("staging", object_key(TEXT_OID)).exists()
