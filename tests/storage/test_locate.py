"""Addresses: what is taken, what is refused before a request is sent, what overlaps."""

import re
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_datamanager.errors import SettingsError
from git_datamanager.storage import local
from git_datamanager.storage.base import ABSENT
from git_datamanager.storage.locate import Access, open_store, overlap, parse
from git_datamanager.storage.memory import MemoryStore
from git_datamanager.storage.s3 import S3Store
from git_datamanager.storage.wrappers import Retrying, innermost
from tests.s3server import KEYS
from tests.storage.contract import KEY, get, put

ACCOUNT = "0123456789abcdef0123456789abcdef"
R2_HOST = f"{ACCOUNT}.r2.cloudflarestorage.com"


@pytest.mark.parametrize(
    ("url", "place", "prefix", "shown"),
    [
        ("file:../store", "../store", "", None),
        ("file:/var/a b%20c", "/var/a b%20c", "", None),
        ("file:///var/a%20b", "/var/a b", "", "file:/var/a b"),
        ("mem:test-1", "test-1", "", None),
        ("s3://bucket", "bucket", "", None),
        ("s3://bucket/", "bucket", "", "s3://bucket"),
        ("s3://bucket/a/b/", "bucket", "a/b", "s3://bucket/a/b"),
        ("s3://bucket/a?region=eu-west-1&path_style=1", "bucket", "a", None),
        ("s3://bucket?endpoint=https%3A%2F%2Fminio.example:9000/", "bucket", "", "s3://bucket?endpoint=https://minio.example:9000"),
        ("r2://bucket/p", "bucket", "p", None),
        (f"r2://bucket?account={ACCOUNT}", "bucket", "", None),
        ("s3://bucket?endpoint=http://localhost:9000", "bucket", "", None),
        ("s3://bucket?endpoint=http://127.0.0.2:9000", "bucket", "", None),
        ("s3://bucket?endpoint=http://[::1]:9000", "bucket", "", "s3://bucket?endpoint=http://%5B::1%5D:9000"),
        ("s3://bucket?endpoint=http://nas.local:9000&insecure=1", "bucket", "", None),
    ],
)  # fmt: skip
def test_a_good_address(url: str, place: str, prefix: str, shown: str | None) -> None:
    address = parse(url)
    assert (address.place, address.prefix) == (place, prefix)
    assert str(address) == (shown or url)
    if not url.startswith("file:///"):
        assert parse(str(address)) == address


@pytest.mark.parametrize(
    "url",
    [
        "",
        "store",
        "../store",
        "C:\\store",
        "ftp://host/x",
        "file:",
        "file://host/share",
        "file:///a%0Ab",
        "mem:",
        "mem:a/b",
        "s3:bucket",
        "s3://",
        "s3:///prefix",
        "s3://b",
        "s3://bücket/x",
        "s3://bucket/../other",
        "s3://bucket/a//b",
        "s3://bucket/ä",
        "s3://bucket/a#b",
        "s3://bucket:9000/a",
        "s3://[::1/a",
        "s3://bucket?unknown=1",
        "s3://bucket?region=a&region=b",
        "s3://bucket?region=a b",
        "s3://bucket?path_style=perhaps",
        "s3://bucket?account=abc",
        "r2://bucket?account=evil.example/",
        "r2://bucket?account=a.b",
        "s3://bucket?endpoint=",
        "s3://bucket?endpoint=minio:9000",
        "s3://bucket?endpoint=ftp://minio",
        "s3://bucket?endpoint=https://host/path",
        "s3://bucket?endpoint=https://host:port",
        "s3://bucket?endpoint=https://[::1",
        "s3://bucket?endpoint=http://minio.example",
        "s3://bucket?endpoint=http://127.0.0.1.example",
        "s3://bucket?endpoint=http://minio.example&insecure=0",
    ],
)
def test_nonsense_is_refused(url: str) -> None:
    with pytest.raises(SettingsError):
        parse(url)


@pytest.mark.parametrize("character", ["\n", "\r", "\t", "\0", "\x1b", "\u2028"])
@pytest.mark.parametrize(
    "url", ["file:a{}b", "s3://buc{}ket/a", "s3://bucket/a{}b", "s3://bucket?endpoint=https://a{}b"]
)
def test_control_characters_are_refused(url: str, character: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse(url.format(character))
    assert character not in str(caught.value)


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "169.254.169.254.",
        "169.254.1.1",
        "2852039166",
        "0xa9fea9fe",
        "0251.0376.0251.0376",
        "169.254.43518",
        "[::ffff:169.254.169.254]",
        "[fd00:ec2::254]",
        "[fe80::1]",
        "0.0.0.0",  # noqa: S104
        "metadata.google.internal",
        "METADATA.google.internal.",
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_where_credentials_are_handed_out_nothing_is_stored(scheme: str, host: str) -> None:
    with pytest.raises(SettingsError, match="hands out credentials"):
        parse(f"s3://bucket?endpoint={scheme}://{host}/&insecure=1")


@pytest.mark.parametrize(
    "url",
    [
        "s3://KEY:canary@bucket/a",
        "s3://canary@bucket",
        "s3://bucket?endpoint=https://user:canary@host",
        "s3://bucket?secret_key=canary",
        "s3://bucket?aws_access_key_id=canary",
        "s3://bucket?session_token=canary",
        "s3://bucket?X-Amz-Signature=canary",
        "third://user:canary@host/x",
        "third://host/x?password=canary",
    ],
)
def test_credentials_are_refused_and_not_repeated(url: str, plugin: EntryPoint) -> None:
    with pytest.raises(SettingsError) as caught:
        parse(url)
    assert "canary" not in str(caught.value) + repr(caught.value.hints)


@given(st.text())
def test_any_text_is_an_address_or_a_settings_error(text: str) -> None:
    for url in (text, f"s3://{text}", f"s3://bucket/{text}", f"s3://bucket?endpoint={text}", f"file:{text}"):
        try:
            shown = str(parse(url))
        except SettingsError:
            continue
        assert not re.search(r"[\x00-\x1f]", shown)


def test_access_hides_its_secrets() -> None:
    shown = repr(Access(profile="work", access_key="canary", secret_key="canary", session_token="canary"))
    assert "canary" not in shown
    assert "work" in shown


def test_a_folder_counts_from_the_top_of_the_work_tree(tmp_path: Path) -> None:
    (tmp_path / "repo").mkdir()
    local.create(tmp_path / "store")
    store = open_store(parse("file:../store"), Access(), base=tmp_path / "repo")
    put(store)
    assert (tmp_path / "store" / KEY).exists()
    assert store.url == f"file:{tmp_path}/store"


def test_a_folder_is_taken_literally(tmp_path: Path) -> None:
    local.create(tmp_path / "a%20b")
    put(open_store(parse(f"file:{tmp_path}/a%20b"), Access(), base=tmp_path))
    local.create(tmp_path / "a b")
    put(open_store(parse(f"file://{tmp_path}/a%20b"), Access(), base=tmp_path))
    assert (tmp_path / "a b" / KEY).exists()
    assert (tmp_path / "a%20b" / KEY).exists()


def test_a_store_in_memory(tmp_path: Path) -> None:
    store = open_store(parse("mem:test_locate"), Access(), base=tmp_path)
    assert store is MemoryStore.named("test_locate")


@pytest.mark.parametrize("scheme", ["s3", "r2"])
def test_a_bucket(scheme: str, s3_endpoint: str, s3_bucket: str, tmp_path: Path) -> None:
    address = parse(f"{scheme}://{s3_bucket}/p?endpoint={s3_endpoint}")
    store = open_store(address, Access(**KEYS), base=tmp_path)
    assert isinstance(store, Retrying)
    put(store, expect=ABSENT)
    assert store.url == str(address)
    again = open_store(parse(f"s3://{s3_bucket}"), Access(**KEYS, endpoint=s3_endpoint), base=tmp_path)
    assert len(get(again, f"p/{KEY}")) > 0


def test_the_url_wins_over_the_settings(tmp_path: Path) -> None:
    access = Access(endpoint="https://other.example", region="other")
    store = open_store(parse("s3://bucket?endpoint=https://here.example&region=here"), access, base=tmp_path)
    login = _login(store)
    assert (login.endpoint, login.region) == ("https://here.example", "here")


def test_an_endpoint_of_the_settings_is_checked(tmp_path: Path) -> None:
    with pytest.raises(SettingsError):
        open_store(parse("s3://bucket"), Access(endpoint="http://169.254.169.254"), base=tmp_path)


def test_r2(tmp_path: Path) -> None:
    login = _login(open_store(parse("r2://bucket"), Access(account_id=ACCOUNT), base=tmp_path))
    assert (login.endpoint, login.region) == (f"https://{ACCOUNT}.r2.cloudflarestorage.com", "auto")
    with pytest.raises(SettingsError) as caught:
        open_store(parse("r2://bucket"), Access(), base=tmp_path)
    assert "R2_ACCOUNT_ID" in str(caught.value.hints)
    assert "data.remote.<name>.accountId" in str(caught.value.hints)
    with pytest.raises(SettingsError):
        open_store(parse("r2://bucket"), Access(account_id="evil.example/"), base=tmp_path)


def _login(store: object) -> object:
    inner = innermost(store)
    assert isinstance(inner, S3Store)
    return inner._login


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("file:/s", "file:/s", True),
        ("file:/s", "file:/s/production", True),
        ("file:/s/a/../b", "file:/s/b", True),
        ("file:/s", "file:/store", False),
        ("file:/s/a", "file:/s/b", False),
        ("file:s", "file:s/../s", True),
        ("file:/s", "s3://bucket/s", False),
        ("mem:a", "mem:a", True),
        ("mem:a", "mem:b", False),
        ("s3://bucket", "s3://bucket/p", True),
        ("s3://bucket/p", "s3://bucket/p", True),
        ("s3://bucket/p", "s3://bucket/p2", False),
        ("s3://bucket/p", "s3://other/p", False),
        ("s3://bucket/p?region=a", "s3://bucket/p?region=b", True),
        ("s3://bucket?endpoint=https://a.example", "s3://bucket?endpoint=https://b.example", False),
        ("s3://bucket?endpoint=https://A.example", "s3://bucket/p?endpoint=https://a.example:443", True),
        ("s3://bucket", "s3://bucket?endpoint=https://a.example", False),
        ("r2://bucket", "r2://bucket/p", True),
        ("r2://bucket", f"r2://bucket/p?account={ACCOUNT}", True),
        (f"r2://bucket?account={ACCOUNT}", f"s3://bucket?endpoint=https://{R2_HOST}", True),
        ("s3://bucket?endpoint=https://s3.eu-west-1.amazonaws.com", "s3://bucket/p", True),
        (f"r2://bucket?account={ACCOUNT}", "r2://bucket?account=other", False),
        ("r2://bucket", "s3://bucket", False),
    ],
)  # fmt: skip
def test_overlap(a: str, b: str, expected: bool) -> None:
    assert overlap(parse(a), parse(b)) is expected
    assert overlap(parse(b), parse(a)) is expected


def test_overlap_through_links_and_relative_paths(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert overlap(parse(f"file:{tmp_path}/real"), parse("file:../link/p"), base=tmp_path / "repo")


def opened(address: object, access: object, base: object) -> MemoryStore:
    return MemoryStore(str(address))


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> EntryPoint:
    """A package of a third party that knows `third:` addresses."""
    entry = EntryPoint("third", f"{__name__}:opened", "git_datamanager.storage")

    def entry_points(*, group: str, name: str) -> EntryPoints:
        return EntryPoints([entry]).select(group=group, name=name)

    monkeypatch.setattr("importlib.metadata.entry_points", entry_points)
    return entry


def test_a_third_party(plugin: EntryPoint, tmp_path: Path) -> None:
    store = open_store(parse("third://host/x?y=1"), Access(), base=tmp_path)
    assert store.url == "mem:third://host/x?y=1"
    assert overlap(parse("third://host/x"), parse("third://host/x"))
