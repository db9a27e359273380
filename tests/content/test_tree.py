"""The listing of a folder has one encoding, and no listing leads out of its folder."""

import contextlib
import hashlib
import io
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_datamanager.content import tree
from git_datamanager.content.tree import EMPTY, Member
from git_datamanager.errors import Corrupt
from git_datamanager.model.members import check_members, refusal
from tests.conftest import REPOSITORY

ONE = hashlib.sha256(b"1").digest()
HEX = ONE.hex()


def line(path: str, *, size: str = "1", digest: str = HEX, more: str = "") -> bytes:
    return f'{{"path": "{path}", "size": {size}, "oid": "sha256:{digest}"{more}}}\n'.encode(
        errors="surrogatepass"
    )


def member(path: str) -> Member:
    return Member(path, 1, ONE)


def listing(*members: Member) -> tree.Listing:
    return tree.listing(members, check=check_members)


def loads(data: bytes) -> tree.Listing:
    return tree.loads(data, check=check_members)


PARTS = st.text(st.sampled_from('abcXYZ01 -_."~äß漢é\u0301'), min_size=1, max_size=12)
PATHS = st.lists(PARTS, min_size=1, max_size=3).map("/".join).filter(lambda path: refusal(path) is None)
MEMBERS = st.builds(
    lambda path, data, mode: Member(path, len(data), hashlib.sha256(data).digest(), mode),
    PATHS,
    st.binary(max_size=3),
    st.booleans(),
)


@given(st.lists(MEMBERS, max_size=8))
def test_what_is_written_is_what_is_read(members: list[Member]) -> None:
    try:
        made = listing(*members)
    except Corrupt:
        return  # twins, or a file inside of a file
    data = tree.dumps(made)
    read = loads(data)
    assert read == made
    assert list(read) == sorted(members, key=lambda m: m.path.encode())
    assert tree.dumps(read) == data
    assert tree.digest_of(read) == hashlib.sha256(data).digest()
    assert read.size == sum(m.size for m in members)


@given(st.lists(MEMBERS, min_size=1, max_size=4), st.data())
def test_a_changed_byte_is_another_listing_or_none(members: list[Member], draw: st.DataObject) -> None:
    try:
        data = tree.dumps(listing(*members))
    except Corrupt:
        return
    at = draw.draw(st.integers(0, len(data) - 1))
    wrong = data[:at] + bytes([data[at] ^ draw.draw(st.integers(1, 255))]) + data[at + 1 :]
    with contextlib.suppress(Corrupt):
        assert tree.dumps(loads(wrong)) == wrong


def test_the_order_is_that_of_bytes() -> None:
    paths = ["a.b", "a/b", "aé", "a b", "Z", "a-b", "\U0001f600", "\ufffd"]
    assert [m.path.encode() for m in listing(*map(member, paths))] == sorted(p.encode() for p in paths)


def test_a_block_may_end_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    made = listing(*(member(f"d{n}/é{n}") for n in range(50)))
    data = tree.dumps(made)
    monkeypatch.setattr(tree, "_BLOCK", 179)
    assert tree.load(io.BytesIO(data), check=check_members) == made


def test_an_empty_folder_has_an_empty_listing() -> None:
    assert tree.dumps(listing()) == b""
    assert tree.digest_of(listing()) == EMPTY
    assert list(loads(b"")) == []


@pytest.mark.parametrize(
    "path",
    [
        "", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/..", "./a", "a/.", "C:/a", "a:b", "con",
        "d/NUL.csv", "com1", ".git/config", "d/.GIT/x", "d/.gitignore", "git~1", ".env", ".git-data-x",
        "a\u200b/.gi\u200ct", "a.", "a ", "a./b", "a /b", "x" * 201, "d/" * 600 + "x", "\u202eab", "\u2028",
        "\x85", "/", "//", ".git-data-tmp-1/x",
    ],
)  # fmt: skip
def test_paths_no_system_should_see_are_refused(path: str) -> None:
    with pytest.raises(Corrupt) as raised:
        loads(line(path))
    with pytest.raises(Corrupt):
        listing(member(path))
    assert raised.value.message.isascii()
    assert raised.value.message.isprintable()
    assert len(raised.value.message) < 900


@pytest.mark.parametrize(
    "path",
    ["manifest.json", ".zarray", "0.0.0", ".github/x", "a~b", 'say "x"', "-rf", "ÄÖ/漢", "a..b", "console"],
)
def test_paths_a_folder_may_hold(path: str) -> None:
    made = listing(member(path))
    assert loads(tree.dumps(made)) == made


@pytest.mark.parametrize(
    "data",
    [
        line("a\\\\b"),
        line("a\\u0062"),
        line("a\x01"),
        line("a\x7f"),
        line("a") + line("a"),
        line("b") + line("a"),
        line("a")[:-1],
        line("a") + b"\n",
        b"\n" + line("a"),
        line("a").replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + line("a"),
        line("a").replace(b": ", b":"),
        line("a").replace(b"{", b"{ "),
        line("a", size="01"),
        line("a", size="-1"),
        line("a", size="1.0"),
        line("a", size="1e3"),
        line("a", size='"1"'),
        line("a", size="9223372036854775808"),
        line("a", size="9999999999999999999999"),
        line("a", size="9223372036854775807") + line("b"),
        line("a", size="0"),
        line("a", digest=EMPTY.hex()),
        line("a", digest=HEX.upper()),
        line("a", digest=HEX[1:]),
        line("a", more=', "mode": "r"'),
        line("a", more=', "mode": "x", "mode": "x"'),
        line("a", more=', "more": 1'),
        line("a\ud800"),
        line("a").replace(b"a", b"\xff", 1),
        line('a"b'),
        b"[]\n",
        b"\0",
        b"{" * 100_000,
    ],
)
def test_anything_but_the_one_encoding_is_refused(data: bytes) -> None:
    with pytest.raises(Corrupt) as raised:
        loads(data)
    assert raised.value.message.isprintable()
    assert len(raised.value.message) < 900


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a", "a"),
        ("a", "a/b"),
        ("d/a", "d/a/b/c"),
        ("a", "A"),
        ("Data/x", "data/y"),
        ("data", "DATA/x"),
        ("caf\u00e9", "cafe\u0301"),
        ("stra\u00dfe", "STRASSE"),
        ("d/caf\u00e9/x", "d/cafe\u0301/y"),
        ("a\u200cb", "ab"),
        ("\u212b", "\u00c5"),
    ],
)
def test_two_that_are_one_somewhere_are_refused(one: str, other: str) -> None:
    with pytest.raises(Corrupt):
        listing(member(one), member(other))
    data = b"".join(sorted(line(path) for path in (one, other)))
    with pytest.raises(Corrupt):
        loads(data)


@pytest.mark.parametrize("count", [1, 3])
def test_neighbours_that_are_not_inside_of_each_other_are_fine(count: int) -> None:
    paths = ["a", "a.b", "a-b/c", "ab/c", "b/a/a", "b/a.a"][: 2 * count]
    assert [m.path for m in listing(*map(member, paths))] == sorted(paths)


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "MAX_MEMBERS", 2)
    assert len(loads(line("a") + line("b"))) == 2
    with pytest.raises(Corrupt):
        loads(line("a") + line("b") + line("c"))
    monkeypatch.setattr(tree, "MAX_BYTES", len(line("a")))
    with pytest.raises(Corrupt):
        loads(line("a") + line("b"))


def test_a_member_is_found_by_its_path() -> None:
    made = listing(*map(member, ["b", "a/c", "a.b"]))
    assert [made.position(p) for p in ("a.b", "a/c", "b", "a", "c")] == [0, 1, 2, None, None]
    assert [m.path for m in made.picked([0, 2])] == ["a.b", "b"]
    assert made[-1].path == "b"
    assert [m.path for m in made[1:]] == ["a/c", "b"]


def test_the_example_of_the_specification() -> None:
    page = (REPOSITORY / "docs" / "spec" / "tree-v1.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```json listing\n(.*?)```", page, re.DOTALL)
    made = loads(text.encode())
    assert tree.dumps(made) == text.encode()
    assert f"sha256:{tree.digest_of(made).hex()}" in page
    assert f"{len(text)} bytes" in page
    contents = [b"year,value\n\n", b"", b"#!/bin/sh\n"]
    assert [(m.size, m.digest) for m in made] == [(len(c), hashlib.sha256(c).digest()) for c in contents]
    assert Path(made[2].path).name == "run.sh"
    assert made[2].is_executable
