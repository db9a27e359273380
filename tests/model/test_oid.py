"""S45: a short or upper-case hash, another algorithm, the sha256 of nothing."""

import hashlib

import pytest

from git_datamanager.model.oid import EMPTY, Oid

HEX = hashlib.sha256(b"x").hexdigest()


def test_prints_and_parses_with_its_algorithm() -> None:
    oid = Oid.of(b"x")
    assert str(oid) == "sha256:" + HEX
    assert Oid.parse(str(oid)) == oid
    assert oid.short == HEX[:12]


def test_sha256_of_nothing() -> None:
    assert EMPTY.hex == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_orders_by_digest() -> None:
    assert Oid("0" * 64) < Oid("1" + "0" * 63)


@pytest.mark.parametrize(
    "text",
    ["", HEX, "sha256:", "sha256:" + HEX[:-1], "sha256:" + HEX + "0", "sha256:" + HEX.upper(),
     "SHA256:" + HEX, "sha512:" + HEX * 2, "md5:" + HEX[:32], "sha256:" + HEX + "\n", " sha256:" + HEX,
     "sha256:" + "g" * 64,
     "sha256:" + "٣" * 64, "sha256:sha256:" + HEX],
)  # fmt: skip
def test_refuses_what_is_no_sha256(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a sha256 id|not 64 lower-case"):
        Oid.parse(text)


def test_messages_stay_short() -> None:
    with pytest.raises(ValueError) as caught:
        Oid.parse("x" * 10_000)
    assert len(str(caught.value)) < 200
