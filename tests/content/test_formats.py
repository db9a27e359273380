"""The binary formats stay what they were: golden files and the specification's examples decode for ever."""

import io
import re
from pathlib import Path

import pytest

from git_datamanager.content import compress, cuts, delta, zstd
from tests.content.deltas import base_of, digest, made, paged, rebuilt

GOLDEN = Path(__file__).parent.parent / "golden"
SPEC = Path(__file__).parents[2] / "docs" / "spec"
WRITTEN_WITH = "1.5.7"
"""The zstd that wrote the golden files; another may compress otherwise."""

OLD = paged([b"page %d, " % number * 60 for number in range(30)])
NEW = paged([b"page %d, " % (number + number // 11) * 60 for number in range(34)] + [b"the end"])
TEXT_OLD = b"".join(b"%d,%d\n" % (number, number * 7919 % 1009) for number in range(20_000))
TEXT_NEW = TEXT_OLD[:100_000] + b"one line more\n" + TEXT_OLD[100_000:150_000] + TEXT_OLD[151_000:]
PAIRS = {
    "delta-fixed-1": (OLD, NEW, "file"),
    "delta-content-1": (TEXT_OLD, TEXT_NEW, "file"),
    "delta-cuts-1": (OLD, NEW, "cuts"),
}
FILES = {"cuts-fixed-1": OLD, "cuts-content-1": TEXT_OLD}
same_zstd = pytest.mark.skipif(
    zstd.module().zstd_version != WRITTEN_WITH,
    reason=f"the golden files were written with zstd {WRITTEN_WITH}",
)


def golden(name: str) -> bytes:
    return bytes.fromhex((GOLDEN / f"{name}.hex").read_text())


def index_of(data: bytes) -> cuts.Cuts:
    file = io.BytesIO(data)
    return cuts.cut(file, len(data), cuts.rule_for(file, len(data)))


def example(kind: str) -> bytes:
    text = (SPEC / f"{kind}-v1.md").read_text(encoding="utf-8")
    found = re.search(rf"^```hex {kind}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert found
    return bytes.fromhex(found[1])


@pytest.mark.parametrize("name", PAIRS)
def test_deltas_of_the_past_are_read(name: str) -> None:
    old, new, _ = PAIRS[name]
    assert rebuilt(golden(name), old, new) == new


@pytest.mark.parametrize("name", FILES)
def test_block_indexes_of_the_past_are_read(name: str) -> None:
    assert cuts.loads(golden(name), len(FILES[name])) == index_of(FILES[name])


@same_zstd
@pytest.mark.parametrize("name", PAIRS)
def test_deltas_are_written_as_ever(name: str) -> None:
    assert made(*PAIRS[name]) == golden(name)


@same_zstd
@pytest.mark.parametrize("name", FILES)
def test_block_indexes_are_written_as_ever(name: str) -> None:
    assert cuts.dumps(index_of(FILES[name])) == golden(name)


def test_the_example_of_a_delta() -> None:
    old = b"0123456789abcdef" * 64
    new = old[:512] + b"new\n" + old[512:]
    assert rebuilt(example("delta"), old, new) == new
    header = delta.read_header(io.BytesIO(example("delta")))
    assert (header.base_oid, header.oid, header.size) == (digest(old), digest(new), 1028)
    assert base_of(old).oid == header.base_oid


def test_the_example_of_a_block_index() -> None:
    data = bytes(512) + b"a" * 88
    assert cuts.loads(example("cuts"), 600) == cuts.cut(io.BytesIO(data), 600, cuts.Rule("fixed", 512))


def test_the_example_of_a_compressed_file() -> None:
    assert b"".join(compress.decompressed(io.BytesIO(example("zstd")), 20)) == b"hello, hello, hello\n"
